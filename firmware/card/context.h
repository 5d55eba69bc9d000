/* SPDX-License-Identifier: Apache-2.0 */
/* Contexts of the host's processes: opened by INIT, ended with their process by SHUTDOWN. */
#ifndef VKBENCH_CARD_CONTEXT_H
#define VKBENCH_CARD_CONTEXT_H
#include <stdbool.h>
#include <stdint.h>

#define CONTEXTS 16u
#define CONTEXT_NONE 0u    /* VK_NEW_CTX: a message of no context */

struct contexts {
    uint32_t open;             /* bit n: context n + 1 */
    uint32_t pid[CONTEXTS];
};

/** A new context of the process, 1..CONTEXTS, or CONTEXT_NONE if there is none left. */
uint32_t context_open(struct contexts *contexts, uint32_t pid);

bool context_is_open(const struct contexts *contexts, uint32_t context);

/** Whether the context is open and the process's. */
bool context_belongs(const struct contexts *contexts, uint32_t context, uint32_t pid);

void context_close_pid(struct contexts *contexts, uint32_t pid);
void context_close_all(struct contexts *contexts);

#endif

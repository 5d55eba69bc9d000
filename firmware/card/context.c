/* SPDX-License-Identifier: Apache-2.0 */
/* Contexts: see context.h. */
#include "context.h"

uint32_t context_open(struct contexts *contexts, uint32_t pid)
{
    for (uint32_t i = 0; i < CONTEXTS; i++)
        if (!(contexts->open >> i & 1u)) {
            contexts->open |= 1u << i;
            contexts->pid[i] = pid;
            return i + 1;
        }
    return CONTEXT_NONE;
}

bool context_is_open(const struct contexts *contexts, uint32_t context)
{
    return context != CONTEXT_NONE && context <= CONTEXTS && (contexts->open >> (context - 1) & 1u);
}

bool context_belongs(const struct contexts *contexts, uint32_t context, uint32_t pid)
{
    return context_is_open(contexts, context) && contexts->pid[context - 1] == pid;
}

void context_close_pid(struct contexts *contexts, uint32_t pid)
{
    for (uint32_t i = 0; i < CONTEXTS; i++)
        if (contexts->pid[i] == pid)
            contexts->open &= ~(1u << i);
}

void context_close_all(struct contexts *contexts)
{
    contexts->open = 0;
}

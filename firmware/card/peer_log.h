/* SPDX-License-Identifier: Apache-2.0 */
/* The card's last words in BAR 4: the driver prints them when the card raises sys_fault or falls silent. */
#ifndef VKBENCH_CARD_PEER_LOG_H
#define VKBENCH_CARD_PEER_LOG_H
#include <stdint.h>

/** Appends "text a b" and a NUL, the numbers in hexadecimal; pushes out the oldest bytes. */
void peer_log(const char *text, uint32_t a, uint32_t b);

#endif

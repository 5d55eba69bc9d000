/* SPDX-License-Identifier: Apache-2.0 */
/* The card's firmware as main() and the tests drive it. */
#ifndef VKBENCH_CARD_H
#define VKBENCH_CARD_H
#include <stdbool.h>
#include <stdint.h>

/** From reset to a card that the host may use. */
void card_start(void);

/** Handles events that have been read and not been cleared. True: call again without waiting for one. */
bool card_turn(uint32_t events);

/** The two ends that the lab can order (LAB_HANG, LAB_TRAP); they do not return on the soft core. */
void card_hang(void);
void card_trap(void);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* What the host reads about the card before it sends a message: queue descriptors, card information. */
#ifndef VKBENCH_CARD_TABLES_H
#define VKBENCH_CARD_TABLES_H
#include <stdint.h>

enum monitor_entry { MONITOR_DMA, MONITOR_MSGQ, MONITOR_COUNT };

/** Writes everything but status and marker into memories that hardware has zeroed. */
void tables_write(uint32_t store_bytes);

/** Shows how much of a resource is in use. */
void tables_monitor(enum monitor_entry entry, uint32_t used);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* One direction of a message queue in BAR 2. The host can write anything into descriptor and ring: of what
 * they hold only the host's own index is ever believed, and only if it is one. */
#ifndef VKBENCH_CARD_RING_H
#define VKBENCH_CARD_RING_H
#include <stdbool.h>
#include <stdint.h>

enum ring_status {
    RING_OK,
    RING_EMPTY,
    RING_FULL,
    RING_BAD_INDEX,  /* the host's index is not below the size */
    RING_OVERRUN     /* a message says it is longer than what the host has written */
};

struct ring {
    uint32_t descriptor, start;  /* soft core addresses */
    uint32_t index;              /* the card's own: next block to read, or to write */
};

/** Descriptor number as in BAR 2: 0.. to the card, QUEUES.. to the host. */
void ring_init(struct ring *ring, uint32_t number);

/** Looks at the next message: its length in blocks, and its first blocks (up to max_blocks) in words. */
enum ring_status ring_peek(const struct ring *ring, uint32_t *words, uint32_t max_blocks, uint32_t *blocks);

/** Gives the blocks of a message back to the host. */
void ring_skip(struct ring *ring, uint32_t blocks);

/** After RING_BAD_INDEX or RING_OVERRUN: drops everything up to an index of the host's (modulo the size). */
void ring_resync(struct ring *ring, uint32_t index);

/** RING_OK when the ring to the host has room for a block. */
enum ring_status ring_room(const struct ring *ring);

/** Sends a block; like ring_room() it may say RING_FULL or RING_BAD_INDEX, and then does nothing. */
enum ring_status ring_put(struct ring *ring, const uint32_t words[4]);

/** What the host's index holds now, for the log. */
uint32_t ring_host_index(const struct ring *ring);

#endif

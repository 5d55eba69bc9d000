/* SPDX-License-Identifier: Apache-2.0 */
/* Message rings: see ring.h. Whether a ring goes to the host is seen from its descriptor's number. */
#include "ring.h"

#include "card_map.h"
#include "mmio.h"

#define INDEX_MASK (QUEUE_BLOCKS - 1)
#define FIRST_TO_HOST (CARD_BAR2 + QUEUE_DESCRIPTORS + QUEUES * QUEUE_DESCRIPTOR_BYTES)

void ring_init(struct ring *ring, uint32_t number)
{
    ring->descriptor = CARD_BAR2 + QUEUE_DESCRIPTORS + number * QUEUE_DESCRIPTOR_BYTES;
    ring->start = CARD_BAR2 + QUEUE_RINGS + number * QUEUE_BLOCKS * BLOCK_BYTES;
    ring->index = 0;
}

uint32_t ring_host_index(const struct ring *ring)
{
    return mmio_read32(ring->descriptor + (ring->descriptor < FIRST_TO_HOST ? QUEUE_WR_IDX : QUEUE_RD_IDX));
}

static uint32_t block_address(const struct ring *ring, uint32_t ahead)
{
    return ring->start + ((ring->index + ahead) & INDEX_MASK) * BLOCK_BYTES;
}

enum ring_status ring_peek(const struct ring *ring, uint32_t *words, uint32_t max_blocks, uint32_t *blocks)
{
    uint32_t write = ring_host_index(ring), held, length;

    if (write >= QUEUE_BLOCKS)
        return RING_BAD_INDEX;
    held = (write - ring->index) & INDEX_MASK;
    if (held == 0)
        return RING_EMPTY;
    /* Once only, as the host may change it at any time. */
    length = 1 + (mmio_read32(block_address(ring, 0)) >> 8 & 0xffu);
    if (length > held)
        return RING_OVERRUN;
    for (uint32_t i = 0; i < length && i < max_blocks; i++) {
        uint32_t block = block_address(ring, i);
        words[4 * i] = mmio_read32(block);
        words[4 * i + 1] = mmio_read32(block + 4);
        words[4 * i + 2] = mmio_read32(block + 8);
        words[4 * i + 3] = mmio_read32(block + 12);
    }
    *blocks = length;
    return RING_OK;
}

void ring_skip(struct ring *ring, uint32_t blocks)
{
    ring->index = (ring->index + blocks) & INDEX_MASK;
    mmio_write32(ring->descriptor + QUEUE_RD_IDX, ring->index);
}

void ring_resync(struct ring *ring, uint32_t index)
{
    ring->index = index;
    ring_skip(ring, 0);
}

enum ring_status ring_room(const struct ring *ring)
{
    uint32_t read = ring_host_index(ring);

    if (read >= QUEUE_BLOCKS)
        return RING_BAD_INDEX;
    if (((ring->index + 1) & INDEX_MASK) != read)
        return RING_OK;
    /* The host may have overwritten the card's index, and then never reads what would make room. */
    mmio_write32(ring->descriptor + QUEUE_WR_IDX, ring->index);
    return RING_FULL;
}

enum ring_status ring_put(struct ring *ring, const uint32_t words[4])
{
    enum ring_status status = ring_room(ring);
    uint32_t block = block_address(ring, 0);

    if (status != RING_OK)
        return status;
    for (uint32_t i = 0; i < 4; i++)
        mmio_write32(block + 4 * i, words[i]);
    ring->index = (ring->index + 1) & INDEX_MASK;
    mmio_write32(ring->descriptor + QUEUE_WR_IDX, ring->index);
    return RING_OK;
}

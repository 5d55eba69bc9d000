/* SPDX-License-Identifier: Apache-2.0 */
/* A DMA channel: see dma.h. */
#include "dma.h"

void dma_init(struct dma *dma, enum dma_channel channel)
{
    /* Offsets of the reader's registers serve both channels. */
    uint32_t distance = VK_CARD_WRITER_HOST_LO_OFFSET - VK_CARD_READER_HOST_LO_OFFSET;

    dma->base = CARD_REGS + (channel == DMA_READER ? 0 : distance);
    dma->open_first = 0;
    dma->open_end = 0;
}

void dma_abort(const struct dma *dma)
{
    mmio_write32(dma->base + VK_CARD_READER_CONTROL_OFFSET, VK_CARD_READER_CONTROL_ABORT_MASK);
}

/* Descriptors that may be queued before a result is taken. */
static uint32_t room(const struct dma *dma)
{
    return DMA_OPEN_MAX - (dma->open_end - dma->open_first);
}

static bool is_full(uint32_t base)
{
    return mmio_read32(base + VK_CARD_READER_STATUS_OFFSET) & VK_CARD_READER_STATUS_FULL_MASK;
}

static void write_descriptor(uint32_t base, uint32_t host_lo, uint32_t host_hi, uint32_t store,
                             uint32_t bytes)
{
    mmio_write32(base + VK_CARD_READER_HOST_LO_OFFSET, host_lo);
    mmio_write32(base + VK_CARD_READER_HOST_HI_OFFSET, host_hi);
    mmio_write32(base + VK_CARD_READER_STORE_OFFSET, store);
    mmio_write32(base + VK_CARD_READER_BYTES_OFFSET, bytes);
}

enum dma_status dma_queue(struct dma *dma, const struct dma_descriptor *descriptor, uint8_t tag)
{
    if (descriptor->bytes == 0)
        return DMA_ARGUMENT;
    if (room(dma) == 0 || is_full(dma->base))
        return DMA_FULL;
    write_descriptor(dma->base, descriptor->host_lo, descriptor->host_hi, descriptor->store,
                     descriptor->bytes);
    dma->tags[dma->open_end++ % DMA_OPEN_MAX] = tag;
    return DMA_QUEUED;
}

const struct dma_entry *dma_queue_list(struct dma *dma, const struct dma_entry *entry,
                                       const struct dma_entry *end, uint32_t *store, uint8_t tag)
{
    /* Copies, because the compiler must assume that a register is part of *dma. */
    uint32_t base = dma->base, at = *store, open_end = dma->open_end, stop = open_end + room(dma);

    while (entry != end && open_end != stop && !is_full(base)) {
        uint32_t bytes = entry->bytes;
        write_descriptor(base, entry->host_lo, entry->host_hi, at, bytes);
        dma->tags[open_end++ % DMA_OPEN_MAX] = tag;
        at += bytes;
        entry++;
    }
    *store = at;
    dma->open_end = open_end;
    return entry;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* One channel of the card's DMA engine: descriptors in, results out in the same order. Each descriptor
 * carries a tag of its owner's, because both directions fetch their SGLs through the reader. */
#ifndef VKBENCH_CARD_DMA_H
#define VKBENCH_CARD_DMA_H
#include <stdbool.h>
#include <stdint.h>

#include "card_map.h"
#include "mmio.h"

enum dma_channel { DMA_READER, DMA_WRITER };  /* host to card memory, card memory to host */

/** How a descriptor ended: DmaResult of rtl/vk/vk_pkg.sv. */
enum dma_code {
    DMA_OK,
    DMA_UR,
    DMA_CA,
    DMA_CRS,
    DMA_POISONED,
    DMA_MALFORMED,
    DMA_TIMEOUT,
    DMA_ABORTED,
    DMA_BAD
};

enum dma_status {
    DMA_QUEUED,
    DMA_FULL,       /* try again after a result */
    DMA_ARGUMENT,   /* zero bytes */
    DMA_TAKEN,
    DMA_NONE        /* no result */
};

struct dma_descriptor {
    uint32_t host_lo, host_hi, store, bytes;
};

/** One piece of host memory, as it lies in an SGL. */
struct dma_entry {
    uint32_t bytes, host_lo, host_hi;
};

/* Descriptors and results that a channel holds (rtl/vk/vk_card_channel.sv), a power of two. */
#define DMA_OPEN_MAX 8u

struct dma {
    uint32_t base;
    uint32_t open_first, open_end;    /* free running; tags of descriptors without a result */
    uint8_t tags[DMA_OPEN_MAX];
};

void dma_init(struct dma *dma, enum dma_channel channel);

/** Ends every descriptor; their results still have to be taken. */
void dma_abort(const struct dma *dma);

static inline bool dma_idle(const struct dma *dma)
{
    return dma->open_first == dma->open_end;
}

/** Queues one descriptor. The engine itself refuses what leaves the card memory or wraps (DMA_BAD). */
enum dma_status dma_queue(struct dma *dma, const struct dma_descriptor *descriptor, uint8_t tag);

/** Queues entries of a list as long as the channel takes them, one behind the other in card memory: returns
 * the first that was not queued, and moves store. */
const struct dma_entry *dma_queue_list(struct dma *dma, const struct dma_entry *entry,
                                       const struct dma_entry *end, uint32_t *store, uint8_t tag);

/** Takes the next result: DMA_TAKEN with its tag and code, or DMA_NONE. In line for long lists. */
static inline enum dma_status dma_take(struct dma *dma, uint8_t *tag, enum dma_code *code)
{
    uint32_t result;

    if (dma_idle(dma))
        return DMA_NONE;
    result = mmio_read32(dma->base + VK_CARD_READER_RESULT_OFFSET);
    if (!(result & VK_CARD_READER_RESULT_VALID_MASK))
        return DMA_NONE;
    *code = (enum dma_code)(result & VK_CARD_READER_RESULT_CODE_MASK);
    *tag = dma->tags[dma->open_first++ % DMA_OPEN_MAX];
    return DMA_TAKEN;
}

#endif

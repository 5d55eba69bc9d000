/* SPDX-License-Identifier: Apache-2.0 */
/* Scatter-gather lists of the host, checked piece by piece as they arrive: {u32 entries, u32 total}, then
 * {u32 bytes, u64 address} each. Pure. */
#ifndef VKBENCH_CARD_SGL_H
#define VKBENCH_CARD_SGL_H
#include <stdint.h>

#include "dma.h"

#define SGL_HEADER_BYTES 8u
#define SGL_ENTRY_BYTES 12u
#define SGL_ENTRY_MAX (16u << 20)   /* bytes; the driver merges pages up to this (BCM_VK_MAX_SGL_CHUNK) */

enum sgl_result { SGL_OK, SGL_BAD, SGL_NO_ROOM };

struct sgl {
    uint32_t entries;    /* not seen yet */
    uint32_t remaining;  /* bytes that they must add up to */
};

/** Takes the header of a list of list_bytes whose data goes to (or comes from) room bytes of card memory. */
enum sgl_result sgl_begin(struct sgl *sgl, uint32_t entries, uint32_t total, uint32_t list_bytes,
                          uint32_t room);

/** Checks the next count (at most sgl->entries) entries; with SGL_OK all of them may be used. */
enum sgl_result sgl_check(struct sgl *sgl, const struct dma_entry *entry, uint32_t count);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* SGL checks: see sgl.h. */
#include "sgl.h"

enum sgl_result sgl_begin(struct sgl *sgl, uint32_t entries, uint32_t total, uint32_t list_bytes,
                          uint32_t room)
{
    sgl->entries = entries;
    sgl->remaining = total;
    if (entries == 0 || list_bytes < SGL_HEADER_BYTES ||
        entries > (list_bytes - SGL_HEADER_BYTES) / SGL_ENTRY_BYTES)
        return SGL_BAD;
    return total > room ? SGL_NO_ROOM : SGL_OK;
}

enum sgl_result sgl_check(struct sgl *sgl, const struct dma_entry *entry, uint32_t count)
{
    uint32_t remaining = sgl->remaining;

    for (const struct dma_entry *end = entry + count; entry != end; entry++) {
        uint32_t bytes = entry->bytes, last = bytes - 1;
        /* Zero bytes are 2^32 - 1 here. */
        if (last >= SGL_ENTRY_MAX || last >= remaining)
            return SGL_BAD;
        if (entry->host_lo + last < last && entry->host_hi == UINT32_MAX)
            return SGL_BAD;
        remaining -= bytes;
    }
    sgl->remaining = remaining;
    sgl->entries -= count;
    return sgl->entries == 0 && remaining != 0 ? SGL_BAD : SGL_OK;
}

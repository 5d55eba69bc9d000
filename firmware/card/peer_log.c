/* SPDX-License-Identifier: Apache-2.0 */
/* Ring of characters in the info RAM: see peer_log.h. The host may have written anything into its indices. */
#include "peer_log.h"

#include "card_map.h"
#include "mmio.h"

#define LOG (CARD_BAR4 + PEER_LOG_BASE)

static uint32_t put(uint32_t at, char byte)
{
    uint32_t word = LOG + PEER_LOG_DATA + (at & (PEER_LOG_BYTES - 4)), shift = 8 * (at & 3u);
    uint32_t value = mmio_read32(word) & ~(0xffu << shift);

    mmio_write32(word, value | (uint32_t)(uint8_t)byte << shift);
    return (at + 1) & (PEER_LOG_BYTES - 1);
}

static uint32_t put_number(uint32_t at, uint32_t value)
{
    at = put(at, ' ');
    for (uint32_t shift = 32; shift;) {
        shift -= 4;
        if (shift == 0 || value >> shift)
            at = put(at, "0123456789abcdef"[value >> shift & 15u]);
    }
    return at;
}

void peer_log(const char *text, uint32_t a, uint32_t b)
{
    uint32_t start = mmio_read32(LOG + PEER_LOG_WR) & (PEER_LOG_BYTES - 1), at = start;
    uint32_t read = mmio_read32(LOG + PEER_LOG_RD) & (PEER_LOG_BYTES - 1), used, held;

    while (*text)
        at = put(at, *text++);
    at = put_number(at, a);
    at = put_number(at, b);
    at = put(at, '\0');
    used = (start - read) & (PEER_LOG_BYTES - 1);
    held = (at - start) & (PEER_LOG_BYTES - 1);
    if (used + held >= PEER_LOG_BYTES)
        mmio_write32(LOG + PEER_LOG_RD, (at + 1) & (PEER_LOG_BYTES - 1));
    mmio_write32(LOG + PEER_LOG_WR, at);
}

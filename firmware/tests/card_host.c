/* SPDX-License-Identifier: Apache-2.0 */
/* The driver's part: see card_host.h. */
#include "card_host.h"

#include <string.h>

uint32_t host_seed = 1;
struct segment host_segments[HOST_SEGMENTS];
const enum mock_dma_mode host_modes[2] = {MOCK_DMA_AT_ONCE, MOCK_DMA_LAZY};

void host_check_equal(unsigned long actual, unsigned long expected, const char *what, const char *file,
                      int line)
{
    if (actual != expected)
        mock_violation("%s:%d: %s is 0x%lx, not 0x%lx", file, line, what, actual, expected);
}

uint32_t host_random(uint32_t below)
{
    host_seed ^= host_seed << 13;
    host_seed ^= host_seed >> 17;
    host_seed ^= host_seed << 5;
    return host_seed % below;
}

uint8_t *host_at(uint64_t address)
{
    CHECK(address >= MOCK_HOST_BASE && address - MOCK_HOST_BASE < MOCK_HOST_BYTES);
    return mock.host + (address - MOCK_HOST_BASE);
}

void host_put32(uint64_t address, uint32_t value)
{
    memcpy(host_at(address), &value, 4);
}

void host_fill(uint64_t address, uint32_t bytes)
{
    for (uint8_t *byte = host_at(address); bytes; bytes--)
        *byte++ = (uint8_t)host_random(256);
}

uint32_t host_scatter(uint64_t from, uint32_t count, uint32_t limit)
{
    uint32_t sum = 0;

    for (uint32_t i = 0; i < count; i++) {
        from += host_random(limit / 2 + 1);
        host_segments[i] = (struct segment){from, 1 + host_random(limit)};
        from += host_segments[i].bytes;
        sum += host_segments[i].bytes;
    }
    return sum;
}

struct plane host_sgl(uint64_t at, const struct segment *segments, uint32_t count)
{
    uint32_t total = 0;

    for (uint32_t i = 0; i < count; i++) {
        host_put32(at + 8 + 12 * i, segments[i].bytes);
        host_put32(at + 12 + 12 * i, (uint32_t)segments[i].address);
        host_put32(at + 16 + 12 * i, (uint32_t)(segments[i].address >> 32));
        total += segments[i].bytes;
    }
    host_put32(at, count);
    host_put32(at + 4, total);
    return (struct plane){at, 8 + 12 * count};
}

void host_trans_buf(unsigned queue, uint32_t id, uint32_t command, uint32_t context, uint32_t store,
                    const struct plane *planes, uint32_t count)
{
    uint32_t words[64] = {0}, blocks = 1 + (12 * count + 15) / 16, at = 4 * blocks - 3 * count;

    words[0] = 5 | (blocks - 1) << 8 | (id << 4 | queue) << 16;
    words[1] = context;
    words[2] = command | (count & 15);
    words[3] = store;
    for (uint32_t i = 0; i < count; i++, at += 3) {
        words[at] = planes[i].bytes;
        words[at + 1] = (uint32_t)planes[i].sgl;
        words[at + 2] = (uint32_t)(planes[i].sgl >> 32);
    }
    mock_send(queue, words, blocks);
    mock_run();
}

void host_message(unsigned queue, uint32_t function, uint32_t id, uint32_t context, uint32_t command,
                  uint32_t argument)
{
    uint32_t words[4] = {function | (id << 4 | queue) << 16, context, command, argument};

    mock_send(queue, words, 1);
    mock_run();
}

uint32_t host_reply(unsigned queue, uint32_t id)
{
    uint32_t words[4];

    CHECK(mock_receive(queue, words));
    CHECK_EQ(words[0] >> 16, id << 4 | queue);
    CHECK_EQ(words[0] >> 8 & 0xff, 0);
    return words[3];
}

void host_no_reply(unsigned queue)
{
    uint32_t words[4];

    CHECK(!mock_receive(queue, words));
}

void host_works(unsigned queue)
{
    struct segment segment = {MOCK_HOST_BASE + 0x80000 + host_random(0x1000), 1 + host_random(5000)};
    struct plane plane;

    host_fill(segment.address, segment.bytes);
    plane = host_sgl(MOCK_HOST_BASE + host_random(0x1000), &segment, 1);
    host_trans_buf(queue, 0x777, HOST_UPLOAD, 0, 3, &plane, 1);
    CHECK_EQ(host_reply(queue, 0x777), 0);
    CHECK(memcmp(mock.store + 3, host_at(segment.address), segment.bytes) == 0);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* The driver's part in the card's tests: lists in host memory, messages, replies; and how a case checks. */
#ifndef VKBENCH_CARD_HOST_H
#define VKBENCH_CARD_HOST_H
#include "card_mock.h"

#define CHECK(condition)                                                               \
    do {                                                                               \
        if (!(condition))                                                              \
            mock_violation("%s:%d: not true: %s", __FILE__, __LINE__, #condition);     \
    } while (0)
#define CHECK_EQ(actual, expected) host_check_equal((actual), (expected), #actual, __FILE__, __LINE__)

void host_check_equal(unsigned long actual, unsigned long expected, const char *what, const char *file,
                      int line);

struct segment {
    uint64_t address;
    uint32_t bytes;
};

struct plane {
    uint64_t sgl;
    uint32_t bytes;
};

enum host_command { HOST_UPLOAD = 0x400, HOST_DOWNLOAD = 0x500 };

/* Where the cases keep what is transferred, away from their lists. */
#define HOST_DATA (MOCK_HOST_BASE + 0x40000)
#define HOST_SEGMENTS 4200u

extern struct segment host_segments[HOST_SEGMENTS];
extern const enum mock_dma_mode host_modes[2];

/** Fills host_segments: count of random length up to limit, any alignment, with gaps. Returns their sum. */
uint32_t host_scatter(uint64_t from, uint32_t count, uint32_t limit);

extern uint32_t host_seed;
uint32_t host_random(uint32_t below);

/** Bytes at a bus address of host memory. */
uint8_t *host_at(uint64_t address);
void host_put32(uint64_t address, uint32_t value);
void host_fill(uint64_t address, uint32_t bytes);

/** Writes an SGL; returns what the driver would write into the message. */
struct plane host_sgl(uint64_t at, const struct segment *segments, uint32_t count);

/** Sends a TRANS_BUF and runs the card. */
void host_trans_buf(unsigned queue, uint32_t id, uint32_t command, uint32_t context, uint32_t store,
                    const struct plane *planes, uint32_t count);

/** Sends a message of one block and runs the card. */
void host_message(unsigned queue, uint32_t function, uint32_t id, uint32_t context, uint32_t command,
                  uint32_t argument);

/** Takes the next reply, which must be that of id, and returns its arg. */
uint32_t host_reply(unsigned queue, uint32_t id);
void host_no_reply(unsigned queue);

/** A transfer of one segment of bytes that must succeed. */
void host_works(unsigned queue);

#endif

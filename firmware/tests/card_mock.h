/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Everything around the card's firmware, on byte arrays: BAR memories, vk_card registers, both DMA
 * channels, card memory, a piece of host memory, and the driver's side of the message queues. Written from
 * docs/messages.md and the register descriptions, not from the firmware. What the firmware must never do
 * ends the program: an access to anything that is not there, a DMA that no SGL and no boot buffer of the
 * host names or that leaves its area of card memory, a descriptor into a full channel, work that never
 * ends.
 */
#ifndef VKBENCH_CARD_MOCK_H
#define VKBENCH_CARD_MOCK_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MOCK_STORE_BYTES (1u << 20)
#define MOCK_USER_BYTES (MOCK_STORE_BYTES - 0x80000u)
#define MOCK_SGL_STORE (MOCK_STORE_BYTES - 0x40000u)
#define MOCK_HOST_BYTES (1u << 20)
/* Ends beyond 4 GiB, so that lists and buffers cross the carry. */
#define MOCK_HOST_BASE (0x100000000ull - MOCK_HOST_BYTES / 2)
#define MOCK_QUEUES 3u
#define MOCK_BLOCKS 64u

enum mock_dma_mode {
    MOCK_DMA_AT_ONCE,   /* a result as soon as a descriptor is queued */
    MOCK_DMA_LAZY,      /* one result each time the firmware sleeps */
    MOCK_DMA_HELD       /* results only by mock_dma_finish() */
};

struct mock_descriptor {
    uint64_t host;
    uint32_t store, bytes;
};

struct mock_channel {
    uint32_t latch[3];
    struct mock_descriptor open[8];
    uint32_t open_count;
    uint8_t results[16];
    uint32_t result_count;
    unsigned long descriptors, bytes;   /* since the reset */
};

struct mock {
    uint8_t *store, *host;              /* exactly as long as they are, for the sanitizer */
    uint32_t bar0[0x1000 / 4], bar2[0x10000 / 4], bar4[0x1000 / 4];
    uint32_t events, mask, boot, errors, lab_command, control;
    unsigned long irqs[8];
    struct mock_channel channel[2];
    uint32_t depth;                     /* descriptors a channel holds */
    enum mock_dma_mode mode;
    /* The descriptor this many from now ends with that code, without data; 0: none. */
    uint32_t fault_after[2], fault_code[2];
    /* The host writes a word of queue memory just before the firmware's read this many from now; 0: never. */
    uint32_t race_after, race_offset, race_value;
    bool hung, trapped;
    uint32_t host_wr[MOCK_QUEUES];      /* what the host wrote last */
};

extern struct mock mock;

/** Card reset as hardware does it, then the firmware's start. boot: the BOOT register. */
void mock_reset(uint32_t boot);

/** Lets the firmware run until it sleeps with nothing pending. */
void mock_run(void);

void mock_event(uint32_t events);

/** Ends the oldest descriptor of a channel (0: reader, 1: writer); false: there is none. */
bool mock_dma_finish(unsigned channel, uint32_t code);

/** The host writes words of queue memory; they may name planes from now on. */
void mock_host_write(uint32_t bar2_offset, uint32_t value);

/** The host puts blocks into a ring to the card (wrapping), wr_idx and doorbell. */
void mock_send(unsigned queue, const uint32_t *words, uint32_t blocks);

/** Takes the next block from a ring to the host; false: none. */
bool mock_receive(unsigned queue, uint32_t words[4]);

uint32_t mock_queue_word(unsigned descriptor, uint32_t offset);

/** Prints and ends the program. */
_Noreturn void mock_violation(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* Queue descriptors, card information: see tables.h. Only words that are not zero are written. */
#include "tables.h"

#include "card_map.h"
#include "mmio.h"
#include "service.h"
#include "transfer.h"

#ifndef FIRMWARE_VERSION
#define FIRMWARE_VERSION "host"
#endif

#define TEXT4(a, b, c, d) \
    ((uint32_t)(a) | (uint32_t)(b) << 8 | (uint32_t)(c) << 16 | (uint32_t)(d) << 24)

/* As the words of a little endian memory, so that it is copied without taking it to pieces. */
union tag {
    char text[INFO_TAG_BYTES];
    uint32_t words[INFO_TAG_BYTES / 4];
};

static const union tag os_tag = {"vkbench card " FIRMWARE_VERSION};
static const union tag cmpt_tag = {"vkbench endpoint 1"};

static void write_tag(uint32_t offset, const union tag *tag)
{
    for (uint32_t i = 0; tag->words[i] != 0; i++)
        mmio_write32(CARD_BAR4 + INFO_BASE + offset + 4 * i, tag->words[i]);
}

static void write_queues(void)
{
    uint32_t descriptor = CARD_BAR2 + QUEUE_DESCRIPTORS, ring = QUEUE_RINGS;

    for (uint32_t i = 0; i < 2 * QUEUES; i++) {
        /* Type 0 is to the card, 1 to the host. */
        mmio_write32(descriptor + QUEUE_TYPE, i < QUEUES ? i << 16 : (i - QUEUES) << 16 | 1u);
        mmio_write32(descriptor + QUEUE_START, ring);
        mmio_write32(descriptor + QUEUE_SIZE, QUEUE_BLOCKS);
        if (i + 1 < 2 * QUEUES)
            mmio_write32(descriptor + QUEUE_NEXT, descriptor - CARD_BAR2 + QUEUE_DESCRIPTOR_BYTES);
        descriptor += QUEUE_DESCRIPTOR_BYTES;
        ring += QUEUE_BLOCKS * BLOCK_BYTES;
    }
    mmio_write32(CARD_BAR2 + VK_BAR1_MSGQ_NR_OFFSET, 2 * QUEUES);
    mmio_write32(CARD_BAR2 + VK_BAR1_MSGQ_CTRL_OFF_OFFSET, QUEUE_DESCRIPTORS);
}

static void write_info(uint32_t store_bytes)
{
    uint32_t numbers = CARD_BAR4 + INFO_BASE + INFO_NUMBERS;

    mmio_write32(CARD_BAR4 + INFO_BASE, 1);  /* version */
    write_tag(INFO_OS_TAG, &os_tag);
    write_tag(INFO_CMPT_TAG, &cmpt_tag);
    mmio_write32(numbers, 250);              /* cpu_mhz */
    mmio_write32(numbers + 4, 250);          /* cpu_scale[3] */
    mmio_write32(numbers + 8, 125);
    mmio_write32(numbers + 12, 62);
    mmio_write32(numbers + 16, 1200);        /* ddr_mhz */
    mmio_write32(numbers + 20, store_bytes >> 20);
    mmio_write32(numbers + 24, 250);         /* video_mhz */
}

static void write_log_and_monitor(void)
{
    uint32_t log = CARD_BAR4 + PEER_LOG_BASE, monitor = CARD_BAR4 + MONITOR_BASE;

    mmio_write32(log + PEER_LOG_SIZE, PEER_LOG_BYTES);
    mmio_write32(log + PEER_LOG_MASK, PEER_LOG_BYTES - 1);
    mmio_write32(monitor, MONITOR_COUNT);
    mmio_write32(monitor + 4, MONITOR_ENTRY_BYTES);
    monitor += MONITOR_ENTRIES;
    mmio_write32(monitor, TEXT4('d', 'm', 'a', 0));
    mmio_write32(monitor + MONITOR_MAX, TRANSFERS);
    monitor += MONITOR_ENTRY_BYTES;
    mmio_write32(monitor, TEXT4('m', 's', 'g', 'q'));
    mmio_write32(monitor + MONITOR_MAX, QUEUES * SERVICE_JOBS);
}

void tables_write(uint32_t store_bytes)
{
    write_queues();
    write_info(store_bytes);
    write_log_and_monitor();
}

void tables_monitor(enum monitor_entry entry, uint32_t used)
{
    mmio_write32(CARD_BAR4 + MONITOR_BASE + MONITOR_ENTRIES + MONITOR_ENTRY_BYTES * (uint32_t)entry +
                     MONITOR_USED,
                 used);
}

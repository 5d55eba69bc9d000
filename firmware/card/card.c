/* SPDX-License-Identifier: Apache-2.0 */
/* Event handling of the card's firmware: see card.h. */
#include "card.h"

#include "alerts.h"
#include "boot.h"
#include "card_map.h"
#include "mmio.h"
#include "service.h"
#include "tables.h"
#include "transfer.h"

/* COMMAND of the lab: what to do in bits 19:16, with what in bits 15:0. */
enum lab_command { LAB_ALERTS = 1, LAB_HANG = 2, LAB_TRAP = 3, LAB_HEARTBEAT = 4 };
#define LAB_VALUE 0xffffu
#define LAB_WHAT_LSB 16u

#define EVENTS_ALL VK_CARD_EVENTS_WMASK

static struct {
    struct boot boot;
    struct transfers transfers;
    struct service service;
    bool heartbeat;
} card __attribute__((section(".noinit")));

void card_start(void)
{
    uint32_t store_bytes = mmio_read32(CARD_REGS + VK_CARD_STORE_BYTES_OFFSET);

    tables_write(store_bytes);
    transfers_init(&card.transfers, store_bytes - STORE_RESERVED, store_bytes - STORE_SGL);
    service_init(&card.service);
    card.heartbeat = true;
    mmio_write32(CARD_REGS + VK_CARD_MASK_OFFSET, EVENTS_ALL);
    boot_start(&card.boot, store_bytes - STORE_RESERVED);
}

static void beat(void)
{
    uint32_t uptime = CARD_BAR0 + VK_BAR0_OS_UPTIME_OFFSET;

    /* The host sets it to zero when it likes. */
    if (card.heartbeat)
        mmio_write32(uptime, mmio_read32(uptime) + 1);
}

static void obey_lab(uint32_t command)
{
    switch (command >> LAB_WHAT_LSB) {
    case LAB_ALERTS:
        alerts_set(command & LAB_VALUE);
        break;
    case LAB_HANG:
        card_hang();
        break;
    case LAB_TRAP:
        card_trap();
        break;
    case LAB_HEARTBEAT:
        card.heartbeat = (command & LAB_VALUE) != 0;
        break;
    default:
        break;
    }
}

bool card_turn(uint32_t events)
{
    /* Before they are handled: what comes meanwhile is an event again. */
    mmio_write32(CARD_REGS + VK_CARD_EVENTS_OFFSET, events);
    if (events & VK_CARD_EVENTS_LAB_MASK)
        obey_lab(mmio_read32(CARD_REGS + VK_CARD_LAB_COMMAND_OFFSET));
    if (events & VK_CARD_EVENTS_SECOND_MASK)
        beat();
    if (card.boot.state == BOOT_RUNNING)
        return service_step(&card.service, &card.transfers);
    return boot_step(&card.boot, &card.transfers.reader);
}

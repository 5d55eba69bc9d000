/* SPDX-License-Identifier: Apache-2.0 */
/* The card's soft core: sleeps in WAIT until something happens. */
#include "card.h"
#include "card_map.h"
#include "mmio.h"

void card_hang(void)
{
    for (;;)
        ;
}

void card_trap(void)
{
    __builtin_trap();
}

int main(void)
{
    bool busy = false;

    card_start();
    for (;;) {
        uint32_t offset = busy ? VK_CARD_EVENTS_OFFSET : VK_CARD_WAIT_EVENTS_OFFSET;
        busy = card_turn(mmio_read32(CARD_REGS + offset));
    }
}

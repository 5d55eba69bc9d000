/* SPDX-License-Identifier: Apache-2.0 */
/* Alerts: see alerts.h. */
#include "alerts.h"

#include "card_map.h"
#include "mmio.h"

/* Counts in CARD_ERR_MEM from which on the driver believes the two memory alerts. */
#define ECC_COUNT 10u
#define UECC_COUNT (1u << 8)

static void publish(uint32_t alerts)
{
    mmio_write32(CARD_BAR0 + VK_BAR0_CARD_ERR_MEM_OFFSET,
                 (alerts & ALERT_ECC ? ECC_COUNT : 0) | (alerts & ALERT_UECC ? UECC_COUNT : 0));
    mmio_write32(CARD_BAR0 + VK_BAR0_CARD_ERR_LOG_OFFSET, alerts);
    mmio_write32(CARD_REGS + VK_CARD_IRQ_OFFSET, VECTOR_NOTIFY);
}

void alerts_raise(uint32_t alerts)
{
    publish((mmio_read32(CARD_BAR0 + VK_BAR0_CARD_ERR_LOG_OFFSET) | alerts) & ALERT_MASK);
}

void alerts_set(uint32_t alerts)
{
    publish((mmio_read32(CARD_REGS + VK_CARD_ERRORS_OFFSET) | alerts) & ALERT_MASK);
}

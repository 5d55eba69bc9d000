/* SPDX-License-Identifier: Apache-2.0 */
/* The only way from the card's firmware to its hardware: 32-bit, aligned. On the host, firmware/tests
 * answers. */
#ifndef VKBENCH_CARD_MMIO_H
#define VKBENCH_CARD_MMIO_H
#include <stdint.h>

#ifdef MMIO_MOCK

uint32_t mmio_read32(uint32_t address);
void mmio_write32(uint32_t address, uint32_t value);

#else

static inline uint32_t mmio_read32(uint32_t address)
{
    return *(const volatile uint32_t *)address;
}

static inline void mmio_write32(uint32_t address, uint32_t value)
{
    *(volatile uint32_t *)address = value;
}

#endif

#endif

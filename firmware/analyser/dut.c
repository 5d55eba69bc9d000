/* SPDX-License-Identifier: Apache-2.0 */
/*
 * DUT commands: the card's DMA engine, interrupts, boot mode, firmware and seeded defects, out of band over the
 * lab bus (rtl/regs/vk_lab.rdl).
 */
#include "commands.h"
#include "hal.h"
#include "vk_faults.h"
#include "vkbench_regs.h"

#define DMA_CTRL_ENABLE VK_LAB_DMA_CTRL_ENABLE_MASK
#define DMA_CTRL_READ VK_LAB_DMA_CTRL_MODE_MASK
#define DMA_LENGTH_MIN 8u
#define DMA_LENGTH_MAX 256u
#define DMA_UNIT 8u      /* bytes of one pattern unit */
#define VECTOR_MAX (VK_LAB_IRQ_VECTOR_MASK >> VK_LAB_IRQ_VECTOR_LSB)
/* What the card's firmware does on COMMAND: see the lab register. */
#define LAB_ALERTS 0x10000u
#define LAB_HANG 0x20000u
#define LAB_TRAP 0x30000u
#define LAB_HEARTBEAT 0x40000u

static const char *const fault_names[] = VK_FAULT_NAMES; /* NONE first: place n is bit n - 1 */
#define FAULTS (sizeof fault_names / sizeof fault_names[0])

static bool read(struct scpi *scpi, uint32_t offset, uint32_t *value)
{
    if (hal_lab_read(offset, value))
        return true;
    scpi_fail(scpi, SCPI_HARDWARE_ERROR);
    return false;
}

static bool write(struct scpi *scpi, uint32_t offset, uint32_t value)
{
    if (hal_lab_write(offset, value))
        return true;
    scpi_fail(scpi, SCPI_HARDWARE_ERROR);
    return false;
}

static void set_ctrl(struct scpi *scpi, uint32_t bit, bool on)
{
    uint32_t ctrl;

    if (!read(scpi, VK_LAB_DMA_CTRL_OFFSET, &ctrl))
        return;
    ctrl &= DMA_CTRL_ENABLE | DMA_CTRL_READ;
    write(scpi, VK_LAB_DMA_CTRL_OFFSET, on ? ctrl | bit : ctrl & ~bit);
}

static void reply_register(struct scpi *scpi, uint32_t offset)
{
    uint32_t value;

    if (read(scpi, offset, &value))
        scpi_reply_u64(scpi, value);
}

void dut_dma_state(struct scpi *scpi)
{
    bool on;

    if (scpi_arg_bool(scpi, 0, &on))
        set_ctrl(scpi, DMA_CTRL_ENABLE, on);
}

void dut_dma_state_query(struct scpi *scpi)
{
    uint32_t ctrl;

    if (read(scpi, VK_LAB_DMA_CTRL_OFFSET, &ctrl))
        scpi_reply_u64(scpi, ctrl & DMA_CTRL_ENABLE);
}

void dut_dma_mode(struct scpi *scpi)
{
    static const char *const names[] = {"WRITe", "READ"};
    size_t mode;

    if (scpi_arg_keyword(scpi, 0, names, 2, &mode))
        set_ctrl(scpi, DMA_CTRL_READ, mode == 1);
}

void dut_dma_mode_query(struct scpi *scpi)
{
    uint32_t ctrl;

    if (read(scpi, VK_LAB_DMA_CTRL_OFFSET, &ctrl))
        scpi_reply_text(scpi, ctrl & DMA_CTRL_READ ? "READ" : "WRIT");
}

void dut_dma_period(struct scpi *scpi)
{
    uint64_t cycles;

    if (scpi_arg_u64(scpi, 0, 0, UINT32_MAX, &cycles))
        write(scpi, VK_LAB_DMA_PERIOD_OFFSET, (uint32_t)cycles);
}

void dut_dma_period_query(struct scpi *scpi)
{
    reply_register(scpi, VK_LAB_DMA_PERIOD_OFFSET);
}

void dut_dma_length(struct scpi *scpi)
{
    uint64_t bytes;

    if (!scpi_arg_u64(scpi, 0, DMA_LENGTH_MIN, DMA_LENGTH_MAX, &bytes))
        return;
    if (bytes % DMA_UNIT)
        scpi_fail(scpi, SCPI_OUT_OF_RANGE);
    else
        write(scpi, VK_LAB_DMA_LENGTH_OFFSET, (uint32_t)bytes);
}

void dut_dma_length_query(struct scpi *scpi)
{
    reply_register(scpi, VK_LAB_DMA_LENGTH_OFFSET);
}

void dut_dma_address_query(struct scpi *scpi)
{
    uint32_t low, high;

    if (read(scpi, VK_LAB_DMA_ADDR_LO_OFFSET, &low) && read(scpi, VK_LAB_DMA_ADDR_HI_OFFSET, &high)) {
        scpi_reply(scpi);
        scpi_put_hex(scpi, (uint64_t)high << 32 | low);
    }
}

void dut_dma_size_query(struct scpi *scpi)
{
    reply_register(scpi, VK_LAB_DMA_SIZE_OFFSET);
}

void dut_dma_sequence_query(struct scpi *scpi)
{
    reply_register(scpi, VK_LAB_DMA_SEQ_OFFSET);
}

void dut_dma_completions_query(struct scpi *scpi)
{
    uint32_t ok, error, timeout;

    if (read(scpi, VK_LAB_CPL_OK_OFFSET, &ok) && read(scpi, VK_LAB_CPL_ERR_OFFSET, &error) &&
        read(scpi, VK_LAB_CPL_TIMEOUT_OFFSET, &timeout)) {
        scpi_reply_u64(scpi, ok);
        scpi_put(scpi, ",");
        scpi_put_u64(scpi, error);
        scpi_put(scpi, ",");
        scpi_put_u64(scpi, timeout);
    }
}

void dut_interrupt(struct scpi *scpi)
{
    uint64_t vector;

    if (scpi_arg_u64(scpi, 0, 0, VECTOR_MAX, &vector))
        write(scpi, VK_LAB_IRQ_OFFSET, (uint32_t)vector);
}

void dut_status_query(struct scpi *scpi)
{
    uint32_t status;

    if (read(scpi, VK_LAB_STATUS_OFFSET, &status)) {
        scpi_reply(scpi);
        scpi_put_hex(scpi, status);
    }
}

/* ---- The card's firmware. */

static const char *const boot_names[] = {"RUN", "ROM"};

void dut_boot(struct scpi *scpi)
{
    size_t mode;

    if (scpi_arg_keyword(scpi, 0, boot_names, 2, &mode))
        write(scpi, VK_LAB_BOOT_MODE_OFFSET, (uint32_t)mode);
}

void dut_boot_query(struct scpi *scpi)
{
    uint32_t mode;

    if (read(scpi, VK_LAB_BOOT_MODE_OFFSET, &mode))
        scpi_reply_text(scpi, boot_names[mode & 1]);
}

void dut_alert(struct scpi *scpi)
{
    uint64_t mask;

    if (scpi_arg_u64(scpi, 0, 0, UINT16_MAX, &mask))
        write(scpi, VK_LAB_COMMAND_OFFSET, LAB_ALERTS | (uint32_t)mask);
}

void dut_heartbeat(struct scpi *scpi)
{
    bool on;

    if (scpi_arg_bool(scpi, 0, &on))
        write(scpi, VK_LAB_COMMAND_OFFSET, LAB_HEARTBEAT | on);
}

void dut_hang(struct scpi *scpi)
{
    write(scpi, VK_LAB_COMMAND_OFFSET, LAB_HANG);
}

void dut_trap(struct scpi *scpi)
{
    write(scpi, VK_LAB_COMMAND_OFFSET, LAB_TRAP);
}

/* ---- Seeded defects (rtl/faults.py). */

void dut_fault(struct scpi *scpi)
{
    size_t place;
    uint32_t built;

    if (!scpi_arg_keyword(scpi, 0, fault_names, FAULTS, &place) ||
        !read(scpi, VK_LAB_FAULTS_BUILT_OFFSET, &built))
        return;
    if (place && !built)
        scpi_fail(scpi, SCPI_SETTINGS_CONFLICT); /* a release build has no defects to offer */
    else
        write(scpi, VK_LAB_FAULT_OFFSET, place ? 1u << (place - 1) : 0);
}

void dut_fault_query(struct scpi *scpi)
{
    uint32_t fault, built;
    size_t place = 0;

    if (!read(scpi, VK_LAB_FAULTS_BUILT_OFFSET, &built) || !read(scpi, VK_LAB_FAULT_OFFSET, &fault))
        return;
    if (built)
        for (; fault; fault >>= 1)
            place++;
    scpi_reply_text(scpi, fault_names[place < FAULTS ? place : 0]);
}

void dut_fault_catalog_query(struct scpi *scpi)
{
    uint32_t built;

    if (!read(scpi, VK_LAB_FAULTS_BUILT_OFFSET, &built))
        return;
    scpi_reply_text(scpi, fault_names[0]);
    for (size_t i = 1; built && i < FAULTS; i++) {
        scpi_put(scpi, ",");
        scpi_put(scpi, fault_names[i]);
    }
}

/* SPDX-License-Identifier: Apache-2.0 */
/* hal.h on the analyser's own registers (rtl/regs/analyser.rdl) and the lab bus. */
#include "hal.h"

#include "capture_layout.h"
#include "hal_rv32.h"
#include "vkbench_regs.h"

#define REGS 0x10000000u
#define LAB 0x20000000u
/* Turns of the wait loop, about 20 clocks each: events pass taps and FIFOs in about 1000 clocks at most. */
#define WAIT_TURNS 1000u

static volatile uint32_t *reg(uint32_t offset)
{
    return (volatile uint32_t *)(REGS + offset);
}

static uint64_t reg64(uint32_t low_offset)
{
    return *reg(low_offset) | (uint64_t)*reg(low_offset + 4) << 32;
}

static void wait_while(uint32_t status_mask)
{
    for (uint32_t i = 0; i < WAIT_TURNS && (*reg(ANALYSER_STATUS_OFFSET) & status_mask); i++)
        ;
}

char hal_receive(void)
{
    return (char)(*reg(ANALYSER_SCPI_RX_OFFSET) & ANALYSER_SCPI_RX_DATA_MASK);
}

void hal_send(char byte)
{
    *reg(ANALYSER_SCPI_TX_OFFSET) = (uint8_t)byte;
}

uint32_t hal_clock_hz(void)
{
    return *reg(ANALYSER_CLK_HZ_OFFSET);
}

void hal_build_id(uint32_t words[4])
{
    for (uint32_t i = 0; i < 4; i++)
        words[i] = *reg(ANALYSER_BUILD_ID_0_OFFSET + 4 * i);
}

uint32_t hal_depth(void)
{
    return *reg(ANALYSER_DEPTH_OFFSET);
}

enum hal_state hal_state(void)
{
    return (enum hal_state)(*reg(ANALYSER_STATUS_OFFSET) & ANALYSER_STATUS_STATE_MASK);
}

void hal_arm(uint32_t pretrigger)
{
    *reg(ANALYSER_PRETRIGGER_OFFSET) = pretrigger;
    *reg(ANALYSER_CTRL_OFFSET) = ANALYSER_CTRL_ARM_MASK;
}

void hal_stop(void)
{
    *reg(ANALYSER_CTRL_OFFSET) = ANALYSER_CTRL_STOP_MASK;
    wait_while(ANALYSER_STATUS_DRAINING_MASK);
}

void hal_reset(void)
{
    *reg(ANALYSER_CTRL_OFFSET) = ANALYSER_CTRL_RESET_MASK;
}

void hal_trigger(void)
{
    *reg(ANALYSER_CTRL_OFFSET) = ANALYSER_CTRL_TRIGGER_MASK;
}

void hal_set_trigger(uint32_t source, const char *text, size_t length)
{
    /* The hardware wants the last byte of the text in the lowest byte. */
    for (size_t word = 0; word < CAPTURE_TRIGGER_TEXT_MAX / 4; word++) {
        uint32_t value = 0;
        for (size_t byte = 0; byte < 4 && 4 * word + byte < length; byte++)
            value |= (uint32_t)(uint8_t)text[length - 1 - (4 * word + byte)] << (8 * byte);
        *reg(ANALYSER_TRIG_TEXT_0_OFFSET + 4 * word) = value;
    }
    *reg(ANALYSER_TRIG_LENGTH_OFFSET) = (uint32_t)length;
    *reg(ANALYSER_TRIG_SOURCE_OFFSET) = source;
}

uint64_t hal_trigger_time(void)
{
    uint64_t time = reg64(ANALYSER_TRIG_TIME_LO_OFFSET);
    /* It changes once a capture, from 0; read again in case that was between the two halves. */
    return time ? reg64(ANALYSER_TRIG_TIME_LO_OFFSET) : 0;
}

uint32_t hal_count(void)
{
    return *reg(ANALYSER_COUNT_OFFSET);
}

void hal_move(uint32_t first, uint32_t count)
{
    *reg(ANALYSER_MOVE_FIRST_OFFSET) = first;
    *reg(ANALYSER_MOVE_COUNT_OFFSET) = count;
}

void hal_mark(uint32_t number)
{
    *reg(ANALYSER_MARK_OFFSET) = number;
    wait_while(ANALYSER_STATUS_EVENT_PENDING_MASK);
}

void hal_snapshot(void)
{
    *reg(ANALYSER_CTRL_OFFSET) = ANALYSER_CTRL_SNAPSHOT_MASK;
}

uint64_t hal_time(void)
{
    return reg64(ANALYSER_TIME_LO_OFFSET);
}

uint64_t hal_lost(void)
{
    return reg64(ANALYSER_LOST_LO_OFFSET);
}

void hal_stat(uint32_t stat_class, struct hal_stat *stat)
{
    *reg(ANALYSER_STAT_SELECT_OFFSET) = stat_class;
    stat->count_arm = reg64(ANALYSER_STAT_ARM_LO_OFFSET);
    stat->count_trigger = reg64(ANALYSER_STAT_COUNT_LO_OFFSET);
    stat->first_trigger = reg64(ANALYSER_STAT_FIRST_LO_OFFSET);
    stat->last = reg64(ANALYSER_STAT_LAST_LO_OFFSET);
}

void hal_inject(uint32_t taps)
{
    *reg(ANALYSER_INJECT_OFFSET) = taps;
    wait_while(ANALYSER_STATUS_EVENT_PENDING_MASK);
}

void hal_peek(uint32_t index, struct hal_record *record)
{
    wait_while(ANALYSER_STATUS_MOVER_BUSY_MASK);
    *reg(ANALYSER_PEEK_OFFSET) = index;
    for (uint32_t i = 0; i < 8; i++)
        record->words[i] = *reg(ANALYSER_PEEK_DATA_0_OFFSET + 4 * i);
}

bool hal_lab_read(uint32_t offset, uint32_t *value)
{
    *value = *(volatile uint32_t *)(LAB + offset);
    return !(*reg(ANALYSER_STATUS_OFFSET) & ANALYSER_STATUS_LAB_TIMEOUT_MASK);
}

bool hal_lab_write(uint32_t offset, uint32_t value)
{
    *(volatile uint32_t *)(LAB + offset) = value;
    return !(*reg(ANALYSER_STATUS_OFFSET) & ANALYSER_STATUS_LAB_TIMEOUT_MASK);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* hal.h on the analyser's own registers (rtl/regs/analyser.rdl) and the lab bus. */
#include "hal.h"

#include "capture_layout.h"
#include "hal_rv32.h"
#include "vkbench_regs.h"

#define REGS 0x10000000u
#define LAB 0x20000000u
#define TRIGGER 0x30000000u
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

void hal_set_up(const struct hal_setup *setup)
{
    uint32_t term = setup->qualify_term;

    *reg(ANALYSER_TRIG_SOURCE_OFFSET) = setup->source;
    *reg(ANALYSER_PRETRIGGER_OFFSET) = setup->pretrigger;
    *reg(ANALYSER_SEGMENTS_OFFSET) = setup->segments_log2;
    *reg(ANALYSER_QUALIFY_OFFSET) = setup->qualify;
    *reg(ANALYSER_QUALIFY_TERM_OFFSET) = term ? ANALYSER_QUALIFY_TERM_USE_MASK | (term - 1) : 0;
    *reg(ANALYSER_FOLD_OFFSET) = setup->fold;
}

void hal_read_setup(struct hal_setup *setup)
{
    uint32_t term = *reg(ANALYSER_QUALIFY_TERM_OFFSET);

    setup->source = *reg(ANALYSER_TRIG_SOURCE_OFFSET);
    setup->pretrigger = *reg(ANALYSER_PRETRIGGER_OFFSET);
    setup->segments_log2 = *reg(ANALYSER_SEGMENTS_OFFSET);
    setup->qualify = *reg(ANALYSER_QUALIFY_OFFSET);
    setup->qualify_term = 0;
    if (term & ANALYSER_QUALIFY_TERM_USE_MASK)
        setup->qualify_term = (term & ANALYSER_QUALIFY_TERM_TERM_MASK) + 1;
    setup->fold = *reg(ANALYSER_FOLD_OFFSET);
}

void hal_arm(void)
{
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

void hal_program_write(uint32_t offset, uint32_t value)
{
    *(volatile uint32_t *)(TRIGGER + offset) = value;
}

uint32_t hal_program_read(uint32_t offset)
{
    return *(volatile uint32_t *)(TRIGGER + offset);
}

uint32_t hal_trigger_source(void)
{
    return *reg(ANALYSER_TRIG_SOURCE_OFFSET);
}

uint64_t hal_trigger_time(void)
{
    uint64_t time = reg64(ANALYSER_TRIG_TIME_LO_OFFSET);
    /* It changes from 0; read again in case that was between the two halves. */
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

bool hal_moving(void)
{
    return *reg(ANALYSER_STATUS_OFFSET) & ANALYSER_STATUS_MOVER_BUSY_MASK;
}

void hal_move_stop(void)
{
    *reg(ANALYSER_CTRL_OFFSET) = ANALYSER_CTRL_MOVE_STOP_MASK;
}

bool hal_received(char *byte)
{
    if (!(*reg(ANALYSER_STATUS_OFFSET) & ANALYSER_STATUS_RX_VALID_MASK))
        return false;
    *byte = hal_receive();
    return true;
}

uint32_t hal_segments_used(void)
{
    return *reg(ANALYSER_SEG_USED_OFFSET);
}

void hal_segment(uint32_t index, struct hal_segment *segment)
{
    *reg(ANALYSER_SEG_SELECT_OFFSET) = index;
    segment->count = *reg(ANALYSER_SEG_COUNT_OFFSET);
    segment->armed = reg64(ANALYSER_SEG_ARMED_LO_OFFSET);
    segment->trigger = reg64(ANALYSER_SEG_TRIGGER_LO_OFFSET);
}

void hal_mark(uint32_t number, const uint32_t name[4])
{
    for (uint32_t i = 0; i < CAPTURE_MARK_NAME_BYTES / 4; i++)
        *reg(ANALYSER_MARK_NAME_0_OFFSET + 4 * i) = name[i];
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

uint32_t hal_blind(void)
{
    return *reg(ANALYSER_BLIND_OFFSET);
}

void hal_set_blind(uint32_t taps)
{
    *reg(ANALYSER_BLIND_OFFSET) = taps;
}

uint32_t hal_levels(void)
{
    return *reg(ANALYSER_LEVELS_OFFSET);
}

uint32_t hal_command(void)
{
    return *reg(ANALYSER_COMMAND_OFFSET);
}

uint32_t hal_console_divisor(void)
{
    return *reg(ANALYSER_CON_DIVISOR_OFFSET);
}

void hal_set_console_divisor(uint32_t divisor)
{
    *reg(ANALYSER_CON_DIVISOR_OFFSET) = divisor;
}

uint32_t hal_console_errors(void)
{
    return *reg(ANALYSER_CON_ERRORS_OFFSET);
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

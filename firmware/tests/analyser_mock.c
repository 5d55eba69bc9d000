/* SPDX-License-Identifier: Apache-2.0 */
/* The mock of the analyser's hardware: see analyser_mock.h. What its firmware must never do ends the program. */
#include "analyser_mock.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "capture_layout.h"
#include "hal.h"
#include "vkbench_regs.h"

#define DEPTH 1024u
#define TAPS_ALL ((1u << TAP_COUNT) - 1u)
#define PROGRAM_WORDS 0x200u
#define SELF_TEST_DATA 0x5e1f7e57u

static struct {
    enum hal_state state;
    struct hal_setup setup;
    uint32_t program[PROGRAM_WORDS], stuck_offset, stuck_mask;
    struct hal_record records[DEPTH];
    uint32_t count;  /* in records */
    struct hal_segment segments[CAPTURE_SEGMENTS_MAX];
    uint32_t segments_used, fired_step;
    uint32_t blind, broken, divisor, lab[64];
    uint32_t move_next, move_left;
    uint64_t time, trigger_time, lost;
    bool lab_dead, unfold;
} mock;

void mock_reset(void)
{
    memset(&mock, 0, sizeof mock);
}

void hal_send(char byte)
{
    if (mock.move_left)
        abort(); /* the hardware would let it wait, and so would the client */
    mock_send(byte);
}

bool hal_received(char *byte)
{
    return mock_received(byte);
}

uint32_t hal_clock_hz(void)
{
    return 2500000;
}

void hal_build_id(uint32_t words[4])
{
    for (uint32_t i = 0; i < 4; i++)
        words[i] = 0xa0000000u + i;
}

uint32_t hal_depth(void)
{
    return DEPTH;
}

enum hal_state hal_state(void)
{
    return mock.state;
}

static bool recording(void)
{
    return mock.state == HAL_ARMED || mock.state == HAL_TRIGGERED;
}

/* ---- Records. Each lies in the current segment, the last of those used. */

static uint32_t segment_size(void)
{
    return DEPTH >> mock.setup.segments_log2;
}

static void record(uint32_t kind, uint32_t flags, uint32_t aux, uint32_t data, const uint32_t header[4])
{
    struct hal_record *to = &mock.records[mock.count];

    if (!recording() || mock.segments[mock.segments_used - 1].count == segment_size())
        return;
    mock.time += 3;
    to->words[0] = (uint32_t)mock.time;
    to->words[1] = (uint32_t)(mock.time >> 32);
    to->words[2] = kind | flags << 8 | aux << 16;
    to->words[3] = data;
    memcpy(&to->words[4], header, 16);
    mock.count++;
    mock.segments[mock.segments_used - 1].count++;
}

static void begin_segment(void)
{
    const uint32_t none[4] = {0}, levels[4] = {hal_levels(), 0, 0, 0};

    mock.segments[mock.segments_used++] = (struct hal_segment){.armed = mock.time};
    mock.state = HAL_ARMED;
    record(KIND_LEVEL, 0, 0, hal_levels(), levels);
    record(KIND_CFG, 0, hal_command(), hal_command(), none);
}

static void fire(uint32_t source, uint32_t step)
{
    const uint32_t header[4] = {step, 0, 0, 0};

    record(KIND_TRIGGER, 0, source, mock.segments_used - 1, header);
    mock.fired_step = step;
    mock.trigger_time = mock.segments[mock.segments_used - 1].trigger = mock.time;
    mock.state = HAL_TRIGGERED;
}

static void fill(void)
{
    const uint32_t none[4] = {0};

    while (mock.segments[mock.segments_used - 1].count < segment_size())
        record(KIND_MSIX, 0, mock.count % 8, 0, none);
    if (mock.segments_used < 1u << mock.setup.segments_log2)
        begin_segment();
    else
        mock.state = HAL_DONE;
}

void hal_set_up(const struct hal_setup *setup)
{
    if (recording() || setup->pretrigger >= DEPTH || setup->segments_log2 > 6 || setup->qualify & ~TAPS_ALL ||
        setup->qualify_term > CAPTURE_SEQUENCE_TERMS || setup->fold > 1)
        abort();
    mock.setup = *setup;
    if (mock.unfold)
        mock.setup.fold = 0;
}

void hal_read_setup(struct hal_setup *setup)
{
    *setup = mock.setup;
}

void hal_arm(void)
{
    if (recording() || mock.setup.pretrigger >= segment_size())
        abort();
    mock.count = mock.segments_used = 0;
    mock.trigger_time = mock.lost = 0;
    begin_segment();
}

void hal_stop(void)
{
    if (recording())
        mock.state = HAL_DONE;
}

void hal_reset(void)
{
    mock.state = HAL_IDLE;
    mock.count = mock.segments_used = 0;
    mock.trigger_time = mock.lost = 0;
}

void hal_trigger(void)
{
    if (mock.state != HAL_ARMED)
        abort();
    fire(TRIGGER_IMMEDIATE, 0);
}

uint32_t hal_trigger_source(void)
{
    return mock.setup.source;
}

uint64_t hal_trigger_time(void)
{
    return mock.trigger_time;
}

uint32_t hal_count(void)
{
    return mock.count;
}

uint32_t hal_segments_used(void)
{
    return mock.segments_used;
}

void hal_segment(uint32_t index, struct hal_segment *segment)
{
    if (index >= mock.segments_used)
        abort();
    *segment = mock.segments[index];
}

void hal_mark(uint32_t number, const uint32_t name[4])
{
    if (mock.state == HAL_IDLE)
        abort();
    record(KIND_MARK, 0, 0, number, name);
}

/* ---- The trigger's program. */

void hal_program_write(uint32_t offset, uint32_t value)
{
    uint32_t *word = &mock.program[offset / 4];
    uint32_t keep = offset == mock.stuck_offset ? mock.stuck_mask : 0;

    if (recording() || offset % 4 || offset / 4 >= PROGRAM_WORDS)
        abort();
    *word = (*word & keep) | (value & ~keep);
}

uint32_t hal_program_read(uint32_t offset)
{
    if (offset == ANALYSER_TRIGGER_STATUS_OFFSET)
        return mock.fired_step << ANALYSER_TRIGGER_STATUS_FIRED_LSB;
    return mock.program[offset / 4];
}

/* ---- The mover: a record at each look whether it is at work. */

void hal_move(uint32_t first, uint32_t count)
{
    if (first > mock.count || count > mock.count - first || mock.move_left)
        abort();
    mock.move_next = first;
    mock.move_left = count;
}

bool hal_moving(void)
{
    if (!mock.move_left)
        return false;
    for (uint32_t i = 0; i < CAPTURE_RECORD_BYTES; i++)
        mock_send((char)(mock.records[mock.move_next].words[i / 4] >> (8 * (i % 4))));
    mock.move_next++;
    mock.move_left--;
    return true;
}

void hal_move_stop(void)
{
    mock.move_left = 0;
}

/* ---- Time, statistics, self-test, inputs. */

void hal_snapshot(void)
{
    mock.time += 5;
}

uint64_t hal_time(void)
{
    return mock.time;
}

uint64_t hal_lost(void)
{
    return mock.lost;
}

void hal_stat(uint32_t stat_class, struct hal_stat *stat)
{
    if (stat_class >= STAT_COUNT)
        abort();
    *stat = (struct hal_stat){stat_class, 1, 18446744073709551615ull, 10};
}

void hal_inject(uint32_t taps)
{
    static const uint8_t kinds[] = TAP_KINDS;
    const uint32_t none[4] = {0};

    if (mock.state != HAL_ARMED || mock.setup.source != TRIGGER_NONE)
        abort();
    for (uint32_t i = 0; i < PROGRAM_WORDS; i++)
        if (mock.program[i] > 1 && i != mock.stuck_offset / 4)
            abort(); /* something could fire; the steps' counts of 1 cannot */
    for (uint32_t tap = 0; tap < TAP_COUNT; tap++)
        if (taps & ~mock.broken & ~mock.blind & mock.setup.qualify & 1u << tap)
            record(kinds[tap], FLAG_SELFTEST, 0, SELF_TEST_DATA, none);
}

void hal_peek(uint32_t index, struct hal_record *out)
{
    if (index >= mock.count)
        abort();
    *out = mock.records[index];
}

uint32_t hal_blind(void)
{
    return mock.blind;
}

void hal_set_blind(uint32_t taps)
{
    mock.blind = taps;
}

uint32_t hal_levels(void)
{
    return 0x2823u;
}

uint32_t hal_command(void)
{
    return 0x406u;
}

uint32_t hal_console_divisor(void)
{
    return mock.divisor;
}

void hal_set_console_divisor(uint32_t divisor)
{
    if (divisor & ~ANALYSER_CON_DIVISOR_CLOCKS_MASK)
        abort();
    mock.divisor = divisor;
}

uint32_t hal_console_errors(void)
{
    return 7;
}

bool hal_lab_read(uint32_t offset, uint32_t *value)
{
    *value = mock.lab_dead ? UINT32_MAX : mock.lab[offset / 4];
    return !mock.lab_dead;
}

bool hal_lab_write(uint32_t offset, uint32_t value)
{
    if (!mock.lab_dead)
        mock.lab[offset / 4] = value;
    return !mock.lab_dead;
}

static void send_number(uint32_t value)
{
    char text[16];

    snprintf(text, sizeof text, "%x\n", value);
    for (const char *c = text; *c; c++)
        mock_send(*c);
}

void mock_drive(const char *line)
{
    unsigned value = 0, mask = 0;

    if (sscanf(line, "state %u", &value) == 1)
        mock.state = (enum hal_state)value;
    else if (sscanf(line, "lab %u", &value) == 1)
        mock.lab_dead = value == 0;
    else if (sscanf(line, "blind %u", &value) == 1)
        mock.broken = value;
    else if (sscanf(line, "built %u", &value) == 1)
        mock.lab[VK_LAB_FAULTS_BUILT_OFFSET / 4] = value;
    else if (sscanf(line, "stuck %x %x", &value, &mask) == 2)
        mock.stuck_offset = value, mock.stuck_mask = mask;
    else if (sscanf(line, "fire %u", &value) == 1 && mock.state == HAL_ARMED)
        fire(mock.setup.source, value - 1);
    else if (sscanf(line, "lose %u", &value) == 1)
        mock.lost += value;
    else if (strcmp(line, "fill") == 0 && recording())
        fill();
    else if (strcmp(line, "unfold") == 0)
        mock.unfold = true;
    else if (strcmp(line, "command") == 0)
        send_number(mock.lab[VK_LAB_COMMAND_OFFSET / 4]);
    else if (strcmp(line, "divisor") == 0)
        send_number(mock.divisor);
}

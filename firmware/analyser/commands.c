/* SPDX-License-Identifier: Apache-2.0 */
/* The analyser's own SCPI commands: capture, statistics, marks, inputs, status. Reference: docs/scpi.md. */
#include "commands.h"

#include "capture_layout.h"
#include "hal.h"
#include "program.h"
#include "text.h"
#include "vkbench_regs.h"

#ifndef FIRMWARE_VERSION
#define FIRMWARE_VERSION "0"
#endif

static const char *const stat_names[] = STAT_NAMES;
static const char *const tap_names[] = TAP_NAMES;
#define STATS (sizeof stat_names / sizeof stat_names[0])
#define TAPS_ALL ((1u << TAP_COUNT) - 1u)

/* STATus:OPERation and QUEStionable: bits 4 and 5 are SCPI-99's, those from 8 (9) on the instrument's own. */
#define OPER_MEASURING 0x0010u /* triggered, recording */
#define OPER_WAITING 0x0020u   /* for the trigger */
#define OPER_DONE 0x0100u
#define QUES_LOST 0x0200u  /* events of this capture are missing */
#define QUES_BLIND 0x0400u /* DIAGnostic:BLINd is not 0 */

#define SEGMENT_RECORDS_MIN 4u
#define CONSOLE_BAUD 115200u
#define DIVISOR_MIN 64u /* four clocks a bit */

static struct scpi scpi_state;
/* Settings; the hardware gets them, and the trigger's program, at CAPTure:ARM. */
static struct hal_setup settings;
static bool fired; /* the trigger of this capture has shown in the status */
/* Bytes that came while a block was sent, in a ring: the client may be ahead of its answers by so many. */
static struct {
    char bytes[64];
    size_t first, count;
} ahead;

static bool recording(void)
{
    enum hal_state state = hal_state();

    return state == HAL_ARMED || state == HAL_TRIGGERED;
}

bool analyser_refuses_while_recording(struct scpi *scpi)
{
    if (!recording())
        return false;
    scpi_fail_detail(scpi, SCPI_SETTINGS_CONFLICT, "a capture is recording", 0, 0, 0);
    return true;
}

static void update_groups(struct scpi *scpi)
{
    static const uint16_t conditions[] = {0, OPER_WAITING, OPER_MEASURING, OPER_DONE};
    uint16_t questionable = hal_blind() ? QUES_BLIND : 0;

    hal_snapshot();
    if (hal_lost())
        questionable |= QUES_LOST;
    /* A short window can be full before anybody looks. */
    if (!fired && hal_trigger_time()) {
        fired = true;
        scpi_event(scpi, SCPI_OPERATION, OPER_MEASURING);
    }
    scpi_condition(scpi, SCPI_OPERATION, conditions[hal_state()]);
    scpi_condition(scpi, SCPI_QUESTIONABLE, questionable);
}

/* 0: the divisor register cannot hold it. */
static uint32_t divisor_for(uint32_t baud)
{
    uint32_t rest;
    uint64_t divisor = text_divide((uint64_t)hal_clock_hz() * 16u + baud / 2u, baud, &rest);

    return divisor >= DIVISOR_MIN && divisor <= ANALYSER_CON_DIVISOR_CLOCKS_MASK ? (uint32_t)divisor : 0;
}

static void reset_instrument(void)
{
    hal_reset();
    hal_set_blind(0);
    hal_set_console_divisor(divisor_for(CONSOLE_BAUD));
    settings = (struct hal_setup){.pretrigger = hal_depth() / 2, .qualify = TAPS_ALL, .fold = 1};
    hal_set_up(&settings);
    program_reset();
}

static void idn_query(struct scpi *scpi)
{
    uint32_t id[4];

    hal_build_id(id);
    scpi_reply_indefinite(scpi);
    scpi_put(scpi, "vkbench,VK-LA1,");
    for (int i = 3; i >= 0; i--) {
        char text[17];
        text_from_hex(text, id[i], 8);
        for (char *c = text; *c; c++)
            if (*c >= 'A')
                *c = (char)(*c - 'A' + 'a'); /* build identities are written in lower case */
        scpi_put(scpi, text);
    }
    scpi_put(scpi, "," FIRMWARE_VERSION);
}

static void time_query(struct scpi *scpi)
{
    hal_snapshot();
    scpi_reply_u64(scpi, hal_time());
}

static void clock_query(struct scpi *scpi)
{
    scpi_reply_u64(scpi, hal_clock_hz());
}

/* ---- TRIGger: the rest is in program.c. */

static void trigger_immediate(struct scpi *scpi)
{
    if (hal_state() == HAL_ARMED)
        hal_trigger();
    else
        scpi_fail(scpi, SCPI_TRIGGER_IGNORED);
}

static void trigger_time_query(struct scpi *scpi)
{
    scpi_reply_u64(scpi, hal_trigger_time());
}

static void trigger_state_query(struct scpi *scpi)
{
    uint32_t status = hal_program_read(ANALYSER_TRIGGER_STATUS_OFFSET);
    uint32_t in = (status & ANALYSER_TRIGGER_STATUS_STEP_MASK) >> ANALYSER_TRIGGER_STATUS_STEP_LSB;
    uint32_t by = (status & ANALYSER_TRIGGER_STATUS_FIRED_MASK) >> ANALYSER_TRIGGER_STATUS_FIRED_LSB;

    scpi_reply_u64(scpi, in + 1);
    scpi_put(scpi, ",");
    scpi_put_u64(scpi, hal_trigger_time() ? by + 1 : 0);
}

/* ---- CAPTure */

static void capture_depth_query(struct scpi *scpi)
{
    scpi_reply_u64(scpi, hal_depth());
}

static void capture_pretrigger(struct scpi *scpi)
{
    uint64_t value;

    if (scpi_arg_u64(scpi, 0, 0, hal_depth() - 1, &value) && !analyser_refuses_while_recording(scpi))
        settings.pretrigger = (uint32_t)value;
}

static void capture_pretrigger_query(struct scpi *scpi)
{
    scpi_reply_u64(scpi, settings.pretrigger);
}

static void capture_segments(struct scpi *scpi)
{
    uint64_t value;
    uint32_t log2 = 0;

    if (!scpi_arg_u64(scpi, 0, 1, CAPTURE_SEGMENTS_MAX, &value))
        return;
    while (1u << log2 < value)
        log2++;
    if (1u << log2 != value || hal_depth() >> log2 < SEGMENT_RECORDS_MIN)
        scpi_fail_detail(scpi, SCPI_ILLEGAL_VALUE,
                         value & (value - 1) ? "it is no power of two" : "too many for the memory", 0, 0,
                         0);
    else if (!analyser_refuses_while_recording(scpi))
        settings.segments_log2 = log2;
}

static void segment_query(struct scpi *scpi)
{
    uint64_t number;
    uint32_t first = 0;
    struct hal_segment segment = {0};

    if (!scpi_arg_u64(scpi, 0, 1, hal_segments_used(), &number))
        return;
    for (uint32_t i = 0; i < (uint32_t)number; i++) {
        first += segment.count;
        hal_segment(i, &segment);
    }
    scpi_reply_u64(scpi, first);
    scpi_put(scpi, ",");
    scpi_put_u64(scpi, segment.count);
    scpi_put(scpi, ",");
    scpi_put_u64(scpi, segment.armed);
    scpi_put(scpi, ",");
    scpi_put_u64(scpi, segment.trigger);
}

/* SEGMents? and SEGMent? <n> have one short form: the parameter tells them apart. */
static void capture_segments_query(struct scpi *scpi)
{
    if (scpi->arg_count)
        segment_query(scpi);
    else
        scpi_reply_u64(scpi, 1u << settings.segments_log2);
}

static void segment_count_query(struct scpi *scpi)
{
    scpi_reply_u64(scpi, hal_segments_used());
}

static void capture_qualify(struct scpi *scpi)
{
    uint32_t taps = 1u << TAP_MARK; /* marks and the trigger are always recorded */
    size_t tap;

    if (scpi->arg_count == 1 && scpi_arg_is(scpi, 0, "ALL")) {
        taps = TAPS_ALL;
    } else {
        for (size_t i = 0; i < scpi->arg_count; i++) {
            if (!scpi_arg_keyword(scpi, i, tap_names, TAP_COUNT, &tap))
                return;
            taps |= 1u << tap;
        }
    }
    if (!analyser_refuses_while_recording(scpi))
        settings.qualify = taps;
}

static void capture_qualify_query(struct scpi *scpi)
{
    bool first = true;

    scpi_reply(scpi);
    if (settings.qualify == TAPS_ALL) {
        scpi_put(scpi, "ALL");
        return;
    }
    for (uint32_t tap = 0; tap < TAP_COUNT; tap++) {
        if (!(settings.qualify >> tap & 1u))
            continue;
        if (!first)
            scpi_put(scpi, ",");
        first = false;
        scpi_put(scpi, tap_names[tap]);
    }
}

static void capture_qualify_term(struct scpi *scpi)
{
    uint64_t term = 0;

    if ((scpi_arg_is(scpi, 0, "NONE") || scpi_arg_u64(scpi, 0, 1, CAPTURE_SEQUENCE_TERMS, &term)) &&
        !analyser_refuses_while_recording(scpi))
        settings.qualify_term = (uint32_t)term;
}

static void capture_qualify_term_query(struct scpi *scpi)
{
    if (settings.qualify_term)
        scpi_reply_u64(scpi, settings.qualify_term);
    else
        scpi_reply_text(scpi, "NONE");
}

static void capture_fold(struct scpi *scpi)
{
    bool on;

    if (scpi_arg_bool(scpi, 0, &on) && !analyser_refuses_while_recording(scpi))
        settings.fold = on;
}

static void capture_fold_query(struct scpi *scpi)
{
    scpi_reply_u64(scpi, settings.fold);
}

/* Writes how to record, and compares what the hardware then has. */
static bool set_up(struct scpi *scpi)
{
    static const char *const details[] = {
        "trigger source was written $ and reads $",  "pretrigger was written $ and reads $",
        "segments was written $ and reads $",        "qualifier was written $ and reads $",
        "qualifying term was written $ and reads $", "fold was written $ and reads $"};
    struct hal_setup found;

    settings.source = program_source();
    hal_set_up(&settings);
    hal_read_setup(&found);
    const uint32_t pairs[][2] = {{settings.source, found.source},
                                 {settings.pretrigger, found.pretrigger},
                                 {settings.segments_log2, found.segments_log2},
                                 {settings.qualify, found.qualify},
                                 {settings.qualify_term, found.qualify_term},
                                 {settings.fold, found.fold}};
    for (size_t i = 0; i < sizeof pairs / sizeof pairs[0]; i++) {
        if (pairs[i][0] == pairs[i][1])
            continue;
        scpi_fail_detail(scpi, SCPI_HARDWARE_ERROR, details[i], pairs[i][0], pairs[i][1], 0);
        return false;
    }
    return true;
}

static void capture_arm(struct scpi *scpi)
{
    uint32_t records = hal_depth() >> settings.segments_log2, blind = hal_blind();

    update_groups(scpi); /* what the capture before has left */
    if (recording()) {
        scpi_fail(scpi, SCPI_INIT_IGNORED);
    } else if (blind) {
        scpi_fail_detail(scpi, SCPI_SETTINGS_CONFLICT, "blinded: DIAGnostic:BLINd is $", blind, 0, 0);
    } else if (settings.pretrigger >= records) {
        scpi_fail_detail(scpi, SCPI_SETTINGS_CONFLICT, "CAPTure:PRETrigger % leaves nothing of % records",
                         settings.pretrigger, records, 0);
    } else if (program_load(scpi, settings.qualify_term) && set_up(scpi)) {
        fired = false;
        scpi_event(scpi, SCPI_OPERATION, OPER_WAITING);
        hal_arm();
    }
}

static void capture_stop(struct scpi *scpi)
{
    (void)scpi;
    hal_stop();
}

static void capture_state_query(struct scpi *scpi)
{
    static const char *const names[] = {"IDLE", "ARMED", "TRIGGERED", "DONE"};

    scpi_reply_text(scpi, names[hal_state()]);
}

static void capture_count_query(struct scpi *scpi)
{
    scpi_reply_u64(scpi, hal_count());
}

static void capture_lost_query(struct scpi *scpi)
{
    hal_snapshot();
    scpi_reply_u64(scpi, hal_lost());
}

/* The mover needs no help, only somebody who looks whether a new client wants to have the line. */
static void send_records(struct scpi *scpi, uint32_t first, uint32_t count)
{
    hal_move(first, count);
    while (hal_moving()) {
        char byte;
        if (ahead.count == sizeof ahead.bytes || !hal_received(&byte))
            continue;
        if (byte == SCPI_DEVICE_CLEAR) {
            hal_move_stop();
            ahead.count = 0;
            scpi_device_clear(scpi);
            return;
        }
        ahead.bytes[(ahead.first + ahead.count++) % sizeof ahead.bytes] = byte;
    }
}

static void capture_data_query(struct scpi *scpi)
{
    uint64_t first, count;
    uint32_t held = hal_count();
    char length[TEXT_U64_SIZE], digits;

    if (!scpi_arg_u64(scpi, 0, 0, held, &first) || !scpi_arg_u64(scpi, 1, 0, held - first, &count))
        return;
    if (recording()) {
        scpi_fail(scpi, SCPI_DATA_STALE); /* the oldest record is a different one at every moment */
        return;
    }
    digits = (char)('0' + text_from_u64(length, count * CAPTURE_RECORD_BYTES));
    scpi_reply_text(scpi, "#");
    scpi_put_bytes(scpi, &digits, 1);
    scpi_put(scpi, length);
    if (count)
        send_records(scpi, (uint32_t)first, (uint32_t)count);
}

/* ---- STATistics, MARK */

static void put_stat(struct scpi *scpi, size_t stat_class)
{
    struct hal_stat stat;

    hal_stat((uint32_t)stat_class, &stat);
    scpi_put_u64(scpi, stat.count_arm);
    scpi_put(scpi, ",");
    scpi_put_u64(scpi, stat.count_trigger);
    scpi_put(scpi, ",");
    scpi_put_u64(scpi, stat.first_trigger);
    scpi_put(scpi, ",");
    scpi_put_u64(scpi, stat.last);
}

static void statistics_class_query(struct scpi *scpi)
{
    size_t stat_class;

    if (!scpi_arg_keyword(scpi, 0, stat_names, STATS, &stat_class))
        return;
    hal_snapshot();
    scpi_reply(scpi);
    put_stat(scpi, stat_class);
}

static void statistics_all_query(struct scpi *scpi)
{
    hal_snapshot();
    scpi_reply(scpi);
    for (size_t i = 0; i < STATS; i++) {
        if (i)
            scpi_put(scpi, ";");
        scpi_put(scpi, stat_names[i]);
        scpi_put(scpi, ",");
        put_stat(scpi, i);
    }
}

static void mark(struct scpi *scpi)
{
    union {
        char bytes[CAPTURE_MARK_NAME_BYTES];
        uint32_t words[CAPTURE_MARK_NAME_BYTES / 4];
    } name = {{0}};
    uint64_t number;
    size_t length;

    if (!scpi_arg_u64(scpi, 0, 0, UINT32_MAX, &number))
        return;
    if (scpi->arg_count > 1 && !scpi_arg_string(scpi, 1, name.bytes, sizeof name.bytes, &length))
        return;
    if (hal_state() == HAL_IDLE)
        scpi_fail_detail(scpi, SCPI_SETTINGS_CONFLICT, "no capture records the mark", 0, 0, 0);
    else
        hal_mark((uint32_t)number, name.words);
}

/* ---- INPut, DIAGnostic */

static void levels_query(struct scpi *scpi)
{
    scpi_reply(scpi);
    scpi_put_hex(scpi, hal_levels());
    scpi_put(scpi, ",");
    scpi_put_hex(scpi, hal_command());
}

static void console_baud(struct scpi *scpi)
{
    uint64_t baud;
    uint32_t divisor;

    if (!scpi_arg_u64(scpi, 0, 1, UINT32_MAX, &baud))
        return;
    divisor = divisor_for((uint32_t)baud);
    if (!divisor)
        scpi_fail_detail(scpi, SCPI_OUT_OF_RANGE, "not with a clock of % Hz", hal_clock_hz(), 0, 0);
    else if (!analyser_refuses_while_recording(scpi))
        hal_set_console_divisor(divisor);
}

static void console_baud_query(struct scpi *scpi)
{
    uint32_t divisor = hal_console_divisor(), rest;

    scpi_reply_u64(
        scpi, divisor ? text_divide((uint64_t)hal_clock_hz() * 16u + divisor / 2u, divisor, &rest) : 0);
}

static void console_errors_query(struct scpi *scpi)
{
    scpi_reply_u64(scpi, hal_console_errors());
}

static void diagnostic_blind(struct scpi *scpi)
{
    uint64_t taps;

    if (scpi_arg_u64(scpi, 0, 0, TAPS_ALL, &taps) && !analyser_refuses_while_recording(scpi))
        hal_set_blind((uint32_t)taps);
}

static void diagnostic_blind_query(struct scpi *scpi)
{
    scpi_reply_u64(scpi, hal_blind());
}

static const struct scpi_command commands[] = {
    SCPI_COMMON_COMMANDS,
    {"*IDN?", idn_query, 0, 0},
    {"*TST?", analyser_self_test, 0, 0},
    {"SYSTem:TIME?", time_query, 0, 0},
    {"SYSTem:CLOCk?", clock_query, 0, 0},
    {"TRIGger:CLEar", trigger_clear, 0, 0},
    {"TRIGger:SOURce", trigger_source, 1, 1},
    {"TRIGger:SOURce?", trigger_source_query, 0, 0},
    {"TRIGger:TEXT<4>", trigger_text, 1, 1},
    {"TRIGger:TEXT<4>?", trigger_text_query, 0, 0},
    {"TRIGger:CONSole:TEXT", trigger_text, 1, 1},
    {"TRIGger:CONSole:TEXT?", trigger_text_query, 0, 0},
    {"TRIGger:TERM<8>:SOURce", term_source, 1, 1},
    {"TRIGger:TERM<8>:SOURce?", term_source_query, 0, 0},
    {"TRIGger:TERM<8>:CLASs", term_class, 1, 1},
    {"TRIGger:TERM<8>:CLASs?", term_class_query, 0, 0},
    {"TRIGger:TERM<8>:DW0", term_dw0, 2, 2},
    {"TRIGger:TERM<8>:DW0?", term_dw0_query, 0, 0},
    {"TRIGger:TERM<8>:FLAGs", term_flags, 2, 2},
    {"TRIGger:TERM<8>:FLAGs?", term_flags_query, 0, 0},
    {"TRIGger:TERM<8>:AUX", term_aux, 2, 2},
    {"TRIGger:TERM<8>:AUX?", term_aux_query, 0, 0},
    {"TRIGger:TERM<8>:DATA", term_data, 2, 2},
    {"TRIGger:TERM<8>:DATA?", term_data_query, 0, 0},
    {"TRIGger:TERM<8>:DATA:RANGe", term_range, 2, 2},
    {"TRIGger:TERM<8>:DATA:RANGe?", term_range_query, 0, 0},
    {"TRIGger:TERM<8>:ADDRess", term_address, 1, 2},
    {"TRIGger:TERM<8>:ADDRess?", term_address_query, 0, 0},
    {"TRIGger:TERM<8>:EDGE", term_edge, 1, 1},
    {"TRIGger:TERM<8>:EDGE?", term_edge_query, 0, 0},
    {"TRIGger:TERM<8>:CLEar", term_clear, 0, 0},
    {"TRIGger:STEP<8>", step_set, 3, 3},
    {"TRIGger:STEP<8>?", step_query, 0, 0},
    {"TRIGger:STEP<8>:BRANch", step_branch, 1, 2},
    {"TRIGger:STEP<8>:BRANch?", step_branch_query, 0, 0},
    {"TRIGger:STEP<8>:TIMeout", step_timeout, 1, 2},
    {"TRIGger:STEP<8>:TIMeout?", step_timeout_query, 0, 0},
    {"TRIGger:STEP<8>:PULSe", step_pulse, 1, 1},
    {"TRIGger:STEP<8>:PULSe?", step_pulse_query, 0, 0},
    {"TRIGger:STEP<8>:CLEar", step_clear, 0, 0},
    {"TRIGger:PROGram?", trigger_program_query, 0, 0},
    {"TRIGger:STATe?", trigger_state_query, 0, 0},
    {"TRIGger:IMMediate", trigger_immediate, 0, 0},
    {"TRIGger:TIME?", trigger_time_query, 0, 0},
    {"CAPTure:DEPTh?", capture_depth_query, 0, 0},
    {"CAPTure:PRETrigger", capture_pretrigger, 1, 1},
    {"CAPTure:PRETrigger?", capture_pretrigger_query, 0, 0},
    {"CAPTure:SEGMents", capture_segments, 1, 1},
    {"CAPTure:SEGMents?", capture_segments_query, 0, 1},
    {"CAPTure:SEGMent?", capture_segments_query, 0, 1},
    {"CAPTure:SEGMent:COUNt?", segment_count_query, 0, 0},
    {"CAPTure:QUALify", capture_qualify, 1, TAP_COUNT},
    {"CAPTure:QUALify?", capture_qualify_query, 0, 0},
    {"CAPTure:QUALify:TERM", capture_qualify_term, 1, 1},
    {"CAPTure:QUALify:TERM?", capture_qualify_term_query, 0, 0},
    {"CAPTure:FOLD", capture_fold, 1, 1},
    {"CAPTure:FOLD?", capture_fold_query, 0, 0},
    {"CAPTure:ARM", capture_arm, 0, 0},
    {"CAPTure:STOP", capture_stop, 0, 0},
    {"CAPTure:STATe?", capture_state_query, 0, 0},
    {"CAPTure:COUNt?", capture_count_query, 0, 0},
    {"CAPTure:LOST?", capture_lost_query, 0, 0},
    {"CAPTure:DATA?", capture_data_query, 2, 2},
    {"STATistics:CLASs?", statistics_class_query, 1, 1},
    {"STATistics:ALL?", statistics_all_query, 0, 0},
    {"MARK", mark, 1, 2},
    {"INPut:LEVels?", levels_query, 0, 0},
    {"INPut:CONSole:BAUD", console_baud, 1, 1},
    {"INPut:CONSole:BAUD?", console_baud_query, 0, 0},
    {"INPut:CONSole:ERRors?", console_errors_query, 0, 0},
    {"DIAGnostic:BLINd", diagnostic_blind, 1, 1},
    {"DIAGnostic:BLINd?", diagnostic_blind_query, 0, 0},
    {"DUT:DMA:STATe", dut_dma_state, 1, 1},
    {"DUT:DMA:STATe?", dut_dma_state_query, 0, 0},
    {"DUT:DMA:MODE", dut_dma_mode, 1, 1},
    {"DUT:DMA:MODE?", dut_dma_mode_query, 0, 0},
    {"DUT:DMA:PERiod", dut_dma_period, 1, 1},
    {"DUT:DMA:PERiod?", dut_dma_period_query, 0, 0},
    {"DUT:DMA:LENgth", dut_dma_length, 1, 1},
    {"DUT:DMA:LENgth?", dut_dma_length_query, 0, 0},
    {"DUT:DMA:ADDRess?", dut_dma_address_query, 0, 0},
    {"DUT:DMA:SIZE?", dut_dma_size_query, 0, 0},
    {"DUT:DMA:SEQuence?", dut_dma_sequence_query, 0, 0},
    {"DUT:DMA:COMPletions?", dut_dma_completions_query, 0, 0},
    {"DUT:INTerrupt", dut_interrupt, 1, 1},
    {"DUT:STATus?", dut_status_query, 0, 0},
    {"DUT:BOOT", dut_boot, 1, 1},
    {"DUT:BOOT?", dut_boot_query, 0, 0},
    {"DUT:ALERt", dut_alert, 1, 1},
    {"DUT:HEARtbeat", dut_heartbeat, 1, 1},
    {"DUT:HANG", dut_hang, 0, 0},
    {"DUT:TRAP", dut_trap, 0, 0},
    {"DUT:FAULt", dut_fault, 1, 1},
    {"DUT:FAULt?", dut_fault_query, 0, 0},
    {"DUT:FAULt:CATalog?", dut_fault_catalog_query, 0, 0},
};

_Static_assert(sizeof commands / sizeof commands[0] <= SCPI_COMMANDS_MAX, "SCPI_COMMANDS_MAX");
_Static_assert(TAP_COUNT <= SCPI_ARGS_MAX, "all taps are one command's parameters");

void analyser_init(void)
{
    ahead.count = 0;
    fired = false;
    scpi_init(&scpi_state, commands, sizeof commands / sizeof commands[0], hal_send, reset_instrument,
              update_groups);
    reset_instrument();
}

void analyser_receive(char byte)
{
    scpi_receive(&scpi_state, byte);
    while (ahead.count) {
        byte = ahead.bytes[ahead.first];
        ahead.first = (ahead.first + 1) % sizeof ahead.bytes;
        ahead.count--;
        scpi_receive(&scpi_state, byte);
    }
}

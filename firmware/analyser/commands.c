/* SPDX-License-Identifier: Apache-2.0 */
/* The analyser's own SCPI commands: trigger, capture, statistics, marks. Reference: docs/scpi.md. */
#include "commands.h"

#include "capture_layout.h"
#include "hal.h"
#include "text.h"

#ifndef FIRMWARE_VERSION
#define FIRMWARE_VERSION "0"
#endif

static const char *const source_names[] = {"NONE", "CONSole", "DOORbell", "BME", "FLR"};
static const char *const stat_names[] = STAT_NAMES;
#define SOURCES (sizeof source_names / sizeof source_names[0])
#define STATS (sizeof stat_names / sizeof stat_names[0])

static struct scpi scpi_state;
/* Settings; the hardware gets them at CAPTure:ARM. */
static struct {
    uint32_t source;
    char text[CAPTURE_TRIGGER_TEXT_MAX];
    size_t text_length;
    uint32_t pretrigger;
} settings;

static bool recording(void)
{
    enum hal_state state = hal_state();

    return state == HAL_ARMED || state == HAL_TRIGGERED;
}

/* Settings hold still while a capture uses them. */
static bool refuse_while_recording(struct scpi *scpi)
{
    if (!recording())
        return false;
    scpi_fail(scpi, SCPI_SETTINGS_CONFLICT);
    return true;
}

static void reset_instrument(void)
{
    hal_reset();
    settings.source = TRIGGER_NONE;
    settings.text_length = 0;
    settings.pretrigger = hal_depth() / 2;
    hal_set_trigger(TRIGGER_NONE, settings.text, 0);
}

static void idn_query(struct scpi *scpi)
{
    uint32_t id[4];

    hal_build_id(id);
    scpi_reply_text(scpi, "vkbench,VK-LA1,");
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

/* ---- TRIGger */

static void trigger_source(struct scpi *scpi)
{
    size_t source;

    if (scpi_arg_keyword(scpi, 0, source_names, SOURCES, &source) && !refuse_while_recording(scpi))
        settings.source = (uint32_t)source;
}

static void trigger_source_query(struct scpi *scpi)
{
    /* Answers are short forms (SCPI-99 volume 1, 6.2.5): the capitals of the name. */
    scpi_reply(scpi);
    for (const char *c = source_names[settings.source]; *c && !(*c >= 'a' && *c <= 'z'); c++)
        scpi_put_bytes(scpi, c, 1);
}

static void trigger_text(struct scpi *scpi)
{
    char text[CAPTURE_TRIGGER_TEXT_MAX];
    size_t length;

    if (!scpi_arg_string(scpi, 0, text, sizeof text, &length) || refuse_while_recording(scpi))
        return;
    for (size_t i = 0; i < length; i++)
        settings.text[i] = text[i];
    settings.text_length = length;
}

static void trigger_text_query(struct scpi *scpi)
{
    scpi_reply_text(scpi, "\"");
    for (size_t i = 0; i < settings.text_length; i++) {
        if (settings.text[i] == '"')
            scpi_put(scpi, "\"");
        scpi_put_bytes(scpi, &settings.text[i], 1);
    }
    scpi_put(scpi, "\"");
}

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

/* ---- CAPTure */

static void capture_depth_query(struct scpi *scpi)
{
    scpi_reply_u64(scpi, hal_depth());
}

static void capture_pretrigger(struct scpi *scpi)
{
    uint64_t value;

    if (scpi_arg_u64(scpi, 0, 0, hal_depth() - 1, &value) && !refuse_while_recording(scpi))
        settings.pretrigger = (uint32_t)value;
}

static void capture_pretrigger_query(struct scpi *scpi)
{
    scpi_reply_u64(scpi, settings.pretrigger);
}

static void capture_arm(struct scpi *scpi)
{
    if (recording()) {
        scpi_fail(scpi, SCPI_INIT_IGNORED);
    } else if (settings.source == TRIGGER_NONE ||
               (settings.source == TRIGGER_CONSOLE && settings.text_length == 0)) {
        scpi_fail(scpi, SCPI_SETTINGS_CONFLICT);
    } else {
        hal_set_trigger(settings.source, settings.text, settings.text_length);
        hal_arm(settings.pretrigger);
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
        hal_move((uint32_t)first, (uint32_t)count);
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
    uint64_t number;

    if (!scpi_arg_u64(scpi, 0, 0, UINT32_MAX, &number))
        return;
    if (hal_state() == HAL_IDLE)
        scpi_fail(scpi, SCPI_SETTINGS_CONFLICT); /* a mark that nobody records */
    else
        hal_mark((uint32_t)number);
}

static const struct scpi_command commands[] = {
    SCPI_COMMON_COMMANDS,
    {"*IDN?", idn_query, 0, 0},
    {"*TST?", analyser_self_test, 0, 0},
    {"SYSTem:TIME?", time_query, 0, 0},
    {"SYSTem:CLOCk?", clock_query, 0, 0},
    {"TRIGger:SOURce", trigger_source, 1, 1},
    {"TRIGger:SOURce?", trigger_source_query, 0, 0},
    {"TRIGger:CONSole:TEXT", trigger_text, 1, 1},
    {"TRIGger:CONSole:TEXT?", trigger_text_query, 0, 0},
    {"TRIGger:IMMediate", trigger_immediate, 0, 0},
    {"TRIGger:TIME?", trigger_time_query, 0, 0},
    {"CAPTure:DEPTh?", capture_depth_query, 0, 0},
    {"CAPTure:PRETrigger", capture_pretrigger, 1, 1},
    {"CAPTure:PRETrigger?", capture_pretrigger_query, 0, 0},
    {"CAPTure:ARM", capture_arm, 0, 0},
    {"CAPTure:STOP", capture_stop, 0, 0},
    {"CAPTure:STATe?", capture_state_query, 0, 0},
    {"CAPTure:COUNt?", capture_count_query, 0, 0},
    {"CAPTure:LOST?", capture_lost_query, 0, 0},
    {"CAPTure:DATA?", capture_data_query, 2, 2},
    {"STATistics:CLASs?", statistics_class_query, 1, 1},
    {"STATistics:ALL?", statistics_all_query, 0, 0},
    {"MARK", mark, 1, 1},
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

void analyser_init(void)
{
    scpi_init(&scpi_state, commands, sizeof commands / sizeof commands[0], hal_send, reset_instrument);
    reset_instrument();
}

void analyser_receive(char byte)
{
    scpi_receive(&scpi_state, byte);
}

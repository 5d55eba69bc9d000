/* SPDX-License-Identifier: Apache-2.0 */
/* Error queue, IEEE 488.2 and SCPI-99 status registers, and the common commands. */
#include "scpi.h"

static const struct {
    int16_t code;
    const char *text;
} messages[] = {
    {SCPI_NO_ERROR, "No error"},
    {SCPI_SYNTAX_ERROR, "Syntax error"},
    {SCPI_DATA_TYPE, "Data type error"},
    {SCPI_TOO_MANY, "Parameter not allowed"},
    {SCPI_MISSING, "Missing parameter"},
    {SCPI_UNDEFINED_HEADER, "Undefined header"},
    {SCPI_SUFFIX_RANGE, "Header suffix out of range"},
    {SCPI_NUMBER_CHARACTER, "Invalid character in number"},
    {SCPI_INVALID_STRING, "Invalid string data"},
    {SCPI_TRIGGER_IGNORED, "Trigger ignored"},
    {SCPI_INIT_IGNORED, "Init ignored"},
    {SCPI_SETTINGS_CONFLICT, "Settings conflict"},
    {SCPI_OUT_OF_RANGE, "Data out of range"},
    {SCPI_TOO_MUCH_DATA, "Too much data"},
    {SCPI_ILLEGAL_VALUE, "Illegal parameter value"},
    {SCPI_DATA_STALE, "Data corrupt or stale"},
    {SCPI_HARDWARE_ERROR, "Hardware error"},
    {SCPI_QUEUE_OVERFLOW, "Queue overflow"},
    {SCPI_LINE_TOO_LONG, "Input buffer overrun"},
    {SCPI_QUERY_AFTER_INDEFINITE, "Query UNTERMINATED after indefinite response"},
};

void scpi_fail(struct scpi *scpi, enum scpi_error error)
{
    scpi_fail_detail(scpi, error, NULL, 0, 0, 0);
}

void scpi_fail_detail(struct scpi *scpi, enum scpi_error error, const char *detail, uint32_t a, uint32_t b,
                      uint32_t c)
{
    size_t last;

    if (error <= -400)
        scpi->esr |= SCPI_ESR_QYE;
    else if (error <= -300)
        scpi->esr |= SCPI_ESR_DDE;
    else if (error <= -200)
        scpi->esr |= SCPI_ESR_EXE;
    else
        scpi->esr |= SCPI_ESR_CME;
    if (scpi->error_count == SCPI_ERRORS_MAX) {
        /* The newest gives way, so that the first errors, the cause of the others, stay (SCPI-99 21.8.1). */
        last = (scpi->error_first + SCPI_ERRORS_MAX - 1) % SCPI_ERRORS_MAX;
        scpi->errors[last] = (struct scpi_queued){.code = SCPI_QUEUE_OVERFLOW};
        return;
    }
    last = (scpi->error_first + scpi->error_count) % SCPI_ERRORS_MAX;
    scpi->errors[last] = (struct scpi_queued){(int16_t)error, detail, {a, b, c}};
    scpi->error_count++;
}

void scpi_condition(struct scpi *scpi, enum scpi_group group, uint16_t condition)
{
    scpi->groups[group].event |= condition & (uint16_t)~scpi->groups[group].condition;
    scpi->groups[group].condition = condition;
}

void scpi_event(struct scpi *scpi, enum scpi_group group, uint16_t events)
{
    scpi->groups[group].event |= events;
}

static uint8_t status_byte(struct scpi *scpi)
{
    uint8_t stb = 0;

    scpi->update_groups(scpi);
    if (scpi->error_count)
        stb |= SCPI_STB_EAV;
    if (scpi->groups[SCPI_QUESTIONABLE].event & scpi->groups[SCPI_QUESTIONABLE].enable)
        stb |= SCPI_STB_QUES;
    if (scpi->replied)
        stb |= SCPI_STB_MAV;
    if (scpi->esr & scpi->ese)
        stb |= SCPI_STB_ESB;
    if (scpi->groups[SCPI_OPERATION].event & scpi->groups[SCPI_OPERATION].enable)
        stb |= SCPI_STB_OPER;
    if (stb & scpi->sre)
        stb |= SCPI_STB_MSS;
    return stb;
}

void scpi_cls(struct scpi *scpi)
{
    scpi->update_groups(scpi); /* what is true now must not count as new at the next look */
    scpi->esr = 0;
    scpi->error_count = 0;
    for (size_t group = 0; group < SCPI_GROUPS; group++)
        scpi->groups[group].event = 0;
}

void scpi_ese(struct scpi *scpi)
{
    uint64_t value;

    if (scpi_arg_u64(scpi, 0, 0, 255, &value))
        scpi->ese = (uint8_t)value;
}

void scpi_ese_query(struct scpi *scpi)
{
    scpi_reply_u64(scpi, scpi->ese);
}

void scpi_esr_query(struct scpi *scpi)
{
    scpi_reply_u64(scpi, scpi->esr);
    scpi->esr = 0;
}

/* Every command has ended when the next one is read: operation is always complete. */
void scpi_opc(struct scpi *scpi)
{
    scpi->esr |= SCPI_ESR_OPC;
}

void scpi_opc_query(struct scpi *scpi)
{
    scpi_reply_u64(scpi, 1);
}

void scpi_wai(struct scpi *scpi)
{
    (void)scpi;
}

void scpi_rst(struct scpi *scpi)
{
    scpi->clear_instrument();
}

void scpi_sre(struct scpi *scpi)
{
    uint64_t value;

    if (scpi_arg_u64(scpi, 0, 0, 255, &value))
        scpi->sre = (uint8_t)value & (uint8_t)~SCPI_STB_MSS;
}

void scpi_sre_query(struct scpi *scpi)
{
    scpi_reply_u64(scpi, scpi->sre);
}

void scpi_stb_query(struct scpi *scpi)
{
    scpi_reply_u64(scpi, status_byte(scpi));
}

static void put_detail(struct scpi *scpi, const struct scpi_queued *error)
{
    size_t value = 0;

    for (const char *c = error->detail; *c; c++) {
        if (*c == '%')
            scpi_put_u64(scpi, error->values[value++]);
        else if (*c == '$')
            scpi_put_hex(scpi, error->values[value++]);
        else
            scpi_put_bytes(scpi, c, 1);
    }
}

void scpi_error_query(struct scpi *scpi)
{
    struct scpi_queued error = {.code = SCPI_NO_ERROR};

    if (scpi->error_count) {
        error = scpi->errors[scpi->error_first];
        scpi->error_first = (scpi->error_first + 1) % SCPI_ERRORS_MAX;
        scpi->error_count--;
    }
    scpi_reply(scpi);
    if (error.code < 0)
        scpi_put(scpi, "-");
    scpi_put_u64(scpi, (uint64_t)(error.code < 0 ? -error.code : error.code));
    scpi_put(scpi, ",\"");
    for (size_t i = 0; i < sizeof messages / sizeof messages[0]; i++)
        if (messages[i].code == error.code)
            scpi_put(scpi, messages[i].text);
    if (error.detail) {
        scpi_put(scpi, ";");
        put_detail(scpi, &error);
    }
    scpi_put(scpi, "\"");
}

void scpi_error_count_query(struct scpi *scpi)
{
    scpi_reply_u64(scpi, scpi->error_count);
}

void scpi_version_query(struct scpi *scpi)
{
    scpi_reply_text(scpi, "1999.0");
}

/* ---- STATus (SCPI-99 volume 2, chapter 20). */

static void event_query(struct scpi *scpi, enum scpi_group group)
{
    scpi->update_groups(scpi);
    scpi_reply_u64(scpi, scpi->groups[group].event);
    scpi->groups[group].event = 0;
}

static void condition_query(struct scpi *scpi, enum scpi_group group)
{
    scpi->update_groups(scpi);
    scpi_reply_u64(scpi, scpi->groups[group].condition);
}

static void enable(struct scpi *scpi, enum scpi_group group)
{
    uint64_t value;

    if (scpi_arg_u64(scpi, 0, 0, UINT16_MAX, &value))
        scpi->groups[group].enable = (uint16_t)value & 0x7fffu; /* bit 15 is always 0 */
}

void scpi_preset(struct scpi *scpi)
{
    for (size_t group = 0; group < SCPI_GROUPS; group++)
        scpi->groups[group].enable = 0;
}

void scpi_operation_event_query(struct scpi *scpi)
{
    event_query(scpi, SCPI_OPERATION);
}

void scpi_operation_condition_query(struct scpi *scpi)
{
    condition_query(scpi, SCPI_OPERATION);
}

void scpi_operation_enable(struct scpi *scpi)
{
    enable(scpi, SCPI_OPERATION);
}

void scpi_operation_enable_query(struct scpi *scpi)
{
    scpi_reply_u64(scpi, scpi->groups[SCPI_OPERATION].enable);
}

void scpi_questionable_event_query(struct scpi *scpi)
{
    event_query(scpi, SCPI_QUESTIONABLE);
}

void scpi_questionable_condition_query(struct scpi *scpi)
{
    condition_query(scpi, SCPI_QUESTIONABLE);
}

void scpi_questionable_enable(struct scpi *scpi)
{
    enable(scpi, SCPI_QUESTIONABLE);
}

void scpi_questionable_enable_query(struct scpi *scpi)
{
    scpi_reply_u64(scpi, scpi->groups[SCPI_QUESTIONABLE].enable);
}

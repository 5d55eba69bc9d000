/* SPDX-License-Identifier: Apache-2.0 */
/* The TRIGger commands. Settings hold still while a capture uses them. */
#include "commands.h"
#include "program_map.h"

#define ALL_16 0xffffu

/* Fmt and Type of DW0; bit 29 says only whether the header has four dwords. */
static const char *const class_names[] = {"ANY", "MWR", "MRD", "CPL", "CPLD"};
static const struct {
    uint32_t value, mask;
} classes[] = {{0, 0},
               {0x40000000u, 0xdf000000u},
               {0, 0xdf000000u},
               {0x0a000000u, 0xff000000u},
               {0x4a000000u, 0xff000000u}};
#define CLASSES (sizeof classes / sizeof classes[0])

static const char *const trigger_names[] = {"NONE", "CONSole", "DOORbell", "BME", "FLR", "SEQuence"};
/* TRIGGER_IMMEDIATE lies between the last two and is no setting. */
static const uint8_t trigger_codes[] = {TRIGGER_NONE, TRIGGER_CONSOLE, TRIGGER_DOORBELL,
                                        TRIGGER_BME,  TRIGGER_FLR,     TRIGGER_SEQUENCE};
#define TRIGGERS (sizeof trigger_codes)

static const char *const tap_names[] = TAP_NAMES;
static const char *const text_names[] = {"TEXT1", "TEXT2", "TEXT3", "TEXT4"};

void trigger_clear(struct scpi *scpi)
{
    if (analyser_refuses_while_recording(scpi))
        return;
    program_clear(program_settings);
    program_set_source(TRIGGER_NONE);
}

void trigger_source(struct scpi *scpi)
{
    size_t name;

    if (scpi_arg_keyword(scpi, 0, trigger_names, TRIGGERS, &name) &&
        !analyser_refuses_while_recording(scpi))
        program_set_source(trigger_codes[name]);
}

/* TRIGger:SOURce of a TRIGGER_ number, as a short form (SCPI-99 volume 1, 6.2.5). */
void program_put_source(struct scpi *scpi, uint32_t source)
{
    size_t name = 0;

    while (name < TRIGGERS - 1 && trigger_codes[name] != source)
        name++;
    scpi_put_short(scpi, trigger_names[name]);
}

void trigger_source_query(struct scpi *scpi)
{
    scpi_reply(scpi);
    program_put_source(scpi, program_source());
}

void trigger_text(struct scpi *scpi)
{
    uint32_t text = scpi->suffix - 1;
    char bytes[CAPTURE_TRIGGER_TEXT_MAX];
    size_t length;

    if (!scpi_arg_string(scpi, 0, bytes, sizeof bytes, &length) || analyser_refuses_while_recording(scpi))
        return;
    program_clear_range(program_settings, TEXT(text, LENGTH), TEXT(0, BYTES_7) + 4 - TEXT(0, LENGTH));
    program_settings[TEXT(text, LENGTH) / 4] = (uint32_t)length;
    for (size_t i = 0; i < length; i++) {
        size_t at = length - 1 - i;
        program_settings[TEXT(text, BYTES_0) / 4 + at / 4] |= (uint32_t)(uint8_t)bytes[i] << (8 * (at % 4));
    }
}

void trigger_text_query(struct scpi *scpi)
{
    scpi_reply(scpi);
    program_put_text(scpi, program_setting, scpi->suffix - 1);
}

/* ---- TRIGger:TERM<n> */

static uint32_t *term_word(const struct scpi *scpi, uint32_t first_offset)
{
    return &program_settings[(first_offset + (scpi->suffix - 1) * TERM_STRIDE) / 4];
}

static void set_bits(uint32_t *word, uint32_t mask, uint32_t value)
{
    *word = (*word & ~mask) | value;
}

/* Parameters <value>,<mask> of at most max. */
static bool arg_masked(struct scpi *scpi, uint32_t max, uint32_t *value, uint32_t *mask)
{
    uint64_t a, b;

    if (!scpi_arg_u64(scpi, 0, 0, max, &a) || !scpi_arg_u64(scpi, 1, 0, max, &b))
        return false;
    *value = (uint32_t)a;
    *mask = (uint32_t)b;
    if (a & ~b) {
        scpi_fail_detail(scpi, SCPI_OUT_OF_RANGE, "bits $ are not in the mask: it would never match",
                         (uint32_t)(a & ~b), 0, 0);
        return false;
    }
    return !analyser_refuses_while_recording(scpi);
}

/* Parameters <least>,<greatest>. */
static bool arg_range(struct scpi *scpi, uint64_t max, uint64_t *least, uint64_t *greatest)
{
    if (!scpi_arg_u64(scpi, 0, 0, max, least) || !scpi_arg_u64(scpi, 1, 0, max, greatest))
        return false;
    if (*least > *greatest) {
        scpi_fail_detail(scpi, SCPI_OUT_OF_RANGE, "the range is reversed: it would never match", 0, 0, 0);
        return false;
    }
    return !analyser_refuses_while_recording(scpi);
}

void term_source(struct scpi *scpi)
{
    const char *names[1 + TAP_COUNT + TEXTS];
    size_t name;

    names[0] = "NONE";
    for (size_t i = 0; i < TAP_COUNT; i++)
        names[1 + i] = tap_names[i];
    for (size_t i = 0; i < TEXTS; i++)
        names[1 + TAP_COUNT + i] = text_names[i];
    if (!scpi_arg_keyword(scpi, 0, names, sizeof names / sizeof names[0], &name) ||
        analyser_refuses_while_recording(scpi))
        return;
    if (name > TAP_COUNT)
        name += SOURCE_TEXT - (1 + TAP_COUNT);
    set_bits(term_word(scpi, TERM(0, SELECT)), ANALYSER_TRIGGER_TERM_0_SELECT_SOURCE_MASK,
             PUT(name, TERM_0_SELECT_SOURCE));
}

void term_source_query(struct scpi *scpi)
{
    scpi_reply(scpi);
    program_put_term_source(scpi, program_setting, scpi->suffix - 1);
}

void term_class(struct scpi *scpi)
{
    size_t class;

    if (!scpi_arg_keyword(scpi, 0, class_names, CLASSES, &class) || analyser_refuses_while_recording(scpi))
        return;
    *term_word(scpi, TERM(0, DW0_VALUE)) = classes[class].value;
    *term_word(scpi, TERM(0, DW0_MASK)) = classes[class].mask;
}

void term_class_query(struct scpi *scpi)
{
    for (size_t class = 0; class < CLASSES; class ++) {
        if (*term_word(scpi, TERM(0, DW0_VALUE)) == classes[class].value &&
            *term_word(scpi, TERM(0, DW0_MASK)) == classes[class].mask) {
            scpi_reply_text(scpi, class_names[class]);
            return;
        }
    }
    scpi_reply_text(scpi, "OTHER"); /* set by DW0 */
}

void term_dw0(struct scpi *scpi)
{
    uint32_t value, mask;

    if (!arg_masked(scpi, UINT32_MAX, &value, &mask))
        return;
    *term_word(scpi, TERM(0, DW0_VALUE)) = value;
    *term_word(scpi, TERM(0, DW0_MASK)) = mask;
}

void term_dw0_query(struct scpi *scpi)
{
    scpi_reply(scpi);
    program_put_pair(scpi, *term_word(scpi, TERM(0, DW0_VALUE)), *term_word(scpi, TERM(0, DW0_MASK)));
}

void term_flags(struct scpi *scpi)
{
    uint32_t value, mask;

    if (arg_masked(scpi, GET(~0u, TERM_0_SELECT_FLAGS_MASK), &value, &mask))
        set_bits(term_word(scpi, TERM(0, SELECT)),
                 ANALYSER_TRIGGER_TERM_0_SELECT_FLAGS_VALUE_MASK |
                     ANALYSER_TRIGGER_TERM_0_SELECT_FLAGS_MASK_MASK,
                 PUT(value, TERM_0_SELECT_FLAGS_VALUE) | PUT(mask, TERM_0_SELECT_FLAGS_MASK));
}

void term_flags_query(struct scpi *scpi)
{
    scpi_reply(scpi);
    program_put_flags(scpi, program_setting, scpi->suffix - 1);
}

void term_aux(struct scpi *scpi)
{
    uint32_t value, mask;

    if (arg_masked(scpi, ALL_16, &value, &mask))
        *term_word(scpi, TERM(0, AUX)) = PUT(value, TERM_0_AUX_VALUE) | PUT(mask, TERM_0_AUX_MASK);
}

void term_aux_query(struct scpi *scpi)
{
    scpi_reply(scpi);
    program_put_aux(scpi, program_setting, scpi->suffix - 1);
}

static void set_data(struct scpi *scpi, bool range, uint32_t a, uint32_t b)
{
    set_bits(term_word(scpi, TERM(0, SELECT)), ANALYSER_TRIGGER_TERM_0_SELECT_RANGE_MASK,
             PUT(range, TERM_0_SELECT_RANGE));
    *term_word(scpi, TERM(0, DATA_A)) = a;
    *term_word(scpi, TERM(0, DATA_B)) = b;
}

static void data_query(struct scpi *scpi, bool range)
{
    if (GET(*term_word(scpi, TERM(0, SELECT)), TERM_0_SELECT_RANGE) != range) {
        scpi_fail_detail(scpi, SCPI_SETTINGS_CONFLICT,
                         range ? "DATA is compared by value and mask" : "DATA is compared by a range", 0, 0,
                         0);
        return;
    }
    scpi_reply(scpi);
    program_put_pair(scpi, *term_word(scpi, TERM(0, DATA_A)), *term_word(scpi, TERM(0, DATA_B)));
}

void term_data(struct scpi *scpi)
{
    uint32_t value, mask;

    if (arg_masked(scpi, UINT32_MAX, &value, &mask))
        set_data(scpi, false, value, mask);
}

void term_data_query(struct scpi *scpi)
{
    data_query(scpi, false);
}

void term_range(struct scpi *scpi)
{
    uint64_t least, greatest;

    if (arg_range(scpi, UINT32_MAX, &least, &greatest))
        set_data(scpi, true, (uint32_t)least, (uint32_t)greatest);
}

void term_range_query(struct scpi *scpi)
{
    data_query(scpi, true);
}

void term_address(struct scpi *scpi)
{
    uint64_t first = 0, last = 0;
    bool window = !scpi_arg_is(scpi, 0, "ANY") || scpi->arg_count > 1;

    if (window && scpi->arg_count < 2) {
        scpi_fail(scpi, SCPI_MISSING);
        return;
    }
    if (window ? !arg_range(scpi, UINT64_MAX, &first, &last) : analyser_refuses_while_recording(scpi))
        return;
    set_bits(term_word(scpi, TERM(0, SELECT)), ANALYSER_TRIGGER_TERM_0_SELECT_WINDOW_MASK,
             PUT(window, TERM_0_SELECT_WINDOW));
    *term_word(scpi, TERM(0, FIRST_LO)) = (uint32_t)first;
    *term_word(scpi, TERM(0, FIRST_HI)) = (uint32_t)(first >> 32);
    *term_word(scpi, TERM(0, LAST_LO)) = (uint32_t)last;
    *term_word(scpi, TERM(0, LAST_HI)) = (uint32_t)(last >> 32);
}

void term_address_query(struct scpi *scpi)
{
    uint32_t term = scpi->suffix - 1;

    scpi_reply(scpi);
    if (GET(program_setting(TERM(term, SELECT)), TERM_0_SELECT_WINDOW))
        program_put_pair(scpi, program_read64(program_setting, TERM(term, FIRST_LO)),
                         program_read64(program_setting, TERM(term, LAST_LO)));
    else
        scpi_put(scpi, "ANY");
}

void term_edge(struct scpi *scpi)
{
    bool on;

    if (scpi_arg_bool(scpi, 0, &on) && !analyser_refuses_while_recording(scpi))
        set_bits(term_word(scpi, TERM(0, SELECT)), ANALYSER_TRIGGER_TERM_0_SELECT_EDGE_ONLY_MASK,
                 PUT(on, TERM_0_SELECT_EDGE_ONLY));
}

void term_edge_query(struct scpi *scpi)
{
    scpi_reply_u64(scpi, GET(*term_word(scpi, TERM(0, SELECT)), TERM_0_SELECT_EDGE_ONLY));
}

void term_clear(struct scpi *scpi)
{
    if (!analyser_refuses_while_recording(scpi))
        program_clear_range(program_settings, TERM(scpi->suffix - 1, SELECT), TERM_STRIDE);
}

/* ---- TRIGger:STEP<n> */

static uint32_t *step_word(const struct scpi *scpi, uint32_t first_offset)
{
    return &program_settings[(first_offset + (scpi->suffix - 1) * STEP_STRIDE) / 4];
}

/* A step's or term's number, from 0. */
static bool arg_number(struct scpi *scpi, size_t index, uint32_t max, uint32_t *number)
{
    uint64_t value;

    if (!scpi_arg_u64(scpi, index, 1, max, &value))
        return false;
    *number = (uint32_t)value - 1;
    return true;
}

static bool arg_step(struct scpi *scpi, size_t index, uint32_t *step)
{
    if (!scpi_arg_is(scpi, index, "FIRE"))
        return arg_number(scpi, index, STEPS, step);
    *step = FIRE;
    return true;
}

/* A single parameter NONE; any other single one lacks its second. */
static bool arg_none(struct scpi *scpi, bool *none)
{
    *none = scpi->arg_count == 1 && scpi_arg_is(scpi, 0, "NONE");
    if (*none || scpi->arg_count > 1)
        return true;
    scpi_fail(scpi, SCPI_MISSING);
    return false;
}

void step_set(struct scpi *scpi)
{
    uint32_t term, next;
    uint64_t count;

    if (!arg_number(scpi, 0, TERMS, &term) || !scpi_arg_u64(scpi, 1, 1, UINT32_MAX, &count) ||
        !arg_step(scpi, 2, &next) || analyser_refuses_while_recording(scpi))
        return;
    set_bits(step_word(scpi, STEP(0, CONTROL)),
             ANALYSER_TRIGGER_STEP_0_CONTROL_TERM_MASK | ANALYSER_TRIGGER_STEP_0_CONTROL_NEXT_MASK,
             PUT(1, STEP_0_CONTROL_USED) | PUT(term, STEP_0_CONTROL_TERM) | PUT(next, STEP_0_CONTROL_NEXT));
    *step_word(scpi, STEP(0, COUNT)) = (uint32_t)count;
}

void step_query(struct scpi *scpi)
{
    scpi_reply(scpi);
    if (GET(*step_word(scpi, STEP(0, CONTROL)), STEP_0_CONTROL_USED))
        program_put_wait(scpi, program_setting, scpi->suffix - 1);
    else
        scpi_put(scpi, "NONE");
}

void step_branch(struct scpi *scpi)
{
    uint32_t term = 0, next = 0;
    bool none;

    if (!arg_none(scpi, &none) ||
        (!none && !(arg_number(scpi, 0, TERMS, &term) && arg_step(scpi, 1, &next))) ||
        analyser_refuses_while_recording(scpi))
        return;
    set_bits(step_word(scpi, STEP(0, CONTROL)),
             ANALYSER_TRIGGER_STEP_0_CONTROL_BRANCH_MASK |
                 ANALYSER_TRIGGER_STEP_0_CONTROL_BRANCH_TERM_MASK |
                 ANALYSER_TRIGGER_STEP_0_CONTROL_BRANCH_NEXT_MASK,
             PUT(!none, STEP_0_CONTROL_BRANCH) | PUT(term, STEP_0_CONTROL_BRANCH_TERM) |
                 PUT(next, STEP_0_CONTROL_BRANCH_NEXT));
}

void step_branch_query(struct scpi *scpi)
{
    uint32_t control = *step_word(scpi, STEP(0, CONTROL));

    scpi_reply(scpi);
    if (GET(control, STEP_0_CONTROL_BRANCH))
        program_put_branch(scpi, control);
    else
        scpi_put(scpi, "NONE");
}

void step_timeout(struct scpi *scpi)
{
    uint64_t cycles = 0;
    uint32_t next = 0;
    bool none;

    if (!arg_none(scpi, &none) ||
        (!none && !(scpi_arg_u64(scpi, 0, 1, UINT32_MAX, &cycles) && arg_step(scpi, 1, &next))) ||
        analyser_refuses_while_recording(scpi))
        return;
    set_bits(step_word(scpi, STEP(0, CONTROL)),
             ANALYSER_TRIGGER_STEP_0_CONTROL_TIMED_MASK | ANALYSER_TRIGGER_STEP_0_CONTROL_TIMEOUT_NEXT_MASK,
             PUT(!none, STEP_0_CONTROL_TIMED) | PUT(next, STEP_0_CONTROL_TIMEOUT_NEXT));
    *step_word(scpi, STEP(0, TIMEOUT)) = (uint32_t)cycles;
}

void step_timeout_query(struct scpi *scpi)
{
    scpi_reply(scpi);
    if (GET(*step_word(scpi, STEP(0, CONTROL)), STEP_0_CONTROL_TIMED))
        program_put_timeout(scpi, program_setting, scpi->suffix - 1);
    else
        scpi_put(scpi, "NONE");
}

void step_pulse(struct scpi *scpi)
{
    bool on;

    if (scpi_arg_bool(scpi, 0, &on) && !analyser_refuses_while_recording(scpi))
        set_bits(step_word(scpi, STEP(0, CONTROL)), ANALYSER_TRIGGER_STEP_0_CONTROL_PULSE_MASK,
                 PUT(on, STEP_0_CONTROL_PULSE));
}

void step_pulse_query(struct scpi *scpi)
{
    scpi_reply_u64(scpi, GET(*step_word(scpi, STEP(0, CONTROL)), STEP_0_CONTROL_PULSE));
}

void step_clear(struct scpi *scpi)
{
    if (!analyser_refuses_while_recording(scpi))
        program_clear_step(program_settings, scpi->suffix - 1);
}

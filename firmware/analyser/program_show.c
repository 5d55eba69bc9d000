/* SPDX-License-Identifier: Apache-2.0 */
/* The trigger's program as SCPI: one decoder for the client's settings and for the hardware's registers. */
#include "hal.h"
#include "program_map.h"

static const char *const tap_names[] = TAP_NAMES;
static const char *const text_names[] = {"TEXT1", "TEXT2", "TEXT3", "TEXT4"};

void program_put_pair(struct scpi *scpi, uint64_t first, uint64_t second)
{
    scpi_put_hex(scpi, first);
    scpi_put(scpi, ",");
    scpi_put_hex(scpi, second);
}

uint64_t program_read64(program_reader *read, uint32_t low)
{
    return read(low) | (uint64_t)read(low + 4) << 32;
}

void program_put_term_source(struct scpi *scpi, program_reader *read, uint32_t term)
{
    uint32_t from = GET(read(TERM(term, SELECT)), TERM_0_SELECT_SOURCE);

    if (from >= SOURCE_TEXT && from < SOURCE_TEXT + TEXTS)
        scpi_put(scpi, text_names[from - SOURCE_TEXT]);
    else if (from >= 1 && from <= TAP_COUNT)
        scpi_put(scpi, tap_names[from - 1]);
    else
        scpi_put(scpi, "NONE");
}

void program_put_flags(struct scpi *scpi, program_reader *read, uint32_t term)
{
    uint32_t select = read(TERM(term, SELECT));

    program_put_pair(scpi, GET(select, TERM_0_SELECT_FLAGS_VALUE), GET(select, TERM_0_SELECT_FLAGS_MASK));
}

void program_put_aux(struct scpi *scpi, program_reader *read, uint32_t term)
{
    uint32_t aux = read(TERM(term, AUX));

    program_put_pair(scpi, GET(aux, TERM_0_AUX_VALUE), GET(aux, TERM_0_AUX_MASK));
}

static void put_step(struct scpi *scpi, uint32_t step)
{
    if (step >= FIRE)
        scpi_put(scpi, "FIRE");
    else
        scpi_put_u64(scpi, step + 1);
}

void program_put_wait(struct scpi *scpi, program_reader *read, uint32_t step)
{
    uint32_t control = read(STEP(step, CONTROL));

    scpi_put_u64(scpi, GET(control, STEP_0_CONTROL_TERM) + 1);
    scpi_put(scpi, ",");
    scpi_put_u64(scpi, read(STEP(step, COUNT)));
    scpi_put(scpi, ",");
    put_step(scpi, GET(control, STEP_0_CONTROL_NEXT));
}

void program_put_branch(struct scpi *scpi, uint32_t control)
{
    scpi_put_u64(scpi, GET(control, STEP_0_CONTROL_BRANCH_TERM) + 1);
    scpi_put(scpi, ",");
    put_step(scpi, GET(control, STEP_0_CONTROL_BRANCH_NEXT));
}

void program_put_timeout(struct scpi *scpi, program_reader *read, uint32_t step)
{
    scpi_put_u64(scpi, read(STEP(step, TIMEOUT)));
    scpi_put(scpi, ",");
    put_step(scpi, GET(read(STEP(step, CONTROL)), STEP_0_CONTROL_TIMEOUT_NEXT));
}

void program_put_text(struct scpi *scpi, program_reader *read, uint32_t text)
{
    char bytes[CAPTURE_TRIGGER_TEXT_MAX];
    uint32_t length = read(TEXT(text, LENGTH));

    if (length > sizeof bytes)
        length = sizeof bytes;
    for (uint32_t i = 0; i < length; i++) {
        uint32_t at = length - 1 - i; /* the hardware has the last byte first */
        bytes[i] = (char)(read(TEXT(text, BYTES_0) + (at & ~3u)) >> (8 * (at & 3u)));
    }
    scpi_put_string(scpi, bytes, length);
}

/* Path of a term or step, as the first of a group of settings. */
static void put_path(struct scpi *scpi, const char *name, uint32_t number)
{
    scpi_put(scpi, ";:TRIG:");
    scpi_put(scpi, name);
    scpi_put_u64(scpi, number + 1);
}

static void put_whole_term(struct scpi *scpi, program_reader *read, uint32_t term)
{
    uint32_t select = read(TERM(term, SELECT)), a = read(TERM(term, DATA_A)), b = read(TERM(term, DATA_B));

    put_path(scpi, "TERM", term);
    scpi_put(scpi, ":SOUR ");
    program_put_term_source(scpi, read, term);
    if (read(TERM(term, DW0_MASK))) {
        scpi_put(scpi, ";DW0 ");
        program_put_pair(scpi, read(TERM(term, DW0_VALUE)), read(TERM(term, DW0_MASK)));
    }
    if (GET(select, TERM_0_SELECT_FLAGS_MASK)) {
        scpi_put(scpi, ";FLAG ");
        program_put_flags(scpi, read, term);
    }
    if (GET(read(TERM(term, AUX)), TERM_0_AUX_MASK)) {
        scpi_put(scpi, ";AUX ");
        program_put_aux(scpi, read, term);
    }
    if (GET(select, TERM_0_SELECT_WINDOW)) {
        scpi_put(scpi, ";ADDR ");
        program_put_pair(scpi, program_read64(read, TERM(term, FIRST_LO)),
                         program_read64(read, TERM(term, LAST_LO)));
    }
    if (GET(select, TERM_0_SELECT_EDGE_ONLY))
        scpi_put(scpi, ";EDGE ON");
    /* Last, because a level of the tree deeper than the others. */
    if (GET(select, TERM_0_SELECT_RANGE) || b) {
        scpi_put(scpi, GET(select, TERM_0_SELECT_RANGE) ? ";DATA:RANG " : ";DATA ");
        program_put_pair(scpi, a, b);
    }
}

static void put_whole_step(struct scpi *scpi, program_reader *read, uint32_t step)
{
    uint32_t control = read(STEP(step, CONTROL));
    bool deeper = false;

    if (GET(control, STEP_0_CONTROL_USED)) {
        put_path(scpi, "STEP", step);
        scpi_put(scpi, " ");
        program_put_wait(scpi, read, step);
    }
    for (unsigned part = 0; part < 3; part++) {
        static const char *const names[] = {"BRAN ", "TIM ", "PULS ON"};
        static const uint32_t bits[] = {ANALYSER_TRIGGER_STEP_0_CONTROL_BRANCH_MASK,
                                        ANALYSER_TRIGGER_STEP_0_CONTROL_TIMED_MASK,
                                        ANALYSER_TRIGGER_STEP_0_CONTROL_PULSE_MASK};
        if (!(control & bits[part]))
            continue;
        if (!deeper)
            put_path(scpi, "STEP", step);
        scpi_put(scpi, deeper ? ";" : ":");
        deeper = true;
        scpi_put(scpi, names[part]);
        if (part == 0)
            program_put_branch(scpi, control);
        else if (part == 1)
            program_put_timeout(scpi, read, step);
    }
}

static bool term_is_empty(program_reader *read, uint32_t term)
{
    for (uint32_t offset = TERM(term, SELECT); offset <= TERM(term, LAST_HI); offset += 4)
        if (read(offset))
            return false;
    return true;
}

void trigger_program_query(struct scpi *scpi)
{
    program_reader *read = hal_program_read;

    scpi_reply_indefinite(scpi);
    scpi_put(scpi, ":TRIG:CLE;:TRIG:SOUR ");
    program_put_source(scpi, hal_trigger_source());
    for (uint32_t text = 0; text < TEXTS; text++) {
        if (read(TEXT(text, LENGTH))) {
            put_path(scpi, "TEXT", text);
            scpi_put(scpi, " ");
            program_put_text(scpi, read, text);
        }
    }
    for (uint32_t term = 0; term < TERMS; term++)
        if (!term_is_empty(read, term))
            put_whole_term(scpi, read, term);
    for (uint32_t step = 0; step < STEPS; step++)
        put_whole_step(scpi, read, step);
}

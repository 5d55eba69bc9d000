/* SPDX-License-Identifier: Apache-2.0 */
/* The trigger's program: the client's settings, and their way into the hardware. */
#include "hal.h"
#include "program_map.h"

#define COMMAND_BME 4u /* Command register, Bus Master Enable */
#define AUX_ALL 0xffffu

program_words program_settings;
static program_words built; /* a program of the firmware's own */
static uint32_t source;     /* TRIGger:SOURce */

uint32_t program_setting(uint32_t offset)
{
    return program_settings[offset / 4];
}

/* Offset of the register behind this one; PROGRAM_BYTES behind the last. */
static uint32_t next_register(uint32_t offset)
{
    offset += 4;
    if (offset < STEP(0, CONTROL))
        return offset % TERM_STRIDE <= TERM(0, LAST_HI) ? offset : (offset / TERM_STRIDE + 1) * TERM_STRIDE;
    if (offset < STEP(STEPS, CONTROL))
        return offset % STEP_STRIDE <= STEP(0, TIMEOUT) % STEP_STRIDE ? offset : offset + 4;
    if (offset < TEXT(0, LENGTH))
        return TEXT(0, LENGTH);
    return offset % TEXT_STRIDE <= TEXT(0, BYTES_7) % TEXT_STRIDE
               ? offset
               : (offset / TEXT_STRIDE + 1) * TEXT_STRIDE;
}

void program_clear_range(uint32_t *program, uint32_t first, uint32_t bytes)
{
    for (uint32_t offset = first; offset < first + bytes; offset += 4)
        program[offset / 4] = 0;
}

void program_clear_step(uint32_t *program, uint32_t step)
{
    program_clear_range(program, STEP(step, CONTROL), STEP_STRIDE);
    program[STEP(step, COUNT) / 4] = ANALYSER_TRIGGER_STEP_0_COUNT_RESET;
}

void program_clear(uint32_t *program)
{
    program_clear_range(program, 0, PROGRAM_BYTES);
    for (uint32_t step = 0; step < STEPS; step++)
        program_clear_step(program, step);
}

void program_reset(void)
{
    program_clear(program_settings);
    source = TRIGGER_NONE;
    program_unload();
}

uint32_t program_source(void)
{
    return source;
}

void program_set_source(uint32_t trigger_source)
{
    source = trigger_source;
}

/* ---- Into the hardware. */

static void write_program(const uint32_t *program)
{
    for (uint32_t offset = 0; offset < PROGRAM_BYTES; offset = next_register(offset))
        hal_program_write(offset, program[offset / 4]);
}

/* The program of one step that stands for a source with a name. Its term keeps out of the qualifier's way. */
static void build(uint32_t *program, uint32_t qualify_term)
{
    uint32_t term = qualify_term == 1 ? 1 : 0, select = 0;

    program_clear(program);
    if (qualify_term)
        for (uint32_t offset = TERM(qualify_term - 1, SELECT); offset <= TERM(qualify_term - 1, LAST_HI);
             offset += 4)
            program[offset / 4] = program_setting(offset);
    switch (source) {
    case TRIGGER_CONSOLE:
        select = SOURCE_TEXT;
        for (uint32_t offset = TEXT(0, LENGTH); offset <= TEXT(0, BYTES_7); offset += 4)
            program[offset / 4] = program_setting(offset);
        break;
    case TRIGGER_DOORBELL:
        select = 1 + TAP_CQ;
        program[TERM(term, SELECT) / 4] =
            PUT(FLAG_DOORBELL, TERM_0_SELECT_FLAGS_VALUE) | PUT(FLAG_DOORBELL, TERM_0_SELECT_FLAGS_MASK);
        break;
    case TRIGGER_BME: /* the Command register had it (data) and has it no more (aux) */
        select = 1 + TAP_CFG;
        program[TERM(term, DATA_A) / 4] = program[TERM(term, DATA_B) / 4] = COMMAND_BME;
        program[TERM(term, AUX) / 4] = PUT(COMMAND_BME, TERM_0_AUX_MASK);
        break;
    default: /* TRIGGER_FLR */
        select = 1 + TAP_RESET;
        program[TERM(term, AUX) / 4] =
            PUT(RESET_FLR_STARTED, TERM_0_AUX_VALUE) | PUT(AUX_ALL, TERM_0_AUX_MASK);
        break;
    }
    program[TERM(term, SELECT) / 4] |= PUT(select, TERM_0_SELECT_SOURCE);
    program[STEP(0, CONTROL) / 4] =
        PUT(1, STEP_0_CONTROL_USED) | PUT(term, STEP_0_CONTROL_TERM) | PUT(FIRE, STEP_0_CONTROL_NEXT);
}

bool program_load(struct scpi *scpi, uint32_t qualify_term)
{
    const uint32_t *program = built;

    if (source == TRIGGER_NONE)
        return program_refuse(scpi, "TRIGger:SOURce is NONE", 0, 0);
    if (source == TRIGGER_SEQUENCE)
        program = program_settings;
    else
        build(built, qualify_term);
    if (!program_check(scpi, program, qualify_term))
        return false;
    write_program(program);
    for (uint32_t offset = 0; offset < PROGRAM_BYTES; offset = next_register(offset)) {
        uint32_t found = hal_program_read(offset), wanted = program[offset / 4];
        if (found != wanted) {
            scpi_fail_detail(scpi, SCPI_HARDWARE_ERROR, "trigger register $ was written $ and reads $",
                             offset, wanted, found);
            return false;
        }
    }
    return true;
}

void program_unload(void)
{
    program_clear(built);
    write_program(built);
}

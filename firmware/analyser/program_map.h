/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The registers of the trigger's program (rtl/regs/analyser_trigger.rdl), as the files that make up program.h see
 * them. A program is an array of words at the places of its registers.
 */
#ifndef VKBENCH_ANALYSER_PROGRAM_MAP_H
#define VKBENCH_ANALYSER_PROGRAM_MAP_H
#include "capture_layout.h"
#include "program.h"
#include "vkbench_regs.h"

#define TERMS CAPTURE_SEQUENCE_TERMS
#define STEPS CAPTURE_SEQUENCE_STEPS
#define TEXTS CAPTURE_SEQUENCE_TEXTS
#define TERM_STRIDE (ANALYSER_TRIGGER_TERM_1_SELECT_OFFSET - ANALYSER_TRIGGER_TERM_0_SELECT_OFFSET)
#define STEP_STRIDE (ANALYSER_TRIGGER_STEP_1_CONTROL_OFFSET - ANALYSER_TRIGGER_STEP_0_CONTROL_OFFSET)
#define TEXT_STRIDE (ANALYSER_TRIGGER_TEXT_1_LENGTH_OFFSET - ANALYSER_TRIGGER_TEXT_0_LENGTH_OFFSET)
/* Offset of a register of term, step or text n, from 0. */
#define TERM(n, name) (ANALYSER_TRIGGER_TERM_0_##name##_OFFSET + (n) * TERM_STRIDE)
#define STEP(n, name) (ANALYSER_TRIGGER_STEP_0_##name##_OFFSET + (n) * STEP_STRIDE)
#define TEXT(n, name) (ANALYSER_TRIGGER_TEXT_0_##name##_OFFSET + (n) * TEXT_STRIDE)
/* A field out of, or into, a word of the first of its kind. */
#define GET(word, field) (((word) & ANALYSER_TRIGGER_##field##_MASK) >> ANALYSER_TRIGGER_##field##_LSB)
#define PUT(value, field) \
    ((uint32_t)(value) << ANALYSER_TRIGGER_##field##_LSB & ANALYSER_TRIGGER_##field##_MASK)
#define PROGRAM_BYTES (TEXT(TEXTS - 1, BYTES_7) + 4)

#define SOURCE_TEXT 16u  /* term select.source: text 0 */
#define FIRE STEPS       /* step after the last: fire */

typedef uint32_t program_words[PROGRAM_BYTES / 4];
typedef uint32_t program_reader(uint32_t offset);

/** The client's settings. */
extern program_words program_settings;
uint32_t program_setting(uint32_t offset);

/** Nothing in so many bytes of registers; in a step; in everything. */
void program_clear_range(uint32_t *program, uint32_t first, uint32_t bytes);
void program_clear_step(uint32_t *program, uint32_t step);
void program_clear(uint32_t *program);

/** TRIGger:SOURce, a TRIGGER_ number. */
void program_set_source(uint32_t source);

/** -221 with a detail; false. */
bool program_refuse(struct scpi *scpi, const char *detail, uint32_t a, uint32_t b);
/** False after -221, which names the first thing that is missing or half-written. */
bool program_check(struct scpi *scpi, const uint32_t *program, uint32_t qualify_term);

/* Registers as SCPI parameters. Terms, steps and texts count from 0. */
void program_put_pair(struct scpi *scpi, uint64_t first, uint64_t second);
uint64_t program_read64(program_reader *read, uint32_t low);
void program_put_term_source(struct scpi *scpi, program_reader *read, uint32_t term);
void program_put_flags(struct scpi *scpi, program_reader *read, uint32_t term);
void program_put_aux(struct scpi *scpi, program_reader *read, uint32_t term);
void program_put_wait(struct scpi *scpi, program_reader *read, uint32_t step);
void program_put_branch(struct scpi *scpi, uint32_t control);
void program_put_timeout(struct scpi *scpi, program_reader *read, uint32_t step);
void program_put_text(struct scpi *scpi, program_reader *read, uint32_t text);
/** TRIGger:SOURce of a TRIGGER_ number, short. */
void program_put_source(struct scpi *scpi, uint32_t source);

#endif

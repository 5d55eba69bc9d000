/* SPDX-License-Identifier: Apache-2.0 */
/* The trigger's program: the client's settings for it, and how it comes into the hardware. */
#ifndef VKBENCH_ANALYSER_PROGRAM_H
#define VKBENCH_ANALYSER_PROGRAM_H
#include <stdbool.h>
#include <stdint.h>

#include "scpi.h"

/** Settings: nothing to wait for. The hardware gets a program that never fires. */
void program_reset(void);

/** What TRIGger:SOURce is set to (TRIGGER_ of the capture layout). */
uint32_t program_source(void);

/**
 * Checks the program, writes it to the hardware and reads it back. qualify_term (0: none) is kept as the client
 * has set it. False after -221 (what is missing or half-written) or -240 (the hardware reads back differently).
 */
bool program_load(struct scpi *scpi, uint32_t qualify_term);

/** Leaves the settings alone; the hardware has nothing that fires. */
void program_unload(void);

/* TRIGger commands. */
void trigger_clear(struct scpi *scpi);
void trigger_source(struct scpi *scpi);
void trigger_source_query(struct scpi *scpi);
void trigger_text(struct scpi *scpi);
void trigger_text_query(struct scpi *scpi);
void trigger_program_query(struct scpi *scpi);
void term_source(struct scpi *scpi);
void term_source_query(struct scpi *scpi);
void term_class(struct scpi *scpi);
void term_class_query(struct scpi *scpi);
void term_dw0(struct scpi *scpi);
void term_dw0_query(struct scpi *scpi);
void term_flags(struct scpi *scpi);
void term_flags_query(struct scpi *scpi);
void term_aux(struct scpi *scpi);
void term_aux_query(struct scpi *scpi);
void term_data(struct scpi *scpi);
void term_data_query(struct scpi *scpi);
void term_range(struct scpi *scpi);
void term_range_query(struct scpi *scpi);
void term_address(struct scpi *scpi);
void term_address_query(struct scpi *scpi);
void term_edge(struct scpi *scpi);
void term_edge_query(struct scpi *scpi);
void term_clear(struct scpi *scpi);
void step_set(struct scpi *scpi);
void step_query(struct scpi *scpi);
void step_branch(struct scpi *scpi);
void step_branch_query(struct scpi *scpi);
void step_timeout(struct scpi *scpi);
void step_timeout_query(struct scpi *scpi);
void step_pulse(struct scpi *scpi);
void step_pulse_query(struct scpi *scpi);
void step_clear(struct scpi *scpi);

#endif

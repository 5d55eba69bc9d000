/* SPDX-License-Identifier: Apache-2.0 */
/* The analyser's SCPI command tree (docs/scpi.md). */
#ifndef VKBENCH_ANALYSER_COMMANDS_H
#define VKBENCH_ANALYSER_COMMANDS_H
#include "scpi.h"

/** Sets tree and hardware to the state after power-on. */
void analyser_init(void);

/** Takes one byte from the client. */
void analyser_receive(char byte);

/** Settings hold still while a capture uses them: true after -221. */
bool analyser_refuses_while_recording(struct scpi *scpi);

/* Commands in files of their own; those of TRIGger are in program.h. */
void analyser_self_test(struct scpi *scpi);  /* *TST? */
void dut_dma_state(struct scpi *scpi);
void dut_dma_state_query(struct scpi *scpi);
void dut_dma_mode(struct scpi *scpi);
void dut_dma_mode_query(struct scpi *scpi);
void dut_dma_period(struct scpi *scpi);
void dut_dma_period_query(struct scpi *scpi);
void dut_dma_length(struct scpi *scpi);
void dut_dma_length_query(struct scpi *scpi);
void dut_dma_address_query(struct scpi *scpi);
void dut_dma_size_query(struct scpi *scpi);
void dut_dma_sequence_query(struct scpi *scpi);
void dut_dma_completions_query(struct scpi *scpi);
void dut_interrupt(struct scpi *scpi);
void dut_status_query(struct scpi *scpi);
void dut_boot(struct scpi *scpi);
void dut_boot_query(struct scpi *scpi);
void dut_alert(struct scpi *scpi);
void dut_heartbeat(struct scpi *scpi);
void dut_hang(struct scpi *scpi);
void dut_trap(struct scpi *scpi);
void dut_fault(struct scpi *scpi);
void dut_fault_query(struct scpi *scpi);
void dut_fault_catalog_query(struct scpi *scpi);

#endif

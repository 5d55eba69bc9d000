// SPDX-License-Identifier: Apache-2.0
// Ties the checker of the trigger's program to the sequencer.
bind analyser_sequencer trigger_check u_trigger_check (
  .clk_i, .rst_ni,
  .step_i         (hwif_out.step),
  .clear_i, .armed_i, .stop_i, .immediate_i, .source_i,
  .events_i       (events),
  .fire_i         (fire_o),
  .fire_source_i  (source_o),
  .at_i           (step_o),
  .pulse_i        (pulse_o),
  .look_i         (look),
  .index_i        (step.control.term.value),
  .match_i        (term_match),
  .branch_look_i  (look_branch),
  .branch_index_i (step.control.branch_term.value),
  .branch_match_i (branch_match),
  .done_i         (done_q),
  .count_i        (count_q),
  .elapsed_i      (elapsed_q)
);

// SPDX-License-Identifier: Apache-2.0
// Ties the checker of the trigger's invariants to the sequencer.
bind analyser_sequencer fire_check u_fire_check (
  .clk_i, .rst_ni, .clear_i, .armed_i, .stop_i, .immediate_i, .time_i,
  .fire_i         (fire_o),
  .step_i         (step_o),
  .fire_time_i    (time_o),
  .pulse_i        (pulse_o),
  .look_i         (look),
  .match_i        (term_match),
  .branch_look_i  (look_branch),
  .branch_match_i (branch_match),
  .done_i         (done_q),
  .elapsed_i      (elapsed_q),
  .count_i        (count_q)
);

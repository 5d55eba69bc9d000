// SPDX-License-Identifier: Apache-2.0
// Ties the checker of the statistics to them.
bind analyser_stats stats_classes u_stats_classes (
  .clk_i, .rst_ni, .clear_i, .enable_i, .triggered_i, .time_i, .event_i, .stall_i, .resets_i, .two_errors_i, .lost_i,
  .now_i, .snapshot_i, .select_i,
  .now_o_i         (now_o),
  .lost_o_i        (lost_o),
  .count_arm_i     (count_arm_o),
  .count_trigger_i (count_trigger_o),
  .first_i         (first_trigger_o),
  .last_i          (last_o),
  .arm_q_i         (count_arm_q),
  .trigger_q_i     (count_trigger_q),
  .first_q_i       (first_q),
  .last_q_i        (last_q),
  .arm_held_i      (count_arm_held_q),
  .trigger_held_i  (count_trigger_held_q),
  .first_held_i    (first_held_q),
  .last_held_i     (last_held_q),
  .lost_q_i        (lost_q),
  .seen_i          (seen_trigger_q)
);

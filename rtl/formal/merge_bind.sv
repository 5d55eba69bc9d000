// SPDX-License-Identifier: Apache-2.0
// Ties the checker of the merge to it.
bind analyser_merge merge_check #(.TIME_BITS(TIME_BITS)) u_merge_check (
  .clk_i, .rst_ni, .flush_i, .now_i, .valid_i, .event_i, .header_i, .time_i, .held_i, .held_time_i,
  .pop_i          (pop_o),
  .record_valid_i (record_valid_o),
  .record_i       (record_o)
);

// SPDX-License-Identifier: Apache-2.0
// Ties the checker of the folding of runs to it, for streams of completions.
bind analyser_fold fold_check #(
  .Tap(Tap), .TIME_BITS(TIME_BITS), .GAP(GAP), .SPAN(SPAN), .FOLDED_MAX(FOLDED_MAX)
) u_fold_check (
  .clk_i, .rst_ni, .flush_i, .enable_i, .fold_i, .valid_i, .event_i, .header_i, .time_i,
  .valid_o_i   (valid_o),
  .event_o_i   (event_o),
  .header_o_i  (header_o),
  .held_i      (held_o),
  .held_time_i (time_o),
  .joins_i     (joins),
  .pending_i   (pending_q),
  .single_i    (single_q),
  .folded_i    (folded_q),
  .mode_i      (2'd0),
  .address_i   ('0),
  .behind_i    ('0),
  .gap_i       (32'(gap_q)),
  .span_i      (32'(span_q))
);

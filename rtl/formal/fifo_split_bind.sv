// SPDX-License-Identifier: Apache-2.0
// Ties the checker of a tap's FIFO to it, which hands out one event per bit.
bind analyser_fifo fifo_check #(
  .Tap(Tap), .Depth(Depth), .Split(Split), .Folds(Folds), .TIME_BITS(TIME_BITS)
) u_fifo_check (
  .clk_i, .rst_ni, .flush_i, .push_i, .event_i, .time_i, .loss_time_i,
  .valid_i      (valid_o),
  .out_i        (event_o),
  .out_time_i   (time_o),
  .pop_i,
  .lost_i       (lost_o),
  .empty_i      (empty_o),
  .entries_i    (mem),
  .first_i      (rd_q),
  .next_i       (wr_q),
  .count_i      (count_q),
  .losing_i     (losing_q),
  .unreported_i (lost_q),
  .sent_i       (gen_split.sent_q),
  .write_i      (write),
  .last_i       (last)
);

// SPDX-License-Identifier: Apache-2.0
// Ties the channel's checker to it.
bind vk_channel channel_check #(.StoreBytes(StoreBytes)) u_channel_check (
  .clk_i, .rst_ni, .clear_i, .abort_i, .limit_i, .fill_i, .valid_i,
  .ready_i         (ready_o),
  .host_i, .store_i, .bytes_i,
  .done_i          (done_o),
  .request_valid_i (request_valid_o),
  .request_take_i,
  .request_i       (request_o),
  .state_i         (state_q),
  .request_q_i     (request_q),
  .left_i          (left_q),
  .next_valid_i    (next_valid_q),
  .next_host_i     (next_host_q),
  .next_store_i    (next_store_q),
  .next_bytes_i    (next_bytes_q),
  .next_slot_i     (next_slot_q),
  .head_i          (head_q),
  .tail_i          (tail_q),
  .cut_i           (cut_q)
);

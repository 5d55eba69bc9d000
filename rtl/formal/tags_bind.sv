// SPDX-License-Identifier: Apache-2.0
// Ties the tag table's checkers to it.
bind vk_tags tags_check #(.TimeoutTicks(TimeoutTicks)) u_tags_check (
  .clk_i, .rst_ni, .tick_i, .ext_tag_i, .bdf_i, .clear_i, .abort_i, .request_i, .choose_i,
  .issue_i, .issue_traffic_i,
  .free_i       (free_o),
  .tag_i        (tag_o),
  .room_i       (room_o),
  .beat_i, .first_i, .hdr_i,
  .verdict_i    (verdict_o),
  .high_i       (high_q),
  .index_i      (index),
  .give_i       (give),
  .in_use_i     (in_use_q),
  .used_i       (used_q),
  .scan_i       (scan_q),
  .now_i        (now_q),
  .store_end_i  (reads[u_tags_check.chosen].store_end),
  .first_byte_i (reads[u_tags_check.chosen].first),
  .past_i       (reads[u_tags_check.chosen].past),
  .stamp_i      (reads[u_tags_check.chosen].stamp),
  .next_i       (untouched_q[u_tags_check.chosen] ? {1'b0, reads[u_tags_check.chosen].first} :
                                                    nexts[u_tags_check.chosen]),
  .live_i       (live_q[u_tags_check.chosen]),
  .traffic_i    (traffic_live_q && traffic_tag_q == u_tags_check.chosen)
);

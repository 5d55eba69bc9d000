// SPDX-License-Identifier: Apache-2.0
// Ties the checker of the completion credits to the engine.
bind vk_dma credits_check #(.CplHeaders(CplHeaders), .CplData(CplData)) u_credits_check (
  .clk_i, .rst_ni, .rc_valid_i,
  .rc_ready_i       (rc_ready_o),
  .rc_sop_i, .rc_eop_i,
  .issue_i          (issue),
  .tag_i            (tag),
  .room_i           (room),
  .request_i        (want),
  .waiting_i        (u_reader.waiting_q),
  .fits_i           (u_reader.fits_q),
  .in_use_i         (u_tags.in_use_q),
  .untouched_i      (u_tags.untouched_q),
  .first_i          ('{u_tags.reads[0].first, u_tags.reads[1].first, u_tags.reads[2].first, u_tags.reads[3].first}),
  .past_i           ('{u_tags.reads[0].past, u_tags.reads[1].past, u_tags.reads[2].past, u_tags.reads[3].past}),
  .next_i           ('{u_tags.nexts[0], u_tags.nexts[1], u_tags.nexts[2], u_tags.nexts[3]}),
  .rcb_i            ('{u_tags.reads[0].rcb, u_tags.reads[1].rcb, u_tags.reads[2].rcb, u_tags.reads[3].rcb}),
  .headers_i        (u_tags.headers_q),
  .units_i          (u_tags.units_q),
  .beat_i           (u_receiver.beat_q),
  .sop_i            (u_receiver.sop_q),
  .eop_i            (u_receiver.eop_q),
  .held_i           (u_receiver.now_q),
  .release_i        (freed),
  .release_blocks_i (freed_blocks),
  .release_rcb_i    (freed_rcb)
);

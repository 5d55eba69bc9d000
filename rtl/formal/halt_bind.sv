// SPDX-License-Identifier: Apache-2.0
// Ties the checkers of the halting contract to the endpoint as it is instantiated.
bind vk_core halt_check u_halt_check (
  .clk_i, .rst_ni,
  .bme_i         (cfg_command_i[2]),
  .flr_i         (cfg_flr_i),
  .perst_ni,
  .doorbell_i    (doorbell),
  .internal_i    (internal_error),
  .clear_i       (clear),
  .ready_i       (tap_card_ready_o),
  .closed_i      (tap_gate_closed_o),
  .cause_i       (tap_gate_cause_o),
  .req_valid_i   (req_valid),
  .req_ready_i   (req_ready),
  .req_sop_i     (req_sop),
  .req_eop_i     (req_eop),
  .req_hdr_i     (req_hdr),
  .req_data_i    (req_data),
  .in_packet_i   (u_gate.in_packet_q),
  .rq_valid_i    (rq_valid_o),
  .rq_ready_i,
  .rq_sop_i      (rq_sop_o),
  .rq_eop_i      (rq_eop_o),
  .rq_hdr_i      (rq_hdr_o),
  .rq_data_i     (rq_data_o),
  .irq_asked_i   ((8'(card_irq_request) << card_irq_vector) | (8'(lab_irq_request) << lab_irq_vector)),
  .irq_pending_i (u_msix.pending_q),
  .msix_valid_i  (msix_valid_o),
  .msix_ready_i,
  .msix_vector_i (msix_vector_o)
);

bind vk_doorbell doorbell_check u_doorbell_check (
  .clk_i, .rst_ni, .beat_i, .sop_i, .hdr_i, .bar_i, .data_i,
  .ring_i    (ring_o),
  .ours_i    (ours_q),
  .offset_i  (offset_q),
  .left_i    (left_q),
  .last_be_i (last_be_q)
);

bind vk_reset reset_check u_reset_check (
  .clk_i, .rst_ni, .perst_ni, .flr_i, .doorbell_i, .tick_i, .booted_i, .clear_i(clear_o), .zero_i(zero_o),
  .run_i   (run_o),
  .ready_i (ready_o),
  .state_i (state_q),
  .count_i (count_q)
);

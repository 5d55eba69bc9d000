// SPDX-License-Identifier: Apache-2.0
// Test wrapper: the whole endpoint with its firmware behind the adapter.
module usp_card_tb #(
  parameter CARD_FIRMWARE_HEX = ""
) (
  `HARD_IP_PORTS,

  input  logic        rst_ni,
  input  logic        lab_req_i, lab_write_i,
  input  logic  [7:0] lab_addr_i,
  input  logic [31:0] lab_wdata_i,
  output logic [31:0] lab_rdata_o,
  output logic        ready_o, closed_o,
  output logic  [4:0] cause_o,
  output logic [31:0] requests_o, // TLPs that the core has started
  output logic  [7:0] late_o,     // clocks from a reset doorbell to the last start of a request behind it
  output logic        whole_o     // each request on the hard IP's side is as long as it says; none is half out
);

  // The card is told a slow clock: 100 us are then 100 clocks, which keeps resets short; its completion timeout
  // of 40 us is still far from what the root complex takes.
  localparam int unsigned ClockHz = 1_000_000;

  logic         perst_n, lab_ack;
  logic         cq_valid, cq_ready, cq_sop, cq_eop, cc_valid, cc_ready, cc_sop, cc_eop;
  logic         rq_valid, rq_ready, rq_sop, rq_eop, rc_valid, rc_ready, rc_sop, rc_eop;
  logic [127:0] cq_hdr, cc_hdr, rq_hdr, rc_hdr;
  logic [255:0] cq_data, cc_data, rq_data, rc_data;
  logic   [2:0] cq_bar, mps, mrrs, vector;
  logic  [15:0] command, bdf;
  logic         flr, flr_done, ext_tag, rcb, msix_valid, msix_ready;

  pcie_usp u_usp (
    `HARD_IP_PINS,
    .clk_i, .perst_no (perst_n),
    .cq_valid_o (cq_valid), .cq_ready_i (cq_ready), .cq_sop_o (cq_sop), .cq_eop_o (cq_eop),
    .cq_hdr_o (cq_hdr), .cq_bar_o (cq_bar), .cq_data_o (cq_data),
    .cc_valid_i (cc_valid), .cc_ready_o (cc_ready), .cc_sop_i (cc_sop), .cc_eop_i (cc_eop),
    .cc_hdr_i (cc_hdr), .cc_data_i (cc_data),
    .rq_valid_i (rq_valid), .rq_ready_o (rq_ready), .rq_sop_i (rq_sop), .rq_eop_i (rq_eop),
    .rq_hdr_i (rq_hdr), .rq_data_i (rq_data),
    .rc_valid_o (rc_valid), .rc_ready_i (rc_ready), .rc_sop_o (rc_sop), .rc_eop_o (rc_eop),
    .rc_hdr_o (rc_hdr), .rc_data_o (rc_data),
    .cfg_command_o (command), .cfg_flr_o (flr), .cfg_flr_done_i (flr_done), .cfg_mps_o (mps),
    .cfg_mrrs_o (mrrs), .cfg_ext_tag_o (ext_tag), .cfg_rcb_o (rcb), .cfg_bdf_o (bdf),
    .msix_valid_i (msix_valid), .msix_ready_o (msix_ready), .msix_vector_i (vector),
    .gate_closed_i (closed_o)
  );
  `HARD_IP_REST

  vk_core #(.CARD_FIRMWARE_HEX (CARD_FIRMWARE_HEX)) u_core (
    .clk_i, .rst_ni, .perst_ni (perst_n), .clk_hz_i (ClockHz),
    .cq_valid_i (cq_valid), .cq_ready_o (cq_ready), .cq_sop_i (cq_sop), .cq_eop_i (cq_eop),
    .cq_hdr_i (cq_hdr), .cq_bar_i (cq_bar), .cq_data_i (cq_data),
    .cc_valid_o (cc_valid), .cc_ready_i (cc_ready), .cc_sop_o (cc_sop), .cc_eop_o (cc_eop),
    .cc_hdr_o (cc_hdr), .cc_data_o (cc_data),
    .rq_valid_o (rq_valid), .rq_ready_i (rq_ready), .rq_sop_o (rq_sop), .rq_eop_o (rq_eop),
    .rq_hdr_o (rq_hdr), .rq_data_o (rq_data),
    .rc_valid_i (rc_valid), .rc_ready_o (rc_ready), .rc_sop_i (rc_sop), .rc_eop_i (rc_eop),
    .rc_hdr_i (rc_hdr), .rc_data_i (rc_data),
    .cfg_command_i (command), .cfg_flr_i (flr), .cfg_flr_done_o (flr_done), .cfg_mps_i (mps),
    .cfg_mrrs_i (mrrs), .cfg_ext_tag_i (ext_tag), .cfg_rcb_i (rcb), .cfg_bdf_i (bdf),
    .msix_valid_o (msix_valid), .msix_vector_o (vector), .msix_ready_i (msix_ready),
    .lab_req_i, .lab_write_i, .lab_addr_i, .lab_wdata_i, .lab_ack_o (lab_ack), .lab_rdata_o,
    .tap_gate_closed_o (closed_o), .tap_gate_cause_o (cause_o), .tap_card_reset_o (),
    .tap_card_ready_o (ready_o), .tap_dma_traffic_o (), .tap_dma_read_o (), .tap_dma_write_o (),
    .tap_dma_draining_o (), .tap_core_trap_o (), .tap_core_idle_o ()
  );

  always_ff @(posedge clk_i) begin
    if (!rst_ni) requests_o <= '0;
    else         requests_o <= requests_o + 32'(rq_valid && rq_ready && rq_sop);
  end

  // As the bench on the bare streams counts: from the doorbell's acceptance to the request's first offer.
  logic       ring, rq_waits_q;
  logic [7:0] since_q;
  assign ring = cq_valid && cq_ready && cq_sop && cq_hdr[30] && cq_bar == 3'd0 &&
                14'(cq_hdr[29] ? cq_hdr[111:98] : cq_hdr[79:66]) == 14'(16'h49c >> 2);

  always_ff @(posedge clk_i) begin
    rq_waits_q <= rq_valid && rq_sop && !rq_ready;
    if (!rst_ni || ring) begin
      since_q <= 8'(rst_ni);
      late_o  <= '0;
    end else begin
      if (since_q != '0 && since_q != '1) since_q <= since_q + 1'b1;
      if (rq_valid && rq_sop && !rq_waits_q) late_o <= since_q;
    end
  end

  // Framing on the hard IP's side: every request is as long as its descriptor says, to the dword.
  logic [11:0] left_q, left;  // dwords from this beat to the frame's last
  logic        stalled_q, cut_q;
  assign whole_o = !cut_q && left_q == '0;
  assign left = (left_q != '0) ? left_q : (rq_tdata[78:75] == 4'd1) ? 12'(rq_tdata[74:64]) + 12'd4 : 12'd4;

  always_ff @(posedge clk_i) begin
    stalled_q <= rq_tvalid && !rq_tready;
    if (!rst_ni) cut_q <= 1'b0;
    if (!rst_ni || !perst_n) begin
      left_q    <= '0;
      stalled_q <= 1'b0;
    end else begin
      if (stalled_q && !rq_tvalid) cut_q <= 1'b1;
      if (rq_tvalid && rq_tready) begin
        left_q <= (rq_tlast || left <= 12'd8) ? '0 : left - 12'd8;
        if (rq_tlast != (left <= 12'd8) || rq_tuser[11] ||
            rq_tkeep != ((left >= 12'd8) ? 8'hff : ~(8'hff << left[2:0]))) cut_q <= 1'b1;
      end
    end
  end

  logic unused;
  assign unused = lab_ack;

endmodule

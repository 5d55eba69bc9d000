// SPDX-License-Identifier: Apache-2.0
// Top of the FPGA and of the co-simulation: the endpoint and, beside it, the analyser that watches its wires.
// They share the clock and the wires, and the lab bus by which the analyser's firmware shapes the endpoint's
// traffic.
module vkbench_top #(
  parameter int unsigned RING_RECORDS = 65536,  // depth of the analyser's record memory
  parameter              FIRMWARE_HEX = "",     // firmware of the analyser's soft core, for $readmemh
  parameter              CARD_FIRMWARE_HEX = "", // the same of the card's
  parameter int unsigned STORE_BYTES = 1 << 20, // card memory
  parameter bit          CONSOLE_UART = 1'b0    // the console is a serial line, con_rx_i, not bytes
) (
  input  logic         clk_i,
  input  logic         rst_ni,           // power-on, everything
  input  logic         perst_ni,         // the card only; synchronous to clk_i
  input  logic  [31:0] clk_hz_i,         // rate of clk_i
  input  logic [127:0] build_id_i,       // shown by *IDN?

  input  logic         cq_valid_i,       // requests host -> card
  output logic         cq_ready_o,
  input  logic         cq_sop_i,
  input  logic         cq_eop_i,
  input  logic [127:0] cq_hdr_i,
  input  logic   [2:0] cq_bar_i,
  input  logic [255:0] cq_data_i,

  output logic         cc_valid_o,       // completions card -> host
  input  logic         cc_ready_i,
  output logic         cc_sop_o,
  output logic         cc_eop_o,
  output logic [127:0] cc_hdr_o,
  output logic [255:0] cc_data_o,

  output logic         rq_valid_o,       // requests card -> host
  input  logic         rq_ready_i,
  output logic         rq_sop_o,
  output logic         rq_eop_o,
  output logic [127:0] rq_hdr_o,
  output logic [255:0] rq_data_o,

  input  logic         rc_valid_i,       // completions host -> card
  output logic         rc_ready_o,
  input  logic         rc_sop_i,
  input  logic         rc_eop_i,
  input  logic [127:0] rc_hdr_i,
  input  logic [255:0] rc_data_i,

  input  logic  [15:0] cfg_command_i,    // Command register
  input  logic         cfg_flr_i,        // level: FLR in progress
  output logic         cfg_flr_done_o,   // level: it may end
  input  logic   [2:0] cfg_mps_i,        // as in Device Control
  input  logic   [2:0] cfg_mrrs_i,
  input  logic         cfg_ext_tag_i,    // 8-bit tags are enabled
  input  logic         cfg_rcb_i,        // Read Completion Boundary: 0 64, 1 128 bytes
  input  logic  [15:0] cfg_bdf_i,

  // For the analyser only.
  input  logic         cfg_acc_valid_i,  // one clock per dword of a configuration access
  input  logic         cfg_acc_write_i,
  input  logic   [9:0] cfg_acc_addr_i,   // dword
  input  logic   [3:0] cfg_acc_be_i,     // of a write
  input  logic  [31:0] cfg_acc_data_i,   // written, or the answer to a read
  input  logic         link_up_i,        // levels: see LEVELS in bench/capture/layout.py
  input  logic   [2:0] link_speed_i,
  input  logic   [2:0] link_width_i,
  input  logic   [5:0] link_ltssm_i,
  input  logic         msix_enable_i,
  input  logic         msix_mask_i,
  input  logic   [2:0] no_credit_i,      // completions, non-posted, posted
  input  logic   [3:0] input_i,          // general inputs, synchronous to clk_i

  output logic         msix_valid_o,
  output logic   [2:0] msix_vector_o,
  input  logic         msix_ready_i,

  input  logic         con_valid_i,      // one clock per byte of the server's serial console
  input  logic   [7:0] con_byte_i,
  input  logic         con_error_i,      // the byte had no stop bit
  input  logic         con_rx_i,         // the line itself, instead; asynchronous

  input  logic         scpi_rx_valid_i,  // SCPI byte streams
  output logic         scpi_rx_ready_o,
  input  logic   [7:0] scpi_rx_byte_i,
  output logic         scpi_tx_valid_o,
  input  logic         scpi_tx_ready_i,
  output logic   [7:0] scpi_tx_byte_o,

  output logic   [1:0] trig_out_o,       // 0: from the trigger to the next arm, 1: pulse of the sequencer
  output logic         gate_closed_o     // for a light on the board
);

  logic        lab_req, lab_write, lab_ack;
  logic  [7:0] lab_addr;
  logic [31:0] lab_wdata, lab_rdata;
  logic        gate_closed, card_reset, card_ready;
  logic        dma_traffic, dma_read, dma_write, dma_draining, core_trap, core_idle;
  logic  [4:0] gate_cause;

  // Straps never change; registered, they keep the logic behind them off the pins (in simulation such logic is
  // worked out again at every evaluation).
  logic  [31:0] clk_hz_q;
  logic [127:0] build_id_q;
  always_ff @(posedge clk_i) begin
    clk_hz_q   <= clk_hz_i;
    build_id_q <= build_id_i;
  end

  vk_core #(
    .StoreBytes        (STORE_BYTES),
    .CARD_FIRMWARE_HEX (CARD_FIRMWARE_HEX)
  ) u_vk (
    .clk_i, .rst_ni, .perst_ni, .clk_hz_i (clk_hz_q),
    .cq_valid_i, .cq_ready_o, .cq_sop_i, .cq_eop_i, .cq_hdr_i, .cq_bar_i, .cq_data_i,
    .cc_valid_o, .cc_ready_i, .cc_sop_o, .cc_eop_o, .cc_hdr_o, .cc_data_o,
    .rq_valid_o, .rq_ready_i, .rq_sop_o, .rq_eop_o, .rq_hdr_o, .rq_data_o,
    .rc_valid_i, .rc_ready_o, .rc_sop_i, .rc_eop_i, .rc_hdr_i, .rc_data_i,
    .cfg_command_i, .cfg_flr_i, .cfg_flr_done_o, .cfg_mps_i, .cfg_mrrs_i, .cfg_bdf_i, .cfg_ext_tag_i, .cfg_rcb_i,
    .msix_valid_o, .msix_vector_o, .msix_ready_i,
    .lab_req_i         (lab_req),
    .lab_write_i       (lab_write),
    .lab_addr_i        (lab_addr),
    .lab_wdata_i       (lab_wdata),
    .lab_ack_o         (lab_ack),
    .lab_rdata_o       (lab_rdata),
    .tap_gate_closed_o (gate_closed),
    .tap_gate_cause_o  (gate_cause),
    .tap_card_reset_o  (card_reset),
    .tap_card_ready_o  (card_ready),
    .tap_dma_traffic_o (dma_traffic),
    .tap_dma_read_o    (dma_read),
    .tap_dma_write_o   (dma_write),
    .tap_dma_draining_o(dma_draining),
    .tap_core_trap_o   (core_trap),
    .tap_core_idle_o   (core_idle)
  );

  analyser #(
    .RING_RECORDS (RING_RECORDS),
    .FIRMWARE_HEX (FIRMWARE_HEX),
    .CONSOLE_UART (CONSOLE_UART)
  ) u_analyser (
    .clk_i, .rst_ni, .clk_hz_i (clk_hz_q), .build_id_i (build_id_q),
    .cq_valid_i,                .cq_ready_i (cq_ready_o),   .cq_sop_i,
    .cq_hdr_i,                  .cq_bar_i,                  .cq_data_i (cq_data_i[31:0]),
    .cc_valid_i (cc_valid_o),   .cc_ready_i,                .cc_sop_i  (cc_sop_o),
    .cc_hdr_i   (cc_hdr_o),     .cc_data_i  (cc_data_o[31:0]),
    .rq_valid_i (rq_valid_o),   .rq_ready_i,                .rq_sop_i  (rq_sop_o),
    .rq_hdr_i   (rq_hdr_o),     .rq_data_i  (rq_data_o[31:0]),
    .rc_valid_i,                .rc_ready_i (rc_ready_o),   .rc_sop_i,
    .rc_hdr_i,                  .rc_data_i  (rc_data_i[31:0]),
    .cfg_command_i, .cfg_flr_i, .cfg_flr_done_i (cfg_flr_done_o), .perst_ni,
    .msix_valid_i (msix_valid_o), .msix_ready_i, .msix_vector_i (msix_vector_o),
    .con_valid_i, .con_byte_i, .con_error_i, .con_rx_i,
    .gate_closed_i (gate_closed), .gate_cause_i (gate_cause),
    .card_reset_i  (card_reset),  .card_ready_i (card_ready),
    .cfg_acc_valid_i, .cfg_acc_write_i, .cfg_acc_addr_i, .cfg_acc_be_i, .cfg_acc_data_i,
    .link_up_i, .link_speed_i, .link_width_i, .link_ltssm_i, .msix_enable_i, .msix_mask_i, .no_credit_i,
    .dma_traffic_i (dma_traffic), .dma_read_i (dma_read), .dma_write_i (dma_write),
    .dma_draining_i(dma_draining),
    .core_trap_i   (core_trap),   .core_idle_i (core_idle),
    .input_i, .trig_out_o,
    .lab_req_o   (lab_req),   .lab_write_o (lab_write), .lab_addr_o  (lab_addr),
    .lab_wdata_o (lab_wdata), .lab_ack_i   (lab_ack),   .lab_rdata_i (lab_rdata),
    .scpi_rx_valid_i, .scpi_rx_ready_o, .scpi_rx_byte_i,
    .scpi_tx_valid_o, .scpi_tx_ready_i, .scpi_tx_byte_o
  );

  assign gate_closed_o = gate_closed;

endmodule

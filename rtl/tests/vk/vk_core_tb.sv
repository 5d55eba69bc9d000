// SPDX-License-Identifier: Apache-2.0
// Test wrapper of vk_core: the same ports, with the one-bit outputs gathered in one vector that the test
// bench reads once per clock (rtl/tests/common/bench.py).
module vk_core_tb #(
  parameter CARD_FIRMWARE_HEX = ""
) (
  input  logic         clk_i, rst_ni, perst_ni,
  input  logic  [31:0] clk_hz_i,
  input  logic         cq_valid_i, cq_sop_i, cq_eop_i,
  input  logic [127:0] cq_hdr_i,
  input  logic   [2:0] cq_bar_i,
  input  logic [255:0] cq_data_i,
  input  logic         cc_ready_i,
  output logic [127:0] cc_hdr_o,
  output logic [255:0] cc_data_o,
  input  logic         rq_ready_i,
  output logic [127:0] rq_hdr_o,
  output logic [255:0] rq_data_o,
  input  logic         rc_valid_i, rc_sop_i, rc_eop_i,
  input  logic [127:0] rc_hdr_i,
  input  logic [255:0] rc_data_i,
  input  logic  [15:0] cfg_command_i,
  input  logic         cfg_flr_i,
  input  logic   [2:0] cfg_mps_i, cfg_mrrs_i,
  input  logic         cfg_ext_tag_i, cfg_rcb_i,
  input  logic  [15:0] cfg_bdf_i,
  input  logic         msix_ready_i,
  input  logic         lab_req_i, lab_write_i,
  input  logic   [7:0] lab_addr_i,
  input  logic  [31:0] lab_wdata_i,
  output logic  [31:0] lab_rdata_o,
  output logic  [31:0] obs_o,
  output logic         ready_o,  // the card is ready
  output logic         busy_o    // something stands on its streams
);

  logic       cq_ready_o, cc_valid_o, cc_sop_o, cc_eop_o, rq_valid_o, rq_sop_o, rq_eop_o, rc_ready_o;
  logic       cfg_flr_done_o, msix_valid_o, lab_ack_o;
  logic [2:0] msix_vector_o;
  logic       tap_gate_closed_o, tap_card_reset_o, tap_card_ready_o;
  logic [4:0] tap_gate_cause_o;
  logic       tap_dma_traffic_o, tap_dma_read_o, tap_dma_write_o, tap_dma_draining_o;
  logic       tap_core_trap_o, tap_core_idle_o;

  vk_core #(.CARD_FIRMWARE_HEX(CARD_FIRMWARE_HEX)) u_core (.*);

  assign obs_o = {4'd0,
                  tap_core_idle_o, tap_core_trap_o,                               // 27 26
                  tap_dma_draining_o, tap_dma_write_o, tap_dma_read_o,            // 25 24 23
                  tap_dma_traffic_o,                                              // 22
                  cc_eop_o, cc_sop_o, rc_ready_o,                          // 21 20 19
                  lab_ack_o, cfg_flr_done_o, tap_card_ready_o, tap_card_reset_o,  // 18 17 16 15
                  tap_gate_cause_o, tap_gate_closed_o,                            // 14:10 9
                  msix_vector_o, msix_valid_o,                                    // 8:6 5
                  rq_eop_o, rq_sop_o, rq_valid_o, cc_valid_o, cq_ready_o};        // 4 3 2 1 0

  assign ready_o = tap_card_ready_o;
  assign busy_o  = rq_valid_o | msix_valid_o | cc_valid_o;

endmodule

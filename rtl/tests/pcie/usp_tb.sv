// SPDX-License-Identifier: Apache-2.0
// Test wrapper of pcie_usp: the hard IP's side for cocotbext-pcie's model, the core's side as plain ports,
// with the one-bit outputs in one vector (obs_o).
module usp_tb (
  `HARD_IP_PORTS,

  input  logic         cq_ready_i, cc_valid_i, cc_sop_i, cc_eop_i, rq_valid_i, rq_sop_i, rq_eop_i, rc_ready_i,
  output logic [127:0] cq_hdr_o, rc_hdr_o,
  output logic [255:0] cq_data_o, rc_data_o,
  input  logic [127:0] cc_hdr_i, rq_hdr_i,
  input  logic [255:0] cc_data_i, rq_data_i,
  output logic  [15:0] cfg_command_o, cfg_bdf_o,
  output logic   [2:0] cfg_mps_o, cfg_mrrs_o,
  output logic         cfg_ext_tag_o, cfg_rcb_o, cfg_flr_o, perst_no,
  input  logic         cfg_flr_done_i, msix_valid_i, gate_closed_i,
  input  logic   [2:0] msix_vector_i,
  output logic  [31:0] obs_o
);

  logic       cq_valid_o, cq_sop_o, cq_eop_o, cc_ready_o, rq_ready_o, rc_valid_o, rc_sop_o, rc_eop_o;
  logic       msix_ready_o;
  logic [2:0] cq_bar_o;

  `HARD_IP_REST

  pcie_usp u_usp (
    `HARD_IP_PINS,
    .*
  );

  assign obs_o = {19'd0, msix_ready_o,                         // 12
                  rc_eop_o, rc_sop_o, rc_valid_o,              // 11 10 9
                  rq_ready_o, cc_ready_o,                      // 8 7
                  cq_bar_o, cq_eop_o, cq_sop_o, cq_valid_o,    // 6:4 3 2 1
                  1'b0};

endmodule

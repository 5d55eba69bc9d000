// SPDX-License-Identifier: Apache-2.0
// The hard IP side of the test wrappers, with the names that hard_ip.py and the model of cocotbext-pcie know;
// to be given to the compiler before them.
// verilog_format: off
`define HARD_IP_PORTS \
  input  logic         clk_i, user_reset, user_lnk_up, \
  input  logic         cq_tvalid, cq_tlast, \
  output logic         cq_tready, \
  input  logic   [7:0] cq_tkeep, \
  input  logic  [87:0] cq_tuser, \
  input  logic [255:0] cq_tdata, \
  output logic   [1:0] pcie_cq_np_req, \
  output logic         cc_tvalid, cc_tlast, \
  input  logic         cc_tready, \
  output logic   [7:0] cc_tkeep, \
  output logic  [32:0] cc_tuser, \
  output logic [255:0] cc_tdata, \
  output logic         rq_tvalid, rq_tlast, \
  input  logic         rq_tready, \
  output logic   [7:0] rq_tkeep, \
  output logic  [61:0] rq_tuser, \
  output logic [255:0] rq_tdata, \
  input  logic   [5:0] pcie_rq_seq_num0, \
  input  logic         pcie_rq_seq_num_vld0, \
  input  logic         rc_tvalid, rc_tlast, \
  output logic         rc_tready, \
  input  logic   [7:0] rc_tkeep, \
  input  logic  [74:0] rc_tuser, \
  input  logic [255:0] rc_tdata, \
  input  logic  [15:0] cfg_function_status, \
  input  logic   [1:0] cfg_max_payload, \
  input  logic   [2:0] cfg_max_read_req, \
  input  logic   [3:0] cfg_rcb_status, \
  input  logic   [7:0] cfg_bus_number, \
  input  logic         cfg_hot_reset_out, cfg_flr_in_process, \
  output logic         cfg_flr_done, \
  output logic   [9:0] cfg_mgmt_addr, \
  output logic         cfg_mgmt_read, \
  input  logic  [31:0] cfg_mgmt_read_data, \
  input  logic         cfg_mgmt_read_write_done, \
  output logic         cfg_mgmt_write, \
  output logic  [31:0] cfg_mgmt_write_data, \
  output logic   [3:0] cfg_mgmt_byte_enable, \
  output logic   [7:0] cfg_mgmt_function_number, \
  input  logic         cfg_interrupt_msix_enable, \
  output logic         cfg_interrupt_msix_int, \
  output logic  [31:0] cfg_interrupt_msi_int, \
  input  logic         cfg_interrupt_msi_sent, cfg_interrupt_msi_fail

// Connects them to pcie_usp.
`define HARD_IP_PINS \
    .user_reset_i (user_reset), .user_lnk_up_i (user_lnk_up), \
    .cq_tvalid_i (cq_tvalid), .cq_tready_o (cq_tready), .cq_tlast_i (cq_tlast), .cq_tkeep_i (cq_tkeep), \
    .cq_tuser_i (cq_tuser), .cq_tdata_i (cq_tdata), .pcie_cq_np_req_o (pcie_cq_np_req), \
    .cc_tvalid_o (cc_tvalid), .cc_tready_i (cc_tready), .cc_tlast_o (cc_tlast), .cc_tkeep_o (cc_tkeep), \
    .cc_tuser_o (cc_tuser), .cc_tdata_o (cc_tdata), \
    .rq_tvalid_o (rq_tvalid), .rq_tready_i (rq_tready), .rq_tlast_o (rq_tlast), .rq_tkeep_o (rq_tkeep), \
    .rq_tuser_o (rq_tuser), .rq_tdata_o (rq_tdata), \
    .pcie_rq_seq_num_vld0_i (pcie_rq_seq_num_vld0), .pcie_rq_seq_num0_i (pcie_rq_seq_num0), \
    .rc_tvalid_i (rc_tvalid), .rc_tready_o (rc_tready), .rc_tuser_i (rc_tuser), .rc_tdata_i (rc_tdata), \
    .cfg_function_status_i (cfg_function_status[3:0]), .cfg_max_payload_i (cfg_max_payload), \
    .cfg_max_read_req_i (cfg_max_read_req), .cfg_rcb_status_i (cfg_rcb_status[0]), \
    .cfg_bus_number_i (cfg_bus_number), .cfg_hot_reset_i (cfg_hot_reset_out), \
    .cfg_flr_in_process_i (cfg_flr_in_process), .cfg_flr_done_o (cfg_flr_done), \
    .cfg_mgmt_addr_o (cfg_mgmt_addr), .cfg_mgmt_read_o (cfg_mgmt_read), \
    .cfg_mgmt_read_data_i (cfg_mgmt_read_data), .cfg_mgmt_read_write_done_i (cfg_mgmt_read_write_done), \
    .cfg_interrupt_msix_enable_i (cfg_interrupt_msix_enable), \
    .cfg_interrupt_msix_int_o (cfg_interrupt_msix_int), .cfg_interrupt_msi_int_o (cfg_interrupt_msi_int), \
    .cfg_interrupt_msi_sent_i (cfg_interrupt_msi_sent), .cfg_interrupt_msi_fail_i (cfg_interrupt_msi_fail)

// What the model reads or sets beyond them.
`define HARD_IP_REST \
  assign {cfg_mgmt_write, cfg_mgmt_write_data, cfg_mgmt_byte_enable, cfg_mgmt_function_number} = '0; \
  logic unused_hard_ip; \
  assign unused_hard_ip = ^{rc_tlast, rc_tkeep, cfg_function_status[15:4], cfg_rcb_status[3:1]};

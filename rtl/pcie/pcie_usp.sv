// SPDX-License-Identifier: Apache-2.0
// The endpoint's front door on AMD UltraScale+: between the integrated block for PCIe (PCIE4, PG213; 256 bit,
// DWORD aligned, RC straddled, client tags, MSI-X internal) and the TLP streams and sidebands of vk_core.
// Port names on the hard IP's side are the hard IP's. Not tried on silicon.
module pcie_usp (
  input  logic         clk_i,                  // user_clk

  // Hard IP.
  input  logic         user_reset_i,
  input  logic         user_lnk_up_i,

  input  logic         cq_tvalid_i,
  output logic         cq_tready_o,
  input  logic         cq_tlast_i,
  input  logic   [7:0] cq_tkeep_i,
  input  logic  [87:0] cq_tuser_i,
  input  logic [255:0] cq_tdata_i,
  output logic   [1:0] pcie_cq_np_req_o,

  output logic         cc_tvalid_o,
  input  logic         cc_tready_i,
  output logic         cc_tlast_o,
  output logic   [7:0] cc_tkeep_o,
  output logic  [32:0] cc_tuser_o,
  output logic [255:0] cc_tdata_o,

  output logic         rq_tvalid_o,
  input  logic         rq_tready_i,
  output logic         rq_tlast_o,
  output logic   [7:0] rq_tkeep_o,
  output logic  [61:0] rq_tuser_o,
  output logic [255:0] rq_tdata_o,
  input  logic         pcie_rq_seq_num_vld0_i,
  input  logic   [5:0] pcie_rq_seq_num0_i,

  input  logic         rc_tvalid_i,
  output logic         rc_tready_o,
  input  logic  [74:0] rc_tuser_i,
  input  logic [255:0] rc_tdata_i,

  input  logic   [3:0] cfg_function_status_i,  // function 0: INTx disable, BME, memory, I/O
  input  logic   [1:0] cfg_max_payload_i,
  input  logic   [2:0] cfg_max_read_req_i,
  input  logic         cfg_rcb_status_i,
  input  logic   [7:0] cfg_bus_number_i,
  input  logic         cfg_hot_reset_i,        // cfg_hot_reset_out
  input  logic         cfg_flr_in_process_i,
  output logic         cfg_flr_done_o,

  output logic   [9:0] cfg_mgmt_addr_o,
  output logic         cfg_mgmt_read_o,
  input  logic  [31:0] cfg_mgmt_read_data_i,
  input  logic         cfg_mgmt_read_write_done_i,

  input  logic         cfg_interrupt_msix_enable_i,
  output logic         cfg_interrupt_msix_int_o,
  output logic  [31:0] cfg_interrupt_msi_int_o,
  input  logic         cfg_interrupt_msi_sent_i,
  input  logic         cfg_interrupt_msi_fail_i,

  // Core, see vk_core.
  output logic         perst_no,               // low: link down, fundamental or hot reset
  output logic         cq_valid_o,
  input  logic         cq_ready_i,
  output logic         cq_sop_o,
  output logic         cq_eop_o,
  output logic [127:0] cq_hdr_o,
  output logic   [2:0] cq_bar_o,
  output logic [255:0] cq_data_o,

  input  logic         cc_valid_i,
  output logic         cc_ready_o,
  input  logic         cc_sop_i,
  input  logic         cc_eop_i,
  input  logic [127:0] cc_hdr_i,
  input  logic [255:0] cc_data_i,

  input  logic         rq_valid_i,
  output logic         rq_ready_o,
  input  logic         rq_sop_i,
  input  logic         rq_eop_i,
  input  logic [127:0] rq_hdr_i,
  input  logic [255:0] rq_data_i,

  output logic         rc_valid_o,
  input  logic         rc_ready_i,
  output logic         rc_sop_o,
  output logic         rc_eop_o,
  output logic [127:0] rc_hdr_o,
  output logic [255:0] rc_data_o,

  output logic  [15:0] cfg_command_o,
  output logic         cfg_flr_o,
  input  logic         cfg_flr_done_i,
  output logic   [2:0] cfg_mps_o,
  output logic   [2:0] cfg_mrrs_o,
  output logic         cfg_ext_tag_o,
  output logic         cfg_rcb_o,
  output logic  [15:0] cfg_bdf_o,

  input  logic         msix_valid_i,
  output logic         msix_ready_o,
  input  logic   [2:0] msix_vector_i,
  input  logic         gate_closed_i           // tap_gate_closed_o
);

  // While the link is down the hard IP forgets what it has, so the adapter does too; it then absorbs what the
  // core still sends, and after it the rest of a TLP cut off.
  logic       up;
  assign perst_no = up;

  logic       write_waits, bme;
  logic [4:0] writes_pending, writes_done;

  always_ff @(posedge clk_i) begin
    up            <= !user_reset_i && user_lnk_up_i && !cfg_hot_reset_i;
    cfg_command_o <= {5'd0, cfg_function_status_i[3], 7'd0, cfg_function_status_i[2:0]};
    cfg_mps_o     <= {1'b0, cfg_max_payload_i};
    cfg_mrrs_o    <= cfg_max_read_req_i;
    cfg_rcb_o     <= cfg_rcb_status_i;
    cfg_bdf_o     <= {cfg_bus_number_i, 8'd0};  // an endpoint is device 0 on its link
    cfg_flr_o     <= cfg_flr_in_process_i;
  end
  assign cfg_flr_done_o   = cfg_flr_done_i && cfg_flr_o;
  assign bme              = cfg_command_o[2];
  assign pcie_cq_np_req_o = 2'b11;  // the core has no need to hold back reads alone

  usp_config u_config (
    .clk_i, .rst_ni (up),
    .cfg_mgmt_addr_o, .cfg_mgmt_read_o, .cfg_mgmt_read_data_i, .cfg_mgmt_read_write_done_i,
    .ext_tag_o (cfg_ext_tag_o)
  );

  usp_cq u_cq (
    .clk_i, .rst_ni (up),
    .s_valid_i (cq_tvalid_i), .s_ready_o (cq_tready_o), .s_last_i (cq_tlast_i),
    .s_keep_i  (cq_tkeep_i),  .s_user_i  (cq_tuser_i),  .s_data_i (cq_tdata_i),
    .cq_valid_o, .cq_ready_i, .cq_sop_o, .cq_eop_o, .cq_hdr_o, .cq_bar_o, .cq_data_o
  );

  logic cc_pass, cc_ready;
  assign cc_ready_o = cc_ready && cc_pass;

  usp_after_writes u_after_writes (
    .clk_i, .rst_ni (up),
    .valid_i          (cc_valid_i),
    .sop_i            (cc_sop_i),
    .pass_o           (cc_pass),
    .taken_i          (cc_valid_i && cc_ready_o),
    .write_waits_i    (write_waits),
    .writes_pending_i (writes_pending),
    .writes_done_i    (writes_done)
  );

  usp_cc u_cc (
    .clk_i, .rst_ni (up),
    .cc_valid_i (cc_valid_i && cc_pass), .cc_ready_o (cc_ready), .cc_sop_i, .cc_eop_i, .cc_hdr_i, .cc_data_i,
    .m_valid_o (cc_tvalid_o), .m_ready_i (cc_tready_i), .m_last_o (cc_tlast_o),
    .m_keep_o  (cc_tkeep_o),  .m_user_o  (cc_tuser_o),  .m_data_o (cc_tdata_o)
  );

  usp_rq u_rq (
    .clk_i, .rst_ni (up), .bme_i (bme),
    .rq_valid_i, .rq_ready_o, .rq_sop_i, .rq_eop_i, .rq_hdr_i, .rq_data_i,
    .m_valid_o (rq_tvalid_o), .m_ready_i (rq_tready_i), .m_last_o (rq_tlast_o),
    .m_keep_o  (rq_tkeep_o),  .m_user_o  (rq_tuser_o),  .m_data_o (rq_tdata_o),
    .seq_valid_i      (pcie_rq_seq_num_vld0_i),
    .seq_i            (pcie_rq_seq_num0_i),
    .write_waits_o    (write_waits),
    .writes_pending_o (writes_pending),
    .writes_done_o    (writes_done)
  );

  usp_rc u_rc (
    .clk_i, .rst_ni (up),
    .s_valid_i (rc_tvalid_i), .s_ready_o (rc_tready_o), .s_user_i (rc_tuser_i), .s_data_i (rc_tdata_i),
    .rc_valid_o, .rc_ready_i, .rc_sop_o, .rc_eop_o, .rc_hdr_o, .rc_data_o
  );

  usp_irq u_irq (
    .clk_i, .rst_ni (up),
    .msix_valid_i, .msix_ready_o, .msix_vector_i,
    .halted_i         (gate_closed_i),
    .write_waits_i    (write_waits),
    .writes_pending_i (writes_pending),
    .writes_done_i    (writes_done),
    .enable_i         (cfg_interrupt_msix_enable_i),
    .cfg_interrupt_msix_int_o, .cfg_interrupt_msi_int_o,
    .cfg_interrupt_sent_i (cfg_interrupt_msi_sent_i),
    .cfg_interrupt_fail_i (cfg_interrupt_msi_fail_i)
  );

endmodule

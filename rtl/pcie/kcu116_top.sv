// SPDX-License-Identifier: Apache-2.0
// FPGA top for the AMD KCU116 (Kintex UltraScale+ KU5P): hard IP for PCIe (Gen3 x8, made by
// build_kcu116.tcl), adapter, endpoint and analyser. SCPI goes over the board's USB UART; the console of the
// server under test comes in on a pin.
//
// NOT TRIED: neither on silicon nor with Vivado. The adapter was simulated behind a model of the hard IP.
//
// Everything runs on the hard IP's user clock, which stands still while the slot's reset is asserted: the
// analyser then sees nothing, and says so with a gap in time. Configuration accesses are answered inside of the
// hard IP: their tap stays silent here.
module kcu116_top #(
  parameter logic [127:0] BuildId         = '0,
  parameter               FirmwareHex     = "analyser.hex",
  parameter               CardFirmwareHex = "card.hex"
) (
  input  logic       pcie_refclk_p,  // 100 MHz of the slot
  input  logic       pcie_refclk_n,
  input  logic       pcie_perst_n,
  input  logic [7:0] pcie_rx_p,
  input  logic [7:0] pcie_rx_n,
  output logic [7:0] pcie_tx_p,
  output logic [7:0] pcie_tx_n,

  input  logic       console_rx,     // 115200 8N1, from the server
  input  logic       scpi_rx,        // 115200 8N1, USB UART
  output logic       scpi_tx,
  input  logic [3:0] general_in,     // PMOD: the analyser's inputs, asynchronous,
  output logic [1:0] trigger_out,    // and its outputs: triggered, pulse
  output logic       led_link
);

  localparam int unsigned ClockHz = 250_000_000;

  logic sys_clk, sys_clk_gt, sys_rst_n, clk, user_reset, user_lnk_up;

  IBUFDS_GTE4 u_refclk (
    .I (pcie_refclk_p), .IB (pcie_refclk_n), .CEB (1'b0), .O (sys_clk_gt), .ODIV2 (sys_clk)
  );
  IBUF u_perst (.I (pcie_perst_n), .O (sys_rst_n));

  // Power-on reset: registers start at 0 after configuration, and the clock comes with the link's.
  logic [15:0] started_q;
  logic        rst_n;
  initial started_q = '0;
  always_ff @(posedge clk) started_q <= {started_q[14:0], 1'b1};
  assign rst_n = started_q[15];

  logic         cq_tvalid, cq_tready, cq_tlast, cc_tvalid, cc_tlast, rq_tvalid, rq_tlast;
  logic         rc_tvalid, rc_tready, rc_tlast;
  logic   [3:0] cc_tready, rq_tready;          // four equal copies
  logic   [7:0] cq_tkeep, cc_tkeep, rq_tkeep, rc_tkeep;
  logic  [87:0] cq_tuser;
  logic  [32:0] cc_tuser;
  logic  [61:0] rq_tuser;
  logic  [74:0] rc_tuser;
  logic [255:0] cq_tdata, cc_tdata, rq_tdata, rc_tdata;
  logic   [1:0] np_req;
  logic         seq_valid;
  logic   [5:0] seq;

  logic  [15:0] function_status;
  logic   [1:0] max_payload;
  logic   [2:0] max_read_req;
  logic   [3:0] rcb_status, flr_in_process, msix_enable;
  logic   [7:0] bus_number;
  logic         hot_reset, flr_done;
  logic   [9:0] mgmt_addr;
  logic         mgmt_read, mgmt_done;
  logic  [31:0] mgmt_read_data;
  logic         msix_int, msi_sent, msi_fail;
  logic  [31:0] msi_int;
  logic   [1:0] phy_link_status, current_speed;
  logic   [2:0] negotiated_width, fc_sel;
  logic   [5:0] ltssm_state;
  logic   [3:0] msix_mask;
  logic   [7:0] fc_ph, fc_nph, fc_cplh;
  logic  [11:0] fc_pd, fc_npd, fc_cpld;

  pcie4_uscale_plus_0 u_hard_ip (
    .sys_clk, .sys_clk_gt, .sys_reset (sys_rst_n),
    .pci_exp_txp (pcie_tx_p), .pci_exp_txn (pcie_tx_n), .pci_exp_rxp (pcie_rx_p), .pci_exp_rxn (pcie_rx_n),
    .user_clk (clk), .user_reset, .user_lnk_up, .phy_rdy_out (),

    .m_axis_cq_tdata (cq_tdata), .m_axis_cq_tuser (cq_tuser), .m_axis_cq_tlast (cq_tlast),
    .m_axis_cq_tkeep (cq_tkeep), .m_axis_cq_tvalid (cq_tvalid), .m_axis_cq_tready (cq_tready),
    .pcie_cq_np_req (np_req), .pcie_cq_np_req_count (),
    .s_axis_cc_tdata (cc_tdata), .s_axis_cc_tuser (cc_tuser), .s_axis_cc_tlast (cc_tlast),
    .s_axis_cc_tkeep (cc_tkeep), .s_axis_cc_tvalid (cc_tvalid), .s_axis_cc_tready (cc_tready),
    .s_axis_rq_tdata (rq_tdata), .s_axis_rq_tuser (rq_tuser), .s_axis_rq_tlast (rq_tlast),
    .s_axis_rq_tkeep (rq_tkeep), .s_axis_rq_tvalid (rq_tvalid), .s_axis_rq_tready (rq_tready),
    .pcie_rq_seq_num0 (seq), .pcie_rq_seq_num_vld0 (seq_valid),
    .pcie_rq_seq_num1 (), .pcie_rq_seq_num_vld1 (),
    .pcie_rq_tag0 (), .pcie_rq_tag_vld0 (), .pcie_rq_tag1 (), .pcie_rq_tag_vld1 (), .pcie_rq_tag_av (),
    .m_axis_rc_tdata (rc_tdata), .m_axis_rc_tuser (rc_tuser), .m_axis_rc_tlast (rc_tlast),
    .m_axis_rc_tkeep (rc_tkeep), .m_axis_rc_tvalid (rc_tvalid), .m_axis_rc_tready (rc_tready),
    .pcie_tfc_nph_av (), .pcie_tfc_npd_av (),

    .cfg_mgmt_addr (mgmt_addr), .cfg_mgmt_function_number ('0), .cfg_mgmt_write (1'b0),
    .cfg_mgmt_write_data ('0), .cfg_mgmt_byte_enable ('0), .cfg_mgmt_read (mgmt_read),
    .cfg_mgmt_read_data (mgmt_read_data), .cfg_mgmt_read_write_done (mgmt_done),
    .cfg_mgmt_debug_access (1'b0),

    .cfg_max_payload (max_payload), .cfg_max_read_req (max_read_req), .cfg_function_status (function_status),
    .cfg_rcb_status (rcb_status), .cfg_bus_number (bus_number), .cfg_hot_reset_out (hot_reset),
    .cfg_flr_in_process (flr_in_process), .cfg_flr_done ({3'd0, flr_done}),
    .cfg_vf_flr_func_num ('0), .cfg_vf_flr_done ('0),
    .cfg_dsn ('0), .cfg_err_cor_in (1'b0), .cfg_err_uncor_in (1'b0), .cfg_power_state_change_ack (1'b1),
    .cfg_link_training_enable (1'b1), .cfg_config_space_enable (1'b1), .cfg_hot_reset_in (1'b0),
    .cfg_req_pm_transition_l23_ready (1'b0), .cfg_pm_aspm_l1_entry_reject (1'b0),
    .cfg_pm_aspm_tx_l0s_entry_disable (1'b0),
    .cfg_ds_port_number ('0), .cfg_ds_bus_number ('0), .cfg_ds_device_number ('0),
    .cfg_msg_transmit (1'b0), .cfg_msg_transmit_type ('0), .cfg_msg_transmit_data ('0),
    .cfg_phy_link_status (phy_link_status), .cfg_negotiated_width (negotiated_width),
    .cfg_current_speed (current_speed), .cfg_ltssm_state (ltssm_state),
    .cfg_fc_sel (fc_sel), .cfg_fc_ph (fc_ph), .cfg_fc_pd (fc_pd), .cfg_fc_nph (fc_nph),
    .cfg_fc_npd (fc_npd), .cfg_fc_cplh (fc_cplh), .cfg_fc_cpld (fc_cpld),

    .cfg_interrupt_int ('0), .cfg_interrupt_pending ('0), .cfg_interrupt_sent (),
    .cfg_interrupt_msix_enable (msix_enable), .cfg_interrupt_msix_mask (msix_mask),
    .cfg_interrupt_msix_int (msix_int),
    .cfg_interrupt_msix_vec_pending ('0), .cfg_interrupt_msix_vec_pending_status (),
    .cfg_interrupt_msi_int (msi_int), .cfg_interrupt_msi_sent (msi_sent), .cfg_interrupt_msi_fail (msi_fail),
    .cfg_interrupt_msi_function_number ('0), .cfg_interrupt_msi_attr ('0),
    .cfg_interrupt_msi_tph_present (1'b0), .cfg_interrupt_msi_tph_type ('0),
    .cfg_interrupt_msi_tph_st_tag ('0)
  );

  // Core's side.
  logic         perst_n, gate_closed;
  logic         cq_valid, cq_ready, cq_sop, cq_eop, cc_valid, cc_ready, cc_sop, cc_eop;
  logic         rq_valid, rq_ready, rq_sop, rq_eop, rc_valid, rc_ready, rc_sop, rc_eop;
  logic [127:0] cq_hdr, cc_hdr, rq_hdr, rc_hdr;
  logic [255:0] cq_data, cc_data, rq_data, rc_data;
  logic   [2:0] cq_bar, mps, mrrs, vector;
  logic  [15:0] command, bdf;
  logic         flr, core_flr_done, ext_tag, rcb, msix_valid, msix_ready;

  pcie_usp u_adapter (
    .clk_i (clk), .user_reset_i (user_reset), .user_lnk_up_i (user_lnk_up),
    .cq_tvalid_i (cq_tvalid), .cq_tready_o (cq_tready), .cq_tlast_i (cq_tlast), .cq_tkeep_i (cq_tkeep),
    .cq_tuser_i (cq_tuser), .cq_tdata_i (cq_tdata), .pcie_cq_np_req_o (np_req),
    .cc_tvalid_o (cc_tvalid), .cc_tready_i (cc_tready[0]), .cc_tlast_o (cc_tlast), .cc_tkeep_o (cc_tkeep),
    .cc_tuser_o (cc_tuser), .cc_tdata_o (cc_tdata),
    .rq_tvalid_o (rq_tvalid), .rq_tready_i (rq_tready[0]), .rq_tlast_o (rq_tlast), .rq_tkeep_o (rq_tkeep),
    .rq_tuser_o (rq_tuser), .rq_tdata_o (rq_tdata),
    .pcie_rq_seq_num_vld0_i (seq_valid), .pcie_rq_seq_num0_i (seq),
    .rc_tvalid_i (rc_tvalid), .rc_tready_o (rc_tready), .rc_tuser_i (rc_tuser), .rc_tdata_i (rc_tdata),
    .cfg_function_status_i (function_status[3:0]), .cfg_max_payload_i (max_payload),
    .cfg_max_read_req_i (max_read_req), .cfg_rcb_status_i (rcb_status[0]), .cfg_bus_number_i (bus_number),
    .cfg_hot_reset_i (hot_reset), .cfg_flr_in_process_i (flr_in_process[0]), .cfg_flr_done_o (flr_done),
    .cfg_mgmt_addr_o (mgmt_addr), .cfg_mgmt_read_o (mgmt_read), .cfg_mgmt_read_data_i (mgmt_read_data),
    .cfg_mgmt_read_write_done_i (mgmt_done),
    .cfg_interrupt_msix_enable_i (msix_enable[0]), .cfg_interrupt_msix_int_o (msix_int),
    .cfg_interrupt_msi_int_o (msi_int), .cfg_interrupt_msi_sent_i (msi_sent),
    .cfg_interrupt_msi_fail_i (msi_fail),
    .perst_no (perst_n),
    .cq_valid_o (cq_valid), .cq_ready_i (cq_ready), .cq_sop_o (cq_sop), .cq_eop_o (cq_eop),
    .cq_hdr_o (cq_hdr), .cq_bar_o (cq_bar), .cq_data_o (cq_data),
    .cc_valid_i (cc_valid), .cc_ready_o (cc_ready), .cc_sop_i (cc_sop), .cc_eop_i (cc_eop),
    .cc_hdr_i (cc_hdr), .cc_data_i (cc_data),
    .rq_valid_i (rq_valid), .rq_ready_o (rq_ready), .rq_sop_i (rq_sop), .rq_eop_i (rq_eop),
    .rq_hdr_i (rq_hdr), .rq_data_i (rq_data),
    .rc_valid_o (rc_valid), .rc_ready_i (rc_ready), .rc_sop_o (rc_sop), .rc_eop_o (rc_eop),
    .rc_hdr_o (rc_hdr), .rc_data_o (rc_data),
    .cfg_command_o (command), .cfg_flr_o (flr), .cfg_flr_done_i (core_flr_done), .cfg_mps_o (mps),
    .cfg_mrrs_o (mrrs), .cfg_ext_tag_o (ext_tag), .cfg_rcb_o (rcb), .cfg_bdf_o (bdf),
    .msix_valid_i (msix_valid), .msix_ready_o (msix_ready), .msix_vector_i (vector),
    .gate_closed_i (gate_closed)
  );

  logic       link_up, msix_enabled, msix_masked;
  logic [2:0] link_speed, link_width, no_credit;
  logic [5:0] link_ltssm;

  usp_watch u_watch (
    .clk_i (clk),
    .cfg_phy_link_status_i (phy_link_status), .cfg_negotiated_width_i (negotiated_width),
    .cfg_current_speed_i (current_speed), .cfg_ltssm_state_i (ltssm_state),
    .cfg_interrupt_msix_enable_i (msix_enable[0]), .cfg_interrupt_msix_mask_i (msix_mask[0]),
    .cfg_fc_sel_o (fc_sel), .cfg_fc_ph_i (fc_ph), .cfg_fc_nph_i (fc_nph), .cfg_fc_cplh_i (fc_cplh),
    .cfg_fc_pd_i (fc_pd), .cfg_fc_npd_i (fc_npd), .cfg_fc_cpld_i (fc_cpld),
    .link_up_o (link_up), .link_speed_o (link_speed), .link_width_o (link_width),
    .link_ltssm_o (link_ltssm), .msix_enable_o (msix_enabled), .msix_mask_o (msix_masked),
    .no_credit_o (no_credit)
  );

  (* ASYNC_REG = "TRUE" *) logic [3:0] input_meta_q, input_q;
  always_ff @(posedge clk) {input_q, input_meta_q} <= {input_meta_q, general_in};

  logic       scpi_byte_valid, scpi_byte_error, scpi_rx_valid, scpi_rx_ready, scpi_tx_valid, scpi_tx_ready;
  logic [7:0] scpi_rx_byte, scpi_tx_byte;

  analyser_uart u_scpi_rx (
    .clk_i (clk), .rst_ni (rst_n), .rx_i (scpi_rx), .divisor_i (24'(ClockHz / (115_200 / 16))),
    .valid_o (scpi_byte_valid), .byte_o (scpi_rx_byte), .error_o (scpi_byte_error), .errors_o ()
  );
  assign scpi_rx_valid = scpi_byte_valid && !scpi_byte_error;
  uart_tx #(.ClockHz (ClockHz)) u_scpi_tx (
    .clk_i (clk), .rst_ni (rst_n), .valid_i (scpi_tx_valid), .ready_o (scpi_tx_ready), .byte_i (scpi_tx_byte),
    .tx_o (scpi_tx)
  );

  // 32,768 records are 32 of the device's 64 UltraRAMs; card memory takes 30.
  vkbench_top #(
    .RING_RECORDS      (32768),
    .FIRMWARE_HEX      (FirmwareHex),
    .CARD_FIRMWARE_HEX (CardFirmwareHex),
    .CONSOLE_UART      (1'b1)
  ) u_bench (
    .clk_i (clk), .rst_ni (rst_n), .perst_ni (perst_n), .clk_hz_i (ClockHz), .build_id_i (BuildId),
    .cq_valid_i (cq_valid), .cq_ready_o (cq_ready), .cq_sop_i (cq_sop), .cq_eop_i (cq_eop),
    .cq_hdr_i (cq_hdr), .cq_bar_i (cq_bar), .cq_data_i (cq_data),
    .cc_valid_o (cc_valid), .cc_ready_i (cc_ready), .cc_sop_o (cc_sop), .cc_eop_o (cc_eop),
    .cc_hdr_o (cc_hdr), .cc_data_o (cc_data),
    .rq_valid_o (rq_valid), .rq_ready_i (rq_ready), .rq_sop_o (rq_sop), .rq_eop_o (rq_eop),
    .rq_hdr_o (rq_hdr), .rq_data_o (rq_data),
    .rc_valid_i (rc_valid), .rc_ready_o (rc_ready), .rc_sop_i (rc_sop), .rc_eop_i (rc_eop),
    .rc_hdr_i (rc_hdr), .rc_data_i (rc_data),
    .cfg_command_i (command), .cfg_flr_i (flr), .cfg_flr_done_o (core_flr_done), .cfg_mps_i (mps),
    .cfg_mrrs_i (mrrs), .cfg_ext_tag_i (ext_tag), .cfg_rcb_i (rcb), .cfg_bdf_i (bdf),
    .msix_valid_o (msix_valid), .msix_vector_o (vector), .msix_ready_i (msix_ready),
    .cfg_acc_valid_i (1'b0), .cfg_acc_write_i (1'b0), .cfg_acc_addr_i ('0), .cfg_acc_be_i ('0),
    .cfg_acc_data_i ('0),
    .link_up_i (link_up), .link_speed_i (link_speed), .link_width_i (link_width), .link_ltssm_i (link_ltssm),
    .msix_enable_i (msix_enabled), .msix_mask_i (msix_masked), .no_credit_i (no_credit), .input_i (input_q),
    .con_valid_i (1'b0), .con_byte_i ('0), .con_error_i (1'b0), .con_rx_i (console_rx),
    .trig_out_o (trigger_out),
    .scpi_rx_valid_i (scpi_rx_valid), .scpi_rx_ready_o (scpi_rx_ready), .scpi_rx_byte_i (scpi_rx_byte),
    .scpi_tx_valid_o (scpi_tx_valid), .scpi_tx_ready_i (scpi_tx_ready), .scpi_tx_byte_o (scpi_tx_byte),
    .gate_closed_o (gate_closed)
  );

  assign led_link = user_lnk_up;

  // A byte that the firmware does not take before the next one is lost: the port has no flow control.
  logic unused;
  assign unused = ^{scpi_rx_ready, rc_tlast, rc_tkeep, function_status[15:4], rcb_status[3:1],
                    flr_in_process[3:1], msix_enable[3:1], msix_mask[3:1], cc_tready[3:1], rq_tready[3:1]};

endmodule

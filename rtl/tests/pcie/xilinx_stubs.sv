// SPDX-License-Identifier: Apache-2.0
// What kcu116_top takes from Vivado, as empty modules for lint: ports and widths as in our reading of PG213.
module IBUFDS_GTE4 (input logic I, IB, CEB, output logic O, ODIV2);
  assign {O, ODIV2} = {2{I & ~IB & ~CEB}};
endmodule

module IBUF (input logic I, output logic O);
  assign O = I;
endmodule

module pcie4_uscale_plus_0 (
  input  logic         sys_clk, sys_clk_gt, sys_reset,
  output logic   [7:0] pci_exp_txp, pci_exp_txn,
  input  logic   [7:0] pci_exp_rxp, pci_exp_rxn,
  output logic         user_clk, user_reset, user_lnk_up, phy_rdy_out,
  output logic [255:0] m_axis_cq_tdata, m_axis_rc_tdata,
  output logic  [87:0] m_axis_cq_tuser,
  output logic  [74:0] m_axis_rc_tuser,
  output logic   [7:0] m_axis_cq_tkeep, m_axis_rc_tkeep,
  output logic         m_axis_cq_tlast, m_axis_cq_tvalid, m_axis_rc_tlast, m_axis_rc_tvalid,
  input  logic         m_axis_cq_tready, m_axis_rc_tready,
  input  logic [255:0] s_axis_cc_tdata, s_axis_rq_tdata,
  input  logic  [32:0] s_axis_cc_tuser,
  input  logic  [61:0] s_axis_rq_tuser,
  input  logic   [7:0] s_axis_cc_tkeep, s_axis_rq_tkeep,
  input  logic         s_axis_cc_tlast, s_axis_cc_tvalid, s_axis_rq_tlast, s_axis_rq_tvalid,
  output logic   [3:0] s_axis_cc_tready, s_axis_rq_tready,
  input  logic   [1:0] pcie_cq_np_req,
  output logic   [5:0] pcie_cq_np_req_count, pcie_rq_seq_num0, pcie_rq_seq_num1,
  output logic         pcie_rq_seq_num_vld0, pcie_rq_seq_num_vld1, pcie_rq_tag_vld0, pcie_rq_tag_vld1,
  output logic   [7:0] pcie_rq_tag0, pcie_rq_tag1,
  output logic   [3:0] pcie_rq_tag_av, pcie_tfc_nph_av, pcie_tfc_npd_av,
  input  logic   [9:0] cfg_mgmt_addr,
  input  logic   [7:0] cfg_mgmt_function_number,
  input  logic         cfg_mgmt_write, cfg_mgmt_read, cfg_mgmt_debug_access,
  input  logic  [31:0] cfg_mgmt_write_data,
  input  logic   [3:0] cfg_mgmt_byte_enable,
  output logic  [31:0] cfg_mgmt_read_data,
  output logic         cfg_mgmt_read_write_done,
  output logic   [1:0] cfg_max_payload,
  output logic   [2:0] cfg_max_read_req,
  output logic  [15:0] cfg_function_status,
  output logic   [3:0] cfg_rcb_status, cfg_flr_in_process,
  output logic   [7:0] cfg_bus_number,
  output logic         cfg_hot_reset_out,
  input  logic   [3:0] cfg_flr_done,
  input  logic   [7:0] cfg_vf_flr_func_num,
  input  logic         cfg_vf_flr_done,
  input  logic  [63:0] cfg_dsn,
  input  logic         cfg_err_cor_in, cfg_err_uncor_in, cfg_power_state_change_ack,
  input  logic         cfg_link_training_enable, cfg_config_space_enable, cfg_hot_reset_in,
  input  logic         cfg_req_pm_transition_l23_ready, cfg_pm_aspm_l1_entry_reject,
  input  logic         cfg_pm_aspm_tx_l0s_entry_disable,
  input  logic   [7:0] cfg_ds_port_number, cfg_ds_bus_number,
  input  logic   [4:0] cfg_ds_device_number,
  input  logic         cfg_msg_transmit,
  input  logic   [2:0] cfg_msg_transmit_type, cfg_fc_sel,
  input  logic  [31:0] cfg_msg_transmit_data,
  input  logic   [3:0] cfg_interrupt_int, cfg_interrupt_pending,
  output logic         cfg_interrupt_sent,
  output logic   [3:0] cfg_interrupt_msix_enable,
  input  logic         cfg_interrupt_msix_int,
  input  logic   [1:0] cfg_interrupt_msix_vec_pending,
  output logic         cfg_interrupt_msix_vec_pending_status,
  input  logic  [31:0] cfg_interrupt_msi_int,
  output logic         cfg_interrupt_msi_sent, cfg_interrupt_msi_fail,
  input  logic   [7:0] cfg_interrupt_msi_function_number, cfg_interrupt_msi_tph_st_tag,
  input  logic   [2:0] cfg_interrupt_msi_attr,
  input  logic         cfg_interrupt_msi_tph_present,
  input  logic   [1:0] cfg_interrupt_msi_tph_type
);
endmodule

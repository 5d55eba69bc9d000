// SPDX-License-Identifier: Apache-2.0
// What the hard IP shows of the link and of MSI-X, as the analyser's levels (LEVELS in bench/capture/layout.py).
// Port names on the hard IP's side are the hard IP's (PG213). With cfg_fc_sel at Available, cfg_fc_* are the
// credits that the link partner has left for us: header and data of each kind, of which either may be missing.
module usp_watch (
  input  logic        clk_i,                        // user_clk

  input  logic  [1:0] cfg_phy_link_status_i,        // 3: up, and the data link layer too
  input  logic  [2:0] cfg_negotiated_width_i,       // log2 of the lanes
  input  logic  [1:0] cfg_current_speed_i,          // 0: 2.5 GT/s
  input  logic  [5:0] cfg_ltssm_state_i,
  input  logic        cfg_interrupt_msix_enable_i,  // function 0
  input  logic        cfg_interrupt_msix_mask_i,
  output logic  [2:0] cfg_fc_sel_o,
  input  logic  [7:0] cfg_fc_ph_i, cfg_fc_nph_i, cfg_fc_cplh_i,
  input  logic [11:0] cfg_fc_pd_i, cfg_fc_npd_i, cfg_fc_cpld_i,

  output logic        link_up_o,
  output logic  [2:0] link_speed_o,                 // as in Link Status; 0 while the link is down
  output logic  [2:0] link_width_o,
  output logic  [5:0] link_ltssm_o,
  output logic        msix_enable_o,
  output logic        msix_mask_o,
  output logic  [2:0] no_credit_o                   // completions, non-posted, posted
);

  localparam logic [2:0] Available = 3'd4;
  assign cfg_fc_sel_o = Available;

  logic up;
  assign up = cfg_phy_link_status_i == 2'd3;

  always_ff @(posedge clk_i) begin
    link_up_o     <= up;
    link_speed_o  <= up ? {1'b0, cfg_current_speed_i} + 3'd1 : '0;
    link_width_o  <= up ? cfg_negotiated_width_i : '0;
    link_ltssm_o  <= cfg_ltssm_state_i;
    msix_enable_o <= cfg_interrupt_msix_enable_i;
    msix_mask_o   <= cfg_interrupt_msix_mask_i;
    no_credit_o   <= {3{up}} & {cfg_fc_cplh_i == '0 || cfg_fc_cpld_i == '0,
                                cfg_fc_nph_i  == '0 || cfg_fc_npd_i  == '0,
                                cfg_fc_ph_i   == '0 || cfg_fc_pd_i   == '0};
  end

endmodule

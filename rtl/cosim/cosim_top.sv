// SPDX-License-Identifier: Apache-2.0
// vkbench_top with a register at every input: Verilator works logic behind an input out again at every
// evaluation, twice a clock. Everything that goes in is one clock later, so the order of events stays. A
// valid output is a strobe: its beat passes in that clock. Where it has a ready, 0 means: none in the next.
module cosim_top #(
  parameter int unsigned RING_RECORDS = 65536,
  parameter              FIRMWARE_HEX = "",
  parameter              CARD_FIRMWARE_HEX = "",
  parameter int unsigned STORE_BYTES = 1 << 20
) (
  input  logic         clk_i,
  input  logic         rst_ni,
  input  logic         perst_ni,
  input  logic  [31:0] clk_hz_i,
  input  logic [127:0] build_id_i,

  input  logic         cq_valid_i,
  output logic         cq_ready_o,
  input  logic         cq_sop_i,
  input  logic         cq_eop_i,
  input  logic [127:0] cq_hdr_i,
  input  logic   [2:0] cq_bar_i,
  input  logic [255:0] cq_data_i,

  output logic         cc_valid_o,
  output logic         cc_sop_o,
  output logic         cc_eop_o,
  output logic [127:0] cc_hdr_o,
  output logic [255:0] cc_data_o,

  output logic         rq_valid_o,
  input  logic         rq_ready_i,
  output logic         rq_sop_o,
  output logic         rq_eop_o,
  output logic [127:0] rq_hdr_o,
  output logic [255:0] rq_data_o,

  input  logic         rc_valid_i,
  output logic         rc_ready_o,
  input  logic         rc_sop_i,
  input  logic         rc_eop_i,
  input  logic [127:0] rc_hdr_i,
  input  logic [255:0] rc_data_i,

  input  logic  [15:0] cfg_command_i,
  input  logic         cfg_flr_i,
  output logic         cfg_flr_done_o,
  input  logic   [2:0] cfg_mps_i,
  input  logic   [2:0] cfg_mrrs_i,
  input  logic         cfg_ext_tag_i,
  input  logic         cfg_rcb_i,
  input  logic  [15:0] cfg_bdf_i,

  input  logic         cfg_acc_valid_i,
  input  logic         cfg_acc_write_i,
  input  logic   [9:0] cfg_acc_addr_i,
  input  logic   [3:0] cfg_acc_be_i,
  input  logic  [31:0] cfg_acc_data_i,
  input  logic         link_up_i,
  input  logic   [2:0] link_speed_i,
  input  logic   [2:0] link_width_i,
  input  logic   [5:0] link_ltssm_i,
  input  logic         msix_enable_i,
  input  logic         msix_mask_i,
  input  logic   [3:0] input_i,
  output logic   [1:0] trig_out_o,

  output logic         msix_valid_o,
  output logic   [2:0] msix_vector_o,

  input  logic         con_valid_i,
  input  logic   [7:0] con_byte_i,

  input  logic         scpi_rx_valid_i,
  output logic         scpi_rx_ready_o,
  input  logic   [7:0] scpi_rx_byte_i,
  output logic         scpi_tx_valid_o,
  input  logic         scpi_tx_ready_i,
  output logic   [7:0] scpi_tx_byte_o
);

  logic         rst_n, perst_n, cfg_flr, cfg_ext_tag, cfg_rcb, con_valid;
  logic         rq_ready, rq_valid, scpi_tx_ready, scpi_tx_valid;
  logic  [15:0] cfg_command, cfg_bdf;
  logic   [2:0] cfg_mps, cfg_mrrs;
  logic   [7:0] con_byte;
  logic         acc_valid, acc_write, link_up, msix_enable, msix_mask;
  logic   [9:0] acc_addr;
  logic   [3:0] acc_be, inputs;
  logic  [31:0] acc_data;
  logic   [2:0] link_speed, link_width;
  logic   [5:0] link_ltssm;
  logic  [31:0] clk_hz;
  logic [127:0] build_id;

  always_ff @(posedge clk_i) begin
    rst_n         <= rst_ni;
    perst_n       <= perst_ni;
    clk_hz        <= clk_hz_i;
    build_id      <= build_id_i;
    cfg_command   <= cfg_command_i;
    cfg_flr       <= cfg_flr_i;
    cfg_mps       <= cfg_mps_i;
    cfg_mrrs      <= cfg_mrrs_i;
    cfg_ext_tag   <= cfg_ext_tag_i;
    cfg_rcb       <= cfg_rcb_i;
    cfg_bdf       <= cfg_bdf_i;
    acc_valid     <= cfg_acc_valid_i;
    acc_write     <= cfg_acc_write_i;
    acc_addr      <= cfg_acc_addr_i;
    acc_be        <= cfg_acc_be_i;
    acc_data      <= cfg_acc_data_i;
    link_up       <= link_up_i;
    link_speed    <= link_speed_i;
    link_width    <= link_width_i;
    link_ltssm    <= link_ltssm_i;
    msix_enable   <= msix_enable_i;
    msix_mask     <= msix_mask_i;
    inputs        <= input_i;
    con_valid     <= con_valid_i;
    con_byte      <= con_byte_i;
    rq_ready      <= rq_ready_i;
    scpi_tx_ready <= scpi_tx_ready_i;
  end

  logic         cq_valid, cq_ready, cq_sop, cq_eop, rc_valid, rc_ready, rc_sop, rc_eop, rx_valid, rx_ready;
  logic [127:0] cq_hdr, rc_hdr;
  logic   [2:0] cq_bar;
  logic [255:0] cq_data, rc_data;
  logic   [7:0] rx_byte;

  cosim_slot #(.Width (389)) u_cq (
    .clk_i, .clear_i (!perst_ni),
    .valid_i (cq_valid_i), .ready_o (cq_ready_o),
    .data_i ({cq_sop_i, cq_eop_i, cq_bar_i, cq_hdr_i, cq_data_i}),
    .valid_o (cq_valid),   .ready_i (cq_ready),   .data_o ({cq_sop, cq_eop, cq_bar, cq_hdr, cq_data})
  );
  cosim_slot #(.Width (386)) u_rc (
    .clk_i, .clear_i (!perst_ni),
    .valid_i (rc_valid_i), .ready_o (rc_ready_o), .data_i ({rc_sop_i, rc_eop_i, rc_hdr_i, rc_data_i}),
    .valid_o (rc_valid),   .ready_i (rc_ready),   .data_o ({rc_sop, rc_eop, rc_hdr, rc_data})
  );
  cosim_slot #(.Width (8)) u_rx (
    .clk_i, .clear_i (!rst_ni),
    .valid_i (scpi_rx_valid_i), .ready_o (scpi_rx_ready_o), .data_i (scpi_rx_byte_i),
    .valid_o (rx_valid),        .ready_i (rx_ready),        .data_o (rx_byte)
  );
  assign rq_valid_o      = rq_valid && rq_ready;
  assign scpi_tx_valid_o = scpi_tx_valid && scpi_tx_ready;

  vkbench_top #(
    .RING_RECORDS      (RING_RECORDS),
    .FIRMWARE_HEX      (FIRMWARE_HEX),
    .CARD_FIRMWARE_HEX (CARD_FIRMWARE_HEX),
    .STORE_BYTES       (STORE_BYTES)
  ) u_top (
    .clk_i, .rst_ni (rst_n), .perst_ni (perst_n), .clk_hz_i (clk_hz), .build_id_i (build_id),
    .cq_valid_i (cq_valid), .cq_ready_o (cq_ready), .cq_sop_i (cq_sop), .cq_eop_i (cq_eop),
    .cq_hdr_i (cq_hdr), .cq_bar_i (cq_bar), .cq_data_i (cq_data),
    .cc_valid_o, .cc_ready_i (1'b1), .cc_sop_o, .cc_eop_o, .cc_hdr_o, .cc_data_o,
    .rq_valid_o (rq_valid), .rq_ready_i (rq_ready), .rq_sop_o, .rq_eop_o, .rq_hdr_o, .rq_data_o,
    .rc_valid_i (rc_valid), .rc_ready_o (rc_ready), .rc_sop_i (rc_sop), .rc_eop_i (rc_eop),
    .rc_hdr_i (rc_hdr), .rc_data_i (rc_data),
    .cfg_command_i (cfg_command), .cfg_flr_i (cfg_flr), .cfg_flr_done_o, .cfg_mps_i (cfg_mps),
    .cfg_mrrs_i (cfg_mrrs), .cfg_ext_tag_i (cfg_ext_tag), .cfg_rcb_i (cfg_rcb), .cfg_bdf_i (cfg_bdf),
    .cfg_acc_valid_i (acc_valid), .cfg_acc_write_i (acc_write), .cfg_acc_addr_i (acc_addr),
    .cfg_acc_be_i (acc_be), .cfg_acc_data_i (acc_data),
    .link_up_i (link_up), .link_speed_i (link_speed), .link_width_i (link_width), .link_ltssm_i (link_ltssm),
    .msix_enable_i (msix_enable), .msix_mask_i (msix_mask), .input_i (inputs), .trig_out_o,
    .no_credit_i ('0),  // this root complex always has some
    .msix_valid_o, .msix_vector_o, .msix_ready_i (1'b1),
    .con_valid_i (con_valid), .con_byte_i (con_byte), .con_error_i (1'b0), .con_rx_i (1'b1),
    .scpi_rx_valid_i (rx_valid), .scpi_rx_ready_o (rx_ready), .scpi_rx_byte_i (rx_byte),
    .scpi_tx_valid_o (scpi_tx_valid), .scpi_tx_ready_i (scpi_tx_ready), .scpi_tx_byte_o,
    .gate_closed_o ()
  );

endmodule

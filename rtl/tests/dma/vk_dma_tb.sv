// SPDX-License-Identifier: Apache-2.0
// Test wrapper of vk_dma with the gate behind it. Outputs are gathered in few vectors, since each access from
// Python costs (rtl/tests/dma/bench.py); a tick is 64 clocks.
module vk_dma_tb #(
  parameter int unsigned StoreBytes = 1 << 16
) (
  input  logic         clk_i, rst_ni,
  input  logic         bme_i, doorbell_i, ready_i, clear_i,
  input  logic   [2:0] mps_i, mrrs_i,
  input  logic         ext_tag_i, rcb_i, fill_i,
  input  logic         rd_valid_i, rd_abort_i, wr_valid_i, wr_abort_i,
  input  logic  [63:0] rd_host_i, wr_host_i,
  input  logic  [31:0] rd_store_i, rd_bytes_i, wr_store_i, wr_bytes_i,
  input  logic         traffic_enable_i, traffic_read_i, buffer_new_i,
  input  logic  [31:0] traffic_period_i, size_i,
  input  logic  [15:0] traffic_length_i,
  input  logic  [63:0] buffer_i,
  input  logic         rq_ready_i,
  input  logic [386:0] rc_i,         // valid, sop, eop, header, data
  input  logic         mem_write_i, mem_read_i,
  input  logic  [31:0] mem_waddr_i, mem_wdata_i, mem_raddr_i,
  input  logic   [3:0] mem_wbe_i,
  output logic  [31:0] mem_rdata_o, sequence_o,
  output logic [383:0] rq_o,         // header, data
  output logic  [31:0] obs_o
);

  localparam logic [15:0] Bdf = 16'h0100;

  logic         req_valid, req_ready, req_sop, req_eop, closed;
  logic [127:0] req_hdr, rq_hdr;
  logic [255:0] req_data, rq_data;
  logic         rq_valid, rq_sop, rq_eop, rd_ready, wr_ready, rd_done, wr_done, rc_ready, wready, rvalid;
  logic         busy, outstanding, cpl_ok, cpl_error, cpl_timeout, idle;
  logic   [3:0] rd_code, wr_code;
  logic   [5:0] tick_q;

  always_ff @(posedge clk_i) tick_q <= rst_ni ? tick_q + 1'b1 : '0;

  vk_dma #(.StoreBytes(StoreBytes)) u_dma (
    .clk_i, .rst_ni, .fault_i('0), .clear_i, .mps_i, .mrrs_i, .ext_tag_i, .rcb_i, .fill_i,
    .tick_i        (tick_q == '1),
    .gate_closed_i (closed),
    .bdf_i         (Bdf),
    .rd_valid_i, .rd_host_i, .rd_store_i, .rd_bytes_i, .rd_abort_i,
    .rd_ready_o    (rd_ready), .rd_done_o(rd_done), .rd_code_o(rd_code),
    .wr_valid_i, .wr_host_i, .wr_store_i, .wr_bytes_i, .wr_abort_i,
    .wr_ready_o    (wr_ready), .wr_done_o(wr_done), .wr_code_o(wr_code),
    .traffic_enable_i, .traffic_read_i, .traffic_period_i, .traffic_length_i,
    .buffer_i, .size_i, .buffer_new_i, .sequence_o,
    .busy_o        (busy), .outstanding_o(outstanding), .reading_o(), .writing_o(), .owed_o(),
    .cpl_ok_o      (cpl_ok), .cpl_error_o(cpl_error), .cpl_timeout_o(cpl_timeout),
    .req_valid_o   (req_valid), .req_ready_i(req_ready), .req_sop_o(req_sop), .req_eop_o(req_eop),
    .req_hdr_o     (req_hdr), .req_data_o(req_data),
    .rc_valid_i    (rc_i[386]), .rc_ready_o(rc_ready), .rc_sop_i(rc_i[385]), .rc_eop_i(rc_i[384]),
    .rc_hdr_i      (rc_i[383:256]), .rc_data_i(rc_i[255:0]),
    .mem_write_i, .mem_waddr_i, .mem_wbe_i, .mem_wdata_i, .mem_wready_o(wready),
    .mem_read_i, .mem_raddr_i, .mem_rvalid_o(rvalid), .mem_rdata_o
  );

  vk_gate u_gate (
    .clk_i, .rst_ni, .bme_i, .flr_i(1'b0), .doorbell_i, .perst_ni(1'b1), .internal_i(1'b0), .clear_i,
    .ready_i,
    .closed_o      (closed), .cause_o(), .idle_o(idle),
    .req_valid_i   (req_valid), .req_ready_o(req_ready), .req_sop_i(req_sop), .req_eop_i(req_eop),
    .req_hdr_i     (req_hdr), .req_data_i(req_data),
    .rq_valid_o    (rq_valid), .rq_ready_i, .rq_sop_o(rq_sop), .rq_eop_o(rq_eop), .rq_hdr_o(rq_hdr),
    .rq_data_o     (rq_data),
    .irq_valid_i   (1'b0), .irq_ready_o(), .irq_vector_i('0),
    .msix_valid_o  (), .msix_ready_i(1'b0), .msix_vector_o()
  );

  assign rq_o  = {rq_hdr, rq_data};
  assign obs_o = {5'd0, u_dma.wake || u_dma.tail_q != '0,              // 26
                  busy, outstanding, cpl_timeout, cpl_error, cpl_ok,   // 25 24 23 22 21
                  idle, closed, rvalid, wready,                        // 20 19 18 17
                  wr_code, wr_done, rd_code, rd_done,                  // 16:13 12 11:8 7
                  1'b0, wr_ready, rd_ready, rc_ready,                  // 6 5 4 3
                  rq_eop, rq_sop, rq_valid};                           // 2 1 0

endmodule

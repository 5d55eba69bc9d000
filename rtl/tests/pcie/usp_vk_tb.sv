// SPDX-License-Identifier: Apache-2.0
// Test wrapper: the adapter with gate and DMA engine behind it, descriptors straight from the test bench.
// Counters instead of pulses, so that nobody has to look every clock.
module usp_vk_tb #(
  parameter int unsigned StoreBytes = 1 << 19
) (
  `HARD_IP_PORTS,

  input  logic        rst_ni, fill_i,
  input  logic        wr_valid_i, rd_valid_i,         // toggles: take one descriptor
  input  logic [63:0] host_i,
  input  logic [31:0] store_i, bytes_i,
  input  logic        mem_write_i, mem_read_i,
  input  logic [31:0] mem_addr_i, mem_wdata_i,
  output logic        mem_ready_o,
  output logic [31:0] mem_rdata_o,
  output logic [31:0] clocks_o,                       // from acceptance of the descriptor to its end
  output logic  [4:0] done_o                          // ended; result
);

  logic         perst_n, closed, rd_ready, wr_ready, rd_done, wr_done, wready, rvalid;
  logic         rq_valid, rq_ready, rq_sop, rq_eop, rc_valid, rc_ready, rc_sop, rc_eop;
  logic         req_valid, req_ready, req_sop, req_eop;
  logic [127:0] rq_hdr, rc_hdr, req_hdr;
  logic [255:0] rq_data, rc_data, req_data;
  logic   [3:0] rd_code, wr_code;
  logic  [15:0] command, bdf;
  logic   [2:0] mps, mrrs;
  logic         ext_tag, rcb, idle;
  logic  [15:0] tick_q;

  pcie_usp u_usp (
    `HARD_IP_PINS,
    .clk_i, .perst_no (perst_n),
    .cq_valid_o (), .cq_ready_i (1'b1), .cq_sop_o (), .cq_eop_o (), .cq_hdr_o (), .cq_bar_o (), .cq_data_o (),
    .cc_valid_i (1'b0), .cc_ready_o (), .cc_sop_i (1'b0), .cc_eop_i (1'b0), .cc_hdr_i ('0), .cc_data_i ('0),
    .rq_valid_i (rq_valid), .rq_ready_o (rq_ready), .rq_sop_i (rq_sop), .rq_eop_i (rq_eop),
    .rq_hdr_i (rq_hdr), .rq_data_i (rq_data),
    .rc_valid_o (rc_valid), .rc_ready_i (rc_ready), .rc_sop_o (rc_sop), .rc_eop_o (rc_eop),
    .rc_hdr_o (rc_hdr), .rc_data_o (rc_data),
    .cfg_command_o (command), .cfg_flr_o (), .cfg_flr_done_i (1'b0), .cfg_mps_o (mps), .cfg_mrrs_o (mrrs),
    .cfg_ext_tag_o (ext_tag), .cfg_rcb_o (rcb), .cfg_bdf_o (bdf),
    .msix_valid_i (1'b0), .msix_ready_o (), .msix_vector_i ('0), .gate_closed_i (closed)
  );
  `HARD_IP_REST

  always_ff @(posedge clk_i) tick_q <= (!rst_ni || tick_q == 16'd24_999) ? '0 : tick_q + 1'b1;

  // One descriptor at a time: offered until taken, timed until done.
  logic reading_q, offer_q, busy_q, rd_toggle_q, wr_toggle_q;
  always_ff @(posedge clk_i) begin
    rd_toggle_q <= rd_valid_i;
    wr_toggle_q <= wr_valid_i;
    if (!rst_ni) begin
      offer_q <= 1'b0;
      busy_q  <= 1'b0;
      done_o  <= '0;
    end else if (rd_valid_i != rd_toggle_q || wr_valid_i != wr_toggle_q) begin
      reading_q <= rd_valid_i != rd_toggle_q;
      offer_q   <= 1'b1;
      busy_q    <= 1'b1;
      clocks_o  <= '0;
      done_o    <= '0;
    end else begin
      if (reading_q ? rd_ready : wr_ready) offer_q <= 1'b0;
      if (busy_q) clocks_o <= clocks_o + 1'b1;
      if (rd_done || wr_done) begin
        busy_q <= 1'b0;
        done_o <= {1'b1, rd_done ? rd_code : wr_code};
      end
    end
  end

  vk_dma #(.StoreBytes (StoreBytes)) u_dma (
    .clk_i, .rst_ni, .fault_i('0),
    .tick_i (tick_q == '0), .clear_i (!perst_n), .gate_closed_i (closed),
    .mps_i (mps), .mrrs_i (mrrs), .ext_tag_i (ext_tag), .rcb_i (rcb), .bdf_i (bdf), .fill_i,
    .rd_valid_i (offer_q && reading_q), .rd_ready_o (rd_ready), .rd_host_i (host_i), .rd_store_i (store_i),
    .rd_bytes_i (bytes_i), .rd_abort_i (1'b0), .rd_done_o (rd_done), .rd_code_o (rd_code),
    .wr_valid_i (offer_q && !reading_q), .wr_ready_o (wr_ready), .wr_host_i (host_i), .wr_store_i (store_i),
    .wr_bytes_i (bytes_i), .wr_abort_i (1'b0), .wr_done_o (wr_done), .wr_code_o (wr_code),
    .traffic_enable_i (1'b0), .traffic_read_i (1'b0), .traffic_period_i ('0), .traffic_length_i ('0),
    .buffer_i ('0), .size_i ('0), .buffer_new_i (1'b0), .sequence_o (), .busy_o (), .outstanding_o (),
    .reading_o (), .writing_o (), .owed_o (), .cpl_ok_o (), .cpl_error_o (), .cpl_timeout_o (),
    .req_valid_o (req_valid), .req_ready_i (req_ready), .req_sop_o (req_sop), .req_eop_o (req_eop),
    .req_hdr_o (req_hdr), .req_data_o (req_data),
    .rc_valid_i (rc_valid), .rc_ready_o (rc_ready), .rc_sop_i (rc_sop), .rc_eop_i (rc_eop),
    .rc_hdr_i (rc_hdr), .rc_data_i (rc_data),
    .mem_write_i, .mem_waddr_i (mem_addr_i), .mem_wbe_i (4'hf), .mem_wdata_i, .mem_wready_o (wready),
    .mem_read_i, .mem_raddr_i (mem_addr_i), .mem_rvalid_o (rvalid), .mem_rdata_o
  );
  assign mem_ready_o = mem_write_i ? wready : rvalid;

  vk_gate u_gate (
    .clk_i, .rst_ni,
    .bme_i (command[2]), .flr_i (1'b0), .doorbell_i (1'b0), .perst_ni (perst_n), .internal_i (1'b0),
    .clear_i (!perst_n), .ready_i (perst_n), .closed_o (closed), .cause_o (), .idle_o (idle),
    .req_valid_i (req_valid), .req_ready_o (req_ready), .req_sop_i (req_sop), .req_eop_i (req_eop),
    .req_hdr_i (req_hdr), .req_data_i (req_data),
    .rq_valid_o (rq_valid), .rq_ready_i (rq_ready), .rq_sop_o (rq_sop), .rq_eop_o (rq_eop),
    .rq_hdr_o (rq_hdr), .rq_data_o (rq_data),
    .irq_valid_i (1'b0), .irq_ready_o (), .irq_vector_i ('0),
    .msix_valid_o (), .msix_ready_i (1'b1), .msix_vector_o ()
  );

endmodule

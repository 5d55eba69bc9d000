// SPDX-License-Identifier: Apache-2.0
// Takes completions, a beat per clock: lets the tag table judge each, sends what is good to the store, and
// tells the read's owner at its last beat. rc_ready_o is low for single clocks only: they leave the store's
// write port to the host.
module vk_receiver
  import vk_pkg::*;
  import vk_dma_pkg::*;
(
  input  logic                clk_i,
  input  logic                rst_ni,
  input  logic                clear_i,
  input  logic                abort_i,

  input  logic                rc_valid_i,
  output logic                rc_ready_o,
  input  logic                rc_sop_i,
  input  logic                rc_eop_i,
  input  logic        [127:0] rc_hdr_i,
  input  logic        [255:0] rc_data_i,

  output logic                beat_o,         // to the tag table
  output logic                first_o,
  output logic        [127:0] hdr_o,
  input  dma_verdict_t        verdict_i,
  output logic                release_o,
  output logic          [6:0] release_blocks_o,
  output logic                release_rcb_o,

  output logic                end_o,          // to the reader
  output logic                error_o,
  output logic [SlotBits-1:0] slot_o,
  output dma_result_e         code_o,
  output logic                cpl_ok_o,       // the traffic's read ended
  output logic                cpl_error_o,
  output logic                cpl_timeout_o,

  input  logic                want_write_i,   // the host wants the store's write port
  input  logic                granted_i,      // it got it
  output logic                write_o,        // to the store
  output logic         [31:0] waddr_o,
  output logic         [31:0] wbe_o,
  output logic        [255:0] wdata_o
);

  logic         beat_q, sop_q, eop_q, yielded_q;
  logic [127:0] hdr_q;
  logic [255:0] data_q;

  // One clock without a beat is enough for one write.
  assign rc_ready_o = !want_write_i || yielded_q;

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      beat_q    <= 1'b0;
      sop_q     <= 1'b0;
      eop_q     <= 1'b0;
      yielded_q <= 1'b0;
    end else begin
      beat_q    <= rc_valid_i && rc_ready_o;
      sop_q     <= rc_sop_i;
      eop_q     <= rc_eop_i;
      yielded_q <= want_write_i && !granted_i;
    end
  end

  always_ff @(posedge clk_i) begin
    if (rc_valid_i) begin
      hdr_q  <= rc_hdr_i;
      data_q <= rc_data_i;
    end
  end

  assign beat_o  = beat_q;
  assign first_o = sop_q;
  assign hdr_o   = hdr_q;

  // The completion under way. Its owner may give up between two beats.
  dma_verdict_t now, now_q;
  always_comb begin
    now = now_q;
    if (!beat_q || sop_q) now = verdict_i;
    if (clear_i || abort_i) begin
      now.reader = 1'b0;
      now.store  = 1'b0;
    end
    if (clear_i) now.traffic = 1'b0;
  end

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      now_q <= '0;
    end else if (beat_q && eop_q) begin
      now_q <= '0;
    end else if (beat_q) begin
      now_q      <= now;
      now_q.addr <= now.addr + 32'd32;
      now_q.left <= (now.left > 13'd32) ? now.left - 13'd32 : '0;
      now_q.skip <= '0;
    end else if (clear_i || abort_i) begin
      now_q.reader <= 1'b0;
      now_q.store  <= 1'b0;
      if (clear_i) now_q.traffic <= 1'b0;
    end else if (verdict_i.reader && verdict_i.slot == now_q.slot) begin
      // A read of the same descriptor timed out, this one perhaps: it may be reported at any time.
      now_q.reader <= now_q.reader && now_q.ends;
      now_q.store  <= 1'b0;
    end
  end

  // A completion shorter than its header says.
  logic        over, short_cut, traffic_error_q;
  dma_result_e code;
  assign over      = !beat_q || eop_q;
  assign short_cut = beat_q && eop_q && now.store && now.left > 13'd32;
  assign code      = short_cut ? DmaMalformed : now.code;

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      end_o            <= 1'b0;
      error_o          <= 1'b0;
      slot_o           <= '0;
      code_o           <= DmaOk;
      release_o        <= 1'b0;
      release_blocks_o <= '0;
      release_rcb_o    <= 1'b0;
      cpl_ok_o         <= 1'b0;
      cpl_error_o      <= 1'b0;
      cpl_timeout_o    <= 1'b0;
      traffic_error_q  <= 1'b0;
      write_o          <= 1'b0;
    end else begin
      end_o            <= over && now.reader && now.ends;
      error_o          <= over && now.reader && code != DmaOk;
      slot_o           <= now.slot;
      code_o           <= code;
      release_o        <= over;
      release_blocks_o <= now.blocks;
      release_rcb_o    <= now.rcb;
      // The traffic hears of a read once, at its end.
      cpl_ok_o         <= over && now.traffic && now.ends && code == DmaOk && !traffic_error_q;
      cpl_timeout_o    <= over && now.traffic && now.ends && code == DmaTimeout;
      cpl_error_o      <= over && now.traffic && now.ends && code != DmaTimeout &&
                          (code != DmaOk || traffic_error_q);
      if (over && now.traffic) traffic_error_q <= !now.ends && (traffic_error_q || code != DmaOk);
      if (clear_i) traffic_error_q <= 1'b0;
      write_o          <= beat_q && now.store && now.left != '0;
    end
  end

  always_ff @(posedge clk_i) begin
    if (beat_q && now.store) begin
      waddr_o <= now.addr;
      wdata_o <= data_q;
      for (int i = 0; i < 32; i++) wbe_o[i] <= 13'(i) >= 13'(now.skip) && 13'(i) < now.left;
    end
  end

endmodule

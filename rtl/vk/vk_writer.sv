// SPDX-License-Identifier: Apache-2.0
// Sends write requests: reads their payload from the store ahead, into a queue of beats. On clear or abort
// the TLP that has started is finished, the others vanish.
module vk_writer
  import vk_pkg::*;
  import vk_dma_pkg::*;
(
  input  logic                clk_i,
  input  logic                rst_ni,
  input  logic                clear_i,
  input  logic                abort_i,
  input  logic         [15:0] bdf_i,
  output logic                idle_o,
  output logic                drain_o,         // a TLP from before clear or abort is still being sent

  input  logic                request_valid_i, // from the channel
  output logic                request_take_o,
  input  dma_request_t        request_i,
  output logic                end_o,           // a request's last beat was accepted
  output logic [SlotBits-1:0] slot_o,

  output logic                read_o,          // from the store, data two clocks later
  input  logic                read_ready_i,
  output logic         [31:0] raddr_o,
  input  logic        [255:0] rdata_i,

  output logic                req_valid_o,
  input  logic                req_ready_i,
  output logic                req_sop_o,
  output logic                req_eop_o,
  output logic        [127:0] req_hdr_o,
  output logic        [255:0] req_data_o
);

  localparam int unsigned Depth     = 8;  // covers the store's latency
  localparam int unsigned DepthBits = $clog2(Depth);

  typedef struct packed {
    logic                sop;
    logic                eop;
    logic [SlotBits-1:0] slot;
    logic        [127:0] hdr;
  } beat_t;

  // Fetching: the beats of the TLP whose first one has been or is about to be read from the store.
  logic                fetching_q, sop_q;
  logic        [127:0] hdr_q;
  logic [SlotBits-1:0] slot_q;
  logic         [12:0] left_q;           // payload bytes with those before the first
  logic         [31:0] addr_q;
  logic                fetch, eop, flush, kill;
  logic  [DepthBits:0] taken_q;          // places in the queue that hold a beat or wait for one
  logic          [1:0] coming_q;
  beat_t               beat0_q, beat1_q;

  assign eop            = left_q <= 13'd32;
  assign read_o         = fetching_q && taken_q != (DepthBits + 1)'(Depth);
  assign raddr_o        = addr_q;
  assign fetch          = read_o && read_ready_i;
  assign request_take_o = !fetching_q || (fetch && eop);

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      fetching_q <= 1'b0;
      sop_q      <= 1'b0;
      hdr_q      <= '0;
      slot_q     <= '0;
      left_q     <= '0;
      addr_q     <= '0;
      coming_q   <= '0;
    end else begin
      coming_q <= {coming_q[0], fetch};
      if (fetch) begin
        sop_q  <= 1'b0;
        left_q <= left_q - 13'd32;
        addr_q <= addr_q + 32'd32;
      end
      if (request_take_o) begin
        fetching_q <= request_valid_i;
        if (request_valid_i) begin
          hdr_q  <= memory_header(1'b1, request_i.host, request_i.bytes, bdf_i, '0);
          slot_q <= request_i.slot;
          sop_q  <= 1'b1;
          left_q <= request_i.bytes + 13'(request_i.host[1:0]);
          addr_q <= request_i.store - 32'(request_i.host[1:0]);
        end
      end
      if (flush) begin
        fetching_q <= 1'b0;
        coming_q   <= '0;
      end
    end
  end

  always_ff @(posedge clk_i) begin
    if (fetch) beat0_q <= '{sop: sop_q, eop: eop, slot: slot_q, hdr: hdr_q};
    beat1_q <= beat0_q;
  end

  // The queue.
  beat_t                beats [Depth];
  logic         [255:0] payload [Depth];
  logic [DepthBits:0]   head_q, tail_q;
  beat_t                head;
  logic                 pop, in_tlp_q, in_tlp_d, drain_q;

  always_ff @(posedge clk_i) begin
    if (coming_q[1]) begin
      beats[tail_q[DepthBits-1:0]]   <= beat1_q;
      payload[tail_q[DepthBits-1:0]] <= rdata_i;
    end
  end

  assign head        = beats[head_q[DepthBits-1:0]];
  assign req_valid_o = head_q != tail_q && !(head.sop && kill);
  assign req_sop_o   = head.sop;
  assign req_eop_o   = head.eop;
  assign req_hdr_o   = head.hdr;
  assign req_data_o  = payload[head_q[DepthBits-1:0]];
  assign pop         = req_valid_o && req_ready_i;
  assign in_tlp_d    = pop ? !head.eop : in_tlp_q;
  assign kill        = clear_i || abort_i || drain_q;
  assign flush       = kill && !in_tlp_d;
  assign end_o       = pop && head.eop && !kill;
  assign slot_o      = head.slot;
  assign drain_o     = drain_q;
  assign idle_o      = !fetching_q && taken_q == '0 && !drain_q;

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      head_q   <= '0;
      tail_q   <= '0;
      taken_q  <= '0;
      in_tlp_q <= 1'b0;
      drain_q  <= 1'b0;
    end else begin
      if (pop)         head_q <= head_q + 1'b1;
      if (coming_q[1]) tail_q <= tail_q + 1'b1;
      taken_q  <= taken_q + (DepthBits + 1)'(fetch) - (DepthBits + 1)'(pop);
      in_tlp_q <= in_tlp_d;
      drain_q  <= kill && in_tlp_d;
      if (flush) begin
        head_q  <= '0;
        tail_q  <= '0;
        taken_q <= '0;
      end
    end
  end

endmodule

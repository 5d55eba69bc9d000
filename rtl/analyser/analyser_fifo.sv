// SPDX-License-Identifier: Apache-2.0
// FIFO of one tap. Counts every event that it has no room for, and says so in the stream itself: after an
// overflow the tap stays shut until the FIFO is half empty, then one LOSS entry (how many, which tap) goes
// in ahead of the next event. The tap was blind from the first event lost up to and including the LOSS
// entry's cycle. A lost record counts all the events that it stands for: the folded TLPs as well.
module analyser_fifo
  import analyser_pkg::*;
  import capture_pkg::*;
#(
  parameter int unsigned Tap = 0,     // capture_pkg::TAP_*, for the LOSS entry
  parameter int unsigned Depth = 64,  // entries, a power of two
  parameter bit Split = 1'b0,         // aux[5:0] of an entry is a bit mask: hand out one event per bit set
  parameter bit Folds = 1'b0,         // aux 12:0 of an entry is a number of folded events
  parameter int unsigned HeaderBits = 0,  // low bits of the header that entries have; the others are zero
  parameter int unsigned TIME_BITS = TimeBits
) (
  input  logic             clk_i,
  input  logic             rst_ni,
  input  logic             flush_i,    // hold empty
  input  logic             push_i,
  input  tap_event_t       event_i,
  input  logic     [127:0] header_i,
  input  logic [TIME_BITS-1:0] time_i,  // when the event happened
  input  logic [TIME_BITS-1:0] loss_time_i,  // nothing that comes in this clock or later is older
  output logic             valid_o,
  output tap_event_t       event_o,
  output logic     [127:0] header_o,
  output logic [TIME_BITS-1:0] time_o,
  input  logic             pop_i,
  output logic [WeightBits-1:0] lost_o,  // events lost in the clock before
  output logic             empty_o     // nothing held, and no LOSS entry still to come
);
  localparam int unsigned PtrBits = $clog2(Depth);
  localparam logic [PtrBits:0] Full = (PtrBits + 1)'(Depth);
  localparam logic [PtrBits:0] Reopen = (PtrBits + 1)'(Depth / 2);

  typedef struct packed {
    logic [TIME_BITS-1:0] at;
    tap_event_t ev;
  } entry_t;

  entry_t mem[Depth];
  logic [PtrBits-1:0] wr_q, rd_q;
  logic [PtrBits:0] count_q;
  logic losing_q;
  logic [31:0] lost_q;               // lost since the tap was shut; holds at its maximum
  logic lose, marker, write, last;
  logic [WeightBits-1:0] weight;     // events that event_i stands for
  entry_t head;

  assign lose   = push_i & (losing_q | (count_q == Full));
  assign marker = losing_q & (count_q <= Reopen);
  assign write  = (push_i & ~lose) | marker;

  if (Split) begin : gen_weight_mask
    assign weight = WeightBits'($countones(event_i.aux[5:0]));
  end else if (Folds) begin : gen_weight_folded
    assign weight = WeightBits'(event_i.aux[FoldedBits-1:0]) + 1'b1;
  end else begin : gen_weight_one
    assign weight = WeightBits'(1);
  end

  function automatic logic [31:0] add_lost(logic [31:0] sum, logic [WeightBits-1:0] more);
    logic [32:0] total;
    total = {1'b0, sum} + 33'(more);
    return total[32] ? '1 : total[31:0];
  endfunction

  function automatic tap_event_t loss_entry(logic [31:0] count);
    tap_event_t entry;
    entry = '0;
    entry.kind = 4'(KIND_LOSS);
    entry.aux  = 16'(1 << Tap);
    entry.data = count;
    return entry;
  endfunction

  always_ff @(posedge clk_i) begin
    if (write) begin
      mem[wr_q] <= '{
        at: marker ? loss_time_i : time_i,
        ev: marker ? loss_entry(add_lost(lost_q, lose ? weight : '0)) : event_i
      };
    end
  end

  always_ff @(posedge clk_i) begin
    // Not what is pushed as a capture ends: it would count in the next one's losses if that began at once.
    lost_o <= (lose && rst_ni && !flush_i) ? weight : '0;
    if (!rst_ni || flush_i) begin
      wr_q     <= '0;
      rd_q     <= '0;
      count_q  <= '0;
      losing_q <= 1'b0;
      lost_q   <= '0;
    end else if (write || pop_i || lose) begin
      if (write) wr_q <= wr_q + 1'b1;
      if (pop_i && last) rd_q <= rd_q + 1'b1;
      if (write != (pop_i && last)) count_q <= write ? count_q + 1'b1 : count_q - 1'b1;
      if (marker) begin
        losing_q <= 1'b0;
        lost_q   <= '0;
      end else if (lose) begin
        losing_q <= 1'b1;
        lost_q   <= add_lost(lost_q, weight);
      end
    end
  end

  assign head    = mem[rd_q];
  assign valid_o = count_q != '0;
  assign time_o  = head.at;
  assign empty_o = (count_q == '0) & ~losing_q;

  if (HeaderBits != 0) begin : gen_header
    logic [HeaderBits-1:0] headers[Depth];
    always_ff @(posedge clk_i) begin
      if (write) headers[wr_q] <= marker ? '0 : header_i[HeaderBits-1:0];
    end
    always_comb begin
      header_o = '0;
      header_o[HeaderBits-1:0] = headers[rd_q];
    end
  end else begin : gen_no_header
    assign header_o = '0;
  end
  logic unused;
  assign unused = ^header_i;

  if (Split) begin : gen_split
    logic [5:0] sent_q, left;
    logic [15:0] number;             // of the lowest bit left, counted from 1
    logic is_mask;

    assign is_mask = head.ev.kind != 4'(KIND_LOSS);
    assign left    = head.ev.aux[5:0] & ~sent_q;
    assign last    = !is_mask || (left & (left - 6'd1)) == 6'd0;
    always_comb begin
      number = 16'd0;
      for (int i = 5; i >= 0; i--) if (left[i]) number = 16'(i + 1);
      event_o = head.ev;
      if (is_mask) event_o.aux = number;
    end
    always_ff @(posedge clk_i) begin
      if (!rst_ni || flush_i) sent_q <= '0;
      else if (pop_i) sent_q <= last ? '0 : sent_q | (left & (~left + 6'd1));
    end
  end else begin : gen_whole
    assign last    = 1'b1;
    assign event_o = head.ev;
  end
endmodule

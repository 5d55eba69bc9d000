// SPDX-License-Identifier: Apache-2.0
// Folds runs of like TLPs of one stream: their first one is recorded at once, their last one when the run has
// ended, with the number of those between in aux. Every TLP passes through one place, held_q, from where it goes
// on in the next clock; but one that is like its predecessor is *pending* there: the next like one replaces it.
// So both ends of a run are exact events, and the place itself is what the next TLP is compared with.
//
// What is like, and how long a run may be: bench/capture/layout.py (Flag.RUN) and joins below.
module analyser_fold
  import analyser_pkg::*;
  import capture_pkg::*;
#(
  parameter int unsigned Tap = 0,             // CQ, CC, RQ or RC
  parameter int unsigned TIME_BITS = TimeBits,
  parameter int unsigned GAP = CAPTURE_RUN_GAP_CYCLES,
  parameter int unsigned SPAN = CAPTURE_RUN_SPAN_CYCLES,
  parameter int unsigned FOLDED_MAX = CAPTURE_FOLDED_MAX
) (
  input  logic             clk_i,
  input  logic             rst_ni,
  input  logic             flush_i,           // hold nothing, know nothing
  input  logic             enable_i,          // take TLPs; low: what is pending goes on
  input  logic             fold_i,            // low: the same, and nothing is pending from then on
  input  logic             valid_i,           // a TLP in this clock
  input  tap_event_t       event_i,           // aux 12:0 is 0
  input  logic     [127:0] header_i,
  input  logic [TIME_BITS-1:0] time_i,        // of this clock's events
  output logic             valid_o,           // record in this clock:
  output tap_event_t       event_o,
  output logic     [127:0] header_o,
  output logic             held_o,            // a TLP is here that is not recorded before this clock ...
  output logic [TIME_BITS-1:0] time_o,        // ... that began at this time: no later event may be recorded yet
  output logic             awake_o            // the clock is needed although no TLP comes
);
  localparam bit Request = Tap == TAP_CQ || Tap == TAP_RQ;
  localparam int unsigned GapBits = $clog2(GAP + 2);
  localparam int unsigned SpanBits = $clog2(SPAN + 2);
  localparam logic [GapBits-1:0] GapOver = GapBits'(GAP + 1);
  localparam logic [SpanBits-1:0] SpanOver = SpanBits'(SPAN + 1);

  // ---- The last TLP, and the run that it is in.
  tap_event_t event_q;
  logic [127:0] header_q;
  logic [TIME_BITS-1:0] time_q;
  logic held_q;                    // it is not recorded yet ...
  logic pending_q;                 // ... and another may replace it
  logic single_q;                  // it is never part of a run
  logic [FoldedBits-1:0] folded_q; // those between the run's first and it, not recorded themselves
  logic [GapBits-1:0] gap_q;       // clocks since it began; holds at GAP + 1
  logic [SpanBits-1:0] span_q;     // clocks since the run's first one began; holds at SPAN + 1

  // ---- The one that comes.
  logic arrives, single, joins, alike, same_data, replaceable;

  assign arrives   = valid_i & enable_i;
  assign same_data = event_i.data == event_q.data;

  if (Request) begin : gen_request
    // Addresses go on, or stay: one of both for the whole run.
    typedef enum logic [1:0] {RunNone, RunStream, RunRepeat} run_e;
    run_e run, run_q;
    logic [63:0] address, behind, address_q, behind_q;  // of its first byte; of the first one behind it
    logic wide;                                         // address of 64 bits
    logic [10:0] length;

    assign wide    = header_i[29];
    assign address = wide ? {header_i[95:64], header_i[127:96]} : {32'd0, header_i[95:64]};
    assign length  = {header_i[9:0] == 10'd0, header_i[9:0]};
    always_comb begin
      behind = address + 64'({length, 2'b00});
      if (!wide) behind[63:32] = '0;
      run = RunNone;
      if (arrives) begin
        if (address == behind_q) run = RunStream;
        else if (address == address_q && same_data) run = RunRepeat;
      end
    end
    always_ff @(posedge clk_i) begin
      if (!rst_ni || flush_i) run_q <= RunNone;
      else if (arrives) run_q <= joins ? run : RunNone;
      if (arrives) begin
        address_q <= address;
        behind_q  <= behind;
      end
    end

    // Writes of the host to BAR 0 are the card's doorbells and registers: each of them counts.
    assign single = event_i.flags != 4'd0 || (Tap == TAP_CQ && header_i[30] && event_i.aux[15:13] == 3'd0);
    // Requester; byte enables; BAR.
    assign alike  = header_i[63:48] == header_q[63:48] && header_i[39:32] == header_q[39:32] &&
                    event_i.aux == event_q.aux && run != RunNone && (run_q == RunNone || run_q == run);
  end else begin : gen_completion
    assign single = event_i.flags != 4'd0 || header_i[47:45] != 3'd0;
    // Completer and status; requester.
    assign alike  = header_i[63:44] == header_q[63:44] && header_i[95:80] == header_q[95:80] &&
                    (Tap != TAP_CC || same_data);
  end

  assign replaceable = held_q & pending_q;
  assign joins = arrives && fold_i && !single && !single_q && header_i[31:0] == header_q[31:0] && alike &&
                 gap_q < GapOver && span_q < SpanOver && !(replaceable && folded_q == FoldedBits'(FOLDED_MAX));

  // ---- What goes on.
  assign held_o  = held_q;
  assign time_o  = time_q;
  assign awake_o = held_q || gap_q != GapOver;
  assign valid_o = held_q && (!pending_q || !enable_i || !fold_i || (arrives && !joins) || gap_q == GapOver);
  assign header_o = header_q;
  always_comb begin
    event_o = event_q;
    event_o.aux[FoldedBits-1:0] = folded_q;
    if (folded_q != '0) event_o.flags = 4'(FLAG_RUN);
  end

  always_ff @(posedge clk_i) begin
    if (!rst_ni || flush_i) begin
      held_q    <= 1'b0;
      pending_q <= 1'b0;
      single_q  <= 1'b1;
      folded_q  <= '0;
      gap_q     <= GapOver;
      span_q    <= SpanOver;
    end else begin
      if (gap_q != GapOver) gap_q <= gap_q + 1'b1;
      if (span_q != SpanOver) span_q <= span_q + 1'b1;
      if (valid_o) held_q <= 1'b0;
      if (arrives) begin
        held_q    <= 1'b1;
        pending_q <= joins;
        single_q  <= single;
        folded_q  <= joins && replaceable ? folded_q + 1'b1 : '0;
        gap_q     <= GapBits'(1);
        if (!joins) span_q <= SpanBits'(1);
      end
    end
    if (arrives) begin
      event_q  <= event_i;
      header_q <= header_i;
      time_q   <= time_i;
    end
  end
endmodule

// SPDX-License-Identifier: Apache-2.0
// Bound into analyser_fold: every TLP is recorded or counted as folded into one that is; what is folded is like; what
// is pending goes on in time, and time does not go back.
module fold_check
  import analyser_pkg::*;
  import capture_pkg::*;
#(
  parameter int unsigned Tap = 0,
  parameter int unsigned TIME_BITS = TimeBits,
  parameter int unsigned GAP = CAPTURE_RUN_GAP_CYCLES,
  parameter int unsigned SPAN = CAPTURE_RUN_SPAN_CYCLES,
  parameter int unsigned FOLDED_MAX = CAPTURE_FOLDED_MAX
) (
  input logic                 clk_i,
  input logic                 rst_ni,
  input logic                 flush_i,
  input logic                 enable_i,
  input logic                 fold_i,
  input logic                 valid_i,
  input tap_event_t           event_i,
  input logic         [127:0] header_i,
  input logic [TIME_BITS-1:0] time_i,
  input logic                 valid_o_i,
  input tap_event_t           event_o_i,
  input logic         [127:0] header_o_i,
  input logic                 held_i,
  input logic [TIME_BITS-1:0] held_time_i,

  input logic                 joins_i,        // analyser_fold's registers, and what it does with the TLP that comes
  input logic                 pending_i,
  input logic                 single_i,
  input logic [FoldedBits-1:0] folded_i,
  input logic [1:0]           mode_i,         // 0, stream, repeat
  input logic [63:0]          address_i,
  input logic [63:0]          behind_i,
  input logic [31:0]          gap_i,
  input logic [31:0]          span_i
);
  localparam bit Request = Tap == TAP_CQ || Tap == TAP_RQ;

  /// Bits of a TLP that all of a run have in common (bench/capture/layout.py, Flag.RUN).
  function automatic logic [79:0] common(logic [127:0] header, tap_event_t ev);
    if (Request) return {header[31:0], header[63:48], header[39:32], ev.aux[15:13], 21'd0};
    return {header[31:0], header[63:44], header[95:80], 12'd0};
  endfunction
  /// TLPs that are never part of a run.
  function automatic logic lone(logic [127:0] header, tap_event_t ev);
    if (ev.flags != '0) return 1'b1;
    if (!Request) return header[47:45] != '0;
    return Tap == TAP_CQ && header[30] && ev.aux[15:13] == '0;
  endfunction
  function automatic logic [63:0] address(logic [127:0] header);
    return header[29] ? {header[95:64], header[127:96]} : {32'd0, header[95:64]};
  endfunction
  /// Address behind a request.
  function automatic logic [63:0] behind(logic [127:0] header);
    logic [63:0] sum;
    sum = address(header) + (header[9:0] == '0 ? 64'd4096 : 64'({header[9:0], 2'b00}));
    return header[29] ? sum : {32'd0, sum[31:0]};
  endfunction

  localparam logic [31:0] Hold = 32'(GAP) + 32'(SPAN) + 32'd2;

  logic started_q = 1'b0;
  logic [31:0] in_q, out_q;          // TLPs that came in, and that what went out stands for; modulo 2^32
  logic arrives, swallowed, alike;
  logic known_q;                     // last_q is the TLP that came last
  logic [127:0] last_q;
  tap_event_t last_event_q;
  logic [31:0] age_q, run_q;         // clocks since it came, since the first one of its run did; both hold at Hold
  logic streams_q, repeats_q;        // it goes on behind the one before it, or repeats it
  logic [TIME_BITS-1:0] clock_q;     // time_i of the clock before
  assign arrives   = valid_i && enable_i;
  assign swallowed = arrives && held_i && !valid_o_i;   // the one that is held will have no record of its own
  assign alike     = known_q && common(header_i, event_i) == common(last_q, last_event_q) &&
                     (!Request || address(header_i) == behind(last_q) ||
                      (address(header_i) == address(last_q) && event_i.data == last_event_q.data)) &&
                     (Tap != TAP_CC || event_i.data == last_event_q.data);

  always_ff @(posedge clk_i) begin
    started_q <= 1'b1;
    clock_q   <= time_i;
    if (!rst_ni || flush_i) begin
      in_q    <= '0;
      out_q   <= '0;
      known_q <= 1'b0;
      streams_q <= 1'b0;
      repeats_q <= 1'b0;
      age_q   <= 32'd1;
      run_q   <= 32'd1;
    end else begin
      if (age_q < Hold) age_q <= age_q + 32'd1;
      if (run_q < Hold) run_q <= run_q + 32'd1;
      if (arrives) begin
        in_q         <= in_q + 32'd1;
        known_q      <= 1'b1;
        last_q       <= header_i;
        last_event_q <= event_i;
        age_q        <= 32'd1;
        if (!joins_i) run_q <= 32'd1;
        streams_q <= joins_i && address(header_i) == behind(last_q);
        repeats_q <= joins_i && address(header_i) != behind(last_q);
      end
      if (valid_o_i) out_q <= out_q + 32'(event_o_i.aux[FoldedBits-1:0]) + 32'd1;
    end
  end

  // Clocks from what it may still hand out to this clock's events: what merge_check calls bound.
  logic [TIME_BITS-1:0] bound, bound_q;
  logic past_held_q, first_q;        // first_q: the TLP of the clock before was unlike all before it
  assign bound = held_i ? time_i - held_time_i : '0;
  always_ff @(posedge clk_i) begin
    bound_q     <= rst_ni ? bound : '1 - 1'b1;
    past_held_q <= rst_ni && held_i;
    first_q     <= rst_ni && !flush_i && arrives && !alike;
  end

  always_comb begin
    e_power_on: assume (rst_ni == started_q);
    e_time:     assume (!started_q || time_i == TIME_BITS'(clock_q + 1'b1));
    e_aux:      assume (event_i.aux[FoldedBits-1:0] == '0);              // analyser_taps
  end

  always_ff @(posedge clk_i) begin
    if (rst_ni) begin
      p_account:  assert (in_q == out_q + (held_i ? 32'(folded_i) + 32'd1 : '0));
      c_account:  cover (out_q == 32'd1 && event_o_i.aux[FoldedBits-1:0] == FoldedBits'(2) && valid_o_i);
      p_like:     assert (!swallowed || (alike && fold_i && !lone(header_i, event_i) && !lone(last_q, last_event_q)));
      c_like:     cover (swallowed && folded_i != '0);
      p_exact:    assert (!held_i || (header_o_i == last_q && event_o_i.data == last_event_q.data &&
                          event_o_i.kind == last_event_q.kind && event_o_i.aux[15:13] == last_event_q.aux[15:13] &&
                          (folded_i == '0 ? event_o_i.flags == last_event_q.flags : event_o_i.flags == 4'(FLAG_RUN))));
      c_exact:    cover (held_i && folded_i != '0);
      p_horizon:  assert (!held_i || (held_time_i == TIME_BITS'(time_i - TIME_BITS'(age_q)) && age_q <= 32'(GAP) + 32'd1));
      c_horizon:  cover (held_i && age_q == 32'd3);
      p_alone:    assert (!(held_i && lone(last_q, last_event_q)) || (valid_o_i && folded_i == '0));
      c_alone:    cover (held_i && lone(last_q, last_event_q) && known_q);
      p_ends:     assert (!(held_i && (!enable_i || !fold_i)) || valid_o_i);
      c_ends:     cover (held_i && !enable_i && pending_i);
      p_first:    assert (!first_q || (held_i && valid_o_i && folded_i == '0));
      c_first:    cover (first_q && pending_i == '0 && valid_i && joins_i);
      p_mode:     assert (!(Request && arrives && joins_i) || (address(header_i) == behind(last_q) ? !repeats_q :
                          !streams_q));
      c_mode:     cover (Request ? arrives && joins_i && streams_q : arrives && joins_i);
      p_span:     assert (!(arrives && joins_i) || (run_q <= 32'(SPAN) && age_q <= 32'(GAP)));
      c_span:     cover (arrives && joins_i && run_q > age_q + 32'd1);
      p_forward:  assert (bound <= bound_q + 1'b1);
      c_forward:  cover (held_i && past_held_q && bound < bound_q);

      h_known:    assert (!held_i || known_q);
      h_last:     assert (!known_q || (header_o_i == last_q && event_o_i.data == last_event_q.data &&
                          event_o_i.aux[15:13] == last_event_q.aux[15:13]));
      h_gap:      assert (gap_i == (known_q && age_q <= 32'(GAP) ? age_q : 32'(GAP) + 32'd1));
      h_span:     assert (span_i == (known_q && run_q <= 32'(SPAN) ? run_q : 32'(SPAN) + 32'd1));
      h_run:      assert (run_q >= age_q && age_q != '0);
      h_mode:     assert (!Request || !(streams_q && repeats_q) && mode_i == (streams_q ? 2'd1 : repeats_q ? 2'd2 : 2'd0));
      h_address:  assert (!Request || !known_q || (address_i == address(last_q) && behind_i == behind(last_q)));
      h_single:   assert (single_i == (!known_q || lone(last_q, last_event_q)));
      h_first:    assert (!(held_i && !pending_i) || (valid_o_i && age_q == 32'd1 && folded_i == '0));
      h_unlike:   assert (!first_q || (held_i && !pending_i));
      h_pending:  assert (!(held_i && pending_i) || !single_i);
      h_folded:   assert (pending_i || folded_i == '0);
    end
  end
endmodule

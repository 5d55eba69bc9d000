// SPDX-License-Identifier: Apache-2.0
// Bound into analyser_fifo: no event gets lost without being counted, and no loss without a LOSS entry. Counts what
// goes in and out since the last flush, in events (a folding tap's entry stands for several, so does a RESET mask).
module fifo_check
  import analyser_pkg::*;
  import capture_pkg::*;
#(
  parameter int unsigned Tap = 0,
  parameter int unsigned Depth = 64,
  parameter bit Split = 1'b0,
  parameter bit Folds = 1'b0,
  parameter int unsigned TIME_BITS = TimeBits,
  localparam int unsigned PtrBits = $clog2(Depth),
  localparam int unsigned EntryBits = TIME_BITS + $bits(tap_event_t)
) (
  input logic                 clk_i,
  input logic                 rst_ni,
  input logic                 flush_i,
  input logic                 push_i,
  input tap_event_t           event_i,
  input logic [TIME_BITS-1:0] time_i,
  input logic [TIME_BITS-1:0] loss_time_i,
  input logic                 valid_i,
  input tap_event_t           out_i,
  input logic [TIME_BITS-1:0] out_time_i,
  input logic                 pop_i,
  input logic [WeightBits-1:0] lost_i,
  input logic                 empty_i,

  input logic [EntryBits-1:0] entries_i[Depth],   // analyser_fifo's registers: time and event
  input logic [PtrBits-1:0]   first_i,
  input logic [PtrBits-1:0]   next_i,
  input logic [PtrBits:0]     count_i,
  input logic                 losing_i,
  input logic [31:0]          unreported_i,
  input logic [5:0]           sent_i,          // events of the oldest entry that are out already
  input logic                 write_i,
  input logic                 last_i
);
  /// Sums are right modulo 2^SumBits: enough, because order, marked and stated say the rest, entry by entry.
  localparam int unsigned SumBits = 2;
  typedef logic [SumBits-1:0] sum_t;

  /// Events that an entry of the FIFO stands for.
  function automatic logic [31:0] weight(tap_event_t entry);
    if (entry.kind == 4'(KIND_LOSS)) return '0;
    if (Split) return 32'($countones(entry.aux[5:0]));
    if (Folds) return 32'(entry.aux[FoldedBits-1:0]) + 32'd1;
    return 32'd1;
  endfunction
  /// ... that a LOSS entry reports as lost.
  function automatic logic [31:0] reported(tap_event_t entry);
    return entry.kind == 4'(KIND_LOSS) ? entry.data : '0;
  endfunction

  tap_event_t held_event[Depth];     // what is held, the oldest entry first
  logic [TIME_BITS-1:0] held_time[Depth];
  always_comb begin
    for (int unsigned i = 0; i < Depth; i++)
      {held_time[i], held_event[i]} = entries_i[PtrBits'(32'(first_i) + i)];
  end

  logic started_q = 1'b0;
  logic pick;                        // the proof may choose one event that comes in, to follow it
  any_value #(.Bits(1)) u_pick (.value_o(pick));

  sum_t in_q, out_q, reported_q, lost_q;   // events in, out, reported out, said to be lost by lost_o
  sum_t held, held_reported;            // events held, and lost ones that held LOSS entries report
  logic full_q;                                  // 2^32 events were lost in one go: the count stands at its maximum
  logic [32:0] more;
  logic lose;                                    // what comes in now is lost
  assign lose = push_i && (losing_i || !write_i);
  assign more = {1'b0, unreported_i} + 33'(weight(event_i));

  logic [5:0] left;                              // bits of the oldest mask that are not out yet
  assign left = held_event[0].aux[5:0] & ~sent_i;

  always_comb begin
    held          = '0;
    held_reported = '0;
    for (int unsigned i = 0; i < Depth; i++) begin
      if (i < 32'(count_i)) begin
        held          += sum_t'(weight(held_event[i]));
        held_reported += sum_t'(reported(held_event[i]));
      end
    end
    if (Split && held_event[0].kind != 4'(KIND_LOSS)) held -= sum_t'($countones(held_event[0].aux[5:0] & sent_i));
  end

  // The event that is followed, the entries ahead of it, and whether it is here.
  tap_event_t followed_q;
  logic [TIME_BITS-1:0] followed_time_q;
  logic [PtrBits:0] ahead_q;
  logic here_q, leaves;
  assign leaves = pop_i && last_i;

  always_ff @(posedge clk_i) begin
    started_q <= 1'b1;
    if (!rst_ni || flush_i) begin
      in_q       <= '0;
      out_q      <= '0;
      reported_q <= '0;
      lost_q     <= '0;
      full_q     <= 1'b0;
      here_q     <= 1'b0;
    end else begin
      if (push_i) in_q <= in_q + sum_t'(weight(event_i));
      if (pop_i && out_i.kind != 4'(KIND_LOSS))
        out_q <= out_q + (Split ? sum_t'(1) : sum_t'(weight(out_i)));
      if (pop_i) reported_q <= reported_q + sum_t'(reported(out_i));
      lost_q <= lost_q + sum_t'(lose ? weight(event_i) : '0);
      if (lose && more[32]) full_q <= 1'b1;
      if (here_q && leaves) begin
        if (ahead_q == '0) here_q <= 1'b0;
        else ahead_q <= ahead_q - 1'b1;
      end
      if (!here_q && pick && push_i && !lose) begin
        here_q          <= 1'b1;
        followed_q      <= event_i;
        followed_time_q <= time_i;
        ahead_q         <= count_i - (PtrBits + 1)'(leaves);
      end
    end
  end

  always_comb begin
    e_power_on: assume (rst_ni == started_q);
    e_pop:      assume (!pop_i || valid_i);                              // analyser_merge
    e_kind:     assume (!push_i || event_i.kind != 4'(KIND_LOSS));       // TAP_KINDS and KIND_TRIGGER
    e_mask:     assume (!Split || !push_i || event_i.aux[5:0] != '0);    // analyser_taps: some reset happened
  end

  logic past_lose_q;
  logic [WeightBits-1:0] past_weight_q;
  logic past_mark_q;
  logic [31:0] past_since_q;
  logic [31:0] since_q;              // events lost since the tap was shut
  always_ff @(posedge clk_i) begin
    past_lose_q   <= rst_ni && !flush_i && lose;
    past_weight_q <= WeightBits'(weight(event_i));
    past_mark_q   <= rst_ni && !flush_i && losing_i && write_i;
    past_since_q  <= since_q + (push_i ? weight(event_i) : '0);
    if (!rst_ni || flush_i || (losing_i && write_i)) since_q <= '0;
    else if (lose) since_q <= since_q + weight(event_i);
  end

  // Clocks from what it may still hand out to now: what merge_check calls bound. now_q runs free.
  logic [TIME_BITS-1:0] now_q, bound, bound_q, in_bound, in_bound_q;
  logic young, sorted;
  assign in_bound = now_q - loss_time_i;
  assign bound    = valid_i ? now_q - out_time_i : in_bound;
  always_comb begin
    young  = !in_bound[TIME_BITS-1];
    sorted = 1'b1;
    for (int unsigned i = 0; i < Depth; i++) begin
      automatic logic [TIME_BITS-1:0] age = now_q - held_time[i];
      if (i < 32'(count_i)) begin
        if (age[TIME_BITS-1]) young = 1'b0;
        if (age < (i + 1 < 32'(count_i) ? now_q - held_time[(i + 1) % Depth] : in_bound)) sorted = 1'b0;
      end
    end
  end
  always_ff @(posedge clk_i) begin
    now_q      <= now_q + 1'b1;
    bound_q    <= rst_ni && !flush_i ? bound : '1 - 1'b1;
    in_bound_q <= in_bound;
  end
  always_comb begin
    e_young:    assume (young);                                          // no event gets that old
    e_owed:     assume (!started_q || in_bound <= in_bound_q + 1'b1);    // fold_check's p_forward, or time itself
    e_push:     assume (!push_i || time_i == loss_time_i);               // analyser_records
  end

  tap_event_t newest, mark;
  always_comb begin
    mark      = '0;
    mark.kind = 4'(KIND_LOSS);
    mark.aux  = 16'(1 << Tap);
    mark.data = past_since_q;
    newest    = held_event[PtrBits'(count_i - 1'b1)];
  end

  logic masks;                       // every mask held has a bit
  always_comb begin
    masks = 1'b1;
    for (int unsigned i = 0; i < Depth; i++)
      if (i < 32'(count_i) && held_event[i].kind != 4'(KIND_LOSS) && held_event[i].aux[5:0] == '0) masks = 1'b0;
  end

  always_ff @(posedge clk_i) begin
    if (rst_ni) begin
      p_account:  assert (in_q == out_q + held + lost_q);
      c_account:  cover (out_q > sum_t'(2) && lost_q > sum_t'(1) && count_i == '0);
      p_reported: assert (full_q || lost_q == reported_q + held_reported + sum_t'(unreported_i));
      c_reported: cover (reported_q != '0 && losing_i && unreported_i != '0);
      p_stated:   assert (lost_i == (past_lose_q ? past_weight_q : '0));
      c_stated:   cover (lost_i != '0);
      p_empty:    assert (!empty_i || (full_q || in_q == out_q + reported_q));
      c_empty:    cover (empty_i && reported_q > sum_t'(1));
      p_room:     assert (!(lose && !losing_i) || 32'(count_i) == Depth);
      c_room:     cover (push_i && write_i && 32'(count_i) == Depth - 1);
      p_marked:   assert (full_q || !past_mark_q || newest == mark);
      c_marked:   cover (past_mark_q && past_since_q > 32'd2);
      p_reopens:  assert (!(losing_i && 32'(count_i) <= Depth / 2) || write_i);
      c_reopens:  cover (losing_i && write_i && push_i);
      p_order:    assert (!(here_q && ahead_q == '0) || (valid_i && held_event[0] == followed_q &&
                          out_time_i == followed_time_q));
      c_order:    cover (here_q && ahead_q == '0 && lost_q != '0);
      p_bits:     assert (!Split || !(valid_i && out_i.kind != 4'(KIND_LOSS)) || (out_i.aux >= 16'd1 &&
                          out_i.aux <= 16'd6 && left[3'(out_i.aux - 16'd1)] &&
                          (left & 6'((7'd1 << (out_i.aux - 16'd1)) - 7'd1)) == '0));
      c_bits:     cover (!Split || (valid_i && out_i.aux == 16'd6 && sent_i != '0));
      p_forward:  assert (bound <= bound_q + 1'b1);
      c_forward:  cover (past_mark_q && bound < bound_q && valid_i);

      h_sorted:   assert (sorted);
      h_count:    assert (32'(count_i) <= Depth && next_i == PtrBits'(first_i + count_i));
      h_since:    assert (full_q || unreported_i == since_q);
      h_shut:     assert (losing_i || unreported_i == '0);
      h_sent:     assert (!Split || sent_i == '0 || (count_i != '0 && held_event[0].kind != 4'(KIND_LOSS) &&
                          (sent_i & ~held_event[0].aux[5:0]) == '0 && left != '0));
      h_masks:    assert (!Split || masks);
      h_ahead:    assert (!here_q || (ahead_q < count_i && held_event[PtrBits'(ahead_q)] == followed_q &&
                          held_time[PtrBits'(ahead_q)] == followed_time_q));
    end
  end
endmodule

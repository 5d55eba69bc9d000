// SPDX-License-Identifier: Apache-2.0
// Bound into analyser_merge: records leave in the order of their time. What each tap owes for that, its *bound* never
// goes back, is assumed here and proved of analyser_fold (p_forward) and analyser_fifo (p_forward) there.
module merge_check
  import analyser_pkg::*;
  import capture_pkg::*;
#(
  parameter int unsigned TIME_BITS = TimeBits
) (
  input logic                 clk_i,
  input logic                 rst_ni,
  input logic                 flush_i,
  input logic          [63:0] now_i,
  input logic   [NumTaps-1:0] valid_i,
  input tap_event_t           event_i[NumTaps],
  input logic         [127:0] header_i[NumTaps],
  input logic [TIME_BITS-1:0] time_i[NumTaps],
  input logic [NumTlpTaps-1:0] held_i,
  input logic [TIME_BITS-1:0] held_time_i[NumTlpTaps],
  input logic   [NumTaps-1:0] pop_i,
  input logic                 record_valid_i,
  input record_t              record_i
);
  typedef logic [TIME_BITS-1:0] age_t;
  localparam int unsigned TapBits = $clog2(NumTaps);

  logic started_q = 1'b0;
  logic [TapBits-1:0] chosen, chosen_q;      // a tap that the proof chooses and keeps
  any_value #(.Bits(TapBits)) u_chosen (.value_o(chosen));
  logic [63:0] now_q;

  // How many clocks ago that was which a tap may still hand out: the event that it offers, or the one that its
  // analyser_fold holds, or what happens from the clock before this one on.
  age_t bound[NumTaps], bound_q[NumTaps];
  logic young, owed;                         // ages are below half of what TIME_BITS can tell; no bound goes back
  always_comb begin
    young = 1'b1;
    owed  = 1'b1;
    for (int unsigned tap = 0; tap < NumTaps; tap++) begin
      bound[tap] = age_t'(1);
      if (valid_i[tap]) bound[tap] = now_i[TIME_BITS-1:0] - time_i[tap];
      else if (tap < NumTlpTaps && held_i[tap % NumTlpTaps])
        bound[tap] = now_i[TIME_BITS-1:0] - held_time_i[tap % NumTlpTaps];
      if (bound[tap] == '0 || bound[tap][TIME_BITS-1]) young = 1'b0;
      if (bound[tap] > bound_q[tap] + 1'b1) owed = 1'b0;
    end
  end

  logic old_q;                               // a record has left since the flush
  logic [63:0] last_q;                       // its time
  age_t last_age;
  logic taken_q;
  tap_event_t event_q;                       // what was taken in the clock before
  logic [127:0] header_q;
  logic [63:0] time_q;
  logic [TapBits-1:0] from;
  always_comb begin
    from = '0;
    for (int unsigned tap = 0; tap < NumTaps; tap++) if (pop_i[tap]) from = TapBits'(tap);
  end
  assign last_age = now_i[TIME_BITS-1:0] - last_q[TIME_BITS-1:0];

  always_ff @(posedge clk_i) begin
    started_q <= 1'b1;
    chosen_q  <= chosen;
    now_q     <= now_i;
    for (int unsigned tap = 0; tap < NumTaps; tap++) bound_q[tap] <= bound[tap];
    taken_q <= rst_ni && !flush_i && (|pop_i);
    if (|pop_i) begin
      event_q  <= event_i[from];
      header_q <= header_i[from];
      time_q   <= now_i - 64'(age_t'(now_i[TIME_BITS-1:0] - time_i[from]));
    end
    if (!rst_ni || flush_i) begin
      old_q <= 1'b0;
    end else if (|pop_i) begin
      old_q  <= 1'b1;
      last_q <= now_i - 64'(age_t'(now_i[TIME_BITS-1:0] - time_i[from]));
    end
  end

  always_comb begin
    e_power_on: assume (rst_ni == started_q);
    e_chosen:   assume (32'(chosen) < NumTaps && (!started_q || chosen == chosen_q));
    e_now:      assume (!started_q || now_i == now_q + 64'd1);
    e_far:      assume (now_i >> TIME_BITS != '0 && now_i >> (2 * TIME_BITS) == '0);  // it never wraps
    e_young:    assume (young);
    e_owed:     assume (!started_q || owed);
  end

  logic behind;                              // the last record lies behind no bound
  always_comb begin
    behind = 1'b1;
    for (int unsigned tap = 0; tap < NumTaps; tap++) if (bound[tap] > last_age) behind = 1'b0;
  end

  logic [63:0] before_q;                     // timestamp of the record before
  logic before_valid_q;
  always_ff @(posedge clk_i) begin
    if (!rst_ni || flush_i) before_valid_q <= 1'b0;
    else if (record_valid_i) before_valid_q <= 1'b1;
    if (record_valid_i) before_q <= record_i.timestamp;
  end

  // An event that a fold still holds comes before all that are offered.
  logic blocked;
  always_comb begin
    blocked = 1'b0;
    for (int unsigned tap = 0; tap < NumTlpTaps; tap++) begin
      if (held_i[tap] && !valid_i[tap]) begin
        blocked = 1'b1;
        for (int unsigned other = 0; other < NumTaps; other++)
          if (valid_i[other] && bound[other] > bound[tap]) blocked = 1'b0;
        if (blocked) break;
      end
    end
  end

  always_ff @(posedge clk_i) begin
    if (rst_ni) begin
      p_order:    assert (!(record_valid_i && before_valid_q) || record_i.timestamp >= before_q);
      c_order:    cover (record_valid_i && before_valid_q && record_i.timestamp == before_q && held_i != '0);
      p_oldest:   assert (!(|pop_i) || now_i[TIME_BITS-1:0] - time_i[from] >= bound[chosen]);
      c_oldest:   cover (pop_i[5] && valid_i[2] && held_i[1] && !valid_i[1]);
      p_single:   assert ((pop_i & (pop_i - 1'b1)) == '0 && (pop_i & ~valid_i) == '0);
      c_single:   cover (pop_i[11]);
      p_moves:    assert ((|pop_i) || !(|valid_i) || blocked);
      c_moves:    cover ((|valid_i) && !(|pop_i));
      p_whole:    assert (record_valid_i == taken_q && (!taken_q || (record_i.header == header_q &&
                          record_i.data == event_q.data && record_i.aux == event_q.aux &&
                          record_i.flags == 8'(event_q.flags) && record_i.kind == 8'(event_q.kind) &&
                          record_i.timestamp == time_q)));
      c_whole:    cover (record_valid_i && record_i.kind == 8'(KIND_TRIGGER));

      h_last:     assert (!old_q || (last_q < now_i && (now_i - last_q >= 64'(1 << (TIME_BITS - 1)) || behind)));
      h_before:   assert (!before_valid_q || (old_q && before_q <= last_q));
      h_record:   assert (!record_valid_i || (old_q && last_q == record_i.timestamp));
    end
  end
endmodule

// SPDX-License-Identifier: Apache-2.0
// Takes the oldest event of all tap FIFOs, one each clock, and makes a record of it. Among equals the lower tap
// goes first.
//
// So the records' timestamps never go back: a tap hands out its events in the order of their time, and whatever
// it has not put into its FIFO by now is either held by its analyser_fold, of which held_i and held_time_i tell,
// or younger than everything that is here. A held event takes part in the comparison; while it is the oldest,
// nothing is recorded.
module analyser_merge
  import analyser_pkg::*;
  import capture_pkg::*;
#(
  parameter int unsigned TIME_BITS = TimeBits
) (
  input  logic             clk_i,
  input  logic             rst_ni,
  input  logic             flush_i,
  input  logic      [63:0] now_i,
  input  logic [NumTaps-1:0] valid_i,
  input  tap_event_t       event_i[NumTaps],
  input  logic     [127:0] header_i[NumTaps],
  input  logic [TIME_BITS-1:0] time_i[NumTaps],
  input  logic [NumTlpTaps-1:0] held_i,
  input  logic [TIME_BITS-1:0] held_time_i[NumTlpTaps],
  output logic [NumTaps-1:0] pop_o,
  output logic             record_valid_o,
  output record_t          record_o
);
  localparam int unsigned TapBits = $clog2(NumTaps);

  logic [TapBits-1:0] pick;
  logic [TIME_BITS-1:0] age;
  logic take;

  always_comb begin
    pick  = '0;
    age   = '0;
    take  = 1'b0;
    pop_o = '0;
    if (|valid_i) begin
      // An event is at least one clock old here, so age 0 never hides one.
      for (int unsigned tap = 0; tap < NumTaps; tap++) begin
        if (valid_i[tap] && (now_i[TIME_BITS-1:0] - time_i[tap]) > age) begin
          age  = now_i[TIME_BITS-1:0] - time_i[tap];
          pick = TapBits'(tap);
        end
      end
      take = 1'b1;
      for (int unsigned tap = 0; tap < NumTlpTaps; tap++) begin
        // Behind its own tap's FIFO a held event changes nothing: it is younger.
        if (held_i[tap] && !valid_i[tap] &&
            ((now_i[TIME_BITS-1:0] - held_time_i[tap]) > age ||
             ((now_i[TIME_BITS-1:0] - held_time_i[tap]) == age && TapBits'(tap) < pick))) begin
          take = 1'b0;
        end
      end
      pop_o[pick] = take;
    end
  end

  always_ff @(posedge clk_i) begin
    if (!rst_ni || flush_i) record_valid_o <= 1'b0;
    else record_valid_o <= take;
    if (take) begin
      record_o <= '{
        header: header_i[pick],
        data: event_i[pick].data,
        aux: event_i[pick].aux,
        flags: 8'(event_i[pick].flags),
        kind: 8'(event_i[pick].kind),
        timestamp: now_i - 64'(age)
      };
    end
  end

`ifdef VERILATOR
  logic [63:0] last_q;  // timestamp of the record before record_o
  always_ff @(posedge clk_i) begin
    if (!rst_ni || flush_i) last_q <= '0;
    else if (record_valid_o) last_q <= record_o.timestamp;
    if (rst_ni && !flush_i) begin
      // The age of the oldest event must stay below half of what TIME_BITS can tell.
      assert (!(|valid_i) || !age[TIME_BITS-1]);
      assert (!record_valid_o || record_o.timestamp >= last_q);
    end
  end
`endif
endmodule

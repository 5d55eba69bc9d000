// SPDX-License-Identifier: Apache-2.0
// Takes the oldest event of all tap FIFOs, one each clock, and makes a record of it. All taps put an event
// into their FIFO the same number of clocks after it happened, so the oldest head is the oldest event there
// is and the records' timestamps never go back. Among equals the lower tap goes first.
module analyser_merge
  import analyser_pkg::*;
  import capture_pkg::*;
(
  input  logic             clk_i,
  input  logic             rst_ni,
  input  logic             flush_i,
  input  logic      [63:0] now_i,
  input  logic [NumTaps-1:0] valid_i,
  input  tap_event_t       event_i[NumTaps],
  input  logic     [127:0] header_i[NumTlpTaps],
  input  logic [TimeBits-1:0] time_i[NumTaps],
  output logic [NumTaps-1:0] pop_o,
  output logic             record_valid_o,
  output record_t          record_o
);
  logic [3:0] pick;
  logic [TimeBits-1:0] age;

  always_comb begin
    pick = '0;
    age  = '0;
    pop_o = '0;
    if (|valid_i) begin
      // An event is at least one clock old here, so age 0 never hides one.
      for (int unsigned tap = 0; tap < NumTaps; tap++) begin
        if (valid_i[tap] && (now_i[TimeBits-1:0] - time_i[tap]) > age) begin
          age  = now_i[TimeBits-1:0] - time_i[tap];
          pick = 4'(tap);
        end
      end
      pop_o[pick] = 1'b1;
    end
  end

  always_ff @(posedge clk_i) begin
    if (!rst_ni || flush_i) record_valid_o <= 1'b0;
    else record_valid_o <= |valid_i;
    if (|valid_i) begin
      record_o <= '{
        header: pick < 4'(NumTlpTaps) ? header_i[pick[1:0]] : '0,
        data: event_i[pick].data,
        aux: event_i[pick].aux,
        flags: 8'(event_i[pick].flags),
        kind: 8'(event_i[pick].kind),
        timestamp: now_i - 64'(age)
      };
    end
  end

`ifdef VERILATOR
  // The age of the oldest event must stay below half of what TimeBits can tell.
  always_ff @(posedge clk_i) if (rst_ni && !flush_i && |valid_i) assert (!age[TimeBits-1]);
`endif
endmodule

// SPDX-License-Identifier: Apache-2.0
// Levels that no wire has: a stream in which a beat waits for long, a soft core that waits for no work any longer.
module analyser_levels
  import analyser_pkg::*;
  import capture_pkg::*;
#(
  parameter int unsigned StallCycles = CAPTURE_LEVEL_STALL_CYCLES,
  parameter int unsigned HungCycles = CAPTURE_LEVEL_HUNG_CYCLES
) (
  input  logic                  clk_i,
  input  logic                  rst_ni,
  input  logic [NumTlpTaps-1:0] waits_i,      // a beat is there and not taken in this clock
  input  logic                  core_idle_i,  // the soft core waits for work
  output logic [NumTlpTaps-1:0] stall_o,      // this is the StallCycles-th clock, or a later one, of such waiting
  output logic                  hung_o        // the core has been busy for HungCycles clocks, and still is
);
  localparam int unsigned StallBits = $clog2(StallCycles);
  localparam int unsigned HungBits = $clog2(HungCycles + 1);
  localparam logic [StallBits-1:0] StallLast = StallBits'(StallCycles - 1);

  logic [StallBits-1:0] waited_q[NumTlpTaps];  // clocks before this one; holds at StallLast
  logic [HungBits-1:0] busy_q;                 // the same; holds at HungCycles
  logic [NumTlpTaps-1:0] waiting_q;

  always_comb begin
    stall_o = '0;
    if (|waits_i) begin
      for (int unsigned i = 0; i < NumTlpTaps; i++) stall_o[i] = waits_i[i] && waited_q[i] == StallLast;
    end
  end
  assign hung_o = !core_idle_i && busy_q == HungBits'(HungCycles);

  always_ff @(posedge clk_i) begin
    waiting_q <= waits_i;
    if (!rst_ni || (|waits_i) || (|waiting_q)) begin
      for (int unsigned i = 0; i < NumTlpTaps; i++) begin
        if (!rst_ni || !waits_i[i]) waited_q[i] <= '0;
        else if (waited_q[i] != StallLast) waited_q[i] <= waited_q[i] + 1'b1;
      end
    end
  end

  always_ff @(posedge clk_i) begin
    if (!rst_ni || core_idle_i) busy_q <= '0;
    else if (busy_q != HungBits'(HungCycles)) busy_q <= busy_q + 1'b1;
  end
endmodule

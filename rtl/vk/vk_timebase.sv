// SPDX-License-Identifier: Apache-2.0
// Ticks in real time from a clock whose rate is only known at run time: a fractional divider, so there is no
// division and no drift. The single tick is up to one clock early or late.
module vk_timebase (
  input  logic        clk_i,
  input  logic        rst_ni,
  input  logic [31:0] clk_hz_i,   // rate of clk_i in Hz, at least 10 kHz
  output logic        tick_o,     // one clock every 100 us
  output logic        second_o    // one clock every second
);

  localparam logic [32:0] TicksPerSecond = 33'd10_000;

  logic [32:0] phase_q, phase_next;
  logic [13:0] ticks_q;

  assign phase_next = phase_q + TicksPerSecond;
  assign tick_o     = phase_next >= {1'b0, clk_hz_i};
  assign second_o   = tick_o && ticks_q == 14'(TicksPerSecond - 1);

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      phase_q <= '0;
      ticks_q <= '0;
    end else begin
      phase_q <= tick_o ? phase_next - {1'b0, clk_hz_i} : phase_next;
      if (tick_o) ticks_q <= second_o ? '0 : ticks_q + 1'b1;
    end
  end

`ifndef SYNTHESIS
  always_ff @(posedge clk_i) if (rst_ni) assert (clk_hz_i >= 32'd10_000) else $error("clk_hz_i below 10 kHz");
`endif

endmodule

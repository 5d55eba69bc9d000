// SPDX-License-Identifier: Apache-2.0
// Stops the soft core's clock while it waits: in simulation a waiting core then costs next to nothing. On an
// FPGA the clock runs on (no gated clocks there); the core waits by itself, so nothing else changes.
module analyser_clock_gate (
  input  logic clk_i,
  input  logic enable_i,  // changes with clk_i's rising edge
  output logic clk_o
);
`ifdef VERILATOR
  logic enable_q;
  always_latch if (!clk_i) enable_q = enable_i;
  assign clk_o = clk_i & enable_q;
`else
  logic unused;
  assign unused = enable_i;
  assign clk_o  = clk_i;
`endif
endmodule

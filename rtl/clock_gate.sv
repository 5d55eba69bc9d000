// SPDX-License-Identifier: Apache-2.0
// Stops the clock of a block that has nothing to do: in simulation the block then costs next to nothing. On an
// FPGA the clock runs on (no gated clocks there). So the user must enable it in every clock in which any
// register of the block would change; then both behave the same.
module clock_gate (
  input  logic clk_i,
  input  logic enable_i,  // settles while clk_i is low, at the latest
  output logic clk_o
);
`ifdef VERILATOR
  // UNGATED makes the simulated clock run on as it does on an FPGA: rtl/tests/gates compares the two.
  `ifndef UNGATED
    `define GATED
  `endif
`endif
`ifdef GATED
  `undef GATED
  logic enable_q;
  always_latch if (!clk_i) enable_q = enable_i;
  assign clk_o = clk_i & enable_q;
`else
  logic unused;
  assign unused = enable_i;
  assign clk_o  = clk_i;
`endif
endmodule

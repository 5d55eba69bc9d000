// SPDX-License-Identifier: Apache-2.0
// Must be refused by rtl/synth/run.py: a latch.
module bad_latch (
  input  logic       clk_i,
  input  logic       enable_i,
  input  logic [7:0] data_i,
  output logic [7:0] data_o
);
  logic [7:0] held;
  always @* if (enable_i) held = data_i;
  always_ff @(posedge clk_i) data_o <= held;
endmodule

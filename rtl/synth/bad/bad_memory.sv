// SPDX-License-Identifier: Apache-2.0
// Must be refused by rtl/synth/run.py, which is told to expect block RAM: read without a clock, so none fits.
module bad_memory (
  input  logic        clk_i,
  input  logic        write_i,
  input  logic  [5:0] addr_i,
  input  logic [31:0] data_i,
  output logic [31:0] data_o
);
  logic [31:0] words [64];
  always_ff @(posedge clk_i) if (write_i) words[addr_i] <= data_i;
  assign data_o = words[addr_i];
endmodule

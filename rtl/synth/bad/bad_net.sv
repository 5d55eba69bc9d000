// SPDX-License-Identifier: Apache-2.0
// Must be refused by rtl/synth/run.py: a net that nothing drives.
module bad_net (
  input  logic clk_i,
  output logic data_o
);
  logic nothing;
  always_ff @(posedge clk_i) data_o <= nothing;
endmodule

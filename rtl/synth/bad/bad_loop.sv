// SPDX-License-Identifier: Apache-2.0
// Must be refused by rtl/synth/run.py: a combinational loop through two modules.
module bad_loop (
  input  logic a_i,
  input  logic b_i,
  output logic y_o
);
  logic x;
  bad_loop_half u_x (.a_i, .b_i(y_o), .y_o(x));
  bad_loop_half u_y (.a_i(x), .b_i, .y_o);
endmodule

module bad_loop_half (
  input  logic a_i,
  input  logic b_i,
  output logic y_o
);
  assign y_o = a_i ^ b_i;
endmodule

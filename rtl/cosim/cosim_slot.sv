// SPDX-License-Identifier: Apache-2.0
// A register in a stream: one clock later, nothing lost, no path from one side's inputs to its outputs.
module cosim_slot #(
  parameter int unsigned Width = 8
) (
  input  logic             clk_i,
  input  logic             clear_i,  // drops what it holds
  input  logic             valid_i,
  output logic             ready_o,
  input  logic [Width-1:0] data_i,
  output logic             valid_o,
  input  logic             ready_i,
  output logic [Width-1:0] data_o
);
  logic             valid_q;
  logic [Width-1:0] data_q;

  assign ready_o = !valid_q || ready_i;
  assign valid_o = valid_q;
  assign data_o  = data_q;

  always_ff @(posedge clk_i) begin
    if (clear_i) valid_q <= 1'b0;
    else if (ready_o) valid_q <= valid_i;
    if (ready_o && valid_i) data_q <= data_i;
  end
endmodule

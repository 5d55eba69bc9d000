// SPDX-License-Identifier: Apache-2.0
// Register slice of a valid/ready stream: both directions come from registers, full rate. It keeps the ready
// of one side off the logic of the other.
module usp_slice #(
  parameter int unsigned Width = 1
) (
  input  logic             clk_i,
  input  logic             rst_ni,
  input  logic             in_valid_i,
  output logic             in_ready_o,
  input  logic [Width-1:0] in_data_i,
  output logic             out_valid_o,
  input  logic             out_ready_i,
  output logic [Width-1:0] out_data_o
);

  logic [Width-1:0] spare_q;  // taken while the output stood still

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      in_ready_o  <= 1'b0;
      out_valid_o <= 1'b0;
    end else if (!out_valid_o || out_ready_i) begin
      in_ready_o  <= 1'b1;
      out_valid_o <= in_ready_o ? in_valid_i : out_valid_o;  // not ready: the spare one follows
    end else if (in_valid_i) begin
      in_ready_o <= 1'b0;
    end
  end

  always_ff @(posedge clk_i) begin
    if (in_ready_o) spare_q <= in_data_i;
    if (!out_valid_o || out_ready_i) out_data_o <= in_ready_o ? in_data_i : spare_q;
  end

endmodule

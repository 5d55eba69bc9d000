// SPDX-License-Identifier: Apache-2.0
// Small FIFO of bytes between the SCPI client and the soft core.
module analyser_bytes #(
  parameter int unsigned Depth = 16  // bytes, a power of two
) (
  input  logic       clk_i,
  input  logic       rst_ni,
  input  logic       valid_i,
  output logic       ready_o,
  input  logic [7:0] byte_i,
  output logic       valid_o,
  input  logic       ready_i,
  output logic [7:0] byte_o
);
  localparam int unsigned PtrBits = $clog2(Depth);
  logic [7:0] mem[Depth];
  logic [PtrBits:0] wr_q, rd_q;  // one bit more than the address: full and empty differ

  assign ready_o = wr_q != (rd_q ^ {1'b1, {PtrBits{1'b0}}});
  assign valid_o = wr_q != rd_q;
  assign byte_o  = mem[rd_q[PtrBits-1:0]];

  always_ff @(posedge clk_i) begin
    if (valid_i && ready_o) mem[wr_q[PtrBits-1:0]] <= byte_i;
  end
  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      wr_q <= '0;
      rd_q <= '0;
    end else begin
      if (valid_i && ready_o) wr_q <= wr_q + 1'b1;
      if (valid_o && ready_i) rd_q <= rd_q + 1'b1;
    end
  end
endmodule

// SPDX-License-Identifier: Apache-2.0
// Half of the card's memory: rows of 32 bytes, one write with byte enables and one read per clock, the read's
// data a clock later. Written so that block or ultra RAM is inferred.
module vk_store_bank #(
  parameter int unsigned Rows = 1 << 14
) (
  input  logic                    clk_i,
  input  logic                    write_i,
  input  logic [$clog2(Rows)-1:0] waddr_i,
  input  logic             [31:0] wbe_i,
  input  logic            [255:0] wdata_i,
  input  logic                    read_i,
  input  logic [$clog2(Rows)-1:0] raddr_i,
  output logic            [255:0] rdata_o
);

  logic [255:0] rows [Rows];

  always_ff @(posedge clk_i) begin
    for (int i = 0; i < 32; i++) begin
      if (write_i && wbe_i[i]) rows[waddr_i][8*i +: 8] <= wdata_i[8*i +: 8];
    end
  end

  always_ff @(posedge clk_i) if (read_i) rdata_o <= rows[raddr_i];

endmodule

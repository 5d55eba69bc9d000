// SPDX-License-Identifier: Apache-2.0
// Memory of 32-bit words with byte enables; read data one clock after the address.
module vk_ram #(
  parameter int unsigned Words = 1024,  // a power of two
  parameter HEX = ""                    // content after configuration, for $readmemh; empty: undefined
) (
  input  logic                     clk_i,
  input  logic                     write_i,
  input  logic [$clog2(Words)-1:0] addr_i,   // word
  input  logic               [3:0] be_i,
  input  logic              [31:0] wdata_i,
  output logic              [31:0] rdata_o
);

  (* ram_style = "block" *) logic [31:0] words [Words];

  initial begin
    if (HEX != "") $readmemh(HEX, words);
  end

  always_ff @(posedge clk_i) begin
    for (int i = 0; i < 4; i++) begin
      if (write_i && be_i[i]) words[addr_i][8*i +: 8] <= wdata_i[8*i +: 8];
    end
    rdata_o <= words[addr_i];
  end

endmodule

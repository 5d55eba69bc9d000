// SPDX-License-Identifier: Apache-2.0
// 4 KiB of memory behind a BAR: 1024 words, byte enables, read data one clock after the address.
module vk_ram (
  input  logic        clk_i,
  input  logic        write_i,
  input  logic  [9:0] addr_i,   // word
  input  logic  [3:0] be_i,
  input  logic [31:0] wdata_i,
  output logic [31:0] rdata_o
);

  logic [31:0] words [1024];

  always_ff @(posedge clk_i) begin
    for (int i = 0; i < 4; i++) begin
      if (write_i && be_i[i]) words[addr_i][8*i +: 8] <= wdata_i[8*i +: 8];
    end
    rdata_o <= words[addr_i];
  end

endmodule

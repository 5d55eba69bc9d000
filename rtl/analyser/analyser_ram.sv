// SPDX-License-Identifier: Apache-2.0
// Program and data memory of the analyser's soft core: 32-bit words with byte enables, one clock of latency.
module analyser_ram #(
  parameter int unsigned Words = 8192,
  parameter FIRMWARE_HEX = ""  // $readmemh file, one 32-bit word a line; empty: memory starts undefined
) (
  input  logic                     clk_i,
  input  logic                     req_i,
  input  logic               [3:0] strobe_i,  // bytes to write; zero reads
  input  logic [$clog2(Words)-1:0] addr_i,    // in words
  input  logic              [31:0] wdata_i,
  output logic              [31:0] rdata_o
);
  logic [31:0] mem[Words];

  initial begin
    if (FIRMWARE_HEX != "") $readmemh(FIRMWARE_HEX, mem);
  end

  always_ff @(posedge clk_i) begin
    if (req_i) begin
      for (int unsigned i = 0; i < 4; i++) if (strobe_i[i]) mem[addr_i][8*i+:8] <= wdata_i[8*i+:8];
      rdata_o <= mem[addr_i];
    end
  end
endmodule

// SPDX-License-Identifier: Apache-2.0
// The record memory: one write port, one read port with one clock of latency (block RAM or UltraRAM).
module analyser_ring
  import capture_pkg::*;
#(
  parameter int unsigned RING_RECORDS = 65536,
  localparam int unsigned AddrBits = $clog2(RING_RECORDS)
) (
  input  logic                clk_i,
  input  logic                write_i,
  input  logic [AddrBits-1:0] write_addr_i,
  input  record_t             record_i,
  input  logic [AddrBits-1:0] read_addr_i,
  input  logic                read_i,
  output logic        [255:0] record_o     // of read_addr_i, one clock after read_i
);
  logic [255:0] mem[RING_RECORDS];

  always_ff @(posedge clk_i) begin
    if (write_i) mem[write_addr_i] <= record_i;
  end
  always_ff @(posedge clk_i) begin
    if (read_i) record_o <= mem[read_addr_i];
  end
endmodule

// SPDX-License-Identifier: Apache-2.0
// Stands in for the soft core: a test reads and writes the analyser's registers by itself (registers.py).
module analyser_cpu #(
  parameter FIRMWARE_HEX = ""
) (
  input  logic        clk_i,
  input  logic        rst_ni,
  output logic        core_clk_o,
  output logic        reg_req_o,
  output logic        reg_program_o,
  output logic        reg_write_o,
  output logic [11:0] reg_addr_o,
  output logic [31:0] reg_wdata_o,
  input  logic [31:0] reg_rdata_i,
  input  logic        reg_wait_i,
  output logic        lab_req_o,
  output logic        lab_write_o,
  output logic  [7:0] lab_addr_o,
  output logic [31:0] lab_wdata_o,
  input  logic        lab_ack_i,
  input  logic [31:0] lab_rdata_i,
  output logic        lab_timeout_o
);
  // Written by the test: the access is made when want and done_q differ.
  logic want = 1'b0, write = 1'b0, program_ = 1'b0;
  logic [11:0] addr = '0;
  logic [31:0] wdata = '0;
  // Read by it.
  logic done_q = 1'b0;
  logic [31:0] rdata_q;

  logic access_q;
  assign core_clk_o    = clk_i;
  assign reg_req_o     = access_q;
  assign reg_program_o = program_;
  assign reg_write_o   = write;
  assign reg_addr_o    = addr;
  assign reg_wdata_o   = wdata;
  always_ff @(posedge clk_i) begin
    access_q <= rst_ni && want != done_q && !access_q && !reg_wait_i;
    if (access_q) begin
      done_q  <= want;
      rdata_q <= reg_rdata_i;
    end
  end

  assign {lab_req_o, lab_write_o, lab_addr_o, lab_wdata_o, lab_timeout_o} = '0;
endmodule

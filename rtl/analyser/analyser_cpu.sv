// SPDX-License-Identifier: Apache-2.0
// The analyser's soft core (PicoRV32, rv32imc) with its memory and bus: 0 memory, 0x10000000 the analyser's
// registers, 0x20000000 lab bus, 0x30000000 registers of the trigger's program; elsewhere reads return nothing
// useful. Accesses that cannot be served yet
// (a byte from or to a SCPI client, the lab bus) simply take longer; while the core waits so, its clock is
// stopped.
module analyser_cpu #(
  parameter int unsigned RamWords = 8192,
  parameter int unsigned LabTimeout = 1023,  // clocks until the lab bus is given up
  parameter FIRMWARE_HEX = ""
) (
  input  logic        clk_i,
  input  logic        rst_ni,
  output logic        core_clk_o,    // clock of the register block: clk_i, stopped while the core waits
  output logic        reg_req_o,     // registers: one clock per access, answered in the same clock
  output logic        reg_program_o, // ... those of the trigger's program
  output logic        reg_write_o,
  output logic [11:0] reg_addr_o,
  output logic [31:0] reg_wdata_o,
  input  logic [31:0] reg_rdata_i,
  input  logic        reg_wait_i,    // the register at reg_addr_o (write: reg_write_o) cannot be served now
  output logic        lab_req_o,     // lab bus: one clock per access, answered by lab_ack_i then or later
  output logic        lab_write_o,
  output logic  [7:0] lab_addr_o,
  output logic [31:0] lab_wdata_o,
  input  logic        lab_ack_i,
  input  logic [31:0] lab_rdata_i,
  output logic        lab_timeout_o  // the last lab bus access was given up; it read all ones
);
  localparam int unsigned RamBits = $clog2(RamWords);

  logic mem_valid, mem_ready, ready_q;
  logic [31:0] mem_addr, mem_wdata, next_addr, next_wdata, ram_rdata, rdata_q;
  logic [3:0] mem_wstrb, next_wstrb;
  logic next_read, next_write;
  logic request, ram_hit, reg_sel, lab_sel;
  logic access_q;  // the register block serves the access in this clock
  logic lab_busy_q, lab_done;
  logic [$clog2(LabTimeout+1)-1:0] lab_left_q;

  logic core_clk, unused;
  assign unused = ^next_addr[1:0];

  // The memory starts with the core's look-ahead and so answers in the clock in which the core asks. Elsewhere
  // the answer is registered, and mem_valid stays up for the clock in which ready_q is seen: no new access.
  assign ram_hit   = mem_addr[31:RamBits+2] == '0;
  assign mem_ready = ready_q | (mem_valid & ram_hit);
  assign request   = mem_valid & ~ram_hit & ~ready_q;
  assign reg_sel   = request && (mem_addr[31:12] == 20'h10000 || mem_addr[31:12] == 20'h30000);
  assign lab_sel   = request && mem_addr[31:8] == 24'h200000;

  assign reg_req_o   = access_q;
  assign core_clk_o  = core_clk;
  assign reg_write_o = mem_wstrb != 4'd0;
  assign reg_addr_o  = mem_addr[11:0];
  assign reg_program_o = mem_addr[29];
  assign reg_wdata_o = mem_wdata;

  assign lab_req_o   = lab_sel & ~lab_busy_q;
  assign lab_write_o = mem_wstrb != 4'd0;
  assign lab_addr_o  = mem_addr[7:0];
  assign lab_wdata_o = mem_wdata;
  assign lab_done    = lab_sel & (lab_ack_i | (lab_busy_q & lab_left_q == '0));

  // On the core's own clock, so that in simulation a waiting core costs nothing here either.
  always_ff @(posedge core_clk) begin
    if (!rst_ni) begin
      ready_q       <= 1'b0;
      access_q      <= 1'b0;
      lab_busy_q    <= 1'b0;
      lab_timeout_o <= 1'b0;
      lab_left_q    <= '0;
      rdata_q       <= '0;
    end else begin
      ready_q <= reg_req_o | lab_done | (request & ~reg_sel & ~lab_sel);
      access_q <= reg_sel & ~access_q & ~reg_wait_i;
      if (access_q) rdata_q <= reg_rdata_i;
      if (lab_sel) begin
        lab_busy_q <= ~lab_done;
        lab_left_q <= lab_busy_q ? lab_left_q - 1'b1 : $bits(lab_left_q)'(LabTimeout);
        if (lab_done) begin
          lab_timeout_o <= ~lab_ack_i;
          rdata_q       <= lab_ack_i ? lab_rdata_i : '1;
        end
      end
    end
  end

  analyser_ram #(
    .Words(RamWords),
    .FIRMWARE_HEX(FIRMWARE_HEX)
  ) u_ram (
    .clk_i(core_clk),
    .req_i((next_read | next_write) && next_addr[31:RamBits+2] == '0),
    .strobe_i(next_write ? next_wstrb : 4'd0),
    .addr_i(next_addr[RamBits+1:2]),
    .wdata_i(next_wdata),
    .rdata_o(ram_rdata)
  );

  clock_gate u_gate (
    .clk_i,
    .enable_i(!rst_ni || !(reg_sel && !access_q && reg_wait_i)),
    .clk_o(core_clk)
  );

  picorv32 #(
    .ENABLE_COUNTERS(0),
    .ENABLE_COUNTERS64(0),
    .BARREL_SHIFTER(1),
    .CATCH_MISALIGN(0),
    .CATCH_ILLINSN(1),
    .COMPRESSED_ISA(1),
    .ENABLE_MUL(1),
    .ENABLE_DIV(1),
    .PROGADDR_RESET(32'd0),
    .STACKADDR(RamWords * 4)
  ) u_core (
    .clk(core_clk),
    .resetn(rst_ni),
    .trap(),
    .mem_valid,
    .mem_instr(),
    .mem_ready(mem_ready),
    .mem_addr,
    .mem_wdata,
    .mem_wstrb,
    .mem_rdata(ram_hit ? ram_rdata : rdata_q),
    .mem_la_read(next_read),
    .mem_la_write(next_write),
    .mem_la_addr(next_addr),
    .mem_la_wdata(next_wdata),
    .mem_la_wstrb(next_wstrb),
    .pcpi_valid(),
    .pcpi_insn(),
    .pcpi_rs1(),
    .pcpi_rs2(),
    .pcpi_wr(1'b0),
    .pcpi_rd(32'd0),
    .pcpi_wait(1'b0),
    .pcpi_ready(1'b0),
    .irq(32'd0),
    .eoi(),
    .trace_valid(),
    .trace_data()
  );
endmodule

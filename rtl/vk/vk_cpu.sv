// SPDX-License-Identifier: Apache-2.0
// The card's soft core (PicoRV32, rv32imc) with its memory and its bus:
//
//   0x0000_0000  32 KiB program; a write to it is an internal error
//   0x0000_8000  32 KiB data
//   0x1000_0000  registers of rtl/vk/vk_card.sv
//   0x2000_0000  BAR 0, 0x2001_0000 first 64 KiB of BAR 2, 0x2002_0000 BAR 4, as in rtl/vk/vk_bars.sv
//   0x3000_0000  card memory, read only, 32 bits
//
// Anything else, a trap included, is an internal error too. What cannot be answered yet simply takes longer.
// While the core waits for an event, is held in reset or has trapped, its clock stands still.
module vk_cpu #(
  parameter CARD_FIRMWARE_HEX = ""  // $readmemh file, one 32-bit word a line
) (
  input  logic        clk_i,
  input  logic        rst_ni,
  input  logic        run_i,          // 0: held in reset
  output logic        active_o,       // the core's clock runs
  output logic        error_o,        // one clock: internal error
  output logic        stopped_o,      // it stands still after one, until the next card reset
  output logic        idle_o,         // it waits for an event, or is held in reset

  output logic        reg_req_o,      // registers: one clock per access, answered in the same clock
  output logic        reg_write_o,
  output logic  [7:0] reg_addr_o,
  output logic [31:0] reg_wdata_o,
  input  logic [31:0] reg_rdata_i,
  input  logic        reg_wait_i,     // the register at reg_addr_o (write: reg_write_o) has no answer yet

  output logic        bar_req_o,      // BARs: held until the answer
  output logic        bar_write_o,
  output logic  [2:0] bar_bar_o,
  output logic [15:0] bar_offset_o,
  output logic  [3:0] bar_be_o,
  output logic [31:0] bar_wdata_o,
  input  logic        bar_ack_i,
  input  logic [31:0] bar_rdata_i,

  output logic        store_read_o,   // card memory: held until the answer
  output logic [31:0] store_addr_o,
  input  logic        store_valid_i,
  input  logic [31:0] store_rdata_i
);

  localparam int unsigned Words = 16384;  // program and data

  logic        core_clk, resetn, trap;
  logic        mem_valid, mem_ready, mem_write, next_read, next_write;
  logic [31:0] mem_addr, mem_wdata, next_addr, next_wdata, ram_rdata;
  logic  [3:0] mem_wstrb, next_wstrb;

  assign resetn    = rst_ni && run_i;
  assign mem_write = mem_wstrb != '0;

  // Memory starts with the core's look-ahead and so answers in the clock in which the core asks. Elsewhere the
  // answer is registered, and mem_valid stays up for the clock in which answered_q is seen: no new access.
  logic        answered_q, access_q, error_q;
  logic [31:0] rdata_q;
  logic        in_ram, in_regs, in_bars, in_store, request, nowhere, answer;

  assign in_ram   = mem_addr[31:16] == 16'h0000;
  assign request  = mem_valid && !in_ram && !answered_q && run_i;
  assign in_regs  = request && mem_addr[31:8] == 24'h10_0000;
  assign in_bars  = request && mem_addr[31:18] == 14'h0800 && mem_addr[17:16] != 2'd3;
  assign in_store = request && mem_addr[31:28] == 4'h3 && !mem_write;
  assign nowhere  = request && !in_regs && !in_bars && !in_store;

  assign answer    = access_q || (in_bars && bar_ack_i) || (in_store && store_valid_i) || nowhere;
  assign mem_ready = answered_q || (mem_valid && in_ram);

  assign reg_req_o    = access_q;
  assign reg_write_o  = mem_write;
  assign reg_addr_o   = mem_addr[7:0];
  assign reg_wdata_o  = mem_wdata;
  assign bar_req_o    = in_bars;
  assign bar_write_o  = mem_write;
  assign bar_bar_o    = {mem_addr[17:16], 1'b0};
  assign bar_offset_o = {mem_addr[15:2], 2'b00};
  assign bar_be_o     = mem_wstrb;
  assign bar_wdata_o  = mem_wdata;
  assign store_read_o = in_store;
  assign store_addr_o = {4'd0, mem_addr[27:2], 2'b00};

  always_ff @(posedge core_clk) begin
    if (!resetn) begin
      answered_q <= 1'b0;
      access_q   <= 1'b0;
      rdata_q    <= '0;
      error_q    <= 1'b0;
    end else begin
      answered_q <= answer;
      access_q   <= in_regs && !access_q && !reg_wait_i;
      if (answer) rdata_q <= access_q ? reg_rdata_i : in_bars ? bar_rdata_i : store_rdata_i;
      error_q    <= error_q || trap || nowhere || (mem_valid && in_ram && mem_write && !mem_addr[15]);
    end
  end

  // The core's clock. In reset it goes on for some clocks, until the core has settled.
  logic [2:0] tail_q;
  logic       error_seen_q, stalled;
  logic       waiting;
  assign waiting   = in_regs && !access_q && reg_wait_i;
  assign stalled   = waiting || error_q;
  assign active_o  = !rst_ni || (run_i ? !stalled : tail_q != '0);
  assign error_o   = error_q && !error_seen_q;
  assign stopped_o = error_q;
  assign idle_o    = !run_i || waiting;

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      tail_q       <= '1;
      error_seen_q <= 1'b0;
    end else begin
      tail_q       <= {tail_q[1:0], run_i};
      error_seen_q <= error_q;
    end
  end

  clock_gate u_clock (.clk_i, .enable_i(active_o), .clk_o(core_clk));

  // Program and data are one memory. A write to the program is not carried out.
  logic unused;
  assign unused = ^{next_addr[1:0], next_read};
  vk_ram #(.Words(Words), .HEX(CARD_FIRMWARE_HEX)) u_ram (
    .clk_i   (core_clk),
    .write_i (next_write && next_addr[31:15] == 17'd1),
    .addr_i  (next_addr[15:2]),
    .be_i    (next_wstrb),
    .wdata_i (next_wdata),
    .rdata_o (ram_rdata)
  );

  picorv32 #(
    .ENABLE_COUNTERS   (0),
    .ENABLE_COUNTERS64 (0),
    .BARREL_SHIFTER    (1),
    .CATCH_MISALIGN    (1),
    .CATCH_ILLINSN     (1),
    .COMPRESSED_ISA    (1),
    .ENABLE_MUL        (1),
    .ENABLE_DIV        (1),
    .PROGADDR_RESET    (32'd0),
    .STACKADDR         (Words * 4)
  ) u_core (
    .clk          (core_clk),
    .resetn,
    .trap,
    .mem_valid,
    .mem_instr    (),
    .mem_ready,
    .mem_addr,
    .mem_wdata,
    .mem_wstrb,
    .mem_rdata    (in_ram ? ram_rdata : rdata_q),
    .mem_la_read  (next_read),
    .mem_la_write (next_write),
    .mem_la_addr  (next_addr),
    .mem_la_wdata (next_wdata),
    .mem_la_wstrb (next_wstrb),
    .pcpi_valid   (),
    .pcpi_insn    (),
    .pcpi_rs1     (),
    .pcpi_rs2     (),
    .pcpi_wr      (1'b0),
    .pcpi_rd      (32'd0),
    .pcpi_wait    (1'b0),
    .pcpi_ready   (1'b0),
    .irq          (32'd0),
    .eoi          (),
    .trace_valid  (),
    .trace_data   ()
  );

endmodule

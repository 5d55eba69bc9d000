// SPDX-License-Identifier: Apache-2.0
// The registers of the card's soft core (rtl/regs/vk_card.rdl): events, control, interrupts, the two DMA
// channels.
module vk_card #(
  parameter int unsigned StoreBytes = 1 << 20
) (
  input  logic        clk_i,
  input  logic        rst_ni,
  input  logic        clear_i,        // card reset

  input  logic        core_active_i,  // the soft core's clock runs
  input  logic        reg_req_i,      // its accesses: one clock each, answered in the same clock
  input  logic        reg_write_i,
  input  logic  [7:0] reg_addr_i,
  input  logic [31:0] reg_wdata_i,
  output logic [31:0] reg_rdata_o,
  output logic        reg_wait_o,     // a read of WAIT has no answer yet

  input  logic  [2:0] doorbell_i,     // events, one clock each
  input  logic        second_i,
  input  logic        sbl_i,
  input  logic        sbi_i,
  input  logic        lab_i,

  input  logic  [3:0] reason_i,
  input  logic        rom_i,          // boot mode, taken at each card reset
  input  logic        gate_closed_i,
  input  logic        internal_i,     // an internal error is latched
  input  logic [31:0] clk_hz_i,
  input  logic [31:0] lab_command_i,

  output logic        ready_o,        // the firmware says that the card is ready
  output logic        fail_o,         // one clock: the firmware gives up
  output logic        irq_request_o,  // one clock
  output logic  [2:0] irq_vector_o,

  output logic        rd_valid_o,     // channel from the host to card memory
  input  logic        rd_ready_i,
  output logic [63:0] rd_host_o,
  output logic [31:0] rd_store_o,
  output logic [31:0] rd_bytes_o,
  output logic        rd_abort_o,
  input  logic        rd_done_i,
  input  logic  [3:0] rd_code_i,
  output logic        wr_valid_o,     // channel from card memory to the host
  input  logic        wr_ready_i,
  output logic [63:0] wr_host_o,
  output logic [31:0] wr_store_o,
  output logic [31:0] wr_bytes_o,
  output logic        wr_abort_o,
  input  logic        wr_done_i,
  input  logic  [3:0] wr_code_i,
  output logic        fill_o
);

  vk_card_regs_pkg::vk_card__in_t  hw_in;
  vk_card_regs_pkg::vk_card__out_t hw_out;

  // The clock runs with the soft core's, with whatever is to be noticed while that stands still, with the start and
  // the end of a reset, and for two clocks after, in which pulses end.
  logic       clk, wake, regs_rst_n, cleared_q, rom_q;
  logic [1:0] tail_q;
  assign regs_rst_n = rst_ni && !clear_i;
  assign wake       = clear_i != cleared_q || (clear_i && rom_i != rom_q) || core_active_i ||
                      doorbell_i != '0 || second_i || sbl_i || sbi_i || lab_i || rd_valid_o ||
                      rd_done_i || wr_valid_o || wr_done_i;

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      tail_q    <= '1;
      cleared_q <= 1'b0;
    end else begin
      tail_q    <= {tail_q[0], wake};
      cleared_q <= clear_i;
    end
  end

  clock_gate u_clock (.clk_i, .enable_i(!rst_ni || wake || tail_q != '0), .clk_o(clk));

  vk_card_regs u_regs (
    .clk,
    .rst_n                (regs_rst_n),
    .s_cpuif_req          (reg_req_i),
    .s_cpuif_req_is_wr    (reg_write_i),
    .s_cpuif_addr         ({reg_addr_i[7:2], 2'b00}),
    .s_cpuif_wr_data      (reg_wdata_i),
    .s_cpuif_wr_biten     ('1),
    .s_cpuif_req_stall_wr (), .s_cpuif_req_stall_rd (),  // answers in the same clock: never stalls
    .s_cpuif_rd_ack       (), .s_cpuif_rd_err       (),
    .s_cpuif_rd_data      (reg_rdata_o),
    .s_cpuif_wr_ack       (), .s_cpuif_wr_err       (),
    .hwif_in              (hw_in),
    .hwif_out             (hw_out)
  );

  // What comes from elsewhere is registered: a simulator then works out what the registers become only while this
  // block's clock runs.
  logic        second_q, gate_closed_q, internal_q;
  logic  [2:0] doorbell_q;
  logic        sbl_q, sbi_q, lab_q;
  logic  [3:0] reason_q;
  logic [31:0] clk_hz_q, lab_command_q;
  always_ff @(posedge clk) begin
    doorbell_q    <= doorbell_i;
    second_q      <= second_i;
    sbl_q         <= sbl_i;
    sbi_q         <= sbi_i;
    lab_q         <= lab_i;
    reason_q      <= reason_i;
    gate_closed_q <= gate_closed_i;
    internal_q    <= internal_i;
    clk_hz_q      <= clk_hz_i;
    lab_command_q <= lab_command_i;
  end

  // Events.
  logic [7:0] events;
  assign events = {
    hw_out.events.lab.value, hw_out.events.sbi.value, hw_out.events.sbl.value, hw_out.events.dma.value,
    hw_out.events.second.value, hw_out.events.doorbell2.value, hw_out.events.doorbell1.value,
    hw_out.events.doorbell0.value
  };
  assign reg_wait_o = reg_addr_i[7:2] == vkbench_addr_pkg::VK_CARD_WAIT_EVENTS_OFFSET[7:2] && !reg_write_i &&
                      (events & hw_out.mask.mask.value) == '0;

  assign hw_in.events.doorbell0.hwset = doorbell_q[0];
  assign hw_in.events.doorbell1.hwset = doorbell_q[1];
  assign hw_in.events.doorbell2.hwset = doorbell_q[2];
  assign hw_in.events.second.hwset    = second_q;
  assign hw_in.events.dma.hwset       = rd_done_i || wr_done_i;
  assign hw_in.events.sbl.hwset       = sbl_q;
  assign hw_in.events.sbi.hwset       = sbi_q;
  assign hw_in.events.lab.hwset       = lab_q;
  assign hw_in.wait_events.value.next = events;

  // What the firmware may know.
  assign hw_in.boot.reason.next       = reason_q;
  assign hw_in.boot.rom.next          = rom_q;
  assign hw_in.boot.gate_closed.next  = gate_closed_q;
  assign hw_in.clk_hz.value.next      = clk_hz_q;
  assign hw_in.store_bytes.value.next = StoreBytes;
  assign hw_in.lab_command.value.next = lab_command_q;
  assign hw_in.errors.value.next      = {10'd0, internal_q, 5'd0};

  // What it may do.
  always_ff @(posedge clk) begin
    if (!regs_rst_n) begin
      rom_q         <= rom_i;
      irq_request_o <= 1'b0;
    end else begin
      irq_request_o <= hw_out.irq.vector.swmod;
    end
  end

  assign ready_o      = hw_out.control.ready.value;
  assign fail_o       = hw_out.control.fail.value;
  assign irq_vector_o = hw_out.irq.vector.value;
  assign fill_o       = hw_out.dma_mode.fill.value;

  // The DMA channels.
  logic       rd_full, wr_full;
  logic [3:0] rd_results, wr_results;

  vk_card_channel u_reader (
    .clk_i     (clk),
    .rst_ni    (regs_rst_n),
    .submit_i  (hw_out.reader.bytes.value.swmod),
    .valid_o   (rd_valid_o),
    .ready_i   (rd_ready_i),
    .done_i    (rd_done_i),
    .code_i    (rd_code_i),
    .take_i    (hw_out.reader.result.valid.swacc),
    .full_o    (rd_full),
    .open_o    (hw_in.reader.status.open.next),
    .results_o (rd_results),
    .code_o    (hw_in.reader.result.code.next)
  );
  assign hw_in.reader.status.full.next           = rd_full;
  assign hw_in.reader.host_lo.value.swwel        = rd_full;
  assign hw_in.reader.host_hi.value.swwel        = rd_full;
  assign hw_in.reader.store.value.swwel          = rd_full;
  assign hw_in.reader.bytes.value.swwel          = rd_full;
  assign hw_in.reader.status.results.next        = rd_results;
  assign hw_in.reader.result.valid.next          = rd_results != '0;

  assign rd_host_o  = {hw_out.reader.host_hi.value.value, hw_out.reader.host_lo.value.value};
  assign rd_store_o = hw_out.reader.store.value.value;
  assign rd_bytes_o = hw_out.reader.bytes.value.value;
  assign rd_abort_o = hw_out.reader.control.abort.value;

  vk_card_channel u_writer (
    .clk_i     (clk),
    .rst_ni    (regs_rst_n),
    .submit_i  (hw_out.writer.bytes.value.swmod),
    .valid_o   (wr_valid_o),
    .ready_i   (wr_ready_i),
    .done_i    (wr_done_i),
    .code_i    (wr_code_i),
    .take_i    (hw_out.writer.result.valid.swacc),
    .full_o    (wr_full),
    .open_o    (hw_in.writer.status.open.next),
    .results_o (wr_results),
    .code_o    (hw_in.writer.result.code.next)
  );
  assign hw_in.writer.status.full.next           = wr_full;
  assign hw_in.writer.host_lo.value.swwel        = wr_full;
  assign hw_in.writer.host_hi.value.swwel        = wr_full;
  assign hw_in.writer.store.value.swwel          = wr_full;
  assign hw_in.writer.bytes.value.swwel          = wr_full;
  assign hw_in.writer.status.results.next        = wr_results;
  assign hw_in.writer.result.valid.next          = wr_results != '0;

  assign wr_host_o  = {hw_out.writer.host_hi.value.value, hw_out.writer.host_lo.value.value};
  assign wr_store_o = hw_out.writer.store.value.value;
  assign wr_bytes_o = hw_out.writer.bytes.value.value;
  assign wr_abort_o = hw_out.writer.control.abort.value;

  logic unused;
  assign unused = ^reg_addr_i[1:0];

endmodule

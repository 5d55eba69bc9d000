// SPDX-License-Identifier: Apache-2.0
// Registers of the lab bus (rtl/regs/vk_lab.rdl): shapes the DMA traffic, asks for interrupts, shows the
// gate. It can start and stop requesters but has no way to open the gate.
module vk_lab (
  input  logic        clk_i,
  input  logic        rst_ni,

  input  logic        lab_req_i,        // one clock, or held until lab_ack_o
  input  logic        lab_write_i,
  input  logic  [7:0] lab_addr_i,       // byte address
  input  logic [31:0] lab_wdata_i,
  output logic        lab_ack_o,        // one clock, after the request
  output logic [31:0] lab_rdata_o,

  input  logic        clear_i,          // card reset: the DMA enable falls
  output logic        dma_enable_o,
  output logic        dma_read_o,
  output logic [31:0] dma_period_o,
  output logic [15:0] dma_length_o,
  output logic        irq_request_o,    // one clock
  output logic  [2:0] irq_vector_o,
  output logic        boot_rom_o,       // how the firmware comes up after the next card reset
  output logic [31:0] command_o,        // to the firmware
  output logic        command_new_o,    // one clock
  output logic [31:0] fault_o,          // seeded defects; 0 in a release build

  input  logic [31:0] dma_sequence_i,
  input  logic [63:0] dma_buffer_i,
  input  logic [31:0] dma_size_i,
  input  logic        gate_closed_i,
  input  logic  [4:0] gate_cause_i,
  input  logic        card_ready_i,
  input  logic        dma_busy_i,
  input  logic        read_outstanding_i,
  input  logic        cpl_ok_i,
  input  logic        cpl_error_i,
  input  logic        cpl_timeout_i
);

  vk_lab_regs_pkg::vk_lab__in_t  hw_in;
  vk_lab_regs_pkg::vk_lab__out_t hw_out;
  logic        access, known, clk;
  logic [31:0] rdata;

  // The clock runs with an access, with what is counted, with a reset while there is something to clear, and
  // for the clock after, in which pulses end.
  clock_gate u_clock (
    .clk_i,
    .enable_i (!rst_ni || lab_req_i || lab_ack_o || irq_request_o || cpl_ok_i || cpl_error_i || cpl_timeout_i ||
               (clear_i && dma_enable_o)),
    .clk_o    (clk)
  );

  assign access = lab_req_i && !lab_ack_o;
  assign known  = !lab_addr_i[7];

  vk_lab_regs u_regs (
    .clk                  (clk),
    .rst_n                (rst_ni),
    .s_cpuif_req          (access && known),
    .s_cpuif_req_is_wr    (lab_write_i),
    .s_cpuif_addr         ({lab_addr_i[6:2], 2'b00}),
    .s_cpuif_wr_data      (lab_wdata_i),
    .s_cpuif_wr_biten     ('1),
    .s_cpuif_req_stall_wr (), .s_cpuif_req_stall_rd (),  // answers in the same clock: never stalls
    .s_cpuif_rd_ack       (), .s_cpuif_rd_err       (),
    .s_cpuif_rd_data      (rdata),
    .s_cpuif_wr_ack       (), .s_cpuif_wr_err       (),
    .hwif_in              (hw_in),
    .hwif_out             (hw_out)
  );

  always_ff @(posedge clk) begin
    if (!rst_ni) begin
      lab_ack_o     <= 1'b0;
      lab_rdata_o   <= '0;
      irq_request_o <= 1'b0;
    end else begin
      lab_ack_o     <= access;
      lab_rdata_o   <= known ? rdata : '0;
      irq_request_o <= hw_out.irq.vector.swmod;
    end
  end

  assign dma_enable_o = hw_out.dma_ctrl.enable.value;
  assign dma_read_o   = hw_out.dma_ctrl.mode.value;
  assign dma_period_o = hw_out.dma_period.cycles.value;
  assign dma_length_o = hw_out.dma_length.bytes.value;
  assign irq_vector_o = hw_out.irq.vector.value;

  assign boot_rom_o    = hw_out.boot_mode.rom.value;
  assign command_o     = hw_out.command.value.value;
  assign command_new_o = hw_out.command.value.swmod;
  assign fault_o       = vk_faults_pkg::Built ? hw_out.fault.value.value : '0;

  assign hw_in.dma_ctrl.enable.hwclr        = clear_i;
  assign hw_in.dma_seq.value.next           = dma_sequence_i;
  assign hw_in.dma_addr_lo.value.next       = dma_buffer_i[31:0];
  assign hw_in.dma_addr_hi.value.next       = dma_buffer_i[63:32];
  assign hw_in.dma_size.value.next          = dma_size_i;
  assign hw_in.status.gate_closed.next      = gate_closed_i;
  assign hw_in.status.gate_cause.next       = gate_cause_i[3:0];
  assign hw_in.status.gate_internal.next    = gate_cause_i[4];
  assign hw_in.status.card_ready.next       = card_ready_i;
  assign hw_in.status.dma_busy.next         = dma_busy_i;
  assign hw_in.status.read_outstanding.next = read_outstanding_i;
  assign hw_in.cpl_ok.count.incr            = cpl_ok_i;
  assign hw_in.cpl_err.count.incr           = cpl_error_i;
  assign hw_in.cpl_timeout.count.incr       = cpl_timeout_i;
  assign hw_in.faults_built.value.next      = vk_faults_pkg::Built;

  logic unused;
  assign unused = ^lab_addr_i[1:0];

endmodule

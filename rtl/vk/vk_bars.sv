// SPDX-License-Identifier: Apache-2.0
// What lies behind the BARs: registers in BAR 0, registers and message queues in BAR 2, card information in
// BAR 4. Every access is answered one clock later; addresses without anything behind them read 0. (The MSI-X
// table in BAR 0 is kept by the hard IP.)
module vk_bars
  import vk_pkg::*;
(
  input  logic        clk_i,
  input  logic        rst_ni,

  input  logic        bus_req_i,
  input  logic        bus_write_i,
  input  logic  [2:0] bus_bar_i,
  input  logic [15:0] bus_offset_i,
  input  logic  [3:0] bus_be_i,
  input  logic [31:0] bus_wdata_i,
  output logic        bus_ack_o,
  output logic [31:0] bus_rdata_o,

  input  logic        clear_i,       // registers back to reset values
  input  logic        init_i,        // memories take word init_addr_i of their image
  input  logic  [9:0] init_addr_i,
  input  logic        set_status_i,
  input  logic        set_marker_i,
  input  logic  [3:0] reason_i,
  input  logic        ready_i,       // memories are valid; before that they read 0 and take nothing
  input  logic        second_i,      // once a second

  output logic [63:0] buffer_o,      // scratch buffer announced by the driver; 0 = none
  output logic [31:0] size_o,
  output logic        buffer_new_o   // one clock: announced (again)
);

  typedef enum logic [2:0] {None, Bar0Regs, Bar1Regs, QueueRam, InfoRam} target_e;

  target_e     target, target_q;
  logic [31:0] biten;

  always_comb begin
    target = None;
    case (bus_bar_i)
      3'd0:    if (bus_offset_i[15:12] == 4'h0) target = Bar0Regs;
      3'd2:    if (bus_offset_i[15:12] == 4'h6) target = Bar1Regs;
               else if (bus_offset_i[15:12] == 4'h7) target = QueueRam;
      3'd4:    if (bus_offset_i[15:12] == 4'h0) target = InfoRam;
      default: target = None;
    endcase
    for (int i = 0; i < 4; i++) biten[8*i +: 8] = {8{bus_be_i[i]}};
  end

  logic regs_rst_n;
  assign regs_rst_n = rst_ni && !clear_i;

  // BAR 0.
  vk_bar0_regs_pkg::vk_bar0__in_t  bar0_in;
  vk_bar0_regs_pkg::vk_bar0__out_t bar0_out;
  logic [31:0] bar0_rdata;
  assign bar0_in.boot_status.value.next = BootStatusReady;
  assign bar0_in.boot_status.value.we   = set_status_i;
  assign bar0_in.fwsts.value.next       = {reason_i, FwstsReady};
  assign bar0_in.fwsts.value.we         = set_status_i;
  assign bar0_in.os_uptime.value.incr   = second_i;

  vk_bar0_regs u_bar0 (
    .clk                  (clk_i),
    .rst_n                (regs_rst_n),
    .s_cpuif_req          (bus_req_i && target == Bar0Regs),
    .s_cpuif_req_is_wr    (bus_write_i),
    .s_cpuif_addr         (bus_offset_i[11:0]),
    .s_cpuif_wr_data      (bus_wdata_i),
    .s_cpuif_wr_biten     (biten),
    .s_cpuif_req_stall_wr (), .s_cpuif_req_stall_rd (),  // answers in the same clock: never stalls
    .s_cpuif_rd_ack       (), .s_cpuif_rd_err       (),
    .s_cpuif_rd_data      (bar0_rdata),
    .s_cpuif_wr_ack       (), .s_cpuif_wr_err       (),
    .hwif_in              (bar0_in),
    .hwif_out             (bar0_out)
  );

  // BAR 2 registers.
  vk_bar1_regs_pkg::vk_bar1__in_t  bar1_in;
  vk_bar1_regs_pkg::vk_bar1__out_t bar1_out;
  logic [31:0] bar1_rdata;
  assign bar1_in.msgq_def_rdy.value.next = MarkerReady;
  assign bar1_in.msgq_def_rdy.value.we   = set_marker_i;

  vk_bar1_regs u_bar1 (
    .clk                  (clk_i),
    .rst_n                (regs_rst_n),
    .s_cpuif_req          (bus_req_i && target == Bar1Regs),
    .s_cpuif_req_is_wr    (bus_write_i),
    .s_cpuif_addr         (bus_offset_i[14:0]),
    .s_cpuif_wr_data      (bus_wdata_i),
    .s_cpuif_wr_biten     (biten),
    .s_cpuif_req_stall_wr (), .s_cpuif_req_stall_rd (),
    .s_cpuif_rd_ack       (), .s_cpuif_rd_err       (),
    .s_cpuif_rd_data      (bar1_rdata),
    .s_cpuif_wr_ack       (), .s_cpuif_wr_err       (),
    .hwif_in              (bar1_in),
    .hwif_out             (bar1_out)
  );

  // Memories. The rebuild and the host never meet: the host's accesses count only when the card is ready.
  logic        queue_write, info_write;
  logic  [9:0] ram_addr;
  logic  [3:0] ram_be;
  logic [31:0] queue_wdata, info_wdata, queue_rdata, info_rdata;
  assign ram_addr    = init_i ? init_addr_i : bus_offset_i[11:2];
  assign ram_be      = init_i ? 4'hf : bus_be_i;
  assign queue_write = init_i || (ready_i && bus_req_i && bus_write_i && target == QueueRam);
  assign info_write  = init_i || (ready_i && bus_req_i && bus_write_i && target == InfoRam);
  assign queue_wdata = init_i ? vk_image_pkg::bar2_word({4'h7, init_addr_i, 2'b00}) : bus_wdata_i;
  assign info_wdata  = init_i ? vk_image_pkg::bar4_word({4'h0, init_addr_i, 2'b00}) : bus_wdata_i;

  vk_ram u_queue_ram (
    .clk_i, .write_i(queue_write), .addr_i(ram_addr), .be_i(ram_be),
    .wdata_i(queue_wdata), .rdata_o(queue_rdata)
  );
  vk_ram u_info_ram (
    .clk_i, .write_i(info_write), .addr_i(ram_addr), .be_i(ram_be),
    .wdata_i(info_wdata), .rdata_o(info_rdata)
  );

  // Answer.
  logic [31:0] regs_rdata_q;
  logic        ready_q;
  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      bus_ack_o    <= 1'b0;
      target_q     <= None;
      ready_q      <= 1'b0;
      regs_rdata_q <= '0;
    end else begin
      bus_ack_o    <= bus_req_i;
      target_q     <= target;
      ready_q      <= ready_i;
      regs_rdata_q <= (target == Bar0Regs) ? bar0_rdata : bar1_rdata;
    end
  end

  always_comb begin
    case (target_q)
      Bar0Regs, Bar1Regs: bus_rdata_o = regs_rdata_q;
      QueueRam:           bus_rdata_o = ready_q ? queue_rdata : '0;
      InfoRam:            bus_rdata_o = ready_q ? info_rdata : '0;
      default:            bus_rdata_o = '0;
    endcase
  end

  // The announcement takes effect with its last word, the size: the address is written in two halves, and an
  // engine that runs meanwhile must not see one new and one old.
  logic size_written_q;
  always_ff @(posedge clk_i) begin
    if (!regs_rst_n) begin
      size_written_q <= 1'b0;
      buffer_new_o   <= 1'b0;
      buffer_o       <= '0;
      size_o         <= '0;
    end else begin
      size_written_q <= bar1_out.scratch_size.value.swmod;
      buffer_new_o   <= size_written_q;
      if (size_written_q) begin
        buffer_o <= {bar1_out.scratch_hi.value.value, bar1_out.scratch_lo.value.value};
        size_o   <= bar1_out.scratch_size.value.value;
      end
    end
  end

  logic unused;
  assign unused = ^{bar0_out.queue0_doorbell.value.value, bar0_out.queue1_doorbell.value.value,
                    bar0_out.queue2_doorbell.value.value, bar0_out.reset_doorbell.value.value,
                    bar0_out.tty_doorbell.value.value};  // for the card's firmware

endmodule

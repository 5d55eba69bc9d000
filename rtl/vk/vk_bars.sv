// SPDX-License-Identifier: Apache-2.0
// What lies behind the BARs: registers in BAR 0, registers, message queues and the boot window in BAR 2, card
// information in BAR 4. Two masters, the host (completer) and the card (soft core), use one bus; the host goes
// first. Accesses are answered one clock later, except that a write to the boot window waits for card memory.
// Addresses without anything behind them read 0. (The MSI-X table in BAR 0 is kept by the hard IP.)
module vk_bars
  import vk_pkg::*;
  import vk_faults_pkg::*;
#(
  parameter int unsigned StoreBytes = 1 << 20,
  parameter int unsigned QueueWords = 2048,    // from 0x7000 of BAR 2
  parameter int unsigned InfoWords  = 1024     // from 0 of BAR 4
) (
  input  logic                          clk_i,
  input  logic                          rst_ni,
  input  logic                   [31:0] fault_i,

  input  logic                          host_req_i,    // one clock per access
  input  logic                          host_write_i,
  input  logic                    [2:0] host_bar_i,
  input  logic         [OffsetBits-1:0] host_offset_i,
  input  logic                    [3:0] host_be_i,
  input  logic                   [31:0] host_wdata_i,
  output logic                          host_ack_o,

  input  logic                          card_req_i,    // held until the answer
  input  logic                          card_write_i,  // a register takes whole dwords only
  input  logic                    [2:0] card_bar_i,
  input  logic                   [15:0] card_offset_i,
  input  logic                    [3:0] card_be_i,
  input  logic                   [31:0] card_wdata_i,
  output logic                          card_ack_o,

  output logic                   [31:0] rdata_o,       // with either answer

  input  logic                          clear_i,       // registers back to reset values
  input  logic                          zero_i,        // memories take zero at word zero_addr_i
  input  logic [$clog2(QueueWords)-1:0] zero_addr_i,
  input  logic                          open_i,        // memories are there; else they read 0
  input  logic                          error_i,       // one clock: internal error

  output logic                    [2:0] doorbell_o,    // one clock each: the host wrote a queue's doorbell,
  output logic                          sbl_o,         // CODEPUSH_SBL,
  output logic                          sbi_o,         // CODEPUSH_SBI

  output logic                          mem_write_o,   // boot window, into card memory; held until ready
  output logic                   [31:0] mem_addr_o,
  output logic                    [3:0] mem_be_o,
  output logic                   [31:0] mem_wdata_o,
  input  logic                          mem_ready_i,

  output logic                   [63:0] buffer_o,      // scratch buffer announced by the driver; 0 = none
  output logic                   [31:0] size_o,
  output logic                          buffer_new_o   // one clock: announced (again)
);

  import vkbench_addr_pkg::*;

  // One access per clock.
  typedef enum logic [2:0] {None, Bar0Regs, Bar1Regs, QueueRam, InfoRam, BootWindow} target_e;

  logic                  card_turn, req, write;
  logic            [2:0] bar;
  logic [OffsetBits-1:0] offset;
  logic            [3:0] be;
  logic           [31:0] wdata, biten;
  target_e               target, target_q;

  assign card_turn = card_req_i && !card_ack_o && !host_req_i;
  assign req       = host_req_i || card_turn;
  assign write     = card_turn ? card_write_i : host_write_i;
  assign bar       = card_turn ? card_bar_i : host_bar_i;
  assign offset    = card_turn ? OffsetBits'(card_offset_i) : host_offset_i;
  assign be        = card_turn ? card_be_i : host_be_i;
  assign wdata     = card_turn ? card_wdata_i : host_wdata_i;

  always_comb begin
    target = None;
    case (bar)
      3'd0: if (offset[OffsetBits-1:12] == 9'h000) target = Bar0Regs;
      3'd2: begin
        if (offset[OffsetBits-1:12] == 9'h006) target = Bar1Regs;
        if (offset[OffsetBits-1:12] == 9'h007 || offset[OffsetBits-1:12] == 9'h008) target = QueueRam;
        if (offset[OffsetBits-1:18] == 3'b100) target = BootWindow;
      end
      3'd4: if (offset[OffsetBits-1:12] == 9'h000) target = InfoRam;
      default: target = None;
    endcase
    for (int i = 0; i < 4; i++) biten[8*i +: 8] = {8{be[i]}};
  end

  // Registers. The host's accesses go by the register block's bus, and so do the card's reads. The card's
  // writes go by the hardware side, which reaches what the host cannot write.
  logic regs_rst_n, card_write, error_q;
  assign regs_rst_n = rst_ni && !clear_i;

  // Registered: a simulator then works out what the registers become only while this block's clock runs.
  always_ff @(posedge clk_i) error_q <= rst_ni && error_i;
  assign card_write = card_turn && card_write_i;

  function automatic logic hit0(logic [31:0] register_offset);
    return card_write && target == Bar0Regs && be == 4'hf && 32'(offset) == register_offset;
  endfunction
  function automatic logic hit1(logic [31:0] register_offset);
    return card_write && target == Bar1Regs && be == 4'hf && 32'(offset) == register_offset;
  endfunction

  vk_bar0_regs_pkg::vk_bar0__in_t  bar0_in;
  vk_bar0_regs_pkg::vk_bar0__out_t bar0_out;
  logic [31:0] bar0_rdata;

  always_comb begin
    bar0_in.codepush_sbl.value             = '{next: wdata, we: hit0(VK_BAR0_CODEPUSH_SBL_OFFSET)};
    bar0_in.boot_status.value              = '{next: wdata, we: hit0(VK_BAR0_BOOT_STATUS_OFFSET)};
    bar0_in.codepush_sbi.value             = '{next: wdata, we: hit0(VK_BAR0_CODEPUSH_SBI_OFFSET)};
    bar0_in.card_status.value              = '{next: wdata, we: hit0(VK_BAR0_CARD_STATUS_OFFSET)};
    bar0_in.fwsts.value                    = '{next: wdata, we: hit0(VK_BAR0_FWSTS_OFFSET)};
    bar0_in.boot1_stdalone_progress.value  = '{next: wdata, we: hit0(VK_BAR0_BOOT1_STDALONE_PROGRESS_OFFSET)};
    bar0_in.os_uptime.value                = '{next: wdata, we: hit0(VK_BAR0_OS_UPTIME_OFFSET)};
    bar0_in.chip_id.value                  = '{next: wdata, we: hit0(VK_BAR0_CHIP_ID_OFFSET)};
    bar0_in.temperature.value              = '{next: wdata, we: hit0(VK_BAR0_TEMPERATURE_OFFSET)};
    bar0_in.voltage.value                  = '{next: wdata, we: hit0(VK_BAR0_VOLTAGE_OFFSET)};
    bar0_in.card_err_mem.value             = '{next: wdata, we: hit0(VK_BAR0_CARD_ERR_MEM_OFFSET)};
    bar0_in.pwr_and_thre.value             = '{next: wdata, we: hit0(VK_BAR0_PWR_AND_THRE_OFFSET)};
    bar0_in.intf_ver.value                 = '{next: wdata, we: hit0(VK_BAR0_INTF_VER_OFFSET)};
    bar0_in.card_err_log.value.we          = hit0(VK_BAR0_CARD_ERR_LOG_OFFSET) || error_q;
    bar0_in.card_err_log.value.next        = hit0(VK_BAR0_CARD_ERR_LOG_OFFSET)
                                             ? wdata : bar0_out.card_err_log.value.value;
    if (error_q) bar0_in.card_err_log.value.next[ErrLogSysFault] = 1'b1;
  end

  vk_bar0_regs u_bar0 (
    .clk                  (clk_i),
    .rst_n                (regs_rst_n),
    .s_cpuif_req          (req && !card_write && target == Bar0Regs),
    .s_cpuif_req_is_wr    (write),
    .s_cpuif_addr         (offset[11:0]),
    .s_cpuif_wr_data      (wdata),
    .s_cpuif_wr_biten     (biten),
    .s_cpuif_req_stall_wr (), .s_cpuif_req_stall_rd (),  // answers in the same clock: never stalls
    .s_cpuif_rd_ack       (), .s_cpuif_rd_err       (),
    .s_cpuif_rd_data      (bar0_rdata),
    .s_cpuif_wr_ack       (), .s_cpuif_wr_err       (),
    .hwif_in              (bar0_in),
    .hwif_out             (bar0_out)
  );

  vk_bar1_regs_pkg::vk_bar1__in_t  bar1_in;
  vk_bar1_regs_pkg::vk_bar1__out_t bar1_out;
  logic [31:0] bar1_rdata;

  always_comb begin
    bar1_in.msgq_def_rdy.value  = '{next: wdata, we: hit1(VK_BAR1_MSGQ_DEF_RDY_OFFSET)};
    bar1_in.msgq_nr.value       = '{next: wdata, we: hit1(VK_BAR1_MSGQ_NR_OFFSET)};
    bar1_in.msgq_ctrl_off.value = '{next: wdata, we: hit1(VK_BAR1_MSGQ_CTRL_OFF_OFFSET)};
    bar1_in.ucode_ver_tag.value = '{next: wdata, we: hit1(VK_BAR1_UCODE_VER_TAG_OFFSET)};
    bar1_in.boot1_ver_tag.value = '{next: wdata, we: hit1(VK_BAR1_BOOT1_VER_TAG_OFFSET)};
  end

  vk_bar1_regs u_bar1 (
    .clk                  (clk_i),
    .rst_n                (regs_rst_n),
    .s_cpuif_req          (req && !card_write && target == Bar1Regs),
    .s_cpuif_req_is_wr    (write),
    .s_cpuif_addr         (offset[14:0]),
    .s_cpuif_wr_data      (wdata),
    .s_cpuif_wr_biten     (biten),
    .s_cpuif_req_stall_wr (), .s_cpuif_req_stall_rd (),
    .s_cpuif_rd_ack       (), .s_cpuif_rd_err       (),
    .s_cpuif_rd_data      (bar1_rdata),
    .s_cpuif_wr_ack       (), .s_cpuif_wr_err       (),
    .hwif_in              (bar1_in),
    .hwif_out             (bar1_out)
  );

  // The host's writes that the firmware wants to know of.
  assign doorbell_o = {bar0_out.queue2_doorbell.value.swmod, bar0_out.queue1_doorbell.value.swmod,
                       bar0_out.queue0_doorbell.value.swmod};
  assign sbl_o      = bar0_out.codepush_sbl.value.swmod;
  assign sbi_o      = bar0_out.codepush_sbi.value.swmod;

  // Memories.
  logic  [$clog2(QueueWords)-1:0] queue_addr;
  logic  [$clog2(InfoWords)-1:0]  info_addr;
  logic                           queue_write, info_write;
  logic                     [3:0] ram_be;
  logic                    [31:0] ram_wdata, queue_rdata, info_rdata;
  assign queue_addr  = zero_i ? zero_addr_i : {!offset[12], offset[11:2]};  // 0x7000 is word 0
  assign info_addr   = zero_i ? zero_addr_i[$bits(info_addr)-1:0] : offset[$bits(info_addr)+1:2];
  assign ram_be      = zero_i ? 4'hf : be;
  assign ram_wdata   = zero_i ? '0 : wdata;
  // INDEX_KEPT: no zero reaches the indices of the 6 descriptors.
  logic index_kept;
  assign index_kept  = faulty(fault_i, INDEX_KEPT) && queue_addr < 48 && queue_addr[2:1] == 2'b01 &&
                       (zero_i || (card_turn && wdata == '0));
  assign queue_write = (zero_i || (open_i && req && write && target == QueueRam)) && !index_kept;
  assign info_write  = zero_i || (open_i && req && write && target == InfoRam);

  vk_ram #(.Words(QueueWords)) u_queue_ram (
    .clk_i, .write_i(queue_write), .addr_i(queue_addr), .be_i(ram_be), .wdata_i(ram_wdata),
    .rdata_o(queue_rdata)
  );
  vk_ram #(.Words(InfoWords)) u_info_ram (
    .clk_i, .write_i(info_write), .addr_i(info_addr), .be_i(ram_be), .wdata_i(ram_wdata),
    .rdata_o(info_rdata)
  );

  // Boot window: the host pushes the boot 1 image, which lands behind the user area of card memory.
  localparam int unsigned BootWindowStore = StoreBytes - 32'h8_0000;

  logic boot_write;
  assign boot_write = req && write && target == BootWindow;

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      mem_write_o <= 1'b0;
      mem_addr_o  <= '0;
      mem_be_o    <= '0;
      mem_wdata_o <= '0;
    end else if (boot_write) begin
      mem_write_o <= 1'b1;
      mem_addr_o  <= BootWindowStore + 32'(offset[17:0]);
      mem_be_o    <= be;
      mem_wdata_o <= wdata;
    end else if (mem_ready_i) begin
      mem_write_o <= 1'b0;
    end
  end

  // Answer.
  logic [31:0] regs_rdata_q;
  logic        host_ack_q, open_q, marker_seen;
  assign marker_seen = 32'(offset) == VK_BAR1_MSGQ_DEF_RDY_OFFSET &&
                       (open_i ? faulty(fault_i, MARKER_EARLY) : faulty(fault_i, MARKER_KEPT));
  assign host_ack_o = host_ack_q || (mem_write_o && mem_ready_i);

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      host_ack_q   <= 1'b0;
      card_ack_o   <= 1'b0;
      target_q     <= None;
      open_q       <= 1'b0;
      regs_rdata_q <= '0;
    end else begin
      host_ack_q   <= host_req_i && !boot_write;
      card_ack_o   <= card_turn;
      target_q     <= target;
      open_q       <= open_i;
      regs_rdata_q <= (target == Bar0Regs) ? bar0_rdata : marker_seen ? 32'hbeef_cafe : bar1_rdata;
    end
  end

  always_comb begin
    case (target_q)
      Bar0Regs, Bar1Regs: rdata_o = regs_rdata_q;
      QueueRam:           rdata_o = open_q ? queue_rdata : '0;
      InfoRam:            rdata_o = open_q ? info_rdata : '0;
      default:            rdata_o = '0;
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

`ifndef SYNTHESIS
  always_ff @(posedge clk_i) begin
    if (rst_ni) begin
      assert (!(host_req_i && mem_write_o)) else $error("access before the answer to the last");
      assert (!(zero_i && open_i)) else $error("memories zeroed while open");
    end
  end
`endif

endmodule

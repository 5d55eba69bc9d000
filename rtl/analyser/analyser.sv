// SPDX-License-Identifier: Apache-2.0
// The analyser: a logic analyser that watches a PCIe endpoint's wires and the server's console on one clock
// and speaks SCPI over a byte stream. It shares nothing with the endpoint but its wires; PERST# does not
// reset it.
//
// What is lossless. The record memory takes one record each clock, each tap's FIFO holds FIFO_DEPTH (128) events, and
// a pending TLP of a run (analyser_fold) holds up younger events for at most HORIZON = RUN_GAP_CYCLES + 3 = 35
// clocks. Folded TLPs are no events here: they take no room. So any mix whose events, over any stretch of clocks,
// exceed one per clock by no more than FIFO_DEPTH - HORIZON = 93 is recorded whole, for as long as the record memory
// has room: RING_RECORDS (65536) records of before and after the trigger.
//   * Line rate of 32 bytes a clock: writes of 256 bytes are one event each 8 clocks or more, completions of 64 bytes
//     one each 2 clocks, and a driver's registers, interrupts and console are far fewer than the 3 in 8 that are
//     left: whole, folded or not.
//   * Header-only TLPs in two directions, one each clock and way: two events per clock. Whole for 254 clocks, for 93
//     while another stream is in a run; then events are lost.
//   * Folded DMA at full rate: two records for each time round its buffer, or each RUN_SPAN_CYCLES: 100 ms at 250 MHz
//     of writes of 256 bytes into 64 KiB are 24,400 records, of completions for reads 3,100.
// Beyond that each lost event is counted, and LOSS records stand where they are missing. rtl/tests/analyser
// (loss_cases.py, fold_cases.py) tests these figures, at their edges.
module analyser
  import analyser_pkg::*;
  import capture_pkg::*;
#(
  parameter int unsigned RING_RECORDS = 65536,  // records, a power of two, 4 at least
  parameter int unsigned FIFO_DEPTH = 128,      // events per tap, a power of two, at most 128
  parameter FIRMWARE_HEX = "",                  // $readmemh image of firmware/analyser
  parameter bit CONSOLE_UART = 1'b0             // the console comes on con_rx_i, not as bytes
) (
  input  logic         clk_i,
  input  logic         rst_ni,          // power-on reset, synchronous
  input  logic  [31:0] clk_hz_i,        // rate of clk_i in Hz
  input  logic [127:0] build_id_i,      // shown by *IDN?

  input  logic         cq_valid_i,      // taps of the four TLP streams: hdr and data of beats with sop
  input  logic         cq_ready_i,
  input  logic         cq_sop_i,
  input  logic [127:0] cq_hdr_i,
  input  logic   [2:0] cq_bar_i,
  input  logic  [31:0] cq_data_i,
  input  logic         cc_valid_i,
  input  logic         cc_ready_i,
  input  logic         cc_sop_i,
  input  logic [127:0] cc_hdr_i,
  input  logic  [31:0] cc_data_i,
  input  logic         rq_valid_i,
  input  logic         rq_ready_i,
  input  logic         rq_sop_i,
  input  logic [127:0] rq_hdr_i,
  input  logic  [31:0] rq_data_i,
  input  logic         rc_valid_i,
  input  logic         rc_ready_i,
  input  logic         rc_sop_i,
  input  logic [127:0] rc_hdr_i,
  input  logic  [31:0] rc_data_i,
  input  logic         cfg_acc_valid_i, // pulse: a configuration access
  input  logic         cfg_acc_write_i,
  input  logic   [9:0] cfg_acc_addr_i,  // dword
  input  logic   [3:0] cfg_acc_be_i,    // of a write
  input  logic  [31:0] cfg_acc_data_i,  // written or read
  input  logic  [15:0] cfg_command_i,   // PCI Command register
  input  logic         cfg_flr_i,       // level: FLR in progress
  input  logic         cfg_flr_done_i,  // the card has done its part of the FLR
  input  logic         perst_ni,        // recorded only
  input  logic         msix_valid_i,
  input  logic         msix_ready_i,
  input  logic   [2:0] msix_vector_i,
  input  logic         con_valid_i,     // a byte of the server's console; not with CONSOLE_UART
  input  logic   [7:0] con_byte_i,
  input  logic         con_error_i,     // ... that had no stop bit
  input  logic         con_rx_i,        // serial line of the console, asynchronous; only with CONSOLE_UART
  input  logic         gate_closed_i,   // quiesce gate of the endpoint
  input  logic   [4:0] gate_cause_i,    // GateCause bits
  input  logic         card_reset_i,    // level: doorbell reset in progress
  input  logic         card_ready_i,    // level: the card presents BOOT2_RUNNING

  input  logic         link_up_i,       // slow levels, synchronous: capture_pkg::levels_t
  input  logic   [2:0] link_speed_i,
  input  logic   [2:0] link_width_i,
  input  logic   [5:0] link_ltssm_i,
  input  logic         msix_enable_i,
  input  logic         msix_mask_i,
  input  logic         dma_traffic_i,
  input  logic         dma_read_i,
  input  logic         dma_write_i,
  input  logic         dma_draining_i,
  input  logic   [2:0] no_credit_i,     // completions, non-posted, posted
  input  logic         core_trap_i,
  input  logic         core_idle_i,     // the card's soft core waits for work
  input  logic   [3:0] input_i,         // general inputs

  output logic   [1:0] trig_out_o,      // high from the trigger to the next arm; a pulse of the trigger's program

  output logic         lab_req_o,       // lab bus to the endpoint: req for one clock, ack then or later
  output logic         lab_write_o,
  output logic   [7:0] lab_addr_o,
  output logic  [31:0] lab_wdata_o,
  input  logic         lab_ack_i,
  input  logic  [31:0] lab_rdata_i,

  input  logic         scpi_rx_valid_i, // bytes from and to the SCPI client
  output logic         scpi_rx_ready_o,
  input  logic   [7:0] scpi_rx_byte_i,
  output logic         scpi_tx_valid_o,
  input  logic         scpi_tx_ready_i,
  output logic   [7:0] scpi_tx_byte_o
);
  localparam int unsigned AddrBits = $clog2(RING_RECORDS);

  logic [63:0] now_q;
  always_ff @(posedge clk_i) begin
    if (!rst_ni) now_q <= '0;
    else now_q <= now_q + 64'd1;
  end

  // ---- Soft core and its registers.
  analyser_regs_pkg::analyser__in_t hwif_next, hwif_in;
  analyser_regs_pkg::analyser__out_t hwif_out;
  logic core_clk, reg_req, reg_program, reg_write, reg_wait, lab_timeout;
  logic [11:0] reg_addr;
  logic [31:0] reg_wdata, reg_rdata, program_rdata;
  logic rx_valid, tx_ready;
  logic [7:0] rx_byte;
  logic inject_q, mark_q, move_q, peek_q, tx_q;

  // Strobes of written registers come one clock before the value.
  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      {inject_q, mark_q, move_q, peek_q, tx_q} <= '0;
    end else begin
      inject_q <= hwif_out.inject.taps.swmod;
      mark_q   <= hwif_out.mark.value.swmod;
      move_q   <= hwif_out.move_count.records.swmod;
      peek_q   <= hwif_out.peek.index.swmod;
      tx_q     <= hwif_out.scpi_tx.data.swmod;
    end
  end

  // ---- The console.
  logic con_valid, con_error;
  logic [7:0] con_byte;
  logic [31:0] con_errors;
  if (CONSOLE_UART) begin : gen_uart
    analyser_uart u_uart (
      .clk_i, .rst_ni,
      .rx_i(con_rx_i),
      .divisor_i(hwif_out.con_divisor.clocks.value),
      .valid_o(con_valid),
      .byte_o(con_byte),
      .error_o(con_error),
      .errors_o(con_errors)
    );
    logic unused;
    assign unused = ^{con_valid_i, con_byte_i, con_error_i};
  end else begin : gen_bytes
    assign con_valid = con_valid_i;
    assign con_byte  = con_byte_i;
    assign con_error = con_error_i;
    always_ff @(posedge clk_i) begin
      if (!rst_ni) con_errors <= '0;
      else if (con_valid_i && con_error_i && con_errors != '1) con_errors <= con_errors + 32'd1;
    end
    logic unused;
    assign unused = ^{con_rx_i, hwif_out.con_divisor.clocks.value};
  end

  // ---- Taps.
  logic [63:0] event_time;
  logic [NumTaps-1:0] tap_valid;
  tap_event_t tap_event[NumTaps];
  logic [127:0] tap_header[NumTaps];
  levels_t levels, levels_now;
  logic [15:0] command_now;
  logic [NumStats-1:0] stat_hit;
  logic [2:0] stat_resets;
  logic [1:0] stat_stall;
  logic stat_two_errors;
  logic text_valid, event_pending, fire;
  logic [7:0] text_byte;

  always_comb begin
    levels = '0;  // stall_* and core_hung: worked out behind this
    levels.link_up       = link_up_i;
    levels.link_speed    = link_speed_i;
    levels.link_width    = link_width_i;
    levels.ltssm         = link_ltssm_i;
    levels.msix_enable   = msix_enable_i;
    levels.msix_mask     = msix_mask_i;
    levels.dma_traffic   = dma_traffic_i;
    levels.dma_read      = dma_read_i;
    levels.dma_write     = dma_write_i;
    levels.dma_draining  = dma_draining_i;
    levels.no_credit_p   = no_credit_i[0];
    levels.no_credit_np  = no_credit_i[1];
    levels.no_credit_cpl = no_credit_i[2];
    levels.core_trap     = core_trap_i;
    levels.inputs        = input_i;
  end

  analyser_taps u_taps (
    .clk_i, .rst_ni,
    .now_i(now_q),
    .cq_valid_i, .cq_ready_i, .cq_sop_i, .cq_hdr_i, .cq_bar_i, .cq_data_i,
    .cc_valid_i, .cc_ready_i, .cc_sop_i, .cc_hdr_i, .cc_data_i,
    .rq_valid_i, .rq_ready_i, .rq_sop_i, .rq_hdr_i, .rq_data_i,
    .rc_valid_i, .rc_ready_i, .rc_sop_i, .rc_hdr_i, .rc_data_i,
    .cfg_acc_valid_i, .cfg_acc_write_i, .cfg_acc_addr_i, .cfg_acc_be_i, .cfg_acc_data_i,
    .cfg_command_i, .cfg_flr_i, .cfg_flr_done_i, .perst_ni,
    .msix_valid_i, .msix_ready_i, .msix_vector_i,
    .con_valid_i(con_valid),
    .con_byte_i(con_byte),
    .con_error_i(con_error),
    .gate_closed_i, .gate_cause_i, .card_reset_i, .card_ready_i,
    .levels_i(levels),
    .core_idle_i,
    .blind_i(hwif_out.blind.taps.value),
    .inject_i(inject_q),
    .inject_taps_i(hwif_out.inject.taps.value),
    .mark_i(mark_q),
    .mark_number_i(hwif_out.mark.value.value),
    .mark_name_i({hwif_out.mark_name[3].bytes.value, hwif_out.mark_name[2].bytes.value,
                  hwif_out.mark_name[1].bytes.value, hwif_out.mark_name[0].bytes.value}),
    .pending_o(event_pending),
    .mark_hold_i(fire),
    .time_o(event_time),
    .valid_o(tap_valid),
    .event_o(tap_event),
    .header_o(tap_header),
    .levels_o(levels_now),
    .command_o(command_now),
    .stat_o(stat_hit),
    .stat_stall_o(stat_stall),
    .stat_resets_o(stat_resets),
    .stat_two_errors_o(stat_two_errors),
    .con_valid_o(text_valid),
    .con_byte_o(text_byte)
  );

  // ---- The trigger.
  logic [NumTaps-1:0] qualified;
  logic pulse;
  logic [2:0] fire_source, fire_step;
  capture_state_e state;
  logic recording, counting, clear, rearm, flush, draining;
  logic [SegmentBits-1:0] segment;

  analyser_sequencer u_sequencer (
    .clk_i, .rst_ni,
    .core_clk_i(core_clk),
    .reg_req_i(reg_req & reg_program),
    .reg_write_i(reg_write),
    .reg_addr_i(reg_addr),
    .reg_wdata_i(reg_wdata),
    .reg_rdata_o(program_rdata),
    .clear_i(clear | rearm | hwif_out.ctrl.reset.value),
    .armed_i(state == StArmed && !draining),
    .stop_i(hwif_out.ctrl.stop.value | hwif_out.ctrl.reset.value),
    .immediate_i(hwif_out.ctrl.trigger.value),
    .source_i(hwif_out.trig_source.source.value),
    .valid_i(tap_valid),
    .event_i(tap_event),
    .header_i(tap_header),
    .time_i(event_time),
    .con_valid_i(text_valid),
    .con_byte_i(text_byte),
    .qualify_term_i(hwif_out.qualify_term.term.value),
    .qualify_use_i(hwif_out.qualify_term.use_.value),
    .qualify_o(qualified),
    .fire_o(fire),
    .source_o(fire_source),
    .step_o(fire_step),
    .time_o(),
    .pulse_o(pulse)
  );

  logic triggered_q;
  logic [3:0] pulse_left_q;  // clocks that trig_out_o[1] stays high
  logic pulse_q;
  always_ff @(posedge clk_i) begin
    if (!rst_ni || clear || rearm || hwif_out.ctrl.reset.value) triggered_q <= 1'b0;
    else if (fire) triggered_q <= 1'b1;
    if (!rst_ni) begin
      pulse_q      <= 1'b0;
      pulse_left_q <= '0;
    end else if (pulse || pulse_q) begin
      pulse_q      <= pulse || pulse_left_q != '0;
      pulse_left_q <= pulse ? '1 : pulse_left_q - 1'b1;
    end
  end
  assign trig_out_o = {pulse_q, triggered_q};

  // ---- What is recorded of it.
  logic [WeightBits+2:0] lost_now;
  logic records_idle, record_valid;
  record_t record;

  analyser_records #(
    .FIFO_DEPTH(FIFO_DEPTH)
  ) u_records (
    .clk_i, .rst_ni,
    .flush_i(flush),
    .begin_i(clear),
    .recording_i(recording),
    .fold_i(hwif_out.fold.enable.value),
    .qualify_i(hwif_out.qualify.taps.value & qualified),
    .blind_i(hwif_out.blind.taps.value),
    .now_i(now_q),
    .time_i(event_time[TimeBits-1:0]),
    .valid_i(tap_valid),
    .event_i(tap_event),
    .header_i(tap_header),
    .levels_i(levels_now),
    .command_i(command_now),
    .fire_i(fire),
    .fire_source_i(fire_source),
    .fire_step_i(fire_step),
    .segment_i(segment),
    .idle_o(records_idle),
    .lost_o(lost_now),
    .record_valid_o(record_valid),
    .record_o(record)
  );

  // ---- Capture state, record memory, statistics.
  logic ring_write, ring_read;
  logic [AddrBits-1:0] write_addr, read_addr, move_base, move_mask, move_oldest;
  logic [AddrBits:0] held, seg_count, move_count;
  logic [SegmentBits:0] seg_used;
  logic [SegmentBits-1:0] move_segment;
  logic [63:0] first_fired, seg_armed, seg_fired;
  logic [255:0] ring_record;

  analyser_control #(
    .RING_RECORDS(RING_RECORDS)
  ) u_control (
    .clk_i, .rst_ni,
    .arm_i(hwif_out.ctrl.arm.value),
    .stop_i(hwif_out.ctrl.stop.value),
    .reset_i(hwif_out.ctrl.reset.value),
    .pretrigger_i(hwif_out.pretrigger.value.value),
    .segments_i(hwif_out.segments.log2.value),
    .now_i(now_q),
    .time_i(event_time),
    .trigger_i(fire),
    .idle_i(records_idle),
    .record_valid_i(record_valid),
    .record_is_trigger_i(record.kind == 8'(KIND_TRIGGER)),
    .state_o(state),
    .draining_o(draining),
    .recording_o(recording),
    .counting_o(counting),
    .clear_o(clear),
    .rearm_o(rearm),
    .flush_o(flush),
    .write_o(ring_write),
    .write_addr_o(write_addr),
    .count_o(held),
    .segment_o(segment),
    .used_o(seg_used),
    .fired_o(first_fired),
    .look_i(hwif_out.seg_select.index.value),
    .look_count_o(seg_count),
    .look_armed_o(seg_armed),
    .look_fired_o(seg_fired),
    .move_i(move_segment),
    .move_count_o(move_count),
    .move_base_o(move_base),
    .move_mask_o(move_mask),
    .move_oldest_o(move_oldest)
  );

  analyser_ring #(
    .RING_RECORDS(RING_RECORDS)
  ) u_ring (
    .clk_i,
    .write_i(ring_write),
    .write_addr_i(write_addr),
    .record_i(record),
    .read_addr_i(read_addr),
    .read_i(ring_read),
    .record_o(ring_record)
  );

  logic [63:0] snap_now, snap_lost, stat_arm, stat_trigger, stat_first, stat_last;
  analyser_stats u_stats (
    .clk_i, .rst_ni,
    .core_clk_i(core_clk),
    .clear_i(clear),
    .enable_i(counting),
    .triggered_i(state == StTriggered),
    .time_i(event_time),
    .event_i(stat_hit),
    .stall_i(stat_stall),
    .resets_i(stat_resets),
    .two_errors_i(stat_two_errors),
    .lost_i(lost_now),
    .now_i(now_q),
    .snapshot_i(hwif_out.ctrl.snapshot.value),
    .select_i(hwif_out.stat_select.index.value),
    .now_o(snap_now),
    .lost_o(snap_lost),
    .count_arm_o(stat_arm),
    .count_trigger_o(stat_trigger),
    .first_trigger_o(stat_first),
    .last_o(stat_last)
  );

  // ---- Bytes from and to the client; the block mover's go out ahead of the core's.
  logic mover_busy, mover_seeking, mover_valid, out_ready, tx_valid;
  logic [7:0] mover_byte, tx_byte;

  analyser_mover #(
    .RING_RECORDS(RING_RECORDS)
  ) u_mover (
    .clk_i, .rst_ni,
    .segment_o(move_segment),
    .segment_base_i(move_base),
    .segment_mask_i(move_mask),
    .segment_oldest_i(move_oldest),
    .segment_count_i(move_count),
    .start_i(move_q),
    .first_i(hwif_out.move_first.index.value),
    .count_i(hwif_out.move_count.records.value),
    .stop_i(hwif_out.ctrl.move_stop.value),
    .busy_o(mover_busy),
    .peek_i(peek_q),
    .peek_index_i(hwif_out.peek.index.value),
    .seeking_o(mover_seeking),
    .read_o(ring_read),
    .addr_o(read_addr),
    .record_i(ring_record),
    .valid_o(mover_valid),
    .byte_o(mover_byte),
    .ready_i(out_ready & ~tx_q)
  );

  assign tx_valid = tx_q | mover_valid;
  assign tx_byte  = tx_q ? hwif_out.scpi_tx.data.value : mover_byte;
  assign tx_ready = out_ready & ~tx_q & ~mover_busy & ~move_q;

  analyser_bytes #(.Depth(64)) u_rx (
    .clk_i, .rst_ni,
    .valid_i(scpi_rx_valid_i),
    .ready_o(scpi_rx_ready_o),
    .byte_i(scpi_rx_byte_i),
    .valid_o(rx_valid),
    .ready_i(hwif_out.scpi_rx.data.swacc),
    .byte_o(rx_byte)
  );

  analyser_bytes #(.Depth(16)) u_tx (
    .clk_i, .rst_ni,
    .valid_i(tx_valid),
    .ready_o(out_ready),
    .byte_i(tx_byte),
    .valid_o(scpi_tx_valid_o),
    .ready_i(scpi_tx_ready_i),
    .byte_o(scpi_tx_byte_o)
  );

  // A register that cannot be served yet: no byte, no room for one, the record to look at is still sought.
  logic peek_data;
  assign peek_data = reg_addr >= 12'(vkbench_addr_pkg::ANALYSER_PEEK_DATA_0_OFFSET) &&
                     reg_addr <= 12'(vkbench_addr_pkg::ANALYSER_PEEK_DATA_7_OFFSET);
  assign reg_wait  = !reg_program &&
                     ((reg_addr == 12'(vkbench_addr_pkg::ANALYSER_SCPI_RX_OFFSET) && !rx_valid) ||
                      (reg_addr == 12'(vkbench_addr_pkg::ANALYSER_SCPI_TX_OFFSET) && !tx_ready) ||
                      (peek_data && mover_seeking));

  analyser_cpu #(
    .FIRMWARE_HEX(FIRMWARE_HEX)
  ) u_cpu (
    .clk_i, .rst_ni,
    .core_clk_o(core_clk),
    .reg_req_o(reg_req),
    .reg_program_o(reg_program),
    .reg_write_o(reg_write),
    .reg_addr_o(reg_addr),
    .reg_wdata_o(reg_wdata),
    .reg_rdata_i(reg_program ? program_rdata : reg_rdata),
    .reg_wait_i(reg_wait),
    .lab_req_o, .lab_write_o, .lab_addr_o, .lab_wdata_o, .lab_ack_i, .lab_rdata_i,
    .lab_timeout_o(lab_timeout)
  );

  analyser_regs u_regs (
    .clk(core_clk),
    .rst_n(rst_ni),
    .s_cpuif_req(reg_req && !reg_program && reg_addr[11:9] == '0),
    .s_cpuif_req_is_wr(reg_write),
    .s_cpuif_addr(reg_addr[8:0]),
    .s_cpuif_wr_data(reg_wdata),
    .s_cpuif_wr_biten('1),
    .s_cpuif_req_stall_wr(),
    .s_cpuif_req_stall_rd(),
    .s_cpuif_rd_ack(),
    .s_cpuif_rd_err(),
    .s_cpuif_rd_data(reg_rdata),
    .s_cpuif_wr_ack(),
    .s_cpuif_wr_err(),
    .hwif_in,
    .hwif_out
  );

  // What the registers show is sampled on the core's clock: it keeps the wide read multiplexer on registers of
  // its own, and in simulation still while the core waits. A sample is one clock old at the access; nothing
  // that the core can start shows its effect that early, and a byte from the client stays until it is read.
  always_ff @(posedge core_clk) hwif_in <= hwif_next;

  assign hwif_next.status.state.next         = state;
  assign hwif_next.status.draining.next      = draining;
  assign hwif_next.status.event_pending.next = event_pending;
  assign hwif_next.status.mover_busy.next    = mover_busy | move_q;
  assign hwif_next.status.tx_full.next       = ~out_ready;
  assign hwif_next.status.lab_timeout.next   = lab_timeout;
  assign hwif_next.status.rx_valid.next      = rx_valid;
  assign hwif_next.scpi_rx.valid.next        = rx_valid;
  assign hwif_next.scpi_rx.data.next         = rx_byte;
  assign hwif_next.trig_time_lo.value.next   = first_fired[31:0];
  assign hwif_next.trig_time_hi.value.next   = first_fired[63:32];
  assign hwif_next.depth.value.next          = RING_RECORDS;
  assign hwif_next.count.value.next          = 32'(held);
  assign hwif_next.lost_lo.value.next        = snap_lost[31:0];
  assign hwif_next.lost_hi.value.next        = snap_lost[63:32];
  assign hwif_next.time_lo.value.next        = snap_now[31:0];
  assign hwif_next.time_hi.value.next        = snap_now[63:32];
  assign hwif_next.stat_arm_lo.value.next    = stat_arm[31:0];
  assign hwif_next.stat_arm_hi.value.next    = stat_arm[63:32];
  assign hwif_next.stat_count_lo.value.next  = stat_trigger[31:0];
  assign hwif_next.stat_count_hi.value.next  = stat_trigger[63:32];
  assign hwif_next.stat_first_lo.value.next  = stat_first[31:0];
  assign hwif_next.stat_first_hi.value.next  = stat_first[63:32];
  assign hwif_next.stat_last_lo.value.next   = stat_last[31:0];
  assign hwif_next.stat_last_hi.value.next   = stat_last[63:32];
  assign hwif_next.clk_hz.value.next         = clk_hz_i;
  assign hwif_next.levels.value.next         = levels_now;
  assign hwif_next.command.value.next        = command_now;
  assign hwif_next.con_errors.value.next     = con_errors;
  assign hwif_next.seg_used.value.next       = seg_used;
  assign hwif_next.seg_count.value.next      = 32'(seg_count);
  assign hwif_next.seg_armed_lo.value.next   = seg_armed[31:0];
  assign hwif_next.seg_armed_hi.value.next   = seg_armed[63:32];
  assign hwif_next.seg_trigger_lo.value.next = seg_fired[31:0];
  assign hwif_next.seg_trigger_hi.value.next = seg_fired[63:32];
  for (genvar i = 0; i < 8; i++) begin : gen_peek
    assign hwif_next.peek_data[i].value.next = ring_record[32*i+:32];
  end
  for (genvar i = 0; i < 4; i++) begin : gen_build_id
    assign hwif_next.build_id[i].value.next = build_id_i[32*i+:32];
  end
endmodule

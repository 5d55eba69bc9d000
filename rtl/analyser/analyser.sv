// SPDX-License-Identifier: Apache-2.0
// The analyser: a logic analyser that watches a PCIe endpoint's wires and the server's console on one clock
// and speaks SCPI over a byte stream. It shares nothing with the endpoint but its wires; PERST# does not
// reset it.
//
// What is lossless: the record memory takes one record each clock, and each tap FIFO holds FIFO_DEPTH
// events. So any mix whose events, over any stretch of time, exceed one per clock by no more than one FIFO's
// depth is recorded whole. At line rate with MPS 256 and 32 bytes a clock, DMA writes are one event each 8
// clocks or more; together with completions of 64 bytes (one each 2 clocks) and the register traffic of a
// driver that stays below one per clock. Headers without payload back to back in two directions do not,
// beyond a burst of FIFO_DEPTH clocks: then events are lost, each one is counted, and LOSS records stand
// where they are missing.
module analyser
  import analyser_pkg::*;
  import capture_pkg::*;
#(
  parameter int unsigned RING_RECORDS = 65536,  // records, a power of two, 4 at least
  parameter int unsigned FIFO_DEPTH = 64,       // events per tap, a power of two, at most 64
  parameter FIRMWARE_HEX = "",                  // $readmemh image of firmware/analyser
  parameter int BLIND_TAP = -1                  // test only: this tap (capture_pkg::TAP_*) sees nothing
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
  input  logic  [15:0] cfg_command_i,   // PCI Command register
  input  logic         cfg_flr_i,       // level: FLR in progress
  input  logic         cfg_flr_done_i,  // the card has done its part of the FLR
  input  logic         perst_ni,        // recorded only
  input  logic         msix_valid_i,
  input  logic         msix_ready_i,
  input  logic   [2:0] msix_vector_i,
  input  logic         con_valid_i,     // a byte of the server's console
  input  logic   [7:0] con_byte_i,
  input  logic         gate_closed_i,   // quiesce gate of the endpoint
  input  logic   [4:0] gate_cause_i,    // GateCause bits
  input  logic         card_reset_i,    // level: doorbell reset in progress
  input  logic         card_ready_i,    // level: the card presents BOOT2_RUNNING

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
  logic core_clk, reg_req, reg_write, reg_wait, lab_timeout;
  logic [7:0] reg_addr;
  logic [31:0] reg_wdata, reg_rdata;
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

  // ---- Taps, FIFOs, merge.
  logic [63:0] event_time;
  logic [NumTaps-1:0] tap_valid, head_valid, pop, fifo_empty;
  tap_event_t tap_event[NumTaps];
  tap_event_t head_event[NumTaps];
  logic [127:0] tap_header[NumTlpTaps];
  logic [127:0] head_header[NumTlpTaps];
  logic [TimeBits-1:0] head_time[NumTaps];
  logic [2:0] tap_lost[NumTaps];
  logic [5:0] lost_now;
  logic [NumStats-1:0] stat_hit;
  logic [2:0] stat_resets;
  logic doorbell, bme_fall, flr_start, con_valid, event_pending;
  logic [7:0] con_byte;
  logic fire;
  logic [2:0] fire_source;
  logic [63:0] fire_time;
  logic recording, counting, clear, flush, draining;
  capture_state_e state;
  logic record_valid, ring_write, ring_read;
  record_t record;
  logic [AddrBits-1:0] write_addr, read_addr, oldest;
  logic [AddrBits:0] held;
  logic [255:0] ring_record;

  analyser_taps #(
    .BLIND_TAP(BLIND_TAP)
  ) u_taps (
    .clk_i, .rst_ni,
    .now_i(now_q),
    .cq_valid_i, .cq_ready_i, .cq_sop_i, .cq_hdr_i, .cq_bar_i, .cq_data_i,
    .cc_valid_i, .cc_ready_i, .cc_sop_i, .cc_hdr_i, .cc_data_i,
    .rq_valid_i, .rq_ready_i, .rq_sop_i, .rq_hdr_i, .rq_data_i,
    .rc_valid_i, .rc_ready_i, .rc_sop_i, .rc_hdr_i, .rc_data_i,
    .cfg_command_i, .cfg_flr_i, .cfg_flr_done_i, .perst_ni,
    .msix_valid_i, .msix_ready_i, .msix_vector_i,
    .con_valid_i, .con_byte_i,
    .gate_closed_i, .gate_cause_i, .card_reset_i, .card_ready_i,
    .inject_i(inject_q),
    .inject_taps_i(hwif_out.inject.taps.value),
    .mark_i(mark_q),
    .mark_number_i(hwif_out.mark.value.value),
    .pending_o(event_pending),
    .trigger_i(fire),
    .trigger_source_i(fire_source),
    .time_o(event_time),
    .valid_o(tap_valid),
    .event_o(tap_event),
    .header_o(tap_header),
    .stat_o(stat_hit),
    .stat_resets_o(stat_resets),
    .doorbell_o(doorbell),
    .bme_fall_o(bme_fall),
    .flr_start_o(flr_start),
    .con_valid_o(con_valid),
    .con_byte_o(con_byte)
  );

  // The way of the records has a clock that stops while there are none: it runs while an event comes in, is
  // held or goes out, while lost ones are reported, and when the FIFOs start to be held empty.
  logic record_clk, record_wake, flush_q;
  assign record_wake = !rst_ni || (|tap_valid) || !(&fifo_empty) || record_valid || lost_now != '0 ||
                       (flush && !flush_q);
  always_ff @(posedge clk_i) flush_q <= rst_ni && flush;
  clock_gate u_record_clock (.clk_i, .enable_i(record_wake), .clk_o(record_clk));

  for (genvar tap = 0; tap < NumTaps; tap++) begin : gen_fifo
    logic [127:0] header_in, header_out;
    if (tap < NumTlpTaps) begin : gen_header
      assign header_in        = tap_header[tap];
      assign head_header[tap] = header_out;
    end else begin : gen_no_header
      logic unused;
      assign unused    = ^header_out;
      assign header_in = '0;
    end
    analyser_fifo #(
      .Tap(tap),
      .Depth(FIFO_DEPTH),
      .Split(tap == TAP_RESET),
      .Header(tap < NumTlpTaps)
    ) u_fifo (
      .clk_i(record_clk), .rst_ni,
      .flush_i(flush),
      .enable_i(recording),
      .push_i(tap_valid[tap]),
      .event_i(tap_event[tap]),
      .header_i(header_in),
      .time_i(event_time[TimeBits-1:0]),
      .valid_o(head_valid[tap]),
      .event_o(head_event[tap]),
      .header_o(header_out),
      .time_o(head_time[tap]),
      .pop_i(pop[tap]),
      .lost_o(tap_lost[tap]),
      .empty_o(fifo_empty[tap])
    );
  end

  always_comb begin
    lost_now = '0;
    for (int unsigned tap = 0; tap < NumTaps; tap++) lost_now += 6'(tap_lost[tap]);
  end

  analyser_merge u_merge (
    .clk_i(record_clk), .rst_ni,
    .flush_i(flush),
    .now_i(now_q),
    .valid_i(head_valid),
    .event_i(head_event),
    .header_i(head_header),
    .time_i(head_time),
    .pop_o(pop),
    .record_valid_o(record_valid),
    .record_o(record)
  );

  // ---- Trigger, capture state, record memory, statistics.
  logic [31:0] trigger_text[8];
  for (genvar i = 0; i < 8; i++) begin : gen_text
    assign trigger_text[i] = hwif_out.trig_text[i].bytes.value;
  end

  analyser_trigger u_trigger (
    .clk_i, .rst_ni,
    .clear_i(clear | hwif_out.ctrl.reset.value),
    .armed_i(state == StArmed && !draining),
    .stop_i(hwif_out.ctrl.stop.value | hwif_out.ctrl.reset.value),
    .source_i(hwif_out.trig_source.source.value),
    .immediate_i(hwif_out.ctrl.trigger.value),
    .length_i(hwif_out.trig_length.length.value),
    .text_i(trigger_text),
    .time_i(event_time),
    .con_valid_i(con_valid),
    .con_byte_i(con_byte),
    .doorbell_i(doorbell),
    .bme_fall_i(bme_fall),
    .flr_start_i(flr_start),
    .fire_o(fire),
    .source_o(fire_source),
    .time_o(fire_time)
  );

  analyser_control #(
    .RING_RECORDS(RING_RECORDS)
  ) u_control (
    .clk_i, .rst_ni,
    .arm_i(hwif_out.ctrl.arm.value),
    .stop_i(hwif_out.ctrl.stop.value),
    .reset_i(hwif_out.ctrl.reset.value),
    .pretrigger_i(hwif_out.pretrigger.value.value),
    .trigger_i(fire),
    .fifos_empty_i((&fifo_empty) & ~record_valid),
    .record_valid_i(record_valid),
    .record_is_trigger_i(record.kind == 8'(KIND_TRIGGER)),
    .state_o(state),
    .draining_o(draining),
    .recording_o(recording),
    .counting_o(counting),
    .clear_o(clear),
    .flush_o(flush),
    .write_o(ring_write),
    .write_addr_o(write_addr),
    .oldest_o(oldest),
    .count_o(held)
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
    .hit_i(stat_hit),
    .resets_i(stat_resets),
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
  logic mover_busy, mover_valid, out_ready, tx_valid;
  logic [7:0] mover_byte, tx_byte;

  analyser_mover #(
    .RING_RECORDS(RING_RECORDS)
  ) u_mover (
    .clk_i, .rst_ni,
    .oldest_i(oldest),
    .start_i(move_q),
    .first_i(hwif_out.move_first.index.value),
    .count_i(hwif_out.move_count.records.value),
    .busy_o(mover_busy),
    .peek_i(peek_q),
    .peek_index_i(hwif_out.peek.index.value),
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

  assign reg_wait = (reg_addr == 8'(vkbench_addr_pkg::ANALYSER_SCPI_RX_OFFSET) && !rx_valid) ||
                    (reg_addr == 8'(vkbench_addr_pkg::ANALYSER_SCPI_TX_OFFSET) && !tx_ready);

  analyser_cpu #(
    .FIRMWARE_HEX(FIRMWARE_HEX)
  ) u_cpu (
    .clk_i, .rst_ni,
    .core_clk_o(core_clk),
    .reg_req_o(reg_req),
    .reg_write_o(reg_write),
    .reg_addr_o(reg_addr),
    .reg_wdata_o(reg_wdata),
    .reg_rdata_i(reg_rdata),
    .reg_wait_i(reg_wait),
    .lab_req_o, .lab_write_o, .lab_addr_o, .lab_wdata_o, .lab_ack_i, .lab_rdata_i,
    .lab_timeout_o(lab_timeout)
  );

  analyser_regs u_regs (
    .clk(core_clk),
    .rst_n(rst_ni),
    .s_cpuif_req(reg_req),
    .s_cpuif_req_is_wr(reg_write),
    .s_cpuif_addr(reg_addr),
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
  assign hwif_next.scpi_rx.valid.next        = rx_valid;
  assign hwif_next.scpi_rx.data.next         = rx_byte;
  assign hwif_next.trig_time_lo.value.next   = fire_time[31:0];
  assign hwif_next.trig_time_hi.value.next   = fire_time[63:32];
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
  for (genvar i = 0; i < 8; i++) begin : gen_peek
    assign hwif_next.peek_data[i].value.next = ring_record[32*i+:32];
  end
  for (genvar i = 0; i < 4; i++) begin : gen_build_id
    assign hwif_next.build_id[i].value.next = build_id_i[32*i+:32];
  end
endmodule

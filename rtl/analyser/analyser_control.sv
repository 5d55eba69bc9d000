// SPDX-License-Identifier: Apache-2.0
// State of a capture and the record memory's pointers.
//
// The memory is cut into equal segments. In each, armed, the records run in a ring. From the TRIGGER record on,
// size - pretrigger records are written (it is the first of them), then the segment is frozen: what it held from
// before the trigger, up to pretrigger records, is never overwritten. The next segment then takes its records from
// the very next one on, so none falls between two segments, and its trigger is armed in the next clock. What happens
// in the clocks up to then fires no trigger: that is from the trigger of the segment before to the clock shown as
// "armed", in which its last record was written. After the last segment nothing more is recorded; statistics go on
// until stop.
module analyser_control
  import analyser_pkg::*;
  import capture_pkg::*;
#(
  parameter int unsigned RING_RECORDS = 65536,
  localparam int unsigned AddrBits = $clog2(RING_RECORDS),
  localparam int unsigned IndexBits = SegmentBits
) (
  input  logic             clk_i,
  input  logic             rst_ni,
  input  logic             arm_i,         // pulses; arm is taken in IDLE and DONE only
  input  logic             stop_i,
  input  logic             reset_i,
  input  logic      [31:0] pretrigger_i,  // records per segment; a segment's size or more: one less than that
  input  logic       [2:0] segments_i,    // 2 to the power of this; too large: as many as there can be
  input  logic      [63:0] now_i,
  input  logic      [63:0] time_i,        // of this clock's events
  input  logic             trigger_i,     // the trigger fires
  input  logic             idle_i,        // no event is on its way
  input  logic             record_valid_i,
  input  logic             record_is_trigger_i,
  output capture_state_e   state_o,
  output logic             draining_o,    // stopped, but events are still under way
  output logic             recording_o,   // taps feed their FIFOs
  output logic             counting_o,    // statistics count
  output logic             clear_o,       // pulse: a new capture starts
  output logic             rearm_o,       // pulse: the next segment starts
  output logic             flush_o,       // FIFOs hold nothing
  output logic             write_o,       // record goes to write_addr_o
  output logic [AddrBits-1:0] write_addr_o,
  output logic [AddrBits:0] count_o,      // records held, in all segments
  output logic [IndexBits-1:0] segment_o, // that is written
  output logic [IndexBits:0] used_o,      // segments that hold something, that one included
  output logic      [63:0] fired_o,       // when the first segment triggered; 0: not yet

  input  logic [IndexBits-1:0] look_i,    // segment shown on the following, zero if it is not used:
  output logic [AddrBits:0] look_count_o, // records that it holds
  output logic      [63:0] look_armed_o,  // when its trigger was armed
  output logic      [63:0] look_fired_o,  // when it fired; 0: not yet

  input  logic [IndexBits-1:0] move_i,    // the same for the reader of the memory
  output logic [AddrBits:0] move_count_o,
  output logic [AddrBits-1:0] move_base_o,   // address of its place
  output logic [AddrBits-1:0] move_mask_o,   // ... and size - 1
  output logic [AddrBits-1:0] move_oldest_o  // its oldest record, from move_base_o
);
  // A segment has at least two records, so that each closed one holds some.
  localparam int unsigned MostLog2 = IndexBits < AddrBits - 1 ? IndexBits : AddrBits - 1;

  typedef logic [AddrBits-1:0] addr_t;
  typedef logic [AddrBits:0] count_t;

  capture_state_e state_q;
  logic draining_q, counting_q, post_q;
  logic [IndexBits-1:0] segment_q, last_q;
  logic [2:0] log2, log2_q;
  addr_t mask, mask_q, base_q, offset_q;  // size - 1; the segment's place; where the next record goes in it
  count_t pre, count_q, closed_q;         // records before the trigger; held in this segment; in those before
  count_t left_q, window_q;               // records that the post window may still take; may take at first
  logic [63:0] fired_q;                   // this segment's trigger
  count_t next_count;                     // held in this segment after one more record
  addr_t next_offset;
  logic active, full, close;

  assign active       = state_q == StArmed || state_q == StTriggered;
  assign clear_o      = arm_i & ~active;
  assign flush_o      = ~active;
  assign recording_o  = active & ~draining_q;
  assign counting_o   = counting_q;
  assign write_o      = active & record_valid_i;
  assign write_addr_o = base_q | offset_q;
  assign count_o      = closed_q + count_q;
  assign segment_o    = segment_q;
  assign used_o       = state_q == StIdle ? '0 : {1'b0, segment_q} + 1'b1;
  assign state_o      = state_q;
  assign draining_o   = draining_q;

  assign log2 = segments_i > 3'(MostLog2) ? 3'(MostLog2) : segments_i;
  assign mask = addr_t'(RING_RECORDS - 1) >> log2;
  assign pre  = |(pretrigger_i & ~32'(mask)) ? count_t'(mask) : count_t'(pretrigger_i);

  assign next_offset = (offset_q + 1'b1) & mask_q;
  assign next_count  = count_q <= count_t'(mask_q) ? count_q + 1'b1 : count_q;

  // The last record that this segment takes; then the next one.
  assign full    = write_o && (post_q || record_is_trigger_i) && left_q == count_t'(1);
  assign close   = full || (active && draining_q && !write_o && idle_i);
  assign rearm_o = full && !draining_q && !stop_i && segment_q != last_q;

  // All of this stands still, and so does its clock, but when something is asked for, fires or is written.
  logic control_clk;
  clock_gate u_clock (
    .clk_i,
    .enable_i(!rst_ni || arm_i || stop_i || reset_i || trigger_i || record_valid_i || draining_q),
    .clk_o(control_clk)
  );

  always_ff @(posedge control_clk) begin
    if (!rst_ni || reset_i) begin
      state_q    <= StIdle;
      draining_q <= 1'b0;
      counting_q <= 1'b0;
      post_q     <= 1'b0;
      segment_q  <= '0;
      last_q     <= '0;
      log2_q     <= '0;
      mask_q     <= '0;
      base_q     <= '0;
      offset_q   <= '0;
      count_q    <= '0;
      closed_q   <= '0;
      left_q     <= '0;
      window_q   <= '0;
      fired_q    <= '0;
      fired_o    <= '0;
    end else begin
      if (clear_o) begin
        state_q    <= StArmed;
        draining_q <= 1'b0;
        counting_q <= 1'b1;
        post_q     <= 1'b0;
        segment_q  <= '0;
        last_q     <= IndexBits'((7'd1 << log2) - 7'd1);
        log2_q     <= log2;
        mask_q     <= mask;
        base_q     <= '0;
        offset_q   <= '0;
        count_q    <= '0;
        closed_q   <= '0;
        left_q     <= count_t'(mask) + 1'b1 - pre;
        window_q   <= count_t'(mask) + 1'b1 - pre;
        fired_q    <= '0;
        fired_o    <= '0;
      end
      if (trigger_i) begin
        state_q <= StTriggered;
        fired_q <= time_i;
        if (fired_o == '0) fired_o <= time_i;
      end
      if (stop_i) begin
        counting_q <= 1'b0;
        draining_q <= active;
      end
      if (write_o) begin
        offset_q <= next_offset;
        count_q  <= next_count;
        if (post_q || record_is_trigger_i) begin
          post_q <= 1'b1;
          left_q <= left_q - 1'b1;
        end
      end
      if (rearm_o) begin
        state_q   <= StArmed;
        post_q    <= 1'b0;
        segment_q <= segment_q + 1'b1;
        base_q    <= base_q + mask_q + 1'b1;
        offset_q  <= '0;
        count_q   <= '0;
        closed_q  <= closed_q + next_count;
        left_q    <= window_q;
        fired_q   <= '0;
      end else if (close) begin
        state_q    <= StDone;
        draining_q <= 1'b0;
      end
    end
  end

  // ---- What is known of closed segments; of the current one the registers tell.
  typedef struct packed {
    addr_t oldest;
    count_t count;
  } held_t;

  held_t held[2**IndexBits], move_held;
  logic [63:0] fired[2**IndexBits], armed[2**IndexBits];

  always_ff @(posedge control_clk) begin
    if (rearm_o) begin
      held[segment_q]  <= '{oldest: (next_offset - next_count[AddrBits-1:0]) & mask_q, count: next_count};
      fired[segment_q] <= fired_q;
    end
    if (clear_o || rearm_o) armed[clear_o ? '0 : segment_q + 1'b1] <= now_i;
  end

  always_comb begin
    look_count_o = '0;
    look_fired_o = '0;
    look_armed_o = '0;
    if ({1'b0, look_i} < used_o) begin
      look_count_o = look_i == segment_q ? count_q : held[look_i].count;
      look_fired_o = look_i == segment_q ? fired_q : fired[look_i];
      look_armed_o = armed[look_i];
    end
  end

  assign move_held   = held[move_i];
  assign move_mask_o = mask_q;
  assign move_base_o = addr_t'({move_i, {AddrBits{1'b0}}} >> log2_q);
  always_comb begin
    move_count_o  = move_held.count;
    move_oldest_o = move_held.oldest;
    if (move_i == segment_q) begin
      move_count_o  = count_q;
      move_oldest_o = (offset_q - count_q[AddrBits-1:0]) & mask_q;
    end
    if ({1'b0, move_i} >= used_o) move_count_o = '0;
  end
endmodule

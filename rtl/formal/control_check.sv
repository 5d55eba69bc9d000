// SPDX-License-Identifier: Apache-2.0
// Bound into analyser_control: where records go, and what is never overwritten. All is said about one address of the
// record memory and one segment that the proof chooses and keeps, hence about every one.
module control_check
  import analyser_pkg::*;
  import capture_pkg::*;
#(
  parameter int unsigned RING_RECORDS = 65536,
  localparam int unsigned AddrBits = $clog2(RING_RECORDS)
) (
  input logic                   clk_i,
  input logic                   rst_ni,
  input logic                   arm_i,
  input logic                   stop_i,
  input logic                   reset_i,
  input logic            [31:0] pretrigger_i,
  input logic             [2:0] segments_i,
  input logic            [63:0] now_i,
  input logic            [63:0] time_i,
  input logic                   trigger_i,
  input logic                   idle_i,
  input logic                   record_valid_i,
  input logic                   is_trigger_i,
  input capture_state_e         state_i,
  input logic                   draining_i,
  input logic                   rearm_i,
  input logic                   write_i,
  input logic    [AddrBits-1:0] write_addr_i,
  input logic      [AddrBits:0] count_i,
  input logic [SegmentBits-1:0] segment_i,
  input logic   [SegmentBits:0] used_i,
  input logic [SegmentBits-1:0] look_i,
  input logic      [AddrBits:0] look_count_i,
  input logic            [63:0] look_armed_i,
  input logic            [63:0] look_fired_i,
  input logic [SegmentBits-1:0] move_i,
  input logic      [AddrBits:0] move_count_i,
  input logic    [AddrBits-1:0] move_base_i,
  input logic    [AddrBits-1:0] move_mask_i,
  input logic    [AddrBits-1:0] move_oldest_i,

  input logic                   post_i,       // analyser_control's registers
  input logic [SegmentBits-1:0] last_i,
  input logic             [2:0] log2_i,
  input logic    [AddrBits-1:0] mask_i,
  input logic    [AddrBits-1:0] base_i,
  input logic    [AddrBits-1:0] offset_i,
  input logic      [AddrBits:0] held_i,
  input logic      [AddrBits:0] closed_i,
  input logic      [AddrBits:0] left_i,
  input logic      [AddrBits:0] window_i,
  input logic            [63:0] fired_i
);
  localparam int unsigned MostLog2 = SegmentBits < AddrBits - 1 ? SegmentBits : AddrBits - 1;

  typedef logic [AddrBits-1:0] addr_t;
  typedef logic [AddrBits:0] count_t;

  logic started_q = 1'b0;
  addr_t addr, addr_q;                      // the chosen address and segment
  logic [SegmentBits-1:0] chosen, chosen_q;
  any_value #(.Bits(AddrBits)) u_addr (.value_o(addr));
  any_value #(.Bits(SegmentBits)) u_chosen (.value_o(chosen));
  always_ff @(posedge clk_i) begin
    started_q <= 1'b1;
    addr_q    <= addr;
    chosen_q  <= chosen;
  end

  // ---- What the capture was asked for, and what has happened in it.
  logic begins;
  logic [2:0] log2, log2_q;      // of the number of segments
  count_t size, size_q, pre_q;   // records of a segment; of these before the trigger
  logic seen_q, in_post;         // the segment's TRIGGER record has been written; this one is it or behind it
  count_t posts_q;               // records of the segment from TRIGGER on
  count_t total_q, segment_q;    // records held in closed segments, in this one
  logic hit;                     // the chosen address is written
  logic mine_q, old_q;           // the chosen address was written in this segment, in an earlier one
  count_t since_q;               // records of its segment written after it
  logic kept_post_q, kept_pre_q; // it holds a record from TRIGGER on; one that the pre-trigger window promises
  logic [63:0] armed_q, fired_q; // of the chosen segment

  assign begins  = arm_i && (state_i == StIdle || state_i == StDone);
  assign log2    = segments_i > 3'(MostLog2) ? 3'(MostLog2) : segments_i;
  assign size    = count_t'(RING_RECORDS) >> log2;
  assign in_post = seen_q || is_trigger_i;
  assign hit     = write_i && write_addr_i == addr;

  always_ff @(posedge clk_i) begin
    if (!rst_ni || reset_i || begins) begin
      seen_q      <= 1'b0;
      posts_q     <= '0;
      total_q     <= '0;
      segment_q   <= '0;
      mine_q      <= 1'b0;
      old_q       <= 1'b0;
      since_q     <= '0;
      kept_post_q <= 1'b0;
      kept_pre_q  <= 1'b0;
      fired_q     <= '0;
      armed_q     <= now_i;
      if (!rst_ni || reset_i) begin
        log2_q <= '0;
        size_q <= '0;
        pre_q  <= '0;
      end else begin
        log2_q <= log2;
        size_q <= size;
        pre_q  <= pretrigger_i >= 32'(size) ? size - 1'b1 : count_t'(pretrigger_i);
      end
    end else begin
      if (trigger_i && segment_i == chosen) fired_q <= time_i;
      if (write_i) begin
        if (in_post) begin
          seen_q  <= 1'b1;
          posts_q <= posts_q + 1'b1;
        end
        if (segment_q != size_q) segment_q <= segment_q + 1'b1;
        if (hit) begin
          mine_q      <= 1'b1;
          since_q     <= '0;
          kept_post_q <= in_post;
        end else if (mine_q) begin
          since_q <= since_q + 1'b1;
          if (is_trigger_i && !seen_q && since_q < pre_q) kept_pre_q <= 1'b1;
        end
      end
      if (rearm_i) begin
        seen_q    <= 1'b0;
        posts_q   <= '0;
        total_q   <= total_q + segment_q + count_t'(write_i && segment_q != size_q);
        segment_q <= '0;
        mine_q    <= 1'b0;
        old_q     <= old_q || mine_q || hit;
        if (chosen == segment_i + 1'b1) armed_q <= now_i;
      end
    end
  end

  // ---- Where the chosen address stands: its segment; its place in it; the number of its record, oldest first; how
  // many records ago it was written if it is in the segment that is written.
  logic active, used, written, full, ended;
  logic [SegmentBits-1:0] of_addr;
  addr_t mask, place, index, ago;
  logic past_active_q, past_full_q, past_drained_q, past_rearm_q;

  assign active  = state_i == StArmed || state_i == StTriggered;
  assign of_addr = SegmentBits'(({SegmentBits'(0), addr} << log2_q) >> AddrBits);
  assign mask    = addr_t'(size_q - 1'b1);
  assign place   = addr & mask;
  assign index   = (place - move_oldest_i) & mask;
  assign ago     = (offset_i - 1'b1 - place) & mask;
  assign written = mine_q || old_q;
  assign used    = state_i != StIdle && chosen <= segment_i;
  assign full    = active && write_i && in_post && posts_q + 1'b1 == size_q - pre_q;
  assign ended   = state_i == StDone || past_rearm_q;
  always_ff @(posedge clk_i) begin
    past_active_q  <= rst_ni && !reset_i && active;
    past_full_q    <= full;
    past_drained_q <= draining_i && idle_i && !write_i;
    past_rearm_q   <= rearm_i;
  end

  always_comb begin
    e_power_on: assume (rst_ni == started_q);
    e_chosen:   assume (!started_q || (addr == addr_q && chosen == chosen_q));
    e_shown:    assume (move_i == chosen && look_i == chosen);   // shown at once: the solver's choice is any
    e_trigger:  assume (!trigger_i || (state_i == StArmed && !draining_i));  // analyser_sequencer's armed_i
    e_record:   assume (!(record_valid_i && is_trigger_i) || !active || state_i == StTriggered);  // made by trigger_i
  end

  always_ff @(posedge clk_i) begin
    if (rst_ni) begin
      p_post:     assert (!(hit && kept_post_q));
      c_post:     cover (write_i && kept_post_q && old_q && segment_q == size_q);
      p_pre:      assert (!(hit && kept_pre_q));
      c_pre:      cover (active && kept_pre_q && mine_q && since_q == size_q - 2'd2 && pre_q > 1 && log2_q != '0);
      p_apart:    assert (!(hit && old_q));
      c_apart:    cover (write_i && old_q && segment_i == 2'd2);
      p_place:    assert (!write_i || (segment_i <= last_i && (write_addr_i & ~mask) == move_base_i) ||
                          segment_i != chosen);
      c_place:    cover (write_i && segment_i == chosen && chosen == 2'd3);
      p_window:   assert (!(write_i && in_post) || posts_q < size_q - pre_q);
      c_window:   cover (full && pre_q != '0);
      p_closed:   assert (!past_active_q || ended == (past_full_q || past_drained_q));
      c_closed:   cover (past_active_q && past_drained_q && state_i == StDone);
      p_next:     assert (rearm_i == (full && !draining_i && !stop_i && 7'(segment_i) + 7'd1 < 7'd1 << log2_q));
      c_next:     cover (rearm_i && segment_i == 1'b1);
      p_taken:    assert (write_i == (active && record_valid_i));
      c_taken:    cover (past_rearm_q && write_i);
      p_held:     assert (!used || of_addr != chosen ||
                          (written == (count_t'(index) < move_count_i) &&
                           (!written || count_t'(index) + since_q + 1'b1 == move_count_i)));
      c_held:     cover (used && of_addr == chosen && old_q && index == '0 && move_oldest_i != '0);
      p_unused:   assert (used || (move_count_i == '0 && look_count_i == '0));
      c_unused:   cover (!used && state_i == StDone);
      p_count:    assert (count_i == total_q + segment_q && look_count_i == move_count_i);
      c_count:    cover (total_q != '0 && segment_q == size_q);
      p_times:    assert (!used || (look_armed_i == armed_q && look_fired_i == fired_q));
      c_times:    cover (used && chosen == 1'b1 && segment_i == 2'd2 && look_fired_i > look_armed_i);

      h_idle:     assert (state_i != StIdle || (!written && segment_q == '0 && total_q == '0 && held_i == '0 &&
                          closed_i == '0 && segment_i == '0));
      h_asked:    assert (state_i == StIdle || (log2_i == log2_q && log2_q <= 3'(MostLog2) &&
                          size_q == count_t'(RING_RECORDS) >> log2_q && mask_i == mask && pre_q < size_q &&
                          window_i == size_q - pre_q));
      h_segment:  assert (state_i == StIdle || (7'(last_i) + 7'd1 == 7'd1 << log2_q && segment_i <= last_i &&
                          base_i == addr_t'({segment_i, AddrBits'(0)} >> log2_q)));
      h_offset:   assert (state_i == StIdle || (held_i == segment_q && segment_q <= size_q && offset_i <= mask &&
                          (segment_q == size_q || count_t'(offset_i) == segment_q) && closed_i == total_q));
      h_post:     assert (!active || (post_i == seen_q && (seen_q || posts_q == '0) && posts_q < size_q - pre_q &&
                          left_i == size_q - pre_q - posts_q));
      h_fired:    assert (state_i == StIdle || segment_i != chosen || fired_i == fired_q);
      h_none:     assert (used || fired_q == '0);
      h_old:      assert (!old_q || (!mine_q && of_addr < segment_i));
      h_mine:     assert (state_i == StIdle || (of_addr == segment_i ? mine_q == (count_t'(ago) < segment_q) : !mine_q));
      h_since:    assert (!mine_q || (count_t'(ago) == since_q && since_q < segment_q));
      h_kept:     assert (!(kept_post_q || kept_pre_q) || written);
      h_kept_now: assert (!(kept_post_q && mine_q) || (seen_q && since_q < posts_q));
      h_kept_pre: assert (!(kept_pre_q && mine_q) || (seen_q && since_q < pre_q + posts_q));
      h_posts:    assert (!active || posts_q <= segment_q);
      h_seen:     assert (!(active && seen_q) || state_i == StTriggered);
    end
  end
endmodule

// SPDX-License-Identifier: Apache-2.0
// Bound into analyser_stats: what one class has counted.
module stats_check
  import analyser_pkg::*;
  import capture_pkg::*;
#(
  parameter int unsigned Class = 0
) (
  input logic              clk_i,
  input logic              rst_ni,
  input logic              clear_i,
  input logic              enable_i,
  input logic              triggered_i,
  input logic       [63:0] time_i,
  input logic [NumStats-1:0] event_i,
  input logic        [1:0] stall_i,
  input logic        [2:0] resets_i,
  input logic              two_errors_i,
  input logic [WeightBits+2:0] lost_i,
  input logic       [63:0] now_i,
  input logic              snapshot_i,
  input logic        [3:0] select_i,
  input logic       [63:0] now_o_i,
  input logic       [63:0] lost_o_i,
  input logic       [63:0] count_arm_i,
  input logic       [63:0] count_trigger_i,
  input logic       [63:0] first_i,
  input logic       [63:0] last_i,

  input logic       [47:0] arm_q_i,          // analyser_stats' registers of this class
  input logic       [47:0] trigger_q_i,
  input logic       [63:0] first_q_i,
  input logic       [63:0] last_q_i,
  input logic       [47:0] arm_held_i,       // ... as of the last snapshot
  input logic       [47:0] trigger_held_i,
  input logic       [63:0] first_held_i,
  input logic       [63:0] last_held_i,
  input logic       [47:0] lost_q_i,
  input logic              seen_i
);
  logic started_q = 1'b0;

  // What happened since the last clear, and what of it was known at the last snapshot.
  typedef struct packed {
    logic [47:0] arm;        // events of the class
    logic [47:0] trigger;    // ... from the clock after the trigger on
    logic [63:0] first;      // time of the first of those; 0: none
    logic [63:0] last;       // time of the last event; 0: none
    logic [47:0] lost;
  } seen_t;
  seen_t seen_q, snap_q;
  logic fired_q, after, counts;
  logic [63:0] snap_now_q;
  logic [47:0] events;
  assign after  = triggered_i || fired_q;
  always_comb begin
    counts = enable_i && event_i[Class];
    if (Class == (STAT_CQ_STALL)) counts = enable_i && stall_i[0];
    if (Class == (STAT_RQ_STALL)) counts = enable_i && stall_i[1];
    events = 48'd1;
    if (Class == (STAT_RESET)) events = 48'(resets_i);
    if (Class == (STAT_CPL_ERROR) && two_errors_i) events = 48'd2;
  end

  always_ff @(posedge clk_i) begin
    started_q <= 1'b1;
    if (!rst_ni || clear_i) begin
      seen_q  <= '0;
      fired_q <= 1'b0;
    end else begin
      if (triggered_i) fired_q <= 1'b1;
      seen_q.lost <= seen_q.lost + 48'(lost_i);
      if (counts) begin
        seen_q.arm  <= seen_q.arm + events;
        seen_q.last <= time_i;
        if (after) begin
          seen_q.trigger <= seen_q.trigger + events;
          if (seen_q.trigger == '0) seen_q.first <= time_i;
        end
      end
    end
    if (!rst_ni) begin
      snap_q     <= '0;
      snap_now_q <= '0;
    end else if (snapshot_i) begin
      snap_q     <= seen_q;
      snap_now_q <= now_i;
    end
  end

  always_comb begin
    e_power_on: assume (rst_ni == started_q);
  end

  always_ff @(posedge clk_i) begin
    if (rst_ni) begin
      p_counted:  assert (arm_q_i == seen_q.arm && last_q_i == seen_q.last);
      c_counted:  cover (seen_q.arm > 48'd3 && enable_i);
      p_after:    assert (trigger_q_i == seen_q.trigger && first_q_i == seen_q.first);
      c_after:    cover (seen_q.trigger == 48'd2 && seen_q.arm > 48'd3);
      p_lost:     assert (lost_q_i == seen_q.lost);
      c_lost:     cover (seen_q.lost != '0);
      p_snapshot: assert (lost_o_i == 64'(snap_q.lost) && now_o_i == snap_now_q && (select_i != 4'(Class) ||
                          (count_arm_i == 64'(snap_q.arm) && count_trigger_i == 64'(snap_q.trigger) &&
                           first_i == snap_q.first && last_i == snap_q.last)));
      c_snapshot: cover (select_i == 4'(Class) && count_trigger_i != '0 && lost_o_i != '0);

      h_held:     assert (arm_held_i == snap_q.arm && trigger_held_i == snap_q.trigger &&
                          first_held_i == snap_q.first && last_held_i == snap_q.last);
      h_seen:     assert (seen_i == fired_q);
    end
  end
endmodule

// The checker for an ordinary class and for those that are counted in another way.
module stats_classes
  import analyser_pkg::*;
  import capture_pkg::*;
(
  input logic              clk_i,
  input logic              rst_ni,
  input logic              clear_i,
  input logic              enable_i,
  input logic              triggered_i,
  input logic       [63:0] time_i,
  input logic [NumStats-1:0] event_i,
  input logic        [1:0] stall_i,
  input logic        [2:0] resets_i,
  input logic              two_errors_i,
  input logic [WeightBits+2:0] lost_i,
  input logic       [63:0] now_i,
  input logic              snapshot_i,
  input logic        [3:0] select_i,
  input logic       [63:0] now_o_i,
  input logic       [63:0] lost_o_i,
  input logic       [63:0] count_arm_i,
  input logic       [63:0] count_trigger_i,
  input logic       [63:0] first_i,
  input logic       [63:0] last_i,
  input logic       [47:0] arm_q_i       [NumStats],
  input logic       [47:0] trigger_q_i   [NumStats],
  input logic       [63:0] first_q_i     [NumStats],
  input logic       [63:0] last_q_i      [NumStats],
  input logic       [47:0] arm_held_i    [NumStats],
  input logic       [47:0] trigger_held_i[NumStats],
  input logic       [63:0] first_held_i  [NumStats],
  input logic       [63:0] last_held_i   [NumStats],
  input logic       [47:0] lost_q_i,
  input logic              seen_i
);
  localparam int unsigned Classes[4] = '{STAT_RQ_WR, STAT_RESET, STAT_CPL_ERROR, STAT_CQ_STALL};
  for (genvar i = 0; i < 4; i++) begin : gen_class
    stats_check #(.Class(Classes[i])) u_check (
      .arm_q_i        (arm_q_i[Classes[i]]),
      .trigger_q_i    (trigger_q_i[Classes[i]]),
      .first_q_i      (first_q_i[Classes[i]]),
      .last_q_i       (last_q_i[Classes[i]]),
      .arm_held_i     (arm_held_i[Classes[i]]),
      .trigger_held_i (trigger_held_i[Classes[i]]),
      .first_held_i   (first_held_i[Classes[i]]),
      .last_held_i    (last_held_i[Classes[i]]),
      .*
    );
  end
endmodule

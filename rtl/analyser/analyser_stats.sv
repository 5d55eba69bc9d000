// SPDX-License-Identifier: Apache-2.0
// Statistics of each class (capture_pkg::STAT_*), exact whatever the record memory or the FIFOs lose: events
// since arm and time of the last; events since the trigger (later than it) and time of the first. One
// snapshot holds all classes, the loss counter and the time of one and the same clock.
module analyser_stats
  import analyser_pkg::*;
  import capture_pkg::*;
(
  input  logic             clk_i,
  input  logic             core_clk_i,      // clk_i, stopped while the soft core waits: for what it reads
  input  logic             rst_ni,
  input  logic             clear_i,         // a new capture starts
  input  logic             enable_i,        // count
  input  logic             triggered_i,     // the trigger fired in an earlier clock
  input  logic      [63:0] time_i,          // of this clock's events
  input  logic [NumStats-1:0] event_i,      // classes hit by events
  input  logic       [1:0] stall_i,         // class CQ_STALL, RQ_STALL
  input  logic       [2:0] resets_i,        // events of class RESET
  input  logic             two_errors_i,    // two events of class CPL_ERROR
  input  logic [WeightBits+2:0] lost_i,     // events lost by the FIFOs, at any time before
  input  logic      [63:0] now_i,
  input  logic             snapshot_i,      // pulse of the soft core
  input  logic       [3:0] select_i,        // class shown
  output logic      [63:0] now_o,           // all outputs: as of the last snapshot
  output logic      [63:0] lost_o,
  output logic      [63:0] count_arm_o,
  output logic      [63:0] count_trigger_o,
  output logic      [63:0] first_trigger_o, // 0: none
  output logic      [63:0] last_o           // 0: none
);
  localparam int unsigned CountBits = 48;

  logic [CountBits-1:0] count_arm_q[NumStats], count_trigger_q[NumStats];
  logic [63:0] first_q[NumStats], last_q[NumStats];
  logic [CountBits-1:0] count_arm_held_q[NumStats], count_trigger_held_q[NumStats];
  logic [63:0] first_held_q[NumStats], last_held_q[NumStats];
  logic [CountBits-1:0] lost_q, lost_held_q;
  logic seen_trigger_q;  // a trigger fired since arm: also true after DONE

  logic [NumStats-1:0] hit;
  always_comb begin
    hit = event_i;
    hit[STAT_CQ_STALL] = stall_i[0];
    hit[STAT_RQ_STALL] = stall_i[1];
  end

  // The counters' clock stops while nothing is to be counted.
  logic count_clk;
  clock_gate u_count_clock (
    .clk_i,
    .enable_i(!rst_ni || clear_i || (enable_i && ((|event_i) || (|stall_i))) || (triggered_i && !seen_trigger_q)),
    .clk_o(count_clk)
  );

  always_ff @(posedge count_clk) begin
    if (!rst_ni || clear_i) begin
      for (int unsigned i = 0; i < NumStats; i++) begin
        count_arm_q[i]     <= '0;
        count_trigger_q[i] <= '0;
        first_q[i]         <= '0;
        last_q[i]          <= '0;
      end
      seen_trigger_q <= 1'b0;
    end else begin
      if (triggered_i) seen_trigger_q <= 1'b1;
      if (enable_i && |hit) begin
        for (int unsigned i = 0; i < NumStats; i++) begin
          if (hit[i]) begin
            count_arm_q[i] <= count_arm_q[i] + weight(i);
            last_q[i]      <= time_i;
            if (triggered_i || seen_trigger_q) begin
              count_trigger_q[i] <= count_trigger_q[i] + weight(i);
              if (count_trigger_q[i] == '0) first_q[i] <= time_i;
            end
          end
        end
      end
    end
  end

  function automatic logic [CountBits-1:0] weight(int unsigned index);
    if (index == STAT_RESET) return CountBits'(resets_i);
    if (index == STAT_CPL_ERROR) return two_errors_i ? CountBits'(2) : CountBits'(1);
    return CountBits'(1);
  endfunction

  always_ff @(posedge clk_i) begin
    if (!rst_ni || clear_i) lost_q <= '0;
    else if (lost_i != '0) lost_q <= lost_q + CountBits'(lost_i);
  end

  always_ff @(posedge core_clk_i) begin
    if (!rst_ni) begin
      lost_held_q <= '0;
      now_o       <= '0;
      for (int unsigned i = 0; i < NumStats; i++) begin
        count_arm_held_q[i]     <= '0;
        count_trigger_held_q[i] <= '0;
        first_held_q[i]         <= '0;
        last_held_q[i]          <= '0;
      end
    end else if (snapshot_i) begin
      lost_held_q <= lost_q;
      now_o       <= now_i;
      for (int unsigned i = 0; i < NumStats; i++) begin
        count_arm_held_q[i]     <= count_arm_q[i];
        count_trigger_held_q[i] <= count_trigger_q[i];
        first_held_q[i]         <= first_q[i];
        last_held_q[i]          <= last_q[i];
      end
    end
  end

  assign lost_o          = 64'(lost_held_q);
  assign count_arm_o     = 64'(count_arm_held_q[select_i]);
  assign count_trigger_o = 64'(count_trigger_held_q[select_i]);
  assign first_trigger_o = first_held_q[select_i];
  assign last_o          = last_held_q[select_i];
endmodule

// SPDX-License-Identifier: Apache-2.0
// Bound into analyser_sequencer: what holds whatever program there is, even one that is written while armed.
module fire_check
  import capture_pkg::*;
(
  input logic        clk_i,
  input logic        rst_ni,
  input logic        clear_i,
  input logic        armed_i,
  input logic        stop_i,
  input logic        immediate_i,
  input logic [63:0] time_i,
  input logic        fire_i,
  input logic  [2:0] step_i,
  input logic [63:0] fire_time_i,
  input logic        pulse_i,
  input logic        look_i,          // at the comparators of the step's two terms, which are cut
  input logic        match_i,
  input logic        branch_look_i,
  input logic        branch_match_i,
  input logic        done_i,          // the sequencer's register
  input logic [31:0] elapsed_i,
  input logic [31:0] count_i
);
  logic started_q = 1'b0;
  logic cleared_q, fired_q, quiet_q;  // before this clock: clear or reset; has fired since; not active
  logic  [2:0] step_q;
  logic [63:0] time_q;
  logic [31:0] elapsed_q, count_q;
  logic active;

  assign active = armed_i && !stop_i && !clear_i;

  always_ff @(posedge clk_i) begin
    started_q <= 1'b1;
    cleared_q <= !rst_ni || clear_i;
    fired_q   <= rst_ni && !clear_i && (fired_q || fire_i);
    quiet_q   <= rst_ni && !clear_i && (!active || fired_q || fire_i);
    step_q    <= step_i;
    elapsed_q <= elapsed_i;
    count_q   <= count_i;
    if (!rst_ni || clear_i) time_q <= '0;
    else if (fire_i) time_q <= time_i;
  end

  always_comb begin
    e_power_on: assume (rst_ni == started_q);
    e_look:     assume ((!match_i || look_i) && (!branch_match_i || branch_look_i));  // term_check
  end

  always_ff @(posedge clk_i) begin
    if (rst_ni) begin
      p_armed:     assert (!fire_i || (armed_i && !stop_i && !clear_i));
      p_once:      assert (!fire_i || !fired_q);
      p_immediate: assert (fire_i || !(active && immediate_i && !fired_q));
      p_start:     assert (!cleared_q || step_i == '0);
      p_still:     assert (!quiet_q || step_i == step_q);
      p_idle:      assert (!quiet_q || fired_q || (elapsed_i == elapsed_q && count_i == count_q));
      p_time:      assert (fire_time_i == time_q);
      p_matched:   assert (!pulse_i || (active && !fired_q && match_i));
      c_armed:     cover (fire_i && step_i != '0);
      c_once:      cover (fired_q && active && immediate_i && step_i == 3'd4);
      c_immediate: cover (active && immediate_i && !fired_q && step_i == 3'd1);
      c_start:     cover (cleared_q && step_q != '0);
      c_still:     cover (quiet_q && step_i == 3'd3 && step_q == 3'd3 && !armed_i);
      c_idle:      cover (quiet_q && !fired_q && elapsed_i == 32'd2 && count_i == 32'd1);
      c_time:      cover (fire_time_i == 64'd77 && fired_q && time_i == 64'd99);
      c_matched:   cover (pulse_i && step_i == 3'd2);

      h_done:      assert (done_i == fired_q);
    end
  end
endmodule

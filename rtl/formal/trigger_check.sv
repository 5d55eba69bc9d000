// SPDX-License-Identifier: Apache-2.0
// Bound into analyser_sequencer: the trigger fires if and only if its program has matched. Beside it runs the
// program as its definition says it: this clock is one more in the step, its match is one more, and then it is
// asked whether that is enough. Whether a term matches is free here (term_check has that), and so is the program.
module trigger_check
  import analyser_trigger_regs_pkg::*;
  import capture_pkg::*;
(
  input logic       clk_i,
  input logic       rst_ni,
  input analyser_trigger__step_t__out_t step_i[8],
  input logic       clear_i,
  input logic       armed_i,
  input logic       stop_i,
  input logic       immediate_i,
  input logic [2:0] source_i,
  input logic       events_i,
  input logic       fire_i,
  input logic [2:0] fire_source_i,
  input logic [2:0] at_i,
  input logic       pulse_i,
  input logic       look_i,           // at the ports of the comparators, which are cut
  input logic [2:0] index_i,
  input logic       match_i,
  input logic       branch_look_i,
  input logic [2:0] branch_index_i,
  input logic       branch_match_i,
  input logic        done_i,          // the sequencer's registers
  input logic [31:0] count_i,
  input logic [31:0] elapsed_i
);
  typedef struct packed {
    logic        used;
    logic  [2:0] term;
    logic  [3:0] next;
    logic        branch;
    logic  [2:0] branch_term;
    logic  [3:0] branch_next;
    logic        timed;
    logic  [3:0] timeout_next;
    logic        pulse;
    logic [31:0] count;
    logic [31:0] timeout;
  } step_t;
  logic started_q = 1'b0;
  step_t   [7:0] program_now, program_q;
  logic [7:0] hits;                   // which terms match in this clock

  any_value #(.Bits(8)) u_matches (.value_o(hits));

  for (genvar n = 0; n < 8; n++) begin : gen_step
    assign program_now[n] = '{
      used:         step_i[n].control.used.value,
      term:         step_i[n].control.term.value,
      next:         step_i[n].control.next.value,
      branch:       step_i[n].control.branch.value,
      branch_term:  step_i[n].control.branch_term.value,
      branch_next:  step_i[n].control.branch_next.value,
      timed:        step_i[n].control.timed.value,
      timeout_next: step_i[n].control.timeout_next.value,
      pulse:        step_i[n].control.pulse.value,
      count:        step_i[n].count.value.value,
      timeout:      step_i[n].timeout.value.value
    };
  end

  always_ff @(posedge clk_i) begin
    started_q <= 1'b1;
    program_q <= program_now;
  end

  // Power-on; a program that stands still; comparators that say the same of the same term, and nothing while they
  // are not asked or there is no event.
  always_comb begin
    e_power_on: assume (rst_ni == started_q);
    e_program:  assume (!started_q || program_now == program_q);
    e_term:     assume (match_i == (look_i && hits[index_i]));
    e_branch:   assume (branch_match_i == (branch_look_i && hits[branch_index_i]));
    e_events:   assume (events_i || hits == '0);
  end

  // The program itself. Clocks are counted to more than any timeout.
  logic  [2:0] at_q;
  logic [32:0] seen_q, seen;           // matches in this step
  logic [32:0] clocks_q, clocks;       // active clocks in it
  logic        fired_q;
  step_t       step;
  logic        enough, leave, program_fires, fire, pulse;
  logic  [3:0] to;

  always_comb begin
    step   = program_now[at_q];
    clocks = clocks_q == '1 ? clocks_q : clocks_q + 33'd1;
    seen   = seen_q + 33'(step.used && hits[step.term]);
    enough = seen != seen_q && seen >= 33'(step.count);
    leave  = 1'b0;
    pulse  = 1'b0;
    to     = '0;
    if (armed_i && !stop_i && !clear_i && !fired_q && step.used) begin
      if (seen != seen_q) begin
        leave = enough;
        to    = step.next;
        pulse = enough && step.pulse;
      end else if (step.branch && hits[step.branch_term]) begin
        leave = 1'b1;
        to    = step.branch_next;
      end else if (step.timed && clocks >= 33'(step.timeout)) begin
        leave = 1'b1;
        to    = step.timeout_next;
      end
    end
    program_fires = leave && to >= 4'd8;
    fire          = program_fires || (immediate_i && armed_i && !stop_i && !clear_i && !fired_q);
  end

  always_ff @(posedge clk_i) begin
    if (!rst_ni || clear_i) begin
      {at_q, seen_q, clocks_q, fired_q} <= '0;
    end else if (fire) begin
      fired_q <= 1'b1;
    end else if (leave) begin
      at_q     <= to[2:0];
      seen_q   <= '0;
      clocks_q <= '0;
    end else if (armed_i && !stop_i && !fired_q) begin
      seen_q   <= seen;
      clocks_q <= clocks;
    end
  end

  logic timed;
  assign timed = step.used && step.timed;

  always_ff @(posedge clk_i) begin
    if (rst_ni) begin
      p_fires:  assert (fire_i == fire);
      p_source: assert (!fire_i || fire_source_i == (program_fires ? source_i : 3'(TRIGGER_IMMEDIATE)));
      p_step:   assert (at_i == at_q);
      p_pulse:  assert (pulse_i == pulse);
      c_fires:  cover (program_fires && at_q == 3'd5 && step.count == 32'd2);
      c_source: cover (fire && !program_fires && at_q == 3'd3);
      c_step:   cover (at_q == 3'd7 && !step.used && program_now[0].timed && !program_now[0].branch &&
                       program_now[0].timeout == 32'd3);
      c_pulse:  cover (pulse && !fire && at_q == 3'd2 && step.count == 32'd3);

      h_fired:   assert (done_i == fired_q);
      h_seen:    assert (fired_q || 33'(count_i) == seen_q);
      h_untimed: assert (fired_q || timed || elapsed_i == '0);
      // The sequencer stops counting in the clock before the timeout.
      h_elapsed: assert (fired_q || !timed || 33'(elapsed_i) == clocks_q ||
                         (33'(elapsed_i) < clocks_q && 33'(elapsed_i) + 33'd1 >= 33'(step.timeout)));
    end
  end
endmodule

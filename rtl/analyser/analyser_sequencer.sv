// SPDX-License-Identifier: Apache-2.0
// The trigger: a program of up to 8 steps, each waiting for one of 8 terms (rtl/regs/analyser_trigger.rdl).
//
// Step by step, exactly. A clock is *active* while the trigger is armed, has not fired since the clear, and
// neither stop nor clear is given; in any other clock nothing fires, no step is left, nothing is counted but the
// texts' bytes. In an active clock of a used step, the first of these that holds happens, and no other:
//   1. its term matches: one more match; the count-th (0 is taken for 1) leaves the step for next. The pulse
//      output goes with this one, if the step asks for it, and with no other way out.
//   2. there is a branch and its term matches: the step is left for branch_next.
//   3. it is timed and this is at least the timeout-th active clock in it (0 is taken for 1): the step is left for
//      timeout_next. So a match delays the timeout by a clock; it does not forget it.
// To leave for step 8 or more is to fire: then, and on an immediate trigger in any active clock, fire_o is high and
// the sequencer stays in the step that fired (a pulse that is due goes all the same). If program and immediate
// trigger fire in one clock, it is the program's. Everything happens in the very clock of the event. A step that is
// entered (also: entered from itself) starts its count and its timeout in the next clock, and looks at no event
// before that: one event never takes two steps.
//
// clear_i wins over everything in its clock: its events and its byte belong to what was before.
//
// Bytes for the texts count from the clear on, also while not armed. Self-test events match no term. The qualifier
// asks its term about the events of that term's tap, armed or not; self-test events and marks always pass, and a
// term of a text or of nothing holds up no tap. Among valid_i the mark tap's bit must not depend on fire_o: it is
// the host's marks, without the trigger's own record.
module analyser_sequencer
  import analyser_pkg::*;
  import analyser_trigger_regs_pkg::*;
  import capture_pkg::*;
(
  input  logic               clk_i,
  input  logic               rst_ni,
  input  logic               core_clk_i,      // clock of the registers: clk_i, or stopped

  input  logic               reg_req_i,       // on core_clk_i: one clock per access, answered in the same clock
  input  logic               reg_write_i,
  input  logic        [11:0] reg_addr_i,
  input  logic        [31:0] reg_wdata_i,
  output logic        [31:0] reg_rdata_o,

  input  logic               clear_i,         // a capture or a segment starts: step 0, nothing counted, no bytes
  input  logic               armed_i,
  input  logic               stop_i,          // wins over the trigger in the same clock
  input  logic               immediate_i,     // pulse: fire now
  input  logic         [2:0] source_i,        // TriggerSource that the program stands for
  input  logic [NumTaps-1:0] valid_i,         // events of this clock
  input  tap_event_t         event_i[NumTaps],
  input  logic       [127:0] header_i[NumTaps],
  input  logic        [63:0] time_i,
  input  logic               con_valid_i,     // byte for the texts
  input  logic         [7:0] con_byte_i,

  input  logic         [2:0] qualify_term_i,
  input  logic               qualify_use_i,
  output logic [NumTaps-1:0] qualify_o,       // 0: this tap's event of this clock (if any) is not to be recorded

  output logic               fire_o,          // in the clock of the event that fires it
  output logic         [2:0] source_o,        // with fire_o: what fired
  output logic         [2:0] step_o,          // step that the sequencer is in; with fire_o: that fired
  output logic        [63:0] time_o,          // when it fired; 0: not since the clear
  output logic               pulse_o          // a step is left by its term and asks for a pulse
);
  localparam int unsigned Texts = CAPTURE_SEQUENCE_TEXTS;
  localparam int unsigned TextBytes = CAPTURE_TRIGGER_TEXT_MAX;
  localparam int unsigned Fire = $clog2(CAPTURE_SEQUENCE_STEPS);  // bit of a next step that means fire

  analyser_trigger__in_t hwif_next, hwif_in;
  analyser_trigger__out_t hwif_out;

  // ---- State. It stands still but in the clocks of wake, and so does its clock, and with it, in simulation, the
  // choice of the step's settings out of the registers.
  logic        step_clk, wake;
  logic  [2:0] step_q, fired_q;
  logic [31:0] count_q;         // matches in this step
  logic        done_q;          // has fired since the clear
  logic [31:0] elapsed_q;       // active clocks in this step, up to the one before its timeout
  logic        active, events;

  assign active = armed_i && !stop_i && !clear_i && !done_q;
  assign events = (|valid_i) || con_valid_i;

  // ---- What this clock brings.
  analyser_trigger__step_t__out_t step;
  logic [Texts-1:0] found;
  logic look, look_branch, term_match, branch_match, timed, due, leave;
  logic [3:0] next;

  assign step        = hwif_out.step[step_q];
  assign timed       = step.control.used.value && step.control.timed.value;
  assign look        = active && events && step.control.used.value;
  assign look_branch = look && step.control.branch.value;
  assign due         = timed && (elapsed_q == '1 || elapsed_q + 32'd1 >= step.timeout.value.value);

  logic     [$clog2(TextBytes+1)-1:0] length[Texts];
  logic             [TextBytes*8-1:0] text[Texts];
  for (genvar n = 0; n < Texts; n++) begin : gen_text
    assign length[n] = hwif_out.text[n].length.value.value;
    for (genvar word = 0; word < TextBytes / 4; word++) begin : gen_word
      assign text[n][32*word+:32] = hwif_out.text[n].bytes[word].value.value;
    end
  end

  analyser_text #(
    .Texts(Texts),
    .Bytes(TextBytes)
  ) u_text (
    .clk_i, .rst_ni, .clear_i,
    .valid_i(con_valid_i),
    .byte_i(con_byte_i),
    .length_i(length),
    .text_i(text),
    .found_o(found)
  );

  analyser_term u_term (
    .look_i(look),
    .term_i(hwif_out.term),
    .index_i(step.control.term.value),
    .valid_i, .event_i, .header_i,
    .text_i(found),
    .match_o(term_match)
  );

  analyser_term u_branch (
    .look_i(look_branch),
    .term_i(hwif_out.term),
    .index_i(step.control.branch_term.value),
    .valid_i, .event_i, .header_i,
    .text_i(found),
    .match_o(branch_match)
  );

  always_comb begin
    leave   = 1'b0;
    next    = step.control.next.value;
    pulse_o = 1'b0;
    if (term_match) begin
      leave   = count_q == '1 || count_q + 32'd1 >= step.count.value.value;
      pulse_o = leave && step.control.pulse.value;
    end else if (branch_match) begin
      leave = 1'b1;
      next  = step.control.branch_next.value;
    end else if (active && due) begin
      leave = 1'b1;
      next  = step.control.timeout_next.value;
    end
  end

  assign fire_o   = active && (immediate_i || (leave && next[Fire]));
  assign source_o = (leave && next[Fire]) ? source_i : 3'(TRIGGER_IMMEDIATE);
  assign step_o   = step_q;

  assign wake = !rst_ni || clear_i || (active && (events || immediate_i || due));
  clock_gate u_clock (.clk_i, .enable_i(wake), .clk_o(step_clk));

  always_ff @(posedge step_clk) begin
    if (!rst_ni || clear_i) begin
      step_q  <= '0;
      fired_q <= '0;
      count_q <= '0;
      done_q  <= 1'b0;
      time_o  <= '0;
    end else if (fire_o) begin
      fired_q <= step_q;
      done_q  <= 1'b1;
      time_o  <= time_i;
    end else if (leave) begin
      step_q  <= next[2:0];
      count_q <= '0;
    end else if (term_match) begin
      count_q <= count_q + 32'd1;
    end
  end

  // A clock of its own, so that a timeout that runs keeps nothing else awake.
  always_ff @(posedge clk_i) begin
    if (!rst_ni || clear_i) elapsed_q <= '0;
    else if (timed && active) elapsed_q <= leave ? '0 : due ? elapsed_q : elapsed_q + 32'd1;
  end

  // ---- Qualifier.
  logic qualified;
  logic [4:0] qualify_source;
  assign qualify_source = hwif_out.term[qualify_term_i].select.source.value;

  analyser_term u_qualify (
    .look_i(qualify_use_i && (|valid_i)),
    .term_i(hwif_out.term),
    .index_i(qualify_term_i),
    .valid_i, .event_i, .header_i,
    .text_i('0),
    .match_o(qualified)
  );

  always_comb begin
    qualify_o = '1;
    if (qualify_use_i && (|valid_i)) begin
      for (int unsigned tap = 0; tap < TAP_MARK; tap++) begin
        qualify_o[tap] = qualified || 32'(qualify_source) != tap + 1 ||
                         (event_i[tap].flags & 4'(FLAG_SELFTEST)) != '0;
      end
    end
  end

  // ---- Registers. Status is sampled on the core's clock, as analyser.sv does with its own.
  logic [5:0] open;
  analyser_trigger_regs u_regs (
    .clk(core_clk_i),
    .rst_n(rst_ni),
    .s_cpuif_req(reg_req_i),
    .s_cpuif_req_is_wr(reg_write_i),
    .s_cpuif_addr(reg_addr_i[10:0]),
    .s_cpuif_wr_data(reg_wdata_i),
    .s_cpuif_wr_biten('1),
    .s_cpuif_req_stall_wr(open[0]),
    .s_cpuif_req_stall_rd(open[1]),
    .s_cpuif_rd_ack(open[2]),
    .s_cpuif_rd_err(open[3]),
    .s_cpuif_rd_data(reg_rdata_o),
    .s_cpuif_wr_ack(open[4]),
    .s_cpuif_wr_err(open[5]),
    .hwif_in,
    .hwif_out
  );

  assign hwif_next.status.step.next  = step_q;
  assign hwif_next.status.fired.next = fired_q;
  always_ff @(posedge core_clk_i) hwif_in <= hwif_next;

  logic unused;
  assign unused = ^{reg_addr_i[11], open};
endmodule

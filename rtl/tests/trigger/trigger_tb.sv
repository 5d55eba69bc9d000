// SPDX-License-Identifier: Apache-2.0
// Test wrapper of the sequencer: one vector in, one out (cocotb's speed is its number of accesses), and a clock of
// the registers that stops while nobody uses them.
module trigger_tb
  import analyser_pkg::*;
(
  input  logic                          clk_i, rst_ni,
  input  logic                          reg_req_i, reg_write_i,
  input  logic                   [11:0] reg_addr_i,
  input  logic                   [31:0] reg_wdata_i,
  output logic                   [31:0] reg_rdata_o,
  input  logic                          core_on_i,   // the registers' clock runs also without access
  input  logic                    [7:0] control_i,   // armed, clear, stop, immediate, use, qualify term
  input  logic                    [2:0] source_i,
  input  logic                   [63:0] time_i,
  input  logic                    [8:0] con_i,       // valid, byte
  input  logic            [NumTaps-1:0] valid_i,
  input  logic  [NumTaps-1:0][183:0] events_i,       // header, data, aux, flags, kind
  output logic          [NumTaps+71:0] obs_o         // qualify, time, pulse, step, source, fire
);
  logic       armed, clear, stop, immediate, use_term, core_clk, fire, pulse;
  logic [2:0] term, source, step;
  logic [63:0] time_fired;
  logic [NumTaps-1:0] qualify;
  tap_event_t event_in[NumTaps];
  logic [127:0] header[NumTaps];

  assign {term, use_term, immediate, stop, clear, armed} = control_i;
  for (genvar tap = 0; tap < NumTaps; tap++) begin : gen_tap
    assign event_in[tap] = events_i[tap][55:0];
    assign header[tap]   = events_i[tap][183:56];
  end
  assign obs_o = {qualify, time_fired, pulse, step, source, fire};

  clock_gate u_core_clock (.clk_i, .enable_i(!rst_ni || reg_req_i || core_on_i), .clk_o(core_clk));

  analyser_sequencer u_sequencer (
    .clk_i, .rst_ni, .core_clk_i(core_clk),
    .reg_req_i, .reg_write_i, .reg_addr_i, .reg_wdata_i, .reg_rdata_o,
    .clear_i(clear), .armed_i(armed), .stop_i(stop), .immediate_i(immediate), .source_i,
    .valid_i, .event_i(event_in), .header_i(header), .time_i,
    .con_valid_i(con_i[8]), .con_byte_i(con_i[7:0]),
    .qualify_term_i(term), .qualify_use_i(use_term), .qualify_o(qualify),
    .fire_o(fire), .source_o(source), .step_o(step), .time_o(time_fired), .pulse_o(pulse)
  );
endmodule

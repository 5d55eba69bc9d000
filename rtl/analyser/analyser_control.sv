// SPDX-License-Identifier: Apache-2.0
// State of a capture and the record memory's pointers. Armed: the memory is a ring. From the TRIGGER record
// on, depth - pretrigger records are written (it is the first of them), then the memory is frozen: what was
// held from before the trigger, up to pretrigger records, is never overwritten. Statistics go on until stop.
module analyser_control
  import analyser_pkg::*;
  import capture_pkg::*;
#(
  parameter int unsigned RING_RECORDS = 65536,
  localparam int unsigned AddrBits = $clog2(RING_RECORDS)
) (
  input  logic             clk_i,
  input  logic             rst_ni,
  input  logic             arm_i,         // pulses; arm is taken in IDLE and DONE only
  input  logic             stop_i,
  input  logic             reset_i,
  input  logic      [31:0] pretrigger_i,  // records, below RING_RECORDS
  input  logic             trigger_i,     // the trigger fires
  input  logic             fifos_empty_i,
  input  logic             record_valid_i,
  input  logic             record_is_trigger_i,
  output capture_state_e   state_o,
  output logic             draining_o,    // stopped, but events are still under way
  output logic             recording_o,   // taps feed their FIFOs
  output logic             counting_o,    // statistics count
  output logic             clear_o,       // pulse: a new capture starts
  output logic             flush_o,       // FIFOs hold nothing
  output logic             write_o,       // record goes to write_addr_o
  output logic [AddrBits-1:0] write_addr_o,
  output logic [AddrBits-1:0] oldest_o,   // address of the oldest record held
  output logic [AddrBits:0] count_o       // records held
);
  localparam logic [AddrBits:0] Depth = (AddrBits + 1)'(RING_RECORDS);

  capture_state_e state_q;
  logic draining_q, counting_q, post_q;
  logic [AddrBits-1:0] addr_q;
  logic [AddrBits:0] count_q, left_q;  // left_q: records that the post window may still take
  logic active;

  assign active       = state_q == StArmed || state_q == StTriggered;
  assign clear_o      = arm_i & ~active;
  assign flush_o      = ~active;
  assign recording_o  = active & ~draining_q;
  assign counting_o   = counting_q;
  assign write_o      = active & record_valid_i;
  assign write_addr_o = addr_q;
  assign oldest_o     = addr_q - count_q[AddrBits-1:0];
  assign count_o      = count_q;
  assign state_o      = state_q;
  assign draining_o   = draining_q;

  always_ff @(posedge clk_i) begin
    if (!rst_ni || reset_i) begin
      state_q    <= StIdle;
      draining_q <= 1'b0;
      counting_q <= 1'b0;
      post_q     <= 1'b0;
      addr_q     <= '0;
      count_q    <= '0;
      left_q     <= '0;
    end else begin
      if (clear_o) begin
        state_q    <= StArmed;
        draining_q <= 1'b0;
        counting_q <= 1'b1;
        post_q     <= 1'b0;
        addr_q     <= '0;
        count_q    <= '0;
        left_q     <= Depth - pretrigger_i[AddrBits:0];
      end
      if (trigger_i) state_q <= StTriggered;
      if (stop_i) begin
        counting_q <= 1'b0;
        draining_q <= active;
      end
      if (write_o) begin
        addr_q <= addr_q + 1'b1;
        if (count_q != Depth) count_q <= count_q + 1'b1;
        if (post_q || record_is_trigger_i) begin
          post_q <= 1'b1;
          left_q <= left_q - 1'b1;
          if (left_q == (AddrBits + 1)'(1)) begin
            state_q    <= StDone;
            draining_q <= 1'b0;
          end
        end
      end else if (draining_q && fifos_empty_i) begin
        state_q    <= StDone;
        draining_q <= 1'b0;
      end
    end
  end

  logic unused;
  assign unused = ^pretrigger_i[31:AddrBits+1];
endmodule

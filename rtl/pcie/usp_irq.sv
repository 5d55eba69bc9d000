// SPDX-License-Identifier: Apache-2.0
// Interrupts of the core -> the hard IP's MSI-X interface in its "internal" mode: the hard IP keeps table and
// pending bits, we name a vector. Its messages do not queue behind the requests on RQ, so an interrupt waits
// here until the hard IP has given back the numbers of all writes accepted before it: the host finds the data
// that the interrupt announces.
//
// What waits is forgotten when the core's gate closes. What the hard IP has been asked for has started.
module usp_irq (
  input  logic        clk_i,
  input  logic        rst_ni,

  input  logic        msix_valid_i,       // from the core
  output logic        msix_ready_o,
  input  logic  [2:0] msix_vector_i,
  input  logic        halted_i,           // the gate is closed

  input  logic        write_waits_i,      // see usp_rq
  input  logic  [4:0] writes_pending_i,
  input  logic  [4:0] writes_done_i,

  input  logic        enable_i,           // MSI-X Enable of the function
  output logic        cfg_interrupt_msix_int_o,
  output logic [31:0] cfg_interrupt_msi_int_o,   // one bit: the vector
  input  logic        cfg_interrupt_sent_i,
  input  logic        cfg_interrupt_fail_i
);

  typedef enum logic [1:0] {
    Idle,
    Wait,    // for the writes before it
    Ask,
    Answer
  } state_e;

  state_e     state_q;
  logic [5:0] ahead_q;  // writes that must leave first
  logic [5:0] done;

  assign done         = 6'(writes_done_i);
  assign msix_ready_o = state_q == Idle;
  assign cfg_interrupt_msix_int_o = state_q == Ask;

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      state_q                 <= Idle;
      ahead_q                 <= '0;
      cfg_interrupt_msi_int_o <= '0;
    end else begin
      case (state_q)
        Idle: if (msix_valid_i && enable_i) begin  // without MSI-X the host does not want it
          state_q                 <= Wait;
          ahead_q                 <= 6'(writes_pending_i) + 6'(write_waits_i) - done;
          cfg_interrupt_msi_int_o <= 32'd1 << msix_vector_i;
        end
        Wait: begin
          ahead_q <= (ahead_q > done) ? ahead_q - done : '0;
          if (halted_i || !enable_i) state_q <= Idle;
          else if (ahead_q == '0)    state_q <= Ask;
        end
        Ask: state_q <= Answer;
        Answer: begin
          if (cfg_interrupt_sent_i)      state_q <= Idle;
          else if (cfg_interrupt_fail_i) state_q <= Wait;  // to be asked for again (PG213)
        end
      endcase
    end
  end

endmodule

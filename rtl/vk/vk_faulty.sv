// SPDX-License-Identifier: Apache-2.0
// Seeded defects (rtl/faults.py) that need a memory of their own: halting too late, cutting a TLP, an
// interrupt as a goodbye, an old buffer, lost completions. They sit on wires of vk_core; in a release build
// each output is its input and nothing else is here.
module vk_faulty
  import vk_faults_pkg::*;
(
  input  logic         clk_i,
  input  logic         rst_ni,
  input  logic  [31:0] fault_i,

  input  logic         halt_i,           // reset doorbell, one clock
  output logic         halt_o,
  output logic         halt_pending_o,   // it is still to come

  input  logic         start_i,          // a request passes the gate: its first beat
  input  logic [127:0] start_hdr_i,

  input  logic         gate_closed_i,
  input  logic         rq_valid_i,       // from the gate to the link
  output logic         rq_ready_o,
  input  logic         rq_eop_i,
  output logic         rq_valid_o,
  input  logic         rq_ready_i,

  input  logic         msix_valid_i,
  input  logic   [2:0] msix_vector_i,
  output logic         msix_valid_o,
  output logic   [2:0] msix_vector_o,
  input  logic         msix_ready_i,

  input  logic         resume_i,         // the last reset was one that RESUME_... survives
  input  logic  [63:0] buffer_i,         // scratch buffer that the driver announced; 0 = none
  input  logic  [31:0] size_i,
  output logic  [63:0] buffer_o,
  output logic  [31:0] size_o,

  input  logic         cc_valid_i,       // completions for the host
  output logic         cc_ready_o,
  input  logic         cc_eop_i,
  output logic         cc_valid_o,
  input  logic         cc_ready_i
);

  if (Built) begin : g_faults

    // LATE, VERY_LATE, SLIP, FINISH: the halt waits. A request that starts in the first clocks would be in
    // time, so that SLIP and FINISH wait for a later one.
    logic        late, over, halt_q, page_end;
    logic [14:0] waited_q;
    logic [12:0] first_byte, length;
    assign late       = faulty(fault_i, LATE) || faulty(fault_i, VERY_LATE) || faulty(fault_i, SLIP) ||
                        faulty(fault_i, FINISH);
    assign first_byte = {1'b0, start_hdr_i[29] ? start_hdr_i[107:96] : start_hdr_i[75:64]};
    assign length     = {1'b0, start_hdr_i[9:0], 2'b00};
    assign page_end   = first_byte + length == 13'h1000;
    assign over       = (faulty(fault_i, LATE) && waited_q == 15'd64) ||
                        (faulty(fault_i, VERY_LATE) && waited_q == 15'd20_000) ||
                        (faulty(fault_i, SLIP) && start_i && waited_q > 15'd8) ||
                        (faulty(fault_i, FINISH) && start_i && page_end && waited_q > 15'd8) ||
                        waited_q == '1;
    always_ff @(posedge clk_i) begin
      if (!rst_ni || !late) halt_q <= 1'b0;
      else                  halt_q <= (halt_q && !over) || halt_i;
      waited_q <= halt_q ? waited_q + 1'b1 : '0;
    end
    assign halt_o         = late ? halt_q && over : halt_i;
    assign halt_pending_o = halt_q;

    // CUT: what is left of a TLP when the gate closes never reaches the link.
    logic in_tlp_q, cut;
    assign cut        = faulty(fault_i, CUT) && gate_closed_i && in_tlp_q;
    assign rq_valid_o = rq_valid_i && !cut;
    assign rq_ready_o = rq_ready_i || cut;
    always_ff @(posedge clk_i) begin
      if (!rst_ni)                       in_tlp_q <= 1'b0;
      else if (rq_valid_i && rq_ready_o) in_tlp_q <= !rq_eop_i;
    end

    // IRQ_AFTER: vector 3, 16 clocks after the doorbell.
    logic [4:0] goodbye_q;
    logic       goodbye;
    assign goodbye       = goodbye_q == 5'd1;
    assign msix_valid_o  = msix_valid_i || goodbye;
    assign msix_vector_o = goodbye ? 3'd3 : msix_vector_i;
    always_ff @(posedge clk_i) begin
      if (!rst_ni)                                            goodbye_q <= '0;
      else if (halt_i && faulty(fault_i, IRQ_AFTER))          goodbye_q <= 5'd17;
      else if (goodbye_q != '0 && (!goodbye || msix_ready_i)) goodbye_q <= goodbye_q - 1'b1;
    end

    // RESUME_...: the buffer of before the reset, until the driver announces another.
    logic [63:0] buffer_q;
    logic [31:0] size_q;
    logic        resume;
    assign resume   = resume_i && buffer_i == '0;
    assign buffer_o = resume ? buffer_q : buffer_i;
    assign size_o   = resume ? size_q : size_i;
    always_ff @(posedge clk_i) begin
      if (!rst_ni) begin
        buffer_q <= '0;
        size_q   <= '0;
      end else if (buffer_i != '0) begin
        buffer_q <= buffer_i;
        size_q   <= size_i;
      end
    end

    // CPL_DROP: one completion of 16 goes nowhere.
    logic [3:0] count_q;
    logic       drop;
    assign drop       = faulty(fault_i, CPL_DROP) && count_q == '1;
    assign cc_valid_o = cc_valid_i && !drop;
    assign cc_ready_o = cc_ready_i || drop;
    always_ff @(posedge clk_i) begin
      if (!rst_ni)                                   count_q <= '0;
      else if (cc_valid_i && cc_ready_o && cc_eop_i) count_q <= count_q + 1'b1;
    end

    logic unused;
    assign unused = ^{start_hdr_i[127:108], start_hdr_i[95:76], start_hdr_i[63:30], start_hdr_i[28:10]};

  end else begin : g_wires
    assign halt_o         = halt_i;
    assign halt_pending_o = 1'b0;
    assign rq_valid_o     = rq_valid_i;
    assign rq_ready_o     = rq_ready_i;
    assign msix_valid_o   = msix_valid_i;
    assign msix_vector_o  = msix_vector_i;
    assign buffer_o       = buffer_i;
    assign size_o         = size_i;
    assign cc_valid_o     = cc_valid_i;
    assign cc_ready_o     = cc_ready_i;

    logic unused;
    assign unused = ^{clk_i, rst_ni, fault_i, resume_i, start_i, start_hdr_i, gate_closed_i, rq_eop_i,
                      msix_ready_i, cc_eop_i};
  end

endmodule

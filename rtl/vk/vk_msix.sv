// SPDX-License-Identifier: Apache-2.0
// Collects the interrupt requests of the card and of the lab, one pending bit per vector, and offers them
// lowest vector first. What is pending when the gate closes is forgotten: an interrupt must not outlive the halt
// that it raced with.
module vk_msix #(
  parameter int unsigned Vectors = 4  // as many as the MSI-X table has; a request for a higher one is ignored
) (
  input  logic       clk_i,
  input  logic       rst_ni,
  input  logic       card_request_i, // one clock
  input  logic [2:0] card_vector_i,
  input  logic       lab_request_i,  // one clock
  input  logic [2:0] lab_vector_i,
  input  logic       gate_closed_i,
  output logic       irq_valid_o,
  input  logic       irq_ready_i,
  output logic [2:0] irq_vector_o
);

  logic [7:0] pending_q, asked, sent;

  always_comb begin
    irq_vector_o = '0;
    for (int i = 7; i >= 0; i--) if (pending_q[i]) irq_vector_o = 3'(i);
  end

  always_comb begin
    asked = '0;
    if (card_request_i && 32'(card_vector_i) < Vectors) asked[card_vector_i] = 1'b1;
    if (lab_request_i && 32'(lab_vector_i) < Vectors)   asked[lab_vector_i]  = 1'b1;
    sent = '0;
    if (irq_valid_o && irq_ready_i) sent[irq_vector_o] = 1'b1;
  end

  assign irq_valid_o = pending_q != '0;

  always_ff @(posedge clk_i) begin
    if (!rst_ni || gate_closed_i) pending_q <= '0;
    else                          pending_q <= (pending_q & ~sent) | asked;
  end

endmodule

// SPDX-License-Identifier: Apache-2.0
// The quiesce gate: the only way from the endpoint's requesters (DMA engine, MSI-X) to the link. Closed, it
// lets no new TLP start; a TLP that has started is finished whole. Nothing but the listed inputs opens or
// closes it: no register, no lab access, no firmware.
//
// A cause closes the gate in the clock after it is seen. FLR, doorbell and PERST# latch until the card is
// ready again, an internal error until the next card reset, which is a cause itself. A TLP whose first beat
// stands on the RQ stream counts as started, since a stream may not retract it.
module vk_gate (
  input  logic         clk_i,
  input  logic         rst_ni,

  input  logic         bme_i,            // Bus Master Enable
  input  logic         flr_i,            // level: FLR in progress
  input  logic         doorbell_i,       // one clock: reset doorbell accepted
  input  logic         perst_ni,
  input  logic         internal_i,       // one clock: internal error of the card
  input  logic         clear_i,          // level: the card is being reset; another cause holds the gate
  input  logic         ready_i,          // re-initialisation done
  output logic         closed_o,
  output logic   [4:0] cause_o,          // GateCause of the capture layout
  output logic         idle_o,           // no request TLP in the gate or at its output

  input  logic         req_valid_i,      // from the DMA engine
  output logic         req_ready_o,
  input  logic         req_sop_i,
  input  logic         req_eop_i,
  input  logic [127:0] req_hdr_i,
  input  logic [255:0] req_data_i,

  output logic         rq_valid_o,       // to the link
  input  logic         rq_ready_i,
  output logic         rq_sop_o,
  output logic         rq_eop_o,
  output logic [127:0] rq_hdr_o,
  output logic [255:0] rq_data_o,

  input  logic         irq_valid_i,      // from the interrupt unit
  output logic         irq_ready_o,
  input  logic   [2:0] irq_vector_i,

  output logic         msix_valid_o,     // to the hard IP
  input  logic         msix_ready_i,
  output logic   [2:0] msix_vector_o
);

  logic [4:0] cause_q, cause_keep, cause_set;
  logic       in_packet_q;   // between the first and the last beat of a TLP
  logic       pass, take;

  always_comb begin
    cause_set = '0;
    if (!bme_i)     cause_set |= 5'(capture_pkg::GATE_CAUSE_BME_CLEAR);
    if (flr_i)      cause_set |= 5'(capture_pkg::GATE_CAUSE_FLR);
    if (doorbell_i) cause_set |= 5'(capture_pkg::GATE_CAUSE_DOORBELL);
    if (!perst_ni)  cause_set |= 5'(capture_pkg::GATE_CAUSE_PERST);
    if (internal_i) cause_set |= 5'(capture_pkg::GATE_CAUSE_INTERNAL);
  end

  // Only Bus Master Enable opens without a re-initialisation.
  localparam logic [4:0] Internal = 5'(capture_pkg::GATE_CAUSE_INTERNAL);
  localparam logic [4:0] Resets   = 5'(capture_pkg::GATE_CAUSE_FLR | capture_pkg::GATE_CAUSE_DOORBELL |
                                       capture_pkg::GATE_CAUSE_PERST);
  assign cause_keep = (ready_i ? '0 : Resets) | (clear_i ? '0 : Internal);

  always_ff @(posedge clk_i) begin
    if (!rst_ni) cause_q <= 5'(capture_pkg::GATE_CAUSE_PERST);  // closed until first ready
    else         cause_q <= (cause_q & cause_keep) | cause_set;
  end

  assign closed_o = cause_q != '0;
  assign cause_o  = cause_q;

  // One register stage to the link, so nothing of the endpoint's logic lies between the gate and the pins.
  assign pass        = in_packet_q || !closed_o;
  assign req_ready_o = pass && (!rq_valid_o || rq_ready_i);
  assign take        = req_valid_i && req_ready_o;
  assign idle_o      = !in_packet_q && !rq_valid_o;

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      in_packet_q <= 1'b0;
      rq_valid_o  <= 1'b0;
      rq_sop_o    <= 1'b0;
      rq_eop_o    <= 1'b0;
    end else begin
      if (take) in_packet_q <= !req_eop_i;
      if (take) begin
        rq_valid_o <= 1'b1;
        rq_sop_o   <= req_sop_i;
        rq_eop_o   <= req_eop_i;
      end else if (rq_ready_i) begin
        rq_valid_o <= 1'b0;
      end
    end
  end

  always_ff @(posedge clk_i) begin
    if (take) begin
      rq_hdr_o  <= req_hdr_i;
      rq_data_o <= req_data_i;
    end
  end

  // An interrupt is one clock, so unlike a TLP it can be withheld up to the clock in which it would leave.
  assign msix_valid_o  = irq_valid_i && !closed_o;
  assign msix_vector_o = irq_vector_i;
  assign irq_ready_o   = msix_ready_i && !closed_o;

`ifndef SYNTHESIS
  logic         stalled_q, sop_q, eop_q, closed_q;
  logic [127:0] hdr_q;
  logic [255:0] data_q;
  always_ff @(posedge clk_i) begin
    stalled_q <= rst_ni && rq_valid_o && !rq_ready_i;
    closed_q  <= rst_ni && closed_o;
    sop_q     <= rq_sop_o;
    eop_q     <= rq_eop_o;
    hdr_q     <= rq_hdr_o;
    data_q    <= rq_data_o;
    if (rst_ni) begin
      if (stalled_q) begin
        assert (rq_valid_o && rq_sop_o == sop_q && rq_eop_o == eop_q && rq_hdr_o == hdr_q &&
                rq_data_o == data_q)
        else $error("RQ changed while not accepted");
      end else if (closed_q) begin
        assert (!(rq_valid_o && rq_sop_o)) else $error("TLP started through a closed gate");
      end
      if (take) assert (req_sop_i == !in_packet_q) else $error("requester cut or merged a TLP");
      if (closed_o) assert (!msix_valid_o) else $error("interrupt through a closed gate");
    end
  end
`endif

endmodule

// SPDX-License-Identifier: Apache-2.0
// The halting contract at the pins of vk_core (docs/formal.md). It is bound into the core, of which the
// proof keeps the gate, the doorbell's decoder, the interrupt unit and the reset's state machine; the
// requester, the soft core, the lab and the registers are cut out and may do anything. Of the requester
// alone e_framing assumes something: what p_framing of framing_check proves about the engine.
//
// p_NAME is a property, c_NAME its cover, h_NAME a helping invariant (proved too), e_NAME an assumption.
module halt_check #(
  parameter int unsigned HaltClocks = 1  // from the halting input to the last start; the contract allows 4
) (
  input logic         clk_i,
  input logic         rst_ni,
  input logic         bme_i,
  input logic         flr_i,
  input logic         perst_ni,
  input logic         doorbell_i,     // a reset doorbell is accepted on CQ: see doorbell_check
  input logic         internal_i,     // internal error
  input logic         clear_i,        // from vk_reset
  input logic         ready_i,
  input logic         closed_i,
  input logic   [4:0] cause_i,

  input logic         req_valid_i,    // requester to gate
  input logic         req_ready_i,
  input logic         req_sop_i,
  input logic         req_eop_i,
  input logic [127:0] req_hdr_i,
  input logic [255:0] req_data_i,

  input logic         in_packet_i,    // the gate's register
  input logic         rq_valid_i,     // gate to link
  input logic         rq_ready_i,
  input logic         rq_sop_i,
  input logic         rq_eop_i,
  input logic [127:0] rq_hdr_i,
  input logic [255:0] rq_data_i,

  input logic   [7:0] irq_asked_i,    // vectors asked for in this clock
  input logic   [7:0] irq_pending_i,
  input logic         msix_valid_i,
  input logic         msix_ready_i,
  input logic   [2:0] msix_vector_i
);

  logic started_q = 1'b0;  // power-on reset is the first clock, and over then
  always_ff @(posedge clk_i) started_q <= 1'b1;
  always_comb e_power_on: assume (rst_ni == started_q);

  // --- From a halting input to the last start -----------------------------------------------------------
  typedef enum logic [2:0] {Doorbell, Flr, Perst, Internal, Bme} kind_e;
  localparam logic [3:0] Long = 4'hf;

  logic [4:0]      halting, release_now, active;
  logic [4:0][3:0] since_q;   // clocks since a halting input of each kind; 0: none, or the card started anew
  logic            stalled_q, start;
  logic [7:0]      started_before_q;

  always_comb begin
    halting               = '0;
    halting[Doorbell]     = doorbell_i;
    halting[Flr]          = flr_i;
    halting[Perst]        = !perst_ni;
    halting[Internal]     = internal_i;
    halting[Bme]          = !bme_i;
    release_now           = {5{ready_i}};
    release_now[Internal] = clear_i;  // p_not_ready takes over
    release_now[Bme]      = 1'b1;
  end

  assign active = {5{since_q[Doorbell] != '0}} & 5'(capture_pkg::GATE_CAUSE_DOORBELL) |
                  {5{since_q[Flr] != '0}}      & 5'(capture_pkg::GATE_CAUSE_FLR) |
                  {5{since_q[Perst] != '0}}    & 5'(capture_pkg::GATE_CAUSE_PERST) |
                  {5{since_q[Internal] != '0}} & 5'(capture_pkg::GATE_CAUSE_INTERNAL) |
                  {5{since_q[Bme] != '0}}      & 5'(capture_pkg::GATE_CAUSE_BME_CLEAR);
  assign start = rq_valid_i && rq_sop_i && !stalled_q;

  always_ff @(posedge clk_i) begin
    for (int i = 0; i < 5; i++) begin
      if (rst_ni && (halting[i] || (since_q[i] != '0 && !release_now[i])))
        since_q[i] <= (since_q[i] == Long) ? Long : since_q[i] + 1'b1;
      else
        since_q[i] <= '0;
    end
    stalled_q        <= rst_ni && rq_valid_i && !rq_ready_i;
    started_before_q <= {started_before_q[6:0], rst_ni && start};
  end

  // The cover's halt comes while TLPs start back to back, and the requester goes on asking.
  logic busy_link;
  assign busy_link = req_valid_i && rq_ready_i && started_before_q[7:4] == '1;

  always_ff @(posedge clk_i) begin
    if (rst_ni) begin
      p_halt_doorbell: assert (!(start && since_q[Doorbell] > 4'(HaltClocks)));
      p_halt_flr:      assert (!(start && since_q[Flr] > 4'(HaltClocks)));
      p_halt_perst:    assert (!(start && since_q[Perst] > 4'(HaltClocks)));
      p_halt_internal: assert (!(start && since_q[Internal] > 4'(HaltClocks)));
      p_halt_bme:      assert (!(start && since_q[Bme] > 4'(HaltClocks)));
      c_halt_doorbell: cover (busy_link && since_q == {4'd0, 4'd0, 4'd0, 4'd0, 4'd5});
      c_halt_flr:      cover (busy_link && since_q == {4'd0, 4'd0, 4'd0, 4'd5, 4'd0});
      c_halt_perst:    cover (busy_link && since_q == {4'd0, 4'd0, 4'd5, 4'd0, 4'd0});
      c_halt_internal: cover (busy_link && since_q == {4'd0, 4'd5, 4'd0, 4'd0, 4'd0});
      c_halt_bme:      cover (busy_link && since_q == {4'd5, 4'd0, 4'd0, 4'd0, 4'd0});
      h_cause:         assert ((active & ~cause_i) == '0 && closed_i == (cause_i != '0));
    end
  end

  // --- What opens the gate ------------------------------------------------------------------------------
  // Resets need the card ready, Bus Master Enable itself, an internal error a reset. No other input can: the
  // soft core, the lab and the registers are free in this proof.
  localparam logic [4:0] Bits = 5'(capture_pkg::GATE_CAUSE_BME_CLEAR);
  localparam logic [4:0] Error = 5'(capture_pkg::GATE_CAUSE_INTERNAL);

  logic       closed_q, may_open_q, reopened_q;
  logic [4:0] cause_q;

  always_ff @(posedge clk_i) begin
    closed_q   <= rst_ni && closed_i;
    cause_q    <= cause_i;
    may_open_q <= halting == '0 && (ready_i || (cause_i & ~(Bits | Error)) == '0) &&
                  (clear_i || (cause_i & Error) == '0);
    reopened_q <= rst_ni && (reopened_q || (closed_q && !closed_i));
    if (rst_ni) begin
      p_opens:     assert (!(closed_q && !closed_i) || may_open_q);
      p_not_ready: assert (ready_i || closed_i);
      p_closed:    assert (!(start && closed_q));
      c_opens:     cover (closed_q && !closed_i && reopened_q);
      c_not_ready: cover (!ready_i && reopened_q && bme_i && halting == '0);
      c_closed:    cover (closed_q && closed_i && reopened_q && req_valid_i && rq_ready_i);
      h_not_ready: assert (ready_i || (cause_i & ~(Bits | Error)) != '0);
    end
  end

  // --- The TLPs themselves ------------------------------------------------------------------------------
  logic [7:0] req_left, rq_left;
  logic       req_in, rq_in;
  beat_count u_req_beats (.clk_i, .rst_ni, .beat_i(req_valid_i && req_ready_i), .eop_i(req_eop_i),
                          .hdr_i(req_hdr_i), .in_packet_o(req_in), .left_o(req_left));
  beat_count u_rq_beats  (.clk_i, .rst_ni, .beat_i(rq_valid_i && rq_ready_i), .eop_i(rq_eop_i),
                          .hdr_i(rq_hdr_i), .in_packet_o(rq_in), .left_o(rq_left));

  // The engine's side of the bargain, proved as p_framing in framing_check.sv.
  always_comb begin
    if (rst_ni && req_valid_i) begin
      e_framing: assume (req_sop_i == !req_in && req_eop_i == (req_left == '0));
    end
  end

  logic [385:0] accepted_q;   // the beat that the gate took last
  logic         held_q;       // it has not left yet
  always_ff @(posedge clk_i) begin
    if (rst_ni && req_valid_i && req_ready_i) accepted_q <= {req_sop_i, req_eop_i, req_hdr_i, req_data_i};
    held_q <= rst_ni && ((req_valid_i && req_ready_i) || (held_q && !rq_ready_i));
    if (rst_ni) begin
      // Whole: sop, eop and the header's Length agree. Exact: no beat lost, added or changed, and held until
      // ready. Finished: between a TLP's beats nothing but the link's own ready holds it up.
      p_whole:    assert (!rq_valid_i || (rq_sop_i == !rq_in && rq_eop_i == (rq_left == '0)));
      p_exact:    assert (rq_valid_i == held_q &&
                          (!held_q || {rq_sop_i, rq_eop_i, rq_hdr_i, rq_data_i} == accepted_q));
      p_finished: assert (!req_in || req_ready_i == (!rq_valid_i || rq_ready_i));
      c_whole:    cover (rq_valid_i && rq_ready_i && rq_eop_i && rq_hdr_i[9:0] == 10'd20 && closed_i);
      c_exact:    cover (stalled_q && started_before_q[1] && closed_i && !rq_eop_i);
      c_finished: cover (req_in && closed_q && req_valid_i && !rq_ready_i && !rq_valid_i);
      h_packet:   assert (in_packet_i == req_in);
      h_beats:    assert (held_q ? accepted_q[385] == !rq_in && accepted_q[384] == !req_in && (
                            req_in ? rq_left != '0 && req_left == rq_left - 1'b1 : rq_left == '0) :
                          req_in == rq_in && (!req_in || req_left == rq_left));
    end
  end

  // --- Interrupts -----------------------------------------------------------------------------------------
  logic [7:0] fresh_q;  // vectors asked for since the gate was last closed
  always_ff @(posedge clk_i) begin
    fresh_q <= (rst_ni && !closed_i) ? fresh_q | irq_asked_i : '0;
    if (rst_ni) begin
      p_irq_halted:    assert (!(msix_valid_i && (closed_i || !ready_i)));
      p_irq_forgotten: assert (!msix_valid_i || fresh_q[msix_vector_i]);
      c_irq_halted:    cover (closed_i && !closed_q && irq_pending_i != '0 && msix_ready_i);
      c_irq_forgotten: cover (msix_valid_i && reopened_q && msix_vector_i == 3'd2);
      h_fresh:         assert ((irq_pending_i & ~fresh_q) == '0 || closed_q);
    end
  end

endmodule

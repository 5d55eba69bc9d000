// SPDX-License-Identifier: Apache-2.0
// Turns the tapped wires into events: one clock to sample them, then one event at most per tap and clock.
// Nothing here drives the tapped design. Self-test events and host marks enter where a real event would.
module analyser_taps
  import analyser_pkg::*;
  import capture_pkg::*;
#(
  parameter int BLIND_TAP = -1  // test only: this tap sees nothing (capture_pkg::TAP_*); -1: all see
) (
  input  logic             clk_i,
  input  logic             rst_ni,
  input  logic      [63:0] now_i,           // cycle counter

  input  logic             cq_valid_i,      // the four TLP streams, first beats only
  input  logic             cq_ready_i,
  input  logic             cq_sop_i,
  input  logic     [127:0] cq_hdr_i,
  input  logic       [2:0] cq_bar_i,
  input  logic      [31:0] cq_data_i,
  input  logic             cc_valid_i,
  input  logic             cc_ready_i,
  input  logic             cc_sop_i,
  input  logic     [127:0] cc_hdr_i,
  input  logic      [31:0] cc_data_i,
  input  logic             rq_valid_i,
  input  logic             rq_ready_i,
  input  logic             rq_sop_i,
  input  logic     [127:0] rq_hdr_i,
  input  logic      [31:0] rq_data_i,
  input  logic             rc_valid_i,
  input  logic             rc_ready_i,
  input  logic             rc_sop_i,
  input  logic     [127:0] rc_hdr_i,
  input  logic      [31:0] rc_data_i,
  input  logic      [15:0] cfg_command_i,   // PCI Command register
  input  logic             cfg_flr_i,       // level: FLR in progress
  input  logic             cfg_flr_done_i,  // the card has finished its part of the FLR
  input  logic             perst_ni,        // recorded, resets nothing here
  input  logic             msix_valid_i,
  input  logic             msix_ready_i,
  input  logic       [2:0] msix_vector_i,
  input  logic             con_valid_i,     // byte of the server's console
  input  logic       [7:0] con_byte_i,
  input  logic             gate_closed_i,
  input  logic       [4:0] gate_cause_i,
  input  logic             card_reset_i,    // level: doorbell reset in progress
  input  logic             card_ready_i,    // level: card presents BOOT2_RUNNING

  input  logic             inject_i,        // pulse: take inject_taps_i
  input  logic [NumTaps-1:0] inject_taps_i,
  input  logic             mark_i,          // pulse: take mark_number_i
  input  logic      [31:0] mark_number_i,
  output logic             pending_o,       // an injected event or mark has not found its clock yet

  input  logic             trigger_i,       // the trigger fires in this clock of time_o
  input  logic       [2:0] trigger_source_i,

  output logic      [63:0] time_o,          // cycle in which the events below happened
  output logic [NumTaps-1:0] valid_o,
  output tap_event_t       event_o[NumTaps],
  output logic     [127:0] header_o[NumTlpTaps],  // of events that are no self-test events
  output logic [NumStats-1:0] stat_o,       // statistics classes hit
  output logic       [2:0] stat_resets_o,   // how many RESET events this clock
  output logic             doorbell_o,      // trigger conditions, real events only
  output logic             bme_fall_o,
  output logic             flr_start_o,
  output logic             con_valid_o,
  output logic       [7:0] con_byte_o
);
  localparam logic [NumTaps-1:0] Sees = BLIND_TAP < 0 ? '1 : ~(NumTaps'(1) << BLIND_TAP);
  localparam logic [31:0] SelfTestData = 32'h5e1f7e57;
  localparam logic [15:0] DoorbellOffset = vkbench_addr_pkg::VK_BAR0_RESET_DOORBELL_OFFSET[15:0];
  localparam int unsigned BmeBit = 2;  // Command register, Bus Master Enable

  // ---- Sample the wires. Wide ones only when they carry something: saves power, and time in simulation.
  logic [3:0] tlp_d, tlp_q;            // CQ, CC, RQ, RC: a TLP starts
  logic [127:0] hdr_q[NumTlpTaps];
  logic [31:0] data_q[NumTlpTaps];
  logic [2:0] bar_q;
  logic msix_q, con_q;
  logic [2:0] vector_q;
  logic [7:0] byte_q;
  typedef struct packed {
    logic [15:0] command;
    logic flr;
    logic flr_done;
    logic perst_n;
    logic gate_closed;
    logic [4:0] gate_cause;
    logic card_reset;
    logic card_ready;
  } level_t;
  level_t level_d, level_q, before_q;
  logic [1:0] running_q;               // the level registers hold samples taken after power-on

  assign tlp_d = {
    rc_valid_i & rc_ready_i & rc_sop_i,
    rq_valid_i & rq_ready_i & rq_sop_i,
    cc_valid_i & cc_ready_i & cc_sop_i,
    cq_valid_i & cq_ready_i & cq_sop_i
  };
  assign level_d = '{
    command: cfg_command_i,
    flr: cfg_flr_i,
    flr_done: cfg_flr_done_i,
    perst_n: perst_ni,
    gate_closed: gate_closed_i,
    gate_cause: gate_cause_i,
    card_reset: card_reset_i,
    card_ready: card_ready_i
  };

  always_ff @(posedge clk_i) begin
    if (tlp_d[0]) begin
      hdr_q[0]  <= cq_hdr_i;
      data_q[0] <= cq_data_i;
      bar_q     <= cq_bar_i;
    end
    if (tlp_d[1]) begin
      hdr_q[1]  <= cc_hdr_i;
      data_q[1] <= cc_data_i;
    end
    if (tlp_d[2]) begin
      hdr_q[2]  <= rq_hdr_i;
      data_q[2] <= rq_data_i;
    end
    if (tlp_d[3]) begin
      hdr_q[3]  <= rc_hdr_i;
      data_q[3] <= rc_data_i;
    end
    if (msix_valid_i) vector_q <= msix_vector_i;
    if (con_valid_i) byte_q <= con_byte_i;
    level_q  <= level_d;
    before_q <= level_q;
    time_o   <= now_i;
  end

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      tlp_q     <= '0;
      msix_q    <= 1'b0;
      con_q     <= 1'b0;
      running_q <= '0;
    end else begin
      tlp_q     <= tlp_d;
      msix_q    <= msix_valid_i & msix_ready_i;
      con_q     <= con_valid_i;
      running_q <= {running_q[0], 1'b1};
    end
  end

  // ---- What the samples mean.
  logic level_changed;                 // one compare keeps the quiet clocks cheap in simulation
  logic [NumTaps-1:0] seen;            // real events
  logic [5:0] resets;                  // bit n: capture_pkg::RESET_* n+1

  assign level_changed = running_q[1] && level_q != before_q;

  always_comb begin
    resets = '0;
    seen   = '0;
    seen[TAP_RC:TAP_CQ] = tlp_q;
    seen[TAP_MSIX]      = msix_q;
    seen[TAP_CONSOLE]   = con_q;
    bme_fall_o  = 1'b0;
    flr_start_o = 1'b0;
    if (level_changed) begin
      resets[RESET_PERST_ASSERTED-1]     = ~level_q.perst_n & before_q.perst_n;
      resets[RESET_PERST_RELEASED-1]     = level_q.perst_n & ~before_q.perst_n;
      resets[RESET_FLR_STARTED-1]        = level_q.flr & ~before_q.flr;
      resets[RESET_FLR_DONE-1]           = level_q.flr_done & ~before_q.flr_done;
      resets[RESET_CARD_RESET_STARTED-1] = level_q.card_reset & ~before_q.card_reset;
      resets[RESET_CARD_READY-1]         = level_q.card_ready & ~before_q.card_ready;
      seen[TAP_CFG]   = level_q.command != before_q.command;
      seen[TAP_RESET] = |resets;
      seen[TAP_GATE]  = level_q.gate_closed != before_q.gate_closed ||
                        level_q.gate_cause != before_q.gate_cause;
      bme_fall_o      = ~level_q.command[BmeBit] & before_q.command[BmeBit];
      flr_start_o     = resets[RESET_FLR_STARTED-1];
    end
  end

  // A write TLP to the reset doorbell: MWr (3 or 4 DW header), BAR 0, some byte of its first dword enabled.
  // A longer write that starts below the doorbell is not flagged: the driver writes single dwords.
  logic [15:0] cq_offset;
  assign cq_offset  = (hdr_q[0][29] ? hdr_q[0][111:96] : hdr_q[0][79:64]) & 16'hfffc;
  assign doorbell_o = tlp_q[0] && hdr_q[0][31:30] == 2'b01 && hdr_q[0][28:24] == 5'd0 && bar_q == 3'd0 &&
                      hdr_q[0][35:32] != 4'd0 && cq_offset == DoorbellOffset;

  assign con_valid_o = con_q;
  assign con_byte_o  = byte_q;

  // ---- Injected events and host marks wait for a clock in which their tap has nothing of its own.
  logic [NumTaps-1:0] inject_q, injected;
  logic mark_q, mark_taken;
  logic [31:0] mark_number_q;

  assign injected   = inject_q & ~seen & {~(mark_q | trigger_i), {(NumTaps - 1) {1'b1}}};
  assign mark_taken = mark_q & ~trigger_i;
  assign pending_o  = (|inject_q) | mark_q | inject_i | mark_i;

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      inject_q <= '0;
      mark_q   <= 1'b0;
    end else begin
      inject_q <= (inject_q & ~injected) | (inject_i ? inject_taps_i : '0);
      mark_q   <= (mark_q & ~mark_taken) | mark_i;
    end
    if (mark_i) mark_number_q <= mark_number_i;
  end

  // ---- One event per tap.
  assign header_o = hdr_q;
  always_comb begin
    valid_o = seen | injected;
    valid_o[TAP_MARK] = trigger_i | mark_q | injected[TAP_MARK];
    valid_o &= Sees;
    for (int unsigned tap = 0; tap < NumTaps; tap++) begin
      event_o[tap] = '0;
      event_o[tap].kind = 4'(tap + 1);  // the first ten kinds are the taps' own, in the same order
      if (injected[tap]) begin
        event_o[tap].flags = 2'(FLAG_SELFTEST);
        event_o[tap].data  = SelfTestData;
        event_o[tap].aux   = (tap == TAP_RESET) ? 16'd1 : 16'd0;
      end
    end
    for (int unsigned tap = 0; tap < NumTlpTaps; tap++) begin
      if (tlp_q[tap]) event_o[tap].data = hdr_q[tap][30] ? data_q[tap] : 32'd0;  // Fmt[1]: with payload
    end
    if (tlp_q[0]) begin
      event_o[TAP_CQ].aux   = 16'(bar_q);
      event_o[TAP_CQ].flags = doorbell_o ? 2'(FLAG_DOORBELL) : 2'd0;
    end
    if (seen[TAP_CFG]) begin
      event_o[TAP_CFG].aux  = level_q.command;
      event_o[TAP_CFG].data = 32'(before_q.command);
    end
    if (seen[TAP_RESET]) event_o[TAP_RESET].aux = 16'(resets);
    if (msix_q) event_o[TAP_MSIX].aux = 16'(vector_q);
    if (con_q) event_o[TAP_CONSOLE].aux = 16'(byte_q);
    if (seen[TAP_GATE]) begin
      event_o[TAP_GATE].aux  = 16'(level_q.gate_closed);
      event_o[TAP_GATE].data = 32'(level_q.gate_cause);
    end
    if (trigger_i) begin
      event_o[TAP_MARK].kind = 4'(KIND_TRIGGER);
      event_o[TAP_MARK].aux  = 16'(trigger_source_i);
    end else if (mark_q) begin
      event_o[TAP_MARK].data = mark_number_q;
    end
  end

  // ---- Statistics classes; an injected event counts like a real one, so the self-test covers them.
  always_comb begin
    stat_o = '0;
    stat_o[STAT_CQ_WR]    = valid_o[TAP_CQ] & (tlp_q[0] & hdr_q[0][30]);
    stat_o[STAT_CQ_RD]    = valid_o[TAP_CQ] & ~(tlp_q[0] & hdr_q[0][30]);
    stat_o[STAT_CC]       = valid_o[TAP_CC];
    stat_o[STAT_RQ_WR]    = valid_o[TAP_RQ] & (tlp_q[2] & hdr_q[2][30]);
    stat_o[STAT_RQ_RD]    = valid_o[TAP_RQ] & ~(tlp_q[2] & hdr_q[2][30]);
    stat_o[STAT_RC]       = valid_o[TAP_RC];
    stat_o[STAT_MSIX]     = valid_o[TAP_MSIX];
    stat_o[STAT_CONSOLE]  = valid_o[TAP_CONSOLE];
    stat_o[STAT_DOORBELL] = valid_o[TAP_CQ] & event_o[TAP_CQ].flags[1];
    stat_o[STAT_CFG]      = valid_o[TAP_CFG];
    stat_o[STAT_RESET]    = valid_o[TAP_RESET];
    stat_resets_o = 3'($countones(event_o[TAP_RESET].aux[5:0]));
  end
endmodule

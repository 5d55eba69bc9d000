// SPDX-License-Identifier: Apache-2.0
// Turns the tapped wires into events: one clock to sample them, then one event at most per tap and clock.
// Nothing here drives the tapped design. Self-test events and host marks enter where a real event would.
//
// Samples and what is made of them have a clock that stops while nothing happens: it runs when something comes,
// and one clock longer.
module analyser_taps
  import analyser_pkg::*;
  import capture_pkg::*;
(
  input  logic             clk_i,
  input  logic             rst_ni,
  input  logic      [63:0] now_i,           // cycle counter

  input  logic             cq_valid_i,      // the four TLP streams: hdr, bar and data of beats with sop
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
  input  logic             cfg_acc_valid_i, // pulse: a configuration access
  input  logic             cfg_acc_write_i,
  input  logic       [9:0] cfg_acc_addr_i,  // dword
  input  logic       [3:0] cfg_acc_be_i,
  input  logic      [31:0] cfg_acc_data_i,
  input  logic      [15:0] cfg_command_i,   // PCI Command register
  input  logic             cfg_flr_i,       // level: FLR in progress
  input  logic             cfg_flr_done_i,  // the card has finished its part of the FLR
  input  logic             perst_ni,        // recorded, resets nothing here
  input  logic             msix_valid_i,
  input  logic             msix_ready_i,
  input  logic       [2:0] msix_vector_i,
  input  logic             con_valid_i,     // byte of the server's console
  input  logic       [7:0] con_byte_i,
  input  logic             con_error_i,     // ... that had no stop bit
  input  logic             gate_closed_i,
  input  logic       [4:0] gate_cause_i,
  input  logic             card_reset_i,    // level: doorbell reset in progress
  input  logic             card_ready_i,    // level: card presents BOOT2_RUNNING
  input  levels_t          levels_i,        // slow levels; stall_* and core_hung are worked out here
  input  logic             core_idle_i,     // the card's soft core waits for work

  input  logic [NumTaps-1:0] blind_i,       // test only: these taps see nothing
  input  logic             inject_i,        // pulse: take inject_taps_i
  input  logic [NumTaps-1:0] inject_taps_i,
  input  logic             mark_i,          // pulse: take mark_number_i and mark_name_i
  input  logic      [31:0] mark_number_i,
  input  logic     [127:0] mark_name_i,
  output logic             pending_o,       // an injected event or mark has not found its clock yet
  input  logic             mark_hold_i,     // the MARK tap's event of this clock, if any, is to come again

  output logic      [63:0] time_o,          // cycle in which the events below happened
  output logic [NumTaps-1:0] valid_o,       // none of it depends on mark_hold_i
  output tap_event_t       event_o[NumTaps],
  output logic     [127:0] header_o[NumTaps],
  output levels_t          levels_o,        // as of time_o
  output logic      [15:0] command_o,
  output logic [NumStats-1:0] stat_o,       // statistics classes hit by events
  output logic       [1:0] stat_stall_o,    // classes CQ_STALL, RQ_STALL
  output logic       [2:0] stat_resets_o,   // how many RESET events this clock
  output logic             stat_two_errors_o,  // class CPL_ERROR is hit twice
  output logic             con_valid_o,     // byte for the trigger's texts, in the clock of its event
  output logic       [7:0] con_byte_o
);
  localparam logic [31:0] SelfTestData = 32'h5e1f7e57;
  localparam logic [15:0] DoorbellOffset = vkbench_addr_pkg::VK_BAR0_RESET_DOORBELL_OFFSET[15:0];

  localparam logic [NumTaps-1:0] MarkOnly = NumTaps'(1) << TAP_MARK;

  // ---- Sample the wires.
  typedef struct packed {
    levels_t levels;
    logic [15:0] command;
    logic flr;
    logic flr_done;
    logic perst_n;
    logic gate_closed;
    logic [4:0] gate_cause;
    logic card_reset;
    logic card_ready;
  } level_t;

  logic [NumTlpTaps-1:0] tlp_d, waits, stall;  // CQ, CC, RQ, RC: a TLP starts; a beat waits
  logic hung, tap_clk, busy;
  level_t level_d;
  logic changed;

  logic [NumTlpTaps-1:0] tlp_q;
  logic [127:0] hdr_q[NumTlpTaps];
  logic [31:0] data_q[NumTlpTaps];
  logic [2:0] bar_q, vector_q;
  logic msix_q, con_q, con_error_q, acc_q;
  logic [7:0] byte_q;
  logic [15:0] acc_aux_q;
  logic [31:0] acc_data_q;
  level_t level_q, before_q;
  logic changed_q;                     // level_q and before_q differ
  logic [NumTaps-1:0] inject_q;
  logic mark_q;
  logic [31:0] mark_number_q;
  logic [127:0] mark_name_q;
  logic [1:0] stall_q;                 // for the statistics: CQ, RQ
  logic [NumTaps-1:0] seen, injected;  // real events; self-test events

  assign tlp_d = {rc_sop_i, rq_sop_i, cc_sop_i, cq_sop_i} &
                 {rc_valid_i, rq_valid_i, cc_valid_i, cq_valid_i} &
                 {rc_ready_i, rq_ready_i, cc_ready_i, cq_ready_i};
  assign waits = {rc_valid_i, rq_valid_i, cc_valid_i, cq_valid_i} &
                 ~{rc_ready_i, rq_ready_i, cc_ready_i, cq_ready_i};

  analyser_levels u_levels (
    .clk_i, .rst_ni,
    .waits_i(waits),
    .core_idle_i,
    .stall_o(stall),
    .hung_o(hung)
  );

  always_comb begin
    level_d = '{
      levels: levels_i,
      command: cfg_command_i,
      flr: cfg_flr_i,
      flr_done: cfg_flr_done_i,
      perst_n: perst_ni,
      gate_closed: gate_closed_i,
      gate_cause: gate_cause_i,
      card_reset: card_reset_i,
      card_ready: card_ready_i
    };
    level_d.levels.stall_cq  = stall[TAP_CQ];
    level_d.levels.stall_cc  = stall[TAP_CC];
    level_d.levels.stall_rq  = stall[TAP_RQ];
    level_d.levels.stall_rc  = stall[TAP_RC];
    level_d.levels.core_hung = hung;
  end

  assign changed = level_d != level_q;
  assign busy    = (|tlp_q) | msix_q | con_q | acc_q | changed_q | (|inject_q) | mark_q;
  clock_gate u_clock (
    .clk_i,
    .enable_i(!rst_ni || busy || changed || (|tlp_d) || (msix_valid_i && msix_ready_i) || con_valid_i ||
              cfg_acc_valid_i || inject_i || mark_i),
    .clk_o(tap_clk)
  );

  // Wide samples are taken only when they carry something: saves power.
  always_ff @(posedge tap_clk) begin
    if (tlp_d[TAP_CQ]) begin
      hdr_q[TAP_CQ]  <= cq_hdr_i;
      data_q[TAP_CQ] <= cq_data_i;
      bar_q          <= cq_bar_i;
    end
    if (tlp_d[TAP_CC]) begin
      hdr_q[TAP_CC]  <= cc_hdr_i;
      data_q[TAP_CC] <= cc_data_i;
    end
    if (tlp_d[TAP_RQ]) begin
      hdr_q[TAP_RQ]  <= rq_hdr_i;
      data_q[TAP_RQ] <= rq_data_i;
    end
    if (tlp_d[TAP_RC]) begin
      hdr_q[TAP_RC]  <= rc_hdr_i;
      data_q[TAP_RC] <= rc_data_i;
    end
    if (msix_valid_i) vector_q <= msix_vector_i;
    if (con_valid_i) begin
      byte_q      <= con_byte_i;
      con_error_q <= con_error_i;
    end
    if (cfg_acc_valid_i) begin
      acc_aux_q  <= {cfg_acc_write_i ? cfg_acc_be_i : 4'd0, cfg_acc_addr_i, 2'd0};
      acc_data_q <= cfg_acc_data_i;
    end
    if (mark_i) begin
      mark_number_q <= mark_number_i;
      mark_name_q   <= mark_name_i;
    end
    level_q  <= level_d;
    before_q <= level_q;
  end

  always_ff @(posedge tap_clk) begin
    if (!rst_ni) begin
      tlp_q     <= '0;
      msix_q    <= 1'b0;
      con_q     <= 1'b0;
      acc_q     <= 1'b0;
      changed_q <= 1'b0;
      inject_q  <= '0;
      mark_q    <= 1'b0;
    end else begin
      tlp_q     <= tlp_d;
      msix_q    <= msix_valid_i & msix_ready_i;
      con_q     <= con_valid_i;
      acc_q     <= cfg_acc_valid_i;
      changed_q <= changed;
      inject_q  <= (inject_q & ~(injected & ~(mark_hold_i ? MarkOnly : '0))) | (inject_i ? inject_taps_i : '0);
      mark_q    <= (mark_q & mark_hold_i) | mark_i;
    end
  end

  always_ff @(posedge clk_i) begin
    stall_q <= rst_ni ? {waits[TAP_RQ], waits[TAP_CQ]} : '0;
    time_o  <= now_i;
  end

  // ---- What the samples mean.
  logic [5:0] resets;                  // bit n: capture_pkg::RESET_* n+1
  logic [15:0] cq_offset;
  logic doorbell;

  always_comb begin
    resets = '0;
    seen   = '0;
    seen[TAP_RC:TAP_CQ] = tlp_q;
    seen[TAP_MSIX]      = msix_q;
    seen[TAP_CONSOLE]   = con_q;
    seen[TAP_CONFIG]    = acc_q;
    seen[TAP_MARK]      = mark_q;
    if (changed_q) begin
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
      seen[TAP_LEVEL] = level_q.levels != before_q.levels;
    end
  end

  // A self-test event waits for a clock in which its tap has nothing of its own.
  assign injected  = inject_q & ~seen;
  assign pending_o = (|inject_q) | mark_q | inject_i | mark_i;

  // A write TLP to the reset doorbell: MWr (3 or 4 DW header), BAR 0, some byte of its first dword enabled.
  // A longer write that starts below the doorbell is not flagged: the driver writes single dwords.
  assign cq_offset = (hdr_q[TAP_CQ][29] ? hdr_q[TAP_CQ][111:96] : hdr_q[TAP_CQ][79:64]) & 16'hfffc;
  assign doorbell  = tlp_q[TAP_CQ] && hdr_q[TAP_CQ][31:30] == 2'b01 && hdr_q[TAP_CQ][28:24] == 5'd0 &&
                     bar_q == 3'd0 && hdr_q[TAP_CQ][35:32] != 4'd0 && cq_offset == DoorbellOffset;

  assign con_valid_o = con_q & ~blind_i[TAP_CONSOLE];
  assign con_byte_o  = byte_q;
  assign levels_o    = level_q.levels;
  assign command_o   = level_q.command;

  // ---- One event per tap.
  assign valid_o = (seen | injected) & ~blind_i;
  always_comb begin
    for (int unsigned tap = 0; tap < NumTaps; tap++) begin
      event_o[tap]  = '0;
      header_o[tap] = '0;
      event_o[tap].kind = TAP_KINDS[tap];
      if (injected[tap]) begin
        event_o[tap].flags = 4'(FLAG_SELFTEST);
        event_o[tap].data  = SelfTestData;
        event_o[tap].aux   = (tap == TAP_RESET) ? 16'd1 : 16'd0;
      end
    end
    for (int unsigned tap = 0; tap < NumTlpTaps; tap++) begin
      if (tlp_q[tap]) begin
        event_o[tap].data = hdr_q[tap][30] ? data_q[tap] : 32'd0;  // Fmt[1]: with payload
        header_o[tap]     = hdr_q[tap];
      end
    end
    if (tlp_q[TAP_CQ]) begin
      event_o[TAP_CQ].aux   = {bar_q, 13'd0};
      event_o[TAP_CQ].flags = doorbell ? 4'(FLAG_DOORBELL) : 4'd0;
    end
    if (seen[TAP_CFG]) begin
      event_o[TAP_CFG].aux  = level_q.command;
      event_o[TAP_CFG].data = 32'(before_q.command);
    end
    if (seen[TAP_RESET]) event_o[TAP_RESET].aux = 16'(resets);
    if (msix_q) event_o[TAP_MSIX].aux = 16'(vector_q);
    if (con_q) begin
      event_o[TAP_CONSOLE].aux   = 16'(byte_q);
      event_o[TAP_CONSOLE].flags = con_error_q ? 4'(FLAG_ERROR) : 4'd0;
    end
    if (seen[TAP_GATE]) begin
      event_o[TAP_GATE].aux  = 16'(level_q.gate_closed);
      event_o[TAP_GATE].data = 32'(level_q.gate_cause);
    end
    if (acc_q) begin
      event_o[TAP_CONFIG].aux  = acc_aux_q;
      event_o[TAP_CONFIG].data = acc_data_q;
    end
    if (seen[TAP_LEVEL]) begin
      event_o[TAP_LEVEL].data   = level_q.levels;
      header_o[TAP_LEVEL][31:0] = before_q.levels;
    end
    if (mark_q) begin
      event_o[TAP_MARK].data = mark_number_q;
      header_o[TAP_MARK]     = mark_name_q;
    end
  end

  // ---- Statistics classes; an injected event counts like a real one, so the self-test covers them.
  logic [1:0] completion_error;        // CC, RC: status other than Successful Completion
  assign completion_error = {tlp_q[TAP_RC] && hdr_q[TAP_RC][47:45] != 3'd0,
                             tlp_q[TAP_CC] && hdr_q[TAP_CC][47:45] != 3'd0} &
                            {valid_o[TAP_RC], valid_o[TAP_CC]};
  assign stat_stall_o = stall_q & ~{blind_i[TAP_RQ], blind_i[TAP_CQ]};
  always_comb begin
    stat_o = '0;
    stat_o[STAT_CQ_WR]    = valid_o[TAP_CQ] & (tlp_q[TAP_CQ] & hdr_q[TAP_CQ][30]);
    stat_o[STAT_CQ_RD]    = valid_o[TAP_CQ] & ~(tlp_q[TAP_CQ] & hdr_q[TAP_CQ][30]);
    stat_o[STAT_CC]       = valid_o[TAP_CC];
    stat_o[STAT_RQ_WR]    = valid_o[TAP_RQ] & (tlp_q[TAP_RQ] & hdr_q[TAP_RQ][30]);
    stat_o[STAT_RQ_RD]    = valid_o[TAP_RQ] & ~(tlp_q[TAP_RQ] & hdr_q[TAP_RQ][30]);
    stat_o[STAT_RC]       = valid_o[TAP_RC];
    stat_o[STAT_MSIX]     = valid_o[TAP_MSIX];
    stat_o[STAT_CONSOLE]  = valid_o[TAP_CONSOLE];
    stat_o[STAT_DOORBELL] = valid_o[TAP_CQ] & doorbell;
    stat_o[STAT_CFG]      = valid_o[TAP_CFG];
    stat_o[STAT_RESET]    = valid_o[TAP_RESET];
    stat_o[STAT_CONFIG]   = valid_o[TAP_CONFIG];
    stat_o[STAT_LEVEL]    = valid_o[TAP_LEVEL];
    stat_o[STAT_CPL_ERROR] = |completion_error;
    stat_resets_o         = 3'($countones(event_o[TAP_RESET].aux[5:0]));
    stat_two_errors_o     = &completion_error;
  end
endmodule

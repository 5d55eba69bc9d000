// SPDX-License-Identifier: Apache-2.0
// Bound into analyser_term: a term matches if and only if an event of its tap is what it asks for, or its text has
// come. Written from rtl/regs/analyser_trigger.rdl, with addresses in bytes and records one by one. There is no
// state, so one clock is all of them. The comparisons are proved of term 0: that the asked term is the one that is
// looked at shows in its source (p_index), and to prove it along with every comparison takes hours.
module term_check
  import analyser_pkg::*;
  import analyser_trigger_regs_pkg::*;
  import capture_pkg::*;
(
  input logic                            look_i,
  input analyser_trigger__term_t__out_t  term_i[8],
  input logic                      [2:0] index_i,
  input logic              [NumTaps-1:0] valid_i,
  input tap_event_t                      event_i[NumTaps],
  input logic                    [127:0] header_i[NumTaps],
  input logic                      [3:0] text_i,
  input logic                            match_i
);
  // The asked term, out of the eight.
  logic  [4:0] source;
  logic        edge_only, in_range, window;
  logic  [3:0] flags_value, flags_mask;
  logic [31:0] dw0_value, dw0_mask, a, b;
  logic [15:0] aux_value, aux_mask;
  logic [63:0] first, last;
  always_comb begin
    {source, edge_only, in_range, window, flags_value, flags_mask, dw0_value, dw0_mask, a, b} = '0;
    {aux_value, aux_mask, first, last} = '0;
    for (int n = 0; n < 8; n++) begin
      if (index_i == 3'(n)) begin
        source      = term_i[n].select.source.value;
        edge_only   = term_i[n].select.edge_only.value;
        in_range    = term_i[n].select.range.value;
        window      = term_i[n].select.window.value;
        flags_value = term_i[n].select.flags_value.value;
        flags_mask  = term_i[n].select.flags_mask.value;
        dw0_value   = term_i[n].dw0_value.value.value;
        dw0_mask    = term_i[n].dw0_mask.value.value;
        a           = term_i[n].data_a.value.value;
        b           = term_i[n].data_b.value.value;
        aux_value   = term_i[n].aux.value.value;
        aux_mask    = term_i[n].aux.mask.value;
        first       = {term_i[n].first_hi.value.value, term_i[n].first_lo.value.value};
        last        = {term_i[n].last_hi.value.value, term_i[n].last_lo.value.value};
      end
    end
  end

  function automatic logic equal(logic [31:0] what, logic [31:0] value, logic [31:0] mask);
    return ((what ^ value) & mask) == '0 && (value & ~mask) == '0;
  endfunction
  function automatic logic is_data(logic [31:0] what, logic ranged, logic [31:0] least, logic [31:0] most);
    return ranged ? !(what < least) && !(most < what) : equal(what, least, most);
  endfunction

  // Of one tap that the proof chooses, hence of every one: would its event of this clock be it?
  logic  [3:0] chosen;
  logic        record, wanted;
  logic [31:0] dw0, dw2, dw3;
  logic [65:0] start, final_byte;
  tap_event_t  now;
  any_value #(.Bits(4)) u_chosen (.value_o(chosen));

  always_comb begin
    e_chosen: assume (32'(chosen) < NumTaps);
  end

  always_comb begin
    now        = event_i[chosen];
    {dw3, dw2} = header_i[chosen][127:64];
    dw0        = header_i[chosen][31:0];
    start      = dw0[29] ? {2'd0, dw2, dw3[31:2], 2'd0} : {34'd0, dw2[31:2], 2'd0};
    final_byte = start + (dw0[9:0] == '0 ? 66'd4095 : 66'({dw0[9:0], 2'd0}) - 66'd1);

    record = 1'b0;
    if (chosen == 4'(TAP_RESET)) begin
      for (int n = RESET_PERST_ASSERTED; n <= RESET_CARD_READY; n++) begin
        record |= now.aux[n-1] && equal(32'(n), 32'(aux_value), 32'(aux_mask));
      end
    end else begin
      record = equal(32'(now.aux), 32'(aux_value), 32'(aux_mask));
    end

    wanted = valid_i[chosen] && record && !now.flags[0] &&
             equal(32'(now.flags), 32'(flags_value), 32'(flags_mask)) && is_data(now.data, in_range, a, b);
    if (chosen <= 4'(TAP_RC) && !equal(dw0, dw0_value, dw0_mask)) wanted = 1'b0;
    if (chosen == 4'(TAP_LEVEL) && edge_only && is_data(dw0, in_range, a, b)) wanted = 1'b0;
    if (window) begin
      if (chosen != 4'(TAP_CQ) && chosen != 4'(TAP_RQ)) wanted = 1'b0;
      if (dw0[31:29] > 3'd3 || dw0[28:24] != '0) wanted = 1'b0;
      if (start > {2'd0, last} || final_byte < {2'd0, first}) wanted = 1'b0;
    end
  end

  logic of_tap, compared, want;  // the term is one of the chosen tap
  always_comb begin
    of_tap   = source == 5'(chosen) + 5'd1;
    compared = of_tap && index_i == '0;
    want     = of_tap && wanted;
    for (int n = 0; n < 4; n++) want |= source == 5'(16 + n) && text_i[n];
    want &= look_i;
  end

  always_comb begin
    p_window: assert (!(compared && window) || match_i == want);
    p_reset:  assert (!(compared && source == 5'(TAP_RESET + 1)) || match_i == want);
    p_edge:   assert (!(compared && source == 5'(TAP_LEVEL + 1)) || match_i == want);
    p_term:   assert (!compared || match_i == want);
    p_index:  assert (!(source == '0 || 32'(source) > NumTaps) || match_i == want);
    c_window: cover (match_i && of_tap && window && start[63:32] == 32'd7 && first[31:0] == start[31:0] + 32'd4095);
    c_reset:  cover (match_i && of_tap && source == 5'(TAP_RESET + 1) && aux_value == 16'd3 &&
                     event_i[TAP_RESET].aux == 16'h3e);
    c_edge:   cover (match_i && source == 5'(TAP_LEVEL + 1) && edge_only && !in_range && b == 32'h3000);
    c_term:   cover (match_i && of_tap && source == 5'(TAP_RC + 1) && in_range && dw0_mask != '0 && a > 32'd7);
    c_index:  cover (match_i && index_i == 3'd6 && source == 5'd17 && term_i[7].select.source.value == 5'd18);
  end
endmodule

// SPDX-License-Identifier: Apache-2.0
// Does one of the program's terms match the events of this clock? What is compared is what the record will show;
// rtl/regs/analyser_trigger.rdl says how. A RESET event stands for up to six records (see tap_event_t) and
// matches when one of them does.
module analyser_term
  import analyser_pkg::*;
  import analyser_trigger_regs_pkg::*;
  import capture_pkg::*;
(
  input  logic                          look_i,    // evaluate; match_o is low otherwise
  input  analyser_trigger__term_t__out_t term_i[CAPTURE_SEQUENCE_TERMS],
  input  logic                    [2:0] index_i,   // which one
  input  logic            [NumTaps-1:0] valid_i,
  input  tap_event_t                    event_i[NumTaps],
  input  logic                  [127:0] header_i[NumTaps],
  input  logic     [CAPTURE_SEQUENCE_TEXTS-1:0] text_i,    // text n has just come whole
  output logic                          match_o
);
  // One block under one condition: in simulation a clock without events costs one comparison.
  always_comb begin
    automatic analyser_trigger__term_t__out_t term;
    automatic logic [4:0] source;
    automatic logic [3:0] tap, flags;
    automatic logic [31:0] data, dw0, dw2;
    automatic logic [31:2] dw3;
    automatic logic [15:0] aux;
    automatic logic [9:0] more;                  // dwords after the first
    automatic logic [63:2] first, last, address, lowest, highest;
    automatic logic data_ok, before_ok, aux_ok, window_ok;

    match_o = 1'b0;
    term    = term_i[0];
    {source, tap, flags, data, dw0, dw2, dw3, aux, more} = '0;
    {first, last, address, lowest, highest}        = '0;
    {data_ok, before_ok, aux_ok, window_ok}        = '0;

    if (look_i) begin
      term   = term_i[index_i];
      source = term.select.source.value;
      tap    = source[3:0] - 4'd1;
      if (source[4]) begin
        match_o = 32'(source[3:0]) < CAPTURE_SEQUENCE_TEXTS && text_i[source[1:0]];
      end else if (source != '0 && 32'(tap) < NumTaps && valid_i[tap]) begin
        flags = event_i[tap].flags;
        data  = event_i[tap].data;
        aux   = event_i[tap].aux;
        dw0   = header_i[tap][31:0];
        dw2   = header_i[tap][95:64];
        dw3   = header_i[tap][127:98];

        data_ok   = holds(term, data);
        before_ok = holds(term, dw0);

        aux_ok = (aux & term.aux.mask.value) == term.aux.value.value;
        if (32'(tap) == TAP_RESET) begin
          aux_ok = 1'b0;
          for (int unsigned n = 0; n < RESET_COUNT - 1; n++) begin
            if (aux[n] && (16'(n + 1) & term.aux.mask.value) == term.aux.value.value) aux_ok = 1'b1;
          end
        end

        // Requests are made of dwords, and a dword that overlaps the window in one byte overlaps it: the lowest
        // two bits of addresses play no part. A length of 0 means 1024. Nothing wraps past 2 to the 64.
        first     = {term.first_hi.value.value, term.first_lo.value.value[31:2]};
        last      = {term.last_hi.value.value, term.last_lo.value.value[31:2]};
        lowest    = dw0[29] ? {dw2, dw3} : {32'd0, dw2[31:2]};
        more      = dw0[9:0] - 10'd1;
        address   = lowest + 62'(more);
        highest   = address < lowest ? '1 : address;
        window_ok = (32'(tap) == TAP_CQ || 32'(tap) == TAP_RQ) && !dw0[31] && dw0[28:24] == '0 &&
                    lowest <= last && highest >= first;

        match_o = (flags & 4'(FLAG_SELFTEST)) == '0 &&
                  (flags & term.select.flags_mask.value) == term.select.flags_value.value &&
                  (32'(tap) > TAP_RC || (dw0 & term.dw0_mask.value.value) == term.dw0_value.value.value) &&
                  data_ok &&
                  !(32'(tap) == TAP_LEVEL && term.select.edge_only.value && before_ok) &&
                  aux_ok &&
                  (window_ok || !term.select.window.value);
      end
    end
  end

  function automatic logic holds(analyser_trigger__term_t__out_t term, logic [31:0] data);
    return term.select.range.value ? term.data_a.value.value <= data && data <= term.data_b.value.value
                                   : (data & term.data_b.value.value) == term.data_a.value.value;
  endfunction
endmodule

// SPDX-License-Identifier: Apache-2.0
// Passes a TLP on to the core only when the hard IP has delivered it whole. The hard IP says with the last
// beat that it has lost payload ("discontinue"); such a TLP goes on marked as poisoned, so that what it is
// for fails and none of its bytes is used. The memory also takes up bursts of short TLPs.
module usp_whole #(
  parameter int unsigned Beats = 64  // power of two, more than the longest TLP has
) (
  input  logic         clk_i,
  input  logic         rst_ni,

  input  logic         in_valid_i,
  output logic         in_ready_o,
  input  logic         in_sop_i,
  input  logic         in_eop_i,
  input  logic         in_bad_i,    // with eop
  input  logic [127:0] in_hdr_i,
  input  logic   [2:0] in_bar_i,
  input  logic [255:0] in_data_i,

  output logic         out_valid_o,
  input  logic         out_ready_i,
  output logic         out_sop_o,
  output logic         out_eop_o,
  output logic [127:0] out_hdr_o,
  output logic   [2:0] out_bar_o,
  output logic [255:0] out_data_o
);

  localparam int unsigned Bits = $clog2(Beats);
  typedef logic [Bits:0] pointer_t;  // one bit more tells full from empty

  logic [256:0] beat_mem   [Beats];  // eop, data
  logic [130:0] header_mem [Beats];  // bar, header
  logic         bad_mem    [Beats];

  pointer_t beat_in_q, beat_out_q, tlp_in_q, tlp_out_q;
  logic     put, load, start_q;      // start_q: the next beat to load is a first one
  logic     eop, bad;
  logic [255:0] data;
  logic [127:0] header;
  logic   [2:0] bar;

  assign put = in_valid_i && in_ready_o;
  assign {eop, data}   = beat_mem[beat_out_q[Bits-1:0]];
  assign {bar, header} = header_mem[tlp_out_q[Bits-1:0]];
  assign bad           = bad_mem[tlp_out_q[Bits-1:0]];

  assign in_ready_o = beat_in_q - beat_out_q != pointer_t'(Beats);
  assign load       = (!out_valid_o || out_ready_i) && tlp_in_q != tlp_out_q;

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      beat_in_q   <= '0;
      beat_out_q  <= '0;
      tlp_in_q    <= '0;
      tlp_out_q   <= '0;
      start_q     <= 1'b1;
      out_valid_o <= 1'b0;
      out_sop_o   <= 1'b0;
      out_eop_o   <= 1'b0;
    end else begin
      if (put)             beat_in_q <= beat_in_q + 1'b1;
      if (put && in_eop_i) tlp_in_q  <= tlp_in_q + 1'b1;
      if (!out_valid_o || out_ready_i) out_valid_o <= load;
      if (load) begin
        beat_out_q <= beat_out_q + 1'b1;
        start_q    <= eop;
        out_sop_o  <= start_q;
        out_eop_o  <= eop;
        if (eop) tlp_out_q <= tlp_out_q + 1'b1;
      end
    end
  end

  always_ff @(posedge clk_i) begin
    if (put)             beat_mem[beat_in_q[Bits-1:0]] <= {in_eop_i, in_data_i};
    if (put && in_sop_i) header_mem[tlp_in_q[Bits-1:0]] <= {in_bar_i, in_hdr_i};
    if (put && in_eop_i) bad_mem[tlp_in_q[Bits-1:0]] <= in_bad_i;
    if (load) begin
      out_data_o <= data;
      out_hdr_o  <= {header[127:15], header[14] || bad, header[13:0]};
      out_bar_o  <= bar;
    end
  end

endmodule

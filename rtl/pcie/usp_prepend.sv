// SPDX-License-Identifier: Apache-2.0
// Puts a descriptor of Dwords dwords in front of a TLP's payload, as the hard IP's CC (3) and RQ (4) streams
// want it: the payload moves up by as many lanes. A TLP takes ceil((Dwords + length) / 8) beats without gap.
module usp_prepend #(
  parameter int unsigned Dwords   = 4,
  parameter int unsigned UserBits = 1
) (
  input  logic                 clk_i,
  input  logic                 rst_ni,      // low: what comes in is absorbed, also the rest of a TLP cut off

  input  logic                 in_valid_i,
  output logic                 in_ready_o,
  input  logic                 in_sop_i,
  input  logic                 in_eop_i,
  input  logic [32*Dwords-1:0] in_desc_i,   // with sop, as the two that follow
  input  logic          [10:0] in_length_i, // dwords of payload
  input  logic  [UserBits-1:0] in_user_i,
  input  logic         [255:0] in_data_i,

  output logic                 out_valid_o,
  input  logic                 out_ready_i,
  output logic                 out_last_o,
  output logic           [7:0] out_keep_o,  // valid dwords
  output logic  [UserBits-1:0] out_user_o,
  output logic         [255:0] out_data_o
);

  localparam int unsigned Shift = 32 * Dwords;

  logic             open_q, flush_q;  // between sop and eop; one beat more after eop
  logic [Shift-1:0] carry_q;          // payload that did not fit
  logic      [10:0] length_q, length;
  logic             advance, take, spill;
  logic       [2:0] end_lane, end_lane_q;  // of the final beat

  assign advance    = !out_valid_o || out_ready_i;
  assign in_ready_o = advance && !flush_q;
  assign take       = in_valid_i && in_ready_o && (in_sop_i || open_q);

  // The last payload dword goes Dwords lanes up; past lane 7 the TLP needs a beat of its own for it.
  assign length   = in_sop_i ? in_length_i : length_q;
  assign end_lane = 3'(length + 11'(Dwords - 1));
  assign spill    = length != '0 && end_lane < 3'(Dwords);

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      open_q      <= 1'b0;
      flush_q     <= 1'b0;
      out_valid_o <= 1'b0;
    end else begin
      if (advance) begin
        out_valid_o <= take || flush_q;
        flush_q     <= take && in_eop_i && spill;
      end
      if (take) open_q <= !in_eop_i;
    end
  end

  always_ff @(posedge clk_i) begin
    if (take) begin
      carry_q    <= in_data_i[255 -: Shift];
      length_q   <= length;
      end_lane_q <= end_lane;
      if (in_sop_i) out_user_o <= in_user_i;
    end
    if (advance) begin
      out_last_o <= flush_q || (in_eop_i && !spill);
      out_keep_o <= 8'hff >> (flush_q ? 3'd7 - end_lane_q : (in_eop_i && !spill) ? 3'd7 - end_lane : 3'd0);
      out_data_o <= {in_data_i[255-Shift:0], in_sop_i && !flush_q ? in_desc_i : carry_q};
    end
  end

endmodule

// SPDX-License-Identifier: Apache-2.0
// Counts a stream's beats against the Length of its header.
module beat_count (
  input  logic         clk_i,
  input  logic         rst_ni,
  input  logic         beat_i,
  input  logic         eop_i,
  input  logic [127:0] hdr_i,
  output logic         in_packet_o,
  output logic   [7:0] left_o        // beats after the present one
);
  logic  [7:0] left_q;
  logic [10:0] dwords;
  assign dwords = {hdr_i[9:0] == '0, hdr_i[9:0]};
  assign left_o = in_packet_o ? left_q : hdr_i[30] ? 8'((dwords - 11'd1) >> 3) : '0;

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      in_packet_o <= 1'b0;
      left_q      <= '0;
    end else if (beat_i) begin
      in_packet_o <= !eop_i;
      left_q      <= (left_o == '0) ? '0 : left_o - 1'b1;
    end
  end
endmodule

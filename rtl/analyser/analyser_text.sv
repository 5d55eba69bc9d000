// SPDX-License-Identifier: Apache-2.0
// Finds texts in the console's bytes. Each text is compared with the last bytes since the clear at every byte, so
// overlapping and repeated beginnings are found ("aab" in "aaab").
module analyser_text #(
  parameter int unsigned Texts = 4,
  parameter int unsigned Bytes = 32,               // length of the longest text, 2 or more
  localparam int unsigned Bits = $clog2(Bytes + 1)
) (
  input  logic               clk_i,
  input  logic               rst_ni,
  input  logic               clear_i,              // no byte up to now counts any longer, nor that of this clock
  input  logic               valid_i,
  input  logic         [7:0] byte_i,
  input  logic    [Bits-1:0] length_i[Texts],      // bytes; 0: never found
  input  logic [Bytes*8-1:0] text_i[Texts],        // last byte of the text in bits 7:0
  output logic   [Texts-1:0] found_o               // in the clock of its last byte
);
  logic [Bytes*8-9:0] history_q;  // bytes before this one, newest in the low bits
  logic    [Bits-1:0] held_q;     // how many of them count

  always_comb begin
    automatic logic [Bytes*8-1:0] recent;
    found_o = '0;
    recent  = '0;
    if (valid_i && !clear_i) begin
      recent = {history_q, byte_i};
      for (int unsigned n = 0; n < Texts; n++) begin
        found_o[n] = length_i[n] != '0 && length_i[n] <= held_q + 1'b1;
        for (int unsigned i = 0; i < Bytes; i++) begin
          if (i < 32'(length_i[n]) && recent[8*i+:8] != text_i[n][8*i+:8]) found_o[n] = 1'b0;
        end
      end
    end
  end

  always_ff @(posedge clk_i) begin
    if (valid_i) history_q <= {history_q[Bytes*8-17:0], byte_i};
    if (!rst_ni || clear_i) held_q <= '0;
    else if (valid_i && held_q != Bits'(Bytes - 1)) held_q <= held_q + 1'b1;
  end
endmodule

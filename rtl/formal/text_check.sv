// SPDX-License-Identifier: Apache-2.0
// Bound into analyser_text: a text is found if and only if the last bytes since the clear are the text. The checker
// marks each byte that counts; the design counts them.
module text_check #(
  parameter int unsigned Texts = 4,
  parameter int unsigned Bytes = 32,
  localparam int unsigned Bits = $clog2(Bytes + 1)
) (
  input logic               clk_i,
  input logic               rst_ni,
  input logic               clear_i,
  input logic               valid_i,
  input logic         [7:0] byte_i,
  input logic    [Bits-1:0] length_i[Texts],
  input logic [Bytes*8-1:0] text_i[Texts],
  input logic   [Texts-1:0] found_i,
  input logic [Bytes*8-9:0] history_i,  // the design's registers
  input logic    [Bits-1:0] held_i
);
  logic started_q = 1'b0;
  logic [Bytes-2:0] counts_q;           // this byte came since the clear, newest in bit 0
  logic [7:0] heard_q[Bytes-1];

  always_ff @(posedge clk_i) begin
    started_q <= 1'b1;
    if (!rst_ni || clear_i) counts_q <= '0;
    else if (valid_i) counts_q <= (Bytes - 1)'({counts_q, 1'b1});
    if (valid_i) begin
      for (int i = 0; i < Bytes - 1; i++) heard_q[i] <= i == 0 ? byte_i : heard_q[(i+Bytes-1)%Bytes];
    end
  end

  always_comb e_power_on: assume (rst_ni == started_q);

  // Walks back from this byte to the beginning of the text.
  logic [Texts-1:0] said;
  logic good_history;
  always_comb begin
    automatic int left;
    said = '0;
    left = 0;
    for (int n = 0; n < Texts; n++) begin
      left = int'(length_i[n]);
      if (valid_i && !clear_i && left > 0 && byte_i == text_i[n][7:0]) begin
        left = left - 1;
        for (int i = 0; i < Bytes - 1; i++) begin
          if (left > 0 && left + i == int'(length_i[n]) - 1 && counts_q[i] &&
              heard_q[i] == text_i[n][8*(i+1)+:8]) left = left - 1;
        end
        said[n] = left == 0;
      end
    end
    good_history = 1'b1;
    for (int i = 0; i < Bytes - 1; i++) begin
      good_history &= counts_q[i] == (32'(held_i) > 32'(i));
      good_history &= !counts_q[i] || heard_q[i] == history_i[8*i+:8];
    end
  end

  always_ff @(posedge clk_i) begin
    if (rst_ni) begin
      p_found: assert (found_i == said);
      // "aab" in "aaab".
      c_found: cover (found_i[0] && length_i[0] == Bits'(3) && text_i[0][23:8] == "aa" && byte_i == "b" &&
                      counts_q[2] && heard_q[2] == "a");

      h_history: assert (good_history && held_i < Bits'(Bytes));
    end
  end
endmodule

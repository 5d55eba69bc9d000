// SPDX-License-Identifier: Apache-2.0
// Free tags First to First + Count - 1, handed out in the order in which they came free: so a tag rests as
// long as possible before its next use.
module vk_tag_pool #(
  parameter int unsigned First = 0,
  parameter int unsigned Count = 32
) (
  input  logic       clk_i,
  input  logic       rst_ni,
  output logic       free_o,   // tag_o is free
  output logic [7:0] tag_o,
  input  logic       take_i,
  input  logic       give_i,
  input  logic [7:0] tag_i
);

  localparam int unsigned Bits = $clog2(Count);

  logic      [7:0] tags [1 << Bits];
  logic   [Bits:0] head_q, tail_q;
  logic      [8:0] unused_q;   // tags from here on were never used
  logic            fresh;

  assign fresh  = unused_q != 9'(First + Count);
  assign free_o = fresh || head_q != tail_q;
  assign tag_o  = fresh ? unused_q[7:0] : tags[head_q[Bits-1:0]];

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      head_q   <= '0;
      tail_q   <= '0;
      unused_q <= 9'(First);
    end else begin
      if (take_i && fresh)  unused_q <= unused_q + 1'b1;
      if (take_i && !fresh) head_q <= head_q + 1'b1;
      if (give_i)           tail_q <= tail_q + 1'b1;
    end
  end

  always_ff @(posedge clk_i) if (give_i) tags[tail_q[Bits-1:0]] <= tag_i;

endmodule

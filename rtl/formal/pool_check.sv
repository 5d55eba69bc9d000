// SPDX-License-Identifier: Apache-2.0
// Bound into vk_tag_pool: a tag is handed out once before it is given back, and none gets lost.
module pool_check #(
  parameter int unsigned First = 0,
  parameter int unsigned Count = 32,
  parameter int unsigned Bits  = 5
) (
  input logic            clk_i,
  input logic            rst_ni,
  input logic      [7:0] tag_i,
  input logic            take_i,
  input logic            give_i,
  input logic      [7:0] given_i,
  input logic            free_i,
  input logic      [8:0] unused_i,
  input logic [Bits:0]   head_i,
  input logic [Bits:0]   tail_i,
  input logic      [7:0] tags_i [1 << Bits]
);

  // The tag that the proof chooses, and whether it is out.
  logic [7:0] chosen, chosen_q;
  logic       started_q = 1'b0;
  logic       in_use_q, taken, given;
  any_value #(.Bits(8)) u_chosen (.value_o(chosen));
  assign taken = take_i && tag_i == chosen;
  assign given = give_i && given_i == chosen;
  always_ff @(posedge clk_i) begin
    started_q <= 1'b1;
    chosen_q  <= chosen;
    in_use_q  <= rst_ni && (taken || (in_use_q && !given));
  end

  logic          here, fresh, queued_q, again_q;
  logic [Bits:0] place_q;
  logic          lonely;   // no other place of the queue holds the tag

  assign here  = 9'(chosen) >= 9'(First) && 9'(chosen) < 9'(First + Count);
  assign fresh = 9'(chosen) >= unused_i;

  always_comb begin
    lonely = 1'b1;
    for (int i = 0; i < (1 << Bits); i++) begin
      automatic logic [Bits-1:0] behind = Bits'(i) - head_i[Bits-1:0];
      if (tags_i[i] == chosen && {1'b0, behind} < tail_i - head_i &&
          !(queued_q && Bits'(i) == place_q[Bits-1:0]))
        lonely = 1'b0;
    end
  end

  // No tag stands twice in the queue (h_lonely, of any tag), so not more than there are.
  always_comb begin
    e_power_on: assume (rst_ni == started_q);
    e_chosen:   assume (!started_q || chosen == chosen_q);
    e_given:    assume (!given || in_use_q);    // vk_tags gives back what is in use only
    e_take:     assume (!take_i || free_i);     // ... and the reader takes only what is free
  end
  always_comb e_length: assume (32'((Bits + 1)'(tail_i - head_i)) <= Count);

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      queued_q <= 1'b0;
    end else if (given) begin
      queued_q <= 1'b1;
      place_q  <= tail_i;
    end else if (taken) begin
      queued_q <= 1'b0;
    end
    again_q <= rst_ni && (again_q || given);
    if (rst_ni) begin
      p_once:   assert (!taken || (here && !in_use_q));
      p_alive:  assert (free_i || !here || in_use_q);
      c_once:   cover (taken && again_q);
      c_alive:  cover (!free_i && in_use_q);
      h_range:  assert (unused_i >= 9'(First) && unused_i <= 9'(First + Count));
      h_place:  assert (!queued_q || (here && !fresh && !in_use_q && tags_i[place_q[Bits-1:0]] == chosen &&
                        (Bits + 1)'(place_q - head_i) < (Bits + 1)'(tail_i - head_i)));
      h_lonely: assert (lonely);
      h_here:   assert (!in_use_q || here);
      h_known:  assert (!here || (in_use_q ? !fresh && !queued_q : fresh || queued_q));
    end
  end

endmodule

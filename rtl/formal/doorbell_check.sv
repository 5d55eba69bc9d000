// SPDX-License-Identifier: Apache-2.0
// Bound into vk_doorbell: it rings in the very clock in which a reset doorbell passes on CQ, and in no other.
// The doorbell is a dword with all bytes enabled at BAR 0 + 0x49c, alone or anywhere in a longer write, of
// value 0xfffffffd or 0xffffffff (docs/driver-contract.md).
module doorbell_check (
  input logic         clk_i,
  input logic         rst_ni,
  input logic         beat_i,
  input logic         sop_i,
  input logic [127:0] hdr_i,
  input logic   [2:0] bar_i,
  input logic [255:0] data_i,
  input logic         ring_i,
  input logic         ours_i,      // vk_doorbell's registers, for the invariant
  input logic  [15:0] offset_i,
  input logic  [10:0] left_i,
  input logic   [3:0] last_be_i
);

  logic [127:0] first_q, first;    // header of the TLP under way
  logic   [2:0] bar_q, bar;
  logic   [7:0] beat_q, beat;      // its beats so far
  logic         inside_q;          // more of it is to come
  logic         expected;

  function automatic logic [15:0] base_of(logic [127:0] hdr);
    return {hdr[29] ? hdr[111:98] : hdr[79:66], 2'b00};
  endfunction
  function automatic logic [10:0] length_of(logic [127:0] hdr);
    return {hdr[9:0] == '0, hdr[9:0]};
  endfunction
  function automatic logic ours(logic [127:0] hdr, logic [2:0] bar_hit);
    return hdr[31:30] == 2'b01 && hdr[28:24] == 5'd0 && !hdr[14] && bar_hit == 3'd0;
  endfunction
  function automatic logic within_4k(logic [127:0] hdr);
    return 13'(base_of(hdr) >> 2 & 16'h3ff) + 13'(length_of(hdr)) <= 13'd1024;
  endfunction

  assign first = sop_i ? hdr_i : first_q;
  assign bar   = sop_i ? bar_i : bar_q;
  assign beat  = sop_i ? 8'd0 : beat_q;

  always_comb begin
    expected = 1'b0;
    for (int unsigned lane = 0; lane < 8; lane++) begin
      automatic logic [10:0] index = {beat, 3'b000} + 11'(lane);
      automatic logic  [3:0] be = 4'hf;
      if (index == length_of(first) - 1'b1) be = first[39:36];
      if (index == '0)                      be = first[35:32];
      if (ours(first, bar) && index < length_of(first) && be == 4'hf &&
          base_of(first) + {3'd0, index, 2'b00} == 16'h049c &&
          (data_i[32*lane +: 32] == 32'hffff_fffd || data_i[32*lane +: 32] == 32'hffff_ffff))
        expected = 1'b1;
    end
  end

  always_ff @(posedge clk_i) begin
    if (beat_i) begin
      first_q <= first;
      bar_q   <= bar;
      beat_q  <= beat + 1'b1;
    end
    inside_q <= rst_ni && (beat_i ? first[30] && 11'({beat, 3'd0}) + 11'd8 < length_of(first) : inside_q);
  end

  // What a CQ stream is: a TLP begins with a sop and has as many beats as its length asks for, and no memory
  // write crosses 4 KiB.
  always_comb begin
    if (rst_ni && beat_i) begin
      e_sop: assume (sop_i == !inside_q);
      e_4k:  assume (!sop_i || !ours(hdr_i, bar_i) || within_4k(hdr_i));
    end
  end

  always_ff @(posedge clk_i) begin
    if (rst_ni) begin
      p_doorbell: assert (ring_i == (beat_i && expected));
      c_doorbell: cover (ring_i && !sop_i && length_of(first) == 11'd24);
      h_tlp: assert (!inside_q || (
        first_q[30] && ours_i == ours(first_q, bar_q) && (!ours_i || within_4k(first_q)) &&
        beat_q != '0 && {beat_q, 3'd0} < length_of(first_q) &&
        offset_i == base_of(first_q) + {3'd0, beat_q, 5'd0} &&
        left_i == length_of(first_q) - {beat_q, 3'd0} && last_be_i == first_q[39:36]));
    end
  end

endmodule

// SPDX-License-Identifier: Apache-2.0
// Bound into vk_core: completions that the endpoint is owed are always taken. Nothing holds them up but a
// clock now and then for a write of the host into card memory, which in turn never waits long for them.
// Gate, requesters, tag table and link are free in this proof: none of them matters.
module ready_check (
  input logic clk_i,
  input logic rst_ni,
  input logic rc_valid_i,
  input logic rc_ready_i,
  input logic mem_write_i,   // host's write into card memory
  input logic mem_ready_i,
  input logic cpl_write_i    // a completion's payload goes into the store
);

  localparam int unsigned HoldClocks = 1;   // rc_ready_i low, at a stretch
  localparam int unsigned WaitClocks = 2;   // a host's write waits

  logic started_q = 1'b0;
  always_ff @(posedge clk_i) started_q <= 1'b1;
  always_comb e_power_on: assume (rst_ni == started_q);

  logic [2:0] held_q, waited_q;   // clocks so far
  always_ff @(posedge clk_i) begin
    held_q   <= !rst_ni || rc_ready_i ? '0 : held_q + 3'(held_q != '1);
    waited_q <= !rst_ni || !mem_write_i || mem_ready_i ? '0 : waited_q + 3'(waited_q != '1);
    if (rst_ni) begin
      p_rc_ready:  assert (rc_ready_i || held_q < 3'(HoldClocks));
      p_mem_ready: assert (!mem_write_i || mem_ready_i || waited_q < 3'(WaitClocks));
      c_rc_ready:  cover (rc_valid_i && rc_ready_i && held_q != '0 && mem_write_i && cpl_write_i);
      c_mem_ready: cover (mem_write_i && mem_ready_i && waited_q == 3'(WaitClocks) && rc_valid_i);
    end
  end

endmodule

// SPDX-License-Identifier: Apache-2.0
// Bound into vk_reset: the card is ready again not before it has been held for 500 us, cleared, zeroed
// and booted by its firmware, whatever the firmware says in between (docs/driver-contract.md).
module reset_check (
  input logic       clk_i,
  input logic       rst_ni,
  input logic       perst_ni,
  input logic       flr_i,
  input logic       doorbell_i,
  input logic       tick_i,
  input logic       booted_i,
  input logic       clear_i,
  input logic       zero_i,
  input logic       run_i,
  input logic       ready_i,
  input logic [2:0] state_i,   // vk_reset's registers, for the invariant
  input logic [2:0] count_i
);

  localparam logic [2:0] HoldTicks = 3'd6;  // the first may come at once

  logic       event_now, booted_q, ready_q;
  logic [2:0] ticks_q;      // since the last reset event, at most HoldTicks
  logic       zeroed_q;     // the memories were written since
  logic       cleared_q;    // ... and after the hold time, the registers

  assign event_now = !perst_ni || flr_i || doorbell_i;

  always_ff @(posedge clk_i) begin
    if (!rst_ni || event_now)                   ticks_q <= '0;
    else if (tick_i && ticks_q != HoldTicks)    ticks_q <= ticks_q + 1'b1;
    zeroed_q  <= rst_ni && !event_now && (zeroed_q || zero_i);
    cleared_q <= rst_ni && !event_now && (cleared_q || (clear_i && ticks_q == HoldTicks));
    booted_q  <= rst_ni && booted_i;
    ready_q   <= rst_ni && ready_i;
    if (rst_ni) begin
      p_rearm:  assert (!(run_i || ready_i) || (ticks_q == HoldTicks && zeroed_q && cleared_q));
      p_booted: assert (!(ready_i && !ready_q) || booted_q);
      c_rearm:  cover (ready_i && zeroed_q);
      c_booted: cover (ready_i && !ready_q && !booted_i);
      // Reset 0, Hold 1, Rebuild 2, Zero 3, Boot 4, Ready 5.
      h_state: assert (state_i <= 3'd5 && (state_i != 3'd1 || 4'(ticks_q) + 4'(count_i) >= 4'(HoldTicks)) &&
                       (state_i < 3'd2 || ticks_q == HoldTicks) && (state_i < 3'd3 || cleared_q) &&
                       (state_i < 3'd4 || zeroed_q));
      h_count: assert ((state_i != 3'd1 || count_i <= HoldTicks) && ticks_q <= HoldTicks);
    end
  end

endmodule

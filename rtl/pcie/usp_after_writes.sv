// SPDX-License-Identifier: Apache-2.0
// Holds a completion back until the card's writes accepted before it have left. On the hard IP the two interfaces
// have no order of their own (PG213, Transmit Transaction Ordering), but PCIe lets no read completion pass an
// earlier posted write: the host must not read of a reply in the card and then find its data missing.
//
// Writes always get out in the end, as posted requests do, so nothing waits for ever; without Bus Master Enable
// or after a reset none is pending (usp_rq).
module usp_after_writes (
  input  logic       clk_i,
  input  logic       rst_ni,

  input  logic       valid_i,           // a completion's beat, with sop its first,
  input  logic       sop_i,
  output logic       pass_o,            // which may go on
  input  logic       taken_i,           // and does, in this clock

  input  logic       write_waits_i,     // see usp_rq
  input  logic [4:0] writes_pending_i,
  input  logic [4:0] writes_done_i
);

  logic       counted_q;
  logic [5:0] ahead_q;  // writes that must leave first
  logic [5:0] done;

  assign done   = 6'(writes_done_i);
  assign pass_o = !sop_i || (counted_q && ahead_q == '0);

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      counted_q <= 1'b0;
      ahead_q   <= '0;
    end else if (!counted_q) begin
      counted_q <= valid_i && sop_i;
      ahead_q   <= 6'(writes_pending_i) + 6'(write_waits_i) - done;
    end else begin
      if (taken_i) counted_q <= 1'b0;
      ahead_q <= (ahead_q > done) ? ahead_q - done : '0;
    end
  end

endmodule

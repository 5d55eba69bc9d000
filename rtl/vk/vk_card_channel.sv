// SPDX-License-Identifier: Apache-2.0
// The soft core's end of one DMA channel: hands descriptors to the engine and keeps their results until the
// firmware takes them. It is full before a result could be lost.
module vk_card_channel (
  input  logic       clk_i,
  input  logic       rst_ni,
  input  logic       submit_i,    // the firmware queues a descriptor, unless full_o
  output logic       valid_o,     // to the engine; the descriptor's fields hold still meanwhile
  input  logic       ready_i,
  input  logic       done_i,      // the oldest open descriptor has ended,
  input  logic [3:0] code_i,      // so
  input  logic       take_i,      // the firmware reads the oldest result
  output logic       full_o,
  output logic [3:0] open_o,      // descriptors without a result
  output logic [3:0] results_o,
  output logic [3:0] code_o       // the oldest result
);

  localparam int unsigned Depth = 8;

  logic [Depth-1:0][3:0] codes_q, codes_d;
  logic            [3:0] results_d;

  always_comb begin
    codes_d   = codes_q;
    results_d = results_o;
    if (take_i && results_o != '0) begin
      codes_d   = codes_q >> 4;
      results_d = results_o - 1'b1;
    end
    if (done_i) begin
      codes_d[results_d[2:0]] = code_i;
      results_d = results_d + 1'b1;
    end
  end

  assign full_o = valid_o || 5'(open_o) + 5'(results_o) >= 5'(Depth);
  assign code_o = codes_q[0];

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      valid_o   <= 1'b0;
      open_o    <= '0;
      results_o <= '0;
      codes_q   <= '0;
    end else begin
      if (submit_i && !full_o) valid_o <= 1'b1;
      else if (ready_i)        valid_o <= 1'b0;
      open_o    <= open_o + 4'(submit_i && !full_o) - 4'(done_i);
      results_o <= results_d;
      codes_q   <= codes_d;
    end
  end

`ifndef SYNTHESIS
  always_ff @(posedge clk_i) begin
    if (rst_ni && done_i) assert (open_o > 4'(valid_o)) else $error("a result without a descriptor");
  end
`endif

endmodule

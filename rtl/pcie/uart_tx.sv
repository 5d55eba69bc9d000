// SPDX-License-Identifier: Apache-2.0
// Serial transmitter, 8N1. Not tried on silicon.
module uart_tx #(
  parameter int unsigned ClockHz = 250_000_000,
  parameter int unsigned Baud    = 115_200
) (
  input  logic       clk_i,
  input  logic       rst_ni,
  input  logic       valid_i,
  output logic       ready_o,
  input  logic [7:0] byte_i,
  output logic       tx_o
);

  localparam int unsigned Bit  = ClockHz / Baud;  // clocks
  localparam int unsigned Wide = $clog2(Bit);

  logic [Wide:0] wait_q;
  logic    [9:0] shift_q;  // stop bit, data, start bit; what follows it is ones
  logic    [3:0] left_q;   // bits still to be sent, with the present one

  assign ready_o = left_q == '0;
  assign tx_o    = shift_q[0];

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      shift_q <= '1;
      left_q  <= '0;
      wait_q  <= '0;
    end else if (ready_o) begin
      wait_q <= (Wide + 1)'(Bit - 1);
      if (valid_i) begin
        shift_q <= {1'b1, byte_i, 1'b0};
        left_q  <= 4'd10;
      end
    end else if (wait_q != '0) begin
      wait_q <= wait_q - 1'b1;
    end else begin
      wait_q  <= (Wide + 1)'(Bit - 1);
      shift_q <= {1'b1, shift_q[9:1]};
      left_q  <= left_q - 1'b1;
    end
  end

endmodule

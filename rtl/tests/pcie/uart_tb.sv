// SPDX-License-Identifier: Apache-2.0
// Test wrapper: the transmitter of the board's serial port, with few clocks a bit.
module uart_tb (
  input  logic       clk_i, rst_ni, valid_i,
  input  logic [7:0] byte_i,
  output logic       tx_o, ready_o
);
  uart_tx #(.ClockHz (1_900_000)) u_tx (.clk_i, .rst_ni, .valid_i, .ready_o, .byte_i, .tx_o);
endmodule

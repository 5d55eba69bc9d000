// SPDX-License-Identifier: Apache-2.0
// Test wrapper: transmitter and receiver of the board's serial ports; the line between them is Python's.
module uart_tb (
  input  logic       clk_i, rst_ni, rx_i, valid_i,
  input  logic [7:0] byte_i,
  output logic       tx_o, ready_o, valid_o,
  output logic [7:0] byte_o
);
  uart_tx #(.ClockHz (1_900_000)) u_tx (.clk_i, .rst_ni, .valid_i, .ready_o, .byte_i, .tx_o);
  uart_rx #(.ClockHz (1_900_000)) u_rx (.clk_i, .rst_ni, .rx_i, .valid_o, .byte_o);
endmodule

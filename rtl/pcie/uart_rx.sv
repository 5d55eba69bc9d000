// SPDX-License-Identifier: Apache-2.0
// Serial receiver, 8N1: one clock of valid_o per byte. A byte without stop bit (a break, a wrong rate) is
// dropped. Not tried on silicon.
module uart_rx #(
  parameter int unsigned ClockHz = 250_000_000,
  parameter int unsigned Baud    = 115_200
) (
  input  logic       clk_i,
  input  logic       rst_ni,
  input  logic       rx_i,      // asynchronous
  output logic       valid_o,
  output logic [7:0] byte_o
);

  localparam int unsigned Bit  = ClockHz / Baud;  // clocks
  localparam int unsigned Wide = $clog2(Bit);

  logic    [1:0] sync_q;
  logic          rx;
  logic [Wide:0] wait_q;   // clocks to the middle of the next bit
  logic    [3:0] left_q;   // bits to come: 10 start, 9 to 2 data, 1 stop; 0 idle; Broken
  assign rx = sync_q[1];

  localparam logic [3:0] Broken = 4'd11;  // no stop bit: until the line is idle again

  always_ff @(posedge clk_i) begin
    valid_o <= 1'b0;
    if (!rst_ni) begin
      sync_q <= '1;
      left_q <= '0;
      wait_q <= '0;
    end else begin
      sync_q <= {sync_q[0], rx_i};
      if (left_q == '0) begin
        wait_q <= (Wide + 1)'(Bit / 2 - 1);
        if (!rx) left_q <= 4'd10;
      end else if (left_q == Broken) begin
        if (rx) left_q <= '0;
      end else if (wait_q != '0) begin
        wait_q <= wait_q - 1'b1;
      end else begin
        wait_q <= (Wide + 1)'(Bit - 1);
        left_q <= left_q - 1'b1;
        if (left_q == 4'd1) begin
          valid_o <= rx;
          if (!rx) left_q <= Broken;
        end else if (left_q != 4'd10) begin
          byte_o <= {rx, byte_o[7:1]};
        end else if (rx) begin
          left_q <= '0;  // a glitch, no start bit
        end
      end
    end
  end

endmodule

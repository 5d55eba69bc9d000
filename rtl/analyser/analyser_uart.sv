// SPDX-License-Identifier: Apache-2.0
// Serial receiver, 8N1. The length of a bit is given in sixteenths of a clock and kept exactly (nothing adds up
// over a byte), so a divisor serves 115200 baud and 4 Mbaud of a 250 MHz clock alike, and clocks down to 4 a bit.
//
// Noise: the line is the majority of three clocks in a row, which removes spikes of one clock; a bit is the
// majority of three looks at it, 1/8 bit before, in and after its middle (at least a clock apart), start and stop
// bit included. Two that agree decide, so a byte is over in the middle of its stop bit: a start bit that comes
// early still finds the receiver waiting.
//
// A byte without stop bit (noise, a wrong rate, a break) is delivered with error_o and counted; the next one
// begins only after the line has been idle (high) again, so a break of any length is one error. A start bit that
// is high for 1/8 bit at a stretch, or in its middle, was none, and nothing is delivered: a glitch keeps the
// receiver from seeing the real one for 1/8 bit.
//
// rtl/tests/uart measures which rates are received (62 clocks a bit and more: bits 4.75 % shorter to 5.25 % longer,
// 8 clocks: 3.75 % to 4 %), and when: valid_o rises 9.5 bits and 2 to 4 clocks after the start bit's edge at rx_i,
// 1/8 bit later if the stop bit is disturbed.
module analyser_uart (
  input  logic        clk_i,
  input  logic        rst_ni,
  input  logic        rx_i,       // asynchronous; idle is high
  input  logic [23:0] divisor_i,  // clocks per bit, in 1/16; below 4 clocks nothing is received
  output logic        valid_o,    // for one clock
  output logic  [7:0] byte_o,
  output logic        error_o,    // with valid_o: no stop bit
  output logic [31:0] errors_o    // how many since reset, at most 2 to the 32 - 1
);
  localparam logic [23:0] Clock = 24'd16;

  typedef enum logic [1:0] {
    Idle,
    Inside,  // a byte
    Broken   // no stop bit: until the line is high again
  } state_e;

  (* ASYNC_REG = "TRUE" *) logic [1:0] sync_q;
  logic  [1:0] before_q;   // two clocks before sync_q[1]
  state_e      state_q;
  logic  [3:0] bit_q;      // 0 start, 1 to 8 data, 9 stop
  logic  [1:0] look_q;     // at this bit: 0 to 2
  logic        first_q;    // what the first look saw
  logic [23:0] left_q;     // until the next look; it is taken in the clock in which less than a clock is left
  logic [23:0] high_q;     // how long the line has been high, in a start bit
  logic [23:0] apart;      // from look to look
  logic line, decided;

  assign line    = (sync_q[1] && before_q[0]) || (sync_q[1] && before_q[1]) || (before_q[0] && before_q[1]);
  assign apart   = divisor_i[23:7] == '0 ? Clock : {3'd0, divisor_i[23:3]};
  // If the first two looks differ the third decides, and it is the majority.
  assign decided = look_q == 2'd2 || (look_q == 2'd1 && line == first_q);

  always_ff @(posedge clk_i) begin
    sync_q   <= {sync_q[0], rx_i};
    before_q <= {before_q[0], sync_q[1]};
    valid_o  <= 1'b0;

    case (state_q)
      Idle: begin
        if (!line && divisor_i >= 4 * Clock) begin
          state_q <= Inside;
          bit_q   <= '0;
          look_q  <= '0;
          high_q  <= '0;
          left_q  <= {1'b0, divisor_i[23:1]} - apart - Clock;
        end
      end
      Inside: begin
        high_q <= line ? high_q + Clock : '0;
        if (bit_q == '0 && high_q >= apart) begin
          state_q <= Idle;
        end else if (left_q >= Clock) begin
          left_q <= left_q - Clock;
        end else if (!decided) begin
          left_q  <= left_q + apart - Clock;
          look_q  <= look_q + 2'd1;
          if (look_q == '0) first_q <= line;
        end else begin
          left_q <= left_q + divisor_i - (look_q == 2'd1 ? apart : apart << 1) - Clock;
          look_q <= '0;
          bit_q  <= bit_q + 4'd1;
          if (bit_q == 4'd0) begin
            if (line) state_q <= Idle;
          end else if (bit_q != 4'd9) begin
            byte_o <= {line, byte_o[7:1]};
          end else begin
            valid_o <= 1'b1;
            error_o <= !line;
            state_q <= line ? Idle : Broken;
            if (!line && errors_o != '1) errors_o <= errors_o + 32'd1;
          end
        end
      end
      default: begin
        if (line) state_q <= Idle;
      end
    endcase

    if (!rst_ni) begin
      sync_q   <= '1;
      before_q <= '1;
      state_q  <= Idle;
      valid_o  <= 1'b0;
      error_o  <= 1'b0;
      errors_o <= '0;
    end
  end
endmodule

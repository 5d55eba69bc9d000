// SPDX-License-Identifier: Apache-2.0
// The trigger: waits for one condition (capture_pkg::TRIGGER_*) while armed. The console text is compared
// with the last bytes seen since arm at every byte, so overlapping and repeated beginnings are found ("aab"
// in "aaab").
module analyser_trigger
  import capture_pkg::*;
(
  input  logic         clk_i,
  input  logic         rst_ni,
  input  logic         clear_i,      // a new capture starts, or none is any longer
  input  logic         armed_i,
  input  logic         stop_i,       // stop in the same clock wins over the trigger
  input  logic   [2:0] source_i,
  input  logic         immediate_i,  // pulse: fire now
  input  logic   [5:0] length_i,     // of the text in bytes, 0..32
  input  logic  [31:0] text_i[8],    // last byte of the text in bits 7:0 of word 0
  input  logic  [63:0] time_i,
  input  logic         con_valid_i,
  input  logic   [7:0] con_byte_i,
  input  logic         doorbell_i,
  input  logic         bme_fall_i,
  input  logic         flr_start_i,
  output logic         fire_o,       // in the clock of the event that fires it
  output logic   [2:0] source_o,     // what fired
  output logic  [63:0] time_o        // when it fired; 0: not yet
);
  localparam int unsigned TextMax = CAPTURE_TRIGGER_TEXT_MAX;

  logic [TextMax*8-9:0] history_q;   // bytes before this one, newest in the low bits
  logic [5:0] held_q;                // how many of them came since arm
  logic text_match, source_hit;

  always_comb begin
    text_match = 1'b0;
    if (con_valid_i && armed_i && length_i != 6'd0 && {1'b0, held_q} + 7'd1 >= {1'b0, length_i}) begin
      text_match = 1'b1;
      for (int unsigned i = 0; i < TextMax; i++) begin
        if (i < 32'(length_i) &&
            text_i[i/4][8*(i%4)+:8] != (i == 0 ? con_byte_i : history_q[8*((i+31)%32)+:8])) begin
          text_match = 1'b0;
        end
      end
    end
  end

  always_comb begin
    case (32'(source_i))
      TRIGGER_CONSOLE:  source_hit = text_match;
      TRIGGER_DOORBELL: source_hit = doorbell_i;
      TRIGGER_BME:      source_hit = bme_fall_i;
      TRIGGER_FLR:      source_hit = flr_start_i;
      default:          source_hit = 1'b0;
    endcase
  end

  assign fire_o   = armed_i & ~stop_i & (source_hit | immediate_i);
  assign source_o = source_hit ? source_i : 3'(TRIGGER_IMMEDIATE);

  always_ff @(posedge clk_i) begin
    if (con_valid_i) history_q <= {history_q[TextMax*8-17:0], con_byte_i};
    if (!rst_ni || clear_i) held_q <= '0;
    else if (con_valid_i && held_q != 6'(TextMax)) held_q <= held_q + 6'd1;
    if (!rst_ni || clear_i) time_o <= '0;
    else if (fire_o) time_o <= time_i;
  end
endmodule

// SPDX-License-Identifier: Apache-2.0
// Types that the analyser's blocks pass to each other. Record layout and enumerations: capture_pkg.
package analyser_pkg;
  import capture_pkg::*;

  /// One FIFO each; numbers are capture_pkg::TAP_*. The TLP taps are the first ones.
  localparam int unsigned NumTaps = TAP_COUNT;
  localparam int unsigned NumTlpTaps = 4;
  localparam int unsigned NumStats = STAT_COUNT;
  /// Inside the analyser an event carries the low bits of its time only. An event waits for at most as many
  /// clocks as all FIFOs together hold records, and those that a pending TLP may hold back (12 x 128, the RESET
  /// tap six-fold, and 34: < 2400): below half the range.
  localparam int unsigned TimeBits = 16;
  /// Address of a segment of the record memory.
  localparam int unsigned SegmentBits = $clog2(CAPTURE_SEGMENTS_MAX);
  /// Bits of aux that count folded TLPs, and of a number of TLPs (CAPTURE_FOLDED_MAX + 1, or 6 RESET events).
  localparam int unsigned FoldedBits = $clog2(CAPTURE_FOLDED_MAX + 1);
  localparam int unsigned WeightBits = FoldedBits + 1;

  /// What a tap has seen in one clock. The header travels beside it, for all taps: zero where a tap has none.
  typedef struct packed {
    logic [31:0]  data;    // as in the record
    logic [15:0]  aux;     // as in the record; RESET tap: bit n set means capture_pkg::RESET_* n+1 happened
    logic [3:0]   flags;   // capture_pkg::FLAG_*
    logic [3:0]   kind;    // capture_pkg::KIND_*
  } tap_event_t;

  /// State of a capture, as the firmware reads it.
  typedef enum logic [1:0] {
    StIdle = 2'd0,
    StArmed = 2'd1,
    StTriggered = 2'd2,
    StDone = 2'd3
  } capture_state_e;
endpackage

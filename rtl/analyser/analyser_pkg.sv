// SPDX-License-Identifier: Apache-2.0
// Types that the analyser's blocks pass to each other. Record layout and enumerations: capture_pkg.
package analyser_pkg;
  import capture_pkg::*;

  /// One FIFO each; numbers are capture_pkg::TAP_*.
  localparam int unsigned NumTaps = TAP_COUNT;
  localparam int unsigned NumStats = STAT_COUNT;
  /// Inside the analyser an event carries the low bits of its time only. An event waits for at most as many
  /// clocks as all FIFOs together hold records (10 x 64, the RESET tap six-fold: < 1024): below half the range.
  localparam int unsigned TimeBits = 16;

  /// The TLP taps are the first ones; only their events have a header, which travels beside this.
  localparam int unsigned NumTlpTaps = 4;

  /// What a tap has seen in one clock.
  typedef struct packed {
    logic [31:0]  data;    // as in the record
    logic [15:0]  aux;     // as in the record; RESET tap: bit n set means capture_pkg::RESET_* n+1 happened
    logic [1:0]   flags;   // capture_pkg::FLAG_*
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

// SPDX-License-Identifier: Apache-2.0
// The way from the taps' events to records: folding, one FIFO per tap, merge. Beside the events it records what is
// none: the trigger, and at the start of a capture the state of the levels and of the Command register.
module analyser_records
  import analyser_pkg::*;
  import capture_pkg::*;
#(
  parameter int unsigned FIFO_DEPTH = 128  // events per tap, a power of two
) (
  input  logic             clk_i,
  input  logic             rst_ni,
  input  logic             flush_i,        // hold nothing
  input  logic             begin_i,        // pulse, with flush_i: a capture starts
  input  logic             recording_i,    // take events; low: those under way still go on
  input  logic             fold_i,         // fold runs of like TLPs
  input  logic [NumTaps-1:0] qualify_i,    // taps whose events are recorded; MARK always is
  input  logic [NumTaps-1:0] blind_i,      // test only: taps that nothing is recorded of
  input  logic      [63:0] now_i,
  input  logic [TimeBits-1:0] time_i,      // of this clock's events
  input  logic [NumTaps-1:0] valid_i,      // of these, blind_i is already taken into account
  input  tap_event_t       event_i[NumTaps],
  input  logic     [127:0] header_i[NumTaps],
  input  levels_t          levels_i,
  input  logic      [15:0] command_i,
  input  logic             fire_i,         // the trigger fires: goes ahead of the MARK tap's own event
  input  logic       [2:0] fire_source_i,
  input  logic       [2:0] fire_step_i,
  input  logic [SegmentBits-1:0] segment_i,
  output logic             idle_o,         // nothing is under way
  output logic [WeightBits+2:0] lost_o,    // events lost in the clock before
  output logic             record_valid_o,
  output record_t          record_o
);
  logic [NumTaps-1:0] take, push, head_valid, pop, fifo_empty;
  tap_event_t head_event[NumTaps];
  logic [127:0] head_header[NumTaps];
  logic [TimeBits-1:0] head_time[NumTaps];
  logic [WeightBits-1:0] tap_lost[NumTaps];
  logic [NumTlpTaps-1:0] fold_held, fold_awake;
  logic [TimeBits-1:0] fold_time[NumTlpTaps];

  // The capture begins with one LEVEL and one CFG event that are none: they hold the state at arming. They wait
  // for a clock in which their tap has nothing of its own, and no qualifier holds them up.
  localparam logic [NumTaps-1:0] Initial = NumTaps'((1 << TAP_LEVEL) | (1 << TAP_CFG));
  logic [NumTaps-1:0] initial_q;

  assign take = valid_i & (qualify_i | NumTaps'(1 << TAP_MARK)) & {NumTaps{recording_i}};

  // The way of the records has clocks that stop while there are none. That of the FIFOs and what follows runs
  // while an event comes in, is held or goes out, while lost ones are reported, and when the FIFOs start to be
  // held empty, and when a capture starts; that of the folding while a TLP comes, and for as long after it as it says.
  logic fold_clk, record_clk, flush_q;
  always_ff @(posedge clk_i) flush_q <= rst_ni && flush_i;
  clock_gate u_fold_clock (
    .clk_i,
    .enable_i(!rst_ni || (|valid_i[NumTlpTaps-1:0]) || (|fold_awake)),
    .clk_o(fold_clk)
  );
  clock_gate u_record_clock (
    .clk_i,
    .enable_i(!rst_ni || (|push) || !(&fifo_empty) || record_valid_o || lost_o != '0 || (flush_i && !flush_q) ||
              begin_i || (|initial_q)),
    .clk_o(record_clk)
  );

  always_ff @(posedge record_clk) begin
    if (!rst_ni || flush_i) initial_q <= begin_i ? Initial : '0;
    else if (|initial_q) initial_q <= initial_q & valid_i;
  end

  for (genvar tap = 0; tap < NumTaps; tap++) begin : gen_tap
    tap_event_t in_event;
    logic [127:0] in_header;
    logic [TimeBits-1:0] in_time, loss_time;

    if (tap < NumTlpTaps) begin : gen_fold
      analyser_fold #(
        .Tap(tap)
      ) u_fold (
        .clk_i(fold_clk), .rst_ni,
        .flush_i,
        .enable_i(recording_i),
        .fold_i,
        .valid_i(take[tap]),
        .event_i(event_i[tap]),
        .header_i(header_i[tap]),
        .time_i(time_i),
        .valid_o(push[tap]),
        .event_o(in_event),
        .header_o(in_header),
        .held_o(fold_held[tap]),
        .time_o(fold_time[tap]),
        .awake_o(fold_awake[tap])
      );
      assign in_time   = fold_time[tap];
      assign loss_time = fold_held[tap] ? fold_time[tap] : time_i;
    end else begin : gen_straight
      assign in_time   = time_i;
      assign loss_time = time_i;
      if (tap == TAP_MARK) begin : gen_mark
        // The TRIGGER record goes first; a mark waits for it.
        assign push[tap] = take[tap] | (fire_i & ~blind_i[TAP_MARK]);
        always_comb begin
          in_event  = event_i[tap];
          in_header = header_i[tap];
          if (fire_i) begin
            in_event  = '{kind: 4'(KIND_TRIGGER), flags: '0, aux: 16'(fire_source_i), data: 32'(segment_i)};
            in_header = 128'(fire_step_i);
          end
        end
      end else if (Initial[tap]) begin : gen_initial
        logic first;
        assign first     = initial_q[tap] & ~valid_i[tap] & ~blind_i[tap];
        assign push[tap] = take[tap] | (first & recording_i);
        always_comb begin
          in_event  = event_i[tap];
          in_header = header_i[tap];
          if (first && tap == TAP_LEVEL) begin
            in_event.data   = levels_i;
            in_header[31:0] = levels_i;
          end else if (first) begin
            in_event.aux  = command_i;
            in_event.data = 32'(command_i);
          end
        end
      end else begin : gen_plain
        assign push[tap] = take[tap];
        assign in_event  = event_i[tap];
        assign in_header = header_i[tap];
      end
    end

    analyser_fifo #(
      .Tap(tap),
      .Depth(FIFO_DEPTH),
      .Split(tap == TAP_RESET),
      .Folds(tap < NumTlpTaps),
      .HeaderBits(tap < NumTlpTaps || tap == TAP_MARK ? 128 : tap == TAP_LEVEL ? 32 : 0)
    ) u_fifo (
      .clk_i(record_clk), .rst_ni,
      .flush_i,
      .push_i(push[tap]),
      .event_i(in_event),
      .header_i(in_header),
      .time_i(in_time),
      .loss_time_i(loss_time),
      .valid_o(head_valid[tap]),
      .event_o(head_event[tap]),
      .header_o(head_header[tap]),
      .time_o(head_time[tap]),
      .pop_i(pop[tap]),
      .lost_o(tap_lost[tap]),
      .empty_o(fifo_empty[tap])
    );
  end

  always_comb begin
    lost_o = '0;
    for (int unsigned tap = 0; tap < NumTaps; tap++) lost_o += (WeightBits + 3)'(tap_lost[tap]);
  end

  analyser_merge u_merge (
    .clk_i(record_clk), .rst_ni,
    .flush_i,
    .now_i,
    .valid_i(head_valid),
    .event_i(head_event),
    .header_i(head_header),
    .time_i(head_time),
    .held_i(fold_held),
    .held_time_i(fold_time),
    .pop_o(pop),
    .record_valid_o,
    .record_o
  );

  assign idle_o = (&fifo_empty) & ~record_valid_o & ~(|fold_held);
endmodule

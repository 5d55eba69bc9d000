# SPDX-License-Identifier: Apache-2.0
"""What is proved about the analyser's storage and time: data for run.py, as proofs.py."""

from __future__ import annotations

from dataclasses import replace

from formal.proof import Edit, Mutant, Proof

RING = "analyser_control.sv"
CONTROL = Proof(
    name="control",
    top="analyser_control",
    design="analyser",
    checkers=("any_value.sv", "control_check.sv", "control_bind.sv"),
    cut=("any_value",),
    depth=2,
    search=16,
    shorter=(Edit(RING, "RING_RECORDS = 65536", "RING_RECORDS = 16"),),
    properties={
        "post": "a record from TRIGGER on is never overwritten before the next arm or reset, in any segment",
        "pre": "... nor are the records before it that pretrigger asks for, as far as there were any",
        "apart": "no record of an earlier segment is overwritten",
        "place": "every record goes into its segment's part of the memory",
        "window": "from TRIGGER on a segment takes its size less pretrigger records, and no more",
        "closed": "a segment ends with that many, or drained after stop, and in no other way",
        "next": "the next segment takes over in the very next clock",
        "taken": "every record that comes during a capture is written",
        "held": "a segment's count and oldest record say exactly what is held, and in the order in which it came",
        "unused": "a segment that is not used holds nothing",
        "count": "records held in all is the sum of the segments'",
        "times": "a segment's times of arming and trigger are those at which it happened",
    },
    mutants=(
        Mutant(
            "post", Edit(RING, "if (post_q || record_is_trigger_i) begin", "if (record_is_trigger_i) begin")
        ),
        Mutant(
            "pre",
            Edit(RING, "window_q   <= count_t'(mask) + 1'b1 - pre;", "window_q   <= count_t'(mask) + 1'b1;"),
        ),
        Mutant("apart", Edit(RING, "<= base_q + mask_q + 1'b1;", "<= base_q + mask_q;")),
        Mutant(
            "place", Edit(RING, "next_offset = (offset_q + 1'b1) & mask_q;", "next_offset = offset_q + 1'b1;")
        ),
        Mutant("window", Edit(RING, "left_q    <= window_q;", "left_q    <= window_q + 1'b1;")),
        Mutant("closed", Edit(RING, "draining_q && !write_o && idle_i", "draining_q && idle_i")),
        Mutant("next", Edit(RING, "segment_q != last_q;", "segment_q < 6'd1;")),
        Mutant("taken", Edit(RING, "active & record_valid_i;", "active & record_valid_i & ~trigger_i;")),
        Mutant("held", Edit(RING, "{oldest: (next_offset - ", "{oldest: (offset_q - ")),
        Mutant("held", Edit(RING, "= (offset_q - count_q[AddrBits-1:0]) & mask_q;", "= offset_q;")),
        Mutant("unused", Edit(RING, ">= used_o) move_count_o", "> used_o) move_count_o")),
        Mutant("count", Edit(RING, "closed_q + next_count;", "closed_q + count_q;")),
        Mutant("times", Edit(RING, "fired_q   <= '0;\n      end else if (close)", "end else if (close)")),
    ),
)

QUEUE = "analyser_fifo.sv"
QUEUE_MUTANTS = (
    Mutant("account", Edit(QUEUE, "if (write) wr_q", "if (write && !pop_i) wr_q")),
    Mutant("reported", Edit(QUEUE, "loss_entry(add_lost(lost_q, lose ? weight : '0))", "loss_entry(lost_q)")),
    Mutant("stated", Edit(QUEUE, "&& !flush_i) ? weight", "&& !flush_i && !marker) ? weight")),
    Mutant("stated", Edit(QUEUE, "(lose && rst_ni && !flush_i)", "(lose && rst_ni)")),
    Mutant("empty", Edit(QUEUE, "(count_q == '0) & ~losing_q", "(count_q <= 1) & ~losing_q")),
    Mutant("room", Edit(QUEUE, "(count_q == Full))", "(count_q >= Full - 1'b1))")),
    Mutant("marked", Edit(QUEUE, "16'(1 << Tap)", "16'(Tap)")),
    Mutant("reopens", Edit(QUEUE, "(count_q <= Reopen)", "(count_q <= Reopen) & ~push_i")),
    Mutant("order", Edit(QUEUE, "at: marker ? loss_time_i : time_i", "at: loss_time_i + TIME_BITS'(pop_i)")),
    Mutant(
        "forward",
        Edit(QUEUE, "at: marker ? loss_time_i : time_i", "at: marker ? loss_time_i - 1'b1 : time_i"),
    ),
)
FIFO = Proof(
    name="fifo",
    top="analyser_fifo",
    design="analyser",
    checkers=("any_value.sv", "fifo_check.sv", "fifo_bind.sv"),
    cut=("any_value",),
    registers=True,
    depth=2,
    search=9,
    parameters={"Depth": 2, "Folds": 1, "HeaderBits": 8},
    properties={
        "account": "events that came in = handed out + held + lost, the folded ones and each bit of a mask counted",
        "reported": "events lost = reported by LOSS entries handed out + by those held + still to be reported",
        "stated": "the loss counter is told of each lost event once, in the next clock",
        "empty": "when it says empty, all that came in has been handed out or reported as lost",
        "room": "an event is lost only while the FIFO is full, or shut after that",
        "marked": "what is lost while the tap is shut is in one LOSS entry: exact count, right tap",
        "reopens": "... which is written as soon as the FIFO is half empty",
        "order": "an event is handed out as it came in, with its time, after all that came before and ahead of all others",
        "forward": "the time of what it may still hand out never goes back",
    },
    mutants=QUEUE_MUTANTS,
)
SPLIT = replace(
    FIFO,
    name="split",
    checkers=("any_value.sv", "fifo_check.sv", "fifo_split_bind.sv"),
    parameters={"Depth": 2, "Split": 1},
    properties={**FIFO.properties, "bits": "of a mask, each bit is handed out once, the lowest first"},
    mutants=(
        *QUEUE_MUTANTS,
        Mutant("account", Edit(QUEUE, "if (pop_i && last) rd_q", "if (pop_i) rd_q")),
        Mutant("bits", Edit(QUEUE, "sent_q | (left & (~left + 6'd1))", "sent_q | left")),
    ),
)

FOLDING = "analyser_fold.sv"
FOLD_MUTANTS = (
    Mutant(
        "account",
        Edit(FOLDING, "joins && replaceable ? folded_q + 1'b1", "joins && held_q ? folded_q + 1'b1"),
    ),
    Mutant("like", Edit(FOLDING, "header_i[39:32] == header_q[39:32] &&", "")),
    Mutant("exact", Edit(FOLDING, "if (folded_q != '0) event_o.flags", "if (pending_q) event_o.flags")),
    Mutant(
        "horizon", Edit(FOLDING, "      time_q   <= time_i;", "      if (!replaceable) time_q <= time_i;")
    ),
    Mutant("alone", Edit(FOLDING, "event_i.aux[15:13] == 3'd0);", "event_i.aux[15:13] == 3'd1);")),
    Mutant("ends", Edit(FOLDING, "(!pending_q || !enable_i || !fold_i ||", "(!pending_q || !fold_i ||")),
    Mutant("first", Edit(FOLDING, "pending_q <= joins;", "pending_q <= !single;")),
    Mutant(
        "mode", Edit(FOLDING, "(run_q == RunNone || run_q == run)", "(run_q != RunStream || run_q == run)")
    ),
    Mutant("span", Edit(FOLDING, "if (!joins) span_q <=", "span_q <=")),
    Mutant("forward", Edit(FOLDING, "      time_q   <= time_i;", "      time_q   <= time_i - 1'b1;")),
)
FOLD = Proof(
    name="fold",
    top="analyser_fold",
    design="analyser",
    checkers=("fold_check.sv", "fold_bind.sv"),
    shorter=(Edit(FOLDING, "SPAN = CAPTURE_RUN_SPAN_CYCLES", "SPAN = 3"),),
    depth=2,
    search=10,
    quick=True,
    parameters={"Tap": 0},
    properties={
        "account": "TLPs that came in = those that its records stand for, the folded ones counted + those pending",
        "like": "only what is like its predecessor, and may be in a run, is folded",
        "exact": "a record is the last TLP that came, unchanged but for the count of folded ones and Flag.RUN",
        "horizon": "what is held tells its own time, and goes on 33 clocks after it came at the latest",
        "alone": "doorbells, self-test events, host writes to BAR 0 and failed completions are recorded at once, alone",
        "ends": "nothing stays pending when folding or recording ends",
        "first": "the first TLP of a run is recorded in the next clock",
        "mode": "a run of requests streams or repeats, never both",
        "span": "a run takes no TLP later than the gap after the last or the span after the first one",
        "forward": "the time of what it may still hand out never goes back",
    },
    mutants=FOLD_MUTANTS,
)
FOLD_CPL = replace(
    FOLD,
    name="fold_cpl",
    checkers=("fold_check.sv", "fold_cpl_bind.sv"),
    parameters={"Tap": 1},
    quick=False,
    properties={name: text for name, text in FOLD.properties.items() if name != "mode"},
    mutants=(
        Mutant(
            "alone",
            Edit(FOLDING, "event_i.flags != 4'd0 || header_i[47:45] != 3'd0;", "event_i.flags != 4'd0;"),
        ),
        Mutant("like", Edit(FOLDING, "header_i[95:80] == header_q[95:80] &&", "")),
        *(mutant for mutant in FOLD_MUTANTS if mutant.kills not in ("like", "mode", "alone")),
    ),
)

MERGING = "analyser_merge.sv"
MERGE = Proof(
    name="merge",
    top="analyser_merge",
    design="analyser",
    checkers=("any_value.sv", "merge_check.sv", "merge_bind.sv"),
    cut=("any_value",),
    parameters={"TIME_BITS": 6},
    depth=2,
    search=6,
    properties={
        "order": "timestamps of the records never go back, those of pending TLPs included",
        "oldest": "nothing is recorded ahead of an older event that a tap offers or its fold still holds",
        "single": "one event at most is taken in a clock, and only one that is offered",
        "moves": "an event is taken in every clock, unless one that a fold holds comes first",
        "whole": "a record is the event that was taken, unchanged, with its full time",
    },
    mutants=(
        Mutant(
            "order",
            Edit(
                MERGING,
                "if (held_i[tap] && !valid_i[tap] &&",
                "if (held_i[tap] && !valid_i[tap] && tap != 2 &&",
            ),
        ),
        Mutant(
            "oldest", Edit(MERGING, "- time_i[tap]) > age) begin", "- time_i[tap]) > age && tap != 7) begin")
        ),
        Mutant("single", Edit(MERGING, "pop_o[pick] = take;", "pop_o[pick] = 1'b1;\n      pop_o[0] = take;")),
        Mutant("moves", Edit(MERGING, "if (held_i[tap] && !valid_i[tap] &&", "if (held_i[tap] &&")),
        Mutant(
            "whole",
            Edit(MERGING, "timestamp: now_i - 64'(age)", "timestamp: {now_i[63:TIME_BITS], time_i[pick]}"),
        ),
    ),
)

COUNTERS = "analyser_stats.sv"
STATS = Proof(
    name="stats",
    top="analyser_stats",
    design="analyser",
    checkers=("stats_check.sv", "stats_bind.sv"),
    registers=True,
    depth=2,
    search=10,
    properties={
        "counted": "a class counts every event while counting is on, and knows the time of the last, whatever gets lost",
        "after": "... and those after the trigger, and the time of the first of them",
        "lost": "every event that the FIFOs report as lost is counted",
        "snapshot": "a snapshot shows all of it as of one and the same clock",
    },
    mutants=(
        Mutant("counted", Edit(COUNTERS, "two_errors_i ? CountBits'(2)", "two_errors_i ? CountBits'(1)")),
        Mutant(
            "after", Edit(COUNTERS, "if (triggered_i || seen_trigger_q) begin", "if (seen_trigger_q) begin")
        ),
        Mutant(
            "lost",
            Edit(COUNTERS, "else if (lost_i != '0) lost_q", "else if (lost_i != '0 && enable_i) lost_q"),
        ),
        Mutant(
            "snapshot",
            Edit(COUNTERS, "lost_held_q <= lost_q;", "lost_held_q <= lost_q + CountBits'(lost_i);"),
        ),
    ),
)

PROOFS: tuple[Proof, ...] = (CONTROL, FIFO, SPLIT, FOLD, FOLD_CPL, MERGE, STATS)

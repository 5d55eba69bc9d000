# SPDX-License-Identifier: Apache-2.0
"""What is proved about the analyser's trigger: data for run.py, as proofs.py."""

from __future__ import annotations

from formal.proof import Edit, Mutant, Proof

SEQUENCER = "analyser_sequencer.sv"
TRIGGER_REGISTERS = ("analyser_trigger_regs", "analyser_term", "analyser_text")
TRIGGER = Proof(
    name="trigger",
    top="analyser_sequencer",
    design="analyser",
    checkers=("any_value.sv", "trigger_check.sv", "trigger_bind.sv"),
    cut=("any_value", *TRIGGER_REGISTERS),
    depth=2,
    search=12,
    quick=True,
    properties={
        "fires": "fires in a clock if and only if the program does, whatever program and whatever has come since the clear",
        "source": "says whether the program fired or the immediate trigger",
        "step": "is in the step that the program has come to",
        "pulse": "pulses when a step that asks for it is left by its term, and at no other time",
    },
    mutants=(
        Mutant("fires", Edit(SEQUENCER, "+ 32'd1 >= step.count", ">= step.count")),
        Mutant(
            "fires",
            Edit(
                SEQUENCER,
                "      count_q <= '0;\n    end else if (term_match)",
                "    end else if (term_match)",
            ),
        ),
        Mutant("fires", Edit(SEQUENCER, "armed_i && !stop_i &&", "armed_i &&")),
        Mutant("source", Edit(SEQUENCER, "= (leave && next[Fire]) ? source_i", "= !immediate_i ? source_i")),
        Mutant("step", Edit(SEQUENCER, "elapsed_q + 32'd1 >= step", "elapsed_q >= step")),
        Mutant("step", Edit(SEQUENCER, "<= leave ? '0 : due", "<= due")),
        Mutant("step", Edit(SEQUENCER, "if (!rst_ni || clear_i) elapsed_q", "if (!rst_ni) elapsed_q")),
        Mutant(
            "step",
            Edit(
                SEQUENCER,
                "    if (term_match) begin\n      leave",
                "    if (term_match && !branch_match) begin\n      leave",
            ),
        ),
        Mutant(
            "step",
            Edit(SEQUENCER, "end else if (branch_match) begin", "end else if (branch_match && !due) begin"),
        ),
        Mutant("pulse", Edit(SEQUENCER, "pulse_o = leave && step.control", "pulse_o = step.control")),
    ),
)
FIRE = Proof(
    name="fire",
    top="analyser_sequencer",
    design="analyser",
    checkers=("fire_check.sv", "fire_bind.sv"),
    cut=TRIGGER_REGISTERS,
    depth=2,
    search=10,
    properties={
        "armed": "never fires unarmed, nor in the clock of a stop or a clear",
        "once": "fires once at most from one clear to the next",
        "immediate": "the immediate trigger fires in its clock, whatever the program, the first time",
        "start": "after a clear it is in step 0",
        "still": "in no clock that is unarmed, stopped or after the fire does it leave a step",
        "idle": "... nor count anything",
        "time": "says when it fired, and 0 before",
        "matched": "pulses only in a clock in which it may fire and the step's term matches",
    },
    mutants=(
        Mutant("armed", Edit(SEQUENCER, "armed_i && !stop_i && !clear_i", "armed_i && !stop_i")),
        Mutant("once", Edit(SEQUENCER, "!clear_i && !done_q;", "!clear_i;")),
        Mutant(
            "immediate",
            Edit(SEQUENCER, "active && (immediate_i ||", "active && ((immediate_i && !events) ||"),
        ),
        Mutant("start", Edit(SEQUENCER, "      step_q  <= '0;\n      fired_q", "      fired_q")),
        Mutant(
            "still",
            Edit(
                SEQUENCER,
                "    end else if (leave) begin\n      step_q",
                "    end else if (leave || (due && !armed_i)) begin\n      step_q",
            ),
        ),
        Mutant("idle", Edit(SEQUENCER, "else if (timed && active) elapsed_q", "else if (timed) elapsed_q")),
        Mutant(
            "time", Edit(SEQUENCER, "      done_q  <= 1'b0;\n      time_o  <= '0;", "      done_q  <= 1'b0;")
        ),
        Mutant("matched", Edit(SEQUENCER, "    pulse_o = 1'b0;\n", "    pulse_o = due;\n")),
    ),
)
TERM = Proof(
    name="term",
    top="analyser_term",
    design="analyser",
    checkers=("any_value.sv", "term_check.sv", "term_bind.sv"),
    cut=("any_value",),
    depth=1,  # there is no state
    search=2,
    bounded=True,
    properties={
        "window": "an address window is matched by the memory requests of CQ and RQ that overlap it, and by nothing else",
        "reset": "a reset term is matched when one of the records that the event makes is",
        "edge": "an edge term is matched when the level's comparison holds now and did not before",
        "term": "all of a term's comparisons, on any event of any tap, and nothing else",
        "index": "the term that is asked for is the one that is looked at; a text's term matches with its text",
    },
    mutants=(
        Mutant("window", Edit("analyser_term.sv", "more      = dw0[9:0] - 10'd1", "more      = dw0[9:0]")),
        Mutant("window", Edit("analyser_term.sv", "address < lowest ? '1 : address", "address")),
        Mutant("window", Edit("analyser_term.sv", "&& !dw0[31] &&", "&&")),
        Mutant("reset", Edit("analyser_term.sv", "n < RESET_COUNT - 1;", "n < RESET_COUNT - 2;")),
        Mutant(
            "edge", Edit("analyser_term.sv", "before_ok = holds(term, dw0)", "before_ok = holds(term, ~data)")
        ),
        Mutant("term", Edit("analyser_term.sv", "32'(tap) > TAP_RC ||", "32'(tap) >= TAP_RC ||")),
        Mutant("index", Edit("analyser_term.sv", "term_i[index_i]", "term_i[index_i | 3'd1]")),
        Mutant("term", Edit("analyser_term.sv", "&& data <= term.data_b", "&& data < term.data_b")),
    ),
)
TEXT = Proof(
    name="text",
    top="analyser_text",
    design="analyser",
    checkers=("text_check.sv", "text_bind.sv"),
    depth=2,
    search=8,
    quick=True,
    parameters={"Texts": 2, "Bytes": 5},  # the sequencer has 4 of 32 bytes
    properties={
        "found": "a text is found if and only if the last bytes since the clear are the text, whatever came before",
    },
    mutants=(
        Mutant("found", Edit("analyser_text.sv", "length_i[n] <= held_q + 1'b1", "length_i[n] <= held_q")),
        Mutant("found", Edit("analyser_text.sv", "if (!rst_ni || clear_i) held_q", "if (!rst_ni) held_q")),
        Mutant(
            "found",
            Edit("analyser_text.sv", "if (valid_i) history_q", "if (valid_i && !found_o[0]) history_q"),
        ),
    ),
)

PROOFS: tuple[Proof, ...] = (TRIGGER, TERM, FIRE, TEXT)

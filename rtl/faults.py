# SPDX-License-Identifier: Apache-2.0
"""Seeded defects: the declared ways in which a test build of the endpoint can be a bad card.

A fault is one bit of the lab register FAULT (rtl/regs/vk_lab.rdl), set by name through the analyser
(`DUT:FAULt`, docs/scpi.md). From this list come `vk_faults_pkg.sv` and `vk_faults.h` (rtl/regs/generate.py), the
runner rtl/tests/mutants.py and its table. In SystemVerilog a fault is `faulty(fault_i, CUT)`, which is
the constant 0 unless the macro VK_FAULTS is defined: a release build contains none of them.

Standard library only.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
HALT, JUMP, MEMORY = "VKB-HALT-001", "VKB-JUMP-001", "VKB-MEM-001"


@dataclass(frozen=True)
class Fault:
    """One defect. Its place in FAULTS is its bit in FAULT."""

    name: str  # SCPI character data: at most 12 letters, digits, underscores
    text: str  # what the card does wrong
    where: str  # module that carries it
    caught_by: tuple[str, ...]  # RTL tests, each of which must fail with it
    bench: tuple[str, ...] = ()  # rules that give FAIL in the panic scenario; none: cannot show there


FAULTS = (
    Fault(
        "DEAF_HARD",
        "ignores the hard reset doorbell",
        "vk_doorbell",
        ("vk.core_plan_halt.each_halt_holds_back_every_request",),
        (HALT, JUMP, MEMORY),
    ),
    Fault(
        "DEAF_SOFT",
        "ignores the soft reset doorbell",
        "vk_doorbell",
        ("vk.core_plan_halt.each_halt_holds_back_every_request",),
    ),
    Fault(
        "DEAF_FLR",
        "ignores a function level reset, and says at once that it is done",
        "vk_core",
        ("vk.core_plan_halt.each_halt_holds_back_every_request",),
    ),
    Fault(
        "DEAF_BME",
        "sends requests with Bus Master Enable cleared",
        "vk_core",
        ("vk.core_plan_halt.each_halt_holds_back_every_request",),
    ),
    Fault(
        "DEAF_TRAP",
        "goes on when its soft core has trapped",
        "vk_core",
        ("vk.core_plan_halt.an_internal_error_halts",),
    ),
    Fault(
        "DEAF_AGAIN",
        "loses a reset doorbell that comes during a reset",
        "vk_core",
        ("vk.core_plan_halt.a_reset_during_a_reset_starts_over",),
    ),
    Fault(
        "LATE",
        "obeys a reset doorbell 64 clocks late",
        "vk_faulty",
        ("vk.core_plan_halt.each_halt_holds_back_every_request",),
        # On the bench only with traffic at least every 64 clocks, which is more than it can carry.
    ),
    Fault(
        "VERY_LATE",
        "obeys a reset doorbell 20000 clocks late",
        "vk_faulty",
        ("vk.core_plan_halt.each_halt_holds_back_every_request",),
        (HALT,),
    ),
    Fault(
        "SLIP",
        "lets one more request start before it obeys a reset doorbell",
        "vk_faulty",
        ("vk.core_plan_halt.each_halt_holds_back_every_request",),
        (HALT,),
    ),
    Fault(
        "FINISH",
        "writes to the end of the 4 KiB at hand before it obeys a reset doorbell",
        "vk_faulty",
        ("vk.core_plan_halt.each_halt_holds_back_every_request",),
        (HALT,),
    ),
    Fault(
        "CUT",
        "cuts the TLP that is on its way when the gate closes",
        "vk_faulty",
        ("vk.core_plan_halt.what_has_started_is_finished_whole",),
    ),
    Fault(
        "IRQ_AFTER",
        "sends an interrupt 16 clocks after a reset doorbell, as if to say goodbye",
        "vk_faulty",
        ("vk.core_plan_halt.no_interrupt_outlives_a_halt",),
        (HALT,),
    ),
    Fault(
        "IRQ_KEPT",
        "keeps an interrupt that the halt caught, and delivers it after the reset",
        "vk_core",
        ("vk.core_plan_halt.no_interrupt_outlives_a_halt",),
    ),
    Fault(
        "RESUME_FLR",
        "resumes the old DMA after a function level reset",
        "vk_core",
        ("vk.core_plan_halt.nothing_resumes_after_a_reset",),
    ),
    Fault(
        "RESUME_DB",
        "resumes DMA into the old scratch buffer after a reset doorbell",
        "vk_core",
        ("vk.core_plan_halt.nothing_resumes_after_a_reset",),
        (HALT, JUMP, MEMORY),
    ),
    Fault(
        "OPEN_EARLY",
        "opens the gate as soon as the cause of a reset is gone, before the card is ready",
        "vk_core",
        ("vk.core_plan_halt.the_gate_stays_closed_until_ready",),
    ),
    Fault(
        "TAG_STALE",
        "takes a late completion of an abandoned read for one of a new read",
        "vk_tags",
        ("vk.core_plan_dma.a_late_completion_belongs_to_nobody",),
    ),
    Fault(
        "TAG_EARLY",
        "frees a tag at the first completion of a read, not at its last",
        "vk_tags",
        ("vk.core_plan_dma.a_tag_is_free_after_its_last_completion",),
    ),
    Fault(
        "CROSS_4K",
        "lets a request cross a 4 KiB boundary",
        "vk_traffic_plan",
        ("vk.core_plan_dma.requests_keep_to_every_limit",),
    ),
    Fault(
        "OVER_MPS",
        "writes 256 bytes a TLP whatever Max_Payload_Size says",
        "vk_core",
        ("vk.core_plan_dma.requests_keep_to_every_limit",),
    ),
    Fault(
        "OVER_MRRS",
        "reads 512 bytes a TLP whatever Max_Read_Request_Size says",
        "vk_core",
        ("vk.core_plan_dma.requests_keep_to_every_limit",),
    ),
    Fault(
        "OVER_END",
        "goes 256 bytes beyond the end of the scratch buffer",
        "vk_core",
        ("vk.core_plan_dma.requests_keep_to_every_limit",),
    ),
    Fault(
        "FULL_BE",
        "enables all bytes of the first and last dword of a write",
        "vk_core",
        ("vk.core_messages.what_is_uploaded_comes_back",),
    ),
    Fault(
        "TAKE_POISON",
        "takes poisoned data for good",
        "vk_core",
        ("vk.core_plan_dma.bad_completions_are_errors",),
    ),
    Fault(
        "TAKE_SHORT",
        "takes a completion whose byte count does not fit its read for good",
        "vk_tags",
        ("vk.core_plan_dma.bad_completions_are_errors",),
    ),
    Fault(
        "NO_TIMEOUT",
        "waits for ever for a completion",
        "vk_core",
        ("vk.core_plan_dma.a_read_without_completion_ends",),
    ),
    Fault(
        "MARKER_EARLY",
        "shows valid queues before their descriptors are written",
        "vk_bars",
        ("vk.core_plan_reset.the_marker_comes_last",),
    ),
    Fault(
        "MARKER_KEPT",
        "keeps the queue marker through a reset",
        "vk_bars",
        ("vk.core_plan_reset.a_reset_takes_the_marker_away",),
    ),
    Fault(
        "INDEX_KEPT",
        "keeps the queues' read and write indices through a reset",
        "vk_bars",
        ("vk.core_plan_reset.a_reset_empties_the_queues",),
    ),
    Fault(
        "CPL_COUNT",
        "answers reads with a byte count that is one dword too large",
        "vk_core",
        ("vk.core_plan_tlps.every_width_and_offset_reads_the_same",),
    ),
    Fault(
        "CPL_UR",
        "answers reads with UR while it resets itself",
        "vk_core",
        ("vk.core_plan_reset.reads_are_answered_during_a_reset",),
    ),
    Fault(
        "CPL_DROP",
        "leaves every sixteenth read unanswered",
        "vk_faulty",
        ("vk.core_plan_tlps.every_width_and_offset_reads_the_same",),
    ),
)
BITS = {fault.name: bit for bit, fault in enumerate(FAULTS)}


def systemverilog() -> str:
    """Body of vk_faults_pkg.sv."""
    lines = ["package vk_faults_pkg;", "`ifdef VK_FAULTS", "  localparam bit Built = 1'b1;"]
    lines += ["`else", "  localparam bit Built = 1'b0;", "`endif"]
    lines += [f"  localparam logic [4:0] {name} = 5'd{bit};" for name, bit in BITS.items()]
    lines += [
        "  // Always 0 in a release build.",
        "  function automatic logic faulty(logic [31:0] faults, logic [4:0] number);",
    ]
    lines += ["    return Built && faults[number];", "  endfunction", "endpackage"]
    return "\n".join(lines) + "\n"


def c_header() -> str:
    """Body of vk_faults.h: the names, NONE first, so that a name's place less one is its bit."""
    names = ", ".join(f'"{name}"' for name in ("NONE", *BITS))
    return f"#ifndef VK_FAULTS_H\n#define VK_FAULTS_H\n#define VK_FAULT_NAMES {{ {names} }}\n#endif\n"

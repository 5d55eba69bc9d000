# SPDX-License-Identifier: Apache-2.0
"""The rule on memory, with its two witnesses: the analyser on the link and the crash kernel's reads of
the DMA target.
"""

from itertools import pairwise
from typing import Literal

import numpy as np

from vkbench.capture import records as rec
from vkbench.capture.layout import Kind, StatClass
from vkbench.verdict import limits
from vkbench.verdict.facts import Facts
from vkbench.verdict.model import Result, RuleResult
from vkbench.verdict.wording import events, sentence

#: What the analyser says about writes into the DMA target after the jump.
Says = Literal["writes after the jump", "no write after the jump", "nothing certain"]


def memory_frozen(facts: Facts) -> RuleResult:
    """VKB-MEM-001. Value: words that changed between two reads, or writes found that were issued after
    the jump.
    """

    def result(verdict: Result, reason: str, value: float | None = None, unit: str = "words") -> RuleResult:
        return RuleResult(
            id="VKB-MEM-001",
            title="Memory frozen",
            requirement="The DMA target does not change under the crash kernel "
            "and holds no write issued after the jump.",
            result=verdict,
            value=value,
            limit=limits.WORDS_CHANGED.value,
            uncertainty=0,
            unit=unit,
            reason=reason,
            events=events(facts, "last_dma_write", "jump", "first_dma_after_jump", "crash_ready"),
        )

    def disagree(what: str) -> RuleResult:
        changed = facts.memory.words_changed if facts.memory else None
        return result("INCONCLUSIVE", f"The witnesses disagree: {what}.", changed)

    memory = facts.memory
    if memory is None:
        return result("INCONCLUSIVE", "The crash kernel's reads of memory are missing.")
    if facts.blockers:
        return result("INCONCLUSIVE", sentence(facts.blockers), memory.words_changed)
    unusable = _unusable(facts)
    if unusable:
        return result("INCONCLUSIVE", sentence(unusable), memory.words_changed)
    says = _analyser_says(facts)
    changed = memory.words_changed
    if memory.differs:
        if says == "writes after the jump":
            return result(
                "FAIL", f"Memory changed under the crash kernel: {changed} words between two reads.", changed
            )
        return disagree(
            f"memory changed under the crash kernel ({changed} words), but the analyser saw {says}"
        )
    canary = _canary_after_jump(facts)
    if canary is not None:
        return result("FAIL", f"Memory holds write #{canary}, which was issued after the jump.", 1, "writes")
    if says != "no write after the jump":
        return disagree(
            f"both reads of memory are equal and hold no later write, but the analyser saw {says}"
        )
    if facts.gaps:
        return result("INCONCLUSIVE", sentence(facts.gaps), changed)
    highest, expected = _highest(facts), int(_target_writes(facts)["data"].max())
    if highest != expected:
        return disagree(f"the last write on the link is #{expected}, the last one in memory #{highest}")
    return result(
        "PASS", f"Both reads are equal; the last write in memory is #{highest}, as on the link.", changed
    )


def _unusable(facts: Facts) -> list[str]:
    """Why the reads prove nothing; empty when they can be used."""
    memory, dma = facts.memory, facts.record.dma
    assert memory and facts.capture
    reads = memory.reads
    if len(reads) < 2:
        return [f"the crash kernel read memory {len(reads)} times; two reads are needed"]
    if dma is None:
        return ["run.json describes no DMA"]
    reasons = []
    places = {(read.paddr, read.size) for read in reads}
    if len(places) > 1 or any(
        paddr > dma.paddr or paddr + size < dma.paddr + dma.size for paddr, size in places
    ):
        reasons.append("the reads do not all cover the DMA target")
    differs = len({read.sha256 for read in reads}) > 1
    if differs != memory.differs or (memory.words_changed > 0) != memory.differs:
        reasons.append("memory.json contradicts itself: hashes, differs and words_changed do not agree")
    if any(read.units == 0 or read.seq_max is None for read in reads):
        reasons.append("memory holds no DMA pattern, so the reads did not see the card's target")
    if not len(_target_writes(facts)):
        reasons.append("the analyser saw no write into the memory that was read")
    shortest = min(later.uptime_ms - earlier.uptime_ms for earlier, later in pairwise(reads))
    period_ms = dma.period_cycles / facts.capture.clock_hz * 1e3
    if not memory.differs and shortest < limits.MEMORY_READ_PERIODS.value * period_ms:
        reasons.append(f"the reads are only {shortest} ms apart; the card writes every {period_ms:.3f} ms")
    return reasons


def _target_writes(facts: Facts) -> rec.Records:
    """DMA writes into the target."""
    dma = facts.record.dma
    writes = facts.records[rec.dma_writes(facts.records)]
    if dma is None:
        return writes[:0]
    address = rec.tlp_address(writes)
    return writes[(address >= dma.paddr) & (address < dma.paddr + dma.size)]


def _analyser_says(facts: Facts) -> Says:
    assert facts.jump and facts.capture
    times = _target_writes(facts)["timestamp"].astype(np.int64)
    if (times > facts.jump.latest).any():
        return "writes after the jump"
    statistics = facts.capture.header.statistics.get(StatClass.RQ_WR.name)
    if statistics is None:
        return "nothing certain"
    late = statistics.count > 0 and facts.jump.certainly_after(statistics.last)
    if late:
        return "writes after the jump" if facts.statistics_went_on else "nothing certain"
    near = (times >= facts.jump.earliest).any() or (
        statistics.count > 0 and statistics.last >= facts.jump.earliest
    )
    return "nothing certain" if near else "no write after the jump"


def _highest(facts: Facts) -> int:
    assert facts.memory
    return max(read.seq_max for read in facts.memory.reads if read.seq_max is not None)


def _canary_after_jump(facts: Facts) -> int | None:
    """A sequence number that memory holds and that was issued only after the jump, for certain."""
    assert facts.jump and facts.memory
    writes = _target_writes(facts)
    late = writes["timestamp"].astype(np.int64) > facts.jump.latest
    issued_late = np.setdiff1d(writes["data"][late], writes["data"][~late])
    held = {read.seq_max for read in facts.memory.reads}
    found = sorted(held & {int(number) for number in issued_late})
    if found:
        return found[-1]
    # The records may have ended while the card wrote on: numbers rise by one a write until the card is reset.
    highest = _highest(facts)
    restarted = (
        rec.of_kind(facts.records, Kind.RESET).any() or (np.diff(writes["data"].astype(np.int64)) < 0).any()
    )
    recorded_past_jump = len(late) > 0 and bool(late[-1])
    if recorded_past_jump and not restarted and highest > int(writes["data"].max()):
        return highest
    return None

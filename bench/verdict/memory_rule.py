# SPDX-License-Identifier: Apache-2.0
"""The rule on memory, with its two witnesses: the analyser on the link and the crash kernel's reads of
the DMA target.
"""

from itertools import pairwise
from typing import Literal

from vkbench.capture.layout import Kind, StatClass
from vkbench.evidence import DmaSetup
from vkbench.verdict import limits
from vkbench.verdict.catalogue import MEMORY_ID, RULES
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
            id=MEMORY_ID,
            title=RULES[MEMORY_ID].title,
            requirement=RULES[MEMORY_ID].requirement,
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

    memory, dma = facts.memory, facts.record.dma
    if dma is not None and not dma.memory:
        return result(
            "INCONCLUSIVE",
            f"The card writes through an IOMMU: {dma.paddr:#x} is its address there and none of memory, and the server did "
            "not say where that is, so the crash kernel could not read what was written.",
        )
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
    if says == "writes after the jump" and dma is not None and dma.translated:
        return result(
            "INCONCLUSIVE",
            "The card wrote on after the jump, but no such write is in memory: the IOMMU may have refused them.",
            changed,
        )
    if says != "no write after the jump":
        return disagree(
            f"both reads of memory are equal and hold no later write, but the analyser saw {says}"
        )
    if facts.gaps:
        return result("INCONCLUSIVE", sentence(facts.gaps), changed)
    target = facts.target
    assert target  # the reads are usable: the run describes its DMA
    if target.doubts:
        return result("INCONCLUSIVE", sentence(target.doubts), changed)
    final = target.writes.last()
    highest, expected = _highest(facts), target.highest
    if final and int(final.record["data"]) != expected:
        return disagree(
            f"the last write on the link is #{final.record['data']}, but an earlier one was #{expected}: "
            "numbers began anew, and the highest one in memory does not tell the last"
        )
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
    if len({read.places for read in reads}) > 1 or not _covers(reads[0].places, dma):
        reasons.append("the reads do not all cover the DMA target")
    differs = len({read.sha256 for read in reads}) > 1
    if differs != memory.differs or (memory.words_changed > 0) != memory.differs:
        reasons.append("memory.json contradicts itself: hashes, differs and words_changed do not agree")
    if any(read.units == 0 or read.seq_max is None for read in reads):
        reasons.append("memory holds no DMA pattern, so the reads did not see the card's target")
    if facts.target is None or not facts.target.writes.events:
        reasons.append("the analyser saw no write into the memory that was read")
    shortest = min(later.uptime_ms - earlier.uptime_ms for earlier, later in pairwise(reads))
    period_ms = dma.period_cycles / facts.capture.clock_hz * 1e3
    if not memory.differs and shortest < limits.MEMORY_READ_PERIODS.value * period_ms:
        reasons.append(f"the reads are only {shortest} ms apart; the card writes every {period_ms:.3f} ms")
    return reasons


def _covers(places: tuple[tuple[int, int], ...], dma: DmaSetup) -> bool:
    """All of the target was read, and its pieces in their order."""
    if len(places) == len(dma.memory) == 1:
        (paddr, size), (piece,) = places[0], dma.memory
        return paddr <= piece.paddr and piece.paddr + piece.size <= paddr + size
    return places == tuple((piece.paddr, piece.size) for piece in dma.memory)


def _analyser_says(facts: Facts) -> Says:
    assert facts.jump and facts.capture and facts.target
    last = facts.target.writes.last()
    if last and facts.jump.certainly_after(last.timestamp):
        return "writes after the jump"
    statistics = facts.capture.header.statistics.get(StatClass.RQ_WR.name)
    if statistics is None:
        return "nothing certain"
    late = statistics.count > 0 and facts.jump.certainly_after(statistics.last)
    if late:
        return "writes after the jump" if facts.statistics_went_on else "nothing certain"
    times = [last.timestamp] if last else []
    times += [statistics.last] if statistics.count else []
    near = any(time >= facts.jump.earliest for time in times)
    return "nothing certain" if near else "no write after the jump"


def _highest(facts: Facts) -> int:
    assert facts.memory
    return max(read.seq_max for read in facts.memory.reads if read.seq_max is not None)


def _canary_after_jump(facts: Facts) -> int | None:
    """A sequence number that memory holds and that was issued only after the jump, for certain."""
    assert facts.jump and facts.memory and facts.target
    target, jump = facts.target, facts.jump
    if target.doubts:
        return None
    held = {read.seq_max for read in facts.memory.reads if read.seq_max is not None}
    for number in sorted(held, reverse=True):
        if target.issued_only_after(number, jump.latest):
            return number
    # The records may have ended while the card wrote on: numbers rise by one a write until the card is reset.
    highest, last = _highest(facts), target.writes.last()
    restarted = target.descends or len(facts.scan.of(Kind.RESET))
    if last and jump.certainly_after(last.timestamp) and not restarted and highest > target.highest:
        return highest
    return None

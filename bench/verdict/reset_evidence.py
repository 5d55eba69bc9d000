# SPDX-License-Identifier: Apache-2.0
"""What the rules of a reset run stand on: whether there is evidence at all, where the capture has holes, whether the reset
came under traffic (docs/resets.md).
"""

from dataclasses import dataclass
from functools import cached_property

from vkbench.capture import reset_timeline as rt
from vkbench.capture import timeline as tl
from vkbench.capture.layout import Tap
from vkbench.evidence.reset import ResetRecord
from vkbench.verdict import limits
from vkbench.verdict.facts import Facts
from vkbench.verdict.model import EventRef

#: Taps whose silence these rules rely on; the landmarks say when the reset came and when the card got work again.
_LANDMARKS = ("CQ", "CFG", "RESET", "GATE")
NEEDED_TAPS = ("RQ", "RC", "MSIX", *_LANDMARKS)


@dataclass(frozen=True)
class _Loss:
    """What a LOSS record stands for."""

    taps: int  #: mask
    count: int
    since: int  #: cycle of the last event that these taps kept before it
    until: int  #: cycle of the record


class ResetEvidence:
    """The facts of a reset run, prepared once for all its rules."""

    def __init__(self, facts: Facts) -> None:
        self.facts = facts

    @cached_property
    def found(self) -> rt.ResetSequence:
        return self.facts.reset_sequence

    @property
    def record(self) -> ResetRecord:
        assert self.facts.reset is not None
        return self.facts.reset

    @cached_property
    def unusable(self) -> list[str]:
        """Why nothing in this run can be judged, neither PASS nor FAIL."""
        record = self.facts.record
        if record.status == "aborted":
            abort = record.abort
            return [
                f"the run was aborted ({abort.error}: {abort.detail})" if abort else "the run was aborted"
            ]
        return [] if self.facts.reset else ["reset.json is missing"]

    @cached_property
    def blind(self) -> list[str]:
        """Why the capture says nothing at all."""
        facts = self.facts
        if self.unusable:
            return self.unusable
        if facts.capture is None:
            return ["there is no capture"]
        reasons = []
        if facts.scan.backwards:
            reasons.append(f"the capture's timestamps run backwards {facts.scan.backwards} times")
        if facts.scan.overflowed:
            reasons.append("the capture holds more rare events than can be believed")
        if facts.capture.header.qualify.term is not None:
            reasons.append("the analyser recorded only what matched a term")
        return reasons

    @cached_property
    def not_reset(self) -> list[str]:
        """Why it is not certain that the card was reset; then nothing that it shows afterwards can pass."""
        if self.blind:
            return self.blind
        if self.found.missing or self.found.reset is None:
            return ["the capture does not show the reset"]
        return [] if self.found.ready else ["the card was not seen to become ready again"]

    def holes(self, **spans: tuple[int, int]) -> list[str]:
        """Why the capture cannot prove that something did not happen.

        ``spans``: cycles of the first and last event of a tap that the rule relies on; of the landmarks it needs all.
        """
        capture = self.facts.capture
        assert capture
        header, reasons = capture.header, []
        missing = [tap for tap in NEEDED_TAPS if tap not in header.qualify.taps]
        if missing:
            reasons.append(f"the analyser was told not to record {', '.join(missing)}")
        if lost := self._lost({**dict.fromkeys(_LANDMARKS, (0, self.facts.scan.end)), **spans}):
            reasons.append(f"{lost} events were lost")
        if len(header.segments) > 1:
            reasons.append("nothing was recorded between the capture's segments")
        return reasons

    def _lost(self, spans: dict[str, tuple[int, int]]) -> int:
        """Lost events that may belong to these taps and times. Where the memory was filled to its end, those that no
        record names came before its first or after its last record, and the rules rely on nothing there.
        """
        capture = self.facts.capture
        assert capture
        missed = sum(
            loss.count
            for loss in self._losses
            if any(
                loss.taps >> Tap[tap] & 1 and loss.since <= end and loss.until >= begin
                for tap, (begin, end) in spans.items()
            )
        )
        located = sum(loss.count for loss in self._losses)
        full = len(capture) >= capture.header.depth
        return missed + (0 if full else max(0, capture.header.lost - located))

    @cached_property
    def _losses(self) -> list[_Loss]:
        scan = self.facts.scan
        rows = ((scan.sparse[at], since) for at, since in scan.kept_before_losses())
        return [_Loss(int(row["aux"]), int(row["data"]), since, int(row["timestamp"])) for row, since in rows]

    @cached_property
    def untested(self) -> list[str]:
        """Why the reset did not come under traffic."""
        halt, capture = self.found.halt, self.facts.capture
        assert halt and capture
        last = self.facts.scan.requests.last(halt.timestamp - 1)
        before = self.facts.scan.requests.certain_before(halt.timestamp)
        if last is None or before < limits.DMA_WRITES_BEFORE_PANIC.value:
            return [f"nothing was tested: {before} requests are certain before the reset"]
        period = self.facts.record.dma.period_cycles if self.facts.record.dma else 0
        silence = max(limits.DMA_SILENCE.value * capture.clock_hz, limits.DMA_SILENCE_PERIODS.value * period)
        if halt.timestamp - last.timestamp > silence:
            return ["nothing was tested: the card was silent before the reset"]
        return []

    def refs(self, *events: tl.Event | None) -> list[EventRef]:
        """Each event once, those that there were."""
        there = {event.index: event for event in events if event is not None}
        return [
            EventRef(index=event.index, timestamp=event.timestamp, kind=event.kind, text=event.text)
            for event in there.values()
        ]

    @cached_property
    def key_events(self) -> list[EventRef]:
        found = self.found
        return self.refs(found.halt, found.reset, found.ready, found.spoken)

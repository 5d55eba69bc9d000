# SPDX-License-Identifier: Apache-2.0
"""What the files of a run say, prepared once for all rules: sequence, requests, loss, statistics, and
their doubts.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from vkbench.capture import records as rec
from vkbench.capture import reset_timeline as rt
from vkbench.capture import timeline as tl
from vkbench.capture.layout import Kind, StatClass
from vkbench.capture.scan import SPARSE_MAX, Scan
from vkbench.capture.show import mark_name
from vkbench.capture.vkc import Capture, CaptureFile
from vkbench.evidence import MemoryRecord, RunRecord
from vkbench.evidence.reset import ResetRecord
from vkbench.verdict import limits
from vkbench.verdict.reset_values import WORDS
from vkbench.verdict.target import TargetWrites
from vkbench.verdict.uncertainty import Bound, Interval, text_bound

#: Statistics classes of what the card starts.
REQUEST_CLASSES = (StatClass.RQ_WR, StatClass.RQ_RD, StatClass.MSIX)
#: Taps whose silence the rules rely on.
NEEDED_TAPS = ("RQ", "MSIX", "CONSOLE", "CQ", "CFG", "RESET", "GATE")
_LOSSES_NAMED = 3


@dataclass(frozen=True)
class Facts:
    """A run's evidence. ``capture`` or ``memory`` None: the file is not there.

    The rules use ``scan``, which takes little memory whatever the capture's size; ``records`` is for pictures.
    """

    record: RunRecord
    capture: Capture | CaptureFile | None
    memory: MemoryRecord | None
    console: bytes | None = None  #: console.raw; None: the file is not there
    reset: ResetRecord | None = None  #: reset.json of a reset run; None: the file is not there

    @property
    def jumps(self) -> bool:
        """False when this run must not come into a crash kernel; then no rule speaks of a jump."""
        expected = self.record.config.expect
        return expected is None or expected.jump

    @cached_property
    def stopped(self) -> bool:
        """True when the capture reaches to where the bench stopped it (its mark "stop")."""
        return any(mark_name(mark) == "stop" for mark in self.scan.of(Kind.MARK))

    @cached_property
    def records(self) -> rec.Records:
        """The capture's records, all in memory; none when there is no capture."""
        return self.capture.records if self.capture else rec.empty()

    @cached_property
    def bound(self) -> Bound | None:
        """The order of a console text and a TLP; None without a capture, because the clock's rate is not
        known.
        """
        return text_bound(self.record.uncertainty, self.capture.clock_hz) if self.capture else None

    @cached_property
    def _passed(self) -> tuple[Scan, TargetWrites | None]:
        capture = self.capture
        if capture is None:
            raise ValueError("there is no capture")
        dma = self.record.dma
        target = TargetWrites(dma.paddr, dma.size, len(capture.starts) - 1) if dma else None
        scan = Scan(capture, target.watch if target else None)
        return scan, target.done(scan) if target else None

    @property
    def scan(self) -> Scan:
        """One pass over the capture, made when it is first asked for. Raises CaptureError when it is damaged."""
        return self._passed[0]

    @property
    def target(self) -> TargetWrites | None:
        """Writes into the DMA target; None when the run describes none."""
        return self._passed[1]

    @cached_property
    def timeline(self) -> tl.Timeline:
        """The key events."""
        if self.capture is None:
            return tl.Timeline(tl.Sequence(problem="there is no capture"), {})
        if self.record.kind == "reset":
            return rt.timeline(self.scan, self.reset_sequence)
        return tl.build(self.scan, self.record.markers.model_dump())

    @cached_property
    def reset_sequence(self) -> rt.ResetSequence:
        """The events of a reset run's reset; without reset.json or a capture there are none."""
        if self.capture is None or self.reset is None:
            return rt.ResetSequence()
        return rt.find(self.scan, list(self.reset.expect.shows), WORDS)

    @property
    def jump(self) -> Interval | None:
        """When the jump happened; None when no jump is proved."""
        found = self.timeline.sequence.jump
        return self.bound.interval(found.first_timestamp) if found and self.bound else None

    @property
    def _triggered(self) -> bool:
        assert self.capture is not None
        return bool(self.capture.header.trigger.time or len(self.scan.of(Kind.TRIGGER)))

    @cached_property
    def unreadable(self) -> list[str]:
        """Why nothing in the capture can be relied on; empty when it can."""
        if self.record.status == "aborted":
            abort = self.record.abort
            why = f"{abort.error}: {abort.detail}" if abort else "no reason given"
            return [f"the run was aborted ({why})"]
        if self.capture is None:
            return ["there is no capture"]
        header, scan = self.capture.header, self.scan
        if not self._triggered:
            return ["the capture never triggered"]
        reasons = []
        if scan.backwards:
            reasons.append(f"the capture's timestamps run backwards {scan.backwards} times")
        if scan.overflowed:
            reasons.append(f"more than {SPARSE_MAX} console bytes and other rare events are in the capture")
        if header.qualify.term is not None:
            # Even the console may have holes then, and what stands in it be no text that was printed.
            reasons.append(f"the analyser recorded only what matched term {header.qualify.term}")
        return reasons

    @cached_property
    def blockers(self) -> list[str]:
        """Why no rule on the capture can say anything, neither PASS nor FAIL; empty when it can."""
        if self.capture is None or self.record.status == "aborted" or not self._triggered:
            return self.unreadable
        reasons = list(self.unreadable)
        if not self.jumps:
            if self.timeline.sequence.panic is None:
                reasons.append(self.timeline.sequence.problem or "the panic is not in the capture")
        elif self.timeline.sequence.problem:
            reasons.append(self.timeline.sequence.problem)
        elif self.timeline.get("config_after_jump") is None:
            reasons.append(
                "the link does not confirm the jump: "
                "the crash kernel's enumeration changed no Command register"
            )
        return reasons

    @cached_property
    def gaps(self) -> list[str]:
        """Why the capture cannot prove the absence of requests from the panic to the crash kernel; empty
        when it can.
        """
        return [
            *self._coverage(),
            *self._not_recorded(),
            *self._dma_was_running(),
            *self._losses(),
            *self.statistics_problems,
        ]

    def _coverage(self) -> list[str]:
        if not self.jumps:
            return [] if self.stopped else ["the capture ends before the bench stopped it"]
        if self.timeline.sequence.crash_ready is None:
            return ["the capture ends before the crash kernel is ready"]
        return []

    def _window(self) -> tuple[int, int | None]:
        """In which absence must be proved: from the panic, as early as it can have been, to the crash kernel."""
        sequence = self.timeline.sequence
        begin = (
            self.bound.interval(sequence.panic.first_timestamp).earliest
            if sequence.panic and self.bound
            else 0
        )
        return begin, sequence.crash_ready.last_timestamp if sequence.crash_ready else None

    def _not_recorded(self) -> list[str]:
        """What the analyser was told not to record: taps, and the time between two segments."""
        if self.capture is None:
            return []
        header, reasons = self.capture.header, []
        missing = [tap for tap in NEEDED_TAPS if tap not in header.qualify.taps]
        if missing:
            reasons.append(f"the analyser was told not to record {', '.join(missing)}")
        if header.segments and sum(segment.count for segment in header.segments) != len(self.capture):
            reasons.append("the segments in the capture's header are not those of its records")
        begin, end = self._window()
        for segment in header.segments[1:]:
            # From the last record of the segments before to the first one of this: nothing was recorded.
            since, until = self._time_of(segment.first - 1), self._time_of(segment.first)
            if (until is None or until >= begin) and (end is None or (since or 0) <= end):
                reasons.append(
                    f"nothing was recorded before the segment that begins at record {segment.first}, "
                    "after the panic"
                )
        return reasons

    def _time_of(self, index: int) -> int | None:
        """Timestamp of a record; None when the capture has no such record."""
        assert self.capture
        starts = self.capture.starts
        if not 0 <= index < int(starts[-1]):
            return None
        block = int(np.searchsorted(starts, index, side="right")) - 1
        return int(self.capture.block(block)["timestamp"][index - int(starts[block])])

    def _dma_was_running(self) -> list[str]:
        panic, dma = self.timeline.sequence.panic, self.record.dma
        if panic is None or dma is None or self.bound is None or self.capture is None:
            return ["nothing was tested: run.json describes no DMA"] if dma is None else []
        begin = self.bound.interval(panic.first_timestamp)
        before = self.scan.writes.certain_before(begin.earliest)
        last = self.scan.writes.last(begin.earliest - 1)
        if last is None or before < limits.DMA_WRITES_BEFORE_PANIC.value:
            return [f"nothing was tested: {before} DMA writes are certain before the panic"]
        silence = max(
            limits.DMA_SILENCE.value * self.capture.clock_hz,
            limits.DMA_SILENCE_PERIODS.value * dma.period_cycles,
        )
        # Measured from the text itself, so that a larger uncertainty cannot shorten the silence.
        if panic.first_timestamp - last.timestamp > silence:
            return ["nothing was tested: DMA had stopped before the panic"]
        return []

    def _losses(self) -> list[str]:
        """Loss between the panic and the crash kernel's readiness."""
        if self.capture is None or self.bound is None:
            return []
        scan = self.scan
        located = int(scan.of(Kind.LOSS)["data"].sum(dtype=np.uint64))
        reasons = []
        if self.capture.header.lost > located:
            reasons.append(f"{self.capture.header.lost - located} events were lost, it is not known when")
        begin, end = self._window()
        concerned = [
            at
            for at, since in scan.kept_before_losses()
            if scan.sparse["timestamp"][at] >= begin and (end is None or since <= end)
        ]
        for at in concerned[:_LOSSES_NAMED]:
            lost, index = int(scan.sparse["data"][at]), int(scan.indices[at])
            reasons.append(f"{lost} events were lost at record {index}, after the panic")
        if len(concerned) > _LOSSES_NAMED:
            reasons.append(f"so they were at {len(concerned) - _LOSSES_NAMED} more places")
        return reasons

    @cached_property
    def statistics_problems(self) -> list[str]:
        """Disagreements between the statistics registers and the records. The registers are exact even
        under loss.
        """
        if self.capture is None:
            return []
        header, scan, reasons = self.capture.header, self.scan, []
        trigger = header.trigger.time
        if not trigger:
            fired = scan.of(Kind.TRIGGER)["timestamp"]
            trigger = int(fired[0]) if len(fired) else 0
        slack = int(limits.STATISTICS_TRIGGER_SLACK.value)
        recorded = {
            StatClass.RQ_WR: scan.writes,
            StatClass.RQ_RD: scan.reads,
            StatClass.MSIX: scan.interrupts,
            StatClass.DOORBELL: scan.doorbells,
        }
        for which, series in recorded.items():
            statistics = header.statistics.get(which.name)
            if statistics is None:
                reasons.append(f"the statistics of {which.name} are missing")
                continue
            least = series.certain_after(trigger + slack)
            most = series.possible_from(trigger - slack)
            final = series.last()
            last = final.timestamp if final and final.timestamp >= trigger - slack else None
            # Later than the last record: the record memory was full or stopped, and the registers went on.
            went_on = statistics.count > 0 and statistics.last > scan.end
            agree = statistics.count >= least and (went_on or statistics.count <= most)
            if statistics.count:
                agree &= went_on or statistics.last == last
                agree &= statistics.first > scan.end or (
                    statistics.first >= trigger - slack and series.may_hold(statistics.first)
                )
            if not agree:
                reasons.append(
                    f"statistics and records of {which.name} disagree: {statistics.count} events, last at "
                    f"{statistics.last}; the records have {least} to {most}, last at {last}"
                )
        return reasons

    def latest_by_statistics(self) -> int | None:
        """The last request since the trigger by the statistics registers, cycles; None when they count none."""
        if self.capture is None:
            return None
        known = (self.capture.header.statistics.get(which.name) for which in REQUEST_CLASSES)
        return max((one.last for one in known if one and one.count), default=None)

    @cached_property
    def statistics_went_on(self) -> bool:
        """True when the registers speak of requests that the records cannot hold: after their end, or lost."""
        last = self.latest_by_statistics()
        if last is None or self.capture is None:
            return False
        return last > self.scan.end or self.capture.header.lost > 0

# SPDX-License-Identifier: Apache-2.0
"""What the files of a run say, prepared once for all rules: sequence, requests, loss, statistics, and
their doubts.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from vkbench.capture import records as rec
from vkbench.capture import timeline as tl
from vkbench.capture.layout import Kind, StatClass, Tap
from vkbench.capture.vkc import Capture
from vkbench.evidence import MemoryRecord, RunRecord
from vkbench.verdict import limits
from vkbench.verdict.uncertainty import Bound, Interval, text_bound

#: Statistics classes of what the card starts.
REQUEST_CLASSES = (StatClass.RQ_WR, StatClass.RQ_RD, StatClass.MSIX)
_TAP_KINDS = {tap: (Kind[tap.name],) for tap in Tap if tap is not Tap.MARK} | {
    Tap.MARK: (Kind.MARK, Kind.TRIGGER)
}


@dataclass(frozen=True)
class Facts:
    """A run's evidence in memory. ``capture`` or ``memory`` None: the file is not there."""

    record: RunRecord
    capture: Capture | None
    memory: MemoryRecord | None

    @property
    def records(self) -> rec.Records:
        """The capture's records; none when there is no capture."""
        return self.capture.records if self.capture else rec.empty()

    @cached_property
    def bound(self) -> Bound | None:
        """The order of a console text and a TLP; None without a capture, because the clock's rate is not
        known.
        """
        return text_bound(self.record.uncertainty, self.capture.clock_hz) if self.capture else None

    @cached_property
    def timeline(self) -> tl.Timeline:
        """The key events."""
        return tl.build(self.records, self.record.markers.model_dump())

    @cached_property
    def request_times(self) -> np.ndarray:
        """Start of each request and interrupt of the card, cycles, as signed numbers that may be subtracted."""
        return self.records["timestamp"][rec.card_requests(self.records)].astype(np.int64)

    @cached_property
    def request_indices(self) -> np.ndarray:
        """The records of request_times."""
        return np.flatnonzero(rec.card_requests(self.records))

    @property
    def jump(self) -> Interval | None:
        """When the jump happened; None when no jump is proved."""
        found = self.timeline.sequence.jump
        return self.bound.interval(found.first_timestamp) if found and self.bound else None

    @cached_property
    def blockers(self) -> list[str]:
        """Why no rule on the capture can say anything, neither PASS nor FAIL; empty when it can."""
        if self.record.status == "aborted":
            abort = self.record.abort
            why = f"{abort.error}: {abort.detail}" if abort else "no reason given"
            return [f"the run was aborted ({why})"]
        if self.capture is None:
            return ["there is no capture"]
        header, records = self.capture.header, self.records
        if not header.trigger.time and not rec.of_kind(records, Kind.TRIGGER).any():
            return ["the capture never triggered"]
        reasons = []
        times = records["timestamp"][records["kind"] != Kind.LOSS]
        backwards = np.flatnonzero(times[1:] < times[:-1])
        if len(backwards):
            reasons.append(f"the capture's timestamps run backwards {len(backwards)} times")
        if self.timeline.sequence.problem:
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
        return [*self._coverage(), *self._dma_was_running(), *self._losses(), *self.statistics_problems]

    def _coverage(self) -> list[str]:
        if self.timeline.sequence.crash_ready is None:
            return ["the capture ends before the crash kernel is ready"]
        return []

    def _dma_was_running(self) -> list[str]:
        panic, dma = self.timeline.sequence.panic, self.record.dma
        if panic is None or dma is None or self.bound is None or self.capture is None:
            return ["nothing was tested: run.json describes no DMA"] if dma is None else []
        times = self.records["timestamp"][rec.dma_writes(self.records)].astype(np.int64)
        begin = self.bound.interval(panic.first_timestamp)
        before = times[times < begin.earliest]
        if len(before) < limits.DMA_WRITES_BEFORE_PANIC.value:
            return [f"nothing was tested: {len(before)} DMA writes are certain before the panic"]
        silence = max(
            limits.DMA_SILENCE.value * self.capture.clock_hz,
            limits.DMA_SILENCE_PERIODS.value * dma.period_cycles,
        )
        # Measured from the text itself, so that a larger uncertainty cannot shorten the silence.
        if panic.first_timestamp - int(before[-1]) > silence:
            return ["nothing was tested: DMA had stopped before the panic"]
        return []

    def _losses(self) -> list[str]:
        """Loss between the panic and the crash kernel's readiness."""
        if self.capture is None or self.bound is None:
            return []
        lost = np.flatnonzero(rec.of_kind(self.records, Kind.LOSS))
        located = int(self.records["data"][lost].sum(dtype=np.uint64))
        reasons = []
        if self.capture.header.lost > located:
            reasons.append(f"{self.capture.header.lost - located} events were lost, it is not known when")
        sequence = self.timeline.sequence
        begin = self.bound.interval(sequence.panic.first_timestamp).earliest if sequence.panic else 0
        end = sequence.crash_ready.last_timestamp if sequence.crash_ready else None
        for index in lost:
            since, until = self._loss_span(int(index))
            if until >= begin and (end is None or since <= end):
                reasons.append(
                    f"{int(self.records['data'][index])} events were lost at record {index}, after the panic"
                )
        return reasons

    def _loss_span(self, index: int) -> tuple[int, int]:
        """Events lost at a LOSS record came after the last event kept of each tap that lost some."""
        earlier = self.records[:index]
        since = None
        for tap in Tap:
            if int(self.records["aux"][index]) & (1 << tap):
                kept = np.flatnonzero(rec.of_kind(earlier, *_TAP_KINDS[tap]))
                at = int(earlier["timestamp"][kept[-1]]) if len(kept) else 0
                since = at if since is None else min(since, at)
        return since or 0, int(self.records["timestamp"][index])

    @cached_property
    def statistics_problems(self) -> list[str]:
        """Disagreements between the statistics registers and the records. The registers are exact even
        under loss.
        """
        if self.capture is None:
            return []
        header, reasons = self.capture.header, []
        marks = np.flatnonzero(rec.of_kind(self.records, Kind.TRIGGER))
        trigger = header.trigger.time or (int(self.records["timestamp"][marks[0]]) if len(marks) else 0)
        slack = int(limits.STATISTICS_TRIGGER_SLACK.value)
        end = int(self.records["timestamp"][-1]) if len(self.records) else 0
        for which in (*REQUEST_CLASSES, StatClass.DOORBELL):
            statistics = header.statistics.get(which.name)
            if statistics is None:
                reasons.append(f"the statistics of {which.name} are missing")
                continue
            times = self.records["timestamp"][rec.of_class(self.records, which)].astype(np.int64)
            least = int(np.count_nonzero(times > trigger + slack))
            counted = times[times >= trigger - slack]
            last = int(counted[-1]) if len(counted) else None
            # Later than the last record: the record memory was full or stopped, and the registers went on.
            went_on = statistics.count > 0 and statistics.last > end
            agree = statistics.count >= least and (went_on or statistics.count <= len(counted))
            if statistics.count:
                agree &= went_on or statistics.last == last
                agree &= statistics.first > end or statistics.first in counted
            if not agree:
                reasons.append(
                    f"statistics and records of {which.name} disagree: {statistics.count} events, last at "
                    f"{statistics.last}; the records have {least} to {len(counted)}, last at {last}"
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
        end = int(self.records["timestamp"][-1]) if len(self.records) else 0
        return last > end or self.capture.header.lost > 0

# SPDX-License-Identifier: Apache-2.0
"""One pass over a capture of any size: the few events that mark its course, and counts of the many TLPs.

The pass keeps little: *sparse* events (console bytes, resets, gates, doorbells ...) are gathered, bulk TLPs are only
counted per block. What is asked later about the TLPs (the first one after a time, how many before it) is answered from
those counts and from the one or two blocks that the time falls into.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from vkbench.capture import records as rec
from vkbench.capture.layout import TAP_KINDS, Flag, Kind, Tap
from vkbench.capture.records import Mask, Records
from vkbench.capture.vkc import Capture, Recording

#: Events that are rare by nature: the console is the fastest of them. Of CQ only doorbell writes are.
SPARSE_KINDS = (Kind.CFG, Kind.RESET, Kind.CONSOLE, Kind.GATE, Kind.MARK, Kind.TRIGGER, Kind.LOSS)
#: So many of them are gathered at most, 40 MiB in memory: 90 s of a console at 115200 baud without a pause.
SPARSE_MAX = 1 << 20

_FOREVER = (1 << 64) - 1
_KIND = 0xFF
_SELFTEST = Flag.SELFTEST << 8
_DOORBELL = Flag.DOORBELL << 8
_FOLDED = np.uint32(0x1FFF << 16)
#: Of a record's third dword: kind and the flags SELFTEST and DOORBELL. Tables of 1024 say what to do with each.
_LOW = np.uint32(_DOORBELL | _SELFTEST | _KIND)


def _table(*entries: int) -> Mask:
    table = np.zeros(int(_LOW) + 1, dtype=bool)
    table[list(entries)] = True
    return table


_GATHERED = _table(*SPARSE_KINDS, *(kind | _DOORBELL for kind in (*SPARSE_KINDS, Kind.CQ)))
_INTERRUPTS = _table(Kind.MSIX, Kind.MSIX | _DOORBELL)
_LOSSES = _table(*(Kind.LOSS | flags for flags in (0, _SELFTEST, _DOORBELL, _SELFTEST | _DOORBELL)))


class Columns:
    """A block's records by column, each column in one piece: numpy is several times as fast on those."""

    def __init__(self, records: Records) -> None:
        self.records = records
        self._dwords = records.view("<u4").reshape(-1, rec.DTYPE.itemsize // 4)
        self.times = records.view("<u8").reshape(len(records), -1)[:, 0].copy()
        self._tags = self._dwords[:, 2].copy()  # kind, flags, aux

    @cached_property
    def special(self) -> npt.NDArray[np.intp]:
        """Positions of all records but TLPs without a flag that matters here."""
        # Nearly all records are such TLPs, kinds 1 to 4: one comparison sets them aside.
        return np.flatnonzero((self._tags & _LOW) - np.uint32(1) > np.uint32(Kind.RC - 1))

    def positions(self, table: Mask) -> npt.NDArray[np.intp]:
        """Positions of the special records that a table of 1024 (flags and kind) has."""
        return self.special[table[self._tags[self.special] & _LOW]] if len(self.special) else self.special

    @cached_property
    def requests(self) -> Mask:
        """TLPs that the card started."""
        return (self._tags & np.uint32(_SELFTEST | _KIND)) == np.uint32(Kind.RQ)

    @cached_property
    def _forms(self) -> npt.NDArray[np.uint32]:
        return self._dwords[:, 4] & (rec.DW0_FORM | rec.DW0_4DW)

    @cached_property
    def _long_writes(self) -> Mask:
        return self.requests & (self._forms == (rec.DW0_WRITE | rec.DW0_4DW))

    @cached_property
    def _short_writes(self) -> Mask:
        return self.requests & (self._forms == rec.DW0_WRITE)

    @cached_property
    def writes(self) -> Mask:
        """Memory writes that the card started."""
        return self._long_writes | self._short_writes

    @cached_property
    def runs(self) -> npt.NDArray[np.intp]:
        """Positions of the card's TLPs that stand for folded ones as well."""
        return np.flatnonzero(self.requests & ((self._tags & _FOLDED) != 0))

    @cached_property
    def data(self) -> npt.NDArray[np.uint32]:
        """First payload dwords."""
        return self._dwords[:, 3].copy()

    def writes_into(self, first: int, stop: int) -> Mask:
        """Memory writes of the card to addresses from ``first`` to before ``stop``."""
        begin, size = np.uint64(-(-first // 4) * 4), np.uint64(-(-stop // 4) * 4 - -(-first // 4) * 4)
        mask = self._short_writes
        if mask.any():
            mask = mask & (self._dwords[:, 6] - begin < size)
        address = np.empty((len(self.records), 2), "<u4")
        address[:, 0], address[:, 1] = self._dwords[:, 7], self._dwords[:, 6]
        # The two lowest bits of an address dword are no address; they cannot carry it over a multiple of four.
        return mask | (self._long_writes & (address.view("<u8")[:, 0] - begin < size))


@dataclass(frozen=True)
class Hit:
    """One record of a series."""

    index: int
    timestamp: int
    record: np.void


class Series:
    """A class of events in a capture, by time. Needs timestamps that do not run backwards.

    ``stream``: the series of all records of the same TLP stream, which bounds when folded TLPs came; None when
    nothing of this class is folded. Numbers of events count the folded ones.
    """

    def __init__(
        self,
        recording: Recording,
        select: Callable[[Records], Mask],
        records: npt.NDArray[np.int64],
        events: npt.NDArray[np.int64],
        stream: "Series | None" = None,
    ) -> None:
        self._recording, self._select, self._stream = recording, select, stream
        self._records, self._events = records, events  # per block

    @property
    def events(self) -> int:
        """How many events."""
        return int(self._events.sum())

    def first(self, after: int = -1) -> Hit | None:
        """The first record later than a time."""
        there = (self._records > 0) & (self._recording.block_times[:, 1] > after)
        return self._hit(np.flatnonzero(there), lambda times: times > after, 0)

    def last(self, upto: int | None = None) -> Hit | None:
        """The last record that is not later than a time."""
        latest = _FOREVER if upto is None else upto
        there = (self._records > 0) & (self._recording.block_times[:, 0] <= latest)
        return self._hit(np.flatnonzero(there)[::-1], lambda times: times <= latest, -1)

    def certain_before(self, time: int) -> int:
        """How many events are earlier than a time for certain."""
        return self.events - self._after(time - 1)[1]

    def certain_after(self, time: int) -> int:
        """How many events are later than a time for certain."""
        return self._after(time)[1] - self._undecided(time)

    def possible_from(self, time: int) -> int:
        """How many events may be at a time or later."""
        (records, events), (since, _) = self._after(time), self._after(time - 1)
        # Those at that very time count, what is folded into them came before.
        return events + since - records

    def may_hold(self, time: int) -> bool:
        """True when an event may be at exactly this time."""
        records, since = self._after(time)[0], self._after(time - 1)[0]
        return since > records or self._undecided(time) > 0

    def _hit(
        self, blocks: npt.NDArray[np.intp], wanted: Callable[[npt.NDArray[np.uint64]], Mask], which: int
    ) -> Hit | None:
        for number in blocks:
            block = self._recording.block(int(number))
            found = np.flatnonzero(self._select(block) & wanted(block["timestamp"]))
            if len(found):
                at = int(found[which])
                index = int(self._recording.starts[number]) + at
                return Hit(index, int(block["timestamp"][at]), block[at].copy())
        return None

    def _after(self, time: int) -> tuple[int, int]:
        """(records, events that they stand for) of records later than a time."""
        times = self._recording.block_times
        whole = times[:, 0] > time
        records, events = int(self._records[whole].sum()), int(self._events[whole].sum())
        for number in np.flatnonzero(~whole & (times[:, 1] > time) & (self._records > 0)):
            block = self._recording.block(int(number))
            later = block[self._select(block) & (block["timestamp"] > time)]
            records += len(later)
            events += int(rec.tlp_count(later).sum())
        return records, events

    def _undecided(self, time: int) -> int:
        """How many events are folded into the run that spans a time: they came before, at or after it."""
        following = self._stream.first(time) if self._stream else None
        if following is None or self._stream is None:
            return 0
        one = np.array([following.record])
        if not self._select(one)[0]:
            return 0
        before = self._stream.last(time)
        # All of them came strictly after the stream's record before.
        return 0 if before and before.timestamp >= time else int(rec.folded(one)[0])


def _requests(records: Records) -> Mask:
    return rec.of_kind(records, Kind.RQ)


def _reads(records: Records) -> Mask:
    return _requests(records) & ~rec.is_write(records)


def _interrupts(records: Records) -> Mask:
    return rec.of_kind(records, Kind.MSIX)


class Scan:
    """What one pass over a capture found. ``watch`` is shown each block, to gather what else is wanted.

    Raises CaptureError at the first damaged block.
    """

    def __init__(self, recording: Recording, watch: Callable[[int, Columns], None] | None = None) -> None:
        self.recording = recording
        #: The gathered events and their indices in the capture.
        self.sparse = rec.empty()
        self.indices = np.zeros(0, np.int64)
        #: More sparse events than can be believed: only the first SPARSE_MAX were gathered.
        self.overflowed = False
        #: How often a timestamp is lower than that of the record before; losses are dated differently.
        self.backwards = 0
        blocks = len(recording.starts) - 1
        self._counts = {name: np.zeros((2, blocks), np.int64) for name in ("writes", "reads", "interrupts")}
        self._pass(watch)

    def _pass(self, watch: Callable[[int, Columns], None] | None) -> None:
        found: list[tuple[npt.NDArray[np.int64], Records]] = []
        gathered, latest = 0, 0
        for number, block in enumerate(self.recording.blocks()):
            columns = Columns(block)
            positions = columns.positions(_GATHERED)[: SPARSE_MAX + 1 - gathered]
            if len(positions):
                found.append((positions + self.recording.starts[number], block[positions]))
                gathered += len(positions)
            self._count(number, columns)
            latest = self._check_order(columns, latest)
            if watch:
                watch(number, columns)
        if found:
            self.indices = np.concatenate([indices for indices, _ in found])[:SPARSE_MAX]
            self.sparse = np.concatenate([records for _, records in found])[:SPARSE_MAX]
        self.overflowed = gathered > SPARSE_MAX

    def _count(self, number: int, columns: Columns) -> None:
        counts = self._counts
        counts["interrupts"][:, number] = len(columns.positions(_INTERRUPTS))
        requests = int(np.count_nonzero(columns.requests))
        if not requests:
            return
        writes = int(np.count_nonzero(columns.writes))
        counts["writes"][:, number], counts["reads"][:, number] = writes, requests - writes
        if len(columns.runs):
            folded, write = rec.folded(columns.records[columns.runs]), columns.writes[columns.runs]
            counts["writes"][1, number] += folded[write].sum()
            counts["reads"][1, number] += folded[~write].sum()

    def _check_order(self, columns: Columns, latest: int) -> int:
        """Count timestamps that run backwards; returns the last timestamp. A loss's own does not count."""
        times = columns.times
        lost = columns.positions(_LOSSES)
        if len(lost):
            times = np.delete(times, lost)
        if not len(times):
            return latest
        self.backwards += int(int(times[0]) < latest) + int(np.count_nonzero(times[1:] < times[:-1]))
        return int(times[-1])

    @property
    def end(self) -> int:
        """Timestamp of the last record, cycles; 0 when there is none."""
        return int(self.recording.block_times[-1, 1]) if len(self.recording) else 0

    def of(self, *kinds: Kind) -> Records:
        """The gathered events of these kinds."""
        return self.sparse[rec.of_kind(self.sparse, *kinds)]

    @cached_property
    def requests(self) -> Series:
        """TLPs that the card started."""
        counts = self._counts["writes"] + self._counts["reads"]
        stream = Series(self.recording, _requests, *counts)
        return Series(self.recording, _requests, *counts, stream)

    @cached_property
    def writes(self) -> Series:
        """Memory writes by the card."""
        return Series(self.recording, rec.dma_writes, *self._counts["writes"], self.requests)

    @cached_property
    def reads(self) -> Series:
        """All other TLPs that the card started."""
        return Series(self.recording, _reads, *self._counts["reads"], self.requests)

    @cached_property
    def interrupts(self) -> Series:
        """Interrupts that the card sent."""
        return Series(self.recording, _interrupts, *self._counts["interrupts"])

    @cached_property
    def doorbells(self) -> Series:
        """Writes to the reset doorbell."""
        gathered = Capture(self.recording.header, self.sparse)
        counts = np.array([np.count_nonzero(rec.doorbells(block)) for block in gathered.blocks()], np.int64)
        return Series(gathered, rec.doorbells, counts, counts)

    @cached_property
    def starts(self) -> Series:
        """Everything that the card started, TLPs and interrupts."""
        counts = sum(self._counts.values())
        return Series(self.recording, rec.card_requests, *counts, self.requests)

    def kept_before_losses(self) -> Iterator[tuple[int, int]]:
        """For each LOSS record, in order: its position in ``sparse``, and the timestamp of the last event that the
        concerned taps kept before it, the earliest of them (0: nothing). A second pass, when there was loss.
        """
        losses = np.flatnonzero(rec.of_kind(self.sparse, Kind.LOSS))
        if not len(losses):
            return
        at = self.indices[losses]
        concerned = self.sparse["aux"][losses]
        since = np.full(len(losses), np.iinfo(np.int64).max)
        last_kept = dict.fromkeys(Tap, 0)
        for number, block in enumerate(self.recording.blocks()):
            start, stop = self.recording.starts[number : number + 2]
            here = np.flatnonzero((at >= start) & (at < stop))
            for tap in Tap:
                kinds = (Kind.MARK, Kind.TRIGGER) if tap is Tap.MARK else (TAP_KINDS[tap],)
                kept = np.flatnonzero(rec.of_kind(block, *kinds))
                mine = here[(concerned[here] & (1 << tap)) != 0]
                if len(mine):
                    place = np.searchsorted(kept, at[mine] - start) - 1
                    known = np.append(block["timestamp"][kept], np.uint64(last_kept[tap])).astype(np.int64)
                    since[mine] = np.minimum(since[mine], known[place])
                if len(kept):
                    last_kept[tap] = int(block["timestamp"][kept[-1]])
        since[since == np.iinfo(np.int64).max] = 0
        yield from zip(losses.tolist(), since.tolist(), strict=True)

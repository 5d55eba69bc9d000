# SPDX-License-Identifier: Apache-2.0
"""The card's writes into the DMA target and the numbers that they carry, gathered while a capture is scanned.

Each DMA write carries a number as its first payload dword, one higher than the write before (modulo 2^32), until the
card is reset. Of a run of like writes only the first and the last were recorded with their numbers; those between are
known when the ends fit: as many numbers apart as writes were folded, and as many addresses.
"""

import numpy as np
import numpy.typing as npt

from vkbench.capture import records as rec
from vkbench.capture.records import Mask, Records
from vkbench.capture.scan import Columns, Scan, Series

_NUMBERS = 1 << 32


class TargetWrites:
    """Writes into ``size`` bytes at ``paddr``. ``watch`` is to be given to the Scan, ``done`` called after it."""

    def __init__(self, paddr: int, size: int, blocks: int) -> None:
        self._paddr, self._size = paddr, size
        self._counts = np.zeros((2, blocks), np.int64)
        #: Per block: the lowest and the highest number of its writes; low > high: it has none.
        self._low = np.full(blocks, _NUMBERS, np.int64)
        self._high = np.full(blocks, -1, np.int64)
        #: The numbers went down at least once: the card was reset, or they began anew after 2^32.
        self.descends = False
        #: Folded writes whose numbers the records do not tell.
        self.unnumbered = 0
        #: Runs of writes that cross the target's edge: how many of them went into it is not known.
        self.edges = 0
        self._latest = -1  # number of the last write so far
        self._before = rec.empty()  # the stream's last record so far
        self._scan: Scan | None = None

    def select(self, records: Records) -> Mask:
        """Which records are writes into the target."""
        return rec.dma_writes(records) & self._inside(rec.tlp_address(records))

    def _inside(self, addresses: npt.NDArray[np.uint64]) -> Mask:
        return addresses - np.uint64(self._paddr) < np.uint64(self._size)

    def watch(self, number: int, columns: Columns) -> None:
        """Take in a block."""
        if not columns.requests.any():
            return
        mine = columns.writes_into(self._paddr, self._paddr + self._size)
        data = columns.data if mine.all() else columns.data[mine]
        self._counts[:, number] = len(data)
        if len(data):
            self.descends |= int(data[0]) < self._latest or bool((data[1:] < data[:-1]).any())
            self._low[number], self._high[number] = data.min(), data.max()
            self._latest = int(data[-1])
        runs = columns.runs[columns.writes[columns.runs]]
        if len(runs):
            self._take_runs(number, columns, mine, runs)
        last = len(columns.requests) - 1 - int(np.argmax(columns.requests[::-1]))
        self._before = columns.records[last : last + 1].copy()

    def _take_runs(self, number: int, columns: Columns, inside: Mask, runs: npt.NDArray[np.intp]) -> None:
        last = columns.records[runs]
        folded = rec.folded(last)
        requests = np.flatnonzero(columns.requests)
        place = np.searchsorted(requests, runs) - 1
        first = columns.records[requests[place]]
        # The capture's first request may end a run whose beginning is not in it: nothing contradicts its numbers.
        known = (place >= 0) | (len(self._before) > 0)
        if len(self._before):
            first[place < 0] = self._before[0]
        apart = (last["data"].astype(np.int64) - first["data"]) % _NUMBERS
        addresses, length = rec.tlp_address(last), rec.tlp_length(last).astype(np.int64) * 4
        distance = (addresses - rec.tlp_address(first)).astype(np.int64)
        alike = known & rec.dma_writes(first)
        repeated = alike & (distance == 0) & (apart == 0)
        streaming = alike & (distance == (folded + 1) * length) & (apart == folded + 1)
        # Where the first folded write went: all to one address, or each to where the one before ended.
        reach = np.where(repeated, 0, folded * length).astype(np.uint64)
        begins = self._inside(addresses - reach)
        mine = inside[runs]
        self.edges += int(np.count_nonzero(mine != begins))
        self.unnumbered += int(folded[mine & known & ~repeated & ~streaming].sum())
        self._counts[1, number] += int(folded[mine].sum())
        ascending = mine & ~repeated
        if ascending.any():
            lowest = last["data"][ascending].astype(np.int64) - folded[ascending]
            if (lowest < 0).any():  # the numbers began anew within a run
                self.descends, self._low[number], self._high[number] = True, 0, _NUMBERS - 1
            self._low[number] = min(self._low[number], max(0, int(lowest.min())))

    def done(self, scan: Scan) -> "TargetWrites":
        """The pass is over."""
        self._scan = scan
        return self

    @property
    def writes(self) -> Series:
        """The writes by time."""
        assert self._scan
        return Series(self._scan.recording, self.select, *self._counts, self._scan.requests)

    @property
    def highest(self) -> int:
        """The highest number; -1: there was no write."""
        return int(self._high.max(initial=-1))

    def issued_only_after(self, number: int, time: int) -> bool:
        """True when a write with this number is recorded later than a time, and none can have been earlier."""
        assert self._scan
        late = False
        spanning = self._scan.requests.first(time)
        for block in np.flatnonzero((self._low <= number) & (number <= self._high)):
            start = int(self._scan.recording.starts[block])
            records = self._scan.recording.block(int(block))
            positions = np.flatnonzero(self.select(records))
            records = records[positions]
            exact = records["data"] == number
            back = (records["data"].astype(np.int64) - number) % _NUMBERS
            within = (back > 0) & (back <= rec.folded(records))
            after = records["timestamp"] > time
            maybe_before = ~after
            if spanning:
                maybe_before |= positions + start == spanning.index
            if (exact & ~after).any() or (within & maybe_before).any():
                return False
            late |= bool((exact & after).any())
        return late

    @property
    def doubts(self) -> list[str]:
        """What the records do not tell about these writes; empty when they tell all."""
        reasons = []
        if self.unnumbered:
            reasons.append(f"the numbers of {self.unnumbered} folded writes are not known")
        if self.edges:
            reasons.append(f"{self.edges} folded runs of writes cross the edge of the DMA target")
        return reasons

# SPDX-License-Identifier: Apache-2.0
"""A capture read in batches, with what a batch alone cannot tell: record numbers, where runs began, where something
is missing before it. Memory stays flat however large the capture is.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

import numpy as np
import numpy.typing as npt

from vkbench.capture import records as rec
from vkbench.capture import vkc
from vkbench.capture.layout import RUN_SPAN_CYCLES, Flag, Kind
from vkbench.capture.records import Mask, Records
from vkbench.capture.vkc import CaptureError, CaptureHeader

TLP_KINDS = (Kind.CQ, Kind.CC, Kind.RQ, Kind.RC)
U64 = npt.NDArray[np.uint64]


class Source(Protocol):
    """A capture that can be read more than once: a vkc.Recording, or a damaged file."""

    @property
    def header(self) -> CaptureHeader: ...

    def blocks(self) -> Iterator[Records]: ...


class Mended:
    """What can be read of a capture file, whole or damaged: the good blocks, and in ``errors`` why others are missing.

    Raises CaptureError when not even the header can be read, OSError when the file cannot be opened. ``breaks`` are the
    numbers of the records before which something is missing. Both are complete when blocks() has been read to its end.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self.errors: list[CaptureError] = []
        self.breaks: list[int] = []
        try:
            with vkc.open(path) as file:
                self.header = file.header
        except CaptureError:
            saved = vkc.salvage(path)
            if saved.header is None:
                raise
            self.header = saved.header

    def blocks(self) -> Iterator[Records]:
        blocks = records = 0
        try:
            with vkc.open(self._path) as file:
                for block in file.blocks():
                    yield block
                    blocks, records = blocks + 1, records + len(block)
        except CaptureError as error:
            self.errors, self.breaks = [error], []
            saved = vkc.salvage(self._path)
            self.errors = saved.errors or [error]
            due = blocks
            for block in saved.blocks[blocks:]:
                if block.index != due:
                    self.breaks.append(records)
                yield block.records
                due, records = block.index + 1, records + len(block.records)


@dataclass(frozen=True)
class Batch:
    """Records that follow each other."""

    records: Records
    numbers: npt.NDArray[
        np.int64
    ]  #: of the records in the file, from 0; of a damaged file, among the readable ones
    fresh: bool  #: nothing goes on from the batch before: the first, a segment's first, or one behind a lost block
    #: Where a folded run (Flag.RUN) began: timestamp of the stream's record before, when that is known; else its own.
    since: U64
    repeats: (
        Mask  #: folded runs whose TLPs all have the same address; the other runs have one behind the other
    )

    def __getitem__(self, mask: Mask | slice) -> "Batch":
        return replace(
            self,
            records=self.records[mask],
            numbers=self.numbers[mask],
            since=self.since[mask],
            repeats=self.repeats[mask],
        )

    def __len__(self) -> int:
        return len(self.records)

    @property
    def runs(self) -> Mask:
        """Folded runs whose first TLP is known."""
        return self.since < self.records["timestamp"]


def batches(source: Source) -> Iterator[Batch]:
    """Read a capture from its beginning."""
    starts = [segment.first for segment in source.header.segments]
    before: dict[Kind, tuple[int, int]] = {}
    number = 0
    for block in source.blocks():
        breaks = {*starts, *getattr(source, "breaks", ())}
        cuts = sorted(at - number for at in breaks if 0 < at - number < len(block))
        for first, last in zip([0, *cuts], [*cuts, len(block)], strict=True):
            records = block[first:last]
            fresh = number == 0 or number in breaks
            if fresh:
                before.clear()
            since, repeats = _runs(records, before)
            numbers = np.arange(number, number + len(records))
            number += len(records)
            yield Batch(records, numbers, fresh, since, repeats)


def _runs(records: Records, before: dict[Kind, tuple[int, int]]) -> tuple[U64, Mask]:
    """Where the batch's folded runs began, and whether they repeat one address. ``before``: each stream's last record
    (timestamp, address), carried from batch to batch."""
    times = records["timestamp"]
    since, repeats = times.copy(), np.zeros(len(records), bool)
    for kind in TLP_KINDS:
        index = np.flatnonzero(rec.of_kind(records, kind))
        if not len(index):
            continue
        own, address = times[index], rec.tlp_address(records[index])
        run = (records["flags"][index] & Flag.RUN) != 0
        if run.any():
            time0, address0 = before.get(kind, (int(own[0]), int(address[0])))
            previous = np.concatenate([np.array([time0], np.uint64), own[:-1]])
            known = run & (previous <= own) & (own - previous <= RUN_SPAN_CYCLES)
            known[0] &= kind in before
            since[index[known]] = previous[known]
            same = address == np.concatenate([np.array([address0], np.uint64), address[:-1]])
            repeats[index[known]] = same[known]
        before[kind] = int(own[-1]), int(address[-1])
    return since, repeats

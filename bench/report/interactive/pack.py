# SPDX-License-Identifier: Apache-2.0
"""Gets a capture into a page: which records the page carries, and their bytes as text.

A page carries up to EVENTS_MAX records whole. Of a larger capture it carries the rare kinds whole, and all that lies
near a key event; of the frequent kinds (DMA, as a rule) else only the first and the last of each column of time, with
the number of those between, just as the analyser's own folding does. The capture is read in batches, so memory stays
flat however large the file is.
"""

import base64
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from vkbench.capture import records as rec
from vkbench.capture.batches import Source
from vkbench.capture.layout import Flag, Kind
from vkbench.capture.records import DTYPE, Records

#: More records than this are thinned out: what a browser still handles at once, in a page of a few megabytes.
EVENTS_MAX = 300_000
#: Records so near to a key event, in cycles, are never thinned out.
NEAR_CYCLES = 2000
#: Records per step over a large capture; bounds the memory that thinning takes.
BATCH = 1 << 16


@dataclass(frozen=True)
class Selection:
    """The records that the page carries, in the capture's order."""

    records: Records
    numbers: npt.NDArray[np.uint32]  #: their places in the capture
    #: Events of the same kind between the one before and this one that it stands for (folded or merged here).
    between: npt.NDArray[np.uint32]
    total: int  #: records in the capture
    merged: tuple[Kind, ...]  #: kinds that were thinned out


def select(source: Source, key_times: Iterable[int] = (), limit: int = EVENTS_MAX) -> Selection:
    """Choose the records. Near ``key_times`` (cycles) all are kept whatever their kind. Reads the source twice."""
    counts = np.zeros(256, np.int64)
    first = last = None
    for batch in _batches(source):
        counts += np.bincount(batch["kind"], minlength=256)
        first = int(batch["timestamp"][0]) if first is None else first
        last = int(batch["timestamp"][-1])
    total = int(counts.sum())
    merged = _frequent(counts, limit) if total > limit else ()
    # Two records per column and kind; half of the limit is for what is kept whole.
    columns = max(1, limit // 4 // max(1, len(merged)))
    width = max(1, -(-((last or 0) - (first or 0) + 1) // columns))
    keys = np.unique(np.fromiter(key_times, np.int64))
    parts, numbers, betweens, start = [], [], [], 0
    for batch in _batches(source):
        places, between = _thin(batch, merged, first or 0, width, keys)
        parts.append(batch[places])
        numbers.append((places + start).astype(np.uint32))
        betweens.append(between.astype(np.uint32))
        start += len(batch)
    if not parts:
        return Selection(rec.empty(), np.zeros(0, np.uint32), np.zeros(0, np.uint32), 0, ())
    chosen = np.concatenate(parts), np.concatenate(numbers), np.concatenate(betweens)
    return Selection(*chosen, total, tuple(map(Kind, merged)))


def encode(selection: Selection) -> str:
    """The records as base64 of zlib of byte planes: all lowest bytes of the timestamps' differences, then all second
    ones, and so on through the fields of layout.FIELDS, then the planes of ``between`` and of the differences of
    ``numbers``. Like bytes side by side are what makes it small; ``unpack`` in model.js undoes it. Lossless.
    """
    records = np.array(selection.records, dtype=DTYPE)
    records["timestamp"] = np.diff(records["timestamp"], prepend=records["timestamp"][:1])
    numbers = np.diff(selection.numbers, prepend=np.uint32(0))
    planes = np.concatenate([_planes(records), _planes(selection.between), _planes(numbers)])
    return base64.b64encode(zlib.compress(planes.tobytes(), 9)).decode()


def _planes(column: npt.NDArray[np.generic]) -> npt.NDArray[np.uint8]:
    return np.ascontiguousarray(column).view(np.uint8).reshape(len(column), column.dtype.itemsize).T


def _batches(source: Source) -> Iterator[Records]:
    """The records, in batches of at least BATCH but for the last; none is empty."""
    waiting: list[Records] = []
    for block in source.blocks():
        waiting.append(block)
        if sum(map(len, waiting)) >= BATCH:
            yield np.concatenate(waiting)
            waiting = []
    if sum(map(len, waiting)):
        yield np.concatenate(waiting)


def _frequent(counts: npt.NDArray[np.int64], limit: int) -> tuple[int, ...]:
    """The kinds to thin out: all but the console, whose text bears no holes, and the rarest; these may fill no more
    than half of the limit.
    """
    present = [kind for kind in np.argsort(counts, kind="stable").tolist() if counts[kind]]
    order = sorted(present, key=lambda kind: kind != Kind.CONSOLE)
    whole = np.cumsum(counts[order]) <= limit // 2
    return tuple(kind for kind, keep in zip(order, whole, strict=True) if not keep)


def _thin(
    batch: Records, merged: tuple[int, ...], first: int, width: int, keys: npt.NDArray[np.int64]
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Places of the batch's records that stay, and how many events each stands for besides itself."""
    between = rec.folded(batch)
    stays = np.ones(len(batch), bool)
    if merged:
        special = (batch["flags"] & (Flag.DOORBELL | Flag.SELFTEST | Flag.ERROR)) != 0
        special |= np.isin(batch["kind"], (Kind.CC, Kind.RC)) & ((batch["header"][:, 1] >> 13) & 7 != 0)
        for key in keys:
            special |= np.abs(batch["timestamp"].astype(np.int64) - key) <= NEAR_CYCLES
    for kind in merged:
        places = np.flatnonzero((batch["kind"] == kind) & ~special)
        if not len(places):
            continue
        column = (batch["timestamp"][places] - np.uint64(first)) // np.uint64(width)
        edges = np.flatnonzero(np.diff(column)) + 1
        starts, ends = np.r_[0, edges], np.r_[edges, len(places)] - 1
        stays[places] = False
        stays[places[starts]] = stays[places[ends]] = True
        sums = np.cumsum(between[places] + 1)
        wide = ends > starts
        between[places[ends[wide]]] = (sums[ends] - sums[starts])[wide] - 1
    chosen = np.flatnonzero(stays)
    return chosen, between[chosen]

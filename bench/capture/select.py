# SPDX-License-Identifier: Apache-2.0
"""Which records of a capture are wanted: by kind, statistics class, console text, address, time.

Kinds, classes and a console text say what is wanted; more than one of them widen the choice. An address window and a
time window narrow it. Nothing given means everything.
"""

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np

from vkbench import errors
from vkbench.capture import records as rec
from vkbench.capture.batches import Batch, Source, batches
from vkbench.capture.layout import Kind, StatClass
from vkbench.capture.lines import LineFinder
from vkbench.capture.records import Mask, Records
from vkbench.capture.vkc import Capture, CaptureHeader

_LAST_CYCLE = (1 << 64) - 1
_UNITS = {"s": Fraction(1), "ms": Fraction(1, 10**3), "us": Fraction(1, 10**6), "ns": Fraction(1, 10**9)}
_TIME = re.compile(r"([+-]?)(\d+(?:\.\d*)?|\.\d+)\s*(s|ms|us|µs|ns|cycles|cycle|)")
_SIZES = {"": 1, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30}
_NUMBER = r"0x[0-9a-f]+|\d+"
_ADDRESS = re.compile(rf"({_NUMBER})(?:([:+])({_NUMBER})([kmg]?))?", re.IGNORECASE)


@dataclass(frozen=True)
class Moment:
    """A point in time. ``relative``: counted from the trigger, else from power-on. ``unit`` None: cycles."""

    value: Fraction
    relative: bool
    unit: str | None

    def cycles(self, header: CaptureHeader) -> Fraction:
        """On the capture's clock. Raises UserError when it counts from a trigger that never fired."""
        scale = Fraction(1) if self.unit is None else _UNITS[self.unit] * header.clock_hz
        if self.relative and not header.trigger.time:
            raise errors.UserError(
                "this capture's trigger never fired, so nothing can be told from it",
                "",
                "Give times since power-on: without + or -",
            )
        return self.value * scale + (header.trigger.time if self.relative else 0)


@dataclass(frozen=True)
class TimeWindow:
    """From ``start`` to ``stop``, both within; None is open."""

    start: Moment | None
    stop: Moment | None

    def cycles(self, header: CaptureHeader) -> tuple[int, int]:
        """First and last cycle. Raises UserError when the window ends before it begins."""
        start = math.ceil(self.start.cycles(header)) if self.start else 0
        stop = math.floor(self.stop.cycles(header)) if self.stop else _LAST_CYCLE
        if stop < start:
            raise errors.UserError(f"the time window ends before it begins: cycles {start} to {stop}")
        return min(max(start, 0), _LAST_CYCLE), min(max(stop, 0), _LAST_CYCLE)


@dataclass(frozen=True)
class Filter:
    """What is wanted. ``address``: first and last byte; a request that overlaps it is in it."""

    kinds: frozenset[Kind] = frozenset()
    classes: frozenset[StatClass] = frozenset()
    address: tuple[int, int] | None = None
    time: TimeWindow | None = None
    text: str = ""

    @property
    def everything(self) -> bool:
        """Nothing is left out."""
        return self == Filter()

    def mask(self, header: CaptureHeader, records: Records) -> Mask:
        """Which of a whole capture's records are wanted."""
        source = Capture(header, records)
        selector = Selector(self, source)
        return np.concatenate([np.zeros(0, bool), *(selector.mask(batch) for batch in batches(source))])


class Selector:
    """A filter at work on the batches of a capture, in their order."""

    def __init__(self, wanted: Filter, source: Source) -> None:
        self._wanted = wanted
        self._window = wanted.time.cycles(source.header) if wanted.time else None
        self._finder = LineFinder(source) if wanted.text else None

    def mask(self, batch: Batch) -> Mask:
        """Which of the batch's records are wanted."""
        wanted, records = self._wanted, batch.records
        mask = np.ones(len(records), bool)
        if wanted.kinds or wanted.classes or self._finder:
            mask = np.isin(records["kind"], [int(kind) for kind in wanted.kinds])
            for which in wanted.classes:
                mask |= rec.of_class(records, which)
            if self._finder:
                mask |= self._of_text(batch, self._finder)
        elif wanted.address:
            mask = has_address(records)
        if wanted.address:
            mask &= ~has_address(records) | overlaps(batch, *wanted.address)
        if self._window:
            times = records["timestamp"]
            mask &= (times >= np.uint64(self._window[0])) & (times <= np.uint64(self._window[1]))
        return mask

    def _of_text(self, batch: Batch, finder: LineFinder) -> Mask:
        mask = np.zeros(len(batch), bool)
        for at in np.flatnonzero(rec.of_kind(batch.records, Kind.CONSOLE)).tolist():
            line = finder.at(int(batch.numbers[at]))
            mask[at] = line is not None and self._wanted.text in line.text
        return mask


def selected(source: Source, wanted: Filter) -> Iterator[Batch]:
    """The wanted records of a capture, batch by batch; ``fresh`` stays true for what follows a gap."""
    if wanted.everything:
        yield from batches(source)
        return
    selector = Selector(wanted, source)
    for batch in batches(source):
        yield batch[selector.mask(batch)]


def has_address(records: Records) -> Mask:
    """Requests with an address in memory space: reads, locked reads, writes, atomic operations."""
    kind, tlp = rec.tlp_type(records), rec.of_kind(records, Kind.CQ, Kind.RQ)
    return tlp & np.isin(kind, (0b00000, 0b00001, 0b01100, 0b01101, 0b01110))


def overlaps(batch: Batch, first: int, last: int) -> Mask:
    """Which requests touch a byte of first..last. A folded run touches what its folded TLPs touched."""
    records = batch.records
    low = rec.tlp_address(records)
    length = rec.tlp_length(records).astype(np.uint64) * np.uint64(4)
    high = low + (length - np.uint64(1))
    before = np.where(batch.repeats, 0, rec.folded(records)).astype(np.uint64) * length
    low = np.where(before > low, 0, low - before)
    return (low <= np.uint64(last)) & (high >= np.uint64(first))


def parse_kind(name: str) -> Kind:
    """A kind by its name, in any case. Raises UserError."""
    return _member(Kind, name, "kind")


def parse_class(name: str) -> StatClass:
    """A statistics class by its name, in any case. Raises UserError."""
    return _member(StatClass, name, "class")


def _member(enum: Any, name: str, what: str) -> Any:
    if name.upper() not in enum.__members__:
        raise errors.UserError(f"unknown {what} {name!r}; allowed: {', '.join(enum.__members__)}")
    return enum[name.upper()]


def parse_address(text: str) -> tuple[int, int]:
    """First and last byte: ``0x1000:0x1fff``, ``0x1000+4K``, or one address. Raises UserError."""
    found = _ADDRESS.fullmatch(text.strip().replace("_", ""))
    if found:
        first = int(found[1], 0)
        if not found[2]:
            return first, first
        second = int(found[3], 0) * _SIZES[found[4].lower()]
        last = second if found[2] == ":" else first + second - 1
        if first <= last < 1 << 64 and not (found[2] == ":" and found[4]):
            return first, last
    raise errors.UserError(
        f"{text!r} is no address window",
        "",
        "Write FIRST:LAST or FIRST+SIZE, as in 0x1000:0x1fff or 0x1000+4K",
    )


def parse_time(text: str) -> TimeWindow:
    """A time window: ``-1ms:+2ms`` from the trigger, ``1.5s:2s`` since power-on, ``+0:`` with an open end.

    Units s, ms, us, ns; without a unit, cycles. Raises UserError.
    """
    parts = [_TIME.fullmatch(part.strip()) if part.strip() else None for part in text.split(":")]
    written = [part.strip() for part in text.split(":")]
    if len(parts) != 2 or any(word and not found for word, found in zip(written, parts, strict=True)):
        raise errors.UserError(
            f"{text!r} is no time window",
            "",
            "Write FROM:TO; with a sign from the trigger (-1ms:+2ms), without since power-on; s, ms, us, ns or cycles",
        )
    start, stop = (_moment(found) if found else None for found in parts)
    return TimeWindow(start, stop)


def _moment(found: re.Match[str]) -> Moment:
    unit = found[3].replace("µ", "u")
    value = Fraction(found[2]) * (-1 if found[1] == "-" else 1)
    return Moment(value, bool(found[1]), unit if unit in _UNITS else None)


class Chosen:
    """The wanted records of a capture as a capture of its own: what is left of each segment is a segment."""

    def __init__(self, source: Source, wanted: Filter) -> None:
        self._source, self._wanted = source, wanted
        self.header = source.header
        if source.header.segments:
            self.header = self._without_the_rest()

    def blocks(self) -> Iterator[Records]:
        """The wanted records."""
        return (batch.records for batch in selected(self._source, self._wanted) if len(batch))

    def _without_the_rest(self) -> CaptureHeader:
        old = self._source.header.segments
        ends = np.cumsum([segment.count for segment in old])
        counts = np.zeros(len(old), int)
        for batch in selected(self._source, self._wanted):
            which = np.searchsorted(ends, batch.numbers, side="right")
            counts += np.bincount(which[which < len(old)], minlength=len(old))
        firsts = np.cumsum(counts) - counts
        segments = [
            segment.model_copy(update={"first": int(first), "count": int(count)})
            for segment, first, count in zip(old, firsts, counts, strict=True)
        ]
        return self._source.header.model_copy(update={"segments": segments})

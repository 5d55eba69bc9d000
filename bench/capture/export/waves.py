# SPDX-License-Identifier: Apache-2.0
"""A capture as signals that change: what the waveform formats have in common.

Each tap is a scope. ``valid`` is 1 in the cycle of an event, and the signals beside it keep what the last event said.
``run`` of a TLP stream is 1 from a folded run's first TLP to its last one, where ``folded`` says how many came between.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
import numpy.typing as npt

from vkbench import errors
from vkbench.capture import records as rec
from vkbench.capture.batches import TLP_KINDS, Batch, Source
from vkbench.capture.layout import (
    LEVELS,
    RUN_SPAN_CYCLES,
    Flag,
    GateCause,
    Kind,
    Reset,
    Tap,
    TriggerSource,
)
from vkbench.capture.lines import LineFinder
from vkbench.capture.pairs import tags
from vkbench.capture.select import Filter, selected
from vkbench.capture.show import TLP_NAMES, mark_name

TEXT = 0  #: width of a signal whose value is a text
_BME = 2  # bit of the Command register
_CAUSES = (1 << len(GateCause)) - 1
_RESETS = {"perst": Reset.PERST_ASSERTED, "flr": Reset.FLR_STARTED, "card_reset": Reset.CARD_RESET_STARTED}
_ARRAY = npt.NDArray[np.uint64]


@dataclass(frozen=True)
class Signal:
    """A signal: where it is shown, its name, its width in bits (TEXT: it has texts for values)."""

    scope: str
    name: str
    width: int = 1


@dataclass(frozen=True)
class TimeScale:
    """How cycles become the file's time: one cycle is ``cycle`` units of 10^``exponent`` seconds."""

    exponent: int
    cycle: Fraction

    @classmethod
    def of(cls, clock_hz: int) -> "TimeScale":
        """The coarsest unit of which a cycle is a whole number; picoseconds when there is none."""
        for exponent in range(0, -13, -1):
            cycle = Fraction(10**-exponent, clock_hz)
            if cycle.denominator == 1:
                break
        return cls(exponent, cycle)

    @property
    def exact(self) -> bool:
        """No time is rounded."""
        return self.cycle.denominator == 1

    @property
    def unit(self) -> str:
        """As VCD spells it, e.g. ``100 ns``."""
        names = {0: "s", -3: "ms", -6: "us", -9: "ns", -12: "ps"}
        base = self.exponent // 3 * 3
        return f"{10 ** (self.exponent - base)} {names[base]}"

    @property
    def note(self) -> str:
        """One sentence for the file's comment."""
        if self.exact:
            return f"times are exact: one clock cycle is {self.cycle} x {self.unit}"
        return f"times are rounded to the nearest {self.unit}: one clock cycle is {float(self.cycle):.9g} x {self.unit}"

    def at(self, cycles: int) -> int:
        """The file's time of a cycle, rounded half up."""
        return (2 * cycles * self.cycle.numerator + self.cycle.denominator) // (2 * self.cycle.denominator)


def _signals() -> list[Signal]:
    found = []
    for kind in TLP_KINDS:
        widths = {"valid": 1, "name": TEXT, "length": 11, "requester": 16, "tag": 10, "data": 32}
        if kind in (Kind.CQ, Kind.RQ):
            widths |= {"address": 64}
        else:
            widths |= {"status": 3, "byte_count": 13}
        if kind == Kind.CQ:
            widths |= {"bar": 3, "doorbell": 1}
        widths |= {"run": 1, "folded": 13}
        found += [Signal(kind.name.lower(), name, width) for name, width in widths.items()]
    found += [Signal("cfg", "command", 16), Signal("cfg", "bme")]
    found += [Signal("reset", name) for name in _RESETS]
    found += [Signal("msix", "valid"), Signal("msix", "vector", 16)]
    found += [Signal("console", "valid"), Signal("console", "byte", 8), Signal("console", "error")]
    found += [Signal("console", "line", TEXT)]
    found += [Signal("gate", "closed"), Signal("gate", "cause", len(GateCause))]
    found += [Signal("config", "valid"), Signal("config", "register", 12), Signal("config", "write", 4)]
    found += [Signal("config", "data", 32)]
    found += [Signal("level", name, width) for name, _, width in LEVELS]
    found += [Signal("mark", "valid"), Signal("mark", "number", 32), Signal("mark", "name", TEXT)]
    found += [Signal("trigger", "valid"), Signal("trigger", "source", TEXT), Signal("trigger", "segment", 32)]
    found += [Signal("trigger", "step", 3)]
    found += [Signal("loss", "valid"), Signal("loss", "events", 32), Signal("loss", "taps", len(Tap))]
    found += [Signal("selftest", "valid"), Signal("selftest", "kind", 8)]
    return found


SIGNALS = _signals()
_IS_TEXT = [signal.width == TEXT for signal in SIGNALS]
_NUMBER = {(signal.scope, signal.name): number for number, signal in enumerate(SIGNALS)}


_SOURCES = {int(source): source.name for source in TriggerSource}


#: From this cycle on, this signal (index into SIGNALS) has this value.
Change = tuple[int, int, int | str]


class _Pending:
    """Changes that are not yet in order: cycle, signal, value, and which of one cycle counts (the highest rank)."""

    def __init__(self) -> None:
        self.parts: list[tuple[_ARRAY, npt.NDArray[np.int64], _ARRAY, npt.NDArray[np.int64]]] = []

    def add(self, cycles: _ARRAY, scope: str, name: str, values: npt.ArrayLike, rank: int = 1) -> None:
        shape = cycles.shape
        number = np.full(shape, _NUMBER[scope, name])
        self.parts.append(
            (cycles, number, np.broadcast_to(values, shape).astype(np.uint64), np.full(shape, rank))
        )

    def pulse(self, cycles: _ARRAY, scope: str, name: str = "valid") -> None:
        """High for one cycle."""
        self.add(cycles, scope, name, 1)
        self.add(cycles + np.uint64(1), scope, name, 0, rank=0)

    def take(self, before: int | None) -> tuple[_ARRAY, npt.NDArray[np.int64], _ARRAY]:
        """The changes before a cycle (None: all) in order of time, one per signal and cycle; the others stay."""
        cycles, signals, values, ranks = (np.concatenate(column) for column in zip(*self.parts, strict=True))
        order = np.lexsort((ranks, signals, cycles))
        cycles, signals, values, ranks = cycles[order], signals[order], values[order], ranks[order]
        cut = len(cycles) if before is None else int(np.searchsorted(cycles, np.uint64(before)))
        self.parts = [(cycles[cut:], signals[cut:], values[cut:], ranks[cut:])]
        cycles, signals, values = cycles[:cut], signals[:cut], values[:cut]
        same = (cycles[1:] == cycles[:-1]) & (signals[1:] == signals[:-1])
        last = np.append(~same, True)[: len(cycles)]
        return cycles[last], signals[last], values[last]


class Waves:
    """The changes of a capture's signals, in order of time."""

    def __init__(self, source: Source, wanted: Filter) -> None:
        self._source, self._wanted = source, wanted
        self._finder = LineFinder(source)
        self._texts: dict[int, str] = {}  # of console lines and marks, until they are written
        self._next_text = 1
        self._line = -1  # first byte of the line that was shown last
        #: What each signal's value is now; texts by their number, -1 for none yet.
        self._now: list[int] = [-1] * len(SIGNALS)

    def changes(self) -> Iterator[Change]:
        """Raises UserError when the capture's times go back: no analyser records such a thing."""
        pending = _Pending()
        end = 0
        for batch in selected(self._source, self._wanted):
            times = batch.records["timestamp"]
            if not len(times):
                continue
            if int(times[0]) < end or np.any(times[1:] < times[:-1]):
                raise errors.UserError(
                    f"times go back at or before record {int(batch.numbers[-1])}: waveforms have no place for that",
                    "",
                    "Tables (csv, parquet) can hold such a capture",
                )
            if not pending.parts:
                self._begin(times[:1], pending)
            end = int(times[-1])
            self._collect(batch, pending)
            # A run that is recorded later can have begun so much earlier.
            yield from self._emit(pending, max(end - RUN_SPAN_CYCLES, 0))
        if pending.parts:
            yield from self._emit(pending, None)

    def _begin(self, time: _ARRAY, out: _Pending) -> None:
        """Nothing happens yet at a tap that is recorded; one that is not stays unknown."""
        recorded = {tap.lower() for tap in self._source.header.qualify.taps} | {"trigger", "loss", "selftest"}
        for signal in SIGNALS:
            if signal.name in ("valid", "run") and signal.scope in recorded:
                out.add(time, signal.scope, signal.name, 0, rank=-1)

    def _emit(self, pending: _Pending, before: int | None) -> Iterator[Change]:
        now = self._now
        columns = pending.take(before)
        for cycle, signal, value in zip(*(column.tolist() for column in columns), strict=True):
            if now[signal] == value:
                continue
            now[signal] = value
            yield cycle, signal, self._text(signal, value) if _IS_TEXT[signal] else value

    def _text(self, signal: int, value: int) -> str:
        match SIGNALS[signal].scope:
            case "trigger":
                return _SOURCES.get(value, str(value))
            case "console" | "mark":
                return self._texts.pop(value)
        return TLP_NAMES[value]

    def _number_of(self, text: str) -> int:
        self._texts[self._next_text] = text
        self._next_text += 1
        return self._next_text - 1

    def _collect(self, batch: Batch, out: _Pending) -> None:
        for kind in Kind:
            mask = rec.of_kind(batch.records, kind)
            if mask.any():
                part = batch[mask]
                collect = self._tlp if kind in TLP_KINDS else getattr(self, f"_{kind.name.lower()}")
                collect(part, part.records["timestamp"], out)
        injected = batch.records[~rec.seen(batch.records)]
        if len(injected):
            out.pulse(injected["timestamp"], "selftest")
            out.add(injected["timestamp"], "selftest", "kind", injected["kind"])

    def _tlp(self, batch: Batch, times: _ARRAY, out: _Pending) -> None:
        records = batch.records
        kind = Kind(int(records["kind"][0]))
        scope = kind.name.lower()
        values = {
            "name": records["header"][:, 0] >> 24,
            "length": rec.tlp_length(records),
            "requester": rec.tlp_requester(records),
            "tag": tags(records),
            "data": records["data"],
            "folded": rec.folded(records),
        }
        if kind in (Kind.CQ, Kind.RQ):
            values["address"] = rec.tlp_address(records)
        else:
            second = records["header"][:, 1]
            values |= {
                "status": second >> 13 & 7,
                "byte_count": np.where(second & 0xFFF, second & 0xFFF, 4096),
            }
        if kind == Kind.CQ:
            values |= {"bar": rec.bar(records), "doorbell": (records["flags"] & Flag.DOORBELL) != 0}
        for name, value in values.items():
            out.add(times, scope, name, value)
        out.pulse(times, scope)
        out.add(times, scope, "run", 0, rank=0)
        runs = batch.runs
        out.add(batch.since[runs], scope, "run", 1)

    def _cfg(self, batch: Batch, times: _ARRAY, out: _Pending) -> None:
        out.add(times, "cfg", "command", batch.records["aux"])
        out.add(times, "cfg", "bme", batch.records["aux"] >> _BME & 1)

    def _reset(self, batch: Batch, times: _ARRAY, out: _Pending) -> None:
        for name, start in _RESETS.items():
            for value, what in ((1, start), (0, start + 1)):
                out.add(times[batch.records["aux"] == what], "reset", name, value)

    def _msix(self, batch: Batch, times: _ARRAY, out: _Pending) -> None:
        out.pulse(times, "msix")
        out.add(times, "msix", "vector", batch.records["aux"])

    def _console(self, batch: Batch, times: _ARRAY, out: _Pending) -> None:
        out.pulse(times, "console")
        out.add(times, "console", "byte", batch.records["aux"] & 0xFF)
        out.add(times, "console", "error", (batch.records["flags"] & Flag.ERROR) != 0)
        starts, texts = [], []
        for number, cycle in zip(batch.numbers.tolist(), times.tolist(), strict=True):
            line = self._finder.at(number)
            if line and line.first != self._line:
                self._line = line.first
                starts.append(cycle)
                texts.append(self._number_of(line.text))
        out.add(np.array(starts, np.uint64), "console", "line", np.array(texts, np.uint64))

    def _gate(self, batch: Batch, times: _ARRAY, out: _Pending) -> None:
        out.add(times, "gate", "closed", batch.records["aux"] & 1)
        out.add(times, "gate", "cause", batch.records["data"] & _CAUSES)

    def _config(self, batch: Batch, times: _ARRAY, out: _Pending) -> None:
        out.pulse(times, "config")
        out.add(times, "config", "register", batch.records["aux"] & 0xFFF)
        out.add(times, "config", "write", batch.records["aux"] >> 12)
        out.add(times, "config", "data", batch.records["data"])

    def _level(self, batch: Batch, times: _ARRAY, out: _Pending) -> None:
        for name, bit, width in LEVELS:
            out.add(times, "level", name, batch.records["data"] >> bit & (1 << width) - 1)

    def _mark(self, batch: Batch, times: _ARRAY, out: _Pending) -> None:
        out.pulse(times, "mark")
        out.add(times, "mark", "number", batch.records["data"])
        names = [self._number_of(mark_name(record)) for record in batch.records]
        out.add(times, "mark", "name", np.array(names, np.uint64))

    def _trigger(self, batch: Batch, times: _ARRAY, out: _Pending) -> None:
        out.pulse(times, "trigger")
        out.add(times, "trigger", "source", batch.records["aux"])
        out.add(times, "trigger", "segment", batch.records["data"])
        out.add(times, "trigger", "step", batch.records["header"][:, 0])

    def _loss(self, batch: Batch, times: _ARRAY, out: _Pending) -> None:
        out.pulse(times, "loss")
        out.add(times, "loss", "events", batch.records["data"])
        out.add(times, "loss", "taps", batch.records["aux"])

# SPDX-License-Identifier: Apache-2.0
"""A capture as text: ``capture info`` (what the file is) and ``capture show`` (its records, one line each)."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from vkbench.capture import records as rec
from vkbench.capture.batches import Source
from vkbench.capture.layout import LEVELS, Flag, GateCause, Kind, Reset, Tap, TriggerSource
from vkbench.capture.lines import LineFinder, printable
from vkbench.capture.records import Records
from vkbench.capture.select import Filter, selected

_EVERYTHING = Filter()


def _tlp_names() -> list[str]:
    records = rec.empty(256)
    records["header"][:, 0] = np.arange(256) << 24
    return [rec.tlp_name(record) for record in records]


#: Name of a TLP by its first byte (Fmt and Type).
TLP_NAMES = _tlp_names()


def info(source: Source) -> dict[str, Any]:
    """What the file is, as JSON-able values: the header, records per kind, the time span in seconds."""
    counts, injected, folded, total = np.zeros(256, np.int64), 0, 0, 0
    times: list[int] = []
    for block in source.blocks():
        counts += np.bincount(block["kind"], minlength=256)
        injected += int(np.count_nonzero(~rec.seen(block)))
        folded += int(rec.folded(block).sum())
        times = [times[0] if times else int(block["timestamp"][0]), int(block["timestamp"][-1])]
        total += len(block)
    described = {"fields", "kinds", "flags", "taps", "levels", "resets", "gate_causes", "trigger_sources"}
    return {
        **source.header.model_dump(mode="json", exclude=described),
        "records": total,
        "records_by_kind": {kind_name(kind): int(counts[kind]) for kind in np.flatnonzero(counts).tolist()},
        "folded": folded,
        "selftest_records": injected,
        "first_timestamp": times[0] if times else None,
        "last_timestamp": times[1] if times else None,
        "span_s": (times[1] - times[0]) / source.header.clock_hz if times else 0.0,
    }


@dataclass(frozen=True)
class Entry:
    """One record as it is shown; console bytes are gathered into lines."""

    number: int
    timestamp: int  #: cycles
    seconds: float  #: since the trigger, else since the capture's first record
    kind: str
    what: str
    selftest: bool
    folded: int  #: TLPs before this one that it stands for as well

    @property
    def line(self) -> str:
        """For a terminal."""
        folded = f"  (+{self.folded} like it before)" if self.folded else ""
        note = "  [self-test]" if self.selftest else ""
        time = f"{self.number:7d} {self.timestamp:14d} {self.seconds:+14.7f} s"
        return f"{time}  {self.kind:<8}{self.what}{folded}{note}"


def entries(
    source: Source, wanted: Filter = _EVERYTHING, first: int = 0, count: int | None = None
) -> Iterator[Entry]:
    """The wanted records from number ``first`` on, at most ``count`` of them, with the console as lines of text.

    A line is dated by its first byte, or by the first of its bytes that is wanted.
    """
    origin = source.header.trigger.time or None
    finder = LineFinder(source)
    line_shown = -1
    left = count
    for batch in selected(source, wanted):
        records, times = batch.records, batch.records["timestamp"].tolist()
        folded, seen = rec.folded(records).tolist(), rec.seen(records).tolist()
        kinds = records["kind"].tolist()
        for at, number in enumerate(batch.numbers.tolist()):
            origin = times[at] if origin is None else origin
            if number < first:
                continue
            if kinds[at] == Kind.CONSOLE and seen[at]:
                line = finder.at(number)
                if line is None or line.first == line_shown:
                    continue
                line_shown = line.first
                what = repr(line.text) + (f"  ({line.errors} bytes without stop bit)" if line.errors else "")
            else:
                what = describe(records, at)
            if left is not None:
                if not left:
                    return
                left -= 1
            seconds = (times[at] - origin) / source.header.clock_hz
            name = kind_name(kinds[at])
            yield Entry(number, times[at], seconds, name, what, not seen[at], folded[at])


def lines(
    source: Source, wanted: Filter = _EVERYTHING, first: int = 0, count: int | None = None
) -> Iterator[str]:
    """See entries(): index, cycles, seconds, kind, meaning."""
    return (entry.line for entry in entries(source, wanted, first, count))


def describe(records: Records, index: int) -> str:
    """What one record says, without its time."""
    record = records[index]
    kind, flags, aux, data = (int(record[name]) for name in ("kind", "flags", "aux", "data"))
    # Plain numbers from here on: arrays of one element would take most of the time.
    header: list[int] = record["header"].tolist()
    match kind:
        case Kind.CQ | Kind.RQ:
            return _request(kind, flags, aux, data, header)
        case Kind.CC | Kind.RC:
            status = rec.completion_status(record)
            return f"{TLP_NAMES[header[0] >> 24]} {status} tag {_tag(header[0], header[2])}"
        case Kind.CFG:
            return (
                f"Command 0x{data:04x} -> 0x{aux:04x}" if aux != data else f"Command 0x{aux:04x} when armed"
            )
        case Kind.RESET:
            return _name(Reset, aux)
        case Kind.MSIX:
            return f"vector {aux}"
        case Kind.CONSOLE:
            return repr(chr(aux & 0xFF))
        case Kind.GATE:
            causes = [cause.name or "" for cause in GateCause if data & cause]
            return f"closed by {' and '.join(causes) or 'nothing'}" if aux else "open"
        case Kind.MARK:
            name = mark_name(record)
            return f"number {data}" + (f" {name!r}" if name else "")
        case Kind.TRIGGER:
            step = header[0]
            return f"{_name(TriggerSource, aux)}, segment {data}, step {step}"
        case Kind.LOSS:
            return f"{data} events lost at {tap_names(aux)}"
        case Kind.CONFIG:
            access = f"write 0x{data:08x} enables 0x{aux >> 12:x}" if aux >> 12 else f"read 0x{data:08x}"
            return f"register 0x{aux & 0xFFF:03x} {access}"
        case Kind.LEVEL:
            return levels(data, header[0])
    return f"aux 0x{aux:04x} data 0x{data:08x}"


def _request(kind: int, flags: int, aux: int, data: int, header: list[int]) -> str:
    first, second, third, fourth = header
    address = (third << 32 | fourth if first >> 29 & 1 else third) & ~3
    write = first >> 24 & 0x1F == 0 and first >> 30 & 1
    where = f"BAR{aux >> 13} " if kind == Kind.CQ else ""
    rest = f"data 0x{data:08x}" if write else f"tag {_tag(first, second)}"
    bell = "  reset doorbell" if flags & Flag.DOORBELL else ""
    return f"{TLP_NAMES[first >> 24]} {where}0x{address:x} {(first & 0x3FF) or 1024} DW {rest}{bell}"


def _tag(first: int, where: int) -> int:
    """10 bits: T9 and T8 stand in DW0."""
    return where >> 8 & 0xFF | (first >> 19 & 1) << 8 | (first >> 23 & 1) << 9


def levels(now: int, before: int) -> str:
    """What changed between two words of levels; of two that are equal (at arming) all that is not 0."""
    found = []
    for name, bit, width in LEVELS:
        new, old = (word >> bit & (1 << width) - 1 for word in (now, before))
        if new != old:
            found.append(f"{name} {old} -> {new}")
        elif now == before and new:
            found.append(f"{name} {new}")
    return ", ".join(found) + (" when armed" if now == before else "") if found else "all 0 when armed"


def tap_names(mask: int) -> str:
    """The taps of a mask."""
    return ", ".join(tap.name for tap in Tap if mask >> tap & 1) or "no tap"


def mark_name(record: np.void) -> str:
    """Name of a mark, as the host wrote it; empty when it has none."""
    return printable(record["header"].tobytes().rstrip(b"\0"))


def kind_name(number: int) -> str:
    """Name of a record's kind, also of one that is not known."""
    return Kind(number).name if number in Kind.__members__.values() else f"kind {number}"


def _name(enum: type[Reset] | type[TriggerSource], value: int) -> str:
    try:
        return enum(value).name
    except ValueError:
        return f"{value} (unknown)"

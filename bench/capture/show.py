# SPDX-License-Identifier: Apache-2.0
"""A capture as text: ``capture info`` (what the file is) and ``capture show`` (its records, one line each)."""

from collections.abc import Iterable, Iterator

import numpy as np

from vkbench.capture import records as rec
from vkbench.capture.layout import Flag, GateCause, Kind, Reset, TriggerSource
from vkbench.capture.records import ConsoleText, Records
from vkbench.capture.vkc import Capture


def info(capture: Capture) -> dict[str, object]:
    """What the file is, as JSON-able values: the header, records per kind, the time span in seconds."""
    records = capture.records
    counts = {kind.name: int(np.count_nonzero(records["kind"] == kind)) for kind in Kind}
    times = records["timestamp"]
    span = (int(times[-1]) - int(times[0])) / capture.clock_hz if len(records) else 0.0
    return {
        **capture.header.model_dump(mode="json", exclude={"kinds"}),
        "records": len(records),
        "records_by_kind": {name: count for name, count in counts.items() if count},
        "selftest_records": int(np.count_nonzero(~rec.seen(records))),
        "first_timestamp": int(times[0]) if len(records) else None,
        "last_timestamp": int(times[-1]) if len(records) else None,
        "span_s": span,
    }


def lines(
    capture: Capture, kinds: Iterable[Kind] | None = None, first: int = 0, count: int | None = None
) -> Iterator[str]:
    """One line per record: index, cycles, seconds since the trigger (else since the first record), kind,
    meaning.

    Console bytes are shown as lines of text, dated by their first byte. ``first`` and ``count`` select
    records.
    """
    records = capture.records
    stop = len(records) if count is None else min(len(records), first + count)
    wanted = set(Kind) if kinds is None else set(kinds)
    origin = capture.header.trigger.time or (int(records["timestamp"][0]) if len(records) else 0)
    texts = {index: text for index, _, text in ConsoleText.of(records).lines()}
    for index in range(first, stop):
        record = records[index]
        number = int(record["kind"])
        if number in Kind.__members__.values() and Kind(number) not in wanted:
            continue
        selftest = bool(int(record["flags"]) & Flag.SELFTEST)
        if number == Kind.CONSOLE and not selftest:
            if index not in texts:
                continue
            what = repr(texts[index])
        else:
            what = describe(records, index)
        name = Kind(number).name if number in Kind.__members__.values() else f"kind {number}"
        stamp = int(record["timestamp"])
        seconds = (stamp - origin) / capture.clock_hz
        note = "  [self-test]" if selftest else ""
        yield f"{index:7d} {stamp:14d} {seconds:+14.7f} s  {name:<8}{what}{note}"


def describe(records: Records, index: int) -> str:
    """What one record says, without its time."""
    record = records[index]
    aux, data = int(record["aux"]), int(record["data"])
    match int(record["kind"]):
        case Kind.CQ | Kind.RQ:
            one = records[index : index + 1]
            address, length = int(rec.tlp_address(one)[0]), int(rec.tlp_length(one)[0])
            where = f"BAR{aux} " if record["kind"] == Kind.CQ else ""
            payload = f" data 0x{data:08x}" if rec.is_write(one)[0] else f" tag {int(rec.tlp_tag(one)[0])}"
            bell = "  reset doorbell" if int(record["flags"]) & Flag.DOORBELL else ""
            return f"{rec.tlp_name(record)} {where}0x{address:x} {length} DW{payload}{bell}"
        case Kind.CC | Kind.RC:
            tag = int(rec.tlp_tag(records[index : index + 1])[0])
            return f"{rec.tlp_name(record)} {rec.completion_status(record)} tag {tag}"
        case Kind.CFG:
            return f"Command 0x{data:04x} -> 0x{aux:04x}"
        case Kind.RESET:
            return _name(Reset, aux)
        case Kind.MSIX:
            return f"vector {aux}"
        case Kind.CONSOLE:
            return repr(chr(aux & 0xFF))
        case Kind.GATE:
            return f"closed by {GateCause(data & 0xF)!r}" if aux else "open"
        case Kind.MARK:
            return f"number {data}"
        case Kind.TRIGGER:
            return _name(TriggerSource, aux)
        case Kind.LOSS:
            return f"{data} events lost, taps 0x{aux:03x}"
    return f"aux 0x{aux:04x} data 0x{data:08x}"


def _name(enum: type[Reset] | type[TriggerSource], value: int) -> str:
    try:
        return enum(value).name
    except ValueError:
        return f"{value} (unknown)"

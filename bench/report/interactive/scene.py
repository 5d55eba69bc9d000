# SPDX-License-Identifier: Apache-2.0
"""What the page knows about one capture besides its records: key events, bands, views, names, what was not recorded.

Times in the page are cycles since the first record; a JavaScript number holds them exactly (below 2^53).
"""

import itertools
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import numpy as np

from vkbench.capture import records as rec
from vkbench.capture.batches import Source
from vkbench.capture.header import CaptureHeader
from vkbench.capture.layout import LEVELS, TAP_KINDS, Flag, GateCause, Kind, Reset, Tap, TriggerSource
from vkbench.capture.records import ConsoleText, Records
from vkbench.report.interactive.pack import Selection, encode, select
from vkbench.report.timeline_picture import SHORT_NAMES
from vkbench.verdict import limits
from vkbench.verdict.facts import Facts

#: So many events of one kind become entries of the table; the picture has them all.
LISTED_MAX = 40
_BEFORE, _AFTER = 12, 28  # cycles around the doorbell in the view "the halt"


def selected(source: Source, facts: Facts | None = None) -> Selection:
    """The records that a page about this capture carries: all, or of a large one those that matter."""
    return select(source, [event.timestamp for event in facts.timeline.ordered()] if facts else [])


def scene(
    header: CaptureHeader,
    selection: Selection,
    markers: Mapping[str, str] | None = None,
    facts: Facts | None = None,
    breaks: Iterable[int] = (),
) -> dict[str, Any]:
    """Everything that the page draws, as JSON-able values (``records`` is text, see pack.encode).

    ``facts`` (a judged run) gives the key events and the uncertainty of console texts. Without it ``markers`` (name →
    console text) are looked for on the console, each wherever it occurs, and no text has an uncertainty. ``breaks``:
    records before which some could not be read.
    """
    events = facts.timeline.ordered() if facts else []
    records = selection.records
    base = int(records["timestamp"][0]) if len(records) else 0
    span = int(records["timestamp"][-1]) - base if len(records) else 0
    listed = [
        _marker(SHORT_NAMES.get(event.name, event.name.replace("_", " ")), event.timestamp - base, event.text)
        for event in events
    ]
    if not facts and Kind.CONSOLE not in selection.merged:
        listed += _texts(records, base, markers or {})
    listed += _others(records, base, {entry["t"] for entry in listed})
    fired = header.trigger.time - base
    if len(records) and fired >= 0 and all(entry["name"] != "trigger" for entry in listed):
        listed.append(_marker("trigger", fired, header.trigger.source))
    listed.sort(key=lambda entry: entry["t"])
    return {
        "clock_hz": header.clock_hz,
        "base": str(base),
        "span": span,
        "count": len(records),
        "total": selection.total,
        "merged": [kind.name for kind in selection.merged],
        "lost": header.lost,
        "markers": listed,
        "zero": _zero(facts, base, listed),
        "bands": list(_bands(facts, base)),
        "jump": facts.jump.latest - base if facts and facts.jump else None,
        "views": list(_views(facts, base, span)),
        "parts": _parts(header, selection, base, breaks),
        "unrecorded": _unrecorded(header),
        "names": _names(records),
        "records": encode(selection),
    }


def _marker(name: str, t: int, text: str, key: bool = True) -> dict[str, Any]:
    """An entry of the table and a line in the picture; ``key``: its name is written first when room is scarce."""
    return {"name": name, "t": t, "text": text, "key": key}


def _texts(records: Records, base: int, markers: Mapping[str, str]) -> Iterator[dict[str, Any]]:
    console = ConsoleText.of(records)
    for name, text in markers.items():
        for found in console.find(text)[:LISTED_MAX]:
            yield _marker(name, found.first_timestamp - base, text)


def _others(records: Records, base: int, known: set[int]) -> Iterator[dict[str, Any]]:
    """Rare events that are worth a place in the list: marks, triggers, resets, doorbells, losses."""
    masks = {
        kind: rec.of_kind(records, kind) for kind in (Kind.MARK, Kind.TRIGGER, Kind.RESET, Kind.LOSS)
    } | {Kind.CQ: rec.doorbells(records)}
    for kind, mask in masks.items():
        for place in np.flatnonzero(mask)[:LISTED_MAX]:
            record = records[place]
            time, aux, data = int(record["timestamp"]) - base, int(record["aux"]), int(record["data"])
            if time in known and kind != Kind.LOSS:
                continue
            match kind:
                case Kind.MARK:
                    name = record["header"].tobytes().rstrip(b"\0").decode("ascii", "backslashreplace")
                    shown = name or f"mark {data}", f"mark {data} of the host"
                case Kind.TRIGGER:
                    shown = "trigger", _named(TriggerSource, aux)
                case Kind.RESET:
                    shown = _named(Reset, aux).lower().replace("_", " ").replace("perst", "PERST#"), "reset"
                case Kind.LOSS:
                    shown = "loss", f"{data} events lost"
                case _:
                    shown = "doorbell", f"doorbell 0x{data:08x}"
            yield _marker(shown[0], time, shown[1], key=kind in (Kind.TRIGGER, Kind.MARK))


def _named(enum: type[Reset] | type[TriggerSource], value: int) -> str:
    return enum(value).name if value in enum.__members__.values() else f"{enum.__name__} {value}"


def _zero(facts: Facts | None, base: int, listed: list[dict[str, Any]]) -> int:
    """Where time zero is at first: the panic text, else the trigger, else the first record."""
    if facts and facts.timeline.events:
        return facts.timeline.origin - base
    return next((entry["t"] for entry in listed if entry["name"] == "trigger"), 0)


def _bands(facts: Facts | None, base: int) -> Iterator[dict[str, Any]]:
    """Where a console text may have been printed, and how long the card may take to halt."""
    if facts is None or facts.bound is None:
        return
    for event in facts.timeline.ordered():
        if event.kind == Kind.CONSOLE.name:
            interval = facts.bound.interval(event.timestamp)
            text = f"U: the text “{event.text}” was printed somewhere in here"
            yield _band("U", interval.earliest - base, interval.latest - base, text, "open")
    doorbell = facts.timeline.get("doorbell")
    if doorbell:
        start, most = doorbell.timestamp - base, int(limits.HALT_LATENCY.value)
        text = f"the last request may start up to {most} cycles after the doorbell"
        yield _band(f"allowed: {most}", start, start + most + 1, text, "pass")


def _band(name: str, start: int, stop: int, text: str, colour: str) -> dict[str, Any]:
    return {"name": name, "from": start, "to": stop, "text": text, "colour": colour}


def _views(facts: Facts | None, base: int, span: int) -> Iterator[dict[str, Any]]:
    """Views to choose from; the first one is shown at first."""
    panic, jump = (facts.timeline.get(name) for name in ("panic_text", "jump")) if facts else (None, None)
    if panic and jump and jump.timestamp > panic.timestamp:
        start, length = panic.timestamp - base, jump.timestamp - panic.timestamp
        yield {"name": "panic → jump", "from": start - length // 8, "to": start + length + length // 4}
    yield {"name": "all", "from": 0, "to": max(span, 1)}
    doorbell = facts.timeline.get("doorbell") if facts else None
    if doorbell:
        start = doorbell.timestamp - base
        yield {"name": "the halt", "from": start - _BEFORE, "to": start + _AFTER}


def _parts(
    header: CaptureHeader, selection: Selection, base: int, breaks: Iterable[int]
) -> list[dict[str, int]]:
    """The spans that were recorded, when there are several: segments, and what damage parts."""
    firsts = sorted({0, *(segment.first for segment in header.segments), *breaks, selection.total})
    spans = []
    for first, stop in itertools.pairwise(np.searchsorted(selection.numbers, firsts)):
        if stop > first:
            times = selection.records["timestamp"][first:stop]
            spans.append({"from": int(times[0]) - base, "to": int(times[-1]) - base})
    return spans if len(spans) > 1 else []


def _unrecorded(header: CaptureHeader) -> list[str]:
    """Kinds that the qualification left out (a term may have left out more)."""
    return [TAP_KINDS[tap].name for tap in Tap if tap.name not in header.qualify.taps]


def _names(records: Records) -> dict[str, Any]:
    """The names of the field, from layout.py and records.py, so that the page has none of its own."""
    tlps = records[np.isin(records["kind"], (Kind.CQ, Kind.CC, Kind.RQ, Kind.RC))]
    _, first = np.unique(tlps["header"][:, 0] >> 24, return_index=True)
    return {
        "kinds": {kind.name: int(kind) for kind in Kind},
        "flags": {flag.name: int(flag) for flag in Flag},
        "taps": [kind.name for kind in TAP_KINDS],
        "resets": {int(reset): reset.name for reset in Reset},
        "causes": {int(cause): cause.name for cause in GateCause},
        "triggers": {int(trigger): trigger.name for trigger in TriggerSource},
        "levels": [[name, low, width] for name, low, width in LEVELS],
        "tlps": {int(one["header"][0]) >> 24: rec.tlp_name(one) for one in tlps[first]},
        "statuses": {status: rec.completion_status(_with_status(status)) for status in range(8)},
    }


def _with_status(status: int) -> Any:
    one = rec.empty(1)
    one["header"][0, 1] = status << 13
    return one[0]

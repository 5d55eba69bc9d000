# SPDX-License-Identifier: Apache-2.0
"""Names the key events of a reset on the analyser's clock: what brought it, when the card had to stop, when it was ready
again, and when its host first had work for it again.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from vkbench.capture import records as rec
from vkbench.capture import timeline as tl
from vkbench.capture.layout import LEVELS, Kind, Reset
from vkbench.capture.records import Records
from vkbench.capture.scan import Scan

BUS_MASTER_ENABLE = 1 << 2
_HARD, _SOFT = 0xFFFF_FFFD, 0xFFFF_FFFF
_DMA_WRITE = "DMA write #{0}"
#: What begins a reset.
_BEGINNINGS = ("DOORBELL_HARD", "DOORBELL_SOFT", Reset.FLR_STARTED.name, Reset.PERST_ASSERTED.name)


@dataclass(frozen=True)
class HostWord:
    """A register by which the host gives the card work or a buffer: BAR index, offset, size of the BAR in bytes.

    ``announces``: it makes a buffer valid; a 0 written there means nothing.
    """

    name: str
    bar: int
    offset: int
    bar_bytes: int
    announces: bool = False


@dataclass(frozen=True)
class ResetSequence:
    """The events of one reset. None: not in the capture."""

    shown: list[tl.Event] = field(default_factory=list)  #: those that were asked for, in their order
    missing: list[str] = field(default_factory=list)  #: the first that is not there, and all after it
    reset: tl.Event | None = None  #: the first of them that resets (not an edge of Bus Master Enable)
    halt: tl.Event | None = (
        None  #: from here on the card may start nothing: the reset, or Bus Master Enable before it
    )
    ready: tl.Event | None = None  #: the card presents itself again
    spoken: tl.Event | None = None  #: the host's first word with work for the card after the reset
    announced: tl.Event | None = None  #: the host's first new buffer after the reset


def find(scan: Scan, shows: Sequence[str], words: Iterable[HostWord]) -> ResetSequence:
    """The reset that the events ``shows`` make, the first in the capture in that order."""
    moments = _moments(scan)
    shown: list[tl.Event] = []
    place = 0
    for name in shows:
        following = next((at for at in range(place, len(moments)) if moments[at].name == name), None)
        if following is None:
            break
        shown.append(moments[following])
        place = following + 1
    missing = list(shows[len(shown) :])
    reset = next((event for event in shown if not event.name.startswith("BME_")), None)
    if reset is None:
        return ResetSequence(shown, missing)
    halt = reset
    for event in moments:
        if (event.timestamp, event.index) >= (reset.timestamp, reset.index):
            break
        halt = event if event.name == "BME_CLEARED" else reset if event.name == "BME_SET" else halt
    after = [event for event in moments if event.timestamp >= reset.timestamp and event is not reset]
    ready = _ready(after, shown, reset)
    said = [event for event in _said(scan, list(words)) if event.timestamp > reset.timestamp]
    announced = next((event for event in said if event.name == "announced"), None)
    return ResetSequence(shown, missing, reset, halt, ready, said[0] if said else None, announced)


def _ready(after: list[tl.Event], shown: list[tl.Event], reset: tl.Event) -> tl.Event | None:
    """When the card became ready; not by another reset than this one. A server's boot may reset the bus again."""
    for event in after:
        if event.name == Reset.CARD_READY.name:
            return event
        another = event.name in _BEGINNINGS and event not in shown
        if another and (event.name, reset.name) != (Reset.PERST_ASSERTED.name,) * 2:
            return None
    return None


def _moments(scan: Scan) -> list[tl.Event]:
    """Doorbells, resets and edges of Bus Master Enable, in the order of the records."""
    found = []
    sparse = scan.sparse
    chosen = rec.doorbells(sparse) | rec.of_kind(sparse, Kind.RESET, Kind.CFG)
    for at in np.flatnonzero(chosen):
        record, name, text = sparse[at], "", ""
        kind = Kind(int(record["kind"]))
        old, new = int(record["data"]), int(record["aux"])
        if kind is Kind.CQ:
            name = {_HARD: "DOORBELL_HARD", _SOFT: "DOORBELL_SOFT"}.get(old, "")
            text = f"doorbell 0x{old:08x}"
        elif kind is Kind.RESET and new in Reset.__members__.values():
            name = Reset(new).name
            text = name.replace("_", " ").lower().replace("flr", "FLR").replace("perst", "PERST#")
        elif kind is Kind.CFG and (old ^ new) & BUS_MASTER_ENABLE:
            name = "BME_SET" if new & BUS_MASTER_ENABLE else "BME_CLEARED"
            text = f"Command register 0x{old:04x} → 0x{new:04x}"
        if name:
            found.append(tl.Event(name, int(scan.indices[at]), int(record["timestamp"]), kind.name, text))
    return found


def _said(scan: Scan, words: list[HostWord]) -> list[tl.Event]:
    found = []
    for number in range(len(scan.recording.starts) - 1):
        block = scan.recording.block(number)
        start = int(scan.recording.starts[number])
        writes = np.flatnonzero(rec.of_kind(block, Kind.CQ) & rec.is_write(block))
        if not len(writes):
            continue
        chosen: Records = block[writes]
        bars, addresses = rec.bar(chosen), rec.tlp_address(chosen)
        for word in words:
            mine = (bars == word.bar) & (addresses % np.uint64(word.bar_bytes) == np.uint64(word.offset))
            if word.announces:
                mine &= chosen["data"] != 0
            name = "announced" if word.announces else "spoken"
            for at in np.flatnonzero(mine):
                text = f"{word.name} = 0x{int(chosen['data'][at]):x}"
                time = int(chosen["timestamp"][at])
                found.append(tl.Event(name, start + int(writes[at]), time, Kind.CQ.name, text))
    return sorted(found, key=lambda event: event.index)


def host_writes(scan: Scan, bar: int, bar_bytes: int, after: int, until: int) -> list[tuple[int, int, int]]:
    """(cycle, offset, value) of the host's 32-bit writes into a BAR, later than ``after`` and up to ``until``."""
    found = []
    times = scan.recording.block_times
    for number in np.flatnonzero((times[:, 1] > after) & (times[:, 0] <= until)):
        block = scan.recording.block(int(number))
        chosen = block[rec.of_kind(block, Kind.CQ) & rec.is_write(block) & (rec.tlp_length(block) == 1)]
        chosen = chosen[
            (rec.bar(chosen) == bar) & (chosen["timestamp"] > after) & (chosen["timestamp"] <= until)
        ]
        offsets = rec.tlp_address(chosen) % np.uint64(bar_bytes)
        columns = (chosen["timestamp"].tolist(), offsets.tolist(), chosen["data"].tolist())
        found += list(zip(*columns, strict=True))
    return found


def levels_at(scan: Scan, time: int) -> dict[str, int]:
    """The slow levels just before a time; empty when no record of them is earlier."""
    times = scan.recording.block_times
    for number in np.flatnonzero(times[:, 0] < time)[::-1]:
        block = scan.recording.block(int(number))
        words = block["data"][rec.of_kind(block, Kind.LEVEL) & (block["timestamp"] < time)]
        if len(words):
            return {name: int(words[-1]) >> low & ((1 << width) - 1) for name, low, width in LEVELS}
    return {}


def mark_time(scan: Scan, number: int) -> int | None:
    """When the bench wrote the mark of this number; None: it is not in the capture."""
    marks = scan.of(Kind.MARK)
    found = np.flatnonzero(marks["data"] == number)
    return int(marks["timestamp"][found[0]]) if len(found) else None


def timeline(scan: Scan, found: ResetSequence) -> tl.Timeline:
    """The key events for reports: those of the reset, and the traffic around it."""
    events: dict[str, tl.Event] = {}

    def add(name: str, event: tl.Event | None) -> None:
        if event is not None:
            events[name] = tl.Event(name, event.index, event.timestamp, event.kind, event.text)

    for at in np.flatnonzero(rec.of_kind(scan.sparse, Kind.TRIGGER))[:1]:
        when = int(scan.sparse["timestamp"][at])
        add("trigger", tl.Event("trigger", int(scan.indices[at]), when, Kind.TRIGGER.name, "trigger fired"))
    for event in found.shown:
        add(event.name.lower(), event)
    if found.reset is None or found.halt is None:
        return tl.Timeline(_NO_CRASH, events)
    if found.reset.kind == Kind.CQ.name:
        add("doorbell", found.reset)
        events.pop(found.reset.name.lower(), None)
    sparse = scan.sparse
    closed = rec.of_kind(sparse, Kind.GATE) & (sparse["aux"] == 1)
    closed &= sparse["timestamp"] >= found.halt.timestamp
    for at in np.flatnonzero(closed)[:1]:
        when = int(sparse["timestamp"][at])
        event = tl.Event("", int(scan.indices[at]), when, Kind.GATE.name, "quiesce gate closed")
        add("gate_closed", event)
    before = scan.writes.last(found.halt.timestamp)
    if before:
        text = _DMA_WRITE.format(before.record["data"])
        add("last_dma_write", tl.Event("", before.index, before.timestamp, Kind.RQ.name, text))
    add("card_ready", found.ready)
    add("announced", found.announced)
    add("spoken", found.spoken)
    return tl.Timeline(_NO_CRASH, events)


_NO_CRASH = tl.Sequence(problem="a reset, no crash")

#: What each event is called where people read.
NAMES: Mapping[str, str] = {
    "DOORBELL_HARD": "a write of 0xfffffffd to the reset doorbell",
    "DOORBELL_SOFT": "a write of 0xffffffff to the reset doorbell",
    "FLR_STARTED": "the start of a Function Level Reset",
    "FLR_DONE": "the end of the Function Level Reset",
    "PERST_ASSERTED": "PERST# or a hot reset",
    "PERST_RELEASED": "the end of PERST# or of the hot reset",
    "BME_CLEARED": "Bus Master Enable going from 1 to 0",
    "BME_SET": "Bus Master Enable going from 0 to 1",
}

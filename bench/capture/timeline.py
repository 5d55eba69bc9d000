# SPDX-License-Identifier: Apache-2.0
"""Names a run's key events on the analyser's clock, each only in its place in the sequence.

The sequence of a crash is: panic text, jump text (purgatory), banner of the crash kernel, crash kernel
ready. User space can print any of these texts at any time before the panic, so a text alone marks
nothing: see find_sequence().
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from vkbench.capture import records as rec
from vkbench.capture.layout import Kind
from vkbench.capture.records import ConsoleText, Mask, TextFound
from vkbench.capture.scan import Hit, Scan

#: Values of the reset doorbell that halt the card (hard and soft reset); the panic notifier writes the first.
HALT_VALUES = (0xFFFF_FFFD, 0xFFFF_FFFF)
_DMA_WRITE = "DMA write #{r[data]}"


@dataclass(frozen=True)
class Event:
    """A named event: the record it stands on, and what it was."""

    name: str
    index: int
    timestamp: int  #: cycles
    kind: str
    text: str


@dataclass(frozen=True)
class Sequence:
    """The four console markers of one crash. ``problem``: why they prove no jump; None when they do."""

    panic: TextFound | None = None
    jump: TextFound | None = None
    crash_kernel: TextFound | None = None
    crash_ready: TextFound | None = None
    problem: str | None = None


def find_sequence(console: ConsoleText, markers: Mapping[str, str]) -> Sequence:
    """Find the crash among all occurrences of the marker texts.

    ``markers`` has the keys panic, jump, crash_kernel, crash_ready. A jump text counts only when a panic
    text stands before it, the crash kernel's banner after it, and between that panic and that banner
    there is neither another jump text nor a panic text after the jump, and no second banner before the
    crash kernel is ready. Two such sequences in one capture contradict each other: then none counts.
    """
    panics, jumps, banners, readies = (
        console.find(markers[name]) for name in ("panic", "jump", "crash_kernel", "crash_ready")
    )
    chains: list[Sequence] = []
    doubts: list[str] = []
    for jump in jumps:
        panic = _last_before(panics, jump)
        banner = _first_after(banners, jump)
        if panic is None:
            doubts.append(f"the jump text at record {jump.first_index} has no panic text before it")
        elif banner is None:
            doubts.append(f"the jump text at record {jump.first_index} has no crash-kernel banner after it")
        elif any(jump.first_index < other.first_index < banner.first_index for other in panics):
            doubts.append(
                f"a panic text stands between the jump text at record {jump.first_index} and the banner"
            )
        elif any(
            panic.first_index < other.first_index < banner.first_index for other in jumps if other is not jump
        ):
            doubts.append(
                "the jump text occurs more than once between the panic and the crash kernel's banner"
            )
        else:
            chains.append(Sequence(panic, jump, banner, _first_after(readies, banner)))
    if len(chains) == 1:
        banner, ready = chains[0].crash_kernel, chains[0].crash_ready
        if not any(banner.first_index < other.first_index < ready.first_index for other in banners if ready):
            return chains[0]
        doubts.append("a second crash-kernel banner stands before the crash kernel is ready")
        chains.clear()
    panic = panics[-1] if panics else None
    if chains:
        return Sequence(
            panic, problem="the console shows more than one crash; which one is real is not certain"
        )
    if panic is None:
        return Sequence(problem=f"the panic text {markers['panic']!r} is not in the capture")
    if not jumps:
        return Sequence(panic, problem=f"the jump text {markers['jump']!r} is not in the capture")
    return Sequence(panic, problem=doubts[-1])


@dataclass(frozen=True)
class Timeline:
    """The key events by name, and the markers they rest on."""

    sequence: Sequence
    events: dict[str, Event]

    def get(self, name: str) -> Event | None:
        """The event of that name, if there was one."""
        return self.events.get(name)

    def ordered(self) -> list[Event]:
        """All events by time; those of one cycle in the order of their records."""
        return sorted(self.events.values(), key=lambda event: (event.timestamp, event.index))

    @property
    def origin(self) -> int:
        """Zero of the run's relative times, in cycles: the panic text, else the trigger, else the first
        event.
        """
        for name in ("panic_text", "trigger"):
            if name in self.events:
                return self.events[name].timestamp
        return min((event.timestamp for event in self.events.values()), default=0)


def build(scan: Scan, markers: Mapping[str, str]) -> Timeline:
    """Find the key events of a capture.

    Names: trigger, dma_first, panic_text, doorbell (first halting one after the panic, not after the
    jump), gate_closed (after the doorbell), last_dma_write (before the jump), jump, first_dma_after_jump,
    last_dma_after_jump, crash_kernel, config_after_jump (first change of the Command register after the
    jump, before the crash kernel is ready), crash_ready.
    """
    # Nothing was recorded between two segments: no text reaches from one into the next.
    breaks = [segment.first for segment in scan.recording.header.segments[1:]]
    sequence = find_sequence(ConsoleText.of(scan.sparse, scan.indices, breaks), markers)
    sparse, times = scan.sparse, scan.sparse["timestamp"]
    events: dict[str, Event] = {}

    def mark(name: str, found: Hit | None, describe: str) -> None:
        if found is not None:
            kind = Kind(int(found.record["kind"])).name
            events[name] = Event(name, found.index, found.timestamp, kind, describe.format(r=found.record))

    def mark_first(name: str, mask: Mask, describe: str) -> None:
        for at in np.flatnonzero(mask)[:1]:
            mark(name, Hit(int(scan.indices[at]), int(times[at]), sparse[at]), describe)

    for name, marker in (
        ("panic_text", "panic"),
        ("jump", "jump"),
        ("crash_kernel", "crash_kernel"),
        ("crash_ready", "crash_ready"),
    ):
        found: TextFound | None = getattr(sequence, marker)
        if found is not None:
            text = markers[marker]
            events[name] = Event(name, found.first_index, found.first_timestamp, Kind.CONSOLE.name, text)
    mark_first("trigger", rec.of_kind(sparse, Kind.TRIGGER), "trigger fired")
    panic, jump, ready = sequence.panic, sequence.jump, sequence.crash_ready
    jump_at = jump.first_timestamp if jump else None
    if panic:
        halting = rec.doorbells(sparse) & np.isin(sparse["data"], HALT_VALUES)
        halting &= times > panic.first_timestamp
        if jump_at is not None:
            halting &= times <= jump_at
        mark_first("doorbell", halting, "doorbell 0x{r[data]:08x}")
    if "doorbell" in events:
        closed = rec.of_kind(sparse, Kind.GATE) & (sparse["aux"] == 1)
        mark_first("gate_closed", closed & (times >= events["doorbell"].timestamp), "quiesce gate closed")
    mark("dma_first", scan.writes.first(), _DMA_WRITE)
    mark("last_dma_write", scan.writes.last(jump_at), _DMA_WRITE)
    if jump_at is not None:
        following = scan.writes.first(jump_at)
        mark("first_dma_after_jump", following, _DMA_WRITE)
        mark("last_dma_after_jump", following and scan.writes.last(), _DMA_WRITE)
        changes = rec.of_kind(sparse, Kind.CFG) & (times > jump_at)
        changes &= sparse["aux"] != sparse["data"]  # equal: the value at arming, no change
        if ready:
            changes &= times < ready.first_timestamp
        mark_first("config_after_jump", changes, "Command register 0x{r[data]:04x} → 0x{r[aux]:04x}")
    return Timeline(sequence, events)


def _last_before(found: list[TextFound], other: TextFound) -> TextFound | None:
    return next((one for one in reversed(found) if one.last_index < other.first_index), None)


def _first_after(found: list[TextFound], other: TextFound) -> TextFound | None:
    return next((one for one in found if one.first_index > other.last_index), None)

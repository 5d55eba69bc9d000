# SPDX-License-Identifier: Apache-2.0
"""The trigger's program in Python: what analyser_sequencer must do, clock by clock.

Written from the words of rtl/regs/analyser_trigger.rdl and of the sequencer's header, and in another way than the
RTL: addresses are ranges of bytes, texts are looked for in the list of all bytes since the clear, and an event is
compared record by record. Numbers of taps, kinds and flags come from bench/capture/layout.py.
"""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass, field, replace
from pathlib import Path

_PATH = Path(__file__).resolve().parents[3] / "bench/capture/layout.py"
_SPEC = importlib.util.spec_from_file_location("layout", _PATH)
layout = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(layout)
Flag, Tap, TriggerSource = layout.Flag, layout.Tap, layout.TriggerSource

TAPS = len(Tap)
TLPS = (Tap.CQ, Tap.CC, Tap.RQ, Tap.RC)
FIRE = 8
TEXT = 16  # source of a term: TEXT + n is text n


@dataclass(frozen=True)
class Term:
    """One term; the fields are the registers'. ``source``: 0 nothing, 1 + tap, TEXT + text."""

    source: int = 0
    edge_only: bool = False
    range: bool = False
    window: bool = False
    flags_value: int = 0
    flags_mask: int = 0
    dw0_value: int = 0
    dw0_mask: int = 0
    data_a: int = 0
    data_b: int = 0
    aux_value: int = 0
    aux_mask: int = 0
    first: int = 0
    last: int = 0


@dataclass(frozen=True)
class Step:
    used: bool = False
    term: int = 0
    next: int = 0
    branch: bool = False
    branch_term: int = 0
    branch_next: int = 0
    timed: bool = False
    timeout_next: int = 0
    pulse: bool = False
    count: int = 1
    timeout: int = 0


@dataclass(frozen=True)
class Program:
    terms: tuple[Term, ...] = ()
    steps: tuple[Step, ...] = ()
    texts: tuple[bytes, ...] = ()

    def __post_init__(self):
        for name, empty, count in (("terms", Term(), 8), ("steps", Step(), 8), ("texts", b"", 4)):
            filled = (*getattr(self, name), *[empty] * count)[:count]
            object.__setattr__(self, name, filled)


@dataclass(frozen=True)
class Event:
    """An event of a tap as analyser_taps gives it; of RESET, bit n of aux stands for a record with aux n + 1."""

    data: int = 0
    aux: int = 0
    flags: int = 0
    header: int = 0


@dataclass(frozen=True)
class Inputs:
    """What the sequencer sees in one clock."""

    events: dict[int, Event] = field(default_factory=dict)  # by tap
    byte: int | None = None
    clear: bool = False
    armed: bool = False
    stop: bool = False
    immediate: bool = False
    time: int = 0
    qualify: int | None = None  # term


@dataclass(frozen=True)
class Outputs:
    """``time`` is that of the clock's beginning: a register. ``dropped``: taps whose event is not qualified."""

    fire: bool
    source: int
    step: int
    pulse: bool
    time: int
    dropped: frozenset[int]


def records(tap: int, event: Event) -> list[Event]:
    """The records that an event makes."""
    if tap != Tap.RESET:
        return [event]
    return [replace(event, aux=n + 1) for n in range(len(layout.Reset)) if event.aux >> n & 1]


def touched(header: int) -> range | None:
    """Addresses that a memory read or write touches; None of any other TLP."""
    dw = [header >> 32 * i & 0xFFFFFFFF for i in range(4)]
    fmt, kind = dw[0] >> 29, dw[0] >> 24 & 31
    if fmt > 3 or kind != 0:
        return None
    address = (dw[2] << 32 | dw[3]) if fmt & 1 else dw[2]
    address &= ~3
    return range(address, address + 4 * ((dw[0] & 1023) or 1024))


def matches(term: Term, tap: int, event: Event) -> bool:
    """Does the term match this event of its own tap?"""

    def data_holds(data: int) -> bool:
        return term.data_a <= data <= term.data_b if term.range else data & term.data_b == term.data_a

    if event.flags & Flag.SELFTEST:
        return False
    if event.flags & term.flags_mask != term.flags_value or not data_holds(event.data):
        return False
    if tap in TLPS and event.header & 0xFFFFFFFF & term.dw0_mask != term.dw0_value:
        return False
    if tap == Tap.LEVEL and term.edge_only and data_holds(event.header & 0xFFFFFFFF):
        return False
    if not any(record.aux & term.aux_mask == term.aux_value for record in records(tap, event)):
        return False
    if term.window:
        span = touched(event.header) if tap in (Tap.CQ, Tap.RQ) else None
        return span is not None and span[0] <= term.last and span[-1] >= term.first
    return True


class Sequencer:
    """The program at work. ``ways`` counts how steps were left, for a test to see that it tried them all."""

    def __init__(self, program: Program, source: int = TriggerSource.SEQUENCE):
        self.program, self.source = program, source
        self.ways: dict[str, int] = {}
        self.clear()

    def clear(self) -> None:
        self.step, self.matched, self.clocks = 0, 0, 0
        self.time, self.fired = 0, None
        self.heard = b""

    def _tally(self, way: str) -> None:
        self.ways[way] = self.ways.get(way, 0) + 1

    def _hit(self, number: int, inputs: Inputs) -> bool:
        term = self.program.terms[number]
        if TEXT <= term.source < TEXT + len(self.program.texts):
            text = self.program.texts[term.source - TEXT]
            return inputs.byte is not None and text != b"" and self.heard.endswith(text)
        tap = term.source - 1
        return tap in inputs.events and matches(term, tap, inputs.events[tap])

    def _dropped(self, inputs: Inputs) -> frozenset[int]:
        if inputs.qualify is None:
            return frozenset()
        term = self.program.terms[inputs.qualify]
        tap = term.source - 1
        event = inputs.events.get(tap)
        if event is None or tap == Tap.MARK or event.flags & Flag.SELFTEST or matches(term, tap, event):
            return frozenset()
        return frozenset((tap,))

    def clock(self, inputs: Inputs) -> Outputs:
        """One clock: the outputs in it; afterwards the state of the next."""
        fire, pulse, left_for = False, False, None
        step, before, source = self.step, self.time, TriggerSource.IMMEDIATE
        if inputs.clear:
            self.clear()
            return Outputs(False, source, step, False, before, self._dropped(inputs))
        if inputs.byte is not None:
            self.heard += bytes((inputs.byte,))
        now = self.program.steps[step]
        if inputs.armed and not inputs.stop and self.fired is None:
            self.clocks += 1
            if now.used:
                term = self._hit(now.term, inputs)
                branch = now.branch and self._hit(now.branch_term, inputs)
                late = now.timed and self.clocks >= now.timeout
                if term and (branch or late):
                    self._tally("tie")
                if branch and late:
                    self._tally("tie of branch and timeout")
                if term:
                    self.matched += 1
                    if self.matched >= now.count:
                        left_for, pulse = now.next, now.pulse
                        self._tally("counted" if now.count > 1 else "term")
                elif branch:
                    left_for = now.branch_next
                    self._tally("branch")
                elif late:
                    left_for = now.timeout_next
                    self._tally("timeout")
            if left_for is not None and left_for >= FIRE:
                fire, source = True, self.source
                self._tally("program fires")
            elif inputs.immediate:
                fire = True
                self._tally("immediate")
            if fire:
                self.fired, self.time = step, inputs.time
            elif left_for is not None:
                self.step, self.matched, self.clocks = left_for, 0, 0
        if pulse:
            self._tally("pulse")
        dropped = self._dropped(inputs)
        if dropped:
            self._tally("dropped")
        return Outputs(fire, source, step, pulse, before, dropped)

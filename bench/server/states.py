# SPDX-License-Identifier: Apache-2.0
"""In which state the server is, from three sources: its console's texts, its BMC's power, and what the card sees.

For messages, waiting and recovery only. No verdict uses it: the rules read the capture (bench/capture/timeline.py).

One source alone is never believed: a state holds when two sources agree on it and none speaks against it (TABLE).
Otherwise the answer is State.UNCLEAR, with a sentence that says who says what.
"""

import threading
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from vkbench import errors
from vkbench.capture.layout import GateCause
from vkbench.config.model import Markers, Server
from vkbench.instruments.protocol import Bmc
from vkbench.server.kdump_progress import KdumpEvent, KdumpProgress

_KEEP = 256  # bytes of the text's end kept, so that a marker cut by a read is found
LOOK_EVERY_S = 1.0


class State(Enum):
    """What the server is doing."""

    OFF = "off"
    FIRMWARE = "firmware"
    BOOTLOADER = "boot loader"
    KERNEL = "kernel boots"
    OS = "operating system"
    PANIC = "panicking"
    JUMPED = "between the kernels"
    CRASH_KERNEL = "crash kernel boots"
    CRASH_SHELL = "crash kernel's shell"
    DUMPING = "crash kernel dumps"
    RECOVERED = "operating system, after a crash"
    UNCLEAR = "unclear"


#: The operating system runs, and its shell or login can be used.
RUNNING = frozenset({State.OS, State.RECOVERED})
#: The crash kernel has the machine.
CRASHED = frozenset({State.JUMPED, State.CRASH_KERNEL, State.CRASH_SHELL, State.DUMPING})

#: What only firmware prints …
FIRMWARE_TEXTS = ("SeaBIOS (version", "BdsDxe: ", "UEFI Interactive Shell", "AMIBIOS", "PhoenixBIOS")
#: … and what a kernel may print as well, as the machine's maker: counted only before a kernel has spoken.
MAKER_TEXTS = ("American Megatrends", "AMI BIOS", "TianoCore", "EDK II", "Booting from ")
BOOTLOADER_TEXTS = (
    "GRUB loading",
    "Welcome to GRUB!",
    "GNU GRUB",
    "Loading Linux ",
    "Booting a command list",
    "systemd-boot",
    "Boot in ",
    "iPXE ",
    "PXELINUX",
    "SYSLINUX",
)
#: Before any banner: the kernel's own loader speaks.
KERNEL_TEXTS = ("EFI stub:", "Booting Linux on physical CPU", "early console in ")
#: Only a crash kernel is started with it (Documentation/admin-guide/kdump/kdump.rst); a panic can be silent.
CRASH_KERNEL_TEXT = "elfcorehdr="
#: What the pre-dump hook says when its shell has ended (crash_shell.py).
DUMP_TEXT = "vkbench: the dump goes on"
RESTART_TEXTS = ("reboot: Restarting system", "reboot: machine restart")


class StateTracker:
    """Follows the console's bytes. A marker counts only in the state in which it can occur."""

    def __init__(self, server: Server, markers: Markers) -> None:
        self._lock = threading.Lock()
        self._state = State.OFF
        self._tail = b""
        self._heard = 0
        self._crashed = False
        self._before = (self._state, self._tail, self._heard)
        self._next = _transitions(server, markers)
        self._dump = KdumpProgress()
        self._dump_events: list[KdumpEvent] = []

    @property
    def state(self) -> State:
        """The state now, as far as the console tells."""
        with self._lock:
            return self._state

    @property
    def heard(self) -> int:
        """Bytes that came since the power was last switched."""
        with self._lock:
            return self._heard

    @property
    def dump(self) -> list[KdumpEvent]:
        """What the crash kernel has said of its dump."""
        with self._lock:
            return list(self._dump_events)

    def powered(self, on: bool) -> None:
        """The power went on or off; what comes is a first boot again."""
        with self._lock:
            self._begin(State.FIRMWARE if on else State.OFF)
            self._crashed &= on

    def resetting(self, crashed: bool = False) -> None:
        """The server is reset or its power cycled; ``crashed``: because it did not come back from a panic."""
        with self._lock:
            self._before = (self._state, self._tail, self._heard)
            self._begin(State.FIRMWARE)
            self._crashed |= crashed

    def not_reset(self) -> None:
        """What resetting() announced could not be done; nothing has come in between."""
        with self._lock:
            if not self._heard:
                self._state, self._tail, self._heard = self._before

    def _begin(self, state: State) -> None:
        self._state, self._tail, self._heard = state, b"", 0

    def __call__(self, data: bytes) -> None:
        """More console bytes."""
        with self._lock:
            self._heard += len(data)
            self._tail += data
            before = self._state
            while True:
                hits = [
                    (self._tail.index(text), text, state)
                    for text, state in self._next.get(self._state, {}).items()
                    if text in self._tail
                ]
                if not hits:
                    break
                at, text, state = min(hits, key=lambda hit: hit[0])
                self._tail = self._tail[at + len(text) :]
                self._enter(state)
            if {before, self._state} & CRASHED or (self._state is State.FIRMWARE and self._dump_events):
                self._follow_dump(data)
            self._tail = self._tail[-_KEEP:]

    def _enter(self, state: State) -> None:
        if self._state is State.PANIC and state is State.OS:
            self._crashed = False  # a shell that prompts again: what the text announced did not come
        if state in CRASHED and self._state not in CRASHED:
            self._dump, self._dump_events = KdumpProgress(), []
        self._crashed |= state is State.PANIC or state in CRASHED
        self._state = State.RECOVERED if state is State.OS and self._crashed else state

    def _follow_dump(self, data: bytes) -> None:
        events = self._dump.feed(data)
        self._dump_events += events
        if self._state in CRASHED and any(event.name in ("started", "copying") for event in events):
            self._state = State.DUMPING


def _transitions(server: Server, markers: Markers) -> dict[State, dict[bytes, State]]:
    def texts(state: State, *found: str) -> dict[bytes, State]:
        return {text.encode(): state for text in found}

    prompts = [server.prompt, *([server.login.user_prompt] if server.login else [])]
    firmware = texts(State.FIRMWARE, *FIRMWARE_TEXTS)
    maker = texts(State.FIRMWARE, *MAKER_TEXTS)
    loader = texts(State.BOOTLOADER, *BOOTLOADER_TEXTS)
    kernel = texts(State.KERNEL, markers.crash_kernel, *KERNEL_TEXTS)
    running = texts(State.OS, *prompts)
    panic = texts(State.PANIC, markers.panic)
    restart = texts(State.FIRMWARE, *RESTART_TEXTS)
    crash_kernel = texts(State.CRASH_KERNEL, markers.crash_kernel, CRASH_KERNEL_TEXT)
    shell = texts(State.CRASH_SHELL, markers.crash_ready, server.crash_prompt)
    found = {
        State.FIRMWARE: {**loader, **kernel, **running, **panic},
        State.BOOTLOADER: {**firmware, **maker, **kernel, **running, **panic},
        State.KERNEL: {
            **texts(State.CRASH_KERNEL, CRASH_KERNEL_TEXT),
            **kernel,
            **running,
            **panic,
            **restart,
        },
        State.OS: {**panic, **kernel, **firmware, **restart},
        State.PANIC: {**texts(State.JUMPED, markers.jump), **crash_kernel, **running, **firmware},
        State.JUMPED: {**crash_kernel, **firmware},
        State.CRASH_KERNEL: {**shell, **texts(State.DUMPING, DUMP_TEXT), **panic, **firmware, **restart},
        State.CRASH_SHELL: {**texts(State.DUMPING, DUMP_TEXT), **kernel, **firmware, **restart},
        State.DUMPING: {**shell, **kernel, **firmware, **restart},
    }
    found[State.RECOVERED] = found[State.OS]
    return found


# ---- the three sources -------------------------------------------------------------------------------------------------


class Fact(Enum):
    """What the card's side of the slot tells."""

    LINK_UP = "link up"
    LINK_DOWN = "link down"
    CONFIGURED = "has addresses"  # memory decoding is on: firmware or a kernel has configured it
    DRIVEN = "driver bound"  # Bus Master Enable
    ACCESSED = "config accesses"  # since the look before
    TAP_HEARD = "console bytes at the tap"  # since the look before
    TAP_SILENT = "no console byte at the tap"
    TRIGGERED = "analyser triggered"


@dataclass(frozen=True)
class Look:
    """What the three sources say at one moment. ``powered`` None and ``card`` empty: cannot be had."""

    console: State
    heard: int  #: console bytes since the power was switched
    powered: bool | None
    card: frozenset[Fact] = frozenset()


@dataclass(frozen=True)
class Row:
    """What makes a state. The card agrees by any of ``card``, and speaks against it by any of ``never``."""

    powered: bool
    card: frozenset[Fact]
    never: frozenset[Fact]


def _row(powered: bool, card: Collection[Fact], never: Collection[Fact]) -> Row:
    return Row(powered, frozenset(card), frozenset(never))


_UP = {Fact.LINK_UP, Fact.CONFIGURED, Fact.ACCESSED}
_CRASH = {Fact.TRIGGERED, Fact.ACCESSED, Fact.LINK_UP}
_DOWN = {Fact.LINK_DOWN}
TABLE: dict[State, Row] = {
    State.OFF: _row(False, _DOWN, {*_UP, Fact.TAP_HEARD}),
    State.FIRMWARE: _row(True, {*_UP, Fact.TAP_HEARD}, ()),
    State.BOOTLOADER: _row(True, {*_UP, Fact.TAP_HEARD}, _DOWN),
    State.KERNEL: _row(True, _UP, _DOWN),
    State.OS: _row(True, {Fact.CONFIGURED, Fact.DRIVEN, Fact.ACCESSED}, _DOWN),
    State.PANIC: _row(True, {Fact.TRIGGERED, Fact.TAP_HEARD}, _DOWN),
    State.JUMPED: _row(True, _CRASH, _DOWN),
    State.CRASH_KERNEL: _row(True, _CRASH, _DOWN),
    State.CRASH_SHELL: _row(True, _CRASH, _DOWN),
    State.DUMPING: _row(True, _CRASH, _DOWN),
    State.RECOVERED: _row(True, {Fact.CONFIGURED, Fact.DRIVEN, Fact.ACCESSED}, _DOWN),
}


@dataclass(frozen=True)
class Seen:
    """A state, and what it rests on."""

    state: State
    look: Look
    sentence: str
    sources: dict[str, str] = field(default_factory=dict)

    @property
    def clear(self) -> bool:
        """True when two sources agree and none speaks against them."""
        return self.state is not State.UNCLEAR


def combine(look: Look) -> Seen:
    """The state that the three sources have in common, or UNCLEAR and why."""
    silent = look.console is not State.OFF and not look.heard
    sources = {
        "console": "silent since power on" if silent else look.console.value,
        "bmc": {True: "power on", False: "power off", None: "no answer"}[look.powered],
        "card": ", ".join(fact.value for fact in Fact if fact in look.card) or "not asked",
    }
    row = TABLE[look.console]
    against = [
        *(["BMC"] if look.powered is not None and look.powered != row.powered else []),
        *(["card"] if look.card & row.never else []),
    ]
    agree = [
        *([] if silent else ["console"]),
        *(["BMC"] if look.powered == row.powered else []),
        *(["card"] if look.card & row.card else []),
    ]
    if not against and len(agree) >= 2 and not silent:
        return Seen(look.console, look, f"{look.console.value}: {' and '.join(agree)} agree", sources)
    told = f"console: {sources['console']}; BMC: {sources['bmc']}; card: {sources['card']}"
    return Seen(State.UNCLEAR, look, f"{_why(look, silent, agree)} ({told})", sources)


def _why(look: Look, silent: bool, agree: list[str]) -> str:
    """The most telling sentence about a disagreement."""
    card = look.card
    if look.powered is False and look.console is not State.OFF and look.heard:
        return "the BMC says the power is off, but the console speaks: is it the BMC of this server?"
    if look.powered is False and Fact.LINK_UP in card:
        return "the BMC says the power is off, but the card's link is up: is it the BMC of the card's server?"
    if look.powered and look.console is State.OFF:
        return "the BMC says the power is on, but nobody here switched it on"
    if silent and look.powered and card & {Fact.CONFIGURED, Fact.DRIVEN, Fact.ACCESSED}:
        return (
            "the server boots, but its console is silent: is the cable in, is console= on its command line?"
        )
    if silent and look.powered and Fact.LINK_UP in card:
        return "the power and the link are on, but the console is silent and nobody has configured the card"
    if silent and look.powered:
        return (
            "the BMC says the power is on, but the console is silent and the card sees nothing: does it boot?"
        )
    if Fact.LINK_DOWN in card and look.heard:
        return "the console speaks, but the card's link is down: is the card seated, and its slot enabled?"
    if len(agree) < 2:
        return f"only the {agree[0] if agree else 'past'} says so, and one source alone is not believed"
    return "console, BMC and card do not tell the same"


class Observer:
    """Asks the three sources. ``analyser`` is whatever can tell of the card; what it cannot tell is left open."""

    def __init__(self, tracker: StateTracker, bmc: Bmc, analyser: Any = None) -> None:
        self._tracker, self._bmc, self._analyser = tracker, bmc, analyser
        self._counts: dict[str, int] = {}
        self._started = time.monotonic()
        self.history: list[dict[str, Any]] = []  #: for run.json: every change of what was seen

    def look(self) -> Seen:
        """The state now. Raises nothing: an instrument that fails is a source that does not answer."""
        try:
            powered: bool | None = self._bmc.is_on()
        except errors.BenchError:
            powered = None
        seen = combine(Look(self._tracker.state, self._tracker.heard, powered, self._card()))
        last = self.history[-1] if self.history else {}
        if (last.get("state"), last.get("bmc")) != (seen.state.value, seen.sources["bmc"]):
            at_s = round(time.monotonic() - self._started, 3)
            self.history.append({"at_s": at_s, "state": seen.state.value, **seen.sources})
        return seen

    def wait(
        self,
        states: Collection[State],
        limit_s: float,
        stop: Callable[[Seen], bool] = lambda seen: False,
    ) -> Seen:
        """Look until one of the states holds, ``stop`` says so, or the time is over; the last look."""
        end = time.monotonic() + limit_s
        while True:
            seen = self.look()
            if seen.state in states or stop(seen) or time.monotonic() >= end:
                return seen
            time.sleep(min(LOOK_EVERY_S, max(0.0, end - time.monotonic())))  # a BMC has no event for it

    def _card(self) -> frozenset[Fact]:
        try:
            return self._ask_card()
        except (errors.BenchError, AttributeError):  # AttributeError: an analyser without these counters
            return frozenset()

    def _ask_card(self) -> frozenset[Fact]:
        analyser = self._analyser
        if analyser is None:
            return frozenset()
        facts = set()
        levels = analyser.levels()
        held = bool(analyser.card_status() >> 4 & GateCause.PERST)
        facts.add(Fact.LINK_UP if levels["link_up"] and not held else Fact.LINK_DOWN)
        if levels["command"] & COMMAND_MEMORY:
            facts.add(Fact.CONFIGURED)
        if levels["command"] & COMMAND_BUS_MASTER:
            facts.add(Fact.DRIVEN)
        state = analyser.state()
        if state in ("TRIGGERED", "DONE"):
            facts.add(Fact.TRIGGERED)
        counts = {name: one.count_arm for name, one in analyser.statistics().items()}
        more = {name: counts.get(name, 0) - self._counts.get(name, 0) for name in ("CONFIG", "CONSOLE")}
        if self._counts and more["CONFIG"] > 0:
            facts.add(Fact.ACCESSED)
        if self._counts and more["CONSOLE"] > 0:
            facts.add(Fact.TAP_HEARD)
        elif self._counts and state in ("ARMED", "TRIGGERED"):
            facts.add(Fact.TAP_SILENT)
        self._counts = counts
        return frozenset(facts)


#: Bits of the Command register (PCI Express Base Specification 7.5.1.1.3).
COMMAND_MEMORY, COMMAND_BUS_MASTER = 1 << 1, 1 << 2

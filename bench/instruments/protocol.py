# SPDX-License-Identifier: Apache-2.0
"""What a BMC, a console and an analyser can do. Whoever uses an instrument names one of these, never a driver."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol, Self

from vkbench.capture.layout import Tap

BootDevice = Literal["none", "pxe", "disk", "cd", "bios"]


@dataclass(frozen=True)
class WatchdogState:
    """The BMC's watchdog timer (IPMI 2.0 section 27)."""

    running: bool
    action: str  #: "none", "reset", "power-off", "power-cycle"
    countdown_s: float | None  #: what is left; None: the BMC does not say
    initial_s: float | None


class Bmc(Protocol):
    """The server's management controller. Every method raises an InstrumentError within the bench file's timeout;
    what this BMC or its protocol does not do raises BmcNotSupported. A BMC that answered once and then falls silent
    raises BmcGone; the next call tries anew, so a BMC's own reboot is survived.
    """

    where: str  #: for messages: "BMC HOST:PORT"

    def __enter__(self) -> Self: ...
    def __exit__(self, *_: object) -> None: ...

    def is_on(self) -> bool:
        """True when the server's power is on."""

    def power_on(self) -> None:
        """Power on, and wait until the BMC says so."""

    def power_off(self) -> None:
        """Power off at once (no shutdown), and wait until the BMC says so."""

    def power_cycle(self) -> None:
        """Off and on again; on when it was off."""

    def reset(self) -> None:
        """Hard reset without a change of power."""

    def shutdown(self) -> None:
        """Ask the operating system to shut down (ACPI power button); does not wait."""

    def diagnostic_interrupt(self) -> None:
        """An NMI to the server."""

    def set_boot_device(self, device: BootDevice, persistent: bool = False) -> None:
        """Where the next boot comes from; ``none`` takes the override away."""

    def boot_device(self) -> BootDevice:
        """The override now in force."""

    def inventory(self) -> dict[str, Any]:
        """What identifies BMC and machine: keys ``protocol``, ``firmware`` and, when there are some, ``fru`` (texts)."""

    def sensors(self) -> list[dict[str, Any]]:
        """Each with name, value (None: not readable), unit and status."""

    def event_log(self) -> list[dict[str, Any]]:
        """The system event log, oldest first; ``timestamp``: seconds since 1970 or None, ``message``: text."""

    def clear_event_log(self) -> None:
        """Empty it, and wait until the BMC says so."""

    def clock(self) -> float:
        """The event log's clock, seconds since 1970."""

    def watchdog(self) -> WatchdogState:
        """The watchdog timer now."""

    def start_watchdog(self, seconds: float, action: str = "reset") -> None:
        """Set it and let it run. ``action`` as in WatchdogState."""

    def stop_watchdog(self) -> None:
        """Stop it."""


@dataclass(frozen=True)
class Match:
    """A text found on the console: positions count bytes since the console was opened."""

    start: int
    end: int
    text: str
    time: float  #: when its last byte came, host's monotonic clock, seconds
    groups: tuple[str, ...] = ()


class Console(Protocol):
    """The server's serial console. Every byte since opening is kept."""

    where: str  #: for messages: "console URL"

    def __enter__(self) -> Self: ...
    def __exit__(self, *_: object) -> None: ...

    @property
    def position(self) -> int:
        """How many bytes have come."""

    def send(self, text: str) -> None:
        """Type text."""

    def send_bytes(self, data: bytes) -> None:
        """Send bytes as they are."""

    def send_break(self, seconds: float = 0.25) -> None:
        """Hold the line in BREAK. Raises ConsoleNotSupported where the line cannot carry one."""

    def sysrq(self, key: str) -> None:
        """Magic sysrq by BREAK and a key (Documentation/admin-guide/sysrq.rst)."""

    def expect(self, pattern: Any, timeout: float, start: int | None = None, what: str = "") -> Match:
        """Wait for a text (str) or regular expression; the search begins at ``start``, else behind the last match.

        Terminal escapes and carriage returns count as they came. Raises ConsoleTimeout or ConsoleDead.
        """

    def run(self, command: str, prompt: str, timeout: float) -> str:
        """Run a command in the shell and return what it printed, without the kernel's messages and terminal escapes.

        Raises CommandFailed on an exit status other than 0, ConsoleTimeout, ConsoleDead, or ConsoleGarbled.
        """

    def text(self, start: int = 0) -> str:
        """What has come since a position."""


@dataclass(frozen=True)
class PowerSample:
    """One sample of a power recording; None: not measured."""

    time_s: float  #: host's monotonic clock since the recording began
    volts: float | None
    amperes: float | None


class Power(Protocol):
    """A power supply or switched outlet in front of the server."""

    where: str

    def __enter__(self) -> Self: ...
    def __exit__(self, *_: object) -> None: ...

    def identify(self) -> str:
        """*IDN?"""

    def is_on(self) -> bool:
        """True when the output is on."""

    def switch(self, on: bool) -> None:
        """Switch, and read the state back. Raises PowerRefused when it did not take."""

    def cycle(self) -> None:
        """Off, the bench file's ``off_s``, on."""

    def measure(self) -> PowerSample:
        """One sample, now."""

    def start_recording(self) -> None:
        """Sample voltage and current in the background."""

    def stop_recording(self) -> list[PowerSample]:
        """End it; the samples. An instrument that died in the middle gives what it had, and raises afterwards only when asked again."""


@dataclass(frozen=True)
class ClassStatistics:
    """Exact counters of one TLP or event class; times in cycles, 0 when there was none."""

    count_arm: int
    count: int
    first: int
    last: int


@dataclass(frozen=True)
class SegmentInfo:
    """One segment of the record memory: its place in the list of all records, and its times in cycles."""

    first: int  #: number of its first record
    count: int
    armed: int
    trigger: int  #: 0: it has not triggered


@dataclass(frozen=True)
class Qualification:
    """What was recorded at all; statistics count the rest as well."""

    taps: tuple[str, ...] = tuple(tap.name for tap in Tap)
    term: str | None = (
        None  #: the settings of the term that the events of its tap had to match; None: no term
    )

    @property
    def whole(self) -> bool:
        """True when every event of every tap was recorded."""
        return self.term is None and set(self.taps) == {tap.name for tap in Tap}


@dataclass(frozen=True)
class ArmedTerms:
    """The trigger and memory settings, as read back from the analyser after arming."""

    source: str
    text: str
    depth: int
    pretrigger: int  #: records, in each segment
    program: str = ""  #: the trigger's program out of the hardware's registers, as SCPI settings
    segments: int = 1
    qualify: Qualification = Qualification()
    fold: bool = True


@dataclass(frozen=True)
class CaptureData:
    """A capture as read from the analyser; ``records`` are raw bytes (capture/layout.py), segment by segment,
    oldest first. ``trigger_time``: of the segment that triggered last."""

    records: bytes
    state: str
    lost: int
    trigger_time: int
    statistics: dict[str, ClassStatistics] = field(default_factory=dict)
    program: str = ""
    segments: tuple[SegmentInfo, ...] = ()
    qualify: Qualification = Qualification()
    fold: bool = True

    def header(self, idn: str, clock_hz: int, terms: ArmedTerms) -> dict[str, Any]:
        """The capture file's header (docs/capture-format.md); the trigger's terms are those read back at arming."""
        return {
            "clock_hz": clock_hz,
            "idn": idn,
            "depth": terms.depth,
            "pretrigger": terms.pretrigger,
            "trigger": {
                "source": terms.source,
                "text": terms.text,
                "time": self.trigger_time,
                "program": self.program,
            },
            "segments": [vars(segment) for segment in self.segments],
            "qualify": {"taps": list(self.qualify.taps), "term": self.qualify.term},
            "fold": self.fold,
            "state": self.state,
            "lost": self.lost,
            "statistics": {name: vars(value) for name, value in self.statistics.items()},
        }


Progress = Callable[[int, int], None]  #: records read so far, records in all


class Analyser(Protocol):
    """The logic analyser beside the card, and the card's traffic generator behind it."""

    def __enter__(self) -> Self: ...
    def __exit__(self, *_: object) -> None: ...

    def identify(self) -> dict[str, str]:
        """*IDN?: maker, model, serial (build identity), version."""

    def fault(self) -> str | None:
        """The seeded defect that the card is set to show (rtl/faults.py); None for a good card."""

    def faults(self) -> tuple[str, ...]:
        """Seeded defects that this card can show; none when it is a release build."""

    def set_fault(self, name: str | None) -> None:
        """Make the card a bad one, or with None a good one again. Read back."""

    def self_test(self) -> None:
        """*TST?. Raises AnalyserSelfTestFailed."""

    def clock_hz(self) -> int:
        """Rate of the timestamps, cycles per second."""

    def depth(self) -> int:
        """Size of the record memory, records."""

    def arm_on_console(self, text: str, pretrigger: int) -> ArmedTerms:
        """Trigger on a console text; reads every term back and raises AnalyserNotAsSet on a difference."""

    def configure(self, commands: Sequence[str]) -> None:
        """Settings as SCPI commands (docs/scpi.md). Raises AnalyserRefused, which names the command."""

    def arm(self, pretrigger: int | None = None, segments: int = 1) -> ArmedTerms:
        """Arm with what has been configured; None: half of each segment before its trigger. Reads everything back.

        Raises AnalyserRefused when the program is not whole, AnalyserNotAsSet when it is armed otherwise than asked.
        """

    def trigger(self) -> None:
        """Fire now."""

    def wait_done(self, timeout_s: float, progress: Progress | None = None) -> None:
        """Wait until all segments are full; ``progress`` counts segments. Raises AnalyserNotDone."""

    def mark(self, number: int, name: str = "") -> None:
        """Write a mark with a name of up to 16 ASCII characters into the capture."""

    def state(self) -> str:
        """IDLE, ARMED, TRIGGERED or DONE."""

    def stop(self) -> None:
        """End the capture."""

    def read_capture(self, progress: Progress | None = None) -> CaptureData:
        """Read statistics and all records."""

    def dma_target(self) -> tuple[int, int]:
        """Bus address and size in bytes of the buffer that the driver announced; (0, 0) before it has."""

    def dma_start(self, period_cycles: int, length: int) -> None:
        """Let the card write into the announced buffer."""

    def dma_stop(self) -> None:
        """Let the card be silent."""

    def dma_sequence(self) -> int:
        """Number of the next write."""

    def card_status(self) -> int:
        """The card's STATUS register on the lab bus (rtl/regs/vk_lab.rdl)."""

# SPDX-License-Identifier: Apache-2.0
"""Brings the server back: wait, then sysrq-b, then the BMC's reset, then a power cycle. Each rung is taken only when
the one before did not help, and says why it is taken, how long it took and what came of it.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import Any

from vkbench import errors
from vkbench.config.model import BenchFile
from vkbench.instruments.protocol import Bmc, Console, Power
from vkbench.server.kdump_progress import KdumpEvent
from vkbench.server.states import CRASHED, RUNNING, TABLE, Fact, Observer, Seen, State, StateTracker

HELPED, NOT_HELPED, NOT_POSSIBLE = "came back", "did not help", "not possible"


@dataclass
class Rung:
    """One rung of the ladder, as it stands in run.json."""

    name: str
    reason: str  #: why it was taken
    at_s: float  #: since the recovery began
    duration_s: float = 0.0
    outcome: str = ""
    seen: str = ""  #: what console, BMC and card said at its end


def came_back(seen: Seen) -> bool:
    """The operating system runs, the BMC says on, and the card answers where it can be asked."""
    if seen.state not in RUNNING:
        return False
    card = seen.look.card
    return not card or bool(card & (TABLE[seen.state].card | {Fact.LINK_UP}))


class Ladder:
    """The rungs for one server. ``power``: a switched outlet, the last rung where there is one."""

    def __init__(
        self,
        bench: BenchFile,
        bmc: Bmc,
        console: Console,
        tracker: StateTracker,
        observer: Observer,
        power: Power | None = None,
    ) -> None:
        self._bench, self._bmc, self._console = bench, bmc, console
        self._tracker, self._observer, self.power = tracker, observer, power
        self.taken: list[Rung] = []
        self.progress: Callable[[int, int], None] = lambda now, total: None
        self._started = 0.0

    def climb(self, reason: str, wait_s: float | None = None, first: str = "wait") -> list[Rung]:
        """Take rungs until the server is back; those that were taken. Raises NotRecovered with all of them.

        ``wait_s``: how long the first rung waits; left out: as long as a boot takes. ``first``: the rung to begin with.
        """
        self.taken = []
        self._started = time.monotonic()
        boot_s = self._bench.server.boot_timeout_s
        rungs: list[tuple[str, Callable[[], None], float]] = [
            ("wait", lambda: None, boot_s if wait_s is None else wait_s),
            ("sysrq-b", self._sysrq, boot_s),
            ("BMC reset", self._reset, boot_s),
            ("BMC power cycle", self._cycle, boot_s),
        ]
        if self.power is not None:
            rungs.append(("outlet power cycle", self._outlet, boot_s))
        names = [name for name, _, _ in rungs]
        for name, act, limit in rungs[names.index(first) :]:
            rung = Rung(name, reason, round(time.monotonic() - self._started, 3))
            self.taken.append(rung)
            if self._take(rung, act, limit):
                return self.taken
            reason = f"{name}: {rung.outcome}; {rung.seen}" if rung.seen else f"{name}: {rung.outcome}"
        raise errors.NotRecovered(
            "the server did not come back. "
            + "; ".join(f"{rung.name} ({rung.duration_s:g} s): {rung.outcome}" for rung in self.taken),
            "server",
            f"Last seen: {self.taken[-1].seen}. Look at console.log, then at the machine",
        )

    def inventory(self) -> list[dict[str, Any]]:
        """For run.json."""
        return [asdict(rung) for rung in self.taken]

    def _take(self, rung: Rung, act: Callable[[], None], limit: float) -> bool:
        begin = time.monotonic()
        try:
            act()
            hopeless = self._watch_dump()
            seen = self._observer.wait((), limit, stop=lambda seen: came_back(seen) or hopeless())
            waited = f"{time.monotonic() - begin:.0f} s"
            rung.outcome = HELPED if came_back(seen) else f"{NOT_HELPED} within {waited}"
            if rung.name == "wait" and (dump := self._tracker.dump):
                rung.outcome += f" (dump {_told(dump)})"
            rung.seen = seen.sentence
        except errors.InstrumentError as error:
            rung.outcome = f"{NOT_POSSIBLE}: {error}"
        rung.duration_s = round(time.monotonic() - begin, 3)
        return rung.outcome.startswith(HELPED)

    def _watch_dump(self) -> Callable[[], bool]:
        """True when a dump has failed so long ago that no reboot comes after it; tells its progress on the way."""
        failed_at: float | None = None

        def hopeless() -> bool:
            nonlocal failed_at
            events = self._tracker.dump
            if percents := [event.percent for event in events if event.percent is not None]:
                self.progress(round(percents[-1]), 100)
            if failed_at is None and any(event.name == "failed" for event in events):
                failed_at = time.monotonic()
            return failed_at is not None and time.monotonic() - failed_at > self._bench.server.boot_timeout_s

        return hopeless

    # ---- what the rungs do -----------------------------------------------------------------------------------------------

    def _sysrq(self) -> None:
        """Typed into a shell where there is one (/proc/sysrq-trigger knows no mask), else by BREAK."""
        shell = self._tracker.state in (State.CRASH_SHELL, *RUNNING)
        with self._resetting():
            if shell:
                self._console.send("echo b > /proc/sysrq-trigger\n")
            else:
                self._console.sysrq("b")

    def _reset(self) -> None:
        with self._resetting():
            self._bmc.reset()

    def _cycle(self) -> None:
        with self._resetting():
            self._bmc.power_cycle()

    def _outlet(self) -> None:
        assert self.power is not None
        with self._resetting():
            self.power.cycle()
            if not self._bmc.is_on():
                self._bmc.power_on()

    @contextmanager
    def _resetting(self) -> Iterator[None]:
        """The console counts anew before the reset is done: the boot's first bytes come while the BMC still answers."""
        self._tracker.resetting(self._tracker.state in (State.PANIC, *CRASHED))
        try:
            yield
        except BaseException:
            self._tracker.not_reset()
            raise


def _told(dump: list[KdumpEvent]) -> str:
    """What became of a dump."""
    ends = [event for event in dump if event.name in ("saved", "failed")]
    last = (ends or dump)[-1]
    percent = f" {last.percent:g} %" if last.percent is not None else ""
    return f"{last.name}{percent} {last.text}".strip()

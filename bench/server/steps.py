# SPDX-License-Identifier: Apache-2.0
"""What every run is made of: instruments opened, the server booted, the card writing, the analyser armed, its capture
read; and how a run that fails is left. The order is the run's own affair (panic.py).
"""

import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from typing import Any

import numpy as np

from vkbench import errors, interrupts
from vkbench.capture.records import from_bytes
from vkbench.config import BenchFile
from vkbench.evidence import SEL_JSON, DmaSetup, EvidenceError, Piece
from vkbench.instruments import Analyser, Bmc, Console, open_analyser, open_bmc, open_console, open_power
from vkbench.instruments.protocol import ArmedTerms, CaptureData
from vkbench.server import defects
from vkbench.server.record import Reporter, RunLog
from vkbench.server.recovery import Ladder
from vkbench.server.scenario import Scenario
from vkbench.server.server import Server
from vkbench.server.settings import SETTINGS_JSON, Settings, ledger
from vkbench.server.states import RUNNING, StateTracker

DMA_STARTS_WITHIN_S = 5.0
MAX_PIECES = 64  # of a buffer behind an IOMMU; MAX_PIECES of fixtures/server/vkpeek.c
DMA_WRITES_TO_SEE = 16  # so many after arming: the pre-trigger memory then shows a running stream
POLL_S = 0.02
#: Roughly how long a step takes, seconds, for the progress bar only.
TYPICAL_S = {
    "open instruments": 0.5,
    "analyser self-test": 0.5,
    "power on to shell": 8.0,
    "load driver": 1.5,
    "server inventory": 0.7,
    "start DMA": 0.3,
    "arm kdump": 3.0,
    "arm analyser": 0.3,
    "panic into crash kernel": 9.0,
    "read memory": 1.5,
    "read capture": 2.0,
    "event log": 0.2,
    "restore settings": 0.1,
    "power off": 1.0,
    "judge": 0.7,
}


#: Marks that a run writes into its capture, by number: what the bench was doing, on the analyser's clock.
MARKS = ("", "armed", "inject panic", "crash kernel up", "read memory", "stop")


@dataclass(frozen=True)
class Drivers:
    """Which drivers stand behind the bench file's wires."""

    bmc: Callable[[BenchFile], Any] = open_bmc
    console: Callable[..., Any] = open_console
    analyser: Callable[[BenchFile], Any] = open_analyser


class BenchRun(ABC):
    """The steps, with what they hand to each other. A subclass says in steps() which and in what order."""

    def __init__(
        self, bench: BenchFile, scenario: Scenario, log: RunLog, reporter: Reporter, drivers: Drivers
    ) -> None:
        self._bench, self._scenario, self._log = bench, scenario, log
        self._reporter, self._drivers = reporter, drivers
        self._bmc: Bmc | None = None
        self._analyser: Analyser | None = None
        self._server: Server | None = None
        self._ladder: Ladder | None = None
        self._clock_hz = 0
        self._terms: ArmedTerms | None = None
        self._captured = False

    @abstractmethod
    def steps(self) -> None:
        """Everything between the instruments' opening and power off."""

    def execute(self) -> None:
        """All steps in order; whatever happens, the bench is left quiet."""
        with ExitStack() as instruments:
            try:
                self._open(instruments)
                self.steps()
                self._end_defect()
                self._restore_settings()
                with self._log.step("power off"):
                    self._need_server().power_off()
                self._note_settings()
            except BaseException as error:
                with interrupts.held():
                    self._silence()
                try:
                    if isinstance(error, errors.BenchError):
                        self._put_back_files()
                finally:
                    with interrupts.held():
                        self._power_off()
                        self._note_settings()
                raise

    def _open(self, instruments: ExitStack) -> None:
        bench, log = self._bench, self._log
        tracker = StateTracker(bench.server, bench.markers)
        with log.step("open instruments"):
            bmc = self._bmc = instruments.enter_context(self._drivers.bmc(bench))
            console: Console = instruments.enter_context(
                self._drivers.console(bench, log.directory.console_sink, tracker)
            )
            analyser = self._analyser = instruments.enter_context(self._drivers.analyser(bench))
            journals = (log.directory.path / SETTINGS_JSON, ledger(bench))
            self._server = Server(bench, bmc, console, tracker, journals, analyser)
            self._ladder = Ladder(bench, bmc, console, tracker, self._server.observer)
            self._ladder.progress = self._reporter.progress
            self._clock_hz = analyser.clock_hz()
            log.set_clock(self._clock_hz)
            log.add_inventory("bmc", bmc.inventory())
            log.add_inventory(
                "analyser", {**analyser.identify(), "clock_hz": self._clock_hz, "depth": analyser.depth()}
            )
        with log.step("analyser self-test"):
            analyser.dma_stop()
            if analyser.state() in ("ARMED", "TRIGGERED"):
                analyser.stop()
            analyser.self_test()
        self._prepare_card()

    def _prepare_card(self) -> None:
        """A card without a seeded defect, which can show the scenario's. Raises NoSuchDefect, AnalyserNotAsSet."""
        log, analyser, wanted = self._log, self._need_analyser(), self._scenario.defect
        log.add_inventory("card", defects.inventory(analyser, wanted))
        if (left := analyser.fault()) is not None:
            with log.step("take away a left-over defect") as note:
                note.detail = left
                analyser.set_fault(None)
                defects.expect(analyser, "")
        if wanted:
            defects.refuse_unless_offered(analyser, wanted)

    def _seed_defect(self) -> None:
        """From here on the card is as the scenario says. The server has booted with a good one: queues that an earlier
        run has left would otherwise be the defect's first victims, and this run would end before its own reset.
        """
        if self._scenario.defect:
            with self._log.step("seed defect") as note:
                note.detail = self._scenario.defect
                defects.seed(self._need_analyser(), self._scenario.defect)

    def _end_defect(self) -> None:
        """What the card showed all the time is what the scenario says; then it is a good one again.

        Raises AnalyserNotAsSet: a control whose card has lost its defect would be called blind.
        """
        analyser, wanted = self._need_analyser(), self._scenario.defect
        defects.expect(analyser, wanted)
        if wanted:
            with self._log.step("take the defect away"):
                analyser.set_fault(None)

    def _boot(self) -> None:
        """Power on to a shell with the card's driver loaded."""
        log, server = self._log, self._need_server()
        with log.step("power on to shell") as note:
            server.power_on_to_shell()
            note.detail = server.observer.look().sentence
        self._put_back_earlier()
        with log.step("load driver") as note:
            note.detail = server.load_driver()
        with log.step("server inventory"):
            log.add_inventory("server", server.inventory())
        self._seed_defect()

    def _start_dma(self) -> None:
        """Let the card write into the buffer that its driver announced."""
        log, analyser = self._log, self._need_analyser()
        with log.step("start DMA") as note:
            paddr, size = analyser.dma_target()
            if not paddr or not size:
                raise errors.DmaNotRunning(
                    "the driver announced no buffer to the card (its address register reads 0)",
                    "card",
                    "Is the driver bound to the card? See console.log",
                )
            length = self._bench.dma.length
            period = round(self._bench.dma.period_s * self._clock_hz)
            analyser.dma_start(period, length)
            self._wait_for_writes(DMA_WRITES_TO_SEE)
            dma = DmaSetup(paddr=paddr, size=size, period_cycles=period, length=length)
            note.detail = f"{length} bytes every {period} cycles into {size} bytes at {paddr:#x}"
            if iommu_translates(log.record.inventory):
                dma.translated = True
                dma.pieces, said = self._behind_the_iommu(paddr, size)
                note.detail += f" of the IOMMU's, {said}"
            log.set_dma(dma)

    def _behind_the_iommu(self, address: int, size: int) -> tuple[list[Piece], str]:
        """Where the buffer lies in memory, and a sentence's end about it. A server that cannot tell is no error: what needs
        it is then not judged."""
        server, cards = self._need_server(), self._log.record.inventory["server"].get("cards", [])
        if not cards:
            return [], "where that is in memory is not known: the inventory names no card"
        try:
            pieces = server.translate(cards[0].split()[0], address, size)
        except errors.CommandFailed as error:
            return [], f"where that is in memory is not known: {error.what}"
        if len(pieces) > MAX_PIECES:
            return [], f"in {len(pieces)} pieces of memory, more than the {MAX_PIECES} that can be read"
        return pieces, f"in {len(pieces)} pieces of memory, the first at {pieces[0].paddr:#x}"

    def _arm_analyser(self) -> None:
        """Trigger on the panic's text; the memory must show a running stream of writes before it."""
        log, analyser = self._log, self._need_analyser()
        with log.step("arm analyser") as note:
            pretrigger = int(analyser.depth() * self._bench.capture.pretrigger_share)
            self._terms = analyser.arm_on_console(self._bench.markers.panic, pretrigger)
            _refuse_unless_whole(self._terms)
            self._mark("armed")
            self._wait_for_writes(DMA_WRITES_TO_SEE)
            note.detail = (
                f"console text {self._terms.text!r}, {pretrigger} of {self._terms.depth} records before it"
            )

    def _gather(self) -> None:
        log, analyser = self._log, self._need_analyser()
        with log.step("read capture") as note:
            self._read_capture()
            note.detail = f"state {analyser.state()}"
            analyser.dma_stop()
        with log.step("event log") as note:
            assert self._bmc is not None
            try:
                log.directory.write_json(SEL_JSON, self._bmc.event_log())
            except errors.BmcNotSupported as error:
                note.detail = str(error)

    def _read_capture(self) -> None:
        analyser = self._need_analyser()
        self._captured = True
        self._mark("stop")
        analyser.stop()
        data = analyser.read_capture(self._reporter.progress)
        assert self._terms and self._clock_hz
        idn = ",".join(analyser.identify().values())
        header = data.header(idn, self._clock_hz, self._terms)
        self._log.directory.write_capture(header, _records(data))

    def _mark(self, name: str) -> None:
        """A mark; the capture has it while its window is not full."""
        self._need_analyser().mark(MARKS.index(name), name)

    def _wait_for_writes(self, count: int) -> None:
        """Wait until the card has written ``count`` more times. Raises DmaNotRunning."""
        analyser = self._need_analyser()
        first = now = analyser.dma_sequence()
        limit = DMA_STARTS_WITHIN_S + count * self._bench.dma.period_s
        end = time.monotonic() + limit
        while now - first < count:
            if time.monotonic() > end:
                raise errors.DmaNotRunning(
                    f"the card's write number went from {first} to {now} in {limit:g} s; {count} writes were waited for",
                    "card",
                    "A panic now would test nothing. Is Bus Master enabled, is the driver bound?",
                )
            time.sleep(POLL_S)  # the sequence number has no event
            now = analyser.dma_sequence()

    # ---- the server's settings -------------------------------------------------------------------------------------

    def _put_back_earlier(self) -> None:
        """What a run that was killed has left on this server. Raises SettingNotTaken when it cannot be put back."""
        book, server = ledger(self._bench), self._need_server()
        if not book.exists():
            return
        with self._log.step("put back an earlier run's settings") as note:
            earlier = Settings.resume(server.run, book, server.run_slowly)
            earlier.rebooted("power off")
            differences = earlier.restore()
            self._log.add_inventory("settings of an earlier run", earlier.changed)
            note.detail = "; ".join(differences) or ", ".join(one["what"] for one in earlier.changed)
            if differences:
                raise errors.SettingNotTaken(
                    f"an earlier run left what cannot be put back: {'; '.join(differences)}",
                    str(book),
                    "Put it back by hand and delete this file",
                )

    def _restore_settings(self) -> None:
        """Put back what the run has changed. Where no shell of the system is left, power off does it; not for files."""
        server = self._need_server()
        with self._log.step("restore settings") as note:
            settings = server.settings
            if not settings.left:
                note.detail = "nothing to put back"
            elif server.state in RUNNING:
                note.detail = "; ".join(settings.restore()) or f"{len(settings.changed)} put back"
            elif not settings.files_left:
                note.detail = f"{len(settings.left)} go with the power"
            else:
                self._come_back(f"{', '.join(settings.files_left)} must be put back")
                note.detail = "; ".join(settings.restore()) or "put back after a new boot"

    def _come_back(self, reason: str, wait_s: float | None = None, first: str = "sysrq-b") -> None:
        """Up the recovery ladder, then a shell. Raises NotRecovered, LoginFailed."""
        server, ladder = self._need_server(), self._need_ladder()
        try:
            with ExitStack() as stack:
                with suppress(errors.InstrumentError):  # without its outlet the ladder is one rung shorter
                    if (power := open_power(self._bench)) is not None:
                        ladder.power = stack.enter_context(power)
                ladder.climb(reason, wait_s, first)
        finally:
            before = self._log.record.inventory.get("recovery", [])
            self._log.add_inventory("recovery", [*before, *ladder.inventory()])
        server.settings.rebooted("reboot")
        server.log_in()

    def _put_back_files(self) -> None:
        """After a failure: what no power cut undoes. What cannot be put back now, the next run does (ledger)."""
        server = self._server
        if server is None or not server.settings.files_left:
            return
        with suppress(errors.BenchError), self._log.step("restore settings") as note:
            if server.state not in RUNNING:
                self._come_back(f"{', '.join(server.settings.files_left)} must be put back after a failure")
            note.detail = "; ".join(server.settings.restore()) or "put back"

    def _note_settings(self) -> None:
        """The run's changes and what became of them, and the states that were seen."""
        if self._server is not None:
            self._log.add_inventory("settings", self._server.settings.changed)
            self._log.add_inventory("states", self._server.observer.history)

    # ---- after a failure; each as far as it goes -------------------------------------------------------------------

    def _silence(self) -> None:
        """Keep what the analyser has, silence the card, take its seeded defect away."""
        if self._analyser is not None:
            with suppress(errors.BenchError, EvidenceError):
                self._analyser.dma_stop()
                if self._terms and not self._captured:
                    self._read_capture()
            if self._scenario.defect:
                with suppress(errors.BenchError):  # what stays, the next run takes away
                    self._analyser.set_fault(None)

    def _power_off(self) -> None:
        if self._server is not None:
            with suppress(errors.BenchError):
                self._server.power_off()
        elif self._bmc is not None:
            with suppress(errors.BenchError):
                self._bmc.power_off()

    def _need_server(self) -> Server:
        assert self._server is not None
        return self._server

    def _need_ladder(self) -> Ladder:
        assert self._ladder is not None
        return self._ladder

    def _need_analyser(self) -> Analyser:
        assert self._analyser is not None
        return self._analyser


def iommu_translates(inventory: dict[str, Any]) -> bool:
    """Do the card's addresses mean something else than memory's, by the server's inventory?"""
    domain = inventory.get("server", {}).get("iommu", {}).get("domain", "identity")
    return domain != "identity"


def _refuse_unless_whole(terms: ArmedTerms) -> None:
    """A run's rules count what was not recorded as not seen: nothing may be left out. Raises AnalyserNotAsSet."""
    if not terms.qualify.whole:
        raise errors.AnalyserNotAsSet(
            f"it records only {', '.join(terms.qualify.taps)}, term {terms.qualify.term}; a run needs every event",
            "analyser",
        )
    if not terms.fold or terms.segments != 1:
        raise errors.AnalyserNotAsSet(
            f"fold is {terms.fold} with {terms.segments} segments; a run needs folding, and one segment: "
            "its memory must last until the crash kernel is up",
            "analyser",
        )


def _records(data: CaptureData) -> np.ndarray:
    return from_bytes(data.records)

# SPDX-License-Identifier: Apache-2.0
"""Keeps ``run.json`` up to date while a run goes on: steps, inventory, DMA, and why it ended."""

import math
import platform
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib import metadata
from typing import Any

from vkbench import __version__
from vkbench.config.model import BenchFile
from vkbench.evidence import (
    Abort,
    BenchInfo,
    DmaSetup,
    Markers,
    RunConfig,
    RunDirectory,
    RunRecord,
    Step,
    Uncertainty,
    UncertaintySource,
)
from vkbench.server.injections import expectation_of

LIBRARIES = ("numpy", "pydantic", "pyserial", "python-ipmi", "PyVISA", "PyVISA-py")


@dataclass(frozen=True)
class Reporter:
    """Whom a run tells how far it is. ``step``: a step begins; ``done``: it ended; ``progress``: part of a step."""

    step: Callable[[str], None] = lambda name: None
    done: Callable[[Step], None] = lambda step: None
    progress: Callable[[int, int], None] = lambda now, total: None


@dataclass(frozen=True)
class Surroundings:
    """What only the bench's provider knows: how the bench was made, and what it cannot show."""

    inventory: dict[str, Any] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)


#: A byte on the serial line reaches its tap 2 to 4 clocks after its last look at the line (rtl/analyser/
#: analyser_uart.sv, measured by rtl/tests/uart); a TLP is at its tap when it happens.
SAMPLING_CYCLES = 4


def uncertainty(bench: BenchFile, clock_hz: int | None) -> Uncertainty:
    """The uncertainty budget of this bench's console. ``clock_hz`` None: not read yet, cycles count as nothing."""
    settings = bench.uncertainty
    char_s = settings.uart_bits_per_char / bench.console.baud
    console, order = [], []
    if settings.uart_fifo_chars:
        waiting = (
            f"{settings.uart_fifo_chars} characters of {settings.uart_bits_per_char} bits "
            f"at {bench.console.baud} baud"
        )
        console = [
            UncertaintySource(name="UART FIFO", value_s=settings.uart_fifo_chars * char_s, source=waiting),
            UncertaintySource(
                name="last character", value_s=char_s, source="its own bits, until the stop bit"
            ),
        ]
    if settings.order_cycles and clock_hz:
        order.append(
            UncertaintySource(
                name="order of wires",
                value_s=settings.order_cycles / clock_hz,
                source=f"{settings.order_cycles} cycles of {clock_hz} Hz; [uncertainty] order_cycles",
            )
        )
    if settings.order_s:
        order.append(
            UncertaintySource(name="order of wires", value_s=settings.order_s, source="[uncertainty] order_s")
        )
    if clock_hz:
        order.append(
            UncertaintySource(
                name="analyser sampling",
                value_s=SAMPLING_CYCLES / clock_hz,
                source=f"{SAMPLING_CYCLES} cycles of {clock_hz} Hz from the serial line to its tap, rtl/tests/uart",
            )
        )
    return Uncertainty(
        console_s=math.fsum(source.value_s for source in console),
        clock_ppm=settings.clock_ppm,
        clock_source="[uncertainty] clock_ppm, the oscillator's data sheet",
        order_s=math.fsum(source.value_s for source in order),
        sources=[*console, *order],
    )


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")


def tool_versions() -> dict[str, str]:
    """Versions of what this program is made of."""
    versions = {"vkbench": __version__, "python": platform.python_version(), "host": platform.platform()}
    for name in LIBRARIES:
        try:
            versions[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            versions[name] = "unknown"
    return versions


class RunLog:
    """``run.json`` of a run that is going on."""

    def __init__(
        self,
        directory: RunDirectory,
        bench: BenchFile,
        scenario: Any,
        surroundings: Surroundings,
        reporter: Reporter,
    ) -> None:
        self.directory = directory
        self._reporter = reporter
        self._bench = bench
        self.record = RunRecord(
            scenario=scenario.name,
            title=scenario.title,
            kind=scenario.kind,
            config=RunConfig(
                crash_kexec_post_notifiers=scenario.post_notifiers,
                injection=scenario.injection,
                expect=expectation_of(scenario),
                defect=scenario.defect,
                caught_by=list(scenario.caught_by),
            ),
            must_fail=scenario.must_fail,
            started_utc=_now(),
            # What a reader finds when this process is killed: no later write was possible.
            abort=Abort(error="Killed", detail="the run ended before it could say why"),
            bench=BenchInfo(
                name=bench.name,
                file_sha256=bench.sha256,
                arch=bench.server.arch,
                provider=bench.provider or "",
                notes=surroundings.notes,
            ),
            markers=Markers(**bench.markers.model_dump()),
            uncertainty=uncertainty(bench, None),
            inventory={"tools": tool_versions(), **surroundings.inventory},
        )
        self.save()

    def save(self) -> None:
        """Write ``run.json``."""
        self.directory.write_record(self.record)

    def _update(self, **values: Any) -> None:
        self.record = self.record.model_copy(update=values)

    def add_inventory(self, name: str, value: Any) -> None:
        """One more part of the inventory."""
        self._update(inventory={**self.record.inventory, name: value})

    def set_clock(self, hz: int) -> None:
        """The analyser's clock is known: the uncertainty's cycles become seconds."""
        self._update(uncertainty=uncertainty(self._bench, hz))

    def set_dma(self, setup: DmaSetup) -> None:
        """The card's traffic."""
        self._update(dma=setup)

    @contextmanager
    def step(self, name: str) -> Iterator["StepNote"]:
        """A step of the run; its time and its failure are kept, whatever happens."""
        note = StepNote()
        started = self.directory.elapsed()
        begin = time.monotonic()
        self._reporter.step(name)
        ok = False
        try:
            yield note
            ok = True
        except BaseException as error:
            note.detail = f"{type(error).__name__}: {error}"
            raise
        finally:
            step = Step(
                name=name,
                started_s=round(started, 6),
                duration_s=round(time.monotonic() - begin, 6),
                ok=ok,
                detail=note.detail,
            )
            self._update(steps=[*self.record.steps, step])
            self.save()
            self._reporter.done(step)

    def finish(self) -> None:
        """The run is complete."""
        self._update(status="complete", abort=None, finished_utc=_now())
        self.save()

    def abort(self, error: BaseException) -> None:
        """The run ended early."""
        name = "Interrupted" if isinstance(error, KeyboardInterrupt) else type(error).__name__
        detail = (
            "Ctrl-C, or the process was told to end" if isinstance(error, KeyboardInterrupt) else str(error)
        )
        self._update(status="aborted", abort=Abort(error=name, detail=detail), finished_utc=_now())
        self.save()


@dataclass
class StepNote:
    """What a step wants to say about itself."""

    detail: str = ""

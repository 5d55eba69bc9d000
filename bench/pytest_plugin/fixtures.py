# SPDX-License-Identifier: Apache-2.0
"""The fixtures. Whatever touches a wire goes through ``lab``: the bench is locked, and up when it has a provider."""

from __future__ import annotations

import re
import sys
import time
import tomllib
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from vkbench.pytest_plugin.benches import Share
from vkbench.pytest_plugin.command import Vkbench
from vkbench.pytest_plugin.runs import Runs, folder_name, unused

if TYPE_CHECKING:
    from vkbench.config import BenchFile
    from vkbench.evidence import RunRecord
    from vkbench.instruments import Analyser, Bmc, Console, Power
    from vkbench.server.scenario import Scenario
    from vkbench.server.server import Server
    from vkbench.verdict import Verdict

SHARE = pytest.StashKey[Share]()
RUNS = pytest.StashKey[Runs]()
WIRES = pytest.StashKey["Wires"]()


def say(config: pytest.Config, text: str) -> None:
    """A line for the person in front of it at once, whatever is being captured."""
    terminal = config.pluginmanager.get_plugin("terminalreporter")
    capture = config.pluginmanager.get_plugin("capturemanager")
    with ExitStack() as stack:
        if capture is not None:
            stack.enter_context(capture.global_and_fixture_disabled())
        if terminal is None:  # a worker of pytest-xdist
            print(f"vkbench: {text}", file=sys.stderr, flush=True)
            return
        terminal.ensure_newline()
        terminal.write_line(f"vkbench: {text}")


# ---- the bench file --------------------------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def bench(pytestconfig: pytest.Config) -> BenchFile:
    """The bench file, checked (vkbench.config.BenchFile)."""
    found = pytestconfig.stash[SHARE].bench
    if found is None:
        pytest.fail("say which bench: pytest … --bench FILE.toml", pytrace=False)
    return found


@pytest.fixture(scope="session")
def bench_file(bench: BenchFile) -> Path:
    """The bench file's path."""
    return bench.path


@pytest.fixture(scope="session")
def bench_table(bench_file: Path) -> dict[str, Any]:
    """The bench file as it was written, without defaults."""
    return tomllib.loads(bench_file.read_text())


@pytest.fixture
def altered_bench(bench_file: Path, bench_table: dict[str, Any], tmp_path: Path) -> Callable[..., Path]:
    """A copy of the bench file with some text replaced: altered_bench({old: new}) -> path.

    Relative paths in it still lead to where they led.
    """

    def alter(replacements: dict[str, str]) -> Path:
        text = bench_file.read_text()
        for old, new in replacements.items():
            assert old in text, f"{old!r} is not in {bench_file}"
            text = text.replace(old, new)
        for name in _relative_paths(bench_table):
            text = re.sub(
                rf"""(["']){re.escape(name)}\1""",
                lambda found, name=name: f'"{bench_file.parent / name}"',
                text,
            )
        path = tmp_path / "altered.toml"
        path.write_text(text)
        return path

    return alter


def _relative_paths(table: dict[str, Any]) -> set[str]:
    """Values of keys that name a file, where they start at the bench file's folder."""
    found: set[str] = set()
    for key, value in table.items():
        if isinstance(value, dict):
            found |= _relative_paths(value)
        elif key in ("file", "ca_file", "key", "known_hosts") and not value.startswith(("/", "~")):
            found.add(value)
    return found


# ---- folders for evidence --------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def module_directory(request: pytest.FixtureRequest) -> Path:
    """This module's own folder, for evidence that its tests share; not made yet."""
    return unused(request.config.stash[RUNS].folder / folder_name(request.node.nodeid))


@pytest.fixture
def run_directory(request: pytest.FixtureRequest) -> Path:
    """This test's own folder for evidence, not made yet: also good as the --out of `vkbench run`."""
    return request.config.stash[RUNS].of_test(request.node.nodeid)


# ---- the bench -------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def lab(bench: BenchFile, pytestconfig: pytest.Config) -> Iterator[Any]:
    """The bench is ours, and up: what brings it up when it has such a thing, else None. Down afterwards if it was down."""
    from vkbench import interrupts
    from vkbench.cli.common import provider_of
    from vkbench.instruments import lock

    def tell(text: str) -> None:
        say(pytestconfig, text)

    with lock.taken(bench, pytestconfig.getoption("vkbench_wait"), tell):
        provider = provider_of(bench)
        started = provider is not None and provider.up(lambda text: tell(f"lab: {text}"))
        yield provider
        if started:
            with interrupts.handled(tell), interrupts.held():
                provider.down()


@pytest.fixture(scope="session")
def vkbench(lab: Any, bench_file: Path, pytestconfig: pytest.Config) -> Iterator[Vkbench]:
    """The command, with the bench's wires up: vkbench("run", "panic-stock", "--bench", vkbench.bench, …) -> Result."""
    command = Vkbench(bench_file, pytestconfig.stash[RUNS].note)
    yield command
    command.close()


class Wires:
    """The instruments of one test module, opened when they are asked for."""

    def __init__(self, bench: BenchFile, folder: Path) -> None:
        from vkbench.server.states import StateTracker

        self.bench = bench
        self.folder = folder
        self.tracker = StateTracker(bench.server, bench.markers)
        self._stack = ExitStack()
        self._open: dict[str, Any] = {}

    def bmc(self) -> Bmc:
        from vkbench.instruments import open_bmc

        return self._once("bmc", lambda: open_bmc(self.bench), self._power_off)

    def analyser(self) -> Analyser:
        from vkbench.instruments import open_analyser

        return self._once("analyser", lambda: open_analyser(self.bench), self._silence)

    def power(self) -> Power | None:
        from vkbench.instruments import open_power

        return self._once("power", lambda: open_power(self.bench), None)

    def console(self) -> Console:
        from vkbench.evidence import ConsoleSink
        from vkbench.instruments import open_console

        def make() -> Console:
            self.folder.mkdir(parents=True, exist_ok=True)
            begun = time.monotonic()
            sink = ConsoleSink(self.folder, lambda: time.monotonic() - begun)
            self._stack.callback(sink.close)
            return open_console(self.bench, sink, self.tracker)

        return self._once("console", make, None)

    def server(self) -> Server:
        from vkbench.server.server import Server
        from vkbench.server.settings import ledger

        if "server" not in self._open:
            wires = (self.bmc(), self.console(), self.tracker)
            found = Server(self.bench, *wires, (ledger(self.bench),), self.analyser())
            self._stack.callback(self._restore, found)
            self._open["server"] = found
        return self._open["server"]

    def names(self) -> list[str]:
        """Which are open."""
        return sorted(self._open)

    def close(self) -> None:
        """Put settings back, silence the card, power off, close everything; an error is raised when all is done."""
        self._open.clear()
        self._stack.close()

    def _once(self, name: str, make: Callable[[], Any], leave: Callable[[Any], None] | None) -> Any:
        if name not in self._open:
            found = self._stack.enter_context(make())
            if leave is not None:
                self._stack.callback(leave, found)
            self._open[name] = found
        return self._open[name]

    def _power_off(self, bmc: Bmc) -> None:
        if bmc.is_on():
            bmc.power_off()
        self.tracker.powered(False)

    @staticmethod
    def _restore(server: Server) -> None:
        """Put back what was changed on a running server; what cannot be, the doctor tells of."""
        from vkbench import errors
        from vkbench.server.states import RUNNING

        if server.settings.left and server.state in RUNNING:
            with suppress(errors.BenchError):
                server.settings.restore()

    @staticmethod
    def _silence(analyser: Analyser) -> None:
        from vkbench import errors

        with suppress(errors.BenchError):
            analyser.dma_stop()
            if analyser.state() in ("ARMED", "TRIGGERED"):
                analyser.stop()


@pytest.fixture(scope="module")
def _wires(
    lab: Any, bench: BenchFile, module_directory: Path, pytestconfig: pytest.Config
) -> Iterator[Wires]:
    wires = pytestconfig.stash[WIRES] = Wires(bench, module_directory / "console")
    yield wires
    wires.close()


@pytest.fixture(scope="module")
def bmc(_wires: Wires) -> Bmc:
    """The BMC, logged in (instruments/protocol.py says what it can do). The server is powered off at the module's end."""
    return _wires.bmc()


@pytest.fixture(scope="module")
def console(_wires: Wires, pytestconfig: pytest.Config) -> Console:
    """The serial console, open; every byte of it is kept in the module's folder."""
    found = _wires.console()
    pytestconfig.stash[RUNS].note(_wires.folder)
    return found


@pytest.fixture(scope="module")
def analyser(_wires: Wires) -> Analyser:
    """The analyser; the card is told to be silent at the module's end."""
    return _wires.analyser()


@pytest.fixture(scope="module")
def power(_wires: Wires, bench: BenchFile) -> Power:
    """The power supply or switched outlet; a bench without one skips the test."""
    if bench.power is None:
        pytest.skip(f"bench {bench.name}: {bench.path.name} has no [power]")
    found = _wires.power()
    assert found is not None
    return found


@pytest.fixture(scope="module")
def server(_wires: Wires, console: Console) -> Server:
    """The server by BMC and console, in the state in which it is (server/server.py)."""
    return _wires.server()


# ---- runs ------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class JudgedRun:
    """A run that was made, with its verdict."""

    path: Path
    record: RunRecord
    verdict: Verdict

    @property
    def overall(self) -> str:
        """PASS, FAIL or INCONCLUSIVE."""
        return self.verdict.overall

    def rule(self, name: str) -> Any:
        """A rule's result, by its id or title."""
        for rule in self.verdict.rules:
            if name in (rule.id, rule.title):
                return rule
        raise KeyError(f"{name!r} is none of: {', '.join(rule.title for rule in self.verdict.rules)}")


@dataclass(frozen=True)
class Judge:
    """Makes runs in one folder, each in a new one of its own."""

    folder: Path
    bench: BenchFile
    lab: Any
    config: pytest.Config

    def __call__(
        self, scenario: str | Scenario, *, bench: BenchFile | Path | None = None, **options: Any
    ) -> JudgedRun:
        """Make one; judged_run says what the options are."""
        from vkbench import config, errors, interrupts
        from vkbench.evidence import RunDirectory
        from vkbench.server.record import Reporter, Surroundings
        from vkbench.server.run import run

        self._refuse_open_wires()
        file = config.load(bench) if isinstance(bench, Path) else bench or self.bench
        chosen = _scenario(scenario, options, file.server.arch)
        around = Surroundings()
        if self.lab is not None:
            around = Surroundings({"virtual_bench": self.lab.inventory()}, list(self.lab.notes))
        reporter = Reporter(done=lambda step: print(f"{step.duration_s:6.1f} s  {step.name}  {step.detail}"))
        out = unused(self.folder / folder_name(chosen.name))
        self.config.stash[RUNS].note(out)
        try:
            with interrupts.handled(print):
                verdict = run(file, chosen, out, around, reporter)
        except errors.Interrupted as error:
            raise KeyboardInterrupt from error
        return JudgedRun(out, RunDirectory.open(out).record, verdict)

    def _refuse_open_wires(self) -> None:
        wires = self.config.stash.get(WIRES, None)
        if wires is not None and wires.names():
            pytest.fail(
                f"a run opens the instruments itself, and this module's fixtures have {', '.join(wires.names())} "
                "open: make the run in another module",
                pytrace=False,
            )


@pytest.fixture
def judged_run(lab: Any, bench: BenchFile, run_directory: Path, pytestconfig: pytest.Config) -> Judge:
    """Make a run in this test's folder: judged_run("panic-stock") -> JudgedRun(path, record, verdict).

    ``bench``: another bench file than the session's (an altered one). ``injection``: another way to panic. Further
    options replace fields of the scenario (server/scenario.py). Raises BenchError when the run cannot be made.
    """
    return Judge(run_directory, bench, lab, pytestconfig)


@pytest.fixture(scope="module")
def shared_run(lab: Any, bench: BenchFile, module_directory: Path, pytestconfig: pytest.Config) -> Judge:
    """As judged_run, in the module's folder: for a fixture whose run several tests look at."""
    return Judge(module_directory, bench, lab, pytestconfig)


def _scenario(wanted: str | Scenario, options: dict[str, Any], arch: str) -> Scenario:
    from vkbench.server.injections import with_injection
    from vkbench.server.scenario import SCENARIOS

    if isinstance(wanted, str):
        if wanted not in SCENARIOS:
            pytest.fail(f"unknown scenario {wanted!r}; allowed: {', '.join(SCENARIOS)}", pytrace=False)
        wanted = SCENARIOS[wanted]
    allowed = [one.name for one in fields(wanted)]
    if unknown := set(options) - set(allowed):
        pytest.fail(
            f"unknown options {', '.join(sorted(unknown))}; allowed: bench, {', '.join(allowed)}",
            pytrace=False,
        )
    injection = options.pop("injection", wanted.injection)
    wanted = replace(wanted, **options)
    return wanted if injection == wanted.injection else with_injection(wanted, injection, arch)

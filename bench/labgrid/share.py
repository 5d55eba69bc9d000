# SPDX-License-Identifier: Apache-2.0
"""From a labgrid place to a bench: wait for the place's turn, hold it while a command runs, give it back.

A coordinator that is restarted forgets who has which place (its places.yaml keeps none of that), and its exporters end
and must be started again, as their service does. The wires go straight to the instruments, so a run goes on meanwhile; the
holder takes the place back as soon as the coordinator answers, and says so when somebody else was quicker.
"""

import getpass
import os
import re
import shutil
import subprocess
import sys
import threading
import time
import tomllib
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import tomli_w
from labgrid import Target
from labgrid.remote.client import Error as LabgridError
from labgrid.resource.remote import RemotePlace

from vkbench import errors
from vkbench.labgrid import resources  # noqa: F401 - registers them

CLIENT_LIMIT_S = 30.0
LOOK_EVERY_S = 1.0
_TOKEN = re.compile(r"LG_TOKEN=(\w+)")
Say = Callable[[str], None]


class Place:
    """One place at one coordinator. ``notes``: what went wrong with holding it while a command ran."""

    def __init__(self, name: str, coordinator: str, say: Say) -> None:
        self.name, self.coordinator, self.say = name, coordinator, say
        self._program = Path(sys.executable).with_name("labgrid-client")
        if not self._program.exists():
            raise errors.ToolMissing(
                "labgrid-client is not there",
                str(self._program.parent),
                "Run fixtures/labgrid/setup.sh and use its environment",
            )
        self.where = f"labgrid place {name} at {coordinator}"
        self.notes: list[str] = []

    # ---- what the coordinator says --------------------------------------------------------------------------------------

    def _client(self, *words: str, limit_s: float = CLIENT_LIMIT_S, **more: str) -> str:
        """Run labgrid-client; its output. Raises BenchError with what it said."""
        argv = [str(self._program), "-x", self.coordinator, *words]
        environment = {**os.environ, "LG_COORDINATOR": self.coordinator, **more}
        environment.pop("LG_ENV", None)
        try:
            done = subprocess.run(
                argv, env=environment, capture_output=True, text=True, timeout=limit_s, check=False
            )
        except subprocess.TimeoutExpired:
            raise errors.BenchBusy(f"'{words[-1]}' was not done within {limit_s:g} s", self.where) from None
        if done.returncode:
            said = (done.stderr.strip() or done.stdout.strip()).splitlines()[-1:] or ["nothing"]
            raise errors.BenchError(f"labgrid-client {' '.join(words)}: {said[0]}", self.where)
        return done.stdout

    def holder(self) -> str | None:
        """HOST/USER of who has the place now; None when nobody has. Raises BenchError when the coordinator is silent."""
        text = self._client("-p", self.name, "show")
        found = re.search(r"^\s*acquired: (\S+)", text, re.MULTILINE)
        return None if found is None or found[1] == "None" else found[1]

    # ---- taking turns ----------------------------------------------------------------------------------------------------

    @contextmanager
    def held(self, wait_s: float) -> Iterator["Place"]:
        """Reserve, wait for the turn, acquire; release at the end. Raises BenchBusy when it was not our turn in time."""
        token = self._reserve()
        try:
            self._wait(token, wait_s)
            self._client("-p", "+", "acquire", LG_TOKEN=token)
        except BaseException:
            self._quietly("cancel-reservation", token)
            raise
        self.say(f"{self.where}: acquired")
        stop = threading.Event()
        keeper = threading.Thread(target=self._keep, args=(stop,), name="labgrid keeper", daemon=True)
        keeper.start()
        try:
            yield self
        finally:
            stop.set()
            keeper.join()
            if problem := self._quietly("-p", self.name, "release"):
                self.say(f"{self.where}: not released: {problem}")
            self._quietly("cancel-reservation", token)

    def _reserve(self) -> str:
        found = _TOKEN.search(self._client("reserve", "--shell", f"name={self.name}"))
        if found is None:
            raise errors.BenchError("the coordinator gave no reservation", self.where)
        return found[1]

    def _wait(self, token: str, wait_s: float) -> None:
        holder = self.holder()
        if holder:
            self.say(f"{self.where}: {holder} has it; waiting up to {wait_s:g} s for our turn")
        try:
            self._client("wait", token, limit_s=max(wait_s, 1.0))
        except errors.BenchBusy:
            raise errors.BenchBusy(
                f"it was not our turn within {wait_s:g} s; {self.holder() or 'an earlier reservation'} has it",
                self.where,
                "Wait longer with --wait",
            ) from None

    def _quietly(self, *words: str) -> str:
        """A command whose failure changes nothing any more; what went wrong."""
        try:
            self._client(*words)
        except errors.BenchError as error:
            return str(error)
        return ""

    def _keep(self, stop: threading.Event) -> None:
        """Look after the place while the command runs."""
        lost = False
        mine = self._me()
        while not stop.wait(LOOK_EVERY_S):
            try:
                holder = self.holder()
            except errors.BenchError:
                if not lost:
                    self._note("the coordinator does not answer; the wires are our own, so the run goes on")
                lost = True
                continue
            if holder == mine:
                continue
            if holder is not None:
                self._note(f"{holder} has the place now; the run goes on, look at its evidence with care")
                return
            if problem := self._quietly("-p", self.name, "acquire"):
                if not lost:
                    self._note(f"the place is ours no more and cannot be taken back yet: {problem}")
                lost = True
                continue
            self._note("the coordinator had forgotten us; the place is acquired again")
            lost = False

    def _note(self, text: str) -> None:
        self.notes.append(text)
        self.say(f"{self.where}: {text}")

    @staticmethod
    def _me() -> str:
        host = os.environ.get("LG_HOSTNAME") or os.uname().nodename
        return f"{host}/{os.environ.get('LG_USERNAME') or getpass.getuser()}"

    # ---- its wires -------------------------------------------------------------------------------------------------------

    def wires(self) -> dict[str, dict[str, Any]]:
        """The bench file's tables that the place's resources give. Raises BenchError when one is missing."""
        os.environ["LG_COORDINATOR"] = self.coordinator
        target = Target(self.name)
        try:
            RemotePlace(target, name=self.name)
        except LabgridError as error:
            raise errors.BenchError(f"its resources cannot be had: {error}", self.where) from None
        found: dict[str, dict[str, Any]] = {}
        for resource in target.resources:
            kind = type(resource).__name__
            if kind == "VkbenchBmc":
                found["bmc"] = {"kind": resource.kind, "host": resource.host}
                if resource.port is not None:
                    found["bmc"]["port"] = resource.port
            elif kind == "NetworkSerialPort":
                scheme = {"raw": "socket", "rfc2217": "rfc2217"}[resource.protocol]
                url = f"{scheme}://{resource.host}:{resource.port}"
                found["console"] = {"url": url, "baud": resource.speed}
            elif kind == "VkbenchAnalyser":
                found["analyser"] = {"resource": resource.resource}
        missing = {
            "bmc": "VkbenchBmc",
            "console": "NetworkSerialPort",
            "analyser": "VkbenchAnalyser",
        }
        lacking = [f"{kind} (for [{table}])" for table, kind in missing.items() if table not in found]
        if lacking:
            raise errors.BenchError(
                f"its resources lack {', '.join(lacking)}",
                self.where,
                "Compare the exporter's file and the place's matches with docs/sharing.md",
            )
        return found


def read_template(template: Path) -> dict[str, Any]:
    """The template's tables. Raises UserError."""
    try:
        return tomllib.loads(template.read_text())
    except (OSError, tomllib.TOMLDecodeError) as error:
        raise errors.UserError(f"cannot be used as a template: {error}", str(template)) from None


def bench_file(template: Path, wires: dict[str, dict[str, Any]], out: Path) -> Path:
    """The template with the place's wires in it. Its other keys (users, secrets, prompts, uncertainty) stay."""
    table = read_template(template)
    table.pop("provider", None)
    table.pop("virtual", None)
    for name, values in wires.items():
        table[name] = {**table.get(name, {}), **values}
    out.write_text("# Made from a labgrid place's resources.\n" + tomli_w.dumps(table))
    return out


def run(place: Place, template: Path, wait_s: float, argv: list[str], out: Path) -> int:
    """Hold the place, write its bench file to ``out``, run the command with {bench} replaced; the command's exit code."""
    _refuse_unless_program(argv)
    with place.held(wait_s):
        path = bench_file(template, place.wires(), out)
        return _carry_out([word.replace("{bench}", str(path)) for word in argv], place.say)


def run_with_all(places: dict[Place, Path], wait_s: float, argv: list[str], folder: Path) -> int:
    """Hold all places, each with its template; run the command with the word {benches} replaced by --bench FILE for each.

    They are taken in the order of their names, so that two who want the same ones never wait for each other.
    """
    _refuse_unless_program(argv)
    _refuse_equal_names(places)
    until = time.monotonic() + wait_s
    in_order = sorted(places, key=lambda place: place.name)
    with ExitStack() as held:
        for place in in_order:
            held.enter_context(place.held(max(0.0, until - time.monotonic())))
        benches: list[str] = []
        # Only now: labgrid's session of this process keeps what it saw of all places when it was first asked.
        for place in in_order:
            path = bench_file(places[place], place.wires(), folder / f"{place.name}.toml")
            benches += ["--bench", str(path)]
        words = [found for word in argv for found in (benches if word == "{benches}" else [word])]
        return _carry_out(words, place.say)


def _refuse_unless_program(argv: list[str]) -> None:
    if shutil.which(argv[0]) is None:
        raise errors.UserError(f"{argv[0]!r} is no program")


def _refuse_equal_names(places: dict[Place, Path]) -> None:
    names: dict[Any, str] = {}
    for place, template in places.items():
        name = read_template(template).get("name")
        if name in names:
            raise errors.UserError(
                f"its bench is called {name!r}, as that of place {names[name]}",
                str(template),
                "Benches that work together are told apart by name: give each place a template of its own",
            )
        names[name] = place.name


def _carry_out(words: list[str], say: Say) -> int:
    """The command's exit code. It is ended when we are."""
    begun = time.monotonic()
    process = subprocess.Popen(words)
    try:
        code = process.wait()
    except BaseException:
        process.terminate()
        process.wait()
        raise
    say(f"'{words[0]}' ended with {code} after {time.monotonic() - begun:.0f} s")
    return code

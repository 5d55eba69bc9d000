# SPDX-License-Identifier: Apache-2.0
"""labgrid's real coordinator and exporter on loopback, in build/venv-labgrid (fixtures/labgrid/setup.sh)."""

import os
import re
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Self

import pytest
from instrument_peers import free_port

ROOT = Path(__file__).resolve().parents[2]
BIN = ROOT / "build/venv-labgrid/bin"
LIMIT_S = 120.0
EXPORTS = """\
{place}:
  VkbenchBmc: {{kind: {kind}, host: 127.0.0.1, port: {bmc}}}
  NetworkSerialPort: {{host: 127.0.0.1, port: {console}, protocol: {protocol}, speed: 115200}}
  VkbenchAnalyser: {{resource: "TCPIP::127.0.0.1::{analyser}::SOCKET"}}
"""


class Labgrid:
    """A coordinator and an exporter with the places; both are processes of their own. ``ports``: of the first place's
    wires; each further place has those 10 higher.
    """

    def __init__(self, folder: Path, places: tuple[str, ...] = ("bench1",), **ports: object) -> None:
        if not (BIN / "labgrid-coordinator").exists():
            pytest.fail("build/venv-labgrid is missing: run fixtures/labgrid/setup.sh")
        self.folder, self.port = folder, free_port()
        self.address = f"127.0.0.1:{self.port}"
        self.places = places
        wires = {"kind": "ipmi", "bmc": 1, "console": 2, "protocol": "raw", "analyser": 3, **ports}
        text = ""
        for number, place in enumerate(places):
            higher = {name: int(wires[name]) + 10 * number for name in ("bmc", "console", "analyser")}
            text += EXPORTS.format(place=place, **{**wires, **higher})
        (folder / "exports.yaml").write_text(text)
        self._running: dict[str, subprocess.Popen] = {}

    def environment(self, user: str) -> dict[str, str]:
        """Of a user of the place."""
        return {**os.environ, "LG_COORDINATOR": self.address, "LG_USERNAME": user, "LG_HOSTNAME": "host"}

    def start(self) -> Self:
        self._spawn("coordinator", "labgrid-coordinator", "-l", self.address)
        self.until(self._listens)
        self.start_exporter()
        return self

    def start_exporter(self) -> None:
        self._spawn("exporter", "labgrid-exporter", "-c", self.address, "-n", "lab", "exports.yaml")
        self.until(lambda: self.client("resources").count("lab/bench") == 3 * len(self.places))

    def add_places(self) -> None:
        for place in self.places:
            self.client("-p", place, "create")
            self.client("-p", place, "add-match", f"lab/{place}/*")

    def kill_coordinator(self) -> None:
        """As a power cut: nothing is said to anybody. The exporter ends by itself, as it is made to."""
        # It writes its places down some seconds after they were made; what is younger is lost with it.
        places = self.folder / "places.yaml"
        self.until(lambda: places.exists() and "bench1" in places.read_text())
        self._running["coordinator"].send_signal(signal.SIGKILL)
        self._running.pop("coordinator").wait(LIMIT_S)
        self._running.pop("exporter").wait(LIMIT_S)

    def client(self, *words: str, user: str = "keeper") -> str:
        argv = [BIN / "labgrid-client", *words]
        done = subprocess.run(
            argv, env=self.environment(user), capture_output=True, text=True, timeout=LIMIT_S, check=False
        )
        return done.stdout + done.stderr

    def holder(self, place: str = "bench1") -> str:
        found = re.search(r"acquired: (\S+)", self.client("-p", place, "show"))
        return found[1] if found else ""

    def use(self, user: str, template: Path, *words: str | Path, wait_s: float = 60) -> subprocess.Popen:
        """`python -m vkbench.labgrid run bench1 -- WORDS` of a user; its output goes to the folder's USER.log."""
        argv = [BIN / "python", "-m", "vkbench.labgrid", "run", "bench1", "--template", template]
        argv += ["--coordinator", self.address, "--wait", str(wait_s), "--", *words]
        return self._as(user, argv)

    def use_all(
        self, user: str, templates: dict[str, Path], *words: str | Path, wait_s: float = 60
    ) -> subprocess.Popen:
        """`python -m vkbench.labgrid campaign --place … -- WORDS` of a user."""
        argv = [BIN / "python", "-m", "vkbench.labgrid", "campaign", "--coordinator", self.address]
        for place, template in templates.items():
            argv += ["--place", f"{place}={template}"]
        return self._as(user, [*argv, "--wait", str(wait_s), "--", *words])

    def _as(self, user: str, argv: list) -> subprocess.Popen:
        with (self.folder / f"{user}.log").open("wb") as log:
            return subprocess.Popen(argv, env=self.environment(user), stdout=log, stderr=log)

    def said(self, user: str) -> str:
        return (self.folder / f"{user}.log").read_text(errors="replace")

    def until(self, true, limit_s: float = LIMIT_S) -> None:
        end = time.monotonic() + limit_s
        while not true():
            assert time.monotonic() < end, self.logs()
            time.sleep(0.1)

    def logs(self) -> str:
        return "\n".join(f"{path.name}:\n{path.read_text()[-2000:]}" for path in self.folder.glob("*.log"))

    def _listens(self) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0

    def _spawn(self, name: str, program: str, *words: str) -> None:
        with (self.folder / f"{name}.log").open("ab") as log:
            self._running[name] = subprocess.Popen(
                [BIN / program, *words], cwd=self.folder, stdout=log, stderr=log, start_new_session=True
            )

    def stop(self) -> None:
        for process in reversed(self._running.values()):
            process.terminate()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


@contextmanager
def labgrid(folder: Path, places: tuple[str, ...] = ("bench1",), **ports: object) -> Iterator[Labgrid]:
    """A running lab with its places."""
    folder.mkdir(exist_ok=True)
    lab = Labgrid(folder, places, **ports)
    try:
        lab.start()
        lab.add_places()
        yield lab
    finally:
        lab.stop()

# SPDX-License-Identifier: Apache-2.0
"""Host tests: they know a bench file and the `vkbench` command, and not whether the bench is virtual.

pytest host_tests --bench fixtures/benches/virtual.toml
"""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import tomllib
from dataclasses import dataclass
from pathlib import Path

import pytest

#: Longest that one command may take, in seconds: a run on a slow, shared machine, with room.
COMMAND_TIMEOUT = 240
#: The first `lab up` on a machine builds the card and the virtual server.
FIRST_UP_TIMEOUT = 900


def pytest_addoption(parser):
    parser.addoption("--bench", default=None, help="bench file (TOML) of the bench to test on")


@dataclass
class Result:
    code: int
    stdout: str
    stderr: str

    @property
    def data(self):
        """What `--json` printed."""
        return json.loads(self.stdout)


class Vkbench:
    """The command, run as a user would."""

    def __init__(self, bench: Path):
        self.bench = bench

    def start(self, *words: str | Path) -> subprocess.Popen:
        argv = [sys.executable, "-m", "vkbench", *map(str, words)]
        return subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def __call__(self, *words: str | Path, timeout: float = COMMAND_TIMEOUT) -> Result:
        process = self.start(*words)
        try:
            stdout, stderr = process.communicate(timeout=timeout)
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGINT)
            stdout, stderr = process.communicate(timeout=60)
            pytest.fail(f"vkbench {' '.join(map(str, words))} took over {timeout} s\n{stdout}\n{stderr}")
        return Result(process.returncode, stdout, stderr)


@pytest.fixture(scope="session")
def bench_file(request) -> Path:
    path = request.config.getoption("--bench")
    if not path:
        pytest.fail("say which bench: pytest host_tests --bench FILE.toml")
    return Path(path).resolve()


@pytest.fixture(scope="session")
def bench_table(bench_file) -> dict:
    return tomllib.loads(bench_file.read_text())


@pytest.fixture(scope="session")
def vkbench(bench_file, bench_table):
    """The command, with the bench's wires up."""
    command = Vkbench(bench_file)
    provided = "provider" in bench_table
    if provided:
        up = command("lab", "up", "--bench", bench_file, timeout=FIRST_UP_TIMEOUT)
        assert up.code == 0, up.stderr
    yield command
    if provided:
        down = command("lab", "down", "--bench", bench_file)
        assert down.code == 0, down.stderr


@pytest.fixture
def altered_bench(bench_file, tmp_path):
    """A copy of the bench file with some text replaced: altered_bench({old: new}) -> path."""

    def alter(replacements: dict[str, str]) -> Path:
        text = bench_file.read_text()
        for old, new in replacements.items():
            assert old in text, f"{old!r} is not in {bench_file}"
            text = text.replace(old, new)
        path = tmp_path / "altered.toml"
        path.write_text(text)
        return path

    return alter

# SPDX-License-Identifier: Apache-2.0
"""The command ``vkbench`` as a test runs it: a process of its own, as a user's."""

import json
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

#: Longest that one command may take, in seconds: a run on a slow, shared machine, with room.
COMMAND_TIMEOUT = 240
#: For a command that was told to end, in seconds.
END_TIMEOUT = 60


@dataclass
class Result:
    """How a command ended."""

    code: int
    stdout: str
    stderr: str

    @property
    def data(self) -> Any:
        """What ``--json`` printed."""
        return json.loads(self.stdout)


class Vkbench:
    """The command. ``bench``: path of the bench file; ``note_run`` is told each folder that ``run --out`` fills."""

    def __init__(self, bench: Path, note_run: Callable[[Path], None] = lambda path: None) -> None:
        self.bench = bench
        self._note_run = note_run
        self._started: list[subprocess.Popen] = []

    def start(self, *words: str | Path) -> subprocess.Popen:
        """Start it and go on; stdout and stderr are pipes. It is ended with the session at the latest."""
        texts = [str(word) for word in words]
        if texts[:1] == ["run"] and "--out" in texts[:-1]:
            self._note_run(Path(texts[texts.index("--out") + 1]))
        argv = [sys.executable, "-m", "vkbench", *texts]
        process = subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self._started = [one for one in self._started if one.poll() is None] + [process]
        return process

    def __call__(self, *words: str | Path, timeout: float = COMMAND_TIMEOUT) -> Result:
        """Run it to its end. The test fails when that takes longer than ``timeout`` seconds."""
        process = self.start(*words)
        try:
            stdout, stderr = process.communicate(timeout=timeout)
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGINT)
            stdout, stderr = process.communicate(timeout=END_TIMEOUT)
            pytest.fail(f"vkbench {' '.join(map(str, words))} took over {timeout} s\n{stdout}\n{stderr}")
        return Result(process.returncode, stdout, stderr)

    def close(self) -> None:
        """End what a failed test left running."""
        for process in self._started:
            if process.poll() is None:
                process.terminate()
                try:
                    process.communicate(timeout=END_TIMEOUT)
                except subprocess.TimeoutExpired:
                    process.kill()
                    process.communicate()

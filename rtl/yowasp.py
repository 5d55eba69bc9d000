# SPDX-License-Identifier: Apache-2.0
"""Runs a tool of this Python environment (yosys, smtbmc, nextpnr as YoWASP packages) in a folder: they see no other.

Standard library only.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path


def run(*words: str | Path, cwd: Path, timeout: float) -> str:
    """What the tool printed, whatever its exit status; after ``timeout`` seconds a line that says so.

    Ends the program with a message when the tool is not installed.
    """
    environment = dict(os.environ)
    environment["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{environment.get('PATH', '')}"
    try:
        # A session of its own: the tools start solvers, which must not outlive them.
        tool = subprocess.Popen(
            [str(word) for word in words],
            cwd=cwd,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
    except FileNotFoundError:
        sys.exit(f"{words[0]} is not installed: run fixtures/host/setup.sh")
    with tool:
        try:
            return tool.communicate(timeout=timeout)[0]
        except BaseException as error:
            os.killpg(tool.pid, signal.SIGKILL)  # not waited for yet: the number is still its own
            if isinstance(error, subprocess.TimeoutExpired):
                return f"ERROR: no answer after {timeout} s"
            raise

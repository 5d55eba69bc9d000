# SPDX-License-Identifier: Apache-2.0
"""Processes of the virtual bench, known by pid and start time, so that nothing else is ever ended by mistake."""

import os
import signal
import time
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

POLL_S = 0.02


@dataclass(frozen=True)
class Process:
    """A process. ``started``: clock ticks since boot (proc(5), stat field 22); a pid that was given anew has another."""

    name: str
    pid: int
    started: int

    def alive(self) -> bool:
        """True while it runs; a zombie has ended."""
        found = _stat(self.pid)
        return found is not None and found[2] == self.started and found[0] not in "ZX"

    def send(self, number: signal.Signals) -> None:
        """Send a signal, to this process only."""
        if self.alive():
            with suppress(ProcessLookupError):
                os.kill(self.pid, number)


def _stat(pid: int) -> tuple[str, int, int] | None:
    """State, parent and start time."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return None
    fields = text[text.rindex(")") + 2 :].split()  # the name may hold spaces and parentheses
    return fields[0], int(fields[1]), int(fields[19])


def identify(name: str, pid: int) -> Process:
    """A running process, by its pid. Raises ProcessLookupError when it has ended."""
    found = _stat(pid)
    if found is None:
        raise ProcessLookupError(f"{name} (pid {pid}) has ended")
    return Process(name, pid, found[2])


def descendants(parent: Process) -> list[Process]:
    """Children, grandchildren and so on."""
    if not parent.alive():
        return []
    table = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and (found := _stat(int(entry.name))):
            table[int(entry.name)] = found
    family, known = [], {parent.pid}
    while new := [pid for pid, found in table.items() if found[1] in known and pid not in known]:
        known.update(new)
        family += [Process("child of " + parent.name, pid, table[pid][2]) for pid in new]
    return family


def end(processes: Iterable[Process], limit_s: float) -> list[Process]:
    """SIGTERM, and SIGKILL for whoever is still there after ``limit_s``; returns those that had to be killed."""
    processes = list(processes)
    for process in processes:
        process.send(signal.SIGTERM)
    killed = wait_gone(processes, limit_s)
    for process in killed:
        process.send(signal.SIGKILL)
    wait_gone(killed, limit_s)
    return killed


def wait_gone(processes: Iterable[Process], limit_s: float) -> list[Process]:
    """Wait for them to end; returns those that are still there. They may be nobody's children, so it looks."""
    until = time.monotonic() + limit_s
    left = [process for process in processes if process.alive()]
    while left and time.monotonic() < until:
        time.sleep(POLL_S)
        left = [process for process in left if process.alive()]
    return left

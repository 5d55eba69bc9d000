# SPDX-License-Identifier: Apache-2.0
"""One attempt of a campaign, checked from its files alone: the run's own seal and verdict, and what the journal says of it.

Made for worker processes: what goes in and what comes out is small, and nothing is kept between two attempts.
"""

import os
import signal
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from multiprocessing import parent_process
from pathlib import Path
from typing import Any

from vkbench.campaign.records.outcome import outcome_of
from vkbench.evidence import MANIFEST, EvidenceError, RunView, sha256_of
from vkbench.evidence.campaign import Configuration, Intent, Outcome
from vkbench.verdict import verify as verify_run

#: What of an outcome follows from the run alone. The rest is the campaign's: times, counting, who adopted it.
COMPARED = {
    *("fate", "error", "result", "as_expected", "rules", "measures", "facts"),
    *("started_utc", "duration_s", "manifest_sha256"),
}
TOLERANCE = 1e-9  # of numbers that were computed on another machine


@dataclass(frozen=True)
class Task:
    """An attempt. ``listed``: name -> SHA-256 of what the campaign's manifest has in its directory."""

    root: Path
    intent: Intent
    outcome: Outcome | None
    configuration: Configuration | None
    bench_sha256: str
    listed: dict[str, str]


@dataclass
class Found:
    """What was found: differences (each names its file), and how much was read."""

    differences: list[str] = field(default_factory=list)
    runs: int = 0  #: sealed runs, recomputed
    bytes: int = 0


def prepare_worker() -> None:
    """A worker leaves Ctrl-C to its parent, and ends when that is gone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = parent_process()
    if parent is not None:
        threading.Thread(target=lambda: (parent.join(), os._exit(1)), daemon=True).start()


def check_all(tasks: Sequence[Task]) -> Found:
    """Several attempts, one after the other."""
    whole = Found()
    for task in tasks:
        found = check(task)
        whole.differences += found.differences
        whole.runs += found.runs
        whole.bytes += found.bytes
    return whole


def check(task: Task) -> Found:
    """One attempt. Never raises: what cannot be checked is a difference."""
    found = Found()
    directory = task.intent.directory
    try:
        _check(task, task.root / directory, found)
    except Exception as error:  # whoever made these files may have meant to make them unreadable
        found.differences.append(_named(task, f"cannot be checked: {type(error).__name__}: {error}"))
    return found


def _check(task: Task, path: Path, found: Found) -> None:
    if path.is_symlink() or not path.is_dir():
        if task.outcome is None or task.outcome.manifest_sha256 or task.outcome.fate == "judged":
            found.differences.append(_named(task, "missing"))
        return
    found.bytes += sum(one.stat(follow_symlinks=False).st_size for one in os.scandir(path))
    if (path / MANIFEST).is_symlink() or not (path / MANIFEST).is_file():
        _never_sealed(task, path, found)
    else:
        _sealed(task, path, found)


def _never_sealed(task: Task, path: Path, found: Found) -> None:
    """A run that was killed: its files are in the campaign's manifest, one by one."""
    for name, wanted in task.listed.items():
        file = path / name
        if file.is_symlink() or not file.is_file():
            found.differences.append(_named(task, "missing, but in the manifest", name))
        elif sha256_of(file) != wanted:
            found.differences.append(_named(task, "changed after sealing", name))
    if task.outcome is not None and (task.outcome.manifest_sha256 or task.outcome.fate == "judged"):
        found.differences.append(
            _named(task, "missing, but the journal says that the run was sealed", MANIFEST)
        )


def _sealed(task: Task, path: Path, found: Found) -> None:
    manifest = sha256_of(path / MANIFEST)
    wanted = task.listed.get(MANIFEST, "")
    if manifest != wanted:
        found.differences.append(
            _named(task, f"changed after sealing (SHA-256 {manifest[:12]}…, sealed {wanted[:12]}…)", MANIFEST)
        )
    found.runs += 1
    if (
        task.outcome is not None and task.outcome.error == "EvidenceError"
    ):  # sealed as unreadable: nothing follows
        differences = RunView(path).check_manifest()
    else:
        differences = verify_run(path).differences
    found.differences += [_named(task, one, separator="/") for one in differences]
    if task.outcome is None:
        return
    if task.configuration is None or any(one.startswith("run.json") for one in differences):
        return  # named; nothing follows from it
    recomputed = outcome_of(path, task.configuration, task.outcome.slot, task.outcome.attempt)
    said, follows = task.outcome.model_dump(include=COMPARED), recomputed.model_dump(include=COMPARED)
    found.differences += [
        _named(task, f"{where}: the journal says {one!r}, the evidence {other!r}")
        for where, one, other in differing(said, follows)
    ]
    found.differences += [_named(task, one) for one in _of_this_attempt(task, path)]


def _of_this_attempt(task: Task, path: Path) -> Iterator[str]:
    """The run was made on the bench that the journal names."""
    try:
        bench = RunView(path).record.bench
    except EvidenceError:
        return  # the journal, too, must then say that it died so
    if bench.name != task.intent.bench:
        yield f"bench: the journal says {task.intent.bench!r}, the evidence {bench.name!r}"
    if task.bench_sha256 and bench.file_sha256 != task.bench_sha256:
        yield f"bench file: the journal says {task.bench_sha256[:12]}…, the evidence {bench.file_sha256[:12]}…"


def differing(one: Any, other: Any, where: str = "") -> list[tuple[str, Any, Any]]:
    """Where two values as JSON has them differ, leaf by leaf. Numbers may differ by what two machines' arithmetic does."""
    if isinstance(one, dict) and isinstance(other, dict) and one.keys() == other.keys():
        return [
            found
            for key in one
            for found in differing(one[key], other[key], f"{where}.{key}" if where else key)
        ]
    if isinstance(one, list) and isinstance(other, list) and len(one) == len(other):
        pairs = enumerate(zip(one, other, strict=True))
        return [found for i, (a, b) in pairs for found in differing(a, b, f"{where}[{i}]")]
    if isinstance(one, int | float) and isinstance(other, int | float) and not isinstance(one, bool):
        if not isinstance(other, bool) and abs(one - other) <= TOLERANCE * max(abs(one), abs(other)):
            return []
    elif one == other and type(one) is type(other):
        return []
    return [(where, one, other)]


def _named(task: Task, text: str, name: str = "", separator: str = ": ") -> str:
    where = task.intent.directory + (f"/{name}" if name else "")
    return f"{where}{separator}{text}".replace(f"{task.root}/", "")

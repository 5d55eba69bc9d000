# SPDX-License-Identifier: Apache-2.0
"""Which bench a pytest process has: the only one, or with ``-n`` (pytest-xdist) a bench of its own for each worker."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from vkbench.config import BenchFile

WORKER_INPUT = "vkbench"  # our key in what xdist hands to a worker
#: Tests of one file stay on one bench: they share its boot and its runs.
DEFAULT_DIST = "loadfile"


@dataclass
class Share:
    """What one pytest process works with."""

    runs: Path  #: where its tests' folders go
    bench: BenchFile | None = None


@dataclass
class Dealer:
    """Deals the benches to the workers, in the controlling process."""

    share: Share
    benches: list[BenchFile]
    dealt: dict[str, int] = field(default_factory=dict)  #: worker's id -> number of its bench

    def deal(self, worker: str) -> dict[str, str]:
        """The next free bench, as workerinput. Raises UsageError when there is none."""
        free = [number for number in range(len(self.benches)) if number not in self.dealt.values()]
        if not free:
            raise pytest.UsageError(too_many(len(self.dealt) + 1, len(self.benches)))
        self.dealt[worker] = free[0]
        folder = self.share.runs
        if len(self.benches) > 1:
            folder /= self.folders()[free[0]]
        return {"bench": str(self.benches[free[0]].path), "runs": str(folder)}

    def take_back(self, worker: str) -> None:
        """The worker has ended; the one that replaces it gets its bench."""
        self.dealt.pop(worker, None)

    def folders(self) -> list[str]:
        """A name for each bench; two of the same name are told apart."""
        names = [bench.name for bench in self.benches]
        return [
            name if names.count(name) == 1 else f"{name}-{number}" for number, name in enumerate(names, 1)
        ]


def too_many(workers: int, benches: int) -> str:
    """What to say to somebody who wants more workers than there are benches."""
    return (
        f"{workers} workers and {benches} bench{'es' if benches > 1 else ''}: each worker needs a bench of its own. "
        f"Use -n {benches}, or name more with --bench FILE"
    )


def options(config: pytest.Config) -> list[Path]:
    """The bench files of the command line, absolute."""
    given = config.getoption("vkbench_benches") or []
    return [Path(config.invocation_params.dir, path).resolve() for path in given]


def workers(config: pytest.Config) -> int:
    """How many workers were asked for; 0 without ``-n``."""
    number = getattr(config.option, "numprocesses", None)
    if number in ("auto", "logical"):
        return len(options(config))
    return int(number or 0)


def prepare_workers(config: pytest.Config) -> None:
    """Before xdist starts any: as many benches as workers, and a file's tests together. Raises UsageError."""
    count = len(options(config))
    if not count or not workers(config):
        return
    if workers(config) > count:
        raise pytest.UsageError(too_many(workers(config), count))
    if config.option.dist == "no":
        config.option.dist = DEFAULT_DIST


def share_of(config: pytest.Config) -> tuple[Share, Dealer | None]:
    """What this process works with, and the dealer when it controls workers. Raises UsageError."""
    given: dict[str, str] | None = getattr(config, "workerinput", {}).get(WORKER_INPUT)
    if given is not None:
        return Share(Path(given["runs"]), _load([Path(given["bench"])])[0]), None
    runs = config.getoption("vkbench_runs") or time.strftime("runs/pytest-%Y%m%d-%H%M%S")
    share = Share(Path(config.invocation_params.dir, runs))
    paths = options(config)
    if len(set(paths)) < len(paths):
        raise pytest.UsageError("--bench names the same file twice")
    if not paths:
        return share, None
    loaded = _load(paths)
    if getattr(config.option, "tx", None) and config.option.dist != "no":
        return share, Dealer(share, loaded)
    if len(loaded) > 1:
        how = f"add -n {len(loaded)}" if config.pluginmanager.hasplugin("xdist") else "install pytest-xdist"
        raise pytest.UsageError(
            f"{len(loaded)} benches need a process each: {how}, or name one bench with --bench"
        )
    share.bench = loaded[0]
    return share, None


def _load(paths: list[Path]) -> list[Any]:
    from vkbench import config, errors

    try:
        return [config.load(path) for path in paths]
    except errors.BenchFileError as error:
        raise pytest.UsageError(str(error)) from None

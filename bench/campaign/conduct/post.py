# SPDX-License-Identifier: Apache-2.0
"""A bench as the conductor sees it: the worker process at it, what it is doing, how often it was sick."""

import multiprocessing
import os
import signal
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from multiprocessing.connection import Connection
from multiprocessing.context import SpawnProcess
from typing import Any, Literal

from vkbench import interrupts
from vkbench.campaign.conduct import worker
from vkbench.campaign.records.outcome import Attempt
from vkbench.config import BenchFile
from vkbench.evidence.campaign import Outcome

#: starting: its worker and processes come up; resting: it is sick, and is looked at again in a moment.
State = Literal["starting", "idle", "running", "looking", "mending", "resting", "offline"]
_SPAWN = multiprocessing.get_context("spawn")


@dataclass
class BenchPost:
    """One bench."""

    file: BenchFile
    post: worker.Post
    state: State = "offline"
    step: str = ""
    attempt: Attempt | None = None  #: under way, and journalled
    judged_by_look: Outcome | None = (
        None  #: of a dead cycle, until a look at the bench has said whose fault it is
    )
    cycles: int = 0  #: made in this session
    since_look: int = 0
    sick: int = 0  #: looks in a row that found it sick
    faults: int = 0  #: cycles in a row that died by its fault
    mended: bool = False  #: since it was healthy last
    seen: bool = False  #: it has been up in this session
    gone: str = ""  #: why it was given up
    words: str = ""  #: what its worker said last
    until: float = 0.0  #: resting: when it is looked at; else when it is taken for stuck (monotonic)
    idle_since: float | None = None  #: there was nothing for it to do since then
    _process: SpawnProcess | None = None
    _pipe: Connection | None = None

    @property
    def name(self) -> str:
        """The bench's."""
        return self.file.name

    @property
    def alive(self) -> bool:
        """True while it was not given up."""
        return self.state != "offline"

    def start(self) -> None:
        """Start its worker. Only from the main thread: the worker is to die with the thread that started it."""
        near, far = _SPAWN.Pipe()
        post = replace(self.post, conductor=os.getpid())
        process = _SPAWN.Process(
            target=worker.work, args=(far, post), name=f"worker of {self.name}", daemon=True
        )
        # A Ctrl-C while the worker cannot handle it yet waits until it can; the mask is inherited.
        before = signal.pthread_sigmask(signal.SIG_BLOCK, interrupts.SIGNALS)
        try:
            process.start()
        finally:
            far.close()
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
        self._process, self._pipe = process, near
        self.state, self.step, self.until = "starting", "starting", 0.0

    def tell(self, *message: Any) -> None:
        """Tell the worker; one that has just ended is noticed by its end."""
        if self._pipe is not None:
            try:
                self._pipe.send(message)
            except OSError:
                self.words = self.words or "it ended"

    def waits_on(self) -> list[Any]:
        """What becomes ready when the worker says something or ends."""
        return [one for one in (self._pipe, self._process and self._process.sentinel) if one is not None]

    def messages(self) -> Iterator[tuple[Any, ...]]:
        """What it has said since."""
        while self._pipe is not None:
            over = self._process is None or self._process.exitcode is not None
            try:
                if self._pipe.poll():
                    yield self._pipe.recv()
                    continue
            except (EOFError, OSError):
                over = True
            if not over:
                return
            self._pipe.close()
            self._pipe = None

    @property
    def ended(self) -> bool:
        """True once when its process has ended (and everything that it said was read)."""
        return self._process is not None and self._process.exitcode is not None and self._pipe is None

    def bury(self) -> str:
        """Forget the process that has ended; how it did."""
        assert self._process is not None
        code = self._process.exitcode or 0
        self._process.join()
        self._process.close()
        self._process = None
        how = f"by {signal.Signals(-code).name}" if code < 0 else f"with {code}"
        words, self.words = self.words, ""
        return words or f"its worker ended {how}"

    @property
    def has_worker(self) -> bool:
        """True until bury()."""
        return self._process is not None

    def signal(self, number: signal.Signals) -> None:
        """Send the worker a signal."""
        if self._process is not None and self._process.exitcode is None and self._process.pid:
            os.kill(self._process.pid, number)

    def stuck(self, now: float) -> bool:
        """True when nothing was heard for too long."""
        return self.state not in ("idle", "offline", "resting") and self.until > 0 and now > self.until


def monotonic() -> float:
    """The conductor's clock."""
    return time.monotonic()

# SPDX-License-Identifier: Apache-2.0
"""The process that makes the runs of one bench, one after the other, as the conductor tells it through a pipe.

It ends with the conductor, however that ends: by SIGTERM from the kernel (prctl(2) PR_SET_PDEATHSIG), and by the end of
the pipe. A run that is under way then is aborted and sealed, and the bench is left quiet.
"""

import ctypes
import errno
import fcntl
import os
import signal
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from vkbench import errors, interrupts
from vkbench.campaign.planning.plan import scenario_of
from vkbench.campaign.records.outcome import Attempt, outcome_of, settle
from vkbench.config import BenchFile, load
from vkbench.evidence.campaign import CYCLES, Configuration
from vkbench.instruments import open_analyser
from vkbench.server.record import Reporter, Surroundings
from vkbench.server.run import run

PR_SET_PDEATHSIG = 1  # linux/prctl.h
NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EFBIG)
SEEDED_DEFECTS = "seeded-defects"  #: feature of a bench whose card is a test build
Say = Callable[[str], None]


# ---- what a bench is, as far as only others know; each a function of a module, so that it can be handed over ---------


def make_run(
    bench: BenchFile, configuration: Configuration, out: Path, surroundings: Surroundings, reporter: Reporter
) -> None:
    """One run."""
    run(bench, scenario_of(configuration, bench.server.arch), out, surroundings, reporter)


def look_at(bench: BenchFile) -> list[str]:
    """What is wrong with the bench's wires, between two runs; empty: nothing."""
    from vkbench.server.checks import quick

    return [f"{check.name}: {check.found}" for check in quick(bench) if not check.ok]


def features_of(bench: BenchFile) -> list[str]:
    """What the card offers beyond what the bench file says."""
    with open_analyser(bench) as analyser:
        return [SEEDED_DEFECTS] if analyser.faults() else []


def not_held(bench: BenchFile, ours: bool, say: Say) -> AbstractContextManager[object]:
    """Nobody else is kept off the bench."""
    return nullcontext()


def always_up(bench: BenchFile) -> bool:
    """A bench without processes of its own."""
    return True


def not_mended(bench: BenchFile) -> bool:
    """Nothing could be taken down and up."""
    return False


def no_surroundings(bench: BenchFile) -> Surroundings:
    """There is nothing that only a provider knows."""
    return Surroundings()


@dataclass(frozen=True)
class Hooks:
    """Everything that a worker does with its bench.

    hold: has the bench (locks, processes) for the length of a block; ``ours``: an earlier session brought it up, so it
    is to be taken down at the end. is_up: whether the bench's processes run already. mend: takes a sick bench down and
    up; False when there is nothing that could be.
    """

    make: Callable[[BenchFile, Configuration, Path, Surroundings, Reporter], object] = make_run
    look: Callable[[BenchFile], list[str]] = look_at
    features: Callable[[BenchFile], list[str]] = features_of
    hold: Callable[[BenchFile, bool, Say], AbstractContextManager[object]] = not_held
    is_up: Callable[[BenchFile], bool] = always_up
    mend: Callable[[BenchFile], bool] = not_mended
    surroundings: Callable[[BenchFile], Surroundings] = no_surroundings


@dataclass(frozen=True)
class Post:
    """A worker's place: campaign, bench file, and whether an earlier session brought the bench up."""

    campaign: Path
    bench: Path
    sha256: str
    ours: bool
    hooks: Hooks
    conductor: int  #: its pid


# ---- the process -----------------------------------------------------------------------------------------------------


def work(pipe: Connection, post: Post) -> None:
    """The process's main function. Every message is a tuple whose first part is its name."""
    _die_with(post.conductor)
    with interrupts.handled(lambda text: None):
        for number in (signal.SIGINT, signal.SIGHUP):  # from the terminal: the conductor's to handle
            signal.signal(number, signal.SIG_IGN)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, interrupts.SIGNALS)
        try:
            with present(post.campaign):
                _Worker(pipe, post).work()
        except (KeyboardInterrupt, errors.Interrupted, EOFError, BrokenPipeError):
            pass
        except Exception as error:
            known = isinstance(error, errors.BenchError | OSError)
            text = str(error) if known else traceback.format_exc(limit=-3).strip()
            with suppress(OSError):
                pipe.send(("failed", f"{type(error).__name__}: {text}"))


@contextmanager
def present(campaign: Path) -> Iterator[None]:
    """A worker is at work on this campaign: whoever resumes it waits for absent()."""
    descriptor = os.open(campaign / CYCLES, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH)
        yield
    finally:
        os.close(descriptor)


def absent(campaign: Path, limit_s: float, say: Say) -> None:
    """Wait until the workers of an earlier session have ended. Raises CampaignError."""
    descriptor = os.open(campaign / CYCLES, os.O_RDONLY | os.O_DIRECTORY)
    until = time.monotonic() + limit_s
    told = False
    try:
        while True:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return
            except BlockingIOError:
                if time.monotonic() > until:
                    raise errors.CampaignError(
                        f"a worker of an earlier session is still at work after {limit_s:g} s",
                        str(campaign),
                        "Wait for its end",
                    ) from None
            if not told:
                say(
                    f"waiting up to {limit_s:g} s for a worker of an earlier session to leave its bench quiet"
                )
                told = True
            time.sleep(0.05)
    finally:
        os.close(descriptor)


class _Worker:
    def __init__(self, pipe: Connection, post: Post) -> None:
        self._pipe, self._hooks, self._post = pipe, post.hooks, post
        self._ended = 0.0  # the last run, on the monotonic clock
        self._bench = load(post.bench)
        if self._bench.sha256 != post.sha256:
            raise errors.UserError(
                "is not the bench file with which the campaign began", str(post.bench), "Put it back"
            )

    def work(self) -> None:
        """Until the pipe says "end", or ends."""
        hooks, bench = self._hooks, self._bench
        self._tell("found", hooks.is_up(bench))
        if self._pipe.recv()[0] != "begin":
            return
        with hooks.hold(bench, self._post.ours, self._step):
            self._tell("ready", hooks.features(bench))
            while (message := self._pipe.recv())[0] != "end":
                getattr(self, f"_{message[0]}")(*message[1:])

    def _tell(self, *message: Any) -> None:
        with interrupts.held():  # half a message would be worse than none
            self._pipe.send(message)

    def _step(self, name: str) -> None:
        with suppress(OSError):  # when the conductor is gone, SIGTERM comes
            self._tell("step", name)

    def _look(self) -> None:
        self._tell("looked", self._problems())

    def _problems(self) -> list[str]:
        try:
            return self._hooks.look(self._bench)
        except (errors.BenchError, OSError) as error:
            return [f"{type(error).__name__}: {error}"]

    def _mend(self) -> None:
        try:
            self._tell("mended", "" if self._hooks.mend(self._bench) else "nothing can be")
        except (errors.BenchError, OSError) as error:
            self._tell("mended", f"{type(error).__name__}: {error}")

    def _run(self, attempt: Attempt, idle_s: float) -> None:
        begun = time.monotonic()
        around = max(0.0, begun - self._ended - idle_s) if self._ended else 0.0
        failed: BaseException | None = None
        try:
            reporter = Reporter(step=self._step)
            surroundings = self._hooks.surroundings(self._bench)
            self._hooks.make(self._bench, attempt.configuration, attempt.directory, surroundings, reporter)
        except BaseException as error:
            failed = error
        self._ended = time.monotonic()
        with interrupts.held():
            self._pipe.send(self._outcome(attempt, failed, around))
        if isinstance(failed, KeyboardInterrupt | errors.Interrupted | SystemExit):
            raise KeyboardInterrupt

    def _outcome(self, attempt: Attempt, failed: BaseException | None, around: float) -> tuple[Any, ...]:
        """The message: the attempt's outcome, and why the campaign must stop when the disk takes no more."""
        name = "Interrupted" if isinstance(failed, KeyboardInterrupt) else type(failed).__name__
        try:
            settle(
                attempt, self._bench, name if failed else "Killed", str(failed or "the run was not sealed")
            )
        except OSError as error:
            return "ran", None, _no_room(error) or f"{attempt.directory}: {error}"
        outcome = outcome_of(attempt.directory, attempt.configuration, attempt.slot, attempt.number)
        if failed is not None and outcome.fate == "judged":
            # Sealed as complete, and yet something failed afterwards: the evidence says what counts.
            outcome = outcome.model_copy(update={"detail": f"{name} after its end: {failed}"})
        return "ran", outcome.model_copy(update={"around_s": round(around, 6)}), _no_room(failed)


def _no_room(error: BaseException | None) -> str:
    """Why nothing more can be written, when an error or one of its causes says so."""
    while error is not None:
        if isinstance(error, OSError) and error.errno in NO_ROOM:
            return f"{error.filename or 'the campaign'}: {error.strerror}"
        error = error.__cause__ or error.__context__
    return ""


def _die_with(parent: int) -> None:
    """SIGTERM when the conductor is gone; at once when it is gone already."""
    ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() != parent:
        os._exit(0)

# SPDX-License-Identifier: Apache-2.0
"""Conducts a campaign: gives each bench the next slot that it can fill, keeps the journal, looks after sick benches.

This process is the only one that writes the journal. An attempt's intent is on the disk before its worker is told, and
its outcome after the run was sealed; what a kill leaves between the two, the next session finds (resume.py).
"""

import os
import shutil
import signal
import socket
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from multiprocessing.connection import wait
from typing import Any

from vkbench import errors, interrupts
from vkbench.campaign.conduct.post import BenchPost, monotonic
from vkbench.campaign.conduct.work import Work
from vkbench.campaign.conduct.worker import Hooks, Post
from vkbench.campaign.records.blame import STOPPED
from vkbench.campaign.records.journal import Journal
from vkbench.campaign.records.outcome import Attempt, outcome_of, settle
from vkbench.config import BenchFile
from vkbench.evidence.campaign import CYCLES, BenchState, Intent, Outcome, Session, Slot, Stopped

#: Ways in which a session ends. Only the first two end the campaign.
DONE, FAILURE, NO_BENCH, INTERRUPTED = "done", "failure", "no bench", "interrupted"
SHOWN = 160  # characters of a detail in a line for people
OURS = "brought up: "  #: note: the campaign has brought the bench's processes up, and takes them down


@dataclass(frozen=True)
class Limits:
    """How long the conductor waits, seconds; how much room a cycle must find, bytes."""

    rest_s: float = 5.0  #: between two looks at a sick bench
    silent_s: float = 7200.0  #: a worker that says nothing for so long is stuck
    end_s: float = 300.0  #: for workers to leave their benches quiet
    tick_s: float = 1.0
    free_bytes: int = 64 << 20  #: for each bench


@dataclass
class Ending:
    """How a session ended: one of the four ways, and what there is to say."""

    way: str
    detail: str = ""


class Conductor:
    """One session. ``watch`` is called with it when something changed; ``say`` has a line for people."""

    def __init__(
        self,
        journal: Journal,
        work: Work,
        benches: Iterable[tuple[BenchFile, Hooks]],
        jobs: int | None = None,
        watch: Callable[["Conductor"], None] = lambda _: None,
        say: Callable[[str], None] = lambda _: None,
        limits: Limits | None = None,
    ) -> None:
        self.journal, self.work, self.plan = journal, work, work.plan
        self.limits = limits or Limits()
        self._watch, self._say = watch, say
        notes = journal.notes()
        self.benches = [
            BenchPost(
                file,
                Post(journal.folder, file.path, file.sha256, notes.get(OURS + file.name) == "1", hooks, 0),
            )
            for file, hooks in benches
        ]
        self._jobs = jobs or len(self.benches)
        self._checked = False  #: every bench has come up or was given up, and all slots can be filled
        self._leaving = False

    # ---- the session -------------------------------------------------------------------------------------------------

    def conduct(self) -> Ending:
        """Until the plan is done or cannot go on. Raises UserError when no bench can do a slot, CampaignError when the
        journal or a run cannot be written; whatever happens, no worker is left and every bench is quiet.
        """
        ending = Ending("")
        try:
            self._session("")
            for bench in self.benches:
                bench.start()
            ending = self._go()
        except KeyboardInterrupt:
            ending = Ending(INTERRUPTED)
        except BaseException as error:
            ending = Ending(f"{type(error).__name__}: {error}")
            raise
        finally:
            with interrupts.held():
                self._leave(abort=ending.way not in (DONE, FAILURE, NO_BENCH), write=not _failed(ending))
                if not _failed(ending):
                    self._session(ending.way + (f": {ending.detail}" if ending.detail else ""))
        return ending

    def _session(self, ended: str) -> None:
        names = [bench.name for bench in self.benches]
        host = socket.gethostname()
        self.journal.append(Session(pid=os.getpid(), host=host, benches=names, ended=ended))

    def _go(self) -> Ending:
        while True:
            with interrupts.held():  # a Ctrl-C finds nothing half done
                self._assign()
                ending = self._over()
                self._watch(self)
                if ending is not None:
                    return ending
            self._wait()
            with interrupts.held():
                self._hear()

    def _wait(self) -> None:
        now = monotonic()
        times = [bench.until - now for bench in self.benches if bench.state == "resting"]
        wait(
            [one for bench in self.benches for one in bench.waits_on()],
            max(0.0, min([self.limits.tick_s, *times])),
        )

    def _over(self) -> Ending | None:
        """How the session ends, when nothing is to be done any more."""
        if any(bench.state not in ("idle", "offline") for bench in self.benches):
            return None
        if self._stopping:
            self.journal.append(Stopped(reason="failure", detail="a cycle that must pass failed"))
            return Ending(FAILURE)
        if not self.work.left:
            self.journal.append(Stopped(reason="done"))
            return Ending(DONE)
        gone = [f"bench {bench.name}: {bench.gone}" for bench in self.benches if bench.gone]
        return Ending(NO_BENCH, "; ".join([*gone, *self.work.impossible()]))

    @property
    def _stopping(self) -> bool:
        return self.plan.stop_on_failure and self.work.failed

    # ---- giving work -------------------------------------------------------------------------------------------------

    def _assign(self) -> None:
        if self._stopping or not self.work.left:
            return
        if not self._checked:
            if any(not bench.seen and bench.alive for bench in self.benches):
                return
            if impossible := self.work.impossible():
                raise errors.UserError(
                    "; ".join(impossible), f"plan {self.plan.name}", "Give a bench that can"
                )
            self._checked = True
        idle = [bench for bench in self.benches if bench.state == "idle"]
        alive = [bench.name for bench in self.benches if bench.alive]
        for bench in sorted(idle, key=lambda one: one.idle_since or 0.0):
            slot = self.work.next_for(bench.name, alive) if self._working < self._jobs else None
            if slot is not None:
                self._begin(bench, slot)
            elif bench.idle_since is None:
                bench.idle_since = monotonic()

    @property
    def _working(self) -> int:
        return sum(bench.state == "running" for bench in self.benches)

    def _begin(self, bench: BenchPost, slot: Slot) -> None:
        self._need_room()
        number = self.work.attempts[slot.number] + 1
        directory = f"{CYCLES}/{slot.number:06}-{number}"
        self.work.begun(
            self.journal.append(
                Intent(slot=slot.number, attempt=number, bench=bench.name, directory=directory)
            )
        )
        configuration = self.work.configuration(slot.number)
        bench.attempt = Attempt(slot.number, number, configuration, self.journal.folder / directory)
        idle = monotonic() - bench.idle_since if bench.idle_since is not None else 0.0
        bench.state, bench.step, bench.idle_since = "running", "", None
        self._tell(bench, "run", bench.attempt, idle)

    def _need_room(self) -> None:
        needed = self.limits.free_bytes * len(self.benches)
        free = shutil.disk_usage(self.journal.folder).free
        if free < needed:
            raise errors.CampaignError(
                f"only {free >> 20} MiB are free, and {needed >> 20} MiB must be",
                str(self.journal.folder),
                "Free some space, then go on with --resume",
            )

    def _tell(self, bench: BenchPost, *message: Any) -> None:
        bench.until = monotonic() + self.limits.silent_s
        bench.tell(*message)

    # ---- hearing from workers ----------------------------------------------------------------------------------------

    def _hear(self) -> None:
        now = monotonic()
        for bench in self.benches:
            for message in bench.messages():
                bench.until = now + self.limits.silent_s
                getattr(self, f"_on_{message[0]}")(bench, *message[1:])
            if bench.ended:
                self._on_end(bench)
            elif bench.state == "resting" and now >= bench.until:
                if bench.has_worker:
                    self._look(bench)
                else:
                    bench.start()
            elif bench.stuck(now):
                bench.words = f"its worker said nothing for {self.limits.silent_s:g} s"
                bench.signal(signal.SIGKILL)

    def _on_step(self, bench: BenchPost, name: str) -> None:
        bench.step = name

    def _on_failed(self, bench: BenchPost, words: str) -> None:
        bench.words = words

    def _on_found(self, bench: BenchPost, up: bool) -> None:
        if not up:  # noted before it is brought up: a kill in between leaves it to the next session
            self.journal.note(OURS + bench.name, "1")
            bench.post = replace(bench.post, ours=True)
        bench.tell("begin")

    def _on_ready(self, bench: BenchPost, offers: list[str]) -> None:
        able = self.work.benches[bench.name]
        able.offers = frozenset(offers)
        self._state(bench, "online", features=sorted(offers), file_sha256=bench.file.sha256)
        self._look(bench)

    def _on_ran(self, bench: BenchPost, outcome: Outcome | None, no_room: str) -> None:
        if no_room or outcome is None:
            raise errors.CampaignError(
                "a run cannot be written",
                no_room,
                "Free some space or mend the disk, then go on with --resume",
            )
        bench.attempt = None
        bench.cycles += 1
        bench.since_look += 1
        if outcome.fate == "judged" or outcome.error in (*STOPPED, "NotAsPlanned"):
            bench.faults = 0
            self._ended(bench, outcome)
            bench.state = "idle"
            if bench.since_look >= self.plan.health.every and self.work.left:
                self._look(bench)
            return
        bench.judged_by_look = outcome
        self._look(bench)

    def _look(self, bench: BenchPost) -> None:
        bench.state, bench.step = "looking", "look"
        self._tell(bench, "look")

    def _on_looked(self, bench: BenchPost, problems: list[str]) -> None:
        bench.since_look, bench.seen = 0, True
        self._judge_dead(bench, "; ".join(problems))
        if not problems:
            bench.sick, bench.mended, bench.state, bench.step = 0, False, "idle", ""
            self._state(bench, "healthy")
            if bench.faults >= self.plan.health.give_up_after:
                self._give_up(
                    bench, f"{bench.faults} cycles in a row died by its fault, though its wires are well"
                )
            return
        self._sick(bench, "; ".join(problems))

    def _judge_dead(self, bench: BenchPost, problems: str) -> None:
        """Journal a dead cycle: wires that are broken right after it are what killed it."""
        outcome, bench.judged_by_look = bench.judged_by_look, None
        if outcome is None:
            return
        if problems and outcome.fault != "bench":
            detail = f"{outcome.detail}; right after it the bench was sick: {problems}"
            outcome = outcome.model_copy(update={"fault": "bench", "detail": detail})
        bench.faults = bench.faults + 1 if outcome.fault == "bench" else 0
        self._ended(bench, outcome)

    def _sick(self, bench: BenchPost, problem: str) -> None:
        bench.sick += 1
        self._state(bench, "sick", problem)
        if bench.sick >= self.plan.health.give_up_after:
            self._give_up(bench, f"{bench.sick} looks in a row found it sick; the last: {problem}")
        elif bench.has_worker and not bench.mended:
            bench.mended, bench.state, bench.step = True, "mending", "down and up"
            self._tell(bench, "mend")
        else:
            self._rest(bench)

    def _on_mended(self, bench: BenchPost, problem: str) -> None:
        if problem:
            self._rest(bench)
        else:
            self._say(f"bench {bench.name} was taken down and up")
            self._look(bench)

    def _rest(self, bench: BenchPost) -> None:
        bench.state, bench.step = "resting", "sick"
        bench.until = monotonic() + self.limits.rest_s

    def _give_up(self, bench: BenchPost, why: str) -> None:
        bench.gone, bench.state, bench.step, bench.seen = why, "offline", "", True
        self._state(bench, "offline", why)
        bench.tell("end")

    def _on_end(self, bench: BenchPost) -> None:
        """Its worker has ended, and nobody told it to."""
        how = bench.bury()
        if bench.state == "offline":
            return
        self._settle(bench, "WorkerDied", how)
        self._judge_dead(bench, how)
        bench.seen = True
        self._sick(bench, how)

    def _settle(self, bench: BenchPost, error: str, detail: str) -> None:
        """The outcome of an attempt whose worker is gone, from what it left."""
        attempt, bench.attempt = bench.attempt, None
        if attempt is None:
            return
        sealed = settle(attempt, bench.file, error, detail)
        outcome = outcome_of(attempt.directory, attempt.configuration, attempt.slot, attempt.number)
        if not sealed and outcome.error == error:
            bench.faults += 1
        self._ended(bench, outcome)

    # ---- the journal -------------------------------------------------------------------------------------------------

    def _ended(self, bench: BenchPost, outcome: Outcome) -> None:
        whole = self.journal.append(self.work.decided(outcome))
        self.work.ended(whole)
        configuration = self.work.configuration(whole.slot).name
        died = (
            f"; {whole.fault}'s fault: {whole.error}: {_shown(whole.detail)}" if whole.fate == "died" else ""
        )
        again = "" if whole.counts else "; it is made again"
        self._say(
            f"cycle {whole.slot}-{whole.attempt} on {bench.name}, {configuration}: {whole.result}{died}{again}"
        )

    def _state(self, bench: BenchPost, state: Any, detail: str = "", **more: Any) -> None:
        self.journal.append(BenchState(bench=bench.name, state=state, detail=detail, **more))
        if state in ("sick", "offline"):
            self._say(f"bench {bench.name} is {state}: {_shown(detail)}")

    # ---- leaving -----------------------------------------------------------------------------------------------------

    def _leave(self, abort: bool, write: bool) -> None:
        """End every worker. ``abort``: also those that are making a run; ``write``: their outcomes can be journalled."""
        for bench in self.benches:
            if abort:
                bench.signal(signal.SIGTERM)
            bench.tell("end")
        until = monotonic() + self.limits.end_s
        while left := [bench for bench in self.benches if bench.has_worker]:
            wait([one for bench in left for one in bench.waits_on()], self.limits.tick_s)
            for bench in left:
                for message in bench.messages():
                    if message[0] == "ran" and write and message[1] is not None:
                        bench.attempt = None
                        self._ended(bench, message[1])
                if bench.ended:
                    how = bench.bury()
                    if write:
                        self._judge_dead(bench, "")
                        self._settle(bench, "Interrupted", how)
                elif monotonic() > until:
                    bench.signal(signal.SIGKILL)
            self._watch(self)
        if write:
            for bench in self.benches:
                self._judge_dead(bench, "")


def _shown(detail: str) -> str:
    """The beginning of it, on one line; the journal has all."""
    text = " ".join(detail.split())
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}…"


def _failed(ending: Ending) -> bool:
    """True when an exception ends the session: perhaps nothing can be written any more."""
    return ending.way not in (DONE, FAILURE, NO_BENCH, INTERRUPTED)

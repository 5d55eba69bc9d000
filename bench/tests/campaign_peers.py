# SPDX-License-Identifier: Apache-2.0
"""A stand-in for runs on a bench: real run directories, sealed by the real code, of evidence that is made up in tens of
milliseconds. What a slot's run shows follows from its number alone, so a test can tell what a campaign must say.
"""

import errno
import json
import os
import sqlite3
import time
from contextlib import closing
from pathlib import Path
from random import Random

import numpy as np
import synthetic_run
from synthetic_run import HZ, JUMP_S, PADDR, READY, SIZE, at

from vkbench import errors
from vkbench.campaign.conduct.conductor import Conductor, Ending, Limits
from vkbench.campaign.conduct.resume import begin, only_begun, reopen, take_up
from vkbench.campaign.conduct.work import Work
from vkbench.campaign.conduct.worker import Hooks
from vkbench.campaign.planning import order
from vkbench.campaign.planning.plan import scenario_of
from vkbench.campaign.records.view import CampaignView
from vkbench.capture import records as rec
from vkbench.capture.layout import Kind
from vkbench.config import BenchFile, load
from vkbench.evidence import DmaSetup
from vkbench.evidence.campaign import JOURNAL, BenchState, Configuration, Cycle
from vkbench.server.record import Reporter, Surroundings
from vkbench.server.run import run
from vkbench.server.steps import BenchRun

ROOT = Path(__file__).resolve().parents[2]
TEXT = (ROOT / "fixtures/benches/virtual.toml").read_text()
#: How long a stand-in's step takes, seconds; a test that kills wants to hit all of them.
STEP_S = float(os.environ.get("VKBENCH_TEST_STEP_S", "0.003"))
LIMITS = Limits(rest_s=0.05, end_s=20, tick_s=0.2, free_bytes=1 << 20)

PLAN = """\
name = "tiny"
title = "A tiny campaign"
seed = 7
repeats = {repeats}
rules = ["VKB-JUMP-001", "VKB-HALT-001", "VKB-MEM-001"]
[health]
every = {every}
give_up_after = {give_up_after}
[[configuration]]
name = "good"
scenario = "panic-post-notifiers"
n = {good}
[[configuration]]
name = "stock"
scenario = "panic-stock"
n = {stock}
"""


def plan_file(folder: Path, **values: int) -> Path:
    """A plan of candidates ("good") and controls ("stock")."""
    settings = {"repeats": 2, "every": 5, "give_up_after": 3, "good": 6, "stock": 2, **values}
    path = folder / "tiny.toml"
    path.write_text(PLAN.format(**settings))
    return path


def bench_files(folder: Path, count: int = 1) -> list[BenchFile]:
    """Bench files of benches that nobody will connect to."""
    found = []
    for number in range(1, count + 1):
        path = folder / f"peer-{number}.toml"
        path.write_text(TEXT.replace('name = "virtual"', f'name = "peer-{number}"'))
        found.append(load(path))
    return found


def planned_result(configuration: Configuration, slot: int) -> str:
    """What the card of this slot's cycle does."""
    if configuration.role == "control":
        return "FAIL"
    return Random(slot).choice(["PASS", "PASS", "PASS", "FAIL", "INCONCLUSIVE"])


class StandIn(BenchRun):
    """A run without a bench, in as many durable steps as a real one."""

    def steps(self) -> None:
        """None on a bench: execute() has all of them."""

    def execute(self) -> None:
        log, directory = self._log, self._log.directory
        slot, attempt = map(int, directory.path.name.split("-"))
        story = self._story(slot)
        plain = log.record.config.model_copy(update={"expect": None})  # it takes no way through a kernel
        log.record = log.record.model_copy(update={"config": plain})
        for name in ("open instruments", "power on to shell"):
            with log.step(name):
                time.sleep(STEP_S)
        log.set_clock(HZ)
        log.set_dma(DmaSetup(paddr=PADDR, size=SIZE, period_cycles=at(0.001), length=64))
        records = story.records()
        text = bytes(records["aux"][rec.of_kind(records, Kind.CONSOLE)].astype(np.uint8))
        with log.step("panic into crash kernel"):
            for start in range(0, len(text), 40):
                directory.console_sink.write(text[start : start + 40])
                time.sleep(STEP_S / 4)
            self.trouble(slot, attempt)
        with log.step("read capture"):
            directory.write_capture(story.header(), records)
            time.sleep(STEP_S)
        directory.write_json("sel.json", {"entries": []})
        directory.write_json("memory.json", story.memory)

    def trouble(self, slot: int, attempt: int) -> None:
        """What goes wrong in the middle of this run."""
        told = _told(self._bench, "trouble.json")
        what = told.get(f"{self._bench.name} {slot}-{attempt}") or told.get(f"{slot}-{attempt}", "")
        if what == "exit":
            os._exit(7)
        elif what == "full":
            raise OSError(errno.ENOSPC, "No space left on device", "capture.vkc")
        elif what == "wait":
            (self._bench.path.parent / f"{slot}-{attempt}.waits").touch()
            time.sleep(60)
        elif what:
            raise getattr(errors, what)("as planned")

    def _story(self, slot: int) -> synthetic_run.Story:
        if not self._scenario.post_notifiers:
            return synthetic_run.stock()
        story = synthetic_run.post_notifiers()
        result = planned_result(Configuration.model_construct(role="candidate"), slot)
        if result == "FAIL":
            story.write(at(JUMP_S) + 5000, 5_000)
        elif result == "INCONCLUSIVE":
            story.erase_text(READY)
        return story


# ---- hooks; each of a module, so that a worker process can be given it -----------------------------------------------


def make(
    bench: BenchFile, configuration: Configuration, out: Path, surroundings: Surroundings, reporter: Reporter
) -> None:
    """A good run."""
    run(bench, scenario_of(configuration, bench.server.arch), out, surroundings, reporter, kind=StandIn)


def look(bench: BenchFile) -> list[str]:
    """Healthy, unless sick.json has problems left for this bench."""
    told = _told(bench, "sick.json")
    left = told.get(bench.name, 0)
    if left:
        tell(bench.path.parent, "sick.json", {**told, bench.name: left - 1})
    return ["BMC: does not answer"] if left else []


def features(bench: BenchFile) -> list[str]:
    """A release build of the card, unless offers.json has something else."""
    return _told(bench, "offers.json").get(bench.name, [])


def mend(bench: BenchFile) -> bool:
    """Noted; it can be, when mended.json says so."""
    with (bench.path.parent / "mended.txt").open("a") as file:
        file.write(f"{bench.name}\n")
    return bool(_told(bench, "mended.json").get(bench.name))


def tell(folder: Path, name: str, value: dict) -> None:
    """Tell the peers of this folder's benches what to do."""
    (folder / name).write_text(json.dumps(value))


def _told(bench: BenchFile, name: str) -> dict:
    path = bench.path.parent / name
    return json.loads(path.read_text()) if path.exists() else {}


HOOKS = Hooks(make=make, look=look, features=features, mend=mend)


def go(out: Path, plan: Path | None, benches: list[BenchFile], hooks: Hooks = HOOKS, **more) -> Ending:
    """A session: a new campaign, or one that goes on."""
    lines = more.pop("lines", [])
    limits = more.pop("limits", LIMITS)
    if (out / JOURNAL).exists() and not only_begun(out):
        journal, resolved, benches = reopen(out, None, benches, lines.append)
    else:
        journal, resolved = begin(out, plan, benches)
    with journal:
        work = Work(resolved, order.slots(resolved), benches)
        take_up(journal, work, benches, lines.append)
        conductor = Conductor(
            journal, work, [(bench, hooks) for bench in benches], say=lines.append, limits=limits, **more
        )
        return conductor.conduct()


def entries_of(out: Path) -> list[str]:
    """The journal's lines, past all code of ours."""
    with closing(sqlite3.connect(out / JOURNAL)) as connection:
        if not connection.execute("SELECT 1 FROM sqlite_schema WHERE name = 'entries'").fetchone():
            return []
        return [line for (line,) in connection.execute("SELECT line FROM entries ORDER BY number")]


def cycles(out: Path) -> list[Cycle]:
    """Every attempt."""
    return list(CampaignView(out).cycles())


def attempts(out: Path, slot: int) -> list[Cycle]:
    """Those of one slot."""
    return [one for one in cycles(out) if one.slot.number == slot]


def states(out: Path, bench: str) -> list[str]:
    """What the journal says of a bench."""
    entries = CampaignView(out).entries()
    return [entry.state for entry in entries if isinstance(entry, BenchState) and entry.bench == bench]

# SPDX-License-Identifier: Apache-2.0
"""Kills campaigns at random points, again and again, and lets them end. A program of its own, for test_campaign_kill.py:

    campaign_kills.py FOLDER KILLS SEED

Everything is imported once and each session is a fork, so that a kill costs no more than the work it interrupts. The
whole process group dies by SIGKILL, workers and all, as when a machine loses its power.
"""

import json
import multiprocessing
import os
import signal
import sys
import time
from pathlib import Path
from random import Random

import campaign_peers as peers

from vkbench import errors
from vkbench.campaign.conduct import post
from vkbench.campaign.conduct.conductor import DONE
from vkbench.campaign.conduct.worker import Hooks
from vkbench.campaign.records.entries import checked
from vkbench.config import BenchFile
from vkbench.evidence import MANIFEST, sha256_of
from vkbench.evidence.campaign import CYCLES, JOURNAL, Configuration
from vkbench.server.record import Reporter, Surroundings
from vkbench.server.run import run
from vkbench.server.scenario import Scenario

GOOD, STOCK, REPEATS = 30, 6, 2
LONGEST_S = 0.45
GIVE_UP_S = 60.0


def planned_fault(slot: int, attempt: int) -> str:
    """The error by which this attempt dies; empty: it does not."""
    chance = Random(f"{slot}/{attempt}").random()
    for error, share in (("AnalyserSilent", 0.08), ("NoPanic", 0.05), ("exit", 0.03)):
        if chance < share:
            return error
        chance -= share
    return ""


class Faulty(peers.StandIn):
    """A stand-in that sometimes dies in the middle, by the slot and the attempt."""

    def trouble(self, slot: int, attempt: int) -> None:
        fault = planned_fault(slot, attempt)
        if fault == "exit":
            os._exit(7)
        elif fault:
            raise getattr(errors, fault)("as planned")


def make(
    bench: BenchFile, configuration: Configuration, out: Path, surroundings: Surroundings, reporter: Reporter
) -> None:
    scenario: Scenario = peers.scenario_of(configuration, bench.server.arch)
    run(bench, scenario, out, surroundings, reporter, kind=Faulty)


HOOKS = Hooks(make=make, look=peers.look, features=peers.features)


def main(folder: Path, kills: int, seed: int) -> None:
    """Kill ``kills`` sessions; prints what was seen after each, as JSON lines."""
    post._SPAWN = multiprocessing.get_context("fork")  # type: ignore[assignment]
    random = Random(seed)
    plan = peers.plan_file(folder, good=GOOD, stock=STOCK, repeats=REPEATS, give_up_after=1000, every=4)
    benches = peers.bench_files(folder, 2)
    done, campaign = 0, 0
    while done < kills:
        out = folder / f"campaign-{campaign}"
        campaign += 1
        finished = False
        while not finished and done < kills:
            finished = session(out, plan, benches, random.uniform(0.0, LONGEST_S))
            done += not finished
            seen(out)
        if not finished and not session(out, plan, benches, GIVE_UP_S):
            raise SystemExit(f"{out}: does not come to its end in {GIVE_UP_S:g} s")
        seen(out)


def session(out: Path, plan: Path, benches: list[BenchFile], kill_after_s: float) -> bool:
    """One session; True when it came to the campaign's end before it was killed."""
    pid = os.fork()
    if not pid:
        code = 1
        try:
            os.setsid()
            code = 0 if peers.go(out, plan, benches, HOOKS).way == DONE else 2
        except BaseException as error:
            print(json.dumps({"error": f"{type(error).__name__}: {error}"}), flush=True)
        finally:
            os._exit(code)
    until = time.monotonic() + kill_after_s
    while time.monotonic() < until:
        ended, status = os.waitpid(pid, os.WNOHANG)
        if ended:
            if status:
                raise SystemExit(f"{out}: a session ended by itself with {os.waitstatus_to_exitcode(status)}")
            return True
        time.sleep(0.001)
    while not _killed(pid):  # until it is the leader of a group
        time.sleep(0.001)
    os.waitpid(pid, 0)
    while _killed(pid):  # a fork holds its parent's lock until it is gone as well
        time.sleep(0.001)
    return False


def _killed(group: int) -> bool:
    try:
        os.killpg(group, signal.SIGKILL)
    except ProcessLookupError:
        return False
    return True


def seen(out: Path) -> None:
    """What is on the disk now: the journal's lines, and the runs that are sealed."""
    lines = peers.entries_of(out) if (out / JOURNAL).exists() else []
    sealed = {one.parent.name: sha256_of(one) for one in sorted((out / CYCLES).glob(f"*/{MANIFEST}"))}
    whole = sum(1 for _ in checked(lines, "journal"))
    print(
        json.dumps(
            {
                "campaign": out.name,
                "entries": whole,
                "chains": [json.loads(line)["chain"] for line in lines],
                "sealed": sealed,
            }
        ),
        flush=True,
    )


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))

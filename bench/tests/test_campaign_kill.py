# SPDX-License-Identifier: Apache-2.0
"""Campaigns that are killed by SIGKILL at random points, 52 times: nothing is lost, counted twice or tried into a pass."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path

import pytest
from campaign_kills import REPEATS, planned_fault
from campaign_peers import entries_of, planned_result

from vkbench.campaign.records.entries import checked
from vkbench.campaign.records.view import CampaignView
from vkbench.evidence import MANIFEST, RunView, sha256_of
from vkbench.evidence.campaign import CYCLES, Configuration

KILLS = int(os.environ.get("VKBENCH_KILLS", "52"))
SEED = int(os.environ.get("VKBENCH_KILL_SEED") or int.from_bytes(os.urandom(3)))
MEMORY = Path("/dev/shm")  # kills do not care what stands behind fsync(2), and a disk is slow


@pytest.fixture(scope="module")
def killed():
    """The campaigns of one series of kills: folder -> what was seen after each kill, in their order."""
    base = MEMORY if os.access(MEMORY, os.W_OK) else None
    folder = Path(tempfile.mkdtemp(prefix="vkbench-kills-", dir=base))
    print(f"{KILLS} kills, VKBENCH_KILL_SEED={SEED}")
    program = Path(__file__).with_name("campaign_kills.py")
    try:
        done = subprocess.run(
            [sys.executable, program, folder, str(KILLS), str(SEED)],
            capture_output=True,
            text=True,
            timeout=600,
            check=False,
        )
        assert done.returncode == 0, f"seed {SEED}: {done.stdout[-2000:]}\n{done.stderr[-2000:]}"
        looks = [json.loads(line) for line in done.stdout.splitlines()]
        names = dict.fromkeys(look["campaign"] for look in looks)
        yield {folder / name: [look for look in looks if look["campaign"] == name] for name in names}
    finally:
        shutil.rmtree(folder)


def attempts_of(path):
    """Intents and outcomes as the journal has them, by slot and attempt."""
    entries = [json.loads(line) for line in entries_of(path)]
    found = {}
    for kind in ("intent", "outcome"):
        rows = [entry for entry in entries if entry["kind"] == kind]
        found[kind] = {(row["slot"], row["attempt"]): row for row in rows}
        assert len(found[kind]) == len(rows), f"two {kind}s of one attempt"
    return found["intent"], found["outcome"]


def test_so_many_were_killed(killed):
    looks = sum(len(looks) for looks in killed.values())
    assert looks >= KILLS + 1


def test_the_journal_is_whole_and_only_ever_grows(killed):
    for path, looks in killed.items():
        lines = entries_of(path)
        assert sum(1 for _ in checked(lines, "journal")) == len(lines)
        chains = [json.loads(line)["chain"] for line in lines]
        for look in looks:
            assert chains[: len(look["chains"])] == look["chains"], f"seed {SEED}: entries were lost"


def test_each_slot_counts_exactly_once(killed):
    for path in killed:
        view = CampaignView(path)
        _, outcomes = attempts_of(path)
        counted = Counter(slot for (slot, _), outcome in outcomes.items() if outcome["counts"])
        assert counted == Counter(dict.fromkeys(view.slots, 1)), f"seed {SEED}"


def test_every_intent_has_its_outcome_and_its_directory(killed):
    for path in killed:
        intents, outcomes = attempts_of(path)
        assert intents.keys() == outcomes.keys()
        directories = {intent["directory"] for intent in intents.values()}
        assert directories == {f"{CYCLES}/{entry.name}" for entry in (path / CYCLES).iterdir()}
        for key, intent in intents.items():
            run = path / intent["directory"]
            assert not RunView(run).check_manifest()
            assert sha256_of(run / MANIFEST) == outcomes[key]["manifest_sha256"]
            assert RunView(run).record.bench.name == intent["bench"]


def test_what_was_sealed_when_the_kill_came_is_adopted(killed):
    adopted = 0
    for path, looks in killed.items():
        intents, outcomes = attempts_of(path)
        manifests = {
            Path(intents[key]["directory"]).name: outcomes[key]["manifest_sha256"] for key in intents
        }
        for look in looks:
            for name, digest in look["sealed"].items():
                assert manifests[name] == digest, (
                    f"seed {SEED}: {name} was sealed when the kill came, and changed"
                )
        adopted += sum(outcome["adopted"] for outcome in outcomes.values())
    print(f"{adopted} outcomes adopted")


def test_only_a_benchs_fault_is_tried_again(killed):
    for path in killed:
        intents, outcomes = attempts_of(path)
        last = Counter(slot for slot, _ in intents)
        for (slot, attempt), outcome in outcomes.items():
            assert (slot, 1) in intents and 1 <= attempt <= last[slot]
            assert outcome["counts"] == (attempt == last[slot]), f"seed {SEED}: {outcome}"
            if not outcome["counts"]:
                assert outcome["fate"] == "died" and outcome["fault"] == "bench", f"seed {SEED}: {outcome}"
                assert attempt <= REPEATS


def test_the_results_are_what_each_slots_card_did(killed):
    died = Counter()
    for path in killed:
        view = CampaignView(path)
        roles = {one.name: one for one in view.plan.configurations}
        for cycle in view.cycles():
            outcome, slot = cycle.outcome, cycle.slot.number
            planned = planned_fault(slot, cycle.attempt)
            configuration: Configuration = roles[cycle.slot.configuration]
            died[outcome.error] += outcome.fate == "died"
            if outcome.fate == "judged":
                assert not planned and outcome.result == planned_result(configuration, slot), f"seed {SEED}"
            else:
                assert outcome.error in (planned, "Killed", "WorkerDied"), f"seed {SEED}: {outcome}"
                assert outcome.result == "INCONCLUSIVE"
    print(dict(died))
    assert died["Killed"], "no kill came in the middle of a run"

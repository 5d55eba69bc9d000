# SPDX-License-Identifier: Apache-2.0
"""The conductor: who gets which slot, what a later session goes on with, and how one is ended from outside."""

import json
import multiprocessing
import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest
from campaign_peers import (
    LIMITS,
    attempts,
    bench_files,
    cycles,
    entries_of,
    go,
    plan_file,
    planned_result,
    tell,
)

from vkbench import errors
from vkbench.campaign.conduct import post, resume
from vkbench.campaign.conduct.conductor import DONE, FAILURE, NO_BENCH
from vkbench.campaign.records.view import CampaignView
from vkbench.evidence import RunView
from vkbench.evidence.campaign import BENCHES, JOURNAL, Session, Stopped

LATEST_S = 60.0


@pytest.fixture(autouse=True)
def _forks(monkeypatch):
    """A fork is quicker than a new interpreter; the command's own way is tested at the end of this file."""
    monkeypatch.setattr(post, "_SPAWN", multiprocessing.get_context("fork"))


@pytest.fixture
def out(tmp_path):
    return tmp_path / "campaign"


# ---- slots and benches -----------------------------------------------------------------------------------------------


def test_every_slot_is_filled_once_in_order_and_says_what_its_card_did(tmp_path, out):
    assert go(out, plan_file(tmp_path), bench_files(tmp_path)).way == DONE
    view = CampaignView(out)
    found = cycles(out)
    assert [one.slot.number for one in found] == list(range(1, 9))
    roles = {one.name: one for one in view.plan.configurations}
    for one in found:
        assert one.outcome.result == planned_result(roles[one.slot.configuration], one.slot.number)
        assert one.outcome.counts and one.outcome.rules and one.outcome.facts["arch"] == "x86_64"
        assert one.outcome.as_expected == (
            one.outcome.result == ("FAIL" if one.slot.configuration == "stock" else "PASS")
        )
    assert found[1].outcome.around_s > 0 and found[0].outcome.around_s == 0
    assert [entry.reason for entry in view.entries() if isinstance(entry, Stopped)] == ["done"]
    assert [entry.ended for entry in view.entries() if isinstance(entry, Session)] == ["", "done"]


def test_two_benches_share_one_queue_and_jobs_limits_them(tmp_path, out):
    go(out, plan_file(tmp_path), bench_files(tmp_path, 2))
    assert set(Counter(one.bench for one in cycles(out))) == {"peer-1", "peer-2"}
    one_at_a_time = tmp_path / "second"
    go(one_at_a_time, plan_file(tmp_path), bench_files(tmp_path, 2), jobs=1)
    kinds = [json.loads(line)["kind"] for line in entries_of(one_at_a_time)]
    kinds = [kind for kind in kinds if kind in ("intent", "outcome")]
    assert kinds == ["intent", "outcome"] * 8


def test_a_slot_that_no_bench_can_do_is_refused_before_the_first_cycle(tmp_path, out):
    plan = plan_file(tmp_path)
    plan.write_text(plan.read_text() + 'needs = ["a-lift"]\n')
    with pytest.raises(errors.UserError, match="no bench can do stock: bench peer-1 lacks a-lift"):
        go(out, plan, bench_files(tmp_path))
    assert not cycles(out)


DEFECTS = """
[[configuration]]
name = "defect"
scenario = "panic-post-notifiers"
n = 2
[configuration.defects]
DEAF_HARD = ["VKB-HALT-001"]
"""


def test_defects_go_to_test_builds_and_good_cycles_to_release_builds(tmp_path, out):
    plan = plan_file(tmp_path, stock=1)
    plan.write_text(plan.read_text() + DEFECTS)
    tell(tmp_path, "offers.json", {"peer-2": ["seeded-defects"]})
    assert go(out, plan, bench_files(tmp_path, 2)).way == DONE
    view = CampaignView(out)
    defects = {one.name for one in view.plan.configurations if one.defect}
    assert defects
    for one in cycles(out):
        assert one.bench == ("peer-2" if one.slot.configuration in defects else "peer-1")
    with pytest.raises(errors.UserError, match="a test build of the card|seeded-defects"):
        go(tmp_path / "b", plan, bench_files(tmp_path))  # only peer-1, a release build
    tell(tmp_path, "offers.json", {"peer-1": ["seeded-defects"]})
    assert go(tmp_path / "c", plan, bench_files(tmp_path)).way == DONE  # every bench is a test build


def test_evidence_that_is_not_as_planned_is_the_benchs_fault_and_goes_elsewhere(tmp_path, out):
    plan = plan_file(tmp_path, good=2, stock=2, repeats=1)
    plan.write_text(plan.read_text() + 'where = { kernel = "6.1*" }\n')  # which no stand-in tells
    assert go(out, plan, bench_files(tmp_path, 2)).way == NO_BENCH
    died = [one for one in cycles(out) if one.slot.configuration == "stock"]
    assert {one.outcome.error for one in died} == {"NotAsPlanned"}
    assert {one.outcome.fault for one in died} == {"bench"}
    assert {one.bench for one in died} == {"peer-1", "peer-2"} and len(died) == 2
    assert all(
        not one.outcome.rules and "the evidence does not tell kernel" in one.outcome.detail for one in died
    )


def test_it_stops_at_the_first_failure_when_the_plan_says_so(tmp_path, out):
    plan = plan_file(tmp_path, good=30)
    plan.write_text("stop_on_failure = true\n" + plan.read_text())
    assert go(out, plan, bench_files(tmp_path)).way == FAILURE
    results = [one.outcome.result for one in cycles(out) if one.slot.configuration == "good"]
    assert results.count("FAIL") == 1 and results[-1] == "FAIL" and len(results) < 30


# ---- going on --------------------------------------------------------------------------------------------------------


def test_another_plan_or_bench_file_is_refused(tmp_path, out):
    benches, plan = bench_files(tmp_path), plan_file(tmp_path)
    tell(tmp_path, "sick.json", {"peer-1": 3})
    go(out, plan, benches)
    other = tmp_path / "other.toml"
    other.write_text(plan.read_text() + "# changed\n")
    with pytest.raises(errors.UserError, match="another plan than the one that was registered"):
        resume.reopen(out, other, [], print)
    with pytest.raises(errors.UserError, match="began with peer-1"):
        resume.reopen(out, None, bench_files(tmp_path, 2), print)
    benches[0].path.write_text(benches[0].path.read_text() + "# changed\n")
    with pytest.raises(errors.UserError, match="is not the bench file with which the campaign began"):
        resume.reopen(out, None, [], print)
    assert sorted(path.name for path in (out / BENCHES).iterdir()) == ["peer-1.toml"]


def test_runs_whose_entries_a_lying_disk_has_lost_are_taken_up_again(tmp_path, out):
    go(out, plan_file(tmp_path), bench_files(tmp_path))
    before = cycles(out)
    with sqlite3.connect(
        out / JOURNAL
    ) as connection:  # the last ones, as when the log's end was never written
        connection.execute("DELETE FROM entries WHERE number > ?", (before[5].intent,))
    assert go(out, None, []).way == DONE
    after = cycles(out)
    assert [one.directory for one in after] == [one.directory for one in before]
    assert [one.outcome.result for one in after] == [one.outcome.result for one in before]
    assert [one.outcome.adopted for one in after] == [False] * 5 + [True] * 3


def test_a_strangers_folder_among_the_runs_is_named(tmp_path, out):
    tell(tmp_path, "sick.json", {"peer-1": 3})
    go(out, plan_file(tmp_path), bench_files(tmp_path))
    (out / "cycles" / "mine").mkdir()
    with pytest.raises(errors.CampaignError, match="mine"):
        go(out, None, [])


# ---- the command's own way: workers are new interpreters -------------------------------------------------------------

SESSION = """
import sys
from pathlib import Path
sys.path.insert(0, {tests!r})
from campaign_peers import bench_files, go, plan_file
from vkbench import interrupts
if __name__ == "__main__":
    folder = Path({folder!r})
    with interrupts.handled(lambda text: None):
        print(go(folder / "campaign", plan_file(folder), bench_files(folder)).way)
"""


@pytest.fixture
def session(tmp_path):
    """A conductor in a process group of its own, that waits in its third cycle."""
    tell(tmp_path, "trouble.json", {"3-1": "wait"})
    program = tmp_path / "session.py"
    program.write_text(SESSION.format(tests=str(Path(__file__).parent), folder=str(tmp_path)))
    process = subprocess.Popen(
        [sys.executable, program],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    until = time.monotonic() + LATEST_S
    while not (tmp_path / "3-1.waits").exists():
        assert process.poll() is None and time.monotonic() < until, process.communicate()
        time.sleep(0.02)
    yield process
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
    process.communicate()


def gone(group):
    """True when the process group has no member any more, in a moment."""
    until = time.monotonic() + LATEST_S
    while time.monotonic() < until:
        try:
            os.killpg(group, 0)
        except ProcessLookupError:
            return True
        time.sleep(0.02)
    return False


def test_a_ctrl_c_seals_what_is_under_way_and_leaves_no_process(session, tmp_path, out):
    os.killpg(session.pid, signal.SIGINT)  # as the terminal does, to the workers as well
    told, wrong = session.communicate(timeout=LATEST_S)
    assert (told.strip(), session.returncode) == ("interrupted", 0), wrong
    assert gone(session.pid)
    assert [entry.ended for entry in CampaignView(out).entries() if isinstance(entry, Session)] == [
        "",
        "interrupted",
    ]
    last = cycles(out)[-1]
    assert (last.outcome.error, last.outcome.counts) == ("Interrupted", False)
    assert not RunView(out / last.directory).check_manifest()
    tell(tmp_path, "trouble.json", {})
    assert go(out, None, [], limits=LIMITS).way == DONE
    assert [one.outcome.counts for one in attempts(out, 3)] == [False, True]


def test_workers_end_with_a_conductor_that_is_killed_and_seal_their_runs(session, tmp_path, out):
    session.kill()
    session.communicate(timeout=LATEST_S)
    tell(tmp_path, "trouble.json", {})
    said: list[str] = []
    assert go(out, None, [], lines=said).way == DONE  # it waits for the worker of the session that was killed
    first, second = attempts(out, 3)
    assert (first.outcome.error, first.outcome.adopted, first.outcome.counts) == ("Interrupted", True, False)
    assert second.outcome.counts
    assert gone(session.pid)


def test_a_second_conductor_is_refused_while_one_is_at_work(session, out):
    with pytest.raises(errors.UserError, match="another process conducts this campaign"):
        go(out, None, [])
    os.killpg(session.pid, signal.SIGTERM)
    session.communicate(timeout=LATEST_S)

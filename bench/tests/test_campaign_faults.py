# SPDX-License-Identifier: Apache-2.0
"""Whose fault a dead cycle is, what becomes of a sick bench or a dead worker, and what a full disk does."""

import inspect
import multiprocessing

import pytest
from campaign_peers import attempts, bench_files, cycles, go, plan_file, states, tell

from vkbench import errors
from vkbench.campaign.conduct import post
from vkbench.campaign.conduct.conductor import DONE, NO_BENCH, Limits
from vkbench.campaign.records.blame import FAULTS
from vkbench.campaign.records.journal import Journal
from vkbench.campaign.records.view import CampaignView
from vkbench.evidence import RunView


@pytest.fixture(autouse=True)
def _forks(monkeypatch):
    """A fork is quicker than a new interpreter; the command's own way is tested by test_campaign_conductor.py."""
    monkeypatch.setattr(post, "_SPAWN", multiprocessing.get_context("fork"))


@pytest.fixture
def out(tmp_path):
    return tmp_path / "campaign"


# ---- whose fault -----------------------------------------------------------------------------------------------------


def test_every_error_of_the_bench_has_somebody_to_blame():
    classes = {
        name
        for name, one in vars(errors).items()
        if inspect.isclass(one) and issubclass(one, errors.BenchError)
    }
    assert classes - FAULTS.keys() == set(), "bench/campaign/records/blame.py does not name them"
    assert set(FAULTS.values()) == {"bench", "server", "card"}


def test_an_instruments_error_is_the_benchs_and_a_servers_is_the_servers_but_for_silence():
    for name, one in vars(errors).items():
        if inspect.isclass(one) and issubclass(one, errors.InstrumentError) and name != "ConsoleTimeout":
            assert FAULTS[name] == "bench", name
        if inspect.isclass(one) and issubclass(one, errors.ServerError) and name != "StateUnclear":
            assert FAULTS[name] == ("card" if name == "DmaNotRunning" else "server"), name


# ---- faults ----------------------------------------------------------------------------------------------------------


def test_a_benchs_fault_is_repeated_elsewhere_and_a_servers_counts(tmp_path, out):
    tell(tmp_path, "trouble.json", {"2-1": "AnalyserSilent", "4-1": "NoPanic"})
    go(out, plan_file(tmp_path), bench_files(tmp_path, 2))
    first, second = attempts(out, 2)
    assert (first.outcome.fault, first.outcome.counts, first.outcome.result) == (
        "bench",
        False,
        "INCONCLUSIVE",
    )
    assert second.outcome.counts and second.bench != first.bench
    (only,) = attempts(out, 4)
    assert (only.outcome.fault, only.outcome.error, only.outcome.counts) == ("server", "NoPanic", True)
    assert only.outcome.result == "INCONCLUSIVE" and not only.outcome.rules
    assert RunView(out / first.directory).record.abort.error == "AnalyserSilent"


def test_when_no_repeat_is_left_a_benchs_fault_counts_as_inconclusive(tmp_path, out):
    tell(tmp_path, "trouble.json", {"2-1": "AnalyserSilent", "2-2": "ConsoleDead", "2-3": "BmcTimeout"})
    go(out, plan_file(tmp_path, give_up_after=9), bench_files(tmp_path))
    assert [(one.outcome.counts, one.outcome.result) for one in attempts(out, 2)] == [
        (False, "INCONCLUSIVE"),
        (False, "INCONCLUSIVE"),
        (True, "INCONCLUSIVE"),
    ]


def test_a_sick_bench_right_after_a_servers_fault_is_to_blame(tmp_path, out):
    tell(tmp_path, "trouble.json", {"1-1": "NoPanic"})
    tell(tmp_path, "sick.json", {})
    ended = go(out, plan_file(tmp_path), bench_files(tmp_path), watch=_SickAfter(tmp_path, slot=1))
    assert ended.way == DONE
    first, second = attempts(out, 1)
    assert first.outcome.fault == "bench" and "BMC: does not answer" in first.outcome.detail
    assert first.outcome.error == "NoPanic" and second.outcome.counts


class _SickAfter:
    """Makes the bench sick for one look, once a slot is under way."""

    def __init__(self, folder, slot):
        self.folder, self.slot, self.done = folder, slot, False

    def __call__(self, conductor):
        if not self.done and self.slot in conductor.work.open:
            self.done = True
            tell(self.folder, "sick.json", {"peer-1": 1})


def test_a_sick_bench_is_mended_once_and_given_up_after_three_looks(tmp_path, out):
    tell(tmp_path, "sick.json", {"peer-2": 99})
    tell(tmp_path, "mended.json", {"peer-2": True})
    assert go(out, plan_file(tmp_path), bench_files(tmp_path, 2)).way == DONE
    assert states(out, "peer-2") == ["online", "sick", "sick", "sick", "offline"]
    assert {one.bench for one in cycles(out)} == {"peer-1"}
    assert (tmp_path / "mended.txt").read_text() == "peer-2\n"


def test_a_bench_that_gets_well_goes_on(tmp_path, out):
    tell(tmp_path, "sick.json", {"peer-1": 2})
    assert go(out, plan_file(tmp_path), bench_files(tmp_path)).way == DONE
    assert states(out, "peer-1")[:4] == ["online", "sick", "sick", "healthy"]


def test_without_any_bench_it_stops_and_a_later_session_goes_on(tmp_path, out):
    benches = bench_files(tmp_path)
    tell(tmp_path, "sick.json", {"peer-1": 3})
    ended = go(out, plan_file(tmp_path), benches)
    assert ended.way == NO_BENCH and "does not answer" in ended.detail
    assert not cycles(out)
    assert go(out, None, []).way == DONE
    assert len(cycles(out)) == 8


def test_a_bench_whose_cycles_die_again_and_again_is_given_up_though_it_looks_well(tmp_path, out):
    tell(
        tmp_path,
        "trouble.json",
        {f"peer-1 {slot}-{n}": "AnalyserSilent" for slot in range(1, 9) for n in (1, 2, 3)},
    )
    assert go(out, plan_file(tmp_path), bench_files(tmp_path, 2)).way == DONE
    assert states(out, "peer-1")[-1] == "offline"
    assert all(one.bench == "peer-2" for one in cycles(out) if one.counts)


def test_a_dead_worker_is_the_benchs_fault_and_started_anew(tmp_path, out):
    tell(tmp_path, "trouble.json", {"3-1": "exit"})
    assert go(out, plan_file(tmp_path), bench_files(tmp_path)).way == DONE
    first, second = attempts(out, 3)
    assert (first.outcome.error, first.outcome.fault, first.outcome.counts) == ("WorkerDied", "bench", False)
    assert "ended with 7" in first.outcome.detail
    assert second.outcome.counts
    record = RunView(out / first.directory).record
    assert record.abort.error == "WorkerDied" and not RunView(out / first.directory).check_manifest()


def test_a_worker_that_says_nothing_is_ended(tmp_path, out):
    tell(tmp_path, "trouble.json", {"1-1": "wait"})
    limits = Limits(rest_s=0.05, silent_s=1.5, end_s=20, tick_s=0.1, free_bytes=0)
    assert go(out, plan_file(tmp_path, good=2, stock=1), bench_files(tmp_path), limits=limits).way == DONE
    first, _ = attempts(out, 1)
    assert first.outcome.error == "WorkerDied" and "nothing for 1.5 s" in first.outcome.detail


# ---- the disk --------------------------------------------------------------------------------------------------------


def test_a_full_disk_stops_the_campaign_and_a_later_session_loses_nothing(tmp_path, out):
    tell(tmp_path, "trouble.json", {"4-1": "full"})
    with pytest.raises(errors.CampaignError, match="No space left on device.*--resume"):
        go(out, plan_file(tmp_path), bench_files(tmp_path))
    assert len([one for one in cycles(out) if one.counts]) == 3
    assert go(out, None, []).way == DONE
    first, second = attempts(out, 4)
    assert first.outcome.error == "OSError" and first.outcome.adopted and not first.outcome.counts
    assert second.counts


@pytest.mark.parametrize("entry", [8, 9, 10, 11, 12])
def test_a_journal_that_takes_no_more_stops_it_and_a_later_session_loses_nothing(
    tmp_path, out, monkeypatch, entry
):
    write = Journal._write

    def full(self, statement, values):
        if "entries" in statement and values[0] >= entry:
            raise errors.CampaignError("cannot be written: database or disk is full", str(self.path))
        write(self, statement, values)

    with monkeypatch.context() as patch:
        patch.setattr(Journal, "_write", full)
        with pytest.raises(errors.CampaignError, match="disk is full"):
            go(out, plan_file(tmp_path, good=3, stock=1), bench_files(tmp_path, 2))
    assert not multiprocessing.active_children()
    before = list(CampaignView(out).lines())
    assert len(before) == entry - 1
    assert go(out, None, []).way == DONE
    assert list(CampaignView(out).lines())[: entry - 1] == before
    assert sorted(one.slot.number for one in cycles(out) if one.counts) == [1, 2, 3, 4]
    assert {one.directory for one in cycles(out)} == {
        f"cycles/{path.name}" for path in (out / "cycles").iterdir()
    }


def test_it_stops_before_the_disk_is_full(tmp_path, out):
    limits = Limits(rest_s=0.05, end_s=20, tick_s=0.1, free_bytes=1 << 60)
    with pytest.raises(errors.CampaignError, match="MiB are free"):
        go(out, plan_file(tmp_path), bench_files(tmp_path), limits=limits)
    assert not cycles(out)
    assert go(out, None, []).way == DONE

# SPDX-License-Identifier: Apache-2.0
"""``vkbench qualify`` on stand-ins: what it refuses, how it ends, and that the end can be repeated after a kill."""

import json
import multiprocessing

import pytest
import typer
from campaign_peers import HOOKS, bench_files, plan_file, tell
from typer.testing import CliRunner

from vkbench import errors
from vkbench.campaign.conduct import conclude, post, resume
from vkbench.campaign.conduct.conductor import OURS
from vkbench.campaign.records.view import CampaignView
from vkbench.campaign.trust.verify import verify
from vkbench.cli import qualify
from vkbench.evidence.campaign import JOURNAL, JOURNAL_LINES, SUMMARY_JSON
from vkbench.instruments import lock


@pytest.fixture
def command(tmp_path, monkeypatch):
    """Runs the command: its exit code and what it printed."""
    monkeypatch.setattr(post, "_SPAWN", multiprocessing.get_context("fork"))
    monkeypatch.setattr(qualify, "hooks", lambda wait_s: HOOKS)
    app = typer.Typer()
    app.command()(qualify.qualify)

    def run(*words):
        return CliRunner().invoke(app, [str(word) for word in words])

    return run


@pytest.fixture
def plain_reports(monkeypatch):
    """Without the report's pages, which take seconds."""

    def write(view, summary):
        (view.path / "report").mkdir(exist_ok=True)
        (view.path / "report" / "cycles.csv").write_text("slot\n")

    monkeypatch.setattr(conclude, "_write_reports", write)


def new(tmp_path, **values):
    (bench,) = bench_files(tmp_path)
    return [plan_file(tmp_path, **values), "--bench", bench.path, "--out", tmp_path / "campaign"]


def test_a_campaign_to_its_end_with_every_report(command, tmp_path):
    tell(tmp_path, "trouble.json", {"1-1": "AnalyserSilent", "2-1": "NoPanic", "3-1": "exit"})
    result = command(*new(tmp_path, good=3, stock=1), "--json")
    out = tmp_path / "campaign"
    told = json.loads(result.stdout)
    assert (result.exit_code, told["conformity"]) in (
        (0, "CONFORMS"),
        (1, "DOES NOT CONFORM"),
        (2, "NOT SHOWN"),
    )
    assert told == {"campaign": str(out), **json.loads((out / SUMMARY_JSON).read_text())}
    names = {entry.name for entry in (out / "report").iterdir()}
    assert names == {"report.html", "report.pdf", "junit.xml", "ocptv.jsonl", "cycles.csv"}
    view = CampaignView(out)
    assert view.sealed and not (out / JOURNAL).exists() and len(list(view.cycles())) == 6
    assert verify(out).differences == []
    again = command("--resume", "--out", out)
    assert again.exit_code == result.exit_code and told["conformity"] in again.stdout


def test_a_bench_that_is_sick_stops_it_with_4_and_it_goes_on(command, tmp_path, plain_reports):
    tell(tmp_path, "sick.json", {"peer-1": 3})
    stopped = command(*new(tmp_path, good=1, stock=1))
    assert stopped.exit_code == 4
    out = tmp_path / "campaign"
    assert not (out / SUMMARY_JSON).exists()
    assert command("--resume", "--out", out).exit_code in (0, 1, 2)
    assert (out / SUMMARY_JSON).exists()


def test_a_campaign_that_nobody_can_go_on_with_is_concluded_as_it_is(command, tmp_path, plain_reports):
    tell(tmp_path, "sick.json", {"peer-1": 3})
    assert command(*new(tmp_path, good=1, stock=1)).exit_code == 4
    out = tmp_path / "campaign"
    ended = command("--resume", "--finish", "--out", out, "--json")
    told = json.loads(ended.stdout)
    assert (ended.exit_code, told["conformity"], told["complete"]) == (2, "NOT SHOWN", False)
    assert CampaignView(out).sealed


@pytest.mark.parametrize("at", ["_write_lines", "_write_reports", "_seal"])
def test_a_kill_while_it_is_concluded_costs_nothing(command, tmp_path, plain_reports, monkeypatch, at):
    words = new(tmp_path, good=1, stock=1)
    out = tmp_path / "campaign"
    with monkeypatch.context() as patch:

        def killed(*_):
            raise SystemExit(137)

        patch.setattr(conclude, at, killed)
        assert command(*words).exit_code == 137
    assert not CampaignView(out).sealed
    lines = list(CampaignView(out).lines())
    assert command("--resume", "--out", out).exit_code in (0, 1, 2)
    assert CampaignView(out).sealed and list(CampaignView(out).lines()) == lines
    assert (out / JOURNAL_LINES).exists() and not (out / JOURNAL).exists()


def test_what_cannot_be_done_is_refused_and_leaves_no_folder(command, tmp_path, plain_reports):
    plan, *rest = new(tmp_path)
    plan.write_text(plan.read_text() + 'needs = ["a-lift"]\n')
    refused = command(plan, *rest)
    assert refused.exit_code == 3 and "lacks a-lift" in refused.output
    assert not (tmp_path / "campaign").exists()


def test_mistakes_in_the_command_line_are_the_users(command, tmp_path, plain_reports):
    plan, option, bench, _, out = new(tmp_path, good=1, stock=1)
    for words, said in (
        (["--out", out], "needs PLAN and --bench"),
        (["no-such-plan", option, bench, "--out", out], "no such plan"),
        ([plan, option, bench, option, bench, "--out", out], "two benches have the name"),
        (["--resume", "--out", out], "holds no campaign"),
        ([plan, option, bench, "--out", out, "--sign", tmp_path / "key"], "no such key"),
        ([plan, option, bench, "--out", tmp_path], "is not empty"),
    ):
        result = command(*words)
        assert result.exit_code == 3 and said in result.output, (words, result.output)
        assert not out.exists()


# ---- the virtual bench's processes -----------------------------------------------------------------------------------


class Provider:
    """Counts how often it is brought up and down."""

    def __init__(self, up):
        self.is_up, self.notes, self.done = up, ["a note"], []

    def up(self, progress=None):
        before, self.is_up = self.is_up, True
        self.done.append("up")
        return not before

    def down(self):
        self.is_up = False
        self.done.append("down")

    def status(self):
        return {"up": self.is_up}

    def inventory(self):
        return {"qemu": "8"}


@pytest.mark.parametrize(
    ("up", "ours", "left_up"), [(False, False, False), (True, False, True), (True, True, False)]
)
def test_a_bench_is_taken_down_by_whoever_brought_it_up(tmp_path, monkeypatch, up, ours, left_up):
    monkeypatch.setenv("VKBENCH_LOCKS", str(tmp_path))
    provider = Provider(up)
    monkeypatch.setattr(qualify.common, "provider_of", lambda bench: provider)
    (bench,) = bench_files(tmp_path)
    assert qualify.is_up(bench) is up
    with qualify.hold(0.0, bench, ours, print):
        assert provider.is_up
        with pytest.raises(errors.BenchBusy), monkeypatch.context() as patch:
            patch.setattr(lock, "_line_of_descent", set)  # as another process sees it
            with qualify.hold(0.0, bench, False, print):
                pass
        assert qualify.mend(bench) and provider.done[-2:] == ["down", "up"]
        assert qualify.surroundings(bench).inventory == {"virtual_bench": {"qemu": "8"}}
    assert provider.is_up is left_up


def test_a_real_bench_has_no_processes_to_mend(tmp_path, monkeypatch):
    monkeypatch.setattr(qualify.common, "provider_of", lambda bench: None)
    (bench,) = bench_files(tmp_path)
    assert qualify.is_up(bench) and not qualify.mend(bench)
    assert qualify.surroundings(bench).inventory == {}


@pytest.mark.parametrize(
    ("ours", "busy", "up"), [(True, False, False), (False, False, True), (True, True, True)]
)
def test_what_a_killed_session_left_up_is_taken_down_at_the_end(
    command, tmp_path, plain_reports, monkeypatch, ours, busy, up
):
    """But not what the campaign did not bring up, nor what somebody has by now."""
    out = tmp_path / "campaign"
    journal, _ = resume.begin(out, plan_file(tmp_path, good=1, stock=1), bench_files(tmp_path))
    with journal:
        if ours:
            journal.note(f"{OURS}peer-1", "1")
    provider = Provider(True)
    monkeypatch.setattr(qualify.common, "provider_of", lambda bench: provider)
    if busy:

        def has(*_):
            raise errors.BenchBusy("somebody has it")

        monkeypatch.setattr(lock, "taken", has)
    ended = command("--resume", "--finish", "--out", out)
    assert (ended.exit_code, provider.is_up) == (2, up), ended.output
    assert ("taken down" in ended.output) is not up
    assert ("stays up" in ended.output) is busy

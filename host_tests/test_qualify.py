# SPDX-License-Identifier: Apache-2.0
"""A tiny campaign on a bench: interrupted in the middle of a cycle, gone on with, concluded, checked."""

from __future__ import annotations

import json
import signal
import time
from pathlib import Path

import pytest

LIMIT_S = 240
PLAN = """\
name = "tiny"
title = "Two cycles and a control"
seed = 1
rules = ["VKB-JUMP-001", "VKB-HALT-001", "VKB-MEM-001", "VKB-PATH-001"]
[[configuration]]
name = "good"
scenario = "panic-post-notifiers"
n = 2
[[configuration]]
name = "stock"
scenario = "panic-stock"
n = 1
"""
#: Exit code of a campaign that was stopped, and can be gone on with.
STOPPED = 4


@pytest.fixture(scope="module")
def campaign(vkbench, module_directory: Path) -> Path:
    """A campaign that a Ctrl-C stopped in its second cycle, and a second session brought to its end."""
    module_directory.mkdir(parents=True, exist_ok=True)
    plan, out = module_directory / "tiny.toml", module_directory / "campaign"
    plan.write_text(PLAN)
    process = vkbench.start("qualify", plan, "--bench", vkbench.bench, "--out", out)
    until = time.monotonic() + LIMIT_S
    second = out / "cycles" / "000002-1" / "console.raw"
    while not (second.exists() and second.stat().st_size):
        assert process.poll() is None and time.monotonic() < until, process.communicate()
        time.sleep(0.1)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=LIMIT_S)
    assert process.returncode == STOPPED and "--resume" in said, said
    result = vkbench("qualify", "--resume", "--out", out, "--json", timeout=LIMIT_S)
    assert result.stdout, result.stderr
    (out.parent / "result.json").write_text(json.dumps({"code": result.code, **result.data}))
    return out


def test_every_cycle_counts_once_and_the_interrupted_one_is_kept(campaign: Path) -> None:
    entries = [json.loads(line) for line in (campaign / "journal.jsonl").open()]
    outcomes = [entry for entry in entries if entry["kind"] == "outcome"]
    assert sorted(entry["slot"] for entry in outcomes if entry["counts"]) == [1, 2, 3]
    (died,) = [entry for entry in outcomes if not entry["counts"]]
    assert (died["slot"], died["error"], died["fault"]) == (2, "Interrupted", "bench")
    run = json.loads((campaign / "cycles" / "000002-1" / "run.json").read_text())
    assert run["status"] == "aborted" and (campaign / "cycles" / "000002-1" / "manifest.sha256").exists()


def test_the_good_cycles_pass_and_the_control_is_caught(campaign: Path) -> None:
    summary = json.loads((campaign.parent / "result.json").read_text())
    counts = {row["name"]: row["counts"] for row in summary["configurations"]}
    assert (counts["good"]["passed"], counts["stock"]["failed"], counts["stock"]["as_expected"]) == (2, 1, 1)
    assert summary["conformity"] == "CONFORMS" and summary["code"] == 0, summary["statement"]
    assert summary["deviations"], "the interrupted cycle must be told"


def test_a_stranger_can_check_it(vkbench, campaign: Path) -> None:
    names = {entry.name for entry in (campaign / "report").iterdir()}
    assert names == {"report.html", "report.pdf", "junit.xml", "ocptv.jsonl", "cycles.csv"}
    assert not list(campaign.glob("journal.sqlite*"))
    checked = vkbench("verify", campaign, timeout=LIMIT_S)
    assert checked.code == 0, checked.stdout


def test_nothing_more_is_made_when_it_is_done(vkbench, campaign: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in campaign.rglob("*")}
    again = vkbench("qualify", "--resume", "--out", campaign, timeout=LIMIT_S)
    assert again.code == 0 and "CONFORMS" in again.stdout, again.stderr
    assert {path: path.stat().st_mtime_ns for path in campaign.rglob("*")} == before
    refused = vkbench("qualify", "quick", "--bench", vkbench.bench, "--out", campaign)
    assert refused.code == 3 and "is not empty" in refused.stderr

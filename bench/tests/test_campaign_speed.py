# SPDX-License-Identifier: Apache-2.0
"""The campaign that the benchmark measures is one: its journal is right, its cycles count, its evidence is read."""

import os
from pathlib import Path

import pytest

from vkbench.campaign import speed
from vkbench.campaign.records.view import CampaignView
from vkbench.evidence.campaign import CYCLES, REPORTS

CAPTURES = Path(__file__).resolve().parents[2] / "fixtures/captures"


@pytest.fixture(scope="module")
def campaign(tmp_path_factory):
    path = tmp_path_factory.mktemp("long") / "campaign"
    speed.lengthen(CAPTURES / "panic-post-notifiers", CAPTURES / "panic-stock", path, 40)
    return path


def test_its_journal_is_right_and_every_cycle_counts(campaign):
    view = CampaignView(campaign)
    assert view.check_chain() == 2 * 40 + 2
    cycles = list(view.cycles())
    assert len(cycles) == 40
    assert all(cycle.counts and cycle.outcome.fate == "judged" for cycle in cycles)
    assert {cycle.outcome.result for cycle in cycles} == {"PASS", "FAIL"}
    assert len({cycle.outcome.measures["panic_to_jump"] for cycle in cycles}) > 30


def test_its_evidence_takes_the_room_of_two_runs(campaign):
    files = [file for run in os.scandir(campaign / CYCLES) for file in os.scandir(run.path)]
    assert len({file.stat().st_ino for file in files}) == 2 * 8
    assert len(files) == 40 * 8


def test_it_is_reported_in_a_process_of_its_own(campaign):
    found = speed.measure(campaign)
    assert found.cycles == 40
    assert found.evidence_bytes > 40 * 200_000
    assert set(found.seconds) == {"summary", "report", "junit", "ocp", "table"}
    assert found.exports_s > 0
    assert found.bytes.keys() == {"report.html", "report.pdf", "junit.xml", "ocptv.jsonl", "cycles.csv"}
    assert 50 << 20 < found.peak_bytes < 500 << 20
    assert all((campaign / REPORTS / name).stat().st_size == size for name, size in found.bytes.items())

# SPDX-License-Identifier: Apache-2.0
"""The recorded runs in fixtures/captures: real evidence, whose verdicts are recomputed from the files each time."""

import json
import shutil
from pathlib import Path

import pytest

from vkbench.verdict import verify

CAPTURES = Path(__file__).resolve().parents[2] / "fixtures" / "captures"
EXPECTED = {
    "panic-stock": {"VKB-JUMP-001": "FAIL", "VKB-HALT-001": "INCONCLUSIVE", "VKB-MEM-001": "FAIL"},
    "panic-post-notifiers": {"VKB-JUMP-001": "PASS", "VKB-HALT-001": "PASS", "VKB-MEM-001": "PASS"},
}


def test_each_recorded_run_has_an_expectation():
    assert {path.name for path in CAPTURES.iterdir() if path.is_dir()} == set(EXPECTED)


@pytest.mark.parametrize("name", EXPECTED)
def test_the_recomputed_verdict_is_the_recorded_one(name):
    result = verify(CAPTURES / name)
    assert result.ok, result.differences
    assert {rule.id: rule.result for rule in result.verdict.rules} == EXPECTED[name]
    assert result.verdict.as_expected


def test_a_recorded_run_with_another_clock_gets_another_verdict(tmp_path):
    """The recomputation is real: a larger uncertainty in run.json takes the PASS away, and verify names the files."""
    run = tmp_path / "run"
    shutil.copytree(CAPTURES / "panic-post-notifiers", run)
    record = json.loads((run / "run.json").read_text())
    record["uncertainty"]["order_s"] = 1.0
    (run / "run.json").write_text(json.dumps(record))
    result = verify(run)
    assert not result.ok
    assert result.verdict.overall == "INCONCLUSIVE"
    assert any("run.json" in difference for difference in result.differences)

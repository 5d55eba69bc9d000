# SPDX-License-Identifier: Apache-2.0
"""verify: the stored verdict follows from the unchanged files, or each difference is named."""

import json
import random
import re

import pytest
from synthetic_run import post_notifiers, stock

from vkbench.capture import vkc
from vkbench.evidence import EvidenceError, RunDirectory
from vkbench.verdict import judge, load, verify
from vkbench.verdict.model import RULES_VERSION


@pytest.fixture(params=[post_notifiers, stock], ids=["post_notifiers", "stock"])
def run(request, tmp_path):
    return request.param().save(tmp_path / "run")


def reseal(path):
    """As a forger would: a new manifest over changed files."""
    (path / "manifest.sha256").unlink()
    RunDirectory(path).seal()


def test_an_untouched_run_verifies(run):
    verification = verify(run)
    assert verification.ok and verification.differences == []
    assert verification.verdict == verification.stored == judge(run)


def test_a_run_verifies_from_another_place(run, tmp_path):
    moved = run.rename(tmp_path / "elsewhere")
    assert verify(moved).ok


def test_one_changed_byte_in_any_file_is_named(run):
    rng = random.Random(4)
    for file in sorted(run.iterdir()):
        data = file.read_bytes()
        for _ in range(6):
            changed = bytearray(data)
            changed[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
            file.write_bytes(changed)
            verification = verify(run)
            named = any(file.name in d for d in verification.differences)
            # A letter changed in the manifest changes a file's name there: that file is named.
            assert not verification.ok and (named or file.name == "manifest.sha256"), file.name
        file.write_bytes(data)
    assert verify(run).ok


def test_a_damaged_capture_is_named_by_block_even_under_a_new_manifest(run):
    data = bytearray((run / "capture.vkc").read_bytes())
    data[-200] ^= 1
    (run / "capture.vkc").write_bytes(data)
    reseal(run)
    with pytest.raises(vkc.CaptureError):
        judge(run)
    assert any(re.search(r"capture\.vkc: block \d: the CRC is wrong", d) for d in verify(run).differences)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("overall",), "INCONCLUSIVE"),
        (("rules", 0, "value"), 0.25),
        (("rules", 1, "limit"), 5),
        (("rules", 2, "reason"), "All is well."),
        (("as_expected",), False),
        (("timeline", 0, "timestamp"), 1),
        (("rules_version",), 0),
        (("uncertainty", "cycles"), 1),
    ],
)
def test_an_edited_verdict_is_found_even_under_a_new_manifest(run, path, value):
    verdict = json.loads((run / "verdict.json").read_bytes())
    place = verdict
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value
    (run / "verdict.json").write_text(json.dumps(verdict))
    reseal(run)
    differences = verify(run).differences
    assert differences and all(d.startswith("verdict.json") for d in differences)
    assert any(str(path[-1]) in d or "rules version" in d for d in differences)


@pytest.mark.parametrize("name", ["capture.vkc", "memory.json", "run.json", "verdict.json"])
def test_a_missing_file_is_named(run, name):
    (run / name).unlink()
    assert any(name in d and "missing" in d for d in verify(run).differences)


@pytest.mark.parametrize("name", ["run.json", "memory.json", "verdict.json"])
@pytest.mark.parametrize("text", ["", "{", "[]", '{"schema": 2}', "\xff"])
def test_a_broken_json_file_is_an_error_that_names_it_and_no_traceback(run, name, text):
    (run / name).write_bytes(text.encode("latin-1"))
    reseal(run)
    assert any(name in d for d in verify(run).differences)


def test_a_run_without_a_capture_is_judged_inconclusive(run):
    (run / "capture.vkc").unlink()
    verdict = judge(run)
    assert verdict.overall == "INCONCLUSIVE" and "no capture" in verdict.rules[0].reason
    assert verdict.timeline == [] and verdict.uncertainty is None


def test_a_run_that_was_never_sealed_does_not_verify(run):
    (run / "manifest.sha256").unlink()
    assert "never sealed" in verify(run).differences[0]


def test_a_run_aborted_before_it_was_judged_verifies_as_inconclusive(tmp_path):
    run = RunDirectory.create(tmp_path / "run")
    run.abort("Timeout", "no login prompt")
    verification = verify(run.path)
    assert verification.ok and verification.stored is None
    assert (
        verification.verdict.overall == "INCONCLUSIVE"
        and "no login prompt" in verification.verdict.rules[0].reason
    )


def test_a_verdict_removed_from_an_aborted_run_is_named(tmp_path):
    story = stock()
    story.record["status"] = "aborted"
    run = story.save(tmp_path / "run")
    assert verify(run).ok
    (run / "verdict.json").unlink()
    assert any("verdict.json" in d for d in verify(run).differences)


def test_verify_of_no_run_directory_says_so(tmp_path):
    with pytest.raises(EvidenceError, match="no run directory"):
        verify(tmp_path / "none")


def test_a_capture_without_records_is_judged_inconclusive(tmp_path):
    story = stock()
    story.entries.clear()
    run = story.save(tmp_path / "run")
    assert verify(run).ok and judge(run).overall == "INCONCLUSIVE"


def test_a_verdict_of_earlier_rules_is_as_good_when_it_is_the_same(run):
    verdict = json.loads((run / "verdict.json").read_bytes())
    verdict["rules_version"] = 1
    (run / "verdict.json").write_text(json.dumps(verdict))
    reseal(run)
    assert verify(run).ok
    verdict["rules"][0]["result"] = "INCONCLUSIVE"
    (run / "verdict.json").write_text(json.dumps(verdict))
    reseal(run)
    differences = verify(run).differences
    assert f"made by rules version 1; this program has {RULES_VERSION}" in differences[0]
    assert len(differences) == 2 and "rules[0].result" in differences[1]


def test_damage_is_known_as_soon_as_a_run_is_loaded(run):
    data = bytearray((run / "capture.vkc").read_bytes())
    data[-200] ^= 1
    (run / "capture.vkc").write_bytes(data)
    with pytest.raises(vkc.CaptureError, match="the CRC is wrong"):
        load(run)

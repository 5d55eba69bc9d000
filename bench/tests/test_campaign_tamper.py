# SPDX-License-Identifier: Apache-2.0
"""verify of a campaign: each kind of file flipped, truncated, taken away, added, exchanged."""

import shutil

import pytest
from campaign_forger import (
    KINDS,
    MANIFEST,
    campaign,
    conclude,
    differences,
    journal,
    keys,
    named,
    original,
    outcomes,
    place,
    rechain,
)

from vkbench.campaign.trust.verify import verify
from vkbench.evidence import EvidenceError, RunDirectory

__all__ = ["campaign", "keys", "original"]  # fixtures


@pytest.mark.parametrize("kind", KINDS)
def test_a_flipped_byte_is_named(campaign, kind):
    name = place(campaign, kind)
    data = bytearray((campaign / name).read_bytes())
    data[len(data) // 2] ^= 1
    (campaign / name).write_bytes(data)
    hit, found = named(campaign, "" if kind == MANIFEST else name)
    assert hit and found, found


@pytest.mark.parametrize("kind", KINDS)
def test_a_truncated_file_is_named(campaign, kind):
    name = place(campaign, kind)
    data = (campaign / name).read_bytes()
    (campaign / name).write_bytes(data[: len(data) * 2 // 3])
    hit, found = named(campaign, "" if kind == MANIFEST else name)
    assert hit, found


@pytest.mark.parametrize("kind", [*KINDS, "RUN"])
def test_a_file_that_is_gone_is_named(campaign, kind):
    name = place(campaign, kind)
    if kind == "plan.json":
        (campaign / name).unlink()
        with pytest.raises(EvidenceError, match=r"has no plan\.json"):
            verify(campaign)
        return
    shutil.rmtree(campaign / name) if kind == "RUN" else (campaign / name).unlink()
    hit, found = named(campaign, name)
    assert hit, found


@pytest.mark.parametrize(
    "name", ["more.txt", "report/more.html", "benches/more.toml", "RUN/more.json", "cycles/000099-1/run.json", "more/x",
             "cycles/more", ".hidden", "report/deep/x"]
)  # fmt: skip
def test_an_added_file_is_named(campaign, name):
    name = place(campaign, name)
    (campaign / name).parent.mkdir(exist_ok=True)
    (campaign / name).write_text("added")
    found = differences(campaign)
    assert any(one.startswith((name, name.rpartition("/")[0] or name)) for one in found), found


def test_two_runs_that_changed_places_are_both_named(campaign):
    one, other = (campaign / outcomes(campaign, fate="judged")[i][1] for i in (0, 3))
    one.rename(campaign / "x")
    other.rename(one)
    (campaign / "x").rename(other)
    found = differences(campaign)
    for path in (one, other):
        assert any(d.startswith(f"cycles/{path.name}/{MANIFEST}: changed after sealing") for d in found), (
            found
        )
        assert any(d.startswith(f"cycles/{path.name}: started_utc") for d in found), found


def test_a_run_replaced_by_a_copy_of_a_good_one_is_named_even_when_all_hashes_are_made_anew(campaign):
    bad, bad_path = outcomes(campaign, result="FAIL", as_expected=False)[0]
    good, good_path = outcomes(campaign, result="PASS")[0]
    shutil.rmtree(campaign / bad_path)
    shutil.copytree(campaign / good_path, campaign / bad_path)
    assert any(one.startswith(bad_path) for one in differences(campaign))
    found = journal(campaign)
    for entry in found:
        if entry["kind"] == "outcome" and (entry["slot"], entry["attempt"]) == (bad["slot"], bad["attempt"]):
            entry |= {
                key: good[key] for key in good if key not in ("slot", "attempt", "at", "number", "chain")
            }
    rechain(campaign, found)
    conclude(campaign)
    found = differences(campaign)
    assert any("is the same run as" in one for one in found), found


# ---- a run that nobody sealed ------------------------------------------------------------------------------


@pytest.mark.parametrize("change", ["none", "flip", "delete", "add", "seal"])
def test_files_of_a_run_that_was_never_sealed_are_vouched_for_one_by_one(campaign, change):
    dead, name = outcomes(campaign, fate="died")[0]
    path = campaign / name
    (path / MANIFEST).unlink()
    found = journal(campaign)
    found[dead["number"] - 1]["manifest_sha256"] = ""
    rechain(campaign, found)
    conclude(campaign)
    assert f"{name}/run.json" in (campaign / MANIFEST).read_text()
    if change == "flip":
        (path / "console.raw").write_bytes(b"x" + (path / "console.raw").read_bytes()[1:])
    elif change == "delete":
        (path / "run.json").unlink()
    elif change == "add":
        (path / "more.json").write_text("{}")
    elif change == "seal":
        RunDirectory(path).seal()
    wrong = [one for one in differences(campaign) if one.startswith(name)]
    assert bool(wrong) == (change != "none"), wrong

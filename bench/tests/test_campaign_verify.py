# SPDX-License-Identifier: Apache-2.0
"""verify of a campaign: what fits is found to fit, what does not is named; what only a signature shows, only it shows."""

import json
import shutil
import subprocess
from pathlib import Path

import pytest
from campaign_forger import (
    MANIFEST,
    SIGNED,
    campaign,
    conclude,
    differences,
    journal,
    keys,
    named,
    original,
    outcomes,
    rechain,
    reseal,
)
from synthetic_run import post_notifiers

from vkbench import cli
from vkbench.campaign.records.outcome import outcome_of
from vkbench.campaign.records.view import CampaignView
from vkbench.campaign.trust import verify as verify_module
from vkbench.campaign.trust.verify import verify
from vkbench.evidence import RunDirectory, sha256_of, to_json

__all__ = ["campaign", "keys", "original"]  # fixtures


# ---- untouched ---------------------------------------------------------------------------------------------


def test_the_campaign_has_what_these_tests_need(original):
    assert outcomes(original, fate="died", counts=False) and outcomes(
        original, result="FAIL", as_expected=False
    )


def test_an_untouched_campaign_verifies_anywhere_under_any_name(original, keys, tmp_path):
    moved = Path(shutil.copytree(original, tmp_path / "other name & <place>"))
    for path in (original, moved):
        found = verify(path, keys[0], workers=1)
        assert found.differences == [] and found.ok
        assert found.attempts == found.runs == len(outcomes(path)) and found.bytes > 100_000
        assert found.conformity == "DOES NOT CONFORM" and "synthetic" in found.signature


def test_coreutils_alone_check_the_hashes(original):
    for folder in (original, original / outcomes(original)[0][1]):
        done = subprocess.run(["sha256sum", "--quiet", "--strict", "-c", MANIFEST], cwd=folder, check=False)
        assert done.returncode == 0


def test_progress_ends_at_the_number_of_attempts(original):
    seen = []
    verify(original, workers=1, progress=lambda done, total: seen.append((done, total)))
    assert seen[-1] == (len(outcomes(original)),) * 2 and seen == sorted(seen)


def test_processes_side_by_side_find_the_same(campaign):
    (campaign / outcomes(campaign)[2][1] / "run.json").write_text("{")
    (campaign / outcomes(campaign)[4][1] / "console.raw").unlink()
    alone, together = verify(campaign, workers=1), verify(campaign, workers=2)
    assert sorted(alone.differences) == sorted(together.differences) and alone.runs == together.runs


# ---- forgeries that fit in themselves ----------------------------------------------------------------------


def test_a_failing_cycle_that_is_taken_out_leaves_its_slot_empty(campaign, keys):
    bad, path = outcomes(campaign, result="FAIL", as_expected=False)[0]
    left = [one for one in journal(campaign) if one.get("slot") != bad["slot"]]
    for attempt in (campaign / "cycles").glob(f"{bad['slot']:06}-*"):
        shutil.rmtree(attempt)
    rechain(campaign, left)
    conclude(campaign)
    found = differences(campaign)
    assert found and all("no attempt counts of slots" in one for one in found), found


def test_what_fits_in_itself_is_shown_by_the_signature_alone(campaign, keys):
    """The failing run is replaced by a made-up one, and everything else is written anew: only the key was missing."""
    bad, path = outcomes(campaign, result="FAIL", as_expected=False)[0]
    record = json.loads((campaign / path / "run.json").read_bytes())
    shutil.rmtree(campaign / path)
    story = post_notifiers()
    story.record = {key: value for key, value in record.items() if key != "masked"}
    story.save(campaign / path)
    view = CampaignView(campaign)
    slot = view.slots[bad["slot"]]
    configuration = next(one for one in view.plan.configurations if one.name == slot.configuration)
    made_up = outcome_of(campaign / path, configuration, bad["slot"], bad["attempt"]).model_dump(mode="json")
    assert made_up["result"] == "PASS"
    found = journal(campaign)
    for entry in found:
        if entry["number"] == bad["number"]:
            entry |= {
                key: made_up[key] for key in made_up if key not in ("number", "at", "chain", "around_s")
            }
            entry["counts"] = True
    rechain(campaign, found)
    conclude(campaign)
    assert differences(campaign) == [], "without a key nothing is wrong with it"
    (only,) = differences(campaign, keys[0])
    assert only.startswith(f"{SIGNED}: is no signature of {MANIFEST} by the key")


def test_an_edited_summary_is_found_under_a_new_manifest(campaign):
    stored = json.loads((campaign / "summary.json").read_bytes())
    stored["conformity"] = "CONFORMS"
    stored["configurations"][0]["bound"]["at_least"] += 1e-6
    (campaign / "summary.json").write_bytes(to_json(stored))
    reseal(campaign)
    found = differences(campaign)
    assert any(
        "summary.json: conformity: stored 'CONFORMS', recomputed 'DOES NOT CONFORM'" in one for one in found
    )
    assert any("summary.json: configurations[0].bound.at_least: stored" in one for one in found)


def test_another_version_of_this_program_is_named_with_what_it_computes_otherwise(campaign, monkeypatch):
    monkeypatch.setattr(verify_module, "__version__", "99")
    assert differences(campaign) == [], "that it is another one is no difference in itself"
    stored = json.loads((campaign / "summary.json").read_bytes())
    stored["statement"][0] = "Worded otherwise."
    (campaign / "summary.json").write_bytes(to_json(stored))
    reseal(campaign)
    assert "summary.json: made by vkbench 0.1.0; this is 99" in differences(campaign)[0]


@pytest.mark.parametrize("name", ["report.html", "junit.xml", "ocptv.jsonl", "cycles.csv"])
def test_an_edited_report_is_found_under_a_new_manifest(campaign, name):
    path = campaign / "report" / name
    text = path.read_text()
    path.write_text(text.replace("FAIL", "PASS", 1) if "FAIL" in text else text.replace("fail", "pass", 1))
    assert path.read_text() != text
    reseal(campaign)
    (only,) = differences(campaign)
    assert only.startswith(f"report/{name}:") and "does not follow" in only


def test_an_edited_pdf_is_shown_by_the_signature_alone(campaign, keys):
    (campaign / "report/report.pdf").write_bytes(b"%PDF-1.7 all is well\n")
    reseal(campaign)
    assert differences(campaign) == [] and SIGNED in differences(campaign, keys[0])[0]


def test_an_edited_verdict_is_found_under_new_manifests_and_a_new_journal(campaign):
    bad, path = outcomes(campaign, result="FAIL", as_expected=False)[0]
    verdict = json.loads((campaign / path / "verdict.json").read_bytes())
    verdict["overall"], verdict["as_expected"] = "PASS", True
    for rule in verdict["rules"]:
        rule["result"] = "PASS"
    (campaign / path / "verdict.json").write_bytes(to_json(verdict))
    (campaign / path / MANIFEST).unlink()
    RunDirectory(campaign / path).seal()
    found = journal(campaign)
    for entry in found:
        if entry["number"] == bad["number"]:
            entry |= {
                "result": "PASS",
                "as_expected": True,
                "manifest_sha256": sha256_of(campaign / path / MANIFEST),
            }
            entry["rules"] = [{**rule, "result": "PASS"} for rule in entry["rules"]]
    rechain(campaign, found)
    conclude(campaign)
    hit, found = named(campaign, f"{path}/verdict.json: overall: stored 'PASS', recomputed 'FAIL'")
    assert hit, found


def test_a_changed_plan_is_found_under_a_new_manifest(campaign):
    for name in ("plan.json", "plan.toml"):
        before = (campaign / name).read_text()
        (campaign / name).write_text(
            before.replace("0.9", "0.5", 1) if "0.9" in before else before + "# more\n"
        )
        assert (campaign / name).read_text() != before
        reseal(campaign)
        hit, found = named(campaign, "plan.json")
        assert hit, found
        (campaign / name).write_text(before)


def changed(**values):
    def edit(found, at):
        found[at] |= values

    return edit


def twice(found, at):
    found.insert(at, dict(found[at]))


def gone(found, at):
    del found[at]


#: which entry, what is done to it, and what verify says. The manifests fit, summary and reports are made anew.
JOURNAL = [
    ("judged", changed(counts=False), "judged, and yet it does not count"),
    ("judged", changed(result="INCONCLUSIVE"), "result: the journal says 'INCONCLUSIVE', the evidence"),
    ("judged", changed(as_expected=False), "as_expected: the journal says False"),
    ("judged", changed(measures={}), "measures: the journal says {}"),
    ("judged", changed(rules=[]), "rules: the journal says []"),
    ("judged", changed(facts={"kernel": "6.6"}), "facts: the journal says"),
    ("judged", changed(manifest_sha256="ab" * 32), "manifest_sha256: the journal says 'abab"),
    ("judged", changed(started_utc="2026-11-20T10:00:00+00:00"), "started_utc: the journal says"),
    ("judged", twice, "ended without a beginning, or twice"),
    ("judged", gone, "has no outcome"),
    ("died", changed(counts=True), "counts, though it must be repeated"),
    ("died", changed(fault="server", counts=True), "is the fault of the bench, not 'server'"),
    ("died", changed(error="NoPanic"), "error: the journal says 'NoPanic'"),
    ("died", changed(result="PASS"), "died, and yet its result is PASS"),
    ("died", changed(fate="judged", fault="", counts=True), "fate: the journal says 'judged'"),
    ("intent", changed(attempt=2), "attempt 1 was to come"),
    ("intent", changed(slot=9999), "the plan has no such slot"),
    ("intent", changed(bench="another"), "bench: the journal says 'another'"),
    ("intent", changed(directory="../../../etc"), "the directory '../../../etc' is another's"),
    ("intent", gone, "ended without a beginning"),
    ("intent", twice, "begun while the attempt before it had not ended"),
    ("registered", changed(plan_sha256="00" * 32), "another plan was registered"),
    ("registered", changed(slots=3), "3 slots were registered, the plan has"),
    ("registered", gone, "comes before the plan was registered"),
    ("stopped", gone, "does not say why the campaign was stopped"),
    ("stopped", changed(reason="failure"), "stopped for a failure, but"),
    ("stopped", twice, "after the campaign was stopped"),
    ("online", changed(file_sha256="ab" * 32), "benches/virtual-1.toml: is not the bench file"),
]


@pytest.mark.parametrize(("which", "edit", "said"), JOURNAL, ids=[f"{a}-{c[:20]}" for a, _, c in JOURNAL])
def test_a_journal_that_does_not_fit_evidence_or_rules_is_named(campaign, which, edit, said):
    found = journal(campaign)

    def is_it(entry):
        return which in (entry["kind"], entry.get("fate"), entry.get("state"))

    edit(found, next(at for at, entry in enumerate(found) if is_it(entry)))
    rechain(campaign, found)
    reseal(campaign)
    assert any(said in one for one in differences(campaign)), differences(campaign)


def test_an_entry_without_a_new_chain_is_named_and_the_rest_is_still_checked(campaign):
    text = (campaign / "journal.jsonl").read_text().splitlines()
    text[6], text[7] = text[7], text[6]
    (campaign / "journal.jsonl").write_text("\n".join(text) + "\n")
    (campaign / outcomes(campaign, fate="judged")[-1][1] / "run.json").write_text("{}")
    found = differences(campaign)
    assert any(one.startswith("journal.jsonl:7: has the number 8") for one in found), found
    assert any(one.startswith("journal.jsonl:8: its chain") for one in found)
    assert any("/run.json" in one for one in found), "what comes after it is checked all the same"


# ---- commands ----------------------------------------------------------------------------------------------


@pytest.fixture
def vkbench(capsys):
    def run(*words):
        code = cli.run_app([str(word) for word in words])
        return code, *capsys.readouterr()

    return run


def test_the_command_knows_runs_and_campaigns(original, keys, vkbench):
    run = original / outcomes(original, result="PASS")[0][1]
    code, stdout, _ = vkbench("verify", original, run)
    assert code == 1 and "the signature was not checked" in stdout and "DOES NOT CONFORM" in stdout
    code, stdout, _ = vkbench("verify", original, "--public-key", keys[0], "--json")
    (found,) = json.loads(stdout)
    assert code == 1 and found["ok"] and found["signature"] and found["conformity"] == "DOES NOT CONFORM"
    code, _, stderr = vkbench("verify", run, "--public-key", keys[0])
    assert code == 3 and "only campaigns are signed" in stderr


def test_the_command_ends_with_3_when_something_was_changed(campaign, vkbench):
    (campaign / "summary.json").write_text("{}")
    code, stdout, stderr = vkbench("verify", campaign)
    assert (
        code == 3 and "summary.json: changed after sealing" in stdout and "Traceback" not in stdout + stderr
    )
    assert "do not rely on this campaign" in stdout


def test_report_makes_the_page_anew(original, tmp_path, vkbench):
    code, stdout, stderr = vkbench("report", original, "-o", tmp_path / "again.html")
    assert code == 0 and stdout.strip() == str(tmp_path / "again.html"), stderr
    assert list(tmp_path.iterdir()) == [tmp_path / "again.html"]
    code, _, stderr = vkbench("report", original, "-o", tmp_path / "again.txt")
    assert code == 3 and "neither .html nor .pdf" in stderr


def test_report_of_a_summary_that_is_none_says_so(campaign, tmp_path, vkbench):
    (campaign / "summary.json").write_text("{}")
    code, _, stderr = vkbench("report", campaign, "-o", tmp_path / "x.html")
    assert code == 3 and "summary.json: plan_name: Field required" in stderr
    (campaign / "summary.json").unlink()  # as while it goes on
    code, _, stderr = vkbench("report", campaign, "-o", tmp_path / "x.html")
    assert code == 0 and (tmp_path / "x.html").exists(), stderr

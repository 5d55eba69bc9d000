# SPDX-License-Identifier: Apache-2.0
"""A sealed and signed campaign, and what a forger does to it: he may do everything but sign. Manifests, journal chains,
summaries and reports he writes anew.
"""

import json
import shutil
import subprocess
from pathlib import Path

import pytest
import synthetic_campaign

from vkbench.campaign.figures import summary
from vkbench.campaign.records import entries as lines
from vkbench.campaign.records.view import CampaignView
from vkbench.campaign.trust import seal, signature
from vkbench.campaign.trust.verify import verify
from vkbench.evidence import atomic_write, to_json
from vkbench.report import qualification
from vkbench.report.exports import junit, ocp, table

SHAPE = {"cycles": 10, "seed": 3, "defects": ("SLIP",), "died": {"bench": 0.2}, "fail": 0.3, "resets": False}
MANIFEST, SIGNED = "manifest.sha256", "manifest.sha256.minisig"


def conclude(path):
    """Summary, reports and seal over what is there; a forger does it too."""
    for name in (MANIFEST, "summary.json"):
        (path / name).unlink(missing_ok=True)
    view = CampaignView(path)
    result = summary.summarise(view.plan, view.cycles(), view.entries())
    atomic_write(path / "summary.json", to_json(result))
    reports = path / "report"
    reports.mkdir(exist_ok=True)
    for name, module in (("junit.xml", junit), ("ocptv.jsonl", ocp), ("cycles.csv", table)):
        module.write(view, result, reports / name)
    qualification.write_as(view, result, reports / "report.html")
    if not (reports / "report.pdf").exists():
        (reports / "report.pdf").write_bytes(b"%PDF-1.7 made by somebody\n")
    seal.seal(path)


def reseal(path):
    """A new manifest over changed files, and nothing else."""
    (path / MANIFEST).unlink(missing_ok=True)
    seal.seal(path)


def journal(path):
    return [json.loads(line) for line in (path / "journal.jsonl").read_text().splitlines()]


def rechain(path, found):
    """A journal of these entries, numbered and chained as if it had always been so."""
    text, before = "", ""
    for number, entry in enumerate(found, start=1):
        entry["number"] = number
        before = entry["chain"] = lines.chain_of(before, entry)
        text += lines.canonical(entry) + "\n"
    (path / "journal.jsonl").write_text(text)


def outcomes(path, **wanted):
    """Outcomes of the journal with these values, with the directories of their attempts."""
    return [
        (one, f"cycles/{one['slot']:06}-{one['attempt']}")
        for one in journal(path)
        if one["kind"] == "outcome" and all(one[key] == value for key, value in wanted.items())
    ]


@pytest.fixture(scope="module")
def keys(tmp_path_factory):
    """Public and secret key, without a password."""
    folder = tmp_path_factory.mktemp("keys")
    argv = ["minisign", "-G", "-W", "-p", folder / "public", "-s", folder / "secret"]
    subprocess.run(argv, check=True, capture_output=True)
    return folder / "public", folder / "secret"


@pytest.fixture(scope="module")
def original(tmp_path_factory, keys):
    path = tmp_path_factory.mktemp("original") / "campaign"
    synthetic_campaign.make(path, runs="all", **SHAPE)
    conclude(path)
    signature.sign(path, keys[1])
    return path


@pytest.fixture
def campaign(original, tmp_path):
    return Path(shutil.copytree(original, tmp_path / "campaign"))


def differences(path, key=None):
    return verify(path, key, workers=1).differences


def named(path, name, text=""):
    found = differences(path)
    return any(one.startswith(name) and text in one for one in found), found


KINDS = [
    *("plan.toml", "plan.json", "journal.jsonl", "summary.json", MANIFEST, "benches/virtual-1.toml"),
    *(f"report/{name}" for name in ("report.html", "report.pdf", "junit.xml", "ocptv.jsonl", "cycles.csv")),
    *(
        f"RUN/{name}"
        for name in ("run.json", "verdict.json", "capture.vkc", "console.raw", "memory.json", MANIFEST)
    ),
]


def place(campaign, kind):
    run = outcomes(campaign, fate="judged")[1][1]
    return kind.replace("RUN", run)

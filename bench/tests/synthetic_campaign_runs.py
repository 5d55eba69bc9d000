# SPDX-License-Identifier: Apache-2.0
"""The run directories and the journal's lines of a made-up campaign (synthetic_campaign.py)."""

import copy
import os
import shutil
from collections.abc import Collection
from datetime import datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any

import synthetic_reset
import synthetic_run
from synthetic_run import DOORBELL_S, JUMP_S, READY, Story, at

from vkbench.campaign.figures.measures import measures
from vkbench.campaign.records.facts import facts_of
from vkbench.evidence import MANIFEST, VERDICT_JSON, RunDirectory, RunRecord, sha256_of
from vkbench.evidence import campaign as model
from vkbench.verdict import judge, write_verdict
from vkbench.verdict.model import Verdict


def bench_file(name: str) -> bytes:
    """The bench file of a made-up bench."""
    return f'# A made-up bench file.\n[bench]\nname = "{name}"\n'.encode()


def inventory(facts: dict[str, str], defect: str) -> dict[str, Any]:
    """run.json's inventory that says these facts."""
    return {
        "server": {
            "uname": f"Linux virtual {facts['kernel']} #1 SMP x86_64 GNU/Linux",
            "os": facts["distribution"],
            "machine": facts["machine"],
            "iommu": {"kind": facts["iommu"]},
            "driver": {"name": "bcm_vk", "srcversion": facts["driver"]},
        },
        "card": {"build": facts["card_build"], "seeded defect": defect or "none"},
        "analyser": {"serial": facts["card"], "version": facts["firmware"]},
        "bmc": {"fru": "vkbench virtual server", "firmware": "ipmi_sim 2.0.33"},
    }


class Writer:
    """Makes the evidence of attempts, and puts what it says into their outcomes."""

    def __init__(self, path: Path, runs: str | Collection[int], links: bool) -> None:
        self.path = path
        self.runs, self.links = runs, links
        self._models: dict[tuple[str, ...], Path] = {}

    def write(
        self, slot: model.Slot, outcome: dict[str, Any], configuration: model.Configuration, bench: str
    ) -> None:
        """The run directory of this attempt, when its slot is to have one; else only the manifest's hash is made up."""
        run = self.path / model.CYCLES / f"{slot.number:06}-{outcome['attempt']}"
        if self.runs == "none" or (self.runs != "all" and slot.number not in self.runs):
            if not outcome["fault"]:
                outcome["manifest_sha256"] = sha256(run.name.encode()).hexdigest()
            return
        if self.links:
            key = (configuration.name, bench, outcome["result"], outcome["fault"])
            if key not in self._models:
                self._models[key] = run
                _story(outcome, configuration, bench).save(run)
            else:
                shutil.copytree(self._models[key], run, copy_function=os.link)
        else:
            _story(outcome, configuration, bench).save(run)
        _tell(run, outcome)


def _tell(run: Path, outcome: dict[str, Any]) -> None:
    """What the evidence says replaces what was made up."""
    view = RunDirectory.open(run)
    outcome["manifest_sha256"] = sha256_of(run / MANIFEST)
    outcome["facts"] = facts_of(view.record)
    if outcome["fault"]:
        return
    verdict = Verdict.model_validate(view.json(VERDICT_JSON))
    names = set(model.RuleOutcome.model_fields)
    outcome["rules"] = [rule.model_dump(include=names) for rule in verdict.rules]
    outcome["measures"] = measures(verdict)
    outcome["as_expected"] = verdict.as_expected
    assert verdict.overall == outcome["result"], (run, verdict.overall, outcome["result"])


def _story(outcome: dict[str, Any], configuration: model.Configuration, bench: str) -> Story:
    """Evidence that gives this outcome."""
    if outcome["fault"]:
        story: Story = _Died(record=synthetic_run.run_record(post_notifiers=True))
        story.record["abort"] = {"error": outcome["error"], "detail": outcome["detail"]}
    elif configuration.scenario.startswith("reset"):
        story = _reset(outcome["result"])
    else:
        story = _panic(outcome["result"], configuration)
    record = copy.deepcopy(story.record)
    begun = datetime.fromisoformat(outcome["started_utc"])
    ended = begun + timedelta(seconds=outcome["duration_s"])
    record.update(
        scenario=configuration.scenario,
        title=configuration.title,
        must_fail=configuration.role == "control",
        started_utc=outcome["started_utc"],
        finished_utc=ended.isoformat(timespec="milliseconds"),
        status="aborted" if outcome["fault"] else "complete",
    )
    record["bench"].update(name=bench, file_sha256=sha256(bench_file(bench)).hexdigest())
    record["config"].update(defect=configuration.defect, caught_by=configuration.caught_by)
    if configuration.injection:
        record["config"]["injection"] = configuration.injection
    record["inventory"] = inventory(outcome["facts"], configuration.defect)
    story.record = record
    return story


def _panic(result: str, configuration: model.Configuration) -> Story:
    if configuration.name == "stock" and result == "FAIL":
        return synthetic_run.stock()
    if configuration.defect == "DEAF_HARD" and result == "FAIL":
        story = synthetic_run.stock()
        story.doorbell(at(DOORBELL_S))
        return story
    story = synthetic_run.post_notifiers()
    if result == "FAIL":
        late = at(DOORBELL_S) + 7 if configuration.role == "control" else at(JUMP_S) + 5000
        story.write(late, 5_000)
    elif result == "INCONCLUSIVE":
        story.erase_text(READY)
    return story


def _reset(result: str) -> Story:
    story = synthetic_reset.good()
    if result == "FAIL":
        story.reset["after"]["config"][0x04] = 0
    elif result == "INCONCLUSIVE":
        story.reset["after"] = None
    return story


class _Died(Story):
    """A run that was aborted before anything was captured."""

    def save(self, path: Path) -> Path:
        run = RunDirectory.create(path)
        run.write_record(RunRecord.model_validate(self.record))
        run.console_sink.write(b"[    0.000000] Linux version 6.1.0\r\n")
        write_verdict(run, judge(path))
        run.seal()
        return path

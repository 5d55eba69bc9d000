# SPDX-License-Identifier: Apache-2.0
"""What a sealed run directory says of its attempt: a pure function of its files, for the worker, a resume, and verify.

And how a directory that nobody sealed is settled, so that every attempt ends as sealed evidence.
"""

from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from vkbench.campaign.figures.measures import measures
from vkbench.campaign.planning.plan import not_as_planned, scenario_of
from vkbench.campaign.records.blame import fault_of
from vkbench.campaign.records.facts import facts_of
from vkbench.config import BenchFile
from vkbench.evidence import (
    MANIFEST,
    RUN_JSON,
    VERDICT_JSON,
    Abort,
    EvidenceError,
    RunDirectory,
    RunRecord,
    RunView,
    describe,
    sha256_of,
)
from vkbench.evidence.campaign import Configuration, Outcome, RuleOutcome
from vkbench.server.record import Reporter, RunLog, Surroundings
from vkbench.verdict import Verdict, judge, write_verdict

_RULE = ("id", "result", "value", "limit", "uncertainty", "unit")


def outcome_of(run: Path, configuration: Configuration, slot: int, attempt: int) -> Outcome:
    """The outcome that follows from the evidence. ``counts`` and a refined ``fault`` are the conductor's to say:
    here a judged cycle counts and a dead one does not.
    """
    base = {"slot": slot, "attempt": attempt, "manifest_sha256": _manifest_sha256(run)}
    try:
        view = RunView(run)
        record = view.record
        facts = facts_of(record)
        base |= _times(record) | {"facts": facts}
        if record.status != "complete":
            abort = record.abort or Abort(error="Killed")
            return _died(base, abort.error, abort.detail)
        verdict = _verdict(view)
    except EvidenceError as error:
        return _died(base, "EvidenceError", str(error))
    if wrong := _unlike(record, facts, configuration):
        return _died(base, "NotAsPlanned", "; ".join(wrong))
    return Outcome(
        **base,
        fate="judged",
        counts=True,
        result=verdict.overall,
        as_expected=_as_expected(verdict, configuration),
        rules=[RuleOutcome(**{key: getattr(rule, key) for key in _RULE}) for rule in verdict.rules],
        measures=measures(verdict),
    )


@dataclass(frozen=True)
class Attempt:
    """One try to fill a slot, on a bench. ``directory``: of its run, absolute."""

    slot: int
    number: int
    configuration: Configuration
    directory: Path


def settle(attempt: Attempt, bench: BenchFile, error: str, detail: str) -> bool:
    """Seal an attempt's directory that is not; True when it was. The run is then an aborted one that says why.

    A run without its seal died, however much of it is there: nobody can tell any more what was still to be written.
    Raises OSError (a full disk), EvidenceError.
    """
    run = attempt.directory
    if (run / MANIFEST).is_file():
        return True
    run.mkdir(parents=True, exist_ok=True)
    directory = RunDirectory(run)
    if not (run / RUN_JSON).exists():  # it did not even begin
        scenario = scenario_of(attempt.configuration, bench.server.arch)
        RunLog(directory, bench, scenario, Surroundings(), Reporter())
    with suppress(EvidenceError):  # a run.json that cannot be read stays as it is: it is evidence too
        record = RunView(run).record
        if record.abort is None or record.abort.error == "Killed":
            ended = {"status": "aborted", "abort": Abort(error=error, detail=detail)}
            directory.write_record(record.model_copy(update=ended))
    with suppress(Exception):  # as any aborted run it has a verdict: inconclusive, and why
        write_verdict(directory, judge(run))
    directory.seal()
    return False


def _unlike(record: RunRecord, facts: dict[str, str], planned: Configuration) -> list[str]:
    """What of the evidence is not what the plan asks for, in words."""
    wanted = {"scenario": planned.scenario, "defect": planned.defect}
    found: dict[str, Any] = {"scenario": record.scenario, "defect": record.config.defect}
    if planned.injection:
        wanted["injection"], found["injection"] = planned.injection, record.config.injection
    wrong = [
        f"{key} is {found[key]!r}, planned {wanted[key]!r}" for key in wanted if found[key] != wanted[key]
    ]
    return [*wrong, *not_as_planned(planned, facts)]


def _died(base: dict, error: str, detail: str) -> Outcome:
    return Outcome(
        **base,
        fate="died",
        fault=fault_of(error),
        error=error,
        detail=detail,
        counts=False,
        result="INCONCLUSIVE",
        as_expected=False,
    )


def _as_expected(verdict: Verdict, configuration: Configuration) -> bool:
    if configuration.role == "candidate":
        return verdict.as_expected and verdict.overall == "PASS"
    failed = {rule.id for rule in verdict.rules if rule.result == "FAIL"}
    return verdict.as_expected and verdict.overall == "FAIL" and failed.issuperset(configuration.caught_by)


def _verdict(view: RunView) -> Verdict:
    try:
        return Verdict.model_validate_json(view.read(VERDICT_JSON))
    except ValidationError as error:
        raise EvidenceError(f"{view.path / VERDICT_JSON}: {describe(error)}") from error


def _times(record: RunRecord) -> dict:
    began = datetime.fromisoformat(record.started_utc)
    ended = datetime.fromisoformat(record.finished_utc) if record.finished_utc else began
    return {"started_utc": record.started_utc, "duration_s": max(0.0, (ended - began).total_seconds())}


def _manifest_sha256(run: Path) -> str:
    manifest = run / MANIFEST
    return sha256_of(manifest) if manifest.is_file() else ""

# SPDX-License-Identifier: Apache-2.0
"""ocptv.jsonl: a campaign as OCP Test & Validation output, version 2.0 (github.com/opencomputeproject/ocp-diag-core).

One test step per configuration; each rule's values and each measure are a measurement series with the rule's limit as
its validator; each attempt that counts has a diagnosis. Lines come in the order in which cycles began, with the times
of the journal: OCP's own package stamps each line with the time of writing, which says nothing here.
"""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TextIO

from vkbench.evidence import MANIFEST
from vkbench.evidence.campaign import (
    Configuration,
    ConfigurationSummary,
    Cycle,
    Outcome,
    Registered,
    RuleOutcome,
    Summary,
)
from vkbench.report.exports.common import Campaign, limited_below, plain, reason, standing, whole_file

VERSION = {"major": 2, "minor": 0}
_DIAGNOSIS = {"PASS": "PASS", "FAIL": "FAIL", "INCONCLUSIVE": "UNKNOWN"}
_CONFORMITY = {"CONFORMS": "PASS", "DOES NOT CONFORM": "FAIL", "NOT SHOWN": "UNKNOWN"}
_RESULT = {"CONFORMS": "PASS", "DOES NOT CONFORM": "FAIL", "NOT SHOWN": "NOT_APPLICABLE"}
_JSON = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":"))
#: Facts that are software: how OCP types it, and what it is called.
_SOFTWARE = {
    "kernel": ("SYSTEM", "Linux kernel of the server under test"),
    "distribution": ("SYSTEM", "distribution of the server under test"),
    "driver": ("SYSTEM", "driver of the card (srcversion)"),
    "firmware": ("FIRMWARE", "analyser firmware"),
}
#: Facts that are hardware.
_HARDWARE = {"card": "card under test (build)", "machine": "server under test"}


def write(campaign: Campaign, summary: Summary, path: Path) -> Path:
    """Write the file, line by line."""
    with whole_file(path) as file:
        _Output(file, campaign, summary).write()
    return path


class _Output:
    """Writes one test run."""

    def __init__(self, file: TextIO, campaign: Campaign, summary: Summary) -> None:
        self._file, self._campaign, self._summary = file, campaign, summary
        self._number = 0
        self.now = ""
        self._cards: dict[str, str] = {}  # bench -> hardwareInfoId of its card

    def write(self) -> None:
        """The whole test run."""
        summary, plan = self._summary, self._campaign.plan
        first = next(iter(self._campaign.entries()), None)
        version = first.tools.get("vkbench", "") if isinstance(first, Registered) else ""
        self.now = _utc(
            summary.begun or (first.at if first else "") or datetime.fromtimestamp(0, UTC).isoformat()
        )
        self._line({"schemaVersion": VERSION})
        self._run("testRunStart", self._start(version))
        for sentence in summary.deviations:
            self._run("log", {"severity": "WARNING", "message": f"Deviation: {plain(sentence)}"})
        for sentence in summary.not_tested:
            self._run("log", {"severity": "INFO", "message": f"Not tested: {plain(sentence)}"})
        states = {one.name: one for one in summary.configurations}
        steps = {
            one.name: _Step(self, str(number), one, states.get(one.name))
            for number, one in enumerate(plan.configurations)
        }
        for cycle in self._campaign.cycles():
            steps[cycle.slot.configuration].add(cycle)
        self.now = _utc(summary.ended) if summary.ended else self.now
        for step in steps.values():
            step.end()
        for sentence in summary.statement:
            self._run("log", {"severity": "INFO", "message": plain(sentence)})
        status = "COMPLETE" if summary.complete else "ERROR"
        result = _RESULT[summary.conformity] if summary.complete else "NOT_APPLICABLE"
        if summary.conformity == "DOES NOT CONFORM":
            result = "FAIL"
        self._run("testRunEnd", {"status": status, "result": result})

    def at(self, utc: str) -> None:
        """The time of the lines that follow."""
        self.now = _utc(utc)

    def step(self, identity: str, kind: str, content: dict[str, Any]) -> None:
        """A line about a test step."""
        self._line({"testStepArtifact": {"testStepId": identity, kind: content}})

    def card(self, bench: str) -> dict[str, str]:
        """The field that names the card of a bench, when it is known."""
        return {"hardwareInfoId": self._cards[bench]} if bench in self._cards else {}

    def _run(self, kind: str, content: dict[str, Any]) -> None:
        self._line({"testRunArtifact": {kind: content}})

    def _line(self, artifact: dict[str, Any]) -> None:
        whole = {**artifact, "sequenceNumber": self._number, "timestamp": self.now}
        self._file.write(_JSON.encode(whole) + "\n")
        self._number += 1

    def _start(self, version: str) -> dict[str, Any]:
        plan = self._campaign.plan
        return {
            "name": plan.name,
            "version": plain(version),
            "commandLine": "vkbench qualify plan.toml",
            "parameters": {
                "title": plain(plan.title),
                "plan_sha256": plan.sha256,
                "seed": plan.seed,
                "confidence": plan.confidence,
                "coverage": plan.coverage,
                "slots": sum(one.n for one in plan.configurations),
            },
            "dutInfo": self._dut(),
        }

    def _dut(self) -> dict[str, Any]:
        """Every card, server and program that the evidence names, bench by bench (``computerSystem``)."""
        platforms: list[dict[str, str]] = []
        software: list[dict[str, str]] = []
        hardware: list[dict[str, str]] = []
        for bench in self._summary.benches:
            system = {"computerSystem": plain(bench.name)}
            for name, values in bench.facts.items():
                for value in map(plain, values):
                    if name in _SOFTWARE:
                        type_, title = _SOFTWARE[name]
                        identity = f"software-{len(software)}"
                        named = {"softwareInfoId": identity, "name": title, "version": value}
                        software.append({**named, "softwareType": type_, **system})
                    elif name in _HARDWARE:
                        identity = f"hardware-{len(hardware)}"
                        named = {"hardwareInfoId": identity, "name": _HARDWARE[name], "version": value}
                        hardware.append({**named, **system})
                        if name == "card":
                            self._cards.setdefault(bench.name, identity)
                    else:
                        platforms.append({"info": f"{plain(bench.name)}: {name} = {value}"})
        return {
            "dutInfoId": "campaign",
            "name": plain(self._campaign.plan.title),
            "platformInfos": platforms,
            "softwareInfos": software,
            "hardwareInfos": hardware,
        }


class _Step:
    """A configuration's test step."""

    def __init__(
        self, output: _Output, identity: str, configuration: Configuration, state: ConfigurationSummary | None
    ) -> None:
        self._output, self._id, self._configuration = output, identity, configuration
        self._state = state
        self._series: dict[tuple[Any, ...], tuple[str, list[int]]] = {}
        self._begun = self._tried = False
        self._counted = 0
        self._units = {one.measure: one.unit for one in state.distributions} if state else {}

    def add(self, cycle: Cycle) -> None:
        """An attempt."""
        self._tried = True
        self._output.at(cycle.begun)
        self._start()
        outcome = cycle.outcome
        if outcome is None:
            return
        self._output.at(outcome.at)
        for rule in outcome.rules:
            if rule.value is not None and rule.result != "INCONCLUSIVE":
                self._value((rule.id, rule.unit, rule.limit), rule.value, cycle, _rule_series(rule))
        for name, value in outcome.measures.items():
            unit = self._units.get(name, "")
            start = {"name": name, "validators": []} | ({"unit": unit} if unit else {})
            self._value((name,), value, cycle, start)
        if outcome.manifest_sha256:
            self._say("file", self._file(cycle, outcome))
        if outcome.fate == "died":
            self._error(cycle, outcome)
        if outcome.counts:
            self._counted += 1
            self._diagnose(cycle, outcome)

    def end(self) -> None:
        """End the series, say whether the configuration conforms, end the step."""
        self._start()
        for identity, count in self._series.values():
            self._say("measurementSeriesEnd", {"measurementSeriesId": identity, "totalCount": count[0]})
        if self._state is not None:
            verdict = f"{self._configuration.name}-{self._state.conformity.lower().replace(' ', '-')}"
            kind = _CONFORMITY[self._state.conformity]
            self._say("diagnosis", {"verdict": verdict, "type": kind, "message": plain(self._state.reason)})
        tried = "ERROR" if self._tried else "SKIP"
        status = "COMPLETE" if self._counted >= self._configuration.n else tried
        self._say("testStepEnd", {"status": status})

    def _say(self, kind: str, content: dict[str, Any]) -> None:
        self._output.step(self._id, kind, content)

    def _start(self) -> None:
        if self._begun:
            return
        self._begun = True
        one = self._configuration
        self._say("testStepStart", {"name": one.name})
        what = [f"{one.role}: {one.title}", f"scenario {one.scenario}", f"n = {one.n}"]
        what += [f"injection {one.injection}"] if one.injection else []
        what += (
            [f"seeded defect {one.defect}, must be caught by {', '.join(one.caught_by)}"]
            if one.defect
            else []
        )
        self._say("log", {"severity": "INFO", "message": plain("; ".join(what))})

    def _value(self, key: tuple[Any, ...], value: float, cycle: Cycle, start: dict[str, Any]) -> None:
        if key not in self._series:
            identity = f"{self._id}-{len(self._series)}"
            self._series[key] = (identity, [0])
            self._say("measurementSeriesStart", {"measurementSeriesId": identity, **start})
        identity, count = self._series[key]
        element = {
            "index": count[0],
            "value": value,
            "timestamp": self._output.now,
            "measurementSeriesId": identity,
            "metadata": {"slot": cycle.slot.number, "attempt": cycle.attempt},
        }
        self._say("measurementSeriesElement", element)
        count[0] += 1

    def _file(self, cycle: Cycle, outcome: Outcome) -> dict[str, Any]:
        return {
            "displayName": f"evidence of slot {cycle.slot.number}, attempt {cycle.attempt}",
            "uri": f"{cycle.directory}/{MANIFEST}",
            "description": "SHA-256 of each file of this run directory; the path is relative to the campaign's",
            "contentType": "text/plain",
            "isSnapshot": False,
            "metadata": {"sha256": outcome.manifest_sha256},
        }

    def _error(self, cycle: Cycle, outcome: Outcome) -> None:
        where = f"slot {cycle.slot.number}, attempt {cycle.attempt}, bench {cycle.bench}"
        rest = "" if outcome.counts else "; it does not count and was repeated"
        message = f"{plain(where)}: {reason(outcome, self._configuration)}{rest}"
        self._say("error", {"symptom": f"{outcome.fault}-fault", "message": message, "softwareInfoIds": []})

    def _diagnose(self, cycle: Cycle, outcome: Outcome) -> None:
        one = self._configuration
        result = standing(outcome, one)
        control = {"PASS": "caught", "FAIL": "missed", "INCONCLUSIVE": "inconclusive"}
        word = control[result] if one.role == "control" else result.lower()
        where = f"slot {cycle.slot.number}, attempt {cycle.attempt}, bench {cycle.bench}"
        content = {
            "verdict": f"{one.name}-{word}",
            "type": _DIAGNOSIS[result],
            "message": f"{plain(where)}: {reason(outcome, one)}",
        }
        self._say("diagnosis", content | self._output.card(cycle.bench))


def _rule_series(rule: RuleOutcome) -> dict[str, Any]:
    kind = "GREATER_THAN" if limited_below(rule) else "LESS_THAN_OR_EQUAL"
    limit = {"name": "limit", "type": kind, "value": rule.limit}
    start = {"name": rule.id, "validators": [] if rule.limit is None else [limit]}
    return start | ({"unit": rule.unit} if rule.unit else {})


def _utc(text: str) -> str:
    """RFC 3339 with Z."""
    return (
        datetime.fromisoformat(text).astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    )

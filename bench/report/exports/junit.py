# SPDX-License-Identifier: Apache-2.0
"""junit.xml: a campaign as CI systems read tests. A suite per configuration, a test per slot; first the statement itself.

A slot without a result is an error and not a skipped test: CI systems count skipped tests as harmless. Skipped is only
what was never tried. A control passes when the bench caught it.
"""

import io
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import TextIO
from xml.sax.saxutils import escape, quoteattr

from vkbench.evidence.campaign import Configuration, Cycle, Outcome, Summary
from vkbench.report.exports.common import Campaign, plain, reason, standing, value_text, whole_file

_KINDS = {"FAIL": "failure", "INCONCLUSIVE": "error"}
_STATEMENT = {"DOES NOT CONFORM": "failure", "NOT SHOWN": "error"}
_REQUIREMENT = {"FAIL": "failure", "INCONCLUSIVE": "error", "NOT TESTED": "skipped"}


def write(campaign: Campaign, summary: Summary, path: Path) -> Path:
    """Write the file. Of each slot only its test's text is kept, since a suite's counts stand before its tests."""
    name = f"vkbench.{campaign.plan.name}"
    suites = [_statement(campaign, summary, name)]
    suites += _configurations(campaign, summary, name)
    with whole_file(path) as file:
        file.write("<?xml version='1.0' encoding='UTF-8'?>\n")
        file.write(f"<testsuites{_attributes(name=name, **_totals(suites))}>\n")
        for suite in suites:
            suite.write(file)
        file.write("</testsuites>\n")
    return path


@dataclass
class _Suite:
    """A test suite that grows test by test."""

    name: str
    package: str
    properties: dict[str, str]
    timestamp: str = ""
    tests: int = 0
    failures: int = 0
    errors: int = 0
    skipped: int = 0
    seconds: float = 0.0
    body: io.StringIO = field(default_factory=io.StringIO)

    def test(
        self, name: str, kind: str, about: str, details: str = "", log: str = "", seconds: float = 0.0
    ) -> None:
        """Add a test; ``kind``: failure, error, skipped, or empty when it passed; ``about``: type and message in a line."""
        self.tests += 1
        self.failures += kind == "failure"
        self.errors += kind == "error"
        self.skipped += kind == "skipped"
        self.seconds += seconds
        classname = f"{self.package}.{self.name}"
        self.body.write(
            f"    <testcase{_attributes(name=name, classname=classname, time=f'{seconds:.3f}')}>\n"
        )
        if kind:
            type_, _, message = about.partition(": ")
            self.body.write(
                f"      <{kind}{_attributes(type=type_, message=message)}>{_text(details)}</{kind}>\n"
            )
        if log:
            self.body.write(f"      <system-out>{_text(log)}</system-out>\n")
        self.body.write("    </testcase>\n")

    def counts(self) -> dict[str, str]:
        """The attributes that count."""
        return {
            "tests": str(self.tests),
            "failures": str(self.failures),
            "errors": str(self.errors),
            "skipped": str(self.skipped),
            "time": f"{self.seconds:.3f}",
        }

    def write(self, file: TextIO) -> None:
        """The whole suite."""
        more = {"timestamp": self.timestamp} if self.timestamp else {}
        file.write(
            f"  <testsuite{_attributes(name=self.name, package=self.package, **more, **self.counts())}>\n"
        )
        file.write("    <properties>\n")
        for name, value in self.properties.items():
            file.write(f"      <property{_attributes(name=name, value=value)}/>\n")
        file.write("    </properties>\n")
        file.write(self.body.getvalue())
        file.write("  </testsuite>\n")


def _statement(campaign: Campaign, summary: Summary, package: str) -> _Suite:
    """The statement of conformity, and each requirement, as tests: a CI system must not be greener than the report."""
    plan = campaign.plan
    properties = {
        "plan.name": plan.name,
        "plan.title": plan.title,
        "plan.sha256": plan.sha256,
        "plan.seed": str(plan.seed),
        "conformity": summary.conformity,
        "complete": "yes" if summary.complete else "no",
        "defects caught": f"{summary.defects_caught} of {summary.defects}",
    }
    lists = (("deviation", summary.deviations), ("not tested", summary.not_tested))
    for name, sentences in lists:
        properties.update({f"{name} {number}": text for number, text in enumerate(sentences, start=1)})
    suite = _Suite("conformity", package, properties, _seconds(summary.begun))
    sentences = "\n".join(map(plain, summary.statement))
    kind = _STATEMENT.get(summary.conformity, "")
    suite.test(
        "statement of conformity",
        kind,
        f"{summary.conformity}: {_first(summary.statement)}",
        sentences,
        sentences,
    )
    texts = {one.id: one.text for one in plan.requirements}
    for one in summary.requirements:
        about = f"{one.state}: {one.reason or texts.get(one.id, '')}"
        failing = f"failing slots: {', '.join(map(str, one.failing))}" if one.failing else ""
        log = "\n".join(filter(None, (plain(texts.get(one.id, "")), plain(one.reason), failing)))
        suite.test(one.id, _REQUIREMENT.get(one.state, ""), about, failing, log)
    return suite


def _first(sentences: list[str]) -> str:
    return sentences[0] if sentences else ""


def _configurations(campaign: Campaign, summary: Summary, package: str) -> list[_Suite]:
    """A suite per configuration. Attempts that do not count wait for the one that does: they stand in its log."""
    states = {one.name: one for one in summary.configurations}
    suites: dict[str, _Suite] = {}
    for one in campaign.plan.configurations:
        state = states.get(one.name)
        suites[one.name] = _Suite(one.name, package, _properties(campaign, one))
        if state is not None:
            suites[one.name].properties |= {"conformity": state.conformity, "reason": state.reason}
    by_name = {one.name: one for one in campaign.plan.configurations}
    begun: dict[str, set[int]] = {name: set() for name in suites}
    earlier: dict[int, list[str]] = {}
    waiting: dict[int, Cycle] = {}
    for cycle in campaign.cycles():
        configuration, number = by_name[cycle.slot.configuration], cycle.slot.number
        suite = suites[configuration.name]
        suite.timestamp = suite.timestamp or _seconds(cycle.begun)
        begun[configuration.name].add(cycle.slot.replicate)
        if cycle.counts and cycle.outcome is not None:
            waiting.pop(number, None)
            _slot(suite, cycle, cycle.outcome, configuration, earlier.pop(number, []))
        else:
            waiting[number] = cycle
            earlier.setdefault(number, []).append(_log(cycle, configuration))
    for number, cycle in waiting.items():
        suite = suites[cycle.slot.configuration]
        suite.test(
            _name(cycle.slot.replicate),
            "skipped",
            "open: no attempt counts yet",
            log="\n".join(earlier[number]),
        )
    for one in campaign.plan.configurations:
        for replicate in range(1, one.n + 1):
            if replicate not in begun[one.name]:
                suites[one.name].test(_name(replicate), "skipped", "not run: the campaign ended before it")
    return list(suites.values())


def _slot(
    suite: _Suite, cycle: Cycle, outcome: Outcome, configuration: Configuration, earlier: list[str]
) -> None:
    kind = _KINDS.get(standing(outcome, configuration), "")
    failed = [rule.id for rule in outcome.rules if rule.result == "FAIL"]
    if outcome.fate == "died":
        type_ = f"{outcome.fault} fault"
    elif kind == "failure":
        type_ = "not caught" if configuration.role == "control" else " ".join(failed) or "FAIL"
    else:
        type_ = "INCONCLUSIVE"
    log = _log(cycle, configuration)
    details = log if kind else ""
    suite.test(
        _name(cycle.slot.replicate),
        kind,
        f"{type_}: {reason(outcome, configuration)}",
        details,
        "\n".join([*earlier, log]),
        outcome.duration_s,
    )


def _log(cycle: Cycle, configuration: Configuration) -> str:
    """An attempt in a few lines: where its evidence is, and what its rules say."""
    lines = [f"slot {cycle.slot.number}, attempt {cycle.attempt}, bench {cycle.bench}, begun {cycle.begun}"]
    outcome = cycle.outcome
    if outcome is None:
        return "\n".join([*lines, f"evidence: {cycle.directory} (not finished)"])
    sealed = f"manifest SHA-256 {outcome.manifest_sha256}" if outcome.manifest_sha256 else "never sealed"
    lines.append(f"evidence: {cycle.directory} ({sealed})")
    lines.append(f"{outcome.result}: {reason(outcome, configuration)}")
    if not outcome.counts:
        lines.append("does not count: repeated")
    for rule in outcome.rules:
        lines.append(f"{rule.id} {rule.result} {value_text(rule)}".rstrip())
    return "\n".join(lines)


def _properties(campaign: Campaign, one: Configuration) -> dict[str, str]:
    found = {
        "plan.sha256": campaign.plan.sha256,
        "title": one.title,
        "role": one.role,
        "scenario": one.scenario,
        "injection": one.injection,
        "defect": one.defect,
        "caught_by": " ".join(one.caught_by),
        "requirements": " ".join(one.requirements),
        "n": str(one.n),
        "where": ", ".join(f"{name} = {pattern}" for name, pattern in one.where.items()),
    }
    if one.goal is not None:
        found["goal"] = f"reliability {one.goal.reliability:g} at confidence {one.goal.confidence:g}"
    return {name: value for name, value in found.items() if value}


def _name(replicate: int) -> str:
    """The same in every campaign with this plan, so that a CI system can follow a test."""
    return f"cycle {replicate:05}"


def _seconds(utc: str) -> str:
    """ISO 8601 without fraction and offset, as JUnit's schemas want it; UTC. Empty for an empty time."""
    return datetime.fromisoformat(utc).strftime("%Y-%m-%dT%H:%M:%S") if utc else ""


def _totals(suites: list[_Suite]) -> dict[str, str]:
    return {
        "tests": str(sum(suite.tests for suite in suites)),
        "failures": str(sum(suite.failures for suite in suites)),
        "errors": str(sum(suite.errors for suite in suites)),
        "time": f"{sum(suite.seconds for suite in suites):.3f}",
    }


def _attributes(**values: str) -> str:
    return "".join(f" {name}={quoteattr(plain(value))}" for name, value in values.items())


def _text(text: str) -> str:
    """Lines stay lines; nothing else that is unprintable stays."""
    return escape("\n".join(plain(line) for line in text.split("\n")))

# SPDX-License-Identifier: Apache-2.0
"""cycles.csv: one row per attempt, for a spreadsheet or pandas. The columns are described in docs/exports.md."""

import csv
from pathlib import Path
from typing import Any

from vkbench.evidence.campaign import Configuration, Cycle, Summary
from vkbench.report.exports.common import Campaign, plain, whole_file

#: The first columns, the same for every campaign. After them: measure.*, rule.*, fact.*, each sorted by name.
COLUMNS = (
    "slot",
    "attempt",
    "counts",
    "block",
    "configuration",
    "replicate",
    "role",
    "scenario",
    "injection",
    "defect",
    "bench",
    "intent",
    "begun_utc",
    "started_utc",
    "duration_s",
    "around_s",
    "fate",
    "fault",
    "error",
    "detail",
    "result",
    "as_expected",
    "adopted",
    "directory",
    "manifest_sha256",
)
OF_RULE = ("result", "value", "limit", "uncertainty", "unit")
#: A spreadsheet takes a cell that begins so for a formula; it gets an apostrophe before it.
_FORMULA = ("=", "+", "-", "@")


def write(campaign: Campaign, summary: Summary, path: Path) -> Path:
    """Write the table. ``summary`` is not needed: the table holds what there is, and no conclusion from it."""
    measures, rules, facts = _names(campaign)
    configurations = {one.name: one for one in campaign.plan.configurations}
    header = [
        *COLUMNS,
        *(f"measure.{name}" for name in measures),
        *(f"rule.{name}.{key}" for name in rules for key in OF_RULE),
        *(f"fact.{name}" for name in facts),
    ]
    with whole_file(path) as file:
        writer = csv.DictWriter(file, header, restval="", lineterminator="\n")
        writer.writeheader()
        for cycle in campaign.cycles():
            row = _row(cycle, configurations[cycle.slot.configuration])
            writer.writerow({name: _cell(value) for name, value in row.items()})
    return path


def _names(campaign: Campaign) -> tuple[list[str], list[str], list[str]]:
    """Measures, rules and facts that any attempt has."""
    measures: set[str] = set()
    rules: set[str] = set()
    facts: set[str] = set()
    for cycle in campaign.cycles():
        if cycle.outcome is not None:
            measures.update(cycle.outcome.measures)
            rules.update(rule.id for rule in cycle.outcome.rules)
            facts.update(cycle.outcome.facts)
    return sorted(measures), sorted(rules), sorted(facts)


def _row(cycle: Cycle, configuration: Configuration) -> dict[str, Any]:
    row: dict[str, Any] = {
        "slot": cycle.slot.number,
        "attempt": cycle.attempt,
        "counts": cycle.counts,
        "block": cycle.slot.block,
        "configuration": configuration.name,
        "replicate": cycle.slot.replicate,
        "role": configuration.role,
        "scenario": configuration.scenario,
        "injection": configuration.injection,
        "defect": configuration.defect,
        "bench": cycle.bench,
        "intent": cycle.intent,
        "begun_utc": cycle.begun,
        "directory": cycle.directory,
        "fate": "open",
    }
    outcome = cycle.outcome
    if outcome is None:
        return row
    same = ("started_utc", "duration_s", "around_s", "fate", "fault", "error", "detail", "result")
    row.update(
        {name: getattr(outcome, name) for name in (*same, "as_expected", "adopted", "manifest_sha256")}
    )
    row.update({f"measure.{name}": value for name, value in outcome.measures.items()})
    row.update({f"fact.{name}": value for name, value in outcome.facts.items()})
    for rule in outcome.rules:
        row.update({f"rule.{rule.id}.{key}": getattr(rule, key) for key in OF_RULE})
    return row


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return repr(value)
    text = plain(value)
    return f"'{text}" if text.startswith(_FORMULA) else text

# SPDX-License-Identifier: Apache-2.0
"""The first page: the statement of conformity in one line, and what a reader must know beside it."""

from vkbench.evidence.campaign import Plan, Summary
from vkbench.report.build import format_number
from vkbench.report.qualification.gather import Gathered
from vkbench.report.qualification.pictured import Pictures
from vkbench.report.qualification.wording import plural

LEVELS = {"CONFORMS": "PASS", "DOES NOT CONFORM": "FAIL", "NOT SHOWN": "INCONCLUSIVE"}


def headline(plan: Plan, summary: Summary, found: Gathered, pictures: Pictures) -> tuple[str, str]:
    """(level for its colour, the statement in one line)."""
    changed = [one for one in pictures.damaged if not one.absent]
    if changed:
        return "FAIL", "The evidence is not as it was sealed. Do not rely on this report."
    total = summary.total
    failing = sum(1 for row in found.rows if row.unexpected and not row.control)
    if not (summary.complete or summary.stopped):
        done = f"{format_number(total.counted)} of {format_number(total.planned)} cycles"
        if summary.conformity == "DOES NOT CONFORM":
            return "FAIL", f"Interim report, {done}: the card does not conform."
        return "INCONCLUSIVE", f"Interim report, {done}: nothing is concluded yet."
    if summary.conformity == "CONFORMS":
        return "PASS", "The card conforms to this plan, within the scope below."
    if summary.conformity == "DOES NOT CONFORM":
        how = f": {plural(failing, 'cycle')} broke a requirement" if failing else ""
        return "FAIL", f"The card does not conform to this plan{how}."
    return "INCONCLUSIVE", "Conformity to this plan is not shown."


def statement(plan: Plan, summary: Summary) -> tuple[list[str], list[str]]:
    """The statement's sentences: the conclusion with its reasons, and its scope, which begins with the plan's hash. Those of
    single configurations are left out: they stand in the table below it.
    """
    beginnings = tuple(f"{one.name}: " for one in plan.configurations)
    lead: list[str] = []
    scope: list[str] = []
    for text in summary.statement:
        if scope or plan.sha256 in text:
            if not text.startswith(beginnings):
                scope.append(text)
        else:
            lead.append(text)
    return lead, scope


def figures(plan: Plan, summary: Summary, found: Gathered) -> list[tuple[str, str, str]]:
    """(number, what it is, CSS class): the campaign in a line. Candidates are pooled here, and it says so."""
    roles = {one.name: one.role for one in plan.configurations}
    candidates = [one.counts for one in summary.configurations if roles.get(one.name) == "candidate"]
    counted = sum(one.counted for one in candidates)
    planned = sum(one.planned for one in candidates)
    passed = sum(one.passed for one in candidates)
    failed = sum(one.failed for one in candidates)
    unanswered = sum(one.inconclusive for one in candidates)
    caught = sum(one.caught for one in summary.controls)
    controls = sum(one.of for one in summary.controls)
    of_planned = "" if counted == planned else f" of {format_number(planned)}"
    rows = [
        (f"{format_number(counted)}{of_planned}", "candidate cycles", ""),
        (format_number(passed), "PASS", "good" if passed else ""),
        (format_number(failed), "FAIL", "bad" if failed else ""),
        (format_number(unanswered), "INCONCLUSIVE", "open" if unanswered else ""),
        (f"{format_number(caught)} of {format_number(controls)}", "control cycles caught", "" if caught == controls else "bad"),
    ]  # fmt: skip
    if summary.defects:
        missed = summary.defects_caught < summary.defects
        rows.append(
            (
                f"{summary.defects_caught} of {summary.defects}",
                "seeded defects caught",
                "bad" if missed else "",
            )
        )
    died = sum(summary.total.died.values())
    rows.append((format_number(died), "attempts died", "open" if died else ""))
    return rows

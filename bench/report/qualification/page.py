# SPDX-License-Identifier: Apache-2.0
"""Puts together what the template shows, and fills it: once for the browser, once for paper."""

import os
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote

from markupsafe import Markup

from vkbench.evidence.campaign import (
    Configuration,
    ConfigurationSummary,
    ControlSummary,
    Distribution,
    Plan,
    Requirement,
    RequirementSummary,
    Summary,
)
from vkbench.report import interactive
from vkbench.report.build import SYMBOLS, flatten, format_number
from vkbench.report.qualification import front, pictured, plots, wording
from vkbench.report.qualification.gather import Campaign, Gathered, Row, gather
from vkbench.report.svg import duration

#: Measures that are drawn, beside those with a limit or a drift; the others are rows of a table.
DRAWN = ("margin", "halt_latency", "reset_latency", "reset_to_ready", "panic_to_doorbell")
#: Rows of a list on paper, and one-line entries of failing cycles anywhere; cycles.csv has them all.
PAPER_ROWS = 80
LINES = 400


@dataclass
class Measured:
    """One distribution and its pictures."""

    one: Distribution
    ecdf: Markup = Markup("")
    order: Markup = Markup("")


@dataclass
class Section:
    """One configuration: plan, summary, and its attempts in their order."""

    number: int
    plan: Configuration
    summary: ConfigurationSummary
    rows: list[Row] = field(default_factory=list)
    control: ControlSummary | None = None

    @property
    def anchor(self) -> str:
        """Its place in the page."""
        return f"configuration-{self.number}"


@dataclass
class Content:
    """What both kinds of report show."""

    plan: Plan
    summary: Summary
    found: Gathered
    pictures: pictured.Pictures
    level: str
    headline: str
    directory: str
    sections: list[Section]
    requirements: list[tuple[Requirement, RequirementSummary]]

    @property
    def concluded(self) -> bool:
        """True when no further cycle will be made."""
        return self.summary.complete or bool(self.summary.stopped)

    @property
    def candidates(self) -> list[Section]:
        """Configurations that are to conform."""
        return [one for one in self.sections if one.plan.role == "candidate"]

    @property
    def controls(self) -> list[Section]:
        """Configurations that must fail."""
        return [one for one in self.sections if one.plan.role == "control"]

    @property
    def died(self) -> list[Row]:
        """Attempts that came to no verdict."""
        return [row for row in self.found.rows if row.died]

    @property
    def unanswered(self) -> list[Row]:
        """Slots without an answer."""
        return [row for row in self.found.rows if row.unanswered]

    @property
    def repeated(self) -> list[list[Row]]:
        """Slots with more than one attempt, all of them."""
        by_slot: dict[int, list[Row]] = defaultdict(list)
        for row in self.found.rows:
            by_slot[row.slot].append(row)
        return [rows for _, rows in sorted(by_slot.items()) if len(rows) > 1]


def content(campaign: Campaign, summary: Summary) -> Content:
    """Pass over the campaign and draw the chosen cycles."""
    found = gather(campaign)
    plan = campaign.plan
    pictures = pictured.draw(campaign.path, plan, summary, found)
    level, headline = front.headline(plan, summary, found, pictures)
    return Content(
        plan, summary, found, pictures, level, headline, campaign.path.absolute().name,
        _sections(plan, summary, found), _requirements(plan, summary),
    )  # fmt: skip


def html(content: Content, campaign: Path, out: Path) -> str:
    """The page for the browser. Links lead from the folder ``out`` into the campaign."""
    relative = Path(os.path.relpath(campaign.absolute(), out.absolute())).as_posix()
    base = "/".join(quote(part) for part in relative.split("/"))
    return render(content, base=base, width=600.0)


def render(content: Content, base: str | None, width: float) -> str:
    """The template, filled. ``base``: where links into the campaign lead; None on paper, which has none."""
    environment = interactive.environment()
    environment.finalize = wording.visible
    environment.filters.update(
        number=format_number, duration=duration, percent=wording.percent, plain=wording.percent_plain, goal=wording.goal,
        quantity=wording.quantity, moment=wording.moment, plural=wording.plural, listed=wording.listed,
        injection=wording.injection,
    )  # fmt: skip
    paper = base is None
    template = environment.get_template("qualification/report.html.j2")
    return template.render(
        c=content,
        plan=content.plan,
        summary=content.summary,
        found=content.found,
        levels=front.LEVELS,
        statement=front.statement(content.plan, content.summary),
        caught=[one for one in content.controls if one.summary.conformity == "CONFORMS"],
        missed=[one for one in content.controls if one.summary.conformity != "CONFORMS"],
        figures=front.figures(content.plan, content.summary, content.found),
        intervals=_intervals(content, 720.0 if paper else 1180.0),
        measured=lambda section: _measured(section, content.found, width, paper),
        anchors={one.plan.name: one.anchor for one in content.sections},
        numbers={one.plan.name: one.number for one in content.sections},
        success_run=wording.success_run,
        flatten=flatten,
        symbols=SYMBOLS,
        paper=paper,
        front_most=5 if paper else 8,
        base=base,
        rows_most=PAPER_ROWS if paper else None,
        lines_most=PAPER_ROWS if paper else LINES,
        whole_failing=pictured.FAILING_WHOLE,
    )


def _sections(plan: Plan, summary: Summary, found: Gathered) -> list[Section]:
    summaries = {one.name: one for one in summary.configurations}
    controls = {one.name: one for one in summary.controls}
    sections = {}
    for number, one in enumerate(plan.configurations, start=1):
        if one.name in summaries:
            sections[one.name] = Section(number, one, summaries[one.name], [], controls.get(one.name))
    for row in found.rows:
        if row.configuration in sections:
            sections[row.configuration].rows.append(row)
    return list(sections.values())


def _requirements(plan: Plan, summary: Summary) -> list[tuple[Requirement, RequirementSummary]]:
    found = {one.id: one for one in summary.requirements}
    return [(one, found[one.id]) for one in plan.requirements if one.id in found]


def _intervals(content: Content, width: float) -> Markup:
    rows = [
        (one.plan.name, one.summary.bound, one.plan.goal)
        for one in content.candidates
        if one.summary.bound is not None and one.summary.bound.n
    ]
    return Markup(plots.intervals(rows, width)) if rows else Markup("")


def _measured(section: Section, found: Gathered, width: float, paper: bool) -> list[Measured]:
    """The measures of a configuration: first those that are drawn. On paper a drift alone is no reason to draw one."""
    result = []
    for one in section.summary.distributions:
        points = found.points.get((section.plan.name, one.measure), [])
        drift = one.drift is not None and one.drift.shown and not paper
        measured = Measured(one)
        if points and (one.measure in DRAWN or one.limit is not None or drift):
            measured.ecdf = Markup(plots.ecdf(one, [point.value for point in points], width))
            marks = found.marks.get(section.plan.name, [])
            drawn = plots.run_order(
                one, points, marks, found.benches, len(found.rows), width, 2 if paper else 1
            )
            measured.order = Markup(drawn)
        result.append(measured)
    return sorted(result, key=lambda measured: not measured.ecdf)

# SPDX-License-Identifier: Apache-2.0
"""Which cycles are shown as pictures, and the pictures. Evidence is opened one run at a time, and only of those.

Each run that is opened is checked: manifest, the journal's hash of it, and a verdict computed anew. Where anything is not
as it was, the differences stand in place of the picture.
"""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from markupsafe import Markup

from vkbench.capture.vkc import CaptureError
from vkbench.evidence import MANIFEST, VERDICT_JSON, EvidenceError, RunView, sha256_of
from vkbench.evidence.campaign import Configuration, Distribution, Plan, Summary
from vkbench.report import interactive, timeline_picture, zoom_picture
from vkbench.report.qualification import events_picture
from vkbench.report.qualification.compact import compact
from vkbench.report.qualification.gather import Gathered, Row
from vkbench.report.qualification.wording import quantity
from vkbench.verdict import RuleResult, judge_facts, load
from vkbench.verdict.model import OrderUncertainty, Verdict

FAILING_WHOLE = 16  #: of the cycles that failed unexpectedly; the others are lines
WHOLE = 72  #: pictures in all
#: Measures whose worst and median cycle are shown, the most telling first.
TELLING = ("margin", "halt_latency", "reset_latency", "reset_to_ready", "panic_to_doorbell")


@dataclass
class Picture:
    """One cycle, whole. ``problems``: why nothing of it can be shown."""

    row: Row
    reasons: list[str]
    group: str  #: "failing", "candidate" or "control"
    timeline: Markup = Markup("")
    zoom: Markup = Markup("")
    rules: list[RuleResult] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    absent: bool = False  #: the run directory is not where this report was made

    @property
    def telling(self) -> bool:
        """True when its halt is worth paper: for all but a median and the controls."""
        return self.group == "failing" or any(reason.startswith("worst") for reason in self.reasons)


@dataclass
class BenchEvidence:
    """What one run of a bench says about it."""

    row: Row
    uncertainty: OrderUncertainty | None
    inventory: dict[str, Any]
    notes: list[str]
    provider: str


@dataclass
class Pictures:
    """All of them. ``lines``: failing cycles that are no picture. ``left``: worst and median ones that are none."""

    shown: list[Picture]
    lines: list[Row]
    left: int
    benches: dict[str, BenchEvidence]

    @property
    def damaged(self) -> list[Picture]:
        """Those whose evidence is not as it was sealed, or gone."""
        return [one for one in self.shown if one.problems]


def draw(root: Path, plan: Plan, summary: Summary, found: Gathered) -> Pictures:
    """Choose the cycles and draw them."""
    failing = [row for row in found.rows if row.unexpected]
    whole = [Picture(row, [_why_failing(row)], "failing") for row in failing[:FAILING_WHOLE]]
    chosen, left = _worst_and_median(plan, summary, found, {one.row.key for one in whole})
    shown = [*whole, *chosen]
    benches: dict[str, BenchEvidence] = {}
    for one in shown:
        _open(root, one, benches)
    for row in found.rows:
        if row.bench not in benches and row.fate == "judged":
            _look(root, row, benches)
    return Pictures(shown, failing[FAILING_WHOLE:], left, benches)


def _why_failing(row: Row) -> str:
    return "a control that was not caught" if row.control else "failed"


def _worst_and_median(
    plan: Plan, summary: Summary, found: Gathered, already: set[tuple[int, int]]
) -> tuple[list[Picture], int]:
    """Of every candidate the worst and the median cycle, of every control the first that counted."""
    named: dict[tuple[int, int], list[str]] = {}
    of = {one.name: one for one in summary.configurations}
    for configuration in plan.configurations:
        if configuration.role == "control" or configuration.name not in of:
            continue
        for slot, attempt, reason in _telling(configuration, of[configuration.name].distributions):
            named.setdefault((slot, attempt), []).append(reason)
    rows = {row.key: row for row in found.rows if row.key in named}
    wanted = [
        Picture(rows[key], reasons, "candidate")
        for key, reasons in named.items()
        if key in rows and key not in already
    ]
    first: dict[str, Row] = {}
    for row in found.rows:
        if row.control and row.counts and row.as_expected:
            first.setdefault(row.configuration, row)
    controls = [Picture(row, ["caught, as it must be"], "control") for row in first.values()]
    room = max(0, WHOLE - len(already))
    kept = wanted[: max(room - len(controls), room // 2)]
    kept += controls[: room - len(kept)]
    return kept, len(wanted) + len(controls) - len(kept)


def _telling(configuration: Configuration, distributions: list[Distribution]) -> list[tuple[int, int, str]]:
    """(slot, attempt, why) of the worst cycle of each telling measure, and of the first one's median cycle."""
    by_name = {one.measure: one for one in distributions}
    chosen = []
    middle = True
    for name in TELLING:
        one = by_name.get(name)
        if one is None or one.worst is None:
            continue
        if one.low != one.high:
            worst = (
                f"worst of {configuration.name}: {one.title.lower()} {quantity(one.worst.value, one.unit)}"
            )
            chosen.append((one.worst.slot, one.worst.attempt, worst))
        if middle and one.middle is not None:
            median = (
                f"median of {configuration.name}: {one.title.lower()} {quantity(one.middle.value, one.unit)}"
            )
            chosen.append((one.middle.slot, one.middle.attempt, median))
            middle = False
        if len(chosen) >= 3:
            break
    return chosen


def _open(root: Path, one: Picture, benches: dict[str, BenchEvidence]) -> None:
    """Draw one cycle, or say why not."""
    path = root / one.row.directory
    try:
        view = RunView(path)
    except EvidenceError as error:
        one.absent = not path.is_dir()
        one.problems = ["the run directory is not there" if one.absent else _relative(str(error), path)]
        return
    try:
        one.problems = [*view.check_manifest(), *_manifest(view, one.row)]
        facts = load(path)
        verdict = judge_facts(facts)
    except (EvidenceError, CaptureError, OSError, ValueError) as error:
        one.problems = one.problems or [_relative(str(error), path)]
        return
    if verdict.overall != one.row.result:
        one.problems.append(f"the journal says {one.row.result}; the evidence gives {verdict.overall}")
    if one.problems:
        return
    one.rules = verdict.rules
    _remember(view, one.row, verdict, benches)
    if facts.capture is None:
        return
    chosen = interactive.selected(facts.capture, facts)
    timeline = timeline_picture.draw(facts, chosen.records) or events_picture.draw(facts, chosen.records)
    one.timeline = Markup(compact(timeline))
    if facts.record.kind == "panic":  # after a reset the card is meant to speak again
        one.zoom = Markup(compact(zoom_picture.draw(facts, chosen.records)))


def _manifest(view: RunView, row: Row) -> list[str]:
    """Does the journal vouch for this manifest?"""
    if not view.sealed or not row.manifest or sha256_of(view.path / MANIFEST) == row.manifest:
        return []
    return [f"{MANIFEST}: is not the one of the journal (SHA-256 {row.manifest[:12]}…)"]


def _look(root: Path, row: Row, benches: dict[str, BenchEvidence]) -> None:
    """Of a bench without picture only what it says of itself."""
    try:
        view = RunView(root / row.directory)
        verdict = Verdict.model_validate(view.json(VERDICT_JSON))
        _remember(view, row, verdict, benches)
    except (EvidenceError, OSError, ValueError):
        return


def _remember(view: RunView, row: Row, verdict: Verdict, benches: dict[str, BenchEvidence]) -> None:
    if row.bench in benches:
        return
    record = view.record
    benches[row.bench] = BenchEvidence(
        row, verdict.uncertainty, record.inventory, record.bench.notes, record.bench.provider
    )


def _relative(text: str, path: Path) -> str:
    return text.replace(f"{path}/", "").replace(str(path), path.name)

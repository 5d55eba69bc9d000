# SPDX-License-Identifier: Apache-2.0
"""One pass over a campaign's cycles and one over its entries: what the report needs of them, and no evidence."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from vkbench.evidence.campaign import BenchState, Cycle, Outcome, Plan, Registered, Session, Stopped


class Campaign(Protocol):
    """What a report is made from."""

    path: Path
    plan: Plan
    sealed: bool

    def cycles(self) -> Iterator[Cycle]:
        """Every attempt, in the order in which they began."""

    def entries(self) -> Iterator[Any]:
        """The journal."""


class Row(NamedTuple):
    """One attempt, as the list of cycles has it. ``order`` counts from 1 over the whole campaign."""

    order: int
    slot: int
    attempt: int
    configuration: str
    bench: str
    begun: str
    directory: str
    result: str  #: PASS, FAIL, INCONCLUSIVE; "open" while it goes on
    fate: str
    fault: str
    error: str
    detail: str
    counts: bool
    as_expected: bool
    control: bool
    rules: tuple[
        tuple[str, str, float | None, str], ...
    ]  #: of those that did not pass: id, result, value, unit
    seconds: float
    manifest: str
    adopted: bool

    @property
    def key(self) -> tuple[int, int]:
        """Which attempt this is."""
        return self.slot, self.attempt

    @property
    def anchor(self) -> str:
        """Where the list of cycles has it."""
        return f"c{self.slot}-{self.attempt}"

    @property
    def name(self) -> str:
        """Its name in sentences."""
        return f"cycle {self.slot}" if self.attempt == 1 else f"cycle {self.slot}, attempt {self.attempt}"

    @property
    def died(self) -> bool:
        """True when it came to no verdict."""
        return self.fate == "died"

    @property
    def unexpected(self) -> bool:
        """True for a candidate that failed and a control that was judged and not caught, when they count."""
        if not self.counts or self.died:
            return False
        return not self.as_expected if self.control else self.result == "FAIL"

    @property
    def unanswered(self) -> bool:
        """True for one that fills its slot without an answer."""
        return self.counts and self.result == "INCONCLUSIVE"


class Point(NamedTuple):
    """A measured value: where in the run order, on which bench."""

    order: int
    bench: str
    value: float
    result: str


@dataclass
class Gathered:
    """What both passes found."""

    rows: list[Row] = field(default_factory=list)
    points: dict[tuple[str, str], list[Point]] = field(default_factory=lambda: defaultdict(list))
    marks: dict[str, list[tuple[int, str]]] = field(default_factory=lambda: defaultdict(list))
    caught: dict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    uncertainties: dict[tuple[str, str], tuple[float, float, str]] = field(default_factory=dict)
    benches: list[str] = field(default_factory=list)
    features: dict[str, list[str]] = field(default_factory=dict)
    bench_files: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    bench_log: list[BenchState] = field(default_factory=list)
    sessions: list[Session] = field(default_factory=list)
    tools: dict[str, str] = field(default_factory=dict)
    stopped: str = ""
    entries: int = 0
    chain: str = ""
    by_slot: dict[int, Row] = field(default_factory=dict)  #: the attempt that counts, else the last one

    def row(self, slot: int, attempt: int | None = None) -> Row | None:
        """An attempt; without ``attempt`` the one that counts."""
        if attempt is None:
            return self.by_slot.get(slot)
        found = self.by_slot.get(slot)
        if found is not None and found.attempt == attempt:
            return found
        return next((row for row in self.rows if row.key == (slot, attempt)), None)


def gather(campaign: Campaign) -> Gathered:
    """Both passes. Neither opens a run directory."""
    found = Gathered()
    controls = {one.name for one in campaign.plan.configurations if one.role == "control"}
    for order, cycle in enumerate(campaign.cycles(), start=1):
        _cycle(found, order, cycle, cycle.slot.configuration in controls)
    _entries(found, campaign.entries())
    for row in found.rows:
        if row.bench not in found.benches:
            found.benches.append(row.bench)
    found.benches.sort()
    return found


def _cycle(found: Gathered, order: int, cycle: Cycle, control: bool) -> None:
    row = _row(order, cycle, control)
    found.rows.append(row)
    if row.counts or row.slot not in found.by_slot or not found.by_slot[row.slot].counts:
        found.by_slot[row.slot] = row
    outcome = cycle.outcome
    if outcome is None or not outcome.counts:
        return
    name = row.configuration
    for measure, value in outcome.measures.items():
        found.points[name, measure].append(Point(order, row.bench, value, outcome.result))
    if row.unanswered or row.unexpected:
        found.marks[name].append((order, "INCONCLUSIVE" if row.unanswered else "FAIL"))
    for rule in outcome.rules:
        if control and rule.result == "FAIL":
            found.caught[name][rule.id] += 1
        if rule.uncertainty is not None:
            key = (row.bench, rule.id)
            low, high, _ = found.uncertainties.get(key, (rule.uncertainty, rule.uncertainty, ""))
            found.uncertainties[key] = (min(low, rule.uncertainty), max(high, rule.uncertainty), rule.unit)


def _row(order: int, cycle: Cycle, control: bool) -> Row:
    outcome = cycle.outcome or Outcome(
        slot=cycle.slot.number, attempt=cycle.attempt, fate="died", counts=False, result="INCONCLUSIVE", as_expected=False
    )  # fmt: skip
    going_on = cycle.outcome is None
    return Row(
        order=order,
        slot=cycle.slot.number,
        attempt=cycle.attempt,
        configuration=cycle.slot.configuration,
        bench=cycle.bench,
        begun=cycle.begun,
        directory=cycle.directory,
        result="open" if going_on else outcome.result,
        fate="open" if going_on else outcome.fate,
        fault=outcome.fault,
        error=outcome.error,
        detail=outcome.detail,
        counts=outcome.counts,
        as_expected=outcome.as_expected,
        control=control,
        rules=tuple(
            (one.id, one.result, one.value, one.unit) for one in outcome.rules if one.result != "PASS"
        ),
        seconds=outcome.duration_s,
        manifest=outcome.manifest_sha256,
        adopted=outcome.adopted,
    )


def _entries(found: Gathered, entries: Iterable[Any]) -> None:
    for entry in entries:
        found.entries, found.chain = found.entries + 1, entry.chain
        if isinstance(entry, Registered):
            found.tools = entry.tools
        elif isinstance(entry, Session):
            found.sessions.append(entry)
        elif isinstance(entry, Stopped):
            found.stopped = f"{entry.reason}: {entry.detail}" if entry.detail else entry.reason
        elif isinstance(entry, BenchState):
            _bench(found, entry)


def _bench(found: Gathered, entry: BenchState) -> None:
    if entry.bench not in found.benches:
        found.benches.append(entry.bench)
    if entry.features:
        found.features[entry.bench] = entry.features
    if entry.file_sha256 and entry.file_sha256 not in found.bench_files[entry.bench]:
        found.bench_files[entry.bench].append(entry.file_sha256)
    if entry.state in ("sick", "offline"):
        found.bench_log.append(entry)

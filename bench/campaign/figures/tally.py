# SPDX-License-Identifier: Apache-2.0
"""One pass over a campaign's cycles and entries: everything that a summary is made from, as counts and plain arrays.

A cycle takes some hundred bytes here, whatever its evidence weighs.
"""

from array import array
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from vkbench.campaign.figures.measures import MEASURES
from vkbench.evidence.campaign import (
    BenchState,
    Configuration,
    Counts,
    Cycle,
    Entry,
    Intent,
    Outcome,
    Plan,
    Registered,
    Result,
    Session,
    Stopped,
)

#: Distinct values of a fact that are kept; more than so many differ in any case.
VALUES_KEPT = 20
#: Rules of a cycle and their results, in the verdict's order.
Pattern = tuple[tuple[str, Result], ...]


@dataclass
class Series:
    """The values of one measure in run order, with where each comes from."""

    values: array = field(default_factory=lambda: array("d"))
    positions: array = field(default_factory=lambda: array("q"))  #: of the cycle in the campaign, from 1
    slots: array = field(default_factory=lambda: array("q"))
    attempts: array = field(default_factory=lambda: array("q"))
    benches: array = field(default_factory=lambda: array("q"))  #: index into Tally.bench_names
    limit: float | None = None
    uncertainty: float | None = None


@dataclass
class Part:
    """What happened in one configuration. ``slots`` of patterns and lists are those of counted attempts."""

    configuration: Configuration
    counts: Counts
    by_bench: dict[str, Counts] = field(default_factory=dict)
    series: dict[str, Series] = field(default_factory=dict)
    patterns: dict[Pattern, array] = field(default_factory=dict)
    facts: dict[str, dict[str, int]] = field(default_factory=dict)
    inconclusive: array = field(default_factory=lambda: array("q"))
    failed: array = field(default_factory=lambda: array("q"))
    missed: array = field(default_factory=lambda: array("q"))  #: of a control


@dataclass
class Bench:
    """What one bench did."""

    cycles: int = 0  #: attempts that ended
    died: int = 0
    offline: str = ""
    file_sha256: str = ""
    sick: int = 0
    given_up: list[str] = field(default_factory=list)
    facts: dict[str, dict[str, int]] = field(default_factory=dict)


@dataclass
class Tally:
    """All of it. ``wrong``: sentences on what no honest journal holds; with any of them nothing conforms."""

    plan: Plan
    parts: dict[str, Part]
    benches: dict[str, Bench] = field(default_factory=dict)
    bench_names: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    attempts: int = 0
    open: list[tuple[int, int]] = field(default_factory=list)  #: attempts without an outcome
    errors: Counter[tuple[str, str]] = field(default_factory=Counter)  #: (fault, error) of those that died
    died_slots: dict[tuple[str, str], array] = field(default_factory=dict)
    repeated: array = field(
        default_factory=lambda: array("q")
    )  #: slots, once for each attempt that did not count
    adopted: int = 0
    durations: array = field(default_factory=lambda: array("d"))  #: seconds, of judged runs
    shares: array = field(default_factory=lambda: array("d"))  #: of a cycle, the campaign's own time
    registered: Registered | None = None
    stopped: Stopped | None = None
    sessions: int = 0
    broken_off: int = 0  #: sessions that ended without a word, though another followed
    ended: str = ""


def tally(plan: Plan, cycles: Iterable[Cycle], entries: Iterable[Entry]) -> Tally:
    """Pass over both once."""
    parts = {one.name: Part(one, Counts(planned=one.n)) for one in plan.configurations}
    found = Tally(plan, parts)
    _take_entries(found, entries)
    _take_cycles(found, cycles)
    return found


def _take_entries(found: Tally, entries: Iterable[Entry]) -> None:
    working = early = False
    for entry in entries:
        if isinstance(entry, Intent | Outcome):
            found.ended = entry.at or found.ended
            early = early or found.registered is None
        elif isinstance(entry, Registered):
            if found.registered is not None:
                found.wrong.append("The journal registers a plan twice.")
            found.registered = found.registered or entry
        elif isinstance(entry, Session):
            if not entry.ended:
                found.sessions += 1
                found.broken_off += working
                found.stopped = None
            working = not entry.ended
        elif isinstance(entry, Stopped):
            found.stopped = entry
            found.ended = entry.at or found.ended
        elif isinstance(entry, BenchState):
            _bench_state(_bench(found, entry.bench), entry)
    if found.registered is None:
        found.wrong.append("The journal registers no plan.")
    elif early:
        found.wrong.append("A cycle began before the plan was registered.")
    if found.registered is not None and found.registered.plan_sha256 != found.plan.sha256:
        found.wrong.append(
            f"The plan is not the one that was registered: SHA-256 {found.plan.sha256}, "
            f"registered {found.registered.plan_sha256}."
        )


def _bench(found: Tally, name: str) -> Bench:
    if name not in found.benches:
        found.benches[name] = Bench()
        found.bench_names.append(name)
    return found.benches[name]


def _bench_state(bench: Bench, entry: BenchState) -> None:
    bench.file_sha256 = entry.file_sha256 or bench.file_sha256
    if entry.state == "sick":
        bench.sick += 1
    elif entry.state == "offline":
        bench.offline = entry.detail or "no reason was given"
        bench.given_up.append(bench.offline)
    elif entry.state == "online":
        bench.offline = ""


def _take_cycles(found: Tally, cycles: Iterable[Cycle]) -> None:
    filled: set[int] = set()
    strange: Counter[str] = Counter()
    twice: list[int] = []
    index: dict[str, int] = {}
    for position, cycle in enumerate(cycles, start=1):
        found.attempts += 1
        bench = _bench(found, cycle.bench)
        if cycle.bench not in index:
            index[cycle.bench] = found.bench_names.index(cycle.bench)
        outcome, number = cycle.outcome, cycle.slot.number
        if outcome is None:
            found.open.append((number, cycle.attempt))
            continue
        _ended(found, bench, cycle, outcome)
        part = found.parts.get(cycle.slot.configuration)
        if part is None:
            strange[cycle.slot.configuration] += 1
            continue
        again = outcome.counts and number in filled
        if again:
            twice.append(number)
        counts = outcome.counts and not again
        for those in (part.counts, part.by_bench.setdefault(cycle.bench, Counts())):
            _count(those, part.configuration, outcome, counts)
        if counts:
            filled.add(number)
            _counted(part, cycle, outcome, position, index[cycle.bench])
    for name in sorted(strange):
        found.wrong.append(
            f"{strange[name]} attempts are of a configuration {name}, which the plan does not have."
        )
    if twice:
        found.wrong.append(f"More than one attempt counts for {slots(twice)}; only the first was counted.")
    for name, part in found.parts.items():
        if part.counts.counted > part.counts.planned:
            found.wrong.append(
                f"{name}: {part.counts.counted} cycles count, but {part.counts.planned} were planned."
            )


def _ended(found: Tally, bench: Bench, cycle: Cycle, outcome: Outcome) -> None:
    """What any attempt that ended adds, whether it counts or not."""
    bench.cycles += 1
    found.adopted += outcome.adopted
    _facts(bench.facts, outcome)
    if outcome.fate == "died":
        bench.died += 1
        key = (outcome.fault or "unknown", outcome.error or "no error was named")
        found.errors[key] += 1
        found.died_slots.setdefault(key, array("q")).append(cycle.slot.number)
    else:
        found.durations.append(outcome.duration_s)
    if not outcome.counts:
        found.repeated.append(cycle.slot.number)
    if outcome.around_s > 0 and outcome.duration_s > 0:
        found.shares.append(outcome.around_s / (outcome.around_s + outcome.duration_s))


def result_of(outcome: Outcome) -> Result:
    """What an attempt counts as: nothing that died has a result."""
    return outcome.result if outcome.fate == "judged" else "INCONCLUSIVE"


def as_expected(configuration: Configuration, outcome: Outcome) -> bool:
    """A candidate's cycle passed; a control's failed, by each of the rules that it must be caught by."""
    if outcome.fate != "judged" or not outcome.as_expected:
        return False
    if configuration.role == "candidate":
        return outcome.result == "PASS"
    failed = {rule.id for rule in outcome.rules if rule.result == "FAIL"}
    return outcome.result == "FAIL" and failed.issuperset(configuration.caught_by)


def _count(counts: Counts, configuration: Configuration, outcome: Outcome, counted: bool) -> None:
    if outcome.fate == "died":
        fault = outcome.fault or "unknown"
        counts.died[fault] = counts.died.get(fault, 0) + 1
    if not counted:
        counts.repeated += 1
        return
    result = result_of(outcome)
    counts.counted += 1
    counts.passed += result == "PASS"
    counts.failed += result == "FAIL"
    counts.inconclusive += result == "INCONCLUSIVE"
    counts.as_expected += as_expected(configuration, outcome)


def _counted(part: Part, cycle: Cycle, outcome: Outcome, position: int, bench: int) -> None:
    number, result = cycle.slot.number, result_of(outcome)
    if result == "INCONCLUSIVE":
        part.inconclusive.append(number)
    elif result == "FAIL":
        part.failed.append(number)
    if part.configuration.role == "control" and not as_expected(part.configuration, outcome):
        part.missed.append(number)
    judged = outcome.fate == "judged"
    pattern = tuple((rule.id, rule.result) for rule in outcome.rules) if judged else ()
    part.patterns.setdefault(pattern, array("q")).append(number)
    _facts(part.facts, outcome)
    rules = {rule.id: rule for rule in outcome.rules}
    order = outcome.measures.get("order_uncertainty")
    for name, value in outcome.measures.items():
        series = part.series.setdefault(name, Series())
        series.values.append(value)
        series.positions.append(position)
        series.slots.append(number)
        series.attempts.append(cycle.attempt)
        series.benches.append(bench)
        measure = MEASURES.get(name)
        if measure is None:
            continue
        rule = rules.get(measure.rule)
        if rule is not None and rule.unit != measure.unit:
            rule = (
                None  # a rule that failed may count other things (requests) than the measure does (seconds)
            )
        if rule is not None and rule.limit is not None:
            series.limit = rule.limit
        of_rule = rule.uncertainty if rule is not None else None
        around = {"rule": of_rule, "order": order, "exact": 0.0, "itself": value}[measure.basis]
        if around is not None:
            series.uncertainty = max(series.uncertainty or 0.0, around)


def _facts(held: dict[str, dict[str, int]], outcome: Outcome) -> None:
    for name, value in outcome.facts.items():
        values = held.setdefault(name, {})
        if value in values or len(values) < VALUES_KEPT:
            values[value] = values.get(value, 0) + 1


def slots(numbers: Iterable[int], most: int = 10) -> str:
    """Slots for a sentence: "slot 7", "slots 7, 9 and 3 more"."""
    named = sorted(set(numbers))
    shown = [str(number) for number in named[:most]]
    rest = len(named) - len(shown)
    text = ", ".join(shown) + (f" and {rest} more" if rest else "")
    return f"{'slot' if len(named) == 1 else 'slots'} {text}"


def of_benches(series: Series, names: list[str]) -> Iterator[tuple[str, list[int], list[float]]]:
    """(bench, positions, values) of a series, in the benches' order."""
    held: dict[int, tuple[list[int], list[float]]] = {}
    for bench, position, value in zip(series.benches, series.positions, series.values, strict=True):
        positions, values = held.setdefault(bench, ([], []))
        positions.append(position)
        values.append(value)
    for bench in sorted(held, key=lambda one: names[one]):
        yield names[bench], *held[bench]

# SPDX-License-Identifier: Apache-2.0
"""summarise(plan, cycles, entries): what a campaign shows. A pure function: the same inputs give the same JSON, byte by byte,
so that ``verify`` can compute it anew. docs/statistics.md says what each number means.
"""

from collections.abc import Iterable
from typing import Any

from vkbench.campaign.figures import conformity, statement, statistics
from vkbench.campaign.figures.distributions import decide, rounded
from vkbench.campaign.figures.measures import MEASURES
from vkbench.campaign.figures.tally import Bench, Tally, tally
from vkbench.evidence.campaign import (
    BenchSummary,
    ConfigurationSummary,
    Counts,
    Cycle,
    Entry,
    Plan,
    Summary,
)

_BASIS = {
    "rule": "the rule's own",
    "order": "a console text can be late by the order uncertainty",
    "exact": "both ends are cycles of one clock",
    "itself": "the sum of the run's uncertainty budget",
}


def summarise(plan: Plan, cycles: Iterable[Cycle], entries: Iterable[Entry]) -> Summary:
    """The summary. ``cycles`` in the order of their intents, ``entries`` in the journal's; each is passed over once, and a
    cycle leaves some hundred bytes behind.
    """
    found = tally(plan, cycles, entries)
    names = found.bench_names
    configurations = [conformity.of_configuration(part, names, plan) for part in found.parts.values()]
    decide(
        [one.agreement for one in configurations if one.agreement],
        [distribution for one in configurations for distribution in one.distributions],
        plan.confidence,
    )
    requirements = [conformity.requirement(found, wanted) for wanted in plan.requirements]
    controls = conformity.controls(found)
    caught, defects = conformity.defects(controls)
    conforms, reasons = conformity.overall(found, configurations, requirements)
    total = _total(found)
    return Summary(
        plan_name=plan.name,
        plan_sha256=plan.sha256,
        conformity=conforms,
        statement=statement.statement(found, conforms, reasons, configurations, controls, (caught, defects)),
        deviations=statement.deviations(found, configurations),
        not_tested=statement.not_tested(found, requirements),
        complete=all(part.counts.counted == part.counts.planned for part in found.parts.values()),
        stopped=found.stopped.reason if found.stopped else "",
        begun=found.registered.at if found.registered else "",
        ended=found.ended,
        configurations=configurations,
        requirements=requirements,
        controls=controls,
        defects_caught=caught,
        defects=defects,
        benches=[_bench(name, found.benches[name]) for name in sorted(found.benches)],
        total=total,
        cycle_s=_median(found.durations),
        overhead=_median(found.shares),
        uncertainty=_uncertainty(configurations),
    )


def _median(values: Any) -> float | None:
    return rounded(statistics.quantile(sorted(values), 0.5)) if len(values) else None


def _total(found: Tally) -> Counts:
    """Counts over all configurations, controls too: how much was done, and no basis of any claim."""
    total = Counts()
    for part in found.parts.values():
        for name in ("planned", "counted", "passed", "failed", "inconclusive", "as_expected", "repeated"):
            setattr(total, name, getattr(total, name) + getattr(part.counts, name))
        for fault, number in part.counts.died.items():
            total.died[fault] = total.died.get(fault, 0) + number
    total.died = dict(sorted(total.died.items()))
    return total


def _bench(name: str, bench: Bench) -> BenchSummary:
    return BenchSummary(
        name=name,
        cycles=bench.cycles,
        died=bench.died,
        offline=bench.offline,
        file_sha256=bench.file_sha256,
        facts={fact: sorted(values) for fact, values in sorted(bench.facts.items())},
    )


def _uncertainty(configurations: list[ConfigurationSummary]) -> dict[str, Any]:
    """Of each measure: the largest of any cycle, in its unit, and where it comes from."""
    held: dict[str, Any] = {}
    for name, measure in MEASURES.items():
        every = [one for part in configurations for one in part.distributions if one.measure == name]
        if not every:
            continue
        known = [one.uncertainty for one in every if one.uncertainty is not None]
        held[name] = {
            "title": measure.title,
            "unit": measure.unit,
            "largest": max(known) if known else None,
            "basis": _BASIS[measure.basis],
        }
    return held

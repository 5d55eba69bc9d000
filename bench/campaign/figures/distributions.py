# SPDX-License-Identifier: Apache-2.0
"""From a configuration's series to its distributions, and the tests of a whole campaign taken together."""

from collections.abc import Iterable

import numpy as np

from vkbench.campaign.figures import statistics
from vkbench.campaign.figures.measures import MEASURES, Measure
from vkbench.campaign.figures.tally import Part, Series, of_benches
from vkbench.evidence.campaign import Agreement, Distribution, Drift, Plan, Spread, Tolerance, Worst

QUANTILES = (0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99)
TREND = "Mann-Kendall, stratified by bench; Theil-Sen slope"
COUNTS = "Fisher's exact test of each bench against the rest"
VALUES = "Kruskal-Wallis"
_DIGITS = 10


def rounded(value: float) -> float:
    """To ten digits: what a library computes may differ in the last ones from machine to machine."""
    return float(f"{value:.{_DIGITS}g}")


def of_part(part: Part, names: list[str], plan: Plan) -> list[Distribution]:
    """The distributions of a configuration, in the order of MEASURES; unknown measures last, by name."""
    known = [name for name in MEASURES if name in part.series]
    others = sorted(part.series.keys() - MEASURES.keys())
    return [_distribution(name, part.series[name], names, plan) for name in [*known, *others]]


def _distribution(name: str, series: Series, names: list[str], plan: Plan) -> Distribution:
    measure = MEASURES.get(name, Measure(name, "", "", "exact"))
    values = np.asarray(series.values)
    order = np.argsort(values, kind="stable")  # of equal values the earlier cycle first
    ordered = values[order]
    worst = None
    if measure.worse:
        worst = int(np.argmax(values) if measure.worse == "high" else np.argmin(values))
    benches = list(of_benches(series, names))
    return Distribution(
        measure=name,
        title=measure.title,
        unit=measure.unit,
        worse=measure.worse,
        limit=series.limit,
        uncertainty=series.uncertainty,
        n=len(ordered),
        low=float(ordered[0]),
        median=statistics.quantile(ordered, 0.5),
        high=float(ordered[-1]),
        quantiles={str(share): statistics.quantile(ordered, share) for share in QUANTILES},
        worst=None if worst is None else _at(series, worst),
        middle=_at(series, int(order[(len(order) - 1) // 2])),
        tolerance=_tolerance(ordered, measure, plan),
        drift=_drift(benches),
        ecdf=[(value, rounded(share)) for value, share in statistics.ecdf(ordered)],
        by_bench={bench: _spread(held) for bench, _, held in benches},
        agreement=_agreement(benches),
    )


def _at(series: Series, index: int) -> Worst:
    return Worst(slot=series.slots[index], attempt=series.attempts[index], value=series.values[index])


def _spread(values: list[float]) -> Spread:
    ordered = sorted(values)
    return Spread(n=len(ordered), low=ordered[0], median=statistics.quantile(ordered, 0.5), high=ordered[-1])


def _tolerance(ordered: np.ndarray, measure: Measure, plan: Plan) -> Tolerance | None:
    if not measure.worse:
        return None
    return Tolerance(
        coverage=plan.coverage,
        confidence=plan.confidence,
        value=statistics.tolerance_bound(ordered, plan.coverage, plan.confidence, measure.worse),
        needed=statistics.tolerance_needed(plan.coverage, plan.confidence),
    )


def _drift(benches: list[tuple[str, list[int], list[float]]]) -> Drift | None:
    found = statistics.drift([(positions, values) for _, positions, values in benches])
    if found is None:
        return None
    return Drift(
        method=TREND,
        statistic=rounded(found.statistic),
        p=rounded(found.p),
        slope=rounded(found.slope),
        shown=False,
        sentence="",
    )


def _agreement(benches: list[tuple[str, list[int], list[float]]]) -> Agreement | None:
    found = statistics.differing_values({bench: values for bench, _, values in benches})
    return _agreed(VALUES, found)


def agreement_of_counts(part: Part) -> Agreement | None:
    """Do the benches pass (a control: catch) equally often? A cycle that did not is FAIL or INCONCLUSIVE."""
    groups = {
        bench: (counts.as_expected, counts.counted - counts.as_expected)
        for bench, counts in part.by_bench.items()
    }
    return _agreed(COUNTS, statistics.differing_counts(groups))


def _agreed(method: str, found: statistics.Difference | None) -> Agreement | None:
    if found is None:
        return None
    return Agreement(
        method=method,
        statistic=rounded(found.statistic),
        p=rounded(found.p),
        bench=found.group,
        shown=False,
        sentence="",
    )


def decide(counts: Iterable[Agreement], distributions: Iterable[Distribution], confidence: float) -> int:
    """Decide all tests of a campaign together (Holm), and say each in a sentence. Returns how many there were."""
    every = list(distributions)
    drifts = [(one, one.drift) for one in every if one.drift]
    values = [(one, one.agreement) for one in every if one.agreement]
    of_counts = list(counts)
    tests: list[Drift | Agreement] = [
        *of_counts,
        *(test for _, test in drifts),
        *(test for _, test in values),
    ]
    shown = statistics.holm([test.p for test in tests], 1 - confidence)
    for test, one in zip(tests, shown, strict=True):
        test.shown = one
    for distribution, drift in drifts:
        drift.sentence = _trend(distribution, drift)
    for distribution, agreement in values:
        medians = ", ".join(f"{bench} {held.median:.4g}" for bench, held in distribution.by_bench.items())
        agreement.sentence = (
            f"Benches differ, {agreement.bench} most: medians {medians} {distribution.unit} (p = {agreement.p:.2g})."
            if agreement.shown
            else f"No difference between benches shown (p = {agreement.p:.2g})."
        )
    for agreement in of_counts:
        way = "more" if agreement.statistic > 0 else "less"
        agreement.sentence = (
            f"Benches differ: {agreement.bench} ends as expected {way} often than the rest (p = {agreement.p:.2g})."
            if agreement.shown
            else f"No difference between benches shown (p = {agreement.p:.2g})."
        )
    return len(tests)


def _trend(distribution: Distribution, drift: Drift) -> str:
    if not drift.shown:
        return f"No drift shown (p = {drift.p:.2g})."
    way = "rises" if drift.statistic > 0 else "falls"
    unit = f" {distribution.unit}" if distribution.unit else ""
    return f"It {way} in run order, by {abs(drift.slope):.3g}{unit} a cycle (p = {drift.p:.2g})."

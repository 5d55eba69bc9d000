# SPDX-License-Identifier: Apache-2.0
"""Measures in a summary: distributions, drift, benches that differ; and summaries of whole campaigns."""

import random
import tracemalloc

import pytest
import synthetic_campaign
from small_campaign import HALT, JUMP, Made, candidate, control, row, said

from vkbench.campaign.figures.summary import summarise
from vkbench.evidence.campaign import Summary


def with_measures(benches: tuple[str, ...] = ("one", "two"), n: int = 60, value=lambda number, bench: 1.0):
    made = Made([candidate(n=n), control()], benches=benches)
    for number in range(n):
        bench = benches[number % len(benches)]
        measured = {"margin": value(number, bench), "order_uncertainty": 0.0003}
        rule = {"id": JUMP, "result": "PASS", "value": 1, "limit": 0, "uncertainty": 0.0003, "unit": "s"}
        made.attempt("good", bench=bench, measures=measured, rules=[rule])
    return made.fill()


def margin(summary: Summary):
    return next(one for one in row(summary).distributions if one.measure == "margin")


def test_a_distribution() -> None:
    made = with_measures(value=lambda number, _: float((number * 7) % 60))
    found = margin(made.summary())
    assert (found.n, found.low, found.median, found.high) == (60, 0, 29, 59)
    assert (found.worst.slot, found.worst.value, found.middle.value) == (1, 0, 29)
    assert (found.limit, found.uncertainty, found.unit, found.worse) == (0, 0.0003, "s", "low")
    assert found.quantiles["0.05"] == 2 and found.quantiles["0.95"] == 56
    assert found.ecdf[0] == (0, pytest.approx(1 / 60)) and found.ecdf[-1] == (59, 1) and len(found.ecdf) == 60
    assert found.tolerance.value is None and found.tolerance.needed == 299
    assert {name: spread.n for name, spread in found.by_bench.items()} == {"one": 30, "two": 30}
    assert not found.drift.shown and not found.agreement.shown


def test_a_tolerance_bound_once_there_are_enough() -> None:
    made = with_measures(value=lambda number, _: float(number % 50) + 1)
    made.plan_values = {"coverage": 0.95}
    assert margin(made.summary()).tolerance.value == 1


def test_repeated_attempts_are_in_no_distribution() -> None:
    made = with_measures(n=3)
    made.attempt("good", replicate=1, counts=False, measures={"margin": -99.0})
    assert margin(made.summary()).low == 1


def test_the_uncertainty_of_each_measure() -> None:
    found = with_measures().summary().uncertainty
    assert found["margin"] == {
        "title": "Last request to the jump, at least",
        "unit": "s",
        "largest": 0.0003,
        "basis": "a console text can be late by the order uncertainty",
    }
    assert found["order_uncertainty"]["largest"] == 0.0003
    made = Made()
    rule = {"id": HALT, "result": "PASS", "value": 1, "limit": 4, "uncertainty": 2, "unit": "cycles"}
    made.attempt("good", measures={"halt_latency": 1, "doorbell_to_gate": 1}, rules=[rule])
    both = {one.measure: one for one in row(made.summary()).distributions}
    assert (both["halt_latency"].limit, both["halt_latency"].uncertainty) == (4, 2)
    assert (both["doorbell_to_gate"].limit, both["doorbell_to_gate"].uncertainty) == (None, 0)


def test_a_limit_of_requests_is_none_of_seconds() -> None:
    made = Made()
    rule = {"id": JUMP, "result": "FAIL", "value": 9, "limit": 0, "uncertainty": 3, "unit": "requests"}
    measured = {"margin": -3.0, "order_uncertainty": 0.0003}
    made.attempt("good", result="FAIL", measures=measured, rules=[rule])
    found = margin(made.summary())
    assert (found.limit, found.uncertainty, found.worst.value) == (None, 0.0003, -3)
    assert "halt_latency" not in found


def test_drift_is_shown_and_is_a_deviation() -> None:
    noise = random.Random(1)
    found = with_measures(value=lambda number, _: 5 - 0.01 * number + 0.05 * noise.random()).summary()
    drift = margin(found).drift
    assert drift.shown and drift.slope == pytest.approx(-0.01, rel=0.05) and "falls" in drift.sentence
    assert said(found.deviations, "Last request to the jump", "drifts in run order in good (falls by 0.0")
    assert found.conformity == "CONFORMS", "the numbers stand; the reader is told"


def test_benches_that_differ_are_shown_and_named() -> None:
    noise = random.Random(2)
    found = with_measures(
        value=lambda _, bench: (2 if bench == "two" else 1) + 0.1 * noise.random()
    ).summary()
    agreement = margin(found).agreement
    assert agreement.shown and not margin(found).drift.shown
    assert "medians one 1.0" in agreement.sentence and ", two 2.0" in agreement.sentence
    assert said(found.deviations, "Last request to the jump", "benches differ in good (")


def test_a_bench_that_passes_less_often() -> None:
    made = Made([candidate(n=60), control()])
    for number in range(60):
        bench = ("one", "two")[number % 2]
        made.attempt("good", bench=bench, result="FAIL" if bench == "two" and number % 3 == 0 else "PASS")
    found = made.fill().summary()
    assert row(found).by_bench["one"].failed == 0 and row(found).by_bench["two"].failed == 10
    assert row(found).agreement.shown
    assert said(found.deviations, "Benches differ", "less often")


def test_many_tests_raise_few_alarms() -> None:
    """Forty campaigns in which nothing drifts and all benches are alike: at 95 % two may cry wolf, and hardly five."""
    alarms = 0
    for seed in range(40):
        noise = random.Random(seed)
        found = with_measures(n=40, value=lambda *_, noise=noise: noise.random()).summary()
        alarms += said(found.deviations, "in run order") or said(found.deviations, "enches differ")
    assert alarms <= 5


def test_an_unknown_measure_is_kept() -> None:
    made = Made()
    made.attempt("good", measures={"temperature": 40.0})
    found = row(made.fill().summary()).distributions[0]
    assert (found.measure, found.title, found.n, found.tolerance) == ("temperature", "temperature", 1, None)


@pytest.mark.parametrize(
    "shape",
    [
        {},
        {
            "fail": 0.1,
            "inconclusive": 0.1,
            "died": {"bench": 0.2, "server": 0.05, "card": 0.05},
            "missed": 0.1,
        },
        {"done": 0.4, "resumed": 2, "offline": True},
        {"hostile": True, "benches": 3},
    ],
)
def test_a_whole_campaign_is_summed_up_and_always_alike(shape) -> None:
    made = synthetic_campaign.make(cycles=120, seed=4, **shape)
    found = summary_of(made)
    assert found.model_dump_json(by_alias=True) == summary_of(made).model_dump_json(by_alias=True)
    assert found == Summary.model_validate_json(found.model_dump_json(by_alias=True))
    cycles = list(made.cycles())
    ended = [cycle.outcome for cycle in cycles if cycle.outcome]
    total = found.total
    assert total.counted + total.repeated == len(ended) == sum(one.cycles for one in found.benches)
    assert total.passed + total.failed + total.inconclusive == total.counted
    assert sum(total.died.values()) == sum(outcome.fate == "died" for outcome in ended)
    for one in found.configurations:
        for name in ("counted", "passed", "failed", "inconclusive", "repeated", "as_expected"):
            assert sum(getattr(part, name) for part in one.by_bench.values()) == getattr(one.counts, name)
    for sentence in [*found.statement, *found.deviations, *found.not_tested]:
        assert sentence.isprintable()


def summary_of(made: synthetic_campaign.Campaign) -> Summary:
    return summarise(made.plan, made.cycles(), made.entries())


def test_memory_does_not_grow_with_what_cycles_hold() -> None:
    """A cycle leaves its numbers behind and nothing else: 1,000 cycles with 10 kB of text each stay under 2 MB."""
    made = with_measures(n=1000, value=lambda number, _: float(number))
    slim, made.cycles = made.cycles, []

    def stream():
        for cycle in slim:
            outcome = cycle.outcome.model_copy(update={"detail": "x" * 10_000 + str(cycle.intent)})
            yield cycle.model_copy(update={"outcome": outcome})

    plan, entries = made.plan, made.entries
    summarise(plan, stream(), iter(entries))  # imports
    tracemalloc.start()
    summarise(plan, stream(), iter(entries))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 2e6

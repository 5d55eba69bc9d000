# SPDX-License-Identifier: Apache-2.0
"""The statistics against truths that do not come from the same library: exact sums of fractions, published tables, and the
definition itself (how often a bound holds).
"""

import math
from fractions import Fraction
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vkbench.campaign.figures import statistics as s

seeded = settings(derandomize=True, deadline=None, max_examples=60, database=None)
CONFIDENCES = (0.5, 0.8, 0.9, 0.95, 0.99)


def at_least(hits: int, n: int, share: Fraction) -> Fraction:
    """Probability of so many hits or more, exactly."""
    terms = (math.comb(n, k) * share**k * (1 - share) ** (n - k) for k in range(hits, n + 1))
    return sum(terms, Fraction(0))


def at_most(hits: int, n: int, share: Fraction) -> Fraction:
    return 1 - at_least(hits + 1, n, share)


# ---- Clopper-Pearson -------------------------------------------------------------------------------------------------


@seeded
@given(st.integers(1, 40), st.data(), st.sampled_from(CONFIDENCES))
def test_clopper_pearson_is_where_the_exact_tails_are(n, data, confidence) -> None:
    failures = data.draw(st.integers(0, n))
    passed, tail = n - failures, 1 - Fraction(str(confidence))
    found = s.clopper_pearson(n, failures, confidence)
    for bound, wanted in ((found.at_least, tail), (found.low, tail / 2)):
        if passed == 0:
            assert bound == 0
            continue
        below, above = (Fraction(bound * (1 + step)) for step in (-1e-9, 1e-9))
        assert at_least(passed, n, below) < wanted < at_least(passed, n, min(above, Fraction(1)))
    if failures == 0:
        assert found.high == 1
    else:
        # 1e-9 of the share that fails: near 1 nothing finer can be told.
        below, above = (Fraction(1 - (1 - found.high) * (1 + step)) for step in (1e-9, -1e-9))
        assert at_most(passed, n, below) > tail / 2 > at_most(passed, n, above)


@pytest.mark.parametrize(
    ("n", "failures", "low", "high"),
    [
        (10, 3, 0.3475471, 0.9332605),  # R: binom.test(7, 10)
        (10, 0, 0.6915029, 1.0),  # binom.test(10, 10)
        (20, 10, 0.2719578, 0.7280422),  # binom.test(10, 20)
        (5, 5, 0.0, 0.5218238),  # binom.test(0, 5)
    ],
)
def test_clopper_pearson_published(n, failures, low, high) -> None:
    found = s.clopper_pearson(n, failures, 0.95)
    assert found.low == pytest.approx(low, abs=1e-7) and found.high == pytest.approx(high, abs=1e-7)


@pytest.mark.parametrize("share", ["0.5", "0.9", "0.95", "0.99"])
@pytest.mark.parametrize("n", [1, 7, 30])
def test_the_bounds_hold_as_often_as_they_say(share, n) -> None:
    """Not by simulation: over all that n cycles can bring, each with its probability."""
    true = Fraction(share)
    one_sided = two_sided = Fraction(0)
    for passed in range(n + 1):
        p = math.comb(n, passed) * true**passed * (1 - true) ** (n - passed)
        found = s.clopper_pearson(n, n - passed, 0.95)
        one_sided += p * (found.at_least <= float(true))
        two_sided += p * (found.low <= float(true) <= found.high)
    assert one_sided >= Fraction("0.95") and two_sided >= Fraction("0.95")


def test_no_cycles_show_nothing() -> None:
    assert s.clopper_pearson(0, 0, 0.95) == (0, 0, 1)
    assert s.success_run(0, 0.95) == 0
    assert not s.shows(0, 0, 0.01, 0.01)


@pytest.mark.parametrize(("n", "failures"), [(3, 4), (3, -1), (-1, 0)])
def test_impossible_counts_are_refused(n, failures) -> None:
    with pytest.raises(ValueError, match="failures of"):
        s.clopper_pearson(n, failures, 0.95)


@pytest.mark.parametrize("confidence", [0, 1, 95])
def test_a_confidence_is_a_share(confidence) -> None:
    with pytest.raises(ValueError, match="between 0 and 1"):
        s.clopper_pearson(3, 0, confidence)


# ---- success run and n -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("reliability", "confidence", "allowed", "n"),
    [
        (0.99, 0.95, 0, 299),
        (0.95, 0.95, 0, 59),
        (0.90, 0.90, 0, 22),
        (0.90, 0.95, 0, 29),
        (0.95, 0.95, 1, 93),
        (0.95, 0.95, 2, 124),
        (0.95, 0.95, 3, 153),
        (0.95, 0.95, 4, 181),
        (0.99, 0.95, 1, 473),
        (0.99, 0.95, 2, 628),
        (0.999, 0.95, 0, 2995),
        (0.5, 0.75, 0, 2),
        (0.1, 0.9, 0, 1),
    ],
)
def test_needed_cycles_published(reliability, confidence, allowed, n) -> None:
    assert s.needed_cycles(reliability, confidence, allowed) == n


@seeded
@given(
    st.sampled_from(["0.5", "0.8", "0.9", "0.95"]), st.sampled_from(["0.5", "0.9", "0.95"]), st.integers(0, 4)
)
def test_needed_cycles_is_the_smallest_by_exact_sums(reliability, confidence, allowed) -> None:
    n = s.needed_cycles(float(reliability), float(confidence), allowed)
    bad, doubt = 1 - Fraction(reliability), 1 - Fraction(confidence)
    assert at_most(allowed, n, bad) <= doubt
    assert n == allowed + 1 or at_most(allowed, n - 1, bad) > doubt


@seeded
@given(st.integers(1, 400), st.data(), st.sampled_from([0.5, 0.9, 0.95, 0.99]), st.sampled_from(CONFIDENCES))
def test_a_goal_is_shown_where_the_bound_reaches_it(n, data, reliability, confidence) -> None:
    failures = data.draw(st.integers(0, min(n, 10)))
    bound = s.clopper_pearson(n, failures, confidence).at_least
    if abs(bound - reliability) > 1e-9:
        assert s.shows(n, failures, reliability, confidence) == (bound > reliability)


def test_a_success_run_says_what_n_cycles_show() -> None:
    assert s.success_run(299, 0.95) >= 0.99 > s.success_run(298, 0.95)
    assert s.success_run(1, 0.95) == pytest.approx(0.05)


# ---- tolerance bounds ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("coverage", "first"), [(0.95, [59, 93, 124, 153, 181]), (0.99, [299, 473, 628, 773, 913])]
)
def test_tolerance_ranks_published(coverage, first) -> None:
    """Wilks' numbers: from n on the r-th worst value is the bound."""
    for rank, n in enumerate(first, start=1):
        assert s.tolerance_rank(n, coverage, 0.95) == rank
        assert s.tolerance_rank(n - 1, coverage, 0.95) == rank - 1
    assert s.tolerance_needed(coverage, 0.95) == first[0]


def test_a_tolerance_bound_covers_as_often_as_it_says() -> None:
    """20,000 made-up campaigns of 100 uniform values: the bound itself is then the share that it covers."""
    values = np.random.default_rng(6).random((20_000, 100))
    high = np.array([s.tolerance_bound(row, 0.95, 0.95, "high") for row in values[:200]])
    rank = s.tolerance_rank(100, 0.95, 0.95)
    every = np.sort(values, axis=1)[:, -rank]
    assert np.array_equal(high, every[:200])
    held = float(np.mean(every >= 0.95))
    assert held > 0.95 - 0.005, "four standard errors"
    too_near = float(np.mean(np.sort(values, axis=1)[:, -rank - 1] >= 0.95))
    assert too_near < 0.95, "one rank further in would claim too much"


def test_the_low_end_is_the_mirror() -> None:
    values = [float(value) for value in np.random.default_rng(2).random(100)]
    assert s.tolerance_bound(values, 0.95, 0.95, "low") == -s.tolerance_bound(
        [-v for v in values], 0.95, 0.95, "high"
    )


@pytest.mark.parametrize("n", [0, 1, 58])
def test_too_few_values_have_no_tolerance_bound(n) -> None:
    assert s.tolerance_bound([1.0] * n, 0.95, 0.95, "high") is None


def test_tied_values_have_their_value_as_bound() -> None:
    assert s.tolerance_bound([2.0] * 59, 0.95, 0.95, "high") == 2.0


# ---- quantiles, ECDF -------------------------------------------------------------------------------------------------


@seeded
@given(st.lists(st.integers(-50, 50), min_size=1, max_size=60), st.sampled_from(range(1, 100)))
def test_a_quantile_is_the_smallest_value_that_covers_its_share(values, percent) -> None:
    ordered = sorted(values)
    found = s.quantile(ordered, percent / 100)
    share = Fraction(percent, 100)
    assert found in ordered
    assert Fraction(sum(v <= found for v in values), len(values)) >= share
    assert Fraction(sum(v < found for v in values), len(values)) < share


def test_no_values_have_no_quantile() -> None:
    with pytest.raises(ValueError, match="no values"):
        s.quantile([], 0.5)


@seeded
@given(st.lists(st.integers(-1000, 1000), max_size=400), st.integers(2, 50))
def test_an_ecdf_is_thinned_to_points_of_itself(values, points) -> None:
    found = s.ecdf(values, points)
    assert len(found) <= points
    if not values:
        assert found == []
        return
    assert found[0][0] == min(values) and found[-1] == (max(values), 1)
    for value, share in found:
        assert share == pytest.approx(sum(v <= value for v in values) / len(values))
    assert all(a[0] < b[0] and a[1] < b[1] for a, b in zip(found, found[1:], strict=False))


# ---- drift -----------------------------------------------------------------------------------------------------------


def test_a_rise_without_exception_has_the_book_s_statistic() -> None:
    found = s.drift([(range(10), [float(value) for value in range(10)])])
    assert found.statistic == pytest.approx(44 / math.sqrt(125))  # S = 45, n(n-1)(2n+5)/18 = 125
    assert found.p == pytest.approx(math.erfc(44 / math.sqrt(250)))
    assert found.slope == 1


@seeded
@given(st.lists(st.lists(st.integers(0, 6), min_size=0, max_size=25), min_size=1, max_size=3))
def test_the_trend_is_that_of_all_pairs_within_a_bench(benches) -> None:
    strata, start = [], 0
    for values in benches:
        strata.append((range(start, start + len(values)), [float(v) for v in values]))
        start += len(values)
    total = variance = 0
    slopes = []
    for values in benches:
        n = len(values)
        ties = [values.count(v) for v in set(values)]
        total += sum((b > a) - (b < a) for a, b in combinations(values, 2))
        variance += (n * (n - 1) * (2 * n + 5) - sum(t * (t - 1) * (2 * t + 5) for t in ties)) / 18
        slopes += [(values[j] - values[i]) / (j - i) for i, j in combinations(range(n), 2)]
    found = s.drift(strata)
    if start < s.DRIFT_NEEDS or variance == 0:
        assert found is None
        return
    z = (total - (total > 0) + (total < 0)) / math.sqrt(variance)
    assert found.statistic == pytest.approx(z)
    assert found.slope == pytest.approx(float(np.median(slopes)))


def test_chance_is_called_a_trend_as_often_as_p_says() -> None:
    random = np.random.default_rng(3)
    found = [s.drift([(range(30), random.random(30))]).p for _ in range(1500)]
    share = np.mean(np.array(found) <= 0.05)
    assert 0.03 < share < 0.067, "0.05 within three standard errors"


def test_benches_that_differ_are_no_drift() -> None:
    """The slower bench makes most of the later cycles: without strata that would be a rise."""
    random = np.random.default_rng(4)
    first = [(at, 1 + random.random()) for at in range(100) if at % 4 or at < 50]
    second = [(at, 5 + random.random()) for at in range(100) if not (at % 4 or at < 50)]
    second += [(at, 5 + random.random()) for at in range(100, 150)]
    split = s.drift([tuple(zip(*first, strict=True)), tuple(zip(*second, strict=True))])
    together = s.drift([tuple(zip(*sorted(first + second), strict=True))])
    assert together.p < 1e-6
    assert split.p > 0.05


def test_a_long_series_has_its_slope_too() -> None:
    n = 5000
    noise = 20 * np.random.default_rng(7).random(n)
    found = s.drift([(range(0, 2 * n, 2), [0.5 * at + noise[at] for at in range(n)])])
    assert found.slope == pytest.approx(0.25, rel=1e-3) and found.p < 1e-12


@pytest.mark.parametrize("values", [[], [1.0], [1.0] * 50, [1.0, 2.0, 3.0]])
def test_where_no_trend_can_be_told_there_is_no_test(values) -> None:
    assert s.drift([(range(len(values)), values)]) is None


# ---- benches ---------------------------------------------------------------------------------------------------------


def test_fishers_tea() -> None:
    found = s.differing_counts({"milk first": (3, 1), "tea first": (1, 3)})
    assert found.p == pytest.approx(34 / 70)


@seeded
@given(st.integers(0, 8), st.integers(0, 8), st.integers(0, 8), st.integers(0, 8))
def test_two_benches_by_exact_fractions(a, b, c, d) -> None:
    found = s.differing_counts({"one": (a, b), "two": (c, d)})
    if not (a + b and c + d and a + c and b + d):
        assert found is None
        return
    n, row, column = a + b + c + d, a + b, a + c
    weights = {
        k: Fraction(math.comb(column, k) * math.comb(n - column, row - k), math.comb(n, row))
        for k in range(max(0, row + column - n), min(row, column) + 1)
    }
    exact = sum(weight for weight in weights.values() if weight <= weights[a])
    assert found.p == pytest.approx(float(exact), rel=1e-6)


def test_the_bench_that_differs_is_named() -> None:
    found = s.differing_counts({"a": (50, 0), "b": (49, 1), "c": (35, 15)})
    assert found.group == "c" and found.p < 0.001 and found.statistic < 0
    assert s.differing_counts({"a": (50, 0), "b": (50, 0)}) is None
    assert s.differing_counts({"a": (50, 3)}) is None
    assert s.differing_counts({"a": (0, 0), "b": (0, 0)}) is None


def test_several_benches_are_several_tests() -> None:
    two = s.differing_counts({"a": (20, 0), "b": (15, 5)})
    three = s.differing_counts({"a": (20, 0), "b": (15, 5), "c": (20, 0)})
    assert three.group == "b"
    alone = s.differing_counts({"rest": (40, 0), "b": (15, 5)})
    assert three.p == pytest.approx(3 * alone.p) and two.p > alone.p


def test_kruskal_wallis_by_its_ranks() -> None:
    groups = {"a": [1.0, 2, 3, 4, 5], "b": [6.0, 7, 8, 9, 10], "c": [11.0, 12, 13, 14, 15]}
    found = s.differing_values(groups)
    ranks = [15, 40, 65]
    assert found.statistic == pytest.approx(12 / (15 * 16) * sum(r * r / 5 for r in ranks) - 3 * 16)
    assert found.p == pytest.approx(math.exp(-found.statistic / 2))  # chi-squared with 2 degrees of freedom
    assert found.group in ("a", "c")


def test_too_few_or_equal_values_are_not_compared() -> None:
    assert s.differing_values({"a": [1.0] * 9, "b": [1.0] * 9}) is None
    assert s.differing_values({"a": [1.0, 2, 3, 4, 5], "b": [1.0, 2, 3, 4]}) is None
    assert s.differing_values({}) is None


# ---- several tests ---------------------------------------------------------------------------------------------------


def test_holm_published() -> None:
    assert s.holm([0.01, 0.04, 0.03, 0.005], 0.05) == [True, False, False, True]
    assert s.holm([], 0.05) == []


def test_holm_has_few_false_alarms_in_a_whole_campaign() -> None:
    random = np.random.default_rng(5)
    alarms = sum(any(s.holm(list(random.random(40)), 0.05)) for _ in range(2000))
    assert alarms / 2000 < 0.05 + 3 * math.sqrt(0.05 * 0.95 / 2000)

# SPDX-License-Identifier: Apache-2.0
"""The statistics of a campaign, as pure functions. Counts are cycles; probabilities and confidences lie in (0, 1).

What each number means and does not mean: docs/statistics.md. Sources: Clopper & Pearson, Biometrika 26 (1934) 404;
Meeker, Hahn & Escobar, Statistical Intervals, 2nd ed. (2017), ch. 5 and 6; Mann, Econometrica 13 (1945) 245; Kendall,
Rank Correlation Methods (1975); Hirsch, Slack & Smith, Water Resources Research 18 (1982) 107; Theil, Indagationes
Mathematicae 12 (1950); Fisher (1935); Kruskal & Wallis, JASA 47 (1952) 583; Holm, Scand. J. Statistics 6 (1979) 65.
scipy is imported where it is used: it takes a second, and most commands need none of this.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import numpy as np

#: Probabilities nearer than this share are taken as equal: 1 - 0.95 is not 0.05 in binary.
_EQUAL = 1e-9
#: Up to so many values a slope is the median over all pairs; above, over Theil's n/2 pairs.
_ALL_PAIRS = 600
#: Values below which a trend is not tested: the normal approximation of Kendall's S.
DRIFT_NEEDS = 10
#: Values of each group below which Kruskal-Wallis is not tested: its chi-squared approximation.
GROUP_NEEDS = 5


class Interval(NamedTuple):
    """Bounds of a share. ``at_least`` is one-sided; ``low`` and ``high`` are the two-sided interval."""

    at_least: float
    low: float
    high: float


class Trend(NamedTuple):
    """``statistic``: Kendall's S in standard deviations; ``p`` two-sided; ``slope`` in units per position."""

    statistic: float
    p: float
    slope: float


class Difference(NamedTuple):
    """A test of whether groups differ. ``group``: which one, where the test says so."""

    statistic: float
    p: float
    group: str = ""


def clopper_pearson(n: int, failures: int, confidence: float) -> Interval:
    """Bounds of the share of all cycles that pass, when ``failures`` of ``n`` did not (Clopper & Pearson 1934).

    Exact in this sense: whatever the true share is, the bound is wrong in at most 1 - confidence of all campaigns.
    n = 0 shows nothing: 0 to 1.
    """
    _check_counts(n, failures)
    _check_probability("confidence", confidence)
    passed, tail = n - failures, 1 - confidence
    return Interval(
        at_least=_lower(passed, failures, tail),
        low=_lower(passed, failures, tail / 2),
        high=1 - _lower(failures, passed, tail / 2),
    )


def _lower(hits: int, others: int, tail: float) -> float:
    """The share at which ``hits`` or more of all would be seen with probability ``tail``."""
    from scipy.special import betaincinv

    if hits == 0:
        return 0.0
    if others == 0:
        return float(tail ** (1 / hits))
    return float(betaincinv(hits, others + 1, tail))


def success_run(n: int, confidence: float) -> float:
    """The reliability that n cycles without any failure show: (1 - confidence)^(1/n); 0 for n = 0."""
    return clopper_pearson(n, 0, confidence).at_least


def shows(n: int, failures: int, reliability: float, confidence: float) -> bool:
    """Do ``failures`` of n cycles show this reliability? They do when a card of just this reliability would fail so
    seldom with a probability of at most 1 - confidence. The same as clopper_pearson().at_least >= reliability.
    """
    _check_counts(n, failures)
    _check_probability("reliability", reliability)
    _check_probability("confidence", confidence)
    return n > failures and _at_most(failures, n, 1 - reliability) <= (1 - confidence) * (1 + _EQUAL)


def needed_cycles(reliability: float, confidence: float, allowed_failures: int = 0) -> int:
    """The smallest n that shows the reliability when at most ``allowed_failures`` fail (MHE 2017, 6.2).

    299 for 0.99 at 0.95 without a failure, 473 with one.
    """
    return _smallest(lambda n: shows(n, allowed_failures, reliability, confidence), allowed_failures + 1)


def tolerance_rank(n: int, coverage: float, confidence: float) -> int:
    """The r for which the r-th worst of n values bounds ``coverage`` of all values; 0: n is too small.

    One-sided, for any distribution: the r-th worst bounds it when the number of n values beyond the true quantile is r or
    more with a probability of at least ``confidence`` (MHE 2017, 5.3). Conservative when values are tied.
    """
    _check_probability("coverage", coverage)
    _check_probability("confidence", confidence)

    def too_far(rank: int) -> bool:
        return _at_most(rank - 1, n, 1 - coverage) > (1 - confidence) * (1 + _EQUAL)

    if n < 1 or too_far(1):
        return 0
    return _smallest(too_far, 1) - 1


def tolerance_bound(values: Sequence[float], coverage: float, confidence: float, worse: str) -> float | None:
    """The value that ``coverage`` of all cycles do not pass on the side ``worse`` ("high" or "low"); None: n too small."""
    rank = tolerance_rank(len(values), coverage, confidence)
    if rank == 0:
        return None
    ordered = np.sort(np.asarray(values, float))
    return float(ordered[-rank] if worse == "high" else ordered[rank - 1])


def tolerance_needed(coverage: float, confidence: float) -> int:
    """Values from which on there is a tolerance bound: then it is the worst of them. 299 for 0.99 at 0.95."""
    return needed_cycles(coverage, confidence)


def quantile(ordered: Sequence[float], share: float) -> float:
    """The smallest value that at least this share of the ordered values does not exceed: one that was measured, no
    interpolation (Hyndman & Fan 1996, type 1).
    """
    if not len(ordered):
        raise ValueError("no values, no quantile")
    # 0.95 * 20 is a little more than 19 in binary.
    place = math.ceil(share * len(ordered) * (1 - _EQUAL)) - 1
    return float(ordered[min(max(place, 0), len(ordered) - 1)])


def ecdf(values: Sequence[float], points: int = 100) -> list[tuple[float, float]]:
    """(value, share of values that do not exceed it), rising, at most ``points`` of them (2 or more).

    Each point is one of the exact function; the smallest and the largest value are always there. Tied values make one.
    """
    if points < 2:
        raise ValueError(f"an ECDF of {points} points; at least 2 are needed")
    if not len(values):
        return []
    distinct, counts = np.unique(np.asarray(values, float), return_counts=True)
    shares = np.cumsum(counts) / len(values)
    if len(distinct) > points:
        chosen = np.unique(np.round(np.linspace(0, len(distinct) - 1, points)).astype(int))
        distinct, shares = distinct[chosen], shares[chosen]
    return list(zip(distinct.tolist(), shares.tolist(), strict=True))


def drift(strata: Sequence[tuple[Sequence[int], Sequence[float]]]) -> Trend | None:
    """Mann-Kendall's test for a trend, with benches as strata (Hirsch & Slack): values are compared within a bench only,
    so that a bench which differs and makes more of the later cycles is no trend. Variance corrected for ties, S for
    continuity. Each stratum: positions in run order (rising), and values.

    None: fewer than DRIFT_NEEDS values, or all of a bench are equal in each. It sees what goes up or down, not what only
    scatters more; values that depend on those right before make p too small.
    """
    s = variance = 0.0
    total = 0
    for _, values in strata:
        one_s, one_variance = _kendall(np.asarray(values, float))
        s, variance, total = s + one_s, variance + one_variance, total + len(values)
    if total < DRIFT_NEEDS or variance <= 0:
        return None
    z = math.copysign(max(abs(s) - 1, 0), s) / math.sqrt(variance)
    return Trend(z, math.erfc(abs(z) / math.sqrt(2)), _slope(strata))


def _kendall(values: np.ndarray) -> tuple[float, float]:
    """Kendall's S against run order and its variance under no trend, ties counted."""
    from scipy.stats import kendalltau

    n = len(values)
    if n < 2:
        return 0.0, 0.0
    _, tied = np.unique(values, return_counts=True)
    variance = (n * (n - 1) * (2 * n + 5) - float(np.sum(tied * (tied - 1.0) * (2 * tied + 5)))) / 18
    if len(tied) == 1:
        return 0.0, 0.0
    if n == 2:  # scipy's variance divides by n - 2
        return math.copysign(1.0, values[1] - values[0]), variance
    pairs = n * (n - 1) / 2
    comparable = pairs - float(np.sum(tied * (tied - 1.0) / 2))
    tau = kendalltau(np.arange(n), values, method="asymptotic").statistic
    return float(round(tau * math.sqrt(pairs * comparable))), variance


def _slope(strata: Sequence[tuple[Sequence[int], Sequence[float]]]) -> float:
    """Median of the slopes of pairs within a stratum: all pairs (Theil-Sen), or each value with the one half a stratum
    later (Theil's incomplete method) where all would be too many.
    """
    slopes = []
    complete = sum(len(values) for _, values in strata) <= _ALL_PAIRS
    for positions, values in strata:
        at, value = np.asarray(positions, float), np.asarray(values, float)
        if complete:
            first, second = np.triu_indices(len(value), 1)
        else:
            half = len(value) // 2
            first = np.arange(half)
            second = first + len(value) - half
        slopes.append((value[second] - value[first]) / (at[second] - at[first]))
    return float(np.median(np.concatenate(slopes)))


def differing_counts(groups: Mapping[str, tuple[int, int]]) -> Difference | None:
    """Does a bench pass more or less often than the others together? ``groups``: bench -> (passed, not passed).

    Fisher's exact test of each bench against the rest, two-sided; the smallest p, times the number of tests (two benches
    are one test). None: fewer than two benches, or all cycles ended alike.
    """
    from scipy.stats import fisher_exact

    there = {name: counts for name, counts in groups.items() if sum(counts)}
    passed, other = (sum(counts[side] for counts in there.values()) for side in (0, 1))
    if len(there) < 2 or not passed or not other:
        return None
    tests = 1 if len(there) == 2 else len(there)
    results = []
    for name, (hits, misses) in sorted(there.items()):
        p = float(fisher_exact([[hits, misses], [passed - hits, other - misses]]).pvalue)
        share = hits / (hits + misses) - passed / (passed + other)
        results.append((p, -abs(share), name, share))
    p, _, name, share = min(results)
    return Difference(share, min(1.0, p * tests), name)


def differing_values(groups: Mapping[str, Sequence[float]]) -> Difference | None:
    """Do the benches' values come from one distribution? Kruskal-Wallis, corrected for ties; statistic H.

    None: fewer than two benches with GROUP_NEEDS values, or all values are equal. ``group``: the bench whose median lies
    farthest from the median of all.
    """
    from scipy.stats import kruskal

    there = {name: values for name, values in sorted(groups.items()) if len(values) >= GROUP_NEEDS}
    if len(there) < 2:
        return None
    together = np.concatenate([np.asarray(values, float) for values in there.values()])
    if np.all(together == together[0]):
        return None
    result = kruskal(*there.values())
    middle = np.median(together)
    farthest = max(there, key=lambda name: abs(float(np.median(there[name])) - middle))
    return Difference(float(result.statistic), float(result.pvalue), farthest)


def holm(p_values: Sequence[float], alpha: float) -> list[bool]:
    """Which of several tests are shown, so that with a probability of at most ``alpha`` any of them is a false alarm."""
    shown = [False] * len(p_values)
    for rank, index in enumerate(sorted(range(len(p_values)), key=lambda index: p_values[index])):
        if p_values[index] > alpha / (len(p_values) - rank):
            break
        shown[index] = True
    return shown


def _at_most(hits: int, n: int, share: float) -> float:
    """Probability of at most so many hits among n, each with probability ``share``."""
    from scipy.special import betainc

    if hits < 0:
        return 0.0
    if hits >= n:
        return 1.0
    if hits == 0:
        return float((1 - share) ** n)
    return float(betainc(n - hits, hits + 1, 1 - share))


def _smallest(holds: Callable[[int], bool], start: int) -> int:
    """The smallest number from ``start`` on for which a condition holds that, once it does, goes on holding."""
    step, top = 1, start
    while not holds(top):
        step *= 2
        top += step
    low = max(start, top - step)
    while low < top:
        middle = (low + top) // 2
        low, top = (low, middle) if holds(middle) else (middle + 1, top)
    return top


def _check_counts(n: int, failures: int) -> None:
    if not 0 <= failures <= n:
        raise ValueError(f"{failures} failures of {n} cycles: there must be 0 to n of them")


def _check_probability(name: str, value: float) -> None:
    if not 0 < value < 1:
        raise ValueError(f"{name} is {value}; it must be between 0 and 1")

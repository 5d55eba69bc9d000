# SPDX-License-Identifier: Apache-2.0
"""The axis of the report's pictures: linear as a rule, compressed where one value would press all others together."""

import random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vkbench.report.qualification.axis import FAR, Axis, Bulk, bulk

SEED = 5


def spread(worst: float) -> list[float]:
    """Hundred margins of some milliseconds, and one far from them."""
    rng = random.Random(SEED)
    return [*(rng.uniform(0.002, 0.006) for _ in range(100)), worst]


def test_values_that_lie_together_have_a_linear_axis():
    values = spread(0.02)
    assert bulk(values, min(values), max(values)) is None
    axis = Axis(0, 10, 100, 200)
    assert [axis.at(value) for value in (0, 5, 10)] == [100, 150, 200]
    assert axis.ticks(5) == [0, 2, 4, 6, 8, 10]


@pytest.mark.parametrize("worst", [9.5, -3.0, 0.1])
def test_one_value_far_out_leaves_the_others_room(worst):
    values = spread(worst)
    low, high = min(values), max(values)
    around = bulk(values, low, high)
    assert around is not None and 0.002 <= around.low < around.high <= 0.006
    axis = Axis(low, high, 0, 600, around)
    linear = Axis(low, high, 0, 600)
    first, last = around
    assert axis.at(last) - axis.at(first) > 75 > 25 > linear.at(last) - linear.at(first)
    assert axis.at(low) == 0 and axis.at(high) == 600
    ticks = axis.ticks(6)
    assert len(ticks) >= 3 and ticks == sorted(ticks)
    assert sum(first <= tick <= last for tick in ticks) >= 1, "some within the bulk"
    places = [axis.at(tick) for tick in ticks]
    assert all(b - a >= 46 for a, b in zip(places, places[1:], strict=False))


def test_where_nearly_all_are_equal_nothing_is_compressed():
    """Halt latencies: 0 cycles but for one."""
    assert bulk([0.0] * 99 + [26.0], 0, 26) is None
    assert bulk([5.0], 5, 5) is None


def test_a_limit_far_from_all_values_compresses_too():
    assert bulk([1.0, 1.1, 1.2], 1.0, 1.0 + 0.18 * FAR * 1.01) is not None
    assert bulk([1.0, 1.1, 1.2], 1.0, 1.0 + 0.18 * FAR * 0.99) is None


NUMBERS = st.floats(-1e9, 1e9).map(lambda value: round(value, 6))


@given(st.lists(NUMBERS, min_size=2, max_size=30), st.booleans())
def test_the_order_of_values_stays_and_all_are_on_the_axis(values, downwards):
    low, high = min(values), max(values)
    start, stop = (300.0, 20.0) if downwards else (20.0, 300.0)
    for around in (None, bulk(values, low, high)):
        axis = Axis(low, high, start, stop, around)
        places = axis.places(sorted(values))
        steps = np.diff(places)
        assert np.all(steps <= 1e-6) if downwards else np.all(steps >= -1e-6)
        assert min(start, stop) - 1e-6 <= places.min() and places.max() <= max(start, stop) + 1e-6
        slack = 1e-8 * (axis.high - axis.low)
        assert all(axis.low - slack <= tick <= axis.high + slack for tick in axis.ticks(6))


def test_the_compressed_axis_is_linear_within_the_bulk_nearly():
    axis = Axis(-1000, 1000, 0, 100, Bulk(-1, 1))
    inner, outer = axis.at(0.5) - axis.at(0), axis.at(1000) - axis.at(500)
    assert inner / 0.5 > 100 * outer / 500

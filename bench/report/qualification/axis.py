# SPDX-License-Identifier: Apache-2.0
"""The axis of a picture. One value far out must not press all others into a line, so then the axis is compressed."""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from vkbench.report.svg import nice_step

#: The axis is compressed when all values reach so many times as far as the middle nine tenths of them.
FAR = 12.0
_APART = 46.0  # between two ticks of a compressed axis, in units of the picture; on a short one a sixth of it


class Bulk(NamedTuple):
    """Where nine tenths of the values lie, from ``low`` to ``high``."""

    low: float
    high: float


def bulk(values: Sequence[float] | npt.NDArray[np.float64], low: float, high: float) -> Bulk | None:
    """The bulk of these values, when it would be pressed together on a linear axis from ``low`` to ``high``; else None.

    None also when nine tenths of them are equal: then there is nothing to be seen within.
    """
    first, last = (float(value) for value in np.quantile(np.asarray(values, np.float64), (0.05, 0.95)))
    return Bulk(first, last) if 0 < (last - first) * FAR < high - low else None


class Axis:
    """From the lowest to the highest value onto x or y: linear, or, around a bulk of values, compressed outside of it."""

    def __init__(
        self, low: float, high: float, start: float, stop: float, around: Bulk | None = None
    ) -> None:
        if high <= low:
            pad = abs(low) * 0.05 or 1.0
            low, high = low - pad, high + pad
        self.low, self.high, self.start, self.stop, self.around = low, high, start, stop, around
        self._ends = self._stretched(low), self._stretched(high)

    def _stretched(self, value: npt.ArrayLike) -> npt.NDArray[np.float64]:
        """asinh: linear near the bulk, logarithmic far from it."""
        values = np.asarray(value, np.float64)
        if self.around is None:
            return values
        return np.arcsinh(2 * (values - sum(self.around) / 2) / (self.around.high - self.around.low))

    def places(self, values: npt.ArrayLike) -> npt.NDArray[np.float64]:
        """Where the values lie."""
        low, high = self._ends
        return self.start + (self._stretched(values) - low) / (high - low) * (self.stop - self.start)

    def at(self, value: float) -> float:
        """Where a value lies."""
        return float(self.places(value))

    def ticks(self, wanted: int) -> list[float]:
        """Round values; of a compressed axis those that stay apart, the bulk's first."""
        if self.around is None:
            return _round_values(self.low, self.high, wanted)
        chosen: list[float] = []
        apart = min(_APART, abs(self.stop - self.start) / 6)
        for value in [*_round_values(*self.around, 2), *self._far_values()]:
            clear = all(abs(self.at(value) - self.at(other)) >= apart for other in chosen)
            if self.low <= value <= self.high and clear:
                chosen.append(value)
        return sorted(chosen)

    def _far_values(self) -> list[float]:
        """Powers of ten, then their halves and fifths, the largest first."""
        top = math.ceil(math.log10(max(abs(self.low), abs(self.high))))
        sizes = [factor * 10.0 ** (top - down) for factor in (1, 0.5, 0.2) for down in range(8)]
        return [0.0, *(sign * size for size in sizes for sign in (1, -1))]


def _round_values(low: float, high: float, wanted: int) -> list[float]:
    step = nice_step(high - low, wanted)
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return [number * step for number in range(first, last + 1)]

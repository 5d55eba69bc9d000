# SPDX-License-Identifier: Apache-2.0
"""Pause generators: iterators of bool, one per clock; True = do not accept (or offer) in this clock."""

import itertools
from collections.abc import Iterator
from random import Random


def never() -> Iterator[bool]:
    return itertools.repeat(False)


def at_random(rng: Random, share: float) -> Iterator[bool]:
    """Pauses in the given share of clocks, each clock for itself."""
    while True:
        yield rng.random() < share


def in_bursts(rng: Random, longest: int) -> Iterator[bool]:
    """Alternates between runs and pauses of 1 to ``longest`` clocks."""
    while True:
        yield from itertools.repeat(False, rng.randint(1, longest))
        yield from itertools.repeat(True, rng.randint(1, longest))

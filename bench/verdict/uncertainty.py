# SPDX-License-Identifier: Apache-2.0
"""The bound on the order of a console text and a TLP.

A text whose first byte has the timestamp t was printed somewhere in the closed interval [t - U, t]: a
byte is never early, and at most U late (UART FIFO and bit time, order of sockets). An event strictly
outside that interval has a certain order; an event inside it, edges included, is neither before nor
after.
"""

import math
from dataclasses import dataclass

from vkbench.evidence import Uncertainty, UncertaintySource
from vkbench.verdict.limits import JUMP_TO_TEXT


@dataclass(frozen=True)
class Bound:
    """U, in cycles and in seconds, and what it is made of."""

    cycles: int  #: with the clock at the upper end of its tolerance, rounded up
    seconds: float  #: the sum of the sources
    clock_s: float  #: what the clock's tolerance adds
    sources: tuple[UncertaintySource, ...]

    def interval(self, text_timestamp: int) -> "Interval":
        """When a text was printed whose first byte has this timestamp."""
        return Interval(text_timestamp - self.cycles, text_timestamp)


@dataclass(frozen=True)
class Interval:
    """A closed interval in cycles; where in it the event happened is not known."""

    earliest: int
    latest: int

    def certainly_before(self, timestamp: int) -> bool:
        """True when something at ``timestamp`` happened before the event for certain."""
        return timestamp < self.earliest

    def certainly_after(self, timestamp: int) -> bool:
        """True when something at ``timestamp`` happened after the event for certain."""
        return timestamp > self.latest


def text_bound(uncertainty: Uncertainty, clock_hz: int) -> Bound:
    """U for this run. The larger of the bench's two totals and the sum of its listed sources is used."""
    listed = list(uncertainty.sources) or [
        UncertaintySource(name="console", value_s=uncertainty.console_s, source="bench file [uncertainty]"),
        UncertaintySource(
            name="order of events", value_s=uncertainty.order_s, source="bench file [uncertainty]"
        ),
    ]
    total = uncertainty.console_s + uncertainty.order_s
    missing = total - math.fsum(source.value_s for source in listed)
    if missing > 1e-12:
        listed.append(
            UncertaintySource(name="not itemised", value_s=missing, source="run.json console_s + order_s")
        )
    listed.append(
        UncertaintySource(
            name="jump to first byte of the text", value_s=JUMP_TO_TEXT.value, source=JUMP_TO_TEXT.source
        )
    )
    seconds = math.fsum(source.value_s for source in listed)
    clock_s = seconds * uncertainty.clock_ppm * 1e-6
    cycles = math.ceil(seconds * clock_hz * (1 + uncertainty.clock_ppm * 1e-6))
    return Bound(cycles, seconds, clock_s, tuple(listed))

# SPDX-License-Identifier: Apache-2.0
"""The moment of the halt, cycle by cycle: the doorbell, the gate, and the last requests."""

import numpy as np

from vkbench.capture import records as rec
from vkbench.capture.layout import Kind
from vkbench.capture.records import Records
from vkbench.report.svg import Drawing
from vkbench.verdict import limits
from vkbench.verdict.facts import Facts

WIDTH = 1200.0
LEFT, RIGHT = 104.0, 1172.0
BEFORE, AFTER = 12, 20  # cycles shown at least
AFTER_MAX = 240
LANE = 30.0


def draw(facts: Facts, records: Records) -> str:
    """The picture as SVG, of these records of the run's capture; empty when no halting doorbell write was seen."""
    doorbell = facts.timeline.get("doorbell")
    if doorbell is None:
        return ""
    zero, times = doorbell.timestamp, records["timestamp"][rec.card_requests(records)].astype(np.int64)
    later = times[times > zero]
    after = min(max(AFTER, int(later[-1]) - zero + 6 if len(later) else 0), AFTER_MAX)
    limit = int(limits.HALT_LATENCY.value)
    picture = Drawing(WIDTH, "The halt, in cycles around the doorbell")

    def x(cycle: float) -> float:
        return LEFT + (cycle + BEFORE) / (after + BEFORE) * (RIGHT - LEFT)

    unit = x(1) - x(0)
    top, bottom = 22.0, 22.0 + 3 * LANE
    picture.rect(LEFT, top, RIGHT - LEFT, bottom - top, "panel")
    picture.rect(x(0), top, x(limit + 1) - x(0), bottom - top, "allowed")
    picture.text(x(0) + 4, top - 7, f"allowed: {limit} cycles", "when")
    for row, name in enumerate(("Doorbell", "DMA", "Gate")):
        picture.text(LEFT - 12, top + row * LANE + LANE / 2 + 4, name, "lane", "end")
        if row:
            picture.line(LEFT, top + row * LANE, RIGHT, top + row * LANE, "rule")
    width = min(unit * 0.8, 26)
    picture.rect(x(0.5) - width / 2, top + 7, width, LANE - 14, "bell", 2)
    text = doorbell.text.removeprefix("doorbell ")
    picture.text(x(0.5) + width / 2 + 6, top + LANE / 2 + 4, text, "state")
    shown = times[(times >= zero - BEFORE) & (times < zero + after)]
    for timestamp in shown:
        cycle = int(timestamp) - zero
        css = "after" if cycle > limit else "dma"
        picture.rect(x(cycle + 0.5) - width / 2, top + LANE + 7, width, LANE - 14, f"bar {css}", 2)
    earlier = times[times < zero - BEFORE]
    if len(earlier) and not (shown < zero).any():
        distance = zero - int(earlier[-1])
        picture.text(LEFT + 6, top + LANE * 1.5 + 4, f"◂ {distance} cycles before", "when")
    beyond = times[times >= zero + after]
    if len(beyond):
        picture.text(RIGHT - 6, top + LANE * 1.5 + 4, f"{len(beyond)} more ▸", "label bad", "end")
    gates = records[rec.of_kind(records, Kind.GATE)]
    closed = [int(one["timestamp"]) - zero for one in gates if one["aux"] == 1 and one["timestamp"] >= zero]
    start = closed[0] if closed and closed[0] < after else None
    split = x(start) if start is not None else RIGHT
    picture.rect(LEFT, top + 2 * LANE + 8, split - LEFT, LANE - 16, "open", 2)
    picture.text(LEFT + 6, top + 2.5 * LANE + 4, "open", "state")
    if start is not None:
        picture.rect(split, top + 2 * LANE + 8, RIGHT - split, LANE - 16, "closed", 2)
        picture.text(split + 6, top + 2.5 * LANE + 4, f"closed at +{start}", "state")
    step = 4 if after + BEFORE <= 80 else 20
    for cycle in range(-(BEFORE // step) * step, after, step):
        picture.line(x(cycle + 0.5), bottom, x(cycle + 0.5), bottom + 5, "tick")
        picture.text(
            x(cycle + 0.5), bottom + 18, f"{cycle:+d}".replace("-", "−") if cycle else "0", "when", "middle"
        )
    picture.line(LEFT, bottom, RIGHT, bottom, "tick")
    nanoseconds = 1e9 / facts.capture.clock_hz if facts.capture else 0
    label = f"cycles after the halting write was accepted (1 cycle = {nanoseconds:g} ns)"
    picture.text((LEFT + RIGHT) / 2, bottom + 36, label, "when", "middle")
    return picture.render(bottom + 44)

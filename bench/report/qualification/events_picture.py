# SPDX-License-Identifier: Apache-2.0
"""The events of a run that has no panic to begin at, such as a reset: from microseconds to seconds in one picture.

Between two events time is linear; how wide that stretch is drawn grows with the logarithm of its length.
"""

import math
from itertools import pairwise

import numpy as np

from vkbench.capture import records as rec
from vkbench.capture.layout import Kind
from vkbench.capture.records import Records
from vkbench.capture.timeline import Event
from vkbench.report.svg import BrokenAxis, Drawing, Piece, duration
from vkbench.verdict.facts import Facts

WIDTH = 1200.0
LEFT, RIGHT = 104.0, 1092.0
ROW, LANE = 30.0, 34.0
CHARACTER = 7.6
_LEAST = 1.5  #: of a stretch, in the units of the logarithm
_LINK = {"reset": (Kind.RESET,), "config": (Kind.CFG,)}


def draw(facts: Facts, records: Records) -> str:
    """The picture as SVG; empty without a capture or without two events."""
    events = facts.timeline.ordered()
    if facts.capture is None or not len(records) or len({event.timestamp for event in events}) < 2:
        return ""
    axis = _axis([event.timestamp for event in events], records)
    picture = Drawing(WIDTH, "Events of the run on the analyser's clock")
    top = _labels(picture, events, axis, facts.capture.clock_hz)
    bottom = top + 2 * LANE
    for number, piece in enumerate(axis.pieces):
        css = "panel alt" if number % 2 else "panel"
        picture.rect(piece.left, top, piece.right - piece.left, bottom - top, css)
    for row, name in enumerate(("Link", "DMA")):
        picture.text(LEFT - 12, top + row * LANE + LANE / 2 + 4, name, "lane", "end")
    _link(picture, records, axis, top)
    _requests(picture, records, axis, top + LANE)
    for piece in axis.pieces:
        span = duration((piece.stop - piece.start) / facts.capture.clock_hz)
        if piece.right - piece.left > CHARACTER * len(span):
            picture.text((piece.left + piece.right) / 2, bottom + 16, span, "when", "middle")
        picture.line(piece.right, bottom, piece.right, bottom + 6, "tick")
    picture.line(LEFT, bottom, RIGHT, bottom, "tick")
    note = "each stretch between two events has its own scale; its length is written below it"
    picture.text((LEFT + RIGHT) / 2, bottom + 34, note, "when", "middle")
    return picture.render(bottom + 42)


def _axis(times: list[int], records: Records) -> BrokenAxis:
    span = max(times) - min(times)
    first = max(int(records["timestamp"][0]), min(times) - span // 20 - 1)
    last = min(int(records["timestamp"][-1]), max(times) + span // 20 + 1)
    moments = sorted({min(first, min(times)), *times, max(last, max(times))})
    weights = [_LEAST + math.log10(stop - start) for start, stop in pairwise(moments)]
    pieces, left = [], LEFT
    for (start, stop), weight in zip(pairwise(moments), weights, strict=True):
        right = left + (RIGHT - LEFT) * weight / sum(weights)
        pieces.append(Piece(start, stop, left, right))
        left = right
    return BrokenAxis(tuple(pieces))


def _labels(picture: Drawing, events: list[Event], axis: BrokenAxis, hz: int) -> float:
    """Names above their leaders, in as many rows as they need; returns where the lanes begin."""
    origin = events[0].timestamp
    placed: list[tuple[float, float, int, str, str]] = []
    for event in events:
        x = axis.x(event.timestamp)
        if x is None:
            continue
        name = event.name.replace("_", " ")
        when = duration((event.timestamp - origin) / hz, signed=True)
        end = x + 8 + CHARACTER * max(len(name), len(when))
        row = max((other[2] + 1 for other in placed if other[1] > x), default=0)
        placed.append((x, end, row, name, when))
    top = 8 + ROW * (1 + max((entry[2] for entry in placed), default=0))
    for x, _, row, name, when in placed:
        y = 4 + row * ROW
        picture.line(x, y + 2, x, top + 2 * LANE, "leader")
        picture.text(x + 5, y + 11, name, "label")
        picture.text(x + 5, y + 24, when, "when")
    return top


def _link(picture: Drawing, records: Records, axis: BrokenAxis, y: float) -> None:
    masks = {css: rec.of_kind(records, *kinds) for css, kinds in _LINK.items()}
    masks["bell"] = rec.doorbells(records)
    for css, mask in masks.items():
        for x in sorted({round(at, 1) for at in _places(records["timestamp"][mask], axis)}):
            picture.path(f"M{x} {y + LANE / 2 - 5}l5 5l-5 5l-5 -5z", css)


def _requests(picture: Drawing, records: Records, axis: BrokenAxis, y: float) -> None:
    for x in sorted({round(at) for at in _places(records["timestamp"][rec.card_requests(records)], axis)}):
        picture.line(x, y + 6, x, y + LANE - 5, "dma")


def _places(times: np.ndarray, axis: BrokenAxis) -> list[float]:
    """Where these moments lie; those outside of the axis are left out."""
    found: list[float] = []
    for piece in axis.pieces:
        inside = times[(times >= piece.start) & (times <= piece.stop)].astype(np.float64)
        found += [float(x) for x in np.unique(np.round(piece.x(inside), 1))] if len(inside) else []
    return found

# SPDX-License-Identifier: Apache-2.0
"""Statistical pictures: intervals, distributions, run order. However many cycles there are, their size is bounded: what
falls onto the same spot of the picture is drawn once.
"""

import math
from collections import defaultdict
from collections.abc import Sequence

import numpy as np

from vkbench.evidence.campaign import Bound, Distribution, Goal
from vkbench.report.qualification.axis import Axis, bulk
from vkbench.report.qualification.gather import Point
from vkbench.report.qualification.wording import percent, quantity, visible
from vkbench.report.svg import Drawing

HEIGHT = 168.0
LEFT, RIGHT, TOP, BOTTOM = 56.0, 12.0, 26.0, 34.0
LABEL = 30  #: characters of a configuration's name beside its interval
SERIES = 6  #: colours of benches; further ones begin anew
COMPRESSED = "; far values compressed"
_NINES = (0.0, 0.9, 0.99, 0.999, 0.9999)


def ecdf(one: Distribution, values: Sequence[float], width: float) -> str:
    """Which share of cycles has at most this value; with limit, tolerance bound, and the worst cycle."""
    picture = Drawing(width, f"Distribution of: {one.title}")
    ordered = np.sort(np.asarray(values, dtype=np.float64))
    bound = one.tolerance.value if one.tolerance else None
    marks = [value for value in (one.limit, bound) if value is not None]
    low, high = min([float(ordered[0]), *marks]), max([float(ordered[-1]), *marks])
    room = (width - LEFT - RIGHT) * 0.04
    x = Axis(low, high, LEFT + room, width - RIGHT - room, bulk(ordered, low, high))
    y = Axis(0, 1, HEIGHT - BOTTOM, TOP)
    _frame(picture, width)
    for share in (0, 0.25, 0.5, 0.75, 1):
        picture.line(LEFT, y.at(share), width - RIGHT, y.at(share), "mesh")
        picture.text(LEFT - 6, y.at(share) + 4, f"{share * 100:.0f} %", "when", "end")
    _value_ticks(picture, x, one.unit, width)
    if one.limit is not None:
        _mark(picture, x.at(one.limit), f"limit {quantity(one.limit, one.unit)}", "limit", width)
    if bound is not None:
        picture.line(x.at(bound), TOP, x.at(bound), HEIGHT - BOTTOM, "tolerance")
    picture.path(_steps(ordered, x, y, width), "ecdf")
    if one.worst is not None:
        share = 1.0 if one.worse == "high" else 1 / len(ordered)
        picture.circle(x.at(one.worst.value), y.at(share), 4, "worst")
    return picture.render(HEIGHT)


def _steps(ordered: np.ndarray, x: Axis, y: Axis, width: float) -> str:
    """The staircase, one corner for each pixel column at most."""
    columns = np.round(x.places(ordered), 1)
    last = np.append(np.flatnonzero(np.diff(columns)), len(columns) - 1)
    parts = [f"M{LEFT:.1f} {y.at(0):.1f}"]
    for index in last:
        parts.append(f"H{columns[index]:.1f}V{y.at((index + 1) / len(ordered)):.1f}")
    parts.append(f"H{width - RIGHT:.1f}")
    return "".join(parts)


def run_order(
    one: Distribution,
    points: Sequence[Point],
    marks: Sequence[tuple[int, str]],
    benches: Sequence[str],
    cycles: int,
    width: float,
    grid: int = 1,
) -> str:
    """The value over the cycles in the order in which they began. ``marks``: cycles that failed or gave no answer; one
    that has no value is marked at the upper edge. ``grid``: dots within so many units of each other are one.
    """
    picture = Drawing(width, f"In run order: {one.title}")
    values = [point.value for point in points]
    low, high = min(values), max(values)
    limit = one.limit
    if limit is not None and low - (high - low) * 2 - abs(limit) <= limit <= high + (high - low) * 2 + abs(
        limit
    ):
        low, high = min(low, limit), max(high, limit)
    room = (HEIGHT - TOP - BOTTOM) * 0.08
    x = Axis(1, max(cycles, 2), LEFT + 4, width - RIGHT - 4)
    y = Axis(low, high, HEIGHT - BOTTOM - room, TOP + room, bulk(values, low, high))
    _frame(picture, width)
    for tick in y.ticks(4):
        picture.line(LEFT, y.at(tick), width - RIGHT, y.at(tick), "mesh")
        picture.text(LEFT - 6, y.at(tick) + 4, _tick(tick, one.unit, y), "when", "end")
    if limit is not None and y.low <= limit <= y.high:
        picture.line(LEFT, y.at(limit), width - RIGHT, y.at(limit), "limit")
        picture.text(width - RIGHT - 4, y.at(limit) - 4, "limit", "bad", "end")
    seen: dict[int, dict[tuple[int, int], None]] = defaultdict(dict)
    series_of = {bench: number % SERIES for number, bench in enumerate(benches)}
    for point in points:
        left, top = round(x.at(point.order) / grid) * grid, round(y.at(point.value) / grid) * grid
        seen[series_of[point.bench]][left, top] = None
    for series in sorted(seen):
        picture.path("".join(f"M{left} {top}h.1" for left, top in seen[series]), f"dots b{series}")
    _fates(picture, x, y, points, marks)
    for tick in x.ticks(6):
        if tick >= 1 and float(tick).is_integer():
            picture.text(x.at(tick), HEIGHT - BOTTOM + 15, f"{int(tick)}", "when", "middle")
    picture.text(
        (LEFT + width - RIGHT) / 2,
        HEIGHT - 4,
        f"cycle, in the order in which they began{COMPRESSED if y.around else ''}",
        "when",
        "middle",
    )
    return picture.render(HEIGHT)


def _fates(
    picture: Drawing, x: Axis, y: Axis, points: Sequence[Point], marks: Sequence[tuple[int, str]]
) -> None:
    """A cross where a cycle failed, a diamond where it gave no answer."""
    values = {point.order: point.value for point in points}
    spots: dict[str, dict[tuple[int, int], None]] = {"FAIL": {}, "INCONCLUSIVE": {}}
    for order, result in marks:
        top = y.at(values[order]) if order in values else TOP - 9
        spots[result][round(x.at(order)), round(top)] = None
    crosses = "".join(f"M{left - 4} {top - 4}l8 8m0 -8l-8 8" for left, top in spots["FAIL"])
    diamonds = "".join(f"M{left} {top - 4}l4 4l-4 4l-4 -4z" for left, top in spots["INCONCLUSIVE"])
    if crosses:
        picture.path(crosses, "cross")
    if diamonds:
        picture.path(diamonds, "diamond")


def intervals(rows: Sequence[tuple[str, Bound, Goal | None]], width: float) -> str:
    """Clopper-Pearson intervals on a scale of nines: each further nine takes as much room as the one before."""
    row, left = 26.0, 240.0
    right = width - 64
    picture = Drawing(
        width, "Share of cycles that pass: interval, lower bound and goal of each configuration"
    )
    furthest = max(
        3,
        *(_nines(bound.at_least) for _, bound, _ in rows),
        *(_nines(g.reliability) for _, _, g in rows if g),
    )
    most = min(6, math.ceil(furthest))

    def at(share: float) -> float:
        return left + min(_nines(share), most) / most * (right - left)

    bottom = 8 + row * len(rows)
    picture.rect(left, 8, right - left, bottom - 8, "panel")
    for nines in range(most + 1):
        share = 1 - 10.0**-nines
        picture.line(at(share), 8, at(share), bottom, "mesh")
        label = "100 %" if nines == most else percent(share) if nines else "0 %"
        picture.text(at(share), bottom + 16, "→ " + label if nines == most else label, "when", "middle")
    for half in (0.5,):
        picture.line(at(half), 8, at(half), bottom, "mesh")
        picture.text(at(half), bottom + 16, "50 %", "when", "middle")
    for number, (name, bound, goal) in enumerate(rows):
        middle = 8 + row * number + row / 2
        # What tells configurations apart stands at their names' ends.
        shown = visible(name if len(name) <= LABEL else "…" + name[1 - LABEL :])
        picture.text(left - 10, middle + 4, shown, "lane", "end")
        picture.rect(at(bound.low), middle - 4, at(bound.high) - at(bound.low), 8, "interval", 2)
        picture.line(at(bound.at_least), middle - 9, at(bound.at_least), middle + 9, "bound")
        if bound.estimate is not None:
            picture.circle(at(bound.estimate), middle, 3.5, "estimate")
        if goal is not None:
            where = at(goal.reliability)
            picture.path(f"M{where:.1f} {middle - 7:.1f}l5 -5h-10z", "goal")
            picture.line(where, middle - 7, where, middle + 9, "goal")
        picture.text(right + 12, middle + 4, f"n = {bound.n}", "when")
    return picture.render(bottom + 24)


def _nines(share: float) -> float:
    """0 for 0 %, 1 for 90 %, 2 for 99 % …"""
    return 9.0 if share >= 1 else -math.log10(1 - share)


def _frame(picture: Drawing, width: float) -> None:
    picture.rect(LEFT, TOP, width - LEFT - RIGHT, HEIGHT - TOP - BOTTOM, "panel")


def _mark(picture: Drawing, where: float, text: str, css: str, width: float) -> None:
    """A vertical line with its name above it, on the side where there is room."""
    picture.line(where, TOP, where, HEIGHT - BOTTOM, css)
    right = where > width / 2
    picture.text(where, TOP - 6, text, "bad", "end" if right else "start")


def _value_ticks(picture: Drawing, x: Axis, unit: str, width: float) -> None:
    for tick in x.ticks(6):
        picture.line(x.at(tick), HEIGHT - BOTTOM, x.at(tick), HEIGHT - BOTTOM + 4, "tick")
        picture.text(x.at(tick), HEIGHT - BOTTOM + 15, _tick(tick, unit, x), "when", "middle")
    label = f"{_unit(unit, x)}{COMPRESSED if x.around else ''}"
    picture.text((LEFT + width - RIGHT) / 2, HEIGHT - 4, label, "when", "middle")


def _scale(unit: str, axis: Axis) -> tuple[str, float]:
    """Seconds in the unit that fits the axis."""
    if unit != "s":
        return unit, 1.0
    size = max(abs(axis.low), abs(axis.high))
    for name, scale in (("s", 1.0), ("ms", 1e-3), ("µs", 1e-6)):
        if size >= scale:
            return name, scale
    return "ns", 1e-9


def _tick(value: float, unit: str, axis: Axis) -> str:
    return f"{round(value / _scale(unit, axis)[1], 9):.5g}".replace("-", "−")


def _unit(unit: str, axis: Axis) -> str:
    return _scale(unit, axis)[0]

# SPDX-License-Identifier: Apache-2.0
"""The timeline of one run on the FPGA's clock: milliseconds to the jump and seconds of the crash kernel's
boot, side by side.
"""

import numpy as np

from vkbench.capture import records as rec
from vkbench.capture.layout import Kind
from vkbench.capture.records import Records
from vkbench.report.svg import BrokenAxis, Drawing, Piece, duration, nice_step
from vkbench.verdict.facts import Facts

WIDTH = 1200.0
LEFT, RIGHT = 104.0, 1092.0  # of the plot; right of it is room for the last label
GAP = 16.0  # at an axis break
ROW = 30.0  # of the event labels
LANE = 34.0
CHARACTER = 7.6  # width of a label's character in the widest usual font
SHORT_NAMES = {
    "panic_text": "panic text",
    "doorbell": "doorbell",
    "gate_closed": "gate closed",
    "last_dma_write": "last DMA write",
    "jump": "jump",
    "first_dma_after_jump": "first DMA after",
    "last_dma_after_jump": "last DMA seen",
    "crash_kernel": "crash kernel",
    "config_after_jump": "enumeration",
    "crash_ready": "ready",
}


def draw(facts: Facts, records: Records) -> str:
    """The picture as SVG, of these records of the run's capture; empty without a capture or without a panic text to begin at."""
    panic = facts.timeline.get("panic_text")
    if facts.capture is None or panic is None or not len(records):
        return ""
    axis = _axis(facts, records)
    picture = Drawing(WIDTH, "Timeline of the run on the analyser's clock")
    top = _labels(picture, facts, axis)
    lanes = {"Console": 0, "Link": 1, "DMA": 2, "Gate": 3}
    bottom = top + len(lanes) * LANE
    for number, piece in enumerate(axis.pieces):
        picture.rect(
            piece.left, top, piece.right - piece.left, bottom - top, "panel alt" if number % 2 else "panel"
        )
    for name, row in lanes.items():
        picture.text(LEFT - 12, top + row * LANE + LANE / 2 + 4, name, "lane", "end")
        if row:
            for piece in axis.pieces:
                picture.line(piece.left, top + row * LANE, piece.right, top + row * LANE, "rule")
    _uncertainty_band(picture, facts, axis, top, bottom)
    _console(picture, records, axis, top)
    _link(picture, records, axis, top + LANE)
    _requests(picture, facts, records, axis, top + 2 * LANE)
    _gate(picture, records, axis, top + 3 * LANE)
    _scale(picture, facts, axis, bottom)
    for earlier, later in zip(axis.pieces, axis.pieces[1:], strict=False):
        middle = (earlier.right + later.left) / 2
        for offset in (-3, 3):
            picture.line(middle + offset - 3, bottom + 5, middle + offset + 3, bottom - 5, "break")
    return picture.render(bottom + 44)


def _axis(facts: Facts, records: Records) -> BrokenAxis:
    """Three pieces: just before the panic and up to just after the jump in milliseconds, then seconds to
    the end.
    """
    assert facts.capture
    hz, events = facts.capture.clock_hz, facts.timeline.events
    first, last = int(records["timestamp"][0]), int(records["timestamp"][-1])
    panic = events["panic_text"].timestamp
    jump = events["jump"].timestamp if "jump" in events else None
    end = events["crash_ready"].timestamp if "crash_ready" in events else last
    end = max(end + (end - panic) // 12, panic + hz // 1000)
    if jump is None:
        start = max(first, panic - (end - panic) // 8)
        return BrokenAxis((Piece(min(start, panic - 1), end, LEFT, RIGHT),))
    span = max(jump - panic, hz // 1000)
    begin = panic - span // 6
    split = min(jump + span // 8, end - 1)
    middle = LEFT + (RIGHT - LEFT) * 0.6
    return BrokenAxis(
        (Piece(begin, split, LEFT, middle - GAP / 2), Piece(split, end, middle + GAP / 2, RIGHT))
    )


def _labels(picture: Drawing, facts: Facts, axis: BrokenAxis) -> float:
    """Label the key events above the lanes; returns where the lanes begin.

    Labels extend to the right of their leader. One that would cover a leader to its right makes that
    event's label go one row lower, so no leader crosses a label and no label another.
    """
    assert facts.capture
    origin, hz = facts.timeline.origin, facts.capture.clock_hz
    placed: list[tuple[float, float, int, str, str, str]] = []
    for event in facts.timeline.ordered():
        x = axis.x(event.timestamp)
        name = SHORT_NAMES.get(event.name)
        if x is None or name is None:
            continue
        if event.name == "last_dma_write" and "first_dma_after_jump" in facts.timeline.events:
            continue  # it was not the last: the card wrote on
        when = duration((event.timestamp - origin) / hz, signed=True)
        end = x + 8 + CHARACTER * max(len(name), len(when))
        row = max((other[2] + 1 for other in placed if other[1] > x), default=0)
        css = "bad" if event.name in ("first_dma_after_jump", "last_dma_after_jump") else "event"
        placed.append((x, end, row, name, when, css))
    top = 8 + ROW * (1 + max((entry[2] for entry in placed), default=0))
    for x, _, row, name, when, css in placed:
        y = 4 + row * ROW
        picture.line(x, y + 2, x, top + 4 * LANE, f"leader {css}")
        picture.text(x + 5, y + 11, name, f"label {css}")
        picture.text(x + 5, y + 24, when, "when")
    return top


def _uncertainty_band(picture: Drawing, facts: Facts, axis: BrokenAxis, top: float, bottom: float) -> None:
    """Where the jump may have been: [t - U, t]."""
    if facts.jump is None:
        return
    piece = axis.pieces[0]
    left, right = piece.x(max(facts.jump.earliest, piece.start)), piece.x(facts.jump.latest)
    picture.rect(left, top, right - left, bottom - top, "band")
    picture.text((left + right) / 2, bottom - 4, "U", "when", "middle")


def _console(picture: Drawing, records: Records, axis: BrokenAxis, y: float) -> None:
    times = records["timestamp"][rec.of_kind(records, Kind.CONSOLE)]
    for piece in axis.pieces:
        inside = times[(times >= piece.start) & (times <= piece.stop)].astype(np.float64)
        # One tick per pixel is enough: bytes of a line lie closer than that.
        for x in np.unique(np.round(piece.x(inside)) if len(inside) else inside):
            picture.line(float(x), y + 9, float(x), y + LANE - 9, "byte")


def _link(picture: Drawing, records: Records, axis: BrokenAxis, y: float) -> None:
    for mask, css in (
        (rec.of_kind(records, Kind.CFG), "config"),
        (rec.of_kind(records, Kind.RESET), "reset"),
        (rec.doorbells(records), "bell"),
    ):
        for timestamp in records["timestamp"][mask][:200]:
            x = axis.x(int(timestamp))
            if x is not None:
                size = 6 if css == "bell" else 4.5
                middle = y + LANE / 2
                picture.path(f"M{x:.2f} {middle - size}l{size} {size}l{-size} {size}l{-size} {-size}z", css)


def _requests(picture: Drawing, facts: Facts, records: Records, axis: BrokenAxis, y: float) -> None:
    """Ticks where single requests can be told apart, else a histogram of their density."""
    times = records["timestamp"][rec.card_requests(records)].astype(np.int64)
    latest = facts.jump.latest if facts.jump else None
    for piece in axis.pieces:
        inside = times[(times >= piece.start) & (times <= piece.stop)]
        if not len(inside):
            continue
        width = piece.right - piece.left
        if len(inside) <= width / 4:
            for timestamp in inside:
                css = "after" if latest is not None and timestamp > latest else "dma"
                picture.line(piece.x(int(timestamp)), y + 6, piece.x(int(timestamp)), y + LANE - 5, css)
            continue
        bins = int(width // 3)
        counts, edges = np.histogram(inside, bins=bins, range=(piece.start, piece.stop))
        for count, start, stop in zip(counts, edges, edges[1:], strict=False):
            if count:
                height = (LANE - 11) * (0.25 + 0.75 * count / counts.max())
                css = "after" if latest is not None and start > latest else "dma"
                left, right = piece.x(float(start)), piece.x(float(stop))
                picture.rect(left, y + LANE - 5 - height, right - left - 0.8, height, f"bar {css}")


def _gate(picture: Drawing, records: Records, axis: BrokenAxis, y: float) -> None:
    gates = records[rec.of_kind(records, Kind.GATE)]
    edges = [(int(one["timestamp"]), int(one["aux"]) & 1) for one in gates]
    state, spans = 0, []
    since = axis.pieces[0].start
    for timestamp, closed in [*edges, (axis.pieces[-1].stop, -1)]:
        if closed != state:
            spans.append((since, timestamp, state))
            since, state = timestamp, closed
    for start, stop, closed in spans:
        named = False
        for piece in axis.pieces:
            left, right = piece.x(max(start, piece.start)), piece.x(min(stop, piece.stop))
            if right <= left:
                continue
            picture.rect(left, y + 10, right - left, LANE - 20, "closed" if closed else "open", 2)
            if right - left > 46 and not named:
                picture.text(left + 6, y + LANE / 2 + 4, "closed" if closed else "open", "state")
                named = True


def _scale(picture: Drawing, facts: Facts, axis: BrokenAxis, y: float) -> None:
    assert facts.capture
    origin, hz = facts.timeline.origin, facts.capture.clock_hz
    for piece in axis.pieces:
        start, stop = (piece.start - origin) / hz, (piece.stop - origin) / hz
        step = nice_step(stop - start, max(3, int((piece.right - piece.left) / 60)))
        unit, scale = ("s", 1.0) if step >= 0.05 else ("ms", 1e-3) if step >= 5e-5 else ("µs", 1e-6)
        number = int(np.ceil(start / step))
        while number * step <= stop:
            x = piece.x(origin + number * step * hz)
            if x < piece.right - 4:
                picture.line(x, y, x, y + 5, "tick")
                shown = f"{number * step / scale:.6g}".replace("-", "−")
                picture.text(x, y + 18, shown, "when", "middle")
            number += 1
        picture.line(piece.left, y, piece.right, y, "tick")
        label = f"{unit} after the panic text"
        picture.text((piece.left + piece.right) / 2, y + 36, label, "when", "middle")

# SPDX-License-Identifier: Apache-2.0
"""A little SVG: elements with escaped text and attributes, and a time axis in several linear pieces.

Colours come from CSS classes (report.html.j2), so the pictures follow the page into dark mode and onto
paper.
"""

from dataclasses import dataclass
from html import escape


class Drawing:
    """Collects elements; ``render`` gives the ``<svg>``. Coordinates are user units, about one pixel."""

    def __init__(self, width: float, title: str) -> None:
        self.width, self.title = width, title
        self._parts: list[str] = []

    def line(self, x1: float, y1: float, x2: float, y2: float, css: str) -> None:
        """A straight line."""
        self._parts.append(f'<line x1="{x1:.2f}" y1="{y1:.2f}" x2="{x2:.2f}" y2="{y2:.2f}" class="{css}"/>')

    def rect(self, x: float, y: float, width: float, height: float, css: str, round_by: float = 0) -> None:
        """A rectangle; never narrower than can be seen."""
        self._parts.append(
            f'<rect x="{x:.2f}" y="{y:.2f}" width="{max(width, 0.75):.2f}" height="{max(height, 0):.2f}" '
            f'rx="{round_by}" class="{css}"/>'
        )

    def text(self, x: float, y: float, content: str, css: str, anchor: str = "start") -> None:
        """One line of text, escaped."""
        self._parts.append(
            f'<text x="{x:.2f}" y="{y:.2f}" class="{css}" text-anchor="{anchor}">{escape(content)}</text>'
        )

    def path(self, data: str, css: str) -> None:
        """A path in SVG's notation."""
        self._parts.append(f'<path d="{data}" class="{css}"/>')

    def circle(self, x: float, y: float, radius: float, css: str) -> None:
        """A dot."""
        self._parts.append(f'<circle cx="{x:.2f}" cy="{y:.2f}" r="{radius}" class="{css}"/>')

    def render(self, height: float) -> str:
        """The finished picture; it scales with the page."""
        title = escape(self.title, quote=True)
        return (
            f'<svg viewBox="0 0 {self.width:.0f} {height:.0f}" role="img" aria-label="{title}" '
            f'xmlns="http://www.w3.org/2000/svg"><title>{title}</title>{"".join(self._parts)}</svg>'
        )


@dataclass(frozen=True)
class Piece:
    """A stretch of time drawn to one scale: cycles from start to stop onto x from left to right."""

    start: int
    stop: int
    left: float
    right: float

    def x(self, timestamp: float) -> float:
        """Where an instant lies."""
        return self.left + (timestamp - self.start) / (self.stop - self.start) * (self.right - self.left)


@dataclass(frozen=True)
class BrokenAxis:
    """Pieces of time side by side, each with its own scale."""

    pieces: tuple[Piece, ...]

    def x(self, timestamp: int) -> float | None:
        """Where an instant lies; None when it is outside of all pieces."""
        for piece in self.pieces:
            if piece.start <= timestamp <= piece.stop:
                return piece.x(timestamp)
        return None


def nice_step(span: float, wanted: int) -> float:
    """A step of 1, 2 or 5 times a power of ten that divides ``span`` into about ``wanted`` parts."""
    for exponent in range(-12, 12):
        for factor in (1, 2, 5):
            step = factor * 10.0**exponent
            if span / step <= wanted * (1 + 1e-9):
                return step
    return span


def duration(seconds: float, signed: bool = False) -> str:
    """A duration in a fitting unit with a fitting number of digits."""
    sign = "+" if signed and seconds > 0 else ""
    size = abs(seconds)
    for unit, scale in (("s", 1.0), ("ms", 1e-3), ("µs", 1e-6)):
        if size >= scale:
            value = seconds / scale
            digits = 1 if abs(value) >= 100 else 2 if abs(value) >= 10 else 3
            return f"{sign}{value:.{digits}f} {unit}".replace("-", "−")
    return f"{seconds * 1e9:.0f} ns".replace("-", "−") if seconds else "0"

# SPDX-License-Identifier: Apache-2.0
"""Makes a picture small: neighbouring lines, and neighbouring bars, of one class become one path.

A timeline has a thousand of them, a report a hundred timelines, and what lays out pages takes its time for each element.
"""

import re
from itertools import groupby

_TOKEN = re.compile(r"<[^<]*")
_ATTRIBUTES = re.compile(r'([a-z0-9]+)="([^"]*)"')
_WORTH = 3  #: fewer stay as they are


def compact(svg: str) -> str:
    """The same picture. ``svg``: as vkbench.report.svg.Drawing renders it."""
    parts = []
    for kind, group in groupby(_TOKEN.findall(svg), key=_kind):
        tokens = list(group)
        if kind is None or len(tokens) < _WORTH:
            parts += tokens
            continue
        data = "".join(_path(kind[0], dict(_ATTRIBUTES.findall(token))) for token in tokens)
        parts.append(f'<path d="{data}" fill="none" class="{kind[1]}"/>')
    return "".join(parts)


def _kind(token: str) -> tuple[str, str] | None:
    """(element, class) of what can be joined."""
    if not token.startswith(("<line ", "<rect ")) or not token.endswith("/>"):
        return None
    attributes = dict(_ATTRIBUTES.findall(token))
    if attributes.get("rx", "0") != "0":
        return None
    return token[1:5], attributes["class"]


def _path(element: str, at: dict[str, str]) -> str:
    if element == "rect":
        x, y, width, height = (_short(at[name]) for name in ("x", "y", "width", "height"))
        return f"M{x} {y}h{width}v{height}h-{width}z"
    x1, y1, x2, y2 = (_short(at[name]) for name in ("x1", "y1", "x2", "y2"))
    return f"M{x1} {y1}V{y2}" if x1 == x2 else f"M{x1} {y1}L{x2} {y2}"


def _short(number: str) -> str:
    """A tenth of a pixel is enough, and .75 is the least width of a bar."""
    return f"{float(number):.2f}".rstrip("0").rstrip(".")

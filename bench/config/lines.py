# SPDX-License-Identifier: Apache-2.0
"""Finds the line of a key in TOML text. tomllib keeps no positions, and an error without its line helps nobody.

The scan is tolerant: it may miss a key (then the table's line is used), and it never raises.
"""

import re
from collections.abc import Sequence

_KEY = r"""(?:[A-Za-z0-9_-]+|"(?:[^"\\]|\\.)*"|'[^']*')"""
_DOTTED = rf"{_KEY}(?:\s*\.\s*{_KEY})*"
_TABLE = re.compile(rf"^\s*\[\[?\s*({_DOTTED})\s*\]\]?\s*(?:#.*)?$")
_ASSIGNMENT = re.compile(rf"^\s*({_DOTTED})\s*=\s*(.*)$")
_INLINE = re.compile(rf"[{{,]\s*({_DOTTED})\s*=")

Path = tuple[str, ...]


def _split(dotted: str) -> Path:
    return tuple(part[1:-1] if part[0] in "\"'" else part for part in re.findall(_KEY, dotted))


def key_lines(text: str) -> dict[Path, int]:
    """Path of each table and key -> its line number, counted from 1. The first mention wins."""
    found: dict[Path, int] = {}
    table: Path = ()
    closing: str | None = None  # the quotes that end a multi-line string
    depth = 0  # of a multi-line array
    for number, line in enumerate(text.splitlines(), start=1):
        if closing:
            if closing in line:
                closing = None
            continue
        if depth > 0:
            depth += _brackets(line)
            continue
        if match := _TABLE.match(line):
            table = _split(match[1])
            found.setdefault(table, number)
        elif match := _ASSIGNMENT.match(line):
            path = (*table, *_split(match[1]))
            for length in range(len(table) + 1, len(path) + 1):
                found.setdefault(path[:length], number)
            value = match[2]
            for inner in _INLINE.findall(value) if value.startswith("{") else ():
                found.setdefault((*path, *_split(inner)), number)
            for quotes in ('"""', "'''"):
                if value.count(quotes) % 2:
                    closing = quotes
            if not closing and value.startswith("["):
                depth = max(0, _brackets(value))
    return found


def _brackets(line: str) -> int:
    bare = re.sub(r"""("(?:[^"\\]|\\.)*"|'[^']*'|#.*)""", "", line)
    return bare.count("[") - bare.count("]")


def line_of(lines: dict[Path, int], path: Sequence[str | int]) -> int | None:
    """Line of the key, else of the nearest table around it; None for the file as a whole."""
    names = tuple(part for part in path if isinstance(part, str))
    while names:
        if names in lines:
            return lines[names]
        names = names[:-1]
    return None

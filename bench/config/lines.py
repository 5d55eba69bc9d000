# SPDX-License-Identifier: Apache-2.0
"""Finds the line of a key in TOML text. tomllib keeps no positions, and an error without its line helps nobody.

The scan is tolerant: it may miss a key (then the table's line is used), and it never raises.
"""

import re
from collections.abc import Mapping, Sequence

_KEY = r"""(?:[A-Za-z0-9_-]+|"(?:[^"\\]|\\.)*"|'[^']*')"""
_DOTTED = rf"{_KEY}(?:\s*\.\s*{_KEY})*"
_TABLE = re.compile(rf"^\s*(\[\[?)\s*({_DOTTED})\s*\]\]?\s*(?:#.*)?$")
_ASSIGNMENT = re.compile(rf"^\s*({_DOTTED})\s*=\s*(.*)$")
_TEXT = r"""("(?:[^"\\]|\\.)*"|'[^']*'|#.*)"""  # or a comment
_INLINE = re.compile(rf"[{{,]\s*({_DOTTED})\s*=")

Path = tuple[str | int, ...]


def _split(dotted: str) -> Path:
    return tuple(part[1:-1] if part[0] in "\"'" else part for part in re.findall(_KEY, dotted))


def key_lines(text: str) -> dict[Path, int]:
    """Path of each table and key -> its line number, counted from 1. The first mention wins.

    A table of ``[[rows]]`` is found by its number too: ``("rows", 1, "key")``; so is a text in an array of several lines.
    """
    found: dict[Path, int] = {}
    rows: dict[Path, int] = {}  # how many there are of each [[…]] so far
    table: Path = ()
    closing: str | None = None  # the quotes that end a multi-line string
    depth = 0  # of a multi-line array …
    array, element = table, 0  # … which one it is, and how many texts it has had
    for number, line in enumerate(text.splitlines(), start=1):
        if closing:
            if closing in line:
                closing = None
            continue
        if depth > 0:
            for _ in _texts(line):
                found.setdefault((*array, element), number)
                element += 1
            depth += _brackets(line)
            continue
        if match := _TABLE.match(line):
            table = _split(match[2])
            found.setdefault(table, number)
            if match[1] == "[[":
                rows[table] = rows.get(table, -1) + 1
            table = _numbered(table, rows)
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
                array, element = path, len(_texts(value))
    return found


def _numbered(table: Path, rows: dict[Path, int]) -> Path:
    """The table's path with the number of the [[row]] that it stands in."""
    numbered: Path = ()
    for length in range(1, len(table) + 1):
        numbered += (table[length - 1],)
        if table[:length] in rows:
            numbered += (rows[table[:length]],)
    return numbered


def _texts(line: str) -> list[str]:
    return [text for text in re.findall(_TEXT, line) if not text.startswith("#")]


def _brackets(line: str) -> int:
    bare = re.sub(_TEXT, "", line)
    return bare.count("[") - bare.count("]")


def line_of(lines: Mapping[Path, int], path: Sequence[str | int]) -> int | None:
    """Line of the key, else of the nearest table around it; None for the file as a whole."""
    for names in (tuple(path), tuple(part for part in path if isinstance(part, str))):
        while names:
            if names in lines:
                return lines[names]
            names = names[:-1]
    return None

# SPDX-License-Identifier: Apache-2.0
"""The server's console as lines of text, put together batch by batch."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from vkbench.capture import records as rec
from vkbench.capture.batches import Batch, Source, batches
from vkbench.capture.layout import Flag, Kind

#: A line that is longer is cut: noise without a line end must not fill the memory.
LINE_MAX_BYTES = 4096


@dataclass(frozen=True)
class Line:
    """One line, from its first byte to its line end (or to where the console stops)."""

    first: int  #: record number of its first byte
    last: int  #: of its last byte
    start: int  #: cycle of its first byte
    stop: int  #: cycle of its last byte
    text: str  #: without the line end; what cannot be printed appears escaped
    errors: int  #: bytes without a stop bit


class _Open:
    """A line that has not ended."""

    def __init__(self) -> None:
        self.bytes = bytearray()
        self.first = self.last = self.start = self.stop = self.errors = 0

    def add(self, data: bytes, numbers: np.ndarray, times: np.ndarray, errors: np.ndarray) -> None:
        if not self.bytes:
            self.first, self.start = int(numbers[0]), int(times[0])
        self.bytes += data
        self.last, self.stop = int(numbers[-1]), int(times[-1])
        self.errors += int(errors.sum())

    def end(self) -> Line | None:
        """The line, None when there is nothing to be seen in it."""
        text = printable(bytes(self.bytes).strip(b"\r\n"))
        line = Line(self.first, self.last, self.start, self.stop, text, self.errors) if text else None
        self.__init__()
        return line


def printable(text: bytes) -> str:
    """Console bytes for people: UTF-8 where it is, escapes for the rest."""
    return "".join(
        c if c.isprintable() else f"\\x{ord(c):02x}" for c in text.decode("utf-8", "backslashreplace")
    )


def console_lines(source: Iterable[Batch]) -> Iterator[Line]:
    """The lines in their order; empty ones are left out."""
    line = _Open()
    for batch in source:
        if batch.fresh and (ended := line.end()):
            yield ended
        index = np.flatnonzero(rec.of_kind(batch.records, Kind.CONSOLE))
        if not len(index):
            continue
        chosen = batch.records[index]
        data = (chosen["aux"] & 0xFF).astype(np.uint8)
        numbers, times = batch.numbers[index], chosen["timestamp"]
        errors = (chosen["flags"] & Flag.ERROR) != 0
        text = data.tobytes()
        start = 0
        while start < len(text):
            stop = text.find(b"\n", start) + 1
            whole = stop > 0
            stop = min(stop or len(text), start + LINE_MAX_BYTES - len(line.bytes))
            part = slice(start, stop)
            line.add(text[part], numbers[part], times[part], errors[part])
            start = stop
            if ((whole and text[stop - 1] == 10) or len(line.bytes) >= LINE_MAX_BYTES) and (
                ended := line.end()
            ):
                yield ended
    if ended := line.end():
        yield ended


class LineFinder:
    """Says which line a console byte belongs to. It reads ahead in a reading of its own, only as far as it must."""

    def __init__(self, source: Source) -> None:
        self._lines = console_lines(batches(source))
        self._line: Line | None = None
        self._ended = False

    def at(self, number: int) -> Line | None:
        """The line of the byte in this record; None for an empty line's. Numbers must not go back."""
        while not self._ended and (self._line is None or self._line.last < number):
            self._line = next(self._lines, None)
            self._ended = self._line is None
        return self._line if self._line and self._line.first <= number <= self._line.last else None

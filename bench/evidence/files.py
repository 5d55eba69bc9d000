# SPDX-License-Identifier: Apache-2.0
"""The names of the evidence files, and how they are written: whole or not at all, and durably."""

import codecs
import hashlib
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO

from pydantic import BaseModel

from vkbench.evidence import secrets

RUN_JSON = "run.json"
CONSOLE_LOG = "console.log"
CONSOLE_RAW = "console.raw"
CONSOLE_TIMES = "console.times"
CAPTURE = "capture.vkc"
SEL_JSON = "sel.json"
MEMORY_JSON = "memory.json"
VERDICT_JSON = "verdict.json"
MANIFEST = "manifest.sha256"

_HASH_CHUNK_BYTES = 1 << 20
TIMES_RESOLUTION_S = 0.001


class EvidenceError(Exception):
    """A run directory cannot be used as asked; the text says which file, why, and what to do."""


def sha256_of(path: Path) -> str:
    """SHA-256 of a file's bytes, as hexadecimal digits."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(_HASH_CHUNK_BYTES):
            digest.update(chunk)
    return digest.hexdigest()


def sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def atomic_write(path: Path, data: bytes) -> None:
    """Write a file whole or not at all, durably: a reader never sees half of it."""
    temporary = path.with_name(f".{path.name}.tmp")
    with temporary.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)
    sync(path.parent)


def to_json(value: Any) -> bytes:
    """The one way JSON is written into a run directory: readable, keys in the order given, one final newline."""
    if isinstance(value, BaseModel):
        value = value.model_dump(mode="json", by_alias=True)
    return (json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n").encode()


class ConsoleSink:
    """Takes the console's bytes as they come: ``console.raw`` exactly, ``console.times`` says when, ``console.log`` as
    dated lines. All three are complete up to the last byte whenever the process dies.

    A time is in seconds of the host's monotonic clock since the run began; a line of the log has that of its first byte.
    ``console.times`` has a line "OFFSET SECONDS" for each group of bytes that came within a millisecond: the bytes from
    OFFSET on. They are for people; rules use the analyser's clock. Bytes that are no UTF-8 and control characters
    appear escaped in the log. A password of the bench file is overwritten with asterisks (secrets.py); what can be the
    beginning of one is written when the next byte shows that it is not.
    """

    def __init__(self, directory: Path, clock: Callable[[], float]) -> None:
        self._raw = (directory / CONSOLE_RAW).open("ab", buffering=0)
        self._log = (directory / CONSOLE_LOG).open("ab", buffering=0)
        self._times = (directory / CONSOLE_TIMES).open("ab", buffering=0)
        self._clock = clock
        self._offset = self._raw.tell()
        self._timed_at = -1.0
        self._decode = codecs.getincrementaldecoder("utf-8")("backslashreplace").decode
        self._returns = ""  # carriage returns that may yet turn out to belong to a line's end
        self._in_line = False
        self._mask = secrets.Stream()
        self._held_at = 0.0

    @property
    def masked(self) -> int:
        """How many passwords were overwritten."""
        return self._mask.count

    def __call__(self, data: bytes) -> None:
        self.write(data)

    def write(self, data: bytes) -> None:
        """Append bytes; all files have them before this returns (but for the beginning of what may be a password).

        Raises OSError when one cannot be written (a full disk); the others are written all the same.
        """
        if self._raw.closed:
            raise EvidenceError(f"{CONSOLE_RAW}: console bytes came after the run was closed")
        now = self._clock()
        held = len(self._mask.held)
        ready = self._mask.feed(data)
        lines = self._lines(ready[:held], self._held_at) + self._lines(ready[held:], now)
        if ready or not held:
            self._held_at = now
        failed: OSError | None = None
        for file, text in ((self._raw, ready), (self._times, self._time(now)), (self._log, lines)):
            try:
                _write_whole(file, text)
            except OSError as error:
                failed = failed or error
        self._offset += len(data)
        if failed is not None:
            raise failed

    def close(self) -> None:
        """End an unfinished last line and close the files. May be called twice."""
        if self._raw.closed:
            return
        try:
            held = self._mask.end()
            _write_whole(self._raw, held)
            _write_whole(self._log, self._lines(held, self._held_at))
            rest = _printable(self._decode(b"", final=True))
            if rest or self._in_line:
                _write_whole(self._log, f"{rest}\n".encode())
            for file in (self._raw, self._times, self._log):
                os.fsync(file.fileno())
        finally:
            for file in (self._raw, self._times, self._log):
                file.close()

    def _time(self, now: float) -> bytes:
        if now < self._timed_at + TIMES_RESOLUTION_S:
            return b""
        self._timed_at = now
        return f"{self._offset} {now:.6f}\n".encode()

    def _lines(self, data: bytes, now: float) -> bytes:
        """The log's text for these bytes; the last line stays open."""
        out = []
        *lines, last = (self._returns + self._decode(data)).split("\n")
        for line in lines:
            out.append(f"{self._date(now)}{_printable(line.rstrip(chr(13)))}\n")
            self._in_line = False
        text = last.rstrip("\r")
        self._returns = last[len(text) :]
        if text:
            out.append(self._date(now) + _printable(text))
            self._in_line = True
        return "".join(out).encode()

    def _date(self, now: float) -> str:
        return "" if self._in_line else f"{now:.6f} "


def _printable(text: str) -> str:
    return "".join(c if c.isprintable() or c == "\t" else f"\\x{ord(c):02x}" for c in text)


def _write_whole(file: BinaryIO, data: bytes) -> None:
    """An unbuffered file takes what there is room for and says how much that was."""
    view = memoryview(data)
    while view:
        view = view[file.write(view) :]

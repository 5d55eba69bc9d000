# SPDX-License-Identifier: Apache-2.0
"""The names of the evidence files, and how they are written: whole or not at all, and durably."""

import hashlib
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pydantic import BaseModel

RUN_JSON = "run.json"
CONSOLE_LOG = "console.log"
CONSOLE_RAW = "console.raw"
CAPTURE = "capture.vkc"
SEL_JSON = "sel.json"
MEMORY_JSON = "memory.json"
VERDICT_JSON = "verdict.json"
MANIFEST = "manifest.sha256"

_HASH_CHUNK_BYTES = 1 << 20


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
    """Takes the console's bytes as they come: ``console.raw`` exactly, ``console.log`` as dated lines.

    A line's time is when its first byte came, in seconds of the host's monotonic clock since the run
    began. It is for people; rules use the analyser's clock. Bytes that are no UTF-8 and control
    characters appear escaped in the log.
    """

    def __init__(self, directory: Path, clock: Callable[[], float]) -> None:
        self._raw = (directory / CONSOLE_RAW).open("ab", buffering=0)
        self._log = (directory / CONSOLE_LOG).open("ab", buffering=0)
        self._clock = clock
        self._line = bytearray()
        self._line_at = 0.0

    def __call__(self, data: bytes) -> None:
        self.write(data)

    def write(self, data: bytes) -> None:
        """Append bytes; the raw file has them before this returns."""
        if self._raw.closed:
            raise EvidenceError(f"{CONSOLE_RAW}: console bytes came after the run was closed")
        self._raw.write(data)
        now = self._clock()
        for piece in data.splitlines(keepends=True) if b"\n" in data else [data]:
            if not self._line:
                self._line_at = now
            self._line += piece
            if piece.endswith(b"\n"):
                self._flush()

    def close(self) -> None:
        """Write the unfinished last line and close both files. May be called twice."""
        if self._raw.closed:
            return
        self._flush()
        for file in (self._raw, self._log):
            os.fsync(file.fileno())
            file.close()

    def _flush(self) -> None:
        if not self._line:
            return
        text = bytes(self._line).rstrip(b"\r\n").decode("utf-8", "backslashreplace")
        text = "".join(c if c.isprintable() or c == "\t" else f"\\x{ord(c):02x}" for c in text)
        self._log.write(f"{self._line_at:.6f} {text}\n".encode())
        self._line.clear()

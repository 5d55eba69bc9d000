# SPDX-License-Identifier: Apache-2.0
"""The run directory: the evidence of one run, written while it happens and sealed at the end.

A run is *sealed* when ``manifest.sha256`` exists. That file is written last, whole, and by a rename, so a
run that was killed at any moment is either sealed or recognisably not. Nothing is written into a sealed
run.
"""

import hashlib
import json
import os
import re
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

RUN_JSON = "run.json"
CONSOLE_LOG = "console.log"
CONSOLE_RAW = "console.raw"
CAPTURE = "capture.vkc"
SEL_JSON = "sel.json"
MEMORY_JSON = "memory.json"
VERDICT_JSON = "verdict.json"
MANIFEST = "manifest.sha256"

_MANIFEST_LINE = re.compile(r"([0-9a-f]{64})  ([^\n/\\\x00]+)")
_HASH_CHUNK_BYTES = 1 << 20


class EvidenceError(Exception):
    """A run directory cannot be used as asked; the text says which file, why, and what to do."""


class _Model(BaseModel):
    """Unknown keys are refused: a misspelt key would otherwise be evidence that nobody reads."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)


class RunConfig(_Model):
    """How the server under test was set up, and how it was made to panic."""

    crash_kexec_post_notifiers: bool
    injection: str = "sysrq-c"


class Abort(_Model):
    """Why a run ended early: the name of the error, and what it said."""

    error: str
    detail: str = ""


class BenchInfo(_Model):
    """Which bench made the run. ``notes``: what this bench cannot show, in sentences for the report."""

    name: str
    file_sha256: str = ""
    arch: str = ""
    provider: str = ""
    notes: list[str] = Field(default_factory=list)


class Markers(_Model):
    """Console texts that mark the run's steps; each counts only in its place in the sequence."""

    panic: str = "Kernel panic - not syncing"
    jump: str = "I'm in purgatory"
    crash_kernel: str = "Linux version "
    crash_ready: str = "vkbench: crash kernel ready"

    @field_validator("*")
    @classmethod
    def _not_empty(cls, text: str) -> str:
        if not text:
            raise ValueError("a marker must not be empty: it would be found everywhere")
        return text


class UncertaintySource(_Model):
    """One line of the uncertainty budget: how late a console byte can be for this reason, in seconds."""

    name: str
    value_s: float = Field(ge=0)
    source: str


class Uncertainty(_Model):
    """How late a console byte can be against the link, and how far the clock can be off."""

    console_s: float = Field(ge=0)  #: UART: FIFO and bit time, seconds
    clock_ppm: float = Field(ge=0)  #: the analyser clock's tolerance, parts per million
    order_s: float = Field(ge=0)  #: how far events that enter by different ways can change places, seconds
    sources: list[UncertaintySource] = Field(default_factory=list)


class DmaSetup(_Model):
    """The card's traffic: its target in physical memory and its shape."""

    paddr: int = Field(ge=0)
    size: int = Field(gt=0)  #: bytes
    period_cycles: int = Field(ge=0)  #: between the starts of two TLPs; 0 = back to back
    length: int = Field(gt=0)  #: bytes per TLP


class Step(_Model):
    """One step of the run, in seconds on the host's monotonic clock since the run began."""

    name: str
    started_s: float
    duration_s: float
    ok: bool
    detail: str = ""


class RunRecord(_Model):
    """``run.json``: what was done, on what, with what."""

    schema_version: Literal[1] = Field(default=1, alias="schema")
    scenario: str
    title: str
    config: RunConfig
    must_fail: bool = False
    started_utc: str
    finished_utc: str | None = None
    status: Literal["complete", "aborted"] = "aborted"
    abort: Abort | None = None
    bench: BenchInfo
    markers: Markers = Field(default_factory=Markers)
    uncertainty: Uncertainty
    dma: DmaSetup | None = None
    inventory: dict[str, Any] = Field(default_factory=dict)
    steps: list[Step] = Field(default_factory=list)

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False, populate_by_name=True)

    @classmethod
    def parse(cls, data: bytes | str, where: str = RUN_JSON) -> Self:
        """Read the file's text. Raises EvidenceError that names each wrong key."""
        try:
            return cls.model_validate_json(data)
        except ValidationError as error:
            raise EvidenceError(f"{where}: " + describe(error)) from error


class MemoryRead(BaseModel):
    """One read of the DMA target by the crash kernel through ``/proc/vmcore`` (fixtures/server/vkpeek.c)."""

    model_config = ConfigDict(extra="ignore")

    read: int
    paddr: int
    size: int
    sha256: str
    uptime_ms: int
    seq_min: int | None
    seq_max: int | None
    units: int

    @field_validator("paddr", mode="before")
    @classmethod
    def _hexadecimal(cls, value: Any) -> Any:
        return int(value, 0) if isinstance(value, str) else value


class MemoryRecord(BaseModel):
    """``memory.json``: what the crash kernel read."""

    model_config = ConfigDict(extra="ignore")

    reads: list[MemoryRead]
    differs: bool
    words_changed: int
    interval_ms: float


def describe(error: ValidationError) -> str:
    """A pydantic error as one line: each key's path and what is wrong with it."""
    parts = []
    for item in error.errors():
        path = ".".join(str(step) for step in item["loc"]) or "(file)"
        parts.append(f"{path}: {item['msg']}")
    return "; ".join(parts)


def sha256_of(path: Path) -> str:
    """SHA-256 of a file's bytes, as hexadecimal digits."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(_HASH_CHUNK_BYTES):
            digest.update(chunk)
    return digest.hexdigest()


def _sync(path: Path) -> None:
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
    _sync(path.parent)


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


class RunView:
    """A run directory, read only."""

    def __init__(self, path: Path) -> None:
        self.path = Path(path)
        if not self.path.is_dir():
            raise EvidenceError(f"{self.path}: no run directory there")
        if not (self.path / RUN_JSON).is_file() and not (self.path / MANIFEST).is_file():
            raise EvidenceError(
                f"{self.path}: neither {RUN_JSON} nor {MANIFEST} in it; is it a run directory?"
            )

    @property
    def sealed(self) -> bool:
        """True when the manifest is there; a run without one was killed or is still going on."""
        return (self.path / MANIFEST).is_file()

    def has(self, name: str) -> bool:
        """True when the file is there."""
        return (self.path / name).is_file()

    def read(self, name: str) -> bytes:
        """A file's bytes. Raises EvidenceError naming the file."""
        try:
            return (self.path / name).read_bytes()
        except OSError as error:
            raise EvidenceError(f"{self.path / name}: cannot be read: {error.strerror}") from error

    def json(self, name: str) -> Any:
        """A JSON file's content. Raises EvidenceError naming the file and the line."""
        try:
            return json.loads(self.read(name))
        except ValueError as error:
            raise EvidenceError(f"{self.path / name}: is no JSON: {error}") from error

    @property
    def record(self) -> RunRecord:
        """``run.json``, checked."""
        return RunRecord.parse(self.read(RUN_JSON), str(self.path / RUN_JSON))

    @property
    def memory(self) -> MemoryRecord:
        """``memory.json``, checked."""
        try:
            return MemoryRecord.model_validate_json(self.read(MEMORY_JSON))
        except ValidationError as error:
            raise EvidenceError(f"{self.path / MEMORY_JSON}: {describe(error)}") from error

    def manifest(self) -> dict[str, str]:
        """File name -> SHA-256, as sealed. Raises EvidenceError when the manifest is not as this program
        writes it.
        """
        where = self.path / MANIFEST
        try:
            text = self.read(MANIFEST).decode("ascii")
        except UnicodeDecodeError as error:
            raise EvidenceError(
                f"{where}: byte {error.start} is no ASCII; the manifest was changed"
            ) from error
        entries: dict[str, str] = {}
        for number, line in enumerate(text.splitlines(), start=1):
            match = _MANIFEST_LINE.fullmatch(line)
            if not match:
                raise EvidenceError(
                    f"{where}:{number}: is no '<sha256>  <name>' line; the manifest was changed"
                )
            entries[match[2]] = match[1]
        # A manifest has one spelling (sorted, one newline a line), so no byte of it is free to change.
        if _manifest_text(entries) != text:
            raise EvidenceError(
                f"{where}: lines are repeated, unsorted or badly ended; the manifest was changed"
            )
        return entries

    def check_manifest(self) -> list[str]:
        """Differences between the files and the manifest, each naming its file; an empty list when there
        are none.
        """
        if not self.sealed:
            return [f"{MANIFEST}: missing; the run was never sealed (killed, or still going on)"]
        try:
            sealed = self.manifest()
        except EvidenceError as error:
            return [str(error)]
        differences = []
        present = {entry.name for entry in self.path.iterdir() if entry.name != MANIFEST}
        for name in sorted(sealed.keys() | present):
            if name not in present:
                differences.append(f"{name}: missing, but in the manifest")
            elif name not in sealed:
                differences.append(f"{name}: added after sealing, not in the manifest")
            elif not (self.path / name).is_file():
                differences.append(f"{name}: changed after sealing: no file any more")
            elif (found := sha256_of(self.path / name)) != sealed[name]:
                differences.append(
                    f"{name}: changed after sealing (SHA-256 {found[:12]}…, sealed {sealed[name][:12]}…)"
                )
        return differences


class RunDirectory:
    """A run directory that is being written. ``with`` aborts the run when its block raises."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.started = time.monotonic()
        self._sink: ConsoleSink | None = None
        self._record: RunRecord | None = None

    @classmethod
    def create(cls, path: Path | str) -> Self:
        """Make the directory. Raises EvidenceError when something is in it already: evidence is never mixed."""
        path = Path(path)
        try:
            path.mkdir(parents=True, exist_ok=True)
            occupied = any(path.iterdir())
        except OSError as error:
            raise EvidenceError(f"{path}: cannot be made a run directory: {error.strerror}") from error
        if occupied:
            raise EvidenceError(
                f"{path}: is not empty; evidence of two runs must not mix. Name another directory"
            )
        return cls(path)

    @staticmethod
    def open(path: Path | str) -> RunView:
        """The finished (or killed) run, read only."""
        return RunView(Path(path))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        if error is not None and not self.sealed:
            self.abort(error)
        elif self._sink:
            self._sink.close()

    @property
    def sealed(self) -> bool:
        """True after seal()."""
        return (self.path / MANIFEST).exists()

    def elapsed(self) -> float:
        """Seconds since the run began, on the host's monotonic clock."""
        return time.monotonic() - self.started

    @property
    def console_sink(self) -> ConsoleSink:
        """Where the console's bytes go; the same object each time."""
        self._writable(CONSOLE_RAW)
        if self._sink is None:
            self._sink = ConsoleSink(self.path, self.elapsed)
        return self._sink

    def write_json(self, name: str, value: Any) -> Path:
        """Write a JSON file or pydantic model, whole or not at all; replaces an earlier one of this run."""
        if isinstance(value, RunRecord):
            self._record = value
        return self._write(name, to_json(value))

    def write_record(self, record: RunRecord) -> Path:
        """Write ``run.json``. Write it early with status "aborted": then a killed run says so itself."""
        return self.write_json(RUN_JSON, record)

    def write_capture(self, header: Mapping[str, Any], records: Any) -> Path:
        """Write ``capture.vkc`` (see vkbench.capture.vkc.write), whole or not at all."""
        from vkbench.capture import vkc

        path = self._writable(CAPTURE)
        temporary = path.with_name(f".{CAPTURE}.tmp")
        vkc.write(temporary, header, records)
        _sync(temporary)
        temporary.replace(path)
        return path

    def abort(self, error: BaseException | str, detail: str = "") -> None:
        """Say in ``run.json`` why the run ended, and seal what was gathered so far."""
        if isinstance(error, BaseException):
            name, detail = type(error).__name__, detail or str(error)
        else:
            name = error
        now = datetime.now(UTC).isoformat(timespec="seconds")
        record = self._record or RunRecord(
            scenario="unknown",
            title="A run that ended before it was described",
            config=RunConfig(crash_kexec_post_notifiers=False),
            started_utc=now,
            bench=BenchInfo(name="unknown"),
            uncertainty=Uncertainty(console_s=0, clock_ppm=0, order_s=0),
        )
        ended = {"status": "aborted", "abort": Abort(error=name, detail=detail), "finished_utc": now}
        self.write_record(record.model_copy(update=ended))
        self.seal()

    def seal(self) -> Path:
        """Close the console files and write the manifest; the last write into this directory."""
        path = self._writable(MANIFEST)
        if self._sink:
            self._sink.close()
        entries: dict[str, str] = {}
        for entry in sorted(self.path.iterdir()):
            if entry.name.startswith(".") and entry.name.endswith(".tmp"):
                entry.unlink()  # left by a write that an exception interrupted; never became evidence
                continue
            if not entry.is_file():
                raise EvidenceError(f"{entry}: is no plain file; a run directory holds only files")
            _sync(entry)  # the manifest must not outlive, in a power cut, what it vouches for
            entries[entry.name] = sha256_of(entry)
        atomic_write(path, _manifest_text(entries).encode("ascii"))
        return path

    def _writable(self, name: str) -> Path:
        if self.sealed:
            raise EvidenceError(f"{self.path / name}: the run is sealed; nothing can be written into it")
        return self.path / name

    def _write(self, name: str, data: bytes) -> Path:
        if Path(name).name != name or name.startswith(".") or name == MANIFEST:
            raise EvidenceError(f"{name!r}: is no name for a file of evidence")
        path = self._writable(name)
        atomic_write(path, data)
        return path


def _manifest_text(entries: Mapping[str, str]) -> str:
    return "".join(f"{entries[name]}  {name}\n" for name in sorted(entries))

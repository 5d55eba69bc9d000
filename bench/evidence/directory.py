# SPDX-License-Identifier: Apache-2.0
"""The run directory: the evidence of one run, written while it happens and sealed at the end.

A run is *sealed* when ``manifest.sha256`` exists. That file is written last, whole, and by a rename, so a
run that was killed at any moment is either sealed or recognisably not. Nothing is written into a sealed
run.
"""

import json
import re
import stat
import time
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self

from pydantic import ValidationError

from vkbench.evidence import secrets
from vkbench.evidence.files import (
    CAPTURE,
    CONSOLE_LOG,
    CONSOLE_RAW,
    MANIFEST,
    MEMORY_JSON,
    RUN_JSON,
    ConsoleSink,
    EvidenceError,
    atomic_write,
    sha256_of,
    sync,
    to_json,
)
from vkbench.evidence.record import (
    Abort,
    BenchInfo,
    MemoryRecord,
    RunConfig,
    RunRecord,
    Uncertainty,
    describe,
)

_MANIFEST_LINE = re.compile(r"([0-9a-f]{64})  ([^\n/\\\x00]+)")


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
        """True when the file is there. A link is no evidence: it leads out of the directory."""
        return not (self.path / name).is_symlink() and (self.path / name).is_file()

    def read(self, name: str) -> bytes:
        """A file's bytes. Raises EvidenceError naming the file."""
        try:
            if not stat.S_ISREG((self.path / name).lstat().st_mode):
                raise EvidenceError(f"{self.path / name}: cannot be read: it is no plain file")
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
            elif not self.has(name):
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
        self._masked: dict[str, int] = {}  # file -> passwords that were overwritten in it
        self._told: dict[str, int] = {}  # the same, as run.json has it

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
            self._told = self._counts(value)
            value = value.model_copy(update={"masked": self._told})
        value, self._masked[name] = secrets.cleaned(value)
        return self._write(name, to_json(value))

    def write_record(self, record: RunRecord) -> Path:
        """Write ``run.json``. Write it early with status "aborted": then a killed run says so itself."""
        return self.write_json(RUN_JSON, record)

    def write_capture(self, header: Mapping[str, Any], records: Any) -> Path:
        """Write ``capture.vkc`` (see vkbench.capture.vkc.write), whole or not at all."""
        from vkbench.capture import vkc

        path = self._writable(CAPTURE)
        temporary = path.with_name(f".{CAPTURE}.tmp")
        records, self._masked[CAPTURE] = _masked_console(records)
        vkc.write(temporary, secrets.cleaned(header)[0], records)
        sync(temporary)
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
            if entry.is_symlink() or not entry.is_file():
                raise EvidenceError(f"{entry}: is no plain file; a run directory holds only files")
        self._sweep()
        for entry in sorted(self.path.iterdir()):
            sync(entry)  # the manifest must not outlive, in a power cut, what it vouches for
            entries[entry.name] = sha256_of(entry)
        atomic_write(path, _manifest_text(entries).encode("ascii"))
        return path

    def _counts(self, record: RunRecord) -> dict[str, int]:
        """What this run's files hide, for run.json."""
        self._masked[RUN_JSON] = secrets.cleaned(record)[1]
        if self._sink:
            self._masked[CONSOLE_RAW] = self._masked[CONSOLE_LOG] = self._sink.masked
        earlier = {name: count for name, count in record.masked.items() if name not in self._masked}
        return {name: count for name, count in sorted({**earlier, **self._masked}.items()) if count}

    def _sweep(self) -> None:
        """The last net: no file is sealed with a password in it, whoever wrote it. run.json then says so."""
        for entry in self.path.iterdir():
            if count := secrets.sweep(entry):
                self._masked[entry.name] = self._masked.get(entry.name, 0) + count
        record = self._record
        if record is None and self._masked and RunView(self.path).has(RUN_JSON):
            with suppress(EvidenceError):  # a run.json that cannot be read stays as it is
                record = RunView(self.path).record
        if record is not None and self._counts(record) != self._told:
            self.write_record(record)

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


def _masked_console(records: Any) -> tuple[Any, int]:
    """The records with asterisks for the console bytes of a password, and how many passwords there were."""
    import numpy as np

    from vkbench.capture.layout import Kind
    from vkbench.capture.records import DTYPE

    array = np.frombuffer(records, dtype=DTYPE) if isinstance(records, bytes | bytearray) else records
    where = np.flatnonzero(array["kind"] == Kind.CONSOLE)
    text, count = secrets.masked_bytes(array["aux"][where].astype(np.uint8).tobytes())
    if not count:
        return records, 0
    array = array.copy()
    array["aux"][where] = np.frombuffer(text, dtype=np.uint8)
    return array, count


def _manifest_text(entries: Mapping[str, str]) -> str:
    return "".join(f"{entries[name]}  {name}\n" for name in sorted(entries))

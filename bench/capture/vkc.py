# SPDX-License-Identifier: Apache-2.0
"""The capture file ``.vkc``: a JSON header, blocks of records with a CRC each, an end mark (docs/capture-
format.md).

No byte of the file is outside a check, so a changed byte or a missing tail is an error that names the
place.
"""

import json
import mmap
import os
import struct
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from vkbench.capture.layout import LAYOUT_VERSION, RECORD_BYTES, Kind, StatClass
from vkbench.capture.records import DTYPE, Records, from_bytes

MAGIC = b"VKCAP\x00\x00\x01"
FORMAT = "vkcap"
VERSION = 1
BLOCK_RECORDS = 4096
_U32 = struct.Struct("<I")
_BLOCK = struct.Struct("<4sIII")  # tag, index, records, CRC-32
_END = struct.Struct("<4sIQI")  # tag, blocks, records, CRC-32
_BLOCK_TAG = b"BLK0"
_END_TAG = b"END0"
_ALIGNMENT = 16  # of the first block, so that the timestamps of all records are aligned in a mapped file
_HEADER_MAX_BYTES = 1 << 20


class CaptureError(Exception):
    """A capture file is damaged or not one. ``block``: index of the damaged block, None for header and
    end mark.
    """

    def __init__(self, path: Path, what: str, offset: int, block: int | None = None) -> None:
        place = "" if block is None else f"block {block}: "
        super().__init__(f"{path}: {place}{what} (at byte {offset})")
        self.path, self.what, self.offset, self.block = path, what, offset, block


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Statistics(_Model):
    """Exact statistics of one class, as read from the analyser; times in cycles, 0 when there was no event."""

    count_arm: int = Field(ge=0)  #: events since arming
    count: int = Field(ge=0)  #: events since the trigger
    first: int = Field(ge=0)  #: the first one since the trigger
    last: int = Field(ge=0)  #: the last one


class Trigger(_Model):
    """The trigger term, read back from the analyser; ``time`` in cycles, 0 = never fired."""

    source: str
    text: str = ""
    time: int = Field(ge=0)


class CaptureHeader(_Model):
    """The JSON header of a capture file."""

    format: str = FORMAT
    version: int = VERSION
    layout_version: int = LAYOUT_VERSION
    clock_hz: int = Field(gt=0)
    idn: str = ""
    depth: int = Field(ge=0)
    pretrigger: int = Field(ge=0)
    trigger: Trigger
    state: str
    lost: int = Field(ge=0)
    statistics: dict[str, Statistics] = Field(default_factory=dict)
    kinds: dict[str, int] = Field(default_factory=lambda: {kind.name: int(kind) for kind in Kind})

    @field_validator("statistics")
    @classmethod
    def _known_classes(cls, value: dict[str, Statistics]) -> dict[str, Statistics]:
        for name in value:
            if name not in StatClass.__members__:
                raise ValueError(f"{name} is no statistics class; known: {', '.join(StatClass.__members__)}")
        return value


@dataclass(frozen=True)
class Capture:
    """A capture file's content."""

    header: CaptureHeader
    records: Records

    @property
    def clock_hz(self) -> int:
        """Rate of the timestamps, cycles per second."""
        return self.header.clock_hz


class Writer:
    """Writes a capture file as records come. Until close() the file has no end mark and is known as
    truncated.
    """

    def __init__(self, path: Path | str, header: CaptureHeader | Mapping[str, Any]) -> None:
        header = header if isinstance(header, CaptureHeader) else CaptureHeader.model_validate(dict(header))
        text = json.dumps(header.model_dump(mode="json"), separators=(",", ":")).encode()
        text += b" " * (-(len(MAGIC) + 2 * _U32.size + len(text)) % _ALIGNMENT)
        head = MAGIC + _U32.pack(len(text)) + text
        path = Path(path)
        self._file = path.open("wb")
        self._file.write(head + _U32.pack(zlib.crc32(head)))
        self._pending: list[bytes] = []
        self._pending_records = 0
        self._blocks = 0
        self._records = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is None:
            self.close()
        else:
            self._file.close()

    def append(self, records: Records | bytes) -> None:
        """Add records; full blocks go to the file at once."""
        data = records if isinstance(records, bytes) else np.ascontiguousarray(records, dtype=DTYPE).tobytes()
        from_bytes(data)  # refuses a fraction of a record
        data = b"".join([*self._pending, data])
        whole = BLOCK_RECORDS * RECORD_BYTES
        cut = len(data) // whole * whole
        for start in range(0, cut, whole):
            self._block(data[start : start + whole])
        self._pending = [data[cut:]]

    def close(self) -> None:
        """Write the rest and the end mark. May be called twice."""
        if self._file.closed:
            return
        rest = b"".join(self._pending)
        if rest:
            self._block(rest)
        end = _END.pack(_END_TAG, self._blocks, self._records, 0)[: -_U32.size]
        self._file.write(end + _U32.pack(zlib.crc32(end)))
        self._file.flush()
        os.fsync(self._file.fileno())
        self._file.close()

    def _block(self, data: bytes) -> None:
        count = len(data) // RECORD_BYTES
        self._file.write(
            _BLOCK.pack(_BLOCK_TAG, self._blocks, count, _block_crc(self._blocks, count, data)) + data
        )
        self._blocks += 1
        self._records += count


def write(path: Path | str, header: CaptureHeader | Mapping[str, Any], records: Records | bytes) -> None:
    """Write a whole capture file."""
    with Writer(path, header) as writer:
        writer.append(records)


def read(path: Path | str) -> Capture:
    """Read and check a whole file. Raises CaptureError at the first damage, OSError when it cannot be opened."""
    path = Path(path)
    with _mapped(path) as data:
        header, offset = _header(path, data)
        blocks: list[Block] = []
        while (block := _block_at(path, data, offset, len(blocks))) is not None:
            blocks.append(block)
            offset = block.end
        _check_end(path, data, offset, blocks)
    return Capture(header, np.concatenate([b.records for b in blocks]) if blocks else np.zeros(0, DTYPE))


@dataclass(frozen=True)
class Block:
    """A readable block: its index, where it begins in the file, and its records."""

    index: int
    offset: int
    records: Records

    @property
    def end(self) -> int:
        """Offset of the first byte after the block."""
        return self.offset + _BLOCK.size + self.records.nbytes


@dataclass(frozen=True)
class Salvage:
    """What can still be read of a damaged file. ``errors`` names what cannot."""

    header: CaptureHeader | None
    blocks: list[Block]
    errors: list[CaptureError]

    @property
    def records(self) -> Records:
        """The readable records, with gaps where blocks are unreadable."""
        return np.concatenate([block.records for block in self.blocks]) if self.blocks else np.zeros(0, DTYPE)


def salvage(path: Path | str) -> Salvage:
    """Read every block whose CRC is right, wherever it lies. Raises no CaptureError; OSError when it
    cannot be opened.
    """
    path = Path(path)
    errors: list[CaptureError] = []
    blocks: list[Block] = []
    header = None
    offset = 0
    with _mapped(path) as data:
        try:
            header, offset = _header(path, data)
        except CaptureError as error:
            errors.append(error)
            offset = _next_block(data, 0)
        while offset >= 0:
            try:
                block = _block_at(path, data, offset, None if errors else len(blocks))
                if block is None:
                    _check_end(path, data, offset, None if errors else blocks)
                    break
                blocks.append(block)
                offset = block.end
            except CaptureError as error:
                errors.append(error)
                # Go on at the next block that can be found; a tag that is part of a record is refused by its
                # CRC.
                offset = _next_block(data, offset + 1)
    return Salvage(header, blocks, errors)


@contextmanager
def _mapped(path: Path) -> Iterator[mmap.mmap | bytes]:
    """The file's bytes, memory mapped; an empty file cannot be mapped and is empty bytes."""
    with path.open("rb") as file:
        if os.fstat(file.fileno()).st_size == 0:
            yield b""
            return
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as mapped:
            yield mapped


def _block_crc(index: int, count: int, data: Any) -> int:
    return zlib.crc32(data, zlib.crc32(_BLOCK.pack(_BLOCK_TAG, index, count, 0)[: -_U32.size]))


def _header(path: Path, data: Any) -> tuple[CaptureHeader, int]:
    fixed = len(MAGIC) + _U32.size
    if data[: len(MAGIC)] != MAGIC:
        raise CaptureError(path, f"is no capture file of version {VERSION}: wrong magic", 0)
    if len(data) < fixed:
        raise CaptureError(path, "truncated in the header", len(data))
    (length,) = _U32.unpack(data[len(MAGIC) : fixed])
    end = fixed + length
    if length > _HEADER_MAX_BYTES:
        raise CaptureError(path, f"header length {length} is too large", len(MAGIC))
    if len(data) < end + _U32.size:
        raise CaptureError(path, "truncated in the header", len(data))
    if _U32.unpack(data[end : end + _U32.size])[0] != zlib.crc32(data[:end]):
        raise CaptureError(path, "the header's CRC is wrong", 0)
    try:
        header = CaptureHeader.model_validate_json(bytes(data[fixed:end]))
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(map(str, first["loc"]))
        raise CaptureError(path, f"header key {key}: {first['msg']}", fixed) from error
    expected = (FORMAT, VERSION, LAYOUT_VERSION)
    if (header.format, header.version, header.layout_version) != expected:
        found = f"{header.format} {header.version}, layout {header.layout_version}"
        raise CaptureError(
            path, f"is {found}; this program reads {FORMAT} {VERSION}, layout {LAYOUT_VERSION}", fixed
        )
    return header, end + _U32.size


def _next_block(data: Any, start: int) -> int:
    return data.find(_BLOCK_TAG, start)


def _block_at(path: Path, data: Any, offset: int, expected: int | None) -> Block | None:
    """The block at ``offset``, or None at the end mark. ``expected``: the index it must have; None = any."""
    tag = data[offset : offset + 4]
    if tag == _END_TAG:
        return None
    if len(data) < offset + _BLOCK.size:
        raise CaptureError(path, "truncated: there is no end mark", len(data), expected)
    if tag != _BLOCK_TAG:
        raise CaptureError(path, f"neither a block nor an end mark: {bytes(tag)!r}", offset, expected)
    _, index, count, crc = _BLOCK.unpack(data[offset : offset + _BLOCK.size])
    if expected is not None and index != expected:
        raise CaptureError(path, f"the block says it is number {index}", offset, expected)
    start = offset + _BLOCK.size
    stop = start + count * RECORD_BYTES
    if stop > len(data):
        raise CaptureError(path, f"truncated: {count} records promised", offset, index)
    content = data[start:stop]
    if crc != _block_crc(index, count, content):
        raise CaptureError(path, "the CRC is wrong", offset, index)
    return Block(index, offset, from_bytes(content))


def _check_end(path: Path, data: Any, offset: int, blocks: list[Block] | None) -> None:
    """Check the end mark at ``offset`` against the blocks; None: blocks were lost, so totals say nothing."""
    stop = offset + _END.size
    if len(data) < stop:
        raise CaptureError(path, "truncated in the end mark", len(data))
    _, count, records, crc = _END.unpack(data[offset:stop])
    if crc != zlib.crc32(data[offset : stop - _U32.size]):
        raise CaptureError(path, "the end mark's CRC is wrong", offset)
    if len(data) != stop:
        raise CaptureError(path, f"{len(data) - stop} bytes follow the end mark", stop)
    if blocks is not None:
        found = (len(blocks), sum(len(block.records) for block in blocks))
        if (count, records) != found:
            what = f"the end mark counts {count} blocks, {records} records; there are {found[0]}, {found[1]}"
            raise CaptureError(path, what, offset)

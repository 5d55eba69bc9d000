# SPDX-License-Identifier: Apache-2.0
"""The capture file ``.vkc``: a JSON header, blocks of records with a CRC each, an end mark (docs/capture-format.md).

No byte of the file is outside a check, so a changed byte or a missing tail is an error that names the
place. Files are mapped, not read: a capture of any size takes little memory (see CaptureFile.blocks).
"""

import json
import mmap
import os
import struct
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple, Self

import numpy as np
import numpy.typing as npt
from isal.isal_zlib import crc32  # zlib's CRC-32, many times as fast
from pydantic import ValidationError

from vkbench.capture.header import (
    FORMAT,
    VERSION,
    CaptureHeader,
    LevelEntry,
    Qualify,
    Segment,
    Statistics,
    TapEntry,
    Trigger,
    from_version_1,
)
from vkbench.capture.layout import LAYOUT_VERSION, RECORD_BYTES
from vkbench.capture.records import DTYPE, Records, empty, from_bytes, from_layout_1

__all__ = [
    "BLOCK_RECORDS",
    "Block",
    "Capture",
    "CaptureError",
    "CaptureFile",
    "CaptureHeader",
    "LevelEntry",
    "Qualify",
    "Recording",
    "Salvage",
    "Segment",
    "Statistics",
    "TapEntry",
    "Trigger",
    "Writer",
    "open",
    "read",
    "salvage",
    "write",
]

BLOCK_RECORDS = 8192
BLOCK_RECORDS_MAX = 1 << 16
_MAGIC = b"VKCAP\x00\x00"  # and a byte: the file version
_U32 = struct.Struct("<I")
_END = struct.Struct("<4sIQI")  # tag, blocks, records, CRC-32
_ALIGNMENT = 32  # of the first block, so that all records are aligned in a mapped file
_HEADER_MAX_BYTES = 1 << 20
_CRC_AT = 12  # in a block's head; the block's CRC is of all its bytes but these four
_CRC_END = _CRC_AT + _U32.size
_RELEASE_BYTES = 4 << 20


class _Form(NamedTuple):
    """What differs between the file versions."""

    layout: int
    block_tag: bytes
    end_tag: bytes
    head: struct.Struct  # of a block: tag, index, records, CRC-32; since version 2 first and last timestamp


_FORMS = {
    1: _Form(1, b"BLK0", b"END0", struct.Struct("<4sIII")),
    2: _Form(LAYOUT_VERSION, b"BLK2", b"END2", struct.Struct("<4sIIIQQ")),
}


class CaptureError(Exception):
    """A capture file is damaged or not one. ``block``: index of the damaged block, None for header and
    end mark.
    """

    def __init__(self, path: Path, what: str, offset: int, block: int | None = None) -> None:
        place = "" if block is None else f"block {block}: "
        super().__init__(f"{path}: {place}{what} (at byte {offset})")
        self.path, self.what, self.offset, self.block = path, what, offset, block


class Recording(ABC):
    """A header and records in blocks: what a capture in memory and one in a file have in common."""

    header: CaptureHeader
    records: Records  #: all of them at once, in memory

    @property
    def clock_hz(self) -> int:
        """Rate of the timestamps, cycles per second."""
        return self.header.clock_hz

    @property
    @abstractmethod
    def starts(self) -> npt.NDArray[np.int64]:
        """Index of each block's first record, and after the last block the number of records."""

    @property
    @abstractmethod
    def block_times(self) -> npt.NDArray[np.uint64]:
        """Timestamps of each block's first and last record, cycles: an array of two columns."""

    @abstractmethod
    def block(self, number: int) -> Records:
        """The records of one block. Raises CaptureError when it is damaged."""

    def __len__(self) -> int:
        return int(self.starts[-1])

    def blocks(self) -> Iterator[Records]:
        """The records, block after block. Raises CaptureError at a damaged one."""
        for number in range(len(self.starts) - 1):
            yield self.block(number)

    def blocks_between(self, first: int, last: int) -> Iterator[tuple[int, Records]]:
        """The blocks that can hold timestamps from ``first`` to ``last``, each with its first record's index."""
        times = self.block_times
        for number in np.flatnonzero((times[:, 1] >= max(first, 0)) & (times[:, 0] <= max(last, 0))):
            yield int(self.starts[number]), self.block(int(number))


@dataclass(frozen=True)
class Capture(Recording):
    """A capture in memory."""

    header: CaptureHeader
    records: Records

    @cached_property
    def starts(self) -> npt.NDArray[np.int64]:
        """See Recording."""
        return np.append(np.arange(0, len(self.records), BLOCK_RECORDS), len(self.records))

    @property
    def block_times(self) -> npt.NDArray[np.uint64]:
        """See Recording."""
        starts, times = self.starts, self.records["timestamp"]
        return np.stack([times[starts[:-1]], times[starts[1:] - 1]], axis=1)

    def block(self, number: int) -> Records:
        """See Recording."""
        start = number * BLOCK_RECORDS
        return self.records[start : start + BLOCK_RECORDS]


class _Place(NamedTuple):
    """Where a block lies in its file, and what its head says."""

    index: int
    offset: int
    records: int
    times: tuple[int, int] | None  #: of the first and the last record; None in file version 1


class CaptureFile(Recording):
    """A capture file, mapped into memory. Made by ``vkc.open``; close it, or use it in ``with``.

    Opening checks the header, the chain of blocks and the end mark. Each block's CRC is checked whenever the
    block is looked at. Views of records stay valid after close(). The file must not be cut while it is open.
    """

    def __init__(self, path: Path | str) -> None:
        self.path = Path(path)
        self._data = _map(self.path)
        #: The version of the file; the header and the records are always given as those of version 2.
        self.version, self.header, self._first = _header(self.path, self._data)
        self._form = _FORMS[self.version]
        self._places = self._chain()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the file; it is unmapped when the last view of its records is gone. May be called twice."""
        self._data = memoryview(b"")

    def _chain(self) -> list[_Place]:
        """Follow the blocks' heads to the end mark. A head is proved only by its block's CRC, so when the chain
        breaks, the blocks are checked in order to name the one that is damaged.
        """
        for check in (False, True):
            places: list[_Place] = []
            offset, done = self._first, 0
            try:
                while (place := _place(self.path, self._form, self._data, offset, len(places))) is not None:
                    if check:
                        _records(self.path, self._form, self._data, place)
                    places.append(place)
                    offset = _end_of(self._form, place)
                    if offset - done >= _RELEASE_BYTES:
                        done = self._release(done, offset)
                _check_end(self.path, self._form, self._data, offset, places)
                return places
            except CaptureError:
                if check:
                    raise
        raise AssertionError("unreachable")

    @cached_property
    def starts(self) -> npt.NDArray[np.int64]:
        """See Recording."""
        return np.cumsum([0, *(place.records for place in self._places)])

    @cached_property
    def block_times(self) -> npt.NDArray[np.uint64]:
        """See Recording. Version 1 does not store them: the blocks are looked at."""
        times = [place.times or _ends(self.block(place.index)) for place in self._places]
        return np.array(times, np.uint64).reshape(-1, 2)

    def block(self, number: int) -> Records:
        """See Recording. A view of the file, not a copy; read only."""
        return _records(self.path, self._form, self._data, self._places[number])

    def blocks(self) -> Iterator[Records]:
        """See Recording. Pages that were read are given back to the system on the way: memory in use stays
        small however large the file is, and a view that is kept is read from the file again when needed.
        """
        done = 0
        for place in self._places:
            yield self.block(place.index)
            if place.offset - done >= _RELEASE_BYTES:
                done = self._release(done, place.offset)
        self._release(done, len(self._data))

    def _release(self, start: int, stop: int) -> int:
        stop -= stop % mmap.PAGESIZE
        if isinstance(self._data.obj, mmap.mmap) and stop > start:
            self._data.obj.madvise(mmap.MADV_DONTNEED, start, stop - start)
        return max(start, stop)

    @property
    def records(self) -> Records:  # type: ignore[override]
        """All records at once, in memory. Raises CaptureError at the first damage."""
        # Copied block by block, so that no more than the result is in memory.
        result = empty(len(self))
        for start, block in zip(self.starts, self.blocks(), strict=False):
            result[start : start + len(block)] = block
        return result


def open(path: Path | str) -> CaptureFile:
    """Open a capture file. Raises CaptureError when it is damaged or none, OSError when it cannot be opened."""
    return CaptureFile(path)


def read(path: Path | str) -> Capture:
    """Read and check a whole file into memory. Raises as open() does, at the first damage."""
    with open(path) as file:
        return Capture(file.header, file.records)


class Writer:
    """Writes a capture file as records come. Until close() the file has no end mark and is known as
    truncated.
    """

    def __init__(self, path: Path | str, header: CaptureHeader | Mapping[str, Any]) -> None:
        header = header if isinstance(header, CaptureHeader) else CaptureHeader.model_validate(dict(header))
        text = json.dumps(header.model_dump(mode="json"), separators=(",", ":")).encode()
        text += b" " * (-(len(_MAGIC) + 1 + 2 * _U32.size + len(text)) % _ALIGNMENT)
        head = _MAGIC + bytes([VERSION]) + _U32.pack(len(text)) + text
        self._form = _FORMS[VERSION]
        self._file = Path(path).open("wb")  # noqa: SIM115 - closed by close()
        self._file.write(head + _U32.pack(crc32(head)))
        self._pending = b""
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
        data = self._pending + data
        whole = BLOCK_RECORDS * RECORD_BYTES
        cut = len(data) // whole * whole
        for start in range(0, cut, whole):
            self._block(data[start : start + whole])
        self._pending = data[cut:]

    def close(self) -> None:
        """Write the rest and the end mark. May be called twice."""
        if self._file.closed:
            return
        if self._pending:
            self._block(self._pending)
        end = _END.pack(self._form.end_tag, self._blocks, self._records, 0)[: -_U32.size]
        self._file.write(end + _U32.pack(crc32(end)))
        self._file.flush()
        os.fsync(self._file.fileno())
        self._file.close()

    def _block(self, data: bytes) -> None:
        records = from_bytes(data)
        fields = (self._form.block_tag, self._blocks, len(records))
        head = self._form.head.pack(*fields, 0, *_ends(records))
        crc = crc32(data, crc32(head[_CRC_END:], crc32(head[:_CRC_AT])))
        self._file.write(self._form.head.pack(*fields, crc, *_ends(records)) + data)
        self._blocks += 1
        self._records += len(records)


def write(path: Path | str, header: CaptureHeader | Mapping[str, Any], records: Records | bytes) -> None:
    """Write a whole capture file."""
    with Writer(path, header) as writer:
        writer.append(records)


@dataclass(frozen=True)
class Block:
    """A readable block: its index, where it begins in the file, and its records (a view of the file)."""

    index: int
    offset: int
    records: Records


@dataclass(frozen=True)
class Salvage:
    """What can still be read of a damaged file. ``errors`` names what cannot."""

    header: CaptureHeader | None
    blocks: list[Block]
    errors: list[CaptureError]

    @property
    def records(self) -> Records:
        """The readable records, with gaps where blocks are unreadable."""
        return np.concatenate([block.records for block in self.blocks]) if self.blocks else empty()


def salvage(path: Path | str) -> Salvage:
    """Read every block whose CRC is right, wherever it lies. Raises no CaptureError; OSError when it
    cannot be opened.
    """
    path = Path(path)
    data = _map(path)
    errors: list[CaptureError] = []
    blocks: list[Block] = []
    header = None
    try:
        version, header, offset = _header(path, data)
    except CaptureError as error:
        errors.append(error)
        version, offset = _guess(data)
    form = _FORMS[version]
    while offset >= 0:
        try:
            place = _place(path, form, data, offset, None if errors else len(blocks))
            if place is None:
                _check_end(path, form, data, offset, None if errors else blocks)
                break
            blocks.append(Block(place.index, offset, _records(path, form, data, place)))
            offset = _end_of(form, place)
        except CaptureError as error:
            errors.append(error)
            # Go on at the next block that can be found; a tag that is part of a record is refused by its CRC.
            offset = _next_good(path, form, data, offset + 1)
    return Salvage(header, blocks, errors)


def _guess(data: memoryview) -> tuple[int, int]:
    """File version and first block of a file whose header cannot be read; offset -1: there is none."""
    found = {version: _find(data, form.block_tag, 0) for version, form in _FORMS.items()}
    return min(found.items(), key=lambda item: (item[1] < 0, item[1]))


def _next_good(path: Path, form: _Form, data: memoryview, start: int) -> int:
    """Offset of the next block that is whole, or else of the end mark; -1 when there is neither."""
    at = start
    while (at := _find(data, form.block_tag, at)) >= 0:
        try:
            place = _place(path, form, data, at, None)
            if place is not None:
                _records(path, form, data, place)
                return at
        except CaptureError:
            pass
        at += 1
    end = len(data) - _END.size
    return end if end >= start and data[end : end + len(form.end_tag)] == form.end_tag else -1


def _find(data: memoryview, wanted: bytes, start: int) -> int:
    return data.obj.find(wanted, start)


def _map(path: Path) -> memoryview:
    """The file's bytes, mapped; an empty file cannot be mapped and is empty bytes."""
    with path.open("rb") as file:
        if os.fstat(file.fileno()).st_size == 0:
            return memoryview(b"")
        return memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))


def _ends(records: Records) -> tuple[int, int]:
    return int(records["timestamp"][0]), int(records["timestamp"][-1])


def _header(path: Path, data: memoryview) -> tuple[int, CaptureHeader, int]:
    """(file version, header as of version 2, offset of the first block)."""
    fixed = len(_MAGIC) + 1 + _U32.size
    if data[: len(_MAGIC)] != _MAGIC:
        raise CaptureError(path, "is no capture file: wrong magic", 0)
    if len(data) < fixed:
        raise CaptureError(path, "truncated in the header", len(data))
    version = data[len(_MAGIC)]
    if version not in _FORMS:
        known = " and ".join(map(str, _FORMS))
        raise CaptureError(path, f"has file version {version}; this program reads {known}", len(_MAGIC))
    (length,) = _U32.unpack(data[len(_MAGIC) + 1 : fixed])
    end = fixed + length
    if length > _HEADER_MAX_BYTES:
        raise CaptureError(path, f"header length {length} is too large", len(_MAGIC) + 1)
    if len(data) < end + _U32.size:
        raise CaptureError(path, "truncated in the header", len(data))
    if _U32.unpack(data[end : end + _U32.size])[0] != crc32(data[:end]):
        raise CaptureError(path, "the header's CRC is wrong", 0)
    try:
        content = json.loads(bytes(data[fixed:end]))
        expected = (FORMAT, version, _FORMS[version].layout)
        found = tuple(content.get(key) for key in ("format", "version", "layout_version"))
        if found != expected:
            what = "the header says {} {}, layout {}; expected {} {}, layout {}".format(*found, *expected)
            raise CaptureError(path, what, fixed)
        header = CaptureHeader.model_validate(from_version_1(content) if version == 1 else content)
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(map(str, first["loc"]))
        raise CaptureError(path, f"header key {key}: {first['msg']}", fixed) from error
    except (ValueError, AttributeError) as error:
        raise CaptureError(path, f"the header is no JSON object that is known: {error}", fixed) from error
    return version, header, end + _U32.size


def _place(path: Path, form: _Form, data: memoryview, offset: int, expected: int | None) -> _Place | None:
    """What the head of the block at ``offset`` says, or None at the end mark. ``expected``: the index it must
    have; None = any.
    """
    tag = data[offset : offset + len(form.block_tag)]
    if tag == form.end_tag:
        return None
    if len(data) < offset + form.head.size:
        raise CaptureError(path, "truncated: there is no end mark", len(data), expected)
    if tag != form.block_tag:
        raise CaptureError(path, f"neither a block nor an end mark: {bytes(tag)!r}", offset, expected)
    _, index, count, _, *times = form.head.unpack_from(data, offset)
    if expected is not None and index != expected:
        raise CaptureError(path, f"the block says it is number {index}", offset, expected)
    if not 0 < count <= BLOCK_RECORDS_MAX:
        raise CaptureError(path, f"{count} records promised; 1 to {BLOCK_RECORDS_MAX} can be", offset, index)
    place = _Place(index, offset, count, (times[0], times[1]) if times else None)
    if _end_of(form, place) > len(data):
        raise CaptureError(path, f"truncated: {count} records promised", offset, index)
    return place


def _end_of(form: _Form, place: _Place) -> int:
    """Offset of the first byte after the block."""
    return place.offset + form.head.size + place.records * RECORD_BYTES


def _records(path: Path, form: _Form, data: memoryview, place: _Place) -> Records:
    """A block's records as of layout 2, after its CRC was checked; a view of the file where that needs no change."""
    offset, end = place.offset, _end_of(form, place)
    (stored,) = _U32.unpack_from(data, offset + _CRC_AT)
    if stored != crc32(data[offset + _CRC_END : end], crc32(data[offset : offset + _CRC_AT])):
        raise CaptureError(path, "the CRC is wrong", offset, place.index)
    records = from_bytes(data[offset + form.head.size : end])
    if place.times and place.times != _ends(records):
        what = "the first and last timestamp in its head are not those of its records"
        raise CaptureError(path, what, offset, place.index)
    return from_layout_1(records) if form.layout == 1 else records


def _check_end(
    path: Path, form: _Form, data: memoryview, offset: int, blocks: list[_Place] | list[Block] | None
) -> None:
    """Check the end mark at ``offset`` against the blocks; None: blocks were lost, so totals say nothing."""
    stop = offset + _END.size
    if len(data) < stop:
        raise CaptureError(path, "truncated in the end mark", len(data))
    _, count, records, crc = _END.unpack_from(data, offset)
    if crc != crc32(data[offset : stop - _U32.size]):
        raise CaptureError(path, "the end mark's CRC is wrong", offset)
    if len(data) != stop:
        raise CaptureError(path, f"{len(data) - stop} bytes follow the end mark", stop)
    if blocks is not None:
        sizes = (one.records if isinstance(one, _Place) else len(one.records) for one in blocks)
        found = (len(blocks), sum(sizes))
        if (count, records) != found:
            what = f"the end mark counts {count} blocks, {records} records; there are {found[0]}, {found[1]}"
            raise CaptureError(path, what, offset)

# SPDX-License-Identifier: Apache-2.0
"""Capture records as a numpy array, and what they mean: TLP fields, requests, console text.

Everything works on whole arrays; nothing loops over records. Header dwords are numbers whose bits are
numbered as in the PCI Express Base Specification, chapter 2.2 (DW0[31:29] = Fmt, DW0[28:24] = Type,
DW0[9:0] = Length).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from vkbench.capture.layout import FIELDS, RECORD_BYTES, Flag, Kind, StatClass, Tap

Records = npt.NDArray[np.void]
Mask = npt.NDArray[np.bool_]

_FOLDED_MASK = 0x1FFF
_BAR_SHIFT = 13
_DWORD = np.dtype("<u4")
_FORMATS = {
    name: (_DWORD, (width // 4,)) if name == "header" else np.dtype(f"<u{width}") for name, _, width in FIELDS
}
#: One record, built from layout.FIELDS; ``header`` is four dwords.
DTYPE = np.dtype(
    {
        "names": [name for name, _, _ in FIELDS],
        "formats": [_FORMATS[name] for name, _, _ in FIELDS],
        "offsets": [offset for _, offset, _ in FIELDS],
        "itemsize": RECORD_BYTES,
    }
)

_FMT_WITH_DATA = 0b010
_FMT_4DW = 0b001
#: In DW0: the bits that tell a memory write (with data, Type 0), what they then are, and the bit of 4-dword headers.
DW0_FORM = np.uint32((_FMT_WITH_DATA << 29) | (0x1F << 24))
DW0_WRITE = np.uint32(_FMT_WITH_DATA << 29)
DW0_4DW = np.uint32(_FMT_4DW << 29)
_TLP_NAMES = {
    (0b000, 0b00000): "MRd32",
    (0b001, 0b00000): "MRd64",
    (0b010, 0b00000): "MWr32",
    (0b011, 0b00000): "MWr64",
    (0b000, 0b01010): "Cpl",
    (0b010, 0b01010): "CplD",
    (0b000, 0b00010): "IORd",
    (0b010, 0b00010): "IOWr",
}
_STATUS_MASK = 0xE000  # DW1[15:13] of a completion; 0 = Successful Completion
_COMPLETION_STATUS = {0: "SC", 1: "UR", 2: "CRS", 4: "CA"}


def from_bytes(data: bytes | bytearray | memoryview) -> Records:
    """Records from the analyser's block data. Raises ValueError when it is no whole number of records."""
    if len(data) % RECORD_BYTES:
        raise ValueError(f"{len(data)} bytes are no whole number of {RECORD_BYTES}-byte records")
    return np.frombuffer(data, dtype=DTYPE)


def from_layout_1(records: Records) -> Records:
    """Records of layout 1 as those of today: the BAR index and the tap of host marks had other places."""
    records = records.copy()
    request = records["kind"] == Kind.CQ
    records["aux"][request] <<= _BAR_SHIFT
    lost = records["kind"] == Kind.LOSS
    taps = records["aux"][lost]
    records["aux"][lost] = (taps & 0x1FF) | ((taps >> 9 & 1) << Tap.MARK)
    return records


def empty(count: int = 0) -> Records:
    """``count`` zeroed records."""
    return np.zeros(count, dtype=DTYPE)


def seen(records: Records) -> Mask:
    """Which records were seen on the wire, not injected by the analyser's self-test."""
    return (records["flags"] & Flag.SELFTEST) == 0


def of_kind(records: Records, *kinds: Kind) -> Mask:
    """Which records have one of these kinds and were seen on the wire."""
    mask = np.zeros(len(records), dtype=bool)
    for kind in kinds:
        mask |= records["kind"] == kind
    return mask & seen(records)


def folded(records: Records) -> npt.NDArray[np.int64]:
    """How many TLPs are folded into each record, beside the one that it describes; 0 for other kinds.

    They came strictly between the stream's record before and this one, in different cycles.
    """
    kind = records["kind"]
    tlp = (kind >= Kind.CQ) & (kind <= Kind.RC)
    return np.where(tlp, records["aux"] & _FOLDED_MASK, 0).astype(np.int64)


def tlp_count(records: Records) -> npt.NDArray[np.int64]:
    """How many events each record stands for: 1, and for the last TLP of a run the folded ones as well."""
    return folded(records) + 1


def bar(records: Records) -> npt.NDArray[np.uint16]:
    """BAR index of each request on CQ."""
    return records["aux"] >> _BAR_SHIFT


def tlp_fmt(records: Records) -> npt.NDArray[np.uint32]:
    """Fmt of each TLP header."""
    return records["header"][:, 0] >> 29


def tlp_type(records: Records) -> npt.NDArray[np.uint32]:
    """Type of each TLP header."""
    return (records["header"][:, 0] >> 24) & 0x1F


def tlp_length(records: Records) -> npt.NDArray[np.uint32]:
    """Length of each TLP in dwords; the field's 0 means 1024."""
    length = records["header"][:, 0] & 0x3FF
    return np.where(length == 0, 1024, length).astype(np.uint32)


def tlp_tag(records: Records) -> npt.NDArray[np.uint32]:
    """Tag of a request (DW1[15:8]) or, for a completion, DW2[15:8]."""
    completion = tlp_type(records) == 0b01010
    return np.where(completion, records["header"][:, 2] >> 8, records["header"][:, 1] >> 8) & 0xFF


def tlp_requester(records: Records) -> npt.NDArray[np.uint32]:
    """Requester ID (bus, device, function): DW1[31:16] of a request, DW2[31:16] of a completion."""
    completion = tlp_type(records) == 0b01010
    return np.where(completion, records["header"][:, 2], records["header"][:, 1]) >> 16


def tlp_address(records: Records) -> npt.NDArray[np.uint64]:
    """Address of a memory request in bytes, the two lowest bits cleared."""
    high = records["header"][:, 2].astype(np.uint64)
    low = records["header"][:, 3].astype(np.uint64)
    is_64 = (tlp_fmt(records) & _FMT_4DW) != 0
    address = np.where(is_64, (high << np.uint64(32)) | low, high)
    return address & ~np.uint64(3)


def is_write(records: Records) -> Mask:
    """Which TLP headers are memory writes (Type 0 with data)."""
    return (tlp_type(records) == 0) & ((tlp_fmt(records) & _FMT_WITH_DATA) != 0)


def card_requests(records: Records) -> Mask:
    """Everything that the card starts: any header on RQ, and interrupts, which are writes on the link too."""
    return of_kind(records, Kind.RQ, Kind.MSIX)


def dma_writes(records: Records) -> Mask:
    """Memory writes by the card."""
    return of_kind(records, Kind.RQ) & is_write(records)


def doorbells(records: Records) -> Mask:
    """Writes by the host to the reset doorbell."""
    return of_kind(records, Kind.CQ) & ((records["flags"] & Flag.DOORBELL) != 0)


def of_class(records: Records, which: StatClass) -> Mask:
    """Which records belong to a statistics class."""
    match which:
        case StatClass.CQ_WR:
            return of_kind(records, Kind.CQ) & is_write(records)
        case StatClass.CQ_RD:
            return of_kind(records, Kind.CQ) & ~is_write(records)
        case StatClass.RQ_WR:
            return dma_writes(records)
        case StatClass.RQ_RD:
            return of_kind(records, Kind.RQ) & ~is_write(records)
        case StatClass.CPL_ERROR:
            return of_kind(records, Kind.CC, Kind.RC) & (records["header"][:, 1] & _STATUS_MASK != 0)
        case StatClass.RQ_STALL | StatClass.CQ_STALL:
            return np.zeros(len(records), dtype=bool)  # clocks, not events: they have no records
        case StatClass.DOORBELL:
            return doorbells(records)
    return of_kind(records, Kind[which.name])


def tlp_name(record: np.void) -> str:
    """The TLP's name, for people: ``MWr64``, ``CplD`` …"""
    first = int(record["header"][0])
    return _TLP_NAMES.get(
        (first >> 29, (first >> 24) & 0x1F), f"fmt {first >> 29} type 0x{(first >> 24) & 0x1F:02x}"
    )


def completion_status(record: np.void) -> str:
    """Status of a completion header: SC, UR, CRS, CA."""
    status = (int(record["header"][1]) >> 13) & 7
    return _COMPLETION_STATUS.get(status, str(status))


@dataclass(frozen=True)
class TextFound:
    """One occurrence of a text on the console: record indices and timestamps of its first and last byte."""

    first_index: int
    last_index: int
    first_timestamp: int
    last_timestamp: int


@dataclass(frozen=True)
class ConsoleText:
    """The server's console as the analyser saw it: each byte with its record and its timestamp."""

    text: bytes
    indices: npt.NDArray[np.int64]
    timestamps: npt.NDArray[np.uint64]

    #: Positions in the text where something may be missing: no text is found across them.
    breaks: tuple[int, ...] = ()

    @classmethod
    def of(
        cls,
        records: Records,
        record_indices: npt.NDArray[np.int64] | None = None,
        breaks: Sequence[int] = (),
    ) -> "ConsoleText":
        """Put the console together from a capture's records.

        ``record_indices``: the records' indices in the capture, when they are only a part of it. ``breaks``: indices
        of records before which something may be missing.
        """
        chosen = np.flatnonzero(of_kind(records, Kind.CONSOLE))
        indices = chosen if record_indices is None else record_indices[chosen]
        found = records[chosen]
        # A byte without a stop bit is not to be trusted: it becomes 0xff, which no text in UTF-8 holds.
        text = np.where(found["flags"] & Flag.ERROR, 0xFF, found["aux"] & 0xFF).astype(np.uint8).tobytes()
        positions = tuple(np.searchsorted(indices, breaks).tolist())
        return cls(text, indices, found["timestamp"].copy(), positions)

    def find(self, text: str | bytes) -> list[TextFound]:
        """All occurrences, in order. Overlapping ones are found too."""
        wanted = text.encode() if isinstance(text, str) else text
        found = []
        at = self.text.find(wanted)
        while wanted and at >= 0:
            end = at + len(wanted) - 1
            if not any(at < position <= end for position in self.breaks):
                found.append(
                    TextFound(
                        int(self.indices[at]),
                        int(self.indices[end]),
                        int(self.timestamps[at]),
                        int(self.timestamps[end]),
                    )
                )
            at = self.text.find(wanted, at + 1)
        return found

    def lines(self) -> list[tuple[int, int, str]]:
        """(record index and timestamp of the first byte, text) of each line; control characters appear
        escaped.
        """
        result = []
        start = 0
        for piece in self.text.split(b"\n"):
            if piece.strip(b"\r"):
                shown = piece.strip(b"\r").decode("utf-8", "backslashreplace")
                shown = "".join(c if c.isprintable() else f"\\x{ord(c):02x}" for c in shown)
                result.append((int(self.indices[start]), int(self.timestamps[start]), shown))
            start += len(piece) + 1
        return result

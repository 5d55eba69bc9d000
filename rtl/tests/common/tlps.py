# SPDX-License-Identifier: Apache-2.0
"""TLPs as beats of our streams. The Tlp class is cocotbext-pcie's; here is only the packing: header as one
number whose bits 31:0 are DW0, payload 32 bytes a beat, first byte in bits 7:0 (rtl/vk/vk_core.sv)."""

from __future__ import annotations

import struct
from dataclasses import dataclass

from cocotbext.pcie.core.tlp import CplStatus, Tlp, TlpType
from cocotbext.pcie.core.utils import PcieId

BEAT_BYTES = 32
HOST = PcieId(0, 0, 0)
CARD = PcieId(1, 0, 0)


@dataclass(frozen=True)
class Beat:
    sop: bool
    eop: bool
    hdr: int
    data: int
    bar: int = 0


def header_int(tlp: Tlp) -> int:
    dwords = struct.unpack(f">{tlp.get_header_size_dw()}L", tlp.pack_header())
    return sum(dword << 32 * i for i, dword in enumerate(dwords))


def header_tlp(hdr: int, data: bytes = b"") -> Tlp:
    """The TLP with the header ``hdr``; ``data`` may be longer than its payload (the last beat's filling)."""
    tlp = Tlp.unpack_header(struct.pack(">4L", *(hdr >> 32 * i & 0xFFFFFFFF for i in range(4))))
    if tlp.has_data():
        tlp.data = bytearray(data[: tlp.length * 4])
    return tlp


def raw_beats(hdr: int, data: bytes = b"", bar: int = 0) -> list[Beat]:
    """Beats of any header, valid or not, with ``data`` as payload."""
    chunks = [data[i : i + BEAT_BYTES] for i in range(0, len(data), BEAT_BYTES)] or [b""]
    last = len(chunks) - 1
    return [
        Beat(i == 0, i == last, hdr if i == 0 else 0, int.from_bytes(c, "little"), bar)
        for i, c in enumerate(chunks)
    ]


def beats(tlp: Tlp, bar: int = 0) -> list[Beat]:
    return raw_beats(header_int(tlp), bytes(tlp.data) if tlp.has_data() else b"", bar)


def memory_request(write: bool, address: int, length: int, data: bytes = b"", tag: int = 0, **fields) -> Tlp:
    """MWr or MRd of ``length`` bytes from the host, byte enables for odd ends; 4-DW header above 4 GiB."""
    tlp = Tlp()
    wide = address >= 1 << 32
    if write:
        tlp.fmt_type = TlpType.MEM_WRITE_64 if wide else TlpType.MEM_WRITE
        tlp.set_addr_be_data(address, data)
    else:
        tlp.fmt_type = TlpType.MEM_READ_64 if wide else TlpType.MEM_READ
        tlp.set_addr_be(address, length)
    tlp.requester_id = HOST
    tlp.tag = tag
    for name, value in fields.items():
        setattr(tlp, name, value)
    return tlp


def completion(request: Tlp, status: CplStatus = CplStatus.SC, data: bytes | None = None) -> Tlp:
    """The completion of a whole memory read of the card by the host; zeros as data unless given."""
    good = status == CplStatus.SC
    cpl = Tlp.create_completion_for_tlp(request, HOST, good, status)
    cpl.byte_count = request.get_be_byte_count()
    cpl.lower_address = request.address & 0x7F
    if good:
        cpl.set_data(data if data is not None else bytes(request.length * 4))
    return cpl

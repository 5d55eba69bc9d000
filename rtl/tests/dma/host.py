# SPDX-License-Identifier: Apache-2.0
"""The host as the DMA engine's tests see it: memory, a completer that cuts and reorders, and a count of what
the hard IP's completion buffer holds."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from random import Random

PAGE = 4096
CARD_ID = 0x0100
SC, UR, CRS, CA = 0, 1, 2, 4
CPL_HEADERS, CPL_UNITS = 256, 2048  # the parameters' defaults of vk_dma


class Memory:
    """Sparse host memory; pages come to life with random content."""

    def __init__(self, rng: Random):
        self.rng, self.pages = rng, {}

    def page(self, number: int) -> bytearray:
        page = self.pages.get(number)
        if page is None:
            page = self.pages[number] = bytearray(self.rng.randbytes(PAGE))
        return page

    def read(self, address: int, count: int) -> bytes:
        out = bytearray()
        while count:
            at = address % PAGE
            part = self.page(address // PAGE)[at : at + count]
            out += part
            address, count = address + len(part), count - len(part)
        return bytes(out)

    def write(self, address: int, data: bytes) -> None:
        while data:
            at = address % PAGE
            part = data[: PAGE - at]
            self.page(address // PAGE)[at : at + len(part)] = part
            address, data = address + len(part), data[len(part) :]


@dataclass
class Request:
    """A memory request of the card, checked against the specification's rules."""

    write: bool
    address: int  # of the first byte asked for
    count: int  # bytes asked for
    dwords: int
    tag: int
    cycle: int
    data: bytes = b""

    @classmethod
    def parse(cls, hdr: int, beats: list[int], cycle: int) -> Request:
        dw0, be = hdr & 0xFFFFFFFF, hdr >> 32 & 0xFF
        wide, write = dw0 >> 29 & 1, bool(dw0 >> 30 & 1)
        assert dw0 >> 31 == 0 and dw0 >> 10 & 0x3FFFFF == (wide << 29 | write << 30) >> 10, f"DW0 {dw0:#x}"
        dwords = dw0 & 0x3FF or 1024
        address = (hdr >> 64 & 0xFFFFFFFF) << 32 | hdr >> 96 if wide else hdr >> 64 & 0xFFFFFFFF
        if wide:
            assert address >> 32, f"4-DW header for {address:#x} below 4 GiB"
        else:
            assert hdr >> 96 == 0
        assert address % 4 == 0 and hdr >> 48 & 0xFFFF == CARD_ID
        assert address % PAGE + dwords * 4 <= PAGE, f"{address:#x} + {dwords} DW crosses a 4 KiB boundary"
        first, last = be & 15, be >> 4
        ends = first if dwords == 1 else last
        assert first and (dwords == 1) == (last == 0), f"byte enables {be:#x} of {dwords} DW"
        head = (first & -first).bit_length() - 1
        tail = 4 - ends.bit_length()
        if dwords == 1:
            assert first == (15 << head & 15) & 15 >> tail, f"byte enables {be:#x} with a hole"
        else:
            assert first == 15 << head & 15 and last == 15 >> tail, f"byte enables {be:#x} with a hole"
        count = dwords * 4 - head - tail
        assert len(beats) == (-(-dwords // 8) if write else 1), f"{len(beats)} beats for {dwords} DW"
        data = b""
        if write:
            data = b"".join(b.to_bytes(32, "little") for b in beats)[head : head + count]
        return cls(write, address + head, count, dwords, hdr >> 40 & 0xFF, cycle, data)


@dataclass
class Completion:
    """One completion TLP as it goes on the RC stream."""

    beats: list[int]  # packed as the wrapper's rc_i
    units: int
    due: int = 0  # clock from which it may be sent


def pack_completion(
    tag: int, byte_count: int, lower: int, data: bytes | None, status: int = SC, poisoned: bool = False, **odd
) -> Completion:
    """``data`` starts at ``lower`` (its dword's first bytes are filled up); ``odd`` sets header fields."""
    payload = b"" if data is None else bytes(lower % 4) + data
    dwords = -(-len(payload) // 4)
    dwords = odd.get("dwords", dwords)
    payload = payload.ljust(dwords * 4, b"\xa5")
    dw0 = 0x0A000000 | (data is not None) << 30 | poisoned << 14 | dwords & 0x3FF | odd.get("dw0", 0)
    dw1 = status << 13 | byte_count & 0xFFF
    dw2 = odd.get("requester", CARD_ID) << 16 | tag << 8 | lower & 0x7F
    hdr = dw0 | dw1 << 32 | dw2 << 64
    count = max(1, -(-len(payload) // 32))
    beats = []
    for i in range(count):
        chunk = int.from_bytes(payload[32 * i : 32 * i + 32], "little")
        top = 4 | (i == 0) << 1 | (i == count - 1)
        beats.append(top << 384 | (hdr << 256 if i == 0 else 0) | chunk)
    return Completion(beats, -(-len(payload) // 16) + 1)


@dataclass
class Host:
    """Answers reads. ``fault`` may replace the completions of a request: fault(request, list) -> list."""

    memory: Memory
    rng: Random
    rcb: int = 64
    payload: int = 256  # largest completion; 0: random cuts, down to the completion boundary
    latency: tuple[int, int] = (0, 0)  # clocks
    shuffle: bool = False  # order between tags is free
    mute: bool = False  # no answer at all
    fault: object = None
    headers: int = 0  # what the completion buffer holds,
    units: int = 0
    most_headers: int = 0  # and the most it ever held
    most_units: int = 0
    queues: dict[int, deque] = field(default_factory=dict)  # per tag, or one for all
    ready: deque = field(default_factory=deque)
    serial: int = 0

    def cut(self, request: Request) -> list[Completion]:
        data = self.memory.read(request.address, request.count)
        out, at = [], 0
        while at < request.count:
            address = request.address + at
            step = self.payload or self.rcb * self.rng.choice((1, 1, 2, 4))
            part = min(request.count - at, step - address % step)
            out.append(pack_completion(request.tag, request.count - at, address & 0x7F, data[at : at + part]))
            at += part
        return out

    def answer(self, request: Request, now: int) -> None:
        if self.mute:
            return
        completions = self.cut(request)
        if self.fault:
            completions = self.fault(request, completions)
        if not completions:
            return
        due = now + self.rng.randint(*self.latency)
        key = self.serial = self.serial + 1 if self.shuffle else 0
        queue = self.queues.setdefault(key, deque())
        for completion in completions:
            completion.due = due
            queue.append(completion)
            self.headers += 1
            self.units += completion.units
        self.most_headers = max(self.most_headers, self.headers)
        self.most_units = max(self.most_units, self.units)
        assert self.headers <= CPL_HEADERS and self.units <= CPL_UNITS, "completion buffer overflow"

    def next(self, now: int) -> Completion | None:
        """The completion that goes on the link now, if one is due."""
        if not self.queues:
            return None
        if self.shuffle:
            keys = list(self.queues) if len(self.queues) < 16 else self.rng.sample(list(self.queues), 8)
            keys = [key for key in keys if self.queues[key][0].due <= now]
            if not keys:
                return None
            key = self.rng.choice(keys)
        else:
            key = 0
            if self.queues[0][0].due > now:
                return None
        queue = self.queues[key]
        completion = queue.popleft()
        if not queue:
            del self.queues[key]
        return completion

    def taken(self, completion: Completion) -> None:
        self.headers -= 1
        self.units -= completion.units

# SPDX-License-Identifier: Apache-2.0
"""What folding must give, worked out from whole lists of TLPs and not step by step as the hardware does, and traffic
that is worth folding."""

from __future__ import annotations

import random
from collections.abc import Iterable
from dataclasses import replace
from itertools import pairwise

from layout import FOLDED_MAX, RUN_GAP_CYCLES, RUN_SPAN_CYCLES
from wires import TLP_TAPS, Flag, Record, Tap

Expected = Iterable[tuple[int, int, Record]]


def dwords(record: Record) -> list[int]:
    return [int.from_bytes(record.header[at : at + 4], "little") for at in range(0, 16, 4)]


def relation(tap: Tap, a: Record, b: Record) -> str | None:
    """How b goes on where a was: "stream", "repeat", "same"; None when it is not like it."""
    x, y = dwords(a), dwords(b)
    if a.flags or b.flags or x[0] != y[0] or a.aux != b.aux:
        return None
    if tap in (Tap.CC, Tap.RC):
        bad_status = x[1] >> 13 & 7 or y[1] >> 13 & 7
        if bad_status or x[1] >> 12 != y[1] >> 12 or x[2] >> 16 != y[2] >> 16:
            return None
        return "same" if tap == Tap.RC or a.data == b.data else None
    if tap == Tap.CQ and x[0] >> 30 & 1 and a.aux >> 13 == 0:  # a write to BAR 0
        return None
    if (x[1] & 0xFFFF00FF) != (y[1] & 0xFFFF00FF):
        return None
    if x[0] >> 29 & 1:
        before, now, size = x[2] << 32 | x[3], y[2] << 32 | y[3], 64
    else:
        before, now, size = x[2], y[2], 32
    if now == (before + 4 * (x[0] & 0x3FF or 1024)) % (1 << size):
        return "stream"
    return "repeat" if now == before and a.data == b.data else None


def runs(tap: Tap, tlps: list[Record]) -> list[list[Record]]:
    """The TLPs of one stream, cut where a run ends."""
    result: list[list[Record]] = []
    for tlp in tlps:
        run = result[-1] if result else []
        if run:
            how = relation(tap, run[-1], tlp)
            same_way = len(run) == 1 or how == relation(tap, run[0], run[1])
            near = tlp.timestamp - run[-1].timestamp <= RUN_GAP_CYCLES
            short = tlp.timestamp - run[0].timestamp <= RUN_SPAN_CYCLES and len(run) < FOLDED_MAX + 2
            if how and same_way and near and short:
                run.append(tlp)
                continue
        result.append([tlp])
    return result


def fold_stream(tap: Tap, tlps: list[Record]) -> list[Record]:
    result = []
    for run in runs(tap, tlps):
        result.append(run[0])
        if len(run) > 1:
            between, last = len(run) - 2, run[-1]
            flags = last.flags | (Flag.RUN if between else 0)
            result.append(replace(last, aux=last.aux | between, flags=flags))
    return result


def fold(expected: Expected) -> list[Record]:
    """All records in the order of time, then of taps."""
    of_tap: dict[int, list[Record]] = {tap: [] for tap in Tap}
    for _, tap, record in expected:
        of_tap[tap].append(record)
    for tap in TLP_TAPS:
        of_tap[tap] = fold_stream(tap, of_tap[tap])
    tagged = [(record.timestamp, tap, record) for tap in Tap for record in of_tap[tap]]
    return [record for _, _, record in sorted(tagged, key=lambda item: item[:2])]


def events_in(records: Iterable[Record]) -> int:
    """Events that records stand for, LOSS aside."""
    return sum(
        1 + (record.aux & FOLDED_MAX if record.kind <= 4 else 0) for record in records if record.kind != 12
    )


class Stream:
    """TLPs of one stream, most of them like the one before."""

    def __init__(self, tap: Tap, rng: random.Random):
        self.tap, self.random = tap, rng
        self.header: list[int] = []
        self.data = self.bar = 0
        self.step = True

    def next(self) -> tuple[list[int], int, int]:
        """(header, first payload dword, BAR) of the next TLP."""
        rng = self.random
        if not self.header or rng.random() < 0.05:
            self.begin()
        else:
            self.advance()
            if rng.random() < 0.15:
                self.spoil()
        self.header[1] = (
            self.header[1] & ~0xFF00 | rng.getrandbits(8) << 8 if self.request else self.header[1]
        )
        return list(self.header), self.data, self.bar

    @property
    def request(self) -> bool:
        return self.tap in (Tap.CQ, Tap.RQ)

    def begin(self) -> None:
        rng = self.random
        wide, payload = rng.getrandbits(1), rng.getrandbits(1)
        length = rng.choice((0, 1, 4, 16, 64, 1023))
        if not self.request:
            self.header = [
                payload << 30 | 0x0A000000 | length,
                rng.getrandbits(16) << 16,
                rng.getrandbits(32),
                0,
            ]
        else:
            near_end = rng.random() < 0.3  # addresses that carry, and that wrap
            low = 0xFFFFFFFC - 4 * rng.randrange(40) if near_end else rng.getrandbits(30) << 2
            high = rng.choice((0xFFFFFFFF, rng.getrandbits(32)))
            address = [high, low] if wide else [low, 0]
            dw0 = payload << 30 | wide << 29 | length
            self.header = [dw0, rng.getrandbits(32), *address]
        self.data, self.bar = rng.getrandbits(32), rng.choice((0, 2, 4)) if self.tap == Tap.CQ else 0
        self.step = rng.random() < 0.6

    def advance(self) -> None:
        rng = self.random
        if not self.request:
            self.header[1] = self.header[1] & ~0xFFF | rng.getrandbits(12)  # byte count
            self.header[2] = self.header[2] & 0xFFFF0000 | rng.getrandbits(16)
            if self.tap == Tap.RC:
                self.data = rng.getrandbits(32)
            return
        if rng.random() < 0.03:
            self.step = not self.step
        if self.step:
            length = 4 * (self.header[0] & 0x3FF or 1024)
            if self.header[0] >> 29 & 1:
                address = (self.header[2] << 32 | self.header[3]) + length & (1 << 64) - 1
                self.header[2:] = [address >> 32, address & 0xFFFFFFFF]
            else:
                self.header[2] = self.header[2] + length & 0xFFFFFFFF
            self.data = rng.getrandbits(32)

    def spoil(self) -> None:
        """Changes one thing; some of what may be changed makes no difference."""
        rng = self.random
        what = rng.randrange(5)
        if what == 0:
            self.header[0] ^= 1 << rng.randrange(29 if rng.random() < 0.9 else 32)
        elif what == 1:
            self.header[1] ^= 1 << rng.randrange(32)
        elif what == 2:
            self.header[2 + (self.header[0] >> 29 & 1)] ^= 1 << rng.randrange(32)
        elif what == 3:
            self.data ^= 1 << rng.randrange(32)
        elif self.tap == Tap.CQ:
            self.bar ^= 2


def last_of_runs(records: list[Record]) -> list[Record]:
    return [record for record in records if record.flags & Flag.RUN]


def in_order(records: list[Record]) -> bool:
    return all(a.timestamp <= b.timestamp for a, b in pairwise(records))

# SPDX-License-Identifier: Apache-2.0
"""Random traffic of a link for tests: reads, their completions whole and split, and all that goes wrong with them."""

import random
from dataclasses import dataclass
from typing import Any

import folding

from vkbench.capture import records as rec
from vkbench.capture.layout import FOLDED_MAX, Flag, Kind
from vkbench.capture.vkc import Capture, CaptureHeader

HZ = 125_000_000
BAR = 2  # of all requests of the host; writes to BAR 0 are never folded
#: (kind of the request, kind of its completions)
HALVES = ((Kind.CQ, Kind.CC), (Kind.RQ, Kind.RC))


@dataclass(frozen=True)
class Tlp:
    """One TLP on the wire."""

    time: int
    kind: Kind
    header: tuple[int, int, int, int]
    data: int = 0


def read(time: int, kind: Kind, key: tuple[int, int], address: int, dwords: int, enables: int = 0xFF) -> Tlp:
    """A memory read of 64-bit addressing. ``key``: requester and tag of 10 bits."""
    requester, tag = key
    dw0 = 0x2000_0000 | dwords & 0x3FF | (tag >> 8 & 1) << 19 | (tag >> 9 & 1) << 23
    return Tlp(
        time, kind, (dw0, requester << 16 | (tag & 0xFF) << 8 | enables, address >> 32, address & 0xFFFF_FFFC)
    )


def write(time: int, kind: Kind, address: int, dwords: int, data: int) -> Tlp:
    return Tlp(time, kind, (0x6000_0000 | dwords, 0x0100_00FF, address >> 32, address & 0xFFFF_FFFF), data)


def completion(
    time: int,
    kind: Kind,
    key: tuple[int, int],
    due: int,
    payload: int,
    lower: int = 0,
    status: int = 0,
    data: int = 0,
) -> Tlp:
    """A completion with ``payload`` bytes of the ``due`` that are still owed; no data with an error status."""
    requester, tag = key
    dwords = (payload + (lower & 3) + 3) // 4
    dw0 = (0x0A00_0000 if status or not payload else 0x4A00_0000 | dwords & 0x3FF) | (tag >> 8 & 1) << 19
    dw0 |= (tag >> 9 & 1) << 23
    return Tlp(
        time,
        kind,
        (dw0, status << 13 | due & 0xFFF, requester << 16 | (tag & 0xFF) << 8 | lower & 0x7F, 0),
        data,
    )


def random_traffic(seed: int, steps: int = 400, tags: int = 6, trouble: float = 0.08) -> list[Tlp]:
    """Both directions at once. ``trouble``: how often a tag is reused too early, or a completion is not asked for."""
    rng = random.Random(seed)
    found: list[Tlp] = []
    time = dict.fromkeys(Kind, 1000)
    owed: dict[tuple[Kind, tuple[int, int]], tuple[int, int]] = {}  # bytes still due, address
    keys = [(requester, tag) for requester in (0x0100, 0x0101) for tag in (*range(tags - 2), 0x1AB, 0x2FF)]
    for _ in range(steps):
        asks, answers = rng.choice(HALVES)
        now = max(time[asks], time[answers]) + rng.choice((1, 1, 2, 3, 9, 60))
        waiting = [key for half, key in owed if half == asks]
        what = rng.random()
        if what < trouble / 2:  # nobody asked for this
            key = rng.choice(keys)
            if key not in waiting:
                found.append(completion(now, answers, key, 64, 64))
                time[answers] = now
        elif what < 0.45 or not waiting:
            key = rng.choice(keys)
            if key in waiting and rng.random() > trouble:
                continue
            dwords = rng.choice((1, 2, 16, 32, 128, 1024))
            address = rng.randrange(1 << 20) * 4096 + rng.choice((0, 4, 60))
            first = rng.choice((0xF, 0xE, 0x8)) if dwords > 1 else rng.choice((0xF, 0x6, 0x1, 0x0))
            last = rng.choice((0xF, 0x7, 0x1)) if dwords > 1 else 0
            found.append(read(now, asks, key, address, dwords, last << 4 | first))
            owed[asks, key] = size_by_enables(dwords, first, last), address
            time[asks] = now
        else:
            key = rng.choice(waiting)
            due, address = owed.pop((asks, key))
            if rng.random() < 0.07:
                found.append(completion(now, answers, key, due, 0, status=rng.choice((1, 4))))
            else:
                whole = due <= 64 or rng.random() < 0.5
                lower = 0 if whole else rng.randrange(4)
                payload = due if whole else 64 - lower
                found.append(completion(now, answers, key, due, payload, lower))
                if payload < due:
                    owed[asks, key] = due - payload, address
            time[answers] = now
    return sorted(found, key=lambda tlp: tlp.time)


def size_by_enables(dwords: int, first: int, last: int) -> int:
    """Bytes from the first enabled to the last enabled one, counted one by one; a read of none counts as one."""
    enables = [first >> bit & 1 for bit in range(4)] + [1] * 4 * max(0, dwords - 2)
    if dwords > 1:
        enables += [last >> bit & 1 for bit in range(4)]
    enabled = [at for at, on in enumerate(enables) if on]
    return enabled[-1] - enabled[0] + 1 if enabled else 1


def streaming_reads(seed: int, count: int = 300) -> list[Tlp]:
    """The card reads a buffer as fast as it can, with few tags: what folding is made for. One completion each, now and
    then none at all."""
    rng = random.Random(seed)
    found, time, back = [], 1000, 1000
    free_at = [0] * 8
    for number in range(count):
        tag = min(range(8), key=free_at.__getitem__)
        time = max(time + rng.choice((2, 3, 5, 40)), free_at[tag])
        found.append(read(time, Kind.RQ, (0x0100, tag), 0x1_0000_0000 + number * 64, 16))
        if rng.random() < 0.03:
            free_at[tag] = time + 400  # a completion that never comes
            continue
        back = max(back + 1, time + rng.randrange(20, 60))
        found.append(completion(back, Kind.RC, (0x0100, tag), 64, 64, data=rng.randrange(1 << 32)))
        free_at[tag] = back + 1
    return sorted(found, key=lambda tlp: tlp.time)


def capture(tlps: list[tuple[Tlp, int]] | list[Tlp], **header: Any) -> Capture:
    """A capture of these TLPs; a pair is a TLP and how many are folded into it."""
    pairs = [one if isinstance(one, tuple) else (one, 0) for one in tlps]
    records = rec.empty(len(pairs))
    for record, (tlp, folded) in zip(records, pairs, strict=True):
        record["timestamp"], record["kind"], record["data"], record["header"] = (
            tlp.time,
            tlp.kind,
            tlp.data,
            tlp.header,
        )
        record["aux"] = folded | (BAR << 13 if tlp.kind == Kind.CQ else 0)
        record["flags"] = Flag.RUN if folded else 0
    values = {
        "clock_hz": HZ,
        "depth": 1 << 20,
        "pretrigger": 0,
        "trigger": {"source": "IMMEDIATE", "time": 0},
        "state": "DONE",
        "lost": 0,
        **header,
    }
    return Capture(CaptureHeader.model_validate(values), records)


def fold(tlps: list[Tlp]) -> list[tuple[Tlp, int]]:
    """Which of these TLPs the analyser would record, folding, and how many it would fold into each."""
    by_place = {(tlp.kind, tlp.time): tlp for tlp in tlps}
    records = folding.fold(capture(tlps).records)
    return [
        (by_place[int(one["kind"]), int(one["timestamp"])], int(one["aux"]) & FOLDED_MAX) for one in records
    ]

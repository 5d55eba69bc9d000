# SPDX-License-Identifier: Apache-2.0
"""A made-up capture with everything that a timeline can show, as large as wanted: for tests and for timeline_speed.py.

Each period: a host read with its completion, card reads with theirs, card writes single and folded, an interrupt;
now and then console text, levels, configuration accesses, marks, a loss, resets, and the gate.
"""

from typing import Any

import numpy as np

from vkbench.capture import records as rec
from vkbench.capture.layout import LEVELS, Flag, GateCause, Kind, Reset, Tap, TriggerSource
from vkbench.capture.vkc import Capture, CaptureHeader

HZ = 125_000_000
BASE = 7_000_000_123_456
PERIOD = 4000  # cycles
_READ64, _WRITE64, _READ32, _WRITE32, _CPLD = 0x2000_0010, 0x6000_0010, 0x0000_0001, 0x4000_0001, 0x4A00_0010
CARD, HOST = 0x0100, 0x0000
_LOW = {name: low for name, low, _ in LEVELS}
#: One period: (offset, kind, tag or payload, folded).
_PERIOD = (
    (100, Kind.CQ, 0, 0),
    (160, Kind.CC, 0, 0),
    (400, Kind.RQ, 1, 0),
    (430, Kind.RQ, 2, 0),
    (700, Kind.RC, 1, 0),
    (760, Kind.RC, 2, 0),
    (1000, Kind.RQ, 3, 0),
    (2900, Kind.RQ, 4, 120),
    (3100, Kind.RQ, 5, 0),
    (3300, Kind.MSIX, 0, 0),
)


def busy(count: int = 4000, seed: int = 1) -> Capture:
    """A capture of about ``count`` records."""
    rng = np.random.default_rng(seed)
    periods = max(1, count // 12)
    parts = [_bulk(periods, rng), _console(periods), _rare(periods)]
    records = np.concatenate(parts)
    records = records[np.argsort(records["timestamp"], kind="stable")]
    return Capture(CaptureHeader.model_validate(header(records)), records)


def header(records: rec.Records) -> dict[str, Any]:
    triggers = records["timestamp"][records["kind"] == Kind.TRIGGER]
    return {
        "clock_hz": HZ,
        "idn": "vkbench,VK-LA1,0123,2.0",
        "depth": 1 << 20,
        "pretrigger": 1 << 18,
        "trigger": {"source": "SEQUENCE", "text": "", "time": int(triggers[0])},
        "state": "DONE",
        "lost": int(records["data"][records["kind"] == Kind.LOSS].sum()),
    }


def _bulk(periods: int, rng: np.random.Generator) -> rec.Records:
    records = rec.empty(periods * len(_PERIOD)).reshape(periods, len(_PERIOD))
    jitter = rng.integers(0, 25, records.shape)
    which = np.arange(periods, dtype=np.uint64)
    for column, (offset, kind, number, folded) in enumerate(_PERIOD):
        one = records[:, column]
        one["timestamp"] = BASE + which * PERIOD + offset + jitter[:, column].astype(np.uint64)
        one["kind"], one["aux"] = kind, folded
        one["flags"] = Flag.RUN if folded else 0
        tag = ((which * 2 + number) & 0xFF).astype(np.uint32)
        head = one["header"]
        match kind:
            case Kind.CQ:
                one["aux"] = 2 << 13
                head[:, 0], head[:, 1], head[:, 2] = (
                    _READ32,
                    HOST << 16 | tag << 8 | 0x0F,
                    0xFE00_0000 | (tag << 2),
                )
            case Kind.RQ if number < 3:
                head[:, 0], head[:, 1], head[:, 2] = _READ64, CARD << 16 | tag << 8 | 0xFF, 1
                head[:, 3] = (which * 128 + number * 64).astype(np.uint32)
            case Kind.RQ:
                head[:, 0], head[:, 1], head[:, 2] = _WRITE64, CARD << 16 | 0xFF, 2
                head[:, 3] = ((which * 128 + number) * 64).astype(np.uint32)
                one["data"] = rng.integers(0, 1 << 32, periods)
            case Kind.CC | Kind.RC:
                requester = HOST if kind == Kind.CC else CARD
                head[:, 0], head[:, 1] = _CPLD, (CARD if kind == Kind.CC else HOST) << 16 | 64
                head[:, 2] = requester << 16 | tag << 8
                one["data"] = rng.integers(0, 1 << 32, periods)
            case Kind.MSIX:
                one["aux"] = which % 4
    return records.reshape(-1)


def _console(periods: int) -> rec.Records:
    """About one byte a period, in bursts: a line each, 64 bytes at 115200 baud or as fast as the capture is short."""
    lines = max(2, periods // 60)
    text = b"".join(
        b"[%12.6f] vk 0000:01:00.0: message %d of the busy server\r\n" % (n * 0.5, n) for n in range(lines)
    )
    records = rec.empty(len(text))
    starts = np.cumsum([0] + [len(line) for line in text.splitlines(True)])
    burst = np.searchsorted(starts, np.arange(len(text)), side="right") - 1
    length = periods * PERIOD // lines
    within = np.arange(len(text)) - starts[burst]
    records["timestamp"] = BASE + 200 + burst * length + within * min(10_850, length // 70)
    records["kind"], records["aux"] = Kind.CONSOLE, np.frombuffer(text, np.uint8)
    return records


def _rare(periods: int) -> rec.Records:
    span, entries = periods * PERIOD, []

    def add(share: float, kind: Kind, **values: Any) -> None:
        entries.append((BASE + int(share * span), kind, values))

    up = 1 << _LOW["link_up"] | 4 << _LOW["link_speed"] | 3 << _LOW["link_width"] | 0x10 << _LOW["ltssm"]
    word = up | 1 << _LOW["msix_enable"]
    add(0, Kind.LEVEL, data=word, header=[word, 0, 0, 0])
    add(0, Kind.CFG, data=0x0507, aux=0x0507)
    for step in range(8):
        for bit in ("dma_traffic", "dma_write", "stall_rq"):
            new = word ^ 1 << _LOW[bit]
            add((step + 0.3 + 0.1 * len(bit) / 10) / 8, Kind.LEVEL, data=new, header=[word, 0, 0, 0])
            word = new
    for number in range(16):
        add((number + 0.5) / 17, Kind.CONFIG, aux=0x004 | (0xF000 if number % 2 else 0), data=0x0010_0507)
    for number, name in ((1, b"load started"), (2, b"load ended")):
        add(0.2 * number, Kind.MARK, data=number, header=np.frombuffer(name.ljust(16, b"\0"), "<u4"))
    add(0.5, Kind.TRIGGER, aux=TriggerSource.SEQUENCE, header=[2, 0, 0, 0])
    add(0.62, Kind.LOSS, data=37, aux=1 << Tap.RQ | 1 << Tap.RC)
    add(0.7, Kind.CQ, flags=Flag.DOORBELL, data=0xFFFF_FFFD, header=[_WRITE32, 0x0F, 0xFE00_049C, 0])
    add(0.7001, Kind.GATE, aux=1, data=GateCause.DOORBELL)
    add(0.7002, Kind.RESET, aux=Reset.CARD_RESET_STARTED)
    add(0.75, Kind.RESET, aux=Reset.CARD_READY)
    add(0.75, Kind.GATE, aux=0)
    records = rec.empty(len(entries))
    for record, (time, kind, values) in zip(records, entries, strict=True):
        record["timestamp"], record["kind"] = time, kind
        for name, value in values.items():
            record[name] = value
    return records

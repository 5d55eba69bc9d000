# SPDX-License-Identifier: Apache-2.0
"""Makes run directories with made-up evidence, for tests: a crash in any shape, told in seconds and
cycles.

Two shapes stand for the demo's two runs: ``stock()`` (the card writes on) and ``post_notifiers()`` (it is
halted). Tests change a Story before it is written, so that each test shows only what it is about.
"""

import copy
import hashlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from vkbench.capture import records as rec
from vkbench.capture.layout import Flag, GateCause, Kind, StatClass, TriggerSource
from vkbench.capture.vkc import Capture, CaptureHeader
from vkbench.evidence import MemoryRecord, RunDirectory, RunRecord
from vkbench.verdict import judge, judge_facts, write_verdict
from vkbench.verdict.facts import Facts

HZ = 2_500_000
PADDR = 0x1_2340_0000
SIZE = 65536
BYTE_CYCLES = 8
PANIC_S, JUMP_S, BANNER_S, CONFIG_S, READY_S = 1.0, 1.030, 4.0, 4.4, 5.5
DOORBELL_S = 1.008
PANIC = "Kernel panic - not syncing: sysrq triggered crash\r\n"
JUMP = "I'm in purgatory\r\n"
BANNER = "[    0.000000] Linux version 6.1.0 (gcc)\r\n"
READY = "vkbench: crash kernel ready\r\n"


def at(seconds: float) -> int:
    """Seconds of the story in cycles."""
    return round(seconds * HZ)


@dataclass
class Story:
    """What happened, as (timestamp, record) pairs, and what the other files say."""

    entries: list[tuple[int, dict[str, Any]]] = field(default_factory=list)
    record: dict[str, Any] = field(default_factory=dict)
    memory: dict[str, Any] | None = None
    trigger_time: int = 0
    lost: int = 0
    statistics: dict[str, dict[str, int]] = field(default_factory=dict)
    settings: dict[str, Any] = field(default_factory=dict)  #: further keys of the capture's header

    def add(self, timestamp: int, kind: Kind, **values: Any) -> None:
        self.entries.append((timestamp, {"kind": kind, **values}))

    def print(self, timestamp: int, text: str, byte_cycles: int = BYTE_CYCLES) -> None:
        """Console text whose first byte arrives at ``timestamp``."""
        for number, byte in enumerate(text.encode()):
            self.add(timestamp + number * byte_cycles, Kind.CONSOLE, aux=byte)

    def write(self, timestamp: int, sequence: int, address: int | None = None) -> None:
        """A DMA write TLP of 64 bytes."""
        target = PADDR + (sequence * 64) % SIZE if address is None else address
        header = [0x6000_0010, 0x0100_00FF, target >> 32, target & 0xFFFF_FFFC]
        self.add(timestamp, Kind.RQ, data=sequence, header=header)

    def writes(self, start: int, stop: int, period: int, first: int = 1) -> int:
        """DMA writes from start to before stop; returns the next sequence number."""
        for timestamp in range(start, stop, period):
            self.write(timestamp, first)
            first += 1
        return first

    def doorbell(self, timestamp: int, value: int = 0xFFFF_FFFD) -> None:
        header = [0x4000_0001, 0x0000_000F, 0xFE00_049C, 0]
        self.add(timestamp, Kind.CQ, flags=Flag.DOORBELL, data=value, header=header)

    def drop(self, kind: Kind, after: int = 0) -> None:
        """Forget the records of a kind from a time on."""
        self.entries = [e for e in self.entries if e[1]["kind"] != kind or e[0] < after]

    def erase_text(self, text: str) -> None:
        """Forget a console text, as if it had never been printed."""
        records = self.records()
        console = rec.ConsoleText.of(records)
        gone = {i for f in console.find(text) for i in range(f.first_index, f.last_index + 1)}
        ordered = sorted(self.entries, key=lambda e: e[0])
        self.entries = [e for i, e in enumerate(ordered) if i not in gone or e[1]["kind"] != Kind.CONSOLE]

    def records(self) -> rec.Records:
        ordered = sorted(self.entries, key=lambda e: e[0])
        array = rec.empty(len(ordered))
        for index, (timestamp, values) in enumerate(ordered):
            array["timestamp"][index] = timestamp
            for name, value in values.items():
                array[name][index] = value
        return array

    def header(self) -> dict[str, Any]:
        records = self.records()
        statistics = {}
        for which in StatClass:
            times = records["timestamp"][rec.of_class(records, which)]
            since = times[times >= self.trigger_time]
            statistics[which.name] = {
                "count_arm": len(times),
                "count": len(since),
                "first": int(since[0]) if len(since) else 0,
                "last": int(since[-1]) if len(since) else 0,
            }
            statistics[which.name].update(self.statistics.get(which.name, {}))
        return {
            "clock_hz": HZ,
            "idn": "vkbench,VK-LA1,0123,1.0",
            "depth": 65536,
            "pretrigger": 16384,
            "trigger": {"source": "CONSOLE", "text": "Kernel panic", "time": self.trigger_time},
            "state": "DONE",
            "lost": self.lost,
            "statistics": statistics,
            **self.settings,
        }

    def capture(self) -> Capture:
        """The capture, in memory."""
        return Capture(CaptureHeader.model_validate(self.header()), self.records())

    def facts(self) -> Facts:
        """The facts that the rules would be given, without files."""
        memory = MemoryRecord.model_validate(self.memory) if self.memory else None
        return Facts(RunRecord.model_validate(self.record), self.capture(), memory)

    def judge(self) -> Any:
        return judge_facts(self.facts())

    def rule(self, identity: str) -> Any:
        """The result of one rule, e.g. ``JUMP``, ``HALT``, ``MEM``."""
        return next(r for r in self.judge().rules if r.id == f"VKB-{identity}-001")

    def save(self, path: Path) -> Path:
        """Write the whole run directory, judged and sealed."""
        run = RunDirectory.create(path)
        run.write_record(RunRecord.model_validate(self.record))
        text = bytes(self.records()["aux"][rec.of_kind(self.records(), Kind.CONSOLE)].astype(np.uint8))
        run.console_sink.write(text)
        run.write_capture(self.header(), self.records())
        run.write_json("sel.json", {"entries": []})
        if self.memory:
            run.write_json("memory.json", self.memory)
        write_verdict(run, judge(path))
        run.seal()
        return path


def memory(low: int, high: int, second: tuple[int, int] | None = None) -> dict[str, Any]:
    """memory.json with these lowest and highest sequence numbers; ``second``: those of the second read."""
    reads = []
    for number, (least, most) in enumerate([(low, high), second or (low, high)]):
        digest = hashlib.sha256(f"{least} {most}".encode()).hexdigest()
        reads.append(
            {
                "read": number + 1,
                "paddr": hex(PADDR),
                "size": SIZE,
                "sha256": digest,
                "uptime_ms": 2000 + 1000 * number,
                "seq_min": least,
                "seq_max": most,
                "units": SIZE // 8,
            }
        )
    differs = reads[0]["sha256"] != reads[1]["sha256"]
    return {"reads": reads, "differs": differs, "words_changed": 512 if differs else 0, "interval_ms": 1000}


def run_record(post_notifiers: bool) -> dict[str, Any]:
    scenario = "panic-post-notifiers" if post_notifiers else "panic-stock"
    return {
        "schema": 1,
        "scenario": scenario,
        "title": "Panic, notifiers run before the crash kernel"
        if post_notifiers
        else "Panic with stock kdump",
        "config": {"crash_kexec_post_notifiers": post_notifiers, "injection": "sysrq-c"},
        "must_fail": not post_notifiers,
        "started_utc": "2026-11-21T10:00:00+00:00",
        "finished_utc": "2026-11-21T10:00:21+00:00",
        "status": "complete",
        "bench": {
            "name": "virtual",
            "file_sha256": "ab" * 32,
            "arch": "x86_64",
            "provider": "virtual",
            "notes": ["No link training, no real latency, no silicon: the card is Verilated RTL."],
        },
        "uncertainty": {
            "console_s": 0.0015,
            "clock_ppm": 50,
            "order_s": 0.0005,
            "sources": [
                {"name": "UART FIFO", "value_s": 0.00139, "source": "16550A, 16 bytes at 115200 baud"},
                {"name": "one byte", "value_s": 0.00011, "source": "bench file: console.baud"},
                {"name": "batch", "value_s": 0.0005, "source": "co-simulation loop, docs/decisions/0002"},
            ],
        },
        "dma": {"paddr": PADDR, "size": SIZE, "period_cycles": at(0.001), "length": 64},
        "inventory": {
            "bmc": {"fru": "vkbench virtual server", "firmware": "ipmi_sim 2.0.33"},
            "kernel": "6.1.0-42-amd64",
            "driver": "bcm-vk (Debian linux-source 6.1, unchanged)",
            "rtl_sha256": "cd" * 32,
        },
        "steps": [{"name": "power on", "started_s": 0.0, "duration_s": 0.4, "ok": True, "detail": ""}],
    }


def _crash(post_notifiers: bool) -> Story:
    story = Story(record=run_record(post_notifiers))
    story.print(at(PANIC_S), PANIC)
    story.trigger_time = at(PANIC_S) + 26 * BYTE_CYCLES + 3
    story.add(story.trigger_time, Kind.TRIGGER, aux=TriggerSource.CONSOLE)
    story.print(at(JUMP_S), JUMP)
    story.print(at(BANNER_S), BANNER)
    story.add(at(CONFIG_S), Kind.CFG, data=0x0507, aux=0x0107)
    story.add(at(CONFIG_S) + 300, Kind.CFG, data=0x0107, aux=0x0507)
    story.print(at(READY_S), READY)
    return story


def stock() -> Story:
    """Stock kdump: nobody tells the card, it writes on until the capture ends."""
    story = _crash(post_notifiers=False)
    last = story.writes(at(0.9), at(7.0), at(0.001)) - 1
    story.memory = memory(last - 2000, last - 1500, (last - 1000, last - 500))
    return story


def post_notifiers() -> Story:
    """The panic notifier rings the doorbell; two cycles later the last write starts, then the gate closes."""
    story = _crash(post_notifiers=True)
    bell = at(DOORBELL_S)
    following = story.writes(at(0.9), bell - 700, at(0.001))
    story.doorbell(bell)
    story.write(bell + 2, following)
    story.add(bell + 3, Kind.GATE, aux=1, data=GateCause.DOORBELL)
    story.memory = memory(following - 100, following)
    return story


def edited(record: dict[str, Any], **changes: Any) -> dict[str, Any]:
    """A deep copy with top-level keys replaced."""
    return {**copy.deepcopy(record), **changes}

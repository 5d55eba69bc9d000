# SPDX-License-Identifier: Apache-2.0
"""A made-up reset run, for tests: a card under traffic is reset by its hard doorbell, probed again and used again."""

import copy
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from synthetic_run import HZ, PADDR, SIZE, Story, at, run_record

from vkbench.capture.layout import Flag, GateCause, Kind, Reset, TriggerSource
from vkbench.evidence import RunDirectory, RunRecord
from vkbench.evidence.reset import ResetRecord
from vkbench.verdict import judge, judge_facts, reset_values, write_verdict
from vkbench.verdict.facts import Facts

BELL, READY, ANNOUNCED, RUNG, AFTER = at(1.0), at(1.002), at(2.0), at(2.1), at(2.2)
BAR0, BAR2, BAR4 = 0xFE60_0000, 0xFE40_0000, 0xFE61_0000
CARD, HOST = 0x0100, 0x0000  # requester IDs


def config() -> dict[int, int]:
    return {
        0x00: 0x5E87_14E4,
        0x04: 0x0010_0507,
        0x10: BAR0 | 4,
        0x18: BAR2 | 4,
        0x50: 0x8003_6011,
        0x68: 0x2910,
    }


def registers(reason: int = 1) -> dict[int, dict[int, int]]:
    held: dict[int, dict[int, int]] = {0: {}, 2: {}}
    for (bar, offset), (_, value) in reset_values.expected_registers(reason).items():
        held[bar][offset] = value
    held[reset_values.QUEUE_BAR].update(dict.fromkeys(reset_values.indices(), 0))
    return held


def state(driver: str = "bcm-vk") -> dict[str, Any]:
    bars = [
        {"bar": bar, "start": start, "end": start + size - 1, "flags": 0x140204}
        for bar, start, size in ((0, BAR0, 1 << 16), (2, BAR2, 1 << 21), (4, BAR4, 1 << 16))
    ]
    return {
        "uptime_s": 10.0,
        "driver": driver,
        "config_bytes": 4096,
        "config": config(),
        "bars": bars,
        "registers": registers(),
        "lab_status": 1 << 8,
    }


def transfer(when: str) -> dict[str, Any]:
    return {
        "when": when,
        "command": "vk-exercise transfer",
        "output": "",
        "steps": 8,
        "failed": 0,
        "bytes": 280008,
        "uploads": 4,
        "downloads": 4,
    }


@dataclass
class ResetStory(Story):
    """A Story with reset.json."""

    reset: dict[str, Any] = field(default_factory=dict)

    def host_write(self, timestamp: int, bar: int, offset: int, value: int, flags: int = 0) -> None:
        base = {0: BAR0, 2: BAR2}[bar]
        header = [0x4000_0001, 0x0000_000F, base + offset, 0]
        self.add(timestamp, Kind.CQ, aux=bar << 13, data=value, header=header, flags=flags)

    def read(self, timestamp: int, tag: int, answered: int | None = None) -> None:
        """A DMA read of 64 bytes, with its completion."""
        self.add(timestamp, Kind.RQ, header=[0x2000_0010, CARD << 16 | tag << 8 | 0xFF, 1, 0x1000])
        if answered is not None:
            self.answer(answered, tag)

    def answer(self, timestamp: int, tag: int) -> None:
        self.add(timestamp, Kind.RC, header=[0x4A00_0010, HOST << 16 | 64, CARD << 16 | tag << 8, 0])

    def facts(self) -> Facts:
        reset = ResetRecord.model_validate(self.reset) if self.reset else None
        return Facts(RunRecord.model_validate(self.record), self.capture(), None, reset=reset)

    def judge(self) -> Any:
        return judge_facts(self.facts())

    def result(self, number: int) -> Any:
        """The result of VKB-RESET-00n."""
        return next(rule for rule in self.judge().rules if rule.id == f"VKB-RESET-{number:03}")

    def save(self, path: Path) -> Path:
        run = RunDirectory.create(path)
        run.write_record(RunRecord.model_validate(self.record))
        run.write_capture(self.header(), self.records())
        run.write_json("reset.json", ResetRecord.model_validate(self.reset))
        write_verdict(run, judge(path))
        run.seal()
        return path


def good() -> ResetStory:
    """All as it must be."""
    record = copy.deepcopy(run_record(post_notifiers=False))
    record.update(
        scenario="reset-doorbell-hard", title="Hard reset by the doorbell", kind="reset", must_fail=False
    )
    record["config"] = {"crash_kexec_post_notifiers": False, "injection": ""}
    record["dma"] = {"paddr": PADDR, "size": SIZE, "period_cycles": at(0.0005), "length": 64}
    story = ResetStory(record=record)
    story.settings = {"fold": False}
    story.add(at(0.8), Kind.CFG, data=0x0507, aux=0x0507)
    story.writes(at(0.9), BELL - 300, at(0.0005))
    for number in range(20):
        begin = BELL - 4000 + number * 150
        story.read(begin, number % 8, begin + 60)
    story.read(BELL - 60, 5, BELL + 30)  # open when the reset comes, answered after it
    story.host_write(BELL, 0, 0x49C, 0xFFFF_FFFD, Flag.DOORBELL)
    story.trigger_time = BELL
    story.add(BELL, Kind.TRIGGER, aux=TriggerSource.DOORBELL)
    story.add(BELL + 1, Kind.GATE, aux=1, data=GateCause.DOORBELL)
    story.add(BELL + 1, Kind.RESET, aux=Reset.CARD_RESET_STARTED)
    story.add(READY, Kind.RESET, aux=Reset.CARD_READY)
    story.add(READY + 1, Kind.GATE, aux=0, data=0)
    story.host_write(ANNOUNCED, 2, 0x61F8, SIZE)
    story.host_write(RUNG, 0, 0x484, 1)
    for number in range(10):
        story.read(AFTER + number * 200, number % 8, AFTER + number * 200 + 60)
    story.add(AFTER + 3000, Kind.MSIX, aux=0)
    story.reset = {
        "reset": "doorbell-hard",
        "expect": {"shows": ["DOORBELL_HARD"], "reason": 1, "link_stays": True, "config_restored": True},
        "traffic": "messages and DMA writes",
        "before": state(),
        "after": state(),
        "again": state(),
        "node": True,
        "transfers": [transfer("before"), transfer("after")],
    }
    return story


__all__ = ["AFTER", "ANNOUNCED", "BELL", "HZ", "READY", "RUNG", "ResetStory", "good"]

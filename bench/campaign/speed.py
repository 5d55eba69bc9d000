# SPDX-License-Identifier: Apache-2.0
"""How fast a long campaign is summarised and reported, and in how much memory: makes one of any length out of two recorded runs.

    python -m vkbench.campaign.speed CAMPAIGN_DIR

reads a campaign and writes its reports, and prints JSON: cycles, evidence_bytes, seconds and bytes of each part,
peak_bytes (largest resident set).
"""

import json
import os
import random
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from vkbench.campaign.figures.summary import summarise
from vkbench.campaign.planning import order
from vkbench.campaign.planning.plan import parse
from vkbench.campaign.records.entries import line_of, linked
from vkbench.campaign.records.outcome import outcome_of
from vkbench.campaign.records.view import CampaignView
from vkbench.evidence.campaign import (
    CYCLES,
    JOURNAL_LINES,
    PLAN_JSON,
    PLAN_TOML,
    REPORTS,
    Intent,
    Outcome,
    Plan,
    Registered,
    Stopped,
    Summary,
)
from vkbench.report import qualification
from vkbench.report.exports import junit, ocp, table

CONTROLS = 0.45  # of all cycles
BENCHES = ("bench-1", "bench-2", "bench-3", "bench-4")
_CYCLE_S = 21.0
_PLAN = """\
name = "speed"
title = "A long campaign made out of two recorded runs; it shows nothing but how fast it is read"
seed = 1
rules = ["VKB-JUMP-001", "VKB-HALT-001", "VKB-MEM-001"]
[[configuration]]
name = "notified"
scenario = "panic-post-notifiers"
n = {candidates}
[[configuration]]
name = "stock"
scenario = "panic-stock"
n = {controls}
"""


@dataclass(frozen=True)
class Speed:
    """What it took to report so many cycles. ``seconds`` by part: summary, report (HTML and PDF), junit, ocp, table;
    ``bytes`` by file.
    """

    cycles: int
    evidence_bytes: int
    seconds: dict[str, float]
    bytes: dict[str, int]
    peak_bytes: int

    @property
    def exports_s(self) -> float:
        """Seconds for what is made for other programs."""
        return sum(self.seconds[name] for name in ("junit", "ocp", "table"))


def lengthen(notified: Path, stock: Path, out: Path, cycles: int) -> Plan:
    """Write a campaign of so many cycles, whose run directories are hard links of two recorded runs. The journal's margins
    and latencies are scattered, so that there is something to draw; they do not follow from the evidence.
    """
    controls = round(cycles * CONTROLS)
    data = _PLAN.format(candidates=cycles - controls, controls=controls).encode()
    plan = parse(data, Path(PLAN_TOML))
    (out / CYCLES).mkdir(parents=True)
    (out / PLAN_TOML).write_bytes(data)
    (out / PLAN_JSON).write_text(plan.model_dump_json(by_alias=True))
    models = {
        one.name: _copied(run, out / f".{one.name}", one)
        for one, run in zip(plan.configurations, (notified, stock), strict=True)
    }
    chain, number = "", 0
    with (out / JOURNAL_LINES).open("w", encoding="utf-8") as file:
        for at, entry in _entries(plan, models, out):
            number += 1
            entry = linked(chain, entry, number, at)
            chain = entry.chain
            file.write(line_of(entry) + "\n")
    return plan


@dataclass(frozen=True)
class _Model:
    """A run on the campaign's own file system, and what the journal says of it."""

    files: list[Path]
    outcome: Outcome


def _copied(run: Path, to: Path, configuration: Any) -> _Model:
    to.mkdir()
    for part in run.iterdir():
        (to / part.name).write_bytes(part.read_bytes())
    return _Model(sorted(to.iterdir()), outcome_of(to, configuration, 1, 1))


def _entries(plan: Plan, models: dict[str, _Model], out: Path) -> Iterator[tuple[str, Any]]:
    """The journal's entries with their times; makes each cycle's directory on the way."""
    scatter = random.Random(plan.seed)
    slots = order.slots(plan)
    registered = Registered(
        plan_sha256=plan.sha256, plan_name=plan.name, slots=len(slots), tools={"vkbench": "speed"}
    )
    yield _utc(0), registered
    for slot in slots:
        bench = BENCHES[slot.number % len(BENCHES)]
        begun = slot.number * _CYCLE_S / len(BENCHES)
        directory = f"{CYCLES}/{slot.number:06}-1"
        model = models[slot.configuration]
        (out / directory).mkdir()
        for file in model.files:
            os.link(file, out / directory / file.name)
        yield _utc(begun), Intent(slot=slot.number, attempt=1, bench=bench, directory=directory)
        changes = {
            "slot": slot.number,
            "started_utc": _utc(begun + 0.1),
            "duration_s": _CYCLE_S - 0.5,
            "around_s": 0.1,
            "measures": {name: _scattered(value, scatter) for name, value in model.outcome.measures.items()},
            "rules": [
                rule.model_copy(
                    update={"value": None if rule.value is None else _scattered(rule.value, scatter)}
                )
                for rule in model.outcome.rules
            ],
        }
        yield _utc(begun + _CYCLE_S), model.outcome.model_copy(update=changes)
    yield _utc(len(slots) * _CYCLE_S), Stopped(reason="done")


def _scattered(value: float, scatter: random.Random) -> float:
    """About the value: whole numbers stay whole."""
    if value == int(value):
        return value + scatter.choice((0, 0, 0, 1, 2))
    return round(value * scatter.uniform(0.8, 1.2), 7)


def _utc(seconds: float) -> str:
    begun = datetime(2026, 11, 1, tzinfo=UTC) + timedelta(seconds=seconds)
    return begun.isoformat(timespec="milliseconds")


def measure(campaign: Path) -> Speed:
    """Report a campaign in a process of its own."""
    command = [sys.executable, "-m", "vkbench.campaign.speed", str(campaign)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return Speed(**json.loads(done.stdout))


def _main(campaign: Path) -> None:
    view, seconds, out = CampaignView(campaign), {}, campaign / REPORTS
    out.mkdir(exist_ok=True)
    begin = time.perf_counter()
    summary = summarise(view.plan, view.cycles(), view.entries())
    seconds["summary"] = time.perf_counter() - begin
    for name, write in _writers(view, summary, out):
        begin = time.perf_counter()
        write()
        seconds[name] = time.perf_counter() - begin
    found = {
        "cycles": sum(1 for _ in view.cycles()),
        "evidence_bytes": _evidence_bytes(campaign / CYCLES),
        "seconds": seconds,
        "bytes": {path.name: path.stat().st_size for path in sorted(out.iterdir())},
        "peak_bytes": _peak_bytes(),
    }
    print(json.dumps(found))


def _writers(view: CampaignView, summary: Summary, out: Path) -> Iterator[tuple[str, Any]]:
    yield "report", lambda: qualification.write(view, summary, out)
    yield "junit", lambda: junit.write(view, summary, out / "junit.xml")
    yield "ocp", lambda: ocp.write(view, summary, out / "ocptv.jsonl")
    yield "table", lambda: table.write(view, summary, out / "cycles.csv")


def _evidence_bytes(cycles: Path) -> int:
    """What all files of all cycles hold; hard links count each time, as a reader would read them."""
    return sum(file.stat().st_size for run in os.scandir(cycles) for file in os.scandir(run.path))


def _peak_bytes() -> int:
    """The largest resident set of this program; what it was started from does not count (VmHWM, proc(5))."""
    for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    raise OSError("/proc/self/status: has no VmHWM")


if __name__ == "__main__":
    _main(Path(sys.argv[1]))

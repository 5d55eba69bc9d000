# SPDX-License-Identifier: Apache-2.0
"""Makes whole campaigns with made-up cycles, for tests: in memory, or as a directory with run directories.

``make()`` gives an object with the Campaign protocol (.path .plan .cycles() .entries() .sealed). The same seed gives
the same campaign, byte for byte. 10,000 cycles take one or two seconds.
"""

import heapq
import math
import random
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any, Literal

from synthetic_campaign_plan import DEFECTS, HOSTILE, RESET_RULES, plan_toml
from synthetic_campaign_runs import Writer, bench_file

from vkbench.campaign.planning.order import slots
from vkbench.campaign.planning.plan import parse
from vkbench.campaign.records.entries import chain_of, line_of
from vkbench.evidence import campaign as model

BEGUN = datetime(2026, 11, 21, 10, 0, tzinfo=UTC)
PANIC_RULES = ("VKB-JUMP-001", "VKB-HALT-001", "VKB-MEM-001", "VKB-PATH-001")


@dataclass
class Campaign:
    """A campaign in memory, as report/ and campaign/ are given one."""

    path: Path
    plan: model.Plan
    _cycles: list[model.Cycle]
    _entries: list[Any]
    sealed: bool = True

    def cycles(self) -> Iterator[model.Cycle]:
        """In the order of their intents."""
        return iter(self._cycles)

    def entries(self) -> Iterator[Any]:
        """As in the journal."""
        return iter(self._entries)


@dataclass
class Shape:
    """What shall happen. Shares are of a candidate's attempts; ``died`` by whose fault, and each may come in repeats."""

    cycles: int = 100  #: slots, over all configurations
    seed: int = 1
    benches: int = 2
    fail: float = 0.0
    inconclusive: float = 0.0
    died: Mapping[str, float] = field(default_factory=dict)
    drift: float = 0.0  #: seconds that the margin loses from the first to the last slot
    defects: Collection[str] = tuple(DEFECTS)  #: each a control
    missed: float = 0.0  #: share of a control's cycles in which it is not caught
    done: float = 1.0  #: below 1: unfinished, with open cycles
    resumed: int = 0  #: further sessions, after a kill
    hostile: bool = False  #: nasty texts wherever a text comes from outside
    offline: bool = False  #: the last bench is given up half-way
    resets: bool = True  #: a configuration that resets instead of panicking


def make(
    path: Path | None = None,
    *,
    runs: Literal["none", "all"] | Collection[int] = "none",
    links: bool = False,
    **shape: Any,
) -> Campaign:
    """A campaign of Shape(**shape). ``path``: write its directory too; ``runs``: slots that get run directories there.

    Run directories are made one by one (some 30 ms each) with evidence that gives the cycle's result; the outcome's
    rules are then those of the run's verdict. ``links``: hard links of one run for each kind of result instead.
    """
    wanted = Shape(**shape)
    toml = plan_toml(wanted.cycles, wanted.seed, wanted.defects, wanted.resets, wanted.hostile)
    plan = parse(toml, Path(model.PLAN_TOML))
    where = path or Path("campaign")
    writer = Writer(where, runs, links) if path else None
    if path:
        (path / model.CYCLES).mkdir(parents=True)
        (path / model.BENCHES).mkdir()
    work = _Work(wanted, plan, writer)
    entries, cycles = work.all()
    if path:
        (path / model.PLAN_TOML).write_bytes(toml)
        (path / model.PLAN_JSON).write_text(plan.model_dump_json(indent=2, by_alias=True) + "\n")
        lines = "".join(line_of(entry) + "\n" for entry in entries)
        (path / model.JOURNAL_LINES).write_text(lines)
        for name in work.benches:
            (path / model.BENCHES / f"{name}.toml").write_bytes(bench_file(name))
    return Campaign(where, plan, cycles, entries, sealed=wanted.done >= 1)


class _Work:
    """Plays the campaign: benches take slots as they become free, in simulated time."""

    def __init__(self, shape: Shape, plan: model.Plan, writer: Any) -> None:
        self.shape, self.plan, self.writer = shape, plan, writer
        self.random = random.Random(shape.seed)
        self.benches = [f"virtual-{number}" for number in range(1, shape.benches + 1)]
        self.configurations = {one.name: one for one in plan.configurations}
        self.slots = slots(plan)
        self.stop_after = math.ceil(len(self.slots) * shape.done)
        self.ended: dict[str, float] = {}
        self.events: list[tuple[float, int, dict[str, Any]]] = []

    def all(self) -> tuple[list[Any], list[model.Cycle]]:
        """The journal's entries, numbered and chained, and the cycles that they add up to."""
        tools = {"vkbench": "0.1.0", "python": "3.11.2"}
        registered = {
            "kind": "registered",
            "plan_sha256": self.plan.sha256,
            "plan_name": self.plan.name,
            "slots": len(self.slots),
            "tools": tools,
        }
        self._event(0.0, registered)
        self._session(0.1, 4000)
        for name in self.benches:
            self._bench(0.2, name, "online", file_sha256=sha256(bench_file(name)).hexdigest())
            self._bench(1.2, name, "healthy")
        end = self._play()
        for number in range(self.shape.resumed):
            at = end * (number + 1) / (self.shape.resumed + 1)
            self._session(at, 4001 + number)
        if self.shape.done >= 1:
            self._event(end + 0.1, {"kind": "stopped", "reason": "done"})
            self._session(end + 0.2, 4000 + self.shape.resumed, ended="done")
        return self._numbered()

    def _play(self) -> float:
        free = [(2.0 + number * 0.3, name) for number, name in enumerate(self.benches)]
        heapq.heapify(free)
        again: list[tuple[float, int, model.Slot]] = []  # when, attempt, slot
        next_slot, end = 0, 0.0
        half = len(self.slots) // 2
        while free:
            now, bench = heapq.heappop(free)
            if again and again[0][0] <= now:
                _, attempt, slot = heapq.heappop(again)
            elif next_slot < self.stop_after:
                slot, attempt = self.slots[next_slot], 1
                next_slot += 1
            elif again:
                heapq.heappush(free, (again[0][0], bench))
                continue
            else:
                continue
            if self.shape.offline and bench == self.benches[-1] and slot.number > half and free:
                self._bench(
                    now, bench, "offline", detail="3 looks in a row found it sick: the BMC does not answer"
                )
                heapq.heappush(again, (now, attempt, slot))
                continue
            outcome = self._attempt(slot, attempt, bench, now)
            if slot.number % 50 == 0:
                self._bench(now - 0.2, bench, "healthy")
            open_ = self.shape.done < 1 and slot.number > self.stop_after - len(self.benches)
            done = now + outcome["duration_s"]
            end = max(end, done)
            if open_:
                continue
            self._event(done, outcome)
            if outcome["fault"] == "bench":
                self._bench(done + 1, bench, "sick", detail=outcome["detail"])
                self._bench(done + 9, bench, "healthy")
                done += 10
                if not outcome["counts"]:
                    heapq.heappush(again, (done, attempt + 1, slot))
            heapq.heappush(free, (done + 0.2, bench))
        return end

    def _attempt(self, slot: model.Slot, attempt: int, bench: str, now: float) -> dict[str, Any]:
        directory = f"{model.CYCLES}/{slot.number:06}-{attempt}"
        intent = {"slot": slot.number, "attempt": attempt, "bench": bench, "directory": directory}
        self._event(now, {"kind": "intent", **intent})
        configuration = self.configurations[slot.configuration]
        duration = self.random.gauss(21.0, 0.7)
        outcome: dict[str, Any] = {
            "kind": "outcome",
            "slot": slot.number,
            "attempt": attempt,
            "fault": "",
            "started_utc": _utc(now + 0.05),
            "duration_s": round(max(duration, 15.0), 3),
            "around_s": 0.0 if bench not in self.ended else round(now - self.ended[bench], 3),
            "facts": self._facts(bench, configuration),
        }
        fault = self._fault()
        if fault:
            outcome.update(self._died(fault, attempt))
        else:
            outcome.update(self._judged(slot, configuration))
        if self.writer:
            self.writer.write(slot, outcome, configuration, bench)
        elif not fault:
            outcome["manifest_sha256"] = sha256(directory.encode()).hexdigest()
        self.ended[bench] = now + outcome["duration_s"]
        return outcome

    def _fault(self) -> str:
        chance = self.random.random()
        for fault, share in self.shape.died.items():
            if chance < share:
                return fault
            chance -= share
        return ""

    def _died(self, fault: str, attempt: int) -> dict[str, Any]:
        error, detail = {
            "bench": ("BmcTimeout", "the BMC at 127.0.0.1:9001 does not answer"),
            "server": ("ServerNeverBooted", "no prompt within 60 s"),
            "card": ("DmaNotRunning", "the card does not say that it is ready"),
        }[fault]
        return {
            "fate": "died",
            "fault": fault,
            "error": error,
            "detail": detail + (HOSTILE if self.shape.hostile else ""),
            "counts": fault != "bench" or attempt > self.plan.repeats,
            "result": "INCONCLUSIVE",
            "as_expected": False,
            "duration_s": round(self.random.uniform(2, 60), 3),
        }

    def _judged(self, slot: model.Slot, configuration: model.Configuration) -> dict[str, Any]:
        chance = self.random.random()
        if configuration.role == "control":
            caught = chance >= self.shape.missed
            failing = set(configuration.caught_by) if caught else set()
            result = "FAIL" if caught else "PASS"
        elif chance < self.shape.fail:
            result, failing = "FAIL", {"VKB-RESET-002", "VKB-JUMP-001", "VKB-MEM-001"}
        elif chance < self.shape.fail + self.shape.inconclusive:
            result, failing = "INCONCLUSIVE", set()
        else:
            result, failing = "PASS", set()
        rules, measures = self._numbers(slot, configuration, result, failing)
        expected = result == ("FAIL" if configuration.role == "control" else "PASS")
        return {
            "fate": "judged",
            "counts": True,
            "result": result,
            "as_expected": expected,
            "rules": rules,
            "measures": measures,
        }

    def _numbers(
        self, slot: model.Slot, configuration: model.Configuration, result: str, failing: set[str]
    ) -> tuple[list[dict[str, Any]], dict[str, float]]:
        """The rules' numbers, and the measures made from them (the names are those of campaign/figures/measures.py)."""
        if configuration.scenario.startswith("reset"):
            rules = [_rule(name, result, failing, 0.0, 0.0, 0.0, "") for name in RESET_RULES]
            measures = (
                {} if result == "INCONCLUSIVE" else {"reset_latency": float(self.random.choice((0, 1)))}
            )
            measures["reset_to_ready"] = round(self.random.gauss(0.002, 0.0001), 7)
            return rules, measures | {"order_uncertainty": 0.0003048, "events_lost": 0.0}
        share = slot.number / len(self.slots)
        margin = min(max(self.random.gauss(0.0038, 0.0005), 0.0021), 0.006) - self.shape.drift * share
        latency = float(self.random.choices((0, 1, 2), (70, 22, 8))[0])
        bell = round(self.random.gauss(0.0071, 0.0003), 7)
        if "VKB-HALT-001" in failing:
            latency = {"SLIP": 7.0, "FINISH": 64.0, "IRQ_AFTER": 16.0, "VERY_LATE": 20003.0}.get(
                configuration.defect, 12_345_678.0
            )
        jump = (float(self.random.randint(20, 4000)), 0.0, 1.0, "requests")
        if "VKB-JUMP-001" not in failing:
            jump = (round(margin, 7), 0.0, 0.0003048, "s")
        words = float(self.random.randint(1, 8192)) if "VKB-MEM-001" in failing else 0.0
        numbers = (jump, (latency, 4.0, 0.0, "cycles"), (words, 0.0, 0.0, "words"), (bell, None, None, "s"))
        pairs = zip(PANIC_RULES, numbers, strict=True)
        rules = [_rule(name, result, failing, *values) for name, values in pairs]
        if configuration.name == "stock":
            rules[1] = {"id": "VKB-HALT-001", "result": "INCONCLUSIVE"}
        found = {rule["id"]: rule.get("value") for rule in rules}
        measures = {
            "halt_latency": found["VKB-HALT-001"],
            "margin": found["VKB-JUMP-001"] if jump[3] == "s" else -round(self.random.uniform(0.001, 3.0), 7),
            "panic_to_doorbell": found["VKB-PATH-001"],
            "doorbell_to_gate": 1.0,
            "doorbell_to_jump": round(margin + 0.0001, 7),
            "panic_to_jump": round(bell + margin + 0.0001, 7),
            "jump_to_ready": round(self.random.gauss(6.74, 0.1), 7),
        }
        if result == "INCONCLUSIVE":
            measures = {}
        measures |= {"order_uncertainty": 0.0003048, "events_lost": 0.0}
        return rules, {name: value for name, value in measures.items() if value is not None}

    def _facts(self, bench: str, configuration: model.Configuration) -> dict[str, str]:
        return {
            "arch": "x86_64",
            "provider": "virtual",
            "bench_file": sha256(bench_file(bench)).hexdigest(),
            "kernel": "6.1.0-42-amd64",
            "distribution": "Debian GNU/Linux 12 (bookworm)",
            "machine": "QEMU Standard PC (Q35 + ICH9, 2009)",
            "iommu": "none",
            "driver": "0123456789ABCDEF0123456",
            "card": "0123" + (HOSTILE if self.shape.hostile else ""),
            "card_build": "test" if self.shape.defects else "release",
            "defect": configuration.defect or "none",
            "firmware": "1.0",
        }

    def _session(self, at: float, pid: int, ended: str = "") -> None:
        host = "lab-1" + (HOSTILE if self.shape.hostile else "")
        self._event(
            at, {"kind": "session", "pid": pid, "host": host, "benches": self.benches, "ended": ended}
        )

    def _bench(self, at: float, name: str, state: str, **more: Any) -> None:
        features = ["seeded-defects"] if state == "online" else []
        self._event(at, {"kind": "bench", "bench": name, "state": state, "features": features, **more})

    def _event(self, at: float, entry: dict[str, Any]) -> None:
        self.events.append((at, len(self.events), entry))

    def _numbered(self) -> tuple[list[Any], list[model.Cycle]]:
        kinds = {
            "registered": model.Registered,
            "session": model.Session,
            "bench": model.BenchState,
            "intent": model.Intent,
            "outcome": model.Outcome,
            "stopped": model.Stopped,
        }
        entries: list[Any] = []
        cycles: dict[tuple[int, int], model.Cycle] = {}
        chain = ""
        for number, (at, _, values) in enumerate(sorted(self.events, key=lambda event: event[:2]), start=1):
            entry = kinds[values["kind"]].model_validate({**values, "number": number, "at": _utc(at)})
            entry.chain = chain = chain_of(chain, entry.model_dump(mode="json"))
            entries.append(entry)
            if isinstance(entry, model.Intent):
                cycles[entry.slot, entry.attempt] = model.Cycle(
                    slot=self.slots[entry.slot - 1],
                    attempt=entry.attempt,
                    bench=entry.bench,
                    directory=entry.directory,
                    intent=number,
                    begun=entry.at,
                )
            elif isinstance(entry, model.Outcome):
                cycles[entry.slot, entry.attempt].outcome = entry
        return entries, list(cycles.values())


def _rule(
    name: str,
    result: str,
    failing: set[str],
    value: float,
    limit: float | None,
    around: float | None,
    unit: str,
) -> dict[str, Any]:
    """One rule's outcome; of an INCONCLUSIVE cycle the rules have nothing to say."""
    if result == "INCONCLUSIVE":
        return {"id": name, "result": "INCONCLUSIVE"}
    outcome = "FAIL" if name in failing else "PASS"
    return {
        "id": name,
        "result": outcome,
        "value": value,
        "limit": limit,
        "uncertainty": around,
        "unit": unit,
    }


def _utc(seconds: float) -> str:
    return (BEGUN + timedelta(seconds=seconds)).isoformat(timespec="milliseconds")

# SPDX-License-Identifier: Apache-2.0
"""A small campaign in memory, attempt by attempt, for tests of what follows from it.

``Made()`` has a candidate "good" and two controls; without further words every cycle ends as it must.
"""

from dataclasses import dataclass, field
from typing import Any

from vkbench.campaign.figures.summary import summarise
from vkbench.evidence.campaign import (
    BenchState,
    Configuration,
    ConfigurationSummary,
    Cycle,
    Goal,
    Intent,
    Outcome,
    Plan,
    Registered,
    Requirement,
    Session,
    Slot,
    Stopped,
    Summary,
)

JUMP, HALT, MEM = "VKB-JUMP-001", "VKB-HALT-001", "VKB-MEM-001"
SHA = "ab" * 32


def candidate(name: str = "good", n: int = 5, **more: Any) -> Configuration:
    values = {"scenario": "panic-post-notifiers", "requirements": ["R-JUMP"], **more}
    return Configuration(name=name, title=f"The {name} one", role="candidate", n=n, **values)


def control(name: str = "stock", n: int = 2, **more: Any) -> Configuration:
    values = {"scenario": "panic-stock", "caught_by": [JUMP], **more}
    return Configuration(name=name, title=f"The {name} one", role="control", n=n, **values)


def required(identity: str = "R-JUMP", rules: tuple[str, ...] = (JUMP,), **more: Any) -> Requirement:
    return Requirement(id=identity, text=f"What {identity} asks.", rules=list(rules), **more)


@dataclass
class Made:
    """Attempts are added in run order; ``fill()`` makes every slot that is still open end as it must."""

    configurations: list[Configuration] = field(
        default_factory=lambda: [
            candidate(),
            control(),
            control("late", defect="VERY_LATE", caught_by=[HALT]),
        ]
    )
    requirements: list[Requirement] = field(default_factory=lambda: [required()])
    plan_values: dict[str, Any] = field(default_factory=dict)
    benches: tuple[str, ...] = ("one", "two")
    cycles: list[Cycle] = field(default_factory=list)
    entries: list[Any] = field(default_factory=list)
    filled: dict[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.slots, number = {}, 0
        for one in self.configurations:
            for replicate in range(1, one.n + 1):
                number += 1
                slot = Slot(number=number, block=1, configuration=one.name, replicate=replicate)
                self.slots[one.name, replicate] = slot
        self._add(Registered(plan_sha256=SHA, plan_name="small", slots=number, tools={}))
        self._add(Session(pid=1, host="lab", benches=list(self.benches)))
        for name in self.benches:
            self._add(BenchState(bench=name, state="online", file_sha256="cd" * 32))

    @property
    def plan(self) -> Plan:
        return Plan(
            name="small",
            title="A small campaign",
            seed=1,
            requirements=self.requirements,
            configurations=self.configurations,
            sha256=SHA,
            **self.plan_values,
        )

    def _add(self, entry: Any) -> Any:
        entry.number = len(self.entries) + 1
        entry.at = f"2026-11-21T10:{entry.number // 60:02}:{entry.number % 60:02}+00:00"
        self.entries.append(entry)
        return entry

    entry = _add

    def attempt(self, name: str, replicate: int | None = None, ended: bool = True, **values: Any) -> Cycle:
        """One attempt of a configuration's next open slot (or of ``replicate``)."""
        configuration = next(one for one in self.configurations if one.name == name)
        replicate = replicate or self.filled.get(name, 0) + 1
        slot = self.slots[name, replicate]
        attempt = 1 + sum(cycle.slot == slot for cycle in self.cycles)
        bench = values.pop("bench", self.benches[len(self.cycles) % len(self.benches)])
        directory = f"cycles/{slot.number:06}-{attempt}"
        intent = self._add(Intent(slot=slot.number, attempt=attempt, bench=bench, directory=directory))
        cycle = Cycle(
            slot=slot,
            attempt=attempt,
            bench=bench,
            directory=directory,
            intent=intent.number,
            begun=intent.at,
        )
        self.cycles.append(cycle)
        if not ended:
            return cycle
        as_it_must = "PASS" if configuration.role == "candidate" else "FAIL"
        result = values.pop("result", as_it_must)
        failing = values.pop("failing", configuration.caught_by or [JUMP]) if result == "FAIL" else []
        judged = {"fate": "judged", "counts": True, "rules": rules(result, failing)}
        judged |= {"as_expected": result == as_it_must, "duration_s": 20.0, "around_s": 0.2}
        judged |= {"facts": {"kernel": "6.1", "card": "7"}}
        cycle.outcome = self._add(
            Outcome(slot=slot.number, attempt=attempt, result=result, **{**judged, **values})
        )
        if cycle.outcome.counts:
            self.filled[name] = max(self.filled.get(name, 0), replicate)
        return cycle

    def died(self, name: str, fault: str = "bench", counts: bool = False, **values: Any) -> Cycle:
        """An attempt that died."""
        error = values.pop("error", "InstrumentTimeout")
        dead = {"fate": "died", "fault": fault, "error": error, "counts": counts, "rules": [], "measures": {}}
        return self.attempt(name, result="INCONCLUSIVE", **{**dead, "as_expected": False, **values})

    def fill(self) -> "Made":
        """Make every open slot end as it must, and stop."""
        for one in self.configurations:
            for _ in range(self.filled.get(one.name, 0), one.n):
                self.attempt(one.name)
        self._add(Stopped(reason="done"))
        return self

    def summary(self) -> Summary:
        return summarise(self.plan, iter(self.cycles), iter(self.entries))


def rules(result: str, failing: list[str]) -> list[dict[str, Any]]:
    """What a verdict of this result says: the rules of ``failing`` fail, or all are without a result."""
    other = "INCONCLUSIVE" if result == "INCONCLUSIVE" else "PASS"
    return [
        {"id": rule, "result": "FAIL" if rule in failing else other}
        for rule in sorted({JUMP, HALT, MEM, *failing})
    ]


GOAL = Goal(reliability=0.9, confidence=0.95)  #: 29 cycles without a failure


def row(summary: Summary, name: str = "good") -> ConfigurationSummary:
    """A configuration's row."""
    return next(one for one in summary.configurations if one.name == name)


def said(sentences: list[str], *words: str) -> bool:
    """True when one sentence has all the words."""
    return any(all(word in sentence for word in words) for sentence in sentences)

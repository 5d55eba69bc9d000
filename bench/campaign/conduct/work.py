# SPDX-License-Identifier: Apache-2.0
"""The work of a campaign: which slots are still to be filled, on which bench each can be, which attempt counts."""

from bisect import insort
from collections import Counter
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from fnmatch import fnmatchcase

from vkbench.campaign.conduct.worker import SEEDED_DEFECTS
from vkbench.config import BenchFile
from vkbench.config.features import features
from vkbench.evidence.campaign import Configuration, Intent, Outcome, Plan, Slot


@dataclass
class Able:
    """What a bench can do: its file, and what its card offers (None: not known yet)."""

    file: BenchFile
    offers: frozenset[str] | None = None
    unfit: set[str] = field(default_factory=set)  #: configurations that its evidence did not match

    @property
    def test_build(self) -> bool:
        """True when its card can show seeded defects."""
        return SEEDED_DEFECTS in (self.offers or ())

    def lacks(self, configuration: Configuration, release_wanted: bool) -> str:
        """Why the bench cannot do it; empty when it can. ``release_wanted``: some bench has a release build."""
        known = {"arch": self.file.server.arch, "provider": self.file.provider or ""}
        if self.file.virtual is not None:
            known["iommu"] = self.file.virtual.iommu
        has = features(self.file) | (self.offers or frozenset())
        missing = [word for word in configuration.needs if word not in has]
        for name, pattern in configuration.where.items():
            if name in known and not fnmatchcase(known[name], pattern):
                missing.append(f"{name} {pattern}")
        if configuration.name in self.unfit:
            missing.append("what its evidence showed")
        if self.offers is not None:
            if configuration.defect and not self.test_build:
                missing.append("a test build of the card")
            if not configuration.defect and self.test_build and release_wanted:
                missing.append("a release build of the card")
        return ", ".join(missing)


class Work:
    """Slots in their order; attempts are told to it as the journal has them."""

    def __init__(self, plan: Plan, slots: Iterable[Slot], benches: Iterable[BenchFile]) -> None:
        self.plan = plan
        self.slots = {slot.number: slot for slot in slots}
        self.configurations = {one.name: one for one in plan.configurations}
        self.benches = {bench.name: Able(bench) for bench in benches}
        self.open: dict[int, Intent] = {}  #: by slot
        self.attempts: Counter[int] = Counter()
        self.filled: dict[int, Outcome] = {}
        self.results: Counter[str] = Counter()
        self.died: Counter[str] = Counter()
        self.failed = False  #: a candidate's cycle counts as FAIL
        self.stopped = ""  #: why no further cycle is made, by the journal
        self._waiting = sorted(self.slots)
        self._failed_on: dict[int, set[str]] = {}

    def configuration(self, slot: int) -> Configuration:
        """The slot's."""
        return self.configurations[self.slots[slot].configuration]

    @property
    def left(self) -> int:
        """Slots that nothing fills yet."""
        return len(self.slots) - len(self.filled)

    def begun(self, intent: Intent) -> None:
        """An attempt was journalled."""
        self.open[intent.slot] = intent
        self.attempts[intent.slot] = intent.attempt
        self._waiting.remove(intent.slot)

    def decided(self, outcome: Outcome) -> Outcome:
        """The outcome, saying whether it fills its slot: a bench's fault does only when no repeat is left."""
        repeated = (
            outcome.fate == "died" and outcome.fault == "bench" and outcome.attempt <= self.plan.repeats
        )
        return outcome.model_copy(update={"counts": not repeated})

    def ended(self, outcome: Outcome) -> None:
        """An outcome was journalled."""
        intent = self.open.pop(outcome.slot)
        if outcome.fate == "died":
            self.died[outcome.fault] += 1
        if outcome.error == "NotAsPlanned" and intent.bench in self.benches:
            self.benches[intent.bench].unfit.add(self.slots[outcome.slot].configuration)
        if not outcome.counts:
            self._failed_on.setdefault(outcome.slot, set()).add(intent.bench)
            insort(self._waiting, outcome.slot)
            return
        self.filled[outcome.slot] = outcome
        self.results[outcome.result] += 1
        candidate = self.configuration(outcome.slot).role == "candidate"
        self.failed |= candidate and outcome.result == "FAIL"

    def next_for(self, bench: str, alive: Collection[str]) -> Slot | None:
        """The first slot for this bench. One that it failed before is left to another that is alive, if one can."""
        for number in self._waiting:
            configuration = self.configuration(number)
            if not self._can(bench, configuration):
                continue
            failed = self._failed_on.get(number, set())
            others = (one for one in alive if one not in failed and self._can(one, configuration))
            if bench not in failed or not any(others):
                return self.slots[number]
        return None

    def impossible(self) -> list[str]:
        """Configurations with slots left that no bench can do, each with the reasons."""
        names = dict.fromkeys(self.slots[number].configuration for number in self._waiting)
        found = []
        for configuration in (self.configurations[name] for name in names):
            lacks = {name: self._lacks(name, configuration) for name in self.benches}
            if all(lacks.values()):
                why = "; ".join(f"bench {name} lacks {what}" for name, what in lacks.items())
                found.append(f"no bench can do {configuration.name}: {why}")
        return found

    def _can(self, bench: str, configuration: Configuration) -> bool:
        return not self._lacks(bench, configuration)

    def _lacks(self, bench: str, configuration: Configuration) -> str:
        # Where every card is a test build, good cycles are made on one too, and the report says so.
        release = any(able.offers is not None and not able.test_build for able in self.benches.values())
        return self.benches[bench].lacks(configuration, release)

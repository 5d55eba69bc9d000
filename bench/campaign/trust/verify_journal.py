# SPDX-License-Identifier: Apache-2.0
"""The journal of a sealed campaign, checked entry by entry: spelling, numbers, chain, and whether it is what a conductor
writes: each attempt begun and ended once, only one of a slot counted, repeats only after a bench's fault.

It goes on after a difference, so that one changed byte is one or two lines, and not the end of the check.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from vkbench.campaign.records.blame import fault_of
from vkbench.campaign.records.entries import canonical, chain_of, entry_of
from vkbench.evidence import EvidenceError
from vkbench.evidence.campaign import (
    CYCLES,
    JOURNAL_LINES,
    BenchState,
    Intent,
    Outcome,
    Plan,
    Registered,
    Session,
    Slot,
    Stopped,
)

LINE_LIMIT = 1 << 20  # bytes; an entry has a few thousand


@dataclass
class _Filled:
    """What is known of a slot."""

    attempts: int = 0
    open: bool = False
    counted: bool = False
    failed: bool = False  #: counted, and FAIL


@dataclass
class JournalCheck:
    """Reads journal.jsonl once. ``differences`` grows while attempts() goes on."""

    path: Path
    plan: Plan | None
    slots: Mapping[int, Slot]
    differences: list[str] = field(default_factory=list)
    entries: int = 0
    attempted: int = 0
    registered: Registered | None = None
    stopped: Stopped | None = None
    bench_files: dict[str, str] = field(default_factory=dict)  #: bench -> SHA-256, as the campaign took it on
    directories: set[str] = field(default_factory=set)
    _open: dict[tuple[int, int], Intent] = field(default_factory=dict)
    _slots: dict[int, _Filled] = field(default_factory=dict)
    _manifests: dict[str, str] = field(default_factory=dict)
    _blamed: dict[str, int] = field(default_factory=dict)  # bench -> entry that blames it for another's error

    def attempts(self) -> Iterator[tuple[Intent, Outcome | None]]:
        """Each attempt when its outcome is reached; those without one at the end."""
        chain = ""
        for number, raw in enumerate(self._lines(), start=1):
            self.entries = number
            value = self._value(number, raw, chain)
            chain = str(value.get("chain", ""))
            try:
                entry = entry_of(raw, f"{JOURNAL_LINES}:{number}")
            except EvidenceError as error:
                self.differences.append(str(error))
                continue
            if isinstance(entry, Outcome):
                if (intent := self._ended(entry)) is not None:
                    yield intent, entry
            else:
                self._other(entry)
        self._finish()
        for intent in self._open.values():
            yield intent, None

    # ---- lines ---------------------------------------------------------------------------------------------------------

    def _lines(self) -> Iterator[str]:
        with (self.path / JOURNAL_LINES).open("rb") as file:
            while line := file.readline(LINE_LIMIT):
                if not line.endswith(b"\n"):
                    self._say(self.entries + 1, "has no end, or is longer than an entry can be")
                    return
                yield line[:-1].decode("utf-8", "backslashreplace")

    def _value(self, number: int, raw: str, before: str) -> dict[str, Any]:
        """The line's JSON; what is wrong with its spelling, number and chain is a difference."""
        try:
            value = json.loads(raw)
            spelt = isinstance(value, dict) and canonical(value) == raw
        except (ValueError, RecursionError) as error:
            self._say(number, f"is no JSON: {error}")
            return {}
        if not isinstance(value, dict) or not spelt:
            self._say(number, "is not spelt as the journal writes it; it was changed")
            return value if isinstance(value, dict) else {}
        if value.get("number") != number:
            self._say(
                number, f"has the number {value.get('number')!r}; entries are missing, added or were moved"
            )
        if value.get("chain") != chain_of(before, value):
            self._say(number, "its chain does not follow from what is before it; the journal was changed")
        return value

    # ---- what entries mean ---------------------------------------------------------------------------------------------

    def _other(self, entry: Any) -> None:
        if self.registered is None and not isinstance(entry, Registered):
            self._say(entry.number, "comes before the plan was registered")
        if self.stopped is not None and not isinstance(entry, Session):
            self._say(entry.number, f"{entry.kind} after the campaign was stopped")
        if isinstance(entry, Registered):
            if self.registered is not None:
                self._say(entry.number, "registers a plan a second time")
            self.registered = entry
        elif isinstance(entry, BenchState):
            blamed = self._blamed.pop(entry.bench, None)
            if blamed is not None and entry.state != "sick":
                self._say(
                    blamed, f"bench {entry.bench!r} is blamed, and the look after it found it {entry.state}"
                )
            if entry.file_sha256:
                before = self.bench_files.setdefault(entry.bench, entry.file_sha256)
                if before != entry.file_sha256:
                    self._say(
                        entry.number, f"bench {entry.bench!r} has another bench file than at its beginning"
                    )
        elif isinstance(entry, Intent):
            self._begun(entry)
        elif isinstance(entry, Stopped):
            self.stopped = entry
        elif isinstance(entry, Session) and not entry.ended:
            self.stopped = None

    def _begun(self, entry: Intent) -> None:
        slot = self._slots.setdefault(entry.slot, _Filled())
        what = f"slot {entry.slot}, attempt {entry.attempt}"
        self.attempted += 1
        if self.slots and entry.slot not in self.slots:
            self._say(entry.number, f"{what}: the plan has no such slot")
        if slot.open:
            self._say(entry.number, f"{what}: begun while the attempt before it had not ended")
        if slot.counted:
            self._say(entry.number, f"{what}: begun although an earlier attempt counts")
        if entry.attempt != slot.attempts + 1:
            self._say(entry.number, f"{what}: attempt {slot.attempts + 1} was to come")
        if entry.directory != directory_of(entry.slot, entry.attempt):
            self._say(entry.number, f"{what}: the directory {entry.directory!r} is another's")
            entry = entry.model_copy(update={"directory": directory_of(entry.slot, entry.attempt)})
        slot.attempts, slot.open = entry.attempt, True
        self.directories.add(entry.directory)
        self._open[entry.slot, entry.attempt] = entry

    def _ended(self, entry: Outcome) -> Intent | None:
        what = f"slot {entry.slot}, attempt {entry.attempt}"
        if self.stopped is not None:
            self._say(entry.number, f"{what}: ended after the campaign was stopped")
        intent = self._open.pop((entry.slot, entry.attempt), None)
        if intent is None:
            self._say(entry.number, f"{what}: ended without a beginning, or twice")
            return None
        slot = self._slots[entry.slot]
        slot.open = False
        for problem in self._rules(entry):
            self._say(entry.number, f"{what}: {problem}")
        if entry.fate == "died" and entry.fault == "bench" and fault_of(entry.error) != "bench":
            self._blamed[intent.bench] = (
                entry.number
            )  # right, when the look that follows finds the bench sick
        if entry.counts:
            slot.counted, slot.failed = True, entry.result == "FAIL"
        if entry.manifest_sha256:
            twin = self._manifests.setdefault(entry.manifest_sha256, intent.directory)
            if twin != intent.directory:
                self._say(entry.number, f"{what}: is the same run as {twin}")
        return intent

    def _rules(self, entry: Outcome) -> Iterator[str]:
        """The counting rules (docs/campaign.md)."""
        if entry.fate == "judged":
            if entry.fault:
                yield f"judged, and yet the fault of the {entry.fault}"
            if not entry.counts:
                yield "judged, and yet it does not count"
            return
        if entry.fault not in (fault_of(entry.error), "bench"):
            yield f"{entry.error} is the fault of the {fault_of(entry.error)}, not {entry.fault or 'nobody'!r}"
        if entry.result != "INCONCLUSIVE" or entry.as_expected:
            yield f"died, and yet its result is {entry.result}"
        repeats = self.plan.repeats if self.plan else None
        last = entry.fault != "bench" or (repeats is not None and entry.attempt > repeats)
        if repeats is not None and entry.counts != last:
            yield (
                "counts, though it must be repeated"
                if entry.counts
                else f"does not count, though {'its repeats are used up' if entry.fault == 'bench' else 'no bench was at fault'}"
            )

    def _finish(self) -> None:
        for bench, number in self._blamed.items():
            self._say(number, f"bench {bench!r} is blamed, and no look after it found it sick")
        for slot, attempt in self._open:
            self._say(self.entries, f"slot {slot}, attempt {attempt}: has no outcome", "end")
        if self.registered is None:
            self._say(self.entries, "no plan is registered", "end")
        elif self.plan is not None:
            if self.registered.plan_sha256 != self.plan.sha256 or self.registered.plan_name != self.plan.name:
                self.differences.append(f"{JOURNAL_LINES}: another plan was registered than plan.json holds")
            if self.slots and self.registered.slots != len(self.slots):
                self.differences.append(
                    f"{JOURNAL_LINES}: {self.registered.slots} slots were registered, the plan has {len(self.slots)}"
                )
        if self.stopped is None:
            self._say(self.entries, "it does not say why the campaign was stopped", "end")
        elif self.stopped.reason == "done":
            missing = [number for number in self.slots if not self._counted(number)]
            if missing:
                self.differences.append(
                    f"{JOURNAL_LINES}: says that all is done, but no attempt counts of slots {_few(missing)}"
                )
        elif self.stopped.reason == "failure" and not self._stops():
            self.differences.append(
                f"{JOURNAL_LINES}: stopped for a failure, but no counted cycle of a candidate failed or the plan does not stop"
            )

    def _stops(self) -> bool:
        if self.plan is None:
            return True
        candidates = {one.name for one in self.plan.configurations if one.role == "candidate"}
        failed = (number for number, slot in self._slots.items() if slot.failed)
        return self.plan.stop_on_failure and any(
            number in self.slots and self.slots[number].configuration in candidates for number in failed
        )

    def _counted(self, number: int) -> bool:
        slot = self._slots.get(number)
        return slot is not None and slot.counted

    def _say(self, number: int, text: str, where: str = "") -> None:
        self.differences.append(f"{JOURNAL_LINES}:{where or number}: {text}")


def directory_of(slot: int, attempt: int) -> str:
    """Where an attempt's run is, relative to the campaign."""
    return f"{CYCLES}/{slot:06}-{attempt}"


def _few(numbers: list[int]) -> str:
    shown = ", ".join(map(str, numbers[:10]))
    return shown if len(numbers) <= 10 else f"{shown} and {len(numbers) - 10} more"

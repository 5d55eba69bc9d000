# SPDX-License-Identifier: Apache-2.0
"""judge: a run directory's files -> Verdict. verify: does the stored verdict follow from the unchanged files?"""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from vkbench.capture import vkc
from vkbench.evidence import (
    CAPTURE,
    CONSOLE_RAW,
    MEMORY_JSON,
    VERDICT_JSON,
    EvidenceError,
    RunView,
    describe,
    to_json,
)
from vkbench.evidence.reset import RESET_JSON, ResetRecord
from vkbench.verdict.facts import Facts
from vkbench.verdict.memory_rule import memory_frozen
from vkbench.verdict.model import (
    RULES_VERSION,
    OrderUncertainty,
    RuleResult,
    TimelineEntry,
    Verdict,
    overall,
)
from vkbench.verdict.path_rule import PATH_ID, path_taken
from vkbench.verdict.reset_rules import reset_results
from vkbench.verdict.rules import halt_latency, no_request_after_jump

RULES = (no_request_after_jump, halt_latency, memory_frozen)


def load(run_dir: Path | str) -> Facts:
    """Open a run's files and pass over the capture. Raises EvidenceError or CaptureError that names the damaged
    file; a missing one is None. The capture stays mapped as long as the facts are in use.
    """
    view = RunView(Path(run_dir))
    capture = vkc.open(view.path / CAPTURE) if view.has(CAPTURE) else None
    memory = view.memory if view.has(MEMORY_JSON) else None
    console = view.read(CONSOLE_RAW) if view.has(CONSOLE_RAW) else None
    reset = ResetRecord.parse(view.read(RESET_JSON)) if view.has(RESET_JSON) else None
    facts = Facts(view.record, capture, memory, console, reset)
    if capture is not None:
        _ = facts.scan  # damage is known before anybody relies on a part of the facts
    return facts


def judge(run_dir: Path | str) -> Verdict:
    """The verdict that follows from the files. Raises as load() does."""
    return judge_facts(load(run_dir))


def rules_for(facts: Facts) -> tuple[Callable[[Facts], RuleResult], ...]:
    """The rules that apply: those that speak of a jump only to a run that must have one (docs/rules.md)."""
    expected = facts.record.config.expect
    if expected is None:
        return RULES
    if expected.jump:
        return (*RULES, path_taken)
    return (halt_latency, path_taken) if expected.doorbell else (path_taken,)


def judge_facts(facts: Facts) -> Verdict:
    """The verdict that follows from the facts."""
    resets = facts.record.kind == "reset"
    rules: list[RuleResult] = reset_results(facts) if resets else [rule(facts) for rule in rules_for(facts)]
    result = overall([rule.result for rule in rules])
    must_fail, wanted = facts.record.must_fail, facts.record.config.caught_by
    failed = {rule.id for rule in rules if rule.result == "FAIL"}
    # A control that panicked by another way than it should controls nothing, even though it fails.
    astray = PATH_ID in failed and PATH_ID not in wanted
    caught = failed.issuperset(wanted)
    return Verdict(
        overall=result,
        must_fail=must_fail,
        as_expected=result == ("FAIL" if must_fail else "PASS") and not astray and caught,
        clock_hz=facts.capture.clock_hz if facts.capture else None,
        rules=rules,
        timeline=_timeline(facts),
        uncertainty=_uncertainty(facts),
        notes=[*_defect_notes(facts, failed), *_notes(facts)],
    )


def write_verdict(directory: Any, verdict: Verdict) -> None:
    """Write ``verdict.json`` into a RunDirectory that is not sealed yet."""
    directory.write_json(VERDICT_JSON, verdict)


@dataclass(frozen=True)
class Verification:
    """The result of verify(). ``differences``: one line each, naming the file; empty when all is as sealed."""

    path: Path
    verdict: Verdict | None
    stored: Verdict | None
    differences: list[str] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        """True when the files are as sealed and the stored verdict follows from them."""
        return not self.differences


def verify(run_dir: Path | str) -> Verification:
    """Check the manifest, recompute the verdict, compare. Raises EvidenceError only when there is no run
    directory.
    """
    view = RunView(Path(run_dir))
    differences = view.check_manifest()
    verdict = stored = None
    try:
        verdict = judge(view.path)
    except (EvidenceError, vkc.CaptureError) as error:
        differences.append(_relative(str(error), view.path))
    try:
        stored = Verdict.model_validate_json(view.read(VERDICT_JSON))
    except ValidationError as error:
        differences.append(f"{VERDICT_JSON}: {describe(error)}")
    except EvidenceError as error:
        if not _aborted_before_judging(view):
            differences.append(_relative(str(error), view.path))
    if verdict and stored:
        differences += _differing(stored, verdict)
    return Verification(view.path, verdict, stored, differences)


def _differing(stored: Verdict, verdict: Verdict) -> list[str]:
    """How the stored verdict differs. That earlier rules came to the same verdict is no difference."""
    was, now = _plain(stored), _plain(verdict)
    older = ""
    if stored.rules_version != verdict.rules_version:
        older = (
            f"{VERDICT_JSON}: made by rules version {stored.rules_version}; this program has {RULES_VERSION}"
        )
        if 1 <= stored.rules_version < RULES_VERSION:
            now["rules_version"] = stored.rules_version
    found = [
        f"{VERDICT_JSON}: {where}: stored {before!r}, recomputed {after!r}"
        for where, before, after in _compare(was, now)
    ]
    return [older, *found] if older and found else found


def _aborted_before_judging(view: RunView) -> bool:
    """True when a run ended before there was a verdict to store, and was sealed so."""
    try:
        return view.record.status == "aborted" and VERDICT_JSON not in view.manifest()
    except EvidenceError:
        return False  # named by the other checks


def _relative(message: str, path: Path) -> str:
    return message.replace(f"{path}/", "")


def _plain(verdict: Verdict) -> Any:
    return verdict.model_dump(mode="json", by_alias=True)


def _compare(was: Any, now: Any, where: str = "") -> list[tuple[str, Any, Any]]:
    """Where two JSON values differ, leaf by leaf."""
    if isinstance(was, dict) and isinstance(now, dict) and was.keys() == now.keys():
        return [d for key in was for d in _compare(was[key], now[key], f"{where}.{key}" if where else key)]
    if isinstance(was, list) and isinstance(now, list) and len(was) == len(now):
        return [
            d for i, (a, b) in enumerate(zip(was, now, strict=True)) for d in _compare(a, b, f"{where}[{i}]")
        ]
    return [] if was == now and type(was) is type(now) else [(where, was, now)]


def _timeline(facts: Facts) -> list[TimelineEntry]:
    if facts.capture is None:
        return []
    origin, hz = facts.timeline.origin, facts.capture.clock_hz
    return [
        TimelineEntry(
            name=event.name, timestamp=event.timestamp, s=(event.timestamp - origin) / hz, text=event.text
        )
        for event in facts.timeline.ordered()
    ]


def _uncertainty(facts: Facts) -> OrderUncertainty | None:
    if facts.bound is None:
        return None
    return OrderUncertainty(
        cycles=facts.bound.cycles,
        seconds=facts.bound.seconds,
        clock_ppm=facts.record.uncertainty.clock_ppm,
        clock_source=facts.record.uncertainty.clock_source,
        sources=list(facts.bound.sources),
    )


def _defect_notes(facts: Facts, failed: set[str]) -> list[str]:
    """What was wrong with the card on purpose, and which rules that should have seen it did not."""
    config = facts.record.config
    if not config.defect:
        return []
    missed = [rule for rule in config.caught_by if rule not in failed]
    notes = [f"The card had the seeded defect {config.defect}."]
    return [*notes, f"It was not caught by {', '.join(missed)}."] if missed else notes


def _notes(facts: Facts) -> list[str]:
    """What a reader should know beside the rules' reasons."""
    notes = []
    expected = facts.record.config.expect
    if expected is not None and not expected.jump:
        left_out = (
            "VKB-JUMP-001 and VKB-MEM-001"
            if expected.doorbell
            else "VKB-JUMP-001, VKB-HALT-001 and VKB-MEM-001"
        )
        notes.append(
            f"By its row this injection comes into no crash kernel{'' if expected.doorbell else ' and rings no doorbell'}: "
            f"{left_out} do not apply. Whether the card falls silent is not what this run says."
        )
    gate = facts.timeline.get("gate_closed")
    doorbell = facts.timeline.get("doorbell")
    if doorbell and gate:
        notes.append(
            f"The quiesce gate closed {gate.timestamp - doorbell.timestamp} cycles after the doorbell."
        )
    elif doorbell:
        notes.append("The quiesce gate was not seen to close after the doorbell.")
    if facts.capture and facts.capture.header.lost:
        notes.append(f"The analyser lost {facts.capture.header.lost} events in this capture.")
    return notes


__all__ = ["RULES", "Verification", "judge", "judge_facts", "load", "to_json", "verify", "write_verdict"]

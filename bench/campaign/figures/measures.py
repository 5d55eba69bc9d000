# SPDX-License-Identifier: Apache-2.0
"""measures(verdict): a cycle's numbers, from its verdict alone. Statistics and reports take them from the journal.

A measure that a verdict cannot give is left out, never 0. What each means: MEASURES, docs/statistics.md.
"""

import re
from dataclasses import dataclass
from typing import Literal

from vkbench.capture.layout import Kind
from vkbench.verdict.model import RuleResult, Verdict

#: Where a measure's uncertainty comes from. ``rule``: the rule's own. ``order``: one of its ends is a console text, which
#: can be late by the order uncertainty. ``exact``: both ends are cycles of one clock. ``itself``: it is an uncertainty.
Basis = Literal["rule", "order", "exact", "itself"]


@dataclass(frozen=True)
class Measure:
    """What a number is. ``worse``: its bad end, empty when neither is. ``rule``: whose limit applies."""

    title: str
    unit: str
    worse: Literal["high", "low", ""]
    basis: Basis
    rule: str = ""


MEASURES: dict[str, Measure] = {
    "halt_latency": Measure(
        "Doorbell to the last start of a request", "cycles", "high", "rule", "VKB-HALT-001"
    ),
    "margin": Measure("Last request to the jump, at least", "s", "low", "order", "VKB-JUMP-001"),
    "panic_to_doorbell": Measure("Panic text to doorbell", "s", "high", "order"),
    "doorbell_to_gate": Measure("Doorbell to quiesce gate closed", "cycles", "high", "exact"),
    "doorbell_to_jump": Measure("Doorbell to jump", "s", "low", "order"),
    "panic_to_jump": Measure("Panic text to jump", "s", "", "order"),
    "jump_to_ready": Measure("Jump to crash kernel ready", "s", "high", "order"),
    "reset_latency": Measure(
        "Told to stop to the last start of a request", "cycles", "high", "rule", "VKB-RESET-002"
    ),
    "reset_to_ready": Measure("Reset to card ready", "s", "high", "exact"),
    "reset_to_work": Measure("Told to stop to work for the card again", "s", "", "exact"),
    "order_uncertainty": Measure("Order of a console text and a TLP, uncertain by", "s", "high", "itself"),
    "events_lost": Measure("Events that the analyser lost", "events", "high", "exact"),
}

_LOST = re.compile(r"The analyser lost (\d+) events")
#: Names of the timeline's events that can be the reset itself; the first one is.
_RESETS = ("doorbell", "doorbell_hard", "doorbell_soft", "flr_started", "perst_asserted")


def measures(verdict: Verdict) -> dict[str, float]:
    """The numbers of one cycle, by the names of MEASURES, in their units; those that its verdict has."""
    if verdict.clock_hz is None:
        return {}
    rules = {rule.id: rule for rule in verdict.rules}
    resets = any(name.startswith("VKB-RESET-") for name in rules)
    found = _of_reset(verdict, rules) if resets else _of_panic(verdict, rules)
    if verdict.uncertainty is not None:
        found["order_uncertainty"] = verdict.uncertainty.seconds
    lost = next((match for note in verdict.notes if (match := _LOST.match(note))), None)
    found["events_lost"] = int(lost[1]) if lost else 0
    return {name: float(found[name]) for name in MEASURES if name in found}


def _of_panic(verdict: Verdict, rules: dict[str, RuleResult]) -> dict[str, float]:
    found = {"halt_latency": _decided(rules.get("VKB-HALT-001"))}
    found["margin"] = _margin(verdict, rules.get("VKB-JUMP-001"))
    hz = verdict.clock_hz or 1
    for name, begin, end, unit in (
        ("panic_to_doorbell", "panic_text", "doorbell", hz),
        ("doorbell_to_gate", "doorbell", "gate_closed", 1),
        ("doorbell_to_jump", "doorbell", "jump", hz),
        ("panic_to_jump", "panic_text", "jump", hz),
        ("jump_to_ready", "jump", "crash_ready", hz),
    ):
        span = _span(_time(verdict, begin), _time(verdict, end))
        found[name] = None if span is None else span / unit
    return {name: value for name, value in found.items() if value is not None}


def _of_reset(verdict: Verdict, rules: dict[str, RuleResult]) -> dict[str, float]:
    hz = verdict.clock_hz or 1
    silent = rules.get("VKB-RESET-002")
    found = {"reset_latency": _decided(silent)}
    begun = [at for name in _RESETS if (at := _time(verdict, name)) is not None]
    ready = _span(min(begin for begin in begun) if begun else None, _time(verdict, "card_ready"))
    found["reset_to_ready"] = None if ready is None else ready / hz
    # The rule's first event is the one from which on the card may start nothing: Bus Master Enable or the reset itself.
    halt = min((event.timestamp for event in silent.events), default=None) if silent else None
    work = _span(halt, _time(verdict, "spoken"))
    found["reset_to_work"] = None if work is None else work / hz
    return {name: value for name, value in found.items() if value is not None}


def _decided(rule: RuleResult | None) -> float | None:
    """A rule's value where the rule decided: under doubt it is only what was seen."""
    return rule.value if rule is not None and rule.result != "INCONCLUSIVE" else None


def _margin(verdict: Verdict, rule: RuleResult | None) -> float | None:
    """Lower bound, seconds: positive as the rule says it; negative when the last request came after the jump. So the worst
    cycles are not left out of its distribution.
    """
    if rule is None or rule.result == "INCONCLUSIVE":
        return None
    if rule.result == "PASS":
        return rule.value
    jump = _time(verdict, "jump")
    requests = [event.timestamp for event in rule.events if event.kind in (Kind.RQ.name, Kind.MSIX.name)]
    requests += [at for at in [_time(verdict, "last_dma_after_jump")] if at is not None]
    if jump is None or verdict.uncertainty is None or not requests or max(requests) <= jump:
        return None  # only the statistics know of it
    late = max(requests) - jump + verdict.uncertainty.cycles
    return -late / ((verdict.clock_hz or 1) * (1 - verdict.uncertainty.clock_ppm * 1e-6))


def _time(verdict: Verdict, name: str) -> int | None:
    return next((event.timestamp for event in verdict.timeline if event.name == name), None)


def _span(begin: int | None, end: int | None) -> int | None:
    """Cycles from one event to a later one; None when one is missing or they are the other way round."""
    return None if begin is None or end is None or end < begin else end - begin

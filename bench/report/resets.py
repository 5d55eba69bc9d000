# SPDX-License-Identifier: Apache-2.0
"""What the report says of reset runs: their sentences and the rows of their table."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from vkbench.report.svg import duration
from vkbench.verdict import RuleResult, Verdict
from vkbench.verdict.facts import Facts

PASSED = "After its reset the card was silent, clean, and usable again."
FAILED = "The card did not come back clean from a reset."
OPEN = "The evidence does not answer whether the card came back clean from its reset."
QUESTION = "does the card come back clean from a reset?"


def sentence(verdict: Verdict) -> str:
    """A reset run's outcome, for a reader who knows nothing of PCI Express."""
    concerned = next((rule for rule in verdict.rules if rule.result == verdict.overall), None)
    if verdict.overall == "PASS" or concerned is None:
        return "The card stopped at once, held nothing from before, and then moved every byte right."
    if verdict.overall == "FAIL":
        return f"{concerned.title}: not so. {concerned.reason}"
    return f"This run does not answer the question: {concerned.reason}"


def rows(
    runs: Sequence[Any], rule: Callable[[Any, str], RuleResult | None]
) -> Iterator[tuple[str, str, list[str]]]:
    """Rows of the side-by-side table: (what, remark, one cell per run). A run has ``facts``."""

    def value(run: Any, identity: str) -> str:
        found = rule(run, identity)
        if found is None or found.value is None:
            return "—"
        return f"{found.value:g} {found.unit}"

    def span(run: Any, start: str, stop: str, cycles: bool = False) -> str:
        facts: Facts | None = run.facts
        if facts is None or facts.capture is None:
            return "—"
        first, second = (getattr(facts.reset_sequence, name) for name in (start, stop))
        if first is None or second is None:
            return "—"
        distance = second.timestamp - first.timestamp
        return f"{distance} cycles" if cycles else duration(distance / facts.capture.clock_hz)

    def of_record(run: Any, name: str) -> str:
        facts: Facts | None = run.facts
        return str(getattr(facts.reset, name)) if facts and facts.reset else "—"

    yield "Reset", "", [of_record(run, "reset") for run in runs]
    yield "Told to stop → reset", "0 where both are one", [span(run, "halt", "reset", True) for run in runs]
    yield "Last request after it", "", [value(run, "VKB-RESET-002") for run in runs]
    yield "Reset → card ready", "", [span(run, "reset", "ready") for run in runs]
    yield "Told to stop → work for it again", "", [span(run, "halt", "spoken") for run in runs]
    for identity, what in (
        ("VKB-RESET-003", "Interrupts in that time"),
        ("VKB-RESET-004", "Configuration space and BARs, different"),
        ("VKB-RESET-005", "Registers not at their reset values"),
        ("VKB-RESET-006", "Queue indices not 0"),
        ("VKB-RESET-007", "Tags used again too early"),
        ("VKB-RESET-009", "Transfers afterwards"),
    ):
        yield what, "", [value(run, identity) for run in runs]

# SPDX-License-Identifier: Apache-2.0
"""What all exports share: how a cycle stands, how a text is spelt, how a file is written."""

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol, TextIO

from vkbench.evidence.campaign import Configuration, Cycle, Entry, Outcome, Plan, Result, RuleOutcome
from vkbench.evidence.files import sync

#: Control characters, what turns the direction of reading, and halves of surrogate pairs: no export carries them raw.
_UNPRINTABLE = re.compile(
    r"[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff\ufffe\uffff]"
)
#: Rules whose value, in this unit, is the better the larger it is; of all others the limit is the most that is allowed.
_LOWER_LIMITS = {("VKB-JUMP-001", "s")}


class Campaign(Protocol):
    """What an export reads."""

    path: Path
    plan: Plan

    @property
    def sealed(self) -> bool:
        """Nothing will be added."""

    def cycles(self) -> Iterator[Cycle]:
        """In the order of their intents."""

    def entries(self) -> Iterator[Entry]:
        """In their order."""


def standing(outcome: Outcome, configuration: Configuration) -> Result:
    """What an attempt says: of a candidate its result; of a control whether the bench saw what it must see."""
    if configuration.role == "candidate" or outcome.result == "INCONCLUSIVE":
        return outcome.result
    return "PASS" if outcome.as_expected else "FAIL"


def reason(outcome: Outcome, configuration: Configuration) -> str:
    """One line: why it stands so."""
    if outcome.fate == "died":
        return plain(f"died by the {outcome.fault}'s fault: {outcome.error}: {outcome.detail}")
    failed = [rule.id for rule in outcome.rules if rule.result == "FAIL"]
    undecided = [rule.id for rule in outcome.rules if rule.result == "INCONCLUSIVE"]
    if configuration.role == "control" and outcome.result != "INCONCLUSIVE":
        if outcome.as_expected:
            return f"caught, as it must be: {', '.join(failed)} failed"
        wanted = ", ".join(configuration.caught_by) or "some rule"
        return f"not caught: {wanted} must fail; failed: {', '.join(failed) or 'none'}"
    parts = [f"{', '.join(failed)} failed"] if failed else []
    parts += [f"{', '.join(undecided)} inconclusive"] if undecided else []
    return "; ".join(parts) or ("every rule passed" if outcome.result == "PASS" else "no rule gave a result")


def value_text(rule: RuleOutcome) -> str:
    """A rule's numbers, e.g. ``2 cycles (limit 4, uncertainty 0)``; empty without a value."""
    if rule.value is None:
        return ""
    more = [
        f"{name} {number:g}"
        for name, number in (("limit", rule.limit), ("uncertainty", rule.uncertainty))
        if number is not None
    ]
    return f"{rule.value:g} {rule.unit}".rstrip() + (f" ({', '.join(more)})" if more else "")


def limited_below(rule: RuleOutcome) -> bool:
    """The rule's limit is the least that is allowed (more than it), not the most."""
    return (rule.id, rule.unit) in _LOWER_LIMITS


def plain(text: str) -> str:
    """The text on one line, with characters that a terminal or a browser would obey written out."""
    return _UNPRINTABLE.sub(
        lambda match: f"\\u{ord(match[0]):04x}" if ord(match[0]) > 255 else _byte(match[0]), text
    )


def _byte(character: str) -> str:
    return {"\n": "\\n", "\r": "\\r", "\t": "\\t"}.get(character, f"\\x{ord(character):02x}")


@contextmanager
def whole_file(path: Path) -> Iterator[TextIO]:
    """A text file that appears under its name when it is complete, and not at all when writing it fails."""
    temporary = path.with_name(f".{path.name}.tmp")
    try:
        with temporary.open("w", encoding="utf-8", newline="\n") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    sync(path.parent)

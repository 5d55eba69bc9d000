# SPDX-License-Identifier: Apache-2.0
"""Every rule of the verdict by its id: title, requirement, and which runs it judges. The rules take their words from here."""

from dataclasses import dataclass

from vkbench.evidence import Expectation
from vkbench.verdict import limits


@dataclass(frozen=True)
class Rule:
    """What is the same in all results of a rule. ``source``: where the project explains it."""

    id: str
    title: str
    requirement: str
    source: str = "docs/rules.md"


JUMP_ID, HALT_ID, MEMORY_ID, PATH_ID = "VKB-JUMP-001", "VKB-HALT-001", "VKB-MEM-001", "VKB-PATH-001"
_HALT_CYCLES = int(limits.HALT_LATENCY.value)


def _reset(number: int, title: str, requirement: str) -> Rule:
    return Rule(f"VKB-RESET-{number:03}", title, requirement, "docs/resets.md")


_RESETS = (
    _reset(
        1,
        "The reset happened",
        "The reset that was asked for is seen on the link, and the card becomes ready again.",
    ),
    _reset(
        2,
        "Silent until enabled again",
        f"From {_HALT_CYCLES} cycles after the reset (or Bus Master Enable before it) until its host gives it work again, "
        "the card starts no request; into the buffer from before, none until its host announces one again.",
    ),
    _reset(
        3,
        "No interrupt after the halt",
        "From the reset until its host gives it work again, the card sends no interrupt.",
    ),
    _reset(
        4,
        "Configuration space and BARs as before",
        "With the driver bound again, configuration space (but for its error bits) and the BARs are as before the reset; "
        "where the kernel restores them, already before that.",
    ),
    _reset(
        5,
        "Registers at their reset values",
        "After the reset every register in BAR 0 and 2 has the value of a card that has just become ready, with the reason "
        "of this reset.",
    ),
    _reset(6, "Queues empty", "After the reset every read and write index of the message queues is 0."),
    _reset(
        7,
        "No stale tag, no late completion taken",
        "No tag is used again while its completion can still come, and after the reset the card waits for none from before.",
    ),
    _reset(
        8,
        "Probed again",
        "The driver binds to the card again, announces its buffer, and its device node is there.",
    ),
    _reset(
        9,
        "Every byte arrives, both ways",
        "Before and after the reset, messages move data to the card and back, and every byte is right.",
    ),
)
RULES = {
    rule.id: rule
    for rule in (
        Rule(
            JUMP_ID,
            "No request after the jump",
            "The card starts no request and sends no interrupt after the jump into the crash kernel.",
        ),
        Rule(
            HALT_ID,
            "Halt latency",
            f"Once the halting doorbell write is accepted, no request starts more than {_HALT_CYCLES} cycles later.",
        ),
        Rule(
            MEMORY_ID,
            "Memory frozen",
            "The DMA target does not change under the crash kernel and holds no write issued after the jump.",
        ),
        Rule(
            PATH_ID,
            "Panic path",
            "The injection takes its way through the kernel: "
            "the texts, the doorbell and the jump are those that its row names.",
        ),
        *_RESETS,
    )
}


def judging(kind: str, expected: Expectation | None) -> tuple[str, ...]:
    """Ids of the rules that judge a run of this kind; ``expected``: the way of its panic, None for a reset."""
    if kind == "reset":
        return tuple(rule.id for rule in _RESETS)
    if expected is None:
        return (JUMP_ID, HALT_ID, MEMORY_ID)
    if expected.jump:
        return (JUMP_ID, HALT_ID, MEMORY_ID, PATH_ID)
    return (HALT_ID, PATH_ID) if expected.doorbell else (PATH_ID,)

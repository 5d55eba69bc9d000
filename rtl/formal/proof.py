# SPDX-License-Identifier: Apache-2.0
"""What a proof is made of.

Standard library only.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from sources import sources


@dataclass(frozen=True)
class Edit:
    """One textual change of a source file; ``old`` must be there exactly once."""

    file: str
    old: str
    new: str


@dataclass(frozen=True)
class Mutant:
    """A wrong design, and the property that must fail on it."""

    kills: str
    edit: Edit
    step: bool = False  # too deep for a search from power-on: the induction step must fail instead


@dataclass(frozen=True)
class Proof:
    """One run of induction. ``depth`` in clocks; ``search`` is the depth of covers and mutants, which start at
    power-on and therefore run on a design whose waiting times ``shorter`` cuts."""

    name: str
    top: str
    checkers: tuple[str, ...]
    properties: dict[str, str]  # name: what it says
    mutants: tuple[Mutant, ...]
    depth: int
    search: int
    cut: tuple[str, ...] = ()
    shorter: tuple[Edit, ...] = ()
    parameters: dict[str, int] = field(default_factory=dict)
    bounded: bool = False  # checked from power-on to ``depth`` only: no induction
    registers: bool = False  # memories are turned into registers: much quicker while they are small
    quick: bool = False  # in the quick subset
    design: str = "vk_core"  # whose sources (rtl/sources.py) ``top`` is among

    def files(self, gen: Path) -> list[Path]:
        """Sources in compile order; ``gen`` is the output folder of rtl/regs/generate.py."""
        return sources(self.design, gen)

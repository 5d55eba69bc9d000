# SPDX-License-Identifier: Apache-2.0
"""A seeded defect of the card (rtl/faults.py) in a run: exactly the one that its scenario names, or none."""

from typing import Any

from vkbench import errors


def refuse_unless_offered(analyser: Any, name: str) -> None:
    """Raises NoSuchDefect when this card cannot show the defect."""
    offered = analyser.faults()
    if not offered:
        raise errors.NoSuchDefect(
            f"the card is a release build, which has no seeded defects, so not {name}",
            "card",
            "A virtual bench's card is a test build with test_build = true in [virtual]",
        )
    if name not in offered:
        raise errors.NoSuchDefect(f"it has no seeded defect {name!r}; there are {', '.join(offered)}", "card")


def seed(analyser: Any, name: str) -> None:
    """Make the card a bad one; read back. Raises NoSuchDefect, AnalyserNotAsSet."""
    refuse_unless_offered(analyser, name)
    analyser.set_fault(name)
    expect(analyser, name)


def expect(analyser: Any, name: str) -> None:
    """Raises AnalyserNotAsSet unless this defect is in force (empty: none is)."""
    found = analyser.fault() or ""
    if found != name:
        raise errors.AnalyserNotAsSet(
            f"the card's seeded defect is {found or 'none'}, this run's is {name or 'none'}",
            "card",
            "Did its power fail, or did another program set it?",
        )


def inventory(analyser: Any, wanted: str) -> dict[str, str]:
    """For the run's evidence."""
    return {"build": "test" if analyser.faults() else "release", "seeded defect": wanted or "none"}

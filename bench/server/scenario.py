# SPDX-License-Identifier: Apache-2.0
"""The scenarios: what a run does, by name. A run of each kind is a class of its own (panic.py, reset.py)."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any, Literal


@dataclass(frozen=True)
class Scenario:
    """What a run does. ``must_fail``: a negative control, which proves that the bench can see a bad card."""

    name: str
    title: str
    post_notifiers: bool
    must_fail: bool
    injection: str = "sysrq-c"
    kind: Literal["panic", "reset"] = "panic"
    reset: str = ""  #: of bench/server/resets.py; with kind "reset"
    way: Literal["", "up", "down"] = ""  #: of the messages while a reset comes; empty: both ways
    defect: str = ""  #: seeded into the card (rtl/faults.py); empty: a good card
    caught_by: tuple[str, ...] = ()  #: with a defect: the rules that must FAIL


def with_defect(scenario: Scenario, name: str, caught_by: Iterable[str] = ()) -> Scenario:
    """The scenario on a card with this seeded defect: it must fail, and by each of these rules."""
    return replace(
        scenario,
        title=f"{scenario.title}; seeded defect {name}",
        must_fail=True,
        defect=name,
        caught_by=tuple(caught_by),
    )


def _reset(name: str, title: str, **how: Any) -> Scenario:
    """A reset under traffic. Without ``injection`` nothing panics."""
    values = {"post_notifiers": False, "must_fail": False, "injection": "", "kind": "reset", **how}
    return Scenario(f"reset-{name}", title, **{"reset": name, **values})


def _resets() -> Iterator[Scenario]:
    yield _reset("doorbell-hard", "Hard reset by the doorbell, under traffic")
    yield _reset("doorbell-soft", "Soft reset by the doorbell, under traffic")
    yield _reset("ioctl", "Reset by the driver's ioctl, under traffic")
    yield _reset("flr", "Function Level Reset under traffic")
    yield _reset("bus", "Secondary bus reset under traffic")
    yield _reset("remove-rescan", "Removal of the device and rescan, under traffic")
    yield _reset("rebind", "Unbind and bind of the driver, under traffic")
    yield _reset("warm", "Warm reset of the server, under traffic")
    yield _reset("power-cycle", "Power cycle of the server, under traffic")
    ways: tuple[tuple[str, Literal["", "up", "down"]], ...] = (
        ("upload", "up"),
        ("download", "down"),
        ("both", ""),
    )
    for name, way in ways:
        panic: dict[str, Any] = {"way": way, "injection": "sysrq-c"}
        yield _reset(
            f"after-panic-{name}",
            f"Panic in mid-transfer ({name}), stock kdump; the crash kernel resets the card",
            reset="panic-stock",
            **panic,
        )
        yield _reset(
            f"after-panic-{name}-notified",
            f"Panic in mid-transfer ({name}), notifiers first; the crash kernel resets the card",
            reset="panic-notified",
            post_notifiers=True,
            **panic,
        )


SCENARIOS = {
    scenario.name: scenario
    for scenario in (
        Scenario(
            "panic-stock",
            "Panic with stock kdump: no panic notifier runs, nobody tells the card",
            post_notifiers=False,
            must_fail=True,
        ),
        Scenario(
            "panic-post-notifiers",
            "Panic with crash_kexec_post_notifiers=1: the driver's notifier rings the card's doorbell first",
            post_notifiers=True,
            must_fail=False,
        ),
        *_resets(),
    )
}

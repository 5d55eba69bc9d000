# SPDX-License-Identifier: Apache-2.0
"""The scenarios: what a run does, by name. A run of each kind is a class of its own (panic.py, reset.py)."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Scenario:
    """What a run does. ``must_fail``: a negative control, which proves that the bench can see a bad card."""

    name: str
    title: str
    post_notifiers: bool
    must_fail: bool
    injection: str = "sysrq-c"
    kind: Literal["panic"] = "panic"


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
    )
}

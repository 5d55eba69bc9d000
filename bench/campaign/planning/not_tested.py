# SPDX-License-Identifier: Apache-2.0
"""What a plan leaves out, in sentences for the report's front page."""

from collections import Counter

from vkbench.evidence.campaign import Configuration, Requirement
from vkbench.server.injections import INJECTIONS
from vkbench.server.scenario import SCENARIOS
from vkbench.verdict.catalogue import RULES


def derived(configurations: list[Configuration], requirements: list[Requirement]) -> list[str]:
    """What follows from the plan itself."""
    candidates = [one for one in configurations if one.role == "candidate"]
    found = [*_injections(candidates), *_resets(candidates)]
    shown = {rule for one in requirements for rule in one.rules}
    if missing := [rule for rule in RULES if rule not in shown]:
        found.append(f"Rules of the verdict that are no requirement of this plan: {', '.join(missing)}.")
    if elsewhere := [one.id for one in requirements if not one.rules]:
        families = Counter(one.rpartition("-")[0] for one in elsewhere)
        named = ", ".join(f"{family} ({count})" for family, count in families.items())
        found.append(
            f"Requirements that no cycle shows, {len(elsewhere)} of {len(requirements)}; other tests do where the matrix "
            f"names some: {named}."
        )
    if not any(one.defect for one in configurations):
        found.append("Cards with seeded defects: the controls are panics that leave a good card writing.")
    if not any("iommu" in one.where for one in configurations):
        found.append("With and without an IOMMU, each on purpose: the plan asks for neither.")
    return found


def _injections(candidates: list[Configuration]) -> list[str]:
    found = []
    for setting, name in (("1", "panic-post-notifiers"), ("0", "panic-stock")):
        scenario = SCENARIOS[name]
        taken = {one.injection or scenario.injection for one in candidates if one.scenario == name}
        possible = [
            row.name
            for row in INJECTIONS.values()
            if scenario.post_notifiers or not (row.stock.jump and not row.stock.doorbell)
        ]
        if missing := [one for one in possible if one not in taken]:
            found.append(
                f"Panics with crash_kexec_post_notifiers={setting} that a good card passes: by {', '.join(missing)}."
            )
    return found


def _resets(candidates: list[Configuration]) -> list[str]:
    names = [one.name for one in SCENARIOS.values() if one.kind == "reset"]
    missing = [name for name in names if name not in {one.scenario for one in candidates}]
    if not missing:
        return []
    return ["Any reset." if len(missing) == len(names) else f"Resets by {', '.join(missing)}."]

# SPDX-License-Identifier: Apache-2.0
"""One combination of a [[configuration]]'s lists: what it is called."""

import itertools
import re
from collections.abc import Iterator
from dataclasses import dataclass

from vkbench.campaign.planning.planfile import ConfigurationTable
from vkbench.server.scenario import SCENARIOS, Scenario


@dataclass(frozen=True)
class Way:
    """One combination of a [[configuration]]'s lists."""

    scenario: Scenario
    injection: str
    defect: str
    where: dict[str, str]


def products(where: dict[str, list[str]]) -> Iterator[dict[str, str]]:
    """Every combination of the patterns."""
    for patterns in itertools.product(*where.values()):
        yield dict(zip(where, patterns, strict=True))


def described(scenario: Scenario) -> str:
    """The scenario with its injection, for a message."""
    usual = SCENARIOS[scenario.name].injection
    return scenario.name if scenario.injection == usual else f"{scenario.name} by {scenario.injection}"


def name_of(row: ConfigurationTable, way: Way) -> str:
    """The row's name and what differs in its lists; without a name, what it does."""
    several = [fact for fact, patterns in row.where.items() if len(patterns) > 1]
    parts = [row.name or way.scenario.name]
    if row.name and len(row.scenario) > 1:
        parts.append(way.scenario.name)
    if way.injection and (not row.name or len(row.injection or []) > 1):
        parts.append(way.injection)
    if way.defect and (not row.name or len(row.defects or {}) > 1):
        parts.append(way.defect)
    parts += [re.sub(r"[^A-Za-z0-9_.+-]+", "", way.where[fact]) for fact in several]
    return ".".join(filter(None, parts))


def title_of(row: ConfigurationTable, way: Way) -> str:
    """The row's title, else the scenario's, and what differs."""
    text = row.title or way.scenario.title
    several = [fact for fact, patterns in row.where.items() if len(patterns) > 1]
    details = [f"by {way.injection}"] if row.title and len(row.injection or []) > 1 else []
    details += [f"seeded defect {way.defect}"] if way.defect else []
    details += [f"{fact} {way.where[fact]}" for fact in several]
    return "; ".join([text, *details])

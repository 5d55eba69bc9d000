# SPDX-License-Identifier: Apache-2.0
"""What a plan file may hold. The descriptions here are also the reference in docs/plans.md."""

import difflib
import re
from collections.abc import Iterable
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

from vkbench.evidence.campaign import Goal, Health
from vkbench.server.injections import INJECTIONS
from vkbench.server.scenario import SCENARIOS
from vkbench.verdict.catalogue import RULES

#: Of a campaign and of its configurations; it comes into paths and reports.
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.+-]{0,79}")
DEFECT = re.compile(r"[A-Z][A-Z0-9_]{0,11}")

#: What a run's evidence tells of bench, server and card (campaign/records/facts.py), for ``where``.
FACTS = (
    "arch",
    "provider",
    "bench_file",
    "kernel",
    "distribution",
    "machine",
    "iommu",
    "iommu_domain",
    "driver",
    "card",
    "card_build",
    "defect",
    "firmware",
)


def _one_of(names: Iterable[str]) -> AfterValidator:
    allowed = list(names)

    def check(value: str) -> str:
        if value not in allowed:
            near = difflib.get_close_matches(value, allowed, 1)
            guess = f" (did you mean {near[0]}?)" if near else ""
            raise ValueError(f"must be one of {', '.join(allowed)}{guess}")
        return value

    return AfterValidator(check)


def _formed(pattern: re.Pattern[str], how: str) -> AfterValidator:
    def check(value: str) -> str:
        if not pattern.fullmatch(value):
            raise ValueError(how)
        return value

    return AfterValidator(check)


def _several(value: Any) -> Any:
    """A single text stands for a list of one."""
    return [value] if isinstance(value, str) else value


Text = Annotated[str, Field(min_length=1)]
Name = Annotated[
    str, _formed(NAME, "must begin with a letter or digit and go on with those and _ . + -, at most 80")
]
RuleId = Annotated[str, _one_of(RULES)]
ScenarioName = Annotated[str, _one_of(SCENARIOS)]
InjectionName = Annotated[str, _one_of(INJECTIONS)]
Fact = Annotated[str, _one_of(FACTS)]
DefectName = Annotated[
    str, _formed(DEFECT, "must be a seeded defect's name: capitals, digits and _, at most 12")
]
Patterns = Annotated[list[Text], BeforeValidator(_several), Field(min_length=1)]


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False, frozen=True)


class GoalTable(_Table, Goal):
    """What a configuration must show. From it comes n, when that is left out."""

    reliability: float = Field(gt=0, lt=1, description="at least this share of all cycles passes …")
    confidence: float = Field(gt=0, lt=1, description="… with this confidence")


class HealthTable(_Table, Health):
    """How often a bench is looked at between two cycles."""

    every: int = Field(10, ge=1, description="after so many cycles; also after each that did not end well")
    give_up_after: int = Field(
        3, ge=1, description="looks in a row that found it sick, then it is taken off line"
    )


class RequirementTable(_Table):
    """A requirement. One of the verdict's rules (docs/rules.md, docs/resets.md) by its id; or your own, with text and rules."""

    id: Text = Field(description="id of a rule of the verdict, or of your own")
    text: Text | None = Field(
        None, description="your own: what is required. A rule of the verdict brings its text"
    )
    source: str = Field("", description="your own: where it comes from")
    rules: list[RuleId] | None = Field(
        None, description="your own: the rules that show it, all of them. `[]`: no cycle can show it"
    )


class ConfigurationTable(_Table):
    """A way to run a cycle; a list makes one configuration of each combination. Its runs must pass; those of a *control*
    must fail, and do not count for any requirement: a panic that leaves the card writing (stock kdump), or a seeded defect.
    """

    name: Name | None = Field(
        None, description="left out: made of what it does. With a list in it, what differs is added"
    )
    title: Text | None = Field(None, description="left out: the scenario's")
    scenario: Annotated[list[ScenarioName], BeforeValidator(_several), Field(min_length=1)] = Field(
        description="one or a list; `vkbench run --list` names all"
    )
    injection: Annotated[list[InjectionName], BeforeValidator(_several), Field(min_length=1)] | None = Field(
        None,
        description="how the server is made to panic, one or a list (docs/injections.md); for panic scenarios",
    )
    defects: dict[DefectName, Annotated[list[RuleId], Field(min_length=1)]] | None = Field(
        None,
        description="`[configuration.defects]`: seeded defect = the rules that must catch it; needs test builds of the card",
    )
    caught_by: Annotated[list[RuleId], Field(min_length=1)] | None = Field(
        None, description="of a control without defects: the rules that must fail"
    )
    n: int | None = Field(None, ge=1, description="cycles, of each configuration")
    goal: GoalTable | None = Field(None, description="instead of n, or what n must be enough for")
    allowed_failures: int = Field(0, ge=0, description="so many of the n may fail")
    allowed_inconclusive: int = Field(0, ge=0, description="so many of the n may be without a result")
    requirements: list[Text] | None = Field(
        None, description="ids of what its cycles show. Left out: all that its runs judge"
    )
    needs: list[Text] = Field(
        default_factory=list,
        description="what the bench must have, in words of the list below",
    )
    where: dict[Fact, Patterns] = Field(
        default_factory=dict,
        description="fact = pattern that a run's evidence must match (`*` and `?` as in file names); a list: one "
        "configuration each",
    )


class PlanFile(_Table):
    """The campaign."""

    name: Name = Field(description="of the campaign")
    title: Text = Field(description="one line, for the report's front page")
    purpose: str = Field("", description="what it is to show, and for whom")
    seed: int = Field(
        ge=0, lt=2**63, description="the order of cycles follows from it; any number, once and for all"
    )
    confidence: float = Field(0.95, gt=0, lt=1, description="of every bound in the report")
    coverage: float = Field(0.99, gt=0, lt=1, description="share of all cycles that a tolerance bound covers")
    stop_on_failure: bool = Field(
        False, description="stop when a cycle that must pass fails; else every cycle is made"
    )
    repeats: int = Field(
        2,
        ge=0,
        description="how often a cycle is tried again when the bench itself failed; all tries are kept",
    )
    rules: list[RuleId] = Field(
        default_factory=list, description="rules of the verdict that are requirements as they are"
    )
    catalogue: Text | None = Field(
        None,
        description="folder of requirements (`*.toml`, docs/test-plan.md), from this file on: those that no cycle shows are "
        "listed with the tests that do",
    )
    not_tested: list[Text] = Field(
        default_factory=list,
        description="sentences for the front page, beside those that follow from the plan",
    )
    health: HealthTable = Field(default_factory=HealthTable, description="looks at the bench between cycles")
    requirement: list[RequirementTable] = Field(default_factory=list, description="requirements")
    configuration: list[ConfigurationTable] = Field(min_length=1, description="what is run")


class CatalogueRow(_Table):
    """A requirement of a catalogue."""

    id: Text = Field(description="its id")
    text: Text = Field(description="what is required")
    source: str = Field(description="where it comes from")
    points: list[Text] = Field(description="tests that show it")


class CatalogueFile(_Table):
    """A file of a catalogue."""

    requirement: list[CatalogueRow] = Field(min_length=1, description="requirements")

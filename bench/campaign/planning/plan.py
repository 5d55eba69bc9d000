# SPDX-License-Identifier: Apache-2.0
"""Reads a plan (docs/plans.md) into the configurations that a campaign runs. Every mistake is named with its line."""

import hashlib
import math
from fnmatch import fnmatchcase
from pathlib import Path

from pydantic import ValidationError

from vkbench import errors
from vkbench.campaign.planning import resolve
from vkbench.config import toml_file
from vkbench.config.lines import key_lines
from vkbench.errors import PlanError
from vkbench.evidence.campaign import PLAN_JSON, PLAN_TOML, Configuration, Plan, Requirement
from vkbench.server.injections import with_injection
from vkbench.server.scenario import SCENARIOS, Scenario, with_defect

READY_MADE = Path(__file__).resolve().parents[1] / "plans"
_HINT = "docs/plans.md describes every key."


def ready_made() -> dict[str, Path]:
    """The plans that come with vkbench, by name."""
    return {path.stem: path for path in sorted(READY_MADE.glob("*.toml"))}


def find(name_or_path: str | Path) -> Path:
    """A plan's file: a ready-made one by name, else a path. Raises UserError."""
    named = ready_made().get(str(name_or_path))
    path = Path(name_or_path)
    if named is None and not path.is_file():
        raise errors.UserError(
            "there is no such plan", str(path), f"Name a file, or one of: {', '.join(ready_made())}"
        )
    return named or path


def load(path: Path | str) -> Plan:
    """Read and check a plan. Raises PlanError with all its mistakes."""
    path = Path(path)
    try:
        data = path.read_bytes()
    except OSError as error:
        raise PlanError([f"{path}: cannot be read: {error.strerror}"]) from None
    return parse(data, path)


def parse(data: bytes, path: Path) -> Plan:
    """Check a plan's bytes; ``path`` is for messages and for relative paths in it."""
    text, table = toml_file.read(data, path, PlanError)
    sha256 = hashlib.sha256(data).hexdigest()
    reading = resolve.Reading(path, key_lines(text), _registered(path, sha256))
    plan = reading.plan(table, sha256)
    if plan is None or reading.problems:
        raise PlanError(sorted(reading.problems, key=lambda text: _line_in(text, path)), _HINT)
    return plan


def _line_in(problem: str, path: Path) -> float:
    """The line that a problem names: 0 for the plan as a whole, after all others for another file's."""
    if not problem.startswith(f"{path}:"):
        return math.inf
    number = problem.removeprefix(f"{path}:").partition(":")[0]
    return int(number) if number.isdigit() else 0


def _registered(path: Path, sha256: str) -> list[Requirement]:
    """The requirements of this very plan as a campaign registered them, when it lies in that campaign's directory."""
    beside = path.parent / PLAN_JSON
    if path.name != PLAN_TOML or not beside.is_file():
        return []
    try:
        stored = Plan.model_validate_json(beside.read_bytes())
    except (OSError, ValidationError):
        return []
    return stored.requirements if stored.sha256 == sha256 else []


def scenario_of(configuration: Configuration, arch: str) -> Scenario:
    """What a run of this configuration does on a server of this architecture. Raises UserError when it cannot."""
    scenario = SCENARIOS[configuration.scenario]
    if configuration.injection:
        scenario = with_injection(scenario, configuration.injection, arch)
    if configuration.defect:
        scenario = with_defect(scenario, configuration.defect, configuration.caught_by)
    return scenario


def not_as_planned(configuration: Configuration, facts: dict[str, str]) -> list[str]:
    """How the evidence differs from ``where``, one sentence each; empty: it is as planned."""
    wrong = []
    for fact, pattern in configuration.where.items():
        if fact not in facts:
            wrong.append(f"the evidence does not tell {fact}, which must be {pattern!r}")
        elif not fnmatchcase(facts[fact], pattern):
            wrong.append(f"{fact} is {facts[fact]!r}, planned {pattern!r}")
    return wrong

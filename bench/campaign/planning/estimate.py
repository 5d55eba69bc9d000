# SPDX-License-Identifier: Apache-2.0
"""How long a plan takes and how much disk its evidence needs: from what each step usually takes, or from earlier runs."""

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache
from pathlib import Path
from statistics import median

from vkbench.campaign.planning.order import slots
from vkbench.evidence.campaign import Configuration, Plan
from vkbench.evidence.files import MANIFEST, RUN_JSON
from vkbench.server.injections import injection_of
from vkbench.server.scenario import SCENARIOS
from vkbench.server.steps import TYPICAL_S

#: Steps of a panic run that a reset run has not, and the other way round.
_PANIC_ONLY = ("arm kdump", "panic into crash kernel", "read memory")
_RESET_S = {
    "baseline": 1.7,
    "transfer before": 0.9,
    "start messages": 0.7,
    "reset": 0.5,
    "state after reset": 1.4,
    "probe again": 4.0,
    "transfer after": 0.5,
}
#: A crash kernel that is not entered: so long the bench looks on.
_LOOK_ON_S = injection_of("no-image").settle_s
_LOOK_S = 1.0  #: a look at the bench between two cycles
#: Evidence of a run on disk, MB: median on the virtual bench.
_TYPICAL_MB = {"panic": 0.5, "control": 1.1, "reset": 2.2}
TYPICAL = "typical steps"


@dataclass(frozen=True)
class Earlier:
    """One earlier run: how it was made, seconds, bytes."""

    scenario: str
    injection: str
    seconds: float
    size: int


@dataclass(frozen=True)
class Cost:
    """What one cycle of a configuration takes; ``basis``: how that is known."""

    seconds: float
    size: float
    basis: str


@dataclass
class Estimate:
    """The whole campaign. ``busy_s``: of each bench; ``impossible``: configurations that no bench can do."""

    cycles: int = 0
    elapsed_s: float = 0.0
    size: float = 0.0
    costs: dict[str, Cost] = field(default_factory=dict)
    busy_s: dict[str, float] = field(default_factory=dict)
    impossible: list[str] = field(default_factory=list)


def earlier_runs(folders: Iterable[Path]) -> list[Earlier]:
    """Complete runs in these folders, at any depth; what is no run is passed over."""
    paths = sorted({path.parent for folder in folders for path in folder.rglob(RUN_JSON)})
    return [run for path in paths if (run := _earlier(path)) is not None]


def _earlier(path: Path) -> Earlier | None:
    try:
        record = json.loads((path / RUN_JSON).read_bytes())
        if record["status"] != "complete" or not (path / MANIFEST).is_file():
            return None
        began, ended = (datetime.fromisoformat(record[key]) for key in ("started_utc", "finished_utc"))
        seconds = (ended - began).total_seconds()
        size = sum(file.stat().st_size for file in path.iterdir() if file.is_file())
        return Earlier(record["scenario"], record["config"]["injection"], seconds, size)
    except (OSError, ValueError, KeyError, TypeError):
        return None


def cost(configuration: Configuration, earlier: list[Earlier]) -> Cost:
    """From runs of the same scenario and injection, else from runs of the same kind, else from the typical steps."""
    injection = configuration.injection or SCENARIOS[configuration.scenario].injection
    same = [one for one in earlier if (one.scenario, one.injection) == (configuration.scenario, injection)]
    kind = _kind(configuration.scenario, injection)
    like = [one for one in earlier if one.scenario in SCENARIOS and _kind_of(one) == kind]
    for runs, what in ((same, "the same"), (like, "the same kind")):
        if runs:
            seconds, size = median(run.seconds for run in runs), median(run.size for run in runs)
            return Cost(seconds, size, f"{len(runs)} runs of {what}" if len(runs) > 1 else f"1 run of {what}")
    scenario = SCENARIOS[configuration.scenario]
    weight = "control" if configuration.role == "control" and scenario.kind == "panic" else scenario.kind
    return Cost(_typical_s(kind), _TYPICAL_MB[weight] * 1e6, TYPICAL)


def _kind_of(run: Earlier) -> tuple[str, ...]:
    return _kind(run.scenario, run.injection)


@cache
def _kind(scenario: str, injection: str) -> tuple[str, ...]:
    """Runs of a kind take about as long: what happens to the server is the same."""
    one = SCENARIOS[scenario]
    if one.kind == "reset":
        boots = one.reset in ("warm", "power-cycle")
        return ("reset", "boots" if boots else "panics" if injection else "stays up")
    try:
        jumps = injection_of(injection).expectation(one.post_notifiers).jump
    except Exception:  # an injection of an earlier version
        jumps = True
    return ("panic", "crash kernel" if jumps else "no crash kernel")


def _typical_s(kind: tuple[str, ...]) -> float:
    panic = sum(TYPICAL_S.values())
    if kind[0] == "panic":
        return (
            panic
            if kind[1] == "crash kernel"
            else panic
            - sum(TYPICAL_S[step] for step in ("panic into crash kernel", "read memory"))
            + _LOOK_ON_S
        )
    seconds = panic - sum(TYPICAL_S[step] for step in _PANIC_ONLY) + sum(_RESET_S.values())
    if kind[1] == "boots":
        seconds += TYPICAL_S["power on to shell"]
    if kind[1] == "panics":
        seconds += TYPICAL_S["arm kdump"] + TYPICAL_S["panic into crash kernel"]
    return seconds


def estimate(
    plan: Plan, benches: Mapping[str, Callable[[Configuration], bool]], earlier: list[Earlier] | None = None
) -> Estimate:
    """Cycles go to the first bench that is free and can do them, in the plan's order. ``benches``: name -> can it?"""
    found = Estimate(busy_s=dict.fromkeys(benches, 0.0))
    able: dict[str, list[str]] = {}
    for configuration in plan.configurations:
        found.costs[configuration.name] = cost(configuration, earlier or [])
        able[configuration.name] = [name for name, can in benches.items() if can(configuration)]
        if not able[configuration.name]:
            found.impossible.append(configuration.name)
    look = _LOOK_S / plan.health.every
    for slot in slots(plan):
        if not able[slot.configuration]:
            continue
        one = found.costs[slot.configuration]
        bench = min(able[slot.configuration], key=lambda name: found.busy_s[name])
        found.busy_s[bench] += one.seconds + look
        found.cycles += 1
        found.size += one.size
    found.elapsed_s = max(found.busy_s.values(), default=0.0)
    return found

# SPDX-License-Identifier: Apache-2.0
"""``vkbench plan``: what a campaign's plan would do, and how long it would take."""

import shutil
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from vkbench import errors
from vkbench.campaign.conduct.work import Able
from vkbench.campaign.conduct.worker import SEEDED_DEFECTS
from vkbench.campaign.figures.statistics import needed_cycles
from vkbench.campaign.planning import estimate as estimates
from vkbench.campaign.planning import order
from vkbench.campaign.planning import plan as plans
from vkbench.cli import common
from vkbench.config import BenchFile
from vkbench.evidence.campaign import Configuration, Plan

app = typer.Typer(help="Plans of campaigns: what they would do, and how long.", no_args_is_help=True)
PlanArgument = Annotated[
    str, typer.Argument(metavar="PLAN", help="plan file (TOML), or a ready-made plan's name")
]
BenchesOption = Annotated[
    list[Path] | None,
    typer.Option("--bench", help="bench file (TOML), once for each bench", show_default=False),
]


@app.command("list")
@common.command
def list_plans(as_json: common.JsonOption = False) -> None:
    """The ready-made plans."""
    found = {name: plans.load(path) for name, path in plans.ready_made().items()}
    rows = [
        {
            "name": name,
            "title": one.title,
            "cycles": sum(c.n for c in one.configurations),
            "purpose": one.purpose,
        }
        for name, one in found.items()
    ]
    if as_json:
        common.print_json(rows)
        return
    for row in rows:
        common.out().print(f"{row['name']:<10}{row['cycles']:>5} cycles  {row['title']}", markup=False)


@app.command()
@common.command
def show(plan: PlanArgument) -> None:
    """The plan's text, to begin one of your own: `vkbench plan show vk-card > mine.toml`."""
    typer.echo(plans.find(plan).read_text(encoding="utf-8"), nl=False)


@app.command()
@common.command
def check(plan: PlanArgument, bench: BenchesOption = None, as_json: common.JsonOption = False) -> None:
    """Check a plan and say what it would do. Exit code 3 when it has a mistake, or a bench it could not run on at all."""
    checked = plans.load(plans.find(plan))
    files = [common.bench_file(path) for path in bench or []]
    lacking = _all_lacks(checked, files)
    nowhere = [name for name, by_bench in lacking.items() if files and all(by_bench.values())]
    if as_json:
        common.print_json(_checked(checked, lacking, nowhere))
    else:
        _show_check(checked, files, lacking)
    if nowhere:
        common.say(f"no bench can do {len(nowhere)} of {len(checked.configurations)} configurations")
        raise typer.Exit(errors.EXIT_USER)


def _checked(plan: Plan, lacking: dict[str, dict[str, str]], nowhere: list[str]) -> dict[str, Any]:
    cycles = {
        role: sum(c.n for c in plan.configurations if c.role == role) for role in ("candidate", "control")
    }
    return {
        "plan": plan.model_dump(mode="json", by_alias=True),
        "cycles": sum(cycles.values()),
        "by_role": cycles,
        "blocks": order.blocks(plan),
        "shown_by": _shown_by(plan),
        "lacking": lacking,
        "no_bench_can_do": nowhere,
    }


def _shown_by(plan: Plan) -> dict[str, list[str]]:
    """Requirement -> configurations whose cycles must pass and show it."""
    return {
        requirement.id: [
            one.name
            for one in plan.configurations
            if one.role == "candidate" and requirement.id in one.requirements
        ]
        for requirement in plan.requirements
    }


def _all_lacks(plan: Plan, files: list[BenchFile]) -> dict[str, dict[str, str]]:
    """Configuration -> bench -> why it cannot do it, by their files; empty when it can, or when only its card, which is
    asked when the campaign begins, or its runs could tell.
    """
    release = any(file.virtual is not None and not file.virtual.test_build for file in files)

    def lacks(file: BenchFile, one: Configuration) -> str:
        either = file.virtual is None
        offers = frozenset({SEEDED_DEFECTS} if either or file.virtual.test_build else ())
        return Able(file, offers).lacks(one, release and not either)

    return {one.name: {file.name: lacks(file, one) for file in files} for one in plan.configurations}


def _show_check(plan: Plan, files: list[BenchFile], lacking: dict[str, dict[str, str]]) -> None:
    console = common.out()
    console.print(f"{plan.name}: {plan.title}", markup=False, soft_wrap=True)
    if plan.purpose:
        console.print(plan.purpose, markup=False)
    rows = [("configuration", "cycles", "must", *(["benches"] if files else []))]
    for one in plan.configurations:
        wanted = "".join(f"; {fact} {pattern}" for fact, pattern in one.where.items())
        must = f"fail {_ids(one.caught_by)}" if one.role == "control" else f"pass {_ids(one.requirements)}"
        able = [file.name for file in files if not lacking[one.name][file.name]]
        rows.append((one.name, f"{one.n}", must + wanted, *([", ".join(able) or "none"] if files else [])))
    _print_rows(rows)
    for line in _goals(plan):
        console.print(line, markup=False)
    for line in _lacking(files, lacking):
        console.print(line, markup=False)
    controls = sum(one.n for one in plan.configurations if one.role == "control")
    cycles = sum(one.n for one in plan.configurations)
    console.print(
        f"{cycles} cycles in {order.blocks(plan)} randomised blocks, seed {plan.seed}; {controls} of them controls, "
        f"which must fail.\nConfidence {plan.confidence:g}. A cycle whose bench fails is tried up to {plan.repeats} "
        f"times more. Each bench is looked at every {plan.health.every} cycles.",
        markup=False,
    )
    shown = _shown_by(plan)
    tested = [requirement for requirement in plan.requirements if requirement.rules]
    console.print(f"{len(tested)} requirements that its cycles show, of {len(shown)} in all.", markup=False)
    if plan.not_tested:
        console.print("Not tested:", markup=False)
    for line in plan.not_tested:
        console.print(f"  - {line}", markup=False)


def _print_rows(rows: Sequence[Sequence[str]]) -> None:
    """Columns without borders, as wide as their text: they can be long, and a terminal may wrap them."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        cells = [
            cell.rjust(width) if number and cell[:1].isdigit() else cell.ljust(width)
            for number, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        common.out().print("  ".join(cells).rstrip(), markup=False, soft_wrap=True)


def _goals(plan: Plan) -> Iterator[str]:
    for one in plan.configurations:
        if one.goal is not None:
            yield (
                f"{one.name}: {one.n} cycles with at most {one.allowed_failures} failed show that at least "
                f"{one.goal.reliability:.4g} of all pass, at {one.goal.confidence:g} confidence "
                f"({needed_cycles(one.goal.reliability, one.goal.confidence, one.allowed_failures)} would do)."
            )


def _lacking(files: list[BenchFile], lacking: dict[str, dict[str, str]]) -> Iterator[str]:
    for file in files:
        reasons = Counter(by_bench[file.name] for by_bench in lacking.values())
        for reason, count in reasons.items():
            if reason:
                yield f"{file.name} lacks {reason}: {count} configurations."


def _ids(ids: list[str]) -> str:
    """Rules in few words: RESET-001 to 009, HALT-001."""
    runs: list[list[str]] = []
    for one in (full.removeprefix("VKB-") for full in ids):
        stem, _, number = one.rpartition("-")
        before, _, last = runs[-1][-1].rpartition("-") if runs else ("", "", "")
        if stem == before and number.isdigit() and last.isdigit() and int(last) + 1 == int(number):
            runs[-1].append(one)
        else:
            runs.append([one])
    return ", ".join(
        f"{run[0]} to {run[-1].rpartition('-')[2]}" if len(run) > 2 else ", ".join(run) for run in runs
    )


@app.command()
@common.command
def estimate(
    plan: PlanArgument,
    bench: BenchesOption = None,
    benches: Annotated[int, typer.Option("--benches", min=1, help="how many alike, without --bench")] = 1,
    earlier: Annotated[
        list[Path] | None,
        typer.Option(
            "--from", help="folder of an earlier campaign or of runs, for measured times", show_default=False
        ),
    ] = None,
    out: Annotated[Path, typer.Option("--out", help="where the evidence would go")] = Path(),
    as_json: common.JsonOption = False,
) -> None:
    """How long a plan takes and how much disk it needs. Without --from from typical steps of the virtual bench."""
    checked = plans.load(plans.find(plan))
    for folder in earlier or []:
        if not folder.is_dir():
            raise errors.UserError("is no folder", str(folder), "Name a campaign's, or one with runs in it")
    runs = estimates.earlier_runs(earlier or [])
    if earlier and not runs:
        raise errors.UserError("has no complete run in it", ", ".join(map(str, earlier)))
    able = {f"bench {number}": _anything for number in range(1, benches + 1)}
    if bench:
        lacking = _all_lacks(checked, [common.bench_file(path) for path in bench])
        names = next(iter(lacking.values()))
        able = {name: lambda one, name=name: not lacking[one.name][name] for name in names}
    found = estimates.estimate(checked, able, runs)
    free = shutil.disk_usage(_existing(out)).free
    if as_json:
        common.print_json(_estimated(checked, found, free))
    else:
        _show_estimate(checked, found, free)


def _anything(_: Configuration) -> bool:
    return True


def _existing(path: Path) -> Path:
    path = path.absolute()
    return next(one for one in (path, *path.parents) if one.exists())


def _estimated(plan: Plan, found: estimates.Estimate, free: int) -> dict[str, Any]:
    return {
        "plan": plan.name,
        "cycles": found.cycles,
        "elapsed_s": round(found.elapsed_s, 1),
        "busy_s": {name: round(value, 1) for name, value in found.busy_s.items()},
        "evidence_bytes": round(found.size),
        "free_bytes": free,
        "no_bench_can_do": found.impossible,
        "configurations": {
            name: {"cycle_s": round(one.seconds, 1), "cycle_bytes": round(one.size), "basis": one.basis}
            for name, one in found.costs.items()
        },
    }


def _show_estimate(plan: Plan, found: estimates.Estimate, free: int) -> None:
    console = common.out()
    rows = [("configuration", "cycles", "each", "all", "from")]
    for one in plan.configurations:
        each = found.costs[one.name]
        rows.append((one.name, f"{one.n}", f"{each.seconds:.0f} s", span(each.seconds * one.n), each.basis))
    _print_rows(rows)
    benches = f"{len(found.busy_s)} benches" if len(found.busy_s) > 1 else "one bench"
    console.print(f"{found.cycles} cycles on {benches}: about {span(found.elapsed_s)}.", markup=False)
    if len(found.busy_s) > 1:
        for name, busy in found.busy_s.items():
            console.print(f"  {name}: {span(busy)}", markup=False)
    room = "" if found.size < 0.9 * free else ": not enough"
    console.print(
        f"Evidence: about {found.size / 1e6:.0f} MB; {free / 1e9:.1f} GB are free{room}.", markup=False
    )
    if found.impossible:
        common.say(f"no bench can do: {', '.join(found.impossible)}")


def span(seconds: float) -> str:
    """A duration for people."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    if seconds < 5400:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h" if seconds < 172800 else f"{seconds / 86400:.1f} days"

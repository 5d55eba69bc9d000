# SPDX-License-Identifier: Apache-2.0
"""``vkbench run`` and ``vkbench demo``: make runs on a bench."""

from pathlib import Path
from typing import Annotated, Any

import typer

from vkbench import errors, interrupts
from vkbench.cli import common
from vkbench.cli.progress import run_progress
from vkbench.config import BenchFile
from vkbench.instruments import lock, open_analyser
from vkbench.report import write_report
from vkbench.server.defects import refuse_unless_offered
from vkbench.server.injections import DEFAULT, INJECTIONS, with_injection
from vkbench.server.record import Surroundings
from vkbench.server.run import run as execute
from vkbench.server.scenario import SCENARIOS, Scenario, with_defect
from vkbench.verdict import Verdict, verify

DEMO = ("panic-stock", "panic-post-notifiers")


def make_run(bench: BenchFile, scenario: Scenario, out: Path) -> Verdict:
    """One run with its progress shown."""
    provider = common.provider_of(bench)
    surroundings = Surroundings()
    if provider is not None:
        surroundings = Surroundings({"virtual_bench": provider.inventory()}, list(provider.notes))
    with run_progress(scenario.name) as reporter:
        return execute(bench, scenario, out, surroundings, reporter)


def _scenario(name: str) -> Scenario:
    if name not in SCENARIOS:
        raise errors.UserError(f"unknown scenario {name!r}; allowed: {', '.join(SCENARIOS)}")
    return SCENARIOS[name]


def _list(wanted: bool) -> None:
    """The scenarios and the injections, by name."""
    if not wanted:
        return
    console = common.out()
    names = {
        "scenarios": {one.name: one.title for one in SCENARIOS.values()},
        "injections, by --injection NAME with a panic scenario": {
            row.name: row.what for row in INJECTIONS.values()
        },
    }
    for title, rows in names.items():
        console.print(f"{title}:", markup=False)
        for name, what in rows.items():
            console.print(f"  {name:<21}{what}", markup=False, highlight=False, soft_wrap=True)
    raise typer.Exit(errors.EXIT_DONE)


@common.command
def run(
    scenario: Annotated[str, typer.Argument(help=f"one of: {', '.join(SCENARIOS)}")],
    bench: common.BenchOption,
    out: Annotated[Path, typer.Option("--out", help="new folder for the evidence", show_default=False)],
    injection: Annotated[
        str, typer.Option("--injection", help="how the server is made to panic; --list names all")
    ] = DEFAULT,
    defect: Annotated[
        str, typer.Option("--defect", help="seeded into the card, which must be a test build (rtl/faults.py)")
    ] = "",
    lab: Annotated[
        bool, typer.Option("--lab", help="bring the virtual bench up first, and down again if it was down")
    ] = False,
    listed: Annotated[
        bool,
        typer.Option("--list", help="list scenarios and injections, and exit", is_eager=True, callback=_list),
    ] = False,
    bench_wait: common.WaitOption = common.WAIT_S,
    as_json: common.JsonOption = False,
) -> None:
    """Make one run: evidence and verdict in a new folder. Exit code 0 PASS, 1 FAIL, 2 INCONCLUSIVE."""
    chosen, file = _scenario(scenario), common.bench_file(bench)
    if injection != DEFAULT:
        chosen = with_injection(chosen, injection, file.server.arch)
    if defect:
        chosen = with_defect(chosen, defect)
    provider = common.need_provider(file) if lab else None
    with lock.taken(file, bench_wait, common.say):
        started = bool(provider and provider.up(lambda text: common.say(f"lab: {text}")))
        try:
            if defect:
                with open_analyser(file) as analyser:
                    refuse_unless_offered(analyser, defect)
            verdict = make_run(file, chosen, out)
        finally:
            if provider and started:
                with interrupts.held():
                    provider.down()
    if as_json:
        common.print_json({"run": str(out), **verdict.model_dump(mode="json", by_alias=True)})
    else:
        _show(out, chosen, verdict)
    raise typer.Exit(common.EXIT_OF_RESULT[verdict.overall])


def _show(out: Path, scenario: Scenario, verdict: Verdict) -> None:
    console = common.out()
    console.print(common.verdict_table(scenario.title, verdict))
    for rule in verdict.rules:
        console.print(f"  {rule.title}: {rule.reason}", markup=False)
    console.print(f"{scenario.name}: {common.overall_line(verdict)}")
    console.print(f"evidence: {out}", markup=False)


@common.command
def demo(
    out: Annotated[
        Path, typer.Option("--out", help="new folder for both runs and the report", show_default=False)
    ],
    bench: common.BenchOption = Path("fixtures/benches/virtual.toml"),
    bench_wait: common.WaitOption = common.WAIT_S,
    as_json: common.JsonOption = False,
) -> None:
    """Both panics on the virtual bench, judged, verified, reported. Exit code 0 only when both end as they must."""
    file = common.bench_file(bench)
    provider = common.need_provider(file)
    runs: list[tuple[Scenario, Path, Verdict]] = []
    with lock.taken(file, bench_wait, common.say):
        started = provider.up(lambda text: common.say(f"lab: {text}"))
        try:
            for name in DEMO:
                chosen = _scenario(name)
                runs.append((chosen, out / name, make_run(file, chosen, out / name)))
        finally:
            if started:
                with interrupts.held():
                    provider.down()
    problems = [problem for _, path, _ in runs for problem in _verified(path)]
    html = write_report([path for _, path, _ in runs], out / "report.html").absolute()
    good = not problems and all(verdict.as_expected for _, _, verdict in runs)
    if as_json:
        common.print_json(_demo_json(runs, problems, html, good))
    else:
        console = common.out()
        for chosen, _, verdict in runs:
            console.print(common.verdict_table(chosen.title, verdict))
            console.print(f"{chosen.name}: {common.overall_line(verdict)}\n")
        for problem in problems:
            console.print(f"verify: {problem}", markup=False)
        if not good:
            console.print("[bold red]The demo did not end as it must[/]; the report says why.")
        console.print(str(html), markup=False, soft_wrap=True)
    raise typer.Exit(errors.EXIT_DONE if good else errors.EXIT_FAIL)


def _verified(path: Path) -> list[str]:
    return [f"{path.name}: {difference}" for difference in verify(path).differences]


def _demo_json(runs: list[Any], problems: list[str], html: Path, good: bool) -> dict[str, Any]:
    return {
        "ok": good,
        "runs": [
            {"run": str(path), **verdict.model_dump(mode="json", by_alias=True)} for _, path, verdict in runs
        ],
        "verify": problems,
        "report": str(html),
    }

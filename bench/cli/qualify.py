# SPDX-License-Identifier: Apache-2.0
"""``vkbench qualify``: carry out a plan on one or several benches, and end it in a sealed report (docs/campaign.md)."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.markup import escape
from rich.table import Table

from vkbench import errors, interrupts
from vkbench.campaign.conduct import resume
from vkbench.campaign.conduct.conductor import (
    DONE,
    FAILURE,
    INTERRUPTED,
    OURS,
    Conductor,
    Ending,
)
from vkbench.campaign.conduct.work import Work
from vkbench.campaign.conduct.worker import Hooks
from vkbench.campaign.planning import order
from vkbench.campaign.planning import plan as plans
from vkbench.campaign.records.journal import Journal
from vkbench.campaign.records.view import CampaignView
from vkbench.cli import common
from vkbench.cli.qualify_screen import progress
from vkbench.config import BenchFile
from vkbench.evidence.campaign import (
    JOURNAL,
    JOURNAL_LINES,
    PLAN_JSON,
    REPORTS,
    ConfigurationSummary,
    Plan,
    Stopped,
    Summary,
)
from vkbench.instruments import lock
from vkbench.server.record import Surroundings

EXIT_OF_CONFORMITY = {
    "CONFORMS": errors.EXIT_DONE,
    "DOES NOT CONFORM": errors.EXIT_FAIL,
    "NOT SHOWN": errors.EXIT_INCONCLUSIVE,
}
STYLE = {"CONFORMS": "bold green", "DOES NOT CONFORM": "bold red", "NOT SHOWN": "bold yellow"}


# ---- what only the command line knows of a bench; run in the worker processes ----------------------------------------


@contextmanager
def hold(wait_s: float, bench: BenchFile, ours: bool, say: Callable[[str], None]) -> Iterator[None]:
    """The bench is this process's alone, and up."""
    provider = common.provider_of(bench)
    with lock.taken(bench, wait_s, say):
        started = bool(provider and provider.up(say))
        try:
            yield
        finally:
            if provider and (started or ours):
                with interrupts.held():
                    provider.down()


def is_up(bench: BenchFile) -> bool:
    """True when the bench's processes run, or it has none."""
    provider = common.provider_of(bench)
    return provider is None or bool(provider.status()["up"])


def quiet(bench: BenchFile) -> None:
    """Take down what a session brought up and, killed, left behind; what somebody else has by now stays."""
    provider = common.provider_of(bench)
    if provider is None or not provider.status()["up"]:
        return
    try:
        with lock.taken(bench, 0), interrupts.held():
            provider.down()
    except errors.BenchError as error:
        common.say(f"vkbench: bench {bench.name} stays up: {error}")
    else:
        common.say(f"vkbench: bench {bench.name}, which a session had left up, was taken down")


def mend(bench: BenchFile) -> bool:
    """Take a bench with a provider down and up."""
    provider = common.provider_of(bench)
    if provider is None:
        return False
    provider.down()
    provider.up()
    return True


def surroundings(bench: BenchFile) -> Surroundings:
    """What the provider knows of its bench."""
    provider = common.provider_of(bench)
    if provider is None:
        return Surroundings()
    return Surroundings({"virtual_bench": provider.inventory()}, list(provider.notes))


def hooks(wait_s: float) -> Hooks:
    """A worker's ways with its bench."""
    return Hooks(hold=partial(hold, wait_s), is_up=is_up, mend=mend, surroundings=surroundings)


# ---- the command -----------------------------------------------------------------------------------------------------


@common.command
def qualify(
    out: Annotated[
        Path,
        typer.Option("--out", help="the campaign's folder; a new one without --resume", show_default=False),
    ],
    plan: Annotated[
        str | None,
        typer.Argument(
            metavar="PLAN", help="plan file (TOML), or a ready-made plan's name", show_default=False
        ),
    ] = None,
    bench: Annotated[
        list[Path] | None,
        typer.Option("--bench", help="bench file (TOML), once for each bench", show_default=False),
    ] = None,
    go_on: Annotated[
        bool, typer.Option("--resume", help="go on with this campaign; plan and benches are known")
    ] = False,
    finish: Annotated[
        bool,
        typer.Option("--finish", help="with --resume: make no further cycle, conclude with what there is"),
    ] = False,
    jobs: Annotated[
        int | None, typer.Option("--jobs", min=1, help="benches at work at once (all)", show_default=False)
    ] = None,
    key: Annotated[
        Path | None, typer.Option("--sign", help="minisign secret key to sign with", show_default=False)
    ] = None,
    bench_wait: common.WaitOption = common.WAIT_S,
    as_json: common.JsonOption = False,
) -> None:
    """Carry out a plan. Whatever stops it (Ctrl-C, kill -9, power, a full disk), --resume goes on.

    Exit code 0 CONFORMS, 1 DOES NOT CONFORM, 2 NOT SHOWN, 3 the user's input, 4 stopped before its end: --resume.
    """
    if key is not None and not key.is_file():
        raise errors.UserError("there is no such key", str(key), "minisign -G makes one")
    benches = [common.bench_file(path) for path in bench or []]
    plan_file = plans.find(plan) if plan is not None else None
    if finish and not go_on:
        raise errors.UserError("--finish ends a campaign that was begun: give --resume as well")
    if not go_on:
        if plan_file is None or not benches:
            raise errors.UserError(
                "a new campaign needs PLAN and --bench FILE", "", "--resume goes on with one"
            )
        _conduct(out, partial(resume.begin, out, plan_file, benches), benches, jobs, bench_wait)
    elif not _journal_done(out):
        again = partial(resume.reopen, out, plan_file, benches, common.say)
        if finish:
            _finish(*again())
        else:
            _conduct(out, again, None, jobs, bench_wait)
    _conclude(out, key, as_json)


def _journal_done(out: Path) -> bool:
    """True when no cycle is left to make: the journal is a file of lines already."""
    if not (out / PLAN_JSON).is_file():
        raise errors.UserError(
            "holds no campaign", str(out), "--out names the folder of the campaign to go on with"
        )
    return not (out / JOURNAL).exists() and (out / JOURNAL_LINES).exists()


def _conduct(
    out: Path, opened: Callable[[], Any], benches: list[BenchFile] | None, jobs: int | None, wait_s: float
) -> None:
    """One session. Raises typer.Exit when the campaign is not done with it."""
    new = benches is not None
    journal, plan, *rest = opened()
    files = benches or rest[0]
    try:
        with journal:
            ending = _session(journal, plan, files, jobs, wait_s)
    except errors.UserError:
        if new:  # refused before the first cycle: nothing but the plan was written
            resume.withdraw(out)
        raise
    if ending.way in (DONE, FAILURE):
        return
    if ending.way == INTERRUPTED:
        common.say("vkbench: interrupted; what was under way is sealed, and every bench is quiet")
    else:
        common.say(f"vkbench: no bench can go on: {ending.detail}")
    common.say(f"Go on with: vkbench qualify --resume --out {out}")
    raise typer.Exit(errors.EXIT_BENCH)


def _finish(journal: Journal, plan: Plan, benches: list[BenchFile]) -> None:
    with journal:
        work = Work(plan, order.slots(plan), benches)
        resume.take_up(journal, work, benches, common.say)
        if not work.stopped:
            reason = "no bench" if work.left else "done"
            journal.append(Stopped(reason=reason, detail=f"ended by hand, {work.left} cycles left"))
        notes = journal.notes()
        for bench in benches:
            if notes.get(OURS + bench.name) == "1":
                quiet(bench)


def _session(
    journal: Journal, plan: Plan, benches: list[BenchFile], jobs: int | None, wait_s: float
) -> Ending:
    work = Work(plan, order.slots(plan), benches)
    resume.take_up(journal, work, benches, common.say)
    if work.stopped:
        return Ending(work.stopped)
    with progress(plan) as (watch, say):
        crew = [(bench, hooks(wait_s)) for bench in benches]
        return Conductor(journal, work, crew, jobs, watch, say).conduct()


def _conclude(out: Path, key: Path | None, as_json: bool) -> None:
    from vkbench.campaign.conduct.conclude import conclude

    summary = conclude(out, key, common.say)
    if as_json:
        common.print_json({"campaign": str(out), **summary.model_dump(mode="json", by_alias=True)})
    else:
        _show(out, CampaignView(out).plan, summary)
    raise typer.Exit(EXIT_OF_CONFORMITY[summary.conformity])


def _show(out: Path, plan: Plan, summary: Summary) -> None:
    console = common.out()
    table = Table(title=plan.title, title_justify="left")
    for heading in ("configuration", "role", "planned", "passed", "failed", "inconclusive", "at least", ""):
        text = heading in ("configuration", "role", "")
        table.add_column(
            heading,
            justify="left" if text else "right",
            overflow="fold" if heading == "configuration" else "ellipsis",
            no_wrap=heading != "configuration",
        )
    roles = {one.name: one.role for one in plan.configurations}
    for row in summary.configurations:
        table.add_row(*_row(row, roles.get(row.name, "")))
    console.print(table)
    for sentence in summary.statement:
        console.print(sentence, markup=False)
    if summary.deviations:
        console.print(f"{len(summary.deviations)} deviations; the report lists them.", markup=False)
    console.print(f"[{STYLE[summary.conformity]}]{summary.conformity}[/]")
    for entry in sorted((out / REPORTS).iterdir()):
        console.print(str(entry), markup=False, soft_wrap=True)
    console.print(f"evidence: {out}; check it with: vkbench verify {out}", markup=False, soft_wrap=True)


def _row(row: ConfigurationSummary, role: str) -> list[str]:
    counts = row.counts
    numbers = [str(number) for number in (counts.planned, counts.passed, counts.failed, counts.inconclusive)]
    shown = f"{row.bound.at_least:.4f} ({row.bound.confidence:.0%})" if row.bound else "–"
    return [escape(row.name), role, *numbers, shown, f"[{STYLE[row.conformity]}]{row.conformity}[/]"]

# SPDX-License-Identifier: Apache-2.0
"""Commands that only read: ``verify`` and ``report``, of run directories and campaigns. They work on any machine."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer
from pydantic import ValidationError
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from vkbench import errors
from vkbench.campaign.conduct.conclude import stored_summary
from vkbench.campaign.figures.summary import summarise
from vkbench.campaign.records.view import CampaignView
from vkbench.campaign.trust import verify as campaigns
from vkbench.campaign.trust.verify import CampaignVerification, is_campaign
from vkbench.cli import common
from vkbench.evidence import EvidenceError, describe
from vkbench.evidence.campaign import SUMMARY_JSON
from vkbench.report import qualification, write_report
from vkbench.verdict import Verification
from vkbench.verdict import verify as verify_run

#: Of several verdicts the worst decides the exit code.
_BADNESS = {"PASS": 0, "INCONCLUSIVE": 1, "FAIL": 2}
_AS_RESULT = {"CONFORMS": "PASS", "NOT SHOWN": "INCONCLUSIVE", "DOES NOT CONFORM": "FAIL"}
Directories = Annotated[
    list[Path], typer.Argument(metavar="DIR...", help="run directories or campaigns", show_default=False)
]


@common.command
def verify(
    directories: Directories,
    public_key: Annotated[
        Path | None,
        typer.Option("--public-key", help="minisign's public key: check a campaign's signature too"),
    ] = None,
    jobs: Annotated[
        int | None, typer.Option("--jobs", min=1, help="processes for a campaign; default: one for each CPU")
    ] = None,
    as_json: common.JsonOption = False,
) -> None:
    """Recompute verdicts from the files alone, and name every file that was changed.

    Of a campaign also plan, journal, counting, summary, reports, and with --public-key the signature. Exit code: the
    worst verdict's (0, 1, 2); 3 when files were changed or something stored does not follow from them.
    """
    found: list[Verification | CampaignVerification] = []
    for directory in directories:
        if is_campaign(directory):
            with _progress(str(directory)) as progress:
                found.append(campaigns.verify(directory, public_key, jobs, progress))
        elif public_key is not None:
            raise errors.UserError(
                "is no campaign: only campaigns are signed", str(directory), "Leave out --public-key"
            )
        else:
            found.append(verify_run(directory))
    if as_json:
        common.print_json([_json(one) for one in found])
    else:
        for one in found:
            _show(one)
    if not all(one.ok for one in found):
        raise typer.Exit(errors.EXIT_USER)
    worst = max((_result(one) for one in found), key=_BADNESS.__getitem__)
    raise typer.Exit(common.EXIT_OF_RESULT[worst])


@common.command
def report(
    directories: Directories,
    output: Annotated[
        Path,
        typer.Option(
            "-o", "--output", help="the HTML file to write; of a campaign also PDF", show_default=False
        ),
    ],
    as_json: common.JsonOption = False,
) -> None:
    """Write one self-contained HTML file about these runs, or about one campaign (-o X.pdf: a PDF beside it)."""
    if any(is_campaign(directory) for directory in directories):
        if len(directories) > 1:
            raise errors.UserError(
                "a campaign's report is about nothing else", str(directories[0]), "Name it alone"
            )
        paths = _campaign_report(directories[0], output)
    else:
        paths = [write_report(directories, output).absolute()]
    if as_json:
        common.print_json({"report": str(paths[0]), "files": [str(path) for path in paths]})
    else:
        for path in paths:
            common.out().print(str(path), markup=False, soft_wrap=True)


def _campaign_report(directory: Path, output: Path) -> list[Path]:
    """Made anew from journal and evidence, for a reader who does not trust the one in the campaign."""
    kinds = {".html": [".html"], ".pdf": [".html", ".pdf"]}.get(output.suffix.lower())
    if kinds is None:
        raise errors.UserError("is neither .html nor .pdf", str(output), "Name it so")
    view = CampaignView(directory)
    paths = [output.with_suffix(kind).absolute() for kind in kinds]
    try:
        summary = stored_summary(directory)
    except FileNotFoundError:  # it goes on
        summary = summarise(view.plan, view.cycles(), view.entries())
    except ValidationError as error:
        raise EvidenceError(f"{directory / SUMMARY_JSON}: {describe(error)}") from None
    return qualification.write_as(view, summary, *paths)


# ---- what verify says --------------------------------------------------------------------------------------------------


def _result(one: Verification | CampaignVerification) -> str:
    if isinstance(one, CampaignVerification):
        return _AS_RESULT[one.conformity or "NOT SHOWN"]
    return one.verdict.overall if one.verdict else "INCONCLUSIVE"


def _json(one: Verification | CampaignVerification) -> dict[str, Any]:
    if isinstance(one, CampaignVerification):
        return {
            "campaign": str(one.path),
            "ok": one.ok,
            "differences": one.differences,
            "plan": one.plan_name,
            "conformity": one.conformity,
            "attempts": one.attempts,
            "runs": one.runs,
            "bytes": one.bytes,
            "seconds": round(one.seconds, 3),
            "signature": one.signature or None,
            "signed": one.signed,
        }
    return {
        "run": str(one.path),
        "ok": one.ok,
        "differences": one.differences,
        "verdict": one.verdict.model_dump(mode="json", by_alias=True) if one.verdict else None,
    }


def _show(one: Verification | CampaignVerification) -> None:
    console = common.out()
    if isinstance(one, Verification) and one.verdict:
        console.print(common.verdict_table(str(one.path), one.verdict))
        console.print(f"{one.path}: {common.overall_line(one.verdict)}")
    for difference in one.differences:
        console.print(f"{one.path}: {difference}", markup=False, soft_wrap=True)
    for line in _campaign_lines(one) if isinstance(one, CampaignVerification) else _run_lines(one):
        console.print(f"{one.path}: {line}", markup=False, soft_wrap=True)


def _run_lines(one: Verification) -> Iterator[str]:
    if one.ok:
        yield "files as sealed; the verdict follows from them"


def _campaign_lines(one: CampaignVerification) -> Iterator[str]:
    rate = one.runs / one.seconds if one.seconds else 0
    yield (
        f"{one.attempts} attempts in the journal, {one.runs} runs recomputed "
        f"({one.bytes / 1e6:.0f} MB in {one.seconds:.1f} s, {rate:.0f} a second)"
    )
    if one.signature:
        yield f"signature good: {one.signature}"
    elif one.signed:
        yield (
            "signed, and the signature was not checked: --public-key FILE"
            if one.ok
            else "its signature shows nothing"
        )
    else:
        yield "not signed: the files fit each other, but nothing shows who made them (docs/trust.md)"
    if one.ok:
        yield f"files as sealed; plan, journal, every verdict, summary and exports follow from them: {one.conformity}"
    else:
        yield f"{len(one.differences)} differences: do not rely on this campaign"


@contextmanager
def _progress(title: str) -> Iterator[campaigns.Progress]:
    """A bar on a terminal; nothing elsewhere."""
    console = common.err()
    if not console.is_terminal:
        yield lambda done, total: None
        return
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task(f"verify {title}", total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)

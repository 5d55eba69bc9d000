# SPDX-License-Identifier: Apache-2.0
"""The end of a campaign: the journal as lines, the summary, the reports, the seal. May be called again after a kill."""

import os
from collections.abc import Callable
from pathlib import Path

from vkbench import errors
from vkbench.campaign.records.journal import Journal, locked
from vkbench.campaign.records.view import CampaignView
from vkbench.evidence import atomic_write, to_json
from vkbench.evidence.campaign import JOURNAL, JOURNAL_LINES, REPORTS, SUMMARY_JSON, Stopped, Summary
from vkbench.evidence.files import sync

Say = Callable[[str], None]


def conclude(path: Path, key: Path | None = None, say: Say = lambda _: None) -> Summary:
    """Seal a campaign that is done, and sign it with the minisign key. Raises UserError when it is not done."""
    from vkbench.campaign.trust.signature import sign

    view = CampaignView(path)
    if not view.sealed:
        with Journal.open(path) if (path / JOURNAL).is_file() else locked(path) as journal:
            if journal is not None:
                _refuse_unless_stopped(view)
                _write_lines(view)
                journal.remove()
            _seal(view, say)
    if key is not None:
        sign(path, key)
    return stored_summary(path)


def stored_summary(path: Path) -> Summary:
    """``summary.json``."""
    return Summary.model_validate_json((path / SUMMARY_JSON).read_bytes())


def _seal(view: CampaignView, say: Say) -> None:
    from vkbench.campaign.figures.summary import summarise
    from vkbench.campaign.trust.seal import seal

    path = view.path
    say("computing the summary")
    summary = summarise(view.plan, view.cycles(), view.entries())
    atomic_write(path / SUMMARY_JSON, to_json(summary))
    say("writing the reports")
    _write_reports(view, summary)
    say("sealing")
    seal(path)


def _refuse_unless_stopped(view: CampaignView) -> None:
    if not any(isinstance(entry, Stopped) for entry in view.entries()):
        raise errors.UserError(
            "the campaign is not done", str(view.path), "Go on with it by vkbench qualify --resume"
        )


def _write_lines(view: CampaignView) -> None:
    """journal.jsonl, whole and on the disk before the database goes."""
    target = view.path / JOURNAL_LINES
    temporary = target.with_name(f".{JOURNAL_LINES}.tmp")
    try:
        with temporary.open("w", encoding="utf-8", newline="\n") as file:
            for line in view.lines():
                file.write(line + "\n")
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise errors.CampaignError(
            f"cannot be written: {error.strerror}", str(target), "Free some space, then go on with --resume"
        ) from None
    temporary.replace(target)
    sync(view.path)


def _write_reports(view: CampaignView, summary: Summary) -> None:
    from vkbench.report import qualification
    from vkbench.report.exports import junit, ocp, table

    out = view.path / REPORTS
    out.mkdir(exist_ok=True)
    junit.write(view, summary, out / "junit.xml")
    ocp.write(view, summary, out / "ocptv.jsonl")
    table.write(view, summary, out / "cycles.csv")
    qualification.write(view, summary, out)
    for entry in out.iterdir():
        with entry.open("rb") as file:
            os.fsync(file.fileno())

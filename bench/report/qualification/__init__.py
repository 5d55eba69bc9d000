# SPDX-License-Identifier: Apache-2.0
"""The qualification report: what a campaign shows, on a page for the browser and on pages for the file.

Everything that a statement rests on comes from plan and journal; of the evidence only the pictured cycles are opened,
one at a time.
"""

from pathlib import Path

from vkbench.evidence import atomic_write
from vkbench.evidence.campaign import Summary
from vkbench.report.qualification import page, paper
from vkbench.report.qualification.gather import Campaign

__all__ = ["HTML", "PDF", "Campaign", "write", "write_as"]

HTML, PDF = "report.html", "report.pdf"


def write(campaign: Campaign, summary: Summary, out: Path) -> list[Path]:
    """Write report.html and report.pdf into the folder ``out``; the same campaign gives the same bytes."""
    return write_as(campaign, summary, out / HTML, out / PDF)


def write_as(campaign: Campaign, summary: Summary, *paths: Path) -> list[Path]:
    """Write files of any name: each that ends in .pdf on paper, any other as HTML with links from its own folder."""
    content = page.content(campaign, summary)
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.suffix.lower() == ".pdf":
            paper.write(content, path)
        else:
            atomic_write(path, page.html(content, campaign.path, path.parent).encode())
    return list(paths)

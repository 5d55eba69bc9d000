# SPDX-License-Identifier: Apache-2.0
"""The matrix of injections as measured: ``python -m vkbench.verdict.path_table FOLDER…`` prints it as Markdown, out of
all run directories below these folders.
"""

import sys
from collections.abc import Iterator
from pathlib import Path

from vkbench.capture.vkc import CaptureError
from vkbench.evidence import RUN_JSON, EvidenceError, RunView
from vkbench.verdict.judge import judge
from vkbench.verdict.path_rule import PATH_ID

HEAD = ("injection", "kdump", "path", "doorbell after", "jump after", "console, in order", "VKB-PATH-001")


def rows(folders: list[Path]) -> Iterator[tuple[str, ...]]:
    """One row a run that has an expectation, ordered by injection."""
    found = sorted({file.parent for folder in folders for file in folder.rglob(RUN_JSON)})
    made = [row for path in found if (row := _row(path))]
    yield from sorted(made, key=lambda row: row[:2])


def _row(path: Path) -> tuple[str, ...] | None:
    try:
        record, verdict = RunView(path).record, judge(path)
    except (EvidenceError, CaptureError):
        return None
    rule = next((rule for rule in verdict.rules if rule.id == PATH_ID), None)
    config = record.config
    if rule is None or config.expect is None:
        return None
    hz = verdict.clock_hz or 1
    marker = next((event.timestamp for event in rule.events if event.text == record.markers.panic), 0)
    jump = next((event for event in verdict.timeline if event.name == "jump"), None)
    texts = [event.text for event in rule.events if event.text in config.expect.texts]
    kdump = "post-notifiers" if config.crash_kexec_post_notifiers else "stock"
    failed = record.abort.detail.splitlines()[0] if record.abort else ""
    return (
        config.injection,
        kdump,
        config.expect.path,
        f"{rule.value * 1e3:.1f} ms" if rule.value is not None else "no",
        f"{(jump.timestamp - marker) / hz:.2f} s" if jump else "no",
        "; ".join(f"`{text.strip()}`" for text in texts) or "nothing",
        rule.result + (f": {failed}" if failed else ""),
    )


def markdown(folders: list[Path]) -> str:
    """The whole table."""
    lines = [HEAD, tuple("---" for _ in HEAD), *rows(folders)]
    return "".join("| " + " | ".join(cells) + " |\n" for cells in lines)


if __name__ == "__main__":
    sys.stdout.write(markdown([Path(name) for name in sys.argv[1:]]))

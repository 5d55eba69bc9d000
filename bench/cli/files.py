# SPDX-License-Identifier: Apache-2.0
"""Commands that only read run directories: ``verify`` and ``report``. They work on any machine."""

from pathlib import Path
from typing import Annotated

import typer

from vkbench import errors
from vkbench.cli import common
from vkbench.report import write_report
from vkbench.verdict import verify as verify_run

#: Of several verdicts the worst decides the exit code.
_BADNESS = {"PASS": 0, "INCONCLUSIVE": 1, "FAIL": 2}
Directories = Annotated[
    list[Path], typer.Argument(metavar="DIR...", help="run directories", show_default=False)
]


@common.command
def verify(directories: Directories, as_json: common.JsonOption = False) -> None:
    """Recompute verdicts from the files alone, and name every file that was changed.

    Exit code: the worst verdict's (0, 1, 2); 3 when files were changed or a verdict does not follow from them.
    """
    found = [verify_run(directory) for directory in directories]
    if as_json:
        common.print_json(
            [
                {
                    "run": str(one.path),
                    "ok": one.ok,
                    "differences": one.differences,
                    "verdict": one.verdict.model_dump(mode="json", by_alias=True) if one.verdict else None,
                }
                for one in found
            ]
        )
    else:
        console = common.out()
        for one in found:
            if one.verdict:
                console.print(common.verdict_table(str(one.path), one.verdict))
                console.print(f"{one.path}: {common.overall_line(one.verdict)}")
            for difference in one.differences:
                console.print(f"{one.path}: {difference}", markup=False, soft_wrap=True)
            if one.ok:
                console.print(f"{one.path}: files as sealed; the verdict follows from them", markup=False)
    if not all(one.ok for one in found):
        raise typer.Exit(errors.EXIT_USER)
    worst = max((one.verdict.overall for one in found if one.verdict), key=_BADNESS.__getitem__)
    raise typer.Exit(common.EXIT_OF_RESULT[worst])


@common.command
def report(
    directories: Directories,
    output: Annotated[
        Path, typer.Option("-o", "--output", help="the HTML file to write", show_default=False)
    ],
    as_json: common.JsonOption = False,
) -> None:
    """Write one self-contained HTML file about these runs."""
    path = write_report(directories, output).absolute()
    if as_json:
        common.print_json({"report": str(path)})
    else:
        common.out().print(str(path), markup=False, soft_wrap=True)

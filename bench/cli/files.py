# SPDX-License-Identifier: Apache-2.0
"""Commands that only read files: ``verify``, ``report``, ``capture info|show``. They work on any machine."""

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import typer

from vkbench import errors
from vkbench.capture import show as capture_text
from vkbench.capture import vkc
from vkbench.capture.layout import Kind
from vkbench.cli import common
from vkbench.report import write_report
from vkbench.verdict import verify as verify_run

capture = typer.Typer(help="Look into a capture file.", no_args_is_help=True)
#: Of several verdicts the worst decides the exit code.
_BADNESS = {"PASS": 0, "INCONCLUSIVE": 1, "FAIL": 2}
Directories = Annotated[
    list[Path], typer.Argument(metavar="DIR...", help="run directories", show_default=False)
]
CaptureFile = Annotated[Path, typer.Argument(metavar="FILE", help="a .vkc file", show_default=False)]


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


@capture.command()
@common.command
def info(file: CaptureFile, as_json: common.JsonOption = False) -> None:
    """What a capture file is: header, counts, time span."""
    found = capture_text.info(vkc.read(file))
    if as_json:
        common.print_json(found)
        return
    for line in _tree(found):
        common.out().print(line, markup=False)


def _tree(values: dict[str, Any]) -> Iterator[str]:
    """Lines of `name: value`; a table inside becomes one line for each of its rows."""
    for name, value in values.items():
        if isinstance(value, dict):
            yield f"{name}:"
            for key, inner in value.items():
                text = ", ".join(f"{k} {v}" for k, v in inner.items()) if isinstance(inner, dict) else inner
                yield f"  {key}: {text}"
        else:
            yield f"{name}: {value}"


@capture.command()
@common.command
def show(
    file: CaptureFile,
    kind: Annotated[
        list[str] | None, typer.Option("--kind", help="only this kind (CQ, RQ, CONSOLE ...); repeatable")
    ] = None,
    first: Annotated[int, typer.Option("--first", min=0, help="first record")] = 0,
    count: Annotated[int | None, typer.Option("--count", min=1, help="how many records")] = None,
    as_json: common.JsonOption = False,
) -> None:
    """The records of a capture, one line each; of a damaged file what can still be read, and exit code 3."""
    kinds = None
    if kind:
        unknown = [name for name in kind if name.upper() not in Kind.__members__]
        if unknown:
            raise errors.UserError(f"unknown kind {unknown[0]!r}; allowed: {', '.join(Kind.__members__)}")
        kinds = [Kind[name.upper()] for name in kind]
    damage: list[vkc.CaptureError] = []
    try:
        content = vkc.read(file)
    except vkc.CaptureError as error:
        saved = vkc.salvage(file)
        if saved.header is None:
            raise
        damage, content = saved.errors or [error], vkc.Capture(saved.header, saved.records)
    lines = capture_text.lines(content, kinds, first, count)
    if as_json:
        common.print_json({"lines": list(lines), "damage": [str(error) for error in damage]})
    else:
        for line in lines:
            print(line)
    for error in damage:
        common.say(f"vkbench: {error}")
    if damage:
        raise typer.Exit(errors.EXIT_USER)

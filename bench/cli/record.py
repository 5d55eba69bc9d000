# SPDX-License-Identifier: Apache-2.0
"""``vkbench capture record``: arm a live analyser, wait for its trigger, write what it recorded.

Ctrl-C and a time-out end the capture, not the command: what was recorded until then is written.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import typer
from pydantic import ValidationError
from rich.progress import BarColumn, Progress, TextColumn

from vkbench import config, errors, interrupts
from vkbench.capture import vkc
from vkbench.capture.layout import RECORD_BYTES, Tap, TriggerSource
from vkbench.cli import common
from vkbench.instruments import ScpiAnalyser
from vkbench.instruments.protocol import CaptureData

#: What --source takes. NONE waits for nothing, IMMEDIATE is --trigger-now, SEQUENCE is --program.
SOURCES = tuple(
    source.name
    for source in TriggerSource
    if source not in (TriggerSource.NONE, TriggerSource.IMMEDIATE, TriggerSource.SEQUENCE)
)
_SEQUENCE = "SEQ"  # what a program runs under, unless it says otherwise itself
SLICE_S = 0.2  # of waiting; a Ctrl-C is heeded between two


@common.command
def record(
    output: Annotated[
        Path, typer.Option("-o", "--output", help="the .vkc file to write", show_default=False)
    ],
    bench: Annotated[
        Path | None, typer.Option("--bench", help="bench file, of which [analyser] is used")
    ] = None,
    resource: Annotated[
        str | None,
        typer.Option("--resource", help="VISA resource instead: TCPIP::HOST::PORT::SOCKET, ASRL…::INSTR"),
    ] = None,
    source: Annotated[str | None, typer.Option("--source", help=f"trigger: {', '.join(SOURCES)}")] = None,
    text: Annotated[str | None, typer.Option("--text", help="trigger on this console text")] = None,
    program: Annotated[
        Path | None,
        typer.Option("--program", help="trigger on this program: SCPI settings, one or more a line"),
    ] = None,
    trigger_now: Annotated[bool, typer.Option("--trigger-now", help="fire as soon as it is armed")] = False,
    pretrigger: Annotated[
        int | None, typer.Option("--pretrigger", min=0, help="records kept from before the trigger")
    ] = None,
    segments: Annotated[
        int, typer.Option("--segments", min=1, help="parts of the memory, one for each trigger")
    ] = 1,
    qualify: Annotated[
        list[str] | None, typer.Option("--qualify", metavar="TAP", help="record only this tap; repeatable")
    ] = None,
    fold: Annotated[bool, typer.Option("--fold/--no-fold", help="fold runs of like TLPs")] = True,
    timeout: Annotated[
        float | None, typer.Option("--timeout", min=0, help="seconds; then the capture is ended and written")
    ] = None,
    force: Annotated[
        bool, typer.Option("--force", help="end a capture that is under way; overwrite the file")
    ] = False,
    as_json: common.JsonOption = False,
) -> None:
    """Record a capture. Ctrl-C ends it and writes what it has.

    Exit code 0: triggered, or ended by Ctrl-C; 4: the time was out first, or the analyser failed.
    """
    if output.exists() and not force:
        raise errors.UserError("exists already", str(output), "Choose another name, or add --force")
    settings = [(f"CAPT:FOLD {'ON' if fold else 'OFF'}", ""), (_qualification(qualify), "")]
    settings += _trigger(source, text, program, trigger_now)
    with ScpiAnalyser(_analyser(bench, resource)) as analyser:
        if analyser.state() in ("ARMED", "TRIGGERED"):
            if not force:
                raise errors.UserError(
                    "is recording a capture of another program",
                    analyser.where,
                    "Wait for it, or end it with --force",
                )
            analyser.stop()
        analyser.reset()
        for command, place in settings:
            _set(analyser, command, place)
        try:
            # A Ctrl-C between question and answer would leave the answer unread.
            with interrupts.held():
                terms = analyser.arm(pretrigger=pretrigger, segments=segments)
                if trigger_now:
                    analyser.trigger()
                common.say(f"armed: {terms.program}")
            ended = _wait(analyser, timeout)
        except KeyboardInterrupt:
            ended = "ctrl-c"
        analyser.stop()
        with _reading() as progress:
            data = analyser.read_capture(progress)
        if trigger_now:
            terms = replace(terms, source=TriggerSource.IMMEDIATE.name, text="")
        header = data.header(",".join(analyser.identify().values()), analyser.clock_hz(), terms)
        vkc.write(output, header, data.records)
    _report(output, data, ended, as_json)
    if ended == "time-out":
        raise typer.Exit(errors.EXIT_BENCH)


def _analyser(bench: Path | None, resource: str | None) -> Any:
    if (bench is None) == (resource is None):
        raise errors.UserError("one of --bench and --resource says where the analyser is")
    if bench is not None:
        return common.bench_file(bench).analyser
    try:
        return config.model.Analyser(resource=resource or "")
    except ValidationError as error:
        raise errors.UserError(f"--resource {resource!r}: {error.errors()[0]['msg']}") from None


def _trigger(source: str | None, text: str | None, program: Path | None, now: bool) -> list[tuple[str, str]]:
    """Settings of the trigger, each with the place in a file that it comes from."""
    if source is not None and source.upper() not in SOURCES:
        raise errors.UserError(f"unknown --source {source!r}; allowed: {', '.join(SOURCES)}")
    if program is not None:
        if source or text:
            raise errors.UserError("--program says it all: leave --source and --text out")
        return _program(program)
    if text is not None:
        if source and source.upper() != TriggerSource.CONSOLE.name:
            raise errors.UserError(
                f"--text waits for the console, --source for {source.upper()}: give one of them"
            )
        quoted = '"' + text.replace('"', '""') + '"'
        return [("TRIG:SOUR CONS", ""), (f"TRIG:CONS:TEXT {quoted}", "")]
    if source is not None and source.upper() == TriggerSource.CONSOLE.name:
        raise errors.UserError("--source CONSOLE needs the text to wait for", "", "Add --text")
    if source is None and not now:
        raise errors.UserError("nothing to wait for", "", "Give --text, --source, --program or --trigger-now")
    # Something must stand in the program even when the trigger comes at once.
    return [(f"TRIG:SOUR {source.upper() if source else TriggerSource.FLR.name}", "")]


def _program(path: Path) -> list[tuple[str, str]]:
    found = [
        (line.strip(), f"{path}:{number}")
        for number, line in enumerate(path.read_text().splitlines(), 1)
        if line.strip() and not line.strip().startswith("#")
    ]
    if not found:
        raise errors.UserError("has no settings in it", str(path))
    return [(f"TRIG:SOUR {_SEQUENCE}", ""), *found]


def _qualification(taps: list[str] | None) -> str:
    for name in taps or ():
        if name.upper() not in Tap.__members__:
            raise errors.UserError(f"unknown tap {name!r}; allowed: {', '.join(Tap.__members__)}")
    return f"CAPT:QUAL {','.join(name.upper() for name in taps or ()) or 'ALL'}"


def _set(analyser: ScpiAnalyser, command: str, place: str) -> None:
    try:
        analyser.configure([command])
    except errors.AnalyserRefused as error:
        if not place:
            raise
        raise errors.UserError(error.what, place) from None


def _wait(analyser: ScpiAnalyser, timeout: float | None) -> str:
    """Wait for the end: ``done`` or ``time-out``. Ctrl-C is heeded between two looks."""
    begun = time.monotonic()
    with common.err().status("waiting for the trigger; Ctrl-C ends the capture") as status:

        def progress(full: int, total: int) -> None:
            parts = f", {full} of {total} segments full" if total > 1 else ""
            passed = time.monotonic() - begun
            status.update(
                f"waiting for the trigger and a full memory, {passed:.0f} s{parts}; Ctrl-C ends the capture"
            )

        while timeout is None or time.monotonic() - begun < timeout:
            with interrupts.held(), suppress(errors.AnalyserNotDone):
                analyser.wait_done(SLICE_S, progress)
                return "done"
    return "time-out"


@contextmanager
def _reading() -> Iterator[Any]:
    """A progress callback for the records that are read."""
    console = common.err()
    if not console.is_terminal:
        yield None
        return
    with Progress(
        TextColumn("reading records"),
        BarColumn(),
        TextColumn("{task.completed}/{task.total}"),
        console=console,
        transient=True,
    ) as bar:
        task = bar.add_task("", total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


def _report(output: Path, data: CaptureData, ended: str, as_json: bool) -> None:
    count = len(data.records) // RECORD_BYTES
    facts = {
        "written": str(output),
        "records": count,
        "lost": data.lost,
        "triggered": data.trigger_time > 0,
        "ended": ended,
    }
    if as_json:
        common.print_json(facts)
    else:
        what = "triggered" if data.trigger_time else "not triggered"
        lost = f"{data.lost} events lost" if data.lost else "nothing lost"
        common.out().print(f"{output}: {count} records, {what}, {lost}", markup=False, soft_wrap=True)
    if ended == "time-out":
        common.say("vkbench: the time was out before the capture was done; what was recorded is written")

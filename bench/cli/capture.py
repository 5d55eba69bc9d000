# SPDX-License-Identifier: Apache-2.0
"""``vkbench capture``: look into captures, take them to other tools. All but ``record`` need only the file."""

import json
import sys
import webbrowser
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table
from rich.text import Text

from vkbench import errors
from vkbench.capture import show as capture_text
from vkbench.capture.batches import Mended, Source
from vkbench.capture.export import FORMATS, export
from vkbench.capture.layout import Kind, StatClass, Tap
from vkbench.capture.select import (
    Chosen,
    Filter,
    parse_address,
    parse_class,
    parse_kind,
    parse_time,
)
from vkbench.cli import common, record
from vkbench.evidence import atomic_write
from vkbench.instruments.analyser import settings_of
from vkbench.report.interactive import timeline_html

app = typer.Typer(help="Record, look into and convert captures.", no_args_is_help=True)
app.command()(record.record)

File = Annotated[Path, typer.Argument(metavar="FILE", help="a .vkc file", show_default=False)]
Output = Annotated[Path, typer.Option("-o", "--output", help="the file to write", show_default=False)]
Kinds = Annotated[
    list[str] | None,
    typer.Option("--kind", metavar="KIND", help=f"only this kind; repeatable: {', '.join(Kind.__members__)}"),
]
Classes = Annotated[
    list[str] | None,
    typer.Option(
        "--class", metavar="CLASS", help=f"only this class; repeatable: {', '.join(StatClass.__members__)}"
    ),
]
TextOption = Annotated[
    str, typer.Option("--text", help="only console lines with this text; widens --kind and --class")
]
Address = Annotated[
    str | None,
    typer.Option(
        "--address", metavar="FIRST:LAST", help="only requests in this window; also FIRST+SIZE: 0x1000+4K"
    ),
]
Time = Annotated[
    str | None,
    typer.Option(
        "--time",
        metavar="FROM:TO",
        help="-1ms:+2ms from the trigger, 1.5s:2s since power-on; s ms us ns, or cycles",
    ),
]


def _filter(
    kinds: list[str] | None, classes: list[str] | None, text: str, address: str | None, time: str | None
) -> Filter:
    return Filter(
        kinds=frozenset(parse_kind(name) for name in kinds or ()),
        classes=frozenset(parse_class(name) for name in classes or ()),
        text=text,
        address=parse_address(address) if address else None,
        time=parse_time(time) if time else None,
    )


def _end(source: Mended) -> None:
    """Say what could not be read, in the words of each error; exit code 3 when there was something."""
    for error in source.errors:
        common.say(f"vkbench: {error}")
    if source.errors:
        raise typer.Exit(errors.EXIT_USER)


# ---- info ------------------------------------------------------------------------------------------------------------


@app.command()
@common.command
def info(file: File, as_json: common.JsonOption = False) -> None:
    """What a capture is: how it was recorded, what is in it, what was lost. Of a damaged one too, with exit code 3."""
    source = Mended(file)
    found = capture_text.info(source)
    if as_json:
        common.print_json({**found, "damage": [str(error) for error in source.errors]})
    else:
        _print_info(file, found)
    _end(source)


def _print_info(file: Path, found: dict[str, Any]) -> None:
    console = common.out()
    grid = Table.grid(padding=(0, 2))
    grid.add_column(style="bold", no_wrap=True)
    grid.add_column(overflow="fold")
    for name, value in _facts(found):
        grid.add_row(name, value)
    console.print(Text(str(file), style="bold"), soft_wrap=True)
    console.print(grid)
    if found["records_by_kind"]:
        console.print(_table("records", [*found["records_by_kind"].items()], ("kind", "count")))
    rows = [
        (name, one["count_arm"], one["count"], one["first"] or "–", one["last"] or "–")
        for name, one in found["statistics"].items()
        if one["count_arm"]
    ]
    if rows:
        headings = ("class", "since arming", "since trigger", "first (cycle)", "last (cycle)")
        console.print(_table("statistics, exact whatever was lost", rows, headings))
    if len(found["segments"]) > 1:
        rows = [
            (number, one["first"], one["count"], one["armed"], one["trigger"] or "–")
            for number, one in enumerate(found["segments"])
        ]
        headings = ("segment", "first record", "records", "armed (cycle)", "trigger (cycle)")
        console.print(_table("segments", rows, headings))


def _facts(found: dict[str, Any]) -> Iterator[tuple[str, Text | str]]:
    """Name and value of each line."""
    hz, trigger, qualify = found["clock_hz"], found["trigger"], found["qualify"]
    yield "analyser", Text(found["idn"] or "unknown")
    yield "clock", f"{hz / 1e6:g} MHz"
    span = f"{found['records']} records"
    if found["records"]:
        span += f" over {_duration(found['span_s'])}, cycles {found['first_timestamp']} to {found['last_timestamp']}"
    yield "recorded", span
    if found["folded"]:
        yield "folded", f"{found['folded']} TLPs stand in runs of like ones, beside their first and last"
    if found["selftest_records"]:
        yield "self-test", Text(f"{found['selftest_records']} records were injected", style="yellow")
    what = f"{trigger['source']}" + (f" {trigger['text']!r}" if trigger["text"] else "")
    when = f"at cycle {trigger['time']}" if trigger["time"] else "never fired"
    yield "trigger", Text(f"{what}, {when}")
    for number, line in enumerate(settings_of(trigger["program"])):
        yield "" if number else "program", Text(line)
    yield "state", found["state"]
    yield "memory", f"{found['depth']} records, {found['pretrigger']} of them for before the trigger"
    if found["segments"]:
        yield "segments", f"{len(found['segments'])}"
    left_out = [tap.name for tap in Tap if tap.name not in qualify["taps"]]
    taps = f"all taps but {', '.join(left_out)}" if left_out else "all taps"
    term = f", only what matches {qualify['term']}" if qualify["term"] else ""
    yield "qualified", f"{taps}{term}; runs {'folded' if found['fold'] else 'not folded'}"
    lost = found["lost"]
    yield "lost", Text(f"{lost} events", style="bold red") if lost else "nothing"


def _duration(seconds: float) -> str:
    for unit, scale in (("s", 1.0), ("ms", 1e-3), ("us", 1e-6)):
        if seconds >= scale:
            return f"{seconds / scale:.4g} {unit}"
    return f"{seconds * 1e9:.4g} ns"


def _table(title: str, rows: list[tuple[Any, ...]], headings: tuple[str, ...]) -> Table:
    table = Table(title=title, title_justify="left")
    for number, heading in enumerate(headings):
        table.add_column(heading, justify="right" if number else "left")
    for row in rows:
        table.add_row(*(str(cell) for cell in row))
    return table


# ---- show ------------------------------------------------------------------------------------------------------------


@app.command()
@common.command
def show(
    file: File,
    kind: Kinds = None,
    of_class: Classes = None,
    text: TextOption = "",
    address: Address = None,
    time: Time = None,
    first: Annotated[int, typer.Option("--first", min=0, help="first record, by its number")] = 0,
    count: Annotated[int | None, typer.Option("--count", min=1, help="how many lines")] = None,
    as_json: common.JsonOption = False,
) -> None:
    """The records, one line each: number, cycle, seconds since the trigger, kind, meaning.

    Of a damaged file what can still be read, and exit code 3.
    """
    source = Mended(file)
    entries = capture_text.entries(source, _filter(kind, of_class, text, address, time), first, count)
    if as_json:
        _print_json(entries, source)
    else:
        for entry in entries:
            print(entry.line)
    _end(source)


def _print_json(entries: Iterator[capture_text.Entry], source: Mended) -> None:
    """One document, written as it is read."""
    sys.stdout.write('{"records": [')
    for number, entry in enumerate(entries):
        sys.stdout.write(("," if number else "") + "\n  " + json.dumps(asdict(entry), ensure_ascii=False))
    damage = json.dumps([str(error) for error in source.errors], ensure_ascii=False)
    sys.stdout.write(f'\n], "damage": {damage}}}\n')
    sys.stdout.flush()


# ---- export and view -------------------------------------------------------------------------------------------------


@app.command("export")
@common.command
def export_command(
    file: File,
    form: Annotated[str, typer.Option("--to", metavar="FORMAT", help=", ".join(FORMATS), show_default=False)],
    output: Output,
    kind: Kinds = None,
    of_class: Classes = None,
    text: TextOption = "",
    address: Address = None,
    time: Time = None,
    as_json: common.JsonOption = False,
) -> None:
    """Write a capture for GTKWave and Surfer (vcd, fst), ui.perfetto.dev (perfetto), pandas (csv, parquet)."""
    if form not in FORMATS:
        raise errors.UserError(f"unknown format {form!r}; allowed: {', '.join(FORMATS)}")
    wanted = _filter(kind, of_class, text, address, time)
    source = Mended(file)
    _refuse_same(file, output)
    with common.err().status(f"writing {output.name}"):
        export(source, wanted, form, output)
    _wrote(output, as_json, source)


@app.command()
@common.command
def view(
    file: File,
    output: Output,
    kind: Kinds = None,
    of_class: Classes = None,
    text: TextOption = "",
    address: Address = None,
    time: Time = None,
    open_it: Annotated[bool, typer.Option("--open", help="show it in the browser")] = False,
    as_json: common.JsonOption = False,
) -> None:
    """Write a capture's timeline as one HTML file that needs nothing else."""
    wanted = _filter(kind, of_class, text, address, time)
    source = Mended(file)
    _refuse_same(file, output)
    with common.err().status(f"writing {output.name}"):
        shown: Source = source if wanted.everything else Chosen(source, wanted)
        atomic_write(output, timeline_html(shown, title=file.name).encode())
    if open_it:
        webbrowser.open(output.absolute().as_uri())
    _wrote(output, as_json, source)


def _refuse_same(file: Path, output: Path) -> None:
    if output.exists() and output.samefile(file):
        raise errors.UserError(
            "is the capture itself; it would be overwritten", str(output), "Choose another name"
        )


def _wrote(output: Path, as_json: bool, source: Mended) -> None:
    if as_json:
        common.print_json({"written": str(output), "damage": [str(error) for error in source.errors]})
    else:
        common.out().print(str(output), markup=False, soft_wrap=True)
    _end(source)

# SPDX-License-Identifier: Apache-2.0
"""``vkbench lab``: the virtual bench's processes, and a terminal on any bench's console."""

import os
import select
import sys
import termios
import tty
from collections.abc import Iterator
from contextlib import contextmanager

import typer
from rich.table import Table

from vkbench import errors
from vkbench.cli import common
from vkbench.instruments import SerialConsole

app = typer.Typer(help="Bring the virtual bench up and down.", no_args_is_help=True)
ESCAPE = b"\x1d"  # Ctrl-]


@app.command()
@common.command
def up(bench: common.BenchOption, as_json: common.JsonOption = False) -> None:
    """Build what is missing and start the bench's processes; the server stays off."""
    provider = common.need_provider(common.bench_file(bench))
    started = provider.up(lambda text: common.say(f"lab: {text}"))
    if as_json:
        common.print_json(provider.status())
    else:
        common.say(f"lab: {'up' if started else 'was up already'}; logs in {provider.runtime}")


@app.command()
@common.command
def down(bench: common.BenchOption, as_json: common.JsonOption = False) -> None:
    """End every process that `lab up` started, and nothing else."""
    ended = common.need_provider(common.bench_file(bench)).down()
    if as_json:
        common.print_json({"ended": ended})
    else:
        common.say(f"lab: {'ended ' + ', '.join(ended) if ended else 'was not up'}")


@app.command()
@common.command
def status(bench: common.BenchOption, as_json: common.JsonOption = False) -> None:
    """Show what is running. Exit code 0 when the bench is up, else 4."""
    found = common.need_provider(common.bench_file(bench)).status()
    if as_json:
        common.print_json(found)
    else:
        table = Table(title=f"{found['bench']}: {'up' if found['up'] else 'down'}", title_justify="left")
        for heading in ("process", "pid", "state"):
            table.add_column(heading)
        for process in found["processes"]:
            table.add_row(process["name"], str(process["pid"]), "runs" if process["alive"] else "ended")
        common.out().print(table)
        for name, value in found.get("cosim", {}).items():
            common.out().print(f"  {name}: {value}", markup=False)
    raise typer.Exit(errors.EXIT_DONE if found["up"] else errors.EXIT_BENCH)


@app.command()
@common.command
def console(bench: common.BenchOption) -> None:
    """A terminal on the server's console; Ctrl-] ends it."""
    settings = common.bench_file(bench).console
    if not sys.stdin.isatty():
        raise errors.UserError("stdin is no terminal", "lab console", "Start it in a terminal")

    def show(data: bytes) -> None:
        os.write(sys.stdout.fileno(), data)

    common.say(f"{settings.url}; Ctrl-] ends")
    with SerialConsole(settings, show) as line, _raw_terminal():
        while True:
            if select.select([sys.stdin], [], [], 0.2)[0]:
                typed = os.read(sys.stdin.fileno(), 1024)
                if ESCAPE in typed or not typed:
                    break
                line.send(typed.decode("latin-1"))
            else:
                line.send("")  # raises when the line broke


@contextmanager
def _raw_terminal() -> Iterator[None]:
    descriptor = sys.stdin.fileno()
    before = termios.tcgetattr(descriptor)
    tty.setraw(descriptor)
    try:
        yield
    finally:
        termios.tcsetattr(descriptor, termios.TCSADRAIN, before)

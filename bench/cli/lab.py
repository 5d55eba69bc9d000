# SPDX-License-Identifier: Apache-2.0
"""``vkbench lab``: the virtual bench's processes."""

from contextlib import nullcontext
from typing import Annotated

import typer
from rich.table import Table

from vkbench import errors
from vkbench.cli import common, service
from vkbench.cli.console import terminal
from vkbench.instruments import lock
from vkbench.server.settings import left_behind

app = typer.Typer(help="Bring the virtual bench up and down.", no_args_is_help=True)


@app.command()
@common.command
def up(
    bench: common.BenchOption,
    foreground: Annotated[
        bool,
        typer.Option(
            "--foreground",
            help="stay until SIGTERM or Ctrl-C, then take it down: as a service or in a container",
        ),
    ] = False,
    as_json: common.JsonOption = False,
) -> None:
    """Build what is missing and start the bench's processes; the server stays off."""
    provider = common.need_provider(common.bench_file(bench))
    started = provider.up(lambda text: common.say(f"lab: {text}"))
    if foreground:
        service.serve(provider, started, as_json)
    elif as_json:
        common.print_json(provider.status())
    else:
        common.say(f"lab: {'up' if started else 'was up already'}; logs in {provider.runtime}")


@app.command()
@common.command
def down(
    bench: common.BenchOption,
    force: Annotated[bool, typer.Option("--force", help="even while another program has the bench")] = False,
    as_json: common.JsonOption = False,
) -> None:
    """End every process that `lab up` started, and nothing else."""
    file = common.bench_file(bench)
    provider = common.need_provider(file)
    try:
        with nullcontext() if force else lock.taken(file, 0):
            ended = provider.down()
    except errors.BenchBusy as error:
        raise errors.BenchBusy(error.what, error.where, "Wait for its end, or add --force") from None
    if as_json:
        common.print_json({"ended": ended})
    else:
        common.say(f"lab: {'ended ' + ', '.join(ended) if ended else 'was not up'}")


@app.command()
@common.command
def status(bench: common.BenchOption, as_json: common.JsonOption = False) -> None:
    """Show what is running. Exit code 0 when the bench is up, else 4."""
    file = common.bench_file(bench)
    found = common.need_provider(file).status()
    left = left_behind(file)
    if as_json:
        common.print_json({**found, "settings_left": left})
    else:
        table = Table(title=f"{found['bench']}: {'up' if found['up'] else 'down'}", title_justify="left")
        for heading in ("process", "pid", "state"):
            table.add_column(heading)
        for process in found["processes"]:
            table.add_row(process["name"], str(process["pid"]), "runs" if process["alive"] else "ended")
        common.out().print(table)
        for name, value in found.get("cosim", {}).items():
            common.out().print(f"  {name}: {value}", markup=False)
        if left:
            common.say(
                f"lab: a run that was killed left {', '.join(left)} changed; the next run puts them back"
            )
    raise typer.Exit(errors.EXIT_DONE if found["up"] else errors.EXIT_BENCH)


@app.command()
@common.command
def console(bench: common.BenchOption) -> None:
    """The same as `vkbench console`: a terminal on the server's console; Ctrl-] ends it."""
    terminal(common.bench_file(bench))

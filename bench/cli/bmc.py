# SPDX-License-Identifier: Apache-2.0
"""``vkbench bmc``: the server's management controller by hand, whichever protocol the bench file names."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table

from vkbench import errors
from vkbench.cli import common
from vkbench.instruments import lock, open_bmc
from vkbench.instruments.protocol import Bmc

app = typer.Typer(help="Talk to the server's BMC.", no_args_is_help=True)


class PowerAction(StrEnum):
    """What ``bmc power`` does."""

    on = "on"
    off = "off"
    cycle = "cycle"
    reset = "reset"
    soft = "soft"


class Device(StrEnum):
    """Boot devices; none takes the override away."""

    none = "none"
    pxe = "pxe"
    disk = "disk"
    cd = "cd"
    bios = "bios"


@contextmanager
def _bmc(path: Path, wait_s: float | None = None) -> Iterator[Bmc]:
    """The BMC; with a time to wait for what changes something, which must not meet somebody's run."""
    bench = common.bench_file(path)
    with ExitStack() as stack:
        if wait_s is not None:
            stack.enter_context(lock.taken(bench, wait_s, common.say))
        yield stack.enter_context(open_bmc(bench))


@app.command()
@common.command
def status(bench: common.BenchOption, as_json: common.JsonOption = False) -> None:
    """Show whether the server's power is on, and that the BMC lets us in."""
    with _bmc(bench) as bmc:
        on = bmc.is_on()
        where = bmc.where
    if as_json:
        common.print_json({"bmc": where, "power": "on" if on else "off"})
    else:
        common.out().print(f"{where}: power is {'on' if on else 'off'}", markup=False)


@app.command()
@common.command
def power(
    action: Annotated[PowerAction, typer.Argument(help="soft asks the operating system to shut down")],
    bench: common.BenchOption,
    wait: common.WaitOption = common.WAIT_S,
    as_json: common.JsonOption = False,
) -> None:
    """Switch the server; on, off and cycle wait until it is done."""
    with _bmc(bench, wait) as bmc:
        doing = {
            PowerAction.on: bmc.power_on,
            PowerAction.off: bmc.power_off,
            PowerAction.cycle: bmc.power_cycle,
            PowerAction.reset: bmc.reset,
            PowerAction.soft: bmc.shutdown,
        }
        doing[action]()
        on = bmc.is_on()
        where = bmc.where
    if as_json:
        common.print_json({"bmc": where, "action": action.value, "power": "on" if on else "off"})
    else:
        common.out().print(f"{where}: {action.value} done; power is {'on' if on else 'off'}", markup=False)


@app.command()
@common.command
def nmi(
    bench: common.BenchOption, wait: common.WaitOption = common.WAIT_S, as_json: common.JsonOption = False
) -> None:
    """Send the server a diagnostic interrupt (NMI). It may panic, that is what it is for."""
    with _bmc(bench, wait) as bmc:
        bmc.diagnostic_interrupt()
        where = bmc.where
    if as_json:
        common.print_json({"bmc": where, "action": "nmi"})
    else:
        common.out().print(f"{where}: NMI sent", markup=False)


@app.command()
@common.command
def sel(
    bench: common.BenchOption,
    clear: Annotated[bool, typer.Option("--clear", help="show the log, then empty it")] = False,
    wait: common.WaitOption = common.WAIT_S,
    as_json: common.JsonOption = False,
) -> None:
    """Show the system event log, oldest first."""
    with _bmc(bench, wait if clear else None) as bmc:
        entries = bmc.event_log()
        if clear:
            bmc.clear_event_log()
    if as_json:
        common.print_json({"entries": entries, "cleared": clear})
        return
    table = _table("record", "time", "message")
    for entry in entries:
        seconds = entry["timestamp"]
        when = f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M:%S}Z" if seconds is not None else "–"
        table.add_row(str(entry["record_id"]), when, _plain(entry["message"]))
    common.out().print(table)
    common.say(f"bmc: {len(entries)} entries{', cleared' if clear else ''}")


@app.command()
@common.command
def sensors(bench: common.BenchOption, as_json: common.JsonOption = False) -> None:
    """Show every sensor's reading."""
    with _bmc(bench) as bmc:
        found = bmc.sensors()
    if as_json:
        common.print_json({"sensors": found})
        return
    table = _table("sensor", "value", "unit", "status")
    for sensor in found:
        row = (sensor["name"], common.number(sensor["value"]), sensor["unit"], sensor["status"])
        table.add_row(*(_plain(text) for text in row))
    common.out().print(table)


@app.command()
@common.command
def inventory(bench: common.BenchOption, as_json: common.JsonOption = False) -> None:
    """Show what identifies the BMC and the machine."""
    with _bmc(bench) as bmc:
        found = bmc.inventory()
    if as_json:
        common.print_json(found)
        return
    table = _table("what", "is")
    for name, value in found.items():
        if isinstance(value, dict):
            for part, text in value.items():
                table.add_row(f"{name}.{part}", _plain(text))
        else:
            table.add_row(name, _plain(value))
    common.out().print(table)


@app.command("boot-device")
@common.command
def boot_device(
    bench: common.BenchOption,
    device: Annotated[
        Device | None, typer.Argument(help="set this one; left out: show", show_default=False)
    ] = None,
    persistent: Annotated[
        bool, typer.Option("--persistent", help="for every boot, not the next only")
    ] = False,
    wait: common.WaitOption = common.WAIT_S,
    as_json: common.JsonOption = False,
) -> None:
    """Show or set where the next boot comes from."""
    with _bmc(bench, None if device is None else wait) as bmc:
        if device is not None:
            bmc.set_boot_device(device.value, persistent)
        found = device.value if device is not None else bmc.boot_device()
    if as_json:
        common.print_json({"boot_device": found, "set": device is not None})
    else:
        common.out().print(f"boot device: {found}", markup=False)


@app.command()
@common.command
def watchdog(
    bench: common.BenchOption,
    start: Annotated[
        float | None, typer.Option("--start", help="let it run: seconds", show_default=False)
    ] = None,
    action: Annotated[str, typer.Option(help="none, reset, power-off or power-cycle")] = "reset",
    stop: Annotated[bool, typer.Option("--stop", help="stop it")] = False,
    wait: common.WaitOption = common.WAIT_S,
    as_json: common.JsonOption = False,
) -> None:
    """Show, start or stop the BMC's watchdog timer."""
    if start is not None and stop:
        raise errors.UserError("--start and --stop exclude each other", "bmc watchdog")
    with _bmc(bench, wait if stop or start is not None else None) as bmc:
        if start is not None:
            bmc.start_watchdog(start, action)
        if stop:
            bmc.stop_watchdog()
        state = bmc.watchdog()
    if as_json:
        common.print_json(vars(state))
        return
    left, of = (f"{common.number(value)} s" for value in (state.countdown_s, state.initial_s))
    running = "runs" if state.running else "does not run"
    common.out().print(f"watchdog {running}: action {state.action}, {left} left of {of}", markup=False)


def _table(*headings: str) -> Table:
    table = Table()
    for heading in headings:
        table.add_column(heading, justify="right" if heading == "value" else "left")
    return table


def _plain(value: Any) -> str:
    """A BMC's text for a table: its brackets are no markup."""
    return str(value).replace("[", r"\[")

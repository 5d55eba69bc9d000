# SPDX-License-Identifier: Apache-2.0
"""``vkbench doctor``: is every wire of a bench as it should be, and if not, what is to be done?"""

from collections.abc import Callable
from dataclasses import asdict, dataclass

import typer
from rich.markup import escape
from rich.table import Table

from vkbench import errors
from vkbench.cli import common
from vkbench.config import BenchFile
from vkbench.instruments import ScpiAnalyser, open_bmc, open_console


@dataclass(frozen=True)
class Check:
    """One wire. ``found``: what is there, or what is wrong; ``fix``: what to do."""

    name: str
    ok: bool
    found: str
    fix: str = ""


def _bmc(bench: BenchFile) -> str:
    with open_bmc(bench) as bmc:
        on, inventory = bmc.is_on(), bmc.inventory()
    return (
        f"logged in as {bench.bmc.user}; firmware {inventory['firmware']}; server is {'on' if on else 'off'}"
    )


def _console(bench: BenchFile) -> str:
    with open_console(bench):
        return f"opens, {bench.console.baud} baud"


def _analyser(bench: BenchFile) -> str:
    with ScpiAnalyser(bench.analyser) as analyser:
        identity = analyser.identify()
        state = analyser.state()
        if state in ("ARMED", "TRIGGERED"):
            return (
                f"{identity['model']} {identity['version']}; a capture is {state}, so no self-test was made"
            )
        analyser.self_test()
        analyser.prove_self_test()
        hz = analyser.clock_hz()
        start, depth = analyser.time(), analyser.depth()
        end = analyser.time()
    if end <= start:
        raise errors.AnalyserGarbled(f"its clock stands still at {end} cycles", analyser.where)
    return f"{identity['model']} {identity['version']}; self-test passed, and finds each tap made blind; {hz} Hz, {depth} records"


def examine(bench: BenchFile) -> list[Check]:
    """Every check, in the order in which they should be mended."""
    wires: list[tuple[str, Callable[[BenchFile], str]]] = [
        ("BMC", _bmc),
        ("console", _console),
        ("analyser", _analyser),
    ]
    checks = [Check("bench file", True, f"{bench.name}, {bench.server.arch}")]
    provider = common.provider_of(bench)
    if provider is not None:
        checks += [Check(*item) for item in provider.check()]
    for name, look in wires:
        try:
            checks.append(Check(name, True, look(bench)))
        except errors.BenchError as error:
            where = f"{error.where}: " if error.where else ""
            checks.append(Check(name, False, f"{where}{error.what}", error.hint))
    return checks


@common.command
def doctor(bench: common.BenchOption, as_json: common.JsonOption = False) -> None:
    """Check each wire of a bench and say what to fix."""
    with common.err().status("looking at each wire"):
        checks = examine(common.bench_file(bench))
    good = all(check.ok for check in checks)
    if as_json:
        common.print_json({"ok": good, "checks": [asdict(check) for check in checks]})
    else:
        table = Table()
        for heading in ("wire", "", "found", "what to do"):
            table.add_column(heading, overflow="fold")
        for check in checks:
            mark = "[green]ok[/]" if check.ok else "[red]no[/]"
            table.add_row(escape(check.name), mark, escape(check.found), escape(check.fix))
        common.out().print(table)
    raise typer.Exit(errors.EXIT_DONE if good else errors.EXIT_BENCH)

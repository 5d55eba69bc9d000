# SPDX-License-Identifier: Apache-2.0
"""``vkbench doctor``: is every wire of a bench as it should be, and if not, what is to be done?"""

from dataclasses import asdict

import typer
from rich.markup import escape
from rich.table import Table

from vkbench import errors
from vkbench.cli import common
from vkbench.config import BenchFile
from vkbench.instruments import lock
from vkbench.server import checks

MARKS = {"ok": "[green]ok[/]", "warn": "[yellow]warn[/]", "no": "[red]no[/]"}


def examine(bench: BenchFile) -> list[checks.Check]:
    """Every check, in the order in which they should be mended."""
    provider = common.provider_of(bench)
    provided = None if provider is None else lambda: [checks.Check(*item) for item in provider.check()]
    return list(checks.examine(bench, provided))


@common.command
def doctor(
    bench: common.BenchOption,
    bench_wait: common.WaitOption = common.WAIT_S,
    as_json: common.JsonOption = False,
) -> None:
    """Check each wire of a bench and say what to fix.

    A warning does not fail it. A server that is on and silent gets a newline on its console, and nothing else.
    """
    file = common.bench_file(bench)
    with lock.taken(file, bench_wait, common.say), common.err().status("looking at each wire"):
        found = examine(file)
    good = all(check.ok for check in found)
    if as_json:
        listed = [asdict(check) | {"state": check.state} for check in found]
        common.print_json({"ok": good, "checks": listed})
    else:
        table = Table()
        for heading in ("wire", "", "found", "what to do"):
            table.add_column(heading, overflow="fold")
        for check in found:
            table.add_row(escape(check.name), MARKS[check.state], escape(check.found), escape(check.fix))
        common.out().print(table)
    raise typer.Exit(errors.EXIT_DONE if good else errors.EXIT_BENCH)

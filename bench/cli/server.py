# SPDX-License-Identifier: Apache-2.0
"""``vkbench server``: the server under test outside a run: its state, kernel modules, crashkernel=, what a run left."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from vkbench import errors
from vkbench.cli import common
from vkbench.config import BenchFile
from vkbench.instruments import Console, lock, open_analyser, open_bmc, open_console
from vkbench.server import deploy
from vkbench.server.server import Server
from vkbench.server.settings import Settings, ledger
from vkbench.server.states import RUNNING, StateTracker

app = typer.Typer(help="The server under test, outside a run.", no_args_is_help=True)
ANSWER_S = 5.0  # for the prompt after Enter


@dataclass(frozen=True)
class _Bench:
    file: BenchFile
    server: Server
    console: Console


@contextmanager
def _bench(path: Path, wait_s: float) -> Iterator[_Bench]:
    """The bench's wires and its server, which is left as it is."""
    file = common.bench_file(path)
    with ExitStack() as stack:
        stack.enter_context(lock.taken(file, wait_s, common.say))
        tracker = StateTracker(file.server, file.markers)
        bmc = stack.enter_context(open_bmc(file))
        analyser = stack.enter_context(open_analyser(file))
        tracker.powered(bmc.is_on())
        console = stack.enter_context(open_console(file, tracker))
        yield _Bench(file, Server(file, bmc, console, tracker, analyser=analyser), console)


def _shell(bench: _Bench) -> Server:
    """The server with a root shell. Raises ServerError when it is off or does not answer."""
    seen = bench.server.observer.look()
    if seen.look.powered is False:
        raise errors.ServerNeverBooted(
            "the power is off", "server", "vkbench bmc power on, and wait for its prompt"
        )
    bench.server.log_in()
    return bench.server


@app.command()
@common.command
def state(
    bench: common.BenchOption,
    bench_wait: common.WaitOption = common.WAIT_S,
    as_json: common.JsonOption = False,
) -> None:
    """What console, BMC and card say of the server, together. Exit code 0 when its system runs, else 4."""
    with _bench(bench, bench_wait) as wires:
        seen = wires.server.observer.look()
        if seen.look.powered:
            wires.console.send("\n")
            seen = wires.server.observer.wait(RUNNING, ANSWER_S)
    if as_json:
        common.print_json({"state": seen.state.value, "sentence": seen.sentence, **seen.sources})
    else:
        common.out().print(seen.sentence, markup=False)
        for name, value in seen.sources.items():
            common.out().print(f"  {name}: {value}", markup=False)
    raise typer.Exit(errors.EXIT_DONE if seen.state in RUNNING else errors.EXIT_BENCH)


@app.command()
@common.command
def module(
    folder: Annotated[
        Path, typer.Argument(help="sources of a kernel module, with its Makefile", exists=True)
    ],
    bench: common.BenchOption,
    name: Annotated[str, typer.Option(help="the module's name; left out: obj-m of its Makefile")] = "",
    parameters: Annotated[str, typer.Option(help="module parameters, as insmod takes them")] = "",
    bench_wait: common.WaitOption = common.WAIT_S,
    as_json: common.JsonOption = False,
) -> None:
    """Bring a module's sources onto the running server, build it against its kernel, load it, and read it back."""
    files = deploy.sources(folder)
    name = name or deploy.module_name(files, str(folder))
    with _bench(bench, bench_wait) as wires, _shell(wires).deployer() as deployer:
        common.say(f"server: {name} goes over by {deployer.by}")
        found = deployer.module(name, files, parameters)
    if as_json:
        common.print_json(found.inventory())
    else:
        built = "built" if found.built else "was built before"
        common.out().print(
            f"{name}: {built} for {found.kernel}, loaded, srcversion {found.srcversion}", markup=False
        )


@app.command()
@common.command
def crashkernel(
    size: Annotated[str, typer.Argument(help="the new value, as 512M")],
    bench: common.BenchOption,
    bench_wait: common.WaitOption = common.WAIT_S,
) -> None:
    """Change crashkernel= in the running server's boot loader, to stay (Debian); elsewhere it says how."""
    with _bench(bench, bench_wait) as wires:
        common.out().print(_shell(wires).kdump.set_crashkernel(size), markup=False)


@app.command()
@common.command
def restore(
    bench: common.BenchOption,
    bench_wait: common.WaitOption = common.WAIT_S,
    as_json: common.JsonOption = False,
) -> None:
    """Put back on the running server what a run that was killed left changed."""
    book = ledger(common.bench_file(bench))
    if not book.exists():
        common.say("server: nothing is left changed")
        return
    with _bench(bench, bench_wait) as wires:
        server = _shell(wires)
        settings = Settings.resume(server.run, book, server.run_slowly)
        differences = settings.restore()
    if as_json:
        common.print_json({"changed": settings.changed, "differences": differences})
    else:
        for one in settings.changed:
            common.out().print(f"{one['what']}: {one['put_back'] or 'not put back'}", markup=False)
    if differences:
        raise errors.SettingNotTaken(
            "; ".join(differences), str(book), "Put it back by hand and delete this file"
        )

# SPDX-License-Identifier: Apache-2.0
"""The command ``vkbench``. Exit codes: 0 PASS or done, 1 FAIL, 2 INCONCLUSIVE, 3 the user's input, 4 the bench."""

import sys
from collections.abc import Sequence
from typing import Annotated

import typer

from vkbench import __version__, errors
from vkbench.cli import (
    benchmark,
    bmc,
    capture,
    console,
    doctor,
    files,
    lab,
    plan,
    qualify,
    runs,
    server,
    sign,
)

app = typer.Typer(
    help="Measures whether a PCIe card stops its DMA before a panicking server jumps into its crash kernel.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.command()(doctor.doctor)
app.add_typer(lab.app, name="lab")
app.command()(console.console)
app.add_typer(bmc.app, name="bmc")
app.add_typer(server.app, name="server")
app.command()(runs.run)
app.command()(files.verify)
app.command()(files.report)
app.add_typer(plan.app, name="plan")
app.command()(qualify.qualify)
app.command()(sign.sign)
app.add_typer(capture.app, name="capture")
app.command()(runs.demo)
app.command()(benchmark.benchmark)


def _version(wanted: bool) -> None:
    if wanted:
        print(f"vkbench {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="show the version")
    ] = False,
) -> None:
    pass


def run_app(arguments: Sequence[str] | None = None) -> int:
    """Run one command line; returns its exit code."""
    try:
        code = app(args=arguments, prog_name="vkbench", standalone_mode=False)
    except Exception as error:
        if not hasattr(error, "format_message"):  # what typer raises for a wrong command line
            raise
        message = error.format_message()
        if message:
            context = getattr(error, "ctx", None)
            print(f"vkbench: {message}", file=sys.stderr)
            if context is not None and "Usage" not in message:
                print(f"Try '{context.command_path} --help'.", file=sys.stderr)
        return errors.EXIT_USER
    return code if isinstance(code, int) else errors.EXIT_DONE


def main() -> None:
    """Entry point of the command."""
    sys.exit(run_app())

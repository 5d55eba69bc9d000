# SPDX-License-Identifier: Apache-2.0
"""``vkbench-labgrid``: use a bench that is shared through labgrid. docs/sharing.md."""

import os
import tempfile
from pathlib import Path
from typing import Annotated

import typer

from vkbench import errors
from vkbench.cli import common
from vkbench.labgrid import share

app = typer.Typer(
    help="Use a bench that is shared through labgrid.", no_args_is_help=True, add_completion=False
)
PlaceArgument = Annotated[str, typer.Argument(help="labgrid place")]
TemplateOption = Annotated[
    Path,
    typer.Option("--template", help="bench file with all that is not a wire: users, secrets, prompts"),
]
CoordinatorOption = Annotated[
    str, typer.Option("--coordinator", "-x", help="HOST:PORT", envvar="LG_COORDINATOR")
]


@app.callback()
def main() -> None:
    """Use a bench that is shared through labgrid."""


@app.command(context_settings={"ignore_unknown_options": True})
@common.command
def run(
    place: PlaceArgument,
    command: Annotated[list[str], typer.Argument(help="behind --; {bench} becomes the bench file's path")],
    template: TemplateOption,
    coordinator: CoordinatorOption = "127.0.0.1:20408",
    wait: Annotated[float, typer.Option("--wait", min=0, help="longest wait for our turn, seconds")] = 3600.0,
) -> None:
    """Wait for the place, hold it while a command runs, give it back. Exit code: the command's."""
    with tempfile.TemporaryDirectory(prefix=f"vkbench-{os.getuid()}-") as folder:
        held = share.Place(place, coordinator, common.say)
        code = share.run(held, template, wait, command, Path(folder) / f"{place}.toml")
    raise typer.Exit(code)


@app.command(context_settings={"ignore_unknown_options": True})
@common.command
def campaign(
    command: Annotated[
        list[str],
        typer.Argument(help="behind --; the word {benches} becomes --bench FILE for each place"),
    ],
    place: Annotated[
        list[str],
        typer.Option("--place", help="PLACE=TEMPLATE, once for each place: its bench file without the wires"),
    ],
    coordinator: CoordinatorOption = "127.0.0.1:20408",
    wait: Annotated[
        float, typer.Option("--wait", min=0, help="longest wait until all are ours, seconds")
    ] = 3600.0,
) -> None:
    """Wait for several places, hold all of them while a command runs, give them back. Exit code: the command's."""
    pairs = [text.partition("=") for text in place]
    if wrong := [text for text in place if not all(text.partition("="))]:
        raise errors.UserError(f"--place {wrong[0]}: must be PLACE=TEMPLATE")
    if len({name for name, _, _ in pairs}) < len(pairs):
        raise errors.UserError("--place: a place is named twice")
    with tempfile.TemporaryDirectory(prefix=f"vkbench-{os.getuid()}-") as folder:
        held = {share.Place(name, coordinator, common.say): Path(template) for name, _, template in pairs}
        code = share.run_with_all(held, wait, command, Path(folder))
    raise typer.Exit(code)


def entry() -> None:
    """The program."""
    app(prog_name="vkbench-labgrid")


if __name__ == "__main__":
    entry()

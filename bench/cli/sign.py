# SPDX-License-Identifier: Apache-2.0
"""``vkbench sign``: sign a sealed campaign with minisign."""

from pathlib import Path
from typing import Annotated

import typer

from vkbench.campaign.trust import signature
from vkbench.campaign.trust.seal import SIGNATURE
from vkbench.cli import common


@common.command
def sign(
    directory: Annotated[Path, typer.Argument(metavar="DIR", help="sealed campaign", show_default=False)],
    key: Annotated[
        Path,
        typer.Option("--key", help="minisign's secret key; minisign -G makes a pair", show_default=False),
    ],
    as_json: common.JsonOption = False,
) -> None:
    """Sign a campaign's manifest, so that a stranger with the public key can tell who vouches for it.

    minisign asks for the key's password on the terminal.
    """
    comment = signature.sign(directory, key)
    path = directory / SIGNATURE
    if as_json:
        common.print_json({"signature": str(path), "comment": comment})
    else:
        common.out().print(f"{path}\nsigned: {comment}", markup=False, soft_wrap=True)

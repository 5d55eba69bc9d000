# SPDX-License-Identifier: Apache-2.0
"""Where generated things live, and what the virtual server's build put there.

Standard library only and no relative import: `fixtures/server/build.py` loads this very file with the
system's Python before any virtual environment exists.
"""

from __future__ import annotations

import functools
import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

BUILD_COMMAND = "python3 fixtures/server/build.py"
DEBIAN_COMMAND = f"{BUILD_COMMAND} --debian"


class NotBuilt(RuntimeError):
    """A generated part of the virtual server is missing or unreadable."""


def cache_dir() -> Path:
    """The folder of all generated things: $VKBENCH_CACHE, else the user's XDG cache folder + `vkbench`."""
    own = os.environ.get("VKBENCH_CACHE")
    if own:
        return Path(own).expanduser().absolute()
    xdg = os.environ.get("XDG_CACHE_HOME")
    base = Path(xdg) if xdg else Path.home() / ".cache"
    return base.absolute() / "vkbench"


def repository_root() -> Path:
    """The checkout that this file belongs to (the package is installed in editable mode)."""
    return Path(__file__).resolve().parents[2]


def server_recipe_dir() -> Path:
    """`fixtures/server` of this checkout. $VKBENCH_SERVER_RECIPE overrides it for an installed package."""
    own = os.environ.get("VKBENCH_SERVER_RECIPE")
    folder = Path(own) if own else repository_root() / "fixtures" / "server"
    if not (folder / "build.py").is_file():
        raise NotBuilt(
            f"the virtual server's recipe is not at {folder}: run from a checkout of the repository, "
            "or set VKBENCH_SERVER_RECIPE to its fixtures/server folder"
        )
    return folder


@functools.lru_cache(maxsize=4)
def _artefact_paths(recipe: Path, cache: Path) -> dict[str, str]:
    """What `build.py --print-paths` says. Asked once a process: it depends on the recipe's files only."""
    command = [sys.executable, str(recipe / "build.py"), "--print-paths"]
    done = subprocess.run(
        command, capture_output=True, text=True, env={**os.environ, "VKBENCH_CACHE": str(cache)}, check=False
    )
    if done.returncode != 0:
        raise NotBuilt(f"{' '.join(command)} failed: {done.stderr.strip() or done.stdout.strip()}")
    return json.loads(done.stdout)


def artefact_paths() -> dict[str, Path]:
    """Paths of qemu.json, server.json and the folders that hold them, built or not."""
    found = _artefact_paths(server_recipe_dir(), cache_dir())
    return {name: Path(path) for name, path in found.items()}


def _read_json(path: Path, command: str = BUILD_COMMAND) -> dict[str, Any]:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise NotBuilt(f"{path} does not exist: the virtual server is not built. Run: {command}") from None
    except ValueError as error:
        raise NotBuilt(f"{path} is damaged ({error}): delete its folder and run: {command}") from None


@dataclass(frozen=True)
class QemuProgram:
    """How to start QEMU: argv prefix, extra environment, version text, and where it came from."""

    argv: tuple[str, ...]
    env: dict[str, str]
    version: str
    source: str


@dataclass(frozen=True)
class ServerParts:
    """The virtual server's kernel and initramfs, the kernel's command line, and the whole inventory."""

    kernel: Path
    initrd: Path
    append: str
    inventory: dict[str, Any]


@dataclass(frozen=True)
class DebianServer:
    """Debian 12 on a disk. `disk` is the master: a server runs on a copy. The other files let one log in."""

    folder: Path
    disk: Path
    root_password: Path
    key: Path
    known_hosts: Path
    inventory: dict[str, Any]


def qemu_program() -> QemuProgram:
    """Read `qemu.json`. Raises NotBuilt when it is missing, damaged, or names a program that is gone."""
    path = artefact_paths()["qemu_json"]
    data = _read_json(path)
    try:
        program = QemuProgram(tuple(data["argv"]), dict(data["env"]), data["version"], data["source"])
    except (KeyError, TypeError) as error:
        raise NotBuilt(f"{path} lacks {error}: delete its folder and run: {BUILD_COMMAND}") from None
    if not Path(program.argv[0]).exists():
        raise NotBuilt(f"{path} names {program.argv[0]}, which does not exist. Run: {BUILD_COMMAND}")
    return program


def server_parts() -> ServerParts:
    """Read `server.json`. Raises NotBuilt when it is missing or damaged."""
    path = artefact_paths()["server_json"]
    data = _read_json(path)
    try:
        parts = ServerParts(
            kernel=path.parent / data["kernel"]["image"],
            initrd=path.parent / data["initramfs"]["server"]["file"],
            append=data["append"]["server"],
            inventory=data,
        )
    except (KeyError, TypeError) as error:
        raise NotBuilt(f"{path} lacks {error}: delete its folder and run: {BUILD_COMMAND}") from None
    for file in (parts.kernel, parts.initrd):
        if not file.is_file():
            raise NotBuilt(f"{file} is missing although {path} names it. Run: {BUILD_COMMAND}")
    return parts


def debian() -> DebianServer:
    """Read `debian.json`. Raises NotBuilt when it is missing or damaged."""
    path = artefact_paths()["debian_json"]
    data = _read_json(path, DEBIAN_COMMAND)
    folder = path.parent
    try:
        login = data["login"]
        server = DebianServer(
            folder=folder,
            disk=folder / data["disk"]["file"],
            root_password=folder / login["password"],
            key=folder / login["key"],
            known_hosts=folder / login["hosts"],
            inventory=data,
        )
    except (KeyError, TypeError) as error:
        raise NotBuilt(f"{path} lacks {error}: delete its folder and run: {DEBIAN_COMMAND}") from None
    for file in (server.disk, server.root_password, server.key, server.known_hosts):
        if not file.is_file():
            raise NotBuilt(f"{file} is missing although {path} names it. Run: {DEBIAN_COMMAND}")
    return server

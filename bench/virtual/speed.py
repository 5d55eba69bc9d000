# SPDX-License-Identifier: Apache-2.0
"""How fast the co-simulated card runs when nothing paces it, alone, busy, and while a guest boots beside it; and how
fast the guest's transfers are at the bench's clock."""

import json
import os
import re
import select
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from vkbench import errors
from vkbench.virtual import build, paths, qemu

CYCLES = 4_000_000
TRANSFER_WITHIN_S = 120.0
TRANSFER = re.compile(rb"vk-exercise: ok (upload|download) .*bytes=(\d+) .*us=(\d+)")
BOOT_WITHIN_S = 120.0
READY_WITHIN_S = 30.0


def alone(card: build.Card, load: str = "") -> float:
    """Mclk/s of the card without a server: idle, or with the load ``writes`` or ``messages``."""
    argv = [str(card.vkcosim), "--free-run", "--cycles", str(CYCLES)]
    argv += ["--self-drive", load] if load else []
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    if done.returncode:
        raise errors.LabError(f"ended with {done.returncode}: {done.stderr.strip()}", "vkcosim")
    return json.loads(done.stdout)["mclk_per_s_mean"]


def while_guest_boots(card: build.Card, prompt: str) -> float:
    """Mclk/s from the server's start to its shell prompt, with the guest on the machine's other core."""
    with _server(card, "--free-run") as (console, folder):
        before, start = _cycles(folder), time.monotonic()
        _read_until(console, prompt.encode())
        after, end = _cycles(folder), time.monotonic()
    return (after - before) / (end - start) * 1e-6


def guest_transfers(card: build.Card, prompt: str, clock_hz: int) -> dict[str, float]:
    """MB/s of one upload and one download of 16 MiB as a program in the guest sees them, pinning of pages included."""
    with _server(card, "--clock-hz", str(clock_hz)) as (console, _folder):
        _read_until(console, prompt.encode())
        console.sendall(b"vk-load\n")
        _read_until(console, b"vk-load: ready")
        console.sendall(b"vk-exercise --sizes 16m --planes 1 transfer\n")
        said = _read_until(console, b"vk-exercise: done", TRANSFER_WITHIN_S)
    found = {name.decode(): int(size) / int(time_us) for name, size, time_us in TRANSFER.findall(said)}
    if set(found) != {"upload", "download"}:
        raise errors.CommandFailed(f"vk-exercise said: {said[-300:]!r}", "speed measurement")
    return found


@contextmanager
def _server(card: build.Card, *options: str) -> Iterator[tuple[socket.socket, Path]]:
    """A card with these options and a server that boots: the server's console, and the folder of the status file."""
    program, parts = qemu.find_qemu(), paths.server_parts()
    with tempfile.TemporaryDirectory(prefix="vkspeed-") as name:
        folder = Path(name)
        argv = [str(card.vkcosim), *options, "--console-port", "0", "--status", str(folder / "status")]
        argv += ["--vfio-socket", str(folder / "vfio"), "--console-socket", str(folder / "com1")]
        with _running(argv, {}) as cosim:
            assert cosim.stdout
            if not select.select([cosim.stdout], [], [], READY_WITHIN_S)[0]:
                raise errors.LabError(f"is not ready after {READY_WITHIN_S:g} s", "vkcosim")
            port = json.loads((folder / "status").read_text())["console_port"]
            server = qemu.Server(card=folder / "vfio", serial=qemu.UnixAddress(folder / "com1"))
            with (
                socket.create_connection(("127.0.0.1", port)) as console,
                _running(qemu.command(server, program, parts), program.env),
            ):
                yield console, folder


@contextmanager
def _running(argv: list[str], env: dict[str, str]) -> Iterator[subprocess.Popen]:
    process = subprocess.Popen(
        argv,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env={**os.environ, **env},
    )
    try:
        yield process
    finally:
        process.kill()
        process.wait()
        if process.stdout:
            process.stdout.close()


def _cycles(folder: Path) -> int:
    """Cycles so far; the file is rewritten each second, so this waits for the next one."""
    status = folder / "status"
    seen = status.stat().st_mtime_ns
    while status.stat().st_mtime_ns == seen:
        time.sleep(0.005)
    return json.loads(status.read_text())["cycles"]


def _read_until(console: socket.socket, text: bytes, within_s: float = BOOT_WITHIN_S) -> bytes:
    """What came up to the text."""
    seen, end = b"", time.monotonic() + within_s
    while text not in seen:
        console.settimeout(max(0.01, end - time.monotonic()))
        try:
            data = console.recv(65536)
        except TimeoutError:
            data = b""
        if not data:
            raise errors.ServerNeverBooted(f"no {text!r} within {within_s:g} s", "speed measurement")
        seen += data
    return seen

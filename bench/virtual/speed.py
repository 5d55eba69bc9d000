# SPDX-License-Identifier: Apache-2.0
"""How fast the co-simulated card runs when nothing paces it: alone, and while a guest boots beside it."""

import json
import os
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

IDLE_CYCLES = 4_000_000
BOOT_WITHIN_S = 120.0
READY_WITHIN_S = 30.0


def idle(card: build.Card) -> float:
    """Mclk/s of the card alone, without a server."""
    argv = [str(card.vkcosim), "--free-run", "--cycles", str(IDLE_CYCLES)]
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    if done.returncode:
        raise errors.LabError(f"ended with {done.returncode}: {done.stderr.strip()}", "vkcosim")
    return json.loads(done.stdout)["mclk_per_s_mean"]


def while_guest_boots(card: build.Card, prompt: str) -> float:
    """Mclk/s from the server's start to its shell prompt, with the guest on the machine's other core."""
    program, parts = qemu.find_qemu(), paths.server_parts()
    with tempfile.TemporaryDirectory(prefix="vkspeed-") as name:
        folder = Path(name)
        argv = [str(card.vkcosim), "--free-run", "--console-port", "0", "--status", str(folder / "status")]
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
                before, start = _cycles(folder), time.monotonic()
                _read_until(console, prompt.encode())
                after, end = _cycles(folder), time.monotonic()
    return (after - before) / (end - start) * 1e-6


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


def _read_until(console: socket.socket, text: bytes) -> None:
    seen, end = b"", time.monotonic() + BOOT_WITHIN_S
    while text not in seen:
        console.settimeout(max(0.01, end - time.monotonic()))
        try:
            data = console.recv(65536)
        except TimeoutError:
            data = b""
        if not data:
            raise errors.ServerNeverBooted(f"no prompt within {BOOT_WITHIN_S:g} s", "speed measurement")
        seen = seen[-1024:] + data

# SPDX-License-Identifier: Apache-2.0
"""Fixtures of the co-simulation's tests: the vkcosim binary, and one running instance with all its sockets.

The binary is $VKCOSIM, or that of the virtual bench, which is built when the cache folder does not have it.
"""

from __future__ import annotations

import json
import mmap
import os
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from vkbench.virtual import build

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))

from vfio_client import CONFIG, Client  # noqa: E402

COMMAND_MEM, COMMAND_BME = 2, 4
BAR_ADDRESS = {0: 0xE000_0000, 2: 0xE020_0000, 4: 0x12_3456_0000}  # the last one above 4 GiB: 4-DW headers


@pytest.fixture(scope="session")
def vkcosim() -> Path:
    """Path of the program under test."""
    if "VKCOSIM" in os.environ:
        return Path(os.environ["VKCOSIM"]).resolve()
    return build.ensure_card(print).vkcosim


class Cosim:
    """A running vkcosim."""

    def __init__(self, program: Path, runtime: Path, *options: str) -> None:
        self.runtime = runtime
        self.vfio, self.console = str(runtime / "vfio.sock"), str(runtime / "console.sock")
        self.status_file, self.log_file = runtime / "cosim.json", runtime / "cosim.log"
        argv = [program, "--vfio-socket", self.vfio, "--console-socket", self.console, "--console-port", "0"]
        argv += ["--scpi-port", "0", "--status", self.status_file, "--log", self.log_file]
        argv += ["--build-id", "00112233445566778899aabbccddeeff", *options]
        self.process = subprocess.Popen(list(map(str, argv)), stdout=subprocess.PIPE, text=True)
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line == "vkcosim: ready\n", f"said {line!r}, log: {self.log()}"
        first = json.loads(self.status_file.read_text())
        self.console_port, self.scpi_port = first["console_port"], first["scpi_port"]

    def log(self) -> str:
        return self.log_file.read_text() if self.log_file.exists() else ""

    def alive(self) -> bool:
        return self.process.poll() is None

    def status(self) -> dict:
        """A status written after this call: its counters cover everything that happened before."""
        cycles = json.loads(self.status_file.read_text())["cycles"]
        return self.wait(lambda: (s := json.loads(self.status_file.read_text()))["cycles"] > cycles and s)

    def descriptors(self) -> int:
        """How many files the process has open."""
        return len(list(Path(f"/proc/{self.process.pid}/fd").iterdir()))

    @staticmethod
    def wait(condition, timeout_s: float = 20.0):
        """Polls until the condition holds; returns its value."""
        end = time.monotonic() + timeout_s
        while not (value := condition()):
            assert time.monotonic() < end, "condition did not come true in time"
            time.sleep(0.005)
        return value

    def client(self) -> Client:
        """A negotiated vfio-user client."""
        client = Client(self.vfio)
        client.negotiate()
        return client

    def ready_client(self) -> Client:
        """A client with BAR addresses, memory decode and bus mastering, and the card initialised."""
        client = self.client()
        enable(client)
        # BOOT_STATUS: BOOT2_RUNNING, docs/driver-contract.md.
        self.wait(lambda: client.read32(0, 0x404) & ~0x2C0000 == 0x00100006)
        return client

    def tcp(self, port: int) -> socket.socket:
        return socket.create_connection(("127.0.0.1", port), timeout=20)

    def scpi(self) -> Scpi:
        return Scpi(self.tcp(self.scpi_port))

    def stop(self, number: int = signal.SIGTERM) -> int:
        if self.alive():
            self.process.send_signal(number)
        try:
            return self.process.wait(timeout=20)
        finally:
            if self.alive():
                self.process.kill()
            self.process.stdout.close()


def enable(client: Client, command: int = COMMAND_MEM | COMMAND_BME) -> None:
    """Gives the BARs addresses and writes the Command register, as firmware does."""
    for index, address in BAR_ADDRESS.items():
        client.write(CONFIG, 0x10 + 4 * index, address.to_bytes(8, "little"))
    client.write(CONFIG, 0x04, command.to_bytes(2, "little"))


class Memory:
    """Guest memory: a memfd, mapped here too."""

    def __init__(self, size: int) -> None:
        self.fd = os.memfd_create("guest")
        os.truncate(self.fd, size)
        self.bytes = mmap.mmap(self.fd, size)

    def units(self, first: int = 0, size: int | None = None) -> list[tuple[int, int]]:
        """(sequence, magic) of every 8 bytes."""
        end = len(self.bytes) if size is None else first + size
        return list(struct.iter_unpack("<II", self.bytes[first:end]))

    def close(self) -> None:
        self.bytes.close()
        os.close(self.fd)


class Scpi:
    """A line-based SCPI client."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self.file = sock.makefile("rb")

    def write(self, line: str) -> None:
        self.sock.sendall(line.encode() + b"\n")

    def ask(self, line: str) -> str:
        self.write(line)
        reply = self.file.readline()
        assert reply.endswith(b"\n"), f"no answer to {line}"
        return reply.decode().strip()

    def settle(self) -> None:
        """Returns when every command sent so far has been executed without an error."""
        assert self.ask("SYST:ERR?").startswith("0,")

    def close(self) -> None:
        self.file.close()
        self.sock.close()


@pytest.fixture(scope="session")
def runtime_root() -> Iterator[Path]:
    """A folder with a short name: socket paths are limited to 107 bytes."""
    with tempfile.TemporaryDirectory(prefix="vkc") as folder:
        yield Path(folder)


@pytest.fixture
def start_cosim(vkcosim: Path, runtime_root: Path) -> Iterator[Callable[..., Cosim]]:
    """Starts a fresh vkcosim with these options; the test fails when it crashes."""
    with tempfile.TemporaryDirectory(dir=runtime_root) as folder:
        started: list[Cosim] = []

        def start(*options: str) -> Cosim:
            started.append(Cosim(vkcosim, Path(tempfile.mkdtemp(dir=folder)), *options))
            return started[-1]

        try:
            yield start
            for one in started:
                assert one.alive(), f"vkcosim ended with {one.process.returncode}: {one.log()}"
        finally:
            for one in started:
                one.stop()


@pytest.fixture
def cosim(start_cosim: Callable[..., Cosim]) -> Cosim:
    """One with the default options."""
    return start_cosim()

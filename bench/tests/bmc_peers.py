# SPDX-License-Identifier: Apache-2.0
"""Peers of the BMC tests: OpenIPMI's simulator with a sleeping process as its server, and a bad wire in front of it."""

import heapq
import itertools
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Self

import pytest
from instrument_peers import free_port

from vkbench.config.model import Bmc, Secret
from vkbench.virtual import ipmi_sim

USER, PASSWORD = "operator", "right-one"
# A full sensor record (IPMI 2.0 table 43-1): temperature 0x30, linear, 0.5 °C a step, "Inlet"; and a compact one of
# kind Critical Interrupt. The simulator's own commands put them into its repository.
INLET = (
    "main_sdr_add 0x20 00 00 0x51 0x01 0x30 0x20 0x00 0x30 0x07 0x01 0x7f 0x68 0x01 0x01 0x00 0x00 0x00 0x00 0x3f 0x3f "
    "0x00 0x01 0x00 0x00 0x05 0x00 0x00 0x00 0x00 0xf0 0x00 0x30 0x40 0x20 0xff 0x00 0xb4 0xaa 0xa0 0x00 0x00 0x00 "
    "0x02 0x02 0x00 0x00 0x00 0xc5 0x49 0x6e 0x6c 0x65 0x74"
)


def fru(*texts: str) -> str:
    """The command that gives the simulator a FRU with a product area (Platform Management FRU specification, 12)."""

    def summed(data: bytes) -> bytes:
        return data + bytes([-sum(data) & 0xFF])

    fields = b"".join(bytes([0xC0 | len(text)]) + text.encode() for text in texts) + b"\xc1"
    units = (3 + len(fields) + 1 + 7) // 8
    area = summed((bytes([1, units, 25]) + fields).ljust(8 * units - 1, b"\0"))
    data = summed(bytes([1, 0, 0, 0, 1, 0, 0])) + area
    return f"mc_add_fru_data 0x20 0 {len(data)} data " + " ".join(f"{byte:#04x}" for byte in data)


# Maker, product, part number, version, serial number, asset tag, FRU file.
FRU = fru("Contoso", "Rack 7", "P-1", "v2", "S-0042", "", "")
SENSORS = [
    FRU,
    "sensor_add 0x20 0 0x30 0x01 0x01",
    "sensor_set_event_support 0x20 0 0x30 enable scanning per-state 000000000000000 000000000000000 000000000000000 "
    "000000000000000",
    "sensor_set_value 0x20 0 0x30 0x34 0",
    INLET,
]
# The simulator asks a program of its user for what has no meaning without a machine; this one keeps files.
CHASSIS = """#!/bin/sh
# chassis MC get|set|check NAME [VALUE]...
cd "$(dirname "$0")/machine"
verb=$2; shift 2
echo "$verb $*" >> calls
while [ $# -gt 0 ]; do
  case $verb in
    get) value=$(head -c 64 "$1" 2>/dev/null | tr -d '\\0'); echo "$1:${value:-0}"; shift;;
    set) echo "$2" > "$1"; shift 2;;
    *) shift;;
  esac
done
"""


def bmc_settings(port: int, secret: Path, host: str = "127.0.0.1", **more: object) -> Bmc:
    """The [bmc] table of a bench file."""
    table = {"timeout_s": 1.0, "power_timeout_s": 8.0, **more}
    return Bmc(host=host, port=port, user=USER, password=Secret(file=str(secret)), **table)


class Simulator:
    """One ipmi_sim that can be ended and started again, on the same port with the same state."""

    def __init__(self, folder: Path, extra: list[str] | None = None, chassis: bool = False) -> None:
        if not shutil.which("ipmi_sim"):
            pytest.fail("ipmi_sim is missing: install Debian's package openipmi (fixtures/host/apt.txt)")
        self.port = free_port(socket.SOCK_DGRAM)
        self.folder = folder
        bmc = ipmi_sim.Bmc(self.port, free_port(), USER, PASSWORD, ["sleep", "600"])
        self.argv = ipmi_sim.prepare(bmc, folder)
        with (folder / "bmc.emu").open("a") as commands:
            commands.writelines(f"{line}\n" for line in extra or [])
        self.machine = folder / "machine"  #: with chassis: its files, each named after what it holds
        if chassis:
            program = folder / "chassis"
            program.write_text(CHASSIS)
            program.chmod(0o700)
            self.machine.mkdir()
            (self.machine / "boot").write_text("none\n")
            with (folder / "lan.conf").open("a") as lines:
                lines.write(f'chassis_control "{program} 0x20"\n')
        self.process: subprocess.Popen | None = None

    def start(self) -> Self:
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(
                self.argv, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
            )
        ipmi_sim.wait_ready(self.port, self.process)
        return self

    def stop(self) -> None:
        if self.process is None:
            return
        self.process.terminate()
        try:
            self.process.wait(5)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.process = None


@contextmanager
def simulator(folder: Path, extra: list[str] | None = None, chassis: bool = False) -> Iterator[Simulator]:
    """A running simulator. ``chassis``: a program that keeps files stands for the machine, instead of a process."""
    sim = Simulator(folder, extra, chassis)
    try:
        yield sim.start()
    finally:
        sim.stop()


class Wire:
    """UDP between driver and BMC, that can be slow, deaf, lossy and noisy. Each client has a port of its own behind it."""

    def __init__(self, bmc_port: int, host: str = "127.0.0.1") -> None:
        self._bmc = ("127.0.0.1", bmc_port)
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self._front = socket.socket(family, socket.SOCK_DGRAM)
        self._front.bind((host, 0))
        self.port = self._front.getsockname()[1]
        self.delay_s = 0.0  #: each answer comes so much later
        self.deaf = False  #: nothing passes to the BMC
        self.to_bmc: Callable[[bytes], bool] = lambda data: True  #: False: this request is lost
        self.to_client: Callable[[bytes], list[bytes]] = lambda data: [data]  #: what comes for an answer
        self.requests = self.answers = 0
        self._backs: dict[tuple, socket.socket] = {}
        self._queue: list = []
        self._count = itertools.count()
        self._wake = threading.Condition()
        self._open = True
        self._threads = [
            threading.Thread(target=target, daemon=True) for target in (self._requests, self._deliver)
        ]
        for thread in self._threads:
            thread.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        with self._wake:
            self._open = False
            self._wake.notify_all()
        self._front.sendto(b"", self._front.getsockname())
        for thread in self._threads:
            thread.join()
        self._front.close()  # by nobody else: the number may already be another file's
        for back in self._backs.values():
            with suppress(OSError):
                back.shutdown(socket.SHUT_RDWR)
            back.close()

    def _requests(self) -> None:
        while self._open:
            with suppress(ConnectionRefusedError):
                data, client = self._front.recvfrom(4096)
                if not data:
                    break
                self.requests += 1
                if self.deaf or not self.to_bmc(data):
                    continue
                if client not in self._backs:
                    back = self._backs[client] = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
                    back.connect(self._bmc)
                    threading.Thread(target=self._answers, args=(back, client), daemon=True).start()
                with suppress(OSError):
                    self._backs[client].send(data)

    def _answers(self, back: socket.socket, client: tuple) -> None:
        while self._open:
            try:
                data = back.recv(4096)
            except ConnectionRefusedError:
                continue
            except OSError:
                return
            if not data:
                return
            with self._wake:
                self.answers += 1
                for part in self.to_client(data):
                    item = (time.monotonic() + self.delay_s, next(self._count), part, client)
                    heapq.heappush(self._queue, item)
                self._wake.notify_all()

    def _deliver(self) -> None:
        while True:
            with self._wake:
                while self._open and (not self._queue or self._queue[0][0] > time.monotonic()):
                    left = self._queue[0][0] - time.monotonic() if self._queue else None
                    self._wake.wait(left)
                if not self._open:
                    return
                _, _, data, client = heapq.heappop(self._queue)
            with suppress(OSError):
                self._front.sendto(data, client)

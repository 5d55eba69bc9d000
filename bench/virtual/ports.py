# SPDX-License-Identifier: Apache-2.0
"""The loopback ports of a virtual bench: they are those of the bench file's wires, so nothing is said twice.

[virtual] names further doors to the same machine: a bench that is driven over IPMI can be offered over Redfish as well.
"""

import fcntl
import os
import re
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from vkbench import errors
from vkbench.config import BenchFile
from vkbench.config.model import SOL, Virtual

LOOPBACK = ("127.0.0.1", "localhost")
STARTED_WITHIN_S, POLL_S = 120.0, 0.02


@dataclass(frozen=True)
class Ports:
    """Where the bench file says that the wires end. None: nothing in the file leads there."""

    scpi: int
    bmc: int | None = None  #: IPMI; also carries serial over LAN
    redfish: int | None = None
    console: int | None = None  #: raw TCP
    rfc2217: int | None = None
    ssh: int | None = None

    @classmethod
    def of(cls, bench: BenchFile) -> "Ports":
        """From the bench file. Raises UserError when a wire cannot be one of a virtual bench."""
        more = bench.virtual or Virtual()
        wrong = []
        if bench.bmc.host not in LOOPBACK:
            wrong.append(f"[bmc] host is {bench.bmc.host!r}, allowed is 127.0.0.1")
        found = {
            "bmc": bench.bmc.address_port if bench.bmc.kind == "ipmi" else more.ipmi_port,
            "redfish": bench.bmc.address_port if bench.bmc.kind == "redfish" else more.redfish_port,
            "rfc2217": more.rfc2217_port,
        }
        url = urlsplit(bench.console.url)
        door = {"socket": "console", "rfc2217": "rfc2217"}.get(url.scheme)
        if bench.console.url == SOL:
            if bench.sol.host not in LOOPBACK or found["bmc"] not in (None, bench.sol.address_port):
                wrong.append("[console.sol] must be this bench's own BMC, at 127.0.0.1 and its IPMI port")
            found["bmc"] = bench.sol.address_port
        elif door is None or url.hostname not in LOOPBACK or not url.port:
            wrong.append(
                f"[console] url is {bench.console.url!r}, allowed are socket://127.0.0.1:PORT, "
                "rfc2217://127.0.0.1:PORT and sol:"
            )
        else:
            found[door] = url.port
        scpi = re.fullmatch(r"TCPIP\d*::([^:]+)::(\d+)::SOCKET", bench.analyser.resource, re.IGNORECASE)
        if not scpi or scpi[1] not in LOOPBACK:
            wrong.append(
                f"[analyser] resource is {bench.analyser.resource!r}, allowed is TCPIP::127.0.0.1::PORT::SOCKET"
            )
        ssh = bench.server.ssh
        if ssh is not None and (ssh.host not in LOOPBACK or more.server == "initramfs"):
            wrong.append('[server.ssh] needs host 127.0.0.1, and [virtual] server = "debian"')
        if wrong or not scpi:
            raise errors.UserError(
                "a virtual bench's wires are on this machine: " + "; ".join(wrong), str(bench.path)
            )
        return cls(int(scpi[2]), ssh=ssh.port if ssh else None, **found)

    def check_free(self, where: str) -> None:
        """Say who stands in the way before anything is built or started. Raises PortInUse."""
        wanted = (
            (self.bmc, socket.SOCK_DGRAM, "UDP", "[bmc] port"),
            (self.redfish, socket.SOCK_STREAM, "TCP", "the port of Redfish"),
            (self.console, socket.SOCK_STREAM, "TCP", "[console] url"),
            (self.rfc2217, socket.SOCK_STREAM, "TCP", "the port of RFC 2217"),
            (self.scpi, socket.SOCK_STREAM, "TCP", "[analyser] resource"),
            (self.ssh, socket.SOCK_STREAM, "TCP", "[server.ssh] port"),
        )
        for port, kind, name, key in wanted:
            if port is None:
                continue
            with socket.socket(socket.AF_INET, kind) as probe:
                if kind is socket.SOCK_STREAM:  # as the servers do: a port in TIME_WAIT is free
                    probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                try:
                    probe.bind(("127.0.0.1", port))
                except OSError as error:
                    raise errors.PortInUse(
                        f"{name} port {port} of 127.0.0.1 cannot be had ({error.strerror})",
                        where,
                        f"End the program that has it (another bench? vkbench lab down), or change {key}",
                    ) from None


def runtime_folder(name: str) -> Path:
    """Where everything lies that belongs to this running bench of this user."""
    base = os.environ.get("XDG_RUNTIME_DIR") or "/tmp"
    return Path(base) / f"vkbench-{os.getuid()}-{name}"


@contextmanager
def starting(wait_s: float = STARTED_WITHIN_S) -> Iterator[None]:
    """One bench of this user starts at a time: a port that free_port() found is free until the process that wants it has
    it. Raises LabError.
    """
    until = time.monotonic() + wait_s
    path = runtime_folder("starting.lock")
    with os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)) as file:
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > until:
                    what = f"another bench was still starting after {wait_s:g} s"
                    raise errors.LabError(what, str(path)) from None
            time.sleep(POLL_S)
        yield


def free_port(kind: socket.SocketKind = socket.SOCK_STREAM) -> int:
    """A port of loopback that nobody uses just now."""
    with socket.socket(socket.AF_INET, kind) as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]

# SPDX-License-Identifier: Apache-2.0
"""The loopback ports of a virtual bench: they are those of the bench file's wires, so nothing is said twice."""

import re
import socket
from dataclasses import dataclass
from urllib.parse import urlsplit

from vkbench import errors
from vkbench.config import BenchFile

LOOPBACK = ("127.0.0.1", "localhost")


@dataclass(frozen=True)
class Ports:
    """Where the bench file says that the wires end."""

    bmc: int
    console: int
    scpi: int

    @classmethod
    def of(cls, bench: BenchFile) -> "Ports":
        """From the bench file. Raises UserError when a wire cannot be one of a virtual bench."""
        url = urlsplit(bench.console.url)
        scpi = re.fullmatch(r"TCPIP\d*::([^:]+)::(\d+)::SOCKET", bench.analyser.resource, re.IGNORECASE)
        wrong = []
        if bench.bmc.host not in LOOPBACK:
            wrong.append(f"[bmc] host is {bench.bmc.host!r}, allowed is 127.0.0.1")
        if url.scheme != "socket" or url.hostname not in LOOPBACK or not url.port:
            wrong.append(f"[console] url is {bench.console.url!r}, allowed is socket://127.0.0.1:PORT")
        if not scpi or scpi[1] not in LOOPBACK:
            wrong.append(
                f"[analyser] resource is {bench.analyser.resource!r}, allowed is TCPIP::127.0.0.1::PORT::SOCKET"
            )
        if wrong or not scpi or not url.port:
            raise errors.UserError(
                "a virtual bench's wires are on this machine: " + "; ".join(wrong), str(bench.path)
            )
        return cls(bench.bmc.port, url.port, int(scpi[2]))

    def check_free(self, where: str) -> None:
        """Say who stands in the way before anything is built or started. Raises PortInUse."""
        wanted = (
            (self.bmc, socket.SOCK_DGRAM, "UDP", "[bmc] port"),
            (self.console, socket.SOCK_STREAM, "TCP", "[console] url"),
            (self.scpi, socket.SOCK_STREAM, "TCP", "[analyser] resource"),
        )
        for port, kind, name, key in wanted:
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


def free_port() -> int:
    """A TCP port that nobody uses just now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]

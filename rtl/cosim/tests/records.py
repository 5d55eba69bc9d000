# SPDX-License-Identifier: Apache-2.0
"""Reads captures over the SCPI port, without the package: what the tests expect of a record is written here again."""

from __future__ import annotations

import socket
import struct
from dataclasses import dataclass

from conftest import Cosim, Scpi
from test_ports import server
from vfio_client import Client

CQ, CC, RQ, RC, CFG, RESET, MSIX, CONSOLE, GATE, MARK, TRIGGER, LOSS, CONFIG, LEVEL = range(1, 15)
RECORD = struct.Struct("<QBBHII12x")
SCRATCH = 0x61E0  # BAR 2: plain registers


@dataclass(frozen=True)
class Event:
    """A record; ``before`` is DW0 of its header."""

    time: int
    kind: int
    flags: int
    aux: int
    data: int
    before: int


def arm(scpi: Scpi, *settings: str) -> None:
    """Starts a capture without folding, whose events have no time of their own, that ends with ``capture()``."""
    for line in ("CAPT:STOP", "TRIG:CLE", "CAPT:FOLD OFF", "TRIG:SOUR DOOR", *settings, "CAPT:ARM"):
        scpi.write(line)
    scpi.settle()


def capture(scpi: Scpi) -> list[Event]:
    """Stops and reads everything; fails when the analyser lost an event."""
    scpi.write("CAPT:STOP")
    assert scpi.ask("CAPT:LOST?").split(",")[0] == "0"
    left, events = int(scpi.ask("CAPT:COUN?")), []
    first = 0
    while left:
        part = min(left, 4096)
        scpi.write(f"CAPT:DATA? {first},{part}")
        assert scpi.file.read(1) == b"#"
        block = scpi.file.read(int(scpi.file.read(int(scpi.file.read(1)))))
        assert scpi.file.read(1) == b"\n" and len(block) == part * RECORD.size
        events += [Event(*fields) for fields in RECORD.iter_unpack(block)]
        first, left = first + part, left - part
    assert all(a.time <= b.time for a, b in zip(events, events[1:], strict=False))
    return events


class Stand:
    """A server of our own: console and PCIe, and the analyser's port."""

    def __init__(self, cosim: Cosim) -> None:
        self.cosim = cosim
        self.console: socket.socket = server(cosim)
        self.client: Client = cosim.ready_client()
        self.scpi = cosim.scpi()

    def __enter__(self) -> Stand:
        return self

    def __exit__(self, *_) -> None:
        self.scpi.close()
        self.client.close()
        self.console.close()

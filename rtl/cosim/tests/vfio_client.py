# SPDX-License-Identifier: Apache-2.0
"""An independent vfio-user client for tests, written from QEMU's docs/interop/vfio-user.rst.

It shares no code and no constants with the server, so that a misunderstanding shows as a failing test.
"""

from __future__ import annotations

import array
import errno
import json
import os
import select
import socket
import struct
from dataclasses import dataclass, field

HEADER = struct.Struct("<HHIII")
(
    VERSION,
    DMA_MAP,
    DMA_UNMAP,
    GET_INFO,
    GET_REGION_INFO,
    GET_REGION_IO_FDS,
    GET_IRQ_INFO,
    SET_IRQS,
    REGION_READ,
    REGION_WRITE,
    DMA_READ,
    DMA_WRITE,
    DEVICE_RESET,
    DIRTY_PAGES,
    REGION_WRITE_MULTI,
) = range(1, 16)
REPLY, NO_REPLY, ERROR = 0x1, 0x10, 0x20
CONFIG = 7  # region index of configuration space
MSIX = 2  # interrupt index
DATA_NONE, DATA_BOOL, DATA_EVENTFD = 1, 2, 4
MASK, UNMASK, TRIGGER = 8, 16, 32
CAPABILITIES = {
    "capabilities": {
        "max_msg_fds": 8,
        "max_data_xfer_size": 1 << 20,
        "max_dma_maps": 65535,
        "pgsizes": 4096,
        "write_multiple": True,
    }
}


class Refused(Exception):
    """The server answered with an error; ``number`` is its errno value."""

    def __init__(self, number: int) -> None:
        super().__init__(f"{errno.errorcode.get(number, number)}")
        self.number = number


class Closed(Exception):
    """The server closed the connection."""


@dataclass
class Client:
    """One connection. ``call`` sends a command and returns the reply's payload."""

    path: str
    timeout_s: float = 20.0
    sock: socket.socket = field(init=False)
    next_id: int = 0

    def __post_init__(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout_s)
        self.sock.connect(self.path)

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_) -> None:
        self.close()

    def close(self) -> None:
        self.sock.close()

    # ---- messages ----

    def send(
        self,
        command: int,
        payload: bytes = b"",
        fds: tuple[int, ...] = (),
        flags: int = 0,
        size: int | None = None,
    ) -> int:
        """Sends one command; ``size`` overrides the header's message size."""
        self.next_id = (self.next_id + 1) & 0xFFFF
        length = HEADER.size + len(payload) if size is None else size
        message = HEADER.pack(self.next_id, command, length, flags, 0) + payload
        self.send_raw(message, fds)
        return self.next_id

    def send_raw(self, message: bytes, fds: tuple[int, ...] = ()) -> None:
        rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", fds))] if fds else []
        try:
            sent = self.sock.sendmsg([message], rights)
            if sent < len(message):
                self.sock.sendall(message[sent:])
        except (BrokenPipeError, ConnectionResetError):
            raise Closed from None

    def receive(self) -> tuple[int, int, int, int, bytes]:
        """Next message from the server: id, command, flags, error, payload."""
        number, command, size, flags, error = HEADER.unpack(self.exactly(HEADER.size))
        return number, command, flags, error, self.exactly(size - HEADER.size)

    def exactly(self, count: int) -> bytes:
        data = b""
        while len(data) < count:
            try:
                part = self.sock.recv(count - len(data))
            except ConnectionResetError:
                part = b""
            if not part:
                raise Closed
            data += part
        return data

    def call(self, command: int, payload: bytes = b"", fds: tuple[int, ...] = (), flags: int = 0) -> bytes:
        number = self.send(command, payload, fds, flags)
        got, answered, reply_flags, error, data = self.receive()
        assert got == number, f"reply to message {got}, expected {number}"
        assert answered == command
        assert reply_flags & 0xF == REPLY
        if reply_flags & ERROR:
            assert data == b"", "an error reply must be a bare header"
            raise Refused(error)
        return data

    def closed_by_server(self) -> bool:
        """Whether the server closes within the time limit, having sent nothing else."""
        ready, _, _ = select.select([self.sock], [], [], self.timeout_s)
        try:
            return bool(ready) and self.sock.recv(1) == b""
        except ConnectionResetError:
            return True

    # ---- commands ----

    def negotiate(self, major: int = 0, minor: int = 0, capabilities: dict | None = None) -> dict:
        text = json.dumps(CAPABILITIES if capabilities is None else capabilities).encode() + b"\0"
        reply = self.call(VERSION, struct.pack("<HH", major, minor) + text)
        got_major, got_minor = struct.unpack_from("<HH", reply)
        assert got_major == major and got_minor <= minor
        assert reply.endswith(b"\0")
        return json.loads(reply[4:-1])

    def device_info(self) -> tuple[int, int, int]:
        """flags, regions, interrupt types."""
        argsz, flags, regions, irqs = struct.unpack(
            "<IIII", self.call(GET_INFO, struct.pack("<IIII", 16, 0, 0, 0))
        )
        assert argsz == 16
        return flags, regions, irqs

    def region_info(self, index: int, argsz: int = 32) -> tuple[int, int]:
        """flags, size."""
        reply = self.call(GET_REGION_INFO, struct.pack("<IIIIQQ", argsz, 0, index, 0, 0, 0))
        _, flags, got, _, size, _ = struct.unpack("<IIIIQQ", reply)
        assert got == index
        return flags, size

    def irq_info(self, index: int) -> tuple[int, int]:
        """flags, count."""
        reply = self.call(GET_IRQ_INFO, struct.pack("<IIII", 16, 0, index, 0))
        _, flags, got, count = struct.unpack("<IIII", reply)
        assert got == index
        return flags, count

    def read(self, region: int, offset: int, count: int) -> bytes:
        reply = self.call(REGION_READ, struct.pack("<QII", offset, region, count))
        assert struct.unpack_from("<QII", reply) == (offset, region, count)
        assert len(reply) == 16 + count
        return reply[16:]

    def write(self, region: int, offset: int, data: bytes, posted: bool = False) -> None:
        payload = struct.pack("<QII", offset, region, len(data)) + data
        if posted:
            self.send(REGION_WRITE, payload, flags=NO_REPLY)
            return
        assert struct.unpack("<QII", self.call(REGION_WRITE, payload)) == (offset, region, len(data))

    def read32(self, region: int, offset: int) -> int:
        return int.from_bytes(self.read(region, offset, 4), "little")

    def write32(self, region: int, offset: int, value: int) -> None:
        self.write(region, offset, value.to_bytes(4, "little"))

    def dma_map(self, iova: int, size: int, fd: int | None, offset: int = 0, access: int = 3) -> None:
        payload = struct.pack("<IIQQQ", 32, access, offset, iova, size)
        assert self.call(DMA_MAP, payload, () if fd is None else (fd,)) == b""

    def dma_unmap(self, iova: int, size: int, flags: int = 0) -> None:
        payload = struct.pack("<IIQQ", 24, flags, iova, size)
        assert self.call(DMA_UNMAP, payload) == payload

    def set_irqs(
        self,
        flags: int,
        start: int,
        count: int,
        fds: tuple[int, ...] = (),
        data: bytes = b"",
        index: int = MSIX,
    ) -> None:
        payload = struct.pack("<IIIII", 20 + len(data), flags, index, start, count) + data
        assert self.call(SET_IRQS, payload, fds) == b""

    def reset(self) -> None:
        assert self.call(DEVICE_RESET) == b""


def eventfd_count(fd: int, wait_s: float) -> int:
    """Waits for an eventfd and returns its counter, 0 when nothing came in time."""
    ready, _, _ = select.select([fd], [], [], wait_s)
    return struct.unpack("<Q", os.read(fd, 8))[0] if ready else 0

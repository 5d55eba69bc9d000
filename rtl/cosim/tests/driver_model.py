# SPDX-License-Identifier: Apache-2.0
"""A tiny driver of the card in Python: message queues, SGLs and DMA, as docs/driver-contract.md describes them.

It shares no code with the real driver or the card's firmware, so that a misunderstanding shows as a failing test.
"""

from __future__ import annotations

import os
import struct
from dataclasses import dataclass

from conftest import Cosim, Memory
from vfio_client import CONFIG, DATA_EVENTFD, TRIGGER, Client, eventfd_count

TRANS_BUF, SHUTDOWN, INIT = 5, 8, 9
UPLOAD, DOWNLOAD = 0x400, 0x500
BLOCK = 16
IOVA = 0x1_4000_0000  # above 4 GiB
MARKER = 0xBEEFCAFE
Entry = tuple[int, int]  # bytes, offset in the memory


@dataclass(frozen=True)
class Answer:
    """A block from the card."""

    function: int
    size: int
    trans_id: int
    context: int
    command: int
    argument: int


class Driver:
    """Drives one card. ``memory`` is everything that the card may reach; its first half is for the test's data."""

    def __init__(self, cosim: Cosim, client: Client, memory: Memory) -> None:
        self.cosim, self.client, self.memory = cosim, client, memory
        self.next_sgl = len(memory.bytes) // 2
        client.dma_map(IOVA, len(memory.bytes), memory.fd)
        self.events = [os.eventfd(0) for _ in range(4)]
        client.set_irqs(DATA_EVENTFD | TRIGGER, 0, 4, tuple(self.events))
        client.write(CONFIG, 0x52, b"\x00\x80")
        cosim.wait(lambda: client.read32(2, 0x60C0) == MARKER)
        queues = client.read32(2, 0x60C4)
        first = client.read32(2, 0x60C8)
        self.queues = queues // 2
        self.to_card = [first + 32 * i for i in range(self.queues)]
        self.to_host = [first + 32 * (self.queues + i) for i in range(self.queues)]
        self.number = 0

    def close(self) -> None:
        for event in self.events:
            os.close(event)

    def send(
        self,
        function: int,
        *,
        queue: int = 0,
        context: int = 0,
        command: int = 0,
        argument: int = 0,
        table: bytes = b"",
    ) -> int:
        """Puts a message into a queue and rings its doorbell; returns its trans_id."""
        self.number = (self.number + 1) & 0xFFF
        trans_id = self.number << 4 | queue
        extra = -(-len(table) // BLOCK)
        data = struct.pack("<BBHIII", function, extra, trans_id, context, command, argument)
        data += bytes(extra * BLOCK - len(table)) + table
        descriptor = self.to_card[queue]
        start, write, size = (self.client.read32(2, descriptor + at) for at in (4, 12, 16))
        for at in range(0, len(data), BLOCK):
            self.client.write(2, start + write * BLOCK, data[at : at + BLOCK])
            write = (write + 1) % size
        self.client.write32(2, descriptor + 12, write)
        self.client.write32(0, 0x484 + 8 * queue, write + 1)
        return trans_id

    def answer(self, queue: int = 0) -> Answer:
        """Waits for the interrupt of the queue, then takes the next block."""
        descriptor = self.to_host[queue]
        start, read, size = (self.client.read32(2, descriptor + at) for at in (4, 8, 16))
        while self.client.read32(2, descriptor + 12) == read:
            assert eventfd_count(self.events[queue], 20.0), f"no interrupt {queue}: {self.cosim.status()}"
        block = self.client.read(2, start + read * BLOCK, BLOCK)
        self.client.write32(2, descriptor + 8, (read + 1) % size)
        return Answer(*struct.unpack("<BBHIII", block))

    def sgl(self, entries: list[Entry], total: int | None = None) -> bytes:
        """Writes a scatter list behind the others; returns its line of the plane table."""
        data = struct.pack("<II", len(entries), sum(size for size, _ in entries) if total is None else total)
        data += b"".join(
            struct.pack("<III", size, (IOVA + at) & 0xFFFFFFFF, (IOVA + at) >> 32) for size, at in entries
        )
        place = self.next_sgl
        self.memory.bytes[place : place + len(data)] = data
        self.next_sgl += -(-len(data) // 4) * 4
        return struct.pack("<IQ", len(data), IOVA + place)

    def transfer(
        self, direction: int, card: int, planes: list[list[Entry]], queue: int = 0, context: int = 0
    ) -> int:
        """One TRANS_BUF; returns the answer's arg."""
        table = b"".join(self.sgl(plane) for plane in planes)
        command = direction | len(planes)
        sent = self.send(TRANS_BUF, queue=queue, context=context, command=command, argument=card, table=table)
        found = self.answer(queue)
        assert (found.function, found.trans_id, found.command) == (TRANS_BUF, sent, command)
        return found.argument

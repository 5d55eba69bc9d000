# SPDX-License-Identifier: Apache-2.0
"""What the driver and its host do, in small: host memory behind RQ and RC, message queues, SGLs
(docs/messages.md)."""

from __future__ import annotations

import struct

from cocotbext.pcie.core.tlp import Tlp
from common.bench import Packet, VkBench
from common.tlps import HOST

BLOCK, BLOCKS = 16, 64
TRANS_BUF, SHUTDOWN, INIT = 5, 8, 9
UPLOAD, DOWNLOAD = 4, 5
DOORBELL = (0x484, 0x48C, 0x494)


class HostMemory:
    """Answers the card's reads, split at random places that PCIe allows, and takes its writes. A request
    outside is an error of the test; ``touched`` has each byte that the card wrote."""

    def __init__(self, tb: VkBench, base: int = 0x3_FFF0_0000, size: int = 1 << 20):
        self.tb, self.base, self.bytes = tb, base, bytearray(size)
        self.touched: set[int] = set()
        self.refuse = False  # reads stay without an answer
        tb.on_request = self.serve

    def serve(self, packet: Packet) -> None:
        tlp = packet.tlp
        start = tlp.address - self.base
        assert start >= 0 and start + 4 * tlp.length <= len(self.bytes), f"wild DMA: {tlp!r}"
        assert tlp.address % 4096 + 4 * tlp.length <= 4096, f"crosses 4 KiB: {tlp!r}"
        if tlp.has_data():
            for i, byte in enumerate(tlp.data):
                dword, lane = divmod(i, 4)
                enables = tlp.first_be if dword == 0 else tlp.last_be if dword == tlp.length - 1 else 15
                if enables >> lane & 1:
                    self.bytes[start + i] = byte
                    self.touched.add(start + i)
        elif not self.refuse:
            self.answer(tlp, start)

    def answer(self, request: Tlp, start: int) -> None:
        left, end = request.get_be_byte_count(), start + 4 * request.length
        at, lower = start, request.address + request.get_first_be_offset() & 0x7F
        while at < end:
            to = min(end, (at // 64 + self.tb.rng.randint(1, 4)) * 64)
            cpl = Tlp.create_completion_data_for_tlp(request, HOST)
            cpl.byte_count, cpl.lower_address = left, lower
            cpl.set_data(bytes(self.bytes[at:to]))
            self.tb.complete(cpl)
            left -= to - at - (lower & 3)
            at, lower = to, (self.base + to) & 0x7F


class Driver:
    """One of the card's users. Addresses are bus addresses in ``memory``."""

    def __init__(self, tb: VkBench, memory: HostMemory):
        self.tb, self.memory, self.serial = tb, memory, 1
        self.write_index, self.read_index = [0] * 3, [0] * 3

    async def send(self, queue: int, message: bytes) -> None:
        """Blocks into the ring, write index, doorbell, as bcm_to_v_q_doorbell."""
        blocks = len(message) // BLOCK
        for i in range(blocks):
            at = 0x7100 + 0x400 * queue + (self.write_index[queue] + i) % BLOCKS * BLOCK
            self.tb.write(2, at, message[BLOCK * i : BLOCK * (i + 1)])
        self.write_index[queue] = (self.write_index[queue] + blocks) % BLOCKS
        self.tb.write(2, 0x7000 + 32 * queue + 12, self.write_index[queue])
        self.tb.write(0, DOORBELL[queue], self.write_index[queue] + 1)

    async def reply(self, queue: int, timeout: int = 100_000) -> tuple[int, ...]:
        """The next block of the to-host ring, once its interrupt came: function, size, id, context, cmd, arg."""
        descriptor = 0x7000 + 32 * (3 + queue)
        end = self.tb.cycle + timeout
        while await self.tb.read(2, descriptor + 12) == self.read_index[queue]:
            assert self.tb.cycle < end, f"no reply in queue {queue}"
            await self.tb.clocks(20)
        at = 0x7100 + 0x400 * (3 + queue) + BLOCK * self.read_index[queue]
        block = bytes((await self.tb.read_tlp(2, at, BLOCK)).data)
        self.read_index[queue] = (self.read_index[queue] + 1) % BLOCKS
        self.tb.write(2, descriptor + 8, self.read_index[queue])
        return struct.unpack("<2BH3I", block)

    def sgl(self, at: int, entries: list[tuple[int, int]]) -> tuple[int, int]:
        """Puts a list of (bytes, address) at ``at``; returns its (bytes, address)."""
        data = struct.pack("<2I", len(entries), sum(size for size, _ in entries))
        for size, address in entries:
            data += struct.pack("<IQ", size, address)
        start = at - self.memory.base
        self.memory.bytes[start : start + len(data)] = data
        return len(data), at

    def trans_buf(
        self, queue: int, direction: int, planes: list[tuple[int, int]], arg: int, context: int = 0
    ):
        """A TRANS_BUF message; ``planes`` are SGLs."""
        self.serial = self.serial % 4095 + 1
        table = b"".join(struct.pack("<IQ", *plane) for plane in planes)
        blocks = -(-len(table) // BLOCK)
        command = direction << 8 | len(planes)
        head = struct.pack("<2BH3I", TRANS_BUF, blocks, self.serial << 4 | queue, context, command, arg)
        return head + table.rjust(blocks * BLOCK, b"\0")

    async def call(self, queue: int, message: bytes) -> int:
        """Sends the message and returns arg of its reply."""
        await self.send(queue, message)
        function, size, serial, _context, command, arg = await self.reply(queue)
        sent = struct.unpack("<2BH3I", message[:BLOCK])
        assert (function, size, serial, command) == (sent[0], 0, sent[2], sent[4])
        return arg

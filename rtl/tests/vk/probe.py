# SPDX-License-Identifier: Apache-2.0
"""A program for the card's soft core that does single accesses at a test's orders, instead of the firmware."""

from __future__ import annotations

import struct
from contextlib import asynccontextmanager

from common.bench import VkBench

#: Says that the card is ready, then serves a mailbox in BAR 4: 1 reads, anything else writes.
PROGRAM = (
    0x200202B7,  #        lui  t0, 0x20020      BAR 4
    0x00100313,  #        li   t1, 1
    0x100003B7,  #        lui  t2, 0x10000      registers
    0x0063A623,  #        sw   t1, 12(t2)       CONTROL.ready
    0x7F02AE03,  # loop:  lw   t3, 0x7f0(t0)    order
    0xFE0E0EE3,  #        beqz t3, loop
    0x7F42AE83,  #        lw   t4, 0x7f4(t0)    address
    0x7F82AF03,  #        lw   t5, 0x7f8(t0)    data
    0x006E1863,  #        bne  t3, t1, write
    0x000EAF03,  #        lw   t5, 0(t4)
    0x7FE2AC23,  #        sw   t5, 0x7f8(t0)
    0x0080006F,  #        j    done
    0x01EEA023,  # write: sw   t5, 0(t4)
    0x7E02A823,  # done:  sw   zero, 0x7f0(t0)
    0xFD9FF06F,  #        j    loop
)
ORDER, ADDRESS, DATA = 0x7F0, 0x7F4, 0x7F8
READ, WRITE = 1, 2


class Probe:
    """The soft core's bus in a test's hands."""

    def __init__(self, tb: VkBench):
        self.tb = tb

    async def order(self, order: int, address: int, data: int = 0) -> None:
        """Gives an order without waiting for its end."""
        self.tb.write(4, ADDRESS, struct.pack("<2I", address, data))
        self.tb.write(4, ORDER, order)

    async def done(self) -> None:
        for _ in range(200):
            if await self.tb.read(4, ORDER) == 0:
                return
        raise AssertionError("the soft core does not answer")

    async def write(self, address: int, data: int) -> None:
        await self.order(WRITE, address, data)
        await self.done()

    async def read(self, address: int) -> int:
        await self.order(READ, address)
        await self.done()
        return await self.tb.read(4, DATA)


@asynccontextmanager
async def program(tb: VkBench, words: tuple[int, ...]):
    """Puts ``words`` in place of the firmware and resets the card; the firmware is back afterwards."""
    memory = tb.dut.u_core.u_cpu.u_ram.words
    before = [int(memory[i].value) for i in range(len(words))]

    async def load(content) -> None:
        tb.write(0, 0x49C, 0xFFFFFFFD)
        await tb.drained()
        for i, word in enumerate(content):
            memory[i].value = word

    await load(words)
    try:
        yield
    finally:
        await load(before)


@asynccontextmanager
async def probe(tb: VkBench):
    async with program(tb, PROGRAM):
        await tb.until(lambda: tb.ready, 5000)
        yield Probe(tb)

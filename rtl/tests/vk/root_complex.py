# SPDX-License-Identifier: Apache-2.0
"""cocotb: the endpoint behind cocotbext-pcie's root complex: enumeration, BARs, DMA into its memory, BME."""

import logging
import struct

import cocotb
import vkbench_regs as regs
from cocotb.triggers import Timer
from cocotbext.pcie.core import RootComplex
from cocotbext.pcie.core.caps import PciCapId
from common.bench import VkBench
from common.seed import seeded

from vk.config_device import DEVICE_CONTROL, make_device
from vk.core_dma import MAGIC, READ, WRITE, counters, run_dma
from vk.model import TAG, TAG_AT, TAG_BYTES, info_memory

SIZE = 16 << 10


class Slot:
    """A root complex with the endpoint in its slot, enumerated; ``driver`` is its PciDevice."""

    def __init__(self, dut, name: str):
        logging.getLogger("cocotb.pcie").setLevel(logging.WARNING)
        self.tb = VkBench(dut, seeded(name))
        self.rc = RootComplex()
        self.rc.log.setLevel(logging.ERROR)  # the search for other devices is not worth a warning each
        self.rc.max_payload_size = 1  # 256 bytes
        self.rc.mem_pool.alloc_region(4096)  # so that no buffer of ours lies at 0, which means "none"

    async def up(self) -> "Slot":
        tb = self.tb
        await tb.start(command=0)
        self.device = make_device(tb)
        self.function = self.device.functions[0]
        self.rc.make_port().connect(self.device)
        await tb.until(lambda: tb.ready, 12_000)
        await tb.clocks(300)  # the marker follows
        await self.rc.enumerate()
        self.driver = self.rc.find_device(self.function.pcie_id)
        await self.driver.enable_device()
        await self.driver.set_master()
        self.bars = {index: self.driver.bar_addr[index] for index in (0, 2, 4)}
        return self

    async def read(self, bar: int, offset: int, length: int = 4) -> int:
        data = await self.rc.mem_read(self.bars[bar] + offset, length, 10, "us")
        return int.from_bytes(data, "little")

    async def write(self, bar: int, offset: int, value: int) -> None:
        await self.rc.mem_write(self.bars[bar] + offset, value.to_bytes(4, "little"))

    async def announce(self, address: int, size: int) -> None:
        for offset, value in ((0x61F0, address >> 32), (0x61F4, address & 0xFFFFFFFF), (0x61F8, size)):
            await self.write(2, offset, value)
        assert await self.read(2, 0x61F8) == size

    async def settled(self) -> None:
        """What the card has sent has arrived; the model's link is slower than the card."""
        await self.tb.until(self.function.outgoing.empty, 100_000)
        await Timer(3, "us")


def units(memory, size: int) -> list[tuple[int, int]]:
    """(sequence, magic) of every 8 bytes."""
    return list(struct.iter_unpack("<2I", bytes(memory[:size])))


@cocotb.test()
async def the_root_complex_enumerates_the_card(dut):
    slot = await Slot(dut, "enumerate").up()
    driver = slot.driver
    assert (driver.vendor_id, driver.device_id) == (0x14E4, 0x5E87)
    assert [driver.bar_size[i] for i in (0, 2, 4)] == [64 << 10, 2 << 20, 64 << 10]
    assert len(set(slot.bars.values())) == 3 and all(
        address % driver.bar_size[i] == 0 for i, address in slot.bars.items()
    )
    assert {capability for capability, _offset in driver.capabilities} >= {
        PciCapId.PM,
        PciCapId.MSIX,
        PciCapId.EXP,
    }
    assert slot.function.values[DEVICE_CONTROL] >> 5 & 7 == 1, "MPS was not set"
    control = await driver.capability_read_dword(PciCapId.MSIX, 0)
    assert control >> 16 & 0x7FF == 3
    assert await slot.read(0, 0x404) == 0x00100006
    assert await slot.read(2, 0x60C0) == 0xBEEFCAFE
    tag = await slot.rc.mem_read(slot.bars[4] + TAG_AT, TAG_BYTES)
    info = info_memory(tag.removeprefix(TAG).rstrip(b"\0"))
    for offset in range(0x100, 0x1A0, 32):
        assert await slot.rc.mem_read(slot.bars[4] + offset, 32) == info[offset : offset + 32]
    for offset in range(0x100, 0x110):
        assert await slot.read(4, offset, 1) == info[offset]
    await slot.rc.mem_write(slot.bars[2] + 0x8101, b"unaligned bytes")
    assert await slot.rc.mem_read(slot.bars[2] + 0x8101, 15) == b"unaligned bytes"


@cocotb.test()
async def dma_writes_land_in_the_memory_pool_and_nowhere_else(dut):
    slot = await Slot(dut, "dma_writes").up()
    pool, around = slot.rc.mem_pool.alloc_region(3 * SIZE), b"\xa5" * SIZE
    base = pool.get_absolute_address(0) + SIZE
    for length in (64, 256, 128):
        pool.mem[:] = around + bytes(SIZE) + around
        await slot.announce(base, SIZE)
        first = await slot.tb.lab(regs.VK_LAB_DMA_SEQ_OFFSET)
        count = SIZE // length + 5  # once around and a little more
        await run_dma(slot.tb, WRITE, length, 40)
        await slot.tb.until(lambda: len(slot.tb.rq.packets) >= count, 60 * count)  # noqa: B023
        await slot.tb.lab(0, 0)
        await slot.settled()
        got = units(pool.mem[SIZE:], SIZE)
        assert {magic for _, magic in got} == {MAGIC}
        sent = len(slot.tb.rq.packets)
        per = length // 8
        turns = SIZE // length
        for unit, (sequence, _) in enumerate(got):
            index = unit // per
            index += (sent - 1 - index) // turns * turns  # the last round that reached it
            assert sequence == first + index
        assert bytes(pool.mem[:SIZE]) == around and bytes(pool.mem[2 * SIZE :]) == around
        slot.tb.rq.packets.clear()


@cocotb.test()
async def dma_reads_are_completed_by_the_root_complex(dut):
    slot = await Slot(dut, "dma_reads").up()
    slot.rc.split_on_all_rcb = True
    region = slot.rc.mem_pool.alloc_region(SIZE)
    await slot.announce(region.get_absolute_address(0), SIZE)
    await run_dma(slot.tb, READ, 256)
    await slot.tb.until(lambda: len(slot.tb.rq.packets) >= 60, 30_000)
    await slot.tb.lab(0, 0)
    await slot.settled()
    ok, error, timeout = await counters(slot.tb)
    assert ok == len(slot.tb.rq.packets) and error == timeout == 0
    # Memory that the root complex does not have: UR, or nothing at all until the timeout.
    await slot.announce(0x7F_0000_0000, SIZE)
    await run_dma(slot.tb, READ, 64)
    await slot.tb.until(lambda: len(slot.tb.rq.packets) >= ok + 3, 8000)
    await slot.tb.lab(0, 0)
    await slot.tb.clocks(1100)
    _, error, timeout = await counters(slot.tb)
    assert error + timeout >= 2


@cocotb.test()
async def bus_master_enable_stops_and_starts_the_card(dut):
    slot = await Slot(dut, "bus_master").up()
    tb = slot.tb
    region = slot.rc.mem_pool.alloc_region(SIZE)
    await slot.announce(region.get_absolute_address(0), SIZE)
    await run_dma(tb, WRITE, 128, 50)
    await tb.until(lambda: len(tb.rq.packets) >= 20, 5000)
    await tb.lab(regs.VK_LAB_IRQ_OFFSET, 3)
    await tb.until(lambda: [v for _, v in tb.interrupts] == [3], 20)

    await slot.driver.clear_master()
    await tb.clocks(4)
    assert tb.gate_closed and tb.gate_cause == 1
    await slot.settled()
    before, memory = len(tb.rq.packets), bytes(region.mem[:SIZE])
    await tb.lab(regs.VK_LAB_IRQ_OFFSET, 2)
    await tb.clocks(2000)
    assert len(tb.rq.packets) == before and bytes(region.mem[:SIZE]) == memory and len(tb.interrupts) == 1
    assert await slot.read(0, 0x404) == 0x00100006  # the card still answers

    await slot.driver.set_master()
    await tb.until(lambda: len(tb.rq.packets) > before + 5, 2000)
    assert not tb.gate_closed
    # The panic doorbell, as the notifier writes it.
    await slot.write(0, 0x49C, 0xFFFFFFFD)
    await tb.until(lambda: not tb.ready, 2000)
    await slot.settled()
    before, memory = len(tb.rq.packets), bytes(region.mem[:SIZE])
    await tb.until(lambda: tb.ready, 8000)
    await tb.clocks(2000)
    assert len(tb.rq.packets) == before and bytes(region.mem[:SIZE]) == memory
    assert await slot.read(0, 0x41C) == 0x100003FC

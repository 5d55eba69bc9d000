# SPDX-License-Identifier: Apache-2.0
"""cocotb: the whole endpoint with its firmware behind adapter and hard IP: BARs, DMA, MSI-X, FLR, BME."""

import struct

import cocotb
import vkbench_regs as regs
from cocotb.triggers import RisingEdge, Timer
from cocotbext.pcie.core.tlp import CplStatus, TlpType
from cocotbext.pcie.core.utils import PcieId
from cocotbext.pcie.xilinx.us.tlp import Tlp_us
from common.tlps import memory_request

from pcie.hard_ip import BAR_SIZES, Board

READY, MARKER = 0x00100006, 0xBEEFCAFE
WRITE = 1  # traffic: enabled, writing
SIZE = 16 << 10


class Card:
    def __init__(self, dut):
        self.dut = dut
        for name in ("rst_ni", "lab_req_i", "lab_write_i", "lab_addr_i", "lab_wdata_i"):
            getattr(dut, name).value = 0
        self.board = Board(dut)
        self.rc = self.board.rc
        self.rc.mem_pool.alloc_region(4096)  # so that no buffer lies at 0, which means "none"

    async def up(self):
        await Timer(40, "ns")
        self.dut.rst_ni.value = 1
        await self.board.up()
        await self.ready()
        return self

    async def ready(self, timeout_us: int = 400) -> None:
        for _ in range(timeout_us):
            if int(self.dut.ready_o.value) and await self.read(2, 0x60C0) == MARKER:
                return
            await Timer(1, "us")
        raise AssertionError(f"the card is not ready after {timeout_us} us")

    async def read(self, bar: int, offset: int, length: int = 4) -> int:
        data = await self.rc.mem_read(self.board.bars[bar] + offset, length, 20, "us")
        return int.from_bytes(data, "little")

    async def write(self, bar: int, offset: int, value: int) -> None:
        await self.rc.mem_write(self.board.bars[bar] + offset, struct.pack("<I", value))

    async def lab(self, offset: int, value: int) -> None:
        d = self.dut
        d.lab_req_i.value, d.lab_write_i.value = 1, 1
        d.lab_addr_i.value, d.lab_wdata_i.value = offset, value
        await RisingEdge(d.clk_i)
        d.lab_req_i.value = 0
        await RisingEdge(d.clk_i)

    async def traffic(self, length: int = 256, period: int = 40):
        """Lab traffic into a buffer of ours; the buffer."""
        region = self.rc.mem_pool.alloc_region(SIZE)
        address = region.get_absolute_address(0)
        for offset, value in ((0x61F0, address >> 32), (0x61F4, address & 0xFFFFFFFF), (0x61F8, SIZE)):
            await self.write(2, offset, value)
        assert await self.read(2, 0x61F8) == SIZE
        await self.lab(regs.VK_LAB_DMA_PERIOD_OFFSET, period)
        await self.lab(regs.VK_LAB_DMA_LENGTH_OFFSET, length)
        await self.lab(regs.VK_LAB_DMA_CTRL_OFFSET, WRITE)
        await self.started(20)
        return region

    async def started(self, count: int) -> None:
        before = int(self.dut.requests_o.value)
        for _ in range(200):
            if int(self.dut.requests_o.value) >= before + count:
                return
            await Timer(200, "ns")
        raise AssertionError("the card sends nothing")

    async def silent(self, region) -> None:
        """No request starts any more and memory stays as it is."""
        await Timer(3, "us")
        before, memory = int(self.dut.requests_o.value), bytes(region.mem[:SIZE])
        await Timer(20, "us")
        assert int(self.dut.requests_o.value) == before and bytes(region.mem[:SIZE]) == memory


@cocotb.test()
async def the_host_finds_the_card_and_its_registers(dut):
    card = await Card(dut).up()
    driver = card.board.driver
    assert (driver.vendor_id, driver.device_id) == (0x14E4, 0x5E87)
    assert {bar: driver.bar_size[bar] for bar in BAR_SIZES} == BAR_SIZES
    assert await card.read(0, 0x404) == READY
    await card.rc.mem_write(card.board.bars[2] + 0x7F01, b"unaligned bytes")
    assert await card.rc.mem_read(card.board.bars[2] + 0x7F01, 15) == b"unaligned bytes"
    assert len(await card.rc.mem_read(card.board.bars[4] + 0x100, 32, 20, "us")) == 32


@cocotb.test()
async def requests_that_the_card_does_not_support_are_answered(dut):
    card = await Card(dut).up()
    answers = []
    send = card.board.device.send

    async def listen(tlp):
        answers.append(tlp)
        if tlp.tag < 0xF0:
            await send(tlp)

    card.board.device.send = listen
    for tag, kind in ((0xF1, TlpType.IO_READ), (0xF2, TlpType.MEM_READ_LOCKED), (0xF3, TlpType.FETCH_ADD)):
        tlp = Tlp_us(memory_request(False, card.board.bars[0] + 0x404, 4, tag=tag))
        tlp.fmt_type, tlp.requester_id = kind, PcieId(0, 0, 0)
        if kind == TlpType.FETCH_ADD:
            tlp.set_data(bytes(4))
        card.board.device.cq_queue.put_nowait(tlp)
        await Timer(1, "us")
        assert [(t.tag, t.status) for t in answers] == [(tag, CplStatus.UR)], f"{kind}: {answers}"
        answers.clear()
    assert await card.read(0, 0x404) == READY


@cocotb.test()
async def traffic_lands_and_interrupts_arrive(dut):
    card = await Card(dut).up()
    got = await card.board.enable_interrupts(lambda: None)
    region = await card.traffic()
    await card.lab(regs.VK_LAB_IRQ_OFFSET, 3)
    await Timer(3, "us")
    assert [vector for vector, _ in got] == [3]
    await card.lab(regs.VK_LAB_DMA_CTRL_OFFSET, 0)
    await Timer(5, "us")
    first, magic = struct.unpack_from("<2I", bytes(region.mem[:8]))
    assert magic and first, "nothing arrived"


@cocotb.test()
async def a_function_level_reset_silences_the_card_until_it_is_over(dut):
    card = await Card(dut).up()
    for _ in range(2):
        region = await card.traffic(period=0)
        dut.cfg_flr_in_process.value = 1
        await card.silent(region)
        assert int(dut.closed_o.value) and int(dut.cfg_flr_done.value), "the card does not end the FLR"
        dut.cfg_flr_in_process.value = 0
        await card.ready()
        assert not int(dut.closed_o.value) and await card.read(0, 0x404) == READY


@cocotb.test()
async def without_bus_master_enable_nothing_leaves(dut):
    card = await Card(dut).up()
    region = await card.traffic(period=0)
    await card.board.driver.clear_master()
    await card.silent(region)
    assert await card.read(0, 0x404) == READY
    await card.board.driver.set_master()
    await card.started(10)
    await card.lab(regs.VK_LAB_DMA_CTRL_OFFSET, 0)  # the next test's model must not find half a TLP
    await Timer(3, "us")


@cocotb.test()
async def hot_reset_in_the_middle_of_traffic_ends_in_a_ready_card(dut):
    card = await Card(dut).up()
    region = await card.traffic(period=0)
    card.board.device.rq_sink._sink_frame = lambda frame: None  # the model knows no reset within a TLP
    dut.cfg_hot_reset_out.value = 1
    await Timer(200, "ns")
    assert not int(dut.rq_tvalid.value) and int(dut.closed_o.value)
    await card.silent(region)
    dut.cfg_hot_reset_out.value = 0
    await card.ready()
    assert await card.read(0, 0x404) == READY

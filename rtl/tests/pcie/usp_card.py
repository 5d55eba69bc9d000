# SPDX-License-Identifier: Apache-2.0
"""cocotb: the whole endpoint with its firmware behind adapter and hard IP: BARs, DMA, messages, MSI-X, resets."""

import struct
from types import SimpleNamespace

import cocotb
import vkbench_regs as regs
from cocotb.triggers import RisingEdge, Timer
from cocotb.utils import get_sim_time
from cocotbext.pcie.core.tlp import CplStatus, TlpType
from cocotbext.pcie.core.utils import PcieId
from cocotbext.pcie.xilinx.us.tlp import Tlp_us
from common import pauses
from common.seed import seeded
from common.tlps import memory_request
from vk.core_halt import HARD, MAX_LATENCY, SOFT
from vk.driver import DOWNLOAD, INIT, UPLOAD, Driver

from pcie.hard_ip import BAR_SIZES, Board

READY, MARKER = 0x00100006, 0xBEEFCAFE
WRITE = 1  # traffic: enabled, writing
SIZE = 16 << 10
MEMORY = 128 << 10  # of the host, for messages: lists, what goes up, what comes down
LISTS, SOURCE, TARGET = 0x101, 0x2001, 0x1_1003
LONG = 48_001


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
        data = await self.rc.mem_read(self.board.bars[bar] + offset, length, 200, "us")
        return int.from_bytes(data, "little")

    async def write(self, bar: int, offset: int, value: int) -> None:
        await self.rc.mem_write(self.board.bars[bar] + offset, struct.pack("<I", value))

    async def lab(self, offset: int, value: int) -> None:
        d = self.dut
        await RisingEdge(d.clk_i)  # the caller may stand anywhere in a clock; the bus changes behind its edge
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
        before, memory = int(self.dut.requests_o.value), bytes(region.mem[:])
        await Timer(20, "us")
        assert int(self.dut.requests_o.value) == before and bytes(region.mem[:]) == memory


class Link:
    """The card and host memory as vk.driver.Driver wants them. Writes leave in order, with the next read at the
    latest."""

    def __init__(self, card: Card, name: str):
        self.card, self.rng, self.posted = card, seeded(name), []
        self.region = card.rc.mem_pool.alloc_region(MEMORY)
        self.base, self.bytes = self.region.get_absolute_address(0), self.region.mem

    @property
    def cycle(self) -> int:
        return int(get_sim_time("ns")) // 4

    async def clocks(self, count: int) -> None:
        await Timer(4 * count, "ns")

    def write(self, bar: int, offset: int, data: bytes | int) -> None:
        data = struct.pack("<I", data) if isinstance(data, int) else data
        self.posted.append((self.card.board.bars[bar] + offset, data))

    async def flush(self) -> None:
        for address, data in self.posted:
            await self.card.rc.mem_write(address, data)
        self.posted.clear()

    async def read(self, bar: int, offset: int) -> int:
        await self.flush()
        return await self.card.read(bar, offset)

    async def read_tlp(self, bar: int, offset: int, length: int) -> SimpleNamespace:
        data = await self.card.rc.mem_read(self.card.board.bars[bar] + offset, length, 200, "us")
        return SimpleNamespace(data=data)

    def pieces(self, at: int, count: int) -> list[tuple[int, int]]:
        """``count`` bytes of host memory from ``at`` on, in pieces with gaps: (bytes, offset)."""
        found = []
        while count:
            size = min(count, self.rng.choice((1, 3, 33, self.rng.randint(1, 1500))))
            found.append((size, at))
            at, count = at + size + self.rng.randint(1, 40), count - size
        return found

    def lists(self, driver: Driver, planes: list[list[tuple[int, int]]]) -> list[tuple[int, int]]:
        """SGLs for them."""
        return [
            driver.sgl(self.base + LISTS + 0xF03 * i, [(size, self.base + at) for size, at in pieces])
            for i, pieces in enumerate(planes)
        ]


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
async def messages_carry_data_both_ways(dut):
    """INIT, then planes of odd pieces up and down again: every byte of host memory is compared, and each
    interrupt, and each reply that the host reads, comes behind the data it announces."""
    card = await Card(dut).up()
    link = Link(card, "card_messages")
    rng, memory, driver = link.rng, link.bytes, Driver(link, link)
    got = await card.board.enable_interrupts(lambda: bytes(memory[:]))
    await driver.send(1, struct.pack("<2BH3I", INIT, 0, 0x11, 0, 0, 100 << 8))
    function, size, serial, context, _command, arg = await driver.reply(1)
    assert (function, size, serial, arg) == (INIT, 0, 0x11, 0) and context
    send, last = card.board.device.send, -1  # the last byte that a download writes

    async def send_at_leisure(tlp):
        if tlp.has_data() and tlp.address <= last < tlp.address + 4 * tlp.length:
            await Timer(100, "us")  # longer than the firmware takes to reply
        await send(tlp)

    card.board.device.send = send_at_leisure
    vectors = [1]
    for turn in range(2):
        memory[:] = rng.randbytes(MEMORY)
        up = [link.pieces(SOURCE + 0x6000 * i, rng.randint(1000, 4000)) for i in range(2)]
        content = b"".join(memory[at : at + size] for pieces in up for size, at in pieces)
        arg = 2 * rng.randrange(1000) + 1
        message = driver.trans_buf(0, UPLOAD, link.lists(driver, up), arg, context)
        assert await driver.call(0, message) == 0

        memory[:] = rng.randbytes(MEMORY)
        first = rng.randrange(1, len(content))
        down = [link.pieces(TARGET, first), link.pieces(TARGET + 0x8002, len(content) - first)]
        message = driver.trans_buf(2, DOWNLOAD, link.lists(driver, down), arg, context)
        wanted, left = bytearray(memory[:]), content
        for size, at in [*down[0], *down[1]]:
            wanted[at : at + size], left = left[:size], left[size:]
        last = link.base + sum(down[1][-1]) - 1
        assert await driver.call(2, message) == 0
        assert bytes(memory[:]) == wanted, f"turn {turn}: the reply could be read before its data was there"
        for _ in range(200):
            if len(got) == len(vectors) + 2:
                break
            await Timer(1, "us")
        vectors += [0, 2]
        assert [vector for vector, _ in got] == vectors
        assert bytes(memory[:]) == wanted, f"turn {turn}: not what was sent up, or bytes beside it"
        assert got[-1][1] == wanted, f"turn {turn}: the interrupt came before its data"
    assert int(dut.whole_o.value)


@cocotb.test()
async def a_reset_doorbell_in_the_middle_of_messages_ends_in_a_card_that_works(dut):
    """Data on their way up and down: requests end in time and whole, what has landed is a beginning of what was
    to come, the marker goes and comes back, and messages work again."""
    card = await Card(dut).up()
    link = Link(card, "card_resets")
    rng, memory = link.rng, link.bytes
    await card.board.enable_interrupts(lambda: None)
    device, seen = card.board.device, []
    for turn in range(8):
        driver = Driver(link, link)
        memory[:] = rng.randbytes(MEMORY)
        source, target = link.lists(driver, [[(LONG, SOURCE)], [(LONG, TARGET)]])
        assert await driver.call(0, driver.trans_buf(0, UPLOAD, [source], 1)) == 0
        before = bytes(memory[:])
        if turn % 4 > 1:
            device.rq_sink.set_pause_generator(pauses.at_random(rng, 0.5))
        start, at = int(dut.requests_o.value), TARGET + rng.randrange(LONG // 2)
        if downwards := turn < 4:
            await driver.send(1, driver.trans_buf(1, DOWNLOAD, [target], 1))
        await driver.send(0, driver.trans_buf(0, UPLOAD, [source], LONG + 2))
        await link.flush()
        for _ in range(2000):
            if memory[at : at + 8] != before[at : at + 8]:
                break
            if not downwards and int(dut.requests_o.value) > start + turn:
                break
            await Timer(50, "ns")
        await Timer(4 * rng.randrange(100), "ns")

        requests = int(dut.requests_o.value)
        await card.write(0, 0x49C, HARD if turn % 2 else SOFT)
        marker = await card.read(2, 0x60C0)
        await Timer(3, "us")
        late = int(dut.late_o.value)
        assert late <= MAX_LATENCY, f"turn {turn}: a request started {late} clocks after the doorbell"
        assert marker != MARKER, f"turn {turn}: the marker outlives the doorbell"
        sent, asked = int(dut.requests_o.value), len(device.asked)
        await card.silent(link.region)
        await card.ready()
        assert (int(dut.requests_o.value), len(device.asked)) == (sent, asked)
        device.rq_sink.clear_pause_generator()
        device.rq_sink.pause = False
        assert int(dut.whole_o.value), f"turn {turn}: a request was cut"
        content, got = before[SOURCE : SOURCE + LONG], memory[TARGET : TARGET + LONG]
        landed = next((i for i in range(LONG) if got[i] != content[i]), LONG)
        middle = 0 < landed < LONG if downwards else 1 < sent - start < LONG // 512
        assert middle, f"turn {turn}: not in the middle: {landed} bytes had landed, {sent - start} requests"
        wanted = before[:TARGET] + content[:landed] + before[TARGET + landed :]
        assert bytes(memory[:]) == wanted, f"turn {turn}: something else than a beginning has landed"
        seen.append((late, sent - start, sent - requests, landed))
    print(f"clocks to the last start, requests, those after the host's write, bytes landed: {seen}")

    driver = Driver(link, link)
    source, target = link.lists(driver, [[(LONG, SOURCE)], [(LONG, TARGET)]])
    memory[TARGET : TARGET + LONG] = rng.randbytes(LONG)
    assert await driver.call(1, driver.trans_buf(1, UPLOAD, [source], 3)) == 0
    assert await driver.call(2, driver.trans_buf(2, DOWNLOAD, [target], 3)) == 0
    await Timer(3, "us")
    assert memory[TARGET : TARGET + LONG] == memory[SOURCE : SOURCE + LONG]


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

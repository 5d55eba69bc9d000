# SPDX-License-Identifier: Apache-2.0
"""cocotb: the DMA engine and the interrupts, driven over the lab bus."""

import struct

import cocotb
import vkbench_regs as regs
from cocotbext.pcie.core.tlp import CplStatus, Tlp, TlpType
from cocotbext.pcie.core.utils import PcieId
from common import pauses
from common.bench import VkBench
from common.seed import seeded
from common.tlps import CARD, completion

MAGIC = 0x4D444B56
WRITE, READ = 1, 3  # DMA_CTRL


async def announce(tb: VkBench, address: int, size: int) -> None:
    """The driver's three writes, in its order."""
    tb.write(2, 0x61F0, address >> 32)
    tb.write(2, 0x61F4, address & 0xFFFFFFFF)
    tb.write(2, 0x61F8, size)
    await tb.drained()


async def run_dma(tb: VkBench, mode: int, length: int, period: int = 0) -> None:
    await tb.lab(regs.VK_LAB_DMA_LENGTH_OFFSET, length)
    await tb.lab(regs.VK_LAB_DMA_PERIOD_OFFSET, period)
    await tb.lab(regs.VK_LAB_DMA_CTRL_OFFSET, mode)


async def stop_dma(tb: VkBench) -> None:
    await tb.lab(regs.VK_LAB_DMA_CTRL_OFFSET, 0)
    await tb.clocks(20)
    await tb.until(lambda: not sending(tb), 1000)


def sending(tb: VkBench) -> int:
    return tb.obs >> 2 & 1 or len(tb.rq.beats)


def walk(base: int, size: int, limit: int):
    """Reference: (address, bytes) of one TLP after the other."""
    offset = 0
    while True:
        if size - offset < limit:
            offset = 0
        count = min(limit, 0x1000 - (base + offset) % 0x1000)
        yield base + offset, count
        offset += count


def check_write(packet, address: int, count: int, sequence: int) -> None:
    tlp = packet.tlp
    assert tlp.fmt_type == (TlpType.MEM_WRITE_64 if address >> 32 else TlpType.MEM_WRITE)
    assert (tlp.address, tlp.length * 4) == (address, count), f"{tlp!r}: expected {address:#x}, {count} bytes"
    assert tlp.first_be == tlp.last_be == 0xF and tlp.requester_id == CARD
    assert bytes(tlp.data) == struct.pack("<2I", sequence, MAGIC) * (count // 8)


@cocotb.test()
async def writes_follow_the_reference_walk(dut):
    """Pattern, addresses, both header sizes, 4 KiB boundaries, wrap, MPS, clamped lengths, with pauses."""
    rng = seeded("reference_walk")
    tb = await VkBench(dut, rng).started()
    sequence = 1
    for turn in range(40):
        mps = rng.randrange(3)
        dut.cfg_mps_i.value = mps
        asked = rng.choice((8, 24, 64, 128, 200, 256, rng.randrange(8, 264, 8), 0, 300, 4096))
        limit = min(max(asked, 8), 256, 128 << mps)
        high = rng.choice((0, 0, 1, 0x7FFF_FFFF))
        base = high << 32 | rng.randrange(0x1000, 0x8000_0000, 8)
        size = rng.choice((limit, limit + 8, 3000, 4096, 8192 + 8 * rng.randrange(64)))
        tb.rq.pause = rng.choice((pauses.never(), pauses.at_random(rng, 0.5), pauses.in_bursts(rng, 20)))
        await announce(tb, base, size)
        tb.rq.packets.clear()
        await run_dma(tb, WRITE, asked)
        want = rng.randint(30, 120)
        await tb.until(lambda: len(tb.rq.packets) >= want, 20_000)  # noqa: B023
        await stop_dma(tb)
        for packet, (address, count) in zip(tb.rq.packets, walk(base, size, limit), strict=False):
            check_write(packet, address, count, sequence)
            assert base <= address and address + count <= base + size and count <= 128 << mps
            sequence += 1
        assert await tb.lab(regs.VK_LAB_DMA_SEQ_OFFSET) == sequence, f"turn {turn}"


@cocotb.test()
async def the_period_is_kept_to_the_clock(dut):
    tb = await VkBench(dut).started()
    await announce(tb, 0x10_0000, 128 << 10)
    for period in (1, 7, 8, 9, 100, 333):
        await run_dma(tb, WRITE, 128, period)
        tb.rq.packets.clear()
        await tb.until(lambda: len(tb.rq.packets) >= 12, 10_000)
        starts = [p.start for p in tb.rq.packets[2:]]
        assert {b - a for a, b in zip(starts, starts[1:], strict=False)} == {max(period, 4)}
    await run_dma(tb, WRITE, 128, 0xFFFF_FFFF)
    await tb.clocks(50)
    await run_dma(tb, WRITE, 128, 10)  # a shorter period takes effect at once
    tb.rq.packets.clear()
    await tb.until(lambda: tb.rq.packets, 30)


@cocotb.test()
async def back_to_back_writes_fill_the_stream(dut):
    """The figure of the report: payload bytes per clock at MPS 256."""
    tb = await VkBench(dut).started()
    await announce(tb, 0x1_0010_0000, 128 << 10)
    for length, least in ((256, 31.9), (128, 31.9), (64, 15.9), (8, 1.9)):
        await run_dma(tb, WRITE, length)
        await tb.clocks(50)
        tb.rq.packets.clear()
        await tb.clocks(2000)
        packets = tb.rq.packets[1:]
        rate = sum(p.tlp.length * 4 for p in packets[1:]) / (packets[-1].end - packets[0].end)
        print(f"DMA writes of {length} bytes back to back: {rate:.2f} payload bytes per clock")
        assert rate >= least


@cocotb.test()
async def nothing_leaves_before_the_announcement(dut):
    tb = await VkBench(dut).started()
    await run_dma(tb, WRITE, 64)
    await tb.clocks(300)
    tb.write(2, 0x61F4, 0x1000_0000)  # address without size
    await tb.clocks(300)
    assert not tb.rq.packets
    await announce(tb, 0x2000_0000, 32)  # smaller than a TLP
    await tb.clocks(300)
    assert not tb.rq.packets
    await announce(tb, 0x2000_0000, 4096)
    await tb.until(lambda: tb.rq.packets, 100)


@cocotb.test()
async def a_new_announcement_is_never_mixed_with_the_old(dut):
    """The crash kernel's driver announces while the engine runs (docs/driver-contract.md)."""
    rng = seeded("new_announcement")
    tb = await VkBench(dut, rng).started()
    tb.cq.pause = pauses.at_random(rng, 0.7)
    buffers = [(0x1_4000_0000, 0x4000), (0x5000_0000, 0x2000), (0x7F_0000_8000, 0x1000)]
    await announce(tb, *buffers[0])
    await run_dma(tb, WRITE, 64)
    for _ in range(30):
        tb.rq.packets.clear()
        new = rng.choice(buffers)
        await announce(tb, *new)
        await tb.clocks(60)
        inside = [next(b for b, s in buffers if b <= p.tlp.address < b + s) for p in tb.rq.packets]
        switch = inside.index(new[0])
        assert set(inside[switch:]) == {new[0]}, "the old buffer was written again"


async def counters(tb: VkBench) -> tuple[int, int, int]:
    return tuple([await tb.lab(o) for o in (0x24, 0x28, 0x2C)])


@cocotb.test()
async def reads_are_counted_by_their_completion(dut):
    """Whole, split at the read completion boundary, UR, CA, poisoned, without data."""
    rng = seeded("reads_are_counted")
    tb = await VkBench(dut, rng).started()
    await announce(tb, 0x30_0000, 8192)
    want = [0, 0, 0]
    tb.rc.pause = pauses.at_random(rng, 0.3)
    waiting: list[Tlp] = []
    tb.on_request = lambda packet: waiting.append(packet.tlp)
    await run_dma(tb, READ, 256)
    addresses = walk(0x30_0000, 8192, 256)
    for _ in range(150):
        await tb.until(lambda: waiting, 200)
        request = waiting.pop()
        address, count = next(addresses)
        assert request.fmt_type == TlpType.MEM_READ and (request.address, request.length * 4) == (
            address,
            count,
        )
        kind = rng.randrange(6)
        if kind == 0:  # split in two or more
            left, at = count, request.address
            while left:
                part = min(left, 64 * rng.randint(1, 3) - at % 64)
                cpl = Tlp.create_completion_data_for_tlp(request, PcieId(0, 0, 0))
                cpl.byte_count, cpl.lower_address = left, at & 0x7F
                cpl.set_data(bytes(part))
                tb.complete(cpl)
                left, at = left - part, at + part
        else:
            status = {1: CplStatus.UR, 2: CplStatus.CA}.get(kind, CplStatus.SC)
            cpl = completion(request, status)
            cpl.ep = kind == 3
            if kind == 4:  # success without data is none
                cpl.fmt_type, cpl.length, cpl.data = TlpType.CPL, 0, bytearray()
            stray = completion(request)
            stray.requester_id = PcieId(2, 0, 0)  # not for us
            tb.complete(stray)
            stray = completion(request)
            stray.tag = request.tag ^ 1  # not asked for
            tb.complete(stray)
            tb.complete(cpl)
        want[0 if kind in (0, 5) else 1] += 1
        await tb.until(lambda: not tb.rc.queue, 500)
    await tb.lab(0, 0)
    await tb.clocks(50)
    if waiting:  # one more may have left before the engine was stopped
        tb.complete(completion(waiting.pop()))
        want[0] += 1
    await tb.clocks(20)
    assert await counters(tb) == tuple(want)
    assert await tb.lab(0x20) >> 10 & 1 == 0


@cocotb.test()
async def a_read_without_completion_times_out_and_its_late_completion_is_dropped(dut):
    tb = await VkBench(dut).started()
    await announce(tb, 0x1_0030_0000, 8192)
    requests: list[Tlp] = []
    tb.on_request = lambda packet: requests.append(packet.tlp)
    await run_dma(tb, READ, 64)
    await tb.until(lambda: len(requests) == 1, 100)
    start = tb.cycle
    assert requests[0].fmt_type == TlpType.MEM_READ_64
    await tb.clocks(900)
    assert await counters(tb) == (0, 0, 0) and len(requests) == 1
    await tb.until(lambda: len(requests) == 2, 200)
    assert 1000 <= tb.cycle - start <= 1030  # 10 ms at 10 clocks per 100 us
    assert await counters(tb) == (0, 0, 1)
    assert requests[1].tag != requests[0].tag
    tb.complete(completion(requests[0]))
    await tb.clocks(30)
    assert await counters(tb) == (0, 0, 1) and len(requests) == 2
    tb.complete(completion(requests[1]))
    await tb.until(lambda: len(requests) == 3, 50)
    assert await counters(tb) == (1, 0, 1)


@cocotb.test()
async def reads_keep_to_mrrs(dut):
    tb = await VkBench(dut).started()
    dut.cfg_mrrs_i.value = 0
    await announce(tb, 0x30_0000, 8192)
    await run_dma(tb, READ, 256)
    await tb.until(lambda: tb.rq.packets, 100)
    assert tb.rq.packets[0].tlp.length * 4 == 128


@cocotb.test()
async def interrupts_leave_once_each(dut):
    rng = seeded("interrupts")
    tb = await VkBench(dut, rng).started()
    tb.msix_pause = pauses.at_random(rng, 0.6)
    want = []
    for _ in range(60):
        vector = rng.randrange(8)
        await tb.lab(regs.VK_LAB_IRQ_OFFSET, vector)
        await tb.clocks(rng.choice((0, 30)))
        if vector < 4:
            want.append(vector)
    await tb.clocks(60)
    sent = [vector for _, vector in tb.interrupts]
    assert set(sent) == set(want) and len(sent) <= len(want)
    tb.interrupts.clear()
    tb.msix_pause = pauses.never()
    for vector in (3, 0, 2, 1, 7, 1):
        await tb.lab(regs.VK_LAB_IRQ_OFFSET, vector)
        await tb.clocks(5)
    assert [vector for _, vector in tb.interrupts] == [3, 0, 2, 1, 1]

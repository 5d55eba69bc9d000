# SPDX-License-Identifier: Apache-2.0
"""cocotb: every shape of access by the host, traffic on all streams at once under back-pressure, and rubbish."""

import itertools

import cocotb
import vkbench_regs as regs
from cocotbext.pcie.core.tlp import CplStatus
from common import pauses
from common.bench import BAR_BASE, VkBench
from common.seed import seeded
from common.tlps import completion, memory_request, raw_beats

from vk.core_bars import raw_header
from vk.core_dma import READ, WRITE, announce, check_write, counters, run_dma, stop_dma, walk
from vk.core_plan_halt import ready_again

#: Card information that the host can write and the firmware leaves alone (BAR 4).
FREE, FREE_BYTES = 0xC00, 0x400
MAX_READ = 32  # longest read that is answered with data
NONPOSTED = {0x01, 0x02, 0x04, 0x05, 0x0C, 0x0D, 0x0E, 0x1B}


@cocotb.test()
async def every_width_and_offset_reads_the_same(dut):
    """1 to 32 bytes from every offset in a beat, against dword reads; each read has its one completion."""
    rng = seeded("read_sweep")
    tb = await VkBench(dut, rng).started()
    tb.cq.pause, tb.cc.pause = pauses.at_random(rng, 0.2), pauses.in_bursts(rng, 5)
    data = rng.randbytes(96)
    tb.write(4, FREE, data)
    for offset, length in itertools.product(range(36), range(1, MAX_READ + 1)):
        if (offset % 4 + length + 3) // 4 * 4 > MAX_READ:
            continue  # touches more dwords than are answered
        got = await tb.read(4, FREE + offset, length)
        want = int.from_bytes(data[offset : offset + length], "little")
        assert got == want, f"{length} bytes at {offset}: {got:#x}, not {want:#x}"


@cocotb.test()
async def every_width_and_offset_writes_its_bytes_only(dut):
    rng = seeded("write_sweep")
    tb = await VkBench(dut, rng).started()
    tb.cq.pause = pauses.at_random(rng, 0.3)
    memory = bytearray(FREE_BYTES)
    for start in range(0, FREE_BYTES, 64):
        tb.write(4, FREE + start, bytes(64))
    for offset, length in itertools.product(range(8), (*range(1, 20), 31, 32, 33, 63, 64, 65, 128, 255, 256)):
        start = rng.randrange(0, FREE_BYTES - 264, 8) + offset
        data = rng.randbytes(length)
        tb.write(4, FREE + start, data)
        memory[start : start + length] = data
        at = max(start - 4, 0) & ~3
        for here in range(at, min(start + length + 4, FREE_BYTES - 4), MAX_READ):
            got = (await tb.read_tlp(4, FREE + here, min(MAX_READ, FREE_BYTES - here))).data
            assert bytes(got) == memory[here : here + MAX_READ], f"{length} bytes at {start:#x}"


@cocotb.test()
async def quadword_accesses_act_as_two_dwords(dut):
    """arm64 and a compiler that merges stores access registers 8 bytes at a time."""
    rng = seeded("quadwords")
    tb = await VkBench(dut, rng).started()
    pairs = [(2, 0x61E0), (2, 0x61F0), (4, FREE), (4, FREE + 0x3F8), (2, 0x61E4)]
    for bar, offset in pairs * 3:
        value = rng.randrange(1 << 64)
        tb.write(bar, offset, value.to_bytes(8, "little"))
        assert await tb.read(bar, offset, 8) == value
        assert await tb.read(bar, offset) | await tb.read(bar, offset + 4) << 32 == value
    for first, reset in ((0x498, bytes(4) + b"\xfd\xff\xff\xff"), (0x49C, b"\xff\xff\xff\xff" + bytes(4))):
        tb.write(0, first, reset)
        await ready_again(tb)


@cocotb.test()
async def all_streams_stall_at_random_and_nothing_is_lost(dut):
    """Host reads and writes, DMA both ways and interrupts at once, every stream with pauses of its own."""
    rng = seeded("back_pressure")
    tb = await VkBench(dut, rng).started()
    base, size = 0x3_0000_0000, 8192
    for turn in range(8):
        mode, share = (WRITE, READ)[turn % 2], rng.choice((0.1, 0.5, 0.8))
        for stream in (tb.cq, tb.cc, tb.rq, tb.rc):
            stream.pause = rng.choice((pauses.at_random(rng, share), pauses.in_bursts(rng, 25)))
        tb.msix_pause = pauses.at_random(rng, share)
        tb.on_request = (lambda p: tb.complete(completion(p.tlp))) if mode == READ else None
        await announce(tb, base, size)
        first, before = await tb.lab(regs.VK_LAB_DMA_SEQ_OFFSET), await counters(tb)
        tb.rq.packets.clear()
        tb.interrupts.clear()
        await run_dma(tb, mode, 256, rng.choice((0, 9)))
        data = rng.randbytes(FREE_BYTES)
        for at in range(0, FREE_BYTES, 64):
            tb.write(4, FREE + at, data[at : at + 64])
            if at % 256 == 0:
                await tb.lab(regs.VK_LAB_IRQ_OFFSET, at // 256)
        for at in range(0, FREE_BYTES, MAX_READ):
            assert bytes((await tb.read_tlp(4, FREE + at, MAX_READ)).data) == data[at : at + MAX_READ]
        await stop_dma(tb)
        assert {vector for _, vector in tb.interrupts} == {0, 1, 2, 3}
        sent = tb.rq.packets
        assert len(sent) > 20
        if mode == WRITE:
            for number, (packet, (address, count)) in enumerate(
                zip(sent, walk(base, size, 256), strict=False)
            ):
                check_write(packet, address, count, first + number)
        else:
            await tb.until(lambda: not tb.rc.queue, 5000)
            await tb.clocks(50)
            assert await counters(tb) == (before[0] + len(sent), *before[1:])


@cocotb.test()
async def rubbish_never_hangs_the_card(dut):
    """Random headers, lengths that lie, missing and surplus beats, bars that are not there, while DMA runs:
    a completion for each non-posted request and for nothing else, and a card that answers and halts."""
    rng = seeded("rubbish")
    tb = await VkBench(dut, rng).started()
    tb.cc.pause, tb.rq.pause = pauses.at_random(rng, 0.3), pauses.at_random(rng, 0.3)
    await announce(tb, 0x40_0000, 8192)
    await run_dma(tb, WRITE, 128, 30)
    answers = []
    for turn in range(600):
        fmt, kind = rng.randrange(8), rng.choice((0, 0, rng.randrange(32)))
        bar = rng.choice((0, 2, 4, 4, 1, 6))
        length = rng.choice((1, 2, 8, 33, 256, 0))
        address = BAR_BASE.get(bar, BAR_BASE[0]) + rng.choice((0x4A0, FREE, FREE + 1, 0xFFC))
        tag = tb.free_tag()
        beats = rng.choice((max(1, -(-length // 8)), rng.randint(1, 12)))
        header = raw_header(fmt, kind, tag, length, address) | rng.randrange(16) << 36
        data = rng.randbytes(32 * beats) if fmt & 2 else b""
        packet = raw_beats(header, data, bar)
        if rng.random() < 0.1 and len(packet) > 1:
            packet = packet[:-1]  # the end is lost
        tb.on_completion = lambda p: answers.append(p.tlp)
        tb.post(packet)
        await tb.until(lambda: not tb.cq.queue, 5000)
        await tb.clocks(150)
        owed = fmt < 4 and (kind in NONPOSTED or kind == 0 and not fmt & 2)
        assert len(answers) == owed, f"turn {turn}: {len(answers)} completions for {header:#x}"
        assert not owed or answers[0].tag == tag
        answers.clear()
        tb.on_completion = None
        if not turn % 20:
            assert await tb.read(0, 0x404) == 0x00100006
    number = len(tb.rq.packets)
    await tb.until(lambda: len(tb.rq.packets) > number, 500)
    tb.write(0, 0x49C, 0xFFFFFFFD)
    await ready_again(tb)


@cocotb.test()
async def stray_completions_are_dropped(dut):
    """Completions that nobody waits for, of every status, with and without data, while reads go on."""
    rng = seeded("stray_completions")
    tb = await VkBench(dut, rng).started()
    requests = []
    tb.on_request = lambda packet: requests.append(packet.tlp)
    await announce(tb, 0x50_0000, 8192)
    await run_dma(tb, READ, 128, 60)
    done = 0
    for _ in range(150):
        await tb.until(lambda: requests, 2000)
        request = requests.pop(0)
        for _ in range(rng.randrange(4)):
            stray = completion(request, rng.choice((CplStatus.SC, CplStatus.UR, CplStatus.CA, CplStatus.CRS)))
            stray.requester_id = memory_request(False, 0, 4).requester_id  # the host's own
            tb.complete(stray)
        tb.complete(completion(request))
        done += 1
    await tb.lab(regs.VK_LAB_DMA_CTRL_OFFSET, 0)
    await tb.clocks(300)
    for request in requests:
        tb.complete(completion(request))
    await tb.until(lambda: not tb.rc.queue, 1000)
    await tb.clocks(50)
    assert await counters(tb) == (done + len(requests), 0, 0)

# SPDX-License-Identifier: Apache-2.0
"""cocotb: messages end to end, with the real firmware: queues, SGLs by DMA, data both ways, every byte checked;
and halts while such DMA is in flight."""

import json
import struct
from collections import Counter
from pathlib import Path

import cocotb
import vkbench_regs as regs
from common import pauses
from common.bench import COMMAND_BME, COMMAND_MEM, VkBench
from common.seed import seeded

from vk.core_halt import CAUSE, LAB_HANG, MAX_LATENCY, halt, release
from vk.driver import DOWNLOAD, INIT, SHUTDOWN, UPLOAD, Driver, HostMemory

HALTS = 100
LISTS, DATA = 0x1000, 0x1_0000  # in host memory
BAD_PLANES, BAD_SGL, NO_CARD_MEMORY, NO_CONTEXT = 2, 3, 4, 5
USER_AREA = (1 << 20) - 0x80000


async def up(dut, name: str) -> tuple[VkBench, HostMemory, Driver]:
    tb = await VkBench(dut, seeded(name)).started()
    memory = HostMemory(tb)
    return tb, memory, Driver(tb, memory)


def scattered(rng, count: int, longest: int) -> list[tuple[int, int]]:
    """Up to ``count`` pieces of host memory at odd addresses: (bytes, offset), none twice, with gaps between."""
    pieces, at = [], DATA + rng.randrange(64)
    for _ in range(rng.randint(1, count)):
        size = rng.choice((1, 3, 4, 31, 32, 33, 64, rng.randint(1, longest)))
        pieces.append((size, at))
        at += size + rng.randint(1, 200)
    return pieces


def on_bus(memory: HostMemory, pieces: list[tuple[int, int]]) -> list[tuple[int, int]]:
    return [(size, memory.base + at) for size, at in pieces]


@cocotb.test()
async def what_is_uploaded_comes_back(dut):
    """Random pieces, planes, offsets in card memory, payload sizes; nothing beside the target is touched."""
    tb, memory, driver = await up(dut, "round_trip")
    rng = tb.rng
    for turn in range(15):
        dut.cfg_mps_i.value, dut.cfg_mrrs_i.value = rng.randrange(3), rng.randrange(4)
        dut.cfg_ext_tag_i.value = rng.randrange(2)
        tb.rq.pause = rng.choice((pauses.never(), pauses.at_random(rng, 0.4), pauses.in_bursts(rng, 20)))
        tb.rc.pause = rng.choice((pauses.never(), pauses.at_random(rng, 0.5), pauses.in_bursts(rng, 20)))
        memory.bytes[:] = rng.randbytes(len(memory.bytes))
        planes = [scattered(rng, 6, 3000) for _ in range(rng.randint(1, 4))]
        sizes = [sum(size for size, _ in pieces) for pieces in planes]
        content = b""
        lists, at = [], memory.base + LISTS + rng.randrange(64)
        for plane, pieces in enumerate(planes):
            pieces = [(size, 0x2_0000 * plane + start) for size, start in pieces]
            lists.append(driver.sgl(at, on_bus(memory, pieces)))
            content += b"".join(bytes(memory.bytes[start : start + size]) for size, start in pieces)
            at += lists[-1][0] + rng.randrange(32)
        arg, queue = rng.randrange(USER_AREA - len(content)), rng.randrange(3)
        memory.touched.clear()
        tb.interrupts.clear()
        assert await driver.call(queue, driver.trans_buf(queue, UPLOAD, lists, arg)) == 0
        await tb.until(lambda: tb.interrupts, 1000)
        assert [vector for _, vector in tb.interrupts] == [queue] and not memory.touched
        # Back, as one plane, into other pieces.
        memory.bytes[:] = before = rng.randbytes(len(memory.bytes))
        target, at, left = [], DATA + rng.randrange(64), sum(sizes)
        while left:
            size = min(left, rng.choice((1, 5, 100, 4096, rng.randint(1, 9000))))
            target.append((size, at))
            at, left = at + size + rng.randrange(50), left - size
        plane = driver.sgl(memory.base + LISTS, on_bus(memory, target))
        before = bytes(memory.bytes)
        queue = rng.randrange(3)
        assert await driver.call(queue, driver.trans_buf(queue, DOWNLOAD, [plane], arg)) == 0
        await tb.clocks(400)
        back = b"".join(bytes(memory.bytes[start : start + size]) for size, start in target)
        assert back == content, f"turn {turn}: {len(content)} bytes came back different"
        wanted = {i for size, start in target for i in range(start, start + size)}
        assert memory.touched == wanted, f"turn {turn}: bytes beside the target were written"
        assert all(memory.bytes[i] == before[i] for i in set(range(LISTS, at + 300)) - wanted)


@cocotb.test()
async def contexts_are_opened_and_shut_down(dut):
    tb, memory, driver = await up(dut, "contexts")
    opened = []
    for pid in range(100, 117):
        await driver.send(pid % 3, struct.pack("<2BH3I", INIT, 0, pid << 4 | pid % 3, 0, 0, pid << 8))
        function, size, serial, context, _cmd, arg = await driver.reply(pid % 3)
        assert (function, size, serial) == (INIT, 0, pid << 4 | pid % 3)
        if pid < 116:
            opened.append(context)
            assert arg == 0 and context
        else:
            assert arg == NO_CONTEXT
    assert sorted(opened) == list(range(1, 17))
    plane = driver.sgl(memory.base + LISTS, on_bus(memory, [(100, DATA)]))
    assert await driver.call(0, driver.trans_buf(0, UPLOAD, [plane], 0, opened[0])) == 0
    await driver.send(1, struct.pack("<2BH3I", SHUTDOWN, 0, 1, 0, 1, 100))
    await tb.clocks(3000)
    assert await driver.call(0, driver.trans_buf(0, UPLOAD, [plane], 0, opened[0])) == NO_CONTEXT
    assert await driver.call(2, driver.trans_buf(2, UPLOAD, [plane], 0, opened[1])) == 0


@cocotb.test()
async def bad_messages_get_an_error_and_no_wild_dma(dut):
    """HostMemory fails the test when the card asks for anything outside."""
    tb, memory, driver = await up(dut, "bad_messages")
    good = driver.sgl(memory.base + LISTS, on_bus(memory, [(64, DATA)]))
    at = memory.base + 0x4000

    def raw(number: int, total: int, *entries: tuple[int, int]) -> tuple[int, int]:
        data = struct.pack("<2I", number, total) + b"".join(struct.pack("<IQ", *entry) for entry in entries)
        memory.bytes[0x4000 : 0x4000 + len(data)] = data
        return len(data), at

    data = memory.base + DATA
    for planes, arg, code in (
        ([good] * 5, 0, BAD_PLANES),
        ([good], USER_AREA - 63, NO_CARD_MEMORY),
        ([good], 0xFFFF_FFFF, NO_CARD_MEMORY),
        ([(8, at)], 0, BAD_SGL),
        ([raw(0, 0, (64, data))], 0, BAD_SGL),
        ([raw(0xFFFFFFFF, 64, (64, data))], 0, BAD_SGL),
        ([raw(1, 64, (0, data))], 0, BAD_SGL),
        ([raw(1, 64, (65, data))], 0, BAD_SGL),
        ([raw(2, 64, (32, data), (16, data))], 0, BAD_SGL),
    ):
        got = await driver.call(1, driver.trans_buf(1, UPLOAD, planes, arg))
        assert got & 0xFF == code, f"planes {planes}, arg {arg:#x}: {got:#x}, not {code}"
    assert await driver.call(1, driver.trans_buf(1, UPLOAD, [good], 0)) == 0
    # Garbage in the indices: an alert, and life goes on.
    tb.interrupts.clear()
    tb.write(2, 0x7000 + 12, 0xFFFF_FFFF)
    tb.write(0, 0x484, 0)
    await tb.until(lambda: 3 in [vector for _, vector in tb.interrupts], 5000)
    assert await tb.read(0, 0x464) == 1 << 5 and tb.ready and not tb.gate_closed
    assert await driver.call(1, driver.trans_buf(1, UPLOAD, [good], 0)) == 0


@cocotb.test()
async def a_halt_at_any_moment_of_a_message_stops_all_requests(dut):
    """Uploads and downloads in flight: no request starts after the halt, no TLP is cut, no interrupt comes, a late
    completion does no harm, and the next message after the reset works."""
    tb, memory, driver = await up(dut, "message_halts")
    rng = tb.rng
    offered, halts = Counter(), Counter()
    memory.bytes[:] = rng.randbytes(len(memory.bytes))
    for turn in range(HALTS):
        kind = rng.choice(tuple(CAUSE))
        busy = rng.random() < 0.5
        tb.rq.pause = pauses.at_random(rng, rng.random() * 0.8) if busy else pauses.never()
        tb.rc.pause = pauses.at_random(rng, rng.random() * 0.8) if busy else pauses.never()
        tb.rq.packets.clear()
        tb.interrupts.clear()
        directions = rng.choice(((UPLOAD,), (DOWNLOAD,), (UPLOAD, DOWNLOAD)))
        for queue, direction in enumerate(directions):
            pieces = [(6_000, DATA + 0x4_0000 * queue + rng.randrange(64)) for _ in range(3)]
            plane = driver.sgl(memory.base + LISTS + 0x100 * queue, on_bus(memory, pieces))
            await driver.send(queue, driver.trans_buf(queue, direction, [plane], rng.randrange(1000)))
        requests = rng.randint(1, 25)
        await tb.until(lambda: len(tb.rq.packets) >= requests, 30_000)  # noqa: B023
        if hung := kind != "trap" and rng.random() < 0.3:
            await tb.lab(regs.VK_LAB_COMMAND_OFFSET, LAB_HANG)
        await tb.clocks(rng.randrange(300))
        memory.refuse = rng.random() < 0.3  # some reads are never answered
        await tb.clocks(rng.randrange(30))

        seen = await halt(tb, kind)
        await tb.clocks(8)
        assert tb.gate_closed and tb.gate_cause & CAUSE[kind]
        await tb.until(lambda: not tb.rq.beats and tb.rq.offered is None, 2000)
        await tb.clocks(200)
        last = max(p.offered for p in tb.rq.packets)
        assert last - seen <= MAX_LATENCY, f"turn {turn}, {kind}: a TLP started {last - seen} clocks after"
        assert not [c for c, _ in tb.interrupts if c > seen]
        offered[max(last - seen, -1)] += 1
        halts[f"{kind}, soft core {'hung' if hung else 'alive'}"] += 1
        number = len(tb.rq.packets)
        await release(tb, kind)
        memory.refuse = False
        if kind in ("bme", "trap"):
            if kind == "trap" or hung or rng.random() < 0.5:
                tb.dut.cfg_command_i.value = COMMAND_MEM | COMMAND_BME
                await halt(tb, "hard")
            else:  # goes on where it was
                for queue in range(len(directions)):
                    arg = (await driver.reply(queue))[5]
                    assert arg in (0, 0x16), f"{arg:#x}"  # done, or a read of before timed out
                continue
        await tb.clocks(5)
        tb.rc.pause = pauses.never()  # late completions: all of them
        await tb.booted()
        if kind not in ("bme", "trap"):
            assert len(tb.rq.packets) == number, "requests before anything was asked for"
        driver = Driver(tb, memory)
        if turn % 5 == 0:
            tb.rq.pause = tb.rc.pause = pauses.never()
            plane = driver.sgl(memory.base + LISTS, on_bus(memory, [(777, DATA + 3)]))
            assert await driver.call(2, driver.trans_buf(2, UPLOAD, [plane], 5)) == 0
    figures = {
        "clocks from halt to last request offered": dict(sorted(offered.items())),
        "halts": dict(halts),
    }
    print(json.dumps(figures))
    Path("halt-latency-messages.json").write_text(json.dumps(figures, indent=1) + "\n")

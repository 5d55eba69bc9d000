# SPDX-License-Identifier: Apache-2.0
"""cocotb: what the endpoint shows the analyser of its engine and its soft core, against what is seen on the link."""

import struct

import cocotb
import vkbench_regs as regs
from common.bench import COMMAND_BME, COMMAND_MEM, VkBench
from common.seed import seeded

from vk.core_card import ENDLESS, ERRORS
from vk.core_dma import WRITE, announce, run_dma
from vk.core_halt import halt, release
from vk.core_messages import DATA, LISTS, on_bus, up
from vk.driver import DOWNLOAD, INIT, UPLOAD
from vk.probe import program

TAIL = 8  # clocks by which the engine's last request may follow the end of its descriptor


def intervals(tb: VkBench, name: str) -> list[tuple[int, int]]:
    """From when to when the level was 1; one that still is ends now."""
    edges = tb.levels[name]
    assert all(level == (i + 1) % 2 for i, (_, level) in enumerate(edges)), f"{name} began high: {edges[:3]}"
    ends = [cycle for cycle, level in edges if not level] + [tb.cycle + 1]
    return list(zip([cycle for cycle, level in edges if level], ends, strict=False))


def within(tb: VkBench, name: str, cycle: int) -> bool:
    return any(start <= cycle < end + TAIL for start, end in intervals(tb, name))


@cocotb.test()
async def a_descriptor_in_work_shows_in_its_direction(dut):
    tb, memory, driver = await up(dut, "directions")
    pieces = [(3000, DATA), (500, DATA + 5000)]
    plane = driver.sgl(memory.base + LISTS, on_bus(memory, pieces))
    for direction in (UPLOAD, DOWNLOAD) * 3:
        tb.rq.packets.clear()
        tb.levels["read"].clear()
        tb.levels["write"].clear()
        assert await driver.call(0, driver.trans_buf(0, direction, [plane], 0)) == 0
        await tb.clocks(200)
        reads = [packet.offered for packet in tb.rq.packets if not packet.tlp.has_data()]
        writes = [packet.offered for packet in tb.rq.packets if packet.tlp.has_data()]
        assert reads and all(within(tb, "read", cycle) for cycle in reads)
        assert all(within(tb, "write", cycle) for cycle in writes)
        assert bool(writes) == (direction == DOWNLOAD) == bool(tb.levels["write"])
        for name, cycles in (("read", reads), ("write", writes)):
            spans = intervals(tb, name)
            assert all(any(start <= c < end + TAIL for c in cycles) for start, end in spans), (
                f"{name}: {spans}"
            )
            assert not tb.levels[name] or not tb.levels[name][-1][1], (
                f"{name} stays on after the last descriptor"
            )


@cocotb.test()
async def completions_owed_behind_the_closed_gate_show_as_draining(dut):
    """By Bus Master Enable, and by a doorbell, after which nobody wants them any more: they are owed all the same."""
    tb, memory, driver = await up(dut, "draining")
    plane = driver.sgl(memory.base + LISTS, on_bus(memory, [(2000, DATA)]))
    for kind in ("bme", "hard"):
        memory.refuse = True
        tb.rq.packets.clear()
        await driver.send(0, driver.trans_buf(0, UPLOAD, [plane], 0))
        await tb.until(lambda: tb.rq.packets, 20_000)
        await tb.clocks(100)
        for name in ("draining", "closed"):
            tb.levels[name].clear()
        assert await tb.read(0, 0x404) == 0x00100006 and not tb.levels["draining"], (
            "drains behind an open gate"
        )
        await halt(tb, kind)
        await tb.clocks(50)
        assert tb.levels["draining"] == tb.levels["closed"] == [(tb.levels["closed"][0][0], 1)]
        memory.refuse = False
        waiting = [packet.tlp for packet in tb.rq.packets]
        for request in waiting[:-1]:
            memory.answer(request, request.address - memory.base)
        await tb.clocks(300)
        assert not tb.rc.queue
        assert len(tb.levels["draining"]) == 1, "one read is still to be answered"
        memory.answer(waiting[-1], waiting[-1].address - memory.base)
        await tb.until(lambda: len(tb.levels["draining"]) == 2, 200)
        assert tb.levels["closed"][-1][1] == 1
        await release(tb, kind)
        if kind == "bme":
            assert (await driver.reply(0))[0] == 5
        else:
            await tb.booted()
            driver.write_index, driver.read_index = [0] * 3, [0] * 3


@cocotb.test()
async def the_traffic_generator_shows_while_it_is_on(dut):
    tb = await VkBench(dut, seeded("traffic_tap")).started()
    await announce(tb, 0x10_0000, 4096)
    assert not tb.levels["traffic"]
    for kind in ("", "hard", "flr"):
        tb.levels["traffic"].clear()
        before = tb.cycle
        await run_dma(tb, WRITE, 64, 50)
        await tb.clocks(500)
        assert [level for _, level in tb.levels["traffic"]] == [1] and tb.levels["traffic"][0][0] > before
        if kind:
            await halt(tb, kind)
            await tb.clocks(20)
            await release(tb, kind)
        else:
            await tb.lab(regs.VK_LAB_DMA_CTRL_OFFSET, 0)
        await tb.clocks(5)
        assert [level for _, level in tb.levels["traffic"]] == [1, 0], f"after {kind or 'a stop'}"
        if kind:
            await tb.booted()
            await announce(tb, 0x10_0000, 4096)
    assert not tb.levels["read"] and not tb.levels["write"], "traffic is no descriptor"


@cocotb.test()
async def a_core_that_has_stopped_shows_until_the_next_reset(dut):
    tb = await VkBench(dut, seeded("trap_tap")).started()
    for name, words in ERRORS.items():
        stops = name != "given up"  # there the core lives on: the firmware has said so itself
        tb.levels["trap"].clear()
        async with program(tb, words):
            await tb.until(lambda: tb.gate_cause & 16, 5000)
            await tb.clocks(300)
            assert [level for _, level in tb.levels["trap"]] == [1] * stops, name
            assert bool(tb.obs >> 26 & 1) == stops and not tb.obs >> 27 & 1, name
        await tb.booted()
        assert [level for _, level in tb.levels["trap"]] == [1, 0] * stops, name


@cocotb.test()
async def the_core_waits_for_work_or_does_it(dut):
    tb, memory, driver = await up(dut, "idle_tap")
    await tb.clocks(500)
    tb.levels["idle"].clear()
    await tb.clocks(500)
    assert tb.obs >> 27 & 1 and not tb.levels["idle"], "the firmware has nothing to do"
    rung = tb.cycle
    await driver.send(0, struct.pack("<2BH3I", INIT, 0, 16, 0, 0, 100 << 8))
    await driver.reply(0)
    assert [level for _, level in tb.levels["idle"]][:1] == [0] and tb.levels["idle"][0][0] > rung
    await tb.until(lambda: tb.levels["idle"][-1][1], 5000)
    # Held in reset it is not late with anything; a program that never waits is.
    await halt(tb, "perst")
    await tb.clocks(100)
    assert tb.obs >> 27 & 1
    await release(tb, "perst")
    await tb.booted()
    async with program(tb, (0x100000B7, 0x00100113, 0x0020A623, ENDLESS)):  # ready, then for ever
        await tb.until(lambda: tb.ready, 5000)
        tb.levels["idle"].clear()
        await tb.clocks(3000)
        assert not tb.obs >> 27 & 1 and not tb.levels["idle"] and not tb.obs >> 26 & 1
    await tb.booted()
    assert tb.dut.cfg_command_i.value == COMMAND_MEM | COMMAND_BME

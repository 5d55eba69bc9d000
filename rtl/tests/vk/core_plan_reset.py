# SPDX-License-Identifier: Apache-2.0
"""cocotb: what the host sees of a reset: the order in which things become valid, and that nothing old is left."""

import cocotb
from common.bench import VkBench
from common.seed import seeded

from vk.core_halt import DAUTH, HARD, SOFT, release
from vk.core_plan_halt import READY_WITHIN, RESETS, halt, ready_again

MARKER = 0xBEEFCAFE
READY, FWSTS = 0x00100006, 0x3FC
#: BAR, offset of what bcm_vk_probe reads: queue tables, states, card information.
PROBED = [(0, 0x404), (0, 0x470), (0, 0x47C), (0, 0x464), (2, 0x60C4), (2, 0x60C8)]
PROBED += [(2, 0x7000 + at) for at in range(0, 0x40, 4)] + [(4, at) for at in range(0x100, 0x1B0, 16)]


async def seen_by_a_probe(tb: VkBench) -> dict:
    return {(bar, offset): await tb.read(bar, offset) for bar, offset in PROBED}


async def descriptors(tb: VkBench) -> list[int]:
    """Offsets in BAR 2 of the queues' descriptors."""
    base = await tb.read(2, 0x60C8)
    return [base + 32 * number for number in range(await tb.read(2, 0x60C4))]


@cocotb.test()
async def the_marker_comes_last(dut):
    """Polled through a whole reset: whenever the marker is valid, so is all that a driver then looks at."""
    rng = seeded("marker_last")
    tb = await VkBench(dut, rng).started()
    want = await seen_by_a_probe(tb)
    for value in (HARD, SOFT):
        for at in range(0, 0x40, 32):
            tb.write(2, 0x7000 + at, rng.randbytes(32))
        tb.write(0, 0x49C, value)
        polls = 0
        while await tb.read(2, 0x60C0) != MARKER:
            polls += 1
            assert polls < READY_WITHIN // 10, "the card never becomes valid again"
        assert polls > 3
        assert await tb.read(0, 0x404) == READY and await tb.read(0, 0x41C) & FWSTS == FWSTS
        assert await seen_by_a_probe(tb) == want
        assert tb.ready


@cocotb.test()
async def a_reset_takes_the_marker_away(dut):
    """The first read behind the doorbell already sees the reset: a driver must not take the old life's queues."""
    tb = await VkBench(dut).started()
    for value in (HARD, SOFT):
        tb.write(0, 0x49C, value)
        assert await tb.read(2, 0x60C0) == 0 and await tb.read(0, 0x404) != READY
        assert await tb.read(0, 0x41C) & FWSTS != FWSTS
        await tb.booted()


@cocotb.test()
async def a_reset_empties_the_queues(dut):
    """Whatever the indices were, a driver that probes after any reset finds all queues empty."""
    rng = seeded("empty_queues")
    tb = await VkBench(dut, rng).started()
    for kind in RESETS:
        for descriptor in await descriptors(tb):
            tb.write(2, descriptor + 8, rng.randint(1, 31))
            tb.write(2, descriptor + 12, rng.randint(1, 31))
        await tb.drained()
        await halt(tb, kind)
        await tb.clocks(20)
        await release(tb, kind)
        await tb.booted()
        for descriptor in await descriptors(tb):
            indices = await tb.read(2, descriptor + 8), await tb.read(2, descriptor + 12)
            assert indices == (0, 0), f"{kind}: descriptor {descriptor:#x} has {indices}"


@cocotb.test()
async def reads_are_answered_during_a_reset(dut):
    """Through a whole doorbell reset every read of every BAR ends well, and never with all ones."""
    rng = seeded("reads_in_reset")
    tb = await VkBench(dut, rng).started()
    places = [place for place in PROBED if place[0] != 4] + [(0, 0x41C), (2, 0x60C0), (4, 0x104), (4, 0x0)]
    for value in (HARD, SOFT):
        tb.write(0, 0x49C, value)
        count = 0
        while count < 20 or not tb.ready:
            bar, offset = rng.choice(places)
            assert await tb.read(bar, offset) != 0xFFFFFFFF, f"BAR {bar} + {offset:#x}"
            count += 1
            assert count < READY_WITHIN // 10


@cocotb.test()
async def the_driver_s_late_zeros_do_no_harm(dut):
    """bcm_vk_trigger_reset goes on writing zeros behind its doorbell, at any pace (docs/driver-contract.md)."""
    rng = seeded("late_zeros")
    tb = await VkBench(dut, rng).started()
    want = await seen_by_a_probe(tb)
    for _ in range(6):
        for offset in (0x60C0, 0x61B0, *DAUTH, 0x6340, 0x6350):
            tb.write(2, offset, 0)
        tb.write(0, 0x41C, 0x1000_0000)
        tb.write(0, 0x49C, SOFT)
        for offset in (0x444, 0x47C, 0x460, 0x45C, 0x46C):
            await tb.clocks(rng.randrange(9))  # all within the 500 us of the hold
            tb.write(0, offset, 0)
        await ready_again(tb)
        assert await seen_by_a_probe(tb) == want

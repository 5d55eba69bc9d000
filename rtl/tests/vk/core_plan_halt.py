# SPDX-License-Identifier: Apache-2.0
"""cocotb: the halting contract, one test a promise (docs/test-plan.md), and halts at many random moments."""

import itertools
import json
from collections import Counter
from pathlib import Path

import cocotb
import vkbench_regs as regs
from common import pauses
from common.bench import VkBench
from common.seed import seeded
from common.tlps import completion

from vk.core_dma import READ, WRITE, announce, run_dma
from vk.core_halt import CAUSE, HARD, MAX_LATENCY, SOFT, halt, release

RESETS = ("hard", "soft", "flr", "perst")
OLD, NEW = 0x20_0000, 0x7_0000_0000
SIZE = 8192
PERIOD = 40  # clocks between TLPs: room for a late one to show
INTERNAL = 16
#: Longest from a reset to ready, in clocks: hold time, memories, and the firmware's start.
READY_WITHIN = 60_000
MOMENTS = 500
#: Where a halt can meet the engine; each must have been met at least so often.
STATES = {"idle": 10, "between TLPs": 10, "first beat waits": 10, "inside a TLP": 10, "read outstanding": 10}


async def traffic(tb: VkBench, mode: int = WRITE, length: int = 64, period: int = PERIOD, base: int = OLD):
    """Lets the lab's traffic run; reads are answered with zeros."""
    tb.on_request = (lambda p: tb.complete(completion(p.tlp))) if mode == READ else None
    await announce(tb, base, SIZE)
    tb.rq.packets.clear()
    await run_dma(tb, mode, length, period)
    await tb.until(lambda: len(tb.rq.packets) >= 5, 5000)


async def ready_again(tb: VkBench) -> None:
    """Behind a doorbell that is still on its way, or was just seen."""
    await tb.until(lambda: not tb.ready, 200)
    await tb.booted()


def starts_after(tb: VkBench, seen: int) -> list[int]:
    """Clocks from the halt to each later start of a request."""
    return [p.offered - seen for p in tb.rq.packets if p.offered > seen]


def state_of(tb: VkBench, mode: int) -> str:
    """What the engine is doing, as far as its streams show it."""
    if tb.rq.beats:
        return "inside a TLP"
    if tb.rq.offered is not None:
        return "first beat waits"
    if not tb.rq.packets:
        return "idle"
    return "read outstanding" if mode == READ and tb.waiting else "between TLPs"


@cocotb.test()
async def halts_in_every_state_at_500_random_moments(dut):
    """Latency from the halt to the last request offered, as a histogram in build/rtl-tests/halt_latency.json."""
    rng = seeded("halts_in_every_state")
    tb = await VkBench(dut, rng).started()
    tb.waiting = []
    met, kinds, offered = Counter(), Counter(), Counter()
    for turn in range(MOMENTS):
        # Most halts are BME's: they need no restart of the card, and go through the same gate.
        kind = "bme" if rng.random() < 0.6 else rng.choice(RESETS)
        mode = rng.choice((WRITE, WRITE, READ))
        tb.rq.pause = rng.choice((pauses.never(), pauses.at_random(rng, 0.6), pauses.in_bursts(rng, 30)))
        tb.msix_pause = rng.choice((pauses.never(), pauses.at_random(rng, 0.8)))
        tb.on_request = (lambda p: tb.waiting.append(p.tlp)) if mode == READ else None
        if turn == 0 or not tb.announced:
            await announce(tb, rng.choice((OLD, NEW)), SIZE)
            tb.announced = True
        tb.rq.packets.clear()
        tb.waiting.clear()
        await run_dma(tb, mode, rng.choice((8, 64, 128, 256)), rng.choice((0, 0, 5, 60)))
        for _ in range(rng.choice((0, rng.randrange(90)))):
            await tb.clocks(1)
            if tb.waiting and rng.random() < 0.3:
                tb.complete(completion(tb.waiting.pop(0)))
        if rng.random() < 0.5:
            await tb.lab(regs.VK_LAB_IRQ_OFFSET, rng.randrange(4))
            await tb.clocks(rng.randrange(6))
        met[state_of(tb, mode)] += 1
        seen = await halt(tb, kind)
        kinds[kind] += 1
        await tb.clocks(40)
        assert tb.gate_closed and tb.gate_cause & CAUSE[kind], f"turn {turn}, {kind}: cause {tb.gate_cause}"
        await tb.until(lambda: not tb.rq.beats and tb.rq.offered is None, 5000)
        late = starts_after(tb, seen)
        assert not late or late[-1] <= MAX_LATENCY, (
            f"turn {turn}, {kind}: a TLP started {late[-1]} clocks after"
        )
        offered[late[-1] if late else 0] += 1
        after = [clock - seen for clock, _ in tb.interrupts if clock > seen]
        assert not after, f"turn {turn}, {kind}: interrupt {after[0]} clocks after the halt"
        await tb.lab(regs.VK_LAB_DMA_CTRL_OFFSET, 0)
        for request in tb.waiting:
            tb.complete(completion(request))
        await release(tb, kind)
        await tb.booted()
        tb.announced = kind == "bme"
        tb.interrupts.clear()
    figures = {
        "moments": MOMENTS,
        "latency": {str(clocks): count for clocks, count in sorted(offered.items())},
        "kinds": dict(kinds),
        "states": dict(met),
    }
    print(json.dumps(figures))
    Path("../halt_latency.json").write_text(json.dumps(figures, indent=1) + "\n")
    for state, least in STATES.items():
        assert met[state] >= least, f"only {met[state]} halts met the engine in state '{state}': {dict(met)}"


@cocotb.test()
async def each_halt_holds_back_every_request(dut):
    """Sparse traffic, so that one late request shows: none starts more than 4 clocks after any halt."""
    rng = seeded("each_halt")
    tb = await VkBench(dut, rng).started()
    for kind, mode in itertools.product(("bme", *RESETS), (WRITE, READ)):
        await traffic(tb, mode)
        await tb.clocks(rng.randrange(PERIOD))
        seen = await halt(tb, kind)
        await tb.clocks(4 * PERIOD)
        late = starts_after(tb, seen)
        assert not late or late[-1] <= MAX_LATENCY, f"{kind}: requests {late} clocks after the halt"
        assert tb.gate_closed and tb.gate_cause & CAUSE[kind], f"{kind}: gate open, cause {tb.gate_cause}"
        await release(tb, kind)
        await tb.booted()


@cocotb.test()
async def what_has_started_is_finished_whole(dut):
    """A halt inside a TLP: its beats still come, however long the link takes. (The bench checks the framing.)"""
    rng = seeded("finished_whole")
    tb = await VkBench(dut, rng).started()
    for kind in ("bme", "hard", "flr", "soft"):
        await traffic(tb, length=256, period=0)
        tb.rq.pause = pauses.at_random(rng, 0.8)
        want = rng.randint(1, 4)
        await tb.until(lambda: len(tb.rq.beats) == want, 2000)  # noqa: B023
        await halt(tb, kind)
        await tb.clocks(3)
        assert tb.gate_closed
        await tb.until(lambda: not tb.rq.beats, 1000)
        tb.rq.pause = pauses.never()
        await release(tb, kind)
        await tb.booted()


@cocotb.test()
async def no_interrupt_outlives_a_halt(dut):
    """Interrupts that wait for the link when the halt comes are gone: not sent then, and not after the reset."""
    tb = await VkBench(dut).started()
    for kind in ("bme", *RESETS):
        tb.msix_pause = itertools.repeat(True)
        for vector in (1, 2, 3):
            await tb.lab(regs.VK_LAB_IRQ_OFFSET, vector)
        await tb.clocks(3)
        assert not tb.interrupts
        await halt(tb, kind)
        await tb.clocks(3)
        tb.msix_pause = pauses.never()
        for _ in range(20):
            await tb.clocks(5)
            await tb.lab(regs.VK_LAB_IRQ_OFFSET, 2)
        await release(tb, kind)
        await tb.booted()
        await tb.clocks(100)
        assert not tb.interrupts, f"{kind}: vector {tb.interrupts[0][1]} came through"


@cocotb.test()
async def nothing_resumes_after_a_reset(dut):
    """DMA ran into OLD; after the reset nothing leaves until asked for, and then into NEW, from number 1."""
    tb = await VkBench(dut).started()
    for kind in RESETS:
        await traffic(tb, base=OLD)
        await halt(tb, kind)
        await tb.clocks(20)
        await release(tb, kind)
        await tb.booted()
        tb.rq.packets.clear()
        await tb.clocks(5 * PERIOD)
        assert not tb.rq.packets, f"{kind}: {tb.rq.packets[0].tlp!r} by itself"
        assert await tb.lab(regs.VK_LAB_DMA_CTRL_OFFSET) & 1 == 0
        await run_dma(tb, WRITE, 64, PERIOD)
        await tb.clocks(5 * PERIOD)
        assert not tb.rq.packets, f"{kind}: a request without a buffer to go to"
        await traffic(tb, base=NEW)
        for number, packet in enumerate(tb.rq.packets, 1):
            assert NEW <= packet.tlp.address < NEW + SIZE, f"{kind}: the old buffer was written"
            assert int.from_bytes(packet.tlp.data[:4], "little") == number


@cocotb.test()
async def the_gate_stays_closed_until_ready(dut):
    tb = await VkBench(dut).started()
    for kind in RESETS:
        for level in tb.levels.values():
            level.clear()
        seen = await halt(tb, kind)
        await tb.clocks(30)
        await release(tb, kind)
        await tb.until(lambda: tb.ready, READY_WITHIN)
        await tb.until(lambda: not tb.gate_closed, 20)
        opened = [clock for clock, level in tb.levels["closed"] if not level and clock > seen]
        ready = [clock for clock, level in tb.levels["ready"] if level and clock > seen]
        assert len(opened) == len(ready) == 1, f"{kind}: opened at {opened}, ready at {ready}"
        assert opened[0] >= ready[0], f"{kind}: opened {ready[0] - opened[0]} clocks before ready"


@cocotb.test()
async def a_reset_during_a_reset_starts_over(dut):
    """Whenever the second doorbell comes, the card is ready a whole reset after it."""
    rng = seeded("reset_during_reset")
    tb = await VkBench(dut, rng).started()
    first = await halt(tb, "soft")
    await ready_again(tb)
    whole = tb.cycle - first
    for share in (0.02, 0.3, 0.6, 0.9, 0.97):
        await halt(tb, rng.choice(("hard", "soft")))
        await tb.clocks(int(share * whole))
        assert not tb.ready
        again = await halt(tb, rng.choice(("hard", "soft")))
        await tb.until(lambda: tb.ready, READY_WITHIN)
        assert tb.cycle - again > 0.9 * whole, (
            f"ready {tb.cycle - again} clocks after the second, not {whole}"
        )
    for _ in range(3):  # two in a row, with nothing between them
        tb.write(0, 0x49C, SOFT)
        tb.write(0, 0x49C, SOFT)
        await ready_again(tb)
        assert await tb.read(0, 0x404) == 0x00100006


@cocotb.test()
async def a_doorbell_storm_is_weathered(dut):
    """Hundreds of doorbell writes without a pause, reads between them: silence, answers, then a ready card."""
    rng = seeded("doorbell_storm")
    tb = await VkBench(dut, rng).started()
    await traffic(tb)
    seen = await halt(tb, "hard")
    for _ in range(300):
        offset = rng.choice((0x484, 0x48C, 0x494, 0x49C, 0x49C))
        tb.write(0, offset, rng.choice((HARD, SOFT, SOFT, 0, rng.randrange(1 << 32))))
        if rng.random() < 0.1:
            assert await tb.read(0, rng.choice((0x404, 0x41C, 0x464))) != 0xFFFFFFFF
    last = tb.write(0, 0x49C, HARD)
    await tb.until(lambda: last, 20_000)
    assert tb.gate_closed and not tb.ready
    late = starts_after(tb, seen)
    assert not late or late[-1] <= MAX_LATENCY
    await tb.booted()
    assert await tb.read(0, 0x404) == 0x00100006
    await traffic(tb)


@cocotb.test()
async def an_internal_error_halts(dut):
    """The soft core traps while DMA runs: the gate closes, and only a reset opens it."""
    tb = await VkBench(dut).started()
    await traffic(tb)
    tb.levels["closed"].clear()
    await tb.lab(regs.VK_LAB_COMMAND_OFFSET, 0x30000)
    await tb.until(lambda: tb.gate_closed, 5000)
    seen = tb.levels["closed"][-1][0]
    assert tb.gate_cause == INTERNAL, f"cause {tb.gate_cause}"
    await tb.clocks(10 * PERIOD)
    late = starts_after(tb, seen)
    assert not late or late[-1] <= MAX_LATENCY
    assert await tb.read(0, 0x464) >> 5 & 1, "no sys_fault in CARD_ERR_LOG"
    await halt(tb, "hard")
    await ready_again(tb)
    await tb.clocks(10)
    assert not tb.gate_closed and not await tb.read(0, 0x464)


@cocotb.test()
async def a_hung_soft_core_delays_no_halt(dut):
    """The firmware loops for ever: a doorbell halts as fast as ever, and the card comes back."""
    tb = await VkBench(dut).started()
    for kind in ("hard", "bme", "soft", "flr"):
        await traffic(tb)
        await tb.lab(regs.VK_LAB_COMMAND_OFFSET, 0x20000)
        await tb.clocks(2000)
        seen = await halt(tb, kind)
        await tb.clocks(4 * PERIOD)
        late = starts_after(tb, seen)
        assert tb.gate_closed and (not late or late[-1] <= MAX_LATENCY)
        await release(tb, kind)
        if kind == "bme":
            await halt(tb, "hard")
            await tb.clocks(5)
        await tb.booted()

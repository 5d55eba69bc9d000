# SPDX-License-Identifier: Apache-2.0
"""cocotb: card resets and Bus Master Enable at random moments of a busy engine."""

import itertools

import cocotb
from common import pauses
from common.seed import seeded

from dma.bench import OK, TIMEOUT_CLOCKS, DmaBench

MOMENTS = 520
LATENCY = 4  # clocks from the halt to the last start of a TLP
VICTIMS = 16 << 10  # the store up to here belongs to descriptors that a reset may cut off
TRAFFIC = 0x6000_0000
BRAND = b"late"


async def load(tb: DmaBench, rng) -> None:
    """Makes the engine busy in a random way, once what was requested under the old settings has left."""
    tb.dut.traffic_enable_i.value, tb.rq_pause = 0, pauses.never()
    await tb.clocks(3)
    await tb.until(lambda: tb.obs >> 20 & 1 and not tb.beats, 100)
    tb.set(rng.randrange(3), rng.randrange(4), rng.randrange(2), rng.choice((64, 128)), rng.randrange(2))
    tb.rq_pause = rng.choice((pauses.never(), pauses.at_random(rng, 0.5), pauses.in_bursts(rng, 40)))
    tb.rc_pause = rng.choice((pauses.never(), pauses.at_random(rng, 0.4), pauses.in_bursts(rng, 16)))
    tb.host.latency, tb.host.payload = rng.choice(((0, 0), (20, 90), (150, 150))), rng.choice((0, 256))
    tb.dut.traffic_length_i.value, tb.dut.traffic_period_i.value = (
        8 * rng.randint(1, 32),
        rng.choice((0, 9, 60)),
    )
    tb.dut.traffic_read_i.value, tb.dut.traffic_enable_i.value = rng.randrange(2), rng.randrange(3) > 0
    for _ in range(rng.randrange(4)):
        tb.read(0x2000_0000 + rng.randrange(4096), rng.randrange(8192), rng.randint(1, 4000))
    for _ in range(rng.randrange(4)):
        tb.write(0x3000_0000 + rng.randrange(4096), rng.randrange(8192), rng.randint(1, 4000))
    await tb.clocks(rng.randrange(200))


def brand(tb: DmaBench) -> None:
    """Puts BRAND into all completions, or what is left of them, that are still to be sent."""
    filling = int.from_bytes(BRAND * 8, "little")
    waiting = [completion for queue in tb.host.queues.values() for completion in queue]
    if tb.sending:
        waiting.append(tb.sending)
    for completion in waiting:
        completion.beats = [beat >> 256 << 256 | filling for beat in completion.beats]


async def announced(dut, rng) -> DmaBench:
    tb = await DmaBench(dut, rng).start()
    dut.buffer_i.value, dut.size_i.value, dut.buffer_new_i.value = TRAFFIC, 0x4000, 1
    await tb.edge.wait()
    dut.buffer_new_i.value = 0
    return tb


async def closed(tb: DmaBench, clocks: int) -> int:
    """Waits with the gate closed since the last edge; returns the halt's latency in clocks."""
    halted = tb.cycle + 1  # the clock that sees the input
    tb.starts.clear()
    await tb.clocks(clocks + 2)
    late = [start for start in tb.starts if start > halted + LATENCY]
    assert not late, f"halted in {halted}, but TLPs started in {late}"
    return max(tb.starts, default=halted) - halted


@cocotb.test()
async def nothing_starts_after_a_reset_and_nothing_old_shows_after_it(dut):
    rng = seeded("resets")
    tb = await announced(dut, rng)
    tb.host.shuffle = True
    store = bytearray(rng.randbytes(1 << 16))
    await tb.load(bytes(store))
    latencies = []
    for moment in range(MOMENTS):
        await load(tb, rng)
        dut.doorbell_i.value = 1
        start = tb.cycle
        tb.starts.clear()
        await tb.edge.wait()
        tb.clearing()
        await tb.clocks(rng.randint(4, 12))
        dut.clear_i.value = 0
        await tb.clocks(rng.choice((0, 0, 30)))
        late = [s for s in tb.starts if s > start + 1 + LATENCY]
        assert not late, f"halted in {start + 1}, but TLPs started in {late}"
        latencies.append(max(tb.starts, default=start + 1) - start - 1)
        brand(tb)
        dut.traffic_enable_i.value = rng.randrange(2)
        dut.ready_i.value = 1
        await tb.edge.wait()
        dut.ready_i.value = 0
        assert int(dut.sequence_o.value) == 1
        # At once something new, among the late completions.
        source, place, count = (
            0x4000_0000 + rng.randrange(64),
            rng.randint(VICTIMS, 60_000),
            rng.randint(1, 900),
        )
        fresh = tb.read(source, place, count)
        old = rng.randint(VICTIMS, 60_000)
        sent = tb.write(0x5000_0000 + moment, old, 300) if not place - 300 < old < place + count else None
        await tb.until(
            lambda: not (tb.rd.waiting or tb.rd.open or tb.wr.waiting or tb.wr.open), TIMEOUT_CLOCKS
        )
        assert fresh.code == OK and (sent is None or sent.code == OK)
        await tb.until(lambda: tb.obs >> 20 & 1 and not tb.beats or dut.traffic_enable_i.value, 500)
        store[place : place + count] = tb.memory.read(source, count)
        if moment % 40 == 39:
            dut.traffic_enable_i.value = 0
            await tb.clocks(200)
            await tb.drained()
            got = await tb.dump()
            assert got[VICTIMS:] == store[VICTIMS:], f"moment {moment}: the store changed"
            assert BRAND not in got, f"moment {moment}: a late completion went into the store"
    tb.sign("resets")
    print(f"{MOMENTS} resets, latency up to {max(latencies)} clocks, {tb.cycle} clocks")


@cocotb.test()
async def bus_mastering_may_pause_at_any_moment(dut):
    """No TLP starts while it is off; afterwards all goes on and the bytes are right."""
    rng = seeded("bus_master_enable")
    tb = await announced(dut, rng)
    store = bytearray(rng.randbytes(1 << 16))
    await tb.load(bytes(store))
    latencies = []
    for moment in range(160):
        await load(tb, rng)
        source, count = 0x2000_0000 + rng.randrange(4096), rng.randint(1, 3000)
        there, back = tb.read(source, 20_000, count), tb.write(0x5000_0001, 30_000, count)
        for _ in range(rng.randint(1, 3)):
            await tb.clocks(rng.randrange(60))
            dut.bme_i.value = 0
            latencies.append(await closed(tb, rng.randrange(80)))
            dut.bme_i.value = 1
        dut.traffic_enable_i.value = 0
        await tb.clocks(3)
        await tb.drained()
        assert there.code == back.code == OK
        store[20_000 : 20_000 + count] = tb.memory.read(source, count)
        assert tb.memory.read(0x5000_0001, count) == store[30_000 : 30_000 + count], f"moment {moment}"
        if moment % 20 == 19:
            got = await tb.dump()
            assert got[VICTIMS:] == store[VICTIMS:]
    tb.sign("pauses")
    print(f"{len(latencies)} pauses, latency up to {max(latencies)} clocks, {tb.cycle} clocks")


@cocotb.test()
async def a_reset_does_not_wait_for_the_link(dut):
    """The link takes nothing: a reset goes on all the same."""
    rng = seeded("stuck_link")
    tb = await announced(dut, rng)
    await tb.load(rng.randbytes(1 << 16))
    for _ in range(10):
        tb.write(0x3000_0000, 0, 9000)
        tb.read(0x2000_0000, 0, 9000)
        await tb.clocks(rng.randint(10, 60))
        tb.rq_pause = itertools.repeat(True)
        await tb.clocks(rng.randint(1, 30))
        half = bool(tb.beats)
        await tb.clear()
        tb.requests.clear()
        await tb.clocks(200)
        assert not tb.requests
        assert int(dut.sequence_o.value) == 1 and not tb.obs >> 25 & 1
        tb.rq_pause = pauses.never()
        await tb.clocks(40)
        assert len(tb.requests) <= 2, "more left than what stood on the link and was under way"
        assert not half or tb.requests[0].write
        new = tb.write(0x5000_0000, 5, 1000)
        await tb.drained()
        assert new.code == OK

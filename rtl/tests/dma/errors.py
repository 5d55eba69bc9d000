# SPDX-License-Identifier: Apache-2.0
"""cocotb: what each error completion, a timeout and an abort do to the descriptor, the store and the tags."""

import itertools

import cocotb
from common import pauses
from common.seed import seeded

from dma import bench
from dma.bench import ABORTED, OK, STORE_BYTES, TIMEOUT, TIMEOUT_CLOCKS, DmaBench
from dma.host import CA, CRS, SC, UR, pack_completion


def answer(request, at: int, **fields):
    """One completion for the rest of ``request`` from byte ``at`` on, with some fields wrong."""
    count = request.count - at
    values = {"byte_count": count, "lower": request.address + at & 0x7F, "data": bytes(count)} | fields
    return pack_completion(request.tag, **values)


#: Kind of fault: the descriptor's result, and what comes instead of the rest of a read from byte ``at`` on.
FAULTS = {
    "unsupported request": (bench.UR, lambda r, at: [answer(r, at, data=None, status=UR)]),
    "completer abort": (bench.CA, lambda r, at: [answer(r, at, data=None, status=CA)]),
    "configuration retry": (bench.CRS, lambda r, at: [answer(r, at, data=None, status=CRS)]),
    "reserved status": (bench.UR, lambda r, at: [answer(r, at, data=None, status=7)]),
    "abort with data": (bench.CA, lambda r, at: [answer(r, at, status=CA)]),
    "poisoned": (bench.POISONED, lambda r, at: [answer(r, at, poisoned=True)]),
    "success without data": (bench.MALFORMED, lambda r, at: [answer(r, at, data=None)]),
    "byte count low": (bench.MALFORMED, lambda r, at: [answer(r, at, byte_count=r.count - at - 1)]),
    "byte count high": (bench.MALFORMED, lambda r, at: [answer(r, at, byte_count=r.count - at + 4)]),
    "byte count 4096": (bench.MALFORMED, lambda r, at: [answer(r, at, byte_count=0)]),
    "lower address": (bench.MALFORMED, lambda r, at: [answer(r, at, lower=r.address + at + 4 & 0x7F)]),
    "lower address bit 0": (bench.MALFORMED, lambda r, at: [answer(r, at, lower=r.address + at ^ 1)]),
    "too long": (bench.MALFORMED, lambda r, at: [answer(r, at, data=bytes(r.count - at + 40))]),
    "one dword too long": (bench.MALFORMED, lambda r, at: [answer(r, at, data=bytes(r.count - at + 4))]),
    "the same twice": (bench.MALFORMED, None),
    "a gap": (bench.MALFORMED, None),
    "never": (TIMEOUT, lambda r, at: []),
}


class Spoil:
    """Spoils the answer of a descriptor's read number ``victim`` from a random completion on."""

    def __init__(self, kind: str, victim: int, rng):
        self.kind, self.victim, self.rng = kind, victim, rng
        self.count = self.first = self.past = 0  # host addresses of what must not enter the store

    def __call__(self, request, completions):
        self.count += 1
        if self.count != self.victim + 1:
            return completions
        good = self.rng.randrange(len(completions))
        at, kept = position(request, completions, good), completions[:good]
        rest = FAULTS[self.kind][1]
        if self.kind == "the same twice" and good + 1 < len(completions):
            return completions[: good + 1] + completions[good:]  # the first of the two is good
        self.first, self.past = request.address + at, request.address + request.count
        if self.kind == "a gap" and good + 1 < len(completions):
            return kept + completions[good + 1 :]
        if rest is None:
            return [*kept, answer(request, at, byte_count=request.count - at + 1)]
        return kept + rest(request, at)


@cocotb.test()
async def every_error_reaches_its_descriptor_and_no_byte_of_it_the_store(dut):
    rng = seeded("error_completions")
    tb = await DmaBench(dut, rng).start()
    store = bytearray(rng.randbytes(STORE_BYTES))
    await tb.load(bytes(store))
    tb.rc_pause = pauses.at_random(rng, 0.2)
    kinds = [kind for kind in FAULTS if kind != "never"] * 5 + ["never"] * 2
    rng.shuffle(kinds)
    for kind in kinds:
        want, rest = FAULTS[kind]
        tb.set(mrrs=rng.choice((2, 2, 3)), ext=rng.randrange(2), rcb=rng.choice((64, 128)))
        tb.host.payload, tb.host.shuffle = rng.choice((0, 128, 256)), bool(rng.randrange(2))
        count, place = rng.randint(1100, 4000), rng.randrange(2000)
        source = 0x2000_0000 + rng.randrange(4096)
        tb.host.fault = spoil = Spoil(kind, rng.randrange(2), rng)
        broken = tb.read(source, place, count)
        after = tb.read(0x3000_0000, 40_000, 700)
        await tb.drained()
        tb.host.fault = None
        assert broken.code == want, f"{kind}: result {broken.code}, expected {want}"
        assert after.code == OK, f"{kind}: the next descriptor got {after.code}"
        old, new, got = store[place : place + count], tb.memory.read(source, count), await tb.dump()
        here = got[place : place + count]
        assert all(g in (o, n) for g, o, n in zip(here, old, new, strict=True)), f"{kind}: foreign bytes"
        first, past = spoil.first - source, spoil.past - source
        assert here[first:past] == old[first:past], f"{kind}: spoilt bytes went into the store"
        store[place : place + count] = here
        store[40_000:40_700] = tb.memory.read(0x3000_0000, 700)
        assert got == bytes(store), f"{kind}: a byte outside of the descriptor's place changed"
    await tb.clocks(TIMEOUT_CLOCKS + 500)  # all tags are free again
    tb.set(mrrs=0, ext=0, rcb=64)
    tb.host.latency, tb.host.shuffle = (600, 600), False
    tb.requests.clear()
    tb.read(0x1000_0000, 0, 8192)
    await tb.clocks(300)
    assert len(tb.requests) == 32
    await tb.drained()


def position(request, completions, index: int) -> int:
    """Offset in ``request`` of the completion's first byte: its Byte Count says so."""
    byte_count = completions[index].beats[0] >> 256 + 32 & 0xFFF or 4096
    return request.count - byte_count


@cocotb.test()
async def a_malformed_completion_sets_its_tag_aside(dut):
    """What else of that read is on its way is unknown: the tag rests until the timeout."""
    rng = seeded("tag_aside")
    tb = await DmaBench(dut, rng).start()
    tb.set(mrrs=0, ext=0)
    tb.host.fault = Spoil("byte count low", 0, rng)
    tb.read(0x2000_0000, 0, 64)
    await tb.drained()
    tb.host.fault, aside = None, tb.requests[0].tag
    for rests in (True, False):
        tb.requests.clear()
        tb.read(0x2000_0000, 0, 128 * 100)
        await tb.drained()
        assert ({r.tag for r in tb.requests} == set(range(32)) - {aside}) == rests
        await tb.clocks(TIMEOUT_CLOCKS + 400)


@cocotb.test()
async def a_read_that_times_out_within_a_completion_stores_no_more(dut):
    rng = seeded("stalled_completion")
    tb = await DmaBench(dut, rng).start()
    await tb.load(old := rng.randbytes(4096))
    tb.rc_pause = itertools.chain([False] * 3, [True] * (TIMEOUT_CLOCKS + 500), pauses.never())
    descriptor = tb.read(0x2000_0000, 0, 512)
    await tb.drained()
    assert descriptor.code == TIMEOUT and descriptor.done < tb.cycle - 20
    new = tb.memory.read(0x2000_0000, 96)
    assert await tb.dump(4096) == new + old[96:]


@cocotb.test()
async def stray_completions_change_nothing(dut):
    rng = seeded("stray_completions")
    tb = await DmaBench(dut, rng).start()
    store = bytearray(rng.randbytes(STORE_BYTES))
    await tb.load(bytes(store))

    def fault(request, completions):
        count = request.count
        strays = [
            pack_completion(request.tag ^ 0x40, count, request.address & 0x7F, bytes(count)),
            answer(request, 0, requester=0x0200),
            answer(request, 0, dw0=0x01000000),  # CplDLk
            answer(request, 0, dw0=1 << 23),  # tag bit 9
            answer(request, 0, dw0=1 << 19),  # tag bit 8
        ]
        return [rng.choice(strays) for _ in range(3)] + completions

    tb.host.fault = fault
    tb.set(mrrs=1)
    for _ in range(30):
        count, place, source = rng.randint(1, 3000), rng.randrange(60_000), 0x2000_0000 + rng.randrange(9999)
        descriptor = tb.read(source, place, count)
        await tb.drained()
        assert descriptor.code == OK
        store[place : place + count] = tb.memory.read(source, count)
    tb.host.fault = None
    assert await tb.dump() == bytes(store)


@cocotb.test()
async def a_timeout_comes_in_time_and_late_completions_touch_nothing(dut):
    rng = seeded("timeout")
    tb = await DmaBench(dut, rng).start()
    store = bytearray(rng.randbytes(STORE_BYTES))
    await tb.load(bytes(store))
    held = []

    def hold(request, completions):
        held.extend(completions)
        return []

    for _ in range(3):
        tb.host.fault = hold
        descriptor = tb.read(0x2000_0003, 77, 5000)
        await tb.until(lambda: len(tb.requests) >= 2, 200)
        await tb.drained(TIMEOUT_CLOCKS + 700)
        assert descriptor.code == TIMEOUT
        assert TIMEOUT_CLOCKS <= descriptor.done - descriptor.accepted <= TIMEOUT_CLOCKS + 64 + 400
        tb.host.fault = None
        late(tb, held)
        again = tb.read(0x2100_0003, 40_000, 3000)
        await tb.drained()
        assert again.code == OK
        store[40_000:43_000] = tb.memory.read(0x2100_0003, 3000)
        assert await tb.dump() == bytes(store)


def late(tb: DmaBench, held: list) -> None:
    """Puts completions that were held back in front of all others."""
    queue = tb.host.queues.setdefault(0, bench.deque())
    for completion in held:
        completion.due = tb.cycle
        tb.host.headers += 1
        tb.host.units += completion.units
    queue.extend(held)
    held.clear()


@cocotb.test()
async def an_abort_ends_what_is_open_and_nothing_else(dut):
    rng = seeded("abort")
    tb = await DmaBench(dut, rng).start()
    store = bytearray(rng.randbytes(STORE_BYTES))
    await tb.load(bytes(store))
    for turn in range(60):
        tb.set(mps=rng.randrange(3), mrrs=rng.randrange(4), ext=rng.randrange(2))
        tb.rq_pause = rng.choice((pauses.never(), pauses.at_random(rng, 0.6)))
        tb.host.latency, tb.host.shuffle = rng.choice(((0, 0), (200, 200))), False
        side = rng.randrange(2)
        victims = []
        for i in range(rng.randint(1, 6)):
            if side:
                victims.append(tb.write(0x3000_0000, 30_000, rng.randint(1, 9000)))
            else:
                victims.append(tb.read(0x2000_0000 + i, 100, rng.randint(1, 9000)))
        other = tb.read(0x2100_0000, 20_000, 6000) if side else tb.write(0x3100_0001, 30_000, 6000)
        await tb.clocks(rng.choice((rng.randrange(20), rng.randrange(250))))
        channel, pin = (tb.wr, dut.wr_abort_i) if side else (tb.rd, dut.rd_abort_i)
        pin.value = 1
        channel.pins[0].value = 0
        channel.shown = False
        never = list(channel.waiting)
        channel.waiting.clear()
        await tb.edge.wait()
        pin.value = 0
        open_then, at = list(channel.open), tb.cycle
        await tb.until(lambda: not channel.open, 600)  # noqa: B023
        assert all(d.code == ABORTED for d in open_then if d.done > at + 1), f"turn {turn}"
        assert all(d.code is None for d in never)
        tb.requests.clear()
        # At once something new, with the old completions still coming.
        source, count = 0x4000_0000 + rng.randrange(64), rng.randint(1, 4000)
        fresh = tb.read(source, 10_000, count)
        sent = tb.write(0x5000_0001, 31_000, count)
        await tb.drained()
        assert other.code == fresh.code == sent.code == OK
        await tb.clocks(300)
        await tb.drained()
        got = await tb.dump()
        store[100:9100] = got[100:9100]  # the victim's place
        store[10_000 : 10_000 + count] = tb.memory.read(source, count)
        if side:
            store[20_000:26_000] = tb.memory.read(0x2100_0000, 6000)
        else:
            assert tb.memory.read(0x3100_0001, 6000) == store[30_000:36_000]
        assert tb.memory.read(0x5000_0001, count) == store[31_000 : 31_000 + count]
        assert got == bytes(store), f"turn {turn}"


@cocotb.test()
async def traffic_reads_share_the_tags(dut):
    """The lab's reads among the descriptors': every one is counted once."""
    rng = seeded("traffic_reads")
    tb = await DmaBench(dut, rng).start()
    want, kinds = [0, 0, 0], []
    base = 0x6000_0000

    def fault(request, completions):
        if not base <= request.address < base + 0x4000:
            return completions
        kind = rng.choice(("ok", "ok", "ok", "UR", "poisoned", "none") if len(kinds) < 150 else ("ok",))
        if kind == "none" and kinds.count("none") == 2:
            kind = "UR"
        kinds.append(kind)
        want[{"ok": 0, "none": 2}.get(kind, 1)] += 1
        if kind == "UR":
            return completions[:-1] + [
                answer(request, position(request, completions, -1), data=None, status=UR)
            ]
        if kind == "poisoned":
            whole = pack_completion(
                request.tag, request.count, request.address & 0x7F, bytes(request.count), SC, True
            )
            return [whole]
        return completions if kind == "ok" else []

    tb.host.fault, tb.host.payload, tb.host.shuffle = fault, 0, True
    dut.buffer_i.value, dut.size_i.value, dut.buffer_new_i.value = base, 0x4000, 1
    await tb.edge.wait()
    dut.buffer_new_i.value = 0
    dut.traffic_read_i.value, dut.traffic_length_i.value, dut.traffic_enable_i.value = 1, 256, 1
    while len(kinds) < 150:
        if len(tb.rd.waiting) < 2:
            tb.read(0x2000_0000 + rng.randrange(64), rng.randrange(1000), rng.randint(1, 5000))
        await tb.clocks(20)
    dut.traffic_enable_i.value = 0
    await tb.clocks(10)
    await tb.drained()
    await tb.clocks(20 if kinds[-1] != "none" else TIMEOUT_CLOCKS + 400)
    assert tb.counts == want, f"counted {tb.counts}, expected {want}"


@cocotb.test()
async def a_lone_traffic_read_counts_once_although_the_clock_stops(dut):
    tb = await DmaBench(dut, seeded("lone_read")).start()
    dut.buffer_i.value, dut.size_i.value, dut.buffer_new_i.value = 0x6000_0000, 0x4000, 1
    await tb.edge.wait()
    dut.buffer_new_i.value = 0
    tb.host.latency = (40, 40)
    dut.traffic_read_i.value, dut.traffic_length_i.value, dut.traffic_period_i.value = 1, 64, 300
    dut.traffic_enable_i.value = 1
    await tb.clocks(3100)
    assert tb.counts == [len(tb.requests), 0, 0] and len(tb.requests) in (10, 11)
    assert tb.awake < 3100 / 3

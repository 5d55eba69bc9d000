# SPDX-License-Identifier: Apache-2.0
"""cocotb: descriptors of all shapes move the right bytes, whatever the link does."""

import cocotb
from common import pauses
from common.seed import seeded

from dma.bench import BAD, OK, STORE_BYTES, DmaBench

HALF = STORE_BYTES // 2
WINDOWS = (0x1000_0000, 0xFFFF_F000, 0x1_2340_0000, 0xFFFF_FFFF_0000_0000)  # the second straddles 4 GiB


def length(rng) -> int:
    return rng.choice(
        (
            rng.randint(1, 8),
            rng.randint(1, 80),
            rng.randint(1, 700),
            rng.randint(1, 700),
            rng.randint(1, 6000),
        )
    )


def pause(rng):
    return rng.choice(
        (pauses.never(), pauses.at_random(rng, 0.2), pauses.at_random(rng, 0.7), pauses.in_bursts(rng, 30))
    )


@cocotb.test()
async def random_descriptors_move_the_right_bytes(dut):
    """Both directions at once; every setting of the link; the whole store is compared at last."""
    rng = seeded("random_descriptors")
    tb = await DmaBench(dut, rng).start()
    mirror = bytearray(rng.randbytes(STORE_BYTES))
    await tb.load(bytes(mirror))
    total = 0
    for turn in range(60):
        tb.set(rng.randrange(4), rng.randrange(6), rng.randrange(2), rng.choice((64, 128)), rng.randrange(2))
        tb.rq_pause, tb.rc_pause = pause(rng), pause(rng)
        tb.rd.pause, tb.wr.pause = pause(rng), pause(rng)
        tb.host.payload = rng.choice((0, 128, 256))
        tb.host.shuffle, tb.host.latency = bool(rng.randrange(2)), rng.choice(((0, 0), (5, 60), (300, 300)))
        tb.requests.clear()
        # The halves change roles: one is written by reads, the other one read by writes.
        low, high = (0, HALF) if turn % 2 else (HALF, 0)
        writes = []
        at_store, at_host = low, rng.choice(WINDOWS) + rng.randrange(64)
        for _ in range(25):
            count = length(rng)
            if at_store + count > low + HALF:
                break
            mirror[at_store : at_store + count] = tb.memory.read(at_host, count)
            tb.read(at_host, at_store, count)
            at_store += count + rng.choice((0, 0, rng.randrange(64)))
            at_host += count + rng.randrange(64)
        at_host = 0x5_0000_0000 + turn * 0x100_0000 + rng.randrange(64)
        for _ in range(25):
            count = length(rng)
            store = high + rng.randint(0, HALF - count)
            writes.append((at_host, store, count, tb.write(at_host, store, count)))
            around = (tb.memory.read(at_host - 1, 1), tb.memory.read(at_host + count, 1))
            writes[-1] += around
            at_host += count + rng.randint(1, 64)
        opened = list(tb.rd.waiting) + list(tb.wr.waiting)
        await tb.drained()
        assert all(d.code == OK for d in opened), [d for d in opened if d.code != OK]
        for host, store, count, _, before, after in writes:
            got, want = tb.memory.read(host, count), mirror[store : store + count]
            wrong = [i for i in range(count) if got[i] != want[i]]
            assert not wrong, (
                f"{len(wrong)} of {count} bytes at {host:#x} from {store:#x}, first {wrong[0]:#x}"
            )
            assert (tb.memory.read(host - 1, 1), tb.memory.read(host + count, 1)) == (before, after)
        total += len(opened)
    tb.rq_pause = tb.rc_pause = tb.rd.pause = tb.wr.pause = pauses.never()
    assert await tb.dump() == bytes(mirror)
    print(f"{total} descriptors, {tb.cycle} clocks; most headers {tb.host.most_headers}")
    assert total > 2000


@cocotb.test()
async def bad_descriptors_are_refused_whole(dut):
    rng = seeded("bad_descriptors")
    tb = await DmaBench(dut, rng).start()
    bad = [
        (0x1000, 0, 0),
        (0x1000, STORE_BYTES, 1),
        (0x1000, STORE_BYTES - 1, 2),
        (0x1000, 0, STORE_BYTES + 1),
        (0x1000, 4, 0xFFFF_FFFF),
        (0x1000, 0xFFFF_FFFF, 0xFFFF_FFFF),
        (0xFFFF_FFFF_FFFF_FFF0, 0, 17),
    ]
    for queue in (tb.read, tb.write):
        descriptors = [queue(*d) for d in bad]
        await tb.drained(200)
        assert [d.code for d in descriptors] == [BAD] * len(bad)
    assert not tb.requests
    good = [tb.read(0xFFFF_FFFF_FFFF_FFF0, STORE_BYTES - 16, 16), tb.read(0x1000, 0, 0), tb.read(8, 9, 1)]
    await tb.drained(500)
    assert [d.code for d in good] == [OK, BAD, OK] and len(tb.requests) == 2


@cocotb.test()
async def completion_credits_are_never_exceeded(dut):
    """The host answers at once, cut as small as it may; the link takes nothing for a while."""
    rng = seeded("credits")
    tb = await DmaBench(dut, rng).start()
    for rcb, most in ((64, 256), (128, 227)):  # 2048 units / 9
        for mrrs in range(6):
            tb.set(mrrs=mrrs, rcb=rcb)
            tb.host.payload, tb.host.most_headers = rcb, 0
            tb.rc_pause = pauses.at_random(rng, 0.2)
            for _ in range(6):
                tb.read(0x1000_0000 + rng.randrange(4096), rng.randrange(64), 48_000)
            await tb.drained()
            blocks = max(1, (128 << mrrs) // rcb)
            assert tb.host.most_headers > most - 2 * blocks, (
                f"MRRS {128 << mrrs}, RCB {rcb}: only {tb.host.most_headers} completions outstanding"
            )


@cocotb.test()
async def all_tags_are_used_and_no_more(dut):
    rng = seeded("tags")
    tb = await DmaBench(dut, rng).start()
    for ext, tags in ((0, 32), (1, 256), (0, 32)):
        tb.set(mrrs=0, ext=ext, rcb=128)
        tb.host.latency, tb.host.payload, tb.host.shuffle = (1300, 1300), 128, False
        tb.requests.clear()
        tb.read(0x1000_0000, 0, 128 * 200)
        tb.read(0x1100_0000, 128 * 200, 128 * 200)
        await tb.clocks(1200)
        assert len(tb.requests) == min(tags, 227) and len({r.tag for r in tb.requests}) == len(tb.requests)
        await tb.drained()


@cocotb.test()
async def host_and_soft_core_reach_the_store(dut):
    """Boot window writes and soft core reads are never starved by a running engine."""
    rng = seeded("store_access")
    tb = await DmaBench(dut, rng).start()
    mirror = bytearray(rng.randbytes(STORE_BYTES))
    await tb.load(bytes(mirror))
    for busy in (False, True):
        longest = [0, 0]
        if busy:
            for _ in range(40):
                data = 0x3000_0000 + 64 * rng.randrange(64)
                mirror[:HALF] = tb.memory.read(data, HALF)
                tb.read(data, 0, HALF)
                tb.write(0x4000_0000, 0, HALF)
            await tb.clocks(200)
        for _ in range(300):
            address = HALF + 4 * rng.randrange(HALF // 4)
            if rng.randrange(2):
                be, data = rng.randrange(16), rng.randbytes(4)
                dut.mem_waddr_i.value, dut.mem_wbe_i.value = address, be
                dut.mem_wdata_i.value, dut.mem_write_i.value = int.from_bytes(data, "little"), 1
                start = tb.cycle
                await tb.edge.wait()
                await tb.until(lambda: tb.obs >> 17 & 1, 20)
                dut.mem_write_i.value = 0
                longest[0] = max(longest[0], tb.cycle - start)
                for i in range(4):
                    if be >> i & 1:
                        mirror[address + i] = data[i]
            else:
                start = tb.cycle
                got = await tb.peek(address)
                longest[1] = max(longest[1], tb.cycle - start)
                assert got == mirror[address : address + 4], f"{address:#x}"
            if rng.randrange(3):
                await tb.clocks(rng.randrange(4))
        assert max(longest) <= 6, longest
        assert busy == bool(tb.rd.open and tb.wr.open)
    dut.mem_waddr_i.value, dut.mem_wbe_i.value, dut.mem_write_i.value = STORE_BYTES + 8, 15, 1
    await tb.clocks(10)
    dut.mem_write_i.value = 0
    await tb.drained()
    assert await tb.dump() == bytes(mirror)


@cocotb.test()
async def done_means_that_the_last_byte_is_in_the_store(dut):
    rng = seeded("done")
    tb = await DmaBench(dut, rng).start()
    for turn in range(80):
        tb.rc_pause = rng.choice((pauses.never(), pauses.at_random(rng, 0.8)))
        count = rng.choice((4, 32, 64, 260, rng.randrange(1, 80) * 4))
        source, place = 0x2000_0000 + 4096 * turn + rng.randrange(64), 4 * rng.randrange(1000)
        descriptor = tb.read(source, place, count)
        await tb.until(lambda: descriptor.code is not None, 3000)  # noqa: B023
        assert await tb.peek(place + count - 4) == tb.memory.read(source + count - 4, 4), f"{count} bytes"

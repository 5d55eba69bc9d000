# SPDX-License-Identifier: Apache-2.0
"""cocotb: halting. Whatever the card is doing, a halt lets no new request start after a few clocks, cuts none
that has started, and a reset rebuilds everything."""

import json
from collections import Counter
from pathlib import Path

import cocotb
import vkbench_regs as regs
from cocotbext.pcie.core.tlp import CplStatus, Tlp
from common import pauses
from common.bench import BAR_BASE, COMMAND_BME, COMMAND_MEM, VkBench
from common.seed import seeded
from common.tlps import beats, completion, memory_request

from vk.core_dma import READ, WRITE, announce, check_write, counters, run_dma, walk
from vk.model import firmware_version, info_memory, queue_memory

HARD, SOFT = 0xFFFFFFFD, 0xFFFFFFFF
MAX_LATENCY = 4  # clocks from the halt's acceptance to the last start of a request
CAUSE = {"hard": 4, "soft": 4, "flr": 2, "perst": 8, "bme": 1, "trap": 16}
REASON = {"hard": 1, "soft": 1, "flr": 4, "perst": 0}
LAB_HANG, LAB_TRAP = 0x20000, 0x30000  # COMMAND (docs/messages.md)
HALTS = 400
DAUTH = [0x6200 + 0x50 * x + part for x in range(4) for part in (0, 0x48)]


async def halt(tb: VkBench, kind: str) -> int:
    """Carries out the halt; returns the clock in which the card could first see it."""
    if kind in ("hard", "soft"):
        log = tb.write(0, 0x49C, HARD if kind == "hard" else SOFT)
        await tb.until(lambda: log, 200)
        return log[0]
    if kind == "flr":
        tb.dut.cfg_flr_i.value = 1
    elif kind == "perst":
        tb.dut.perst_ni.value = 0
    elif (
        kind == "trap"
    ):  # the soft core takes some time to obey; the gate sees the trap a clock before it closes
        await tb.lab(regs.VK_LAB_COMMAND_OFFSET, LAB_TRAP)
        await tb.until(lambda: tb.gate_closed, 3000)
        return tb.levels["closed"][-1][0] - 1
    else:
        tb.dut.cfg_command_i.value = COMMAND_MEM
    return tb.cycle + 1


async def release(tb: VkBench, kind: str) -> None:
    if kind == "flr":
        await tb.until(lambda: tb.obs >> 17 & 1, 1000)  # the card says that the FLR may end
        tb.dut.cfg_flr_i.value = 0
    elif kind == "perst":
        await tb.clocks(20)
        tb.dut.perst_ni.value = 1
    elif kind == "bme":
        tb.dut.cfg_command_i.value = COMMAND_MEM | COMMAND_BME
    await tb.clocks(3)


async def state_is_rebuilt(tb: VkBench, reason: int) -> None:
    """What a driver that probes now would see, and that nothing of the old life is left."""
    assert await tb.read(0, 0x404) == 0x00100006
    assert await tb.read(0, 0x41C) == 0x3FC | reason << 28
    assert await tb.read(2, 0x60C0) == 0xBEEFCAFE
    for offset in (0x61F0, 0x61F4, 0x61F8):
        assert await tb.read(2, offset) == 0
    assert await tb.lab(regs.VK_LAB_DMA_CTRL_OFFSET) & 1 == 0, "DMA still enabled"
    assert await tb.lab(regs.VK_LAB_DMA_SEQ_OFFSET) == 1
    for offset in (0x10, 0x14, 0x18):
        assert await tb.lab(offset) == 0
    queues, info = queue_memory(), info_memory(await firmware_version(tb))
    for at in range(0, 32 * 6, 64):
        cpl = await tb.read_tlp(2, 0x7000 + at, 64)
        assert bytes(cpl.data) == queues[at : at + 64], f"queue descriptors at {at:#x}"
    at = tb.rng.randrange(0, 0x2000, 64)
    assert bytes((await tb.read_tlp(2, 0x7000 + at, 64)).data) == queues[at : at + 64]
    at = tb.rng.randrange(0, 0x1000, 64)
    assert bytes((await tb.read_tlp(4, at, 64)).data) == info[at : at + 64]


async def spoil(tb: VkBench) -> None:
    """Writes over whatever the host can write over."""
    for bar, base in ((2, 0x7000), (4, 0)):
        for offset in (0x100, 0x7E0, 0xFE0, tb.rng.randrange(0x100, 0xFE0, 4)):  # not the queues' indices
            tb.write(bar, base + offset, tb.rng.randbytes(32))
    tb.write(0, 0x41C, 0x1000_0000)


@cocotb.test()
async def a_halt_at_any_moment_stops_all_requests(dut):
    """Six kinds of halt in random traffic, with the soft core hung or not: latency, whole TLPs, no interrupt,
    state afterwards."""
    rng = seeded("halts")
    tb = await VkBench(dut, rng).started()
    offered, accepted, halts = Counter(), Counter(), Counter()
    for turn in range(HALTS):
        kind = rng.choice(tuple(CAUSE))
        if hung := kind != "trap" and rng.random() < 0.3:
            await tb.lab(regs.VK_LAB_COMMAND_OFFSET, LAB_HANG)
        length = rng.choice((8, 64, 128, 256))
        mode = rng.choice((WRITE, WRITE, WRITE, READ))
        base = rng.choice((0x20_0000, 0x5_0000_0000))
        busy_link = rng.random() < 0.5
        tb.rq.pause = pauses.at_random(rng, rng.random() * 0.9) if busy_link else pauses.never()
        tb.msix_pause = rng.choice((pauses.never(), pauses.at_random(rng, 0.5)))
        tb.on_request = (lambda p: tb.complete(completion(p.tlp))) if mode == READ else None
        await spoil(tb)
        await announce(tb, base, 8192)
        tb.rq.packets.clear()
        await run_dma(tb, mode, length, rng.choice((0, 0, 0, 3, 17)))
        await tb.lab(regs.VK_LAB_IRQ_OFFSET, rng.randrange(4))
        await tb.until(lambda: tb.rq.packets or tb.rq.offered is not None, 3000)
        await tb.clocks(rng.randrange(60))
        if rng.random() < 0.5:
            await tb.lab(regs.VK_LAB_IRQ_OFFSET, rng.randrange(4))

        seen = await halt(tb, kind)
        for _ in range(4):  # the lab keeps trying, while the card holds: what it sets later would stay
            await tb.clocks(rng.randrange(1, 9))
            await tb.lab(regs.VK_LAB_IRQ_OFFSET, rng.randrange(4))
            await tb.lab(regs.VK_LAB_DMA_CTRL_OFFSET, mode)
        assert tb.gate_closed and tb.gate_cause & CAUSE[kind], f"{kind}: cause {tb.gate_cause}"
        await tb.until(lambda: not tb.rq.beats and tb.rq.offered is None, 2000)  # the last TLP is finished
        await tb.clocks(60)

        sent = tb.rq.packets
        assert sent, "no traffic before the halt: this turn showed nothing"
        last = max(p.offered for p in sent)
        assert last - seen <= MAX_LATENCY, f"turn {turn}, {kind}: a TLP started {last - seen} clocks after"
        offered[max(last - seen, -1)] += 1
        if not busy_link:
            late = max(p.start for p in sent) - seen
            assert late <= MAX_LATENCY
            accepted[max(late, -1)] += 1
        after = [c - seen for c, _ in tb.interrupts if c > seen]
        assert not after, f"turn {turn}, {kind}: interrupt {after[0]} clocks after the halt"
        halts[kind, "soft core hung" if hung else "soft core alive"] += 1
        if mode == WRITE:
            for i, (packet, (address, count)) in enumerate(zip(sent, walk(base, 8192, length), strict=False)):
                check_write(packet, address, count, i + 1)

        number = len(sent)
        await release(tb, kind)
        if kind in ("bme", "trap"):
            if kind == "trap":  # Bus Master Enable opens only what it closed
                tb.dut.cfg_command_i.value = COMMAND_MEM
                await tb.clocks(5)
                tb.dut.cfg_command_i.value = COMMAND_MEM | COMMAND_BME
                await tb.clocks(50)
                assert tb.gate_cause == CAUSE["trap"] and len(tb.rq.packets) == number
                assert await tb.read(0, 0x464) == 1 << 5  # sys_fault
            elif mode == WRITE:
                await tb.until(lambda: len(tb.rq.packets) > number + 3, 2000)  # noqa: B023
                numbers = [int.from_bytes(p.tlp.data[:4], "little") for p in tb.rq.packets]
                assert numbers == list(range(numbers[0], numbers[0] + len(numbers))), (
                    "sequence broken by the pause"
                )
            await halt(tb, "hard")
            await tb.until(lambda: not tb.ready, 10)
            await tb.until(lambda: not tb.rq.beats and tb.rq.offered is None, 2000)
            number = len(tb.rq.packets)
        await tb.booted()
        await tb.until(lambda: not tb.gate_closed, 10)
        tb.interrupts.clear()
        assert len(tb.rq.packets) == number
        await state_is_rebuilt(tb, REASON.get(kind, 1))
        await announce(tb, base, 8192)
        await tb.clocks(40)
        assert len(tb.rq.packets) == number and not tb.interrupts, "something left without being asked for"
    figures = {
        "clocks from halt to last request offered (-1: none after it)": dict(sorted(offered.items())),
        "the same to its acceptance, link always ready": dict(sorted(accepted.items())),
        "halts": {", ".join(what): count for what, count in sorted(halts.items())},
    }
    print(json.dumps(figures))
    Path("halt-latency.json").write_text(json.dumps(figures, indent=1) + "\n")


@cocotb.test()
async def the_doorbell_is_seen_wherever_it_lies_in_a_write(dut):
    tb = await VkBench(dut).started()

    async def rings(offset: int, data: bytes, bar: int = 0, **fields) -> bool:
        tb.write(bar, offset, data, **fields)
        await tb.drained()
        if tb.ready:
            return False
        await tb.booted()
        return True

    for value in (HARD, SOFT):
        word = value.to_bytes(4, "little")
        assert await rings(0x49C, word)
        assert await rings(0x498, b"\0\0\0\0" + word)  # a 64-bit store
        assert await rings(0x49C, word + b"\0\0\0\0")
        for start in range(0x400, 0x49C, 4):  # in every lane of every beat of a long write
            assert await rings(start, bytes(0x49C - start) + word + bytes(4 * (start % 3)))
        for start in range(0x49D, 0x4A0):  # a part of the dword is no doorbell
            assert not await rings(start, word[start - 0x49C :])
        assert not await rings(0x49C, word[:3])
        assert not await rings(0x498, bytes(4) + word[:3])
        assert not await rings(0x49C, word, bar=2) and not await rings(0x49C, word, bar=4)
        assert not await rings(0x149C, word) and not await rings(0x498, word) and not await rings(0x4A0, word)
        assert not await rings(0x49C, word, ep=True)
    for value in (0, 1, 0xFFFFFFFE, 0xFFFFFFFC, 0x7FFFFFFD):
        assert not await rings(0x49C, value.to_bytes(4, "little"))


@cocotb.test()
async def zeros_after_the_soft_doorbell_do_no_harm(dut):
    """The whole of bcm_vk_trigger_reset (docs/driver-contract.md), with the writes behind the doorbell."""
    rng = seeded("zeros_after")
    tb = await VkBench(dut, rng).started()
    for turn in range(12):
        tb.write(2, 0x60C0, 0)
        for offset in (0x61B0, *DAUTH, 0x6340, 0x6350):
            tb.write(2, offset, 0)
        await tb.read(0, 0x404)
        tb.write(0, 0x400, await tb.read(0, 0x400) & 0xFFFFF000)
        tb.write(0, 0x41C, 0x1000_0000)
        tb.write(0, 0x49C, SOFT)
        for offset in (0x444, 0x47C, 0x460, 0x45C, 0x46C):
            await tb.clocks(rng.randrange(12))
            tb.write(0, offset, 0)
        tb.write(0, 0x41C, 0x1000_0000)
        values = set()
        while not values or max(values)[0] == 0:
            values.add((await tb.read(2, 0x60C0), await tb.read(0, 0x404), await tb.read(0, 0x41C)))
            assert tb.cycle < 300_000
        assert all(marker == 0 or status == 0x00100006 for marker, status, _ in values), "marker first"
        assert not any(0xFFFFFFFF in value for value in values)
        await state_is_rebuilt(tb, 1)
        assert await tb.read(0, 0x47C) == 0x00010000 and await tb.read(0, 0x45C) == 42, f"turn {turn}"


@cocotb.test()
async def the_hold_lasts_500_us_and_starts_anew_with_each_doorbell(dut):
    tb = await VkBench(dut).started()
    u_reset = dut.u_core.u_reset
    for repeats in (1, 2, 3):
        for i in range(repeats):
            seen = await halt(tb, "soft")
            if i < repeats - 1:
                await tb.clocks(40 + 600 * i)
        await tb.clocks(5)
        await tb.until(lambda: u_reset.run_o.value, 4000)
        took = tb.cycle - seen - 2048  # zeroing the memories takes a clock a word
        assert 50 <= took <= 80, f"{took} clocks of 10 us"
        await tb.booted()
        await state_is_rebuilt(tb, 1)
    assert tb.levels["reset"][-1][1] == 0 and len(tb.levels["reset"]) == 6


@cocotb.test()
async def resets_may_fall_into_each_other(dut):
    rng = seeded("resets_overlap")
    tb = await VkBench(dut, rng).started()
    for _ in range(60):
        kinds = [rng.choice(("hard", "soft", "flr", "perst")) for _ in range(rng.randint(2, 4))]
        held = []
        for kind in kinds:
            if kind in ("flr", "perst"):
                if kind in held:
                    continue
                held.append(kind)
                await halt(tb, kind)
            else:
                await halt(tb, kind)
            await tb.clocks(rng.choice((0, 1, 2, 5, 30, 200, 1100)))
        rng.shuffle(held)
        last = kinds[-1]
        for kind in held:
            await release(tb, kind)
            last = kind
        await tb.clocks(3)  # the last halt has been seen
        await tb.booted()
        reason = (await tb.read(0, 0x41C)) >> 28
        assert reason in {REASON[k] for k in kinds}, (kinds, last, reason)
        await state_is_rebuilt(tb, reason)


@cocotb.test()
async def off_line_the_card_absorbs_writes_and_refuses_reads(dut):
    rng = seeded("off_line")
    tb = await VkBench(dut, rng).started()
    info = info_memory(await firmware_version(tb))
    for kind in ("flr", "perst"):
        await halt(tb, kind)
        await tb.clocks(2)
        for _ in range(50):
            tb.write(2, 0x7000 + rng.randrange(0, 0xF00, 4), rng.randbytes(rng.choice((4, 8, 64))))
            tb.write(0, 0x49C, HARD)
            cpl = await tb.read_tlp(rng.choice((0, 2, 4)), 0x404, 4)
            assert cpl.status == CplStatus.UR and not cpl.has_data()
        await release(tb, kind)
        await tb.booted()
        await state_is_rebuilt(tb, REASON[kind])
    # An FLR in the middle of accesses: every read is answered, one way or the other.
    for _ in range(40):
        for _ in range(3):
            tb.write(2, 0x7100, rng.randbytes(128))
        reading = cocotb.start_soon(tb.read_tlp(4, 0x100, 32))
        await tb.clocks(rng.randrange(120))
        await halt(tb, "flr")
        cpl = await reading
        assert cpl.status in (CplStatus.SC, CplStatus.UR)
        if cpl.status == CplStatus.SC:
            assert bytes(cpl.data) in (info[0x100:0x120], bytes(32))  # all of it, or the card is not up yet
        await release(tb, "flr")
        await tb.booted()


@cocotb.test()
async def a_completion_from_before_a_reset_is_never_counted(dut):
    """Late completions come between the new life's own ones. Until the completion timeout has passed, no read
    uses the tag of one that a reset abandoned, though all 32 tags go round several times."""
    rng = seeded("late_completion")
    tb = VkBench(dut, rng, clock_hz=1_000_000)
    await tb.start()
    await tb.booted()
    timeout = 10_000  # clocks: 10 ms
    ok = 0
    late: list[tuple[int, Tlp]] = []  # clock of the reset, abandoned read
    requests: list[Tlp] = []
    tb.on_request = lambda packet: requests.append(packet.tlp)
    for turn in range(30):
        await announce(tb, 0x40_0000, 8192)
        await run_dma(tb, READ, 64)
        for number in range(rng.randrange(60) + 1):
            await tb.until(lambda: requests, 100)
            request = requests.pop()
            late = [(when, old) for when, old in late if tb.cycle - when < timeout - 100]
            assert request.tag not in {old.tag for _, old in late}, "tag of an abandoned read used again"
            for entry in list(late):
                if rng.random() < 0.02:
                    tb.complete(completion(entry[1], rng.choice((CplStatus.SC, CplStatus.UR))))
                    late.remove(entry)
            if number == 0 and turn % 2:  # the first read of a life is abandoned at once, every second time
                break
            tb.complete(completion(request))
            ok += 1
        else:
            await tb.until(lambda: requests, 100)
            request = requests.pop()
        seen = await halt(tb, rng.choice(("hard", "soft")))
        late.append((seen, request))
        await tb.clocks(10)
        await tb.booted()
        assert await counters(tb) == (ok, 0, 0), f"turn {turn}"


@cocotb.test()
async def reads_go_on_when_every_tag_was_abandoned(dut):
    """40 reads abandoned in a row by resets: the engine waits for the timeout at most, and then goes on."""
    tb = await VkBench(dut, clock_hz=1_000_000).start()
    await tb.booted()
    for _ in range(40):
        await announce(tb, 0x40_0000, 8192)
        tb.rq.packets.clear()
        await run_dma(tb, READ, 64)
        await tb.until(lambda: tb.rq.packets, 12_000)
        await halt(tb, "hard")
        await tb.clocks(10)
        await tb.booted()
    assert await counters(tb) == (0, 0, 0)


@cocotb.test()
async def a_read_of_the_doorbell_reset_is_answered_with_reset_values(dut):
    tb = await VkBench(dut).started()
    await announce(tb, 0x40_0000, 8192)
    tb.post(beats(memory_request(True, BAR_BASE[0] + 0x49C, 4, HARD.to_bytes(4, "little")), 0))
    assert await tb.read(0, 0x404) == regs.VK_BAR0_BOOT_STATUS_RESET
    assert await tb.read(0, 0x41C) == 0
    assert await tb.read(2, 0x60C0) == 0 and await tb.read(2, 0x61F4) == 0
    assert await tb.read(2, 0x7004) == 0 and await tb.read(4, 0x104) == 0  # memories are not valid yet
    assert not tb.ready

# SPDX-License-Identifier: Apache-2.0
"""cocotb: the card's soft core: how it boots, what it may do to the BARs, and what becomes of the card when it
goes wrong."""

import struct

import cocotb
import vkbench_regs as regs
from common import pauses
from common.bench import VkBench
from common.seed import seeded

from vk.core_dma import WRITE, announce, run_dma
from vk.core_halt import HARD, LAB_HANG, LAB_TRAP, MAX_LATENCY, SOFT, halt, release, state_is_rebuilt
from vk.model import READY, firmware_version, info_memory, queue_memory
from vk.probe import probe, program

BAR0, BAR2, BAR4, CARD, STORE = 0x20000000, 0x20010000, 0x20020000, 0x10000000, 0x30000000
INTERNAL = 16
SYS_FAULT = 1 << 5
STORE_BYTES = 1 << 20
#: What the card's firmware can write, beside queues and card information.
FIRMWARE_WRITES = {
    0: (0x400, 0x404, 0x408, 0x410, 0x41C, 0x420, 0x444, 0x448, 0x45C, 0x460, 0x464, 0x468, 0x46C, 0x47C),
    2: (0x60C0, 0x60C4, 0x60C8, 0x6170, 0x61B0),
}
BASE = {0: BAR0, 2: BAR2, 4: BAR4}
#: Programs that are an internal error each.
ENDLESS = 0x0000006F  # j .
ERRORS = {
    "write to the program": (0x10002023, ENDLESS),  # sw zero, 0x100(zero)
    "read of nothing": (0x400000B7, 0x0000A103, ENDLESS),  # lui ra, 0x40000; lw sp, 0(ra)
    "write to card memory": (0x300000B7, 0x0000A023, ENDLESS),  # lui ra, 0x30000; sw zero, 0(ra)
    "misaligned load": (0x00102103, ENDLESS),  # lw sp, 1(zero)
    "illegal instruction": (0x00000000,),
    "breakpoint": (0x00100073,),
    "given up": (0x100000B7, 0x00200113, 0x0020A623, ENDLESS),  # lui ra, 0x10000; li sp, 2; sw sp, 12(ra)
}


async def card_writes(tb: VkBench) -> list[tuple[int, int, int]]:
    """BAR, offset and value of the soft core's writes, clock by clock, until the card's queues are valid."""
    bars, writes = tb.dut.u_core.u_bars, []
    for _ in range(12_000):
        await tb.edge.wait()
        if bars.card_turn.value and bars.card_write_i.value:
            writes.append(
                (int(bars.card_bar_i.value), int(bars.card_offset_i.value), int(bars.card_wdata_i.value))
            )
            if writes[-1][:2] == (2, 0x60C0):
                return writes
    raise AssertionError("the marker never came")


@cocotb.test()
async def the_marker_comes_last(dut):
    """After every kind of reset: tables, boot status and FWSTS, ready, marker, in this order."""
    tb = await VkBench(dut, seeded("marker_last")).started()
    tables = {2: (0x7000, queue_memory()), 4: (0, info_memory(await firmware_version(tb)))}
    for kind, reason in (("soft", 1), ("hard", 1), ("flr", 4), ("perst", 0)):
        await halt(tb, kind)
        await tb.clocks(2)
        await release(tb, kind)
        assert not tb.ready and await tb.read(2, 0x60C0) == 0
        writes = await card_writes(tb)
        assert tb.ready, "valid queues before the card is ready"
        assert writes.index((0, 0x404, READY[0, 0x404])) < len(writes) - 1
        assert writes.index((0, 0x41C, 0x3FC | reason << 28)) < len(writes) - 1
        assert all(offset != 0x60C0 for _, offset, _ in writes[:-1]) and writes[-1][2] == 0xBEEFCAFE
        for bar, (base, image) in tables.items():
            done = {offset: value for at, offset, value in writes if at == bar}
            for at, word in enumerate(struct.unpack(f"<{len(image) // 4}I", image)):
                assert done.get(base + 4 * at, 0) == word, f"{kind}: BAR {bar} + {base + 4 * at:#x}"
        await state_is_rebuilt(tb, reason)


@cocotb.test()
async def a_host_that_polls_never_sees_valid_queues_half_made(dut):
    """Reads on the link, back to back, from the doorbell on."""
    rng = seeded("polling")
    tb = await VkBench(dut, rng).started()
    queues = queue_memory()
    for _ in range(6):
        tb.write(0, 0x49C, rng.choice((HARD, SOFT)))
        for _ in range(3000):
            marker = await tb.read(2, 0x60C0)
            status, fwsts = await tb.read(0, 0x404), await tb.read(0, 0x41C)
            assert status in (regs.VK_BAR0_BOOT_STATUS_RESET, 0x00100006) and fwsts in (0, 0x100003FC)
            if marker:
                break
        assert (marker, status, fwsts) == (0xBEEFCAFE, 0x00100006, 0x100003FC) and tb.ready
        assert bytes((await tb.read_tlp(2, 0x7000, 64)).data) == queues[:64]


@cocotb.test()
async def every_internal_error_closes_the_gate(dut):
    """Traffic stops, interrupts too; the host sees SYS_FAULT; the next reset makes all good."""
    tb = await VkBench(dut, seeded("internal_error")).started()
    for name, words in ERRORS.items():
        async with program(tb, words):
            await tb.until(lambda: tb.gate_cause & INTERNAL, 4000)
            assert not tb.ready, f"{name}: ready"
            assert await tb.read(0, 0x464) == SYS_FAULT and await tb.read(2, 0x60C0) == 0, name
            memory = dut.u_core.u_cpu.u_ram.words
            assert int(memory[0].value) == words[0] and int(memory[0x40].value) != 0, (
                f"{name}: program changed"
            )
        await tb.booted()
        assert tb.gate_cause == 0 and await tb.read(0, 0x464) == 0, name
    # The same to a card at work.
    await announce(tb, 0x10_0000, 8192)
    await run_dma(tb, WRITE, 64, 10)
    await tb.until(lambda: len(tb.rq.packets) > 10, 1000)
    seen = await halt(tb, "trap")
    await tb.lab(regs.VK_LAB_IRQ_OFFSET, 3)
    await tb.clocks(300)
    assert max(p.offered for p in tb.rq.packets) - seen <= MAX_LATENCY and not tb.interrupts
    assert tb.gate_cause == INTERNAL and tb.ready and await tb.lab(regs.VK_LAB_STATUS_OFFSET) & 0x8F1 == 0x801
    assert await tb.read(0, 0x464) == SYS_FAULT
    for kind in ("flr", "perst", "soft"):
        await halt(tb, kind)
        await release(tb, kind)
        await tb.booted()
        assert not tb.gate_closed
        await halt(tb, "trap")


@cocotb.test()
async def a_reset_brings_a_hung_soft_core_back(dut):
    tb = VkBench(dut, clock_hz=10_000)
    await tb.start()
    await tb.booted(20_000)
    for kind in ("soft", "hard", "flr", "perst"):
        await tb.lab(regs.VK_LAB_COMMAND_OFFSET, LAB_HANG)
        await tb.clocks(300)
        before = await tb.read(0, 0x444)
        await tb.idle(20_500)
        assert await tb.read(0, 0x444) == before, "the heart of a hung core beats"
        seen = await halt(tb, kind)
        await tb.clocks(2)
        assert tb.gate_closed and tb.levels["closed"][-1][0] - seen <= MAX_LATENCY
        await release(tb, kind)
        await tb.booted(20_000)
        before = await tb.read(0, 0x444)
        await tb.idle(20_500)
        assert await tb.read(0, 0x444) >= before + 2, f"no heartbeat after {kind}"


@cocotb.test()
async def the_firmware_writes_its_registers_and_no_others(dut):
    rng = seeded("firmware_writes")
    tb = await VkBench(dut, rng).started()
    async with probe(tb) as core:
        for bar, offsets in FIRMWARE_WRITES.items():
            for offset in offsets:
                value = rng.getrandbits(32)
                await core.write(BASE[bar] + offset, value)
                assert await tb.read(bar, offset) == value == await core.read(BASE[bar] + offset), hex(offset)
        for bar, offset in (
            (0, 0x428),
            (0, 0x440),
            (0, 0x470),
            (0, 0xC78),
            (2, 0x61F0),
            (2, 0x6200),
            (0, 0x49C),
        ):
            before = await tb.read(bar, offset)
            await core.write(BASE[bar] + offset, before ^ 0xFFFFFFFD)
            assert await tb.read(bar, offset) == before, f"firmware wrote BAR {bar} + {offset:#x}"
        # What both may write: the later wins, in either order.
        for bar, offset in ((0, 0x400), (0, 0x444), (0, 0x41C), (2, 0x60C0)):
            first, second = rng.getrandbits(32), rng.getrandbits(32)
            tb.write(bar, offset, first)
            await core.write(BASE[bar] + offset, second)
            assert await tb.read(bar, offset) == second
            tb.write(bar, offset, first)
            assert await core.read(BASE[bar] + offset) == first
        assert tb.ready, "the soft core's write rang the reset doorbell"


@cocotb.test()
async def host_and_soft_core_share_the_bus_without_loss(dut):
    """Both work in the queue memory at full speed, each in its half, with pauses on the host's streams."""
    rng = seeded("shared_bus")
    tb = await VkBench(dut, rng).started()
    async with probe(tb) as core:
        tb.cq.pause, tb.cc.pause = pauses.at_random(rng, 0.3), pauses.in_bursts(rng, 9)
        mine, theirs = {}, {}
        for _ in range(400):
            at, value = 0x7000 + rng.randrange(0, 0x1000, 4), rng.getrandbits(32)
            await core.order(2, BAR2 + at, value)
            theirs[at] = value
            for _ in range(rng.randrange(4)):
                at, words = 0x8000 + rng.randrange(0, 0xF80, 4), [rng.getrandbits(32) for _ in range(4)]
                tb.write(2, at, struct.pack("<4I", *words))
                mine.update({at + 4 * i: word for i, word in enumerate(words)})
            if mine and rng.random() < 0.5:
                at = rng.choice(list(mine))
                assert await tb.read(2, at) == mine[at]
            await core.done()
        for at, value in (mine | theirs).items():
            assert await tb.read(2, at) == value, hex(at)


@cocotb.test()
async def events_reach_the_firmware_once_each(dut):
    rng = seeded("events")
    tb = await VkBench(dut, rng).started()
    causes = {
        1: lambda: tb.write(0, 0x484, rng.getrandbits(32)),
        2: lambda: tb.write(0, 0x48C, rng.getrandbits(32).to_bytes(8, "little")),  # a 64-bit store
        4: lambda: tb.write(0, 0x494, 1),
        32: lambda: tb.write(0, 0x400, 1),
        64: lambda: tb.write(0, 0x408, 0x60000000),
    }
    events, mask, waiting = CARD, CARD + 4, CARD + 8
    async with probe(tb) as core:
        for _ in range(40):
            bit = rng.choice(tuple(causes))
            await core.write(events, 0xFF)
            causes[bit]()
            await tb.drained()
            assert await core.read(events) & ~8 == bit
            await core.write(events, bit)
            assert await core.read(events) & ~8 == 0
        # WAIT: no answer before one of the mask's events.
        for bit in causes:
            await core.write(events, 0xFF)
            await core.write(mask, bit)
            await core.order(1, waiting)
            for other in set(causes) - {bit}:
                causes[other]()
            await tb.clocks(200)
            assert await tb.read(4, 0x7F0) == 1, "WAIT was answered without its event"
            causes[bit]()
            await core.done()
            assert await tb.read(4, 0x7F8) & bit
        await core.write(events, 0xFF)
        await tb.lab(regs.VK_LAB_COMMAND_OFFSET, 0x12345)
        assert await core.read(events) & 0x80 and await core.read(CARD + 0x20) == 0x12345
        for vector in (0, 3, 1, 2, 5):
            await core.write(CARD + 0x1C, vector)
        assert [vector for _, vector in tb.interrupts] == [0, 3, 1, 2]


@cocotb.test()
async def the_firmware_knows_how_it_came_up(dut):
    tb = await VkBench(dut, seeded("how_it_came_up")).started()
    async with probe(tb) as core:
        assert await core.read(CARD + 0x14) == tb.clock_hz and await core.read(CARD + 0x18) == STORE_BYTES
        for kind, reason in (("soft", 1), ("flr", 4), ("perst", 0), ("hard", 1)):
            await tb.lab(regs.VK_LAB_BOOT_MODE_OFFSET, kind == "flr")
            await halt(tb, kind)
            await release(tb, kind)
            await tb.until(lambda: tb.ready, 4000)
            await tb.lab(regs.VK_LAB_BOOT_MODE_OFFSET, kind != "flr")  # is for the next reset
            assert await core.read(CARD + 0x10) == reason | (kind == "flr") << 4
    await tb.lab(regs.VK_LAB_BOOT_MODE_OFFSET, 0)


@cocotb.test()
async def the_two_mebibytes_of_bar_2_are_told_apart(dut):
    """What lies at 0x6000 to 0x8fff is nowhere else, and nothing behind the boot window reads or takes a thing."""
    rng = seeded("bar_2")
    tb = await VkBench(dut, rng).started()
    marks = {0x60C8: 0x7000, 0x61E0: 0x11111111, 0x8800: 0x22222222}
    tb.write(2, 0x61E0, marks[0x61E0])
    tb.write(2, 0x8800, marks[0x8800])
    for bit in range(16, 21):
        for at in marks:
            far = at ^ 1 << bit
            assert await tb.read(2, far) == 0, f"BAR 2 + {far:#x} shows {at:#x}"
            tb.write(2, far, 0xDEADBEEF)
    for far in [rng.randrange(0x9000, 0x200000, 4) for _ in range(200)]:
        tb.write(2, far, rng.randbytes(8))
        assert await tb.read(2, far) == 0, hex(far)
    for at, value in marks.items():
        assert await tb.read(2, at) == value, hex(at)
    # The other BARs do not take the higher bits of their own address for an offset.
    assert await tb.read(0, 0x404) == 0x00100006 and await tb.read(4, 0x100) == 1
    tb.write(2, 0x49C, HARD)
    tb.write(2, 0x10049C, HARD)
    await tb.drained()
    assert tb.ready


@cocotb.test()
async def the_boot_window_lands_behind_the_user_area(dut):
    """Any width and offset, back to back, against a model; the soft core reads it back from card memory."""
    rng = seeded("boot_window")
    tb = await VkBench(dut, rng).started()
    window, size, model = 0x100000, 0x40000, {}
    async with probe(tb) as core:
        for at in (0, size - 64, *(rng.randrange(size - 64) for _ in range(60))):
            data = rng.randbytes(rng.choice((1, 2, 4, 8, 16, 64)))
            tb.write(2, window + at, data)
            model.update({at + i: byte for i, byte in enumerate(data)})
        tb.write(2, window + size, b"\xff" * 8)  # behind it
        tb.write(2, window - 8, b"\xff" * 8)
        checked = 0
        for at in sorted({at & ~3 for at in model}):
            if all(at + i in model for i in range(4)):
                got = (await core.read(STORE + STORE_BYTES - 0x80000 + at)).to_bytes(4, "little")
                assert got == bytes(model[at + i] for i in range(4)), hex(at)
                checked += 1
        assert checked > 50
        assert await tb.read(2, window + 64) == 0


@cocotb.test()
async def storms_of_doorbells_do_no_harm(dut):
    rng = seeded("storm")
    tb = await VkBench(dut, rng).started()
    for _ in range(1500):
        offset = rng.choice((0x484, 0x48C, 0x494, 0x498, 0x4A0, 0xCF0))
        tb.write(0, offset, rng.randbytes(rng.choice((4, 8))) if offset != 0x498 else bytes(8))
    await tb.drained()
    assert tb.ready and await tb.read(0, 0x464) == 0 and not tb.rq.packets
    for count in (2, 7, 60):
        for i in range(count):
            tb.write(0, 0x49C, SOFT if i % 2 else HARD)
        await tb.drained()
        await tb.booted()
        await state_is_rebuilt(tb, 1)


@cocotb.test()
async def commands_of_the_lab_are_obeyed(dut):
    tb = VkBench(dut, clock_hz=10_000)
    await tb.start()
    await tb.booted(20_000)
    await tb.lab(regs.VK_LAB_COMMAND_OFFSET, 0x10408)  # high temperature, ECC
    await tb.until(lambda: [vector for _, vector in tb.interrupts] == [3], 2000)
    assert await tb.read(0, 0x464) == 0x408
    await tb.lab(regs.VK_LAB_COMMAND_OFFSET, 0x40000)
    await tb.clocks(2000)
    before = await tb.read(0, 0x444)
    await tb.idle(30_500)
    assert await tb.read(0, 0x444) == before
    await tb.lab(regs.VK_LAB_COMMAND_OFFSET, 0x40001)
    await tb.idle(30_500)
    assert await tb.read(0, 0x444) >= before + 2
    await tb.lab(regs.VK_LAB_COMMAND_OFFSET, LAB_TRAP)
    await tb.until(lambda: tb.gate_cause == INTERNAL, 2000)
    assert await tb.read(0, 0x464) == 0x408 | SYS_FAULT

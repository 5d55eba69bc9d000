# SPDX-License-Identifier: Apache-2.0
"""cocotb tests of the record memory: windows before and after the trigger, segments, and their way to the client."""

from __future__ import annotations

import os
from dataclasses import dataclass

import cocotb
from cocotb.triggers import RisingEdge
from registers import ARMED, DONE, STOP, TRIGGER, TRIGGERED, Port
from wires import Kind, Record, Tap

SEED = int(os.environ.get("VKBENCH_SEED", "1"))
DEPTH = int(os.environ["RING_RECORDS"])
#: The vector that the trigger waits for.
VECTOR = 7


@dataclass
class Segment:
    armed: int
    fired: int
    records: list[Record]


async def fresh(dut, offset: int) -> Port:
    port = Port(dut, SEED * 1000 + offset)
    await port.start()
    await port.fire_on(Tap.MSIX, aux=0xFFFF << 16 | VECTOR)
    return port


async def segments(port: Port) -> list[Segment]:
    """What the registers say, with the records; some of them as the mover sends them."""
    held = await port.held()
    assert len(held) == await port.read("count")
    first = port.random.randrange(len(held))
    some = held[first : first + 9]
    assert await port.moved(first, len(some)) == some, "the mover's order is not that of time"
    result, at = [], 0
    for index in range(await port.read("seg_used")):
        await port.write(seg_select=index)
        count = await port.read("seg_count")
        times = [await port.read64(name) for name in ("seg_armed", "seg_trigger")]
        result.append(Segment(*times, held[at : at + count]))
        at += count
    assert at == len(held)
    return result


def check(port: Port, initial: list[Record], got: list[Segment], size: int, pretrigger: int) -> None:
    """Each segment holds what the ring of its size must hold, given the time at which it was armed; one goes on where
    the one before has ended."""
    events = initial + [record for _, _, record in port.expected]
    start = 0
    for index, segment in enumerate(got):
        # The first event of the vector from the clock of arming on fires.
        fires = [
            at
            for at in range(start, len(events))
            if events[at].kind == Kind.MSIX
            and events[at].aux == VECTOR
            and events[at].timestamp >= segment.armed
        ]
        if not fires:
            assert not segment.fired and index == len(got) - 1
            assert segment.records == events[start:][-size:]
            return
        at = fires[0] + 1
        trigger = Record(events[at - 1].timestamp, Kind.TRIGGER, 0, 6, index, bytes(16))
        events.insert(at, trigger)
        end = at + size - pretrigger
        assert segment.fired == trigger.timestamp
        assert segment.records == events[start:end][-size:], f"segment {index}"
        start = end
        if index + 1 < len(got):  # armed again in the clock in which the last record is written
            assert segment.records[-1].timestamp < got[index + 1].armed <= segment.records[-1].timestamp + 24


async def run(port: Port, log2: int, pretrigger: int, events: int) -> None:
    """A capture of random interrupts, one of four of which fires."""
    initial = await port.arm(segments=log2, pretrigger=pretrigger, trig_source=6)
    for _ in range(events):
        port.msix(port.random.choice((1, 2, 3, VECTOR)))
        await port.clock(port.random.choice((1, 1, 2, 9)))
    await port.clock(20)
    size = DEPTH >> min(log2, 6)
    if await port.state() != DONE:
        await port.stop()
    got = await segments(port)
    check(port, initial, got, size, min(pretrigger, size - 1))


@cocotb.test()
async def every_segment_keeps_its_window(dut):
    port = await fresh(dut, 300)
    for log2 in range(8):
        size = DEPTH >> min(log2, 6)
        for pretrigger in sorted({0, 1, size // 2, size - 1, size, 2 * DEPTH}):
            if pretrigger < 2 or port.random.random() < 0.7:
                await run(port, log2, pretrigger, port.random.choice((10, 2 * size, DEPTH, 4 * DEPTH)))


@cocotb.test()
async def nothing_is_missing_between_segments(dut):
    """An event in each clock, while eight segments fill."""
    port = await fresh(dut, 301)
    initial = await port.arm(segments=3, pretrigger=4, trig_source=6)
    while await port.state() != DONE:
        await port.sync()
        for _ in range(40):
            port.msix(port.random.choice((1, VECTOR)))
            await port.clock()
        await port.clock(20)
    got = await segments(port)
    assert len(got) == 8
    check(port, initial, got, DEPTH // 8, 4)


@cocotb.test()
async def state_and_outputs_follow_the_trigger(dut):
    port = await fresh(dut, 302)
    await port.program(step_0_control=1 | 8 << 4 | 1 << 24)  # with a pulse

    async def output() -> int:
        return int(dut.trig_out_o.value)

    await port.arm(segments=1, pretrigger=0, trig_source=6)
    assert await output() == 0
    port.msix(VECTOR)
    await port.clock(3)
    assert await output() == 3
    for _ in range(13):
        await RisingEdge(dut.clk_i)
        assert await output() == 3, "the pulse has 16 clocks"
    await port.clock(8)
    assert await output() == 1
    assert await port.state() == TRIGGERED and await port.read("seg_used") == 1
    await port.sync()
    for _ in range(DEPTH // 2):
        port.msix(1)
        await port.clock()
    await port.clock(10)
    assert await port.state() == ARMED and await output() == 0 and await port.read("seg_used") == 2
    await port.write(ctrl=TRIGGER)
    assert await port.state() == TRIGGERED and await output() == 1
    first = await port.read64("trig_time")
    got = await segments(port)
    assert got[0].fired == first and got[1].fired > first
    await port.write(ctrl=STOP)
    await port.done()
    triggers = [record for record in await port.held() if record.kind == Kind.TRIGGER]
    assert [(record.aux, record.data) for record in triggers] == [(6, 0), (5, 1)]
    assert await output() == 1
    await port.write(ctrl=16)
    assert await output() == 0 and await port.read("seg_used") == 0 and await port.read("count") == 0


@cocotb.test()
async def the_mover_finds_every_record(dut):
    port = await fresh(dut, 303)
    await port.arm(segments=2, pretrigger=3, trig_source=6)
    await port.sync()
    for _ in range(DEPTH):
        port.msix(port.random.choice((1, VECTOR)))
        await port.clock()
    await port.stop()
    held = await port.held()
    for _ in range(12):
        first = port.random.randrange(len(held))
        count = port.random.randrange(len(held) - first + 1)
        assert await port.moved(first, count, port.random.choice((1.0, 0.3))) == held[first : first + count]
        index = port.random.randrange(len(held))
        assert await port.peek(index) == held[index]
    # A stop ends it with a whole record.
    dut.scpi_tx_ready_i.value = 0
    await port.write(move_first=0, move_count=len(held))
    await port.write(ctrl=1 << 5)
    sent = 0
    dut.scpi_tx_ready_i.value = 1
    for _ in range(200):
        await RisingEdge(dut.clk_i)
        sent += int(dut.scpi_tx_valid_o.value)
    assert sent in (32, 64), sent
    assert not await port.read("status") & 1 << 4
    # Nothing beyond the last one.
    await port.write(move_first=len(held), move_count=1)
    await port.clock(100)
    assert not int(dut.scpi_tx_valid_o.value) and not await port.read("status") & 1 << 4

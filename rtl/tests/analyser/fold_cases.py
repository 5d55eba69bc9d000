# SPDX-License-Identifier: Apache-2.0
"""cocotb tests of folding: the records are those of folding.py's model, event by event, and none is miscounted."""

from __future__ import annotations

import os

import cocotb
from folding import Stream, events_in, fold, in_order, last_of_runs
from layout import FOLDED_MAX, RUN_GAP_CYCLES, RUN_SPAN_CYCLES
from registers import Port
from wires import TLP_TAPS, Flag, Kind, Tap, expected_statistics

SEED = int(os.environ.get("VKBENCH_SEED", "1"))


async def fresh(dut, offset: int) -> Port:
    port = Port(dut, SEED * 1000 + offset)
    await port.start()
    return port


async def compare(port: Port, initial: list, want: list) -> list:
    """Stops the capture; it must hold exactly these records. Returns them without the initial ones."""
    await port.stop()
    got = await port.held()
    assert await port.lost() == 0
    assert got[: len(initial)] == initial, got[:3]
    got = got[len(initial) :]
    for index, (a, b) in enumerate(zip(got, want, strict=False)):
        assert a == b, f"record {index}: {a}, expected {b}; before it {got[index - 1]}"
    assert len(got) == len(want)
    return got


@cocotb.test()
async def random_runs_fold_as_the_model_says(dut):
    port = await fresh(dut, 100)
    tlps = 0
    for fold_enable in (1, 1, 0):
        initial = await port.arm(fold=fold_enable)
        streams = {tap: Stream(tap, port.random) for tap in TLP_TAPS}
        due = dict.fromkeys(TLP_TAPS, 0)
        for _ in range(9000):
            for tap, stream in streams.items():
                if due[tap] > 0:
                    due[tap] -= 1
                    continue
                header, data, bar = stream.next()
                port.tlp(tap, header, data, bar)
                tlps += 1
                gap = port.random.random()
                due[tap] = (
                    0
                    if gap < 0.1
                    else port.random.randrange(2, 12)
                    if gap < 0.95
                    else port.random.randrange(30, 35)
                )
            if port.random.random() < 0.05:
                port.random_clock_of_others(0.3)
            await port.clock()
        await port.clock(100)
        want = fold(port.expected) if fold_enable else port.expected_records()
        got = await compare(port, initial, want)
        assert events_in(got) == len(port.expected)
        assert await port.statistics() == expected_statistics(port.expected_records(), port.stalls, None)
        if fold_enable:
            runs = last_of_runs(got)
            kinds = {Kind(record.kind) for record in runs}
            assert kinds == {Kind.CQ, Kind.CC, Kind.RQ, Kind.RC}, f"runs on {kinds} only"
            dut._log.info("%d events in %d records, %d runs", len(port.expected), len(got), len(runs))
    dut._log.info("%d random TLPs", tlps)
    assert tlps > 10_000


@cocotb.test()
async def runs_end_where_they_must(dut):
    """The limits of gap, span and number, to the clock and to the TLP."""
    port = await fresh(dut, 101)
    header = [0x60000040, 0x01000FFF, 1, 0]

    async def stream(steps: list[int]) -> list:
        initial = await port.arm(fold=1)
        address = 0
        for step in steps:
            header[3] = address
            port.tlp(Tap.RQ, header, address)
            address += 256
            await port.clock(step)
        await port.clock(RUN_GAP_CYCLES + 10)
        return await compare(port, initial, fold(port.expected))

    gap = RUN_GAP_CYCLES
    got = await stream([8, gap, 8, gap + 1, 8, gap, 1])
    assert [record.aux for record in got] == [0, 2, 0, 1], got
    assert await stream([1])
    assert [record.flags for record in await stream([8, 8])] == [0, 0]
    # The last clock of the span, and the one behind it.
    for extra, folded in ((0, RUN_SPAN_CYCLES // 8 - 1), (1, RUN_SPAN_CYCLES // 8 - 2)):
        got = await stream([8 + extra] + [8] * (RUN_SPAN_CYCLES // 8 - 1) + [8])
        assert got[1].aux == folded and bool(got[1].flags & Flag.RUN)
        assert len(got) == 2 + extra
    got = await stream([1] * (FOLDED_MAX + 5))
    assert [record.aux for record in got] == [0, FOLDED_MAX, 0, 1], [record.aux for record in got]


@cocotb.test()
async def a_pending_tlp_is_never_forgotten(dut):
    """Stop, a self-test event, folding turned off and the end of traffic close the run."""
    port = await fresh(dut, 102)
    header = [0x4A000010, 0x00000040, 0x01000000, 0]

    async def some(count: int) -> None:
        for number in range(count):
            header[1] = 64 * number & 0xFFF
            port.tlp(Tap.RC, header, number)
            await port.clock(4)

    initial = await port.arm(fold=1)
    await some(5)
    await compare(port, initial, fold(port.expected))  # stop: a few clocks after the last one

    initial = await port.arm(fold=1)
    cocotb.start_soon(port.write(inject=1 << Tap.RC))
    await some(5)
    await port.stop()
    got = (await port.held())[2:]
    assert [record.flags & Flag.SELFTEST for record in got].count(1) == 1
    assert events_in(got) == 6 and in_order(got), got

    initial = await port.arm(fold=1)
    cocotb.start_soon(port.write(fold=0))
    await some(12)
    await port.stop()
    got = (await port.held())[2:]
    assert events_in(got) == 12 and not got[-1].aux and not got[-2].aux and in_order(got)


@cocotb.test()
async def nothing_that_counts_is_folded(dut):
    """Writes to BAR 0, doorbells, failed completions: one record each, however many there are."""
    port = await fresh(dut, 103)
    initial = await port.arm(fold=1)
    for index in range(40):
        port.tlp(Tap.CQ, [0x40000001, 0xF, 0x100, 0], 7)
        port.tlp(Tap.CC, [0x0A000000, 0x01002000, 0, 0])
        port.tlp(Tap.RC, [0x0A000000, 0x01004000, 0, 0])
        await port.clock(5)
        if index % 2:
            port.doorbell(1)
        await port.clock(5)
    want = port.expected_records()
    await port.clock(50)
    got = await compare(port, initial, want)
    assert len(got) == 140
    assert (await port.statistics())["CPL_ERROR"][0] == 80


@cocotb.test()
async def full_rate_dma_fits(dut):
    """A memory write of 256 bytes each 8 clocks (256-bit beats, line rate) around a buffer of 64 KiB, and the same of
    completions for reads: how many records 100 ms take."""
    port = await fresh(dut, 104)
    initial = await port.arm(fold=1)
    tlps, buffer = 50_000, 1 << 16
    for index in range(tlps):
        offset = 256 * index % buffer
        port.tlp(Tap.RQ, [0x60000040, 0x010000FF | index % 256 << 8, 0x12, 0x34560000 + offset], index)
        await port.clock(4)
        port.tlp(Tap.RC, [0x4A000040, 0x00000100, 0x01000000 | index % 256 << 8, 0], index)
        await port.clock(4)
    await port.clock(50)
    want = fold(port.expected)
    got = await compare(port, initial, want)
    assert events_in(got) == 2 * tlps
    clock_hz, depth = 250e6, 65536
    writes = sum(record.kind == Kind.RQ for record in got)
    reads = len(got) - writes
    scale = 0.1 * clock_hz / (8 * tlps)
    dut._log.info(
        "full-rate DMA, %d TLPs each way: writes %d records, completions %d; in 100 ms at 250 MHz %d + %d records of %d",
        *(tlps, writes, reads, writes * scale, reads * scale, depth),
    )
    assert (writes + reads) * scale < depth
    # Worked out: two records for each turn of the buffer, and for each full span of completions.
    turns = 0.1 * clock_hz / 8 / (buffer / 256)
    spans = 0.1 * clock_hz / (RUN_SPAN_CYCLES + 8)
    assert abs(writes * scale / (2 * turns) - 1) < 0.02 and abs(reads * scale / (2 * spans) - 1) < 0.05

# SPDX-License-Identifier: Apache-2.0
"""cocotb tests of what happens when there is more than one event per clock: nothing is lost up to the bound that
analyser.sv states, and beyond it every lost event is counted, with folding as without."""

from __future__ import annotations

import os

import cocotb
from folding import Stream, events_in, fold_stream, in_order
from layout import FOLDED_MAX, RUN_GAP_CYCLES
from registers import Port
from wires import TLP_TAPS, Kind, Record, Tap, expected_statistics

SEED = int(os.environ.get("VKBENCH_SEED", "1"))
FIFO_DEPTH = 128
#: Clocks by which a pending TLP may hold up what is younger (analyser.sv).
HORIZON = RUN_GAP_CYCLES + 3


async def fresh(dut, offset: int) -> Port:
    port = Port(dut, SEED * 1000 + offset)
    await port.start()
    return port


def check_losses(tap: Tap, got: list[Record], sent: list[Record]) -> list[Record]:
    """The tap's records are those of ``sent``, in order, and each LOSS record stands where some are missing and says
    how many events those stand for. Returns what is missing."""
    position, missing = 0, []
    for record in got:
        if record.kind == Kind.LOSS and record.aux == 1 << tap:
            left = record.data
            while left > 0:
                gone = sent[position]
                left -= events_in([gone])
                assert gone.timestamp <= record.timestamp
                missing.append(gone)
                position += 1
            assert left == 0, f"{tap.name}: LOSS of {record.data} ends within a run"
        elif record.kind == Kind[tap.name]:
            assert record == sent[position], f"{tap.name}: {record}, expected {sent[position]}"
            position += 1
    assert position == len(sent), f"{tap.name}: {len(sent) - position} records are neither there nor counted"
    return missing


async def overrun(port: Port, fold: int) -> tuple[list[Record], list[Record]]:
    """Three bursts on all taps; returns the records, and which of the model's are missing."""
    initial = await port.arm(fold=fold)
    streams = {tap: Stream(tap, port.random) for tap in TLP_TAPS}
    for rate, clocks in ((0.9, 600), (0.05, 100), (0.7, 900)):
        for _ in range(clocks):
            for tap, stream in streams.items():
                if port.random.random() < rate:
                    port.tlp(tap, *stream.next())
            port.random_clock_of_others(rate / 4)
            await port.clock()
    await port.clock(3000)
    await port.stop()
    got, lost = await port.held(), await port.lost()
    assert got[:2] == initial and in_order(got)
    got = got[2:]
    losses = [record for record in got if record.kind == Kind.LOSS]
    assert lost > 100 and len(losses) > 2
    assert sum(record.data for record in losses) == lost
    assert events_in(got) + lost == len(port.expected)
    missing = []
    for tap in Tap:
        sent = [record for _, at, record in port.expected if at == tap]
        missing += check_losses(tap, got, fold_stream(tap, sent) if fold and tap in TLP_TAPS else sent)
    assert await port.statistics() == expected_statistics(port.expected_records(), port.stalls, None)
    return got, missing


@cocotb.test()
async def counts_every_lost_event_and_says_where(dut):
    port = await fresh(dut, 200)
    await overrun(port, 0)


@cocotb.test()
async def a_lost_run_counts_all_its_tlps(dut):
    port = await fresh(dut, 201)
    for _ in range(4):
        got, missing = await overrun(port, 1)
        folded = [record.aux & FOLDED_MAX for record in missing if record.kind <= Kind.RC]
        kept = [record.aux & FOLDED_MAX for record in got if record.kind <= Kind.RC]
        assert sum(folded) > 50 and sum(kept) > 50, "no run was lost, or none was kept: nothing is shown"
        dut._log.info("%d TLPs lost that were folded into %d records", sum(folded), sum(map(bool, folded)))


async def excess(port: Port, clocks: int) -> int:
    """The worst mix there is: a pending TLP on RQ holds up the others for as long as it may; two taps with an event
    each clock, so ``clocks`` events more than are recorded in that time, and then one tap with an event each clock,
    which has to wait for all of those. Returns the number of lost events."""
    await port.arm(fold=1)
    header = [0x0A000000, 0x01000000, 0, 0]

    lead = 2 * RUN_GAP_CYCLES
    for index in range(lead + clocks + 600):
        if index % RUN_GAP_CYCLES == 0:
            port.tlp(Tap.RQ, [0x60000040, 0x010000FF, 0, 8 * index])
        if lead <= index < lead + clocks:
            port.tlp(Tap.CC, [*header[:2], index << 16, 0])
            port.console(index & 255)
        elif index >= lead + clocks:
            port.config_access(4 * (index % 1024), index)
        await port.clock()
    await port.clock(400)
    await port.stop()
    got, lost = await port.held(), await port.lost()
    assert events_in(got) - 2 + lost == len(port.expected) and in_order(got)
    return lost


@cocotb.test()
async def the_stated_excess_is_lossless(dut):
    port = await fresh(dut, 202)
    edge = FIFO_DEPTH - HORIZON
    losses = {
        clocks: await excess(port, clocks) for clocks in (edge - 20, edge - 1, edge, edge + 4, edge + 40)
    }
    dut._log.info("events lost by excess over one per clock: %s (stated: none up to %d)", losses, edge)
    assert not any(lost for clocks, lost in losses.items() if clocks <= edge)
    assert losses[edge + 4] and losses[edge + 40], (
        "more than that is lossless, too: the bound is not the bound"
    )


@cocotb.test()
async def two_directions_back_to_back(dut):
    """Headers without payload in each clock, unlike each other, in two directions: how long that goes."""
    port = await fresh(dut, 203)

    async def burst(clocks: int) -> int:
        await port.arm(fold=1)
        for index in range(clocks):
            port.tlp(Tap.CC, [0x0A000000, 0x01000000, index << 16, 0])
            port.tlp(Tap.CQ, [0x00000001, 0x0200000F, index % 7 << 16, 0], bar=2)
            await port.clock()
        await port.clock(600)
        await port.stop()
        assert events_in(await port.held()) - 2 + await port.lost() == 2 * clocks
        return await port.lost()

    stated = 2 * FIFO_DEPTH - 2
    losses = {clocks: await burst(clocks) for clocks in (stated, stated + 8)}
    dut._log.info(
        "events lost by clocks of two header-only TLPs each: %s (stated: none up to %d)", losses, stated
    )
    assert losses[stated] == 0 and losses[stated + 8] > 0


@cocotb.test()
async def line_rate_is_lossless_for_ever(dut):
    """32 bytes a clock each way: writes of 256 bytes, completions of 64, interrupts, console, a driver's accesses; not
    folded."""
    port = await fresh(dut, 204)
    initial = await port.arm(fold=0)
    for index in range(4000):
        if index % 9 == 0:
            port.tlp(Tap.RQ, [0x60000040, 0x010000FF, 0, 256 * index], index)
        if index % 3 == 0:
            port.tlp(Tap.RC, [0x4A000010, 0x00000040, 0x01000000, 0], index)
        if index % 10 == 0:
            port.tlp(Tap.CQ, [0x00000001, 0x0200000F, 4 * index, 0])
            port.tlp(Tap.CC, [0x4A000001, 0x01000004, 0x02000000, 0], index)
        if index % 8 == 0:
            port.msix(index % 5)
        if index % 11 == 0:
            port.console(index & 255)
        await port.clock()
    assert len(port.expected) > 0.8 * 4000
    await port.clock(200)
    await port.stop()
    assert await port.lost() == 0
    assert await port.held() == initial + port.expected_records()

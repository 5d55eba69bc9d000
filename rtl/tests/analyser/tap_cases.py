# SPDX-License-Identifier: Apache-2.0
"""cocotb tests of the taps: what each of them sees, when, and what is kept of it."""

from __future__ import annotations

import os

import cocotb
from cocotb.triggers import Timer
from layout import LEVEL_HUNG_CYCLES, LEVEL_STALL_CYCLES, LEVELS, TAP_KINDS
from registers import TRIGGER, Port
from wires import TLP_TAPS, Flag, Kind, Record, Tap, expected_statistics

SEED = int(os.environ.get("VKBENCH_SEED", "1"))
ALL = (1 << len(Tap)) - 1
BIT = {name: lsb for name, lsb, _ in LEVELS}


async def fresh(dut, offset: int) -> Port:
    port = Port(dut, SEED * 1000 + offset)
    await port.start()
    return port


async def random_traffic(port: Port, clocks: int, rate: float) -> None:
    for _ in range(clocks):
        port.random_clock(rate)
        await port.clock()
    await port.clock(100)


@cocotb.test()
async def every_event_of_all_taps_is_recorded_in_order(dut):
    port = await fresh(dut, 400)
    initial = await port.arm(fold=0)
    await random_traffic(port, 8000, 0.08)
    port.level(**dict.fromkeys(port.levels, 0))
    await port.clock(20)
    await port.stop()
    assert await port.lost() == 0
    got, want = await port.held(), initial + port.expected_records()
    assert {record.kind for record in got} == set(TAP_KINDS) - {Kind.MARK}
    for index, (a, b) in enumerate(zip(got, want, strict=False)):
        assert a == b, f"record {index}: {a}, expected {b}"
    assert len(got) == len(want)
    statistics = await port.statistics()
    assert statistics == expected_statistics(want[2:], port.stalls, None)
    quiet = [name for name, row in statistics.items() if not row[0]]
    assert not quiet, f"no event of class {quiet}"
    # The levels at the start are those that were there, not those of reset.
    port.level(cfg_command_i=0x406, link_up_i=1, link_ltssm_i=0x10, input_i=5)
    await port.clock(5)
    initial = await port.arm()
    await port.stop()
    assert await port.held() == initial and initial[1].data == 1 | 0x10 << 7 | 5 << 28


@cocotb.test()
async def only_what_qualifies_is_recorded(dut):
    port = await fresh(dut, 401)
    for mask in (1 << Tap.CQ | 1 << Tap.CONSOLE, 0, ALL & ~(1 << Tap.RQ)):
        initial = await port.arm(fold=0, qualify=mask)
        await random_traffic(port, 1500, 0.06)
        await port.stop()
        want = [
            record for _, tap, record in sorted(port.expected, key=lambda item: item[:2]) if mask >> tap & 1
        ]
        assert await port.held() == initial + want
        assert await port.lost() == 0, "what does not qualify is not lost"
        assert await port.statistics() == expected_statistics(port.expected_records(), port.stalls, None)
    # Of CQ only writes to the window; of the others everything.
    await port.program(term_0_select=1 + Tap.CQ, term_0_dw0_value=0x40000000, term_0_dw0_mask=0xDF000000)
    initial = await port.arm(fold=0, qualify=ALL, qualify_term=8)
    await random_traffic(port, 3000, 0.06)
    await port.stop()
    want = [
        record
        for record in port.expected_records()
        if record.kind != Kind.CQ or int.from_bytes(record.header[:4], "little") & 0xDF000000 == 0x40000000
    ]
    assert any(record.kind == Kind.CQ for record in want) and len(want) < len(port.expected)
    assert await port.held() == initial + want


@cocotb.test()
async def stalls_and_a_hung_core_are_levels(dut):
    port = await fresh(dut, 402)
    initial = await port.arm()

    async def records() -> list[tuple[int, int, int]]:
        await port.stop()
        got = await port.held()
        return [
            (record.timestamp, record.data, int.from_bytes(record.header[:4], "little"))
            for record in got[len(initial) :]
            if record.kind == Kind.LEVEL
        ]

    want = []
    for tap in TLP_TAPS:
        bit = 1 << BIT[f"stall_{tap.name.lower()}"]
        for waits in (LEVEL_STALL_CYCLES - 1, LEVEL_STALL_CYCLES, LEVEL_STALL_CYCLES + 5):
            port._set(**{f"{tap.name.lower()}_valid_i": 1, f"{tap.name.lower()}_ready_i": 0})
            if waits >= LEVEL_STALL_CYCLES:
                want.append((port.time + LEVEL_STALL_CYCLES - 1, bit, 0))
                want.append((port.time + waits, 0, bit))
            await port.clock(waits)
            port._set(**{f"{tap.name.lower()}_ready_i": 1})
            await port.clock()
            port._set(**{f"{tap.name.lower()}_valid_i": 0, f"{tap.name.lower()}_ready_i": 0})
            await port.clock(3)
    waited = sum((LEVEL_STALL_CYCLES - 1, LEVEL_STALL_CYCLES, LEVEL_STALL_CYCLES + 5))
    assert await records() == want
    statistics = await port.statistics()
    assert statistics["CQ_STALL"][0] == statistics["RQ_STALL"][0] == waited
    assert statistics["LEVEL"][0] == len(want)

    bit = 1 << BIT["core_hung"]
    await port.arm()
    dut.core_idle_i.value = 0
    since = port.time
    await port.clock(10)
    busy = dut.u_taps.u_levels.busy_q
    await Timer(1, "ns")
    assert int(busy.value) == 10
    busy.value = LEVEL_HUNG_CYCLES - 20  # a million clocks need not pass
    since -= LEVEL_HUNG_CYCLES - 30
    await port.clock(23)
    dut.core_idle_i.value = 1
    until = port.time
    await port.clock(4)
    dut.core_idle_i.value = 0
    await port.clock(1000)
    assert await records() == [(since + LEVEL_HUNG_CYCLES, bit, 0), (until, 0, bit)]


@cocotb.test()
async def the_self_test_sees_each_tap_and_misses_each_blind_one(dut):
    port = await fresh(dut, 403)
    for blind in (None, *Tap):
        mask = 0 if blind is None else 1 << blind
        await port.arm(fold=1, blind=mask)
        await port.write(inject=ALL)
        await port.clock(60)
        assert not await port.read("status") & 1 << 3, "an event has not found its clock"
        await port.stop()
        got = [record for record in await port.held() if record.flags & Flag.SELFTEST]
        seen = [tap for tap in Tap if not mask >> tap & 1]
        assert [record.kind for record in got] == [TAP_KINDS[tap] for tap in seen], blind
        assert all(record.data == 0x5E1F7E57 and not any(record.header) for record in got)
        rows = await port.statistics()
        assert all(rows[tap.name][0] == (tap != blind) for tap in Tap if tap.name in rows)
        assert rows["CQ_RD"][0] == (blind != Tap.CQ) and rows["RQ_RD"][0] == (blind != Tap.RQ)
        # A blind tap does not see real events either.
        await port.arm(fold=0)
        await random_traffic(port, 300, 0.1)
        await port.stop()
        kinds = {record.kind for record in (await port.held())[2:]}
        assert blind is None or TAP_KINDS[blind] not in kinds
    await port.write(blind=0)


@cocotb.test()
async def marks_have_names_and_wait_for_the_trigger(dut):
    port = await fresh(dut, 404)
    await port.fire_on(Tap.CONSOLE, aux=0xFFFF << 16 | ord("x"))
    await port.arm(trig_source=6, mark_name_0=0x6C6C6568, mark_name_1=0x6F, mark_name_2=0, mark_name_3=0)
    await port.write(mark=7)
    await port.write(mark_name_0=0, mark_name_1=0)
    # In each of several clocks around that of the mark.
    for at in range(12):
        cocotb.start_soon(port.write(mark=100 + at))
        await port.clock(at + 1)
        port.console(ord("x"))
        await port.clock(20)
        await port.stop()
        got = [record for record in await port.held() if record.kind in (Kind.MARK, Kind.TRIGGER)]
        assert [record.kind for record in got].count(Kind.TRIGGER) == 1
        assert [record.data for record in got if record.kind == Kind.MARK][-1] == 100 + at
        if at == 0:
            assert got[0] == Record(got[0].timestamp, Kind.MARK, 0, 0, 7, b"hello".ljust(16, b"\0"))
        await port.arm()


@cocotb.test()
async def a_trigger_now_is_recorded_once(dut):
    port = await fresh(dut, 405)
    await port.arm(trig_source=0)
    await port.write(ctrl=TRIGGER)
    await port.write(ctrl=TRIGGER)
    await port.stop()
    got = await port.held()
    assert [(record.kind, record.aux) for record in got[2:]] == [(Kind.TRIGGER, 5)]
    assert got[-1].timestamp == await port.read64("trig_time")


@cocotb.test()
async def registers_show_levels_and_console_errors(dut):
    port = await fresh(dut, 406)
    await port.sync()
    port.level(
        cfg_command_i=0x1234, no_credit_i=5, core_trap_i=1, dma_write_i=1, link_speed_i=4, link_width_i=3
    )
    await port.clock(5)
    assert await port.read("command") == 0x1234
    assert await port.read("levels") == port.word() == 4 << 1 | 3 << 4 | 1 << 17 | 5 << 23 | 1 << 26
    await port.sync()
    for error in (0, 1, 0, 1, 1):
        port.console(0x55, bool(error))
        await port.clock(2)
    assert await port.read("con_errors") == 3

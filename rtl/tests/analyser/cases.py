# SPDX-License-Identifier: Apache-2.0
"""cocotb tests of the whole analyser with its real firmware, over SCPI. What the hardware does is tested on its
registers: fold_cases.py, loss_cases.py, segment_cases.py, tap_cases.py."""

from __future__ import annotations

import os

import cocotb
from wires import BUILD_ID, CLOCK_HZ, Bench, Flag, Kind, Record, Tap, expected_statistics

SEED = int(os.environ.get("VKBENCH_SEED", "1"))
DEPTH = int(os.environ["RING_RECORDS"])
#: Every capture begins with the levels and the Command register as they are.
INITIAL = 2


#: The firmware takes a quarter of a million clocks to start: it starts once, the tests after the first reset it.
started = False


async def fresh(dut, seed_offset: int = 0) -> Bench:
    global started
    bench = Bench(dut, SEED * 1000 + seed_offset)
    await bench.start(reset=not started)
    if started:
        await bench.send(b"\x03\n")  # whatever a test before has left
        await bench.do("*RST;*CLS")
    started = True
    return bench


async def armed(bench: Bench, source: str = "FLR", pretrigger: int = 0) -> None:
    await bench.do(f"TRIG:SOUR {source};:CAPT:PRET {pretrigger};ARM")
    await bench.sync()
    bench.expected.clear()
    bench.stalls.clear()


async def recorded(bench: Bench) -> list[Record]:
    """What is held of a stopped capture, without its initial state."""
    got = await bench.records()
    assert [record.kind for record in got[:INITIAL]] == [Kind.CFG, Kind.LEVEL]
    return got[INITIAL:]


@cocotb.test()
async def identifies_itself_and_reports_errors(dut):
    bench = await fresh(dut)
    idn = (await bench.query("*IDN?")).split(",")
    assert idn[:3] == ["vkbench", "VK-LA1", f"{BUILD_ID:032x}"] and idn[3]
    assert await bench.query("syst:err:next?") == '0,"No error"'
    assert await bench.query("NONSENSE;:SYSTEM:ERROR?") == '-113,"Undefined header"'
    assert await bench.query("SYST:CLOC?;:CAPT:DEPT?;STAT?") == f"{CLOCK_HZ};{DEPTH};IDLE"
    assert await bench.query("*TST?;*OPC?") == "0;1"
    await bench.send(bytes(range(1, 256)) + b"x" * 4000 + b"\n")
    answer = await bench.query("*ESR?;:SYST:ERR:COUN?;:SYST:ERR?;ERR?;ERR?")
    assert answer.endswith('0,"No error"'), answer
    assert '-363,"Input buffer overrun"' in answer
    assert await bench.query("*IDN?\r") == ",".join(idn)


@cocotb.test()
async def arm_refuses_an_empty_trigger(dut):
    bench = await fresh(dut)
    assert await bench.error("CAPT:ARM") == -221
    assert await bench.error("TRIG:SOUR CONS;:CAPT:ARM") == -221
    assert await bench.error("TRIG:IMM") == -211
    assert await bench.query("CAPT:STAT?") == "IDLE"
    await bench.do("TRIG:CONS:TEXT 'ab'';c';:CAPT:ARM")
    assert await bench.query("TRIG:CONS:TEXT?;:CAPT:STAT?") == '"ab\';c";ARMED'
    assert await bench.error("CAPT:ARM") == -213
    assert await bench.error("TRIG:SOUR BME") == -221
    assert await bench.error("CAPT:DATA? 0,0") == -230


@cocotb.test()
async def records_every_event_of_all_taps_in_order(dut):
    bench = await fresh(dut, 1)
    await bench.do("CAPT:FOLD OFF")
    await armed(bench, "CONS;CONS:TEXT 'this text does not come'")
    while len(bench.expected) < DEPTH - 10:
        bench.random_clock(0.1)
        await bench.clock()
    await bench.clock(80)
    await bench.do("CAPT:STOP")
    assert await bench.query("CAPT:STAT?;LOST?") == "DONE;0"
    got, want = await recorded(bench), bench.expected_records()
    assert len({record.kind for record in got}) == 11, "a tap did not show up"
    for index, (a, b) in enumerate(zip(got, want, strict=False)):
        assert a == b, f"record {index}: {a}, expected {b}"
    assert len(got) == len(want)
    assert await bench.statistics() == expected_statistics(want, bench.stalls, None)


@cocotb.test()
async def console_trigger_finds_its_text_and_nothing_else(dut):
    bench = await fresh(dut, 3)
    cases = [
        ("aab", b"xaaab"),
        ("abab", b"abaabbabab"),
        ("a", b"bcda"),
        ("Kernel panic - not syncing", b"Kernel panic - not sKernel panic - not syncing"),
        ("0123456789abcdef0123456789ABCDEF", b"0123456789abcdef0123456789abcdef0123456789ABCDEF"),
    ]
    for text, stream in cases:
        await bench.do(f'TRIG:SOUR CONS;CONS:TEXT "{text}";:CAPT:PRET 4;ARM')
        await bench.sync()
        for byte in stream:
            bench.console(byte)
            fired_at = bench.time
            await bench.clock()
        await bench.clock(4)
        assert await bench.query("CAPT:STAT?;:TRIG:TIME?") == f"TRIGGERED;{fired_at}", text
        await bench.do("CAPT:STOP")
        got = await bench.records()
        assert got[-1] == Record(fired_at, Kind.TRIGGER, 0, 1), text
        assert got[-2].kind == Kind.CONSOLE and got[-2].timestamp == fired_at
    near = b"aaXb aacb ba AAB aa"
    await bench.do('TRIG:CONS:TEXT "aab";:CAPT:ARM')
    await bench.sync()
    for byte in near:
        bench.console(byte)
        await bench.clock(2)
    assert await bench.query("CAPT:STAT?;:TRIG:TIME?") == "ARMED;0"
    await bench.do("CAPT:STOP;ARM")  # "aa" came before arm: the text must come whole
    await bench.sync()
    bench.console(ord("b"))
    await bench.clock(4)
    assert await bench.query("CAPT:STAT?") == "ARMED"


@cocotb.test()
async def other_triggers_fire_on_their_own_edge_only(dut):
    bench = await fresh(dut, 4)
    await bench.sync()
    bench.level(cfg_command_i=0x6)
    await bench.clock()

    def fire_doorbell():
        bench.doorbell(0xFFFFFFFD)

    fires = {
        "DOOR": (fire_doorbell, 2),
        "BME": (lambda: bench.level(cfg_command_i=0x2), 3),
        "FLR": (lambda: bench.level(cfg_flr_i=1), 4),
    }
    for source, (fire, code) in fires.items():
        await armed(bench, source, 8)
        for other, (other_fire, _) in fires.items():
            if other != source:
                other_fire()
                await bench.clock()
        bench.level(cfg_command_i=0x6, cfg_flr_i=0)
        bench.tlp(Tap.CQ, [0x40000001, 0xF, 0x498, 0], 1)  # the neighbour
        await bench.clock()
        bench.tlp(Tap.CQ, [0x40000001, 0xF, 0x49C, 0], 1, bar=2)  # another BAR
        await bench.clock()
        bench.tlp(Tap.CQ, [0x00000001, 0xF, 0x49C, 0])  # a read
        await bench.clock(10)
        assert await bench.query("CAPT:STAT?") == "ARMED", source
        await bench.sync()
        at = bench.time
        fire()
        await bench.clock(6)
        assert await bench.query("CAPT:STAT?;:TRIG:TIME?") == f"TRIGGERED;{at}", source
        bench.level(cfg_command_i=0x6, cfg_flr_i=0)
        await bench.clock(4)
        await bench.do("CAPT:STOP")
        trigger = [record for record in await bench.records() if record.kind == Kind.TRIGGER]
        assert trigger == [Record(at, Kind.TRIGGER, 0, code)]
    doorbells = [record for record in await bench.records() if record.flags & Flag.DOORBELL]
    assert [record.data for record in doorbells] == [0xFFFFFFFD]


@cocotb.test()
async def statistics_stay_exact_when_the_memory_is_full(dut):
    bench = await fresh(dut, 6)
    await armed(bench, "DOOR", 10)
    for _ in range(60):
        bench.msix(1)
        bench.random_tlp(Tap.RQ)
        await bench.clock()
    fired = bench.time
    bench.doorbell(0xFFFFFFFF)
    bench.random_tlp(Tap.RC)  # in the trigger's own clock: not since the trigger
    await bench.clock()
    for _ in range(DEPTH + 200):
        bench.random_clock(0.6)
        await bench.clock()
    await bench.clock(4)
    assert await bench.query("CAPT:STAT?") == "DONE"
    want = expected_statistics(bench.expected_records(), bench.stalls, fired)
    assert await bench.statistics() == want
    await bench.sync()
    bench.msix(3)
    late = bench.time
    await bench.clock(4)
    row = await bench.query("STAT:CLAS? MSIX")
    assert row == f"{want['MSIX'][0] + 1},{want['MSIX'][1] + 1},{want['MSIX'][2]},{late}"
    await bench.do("CAPT:STOP")
    await bench.sync()
    bench.msix(3)
    await bench.clock(4)
    assert await bench.query("STAT:CLAS? MSIX") == row, "counted after stop"


@cocotb.test()
async def block_survives_a_slow_client(dut):
    bench = await fresh(dut, 7)
    await armed(bench)
    for _ in range(DEPTH * 2):
        bench.random_tlp(Tap.RQ)
        await bench.clock()
    await bench.clock(4)
    await bench.do("CAPT:STOP")
    want = [record for _, _, record in bench.expected][-DEPTH:]
    assert await bench.records() == want
    bench.client_ready = 0.4
    got = await bench.block(DEPTH - 130, 130)
    assert [Record.parse(got[at : at + 32]) for at in range(0, len(got), 32)] == want[-130:]
    bench.client_ready = 1.0
    assert await bench.block(3, 0) == b""
    assert await bench.error(f"CAPT:DATA? {DEPTH - 3},4") == -222
    assert await bench.error("CAPT:DATA? 0") == -109


@cocotb.test()
async def marks_are_recorded(dut):
    bench = await fresh(dut, 8)
    assert await bench.error("MARK 1") == -221
    await armed(bench)
    await bench.do("MARK 7;MARK #HFFFFFFFF")
    await bench.do("CAPT:STOP")
    got = await recorded(bench)
    assert [(record.kind, record.data) for record in got] == [(Kind.MARK, 7), (Kind.MARK, 0xFFFFFFFF)]


@cocotb.test()
async def self_test_passes_in_traffic_and_spares_an_armed_capture(dut):
    bench = await fresh(dut, 9)
    await bench.do("TRIG:SOUR FLR;:CAPT:ARM")
    refused = '32768;-221,"Settings conflict;a capture is recording";ARMED'
    assert await bench.query("*TST?;:SYST:ERR?;:CAPT:STAT?") == refused
    await bench.do("CAPT:STOP")

    async def traffic():
        await bench.sync()
        while True:
            bench.random_clock(0.08)
            await bench.clock()

    task = cocotb.start_soon(traffic())
    assert await bench.query("*TST?") == "0"
    task.cancel()
    assert await bench.query("CAPT:STAT?;:TRIG:SOUR?;:SYST:ERR:COUN?") == "IDLE;FLR;0"


@cocotb.test()
async def lab_bus_commands_reach_the_card(dut):
    bench = await fresh(dut, 10)
    bench.lab.update(
        {0x0C: 17, 0x10: 0x89ABCDEF, 0x14: 0x12, 0x18: 4096, 0x20: 0x141, 0x24: 5, 0x28: 6, 0x2C: 7}
    )
    await bench.do("DUT:DMA:PER 1000;LEN 64;MODE READ;STAT ON")
    assert bench.lab_writes == [(0x04, 1000), (0x08, 64), (0x00, 2), (0x00, 3)]
    assert await bench.query("DUT:DMA:STAT?;MODE?;PER?;LEN?;SEQ?;SIZE?") == "1;READ;1000;64;17;4096"
    assert await bench.query("DUT:DMA:ADDR?;COMP?;:DUT:STAT?") == "#H1289ABCDEF;5,6,7;#H141"
    assert await bench.error("DUT:DMA:LEN 63") == -222
    assert await bench.error("DUT:INT 8") == -222
    await bench.do("DUT:INT 2;:DUT:DMA:STAT OFF")
    assert bench.lab_writes[4:] == [(0x1C, 2), (0x00, 2)]
    bench.lab_answers = False
    assert await bench.error("DUT:DMA:PER 5") == -240
    bench.lab_answers = True
    assert await bench.query("DUT:DMA:SEQ?") == "17"


@cocotb.test()
async def self_test_finds_each_blind_tap(dut):
    bench = await fresh(dut, 11)
    for tap in Tap:
        await bench.do(f"DIAG:BLIN {1 << tap}")
        assert await bench.query("*TST?") == str(1 << tap)
        assert await bench.error("TRIG:SOUR FLR;:CAPT:ARM") == -221, "armed although a tap is blind"
    await bench.do("DIAG:BLIN 0")
    assert await bench.query("*TST?") == "0"

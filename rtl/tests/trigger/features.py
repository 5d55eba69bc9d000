# SPDX-License-Identifier: Apache-2.0
"""cocotb: every feature of the trigger's program by itself; what must happen is written down here, and the model
is compared as well."""

from dataclasses import replace

import cocotb
import vkbench_regs as regs

from trigger.bench import TriggerBench, words
from trigger.model import FIRE, TEXT, Event, Flag, Inputs, Program, Step, Tap, Term, TriggerSource

ON = {tap: 1 + tap for tap in Tap}  # source of a term
MARK = Term(source=ON[Tap.MARK])
NUMBER = [Term(source=ON[Tap.MARK], data_a=n, data_b=0xFF) for n in range(8)]  # marks 0, 1 ...
M = [Event(data=n) for n in range(8)]
GO = Step(used=True, term=0, next=FIRE)


def tlp(fmt: int, kind: int = 0, address: int = 0, dwords: int = 1, **fields) -> Event:
    """A memory request with this address (4 dwords of header if fmt is odd)."""
    dw0 = fmt << 29 | kind << 24 | dwords & 1023
    high, low = (address >> 32, address & 0xFFFFFFFF) if fmt & 1 else (address, 0)
    return Event(header=dw0 | high << 64 | low << 96, **fields)


MRD, MRD64, MWR, MWR64 = range(4)


async def fires(b: TriggerBench, term: Term, tap: int, event: Event) -> bool:
    """Does the term fire at once on this event?"""
    await b.load(Program((term,), (GO,)))
    return bool(await b.run(event, tap=tap))


@cocotb.test()
async def registers_keep_what_is_written_and_status_shows_the_step(dut):
    b = await TriggerBench(dut, "registers").start()
    program = Program(
        tuple(Term(n + 1, *[n & 1 > 0] * 3, n, 15 - n, *(b.rng.getrandbits(32) for _ in range(4)),
                   *(b.rng.getrandbits(16) for _ in range(2)), *(b.rng.getrandbits(64) for _ in range(2)))
              for n in range(8)),
        tuple(Step(True, n, 8, n > 3, 7 - n, n, n < 3, n, n > 5, n + 1, n << 20) for n in range(8)),
        tuple(b.rng.randbytes(n) for n in (0, 1, 31, 32)),
    )  # fmt: skip
    await b.load(program)
    for offset, value in words(program).items():
        assert await b.read(offset) == value, f"register {offset:#x}"

    await b.load(Program(tuple(NUMBER), (replace(GO, next=5), *[Step()] * 4, replace(GO, term=1))))
    await b.run(M[0], tap=Tap.MARK)
    assert await b.read(regs.ANALYSER_TRIGGER_STATUS_OFFSET) == 0x05
    assert await b.run(M[1], tap=Tap.MARK) == [0]
    assert await b.read(regs.ANALYSER_TRIGGER_STATUS_OFFSET) == 0x55


@cocotb.test()
async def each_tap_is_told_from_the_others(dut):
    b = await TriggerBench(dut, "taps").start()
    for term in Tap:
        # RESET events have a bit of aux set.
        for tap in Tap:
            hit = await fires(b, Term(source=ON[term]), tap, Event(aux=1))
            assert hit == (term == tap), f"term of {term.name} on {tap.name}"
    for source in (0, *range(13, 16), *range(20, 32)):
        await b.load(Program((Term(source=source),), (GO,), (b"x",)))
        everything = Inputs({tap: Event(aux=1) for tap in Tap}, byte=ord("x"))
        assert await b.run(everything) == [], f"source {source} is nothing"


@cocotb.test()
async def values_masks_and_ranges(dut):
    b = await TriggerBench(dut, "values").start()
    term = Term(source=ON[Tap.CQ], data_a=0x120, data_b=0xFF0)
    for data, hit in ((0x120, True), (0xABCDE12F, True), (0x12F, True), (0x130, False), (0, False)):
        assert await fires(b, term, Tap.CQ, Event(data=data)) == hit
    term = replace(term, range=True, data_a=5, data_b=0x80000000)
    for data, hit in ((4, False), (5, True), (0x80000000, True), (0x80000001, False), (0xFFFFFFFF, False)):
        assert await fires(b, term, Tap.CQ, Event(data=data)) == hit
    term = Term(source=ON[Tap.CQ], aux_value=0x2000, aux_mask=0xE000)
    for aux, hit in ((0x2000, True), (0x3FFF, True), (0x4000, False), (0, False)):
        assert await fires(b, term, Tap.CQ, Event(aux=aux)) == hit
    term = Term(source=ON[Tap.RC], dw0_value=0x4A000000, dw0_mask=0xFF000000)  # CplD
    for fmt, kind, hit in ((2, 10, True), (0, 10, False), (2, 0, False)):
        assert await fires(b, term, Tap.RC, tlp(fmt, kind)) == hit
    # Of other taps the header is not compared.
    assert await fires(b, Term(source=ON[Tap.CFG], dw0_value=1, dw0_mask=1), Tap.CFG, Event())
    # The reset doorbell is a flag.
    term = Term(source=ON[Tap.CQ], flags_value=Flag.DOORBELL, flags_mask=Flag.DOORBELL)
    assert await fires(b, term, Tap.CQ, Event(flags=Flag.DOORBELL))
    assert not await fires(b, term, Tap.CQ, Event())
    # All comparisons together: each one alone can refuse.
    whole = Term(ON[Tap.CQ], False, True, True, 2, 2, MWR << 29, 7 << 29, 10, 20, 0, 0xE000, 0x1000, 0x1FFF)
    good = tlp(MWR, address=0x1800, data=15, flags=2)
    assert await fires(b, whole, Tap.CQ, good)
    for worse in (
        replace(good, flags=0),
        replace(good, data=21),
        replace(good, aux=0x2000),
        tlp(MRD, address=0x1800, data=15, flags=2),
        tlp(MWR, address=0x2000, data=15, flags=2),
        replace(good, flags=2 | Flag.SELFTEST),
    ):
        assert not await fires(b, whole, Tap.CQ, worse), worse


@cocotb.test()
async def a_request_that_overlaps_the_window_matches(dut):
    b = await TriggerBench(dut, "window").start()
    first, last = 0x1_2000_0101, 0x1_2000_01FE
    window = Term(source=ON[Tap.RQ], window=True, first=first, last=last)
    for fmt in (MRD64, MWR64):
        for address, dwords, hit in (
            (0x1_2000_0100, 1, True),  # its dword holds the first byte
            (0x1_2000_00FC, 1, False),
            (0x1_2000_00FC, 2, True),
            (0x1_2000_01FC, 1, True),
            (0x1_2000_0200, 1, False),
            (0x1_1FFF_F104, 0, True),  # 1024 dwords end with the first byte's
            (0x1_1FFF_F100, 0, False),
            (0x1_2000_0000, 1024 - 1, True),  # around the whole of it
            (0x2000_0100, 64, False),  # the same address below 4 GiB
        ):
            assert await fires(b, window, Tap.RQ, tlp(fmt, 0, address, dwords)) == hit, hex(address)
    low = replace(window, source=ON[Tap.CQ], first=0xFE00049C, last=0xFE00049F)
    assert await fires(b, low, Tap.CQ, tlp(MWR, 0, 0xFE00049C))
    assert not await fires(b, low, Tap.CQ, tlp(MWR, 0, 0xFE0004A0))
    everywhere = replace(window, first=0, last=(1 << 64) - 1)
    assert await fires(b, everywhere, Tap.RQ, tlp(MRD64, 0, (1 << 64) - 4, 1))
    # It does not come round at the end of the address space.
    assert not await fires(b, replace(everywhere, last=0xFF), Tap.RQ, tlp(MRD64, 0, (1 << 64) - 4, 4))
    # What has no address does not match: completions, messages, configuration and IO requests, other taps.
    for fmt, kind in ((2, 10), (0, 4), (2, 2), (3, 0x10), (4, 0)):
        assert not await fires(b, everywhere, Tap.RQ, tlp(fmt, kind)), (fmt, kind)
    for tap in (Tap.CC, Tap.RC, Tap.MARK):
        assert not await fires(b, replace(everywhere, source=ON[tap]), tap, tlp(MRD))


@cocotb.test()
async def an_edge_needs_another_level_before(dut):
    b = await TriggerBench(dut, "edge").start()
    up = Term(source=ON[Tap.LEVEL], data_a=1, data_b=1)
    for old, new, level, edge in (
        (0, 1, True, True),
        (1, 3, True, False),
        (1, 0, False, False),
        (0, 2, False, False),
    ):
        event = Event(data=new, header=old)
        assert await fires(b, up, Tap.LEVEL, event) == level
        assert await fires(b, replace(up, edge_only=True), Tap.LEVEL, event) == edge
    # Elsewhere the bit means nothing.
    assert await fires(b, replace(up, source=ON[Tap.CFG], edge_only=True), Tap.CFG, Event(data=1, header=1))


@cocotb.test()
async def a_reset_event_is_looked_at_record_by_record(dut):
    b = await TriggerBench(dut, "reset").start()
    flr = Term(source=ON[Tap.RESET], aux_value=3, aux_mask=0xFFFF)
    for bits, hit in ((0b000100, True), (0b111011, False), (0b001101, True), (0b000011, False)):
        assert await fires(b, flr, Tap.RESET, Event(aux=bits)) == hit, bin(bits)


@cocotb.test()
async def texts_are_found_at_once_and_only_since_the_clear(dut):
    b = await TriggerBench(dut, "texts").start()
    texts = (b"aab", b"x", bytes(range(32)), b"")

    async def hear(source: int, heard: bytes) -> list[int]:
        await b.load(Program((Term(source=source),), (GO,), texts))
        return await b.run(*(bytes((byte,)) for byte in heard))

    assert await hear(TEXT, b"aaab") == [3]
    assert await hear(TEXT, b"abaabaab") == [4]
    assert await hear(TEXT, b"aa b") == []
    assert await hear(TEXT + 1, b"abx") == [2]
    assert await hear(TEXT + 2, b"!" + texts[2]) == [32]
    assert await hear(TEXT + 2, texts[2][1:]) == []
    assert await hear(TEXT + 3, b"\0aab") == []
    # Bytes from before the clear do not count, and not that of its own clock; those before arming do.
    await b.load(Program((Term(source=TEXT),), (GO,), texts))
    await b.clock(Inputs(byte=ord("a")))
    await b.clock(Inputs(clear=True, byte=ord("a")))
    assert await b.run(b"a", b"b") == []
    await b.clock(Inputs(clear=True))
    for byte in b"aa":
        await b.clock(Inputs(byte=byte))
    assert await b.run(b"b") == [0]


@cocotb.test()
async def steps_count_branch_time_out_and_pulse(dut):
    b = await TriggerBench(dut, "steps").start()
    at = {"tap": Tap.MARK}
    terms = tuple(NUMBER)

    await b.load(Program(terms, (replace(GO, count=3, pulse=True),)))
    assert await b.run(M[0], M[1], M[0], None, M[0], M[0], **at) == [4]
    assert b.model.ways["pulse"] == 1

    # One event never takes two steps.
    await b.load(Program(terms, (replace(GO, next=1), replace(GO, next=2), GO)))
    assert await b.run(M[0], M[0], None, M[0], **at) == [3]

    # A branch starts the count again; the term wins a tie.
    again = Step(used=True, term=0, next=FIRE, count=2, branch=True, branch_term=1, branch_next=0)
    await b.load(Program(terms, (again,)))
    assert await b.run(M[0], M[1], M[0], M[0], **at) == [3]
    await b.load(Program((MARK, MARK), (replace(again, branch_next=1), replace(GO, term=2))))
    assert await b.run(M[0], M[0], **at) == [1]

    # A timeout of 3: left in the third clock of the step, entered in the one before.
    timed = replace(GO, timed=True, timeout=3, timeout_next=1)
    await b.load(Program(terms, (timed, replace(GO, term=1))))
    assert await b.run(None, None, M[1], M[1], **at) == [3]
    assert await b.run(M[1], **at) == []
    await b.load(Program(terms, (timed, replace(GO, term=1))))
    assert await b.run(None, None, M[0], **at) == [2], "a match in the clock of the timeout wins"
    await b.load(Program(terms, (replace(timed, count=2), replace(GO, term=1))))
    assert await b.run(None, None, M[0], M[1], M[1], **at) == [4], "... and delays it by a clock"
    await b.load(Program(terms, (replace(GO, next=1), replace(timed, timeout_next=FIRE))))
    assert await b.run(None, None, None, None, M[0], None, None, None, **at) == [7]
    for clocks in (0, 1):
        await b.load(Program(terms, (replace(timed, timeout=clocks, timeout_next=FIRE),)))
        assert await b.run(None, **at) == [0]

    # Nothing happens in a step that does not exist.
    await b.load(
        Program(terms, (replace(GO, next=1), replace(timed, used=False, timeout=1, timeout_next=FIRE)))
    )
    assert await b.run(M[0], M[0], None, M[0], **at) == []
    assert await b.run(Inputs(immediate=True)) == [0]


@cocotb.test()
async def it_fires_once_and_never_against_a_stop(dut):
    b = await TriggerBench(dut, "stop").start()
    program = Program((MARK,), (GO,))
    marked = Inputs(events={Tap.MARK: M[0]})
    await b.load(program)
    assert await b.run(replace(marked, stop=True), replace(marked, clear=True)) == []
    await b.clock(marked)  # not armed
    assert await b.run(marked, marked, Inputs(immediate=True), replace(marked, clear=True), marked) == [0, 4]
    # The immediate trigger; together with the program it is the program's.
    await b.load(program, TriggerSource.BME)
    assert await b.run(Inputs(immediate=True, stop=True), Inputs(immediate=True)) == [1]
    await b.load(program, TriggerSource.BME)
    assert await b.run(replace(marked, immediate=True)) == [0]
    # ... and no step is left in its clock, though the pulse that is due comes.
    await b.load(Program((MARK,), (replace(GO, next=1, pulse=True), GO)))
    assert await b.run(replace(marked, immediate=True)) == [0]
    assert int(dut.obs_o.value) >> 4 & 7 == 0 and b.model.ways["pulse"] == 1


@cocotb.test()
async def the_qualifier_holds_up_its_own_tap_alone(dut):
    b = await TriggerBench(dut, "qualifier").start()
    terms = [Term(source=ON[tap], data_a=1, data_b=1) for tap in Tap if tap < 8]
    await b.load(Program(tuple(terms), (replace(GO, term=3),)))
    unlike, like = Event(data=2, aux=1), Event(data=3, aux=1)
    for tap in list(Tap)[:8]:
        for event, dropped in ((unlike, {tap}), (like, set()), (replace(unlike, flags=Flag.SELFTEST), set())):
            events = dict.fromkeys(Tap, unlike) | {tap: event}
            out = await b.clock(Inputs(events, qualify=int(tap)))  # not armed: it asks all the same
            assert out.dropped == dropped, tap.name
        assert (await b.clock(Inputs(dict.fromkeys(Tap, unlike)))).dropped == set()
    others = (Term(source=TEXT), Term(), Term(source=ON[Tap.MARK], data_a=1, data_b=1))
    await b.load(Program(others, (GO,), (b"a",)))
    for term in range(3):
        out = await b.clock(Inputs(dict.fromkeys(Tap, unlike), byte=ord("b"), qualify=term))
        assert out.dropped == set()

# SPDX-License-Identifier: Apache-2.0
"""cocotb: random programs on random events, in lockstep with the model."""

import cocotb

from trigger.bench import TriggerBench
from trigger.model import FIRE, TAPS, TEXT, TLPS, Event, Flag, Inputs, Program, Step, Tap, Term

PROGRAMS, CLOCKS = 220, 160
#: What must have happened, and how often at least, or the test says little.
TRIED = {
    "term": 200,
    "counted": 60,
    "branch": 100,
    "timeout": 100,
    "tie": 60,
    "tie of branch and timeout": 20,
    "pulse": 100,
    "program fires": 80,
    "immediate": 20,
    "dropped": 300,
}
#: Few values each, so that terms match often.
DATA = (0, 1, 2, 3, 0x80000000, 0xFFFFFFFF)
AUX = (0, 1, 2, 4, 0x2000, 0x4001)
KINDS = (0x00, 0x20, 0x40, 0x60, 0x0A, 0x4A, 0x70, 0x80)  # Fmt and Type
PLACES = (0x1000, 0x1004, 0x0FFC, 0xFFFFFFFC, 0x1_0000_0000, 0xFFFF_FFFF_FFFF_FFF0)
LETTERS = b"ab"


def flip(rng, chance: float) -> bool:
    return rng.random() < chance


def tlp_header(rng) -> int:
    kind, address = rng.choice(KINDS), rng.choice(PLACES)
    dw0 = kind << 24 | rng.choice((0, 1, 2, 64))
    if kind & 0x20:
        return dw0 | (address >> 32) << 64 | (address & 0xFFFFFFFF) << 96
    return dw0 | (address & 0xFFFFFFFF) << 64


def an_event(rng, tap: int) -> Event:
    header = tlp_header(rng) if tap in TLPS else rng.choice(DATA) if tap == Tap.LEVEL else 0
    aux = rng.randrange(1, 64) if tap == Tap.RESET else rng.choice(AUX)
    flags = rng.choice((0, 0, 0, Flag.DOORBELL, Flag.ERROR, Flag.SELFTEST))
    return Event(rng.choice(DATA), aux, flags, header)


def a_term(rng, taps: list[int]) -> Term:
    fields = {"source": TEXT + rng.randrange(4) if flip(rng, 0.2) else 1 + rng.choice(taps)}
    if flip(rng, 0.05):
        fields["source"] = rng.randrange(32)
    tap = fields["source"] - 1
    if flip(rng, 0.3):
        fields |= {"range": True, "data_a": rng.choice(DATA[:4]), "data_b": rng.choice(DATA[2:])}
    elif flip(rng, 0.5):
        mask = rng.choice((1, 3, 0xFFFFFFFF))
        fields |= {"data_b": mask, "data_a": rng.choice(DATA) & mask}
    if flip(rng, 0.3):
        mask = rng.choice((1, 7, 0xE000))
        fields |= {"aux_mask": mask, "aux_value": rng.choice(AUX) & mask}
    if flip(rng, 0.2):
        fields |= {"flags_mask": 10, "flags_value": rng.choice((0, 2, 8))}
    if tap in TLPS and flip(rng, 0.4):
        mask = rng.choice((0x40000000, 0x1F000000, 0xFF000000))
        fields |= {"dw0_mask": mask, "dw0_value": rng.choice(KINDS) << 24 & mask}
    if flip(rng, 0.3 if tap in (Tap.CQ, Tap.RQ) else 0.03):
        first = rng.choice(PLACES) + rng.choice((-4, 0, 1, 3))
        fields |= {
            "window": True,
            "first": first,
            "last": min(first + rng.choice((0, 3, 255, 1 << 40)), 2**64 - 1),
        }
    return Term(edge_only=flip(rng, 0.5), **fields)


def a_step(rng) -> Step:
    return Step(
        used=flip(rng, 0.95),
        term=rng.randrange(8),
        next=rng.choice((*range(8), FIRE, 15)),
        branch=flip(rng, 0.5),
        branch_term=rng.randrange(8),
        branch_next=rng.choice((*range(8), FIRE)),
        timed=flip(rng, 0.5),
        timeout_next=rng.choice((*range(8), *range(8), FIRE)),
        pulse=flip(rng, 0.5),
        count=rng.choice((0, 1, 1, 1, 2, 3)),
        timeout=rng.choice((0, 1, 2, 5, 10, 20)),
    )


def a_program(rng, taps: list[int]) -> Program:
    return Program(
        tuple(a_term(rng, taps) for _ in range(8)),
        tuple(a_step(rng) for _ in range(8)),
        tuple(bytes(rng.choices(LETTERS, k=rng.choice((0, 1, 2, 3, 5)))) for _ in range(4)),
    )


@cocotb.test()
async def random_programs_do_what_the_model_does(dut):
    b = await TriggerBench(dut, "random_programs").start()
    rng = b.rng
    ways: dict[str, int] = {}
    time = 0
    for _ in range(PROGRAMS):
        taps = rng.sample(range(TAPS), 3)
        await b.load(a_program(rng, taps), rng.randrange(8))
        busy = rng.choice((0.1, 0.5, 0.9))
        for _ in range(CLOCKS):
            time += 1
            events = {tap: an_event(rng, tap) for tap in taps if flip(rng, busy)}
            armed = flip(rng, 0.97)
            await b.clock(
                Inputs(
                    events,
                    byte=rng.choice(LETTERS) if flip(rng, busy / 2) else None,
                    clear=flip(rng, 0.02),
                    armed=armed,
                    stop=flip(rng, 0.02),
                    immediate=flip(rng, 0.005),
                    time=time,
                    qualify=rng.randrange(8) if flip(rng, 0.3) else None,
                )
            )
        for way, count in b.model.ways.items():
            ways[way] = ways.get(way, 0) + count
    print(f"{PROGRAMS * CLOCKS} clocks: {dict(sorted(ways.items()))}")
    few = {way: ways.get(way, 0) for way, least in TRIED.items() if ways.get(way, 0) < least}
    assert not few, f"hardly tried: {few}"

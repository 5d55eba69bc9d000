# SPDX-License-Identifier: Apache-2.0
"""Drives the sequencer (trigger_tb.sv) and compares it with the model in every clock."""

from __future__ import annotations

import cocotb
import vkbench_regs as regs
from cocotb.clock import Clock
from cocotb.triggers import ReadOnly, RisingEdge
from common.seed import seeded

from trigger.model import Event, Inputs, Outputs, Program, Sequencer, TriggerSource

CLOCK_NS = 4
EVENT_BITS = 184
NOTHING = Inputs()


def words(program: Program) -> dict[int, int]:
    """Offset and value of every register of the program."""
    out: dict[int, int] = {}

    def put(register: str, **fields: int) -> None:
        stem = f"ANALYSER_TRIGGER_{register}"
        value = 0
        for name, number in fields.items():
            value |= int(number) << getattr(regs, f"{stem}_{name.upper()}_LSB")
        out[getattr(regs, f"{stem}_OFFSET")] = value

    for n, term in enumerate(program.terms):
        stem = f"TERM_{n}"
        names = ("source", "edge_only", "range", "window", "flags_value", "flags_mask")
        put(f"{stem}_SELECT", **{name: getattr(term, name) for name in names})
        for name in ("dw0_value", "dw0_mask", "data_a", "data_b"):
            put(f"{stem}_{name.upper()}", value=getattr(term, name))
        put(f"{stem}_AUX", value=term.aux_value, mask=term.aux_mask)
        for name in ("first", "last"):
            put(f"{stem}_{name.upper()}_LO", value=getattr(term, name) & 0xFFFFFFFF)
            put(f"{stem}_{name.upper()}_HI", value=getattr(term, name) >> 32)
    for n, step in enumerate(program.steps):
        names = (
            "used",
            "term",
            "next",
            "branch",
            "branch_term",
            "branch_next",
            "timed",
            "timeout_next",
            "pulse",
        )
        put(f"STEP_{n}_CONTROL", **{name: getattr(step, name) for name in names})
        put(f"STEP_{n}_COUNT", value=step.count)
        put(f"STEP_{n}_TIMEOUT", value=step.timeout)
    for n, text in enumerate(program.texts):
        put(f"TEXT_{n}_LENGTH", value=len(text))
        backwards = text[::-1].ljust(32, b"\0")
        for word in range(8):
            put(f"TEXT_{n}_BYTES_{word}", value=int.from_bytes(backwards[4 * word : 4 * word + 4], "little"))
    return out


def packed(event: Event, tap: int) -> int:
    """The event as the wrapper takes it."""
    return event.header << 56 | event.data << 24 | event.aux << 8 | event.flags << 4 | tap + 1


class TriggerBench:
    """``clock()`` is one clock with these inputs; it fails when the sequencer differs from the model."""

    def __init__(self, dut, name: str):
        self.dut, self.rng = dut, seeded(name)
        self.written: dict[int, int] = {}
        self.model = Sequencer(Program())
        self.time = 1
        self.shown = NOTHING

    async def start(self) -> TriggerBench:
        d = self.dut
        pins = ("rst_ni", "reg_req_i", "reg_write_i", "reg_addr_i", "reg_wdata_i", "core_on_i", "control_i")
        for name in (*pins, "source_i", "time_i", "con_i", "valid_i", "events_i"):
            getattr(d, name).value = 0
        cocotb.start_soon(Clock(d.clk_i, CLOCK_NS, unit="ns").start())
        for _ in range(3):
            await RisingEdge(d.clk_i)
        d.rst_ni.value = 1
        await RisingEdge(d.clk_i)
        self.written = words(Program())
        return self

    # -- registers ------------------------------------------------------------------------------------------

    async def write(self, offset: int, value: int) -> None:
        d = self.dut
        d.reg_req_i.value = d.reg_write_i.value = 1
        d.reg_addr_i.value, d.reg_wdata_i.value = offset, value
        await RisingEdge(d.clk_i)
        d.reg_req_i.value = d.reg_write_i.value = 0

    async def read(self, offset: int) -> int:
        """The register's clock runs once before, as it does while the soft core gets at the register."""
        d = self.dut
        d.core_on_i.value = 1
        await RisingEdge(d.clk_i)
        d.core_on_i.value = 0
        d.reg_req_i.value, d.reg_addr_i.value = 1, offset
        await ReadOnly()
        value = int(d.reg_rdata_o.value)
        await RisingEdge(d.clk_i)
        d.reg_req_i.value = 0
        return value

    async def load(self, program: Program, source: int = TriggerSource.SEQUENCE) -> None:
        """Writes the registers that change, then a clear."""
        for offset, value in words(program).items():
            if self.written[offset] != value:
                await self.write(offset, value)
                self.written[offset] = value
        self.dut.source_i.value = int(source)
        self.model = Sequencer(program, source)
        self.model.time = None  # what stands there from before is not known
        await self.clock(Inputs(clear=True))

    # -- events ---------------------------------------------------------------------------------------------

    async def clock(self, inputs: Inputs) -> Outputs:
        d = self.dut
        control = inputs.armed | inputs.clear << 1 | inputs.stop << 2 | inputs.immediate << 3
        if inputs.qualify is not None:
            control |= 1 << 4 | inputs.qualify << 5
        d.control_i.value = control
        d.con_i.value = 0 if inputs.byte is None else 256 | inputs.byte
        valid = sum(1 << tap for tap in inputs.events)
        if valid or self.shown.events:
            d.valid_i.value = valid
        if valid:
            d.events_i.value = sum(
                packed(event, tap) << EVENT_BITS * tap for tap, event in inputs.events.items()
            )
        d.time_i.value = inputs.time
        self.shown = inputs
        await RisingEdge(d.clk_i)
        want = self.model.clock(inputs)
        seen = int(d.obs_o.value)
        time = seen >> 8 & (1 << 64) - 1
        got = Outputs(
            fire=bool(seen & 1),
            source=seen >> 1 & 7 if seen & 1 else want.source,
            step=seen >> 4 & 7 if want.time is not None else want.step,
            pulse=bool(seen >> 7 & 1),
            time=time if want.time is not None else None,
            dropped=frozenset(tap for tap in inputs.events if not seen >> 72 + tap & 1),
        )
        assert got == want, (
            f"clock {inputs.time}: {inputs}\nsequencer {got}\nmodel     {want}\n{self.model.program}"
        )
        return want

    async def run(self, *clocks: Inputs | Event | bytes | None, tap: int = 0) -> list[int]:
        """Armed clocks, one of each argument: inputs, one event of ``tap``, a byte, or nothing. Returns the
        numbers (from 0) of those in which the trigger fired."""
        fired = []
        for number, what in enumerate(clocks):
            self.time += 1
            if isinstance(what, Event):
                what = Inputs(events={tap: what})
            elif isinstance(what, bytes):
                what = Inputs(byte=what[0])
            what = what or NOTHING
            inputs = Inputs(
                what.events,
                what.byte,
                what.clear,
                not what.clear,
                what.stop,
                what.immediate,
                self.time,
                what.qualify,
            )
            if (await self.clock(inputs)).fire:
                fired.append(number)
        return fired

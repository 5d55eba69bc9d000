# SPDX-License-Identifier: Apache-2.0
"""The analyser without its firmware: a test sets its registers through register_port.sv and reads its memory."""

from __future__ import annotations

import vkbench_regs as regs  # of rtl/regs/generate.py
from cocotb.triggers import ReadOnly, RisingEdge, Timer
from wires import PERIOD_NS, Kind, Record, StatClass, Tap, Traffic, level_word, parse_records

ARM, STOP, TRIGGER, SNAPSHOT, RESET = (1 << bit for bit in range(5))
IDLE, ARMED, TRIGGERED, DONE = range(4)
STATES = regs.ANALYSER_STATUS_STATE_MASK
#: Longest wait for a state, in cycles.
PATIENCE = 20_000


class Port(Traffic):
    """Registers by their names in rtl/regs/analyser.rdl and analyser_trigger.rdl."""

    async def _access(self, name: str, write: bool, value: int) -> int:
        cpu = self.dut.u_cpu
        cpu.addr.value = getattr(regs, f"{name}_OFFSET")
        cpu.program_.value = int(name.startswith("ANALYSER_TRIGGER_"))
        cpu.write.value = int(write)
        cpu.wdata.value = value
        want = 1 - int(cpu.done_q.value)
        cpu.want.value = want
        while True:
            await RisingEdge(self.dut.clk_i)
            await ReadOnly()
            if int(cpu.done_q.value) == want:
                break
        answer = int(cpu.rdata_q.value)
        # No soft core is faster: what it starts has its effect before it asks for it.
        await Timer(4 * PERIOD_NS + 1, "ns")
        return answer

    async def write(self, **values: int) -> None:
        """Instrument registers: name=value, in this order."""
        for name, value in values.items():
            await self._access(f"ANALYSER_{name.upper()}", True, value)

    async def program(self, **values: int) -> None:
        """Registers of the trigger's program, the same."""
        for name, value in values.items():
            await self._access(f"ANALYSER_TRIGGER_{name.upper()}", True, value)

    async def read(self, name: str) -> int:
        return await self._access(f"ANALYSER_{name.upper()}", False, 0)

    async def read64(self, name: str) -> int:
        return await self.read(f"{name}_lo") | await self.read(f"{name}_hi") << 32

    async def state(self) -> int:
        return await self.read("status") & STATES

    async def arm(self, **settings: int) -> list[Record]:
        """Arms a capture; returns the two records of the initial state, which everything begins with."""
        await self.write(**settings)
        await self.write(seg_select=0, ctrl=ARM)
        assert await self.state() == ARMED
        await self.sync()
        self.expected.clear()
        self.stalls.clear()
        armed = await self.read64("seg_armed")
        await self.sync()
        return [
            Record(armed, Kind.CFG, 0, self.levels["cfg_command_i"], self.levels["cfg_command_i"]),
            Record(armed, Kind.LEVEL, 0, 0, self.word(), self.word().to_bytes(16, "little")),
        ]

    def word(self) -> int:
        return level_word(self.levels)

    async def done(self) -> None:
        for _ in range(PATIENCE // 8):
            if await self.state() == DONE:
                return
        raise AssertionError(f"not done but {await self.state()}")

    async def stop(self) -> None:
        await self.write(ctrl=STOP)
        await self.done()

    async def held(self) -> list[Record]:
        """All records in the order in which a client gets them, but read behind the analyser's back."""
        memory = self.dut.u_ring.mem
        depth, log2 = await self.read("depth"), min(await self.read("segments"), 6)
        size, result = depth >> log2, []
        for segment in range(await self.read("seg_used")):
            await self.write(seg_select=segment)
            count = await self.read("seg_count")
            rows = [memory[segment * size + row] for row in range(count)]
            records = [Record.parse(int(row.value).to_bytes(32, "little")) for row in rows]
            # The oldest one is where time goes back.
            turn = [at for at in range(1, count) if records[at].timestamp < records[at - 1].timestamp]
            assert len(turn) <= 1, f"segment {segment}: more than one oldest record"
            result += records[turn[0] :] + records[: turn[0]] if turn else records
        return result

    async def moved(self, first: int, count: int, chance: float = 1.0) -> list[Record]:
        """Records as the block mover sends them to a client that is ready with this chance."""
        dut, got = self.dut, bytearray()
        await self.write(move_first=first)
        await self.write(move_count=count)
        ready = 1
        while len(got) < 32 * count:
            await ReadOnly()
            if ready and int(dut.scpi_tx_valid_o.value):
                got.append(int(dut.scpi_tx_byte_o.value))
            await RisingEdge(dut.clk_i)
            ready = int(self.random.random() < chance)
            dut.scpi_tx_ready_i.value = ready
        dut.scpi_tx_ready_i.value = 1
        await Timer(4 * PERIOD_NS, "ns")
        assert not int(dut.scpi_tx_valid_o.value), "more bytes than were asked for"
        return parse_records(bytes(got))

    async def peek(self, index: int) -> Record:
        await self.write(peek=index)
        words = [await self.read(f"peek_data_{word}") for word in range(8)]
        return Record.parse(b"".join(word.to_bytes(4, "little") for word in words))

    async def lost(self) -> int:
        await self.write(ctrl=SNAPSHOT)
        return await self.read64("lost")

    async def statistics(self) -> dict[str, tuple[int, ...]]:
        await self.write(ctrl=SNAPSHOT)
        result = {}
        for stat in StatClass:
            await self.write(stat_select=stat)
            row = [await self.read64(f"stat_{column}") for column in ("arm", "count", "first", "last")]
            result[stat.name] = tuple(row)
        return result

    async def fire_on(self, tap: Tap, **term: int) -> None:
        """A program of one step: fire on the first event of a tap that a term of these settings matches."""
        await self.program(term_0_select=1 + tap, **{f"term_0_{name}": value for name, value in term.items()})
        await self.program(step_0_count=1, step_0_control=1 | 8 << 4)

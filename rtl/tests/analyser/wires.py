# SPDX-License-Identifier: Apache-2.0
"""The analyser's wires in a cocotb test: a SCPI client on the byte streams, and traffic on all taps together with
the records that this traffic must give."""

from __future__ import annotations

import random
import struct
import sys
from dataclasses import dataclass
from pathlib import Path

import cocotb
from cocotb.clock import Clock
from cocotb.triggers import ReadOnly, RisingEdge, Timer

sys.path.insert(0, str(Path(__file__).resolve().parents[3] / "bench/capture"))
from layout import Flag, Kind, Reset, StatClass, Tap

PERIOD_NS = 10
DOORBELL_OFFSET = 0x49C
BUILD_ID = 0x0123456789ABCDEF0011223344556677
CLOCK_HZ = 2_500_000
#: Longest answer that a test waits for, in cycles.
PATIENCE = 400_000


@dataclass(frozen=True)
class Record:
    """A capture record, decoded here and not with the bench's decoder: two readings of one layout."""

    timestamp: int
    kind: int
    flags: int = 0
    aux: int = 0
    data: int = 0
    header: bytes = bytes(16)

    @classmethod
    def parse(cls, raw: bytes) -> Record:
        return cls(*struct.unpack("<QBBHI16s", raw))


def parse_records(block: bytes) -> list[Record]:
    return [Record.parse(block[at : at + 32]) for at in range(0, len(block), 32)]


class Levels:
    """Values of the level inputs that a test changes."""

    NAMES = ("cfg_command_i", "cfg_flr_i", "cfg_flr_done_i", "perst_ni", "gate_closed_i", "gate_cause_i")
    NAMES += ("card_reset_i", "card_ready_i")

    def __init__(self):
        self.now = dict.fromkeys(self.NAMES, 0) | {"perst_ni": 1}


class Bench:
    """Clock, reset, SCPI client, traffic."""

    def __init__(self, dut, seed: int):
        self.dut = dut
        self.random = random.Random(seed)
        self.levels = Levels()
        self.time = 0
        self.expected: list[tuple[int, int, Record]] = []  # (time, tap, record)
        self.received = bytearray()
        self.client_ready = 1.0  # chance that the client takes a byte in a clock
        self.strobes: list[str] = []
        self.lab = {}
        self.lab_writes: list[tuple[int, int]] = []
        self.lab_answers = True
        dut._log.info("seed %d", seed)

    async def start(self) -> None:
        dut = self.dut
        for handle in dut:
            if handle._name.endswith("_i") and handle._name != "clk_i":
                handle.value = 0
        dut.perst_ni.value = 1
        dut.rst_ni.value = 0
        dut.clk_hz_i.value = CLOCK_HZ
        dut.build_id_i.value = BUILD_ID
        dut.scpi_tx_ready_i.value = 1
        cocotb.start_soon(Clock(dut.clk_i, PERIOD_NS, "ns").start())
        for _ in range(4):
            await RisingEdge(dut.clk_i)
        dut.rst_ni.value = 1
        cocotb.start_soon(self._client())
        cocotb.start_soon(self._lab_bus())

    # ---- SCPI client

    async def _client(self) -> None:
        dut = self.dut
        while True:
            if not dut.scpi_tx_valid_o.value:
                await RisingEdge(dut.scpi_tx_valid_o)
            await RisingEdge(dut.clk_i)
            if int(dut.scpi_tx_valid_o.value) and int(dut.scpi_tx_ready_i.value):
                self.received.append(int(dut.scpi_tx_byte_o.value))
            dut.scpi_tx_ready_i.value = int(
                self.client_ready >= 1 or self.random.random() < self.client_ready
            )
            await ReadOnly()

    async def send(self, raw: bytes) -> None:
        dut = self.dut
        for byte in raw:
            dut.scpi_rx_valid_i.value = 1
            dut.scpi_rx_byte_i.value = byte
            while True:
                await RisingEdge(dut.clk_i)
                if int(dut.scpi_rx_ready_o.value):
                    break
                dut.scpi_rx_valid_i.value = 1
        dut.scpi_rx_valid_i.value = 0

    async def _until(self, done) -> None:
        for _ in range(PATIENCE // 20):
            if done():
                return
            await Timer(20 * PERIOD_NS, "ns")
        raise AssertionError(f"no full answer; so far {bytes(self.received)!r}")

    async def query(self, text: str) -> str:
        self.received.clear()
        await self.send(text.encode() + b"\n")
        await self._until(lambda: self.received.endswith(b"\n"))
        return self.received[:-1].decode()

    async def do(self, text: str) -> None:
        """A command that must not fail."""
        answer = await self.query(f"{text};:SYST:ERR?")
        assert answer == '0,"No error"', f"{text} gave {answer}"

    async def error(self, text: str) -> int:
        """A command that answers nothing; returns its error code."""
        answer = await self.query(f"{text};:SYST:ERR?")
        return int(answer.split(",")[0])

    async def block(self, first: int, count: int) -> bytes:
        self.received.clear()
        await self.send(f"CAPT:DATA? {first},{count}\n".encode())
        await self._until(lambda: len(self.received) >= 2)
        assert self.received[:1] == b"#", bytes(self.received)
        digits = int(self.received[1:2])
        await self._until(lambda: len(self.received) >= 2 + digits)
        length = int(self.received[2 : 2 + digits])
        await self._until(lambda: len(self.received) >= 2 + digits + length + 1)
        assert len(self.received) == 2 + digits + length + 1 and self.received[-1:] == b"\n"
        return bytes(self.received[2 + digits : -1])

    async def records(self) -> list[Record]:
        count = int(await self.query("CAPT:COUN?"))
        return parse_records(await self.block(0, count))

    async def statistics(self) -> dict[str, tuple[int, ...]]:
        rows = (await self.query("STAT:ALL?")).split(";")
        return {row.split(",")[0]: tuple(map(int, row.split(",")[1:])) for row in rows}

    # ---- lab bus

    async def _lab_bus(self) -> None:
        dut = self.dut
        while True:
            await RisingEdge(dut.lab_req_o)
            await RisingEdge(dut.clk_i)
            if not self.lab_answers:
                continue
            address = int(dut.lab_addr_o.value)
            if int(dut.lab_write_o.value):
                self.lab_writes.append((address, int(dut.lab_wdata_o.value)))
                self.lab[address] = int(dut.lab_wdata_o.value)
            dut.lab_rdata_i.value = self.lab.get(address, 0)
            dut.lab_ack_i.value = 1
            await RisingEdge(dut.clk_i)
            dut.lab_ack_i.value = 0

    # ---- traffic

    async def sync(self) -> None:
        """Finds out the time; from here on ``clock`` keeps it."""
        await RisingEdge(self.dut.clk_i)
        await ReadOnly()
        self.time = int(self.dut.now_q.value)
        await Timer(1, "ns")

    async def clock(self, count: int = 1) -> None:
        """Ends the clock whose inputs were set, and starts the next one with all strobes low."""
        for _ in range(count):
            await RisingEdge(self.dut.clk_i)
            self.time += 1
            for name in self.strobes:
                getattr(self.dut, name).value = 0
            self.strobes.clear()

    def _set(self, **values: int) -> None:
        for name, value in values.items():
            getattr(self.dut, name).value = value

    def _expect(self, tap: Tap, record: Record) -> None:
        self.expected.append((self.time, tap, record))

    def tlp(self, tap: Tap, header: list[int], data: int = 0, bar: int = 0, ready: bool = True) -> None:
        """First beat of a TLP in this clock; one that is not ready, or no first beat, is no event."""
        name = tap.name.lower()
        raw = b"".join(dword.to_bytes(4, "little") for dword in header)
        values = {
            f"{name}_valid_i": 1,
            f"{name}_ready_i": int(ready),
            f"{name}_sop_i": 1,
            f"{name}_hdr_i": int.from_bytes(raw, "little"),
            f"{name}_data_i": data,
        }
        self.strobes += [f"{name}_valid_i", f"{name}_sop_i"]
        flags = 0
        if tap == Tap.CQ:
            values["cq_bar_i"] = bar
            address = header[3] if header[0] >> 29 & 1 else header[2]
            is_write = header[0] >> 30 == 1 and header[0] >> 24 & 0x1F == 0 and header[1] & 0xF
            if is_write and bar == 0 and address & 0xFFFC == DOORBELL_OFFSET:
                flags = Flag.DOORBELL
        self._set(**values)
        if ready:
            seen = data if header[0] >> 30 & 1 else 0
            self._expect(
                tap, Record(self.time, Kind[tap.name], flags, bar if tap == Tap.CQ else 0, seen, raw)
            )

    def doorbell(self, value: int) -> None:
        self.tlp(Tap.CQ, [0x40000001, 0x0000000F, 0xFE00_0000 | DOORBELL_OFFSET, 0], value)

    def console(self, byte: int) -> None:
        self._set(con_valid_i=1, con_byte_i=byte)
        self.strobes.append("con_valid_i")
        self._expect(Tap.CONSOLE, Record(self.time, Kind.CONSOLE, 0, byte))

    def msix(self, vector: int) -> None:
        self._set(msix_valid_i=1, msix_ready_i=1, msix_vector_i=vector)
        self.strobes += ["msix_valid_i", "msix_ready_i"]
        self._expect(Tap.MSIX, Record(self.time, Kind.MSIX, 0, vector))

    def level(self, **changes: int) -> None:
        """Changes level inputs from this clock on; all changes of a clock in one call."""
        before, now = dict(self.levels.now), self.levels.now
        now.update(changes)
        self._set(**changes)

        def rose(name: str) -> bool:
            return now[name] > before[name]

        if now["cfg_command_i"] != before["cfg_command_i"]:
            self._expect(
                Tap.CFG, Record(self.time, Kind.CFG, 0, now["cfg_command_i"], before["cfg_command_i"])
            )
        happened = {
            Reset.PERST_ASSERTED: now["perst_ni"] < before["perst_ni"],
            Reset.PERST_RELEASED: rose("perst_ni"),
            Reset.FLR_STARTED: rose("cfg_flr_i"),
            Reset.FLR_DONE: rose("cfg_flr_done_i"),
            Reset.CARD_RESET_STARTED: rose("card_reset_i"),
            Reset.CARD_READY: rose("card_ready_i"),
        }
        for reset, is_so in happened.items():
            if is_so:
                self._expect(Tap.RESET, Record(self.time, Kind.RESET, 0, reset))
        gate = ("gate_closed_i", "gate_cause_i")
        if any(now[name] != before[name] for name in gate):
            self._expect(Tap.GATE, Record(self.time, Kind.GATE, 0, now[gate[0]], now[gate[1]]))

    def random_tlp(self, tap: Tap) -> None:
        rng = self.random
        fmt = rng.choice((0, 1, 2, 3))
        header = [fmt << 29 | rng.getrandbits(29), rng.getrandbits(32), rng.getrandbits(32)]
        header.append(rng.getrandbits(32) if fmt & 1 else 0)
        if tap == Tap.CQ and rng.random() < 0.2:
            self.doorbell(rng.getrandbits(32))
        else:
            bar = rng.choice((0, 2, 4)) if tap == Tap.CQ else 0
            self.tlp(tap, header, rng.getrandbits(32), bar, ready=rng.random() < 0.8)

    def random_clock(self, rate: float) -> None:
        """Events on all taps in this clock, each with the given chance."""
        rng = self.random
        for tap in (Tap.CQ, Tap.CC, Tap.RQ, Tap.RC):
            if rng.random() < rate:
                self.random_tlp(tap)
        if rng.random() < rate:
            self.console(rng.getrandbits(8))
        if rng.random() < rate:
            self.msix(rng.randrange(8))
        changes = {}
        for name in Levels.NAMES:
            if rng.random() < rate / 4:
                width = {"cfg_command_i": 16, "gate_cause_i": 4}.get(name, 1)
                changes[name] = rng.getrandbits(width)
        if changes:
            self.level(**changes)

    def expected_records(self) -> list[Record]:
        """In the order of time, then of taps; within a tap as they came."""
        return [record for _, _, record in sorted(self.expected, key=lambda item: item[:2])]


def stat_classes(record: Record) -> list[StatClass]:
    """The classes that an event counts in."""
    writes = bool(record.header[3] >> 6 & 1)  # Fmt[1] of DW0: with payload
    if record.kind == Kind.CQ:
        hit = [StatClass.CQ_WR if writes else StatClass.CQ_RD]
        return hit + ([StatClass.DOORBELL] if record.flags & Flag.DOORBELL else [])
    if record.kind == Kind.RQ:
        return [StatClass.RQ_WR if writes else StatClass.RQ_RD]
    name = Kind(record.kind).name
    return [StatClass[name]] if name in StatClass.__members__ else []


def expected_statistics(records: list[Record], trigger: int | None) -> dict[str, tuple[int, ...]]:
    """(count since arm, count since trigger, first since trigger, last) of each class."""
    result = {}
    for stat in StatClass:
        times = [record.timestamp for record in records if stat in stat_classes(record)]
        later = [time for time in times if trigger is not None and time > trigger]
        result[stat.name] = (len(times), len(later), later[0] if later else 0, times[-1] if times else 0)
    return result

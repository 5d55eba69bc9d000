# SPDX-License-Identifier: Apache-2.0
"""The analyser's wires in a cocotb test: traffic on all taps together with the records that this traffic must give
without folding, and a SCPI client on the byte streams."""

from __future__ import annotations

import random
import struct
from dataclasses import dataclass

import cocotb
from cocotb.clock import Clock
from cocotb.triggers import ReadOnly, RisingEdge, Timer
from layout import LEVELS, Flag, Kind, Reset, StatClass, Tap

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


#: Level inputs, with their width. What a test finds on all of them before it starts is 0, but for PERST#.
EVENT_LEVELS = {
    "cfg_command_i": 16,
    "cfg_flr_i": 1,
    "cfg_flr_done_i": 1,
    "perst_ni": 1,
    "gate_closed_i": 1,
    "gate_cause_i": 5,
    "card_reset_i": 1,
    "card_ready_i": 1,
}
#: Input of a slow level: (lowest bit in the LEVEL word, width).
SLOW_LEVELS = {
    ("input_i" if name == "inputs" else f"link_{name}_i" if name == "ltssm" else f"{name}_i"): (lsb, width)
    for name, lsb, width in LEVELS
    if not name.startswith(("stall_", "no_credit_", "core_hung"))
} | {"no_credit_i": (23, 3)}
TLP_TAPS = (Tap.CQ, Tap.CC, Tap.RQ, Tap.RC)


def level_word(values: dict[str, int]) -> int:
    return sum(values[name] << lsb for name, (lsb, _) in SLOW_LEVELS.items())


class Traffic:
    """Clock, reset, and traffic on the taps. ``core_idle_i`` is high, so that no core hangs."""

    def __init__(self, dut, seed: int):
        self.dut = dut
        self.random = random.Random(seed)
        self.levels = dict.fromkeys((*EVENT_LEVELS, *SLOW_LEVELS), 0) | {"perst_ni": 1}
        self.time = 0
        self.expected: list[tuple[int, int, Record]] = []  # (time, tap, record)
        self.stalls: list[tuple[int, StatClass]] = []  # clocks in which a request waited
        self.strobes: list[str] = []
        dut._log.info("seed %d", seed)

    async def start(self, reset: bool = True) -> None:
        """Quiet inputs and a clock; without ``reset`` the analyser goes on as a test before has left it."""
        dut = self.dut
        for handle in dut:
            if handle._name.endswith("_i") and handle._name != "clk_i":
                handle.value = 0
        dut.perst_ni.value = 1
        dut.core_idle_i.value = 1
        dut.rst_ni.value = int(not reset)
        dut.clk_hz_i.value = CLOCK_HZ
        dut.build_id_i.value = BUILD_ID
        dut.scpi_tx_ready_i.value = 1
        cocotb.start_soon(Clock(dut.clk_i, PERIOD_NS, "ns").start())
        for _ in range(4):
            await RisingEdge(dut.clk_i)
        dut.rst_ni.value = 1

    async def sync(self) -> None:
        """Finds out the time; from here on ``clock`` keeps it."""
        await RisingEdge(self.dut.clk_i)
        await ReadOnly()
        self.time = int(self.dut.now_q.value)
        await Timer(1, "ns")

    async def clock(self, count: int = 1) -> None:
        """Ends the clock whose inputs were set, and starts the next one with all strobes low; then more clocks."""
        await RisingEdge(self.dut.clk_i)
        for name in self.strobes:
            getattr(self.dut, name).value = 0
        self.strobes.clear()
        if count > 1:
            await Timer((2 * count - 3) * PERIOD_NS // 2, "ns")
            await RisingEdge(self.dut.clk_i)
        self.time += count

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
        if not ready and tap in (Tap.CQ, Tap.RQ):
            self.stalls.append((self.time, StatClass[f"{tap.name}_STALL"]))
        if ready:
            seen = data if header[0] >> 30 & 1 else 0
            self._expect(
                tap, Record(self.time, Kind[tap.name], flags, bar << 13 if tap == Tap.CQ else 0, seen, raw)
            )

    def doorbell(self, value: int) -> None:
        self.tlp(Tap.CQ, [0x40000001, 0x0000000F, 0xFE00_0000 | DOORBELL_OFFSET, 0], value)

    def console(self, byte: int, error: bool = False) -> None:
        self._set(con_valid_i=1, con_byte_i=byte, con_error_i=int(error))
        self.strobes.append("con_valid_i")
        self._expect(Tap.CONSOLE, Record(self.time, Kind.CONSOLE, Flag.ERROR if error else 0, byte))

    def config_access(self, register: int, data: int, enables: int | None = None) -> None:
        """Read of a configuration register (byte address), or a write of the bytes in ``enables``."""
        self._set(
            cfg_acc_valid_i=1,
            cfg_acc_write_i=int(enables is not None),
            cfg_acc_addr_i=register >> 2,
            cfg_acc_be_i=self.random.getrandbits(4) if enables is None else enables,
            cfg_acc_data_i=data,
        )
        self.strobes.append("cfg_acc_valid_i")
        self._expect(Tap.CONFIG, Record(self.time, Kind.CONFIG, 0, register | (enables or 0) << 12, data))

    def msix(self, vector: int) -> None:
        self._set(msix_valid_i=1, msix_ready_i=1, msix_vector_i=vector)
        self.strobes += ["msix_valid_i", "msix_ready_i"]
        self._expect(Tap.MSIX, Record(self.time, Kind.MSIX, 0, vector))

    def level(self, **changes: int) -> None:
        """Changes level inputs from this clock on; all changes of a clock in one call."""
        before, now = dict(self.levels), self.levels
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
        word, old = level_word(now), level_word(before)
        if word != old:
            header = old.to_bytes(16, "little")
            self._expect(Tap.LEVEL, Record(self.time, Kind.LEVEL, 0, 0, word, header))

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
        for tap in TLP_TAPS:
            if self.random.random() < rate:
                self.random_tlp(tap)
        self.random_clock_of_others(rate)

    def random_clock_of_others(self, rate: float) -> None:
        """The same without TLPs."""
        rng = self.random
        if rng.random() < rate:
            self.console(rng.getrandbits(8), rng.random() < 0.1)
        if rng.random() < rate:
            enables = rng.choice((None, 1, 3, 12, 15))
            self.config_access(rng.randrange(0, 4096, 4), rng.getrandbits(32), enables)
        if rng.random() < rate:
            self.msix(rng.randrange(8))
        changes = {}
        for name, width in EVENT_LEVELS.items():
            if rng.random() < rate / 4:
                changes[name] = rng.getrandbits(width)
        for name, (_, width) in SLOW_LEVELS.items():
            if rng.random() < rate / 16:
                changes[name] = rng.getrandbits(width)
        if changes:
            self.level(**changes)

    def expected_records(self) -> list[Record]:
        """In the order of time, then of taps; within a tap as they came."""
        return [record for _, _, record in sorted(self.expected, key=lambda item: item[:2])]


class Bench(Traffic):
    """An analyser with its firmware: a SCPI client and the lab bus beside the traffic."""

    def __init__(self, dut, seed: int):
        super().__init__(dut, seed)
        self.received = bytearray()
        self.client_ready = 1.0  # chance that the client takes a byte in a clock
        self.lab = {}
        self.lab_writes: list[tuple[int, int]] = []
        self.lab_answers = True

    async def start(self, reset: bool = True) -> None:
        await super().start(reset)
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
                await RisingEdge(
                    dut.scpi_rx_ready_o
                )  # the firmware takes its time: no need to look at every clock
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


def stat_classes(record: Record) -> list[StatClass]:
    """The classes that an event counts in."""
    writes = bool(record.header[3] >> 6 & 1)  # Fmt[1] of DW0: with payload
    if record.kind == Kind.CQ:
        hit = [StatClass.CQ_WR if writes else StatClass.CQ_RD]
        return hit + ([StatClass.DOORBELL] if record.flags & Flag.DOORBELL else [])
    if record.kind == Kind.RQ:
        return [StatClass.RQ_WR if writes else StatClass.RQ_RD]
    name = Kind(record.kind).name
    hit = [StatClass[name]] if name in StatClass.__members__ else []
    if record.kind in (Kind.CC, Kind.RC) and record.header[5] >> 5:  # status: DW1[15:13]
        hit.append(StatClass.CPL_ERROR)
    return hit


def expected_statistics(
    records: list[Record], stalls: list[tuple[int, StatClass]], trigger: int | None
) -> dict[str, tuple[int, ...]]:
    """(count since arm, count since trigger, first since trigger, last) of each class."""
    result = {}
    for stat in StatClass:
        times = [record.timestamp for record in records for hit in stat_classes(record) if hit == stat]
        times += [time for time, hit in stalls if hit == stat]
        later = [time for time in times if trigger is not None and time > trigger]
        result[stat.name] = (len(times), len(later), later[0] if later else 0, times[-1] if times else 0)
    return result

# SPDX-License-Identifier: Apache-2.0
"""Stands in for the core on its side of the adapter (usp_tb.sv): sends and receives whole TLPs, with pauses,
and checks the framing of what comes in."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import cocotb
from cocotb.triggers import Event, RisingEdge
from cocotbext.pcie.core.tlp import Tlp
from common import pauses
from common.tlps import BEAT_BYTES, beats


@dataclass
class Arrived:
    """A TLP that the adapter delivered."""

    hdr: int
    data: bytes  # whole beats
    bar: int
    start: int  # clock
    end: int

    @property
    def poisoned(self) -> bool:
        return bool(self.hdr >> 14 & 1)

    @property
    def tag(self) -> int:
        """Of a completion."""
        return self.hdr >> 72 & 0xFF


@dataclass
class Output:
    """Beats waiting to be sent on cc or rq. ``shift`` is the bit of the ready signal in obs_o."""

    name: str
    shift: int
    pause: Iterator[bool] = field(default_factory=pauses.never)
    queue: deque = field(default_factory=deque)
    offered: bool = False


@dataclass
class Input:
    """What arrives on cq or rc; ``shift`` is the bit of valid in obs_o, sop and eop follow."""

    name: str
    shift: int
    pause: Iterator[bool] = field(default_factory=pauses.never)
    ready: bool = True
    open: list = field(default_factory=list)
    arrived: list[Arrived] = field(default_factory=list)
    on_arrival: Callable[[Arrived], None] | None = None


class StubCore:
    def __init__(self, dut):
        self.dut = dut
        self.cycle = self.obs = 0
        self.cc, self.rq = Output("cc", 7), Output("rq", 8)
        self.cq, self.rc = Input("cq", 1), Input("rc", 9)
        self.edge = Event()
        for name in [
            "cc_valid_i",
            "cc_sop_i",
            "cc_eop_i",
            "cc_hdr_i",
            "cc_data_i",
            "rq_valid_i",
            "rq_sop_i",
            "rq_eop_i",
            "rq_hdr_i",
            "rq_data_i",
            "cfg_flr_done_i",
            "msix_valid_i",
            "msix_vector_i",
            "gate_closed_i",
        ]:
            getattr(dut, name).value = 0
        dut.cq_ready_i.value = dut.rc_ready_i.value = 1
        cocotb.start_soon(self._run())

    def send(self, output: Output, tlp: Tlp) -> None:
        output.queue.extend(beats(tlp))

    async def _run(self) -> None:
        edge = RisingEdge(self.dut.clk_i)
        while True:
            await edge
            self.cycle += 1
            self.obs = int(self.dut.obs_o.value)
            for stream in (self.cc, self.rq):
                self._send(stream)
            for stream in (self.cq, self.rc):
                self._receive(stream)
            self.edge.set()
            self.edge.clear()

    def _send(self, s: Output) -> None:
        d = self.dut
        valid = getattr(d, f"{s.name}_valid_i")
        if s.offered:
            if not self.obs >> s.shift & 1:
                return
            s.queue.popleft()
            s.offered = False
            if not s.queue:
                valid.value = 0
        if not s.queue:
            return
        s.offered = not next(s.pause)
        valid.value = s.offered
        if s.offered:
            beat = s.queue[0]
            for signal in ("sop", "eop", "hdr", "data"):
                getattr(d, f"{s.name}_{signal}_i").value = int(getattr(beat, signal))

    def _receive(self, s: Input) -> None:
        d = self.dut
        bits = self.obs >> s.shift
        if bits & 1 and s.ready:
            sop, eop = bits >> 1 & 1, bits >> 2 & 1
            assert sop == (not s.open), f"{s.name}: TLP cut or merged in clock {self.cycle}"
            hdr = int(getattr(d, f"{s.name}_hdr_o").value) if sop else 0
            s.open.append((self.cycle, hdr, int(getattr(d, f"{s.name}_data_o").value)))
            if eop:
                data = b"".join(beat.to_bytes(BEAT_BYTES, "little") for _, _, beat in s.open)
                bar = bits >> 3 & 7 if s is self.cq else 0
                packet = Arrived(s.open[0][1], data, bar, s.open[0][0], self.cycle)
                length = packet.hdr & 0x3FF or 1024
                want = -(-length // 8) if packet.hdr >> 30 & 1 else 1
                assert len(s.open) == want, f"{s.name}: {len(s.open)} beats, the header says {want}"
                s.open = []
                s.arrived.append(packet)
                if s.on_arrival:
                    s.on_arrival(packet)
        ready = not next(s.pause)
        if ready != s.ready:
            s.ready = ready
            getattr(d, f"{s.name}_ready_i").value = ready

    async def clocks(self, count: int) -> None:
        for _ in range(count):
            await self.edge.wait()

    async def until(self, condition: Callable[[], bool], timeout: int = 20_000) -> None:
        for _ in range(timeout):
            if condition():
                return
            await self.edge.wait()
        raise AssertionError(f"still waiting after {timeout} clocks")

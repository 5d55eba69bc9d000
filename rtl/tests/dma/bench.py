# SPDX-License-Identifier: Apache-2.0
"""Test bench of vk_dma behind its gate: one coroutine does everything once per clock, with as few accesses to
the simulator as can be."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from pathlib import Path
from random import Random

import cocotb
from cocotb.clock import Clock
from cocotb.triggers import Event, RisingEdge
from common import pauses

from dma.host import Completion, Host, Memory, Request

STORE_BYTES = 1 << 16
OK, UR, CA, CRS, POISONED, MALFORMED, TIMEOUT, ABORTED, BAD = range(9)
AWAKE = 1 << 26  # of obs_o: the engine's clock runs
TIMEOUT_CLOCKS = 100 * 64  # of the wrapper


@dataclass
class Descriptor:
    host: int
    store: int
    count: int
    accepted: int = 0  # clock
    done: int = 0
    code: int | None = None


class Channel:
    """Descriptors of one direction: waiting, open and done."""

    def __init__(self, name: str, pins, pause):
        self.name, self.pins, self.pause = name, pins, pause
        self.waiting: deque[Descriptor] = deque()
        self.open: deque[Descriptor] = deque()
        self.shown = False

    def step(self, now: int, ready: int, done: int, code: int) -> None:
        if done:
            assert self.open, f"{self.name}: done without a descriptor in clock {now}"
            descriptor = self.open.popleft()
            descriptor.done, descriptor.code = now, code
        if self.shown and ready:
            descriptor = self.waiting.popleft()
            descriptor.accepted = now
            self.open.append(descriptor)
            self.shown = False
            if not self.waiting:
                self.pins[0].value = 0
                return
        if self.waiting and not self.shown and not next(self.pause):
            descriptor = self.waiting[0]
            valid, host, store, count = self.pins
            valid.value, host.value, store.value, count.value = (
                1,
                descriptor.host,
                descriptor.store,
                descriptor.count,
            )
            self.shown = True
        elif not self.shown and self.pins[0].value == 1:
            self.pins[0].value = 0

    def drop(self) -> None:
        self.waiting.clear()
        self.open.clear()
        self.shown = False
        self.pins[0].value = 0


class DmaBench:
    """``dut`` is vk_dma_tb.sv; ``cycle`` counts clocks."""

    def __init__(self, dut, rng: Random):
        self.dut, self.rng = dut, rng
        self.memory = Memory(rng)
        self.host = Host(self.memory, rng)
        self.cycle = self.obs = 0
        self.mps = self.mrrs = 0
        self.requests: list[Request] = []
        self.keep_requests = True
        self.starts: deque[int] = deque(maxlen=64)  # clocks in which first beats were first on the link
        self.rq_pause, self.rc_pause = pauses.never(), pauses.never()
        self.rq_ready, self.stood = True, False
        self.beats: list[int] = []
        self.header = 0
        self.sending: Completion | None = None
        self.beat = 0
        self.offered = False
        self.counts = [0, 0, 0]  # traffic reads: ok, error, timeout
        self.awake = 0
        self.digest = 0  # of all outputs: equal for two models that behave the same
        self.edge = Event()
        d = dut
        self.rd = Channel("rd", (d.rd_valid_i, d.rd_host_i, d.rd_store_i, d.rd_bytes_i), pauses.never())
        self.wr = Channel("wr", (d.wr_valid_i, d.wr_host_i, d.wr_store_i, d.wr_bytes_i), pauses.never())

    async def start(self) -> DmaBench:
        d = self.dut
        for handle in d:
            if handle._name.endswith("_i") or handle._name == "rst_ni":
                handle.value = 0
        self.set(mps=1, mrrs=2, ext=1, rcb=64, fill=0)
        d.bme_i.value = d.rq_ready_i.value = 1
        cocotb.start_soon(Clock(d.clk_i, 4, unit="ns").start())
        for _ in range(3):
            await RisingEdge(d.clk_i)
        d.rst_ni.value = d.ready_i.value = 1
        for _ in range(2):
            await RisingEdge(d.clk_i)
        d.ready_i.value = 0
        cocotb.start_soon(self._run())
        return self

    def set(self, mps=None, mrrs=None, ext=None, rcb=None, fill=None) -> None:
        """Settings of the link; only while nothing is on its way."""
        d = self.dut
        if mps is not None:
            d.mps_i.value, self.mps = mps, 128 << mps
        if mrrs is not None:
            d.mrrs_i.value, self.mrrs = mrrs, 128 << mrrs
        if ext is not None:
            d.ext_tag_i.value, self.tags = ext, 256 if ext else 32
        if rcb is not None:
            d.rcb_i.value, self.host.rcb = rcb == 128, rcb
        if fill is not None:
            d.fill_i.value = fill

    async def _run(self) -> None:
        d = self.dut
        edge, obs = RisingEdge(d.clk_i), d.obs_o
        while True:
            await edge
            self.cycle += 1
            o = self.obs = int(obs.value)
            self.digest = hash((self.digest, o & ~AWAKE))
            if o & 1:
                self._request_beat(o)
            else:
                self.stood = False
            if self.rd.waiting or self.rd.open:
                self.rd.step(self.cycle, o >> 4 & 1, o >> 7 & 1, o >> 8 & 15)
            else:
                assert not o >> 7 & 1, "rd: done without a descriptor"
            if self.wr.waiting or self.wr.open:
                self.wr.step(self.cycle, o >> 5 & 1, o >> 12 & 1, o >> 13 & 15)
            else:
                assert not o >> 12 & 1, "wr: done without a descriptor"
            if o & 7 << 21:
                for i in range(3):
                    self.counts[i] += o >> 21 + i & 1
            self.awake += bool(o & AWAKE)
            if self.offered or self.host.queues or self.sending:
                self._completions(o >> 3 & 1)
            ready = not next(self.rq_pause)
            if ready != self.rq_ready:
                self.rq_ready = ready
                d.rq_ready_i.value = ready
            self.edge.set()
            self.edge.clear()

    def _request_beat(self, o: int) -> None:
        sop = o >> 1 & 1
        if sop and not self.stood:
            self.starts.append(self.cycle)
        self.stood = not self.rq_ready
        if not self.rq_ready:
            return
        assert bool(sop) == (not self.beats), f"TLP cut or merged in clock {self.cycle}"
        value = int(self.dut.rq_o.value)
        self.digest ^= hash(value)
        if sop:
            self.header = value >> 256
        self.beats.append(value & (1 << 256) - 1)
        if not o >> 2 & 1:
            return
        request = Request.parse(self.header, self.beats, self.cycle)
        self.beats = []
        limit = self.mps if request.write else self.mrrs
        assert request.dwords * 4 <= limit or not request.write, f"{request.dwords} DW, MPS {limit}"
        assert request.count <= limit, f"{request.count} bytes, limit {limit}"
        assert request.tag < self.tags
        if self.keep_requests:
            self.requests.append(request)
        if request.write:
            self.memory.write(request.address, request.data)
        else:
            self.host.answer(request, self.cycle)

    def _completions(self, ready: int) -> None:
        if self.offered:
            if not ready:
                return
            self.beat += 1
            self.offered = False
            if self.beat == len(self.sending.beats):
                self.host.taken(self.sending)
                self.sending = None
        if next(self.rc_pause):
            self.dut.rc_i.value = 0
            return
        if self.sending is None:
            self.sending, self.beat = self.host.next(self.cycle), 0
        if self.sending is None:
            self.dut.rc_i.value = 0
            return
        self.dut.rc_i.value = self.sending.beats[self.beat]
        self.offered = True

    def sign(self, name: str) -> None:
        """Leaves the digest in the simulation's folder, for a comparison with that of another model."""
        Path(f"{name}.digest").write_text(f"{self.cycle} {self.digest}\n")

    # -- waiting ---------------------------------------------------------------------------------------------

    async def clocks(self, count: int) -> None:
        for _ in range(count):
            await self.edge.wait()

    async def until(self, condition, timeout: int) -> None:
        for _ in range(timeout):
            if condition():
                return
            await self.edge.wait()
        raise AssertionError(f"still waiting after {timeout} clocks")

    @property
    def quiet(self) -> bool:
        """No descriptor is open and nothing on its way, in the gate neither."""
        channels = (self.rd, self.wr)
        if not self.obs >> 20 & 1:
            return False
        return not (any(c.waiting or c.open for c in channels) or self.host.queues or self.sending)

    def read(self, host: int, store: int, count: int) -> Descriptor:
        """Queues a descriptor from host to store."""
        self.rd.waiting.append(Descriptor(host, store, count))
        return self.rd.waiting[-1]

    def write(self, host: int, store: int, count: int) -> Descriptor:
        """Queues a descriptor from store to host."""
        self.wr.waiting.append(Descriptor(host, store, count))
        return self.wr.waiting[-1]

    async def drained(self, timeout: int = 200_000) -> None:
        await self.until(lambda: self.quiet, timeout)

    async def load(self, data: bytes, store: int = 0) -> None:
        """Fills the store by DMA."""
        self.memory.write(0x7000_0000, data)
        descriptor = self.read(0x7000_0000, store, len(data))
        await self.drained()
        assert descriptor.code == OK

    async def dump(self, count: int = STORE_BYTES, store: int = 0) -> bytes:
        """What is in the store, by DMA."""
        descriptor = self.write(0x7800_0000, store, count)
        await self.drained()
        assert descriptor.code == OK
        return self.memory.read(0x7800_0000, count)

    async def peek(self, address: int) -> bytes:
        """A dword of the store as the soft core reads it."""
        self.dut.mem_raddr_i.value, self.dut.mem_read_i.value = address, 1
        await self.edge.wait()
        await self.until(lambda: self.obs >> 18 & 1, 20)
        self.dut.mem_read_i.value = 0
        return int(self.dut.mem_rdata_o.value).to_bytes(4, "little")

    def clearing(self) -> None:
        """The clock after the doorbell: clear begins, and the descriptors are gone."""
        self.dut.doorbell_i.value, self.dut.clear_i.value = 0, 1
        for channel in (self.rd, self.wr):
            channel.drop()

    async def clear(self, clocks: int = 6) -> None:
        """A card reset, as vk_reset does it: doorbell, a clock later clear, and ready again."""
        d = self.dut
        d.doorbell_i.value = 1
        await self.edge.wait()
        self.clearing()
        await self.clocks(clocks)
        d.clear_i.value, d.ready_i.value = 0, 1
        await self.edge.wait()
        d.ready_i.value = 0

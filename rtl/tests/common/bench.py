# SPDX-License-Identifier: Apache-2.0
"""Test bench of the endpoint's streams: drives CQ and RC, receives CC, RQ and MSI-X, pauses each at will.

One coroutine does all of it once per clock, and reads all one-bit outputs as one vector (``obs_o`` of the
wrapper): under cocotb the number of Python calls per clock decides the speed.
"""

from __future__ import annotations

import os
from collections import deque
from dataclasses import dataclass, field
from random import Random

import cocotb
import vkbench_regs as regs
from cocotb.clock import Clock
from cocotb.triggers import Event, First, RisingEdge, Timer
from cocotb.utils import get_sim_time
from cocotbext.pcie.core.tlp import CplStatus, Tlp

from common import pauses
from common.tlps import BEAT_BYTES, CARD, Beat, beats, header_tlp, memory_request

COMMAND_MEM, COMMAND_BME = 2, 4
#: Where the test host has placed the BARs: below and above 4 GiB, so both header sizes occur.
BAR_BASE = {0: 0xFE00_0000, 2: 0x20_0020_0000, 4: 0xFE02_0000}
#: Outputs whose changes are kept, and their bits of ``obs_o``.
LEVELS = {"closed": 9, "reset": 15, "ready": 16, "traffic": 22, "read": 23, "write": 24, "draining": 25}
LEVELS |= {"trap": 26, "idle": 27}
CLOCK_NS = 4
CLOCK_HZ = 100_000  # the rate that the card is told: 100 us are then 10 clocks, which keeps resets short


@dataclass
class Packet:
    """A TLP received from the card."""

    tlp: Tlp
    hdr: int
    offered: int  # clock in which its first beat was first valid
    start: int  # clock in which its first beat was accepted
    end: int


@dataclass
class Receiver:
    """Collects beats of one stream into packets and checks their framing."""

    name: str
    packets: list[Packet] = field(default_factory=list)
    pause: object = None
    ready: bool = True
    offered: int | None = None
    beats: list[tuple[int, int, int]] = field(default_factory=list)  # cycle, hdr, data

    def step(self, cycle: int, valid: int, sop: int, eop: int, hdr, data) -> Packet | None:
        if valid and sop and self.offered is None:
            self.offered = cycle
        if not (valid and self.ready):
            return None
        assert bool(sop) == (not self.beats), f"{self.name}: TLP cut or merged in clock {cycle}"
        self.beats.append((cycle, int(hdr.value) if sop else 0, int(data.value)))
        if not eop:
            return None
        first = self.beats[0]
        payload = b"".join(d.to_bytes(BEAT_BYTES, "little") for _, _, d in self.beats)
        tlp = header_tlp(first[1], payload)
        want = max(1, -(-tlp.length // 8)) if tlp.has_data() else 1
        assert len(self.beats) == want, f"{self.name}: {len(self.beats)} beats, the header says {want}"
        assert tlp.check(), f"{self.name}: malformed {tlp!r}"
        packet = Packet(tlp, first[1], self.offered, first[0], cycle)
        self.packets.append(packet)
        self.beats, self.offered = [], None
        return packet


@dataclass
class Sender:
    """Beats waiting to be sent on one stream, and when each TLP's first beat was accepted."""

    queue: deque[tuple[Beat, list | None]] = field(default_factory=deque)
    driving: bool = False  # a beat is offered and not yet accepted
    shown: bool = False  # the valid pin is high
    pause: object = None


class VkBench:
    """``dut`` is rtl/tests/vk/vk_core_tb.sv. ``cycle`` counts clocks since start()."""

    def __init__(self, dut, rng: Random | None = None, clock_hz: int = CLOCK_HZ):
        self.dut, self.clock_hz = dut, clock_hz
        self.rng = rng or Random(0)
        self.cycle = 0
        self.obs = 0
        self.cq, self.rc = Sender(pause=pauses.never()), Sender(pause=pauses.never())
        self.cc, self.rq = Receiver("CC", pause=pauses.never()), Receiver("RQ", pause=pauses.never())
        self.msix_pause, self.msix_ready = pauses.never(), True
        self.interrupts: list[tuple[int, int]] = []  # cycle, vector
        self.levels: dict[str, list[tuple[int, int]]] = {name: [] for name in LEVELS}
        self.on_request = None  # called with each request Packet that the card sends
        self.on_completion = None  # the same for completions; without it they answer read_tlp()
        self.tags: dict[int, object] = {}
        self.edge = Event()
        self.asleep = 0  # clocks that may pass unseen

    # -- set-up ---------------------------------------------------------------------------------------------

    async def start(self, command: int = COMMAND_MEM | COMMAND_BME, mps: int = 1, mrrs: int = 2) -> VkBench:
        d = self.dut
        for name in ("cq_valid_i", "rc_valid_i", "lab_req_i", "cfg_flr_i", "rst_ni"):
            getattr(d, name).value = 0
        for name in (
            "cq_sop_i",
            "cq_eop_i",
            "cq_hdr_i",
            "cq_bar_i",
            "cq_data_i",
            "rc_sop_i",
            "rc_eop_i",
            "rc_hdr_i",
        ):
            getattr(d, name).value = 0
        d.rc_data_i.value = d.lab_write_i.value = d.lab_addr_i.value = d.lab_wdata_i.value = 0
        d.perst_ni.value = d.cc_ready_i.value = d.rq_ready_i.value = d.msix_ready_i.value = 1
        d.clk_hz_i.value = self.clock_hz
        d.cfg_command_i.value, d.cfg_mps_i.value, d.cfg_mrrs_i.value = command, mps, mrrs
        d.cfg_bdf_i.value, d.cfg_ext_tag_i.value, d.cfg_rcb_i.value = int(CARD), 1, 0
        cocotb.start_soon(Clock(d.clk_i, CLOCK_NS, unit="ns").start())
        for _ in range(3):
            await RisingEdge(d.clk_i)
        d.rst_ni.value = 1
        cocotb.start_soon(self._run())
        # A seeded defect, of a test build (rtl/tests/mutants.py).
        if fault := os.environ.get("VKBENCH_FAULT"):
            await self.lab(regs.VK_LAB_FAULT_OFFSET, int(fault, 0))
        return self

    async def started(self) -> VkBench:
        """start(), then wait for the card to be ready."""
        await self.start()
        await self.booted()
        return self

    async def booted(self, timeout: int = 12_000) -> None:
        """Waits until the card is ready and shows valid queues. As long as the card is silent this does not
        look at every clock."""
        await self.until(lambda: not (self.cq.queue or self.rc.queue or self.tags), 2000)
        end = self.cycle + timeout
        while not self.ready:
            assert self.cycle < end, f"not ready after {timeout} clocks"
            await self.sleep(timeout)
        while await self.read(2, 0x60C0) != 0xBEEFCAFE:
            assert self.cycle < end, f"queues not valid after {timeout} clocks"

    # -- one clock -------------------------------------------------------------------------------------------

    async def _run(self) -> None:
        d = self.dut
        edge = RisingEdge(d.clk_i)
        obs = d.obs_o
        wakers = (RisingEdge(d.busy_o), RisingEdge(d.ready_o))
        while True:
            if self.asleep > 1 and not int(d.busy_o.value):
                before = get_sim_time("ns")
                # Not on an edge of the clock, so that it is clear which one comes next.
                await First(*wakers, Timer(self.asleep * CLOCK_NS - CLOCK_NS // 2, "ns"))
                self.cycle += int(get_sim_time("ns") - before) // CLOCK_NS
            self.asleep = 0
            await edge
            self.cycle += 1
            self._sample(int(obs.value))
            self._drive()
            self.edge.set()
            self.edge.clear()

    def _sample(self, o: int) -> None:
        d, now = self.dut, self.cycle
        changed, self.obs = self.obs ^ o, o
        if self.cq.driving and o & 1:
            self._accepted(self.cq)
        if self.rc.driving and o >> 19 & 1:
            self._accepted(self.rc)
        if o & 2:
            packet = self.cc.step(now, 1, o >> 20 & 1, o >> 21 & 1, d.cc_hdr_o, d.cc_data_o)
            if packet and self.on_completion:
                self.on_completion(packet)
            elif packet:
                assert packet.tlp.tag in self.tags, (
                    f"completion for tag {packet.tlp.tag} that nobody waits for"
                )
                waiter = self.tags.pop(packet.tlp.tag)
                waiter.packet = packet
                waiter.set()
        if o & 4:
            packet = self.rq.step(now, 1, o >> 3 & 1, o >> 4 & 1, d.rq_hdr_o, d.rq_data_o)
            if packet and self.on_request:
                self.on_request(packet)
        if o & 32 and self.msix_ready:
            self.interrupts.append((now, o >> 6 & 7))
        if o >> 17 & 1:
            assert not (o & 4 or self.rq.beats), (
                f"FLR may end, says the card, with a request going out in {now}"
            )
        for name, bit in LEVELS.items():
            if changed >> bit & 1:
                self.levels[name].append((now, o >> bit & 1))

    def _accepted(self, sender: Sender) -> None:
        beat, log = sender.queue.popleft()
        sender.driving = False
        if beat.sop and log is not None:
            log.append(self.cycle)

    def _drive(self) -> None:
        d = self.dut
        self._offer(self.cq, d.cq_valid_i, d.cq_sop_i, d.cq_eop_i, d.cq_hdr_i, d.cq_data_i, d.cq_bar_i)
        self._offer(self.rc, d.rc_valid_i, d.rc_sop_i, d.rc_eop_i, d.rc_hdr_i, d.rc_data_i, None)
        for receiver, pin in ((self.cc, d.cc_ready_i), (self.rq, d.rq_ready_i)):
            ready = not next(receiver.pause)
            if ready != receiver.ready:
                receiver.ready = ready
                pin.value = ready
        ready = not next(self.msix_pause)
        if ready != self.msix_ready:
            self.msix_ready = ready
            d.msix_ready_i.value = ready

    @staticmethod
    def _offer(sender: Sender, valid, sop, eop, hdr, data, bar) -> None:
        if sender.driving:
            return
        if not sender.queue or next(sender.pause):
            if sender.shown:
                valid.value = 0
                sender.shown = False
            return
        beat = sender.queue[0][0]
        valid.value, sop.value, eop.value, hdr.value, data.value = 1, beat.sop, beat.eop, beat.hdr, beat.data
        if bar is not None:
            bar.value = beat.bar
        sender.driving = sender.shown = True

    # -- waiting ---------------------------------------------------------------------------------------------

    async def clocks(self, count: int) -> None:
        for _ in range(count):
            await self.edge.wait()

    async def sleep(self, count: int) -> None:
        """Lets up to ``count`` clocks pass without looking at each; ends early when the card sends something or
        becomes ready."""
        self.asleep = count
        await self.edge.wait()

    async def idle(self, count: int) -> None:
        """``clocks()`` for long silences."""
        end = self.cycle + count
        while self.cycle < end:
            await self.sleep(end - self.cycle)

    async def until(self, condition, timeout: int) -> None:
        """Waits for ``condition()``; fails after ``timeout`` clocks."""
        for _ in range(timeout):
            if condition():
                return
            await self.edge.wait()
        raise AssertionError(f"still waiting after {timeout} clocks")

    @property
    def ready(self) -> bool:
        return bool(self.obs >> 16 & 1)

    @property
    def gate_closed(self) -> bool:
        return bool(self.obs >> 9 & 1)

    @property
    def gate_cause(self) -> int:
        return self.obs >> 10 & 31

    # -- the host's side -------------------------------------------------------------------------------------

    def post(self, beat_list: list[Beat]) -> list[int]:
        """Queues a request without waiting; the returned list gets the clock of its acceptance."""
        log: list[int] = []
        self.cq.queue.extend((beat, log) for beat in beat_list)
        return log

    async def nonposted(self, beat_list: list[Beat], tag: int, timeout: int = 2000) -> Packet:
        waiter = Event()
        waiter.packet = None
        assert tag not in self.tags
        self.tags[tag] = waiter
        self.post(beat_list)
        await self.until(lambda: waiter.packet is not None, timeout)
        return waiter.packet

    def free_tag(self) -> int:
        while (tag := self.rng.randrange(256)) in self.tags:
            pass
        return tag

    def write(self, bar: int, offset: int, data: bytes | int, **fields) -> list[int]:
        """Posts an MWr to BAR index ``bar``; an int is written as a dword."""
        if isinstance(data, int):
            data = data.to_bytes(4, "little")
        return self.post(beats(memory_request(True, BAR_BASE[bar] + offset, len(data), data, **fields), bar))

    async def read_tlp(self, bar: int, offset: int, length: int, **fields) -> Tlp:
        """The completion of an MRd."""
        tag = fields.pop("tag", None)
        tag = self.free_tag() if tag is None else tag
        request = memory_request(False, BAR_BASE[bar] + offset, length, tag=tag, **fields)
        return (await self.nonposted(beats(request, bar), tag)).tlp

    async def read(self, bar: int, offset: int, length: int = 4) -> int:
        """Reads ``length`` bytes as a little-endian number; checks the completion's header."""
        cpl = await self.read_tlp(bar, offset, length)
        assert cpl.status == CplStatus.SC, f"read of BAR {bar} + {offset:#x}: {cpl.status!r}"
        assert cpl.byte_count == length and cpl.lower_address == offset & 0x7F, repr(cpl)
        shift = offset & 3
        return int.from_bytes(cpl.data[shift : shift + length], "little")

    async def drained(self) -> None:
        """All queued requests are accepted and carried out."""
        await self.until(lambda: not self.cq.queue, 100_000)
        await self.read(0, 0x404)

    def complete(self, tlp: Tlp) -> None:
        """Queues a completion for the card."""
        self.rc.queue.extend((beat, None) for beat in beats(tlp))

    # -- the lab's side --------------------------------------------------------------------------------------

    async def lab(self, offset: int, value: int | None = None) -> int:
        """One access on the lab bus: writes ``value`` if given."""
        d = self.dut
        await self.edge.wait()  # the caller may stand anywhere in a clock; the bus changes behind its edge
        d.lab_req_i.value, d.lab_addr_i.value = 1, offset
        d.lab_write_i.value, d.lab_wdata_i.value = value is not None, value or 0
        await self.edge.wait()
        d.lab_req_i.value = 0
        await self.until(lambda: self.obs >> 18 & 1, 10)
        return int(d.lab_rdata_o.value)

# SPDX-License-Identifier: Apache-2.0
"""cocotb: the serial receiver, against a line that Python drives edge by edge, off the clock's grid."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import cocotb
from cocotb.clock import Clock
from cocotb.triggers import RisingEdge, Timer
from cocotb.utils import get_sim_time
from common.seed import seeded

CLOCK_PS = 4000
#: Divisors (clocks per bit in 1/16) at 250 MHz: 115200 baud and 4 Mbaud; then few clocks a bit.
SLOW, FAST, SIXTEEN, EIGHT, FOUR = 34722, 1000, 264, 129, 64


@dataclass
class Noise:
    """What the line does to a sender's waveform. Widths in bits unless said otherwise."""

    jitter: float = 0.0  # each edge is off by up to so much, either way
    spike: float = 0.0  # chance, per bit, of a spike of less than a clock, away from its edges
    burst: float = 0.0  # chance, per bit, of a burst near its middle that covers one of the three looks


class Line:
    def __init__(self, dut, name: str, divisor: int):
        self.dut, self.rng, self.divisor = dut, seeded(name), divisor
        self.bit_ps = divisor * CLOCK_PS / 16
        self.got: list[tuple[int, bool, int]] = []  # byte, error, time in ps
        self.began: list[int] = []  # start edges, in ps

    async def start(self) -> Line:
        d = self.dut
        d.rst_ni.value, d.rx_i.value, d.divisor_i.value = 0, 1, self.divisor
        cocotb.start_soon(Clock(d.clk_i, CLOCK_PS, unit="ps").start())
        await Timer(5 * CLOCK_PS, "ps")
        d.rst_ni.value = 1
        cocotb.start_soon(self._receive())
        await self.idle(1)
        return self

    async def _receive(self) -> None:
        d = self.dut
        while True:
            await RisingEdge(d.valid_o)
            self.got.append((int(d.byte_o.value), bool(d.error_o.value), get_sim_time("ps")))

    async def idle(self, bits: float) -> None:
        self.dut.rx_i.value = 1
        await Timer(max(1, round(bits * self.bit_ps)), "ps")

    async def low(self, bits: float) -> None:
        self.dut.rx_i.value = 0
        await Timer(max(1, round(bits * self.bit_ps)), "ps")
        self.dut.rx_i.value = 1

    async def send(
        self, data: Iterable[int], error: float = 0.0, noise: Noise | None = None, stop: int = 1
    ) -> None:
        """Bytes back to back, each bit longer by ``error``. It sleeps from edge to edge."""
        noise, rng, pin = noise or Noise(), self.rng, self.dut.rx_i
        bit = self.bit_ps * (1 + error)
        origin = get_sim_time("ps") + bit * noise.jitter + 1
        edges: list[tuple[float, int]] = []  # time, level
        level, at = 1, origin
        for byte in data:
            self.began.append(round(at))
            for value in (0, *(byte >> n & 1 for n in range(8)), stop):
                if value != level:
                    edges.append((at + bit * rng.uniform(-noise.jitter, noise.jitter), value))
                    level = value
                if rng.random() < noise.spike:
                    spike = at + bit * rng.uniform(0.1, 0.9)
                    edges += [(spike, 1 - value), (spike + 0.95 * CLOCK_PS, value)]
                elif rng.random() < noise.burst:
                    burst = at + bit * (0.5 + rng.choice((-1, 0, 1)) / 8 - 1 / 32)
                    edges += [(burst, 1 - value), (burst + bit / 16, value)]
                at += bit
        for time, value in sorted(edges):
            wait = round(time) - get_sim_time("ps")
            if wait > 0:
                await Timer(int(wait), "ps")
            pin.value = value
        await Timer(max(1, int(at - get_sim_time("ps"))), "ps")
        pin.value = 1

    async def heard(self) -> list[int]:
        """Bytes up to now; the list starts anew. None may have an error."""
        await self.idle(1.5)
        assert not any(error for _, error, _ in self.got)
        data = [byte for byte, _, _ in self.got]
        self.got.clear()
        return data


@cocotb.test()
async def every_byte_is_received_at_every_rate(dut):
    line = Line(dut, "values", FAST)
    await line.start()
    for divisor in (SLOW, FAST, SIXTEEN, EIGHT, FOUR):
        line.divisor, line.bit_ps = divisor, divisor * CLOCK_PS / 16
        dut.divisor_i.value = divisor
        await line.idle(2)
        data = list(range(256)) if divisor != SLOW else [0, 0x55, 0xAA, 0xFF, *line.rng.randbytes(8)]
        line.rng.shuffle(data)
        await line.send(data)
        assert await line.heard() == data, divisor


async def tolerated(line: Line, sign: int) -> float:
    """Greatest rate error at which bytes back to back, and one from idle, are all received; in steps of 1/8 %
    from 3 % on."""
    worst = [0x00, 0xFF, 0x80, 0x7F, 0x55, 0x01, 0xFE, *line.rng.randbytes(25)]
    step = 23
    while True:
        step += 1
        for _ in range(3):  # the phase to the clock differs
            await line.idle(2 + line.rng.random())
            await line.send(worst, sign * step / 800)
            await line.idle(12)
            data, wrong = [byte for byte, _, _ in line.got], any(error for _, error, _ in line.got)
            line.got.clear()
            if data != worst or wrong:
                return (step - 1) / 800


@cocotb.test()
async def the_range_of_rates_is_what_theory_gives(dut):
    """Bits too long: the stop bit begins at 9 (1 + e) and is looked at, in its middle, at 9.5: e < 5.6 %. Too short:
    it ends at 10 (1 - e): e < 5 %. From that goes what a clock is of a bit, for edges are seen to a clock."""
    line = Line(dut, "rates", FAST)
    await line.start()
    for divisor, least_long, least_short in (
        (FAST, 0.0525, 0.0475),
        (SIXTEEN, 0.0475, 0.0425),
        (EIGHT, 0.04, 0.0375),
    ):
        line.divisor, line.bit_ps = divisor, divisor * CLOCK_PS / 16
        dut.divisor_i.value = divisor
        longer, shorter = await tolerated(line, 1), await tolerated(line, -1)
        print(f"{divisor / 16} clocks a bit: bits up to {longer:.2%} longer, {shorter:.2%} shorter")
        assert least_long <= longer < 0.5 / 9 and least_short <= shorter < 0.05


@cocotb.test()
async def three_percent_with_jitter_and_noise_lose_nothing(dut):
    line = Line(dut, "noise", FAST)
    await line.start()
    for error in (-0.03, 0.0, 0.03):
        for noise in (Noise(jitter=0.05, spike=0.3), Noise(jitter=0.05, burst=0.5)):
            for _ in range(6):
                data = list(line.rng.randbytes(60))
                await line.send(data, error, noise)
                assert await line.heard() == data, f"{error:+.0%} {noise}"
            await line.idle(line.rng.uniform(0, 3))
    assert int(dut.errors_o.value) == 0


@cocotb.test()
async def thousands_of_bytes_at_random_rates(dut):
    line = Line(dut, "stream", SIXTEEN)
    await line.start()
    for _ in range(40):
        data = list(line.rng.randbytes(line.rng.randrange(1, 150)))
        await line.send(data, line.rng.uniform(-0.03, 0.03))
        assert await line.heard() == data


@cocotb.test()
async def glitches_are_no_start_bits(dut):
    line = Line(dut, "glitches", FAST)
    await line.start()
    for _ in range(200):
        await line.low(line.rng.uniform(0.001, 0.42))
        await line.idle(line.rng.uniform(1, 3))
    await line.send([0xC3])
    assert await line.heard() == [0xC3]
    # From the middle of a bit on it is one: a byte of nothing but ones.
    await line.low(0.6)
    await line.idle(10)
    assert await line.heard() == [0xFF]


@cocotb.test()
async def a_byte_without_stop_bit_is_delivered_and_counted(dut):
    line = Line(dut, "errors", FAST)
    await line.start()
    for count, byte in enumerate((0x00, 0xFF, 0x5A, 0x80), 1):
        await line.send([byte], stop=0)
        await line.idle(1)
        await line.send([0x33])
        await line.idle(1)
        assert [(b, e) for b, e, _ in line.got] == [(byte, True), (0x33, False)]
        assert int(dut.errors_o.value) == count
        line.got.clear()
    # A break of any length is one error, and the next byte is whole.
    for bits in (10.0, 11.3, 100.0):
        await line.low(bits)
        await line.idle(1)
        await line.send([0x33])
        await line.idle(1)
        assert [(b, e) for b, e, _ in line.got] == [(0, True), (0x33, False)], f"break of {bits} bits"
        line.got.clear()
    assert int(dut.errors_o.value) == 7
    # A sender of twice the rate, or half: something is delivered, and some of it is marked.
    for error in (-0.5, 1.0):
        line.began.clear()
        await line.send(line.rng.randbytes(100), error)
        await line.idle(30)
        assert any(wrong for _, wrong, _ in line.got)
        line.got.clear()


@cocotb.test()
async def a_byte_is_given_out_a_fixed_time_after_its_start_edge(dut):
    """The uncertainty of a console byte's time: nothing but the phase to the clock and the fraction of one."""
    line = Line(dut, "delay", FAST)
    await line.start()
    for divisor, count in ((SLOW, 12), (FAST, 120), (SIXTEEN, 120), (FOUR, 120)):
        line.divisor, line.bit_ps = divisor, divisor * CLOCK_PS / 16
        dut.divisor_i.value = divisor
        await line.idle(2)
        line.began.clear()
        line.got.clear()
        for _ in range(count):
            await line.idle(1 + line.rng.random())
            await line.send([line.rng.randrange(256)])
        await line.idle(1)
        assert len(line.got) == len(line.began)
        late = [
            (time - began) / CLOCK_PS - 9.5 * divisor / 16
            for (_, _, time), began in zip(line.got, line.began, strict=True)
        ]
        print(
            f"{divisor / 16} clocks a bit: valid_o 9.5 bits and {min(late):.2f} to {max(late):.2f} clocks late"
        )
        assert min(late) >= 2 and max(late) <= 4


@cocotb.test()
async def below_four_clocks_a_bit_nothing_is_received(dut):
    line = Line(dut, "off", FAST)
    await line.start()
    for divisor in (0, 63):
        dut.divisor_i.value = divisor
        await line.send([0x55, 0x00])
        await line.low(30)
        await line.idle(2)
        assert line.got == [] and int(dut.errors_o.value) == 0

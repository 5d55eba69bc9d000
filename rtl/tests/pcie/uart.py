# SPDX-License-Identifier: Apache-2.0
"""cocotb: the board's serial port, against a line driven and sampled in Python."""

import cocotb
from cocotb.clock import Clock
from cocotb.triggers import FallingEdge, RisingEdge, Timer
from common.seed import seeded

PERIOD_NS = 526  # 1.9 MHz: 16 clocks a bit instead of 16.49
BIT_NS = round(1e9 / 115_200)


async def start(dut) -> list[int]:
    """Resets; the returned list gets the bytes that the receiver gives out."""
    got: list[int] = []
    dut.rst_ni.value = dut.valid_i.value = dut.byte_i.value = 0
    dut.rx_i.value = 1
    cocotb.start_soon(Clock(dut.clk_i, PERIOD_NS, unit="ns").start())
    await Timer(5 * PERIOD_NS, "ns")
    dut.rst_ni.value = 1

    async def receive():
        while True:
            await RisingEdge(dut.clk_i)
            if int(dut.valid_o.value):
                got.append(int(dut.byte_o.value))

    cocotb.start_soon(receive())
    await Timer(2 * BIT_NS, "ns")
    return got


async def send(dut, byte: int, bit_ns: int = BIT_NS, stop: int = 1) -> None:
    for bit in [0, *(byte >> i & 1 for i in range(8)), stop]:
        dut.rx_i.value = bit
        await Timer(bit_ns, "ns")
    dut.rx_i.value = 1


@cocotb.test()
async def bytes_are_received_at_rates_within_two_percent(dut):
    rng, got = seeded("uart_rx"), await start(dut)
    sent = [rng.randrange(256) for _ in range(60)]
    for byte in sent:
        await send(dut, byte, round(BIT_NS * rng.uniform(0.98, 1.01)))
        await Timer(rng.choice((1, BIT_NS, 20 * BIT_NS)), "ns")
    await Timer(2 * BIT_NS, "ns")
    assert got == sent


@cocotb.test()
async def a_glitch_and_a_break_are_no_bytes(dut):
    got = await start(dut)
    dut.rx_i.value = 0
    await Timer(BIT_NS // 4, "ns")
    dut.rx_i.value = 1
    await Timer(12 * BIT_NS, "ns")
    await send(dut, 0, stop=0)
    await Timer(12 * BIT_NS, "ns")
    await send(dut, 0x5A)
    await Timer(2 * BIT_NS, "ns")
    assert got == [0x5A]


@cocotb.test()
async def bytes_are_sent_with_start_and_stop_bit(dut):
    rng = seeded("uart_tx")
    await start(dut)
    sent = [rng.randrange(256) for _ in range(30)]

    async def feed():
        for byte in sent:
            dut.byte_i.value, dut.valid_i.value = byte, 1
            await RisingEdge(dut.clk_i)
            while not int(dut.ready_o.value):
                await RisingEdge(dut.clk_i)
        dut.valid_i.value = 0

    cocotb.start_soon(feed())
    bit = 16 * PERIOD_NS
    for byte in sent:
        await FallingEdge(dut.tx_o)
        await Timer(bit * 3 // 2, "ns")
        value = 0
        for i in range(8):
            value |= int(dut.tx_o.value) << i
            await Timer(bit, "ns")
        assert int(dut.tx_o.value) == 1 and value == byte

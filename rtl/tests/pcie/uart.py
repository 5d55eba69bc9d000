# SPDX-License-Identifier: Apache-2.0
"""cocotb: the board's serial transmitter, its line sampled in Python. The receiver: rtl/tests/uart."""

import cocotb
from cocotb.clock import Clock
from cocotb.triggers import FallingEdge, RisingEdge, Timer
from common.seed import seeded

PERIOD_NS = 526  # 1.9 MHz: 16 clocks a bit instead of 16.49
BIT_NS = round(1e9 / 115_200)


@cocotb.test()
async def bytes_are_sent_with_start_and_stop_bit(dut):
    rng = seeded("uart_tx")
    dut.rst_ni.value = dut.valid_i.value = dut.byte_i.value = 0
    cocotb.start_soon(Clock(dut.clk_i, PERIOD_NS, unit="ns").start())
    await Timer(5 * PERIOD_NS, "ns")
    dut.rst_ni.value = 1
    await Timer(2 * BIT_NS, "ns")
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

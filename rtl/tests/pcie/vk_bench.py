# SPDX-License-Identifier: Apache-2.0
"""The DMA engine behind adapter and hard IP model (usp_vk_tb.sv): moves bytes and counts the clocks."""

from __future__ import annotations

from dataclasses import dataclass

from cocotb.triggers import RisingEdge, Timer

from pcie.hard_ip import Board

OK = 0


@dataclass
class Result:
    code: int
    clocks: int


class VkOnBoard:
    def __init__(self, dut, **board):
        self.dut = dut
        for name in [
            "rst_ni",
            "fill_i",
            "wr_valid_i",
            "rd_valid_i",
            "host_i",
            "store_i",
            "bytes_i",
            "mem_write_i",
            "mem_read_i",
            "mem_addr_i",
            "mem_wdata_i",
        ]:
            getattr(dut, name).value = 0
        self.board = Board(dut, **board)

    async def up(self) -> VkOnBoard:
        await Timer(40, "ns")
        self.dut.rst_ni.value = 1
        await self.board.up()
        for _ in range(30):
            await RisingEdge(self.dut.clk_i)
        return self

    async def run(self, write: bool, host: int, store: int, count: int, timeout_us: int = 200) -> Result:
        """One descriptor: ``write`` moves from the store to the host."""
        d = self.dut
        d.host_i.value, d.store_i.value, d.bytes_i.value = host, store, count
        pin = d.wr_valid_i if write else d.rd_valid_i
        pin.value = not int(pin.value)
        for _ in range(10 * timeout_us):
            await Timer(100, "ns")
            done = int(d.done_o.value)
            if done & 16:
                return Result(done & 15, int(d.clocks_o.value))
        raise AssertionError(
            f"{'write' if write else 'read'} of {count} bytes is not done after {timeout_us} us"
        )

    async def settled(self) -> None:
        """What the card has sent has arrived; the model holds back a few requests."""
        await Timer(4 + round(2e6 * self.board.round_trip), "us")

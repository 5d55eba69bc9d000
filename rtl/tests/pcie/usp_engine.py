# SPDX-License-Identifier: Apache-2.0
"""cocotb: the DMA engine moves bytes through adapter and hard IP, to and from any byte; bad completions."""

import cocotb
from cocotbext.pcie.core.tlp import CplStatus
from cocotbext.pcie.xilinx.us.tlp import ErrorCode
from common import pauses
from common.seed import seeded

from pcie.vk_bench import OK, VkOnBoard

SIZE = 64 << 10


async def there_and_back(tb: VkOnBoard, rng, count: int) -> None:
    """Host to store to another place of the host; nothing around it changes."""
    source, target = (tb.board.rc.mem_pool.alloc_region(SIZE) for _ in range(2))
    for _ in range(count):
        size = rng.choice((1, 2, 3, 4, 5, 31, 32, 33, 255, 256, 257, 4095, 4097, rng.randrange(1, 12_000)))
        at, to, store = (rng.randrange(SIZE - size) for _ in range(3))
        data = rng.randbytes(size)
        source.mem[at : at + size] = data
        before = bytearray(rng.randbytes(SIZE))
        target.mem[:SIZE] = before
        assert (await tb.run(False, source.get_absolute_address(at), store, size)).code == OK
        assert (await tb.run(True, target.get_absolute_address(to), store, size)).code == OK
        await tb.settled()
        before[to : to + size] = data
        assert bytes(target.mem[:SIZE]) == before, f"{size} bytes from {at:#x} by {store:#x} to {to:#x}"


@cocotb.test()
async def bytes_come_through_unchanged(dut):
    rng = seeded("engine")
    tb = await VkOnBoard(dut, mps=rng.randrange(3), mrrs=rng.randrange(6)).up()
    dut.fill_i.value = rng.randrange(2)
    await there_and_back(tb, rng, 12)
    tb.board.rc.split_on_all_rcb = True
    device = tb.board.device
    for end in (device.rc_source, device.rq_sink):
        end.set_pause_generator(pauses.at_random(rng, 0.3))
    await there_and_back(tb, rng, 8)


@cocotb.test()
async def a_read_of_nothing_ends_with_its_error(dut):
    rng = seeded("engine_errors")
    tb = await VkOnBoard(dut).up()
    assert (await tb.run(False, 0x40_0000_0000, 0, 300)).code == 1  # UR
    region = tb.board.rc.mem_pool.alloc_region(SIZE)
    region.mem[0:300] = data = rng.randbytes(300)
    assert (await tb.run(False, region.get_absolute_address(0), 0, 300)).code == OK
    assert (await tb.run(True, region.get_absolute_address(1000), 0, 300)).code == OK
    await tb.settled()
    assert bytes(region.mem[1000:1300]) == data


#: What the hard IP reports of a completion -> how the descriptor must end (dma_result_e of vk_pkg).
ERRORS = {
    "UR": (1, {"status": CplStatus.UR, "error_code": ErrorCode.BAD_STATUS}),
    "CA": (2, {"status": CplStatus.CA, "error_code": ErrorCode.BAD_STATUS}),
    "CRS": (3, {"status": CplStatus.CRS, "error_code": ErrorCode.BAD_STATUS}),
    "poisoned": (4, {"ep": True, "error_code": ErrorCode.POISONED}),
    "payload lost": (4, {"discontinue": True}),
    "byte count": (5, {"byte_count": 60}),
    "lower address": (5, {"lower_address": 4, "error_code": ErrorCode.INVALID_ADDRESS}),
}


@cocotb.test()
async def a_bad_completion_ends_its_descriptor_and_changes_no_byte(dut):
    rng = seeded("engine_bad")
    tb = await VkOnBoard(dut).up()
    region = tb.board.rc.mem_pool.alloc_region(SIZE)
    host = region.get_absolute_address(0)
    put = tb.board.device.rc_queue.put_nowait
    for name, (code, fields) in ERRORS.items():
        region.mem[0:64] = before = rng.randbytes(64)
        assert (await tb.run(False, host, 0, 64)).code == OK
        region.mem[0:64] = rng.randbytes(64)

        def spoil(cpl, fields=fields):
            for field, value in fields.items():
                setattr(cpl, field, value)
            if cpl.status != CplStatus.SC:
                cpl.data, cpl.length = bytearray(), 0
            put(cpl)

        tb.board.device.rc_queue.put_nowait = spoil
        assert (await tb.run(False, host, 0, 64)).code == code, name
        tb.board.device.rc_queue.put_nowait = put
        assert (await tb.run(True, host + 128, 0, 64)).code == OK
        await tb.settled()
        assert bytes(region.mem[128:192]) == before, f"{name}: bytes of the bad completion are in the store"

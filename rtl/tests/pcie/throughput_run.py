# SPDX-License-Identifier: Apache-2.0
"""cocotb side of throughput.py: one test per case, one line of JSON per result."""

import json
import os
from dataclasses import asdict
from pathlib import Path

import cocotb

from pcie.throughput import CASES, LONG, OUT, SHORT, Case
from pcie.vk_bench import OK, VkOnBoard

POINTS = [Case(**point) for point in json.loads(os.environ[CASES])]


@cocotb.test()
@cocotb.parametrize(index=list(range(len(POINTS))))
async def measure(dut, index):
    case = POINTS[index]
    mps, mrrs = ((size // 128).bit_length() - 1 for size in (case.mps, case.mrrs))
    tb = await VkOnBoard(
        dut,
        mps=mps,
        mrrs=mrrs,
        extended_tags=case.tags > 32,
        round_trip=case.round_trip_us * 1e-6,
        rcb=case.rcb,
        endless_credits=True,
    ).up()
    control = tb.board.device.function.pcie_cap
    assert (control.max_payload_size, control.max_read_request_size) == (mps, mrrs)
    dut.fill_i.value = case.fill
    rc = tb.board.rc
    rc.split_on_all_rcb = case.split
    pool = rc.mem_address_space.create_pool(1 << 36, 1 << 30) if case.high else rc.mem_pool
    region = pool.alloc_region(2 * LONG)
    host = region.get_absolute_address(0) + case.offset
    clocks = []
    for size in (SHORT, LONG):
        result = await tb.run(case.write, host, 0, size, timeout_us=2000)
        assert result.code == OK, f"{case}: code {result.code}"
        if case.write:
            await tb.settled()
        clocks.append(result.clocks)
    assert tb.board.device.local_error.empty(), f"{case}: the hard IP lost completions"
    rate = (LONG - SHORT) / (clocks[1] - clocks[0])
    line = {
        **asdict(case),
        "case": str(case),
        "bytes_per_clock": round(rate, 3),
        "gigabytes_per_second": round(rate * 0.25, 3),
        "of_limit": round(rate / case.limit, 4),
    }
    with Path(os.environ[OUT]).open("a") as out:
        out.write(json.dumps(line) + "\n")

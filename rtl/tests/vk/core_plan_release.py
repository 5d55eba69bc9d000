# SPDX-License-Identifier: Apache-2.0
"""cocotb: a release build has no seeded defects (rtl/faults.py), whatever the lab writes. Not for test builds."""

import cocotb
import vkbench_regs as regs
from common.bench import VkBench

from vk.core_halt import CAUSE, MAX_LATENCY, halt, release
from vk.core_plan_halt import PERIOD, starts_after, traffic


@cocotb.test()
async def the_fault_register_does_nothing(dut):
    tb = await VkBench(dut).started()
    assert await tb.lab(regs.VK_LAB_FAULTS_BUILT_OFFSET) == 0
    await tb.lab(regs.VK_LAB_FAULT_OFFSET, 0xFFFF_FFFF)
    for kind in ("bme", "hard", "flr", "soft"):
        await traffic(tb)
        seen = await halt(tb, kind)
        await tb.clocks(4 * PERIOD)
        late = starts_after(tb, seen)
        assert tb.gate_cause & CAUSE[kind] and (not late or late[-1] <= MAX_LATENCY), kind
        await release(tb, kind)
        await tb.booted()
        assert not tb.interrupts
    assert await tb.lab(regs.VK_LAB_FAULTS_BUILT_OFFSET) == 0

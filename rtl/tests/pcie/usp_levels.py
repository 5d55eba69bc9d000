# SPDX-License-Identifier: Apache-2.0
"""cocotb: what the board's analyser is shown of the link, for every code of the hard IP (PG213)."""

import cocotb
from cocotb.clock import Clock
from cocotb.triggers import FallingEdge
from common.seed import seeded

CREDITS = ("cfg_fc_ph_i", "cfg_fc_pd_i", "cfg_fc_nph_i", "cfg_fc_npd_i", "cfg_fc_cplh_i", "cfg_fc_cpld_i")
AVAILABLE = 4  # cfg_fc_sel: what the link partner has left for us


@cocotb.test()
async def levels_follow_the_hard_ip(dut):
    rng = seeded("usp_watch")
    cocotb.start_soon(Clock(dut.clk_i, 4, unit="ns").start())
    for _ in range(2000):
        status, width, speed, state = rng.randrange(4), rng.randrange(5), rng.randrange(4), rng.randrange(64)
        enable, mask = rng.randrange(2), rng.randrange(2)
        credits = [rng.choice((0, 1, 0x80)) for _ in CREDITS]
        dut.cfg_phy_link_status_i.value, dut.cfg_ltssm_state_i.value = status, state
        dut.cfg_negotiated_width_i.value, dut.cfg_current_speed_i.value = width, speed
        dut.cfg_interrupt_msix_enable_i.value, dut.cfg_interrupt_msix_mask_i.value = enable, mask
        for name, value in zip(CREDITS, credits, strict=True):
            getattr(dut, name).value = value
        await FallingEdge(dut.clk_i)
        await FallingEdge(dut.clk_i)
        up = status == 3
        assert int(dut.link_up_o.value) == up and int(dut.link_ltssm_o.value) == state
        assert int(dut.link_speed_o.value) == (speed + 1) * up and int(dut.link_width_o.value) == width * up
        assert (int(dut.msix_enable_o.value), int(dut.msix_mask_o.value)) == (enable, mask)
        none = sum((0 in credits[2 * kind : 2 * kind + 2]) << kind for kind in range(3))
        assert int(dut.no_credit_o.value) == none * up
        assert int(dut.cfg_fc_sel_o.value) == AVAILABLE

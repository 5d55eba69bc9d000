# SPDX-License-Identifier: Apache-2.0
"""The DMA engine by itself: cocotb tests of rtl/vk/vk_dma.sv behind the gate, on Verilator."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from common import build
from common.seed import seeded
from sources import sources

TOP = "vk_dma_tb"
UNGATED = build.BUILD / "ungated"
pytestmark = pytest.mark.rtl


@pytest.fixture(scope="session")
def files():
    return [*sources("vk_core", build.generate()), build.TESTS / "dma/vk_dma_tb.sv"]


@pytest.fixture(scope="session")
def dma(files):
    return build.runner(TOP, files)


@pytest.mark.parametrize("module", ["transfers", "errors", "rates"])
def test_engine(dma, module):
    build.run_module(dma, TOP, f"dma.{module}")


def test_halts_with_and_without_clock_gate(dma, files):
    """Resets and pauses, once as simulated and once with the clock running on as it does on an FPGA: the
    outputs are the same in every clock."""
    seed = {"VKBENCH_SEED": str(seeded("halts").getrandbits(32))}
    build.run_module(dma, TOP, "dma.halts", extra_env=seed)
    plain = build.runner(TOP, files, arguments=("-DUNGATED",), base=UNGATED)
    build.run_module(plain, TOP, "dma.halts", base=UNGATED, extra_env=seed)
    for name in ("resets", "pauses"):
        gated, ungated = ((base / TOP / f"{name}.digest").read_text() for base in (build.BUILD, UNGATED))
        assert gated == ungated, f"{name}: clocks and digest of the outputs are {gated}, ungated {ungated}"

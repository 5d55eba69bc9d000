# SPDX-License-Identifier: Apache-2.0
"""The endpoint: lint, and the cocotb tests of rtl/vk on Verilator."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from common import build
from sources import sources

TOP = "vk_core_tb"
pytestmark = pytest.mark.rtl


@pytest.fixture(scope="session")
def vk():
    gen = build.generate()
    return build.runner(TOP, [*sources("vk_core", gen), build.TESTS / "vk/vk_core_tb.sv"])


@pytest.mark.parametrize("module", ["core_bars", "core_dma", "core_halt"])
def test_endpoint(vk, module):
    build.run_module(vk, TOP, f"vk.{module}")

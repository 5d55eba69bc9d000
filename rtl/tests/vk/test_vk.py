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


#: cocotb modules that run on it.
MODULES = ["core_bars", "core_card", "core_dma", "core_halt", "core_messages", "core_taps"]
MODULES += ["core_plan_dma", "core_plan_halt", "core_plan_release", "core_plan_reset", "core_plan_tlps"]


def build_endpoint(**options):
    """A runner for the endpoint's test bench; ``options`` as of build.runner."""
    gen = build.generate()
    parameters = {"CARD_FIRMWARE_HEX": f'"{build.card_firmware(gen)}"'}
    return build.runner(
        TOP, [*sources("vk_core", gen), build.TESTS / "vk/vk_core_tb.sv"], parameters, **options
    )


@pytest.fixture(scope="session")
def vk():
    return build_endpoint()


@pytest.mark.parametrize("module", MODULES)
def test_endpoint(vk, module):
    build.run_module(vk, TOP, f"vk.{module}")

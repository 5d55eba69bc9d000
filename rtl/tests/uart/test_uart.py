# SPDX-License-Identifier: Apache-2.0
"""The serial receiver of console and SCPI port by itself: cocotb tests on Verilator."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from common import build

pytestmark = pytest.mark.rtl


def test_receiver():
    top = "analyser_uart"
    build.run_module(build.runner(top, [build.RTL / f"analyser/{top}.sv"]), top, "uart.receive")

# SPDX-License-Identifier: Apache-2.0
"""The trigger's sequencer by itself: cocotb tests in lockstep with a model of its program, on Verilator."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from common import build
from sources import sources

TOP = "trigger_tb"
pytestmark = pytest.mark.rtl


@pytest.fixture(scope="session")
def sequencer():
    return build.runner(TOP, [*sources("analyser", build.generate()), build.TESTS / "trigger/trigger_tb.sv"])


@pytest.mark.parametrize("module", ["features", "programs"])
def test_sequencer(sequencer, module):
    build.run_module(sequencer, TOP, f"trigger.{module}")

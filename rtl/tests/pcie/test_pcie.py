# SPDX-License-Identifier: Apache-2.0
"""The UltraScale+ adapter: lint, and its cocotb tests behind cocotbext-pcie's model of the hard IP."""

import re
import runpy
import subprocess
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from common import build
from sources import sources

pytestmark = pytest.mark.rtl
HERE = Path(__file__).resolve().parent
BOARD = runpy.run_path(str(build.RTL / "pcie/sources.py"))
ADAPTER = [build.RTL / "vk/vk_pkg.sv", *BOARD["adapter"]()]
UARTS = BOARD["uarts"]()
PORTS = HERE / "hard_ip_ports.sv"


def lint(top: str, files: list[Path]) -> list[str]:
    """Verilator's findings in the files of rtl/pcie; others have their own test."""
    command = [build.verilator(), "--lint-only", "-Wall", "--assert", "--top-module", top, build.WAIVERS]
    waivers = sorted((build.RTL / "analyser").glob("*.vlt"))
    done = subprocess.run([*command, *waivers, *files], capture_output=True, text=True, check=False)
    return [
        line
        for line in done.stderr.splitlines()
        if re.match(r"%(Error|Warning).*rtl/pcie/", line) and "PINCONNECTEMPTY" not in line
    ]


def test_verilator_has_no_warning():
    assert not lint("pcie_usp", ADAPTER)
    for uart in UARTS:
        assert not lint(uart.stem, [uart])


def test_the_board_fits_together():
    """Names and widths of kcu116_top; Vivado's modules are stand-ins."""
    files = [*sources("vkbench_top", build.generate()), *ADAPTER[1:], *UARTS]
    assert not lint("kcu116_top", [*files, HERE / "xilinx_stubs.sv", build.RTL / "pcie/kcu116_top.sv"])


def test_slang_has_no_warning():
    from pyslang import DiagnosticSeverity, driver

    slang = driver.Driver()
    slang.addStandardArgs()
    files = " ".join(str(path) for path in [*ADAPTER, *UARTS])
    assert slang.parseCommandLine(f"slang -Wextra --timescale 1ns/1ps --top pcie_usp {files}")
    assert slang.processOptions() and slang.parseAllSources()
    text = slang.sourceManager
    found = [
        f"{text.getFileName(d.location)}:{text.getLineNumber(d.location)}: {d.code}"
        for d in slang.createCompilation().getAllDiagnostics()
        if slang.diagEngine.getSeverity(d.code, d.location).value >= DiagnosticSeverity.Warning.value
    ]
    assert not found, "\n".join(found)


@pytest.fixture(scope="session")
def adapter():
    return build.runner("usp_tb", [*ADAPTER, PORTS, HERE / "usp_tb.sv"])


@pytest.mark.parametrize("module", ["usp_streams", "usp_events"])
def test_adapter(adapter, module):
    build.run_module(adapter, "usp_tb", f"pcie.{module}")


def engine_runner():
    """Adapter, gate and DMA engine; the packages of the register maps come with the core's sources."""
    core = sources("vk_core", build.generate())
    return build.runner("usp_vk_tb", [*core, *ADAPTER[1:], PORTS, HERE / "usp_vk_tb.sv"])


def test_engine():
    build.run_module(engine_runner(), "usp_vk_tb", "pcie.usp_engine")


def test_levels():
    build.run_module(
        build.runner("usp_watch", [build.RTL / "pcie/usp_watch.sv"]), "usp_watch", "pcie.usp_levels"
    )


def test_uart():
    board = runpy.run_path(str(build.RTL / "pcie/sources.py"))
    build.run_module(
        build.runner("uart_tb", [*board["uarts"](), HERE / "uart_tb.sv"]), "uart_tb", "pcie.uart"
    )


def test_whole_card():
    gen = build.generate()
    parameters = {"CARD_FIRMWARE_HEX": f'"{build.card_firmware(gen)}"'}
    files = [*sources("vk_core", gen), *ADAPTER[1:], PORTS, HERE / "usp_card_tb.sv"]
    build.run_module(build.runner("usp_card_tb", files, parameters), "usp_card_tb", "pcie.usp_card")

# SPDX-License-Identifier: Apache-2.0
"""Two front ends read the endpoint and the whole top without a warning: Verilator with -Wall, and slang,
which finds what Verilator lets pass (a use before its declaration, a useless default)."""

import subprocess

import pytest
from common import build
from sources import RTL, WAIVERS, sources

TOPS = ("vk_core", "vkbench_top")
OURS = (f"{RTL}/vk/", f"{RTL}/vkbench_top.sv")


@pytest.fixture(scope="module")
def gen():
    return build.generate()


@pytest.mark.parametrize("top", TOPS)
def test_verilator_has_no_warning(gen, top):
    waivers = [WAIVERS, *sorted((RTL / "analyser").glob("*.vlt"))]
    command = [build.verilator(), "--lint-only", "-Wall", "--assert", "--top-module", top, *waivers]
    done = subprocess.run([*command, *sources(top, gen)], capture_output=True, text=True, check=False)
    assert done.returncode == 0 and "%Warning" not in done.stderr, done.stderr


@pytest.mark.parametrize("top", TOPS)
def test_slang_has_no_warning(gen, top):
    from pyslang import DiagnosticSeverity, driver

    slang = driver.Driver()
    slang.addStandardArgs()
    files = " ".join(str(path) for path in sources(top, gen))
    assert slang.parseCommandLine(f"slang -Wextra --timescale 1ns/1ps --top {top} {files}")
    assert slang.processOptions() and slang.parseAllSources()
    compilation = slang.createCompilation()
    found = []
    for diagnostic in compilation.getAllDiagnostics():
        path = str(slang.sourceManager.getFullPath(diagnostic.location.buffer))
        severity = slang.diagEngine.getSeverity(diagnostic.code, diagnostic.location).value
        if severity >= DiagnosticSeverity.Error.value or (
            severity >= DiagnosticSeverity.Warning.value and path.startswith(OURS)
        ):
            line = slang.sourceManager.getLineNumber(diagnostic.location)
            found.append(f"{path}:{line}: {diagnostic.code} {diagnostic.args}")
    assert not found, "\n".join(found)

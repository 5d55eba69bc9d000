# SPDX-License-Identifier: Apache-2.0
"""Verilator with -Wall and slang read the analyser without a warning, with either kind of console."""

import subprocess
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from common import build
from sources import RTL, WAIVERS, sources

CONSOLES = {"bytes": 0, "uart": 1}


@pytest.fixture(scope="module")
def files() -> list[Path]:
    return sources("analyser", build.generate())


@pytest.mark.parametrize("console", CONSOLES)
def test_verilator_has_no_warning(files, console):
    waivers = [WAIVERS, RTL / "analyser/analyser.vlt"]
    options = ("--lint-only", "-Wall", "--assert", "--top-module", "analyser")
    parameter = f"-GCONSOLE_UART={CONSOLES[console]}"
    command = [build.verilator(), *options, parameter, *waivers, *files]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0 and "%Warning" not in done.stderr, done.stderr


@pytest.mark.parametrize("console", CONSOLES)
def test_slang_has_no_warning(files, console):
    from pyslang import DiagnosticSeverity, driver

    slang = driver.Driver()
    slang.addStandardArgs()
    parameter = f"-G CONSOLE_UART={CONSOLES[console]}"
    names = " ".join(str(path) for path in files)
    assert slang.parseCommandLine(f"slang -Wextra --timescale 1ns/1ps {parameter} --top analyser {names}")
    assert slang.processOptions() and slang.parseAllSources()
    found = []
    for diagnostic in slang.createCompilation().getAllDiagnostics():
        path = str(slang.sourceManager.getFullPath(diagnostic.location.buffer))
        severity = slang.diagEngine.getSeverity(diagnostic.code, diagnostic.location).value
        if severity >= DiagnosticSeverity.Error.value or (
            severity >= DiagnosticSeverity.Warning.value and path.startswith(f"{RTL}/analyser/")
        ):
            line = slang.sourceManager.getLineNumber(diagnostic.location)
            found.append(f"{path}:{line}: {diagnostic.code} {diagnostic.args}")
    assert not found, "\n".join(found)

# SPDX-License-Identifier: Apache-2.0
"""Builds and runs the C++ unit tests, with the address and undefined-behaviour sanitizers."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
from pathlib import Path

import pytest

COSIM = Path(__file__).resolve().parents[1]
ROOT = COSIM.parents[1]
SOURCES = ("config_space.cpp", "guest_memory.cpp", "json_lite.cpp", "sockets.cpp")
READER_SOURCES = ("console_reader.cpp", "sockets.cpp", "log.cpp")


@pytest.fixture(scope="session")
def generated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("gen")
    subprocess.run([sys.executable, ROOT / "rtl/regs/generate.py", "--out", out], check=True)
    return out


def test_cpp_units(generated: Path, tmp_path: Path) -> None:
    program = tmp_path / "unit"
    argv = [os.environ.get("CXX", "g++"), "-std=c++20", "-O1", "-g", "-Wall", "-Wextra", "-Werror"]
    argv += [
        "-fsanitize=address,undefined",
        "-fno-sanitize-recover=undefined",
        f"-I{COSIM}",
        f"-I{generated / 'c'}",
    ]
    argv += [str(COSIM / "tests/cpp/unit.cpp"), *(str(COSIM / name) for name in SOURCES), "-o", str(program)]
    subprocess.run(argv, check=True, timeout=300)
    # The SIGBUS test needs our handler, not the sanitizer's.
    env = {**os.environ, "ASAN_OPTIONS": "handle_sigbus=0"}
    done = subprocess.run([program], capture_output=True, text=True, timeout=60, env=env)
    assert (done.returncode, done.stdout) == (0, "ok\n"), done.stderr


@pytest.mark.parametrize("priority", ["plain", "realtime"])
def test_the_console_reader_is_never_later_than_the_text(tmp_path: Path, priority: str) -> None:
    """On a processor that others keep busy: the thread's own wait for it must not count."""
    program = tmp_path / "reader"
    argv = [
        os.environ.get("CXX", "g++"),
        "-std=c++20",
        "-O1",
        "-Wall",
        "-Wextra",
        "-Werror",
        "-pthread",
        f"-I{COSIM}",
    ]
    sources = [COSIM / "tests/cpp/reader.cpp", *(COSIM / name for name in READER_SOURCES)]
    subprocess.run([*argv, *map(str, sources), "-o", str(program)], check=True, timeout=300)
    done = subprocess.run([program, priority], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    given, *lines = done.stdout.split()
    if given != priority:
        pytest.skip("this system gives no real-time priority")
    errors = [float(line) for line in lines]
    print(f"{priority}: from {min(errors)} to {max(errors)} us, median {statistics.median(errors)}")
    assert len(errors) == 100
    assert max(errors) <= 0
    assert statistics.median(errors) > -1000, "so early that it says nothing"
    if (
        priority == "realtime"
    ):  # also a text that comes while the thread naps; a stolen processor spoils a few
        assert sum(error > -1000 for error in errors) >= 90

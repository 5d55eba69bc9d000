# SPDX-License-Identifier: Apache-2.0
"""The card's firmware, compiled for the host with the sanitizers, against a mock of hardware and driver.

VKBENCH_SEED chooses addresses, lengths and data (default 1). The kept inputs of the fuzzer (firmware/fuzz)
are replayed without it.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

FIRMWARE = Path(__file__).resolve().parents[1]
ROOT = FIRMWARE.parent
TESTS = FIRMWARE / "tests"
CASE_SOURCES = ("card_cases.c", "card_transfer_cases.c", "card_refusal_cases.c", "card_message_cases.c")
CASES = [
    name
    for source in CASE_SOURCES
    for name in re.findall(r"^    CASE\((\w+)\),", (TESTS / source).read_text(), re.M)
]
FLAGS = ("-std=c11", "-O1", "-g", "-Wall", "-Wextra", "-Werror", "-Wconversion", "-DMMIO_MOCK")
FLAGS += ("-fsanitize=address,undefined", "-fno-sanitize-recover=all")


@pytest.fixture(scope="session")
def build(tmp_path_factory):
    """Compiles the firmware with the given sources into a program."""
    out = tmp_path_factory.mktemp("card")
    subprocess.run([sys.executable, ROOT / "rtl/regs/generate.py", "--out", out], check=True)
    card = [path for path in sorted((FIRMWARE / "card").glob("*.c")) if path.name != "main.c"]
    mock = [TESTS / "card_mock.c", TESTS / "card_host.c"]
    includes = [f"-I{FIRMWARE / 'card'}", f"-I{TESTS}", f"-I{out / 'c'}"]

    def compiled(name: str, sources: list[Path], *options: str) -> Path:
        command = ["cc", *FLAGS, *options, *includes, *card, *mock, *sources, "-o", out / name]
        subprocess.run(command, check=True)
        return out / name

    return compiled


@pytest.fixture(scope="session")
def program(build) -> Path:
    return build("cases", [TESTS / source for source in CASE_SOURCES])


def test_every_case_is_listed(program: Path):
    listed = subprocess.run([program], capture_output=True, text=True, check=True).stdout.split()
    assert sorted(listed) == sorted(CASES) and len(CASES) > 20


@pytest.mark.parametrize("case", CASES)
def test_card(program: Path, case: str):
    seed = os.environ.get("VKBENCH_SEED", "1")
    print("seed", seed)
    run = subprocess.run([program, case, seed], capture_output=True, text=True, timeout=120)
    assert run.returncode == 0, run.stderr[-3000:]


def test_the_kept_inputs_of_the_fuzzer(build):
    inputs = sorted((FIRMWARE / "fuzz/corpus").iterdir())
    assert 20 < len(inputs) < 200
    replay = build("replay", [FIRMWARE / "fuzz/card_fuzz.c"], "-Wno-conversion", "-DFUZZ_REPLAY")
    run = subprocess.run([replay, *inputs], capture_output=True, text=True, timeout=300)
    assert run.returncode == 0, run.stderr[-3000:]
    assert run.stdout == f"{len(inputs)} inputs\n"

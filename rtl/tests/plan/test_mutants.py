# SPDX-License-Identifier: Apache-2.0
"""A few seeded defects, others each time, on a test build; `make mutants` runs them all. And the defects are guarded
in the RTL as they must be."""

import re
import sys
from pathlib import Path

import pytest

TESTS = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(TESTS), str(TESTS.parent)]
import mutants  # noqa: E402
from common import build  # noqa: E402
from common.seed import seeded  # noqa: E402
from faults import BITS, FAULTS, systemverilog  # noqa: E402

SAMPLE = 4


@pytest.mark.rtl
def test_a_sample_of_the_seeded_defects_is_caught():
    rows = mutants.run_rtl(seeded("mutants").sample(FAULTS, SAMPLE))
    assert len(rows) == SAMPLE and all(row.ok for row in rows), [row.name for row in rows if not row.ok]


def test_a_defect_counts_as_caught_only_when_every_named_test_fails():
    assert mutants.Row("X", "", ["a: wrong"], [], 0).ok
    assert not mutants.Row("X", "", ["a: wrong"], ["b"], 0).ok
    assert not mutants.Row("X", "", [], [], 0).ok


def test_each_defect_stands_in_its_module_and_only_behind_the_guard():
    sources = {path.stem: path.read_text() for path in (build.RTL / "vk").glob("*.sv")}
    for fault in FAULTS:
        used = [
            name for name, text in sources.items() if re.search(rf"faulty\(fault(_i)?, {fault.name}\)", text)
        ]
        assert fault.where in used, f"{fault.name} is not in {fault.where}.sv but in {used}"
    for name, text in sources.items():
        for number in re.findall(r"faulty\(\w+, (\w+)\)", text):
            assert number in BITS, f"{name}.sv: {number} is not in rtl/faults.py"
        assert not re.search(r"fault(_i)?\s*\[", text), f"{name}.sv reads a bit of FAULT without faulty()"


def test_without_the_macro_nothing_is_faulty():
    text = systemverilog()
    assert "`ifdef VK_FAULTS" in text and "return Built && faults[number];" in text
    assert re.search(r"`else\s+localparam bit Built = 1'b0;", text)

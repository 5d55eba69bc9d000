# SPDX-License-Identifier: Apache-2.0
"""The hardware holds no latch, loop, bad net or wrong memory, and the checker finds each of them in a bad module.
Everything goes under build/rtl-tests/synth."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from synth import run
from synth.designs import BLOCK, DESIGNS, LUT, Design

pytestmark = pytest.mark.rtl

HERE = Path(__file__).resolve().parent
BUILD = run.RTL.parent / "build" / "rtl-tests" / "synth"


def refused(name: str, kind: str = BLOCK) -> list[str]:
    bad = Design(name, lambda gen: [HERE / "bad" / f"{name}.sv"], {"*.*": kind})
    return run.run([bad], whole=False, estimate=False, build=BUILD)[1]


def test_designs_hold_nothing_that_they_must_not():
    result, problems = run.run(list(DESIGNS), whole=False, estimate=False, build=BUILD)
    assert not problems, "\n".join(problems)
    assert result["designs"]["vk_core"]["memories"]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("bad_latch", "latch"),
        ("bad_loop", "loop"),
        ("bad_memory", "no valid mapping found"),
        ("bad_net", "no driver"),
    ],
)
def test_bad_module_is_refused(name, text):
    problems = refused(name)
    assert len(problems) == 1 and text in problems[0], problems


def test_undeclared_memory_is_refused():
    silent = Design("bad_memory", lambda gen: [HERE / "bad" / "bad_memory.sv"], {"other.*": BLOCK})
    problems = run.run([silent], whole=False, estimate=False, build=BUILD)[1]
    assert len(problems) == 1 and "declared is nothing" in problems[0], problems


def test_the_same_module_passes_when_declared_as_it_is():
    assert not refused("bad_memory", LUT)

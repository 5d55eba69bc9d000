# SPDX-License-Identifier: Apache-2.0
"""The plan is whole: every requirement has test points, every point exists, every test of the endpoint has a
requirement, and every rule of the verdict and every seeded defect is in it. And each of these checks can fail."""

import json
import os
import re
import sys
from pathlib import Path

import pytest

PLAN = Path(__file__).resolve().parent
sys.path[:0] = [str(PLAN), str(PLAN.parents[1])]
import matrix  # noqa: E402
from faults import FAULTS  # noqa: E402
from matrix import FAIL, NOT_RUN, PASS, ROOT, Matrix, Requirement  # noqa: E402

from vkbench.verdict.catalogue import RULES  # noqa: E402

TESTS = {"vk.a.one": ROOT / "one.py", "vk.a.two": ROOT / "two.py"}


def requirement(
    number: int, *points: str, id: str | None = None, source: str = "PCIe base 2.2"
) -> Requirement:
    return Requirement(id or f"VKB-X-{number:03}", "text", source, points, f"x.toml, requirement {number}")


def test_the_plan_is_whole():
    wrong = matrix.problems(matrix.load(), matrix.cocotb_tests(), matrix.formal_properties())
    assert not wrong, "\n".join(wrong)


def test_every_rule_of_the_verdict_is_a_requirement():
    assert set(RULES) <= {r.id for r in matrix.load()}


def test_every_seeded_defect_is_caught_by_tests_that_exist():
    tests = matrix.cocotb_tests()
    for fault in FAULTS:
        assert fault.caught_by and set(fault.caught_by) <= set(tests), fault.name
        assert re.fullmatch(r"[A-Z][A-Z0-9_]{0,11}", fault.name)
        assert set(fault.bench) <= {r.id for r in matrix.load()}
    assert len({fault.name for fault in FAULTS}) == len(FAULTS) <= 32


@pytest.mark.parametrize(
    ("plan", "said"),
    [
        ([requirement(1, "vk.a.one", "vk.a.two", "vk.a.three")], "no test vk.a.three"),
        ([requirement(1, "vk.a.one", "vk.a.two", "host_tests/test_panic.py::test_x")], "no test host_tests"),
        ([requirement(1, "vk.a.one", "vk.a.two", "formal:none")], "no test formal:none"),
        ([requirement(1, "vk.a.one")], "vk.a.two belongs to no requirement"),
        ([requirement(1, "vk.a.one", "vk.a.two"), requirement(2)], "requirement 2: no test point"),
        ([requirement(1, "vk.a.one"), requirement(1, "vk.a.two")], "VKB-X-001 is declared 2 times"),
        ([requirement(1, "vk.a.one", "vk.a.two", id="HALT-1")], "looks like"),
        ([requirement(1, "vk.a.one", "vk.a.two", source="docs/none.md, 1")], "docs/none.md does not exist"),
    ],
)
def test_a_hole_in_the_plan_is_named(plan, said):
    assert [line for line in matrix.problems(plan, TESTS, set()) if said in line]


def test_a_plan_without_holes_has_none():
    assert matrix.problems([requirement(1, "vk.a.one"), requirement(2, "vk.a.two")], TESTS, set()) == []


@pytest.mark.parametrize("text", ["[[requirement]]\nid = 1", "nonsense", "[[requirement]]\nid = 'VKB-X-001'"])
def test_a_broken_file_is_named(tmp_path, text):
    (tmp_path / "broken.toml").write_text(text)
    with pytest.raises(ValueError, match="broken.toml"):
        matrix.load(tmp_path)


def test_a_requirement_passes_only_with_all_its_points():
    one = requirement(1, "vk.a.one", "vk.a.two")
    for results, want in (
        ({"vk.a.one": PASS, "vk.a.two": PASS}, PASS),
        ({"vk.a.one": PASS}, NOT_RUN),
        ({"vk.a.one": FAIL}, FAIL),
    ):
        assert Matrix([one], results).result(one) == want


def test_a_property_passes_only_with_its_cover_and_its_mutant(tmp_path):
    (tmp_path / "formal").mkdir()
    good = {"proof": "halt", "property": "a", "result": "proved", "cover": "9", "killed": "vk_gate.sv @7"}
    rows = [good, good | {"property": "b", "cover": "-"}, good | {"property": "c", "killed": "-"}]
    rows.append(good | {"property": "d", "result": "FAILS"})
    (tmp_path / "formal" / "results.json").write_text(json.dumps({"properties": rows}))
    assert list(matrix.results(tmp_path, {}).values()) == [PASS, FAIL, FAIL, FAIL]


def test_results_older_than_their_test_do_not_count(tmp_path):
    test = tmp_path / "one.py"
    folder = tmp_path / "rtl-tests" / "top"
    folder.mkdir(parents=True)
    xml = "<testsuites><testsuite>{}</testsuite></testsuites>"
    case = '<testcase classname="vk.a" name="{}">{}</testcase>'
    test.write_text("")
    cases = case.format("one", "") + case.format("two", "<failure/>")
    (folder / "results.xml").write_text(xml.format(cases))
    tests = {"vk.a.one": test, "vk.a.two": test}
    assert matrix.results(tmp_path, tests) == {"vk.a.one": PASS, "vk.a.two": FAIL}
    os.utime(test, (2**31, 2**31))
    assert matrix.results(tmp_path, tests) == {}

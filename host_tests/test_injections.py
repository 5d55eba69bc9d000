# SPDX-License-Identifier: Apache-2.0
"""Each way to panic takes its way through the kernel, with stock kdump and with crash_kexec_post_notifiers=1.

Six cells of the matrix that differ most; with VKBENCH_ALL_INJECTIONS=1 all of it (docs/injections.md, about half a
minute a cell).
"""

from __future__ import annotations

import json
import os

import pytest

from vkbench.server.injections import INJECTIONS
from vkbench.verdict.path_rule import PATH_ID

SCENARIOS = {"stock": "panic-stock", "post": "panic-post-notifiers"}
CHOSEN = [
    ("oops", "stock"),
    ("oops", "post"),
    ("nmi", "post"),
    ("irq-oops", "stock"),
    ("warn", "post"),
    ("notifier-panic", "post"),
]
ALL = [(name, kdump) for name in INJECTIONS for kdump in SCENARIOS]
CELLS = ALL if os.environ.get("VKBENCH_ALL_INJECTIONS") else CHOSEN


@pytest.mark.parametrize(("injection", "kdump"), CELLS, ids=lambda value: value)
def test_an_injection_takes_its_way(vkbench, bench_table, run_directory, injection, kdump):
    row = INJECTIONS[injection]
    arch = bench_table.get("server", {}).get("arch", "x86_64")
    if arch not in row.arch:
        pytest.skip(f"{injection} is for {', '.join(row.arch)}")
    out = run_directory / "run"
    words = ["run", SCENARIOS[kdump], "--injection", injection, "--bench", vkbench.bench, "--out", out]
    result = vkbench(*words)
    if row.needs and result.code == 4 and "prepare injection" in _failed_steps(out):
        pytest.skip(f"this server has not {row.needs}: {result.stderr.strip().splitlines()[-1]}")
    expected = row.expectation(kdump == "post")
    verdict = json.loads((out / "verdict.json").read_text())
    rules = {rule["id"]: rule for rule in verdict["rules"]}
    told = json.dumps(rules, indent=1) + result.stderr
    assert rules[PATH_ID]["result"] == "PASS", told
    if expected.jump and not expected.doorbell:
        assert verdict["overall"] == "FAIL" and verdict["as_expected"] and result.code == 1, told
    else:
        # Of the other rules no FAIL: some ways leave less between doorbell and jump than their order's uncertainty.
        assert verdict["overall"] != "FAIL" and result.code in (0, 2), told
    assert (rules[PATH_ID]["value"] is not None) == expected.doorbell, told
    run = json.loads((out / "run.json").read_text())
    assert run["config"]["injection"] == injection and run["config"]["expect"]["path"] == expected.path


def _failed_steps(out):
    return [step["name"] for step in json.loads((out / "run.json").read_text())["steps"] if not step["ok"]]

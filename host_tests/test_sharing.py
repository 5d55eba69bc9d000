# SPDX-License-Identifier: Apache-2.0
"""Two users, one bench, offered through labgrid: one runs a panic, the other waits, and a coordinator that is killed in
the middle loses nothing.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from urllib.parse import urlsplit

import pytest

ROOT = Path(__file__).resolve().parents[1]
sys.path.append(str(ROOT / "bench/tests"))  # labgrid's processes are test peers, as the unit tests use them
from labgrid_peers import labgrid  # noqa: E402

LIMIT_S = 240


def wires(bench: dict) -> dict:
    """The bench's wires as labgrid's resources."""
    url = urlsplit(bench["console"]["url"])
    if url.scheme not in ("socket", "rfc2217"):
        pytest.skip("labgrid carries consoles by TCP only")
    return {
        "kind": bench["bmc"].get("kind", "ipmi"),
        "bmc": bench["bmc"]["port"],
        "console": url.port,
        "protocol": "raw" if url.scheme == "socket" else "rfc2217",
        "analyser": bench["analyser"]["resource"].split("::")[2],
    }


def test_one_runs_a_panic_while_the_other_waits_and_the_coordinator_dies(
    vkbench, bench_file, bench_table, tmp_path
):
    template = tmp_path / "template.toml"
    template.write_text(bench_file.read_text())
    out = tmp_path / "run"
    command = [sys.executable, "-m", "vkbench"]
    with labgrid(tmp_path / "lab", **wires(bench_table)) as lab:
        run = [*command, "run", "panic-post-notifiers", "--bench", "{bench}", "--out", out]
        ann = lab.use("ann", template, *run)
        lab.until((out / "console.raw").exists, LIMIT_S)
        bob = lab.use("bob", template, *command, "doctor", "--bench", "{bench}", wait_s=LIMIT_S)
        lab.until(lambda: "host/ann has it" in lab.said("bob"), LIMIT_S)
        assert bob.poll() is None
        lab.kill_coordinator()
        assert bob.wait(LIMIT_S) == 4, "who waits in a queue that is gone is told so"
        lab.start()
        lab.until(lambda: "acquired again" in lab.said("ann") or ann.poll() is not None, LIMIT_S)
        bob = lab.use("bob", template, *command, "doctor", "--bench", "{bench}", wait_s=LIMIT_S)
        assert ann.wait(LIMIT_S) == 0, lab.said("ann")
        assert bob.wait(LIMIT_S) == 0, lab.said("bob")
        assert lab.holder() == "None"
    verdict = json.loads((out / "verdict.json").read_text())
    assert verdict["overall"] == "PASS"


PLAN = """\
name = "shared"
title = "A cycle and a control"
seed = 1
rules = ["VKB-JUMP-001", "VKB-HALT-001", "VKB-MEM-001", "VKB-PATH-001"]
[[configuration]]
scenario = "panic-post-notifiers"
n = 1
[[configuration]]
scenario = "panic-stock"
n = 1
"""


def test_a_campaign_has_its_place_from_the_first_cycle_to_the_report(
    vkbench, bench_file, bench_table, tmp_path
):
    template, plan, out = tmp_path / "template.toml", tmp_path / "shared.toml", tmp_path / "campaign"
    template.write_text(bench_file.read_text())
    plan.write_text(PLAN)
    with labgrid(tmp_path / "lab", **wires(bench_table)) as lab:
        command = [sys.executable, "-m", "vkbench", "qualify", plan, "{benches}", "--out", out]
        ann = lab.use_all("ann", {"bench1": template}, *command)
        lab.until((out / "cycles/000001-1/console.raw").exists, LIMIT_S)
        assert lab.holder() == "host/ann"
        assert ann.wait(LIMIT_S) == 0, lab.said("ann")
        assert lab.holder() == "None"
    summary = json.loads((out / "summary.json").read_text())
    assert summary["conformity"] == "CONFORMS" and (out / "report/report.html").exists()
    assert vkbench("verify", out).code == 0

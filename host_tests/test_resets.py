# SPDX-License-Identifier: Apache-2.0
"""A card that is reset under traffic must come back clean: one run through the command, and several on one boot.

The others boot the server anew each; with VKBENCH_ALL_RESETS=1 they run as well (docs/resets.md).
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from vkbench.config import BenchFile
from vkbench.instruments import open_analyser, open_bmc, open_console
from vkbench.server.reset import ResetRunning
from vkbench.server.run import run
from vkbench.server.scenario import SCENARIOS
from vkbench.server.server import Server
from vkbench.server.states import StateTracker
from vkbench.verdict import Verdict, verify

EVERYTHING = bool(os.environ.get("VKBENCH_ALL_RESETS"))
#: These leave the server running; the others boot it, or end in a crash kernel.
ONE_BOOT = ("doorbell-hard", "bus", "remove-rescan", "ioctl", "doorbell-soft", "rebind")
#: Of them, those of every test run.
CHOSEN = ONE_BOOT if EVERYTHING else ONE_BOOT[:3]
OTHERS = [name for name, one in SCENARIOS.items() if one.kind == "reset"]
OTHERS = [name for name in OTHERS if name != "reset-flr" and name.removeprefix("reset-") not in ONE_BOOT]


def told(verdict: dict) -> str:
    return "\n".join(f"{rule['id']} {rule['result']}: {rule['reason']}" for rule in verdict["rules"])


def test_a_function_level_reset_by_the_command(vkbench, run_directory: Path) -> None:
    out = run_directory / "flr"
    result = vkbench("run", "reset-flr", "--bench", vkbench.bench, "--out", out, "--json")
    assert result.stdout, result.stderr
    assert result.code == 0 and result.data["overall"] == "PASS", told(result.data)
    assert [rule["id"][:9] for rule in result.data["rules"]] == ["VKB-RESET"] * 9
    checked = vkbench("verify", out)
    assert checked.code == 0, checked.stdout
    found = json.loads((out / "reset.json").read_text())
    assert found["node"] and not found["after"]["refused"]


@pytest.fixture(scope="module")
def running(lab, bench: BenchFile) -> Iterator[Callable[[str, Path], Verdict]]:
    """A server that has booted once, with its driver: resets it by name. Each run opens the wires itself."""
    with ExitStack() as instruments:
        bmc = instruments.enter_context(open_bmc(bench))
        tracker = StateTracker(bench.server, bench.markers)
        with open_console(bench, tracker) as console:
            server = Server(bench, bmc, console, tracker)
            server.power_on_to_shell()
            server.load_driver()
        yield lambda name, out: run(bench, SCENARIOS[f"reset-{name}"], out, kind=ResetRunning)
        with open_analyser(bench) as analyser:
            analyser.dma_stop()
        bmc.power_off()


@pytest.mark.parametrize("name", CHOSEN)
def test_a_reset_of_a_running_server(
    running: Callable[[str, Path], Verdict], run_directory: Path, name: str
) -> None:
    verdict = running(name, run_directory / name)
    assert verdict.overall == "PASS", told(verdict.model_dump())
    assert verify(run_directory / name).ok


@pytest.mark.skipif(not EVERYTHING, reason="a boot each: VKBENCH_ALL_RESETS=1")
@pytest.mark.parametrize("scenario", OTHERS)
def test_every_other_reset(vkbench, run_directory: Path, scenario: str) -> None:
    result = vkbench("run", scenario, "--bench", vkbench.bench, "--out", run_directory / "run", "--json")
    assert result.stdout, result.stderr
    assert result.code == 0, told(result.data)


#: Seeded defects (rtl/faults.py) that show on a bench: the reset that shows each, and rules that must then fail.
DEFECTS: dict[str, tuple[str, tuple[int, ...]]] = {
    "DEAF_HARD": ("reset-doorbell-hard", (1, 2)),
    "VERY_LATE": ("reset-doorbell-hard", (2,)),
    "SLIP": ("reset-doorbell-hard", (2,)),
    "IRQ_AFTER": ("reset-doorbell-hard", (3,)),
    "RESUME_DB": ("reset-doorbell-hard", (2,)),
    "INDEX_KEPT": ("reset-doorbell-hard", (6,)),
    "DEAF_SOFT": ("reset-rebind", (2,)),
    "DEAF_BME": ("reset-flr", (2,)),
    "DEAF_FLR": ("reset-flr", (1, 5)),
    "RESUME_FLR": ("reset-flr", (2,)),
}


@pytest.mark.skipif(not EVERYTHING, reason="a boot each: VKBENCH_ALL_RESETS=1")
@pytest.mark.parametrize("name", DEFECTS)
def test_a_bad_card_fails(vkbench, lab, bench: BenchFile, run_directory: Path, name: str) -> None:
    scenario, rules = DEFECTS[name]
    with open_analyser(bench) as analyser:
        if name not in analyser.faults():
            pytest.skip(
                "the card is a release build: --bench fixtures/benches/virtual-defects.toml has another"
            )
    words = ("--bench", vkbench.bench, "--out", run_directory / "run", "--defect", name, "--json")
    result = vkbench("run", scenario, *words)
    assert result.stdout, result.stderr
    assert result.code == 1, told(result.data)
    failed = {rule["id"] for rule in result.data["rules"] if rule["result"] == "FAIL"}
    assert failed >= {f"VKB-RESET-{number:03}" for number in rules}, told(result.data)

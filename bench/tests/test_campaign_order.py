# SPDX-License-Identifier: Apache-2.0
"""The order of a campaign's cycles, how long they take, and `vkbench plan`."""

import json
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
import typer
from hypothesis import given, settings
from hypothesis import strategies as st
from synthetic_run import post_notifiers, stock
from typer.testing import CliRunner

from vkbench.campaign.planning import estimate, order, plan
from vkbench.cli import plan as command
from vkbench.evidence.campaign import Configuration, Plan
from vkbench.server.steps import TYPICAL_S

ROOT = Path(__file__).resolve().parents[2]
VIRTUAL, DEFECTS, LAB = (
    ROOT / f"fixtures/benches/{name}.toml" for name in ("virtual", "virtual-defects", "lab-example")
)


def configuration(name: str, n: int, role: str = "candidate", **more) -> Configuration:
    scenario = "panic-stock" if role == "control" else "panic-post-notifiers"
    return Configuration(**{"name": name, "title": name, "role": role, "scenario": scenario, "n": n, **more})


def plan_of(*configurations: Configuration, seed: int = 1) -> Plan:
    return Plan(
        name="p",
        title="p",
        seed=seed,
        requirements=[],
        configurations=list(configurations),
        sha256="0" * 64,
    )


@st.composite
def plans(draw) -> Plan:
    numbers = st.integers(1, 40)
    rows = [configuration(f"c{i}", draw(numbers)) for i in range(draw(st.integers(1, 5)))]
    rows += [configuration(f"s{i}", draw(numbers), "control") for i in range(draw(st.integers(1, 3)))]
    return plan_of(*draw(st.permutations(rows)), seed=draw(st.integers(0, 2**63 - 1)))


# ---- order -----------------------------------------------------------------------------------------------------------


@given(plans())
@settings(max_examples=60, deadline=None)
def test_every_cycle_is_there_once_and_each_configuration_lies_evenly_over_the_blocks(one):
    slots, blocks = order.slots(one), order.blocks(one)
    assert [slot.number for slot in slots] == list(range(1, len(slots) + 1))
    assert [slot.block for slot in slots] == sorted(slot.block for slot in slots)
    for configured in one.configurations:
        mine = [slot for slot in slots if slot.configuration == configured.name]
        assert sorted(slot.replicate for slot in mine) == list(range(1, configured.n + 1))
        a_block = Counter(slot.block for slot in mine)
        assert set(a_block) <= set(range(1, blocks + 1))
        counts = [a_block[block] for block in range(1, blocks + 1)]
        assert max(counts) - min(counts) <= 1
        # Evenly also in the small: no stretch of blocks has two cycles more than its share.
        for first in range(blocks):
            for last in range(first + 1, blocks + 1):
                share = configured.n * (last - first) / blocks
                assert abs(sum(counts[first:last]) - share) < 2
    most = max(c.n for c in one.configurations if c.role == "control")
    assert most <= blocks and (most < blocks or all(c > 0 for c in Counter(s.block for s in slots).values()))


@given(plans())
@settings(max_examples=30, deadline=None)
def test_the_order_follows_from_the_seed_alone(one):
    assert order.slots(one) == order.slots(one.model_copy(deep=True))
    turned = one.model_copy(update={"configurations": one.configurations[::-1]})
    assert order.slots(turned) == order.slots(one)


def test_another_seed_is_another_order_and_neither_is_the_plans():
    rows = [configuration("a", 20), configuration("b", 20), configuration("c", 4, "control")]
    names = [
        tuple(slot.configuration for slot in order.slots(plan_of(*rows, seed=seed))) for seed in range(20)
    ]
    assert len(set(names)) == 20
    first = Counter(found[0] for found in names)
    assert first["a"] > 3 and first["b"] > 3


def test_what_stands_in_the_documentation_recomputes_it(tmp_path):
    program = (ROOT / "docs/plans.md").read_text().partition("```python\n")[2].partition("```")[0]
    others = [
        plan_of(configuration("a", 7), configuration("b", 31), configuration("c", 3, "control"), seed=99)
    ]
    for one in [*(plan.load(path) for path in plan.ready_made().values()), *others]:
        (tmp_path / "plan.json").write_text(one.model_dump_json(by_alias=True))
        told = subprocess.run(
            [sys.executable, "-I", "-c", program, tmp_path / "plan.json"],
            capture_output=True,
            text=True,
            check=True,
        )
        wanted = [f"{s.number} {s.block} {s.configuration} {s.replicate}" for s in order.slots(one)]
        assert told.stdout.splitlines() == wanted


# ---- estimate --------------------------------------------------------------------------------------------------------


def anything(_):
    return True


def test_without_earlier_runs_the_typical_steps_count():
    found = estimate.estimate(
        plan_of(configuration("a", 3), configuration("c", 1, "control")), {"one": anything}
    )
    assert found.cycles == 4 and found.costs["a"].basis == estimate.TYPICAL
    assert found.elapsed_s == pytest.approx(4 * sum(TYPICAL_S.values()), rel=0.02)


def test_quick_is_over_in_ten_minutes():
    assert estimate.estimate(plan.load(plan.find("quick")), {"one": anything}).elapsed_s < 600


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """An earlier campaign: two runs of known length, one that was aborted, and files that are no runs."""
    folder = tmp_path_factory.mktemp("earlier")
    for name, made, seconds in (("1", post_notifiers(), 40), ("2", stock(), 50), ("3", stock(), 0)):
        made.save(folder / "cycles" / name)
        record = json.loads((folder / "cycles" / name / "run.json").read_text())
        record |= {"started_utc": "2026-01-01T00:00:00Z", "finished_utc": f"2026-01-01T00:00:{seconds}Z"}
        record["status"] = "complete" if seconds else "aborted"
        (folder / "cycles" / name / "run.json").write_text(json.dumps(record))
    (folder / "other").mkdir()
    (folder / "other/run.json").write_text("{")
    return folder


def test_measured_times_of_the_same_are_used_and_else_of_the_same_kind(runs):
    earlier = estimate.earlier_runs([runs])
    assert sorted(one.seconds for one in earlier) == [40, 50] and all(one.size > 1000 for one in earlier)
    same = estimate.cost(configuration("a", 1), earlier)
    like = estimate.cost(configuration("b", 1, injection="oops"), earlier)
    other = estimate.cost(configuration("c", 1, injection="bug"), earlier)
    assert (same.seconds, same.basis) == (40, "1 run of the same")
    assert (like.seconds, like.basis) == (45, "2 runs of the same kind")
    assert other.basis == estimate.TYPICAL and other.seconds < sum(TYPICAL_S.values())


def test_two_benches_share_the_cycles_and_one_that_cannot_does_none():
    one = plan_of(
        configuration("a", 10), configuration("b", 10, defect="SLIP"), configuration("c", 2, "control")
    )
    alone = estimate.estimate(one, {"x": anything})
    both = estimate.estimate(one, {"x": anything, "y": anything})
    assert both.elapsed_s == pytest.approx(alone.elapsed_s / 2)
    split = estimate.estimate(one, {"x": lambda c: not c.defect, "y": lambda c: c.name == "c"})
    assert split.impossible == ["b"] and split.cycles == 12
    assert split.busy_s["y"] < split.busy_s["x"]


# ---- command ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def vkbench_plan():
    def run(*words):
        told = CliRunner().invoke(command.app, [str(word) for word in words])
        assert told.exception is None or isinstance(told.exception, SystemExit | typer.Exit), told.exception
        return told.exit_code, told.stdout, told.stderr

    return run


def test_check_says_what_the_plan_would_do(vkbench_plan):
    code, out, _ = vkbench_plan("check", "quick")
    assert code == 0
    assert "17 cycles in 3 randomised blocks, seed 1; 3 of them controls" in out
    assert "panic-stock 3 fail JUMP-001, MEM-001" in " ".join(out.split())
    assert "pass RESET-001 to 009" in out and "Not tested:" in out


def test_check_of_benches_says_which_can_do_what(vkbench_plan):
    code, out, _ = vkbench_plan("check", "vk-card", "--bench", VIRTUAL, "--bench", DEFECTS)
    rows = {line.split()[0]: line.split()[-1] for line in out.splitlines() if line}
    assert code == 0
    assert rows["panic-post-notifiers.SLIP"] == "virtual-defects" and rows["reset-flr"] == "virtual"
    code, out, err = vkbench_plan("check", "vk-card", "--bench", VIRTUAL, "--json")
    told = json.loads(out)
    assert code == 3 and "no bench can do 16 of 71" in err
    assert told["lacking"]["panic-post-notifiers.SLIP"]["virtual"] and len(told["no_bench_can_do"]) == 16
    assert told["by_role"]["control"] + told["by_role"]["candidate"] == told["cycles"] == 137
    assert "reset-flr" in told["shown_by"]["VKB-RESET-001"]
    assert vkbench_plan("check", "vk-card", "--bench", LAB)[0] == 0  # its card is asked when it begins


def test_of_a_virtual_bench_it_is_known_whether_it_has_an_iommu(vkbench_plan, tmp_path):
    text = plan.find("quick").read_text().replace("n = 6", 'n = 6\nwhere = { iommu = ["none", "intel"] }')
    (tmp_path / "p.toml").write_text(text)
    told = vkbench_plan("check", tmp_path / "p.toml", "--bench", VIRTUAL, "--json")[1]
    lacking = {name: row["virtual"] for name, row in json.loads(told)["lacking"].items()}
    assert lacking["panic-post-notifiers.intel"] and not lacking["panic-post-notifiers.none"]


def test_a_wrong_plan_ends_with_its_mistakes_and_exit_code_3(vkbench_plan, tmp_path):
    (tmp_path / "p.toml").write_text('name = "p"\nsede = 1\n')
    code, out, err = vkbench_plan("check", tmp_path / "p.toml")
    assert (code, out) == (3, "")
    assert "p.toml:2: unknown key 'sede'" in err and "docs/plans.md" in err
    assert "Traceback" not in err and vkbench_plan("check", "nothing")[0] == 3


def test_estimate_by_measured_runs(vkbench_plan, runs, tmp_path):
    code, out, _ = vkbench_plan("estimate", "quick", "--from", runs, "--benches", 2, "--json")
    told = json.loads(out)
    assert code == 0 and told["cycles"] == 17 and set(told["busy_s"]) == {"bench 1", "bench 2"}
    assert told["configurations"]["panic-stock"]["basis"] == "1 run of the same"
    assert told["free_bytes"] > 0 and told["evidence_bytes"] > 0
    code, out, _ = vkbench_plan("estimate", "quick", "--out", tmp_path / "not" / "yet")
    assert code == 0 and "17 cycles on one bench: about" in out and "are free" in out
    code, _, err = vkbench_plan("estimate", "quick", "--from", tmp_path)
    assert code == 3 and "no complete run" in err


def test_the_ready_made_plans_are_listed_and_shown(vkbench_plan):
    _, out, _ = vkbench_plan("list", "--json")
    assert {row["name"]: row["cycles"] for row in json.loads(out)}["hundred"] == 100
    assert vkbench_plan("show", "quick")[1] == plan.find("quick").read_text()

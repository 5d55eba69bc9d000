# SPDX-License-Identifier: Apache-2.0
"""The ready-made plans leave nothing out; and what plans say of rules, facts and docs/plans.md is what these are."""

import ast
import sys
from pathlib import Path
from types import SimpleNamespace

from vkbench.campaign.planning import document, plan, planfile
from vkbench.campaign.records import facts
from vkbench.server.injections import INJECTIONS, expectation_of
from vkbench.server.scenario import SCENARIOS
from vkbench.verdict.catalogue import RULES, judging
from vkbench.verdict.judge import rules_for
from vkbench.verdict.memory_rule import memory_frozen
from vkbench.verdict.path_rule import path_taken
from vkbench.verdict.rules import halt_latency, no_request_after_jump

ROOT = Path(__file__).resolve().parents[2]


def configurations(name: str, **wanted):
    return [
        one
        for one in plan.load(plan.find(name)).configurations
        if all(getattr(one, key) == value for key, value in wanted.items())
    ]


def showable_defects() -> set[tuple[str, str, frozenset[str]]]:
    """(scenario, defect, rules), by the card's declaration and by what the host tests of resets expect."""
    sys.path.insert(0, str(ROOT / "rtl"))
    try:
        from faults import FAULTS
    finally:
        sys.path.pop(0)
    found = {("panic-post-notifiers", one.name, frozenset(one.bench)) for one in FAULTS if one.bench}
    source = ast.parse((ROOT / "host_tests/test_resets.py").read_text())
    (table,) = [
        node.value
        for node in source.body
        if isinstance(node, ast.AnnAssign) and ast.unparse(node.target) == "DEFECTS"
    ]
    for name, (scenario, rules) in ast.literal_eval(table).items():
        found.add((scenario, name, frozenset(f"VKB-RESET-{number:03}" for number in rules)))
    return found


def test_vk_card_has_every_defect_that_can_show_with_the_rules_that_must_catch_it():
    bad = [one for one in configurations("vk-card") if one.defect]
    assert {(one.scenario, one.defect, frozenset(one.caught_by)) for one in bad} == showable_defects()


def test_vk_card_leaves_out_only_what_no_emulated_processor_can_do():
    whole = plan.load(plan.find("vk-card"))
    good = [one for one in whole.configurations if not one.defect]
    for name in ("panic-post-notifiers", "panic-stock"):
        taken = {one.injection or SCENARIOS[name].injection for one in good if one.scenario == name}
        assert set(INJECTIONS) - taken == {"hard-lockup"}
    assert {one.name for one in SCENARIOS.values() if one.kind == "reset"} <= {one.scenario for one in good}
    assert {rule for one in whole.requirements for rule in one.rules} == set(RULES)
    assert any("hard-lockup" in line for line in whole.not_tested)
    elsewhere = [one for one in whole.requirements if not one.rules]
    assert len(elsewhere) > 50 and all(one.points for one in whole.requirements)


def test_hundred_is_a_hundred_cycles_every_tenth_a_control():
    assert sum(one.n for one in configurations("hundred")) == 100
    assert sum(one.n for one in configurations("hundred", role="control")) == 10
    assert not [one for one in configurations("hundred") if one.defect]


def test_soak_is_thousands_of_cycles_with_a_goal():
    rows = configurations("soak")
    assert sum(one.n for one in rows) > 2000
    (main,) = [one for one in rows if one.goal]
    assert (main.goal.reliability, main.goal.confidence) == (0.99, 0.95) and main.n > 1000


def test_each_run_does_what_its_configuration_says():
    for path in plan.ready_made().values():
        for one in plan.load(path).configurations:
            scenario = plan.scenario_of(one, "x86_64")
            assert scenario.must_fail == (one.role == "control"), one.name
            assert scenario.defect == one.defect
            judged = judging(scenario.kind, expectation_of(scenario))
            assert set(one.caught_by) <= set(judged)
            assert bool(one.caught_by) == (one.role == "control")
            if one.injection:
                assert scenario.injection == one.injection


# ---- one place for each word -----------------------------------------------------------------------------------------


def test_the_rules_that_judge_a_run_are_known_before_it():
    ids = {no_request_after_jump: "VKB-JUMP-001", halt_latency: "VKB-HALT-001"}
    ids |= {memory_frozen: "VKB-MEM-001", path_taken: "VKB-PATH-001"}
    ways = [way for row in INJECTIONS.values() for way in (row.stock, row.post)]
    for way in (None, *ways):
        run = SimpleNamespace(record=SimpleNamespace(config=SimpleNamespace(expect=way)))
        assert tuple(ids[rule] for rule in rules_for(run)) == judging("panic", way)


def test_every_rule_is_explained():
    for rule in RULES.values():
        assert rule.id in (ROOT / rule.source).read_text()


def test_where_knows_every_fact_that_the_evidence_can_tell():
    server = {"uname": "Linux x 6.1.0 y", "os": "o", "machine": "m"}
    server |= {"iommu": {"kind": "intel", "domain": "DMA"}, "driver": {"srcversion": "s"}}
    inventory = {"server": server, "card": {"build": "test"}, "analyser": {"serial": "1", "version": "2"}}
    bench = SimpleNamespace(arch="x86_64", provider="virtual", file_sha256="0")
    record = SimpleNamespace(bench=bench, config=SimpleNamespace(defect="SLIP"), inventory=inventory)
    assert set(facts.facts_of(record)) == set(planfile.FACTS)


def test_the_page_has_the_reference_the_numbers_and_an_example_that_loads():
    page = (ROOT / "docs/plans.md").read_text()
    assert document.renewed(page) == page, "python -m vkbench.campaign.planning.document docs/plans.md"
    example = page.partition("```toml\n")[2].partition("```")[0]
    assert len(plan.parse(example.encode(), Path("p.toml")).configurations) == 8
    for name, path in plan.ready_made().items():
        assert f"| `{name}` | {sum(one.n for one in plan.load(path).configurations)} |" in page

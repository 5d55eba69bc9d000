# SPDX-License-Identifier: Apache-2.0
"""Plans: what a good one becomes, that each mistake is named with its line, and that the ready-made ones leave nothing out."""

import re
from pathlib import Path

import pytest

from vkbench.campaign.planning import plan
from vkbench.errors import PlanError, UserError
from vkbench.evidence.campaign import Plan
from vkbench.verdict.catalogue import RULES

ROOT = Path(__file__).resolve().parents[2]
GOOD = """\
name = "good"
title = "A plan"
seed = 7
rules = [
    "VKB-JUMP-001",
    "VKB-RESET-002",
]

[[requirement]]
id = "ACME-7"
text = "It is silent."
source = "ACME 4.2"
rules = ["VKB-HALT-001"]

[[configuration]]
scenario = "panic-post-notifiers"
goal = { reliability = 0.99, confidence = 0.95 }

[[configuration]]
name = "resets"
scenario = [
    "reset-flr",
    "reset-bus",
]
where = { iommu = ["none", "intel*"] }
n = 3

[[configuration]]
scenario = "panic-stock"
injection = "nmi"
n = 2

[[configuration]]
scenario = "reset-flr"
n = 1
[configuration.defects]
DEAF_FLR = ["VKB-RESET-002"]
"""


def parsed(text: str) -> Plan:
    return plan.parse(text.encode(), Path("p.toml"))


def problems(text: str) -> list[str]:
    with pytest.raises(PlanError) as caught:
        parsed(text)
    assert caught.value.exit_code == 3
    return caught.value.problems


def changed(old: str, new: str) -> str:
    assert GOOD.count(old) >= 1
    return GOOD.replace(old, new, 1)


def test_a_good_plan_becomes_configurations_with_roles_and_numbers():
    found = parsed(GOOD)
    rows = {one.name: one for one in found.configurations}
    assert list(rows) == [
        "panic-post-notifiers",
        "resets.reset-flr.none",
        "resets.reset-bus.none",
        "resets.reset-flr.intel",
        "resets.reset-bus.intel",
        "panic-stock.nmi",
        "reset-flr.DEAF_FLR",
    ]
    main, reset = rows["panic-post-notifiers"], rows["resets.reset-bus.intel"]
    stock, bad = rows["panic-stock.nmi"], rows["reset-flr.DEAF_FLR"]
    assert (main.role, main.n, main.requirements) == ("candidate", 299, ["VKB-JUMP-001", "ACME-7"])
    assert (reset.role, reset.n, reset.requirements) == ("candidate", 3, ["VKB-RESET-002"])
    assert reset.where == {"iommu": "intel*"} and reset.title.endswith("; iommu intel*")
    assert (stock.role, stock.caught_by) == ("control", ["VKB-JUMP-001", "VKB-MEM-001"])
    assert stock.where == {"arch": "x86_64"} and stock.requirements == ["VKB-JUMP-001"]
    assert (bad.role, bad.defect, bad.needs) == ("control", "DEAF_FLR", ["seeded-defects"])
    assert bad.caught_by == ["VKB-RESET-002"]
    requirements = {one.id: one for one in found.requirements}
    assert requirements["VKB-JUMP-001"].text == RULES["VKB-JUMP-001"].requirement
    assert requirements["ACME-7"].rules == ["VKB-HALT-001"]


def test_only_the_injection_of_one_architecture_brings_where():
    found = parsed(changed('injection = "nmi"', 'injection = ["nmi", "oops", "mce"]'))
    where = {one.injection: one.where for one in found.configurations if one.scenario == "panic-stock"}
    assert where == {"nmi": {"arch": "x86_64"}, "oops": {}, "mce": {"arch": "x86_64"}}


def test_a_plan_survives_its_way_through_plan_json():
    found = parsed(GOOD)
    assert Plan.model_validate_json(found.model_dump_json(by_alias=True)) == found


def test_what_the_plan_leaves_out_is_said():
    text = "\n".join(parsed(GOOD).not_tested)
    assert "by no-image, panic, oops" in text and "sysrq-c" not in text
    assert "reset-warm" in text and "reset-bus" not in text
    assert "VKB-MEM-001" in text and "VKB-JUMP-001" not in text
    assert "seeded defects" not in text and "IOMMU" not in text
    bare = GOOD.replace('where = { iommu = ["none", "intel*"] }\n', "").partition(
        '\n[[configuration]]\nscenario = "reset-flr"\nn = 1'
    )[0]
    text = "\n".join(parsed(bare).not_tested)
    assert "seeded defects" in text and "IOMMU" in text


MISTAKES = {
    "unknown key": ("seed = 7", "seed = 7\nsede = 8", "sede = 8", "did you mean seed?"),
    "unknown key in a row": ("n = 3", "n = 3\nm = 3", "m = 3", "allowed in table [configuration[2]]"),
    "missing key": ("seed = 7\n", "", "", "the key seed is missing"),
    "wrong type": ("seed = 7", 'seed = "7"', 'seed = "7"', "valid integer"),
    "scenario": ('    "reset-bus",', '    "reset-buss",', "reset-buss", "did you mean reset-bus?"),
    "injection": ('injection = "nmi"', 'injection = "mni"', "mni", "must be one of sysrq-c, no-image"),
    "rule": ('    "VKB-RESET-002",', '    "VKB-RESET-010",', "VKB-RESET-010", "must be one of VKB-JUMP-001"),
    "rule of a requirement": ('["VKB-HALT-001"]', '["VKB-HALT-002"]', "VKB-HALT-002", "must be one of"),
    "defect's form": ("DEAF_FLR =", "deaf-flr =", "deaf-flr", "capitals, digits and _"),
    "defect without rules": ('= ["VKB-RESET-002"]\n', "= []\n", "DEAF_FLR", "at least 1 item"),
    "fact": ("iommu =", "immu =", "immu", "did you mean iommu?"),
    "name": ('name = "resets"', 'name = "all resets"', "all resets", "begin with a letter or digit"),
    "health": ("seed = 7", "seed = 7\n[health]\nevery = 0", "every = 0", "greater than or equal to 1"),
    "neither n nor goal": ("n = 3\n", "", "[[configuration]]", "needs n = …"),
    "n below its goal": ("confidence = 0.95 }", "confidence = 0.95 }\nn = 298", "n = 298", "needs 299"),
    "injection on a reset": ("n = 3", 'n = 3\ninjection = "nmi"', 'injection = "nmi"', "reset-flr has none"),
    "requirement twice": ('"ACME-7"', '"VKB-JUMP-001"', "VKB-JUMP-001", "brings its text"),
    "rule twice": ('    "VKB-RESET-002",', '    "VKB-RESET-002",\n    "VKB-JUMP-001",', "", "is there twice"),
    "own without text": ('text = "It is silent."\n', "", "ACME-7", "needs text"),
    "goal of a control": ("n = 2", "n = 300\ngoal = { reliability = 0.99, confidence = 0.95 }", "goal = { reliability = 0.99, confidence = 0.95 }", "is a control"),
    "failures of a control": ("n = 2", "n = 2\nallowed_failures = 1", "allowed_failures", "is a control"),
    "all may fail": ("n = 3", "n = 3\nallowed_inconclusive = 3", "[[configuration]]", "shows nothing"),
    "caught a candidate": ("n = 3", 'n = 3\ncaught_by = ["VKB-RESET-001"]', "caught_by", "only a control is caught"),
    "caught by another's rule": ("n = 2", 'n = 2\ncaught_by = ["VKB-RESET-001"]', "caught_by", "does not judge panic-stock by nmi"),
    "defect caught by another's rule": ('DEAF_FLR = ["VKB-RESET-002"]', 'DEAF_FLR = ["VKB-MEM-001"]', "DEAF_FLR", "does not judge reset-flr"),
    "defect in a failing run": ("n = 2", 'n = 2\ndefects = { SLIP = ["VKB-JUMP-001"] }', "SLIP", "cannot show a defect"),
    "unknown requirement": ("n = 3", 'n = 3\nrequirements = ["ACME-8"]', "ACME-8", "no requirement of this plan"),
    "another's requirement": ("n = 3", 'n = 3\nrequirements = ["ACME-7"]', "requirements", "no rule of ACME-7 judges"),
    "wrong architecture": ("n = 2", 'n = 2\nwhere = { arch = "aarch64" }', "nmi", "x86_64 only"),
    "no catalogue": ("seed = 7", 'seed = 7\ncatalogue = "nowhere"', "catalogue", "has no *.toml"),
}  # fmt: skip


@pytest.mark.parametrize("what", MISTAKES)
def test_a_mistake_is_named_with_its_line(what):
    old, new, part, said = MISTAKES[what]
    text = changed(old, new)
    found = problems(text)
    assert all(line.startswith("p.toml") for line in found)
    (problem,) = [line for line in found if said in line][:1] or [found]
    assert said in problem
    if part:
        numbers = [number for number, line in enumerate(text.splitlines(), 1) if part in line]
        assert int(re.match(r"p\.toml:(\d+)", problem)[1]) in numbers, problem


def test_all_mistakes_are_told_at_once():
    text = (
        changed("seed = 7", "sede = 7")
        .replace('injection = "nmi"', 'injection = "mni"')
        .replace("n = 3\n", "")
    )
    found = problems(text)
    for said in ("'sede'", "the key seed", "'mni'", "needs n = …"):
        assert sum(said in line for line in found) == 1, said
    assert len(found) == 4
    lines = [int(number) for line in found for number in re.findall(r"p\.toml:(\d+)", line)]
    assert lines == sorted(lines) and len(lines) == 3  # a missing key has no line


def test_without_a_control_the_plan_is_refused():
    text = GOOD.partition('\n[[configuration]]\nscenario = "panic-stock"')[0]
    (problem,) = problems(text)
    assert "no negative control" in problem and 'scenario = "panic-stock"' in problem


def test_a_plan_of_controls_alone_is_refused():
    head, _, rest = GOOD.partition("[[configuration]]\n")
    controls = '[[configuration]]\nscenario = "panic-stock"' + rest.partition('scenario = "panic-stock"')[2]
    assert "all configurations are controls" in "\n".join(problems(head + controls))


def test_a_requirement_that_no_cycle_can_show_is_refused_at_its_line():
    text = changed('rules = ["VKB-HALT-001"]', 'rules = ["VKB-HALT-001", "VKB-MEM-001"]').replace(
        'scenario = "panic-post-notifiers"', 'scenario = "panic-post-notifiers"\ninjection = "no-image"'
    )
    found = problems(text)
    assert [line.partition(": ")[0] for line in found] == ["p.toml:5", "p.toml:9"]
    assert "VKB-MEM-001" in found[1] and "cannot be shown" in found[1] and "VKB-HALT" not in found[1]


def test_a_plan_that_names_no_requirement_is_told_what_it_could_show():
    text = GOOD.partition("rules = [")[0] + GOOD[GOOD.index("[[configuration]]") :]
    (problem,) = problems(text)
    assert 'rules = ["VKB-JUMP-001", "VKB-HALT-001"' in problem and '"VKB-RESET-009"]' in problem


def test_two_configurations_of_one_name_are_refused():
    text = changed('injection = "nmi"\n', "") + '\n[[configuration]]\nscenario = "panic-stock"\nn = 1\n'
    (problem,) = problems(text)
    line = len(text.splitlines()) - 2
    assert problem.startswith(f"p.toml:{line}: ") and "'panic-stock' already" in problem


@pytest.mark.parametrize(("data", "said"), [(b"a = [", "p.toml:1"), (b"\n\xff", "p.toml:2: is no UTF-8")])
def test_what_is_no_toml_is_named(data, said):
    with pytest.raises(PlanError, match=said):
        plan.parse(data, Path("p.toml"))


def test_a_plan_is_found_by_name_or_path(tmp_path):
    assert plan.find("quick") == plan.READY_MADE / "quick.toml"
    (tmp_path / "mine.toml").write_text(GOOD)
    assert plan.load(plan.find(tmp_path / "mine.toml")).name == "good"
    with pytest.raises(UserError, match="one of: hundred, quick, soak, vk-card"):
        plan.find("quik")


# ---- catalogue -------------------------------------------------------------------------------------------------------

CATALOGUE = """
[[requirement]]
id = "VKB-JUMP-001"
text = "In other words."
source = "there"
points = ["vk.a.one"]

[[requirement]]
id = "VKB-DMA-001"
text = "Bytes."
source = "here"
points = ["vk.b.two"]
"""


@pytest.fixture
def with_catalogue(tmp_path):
    (tmp_path / "catalogue").mkdir()
    (tmp_path / "catalogue/a.toml").write_text(CATALOGUE)
    path = tmp_path / "mine.toml"
    path.write_text(changed("seed = 7", 'seed = 7\ncatalogue = "catalogue"'))
    return path


def test_a_catalogue_adds_what_only_other_tests_show(with_catalogue):
    found = plan.load(with_catalogue)
    rows = {one.id: one for one in found.requirements}
    assert rows["VKB-DMA-001"].points == ["vk.b.two"] and not rows["VKB-DMA-001"].rules
    assert rows["VKB-JUMP-001"].points == ["vk.a.one"] and rows["VKB-JUMP-001"].text != "In other words."
    assert any("VKB-DMA (1)" in line for line in found.not_tested)


def test_in_a_campaigns_directory_the_catalogue_is_what_was_registered(with_catalogue, tmp_path):
    found = plan.load(with_catalogue)
    away = tmp_path / "campaign"
    away.mkdir()
    (away / "plan.toml").write_bytes(with_catalogue.read_bytes())
    (away / "plan.json").write_text(found.model_dump_json(by_alias=True))
    assert plan.load(away / "plan.toml") == found
    (away / "plan.toml").write_text(with_catalogue.read_text() + "# not what was registered\n")
    with pytest.raises(PlanError, match="has no"):
        plan.load(away / "plan.toml")


def test_a_mistake_in_a_catalogue_is_named_with_its_file_and_line(with_catalogue):
    file = with_catalogue.parent / "catalogue/a.toml"
    file.write_text(CATALOGUE.replace('text = "Bytes."', "txt = 1") + CATALOGUE)
    with pytest.raises(PlanError, match=rf"{re.escape(str(file))}:10: unknown key 'txt'"):
        plan.load(with_catalogue)
    file.write_text(CATALOGUE + CATALOGUE)
    with pytest.raises(PlanError, match="VKB-DMA-001 is in the catalogue twice"):
        plan.load(with_catalogue)

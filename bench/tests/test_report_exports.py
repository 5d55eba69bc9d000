# SPDX-License-Identifier: Apache-2.0
"""The exports: valid by their formats' own schemas, complete, and saying of each cycle what the journal says."""

import csv
import json
import os
import re
import tracemalloc
import xml.etree.ElementTree as ElementTree
from collections import Counter
from dataclasses import replace
from pathlib import Path

import jsonschema
import junitparser
import ocp_model
import pandas
import pytest
import referencing
import synthetic_campaign
import xmlschema

from vkbench.campaign.figures.summary import summarise
from vkbench.report.exports import common, junit, ocp, table

ROOT = Path(__file__).resolve().parents[2]
JUNIT_XSD = ROOT / "fixtures/junit/junit-10.xsd"
#: json_spec/output of github.com/opencomputeproject/ocp-diag-core; not part of this repository.
OCP_SCHEMA = Path(os.environ.get("VKBENCH_OCP_SCHEMA", ROOT / "build/ocp/json_spec"))
ALL = {"junit.xml": junit, "ocptv.jsonl": ocp, "cycles.csv": table}
ROUGH = {
    "cycles": 90,
    "seed": 7,
    "fail": 0.05,
    "inconclusive": 0.1,
    "died": {"bench": 0.1, "server": 0.05, "card": 0.05},
    "missed": 0.2,
    "hostile": True,
}
UNPRINTABLE = re.compile(r"[\x00-\x08\x0b-\x1f\x7f\u202a-\u202e]")


class Written:
    """A campaign with its summary and all exports."""

    def __init__(self, folder: Path, **shape):
        self.campaign = synthetic_campaign.make(folder / "campaign" if "runs" in shape else None, **shape)
        self.summary = summarise(self.campaign.plan, self.campaign.cycles(), self.campaign.entries())
        for name, module in ALL.items():
            assert module.write(self.campaign, self.summary, folder / name) == folder / name
        self.junit, self.ocp, self.csv = (folder / name for name in ALL)
        self.configurations = {one.name: one for one in self.campaign.plan.configurations}
        self.cycles = list(self.campaign.cycles())
        self.counted = [cycle for cycle in self.cycles if cycle.counts]

    def lines(self):
        return [json.loads(line) for line in self.ocp.read_text(encoding="utf-8").splitlines()]

    def steps(self, kind):
        """(configuration, content) of every line of a kind about a test step."""
        names, found = {}, []
        for line in self.lines():
            step = line.get("testStepArtifact", {})
            if "testStepStart" in step:
                names[step["testStepId"]] = step["testStepStart"]["name"]
            if kind in step:
                found.append((names[step["testStepId"]], step[kind]))
        return found

    def tests(self):
        """(suite, test) -> the test's element."""
        root = ElementTree.parse(self.junit).getroot()
        return {(s.get("name"), t.get("name")): t for s in root for t in s.findall("testcase")}


@pytest.fixture(scope="module")
def rough(tmp_path_factory):
    return Written(tmp_path_factory.mktemp("rough"), **ROUGH)


@pytest.fixture(scope="module")
def interim(tmp_path_factory):
    return Written(tmp_path_factory.mktemp("interim"), cycles=100, done=0.6, died={"bench": 0.05}, seed=3)


def kind_of(test):
    return next((child.tag for child in test if child.tag in ("failure", "error", "skipped")), "passed")


# ---- JUnit -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("which", ["rough", "interim"])
def test_junit_is_valid_by_jenkins_schema(which, request):
    written = request.getfixturevalue(which)
    errors = list(xmlschema.XMLSchema(JUNIT_XSD).iter_errors(str(written.junit)))
    assert not errors, errors[0]


def test_junit_schema_would_find_a_wrong_element(rough, tmp_path):
    text = (
        rough.junit.read_text(encoding="utf-8").replace("<failure", "<fault").replace("</failure", "</fault")
    )
    (tmp_path / "wrong.xml").write_text(text, encoding="utf-8")
    assert not xmlschema.XMLSchema(JUNIT_XSD).is_valid(str(tmp_path / "wrong.xml"))


def test_junit_counts_are_those_of_its_tests(rough):
    read = junitparser.JUnitXml.fromfile(str(rough.junit))
    totals = Counter()
    for suite in read:
        found = Counter(kind_of(case._elem) for case in suite if isinstance(case, junitparser.TestCase))
        said = (suite.tests, suite.failures, suite.errors, suite.skipped)
        assert said == (sum(found.values()), found["failure"], found["error"], found["skipped"]), suite.name
        totals += found
    assert (read.tests, read.failures, read.errors) == (
        sum(totals.values()),
        totals["failure"],
        totals["error"],
    )


def test_junit_has_a_test_for_every_slot_and_says_how_it_ended(rough):
    tests = rough.tests()
    assert len(rough.counted) == sum(one.n for one in rough.configurations.values())
    seen = Counter()
    for cycle in rough.counted:
        one, outcome = rough.configurations[cycle.slot.configuration], cycle.outcome
        test = tests[one.name, f"cycle {cycle.slot.replicate:05}"]
        if outcome.result == "INCONCLUSIVE":
            wanted = "error"
        elif one.role == "control":
            wanted = "passed" if outcome.as_expected else "failure"
        else:
            wanted = {"PASS": "passed", "FAIL": "failure"}[outcome.result]
        assert kind_of(test) == wanted
        seen[one.role, outcome.fault, wanted] += 1
        log = test.findtext("system-out")
        assert cycle.directory in log
        assert outcome.manifest_sha256 in log
    # The campaign has one of each, or the test would show nothing.
    assert {
        ("candidate", "", "failure"),
        ("candidate", "", "error"),
        ("control", "", "failure"),
    } <= seen.keys()
    assert {("candidate", "server", "error"), ("candidate", "card", "error")} <= seen.keys()


def test_junit_repeats_stand_in_the_log_of_the_attempt_that_counts(rough):
    tests, repeated = rough.tests(), [cycle for cycle in rough.cycles if not cycle.counts]
    assert repeated
    for cycle in repeated:
        log = tests[cycle.slot.configuration, f"cycle {cycle.slot.replicate:05}"].findtext("system-out")
        assert f"evidence: {cycle.directory} " in log
        assert "does not count: repeated" in log


def test_junit_of_an_unfinished_campaign_skips_what_is_open(interim):
    kinds = Counter(kind_of(t) for (suite, _), t in interim.tests().items() if suite != "conformity")
    planned = sum(one.n for one in interim.configurations.values())
    assert sum(kinds.values()) == planned
    assert kinds["skipped"] == planned - len(interim.counted) > 0
    messages = {
        t.find("skipped").get("type") for t in interim.tests().values() if t.find("skipped") is not None
    }
    assert {"open", "not run"} <= messages


@pytest.mark.parametrize(
    ("conformity", "kind"), [("CONFORMS", "passed"), ("DOES NOT CONFORM", "failure"), ("NOT SHOWN", "error")]
)
def test_junit_is_not_greener_than_the_statement(rough, tmp_path, conformity, kind):
    summary = rough.summary.model_copy(update={"conformity": conformity})
    junit.write(rough.campaign, summary, tmp_path / "junit.xml")
    root = ElementTree.parse(tmp_path / "junit.xml").getroot()
    assert (
        kind_of(root.find("testsuite[@name='conformity']/testcase[@name='statement of conformity']")) == kind
    )
    assert root.find(f".//property[@name='plan.sha256'][@value='{rough.campaign.plan.sha256}']") is not None


# ---- OCP Test & Validation -------------------------------------------------------------------------------------------


def published():
    """A validator by OCP's published schema."""
    if not (OCP_SCHEMA / "root.json").is_file():
        pytest.skip(f"no {OCP_SCHEMA}/root.json; VKBENCH_OCP_SCHEMA names json_spec/output of ocp-diag-core")
    documents = [json.loads(path.read_text(encoding="utf-8")) for path in OCP_SCHEMA.glob("*.json")]
    resources = ((one["$id"], referencing.Resource.from_contents(one)) for one in documents)
    root = json.loads((OCP_SCHEMA / "root.json").read_text(encoding="utf-8"))
    registry = referencing.Registry().with_resources(resources)
    checker = jsonschema.FormatChecker()
    return jsonschema.Draft202012Validator(root, registry=registry, format_checker=checker)


def some_of_each(lines):
    """Lines of every kind, a few of each: the published schema takes a millisecond for a line."""
    taken = Counter()
    for line in lines:
        artifact = line.get("testStepArtifact") or line.get("testRunArtifact") or line
        kind = (
            "testStepArtifact" in line,
            *sorted(artifact),
            *sorted(map(str, artifact.get("diagnosis", ()))),
        )
        taken[kind] += 1
        if taken[kind] <= 60:
            yield line


def test_ocp_lines_are_valid_by_the_published_schema(rough, interim):
    validator = published()
    for written in (rough, interim):
        for line in some_of_each(written.lines()):
            validator.validate(line)


def test_ocp_published_schema_would_find_a_wrong_line(rough):
    validator, line = published(), rough.lines()[1]
    assert not validator.is_valid({**line, "extra": 1})
    del line["testRunArtifact"]["testRunStart"]["dutInfo"]["dutInfoId"]
    assert not validator.is_valid(line)


def test_ocp_lines_are_as_ocps_own_package_models_them(rough, interim):
    for written in (rough, interim):
        for line in written.lines():
            assert ocp_model.problems(line) == []


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("testRunStart", "name"), None),
        (("testRunStart", "extra"), 1),
        (("testRunStart", "dutInfo", "softwareInfos", 0, "softwareType"), "KERNEL"),
        (("testRunStart", "version"), 1),
    ],
)
def test_ocp_model_check_can_fail(rough, path, value):
    line = rough.lines()[1]
    place = line["testRunArtifact"]
    for step in path[:-1]:
        place = place[step]
    if value is None:
        del place[path[-1]]
    else:
        place[path[-1]] = value
    assert ocp_model.problems(line)


def test_ocp_run_is_well_formed(rough):
    lines = rough.lines()
    assert lines[0]["schemaVersion"] == {"major": 2, "minor": 0}
    assert [line["sequenceNumber"] for line in lines] == list(range(len(lines)))
    assert "testRunStart" in lines[1]["testRunArtifact"]
    assert lines[-1]["testRunArtifact"]["testRunEnd"] == {"status": "COMPLETE", "result": "FAIL"}
    begun, ended, series, closed = set(), set(), {}, set()
    for line in lines:
        step = line.get("testStepArtifact")
        if step is None:
            continue
        name = step["testStepId"]
        assert name in begun or "testStepStart" in step
        assert name not in ended
        if "testStepStart" in step:
            begun.add(name)
        elif "testStepEnd" in step:
            ended.add(name)
        elif "measurementSeriesStart" in step:
            identity = step["measurementSeriesStart"]["measurementSeriesId"]
            assert identity not in series
            series[identity] = 0
        elif "measurementSeriesElement" in step:
            element = step["measurementSeriesElement"]
            assert element["index"] == series[element["measurementSeriesId"]]
            series[element["measurementSeriesId"]] += 1
        elif "measurementSeriesEnd" in step:
            end = step["measurementSeriesEnd"]
            assert end["totalCount"] == series[end["measurementSeriesId"]]
            closed.add(end["measurementSeriesId"])
    assert begun == ended
    assert len(begun) == len(rough.configurations)
    assert closed == series.keys()


@pytest.fixture(scope="module")
def judged(tmp_path_factory):
    """With rules as verdict/ has made them from evidence."""
    return Written(tmp_path_factory.mktemp("judged"), cycles=30, seed=5, fail=0.5, runs="all")


def test_ocp_validators_hold_exactly_where_the_rule_passed(judged):
    results = {
        (cycle.slot.number, cycle.attempt, rule.id): rule.result
        for cycle in judged.cycles
        if cycle.outcome
        for rule in cycle.outcome.rules
    }
    series = {
        content["measurementSeriesId"]: content for _, content in judged.steps("measurementSeriesStart")
    }
    seen = Counter()
    for _, element in judged.steps("measurementSeriesElement"):
        start = series[element["measurementSeriesId"]]
        for validator in start.get("validators", ()):
            holds = {
                "GREATER_THAN": element["value"] > validator["value"],
                "LESS_THAN_OR_EQUAL": element["value"] <= validator["value"],
            }[validator["type"]]
            where = element["metadata"]["slot"], element["metadata"]["attempt"], start["name"]
            assert holds == (results[where] == "PASS"), (where, element)
            seen[start["name"], holds] += 1
    wanted = {(f"VKB-{rule}-001", holds) for rule in ("JUMP", "HALT", "MEM") for holds in (True, False)}
    assert wanted | {("VKB-RESET-002", True), ("VKB-RESET-004", False)} <= seen.keys()


def test_ocp_has_a_diagnosis_for_every_counted_cycle_and_an_error_for_every_dead_one(rough):
    cycles = [
        (name, one) for name, one in rough.steps("diagnosis") if one.get("message", "").startswith("slot ")
    ]
    found = Counter((name, one["type"]) for name, one in cycles)
    wanted = Counter()
    for cycle in rough.counted:
        one = rough.configurations[cycle.slot.configuration]
        kind = {"PASS": "PASS", "FAIL": "FAIL", "INCONCLUSIVE": "UNKNOWN"}[
            common.standing(cycle.outcome, one)
        ]
        wanted[one.name, kind] += 1
    assert found == wanted
    dead = Counter(f"{c.outcome.fault}-fault" for c in rough.cycles if c.outcome and c.outcome.fate == "died")
    assert Counter(one["symptom"] for _, one in rough.steps("error")) == dead
    sealed = {c.outcome.manifest_sha256 for c in rough.cycles if c.outcome and c.outcome.manifest_sha256}
    assert {one["metadata"]["sha256"] for _, one in rough.steps("file")} == sealed


def test_ocp_names_the_card_under_each_diagnosis(rough):
    start = rough.lines()[1]["testRunArtifact"]["testRunStart"]
    cards = {one["hardwareInfoId"]: one for one in start["dutInfo"]["hardwareInfos"] if "card" in one["name"]}
    assert {one["computerSystem"] for one in cards.values()} == {"virtual-1", "virtual-2"}
    assert start["parameters"]["plan_sha256"] == rough.campaign.plan.sha256
    for _, one in rough.steps("diagnosis"):
        if one.get("message", "").startswith("slot "):
            assert cards[one["hardwareInfoId"]]["computerSystem"] in one["message"]


def test_ocp_of_an_unfinished_campaign_has_no_result(interim):
    assert interim.lines()[-1]["testRunArtifact"]["testRunEnd"]["result"] == "NOT_APPLICABLE"
    assert {one["status"] for _, one in interim.steps("testStepEnd")} == {"ERROR"}


# ---- table -----------------------------------------------------------------------------------------------------------


def test_table_reads_back_with_pandas(rough):
    frame = pandas.read_csv(rough.csv)
    assert list(frame.columns[: len(table.COLUMNS)]) == list(table.COLUMNS)
    assert len(frame) == len(rough.cycles)
    assert frame["counts"].dtype == bool
    assert frame["as_expected"].dtype == bool
    for row, cycle in zip(frame.to_dict("records"), rough.cycles, strict=True):
        outcome = cycle.outcome
        assert (row["slot"], row["attempt"], row["counts"]) == (
            cycle.slot.number,
            cycle.attempt,
            cycle.counts,
        )
        assert (row["result"], row["duration_s"]) == (outcome.result, outcome.duration_s)
        assert (row["fault"] if isinstance(row["fault"], str) else "") == outcome.fault
        for name in (one for one in frame.columns if one.startswith("measure.")):
            value = outcome.measures.get(name.removeprefix("measure."))
            assert row[name] == value if value is not None else pandas.isna(row[name])
        for rule in outcome.rules:
            assert row[f"rule.{rule.id}.result"] == rule.result
            if rule.value is not None:
                assert row[f"rule.{rule.id}.value"] == rule.value


def test_table_says_the_same_as_the_summary(rough):
    frame = pandas.read_csv(rough.csv)
    counted = frame[frame["counts"]]
    for one in rough.summary.configurations:
        results = counted[counted["configuration"] == one.name]["result"].value_counts()
        wanted = {
            "PASS": one.counts.passed,
            "FAIL": one.counts.failed,
            "INCONCLUSIVE": one.counts.inconclusive,
        }
        assert {name: int(results.get(name, 0)) for name in wanted} == wanted


def test_table_of_an_unfinished_campaign_has_its_open_cycles(interim):
    frame = pandas.read_csv(interim.csv)
    is_open = frame["fate"] == "open"
    assert is_open.sum() == sum(cycle.outcome is None for cycle in interim.cycles) > 0
    assert frame[is_open]["result"].isna().all()


def test_table_has_no_formula_and_one_line_a_row(rough):
    with rough.csv.open(encoding="utf-8", newline="") as file:
        text = file.read()
        assert len(text.splitlines()) == len(rough.cycles) + 1
        file.seek(0)
        cells = [cell for row in csv.reader(file) for cell in row]
    starts = [cell for cell in cells if cell[:1] in "=@+-" and cell]
    assert all(float(cell) <= 0 for cell in starts)  # negative numbers only
    assert table._cell("=cmd()") == "'=cmd()"
    assert table._cell(-1.5) == "-1.5"


# ---- all -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ALL)
def test_no_export_carries_unprintable_characters(rough, name):
    text = (rough.junit.parent / name).read_text(encoding="utf-8")
    assert "\\x1b" in text  # hostile texts are there, written out
    assert not UNPRINTABLE.search(text)


@pytest.mark.parametrize("name", ALL)
def test_the_same_campaign_gives_the_same_bytes(rough, tmp_path, name):
    again = synthetic_campaign.make(**ROUGH)
    ALL[name].write(again, rough.summary, tmp_path / name)
    assert (tmp_path / name).read_bytes() == (rough.junit.parent / name).read_bytes()


class Broken:
    """A campaign whose evidence cannot be read to its end."""

    def __init__(self, campaign):
        self.path, self.plan, self.sealed = campaign.path, campaign.plan, campaign.sealed
        self._campaign = campaign

    def entries(self):
        return self._campaign.entries()

    def cycles(self):
        for number, cycle in enumerate(self._campaign.cycles()):
            if number == 20:
                raise OSError("the medium is gone")
            yield cycle


@pytest.mark.parametrize("name", ALL)
def test_a_failed_export_leaves_what_was_there(rough, tmp_path, name):
    (tmp_path / name).write_text("earlier")
    with pytest.raises(OSError, match="the medium is gone"):
        ALL[name].write(Broken(rough.campaign), rough.summary, tmp_path / name)
    assert [path.name for path in tmp_path.iterdir()] == [name]
    assert (tmp_path / name).read_text() == "earlier"


class Endless:
    """A campaign that is made while it is read: a few cycles over and over, so that only the reader needs memory."""

    def __init__(self, campaign, times):
        self.path, self.plan, self.sealed = campaign.path, campaign.plan, campaign.sealed
        self._campaign, self._times = campaign, times

    def entries(self):
        return self._campaign.entries()

    def cycles(self):
        for _ in range(self._times):
            for cycle in self._campaign.cycles():
                yield cycle.model_copy()


@pytest.mark.parametrize("name", ["ocptv.jsonl", "cycles.csv"])
def test_memory_does_not_grow_with_the_campaign(rough, tmp_path, name):
    peaks = []
    for times in (1, 4):
        tracemalloc.start()
        ALL[name].write(Endless(rough.campaign, times), rough.summary, tmp_path / name)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < peaks[0] + 100_000, peaks


def test_shapes_of_synthetic_campaigns_are_kept_apart():
    """The seed decides everything: the same one gives the same campaign, another one another."""
    first, same, other = (list(synthetic_campaign.make(cycles=40, seed=seed).entries()) for seed in (1, 1, 2))
    assert first == same
    assert first[-1].chain != other[-1].chain


def test_a_written_synthetic_campaign_is_a_right_one(tmp_path):
    from vkbench.campaign.records.view import CampaignView

    made = synthetic_campaign.make(tmp_path / "c", cycles=30, died={"bench": 0.1}, runs={1, 2, 3})
    view = CampaignView(tmp_path / "c")
    assert view.check_chain() == len(list(made.entries()))
    assert list(view.cycles()) == list(made.cycles())
    assert view.plan == replace(made).plan

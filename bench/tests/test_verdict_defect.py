# SPDX-License-Identifier: Apache-2.0
"""A run with a seeded defect is as expected only when each rule that must catch it failed."""

import pytest
from synthetic_run import edited, post_notifiers, stock

from vkbench.evidence import RunRecord
from vkbench.server.scenario import SCENARIOS, with_defect
from vkbench.verdict.path_rule import PATH_ID

JUMP, HALT, MEM = "VKB-JUMP-001", "VKB-HALT-001", "VKB-MEM-001"


def judged(story, defect, caught_by):
    """The verdict of a story whose card had the defect."""
    config = {**story.record["config"], "defect": defect, "caught_by": caught_by}
    story.record = edited(story.record, must_fail=True, config=config)
    return story.judge()


@pytest.mark.parametrize(
    ("caught_by", "expected"),
    [
        ([], True),
        ([JUMP], True),
        ([JUMP, MEM], True),
        ([HALT], False),
        ([JUMP, HALT], False),
        ([PATH_ID], False),
    ],
)
def test_each_rule_must_catch_it(caught_by, expected):
    verdict = judged(stock(), "DEAF_HARD", caught_by)
    assert verdict.overall == "FAIL" and verdict.must_fail
    assert verdict.as_expected is expected
    assert verdict.notes[0] == "The card had the seeded defect DEAF_HARD."
    missed = [rule for rule in caught_by if rule in (HALT, PATH_ID)]
    assert ("It was not caught by " + ", ".join(missed) + "." in verdict.notes) is bool(missed)


def test_a_bad_card_that_passes_was_not_caught():
    verdict = judged(post_notifiers(), "SLIP", [HALT])
    assert verdict.overall == "PASS" and not verdict.as_expected


def test_a_run_without_a_defect_is_judged_and_told_as_before():
    record = dict(stock().record)
    assert RunRecord.model_validate(record).config.defect == ""
    verdict = stock().judge()
    assert verdict.as_expected and not any("defect" in note for note in verdict.notes)


def test_a_scenario_with_a_defect_must_fail_and_keeps_all_else():
    good = SCENARIOS["panic-post-notifiers"]
    bad = with_defect(good, "SLIP", [HALT])
    assert (bad.must_fail, bad.defect, bad.caught_by) == (True, "SLIP", (HALT,))
    assert (bad.name, bad.kind, bad.injection) == (good.name, good.kind, good.injection)
    assert bad.post_notifiers == good.post_notifiers and "SLIP" in bad.title

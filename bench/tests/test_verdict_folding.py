# SPDX-License-Identifier: Apache-2.0
"""Folded runs and the rules: folding hides the order of some requests, and may never turn one verdict into another."""

import pytest
from folding import fold
from hypothesis import given, settings
from hypothesis import strategies as st
from synthetic_run import (
    DOORBELL_S,
    HZ,
    JUMP_S,
    PADDR,
    PANIC_S,
    READY_S,
    SIZE,
    at,
    edited,
    memory,
    post_notifiers,
)  # fmt: skip

from vkbench.capture import records as rec
from vkbench.capture import vkc
from vkbench.capture.layout import Flag, Kind
from vkbench.capture.vkc import Capture
from vkbench.evidence import Uncertainty
from vkbench.verdict import judge_facts
from vkbench.verdict.facts import Facts
from vkbench.verdict.uncertainty import text_bound

U = text_bound(Uncertainty.model_validate(post_notifiers().record["uncertainty"]), HZ).cycles
JUMP_AT, BELL_AT = at(JUMP_S), at(DOORBELL_S)
#: Where something may hang on the order.
PLACES = (at(PANIC_S) - U, at(PANIC_S), BELL_AT, BELL_AT + 4, JUMP_AT - U, JUMP_AT, JUMP_AT + 1, at(READY_S))


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch):
    """Many blocks, so that what is counted per block is used."""
    monkeypatch.setattr(vkc, "BLOCK_RECORDS", 16)


def folded_facts(story):
    """The facts of a story whose analyser folded; its statistics counted every TLP."""
    facts = story.facts()
    header = facts.capture.header.model_copy(update={"fold": True})
    return Facts(facts.record, Capture(header, fold(story.records())), facts.memory)


def burst_story(bursts, base_until, highest, wrap=False, differs=False):
    """Writes every millisecond until a time, and bursts of them; numbers rise by one a write in order of time."""
    story = post_notifiers()
    story.drop(Kind.RQ)
    times = set(range(at(0.9), base_until, at(0.001)))
    for place, shift, count, apart in bursts:
        times |= {place + shift + turn * apart for turn in range(count)}
    numbers = [(1 << 32) - len(times) // 2 + n if wrap else n + 1 for n in range(len(times))]
    for time, number in zip(sorted(times), numbers, strict=True):
        story.write(time, number % (1 << 32), PADDR + number * 64 % SIZE)
    final = (numbers[-1] + highest) % (1 << 32)
    story.memory = memory(max(final - 100, 0), final, (max(final - 100, 0), final + 1) if differs else None)
    return story


BURSTS = st.lists(
    st.tuples(
        st.sampled_from(PLACES), st.integers(-300, 50), st.integers(1, 40), st.sampled_from([1, 2, 7, 30])
    ),
    max_size=4,
)


@given(
    BURSTS,
    st.sampled_from([at(PANIC_S) - 100, BELL_AT - 700, JUMP_AT - 2 * U, at(7.0)]),
    st.sampled_from([0, 0, 0, -1, 1, -30]),
    st.booleans(),
    st.booleans(),
)
@settings(max_examples=100, deadline=None, derandomize=True)
def test_folding_leaves_a_verdict_as_it_is_or_makes_it_inconclusive(
    bursts, base_until, highest, wrap, differs
):
    story = burst_story(bursts, base_until, highest, wrap, differs)
    facts = folded_facts(story)
    assert facts.statistics_problems == []
    for plain, folded in zip(story.judge().rules, judge_facts(facts).rules, strict=True):
        assert folded.result in (plain.result, "INCONCLUSIVE"), (plain, folded)
        if plain.id == "VKB-JUMP-001" and folded.result == plain.result == "FAIL":
            assert folded.value <= plain.value
            assert folded.value + folded.uncertainty >= plain.value + plain.uncertainty
        if plain.id == "VKB-HALT-001" and plain.value is not None:
            assert (folded.value, folded.result) == (plain.value, plain.result)


def test_a_folded_capture_of_a_good_card_passes_with_the_same_numbers():
    story = burst_story([(BELL_AT, -300, 40, 7), (at(PANIC_S), 50, 40, 1)], at(PANIC_S) + 1, 0)
    facts = folded_facts(story)
    assert rec.tlp_count(facts.capture.records).max() > 30
    plain, folded = story.judge(), judge_facts(facts)
    assert folded.overall == plain.overall == "PASS"
    assert [rule.value for rule in folded.rules] == [rule.value for rule in plain.rules]


def test_of_a_run_that_spans_the_jump_only_the_last_request_is_known_to_be_late():
    story = burst_story([(JUMP_AT, -10, 21, 1)], at(PANIC_S), 0)
    plain, folded = story.rule("JUMP"), judge_facts(folded_facts(story)).rules[0]
    assert (plain.result, plain.value, plain.uncertainty) == ("FAIL", 10, 11)
    # First at -10, last at +10; 19 between them, each at an unknown place.
    assert (folded.result, folded.value, folded.uncertainty) == ("FAIL", 1, 20)


def test_of_a_run_that_begins_at_the_jump_all_folded_ones_are_late():
    story = burst_story([(JUMP_AT, 0, 21, 1)], at(PANIC_S), 0)
    folded = judge_facts(folded_facts(story)).rules[0]
    assert (folded.result, folded.value, folded.uncertainty) == ("FAIL", 20, 1)


def test_of_a_run_that_spans_the_halt_limit_at_least_the_last_is_late():
    story = burst_story([(BELL_AT, -5, 20, 1)], at(PANIC_S), 0)
    folded = judge_facts(folded_facts(story)).rules[1]
    assert (folded.result, folded.value) == ("FAIL", 14)
    assert folded.reason.startswith("At least 1 requests")
    assert story.rule("HALT").reason.startswith("10 requests")


def test_a_number_hidden_in_a_run_that_spans_the_jump_is_no_canary():
    """Memory holds a write of the run that may have been issued before the jump."""
    story = burst_story([(JUMP_AT, -10, 21, 1)], at(PANIC_S), -5)
    assert story.rule("MEM").result == "FAIL"
    assert judge_facts(folded_facts(story)).rules[2].result == "INCONCLUSIVE"


def test_a_number_that_a_run_before_the_jump_may_have_carried_is_no_canary():
    """After a reset the numbers begin anew: #10 is written after the jump, and a folded write before it was #10 too."""
    story = burst_story([(at(PANIC_S), 50, 20, 1)], at(0.9), 0)
    story.write(at(0.99), 1)
    story.write(JUMP_AT + 50, 10)
    story.memory = memory(1, 10)
    facts = folded_facts(story)
    assert 10 not in facts.capture.records["data"][facts.capture.records["timestamp"] < JUMP_AT]
    assert story.rule("MEM").result == judge_facts(facts).rules[2].result == "INCONCLUSIVE"


def run_of(story, apart, first_number, last_number, folded, begins=PADDR):
    """Two records: the first and the last TLP of a run that ends before the panic, with these numbers."""
    now = at(PANIC_S) - 400
    story.write(now, first_number, begins)
    story.write(now + 300, last_number, begins + apart * 64)
    story.entries[-1][1].update(aux=folded, flags=Flag.RUN)


def judged_run(**values):
    story = post_notifiers()
    story.drop(Kind.RQ)
    for number in range(5):
        story.write(at(0.95) + number, number + 1)
    run_of(story, **values)
    story.memory = memory(1, max(values["first_number"], values["last_number"]))
    facts = story.facts()
    count = facts.capture.header.statistics["RQ_WR"]
    count.count_arm += values["folded"]
    return judge_facts(facts).rules[2]


def test_numbers_between_the_ends_of_a_run_are_known_only_when_the_ends_fit():
    assert judged_run(apart=10, first_number=10, last_number=20, folded=9).result == "PASS"
    assert judged_run(apart=0, first_number=10, last_number=10, folded=9).result == "PASS"
    for values in (
        {"apart": 10, "first_number": 10, "last_number": 21, "folded": 9},
        {"apart": 11, "first_number": 10, "last_number": 20, "folded": 9},
        {"apart": 0, "first_number": 10, "last_number": 20, "folded": 9},
    ):
        rule = judged_run(**values)
        assert rule.result == "INCONCLUSIVE" and "numbers of 9 folded writes" in rule.reason, values


def test_a_run_across_the_edge_of_the_target_leaves_it_open():
    rule = judged_run(apart=10, first_number=10, last_number=20, folded=9, begins=PADDR - 5 * 64)
    assert rule.result == "INCONCLUSIVE" and "edge of the DMA target" in rule.reason


@pytest.mark.parametrize(
    ("numbers", "expected"), [([98, 99, 1, 2], "INCONCLUSIVE"), ([1, 2, 98, 99], "PASS")]
)
def test_numbers_that_began_anew_do_not_tell_the_last_write(numbers, expected):
    story = post_notifiers()
    story.drop(Kind.RQ)
    for place, number in enumerate(numbers):
        story.write(at(0.95) + place * 100, number)
    story.memory = memory(1, 99)
    rule = story.rule("MEM")
    assert rule.result == expected and (expected == "PASS" or "numbers began anew" in rule.reason)


@given(BURSTS, st.floats(0, 0.02), st.floats(0, 0.05))
@settings(max_examples=30, deadline=None, derandomize=True)
def test_a_larger_uncertainty_only_ever_turns_pass_into_inconclusive_when_runs_are_folded(
    bursts, smaller, more
):
    results = []
    for console_s in (smaller, smaller + more):
        story = burst_story(bursts, at(PANIC_S), 0)
        values = {"console_s": console_s, "clock_ppm": 50, "order_s": 0}
        story.record = edited(story.record, uncertainty=values)
        results.append([rule.result for rule in judge_facts(folded_facts(story)).rules])
    for was, now in zip(*results, strict=True):
        assert was == now or (was, now) == ("PASS", "INCONCLUSIVE")

# SPDX-License-Identifier: Apache-2.0
"""Each rule at each of its three values, at the edges of the uncertainty, and under every doubt."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from synthetic_run import (
    DOORBELL_S,
    HZ,
    JUMP,
    JUMP_S,
    PADDR,
    PANIC_S,
    READY,
    READY_S,
    SIZE,
    at,
    edited,
    memory,
    post_notifiers,
    stock,
)  # fmt: skip

from vkbench.capture import records as rec
from vkbench.capture.layout import Flag, Kind, Tap
from vkbench.evidence import Uncertainty
from vkbench.verdict import limits
from vkbench.verdict.model import overall
from vkbench.verdict.uncertainty import text_bound

U = text_bound(Uncertainty.model_validate(post_notifiers().record["uncertainty"]), HZ).cycles
JUMP_AT = at(JUMP_S)
RULES = ("JUMP", "HALT", "MEM")


def msix(story, timestamp):
    story.add(timestamp, Kind.MSIX, aux=1)


def read_request(story, timestamp):
    story.add(timestamp, Kind.RQ, header=[0x2000_0010, 0x0100_00FF, 0, 0])


def results(story):
    return {rule.id.split("-")[1]: rule.result for rule in story.judge().rules}


# ---- the two runs of the demo --------------------------------------------------


def test_a_halted_card_passes_with_its_numbers():
    verdict = post_notifiers().judge()
    jump, halt, mem = verdict.rules
    assert verdict.overall == "PASS" and verdict.as_expected and not verdict.must_fail
    expected = (JUMP_AT - U - (at(DOORBELL_S) + 2)) / HZ / (1 + 50e-6)
    assert jump.value == pytest.approx(expected, rel=1e-12) and jump.unit == "s"
    assert jump.uncertainty == pytest.approx(0.0021)
    assert (halt.value, halt.limit, halt.uncertainty, halt.unit) == (2, 4, 0, "cycles")
    assert mem.value == 0
    assert [e.text for e in jump.events if e.kind == "RQ"] == ["DMA write #109"]


def test_a_card_that_writes_on_fails_and_that_is_expected_of_the_control():
    story = stock()
    verdict = story.judge()
    jump, halt, mem = verdict.rules
    assert (jump.result, halt.result, mem.result) == ("FAIL", "INCONCLUSIVE", "FAIL")
    after = sum(1 for t, e in story.entries if e["kind"] == Kind.RQ and t > JUMP_AT)
    assert (jump.value, jump.limit, jump.unit) == (after, 0, "requests")
    assert "the last one 5.969 s after it" in jump.reason
    assert verdict.overall == "FAIL" and verdict.must_fail and verdict.as_expected
    story.record = edited(story.record, must_fail=False)
    assert story.judge().overall == "FAIL" and not story.judge().as_expected


def test_a_control_that_passes_is_not_as_expected():
    story = post_notifiers()
    story.record = edited(story.record, must_fail=True)
    assert story.judge().overall == "PASS" and not story.judge().as_expected


@pytest.mark.parametrize(
    ("results_", "expected"),
    [
        ([], "INCONCLUSIVE"),
        (["PASS", "PASS"], "PASS"),
        (["PASS", "INCONCLUSIVE"], "INCONCLUSIVE"),
        (["INCONCLUSIVE", "FAIL"], "FAIL"),
        (["PASS", "FAIL"], "FAIL"),
    ],
)
def test_one_failure_fails_the_run_and_one_doubt_leaves_it_open(results_, expected):
    assert overall(results_) == expected


# ---- no request after the jump --------------------------------------------------


@pytest.mark.parametrize(
    "what", [lambda s, t: s.write(t, 110), msix, read_request], ids=["MWr", "MSI-X", "MRd"]
)
@pytest.mark.parametrize(
    ("offset", "expected"),
    [
        (-U - 1, "PASS"),
        (-U, "INCONCLUSIVE"),
        (-U + 1, "INCONCLUSIVE"),
        (-1, "INCONCLUSIVE"),
        (0, "INCONCLUSIVE"),
        (1, "FAIL"),
        (at(2), "FAIL"),
    ],
)
def test_one_request_around_the_jump_is_judged_to_the_cycle(what, offset, expected):
    story = post_notifiers()
    what(story, JUMP_AT + offset)
    rule = story.rule("JUMP")
    assert rule.result == expected
    if expected == "FAIL":
        assert rule.value == 1 and any(e.timestamp == JUMP_AT + offset for e in rule.events)
    if expected == "PASS":
        assert rule.value > 0


def test_requests_that_may_be_on_either_side_are_the_counts_uncertainty():
    story = post_notifiers()
    for offset in (-U - 1, -U, -5, 0, 1, 7):
        story.write(JUMP_AT + offset, 110)
    rule = story.rule("JUMP")
    assert (rule.result, rule.value, rule.uncertainty) == ("FAIL", 2, 3)


def test_a_request_that_only_the_statistics_saw_after_the_records_ended_fails():
    story = post_notifiers()
    story.statistics["RQ_WR"] = {"count": 20, "last": at(9)}
    jump, halt = story.rule("JUMP"), story.rule("HALT")
    assert jump.result == "FAIL" and "7.970 s after the jump" in jump.reason
    assert (halt.result, halt.value) == ("FAIL", at(9) - at(DOORBELL_S))


def test_statistics_that_contradict_complete_records_leave_it_open():
    for change in ({"last": JUMP_AT + 50}, {"count": 7}, {"count": 10}, {"first": at(DOORBELL_S) + 9}):
        story = post_notifiers()
        story.statistics["RQ_WR"] = change
        assert results(story) == dict.fromkeys(RULES, "INCONCLUSIVE"), change
        assert "disagree" in story.rule("JUMP").reason
    story = post_notifiers()
    story.statistics["MSIX"] = {"count": 1, "first": JUMP_AT + 9, "last": JUMP_AT + 9}
    assert story.rule("JUMP").result == "INCONCLUSIVE"


def test_statistics_at_the_trigger_itself_may_count_either_way():
    story = post_notifiers()
    story.write(story.trigger_time, 500)
    assert story.rule("JUMP").result == "PASS"
    story.statistics["RQ_WR"] = {"count": 8, "first": at(PANIC_S + 0.001)}
    assert story.rule("JUMP").result == "PASS"


@pytest.mark.parametrize(
    ("offset", "counted", "agree"),
    [
        (-65, True, False),
        (-65, False, True),
        (-64, True, True),
        (64, False, True),
        (65, False, False),
        (65, True, True),
    ],
)
def test_only_within_64_cycles_of_the_trigger_may_an_event_count_either_way(offset, counted, agree):
    story = post_notifiers()
    story.drop(Kind.RQ, after=at(PANIC_S) - 2000)
    when = story.trigger_time + offset
    story.write(when, 104)
    story.statistics["RQ_WR"] = (
        {"count": 1, "first": when, "last": when} if counted else {"count": 0, "first": 0, "last": 0}
    )
    assert ("disagree" in story.rule("JUMP").reason) != agree


def test_missing_statistics_leave_it_open():
    facts = post_notifiers().facts()
    del facts.capture.header.statistics["MSIX"]
    from vkbench.verdict import judge_facts

    assert "statistics of MSIX are missing" in judge_facts(facts).rules[0].reason


# ---- halt latency --------------------------------------------------


@pytest.mark.parametrize(
    "what", [lambda s, t: s.write(t, 110), msix, read_request], ids=["MWr", "MSI-X", "MRd"]
)
@pytest.mark.parametrize(("latency", "expected"), [(3, "PASS"), (4, "PASS"), (5, "FAIL"), (2500, "FAIL")])
def test_the_halt_latency_is_judged_to_the_cycle(what, latency, expected):
    story = post_notifiers()
    what(story, at(DOORBELL_S) + latency)
    rule = story.rule("HALT")
    assert (rule.result, rule.value) == (expected, latency)
    if expected == "FAIL":
        assert rule.reason.startswith("1 requests started too late")


def test_a_request_in_the_cycle_of_the_doorbell_or_before_it_is_no_latency():
    story = post_notifiers()
    story.drop(Kind.RQ, after=at(DOORBELL_S))
    story.write(at(DOORBELL_S), 109)
    rule = story.rule("HALT")
    assert (rule.result, rule.value) == ("PASS", 0) and "one 0 cycles before" in rule.reason


def test_a_card_that_resumes_much_later_fails_the_halt_too():
    story = post_notifiers()
    story.write(at(READY_S) + 1000, 110)
    assert story.rule("HALT").result == "FAIL" and story.rule("HALT").value > HZ


def test_without_a_halting_write_there_is_no_latency_to_judge():
    story = post_notifiers()
    story.drop(Kind.CQ)
    rule = story.rule("HALT")
    assert rule.result == "INCONCLUSIVE" and rule.value is None and "Not halted" in rule.reason


@pytest.mark.parametrize(("latency", "expected"), [(4, "INCONCLUSIVE"), (5, "FAIL")])
def test_under_loss_the_statistics_judge_the_latency_to_the_cycle(latency, expected):
    story = post_notifiers()
    lose(story, at(3.0), count=1)
    story.statistics["RQ_WR"] = {"count": 9, "last": at(DOORBELL_S) + latency}
    rule = story.rule("HALT")
    assert rule.result == expected
    if expected == "FAIL":
        assert rule.value == latency


def test_an_uncertainty_of_the_latency_would_be_subtracted_on_both_sides(monkeypatch):
    monkeypatch.setattr(limits, "HALT_UNCERTAINTY", limits.Limit(1, "cycles", "test"))
    for latency, expected in ((3, "PASS"), (4, "INCONCLUSIVE"), (5, "INCONCLUSIVE"), (6, "FAIL")):
        story = post_notifiers()
        story.write(at(DOORBELL_S) + latency, 110)
        assert story.rule("HALT").result == expected, latency


# ---- memory frozen --------------------------------------------------


def test_memory_that_changed_while_the_link_was_silent_is_a_disagreement():
    story = post_notifiers()
    story.memory = memory(9, 109, (9, 110))
    rule = story.rule("MEM")
    assert rule.result == "INCONCLUSIVE" and "disagree" in rule.reason and rule.value == 512


def test_a_write_issued_after_the_jump_and_found_in_memory_fails_though_both_reads_are_equal():
    story = post_notifiers()
    story.write(JUMP_AT + 1, 110)
    story.memory = memory(10, 110)
    rule = story.rule("MEM")
    assert (rule.result, rule.value, rule.unit) == ("FAIL", 1, "writes") and "#110" in rule.reason


def test_a_write_that_is_not_certainly_after_the_jump_is_no_canary():
    story = post_notifiers()
    story.write(JUMP_AT, 110)
    story.memory = memory(10, 110)
    assert story.rule("MEM").result == "INCONCLUSIVE"


def test_a_write_after_the_jump_that_memory_does_not_hold_is_a_disagreement():
    story = post_notifiers()
    story.write(JUMP_AT + 1, 110)
    rule = story.rule("MEM")
    assert rule.result == "INCONCLUSIVE" and "disagree" in rule.reason


@pytest.mark.parametrize("highest", [108, 110])
def test_the_last_write_on_the_link_must_be_the_last_in_memory(highest):
    story = post_notifiers()
    story.memory = memory(9, highest)
    rule = story.rule("MEM")
    assert rule.result == "INCONCLUSIVE" and f"#{highest}" in rule.reason and "#109" in rule.reason


def test_a_number_beyond_the_end_of_the_records_is_a_canary_when_they_reach_past_the_jump():
    story = stock()
    highest = max(e["data"] for _, e in story.entries if e["kind"] == Kind.RQ) + 50
    story.memory = memory(highest - 900, highest)
    assert story.rule("MEM").result == "FAIL"
    story.add(at(6), Kind.RESET, aux=5)  # numbers begin anew after a reset: then it may be an old one
    assert story.rule("MEM").result == "INCONCLUSIVE"


def test_a_sequence_number_issued_before_and_after_the_jump_is_no_canary():
    story = post_notifiers()
    story.write(JUMP_AT + 1, 50)
    story.memory = memory(1, 50)
    assert story.rule("MEM").result == "INCONCLUSIVE"


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (lambda m: m["reads"].pop(), "two reads"),
        (lambda m: m["reads"][0].update(paddr=PADDR + 4096), "cover the DMA target"),
        (lambda m: [r.update(size=SIZE - 8) for r in m["reads"]], "cover the DMA target"),
        (lambda m: m["reads"][1].update(sha256="0" * 64), "contradicts itself"),
        (lambda m: m.update(words_changed=3), "contradicts itself"),
        (lambda m: m.update(differs=True), "contradicts itself"),
        (lambda m: [r.update(units=0, seq_min=None, seq_max=None) for r in m["reads"]], "no DMA pattern"),
        (lambda m: m["reads"][1].update(units=0), "no DMA pattern"),
        (lambda m: m["reads"][1].update(seq_max=None), "no DMA pattern"),
        (lambda m: m["reads"][1].update(uptime_ms=2009), "apart"),
    ],
)
def test_reads_that_prove_nothing_leave_it_open(spoil, reason):
    story = post_notifiers()
    spoil(story.memory)
    rule = story.rule("MEM")
    assert rule.result == "INCONCLUSIVE" and reason in rule.reason


def test_reads_ten_periods_apart_are_enough():
    story = post_notifiers()
    story.memory["reads"][1]["uptime_ms"] = 2010
    assert story.rule("MEM").result == "PASS"


def test_reads_of_memory_that_the_card_never_wrote_leave_it_open():
    story = post_notifiers()
    for _, entry in story.entries:
        if entry["kind"] == Kind.RQ:
            entry["header"] = [0x6000_0010, 0, 0, 0x1000]
    assert "no write into the memory" in story.rule("MEM").reason


@pytest.mark.parametrize(
    ("address", "inside"),
    [(PADDR - 4, False), (PADDR, True), (PADDR + SIZE - 4, True), (PADDR + SIZE, False)],
)
def test_only_writes_into_the_target_are_looked_for_in_memory(address, inside):
    story = post_notifiers()
    story.drop(Kind.RQ, after=at(DOORBELL_S))
    story.write(at(DOORBELL_S) + 1, 109, address)
    story.memory = memory(10, 109 if inside else 108)
    assert story.rule("MEM").result == "PASS"
    story.memory = memory(10, 108 if inside else 109)
    assert story.rule("MEM").result == "INCONCLUSIVE"


@pytest.mark.parametrize(("offset", "expected"), [(0, "INCONCLUSIVE"), (1, "FAIL")])
def test_changed_memory_fails_only_with_a_write_that_is_certainly_after_the_jump(offset, expected):
    story = post_notifiers()
    story.write(JUMP_AT + offset, 110)
    story.memory = memory(9, 109, (9, 110))
    story.memory["reads"][1]["seq_max"] = 109
    assert story.rule("MEM").result == expected


@pytest.mark.parametrize(
    ("offset", "expected"), [(-U - 1, "PASS"), (-U, "INCONCLUSIVE"), (0, "INCONCLUSIVE")]
)
def test_equal_reads_pass_only_with_a_last_write_that_is_certainly_before_the_jump(offset, expected):
    story = post_notifiers()
    story.write(JUMP_AT + offset, 110)
    story.memory = memory(10, 110)
    rule = story.rule("MEM")
    assert rule.result == expected
    assert expected == "PASS" or "the analyser saw nothing certain" in rule.reason


def test_numbers_that_begin_anew_make_a_high_number_no_canary():
    story = stock()
    highest = max(e["data"] for _, e in story.entries if e["kind"] == Kind.RQ) + 50
    story.write(at(0.95) + 7, 1)
    story.memory = memory(highest - 900, highest)
    assert story.rule("MEM").result == "INCONCLUSIVE"


@pytest.mark.parametrize(("last", "expected"), [(JUMP_AT, "INCONCLUSIVE"), (JUMP_AT + 1, "FAIL")])
def test_under_loss_the_statistics_confirm_a_write_after_the_jump(last, expected):
    story = post_notifiers()
    lose(story, at(3.0), count=1)
    story.statistics["RQ_WR"] = {"count": 9, "last": last}
    story.memory = memory(9, 109, (9, 110))
    assert story.rule("MEM").result == expected


def test_missing_memory_leaves_only_that_rule_open():
    story = post_notifiers()
    story.memory = None
    assert results(story) == {"JUMP": "PASS", "HALT": "PASS", "MEM": "INCONCLUSIVE"}


# ---- doubts that concern all rules --------------------------------------------------


def everywhere(story, reason):
    verdict = story.judge()
    assert [rule.result for rule in verdict.rules] == ["INCONCLUSIVE"] * 3
    assert all(reason in rule.reason.lower() for rule in verdict.rules), [
        rule.reason for rule in verdict.rules
    ]


@pytest.mark.parametrize("make", [post_notifiers, stock])
def test_a_capture_that_never_triggered_proves_nothing(make):
    story = make()
    story.trigger_time = 0
    story.drop(Kind.TRIGGER)
    everywhere(story, "never triggered")


def test_the_trigger_is_known_from_its_record_or_from_the_header():
    from vkbench.verdict import judge_facts

    facts = post_notifiers().facts()
    facts.capture.header.trigger.time = 0
    assert judge_facts(facts).overall == "PASS"
    story = post_notifiers()
    story.drop(Kind.TRIGGER)
    assert story.judge().overall == "PASS"


@pytest.mark.parametrize("make", [post_notifiers, stock])
def test_a_jump_that_the_link_does_not_confirm_proves_nothing(make):
    story = make()
    story.drop(Kind.CFG)
    everywhere(story, "link does not confirm")


@pytest.mark.parametrize("make", [post_notifiers, stock])
def test_a_missing_jump_text_proves_nothing(make):
    story = make()
    story.erase_text(JUMP.strip())
    everywhere(story, "jump text")


@pytest.mark.parametrize("make", [post_notifiers, stock])
def test_timestamps_that_run_backwards_prove_nothing(make):
    facts = make().facts()
    facts.records["timestamp"][20] = facts.records["timestamp"][40]
    from vkbench.verdict import judge_facts

    assert all("run backwards" in rule.reason for rule in judge_facts(facts).rules)


def test_a_run_without_dma_tests_nothing():
    story = post_notifiers()
    story.record = edited(story.record, dma=None)
    everywhere(story, "describes no dma")


def test_an_aborted_run_is_open_and_says_why():
    story = stock()
    story.record = edited(
        story.record, status="aborted", abort={"error": "Timeout", "detail": "no login prompt"}
    )
    everywhere(story, "no login prompt")


def test_a_capture_that_ends_before_the_crash_kernel_is_ready_cannot_pass():
    story = post_notifiers()
    story.erase_text(READY)
    everywhere(story, "ends before the crash kernel is ready")
    story = stock()
    story.erase_text(READY)
    assert results(story)["JUMP"] == "FAIL"  # what was certain stays certain


@pytest.mark.parametrize(
    ("stop", "expected"),
    [
        (at(PANIC_S) - at(0.1) - 1, "INCONCLUSIVE"),
        (at(PANIC_S) - at(0.1), "PASS"),
    ],
)
def test_dma_must_have_been_running_when_the_panic_came(stop, expected):
    story = post_notifiers()
    story.drop(Kind.RQ)
    story.writes(stop - 5000, stop + 1, 1000)
    rule = story.rule("JUMP")
    assert rule.result == expected, rule.reason
    if expected != "PASS":
        assert "had stopped" in rule.reason


@pytest.mark.parametrize(("writes", "expected"), [(0, "INCONCLUSIVE"), (2, "INCONCLUSIVE"), (3, "PASS")])
def test_a_silent_card_tests_nothing(writes, expected):
    story = post_notifiers()
    story.drop(Kind.RQ)
    begin = at(PANIC_S) - U
    story.write(begin, 90)  # inside the uncertainty: not certainly before the panic
    for number in range(writes):
        story.write(begin - 1 - number, 80 - number)
    assert story.rule("JUMP").result == expected
    assert story.rule("HALT").result == expected


# ---- loss --------------------------------------------------


def lose(story, timestamp, tap=Tap.RQ, count=5, counted=True):
    story.add(timestamp, Kind.LOSS, aux=1 << tap, data=count)
    story.lost += count if counted else 0


@pytest.mark.parametrize("seconds", [PANIC_S, DOORBELL_S, JUMP_S, 3.0, READY_S])
def test_loss_between_panic_and_ready_forbids_pass(seconds):
    story = post_notifiers()
    lose(story, at(seconds))
    everywhere(story, "lost")


@pytest.mark.parametrize("seconds", [0.91, 0.95])
def test_loss_before_the_panic_does_not_matter(seconds):
    story = post_notifiers()
    lose(story, at(seconds))
    assert set(results(story).values()) == {"PASS"}


def test_loss_is_dated_from_the_last_event_that_the_tap_kept():
    """A loss that is recorded after the crash kernel is ready may have begun long before."""
    end = at(READY_S) + len(READY) * 8 + 1000
    story = post_notifiers()
    lose(story, end, Tap.RQ)
    everywhere(story, "lost")
    story = post_notifiers()
    story.print(end - 500, "$ ")
    lose(story, end, Tap.CONSOLE)
    assert set(results(story).values()) == {"PASS"}


def test_loss_that_may_have_begun_with_the_last_byte_of_the_ready_text_counts():
    story = post_notifiers()
    story.erase_text("\r\n")
    lose(story, at(READY_S) + 2000, Tap.CONSOLE)
    everywhere(story, "lost")


@pytest.mark.parametrize("offset", [0, 1])
def test_loss_touches_the_window_from_the_earliest_instant_of_the_panic(offset):
    story = post_notifiers()
    lose(story, at(PANIC_S) - U - offset)
    assert (story.rule("JUMP").result == "PASS") == bool(offset)


def test_loss_that_no_record_dates_forbids_pass():
    story = post_notifiers()
    lose(story, at(0.95), count=5)
    story.lost = 25
    everywhere(story, "20 events were lost, it is not known when")


def test_loss_does_not_undo_what_is_certain():
    story = stock()
    lose(story, at(JUMP_S), count=1000)
    assert results(story)["JUMP"] == "FAIL" and results(story)["MEM"] == "FAIL"


def test_under_loss_the_statistics_alone_can_fail_a_card():
    story = post_notifiers()
    lose(story, at(3.0), count=4)
    story.statistics["RQ_RD"] = {"count": 4, "first": at(2), "last": at(2.5)}
    assert story.rule("JUMP").result == "FAIL"


# ---- what the analyser was told not to record --------------------------------------------------


@pytest.mark.parametrize("tap", list(Tap))
def test_absence_is_proved_only_by_taps_that_were_recorded(tap):
    needed = {Tap.RQ, Tap.MSIX, Tap.CONSOLE, Tap.CQ, Tap.CFG, Tap.RESET, Tap.GATE}
    story = post_notifiers()
    story.settings["qualify"] = {"taps": [other.name for other in Tap if other != tap]}
    if tap in needed:
        everywhere(story, f"told not to record {tap.name.lower()}")
    else:
        assert set(results(story).values()) == {"PASS"}
    story = stock()
    story.settings["qualify"] = {"taps": [other.name for other in Tap if other != tap]}
    assert results(story)["JUMP"] == "FAIL"  # what was recorded happened


@pytest.mark.parametrize("make", [post_notifiers, stock])
def test_a_qualifying_term_leaves_everything_open(make):
    story = make()
    story.settings["qualify"] = {"term": "3"}
    everywhere(story, "only what matched term 3")


def segmented(story, *borders):
    """The story's records cut into segments at these times."""
    times = story.records()["timestamp"]
    cuts = [0, *(int((times < border).sum()) for border in borders), len(times)]
    story.settings["segments"] = [
        {"first": first, "count": stop - first, "armed": 0, "trigger": 0}
        for first, stop in zip(cuts, cuts[1:], strict=False)
    ]
    return story


@pytest.mark.parametrize(
    ("border", "expected"),
    [
        (at(0.95), "PASS"),
        (at(PANIC_S), "INCONCLUSIVE"),
        (at(2.0), "INCONCLUSIVE"),
        (at(READY_S) + 8 * (len(READY) - 2), "INCONCLUSIVE"),
        (at(READY_S) + 8 * (len(READY) - 1), "PASS"),
        (at(6.0), "PASS"),
        (at(9.0), "PASS"),  # a segment that stayed empty
    ],
)
def test_absence_is_not_proved_between_segments(border, expected):
    story = post_notifiers()
    story.add(at(6.0), Kind.MARK, data=1)
    rules = results(segmented(story, border))
    assert rules["JUMP"] == rules["HALT"] == rules["MEM"] == expected
    if expected != "PASS":
        assert "othing was recorded before the segment" in story.rule("JUMP").reason


def test_segments_that_are_not_those_of_the_records_prove_nothing():
    story = segmented(post_notifiers(), at(0.95))
    story.settings["segments"][1]["count"] += 1
    everywhere(story, "segments in the capture's header")


def test_a_text_across_two_segments_is_none():
    story = stock()
    border = next(f for f in rec.ConsoleText.of(story.records()).find("purgatory")).first_timestamp + 1
    everywhere(segmented(story, border), "jump text")


def test_a_text_with_a_byte_that_had_no_stop_bit_is_none():
    story = stock()
    for timestamp, entry in story.entries:
        if entry["kind"] == Kind.CONSOLE and timestamp == JUMP_AT + 16:
            entry["flags"] = Flag.ERROR
    everywhere(story, "jump text")


def test_the_command_register_at_arming_is_no_change_of_it():
    story = post_notifiers()
    story.drop(Kind.CFG)
    story.add(at(4.0), Kind.CFG, data=0x0507, aux=0x0507)
    everywhere(story, "link does not confirm")


def test_many_losses_make_a_short_reason():
    story = post_notifiers()
    for number in range(50):
        lose(story, at(2.0) + number)
    reason = story.rule("JUMP").reason
    assert reason.count("were lost at record") == 3 and "at 47 more places" in reason


# ---- properties --------------------------------------------------

RANK = {"PASS": 0, "INCONCLUSIVE": 1}


@given(
    offsets=st.lists(st.integers(-30_000, 30_000), max_size=3),
    smaller=st.floats(0, 0.02),
    more=st.floats(0, 0.05),
    bell=st.integers(-20_000, 70_000),
    lossy=st.none() | st.integers(0, at(6)),
)
@settings(max_examples=120, deadline=None, derandomize=True)
def test_a_larger_uncertainty_only_ever_turns_pass_into_inconclusive(offsets, smaller, more, bell, lossy):
    before, after = [], []
    for console_s, target in ((smaller, before), (smaller + more, after)):
        story = post_notifiers()
        story.drop(Kind.CQ)
        story.doorbell(at(PANIC_S) + bell)
        for number, offset in enumerate(sorted(offsets)):
            story.write(JUMP_AT + offset, 200 + number)
        if lossy is not None:
            lose(story, lossy)
        story.record = edited(
            story.record, uncertainty={"console_s": console_s, "clock_ppm": 50, "order_s": 0}
        )
        target.extend(rule.result for rule in story.judge().rules)
    for was, now in zip(before, after, strict=True):
        assert (was == "FAIL") == (now == "FAIL")
        assert was == "FAIL" or RANK[now] >= RANK[was]


@given(offset=st.integers(-100_000, 100_000))
@settings(max_examples=80, deadline=None, derandomize=True)
def test_one_request_anywhere_is_judged_by_its_place(offset):
    story = post_notifiers()
    msix(story, JUMP_AT + offset)
    expected = "FAIL" if offset > 0 else "PASS" if offset < -U else "INCONCLUSIVE"
    if offset == at(DOORBELL_S) - JUMP_AT:
        return
    assert story.rule("JUMP").result == expected


def test_the_verdict_is_the_same_each_time_and_does_not_change_its_input():
    story = stock()
    facts, records = story.facts(), story.records()
    from vkbench.verdict import judge_facts

    assert judge_facts(facts) == judge_facts(story.facts())
    assert facts.records.tobytes() == records.tobytes()


# ---- the bound --------------------------------------------------


def bound(hz=1_000_000, ppm=0.0, **values):
    return text_bound(Uncertainty(console_s=0.001, order_s=0.0005, clock_ppm=ppm, **values), hz)


def test_the_bound_is_the_sum_of_its_parts_rounded_up():
    assert bound().seconds == pytest.approx(0.0015 + limits.JUMP_TO_TEXT.value)
    assert bound().cycles == 1600
    assert bound(ppm=1.0).cycles == 1601
    assert [s.name for s in bound().sources] == [
        "console",
        "order of events",
        "jump to first byte of the text",
    ]


def test_the_larger_of_total_and_sources_is_used():
    more = [{"name": "a", "value_s": 0.002, "source": "x"}]
    less = [{"name": "a", "value_s": 0.0005, "source": "x"}]
    assert bound(sources=more).cycles == 2100
    assert bound(sources=less).cycles == 1600
    assert "not itemised" in [s.name for s in bound(sources=less).sources]


def test_both_edges_of_the_interval_are_uncertain():
    interval = bound().interval(10_000)
    assert [interval.certainly_before(t) for t in (8399, 8400)] == [True, False]
    assert [interval.certainly_after(t) for t in (10_000, 10_001)] == [False, True]


def test_self_test_events_are_no_requests():
    story = post_notifiers()
    story.write(JUMP_AT + 100, 110)
    story.entries[-1][1]["flags"] = 1
    assert rec.seen(story.records()).sum() == len(story.entries) - 1
    assert story.rule("JUMP").result == "PASS"

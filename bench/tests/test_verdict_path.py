# SPDX-License-Identifier: Apache-2.0
"""VKB-PATH-001 on made-up runs: the way that was taken passes, any other fails, and gaps make neither."""

import random
from dataclasses import dataclass

import numpy as np
import pytest
import synthetic_run as synthetic
from synthetic_run import at

from vkbench.capture import records as rec
from vkbench.capture.layout import Kind
from vkbench.evidence import Expectation, MemoryRecord, RunRecord
from vkbench.report import write_report
from vkbench.server.injections import INJECTIONS
from vkbench.verdict import judge_facts, verify
from vkbench.verdict.facts import Facts
from vkbench.verdict.path_rule import PATH_ID

MARKER = "vkbench: inject "
STOP = np.frombuffer(b"stop".ljust(16, b"\0"), "<u4").tolist()


@dataclass
class Told:
    """A verdict and its path rule."""

    verdict: object
    raw: bytes

    @property
    def path(self):
        return next(rule for rule in self.verdict.rules if rule.id == PATH_ID)

    @property
    def ids(self):
        return [rule.id for rule in self.verdict.rules]


def console_of(story):
    return rec.ConsoleText.of(story.records()).text


def judged(story, injection, post, raw="same"):
    """The verdict when this injection's row is the expectation. ``raw``: console.raw; "same": as the capture has it."""
    row = INJECTIONS[injection]
    expected = row.expectation(post)
    story.record["config"] = {
        "crash_kexec_post_notifiers": post,
        "injection": injection,
        "expect": expected.model_dump(),
    }
    story.record["must_fail"] = expected.jump and not expected.doorbell
    if row.marker:
        story.record["markers"] = {"panic": row.marker}
    raw = console_of(story) if raw == "same" else raw
    memory = MemoryRecord.model_validate(story.memory) if story.memory else None
    facts = Facts(RunRecord.model_validate(story.record), story.capture(), memory, raw)
    return Told(judge_facts(facts), raw)


def crash(injection, *texts, doorbell_s=None, every_s=0.002):
    """A crash whose marker is printed at 1 s, then these texts; the jump and all behind it as in every story."""
    story = synthetic.post_notifiers() if doorbell_s else synthetic.stock()
    story.erase_text(synthetic.PANIC)
    mark(story, injection)
    for number, text in enumerate(texts, start=1):
        story.print(at(synthetic.PANIC_S + number * every_s), text + "\r\n", byte_cycles=1)
    return story


def mark(story, injection):
    text = MARKER + injection
    story.print(at(synthetic.PANIC_S), text + "\r\n")
    story.entries = [entry for entry in story.entries if entry[1]["kind"] != Kind.TRIGGER]
    story.trigger_time = at(synthetic.PANIC_S) + (len(text) - 1) * synthetic.BYTE_CYCLES + 3
    story.add(story.trigger_time, Kind.TRIGGER)


def stays(injection, *texts, doorbell_s=None, stop_s=6.0):
    """A panic after which nothing comes: the card writes on, or is halted, and the bench stops the capture."""
    story = synthetic.Story(record=synthetic.run_record(post_notifiers=True))
    mark(story, injection)
    for number, text in enumerate(texts, start=1):
        story.print(at(synthetic.PANIC_S + number * 0.002), text + "\r\n", byte_cycles=1)
    end = at(doorbell_s) - 700 if doorbell_s else at(7.0)
    story.writes(at(0.9), end, at(0.001))
    if doorbell_s:
        story.doorbell(at(doorbell_s))
        story.add(at(doorbell_s) + 3, Kind.GATE, aux=1)
    if stop_s:
        story.add(at(stop_s), Kind.MARK, data=5, header=STOP)
    return story


OOPS = ("BUG: kernel NULL pointer dereference, address: 0", "Oops: 0002 [#1] PREEMPT SMP NOPTI")
FATAL = ("Kernel panic - not syncing: Fatal exception", "Kernel Offset: disabled")
LOOP = (
    "Kernel panic - not syncing: vkbench: injected panic",
    "Kernel panic - not syncing: vkbench: panic in a panic notifier",
)
NO_IMAGE = (
    "Kernel panic - not syncing: sysrq triggered crash",
    "Kernel Offset: disabled",
    "---[ end Kernel panic - not syncing: sysrq triggered crash ]---",
)


def test_the_default_injection_takes_its_way_in_both_scenarios():
    told = judged(synthetic.stock(), "sysrq-c", post=False)
    assert told.path.result == "PASS" and told.path.value is None, told.path.reason
    assert told.verdict.overall == "FAIL" and told.verdict.as_expected
    assert told.ids == ["VKB-JUMP-001", "VKB-HALT-001", "VKB-MEM-001", PATH_ID]
    story = synthetic.post_notifiers()
    story.print(at(1.004), "Kernel Offset: disabled\r\n", byte_cycles=1)
    told = judged(story, "sysrq-c", post=True)
    assert told.verdict.overall == "PASS" and told.path.value == pytest.approx(0.008)
    names = [event.text for event in told.path.events]
    assert any(text.startswith("doorbell") for text in names) and "Kernel Offset: " in names
    assert any("Command register" in text for text in names)


@pytest.mark.parametrize(
    ("injection", "post", "texts", "doorbell_s"),
    [
        ("oops", False, OOPS, None),
        ("oops", True, (*OOPS, *FATAL), synthetic.DOORBELL_S),
        ("nmi", False, (), None),
        ("nmi", True, (), synthetic.DOORBELL_S),
    ],
)
def test_a_way_that_was_taken_passes(injection, post, texts, doorbell_s):
    told = judged(crash(injection, *texts, doorbell_s=doorbell_s, every_s=0.001), injection, post)
    assert told.path.result == "PASS", told.path.reason
    assert told.verdict.as_expected, told.verdict.rules


WRONG = [
    # (what the row says, what happened, the reason's words)
    (("oops", False), ("panic", LOOP[:1], None), "'Kernel panic' was printed"),
    (("oops", False), ("nmi", (), None), "'NULL pointer dereference' was not printed"),
    (("oops", False), ("reversed", OOPS[::-1], None), "was not printed in its place"),
    (("oops", True), ("die", OOPS, synthetic.DOORBELL_S), "'Kernel Offset: ' was not printed"),
    (("oops", False), ("doorbell", OOPS, synthetic.DOORBELL_S), "the doorbell was rung"),
    (("nmi", True), ("stock", (), None), "the doorbell was not rung"),
    (("nmi", False), ("oops", (*OOPS, *FATAL), None), "'Kernel panic' was printed"),
]


@pytest.mark.parametrize(("row", "happened", "words"), WRONG, ids=lambda value: str(value)[:40])
def test_another_way_fails_and_a_control_that_went_astray_is_not_as_expected(row, happened, words):
    (injection, post), (_, texts, doorbell_s) = row, happened
    told = judged(crash(injection, *texts, doorbell_s=doorbell_s, every_s=0.001), injection, post)
    assert told.path.result == "FAIL" and words in told.path.reason, told.path.reason
    assert told.verdict.overall == "FAIL" and not told.verdict.as_expected


def test_a_run_that_must_stay_and_stays_is_judged_by_its_path_alone():
    told = judged(stays("notifier-panic", *LOOP), "notifier-panic", post=True)
    assert told.ids == [PATH_ID] and told.verdict.overall == "PASS", told.path.reason
    assert "VKB-JUMP-001, VKB-HALT-001 and VKB-MEM-001 do not apply" in told.verdict.notes[0]


def test_without_a_crash_image_the_halt_is_judged_and_the_jump_is_not():
    told = judged(stays("no-image", *NO_IMAGE, doorbell_s=1.005), "no-image", post=False)
    assert told.ids == ["VKB-HALT-001", PATH_ID]
    assert told.verdict.overall == "PASS" and told.verdict.as_expected, told.verdict.rules
    writing = stays("no-image", *NO_IMAGE, doorbell_s=1.005)
    writing.writes(at(1.2), at(1.3), at(0.01), first=500)
    assert judged(writing, "no-image", post=False).verdict.overall == "FAIL"


def test_the_halt_without_a_jump_needs_a_capture_that_reaches_the_bench_s_stop():
    told = judged(stays("no-image", *NO_IMAGE, doorbell_s=1.005, stop_s=None), "no-image", post=False)
    halt = told.verdict.rules[0]
    assert halt.result == "INCONCLUSIVE" and "before the bench stopped it" in halt.reason


def test_a_crash_kernel_that_must_not_come_fails():
    told = judged(crash("notifier-panic", *LOOP), "notifier-panic", post=True)
    assert told.path.result == "FAIL" and "the crash kernel came" in told.path.reason
    told = judged(crash("bug", "kernel BUG at x.c:1!", "end trace"), "bug", post=False)
    assert told.path.result == "FAIL" and "server lives" in told.path.reason


def test_a_crash_kernel_that_must_come_and_does_not_fails():
    told = judged(stays("oops", *OOPS), "oops", post=False)
    jump = told.verdict.rules[0]
    assert jump.result == "INCONCLUSIVE"
    # The capture is whole up to the bench's stop, no Command register was changed, and nothing was printed.
    assert told.path.result == "FAIL" and "no jump" in told.path.reason, told.path.reason


def test_a_jump_that_only_the_console_shows_is_not_certain():
    story = stays("notifier-panic", *LOOP)
    story.print(at(2), synthetic.JUMP)
    told = judged(story, "notifier-panic", post=True)
    assert told.path.result == "INCONCLUSIVE" and "does not confirm" in told.path.reason


def test_a_changed_command_register_without_a_jump_is_not_certain():
    story = stays("notifier-panic", *LOOP)
    story.add(at(3), Kind.CFG, data=0x0507, aux=0x0107)
    assert judged(story, "notifier-panic", post=True).path.result == "INCONCLUSIVE"


def test_a_flooded_capture_is_filled_up_from_console_raw():
    """An endless panic fills the record memory: then no mark "stop" is in it, and console.raw has the rest."""
    story = stays("notifier-panic", LOOP[0], stop_s=None)
    whole = console_of(story) + LOOP[1].encode() + b"\r\n"
    told = judged(story, "notifier-panic", True, whole)
    assert told.path.result == "PASS" and "lost by the capture" in told.path.reason
    assert judged(story, "notifier-panic", True, None).path.result == "INCONCLUSIVE"
    told = judged(story, "notifier-panic", True, whole + b"---[ end Kernel panic")
    assert told.path.result == "FAIL" and "console.raw" in told.path.reason
    jumped = whole + synthetic.JUMP.encode()
    assert judged(story, "notifier-panic", True, jumped).path.result == "INCONCLUSIVE"


def test_the_doorbell_s_absence_under_loss_rests_on_the_statistics():
    story = crash("nmi")
    story.lost = 3
    assert judged(story, "nmi", post=True).path.result == "FAIL"
    story.statistics = {"DOORBELL": {"count": 1, "first": at(1.01), "last": at(1.01)}}
    for post in (False, True):
        assert judged(story, "nmi", post).path.result == "INCONCLUSIVE"


def test_witnesses_that_disagree_are_not_believed():
    story = crash("oops", OOPS[0])
    whole = MARKER.encode() + b"oops\r\n" + "\r\n".join(OOPS).encode()
    told = judged(story, "oops", False, whole)
    assert told.path.result == "INCONCLUSIVE" and "witnesses disagree" in told.path.reason


def test_a_marker_that_user_space_printed_earlier_opens_no_window():
    story = crash("oops", *OOPS)
    story.print(at(0.2), MARKER + "oops\r\nKernel panic - not syncing: a joke\r\n", byte_cycles=1)
    assert judged(story, "oops", post=False).path.result == "PASS"


def test_without_the_marker_where_it_triggered_nothing_is_said():
    story = crash("oops", *OOPS)
    story.erase_text(MARKER + "oops")
    told = judged(story, "oops", post=False)
    assert told.path.result == "INCONCLUSIVE" and "marker" in told.path.reason


def test_an_aborted_run_is_inconclusive():
    story = crash("oops", *OOPS)
    story.record |= {"status": "aborted", "abort": {"error": "NoCrashKernel", "detail": "x"}}
    told = judged(story, "oops", post=False)
    assert told.path.result == "INCONCLUSIVE" and "aborted" in told.path.reason


def test_a_run_of_before_has_no_path_rule():
    story = synthetic.stock()
    assert PATH_ID not in [rule.id for rule in story.judge().rules]


def test_loss_can_only_make_a_pass_inconclusive():
    """Whatever console bytes the analyser loses and owns up to: never a FAIL, and with console.raw still a PASS."""
    chance = random.Random(5)
    results = set()
    for _ in range(6):
        story = crash("oops", *OOPS)
        raw = console_of(story)
        window = [
            number
            for number, (time, values) in enumerate(story.entries)
            if values["kind"] == Kind.CONSOLE and at(1.002) <= time < at(1.02)
        ]
        gone = set(chance.sample(window, chance.randint(1, len(window) // 4)))
        story.entries = [entry for number, entry in enumerate(story.entries) if number not in gone]
        story.lost = len(gone)
        results.add(judged(story, "oops", False, None).path.result)
        assert judged(story, "oops", False, raw).path.result == "PASS"
    assert results == {"INCONCLUSIVE"}


def test_an_expectation_without_text_in_a_text_is_refused():
    with pytest.raises(ValueError, match="must not be empty"):
        Expectation(path="die", texts=[""], doorbell=False, jump=True)


@pytest.mark.parametrize(
    ("injection", "texts", "headline"),
    [
        ("notifier-panic", LOOP, "none of these runs comes into a crash kernel"),
        ("notifier-panic", LOOP[:1], "took another way"),
    ],
)
def test_a_report_does_not_take_a_panic_that_stays_for_a_card_that_stopped(
    tmp_path, injection, texts, headline
):
    """Beside a control, so that the report has what it needs to pass."""
    candidate = stays(injection, *texts)
    control = synthetic.stock()
    judged(candidate, injection, post=True)
    judged(control, "sysrq-c", post=False)
    runs = [control.save(tmp_path / "control"), candidate.save(tmp_path / "candidate")]
    assert all(verify(run).ok for run in runs)
    text = write_report(runs, tmp_path / "report.html").read_text()
    assert headline in text and "Told to halt, the card stopped" not in text

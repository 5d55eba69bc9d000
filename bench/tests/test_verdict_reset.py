# SPDX-License-Identifier: Apache-2.0
"""The rules of a reset run: the good card passes all of them, and each thing that can be wrong fails its own."""

from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from synthetic_reset import AFTER, ANNOUNCED, BELL, HZ, READY, RUNG, ResetStory, good
from synthetic_run import at

from vkbench.capture.layout import Flag, GateCause, Kind, Reset, Tap
from vkbench.report import write_report
from vkbench.verdict import reset_values, verify

RULES = range(1, 10)
Change = Callable[[ResetStory], None]


def without(kind: Kind, **values: int) -> Change:
    def change(story: ResetStory) -> None:
        story.entries = [
            entry
            for entry in story.entries
            if entry[1]["kind"] != kind or any(entry[1].get(name) != value for name, value in values.items())
        ]

    return change


def edit(*path: object, value: object) -> Change:
    def change(story: ResetStory) -> None:
        place = story.reset
        for step in path[:-1]:
            place = place[step]
        place[path[-1]] = value

    return change


def late_write(story: ResetStory) -> None:
    story.write(BELL + 5, 999, address=0x9000)


def old_buffer(story: ResetStory) -> None:
    """Resumed traffic that begins after the host's first word, where the silence has ended."""
    story.host_write(READY + 50, 0, 0x484, 1)
    story.write(READY + 1000, 1000)


def tag_again(story: ResetStory) -> None:
    """The read that was open at the reset is answered only after its tag has been used again."""
    without(Kind.RC)(story)
    story.entries = [entry for entry in story.entries if entry[1]["kind"] != Kind.RQ or entry[0] < BELL]
    story.reset["expect"]["link_stays"] = True
    story.host_write(READY + 50, 0, 0x484, 1)
    story.read(READY + 100, 5)
    story.answer(READY + 200, 5)


WRONG: dict[str, tuple[int, Change]] = {
    "never ready": (1, without(Kind.RESET, aux=Reset.CARD_READY)),
    "a request 5 cycles late": (2, late_write),
    "resumes into the old buffer": (2, old_buffer),
    "an interrupt as a goodbye": (3, lambda story: story.add(BELL + 16, Kind.MSIX, aux=3)),
    "a BAR moved": (4, edit("again", "bars", 0, "start", value=0xFD00_0000)),
    "Command changed": (4, edit("after", "config", 4, value=0x0010_0503)),
    "a dword is gone": (4, lambda story: story.reset["again"]["config"].pop(0x50)),
    "a register kept": (5, edit("after", "registers", 2, 0x61F4, value=0x1234_0000)),
    "another reason": (5, edit("after", "registers", 0, 0x41C, value=0x4000_03FC)),
    "an index kept": (6, edit("after", "registers", 2, 0x700C, value=7)),
    "a tag used too early": (7, tag_again),
    "a read that never ends": (7, edit("after", "lab_status", value=0x500)),
    "no driver": (8, edit("again", "driver", value="")),
    "no node": (8, edit("node", value=False)),
    "a wrong byte": (9, edit("transfers", 1, "failed", value=1)),
}
OPEN: dict[str, tuple[int, Change]] = {
    "the doorbell is not in the capture": (1, without(Kind.CQ)),
    "the host never came back": (2, without(Kind.CQ, aux=0)),
    "no traffic": (2, without(Kind.RQ)),
    "interrupts not recorded": (
        3,
        lambda story: story.settings.update(qualify={"taps": ["RQ", "CQ", "CFG", "RESET", "GATE", "RC"]}),
    ),
    "no look before": (4, edit("before", value=None)),
    "registers refused": (5, edit("after", "refused", value="Operation not permitted")),
    "the driver was quicker": (5, edit("expect", "config_restored", value=False)),
    "a register not read": (5, lambda story: story.reset["after"]["registers"][0].pop(0x404)),
    "an index not read": (6, lambda story: story.reset["after"]["registers"][2].pop(0x7008)),
    "folded": (7, lambda story: story.settings.update(fold=True)),
    "no read afterwards": (7, lambda story: story.drop(Kind.RQ, AFTER)),
    "no announcement": (8, without(Kind.CQ, aux=2 << 13)),
    "wrong before": (9, edit("transfers", 0, "failed", value=1)),
    "one way only": (9, edit("transfers", 1, "downloads", value=0)),
}


def test_a_clean_reset_passes_every_rule() -> None:
    verdict = good().judge()
    assert [rule.id for rule in verdict.rules] == [f"VKB-RESET-{number:03}" for number in RULES]
    assert {rule.result for rule in verdict.rules} == {"PASS"}, [rule.reason for rule in verdict.rules]
    assert verdict.overall == "PASS" and verdict.as_expected
    names = [entry.name for entry in verdict.timeline]
    assert names[: names.index("card_ready")] == ["last_dma_write", "doorbell", "trigger", "gate_closed"]


@pytest.mark.parametrize("name", WRONG)
def test_what_is_wrong_fails_its_own_rule(name: str) -> None:
    number, change = WRONG[name]
    story = good()
    change(story)
    assert story.result(number).result == "FAIL", story.result(number).reason
    assert story.judge().overall == "FAIL"


@pytest.mark.parametrize("name", OPEN)
def test_what_is_not_known_passes_nothing(name: str) -> None:
    number, change = OPEN[name]
    story = good()
    change(story)
    assert story.result(number).result == "INCONCLUSIVE", story.result(number).reason


def test_a_reset_that_did_not_happen_proves_nothing() -> None:
    story = good()
    without(Kind.CQ)(story)
    assert {story.result(number).result for number in RULES} == {"INCONCLUSIVE"}


@pytest.mark.parametrize("how", ["aborted", "no reset.json"])
def test_a_run_that_did_not_end_is_inconclusive(how: str) -> None:
    story = good()
    if how == "aborted":
        story.record.update(status="aborted", abort={"error": "Interrupted"})
    else:
        story.reset = {}
    assert {rule.result for rule in story.judge().rules} == {"INCONCLUSIVE"}


def test_a_later_reset_does_not_make_the_card_ready_for_this_one() -> None:
    story = good()
    without(Kind.RESET, aux=Reset.CARD_READY)(story)
    story.host_write(at(1.5), 0, 0x49C, 0xFFFF_FFFF, Flag.DOORBELL)
    story.add(at(1.502), Kind.RESET, aux=Reset.CARD_READY)
    assert story.result(1).result == "FAIL"


@pytest.mark.parametrize(
    ("word", "said"),
    [(0, "Between two"), (1 << 16, "to the card was"), (3 << 16, "to the card and one to the host")],
)
def test_what_the_reset_interrupted_is_said(word: int, said: str) -> None:
    story = good()
    story.add(BELL - 500, Kind.LEVEL, data=word)
    story.add(BELL + 1, Kind.LEVEL, data=1 << 18)
    assert story.result(2).result == "PASS" and said in story.result(2).reason


def test_up_to_the_limit_a_request_is_in_time() -> None:
    story = good()
    story.write(BELL + 4, 999)
    assert story.result(2).result == "PASS" and story.result(2).value == 4


def test_bus_master_off_before_the_reset_is_when_the_card_must_stop() -> None:
    story = good()
    story.add(BELL - 250, Kind.CFG, data=0x0507, aux=0x0400)
    story.add(BELL - 249, Kind.GATE, aux=1, data=GateCause.BME_CLEAR)
    assert story.result(2).result == "FAIL", (
        "the read 60 cycles before the doorbell came after Bus Master Enable"
    )
    story.add(BELL - 200, Kind.CFG, data=0x0400, aux=0x0507)
    assert story.result(2).result == "PASS", "Bus Master Enable was on again"


@pytest.mark.parametrize(
    ("written_at", "mark_at", "result"),
    [
        (READY + 500, READY + 900, "PASS"),
        (None, READY + 900, "FAIL"),
        (READY + 950, READY + 900, "FAIL"),
        (BELL - 5, READY + 900, "FAIL"),
    ],
)
def test_a_register_may_hold_what_the_driver_wrote_after_the_doorbell(
    written_at: int | None, mark_at: int, result: str
) -> None:
    story = good()
    story.reset["after"]["registers"][0][0x45C] = 0
    story.add(mark_at, Kind.MARK, data=reset_values.STATE_READ_MARK)
    if written_at:
        story.host_write(written_at, 0, 0x45C, 0)
    assert story.result(5).result == result
    assert "temperature" in story.result(5).reason.lower()


def test_other_registers_are_no_excuse() -> None:
    story = good()
    story.reset["after"]["registers"][0][0x400] = 0x77
    story.add(READY + 900, Kind.MARK, data=reset_values.STATE_READ_MARK)
    story.host_write(READY + 500, 0, 0x400, 0x77)
    assert story.result(5).result == "FAIL"


def test_error_bits_of_configuration_space_may_differ() -> None:
    story = good()
    story.reset["again"]["config"][0x04] |= 0x2000_0000
    story.reset["again"]["config"][0x68] |= 0x0008_0000
    assert story.result(4).result == "PASS"


@pytest.mark.parametrize(
    ("link_stays", "apart_s", "result"), [(False, 0.001, "PASS"), (True, 0.06, "PASS"), (True, 0.04, "FAIL")]
)
def test_an_abandoned_tag_is_free_after_its_time(link_stays: bool, apart_s: float, result: str) -> None:
    story = good()
    story.entries = [
        entry for entry in story.entries if not (entry[1]["kind"] == Kind.RC and entry[0] == BELL + 30)
    ]
    story.entries = [
        entry for entry in story.entries if not (entry[1]["kind"] == Kind.RQ and entry[0] > BELL)
    ]
    story.entries = [
        entry for entry in story.entries if not (entry[1]["kind"] == Kind.RC and entry[0] > BELL)
    ]
    story.reset["expect"]["link_stays"] = link_stays
    again = BELL - 60 + round(apart_s * HZ)
    story.host_write(min(again, READY + 60) - 10, 0, 0x484, 1)
    story.read(max(again, READY + 60), 5, max(again, READY + 60) + 40)
    assert story.result(7).result == result, story.result(7).reason


def test_the_kind_of_a_run_decides_its_rules() -> None:
    story = good()
    story.record["kind"] = "panic"
    assert not any(rule.id.startswith("VKB-RESET") for rule in story.judge().rules)


@settings(deadline=None, max_examples=20)
@given(
    lost=st.integers(0, 5), change=st.sampled_from([*WRONG.values(), *OPEN.values(), (0, lambda story: None)])
)
def test_loss_takes_a_pass_and_nothing_else(lost: int, change: tuple[int, Change]) -> None:
    story = good()
    change[1](story)
    whole = {rule.id: rule.result for rule in story.judge().rules}
    story.lost = lost
    for rule in story.judge().rules:
        if whole[rule.id] == "PASS":
            assert rule.result in ("PASS", "INCONCLUSIVE")
        elif lost and rule.id == "VKB-RESET-001":
            assert rule.result in (whole[rule.id], "INCONCLUSIVE")  # the event may be among the lost ones
        else:
            assert rule.result == whole[rule.id]
    if lost:
        assert story.result(2).result != "PASS" and story.result(3).result != "PASS"


@pytest.mark.parametrize(
    ("tap", "when", "doubted"),
    [
        (Tap.CONSOLE, BELL + 100, set()),
        (Tap.RQ, BELL + 100, {2, 7}),
        (Tap.RQ, BELL - 200, {7}),  # these reads may be owed their completions
        (Tap.RQ, at(0.9) + 10, set()),  # these no longer
        (Tap.RC, BELL + 100, {7}),
        (Tap.RC, BELL - 700, set()),
        (Tap.MSIX, BELL + 100, {3}),
        (Tap.MSIX, RUNG + 100, {3}),  # the last interrupt that was kept came before
        (Tap.CQ, BELL - 700, {2, 3, 7}),
        (Tap.RESET, AFTER + 1500, {2, 3, 7}),
    ],
)
def test_only_the_loss_of_what_a_rule_needs_counts(tap: Tap, when: int, doubted: set[int]) -> None:
    story = good()
    story.lost = 7
    story.add(when, Kind.LOSS, aux=1 << tap, data=7)
    results = {rule.id[-1]: rule.result for rule in story.judge().rules}
    assert {int(number) for number, result in results.items() if result != "PASS"} == doubted
    assert set(results.values()) <= {"PASS", "INCONCLUSIVE"}


def test_a_tag_that_may_still_be_owed_a_lost_completion_passes_no_reset() -> None:
    """The completion of the read that is open when the losses begin may be among them; its tag is used again at once."""
    story = good()
    story.entries = [entry for entry in story.entries if entry[1]["kind"] != Kind.RQ or entry[0] <= BELL - 60]
    without(Kind.RC)(story)
    story.lost = 7
    story.add(BELL - 10, Kind.LOSS, aux=1 << Tap.RC, data=7)
    assert story.result(7).result == "INCONCLUSIVE"
    story.host_write(READY + 50, 0, 0x484, 1)
    story.read(READY + 100, 5, READY + 160)
    assert story.result(7).result == "INCONCLUSIVE"
    assert "1 tags were used again" in story.result(7).reason
    story.reset["expect"]["link_stays"] = False
    assert story.result(7).result == "PASS", "the link has gone, and all that was owed with it"


def test_files_verify_and_the_report_speaks_of_a_reset(tmp_path: Path) -> None:
    run = good().save(tmp_path / "run")
    bad = good()
    late_write(bad)
    failed = bad.save(tmp_path / "bad")
    assert verify(run).ok and verify(failed).ok
    text = write_report([run, failed], tmp_path / "report.html").read_text()
    assert "does the card come back clean from a reset?" in text and "did not come back clean" in text
    assert "VKB-RESET-007" in text and "panic text" not in text.partition("<script>")[0].lower()
    changed = (run / "reset.json").read_text().replace('"failed": 0', '"failed": 1')
    (run / "reset.json").write_text(changed)
    assert any("reset.json" in line for line in verify(run).differences)
    assert any("overall" in line for line in verify(run).differences)


assert RUNG > ANNOUNCED  # the story's order, on which its tests rest


def removed(spoken: int | None) -> ResetStory:
    """A soft reset by the driver's removal, with indices that are not 0 afterwards. ``spoken``: when a program sent one more message."""
    story = good()
    story.reset["expect"]["shows"] = ["DOORBELL_HARD", "BME_CLEARED"]
    story.reset["after"]["registers"][reset_values.QUEUE_BAR][next(iter(reset_values.indices()))] = 3
    if spoken is not None:
        story.host_write(spoken, 0, 0x484, 1)
    return story


def test_a_message_sent_while_the_driver_was_leaving_does_not_make_the_card_a_bad_one():
    for cleared in (READY + 500, None):  # None: the memory was full before
        story = removed(spoken=READY + 100)
        if cleared is not None:
            story.add(cleared, Kind.CFG, data=0x0507, aux=0x0503)
        rule = story.result(6)
        assert rule.result == "INCONCLUSIVE" and "before it let go" in rule.reason, cleared
    story = removed(spoken=None)
    story.add(READY + 500, Kind.CFG, data=0x0507, aux=0x0503)
    assert story.result(6).result == "FAIL"

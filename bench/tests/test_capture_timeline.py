# SPDX-License-Identifier: Apache-2.0
"""Decoding of records, the console's text, and the key events in their sequence."""

import pytest
from synthetic_run import (
    BANNER,
    BANNER_S,
    DOORBELL_S,
    HZ,
    JUMP,
    JUMP_S,
    PADDR,
    PANIC,
    PANIC_S,
    READY_S,
    Story,
    at,
    post_notifiers,
    stock,
)  # fmt: skip

from vkbench.capture import records as rec
from vkbench.capture import scan, show, timeline
from vkbench.capture.layout import Flag, Kind, Reset, StatClass
from vkbench.capture.select import Filter
from vkbench.capture.vkc import Capture, CaptureHeader
from vkbench.evidence import Markers

MARKERS = Markers().model_dump()


def build(story):
    return timeline.build(scan.Scan(story.capture()), MARKERS)


def test_headers_are_decoded_as_the_specification_numbers_them():
    story = Story()
    story.add(1, Kind.RQ, header=[0x6000_0010, 0x0203_2AFF, 0x1, 0x2340_0004])  # MWr64, 16 DW
    story.add(2, Kind.RQ, header=[0x0000_0000, 0x0203_17FF, 0x8000_0007, 0])  # MRd32, 1024 DW
    story.add(3, Kind.RC, header=[0x4A00_0001, 0x0000_2004, 0x0203_1700, 0])  # CplD, UR
    story.add(4, Kind.CQ, header=[0x2000_0001, 0x0000_000F, 0x1, 0x10])  # MRd64
    records = story.records()
    assert rec.tlp_length(records).tolist() == [16, 1024, 1, 1]
    assert rec.tlp_tag(records)[:3].tolist() == [0x2A, 0x17, 0x17]
    assert rec.tlp_requester(records)[:3].tolist() == [0x0203, 0x0203, 0x0203]
    assert rec.tlp_address(records)[[0, 1, 3]].tolist() == [0x1_2340_0004, 0x8000_0004, 0x1_0000_0010]
    assert rec.is_write(records).tolist() == [True, False, False, False]
    assert [rec.tlp_name(one) for one in records] == ["MWr64", "MRd32", "CplD", "MRd64"]
    assert rec.completion_status(records[2]) == "UR"


def test_selftest_events_are_no_evidence():
    story = Story()
    story.write(5, 1)
    story.entries[0][1]["flags"] = Flag.SELFTEST
    story.add(6, Kind.CONSOLE, aux=ord("x"), flags=Flag.SELFTEST)
    records = story.records()
    assert not rec.dma_writes(records).any() and not rec.card_requests(records).any()
    assert rec.ConsoleText.of(records).text == b""


def test_statistics_classes_split_the_streams_without_overlap():
    story = post_notifiers()
    story.add(1, Kind.RQ, header=[0x2000_0010, 0, 1, 0])
    records = story.records()
    rq = rec.of_kind(records, Kind.RQ)
    writes, reads = (rec.of_class(records, c) for c in (StatClass.RQ_WR, StatClass.RQ_RD))
    assert not (writes & reads).any() and ((writes | reads) == rq).all() and reads.sum() == 1
    assert rec.of_class(records, StatClass.DOORBELL).sum() == 1
    assert rec.of_class(records, StatClass.CONSOLE).sum() == rec.of_kind(records, Kind.CONSOLE).sum()


def test_a_text_is_found_with_the_times_of_its_first_and_last_byte_across_other_records():
    story = Story()
    story.print(1000, "ababa")
    story.writes(1000, 1040, 3)
    found = rec.ConsoleText.of(story.records()).find("aba")
    assert [(f.first_timestamp, f.last_timestamp) for f in found] == [(1000, 1016), (1016, 1032)]
    records = story.records()
    assert records["kind"][found[1].first_index] == Kind.CONSOLE
    assert records["timestamp"][found[1].first_index] == 1016
    assert rec.ConsoleText.of(records).find("nothing") == []


def test_the_key_events_of_a_halted_card():
    found = build(post_notifiers())
    assert found.sequence.problem is None
    stamps = {name: event.timestamp for name, event in found.events.items()}
    bell = at(DOORBELL_S)
    assert stamps["panic_text"] == at(PANIC_S) and stamps["jump"] == at(JUMP_S)
    assert (stamps["doorbell"], stamps["last_dma_write"], stamps["gate_closed"]) == (bell, bell + 2, bell + 3)
    assert stamps["crash_ready"] == at(READY_S) and "first_dma_after_jump" not in stamps
    assert stamps["dma_first"] == at(0.9)
    assert [e.name for e in found.ordered()][-3:] == ["crash_kernel", "config_after_jump", "crash_ready"]
    assert found.origin == at(PANIC_S)


def test_the_key_events_of_a_card_that_writes_on():
    found = build(stock())
    assert "doorbell" not in found.events and "gate_closed" not in found.events
    assert (
        found.events["last_dma_write"].timestamp
        <= at(JUMP_S)
        < found.events["first_dma_after_jump"].timestamp
    )
    assert found.events["last_dma_after_jump"].timestamp == at(7.0) - at(0.001)


@pytest.mark.parametrize("texts", [[JUMP], [BANNER], [JUMP, BANNER], [BANNER, JUMP], [PANIC], [PANIC, JUMP]])
def test_texts_that_user_space_printed_before_the_panic_mark_nothing(texts):
    honest, story = build(post_notifiers()), post_notifiers()
    for number, text in enumerate(texts):
        story.print(at(0.91) + number * 2000, text)
    found = build(story)
    assert found.sequence.problem is None
    for name in ("panic_text", "jump", "crash_kernel", "crash_ready", "doorbell"):
        assert found.events[name].timestamp == honest.events[name].timestamp, name


def test_two_whole_crashes_in_one_capture_contradict_each_other():
    story = post_notifiers()
    for number, text in enumerate([PANIC, JUMP, BANNER]):
        story.print(at(0.91) + number * 2000, text)
    found = build(story)
    assert "more than one crash" in found.sequence.problem and found.sequence.jump is None


def test_a_faked_crash_before_a_silent_real_one_proves_nothing():
    story = Story()
    for number, text in enumerate([PANIC, JUMP, BANNER, BANNER, "vkbench: crash kernel ready\n"]):
        story.print(at(1.0 + number), text)
    assert "second crash-kernel banner" in build(story).sequence.problem


@pytest.mark.parametrize(
    ("order", "problem"),
    [
        ([], "panic text"),
        ([JUMP, BANNER], "panic text"),
        ([PANIC], "jump text"),
        ([PANIC, BANNER], "jump text"),
        ([JUMP, PANIC, BANNER], "no panic text before"),
        ([PANIC, BANNER, JUMP], "no crash-kernel banner after"),
        ([PANIC, JUMP], "no crash-kernel banner after"),
        ([PANIC, JUMP, PANIC, BANNER], "between the jump text"),
        ([PANIC, JUMP, JUMP, BANNER], "more than once"),
    ],
)
def test_markers_out_of_order_prove_no_jump(order, problem):
    story = Story()
    for number, text in enumerate(order):
        story.print(at(1.0 + number), text)
    sequence = build(story).sequence
    assert sequence.jump is None and problem in sequence.problem


@pytest.mark.parametrize(
    ("offset", "found"), [(-1, False), (0, False), (1, True), (at(0.03), True), (at(0.03) + 1, False)]
)
def test_a_doorbell_counts_after_the_panic_text_and_not_after_the_jump(offset, found):
    story = post_notifiers()
    story.drop(Kind.CQ)
    story.doorbell(at(PANIC_S) + offset)
    assert ("doorbell" in build(story).events) == found


@pytest.mark.parametrize(
    ("value", "halts"), [(0xFFFFFFFD, True), (0xFFFFFFFF, True), (0xFFFFFFFE, False), (3, False)]
)
def test_only_halting_values_of_the_doorbell_count(value, halts):
    story = post_notifiers()
    story.drop(Kind.CQ)
    story.doorbell(at(DOORBELL_S), value)
    assert ("doorbell" in build(story).events) == halts


def test_a_configuration_change_counts_only_between_jump_and_ready():
    for seconds in (JUMP_S, READY_S):
        story = post_notifiers()
        story.drop(Kind.CFG)
        story.add(at(seconds), Kind.CFG, data=0x507, aux=0x107)
        assert "config_after_jump" not in build(story).events
        story.add(at(BANNER_S), Kind.CFG, data=0x507, aux=0x107)
        assert "config_after_jump" in build(story).events


def test_the_dump_shows_each_kind_of_record_and_escapes_the_console():
    story = post_notifiers()
    story.print(at(0.91), "\x1b[31m<script>\r\n")
    story.add(at(6), Kind.RESET, aux=Reset.FLR_STARTED)
    story.add(at(6.1), Kind.LOSS, aux=4, data=9)
    story.add(at(6.2), Kind.MSIX, aux=2)
    story.add(at(6.3), Kind.MARK, data=77)
    story.add(at(6.4), Kind.RC, header=[0x4A00_0001, 0x2000, 0x0100_0500, 0])
    story.add(at(6.5), Kind.RESET, aux=99)
    story.add(at(6.6), 200, aux=1)
    capture = Capture(CaptureHeader.model_validate(story.header()), story.records())
    text = "\n".join(show.lines(capture))
    for part in (
        "MWr64 0x1234",
        "doorbell",
        "FLR_STARTED",
        "9 events lost",
        "vector 2",
        "number 77",
        "CplD UR tag 5",
    ):
        assert part in text, part
    assert "99 (unknown)" in text and "kind 200" in text and "\x1b" not in text
    assert len(list(show.lines(capture, Filter(kinds=frozenset([Kind.GATE]))))) == 1
    assert len(list(show.lines(capture, first=3, count=2))) == 2
    shown = show.info(capture)
    assert shown["records"] == len(story.entries) and shown["records_by_kind"]["GATE"] == 1
    assert shown["clock_hz"] == HZ and PADDR

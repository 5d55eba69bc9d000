# SPDX-License-Identifier: Apache-2.0
"""Filters: what they choose, said record by record; how they are written; console lines; segments."""

import numpy as np
import pytest
from busy_capture import busy
from link_traffic import capture, fold, write

from vkbench import errors
from vkbench.capture import records as rec
from vkbench.capture import vkc
from vkbench.capture.batches import batches
from vkbench.capture.layout import Flag, Kind, StatClass
from vkbench.capture.lines import LINE_MAX_BYTES, LineFinder, console_lines
from vkbench.capture.records import ConsoleText
from vkbench.capture.select import (
    Chosen,
    Filter,
    parse_address,
    parse_class,
    parse_kind,
    parse_time,
    selected,
)


@pytest.fixture(scope="module")
def source():
    return busy(3000)


def chosen(source, **wanted):
    """Numbers of the chosen records, however the capture is cut into blocks."""
    found = Filter(**wanted)
    whole = np.flatnonzero(found.mask(source.header, source.records)).tolist()
    pieces = Pieces(source)
    assert np.concatenate([batch.numbers for batch in selected(pieces, found)]).tolist() == whole
    return whole


class Pieces:
    """A capture in blocks of seven records."""

    def __init__(self, source):
        self.header, self._records = source.header, source.records

    def blocks(self):
        return (self._records[at : at + 7] for at in range(0, len(self._records), 7))


def text_of(source, numbers):
    records = source.records[numbers]
    assert (records["kind"] == Kind.CONSOLE).all()
    return bytes(records["aux"].astype(np.uint8)).decode()


def test_kinds_and_classes_widen(source):
    kinds = source.records["kind"]
    assert chosen(source) == list(range(len(kinds)))
    assert chosen(source, kinds=frozenset([Kind.MSIX])) == np.flatnonzero(kinds == Kind.MSIX).tolist()
    both = chosen(source, kinds=frozenset([Kind.MARK]), classes=frozenset([StatClass.DOORBELL]))
    assert len(both) == 3 and {int(kinds[n]) for n in both} == {Kind.MARK, Kind.CQ}


def test_a_text_chooses_whole_lines(source):
    found = text_of(source, chosen(source, text="message 3 of"))
    assert found == "[    1.500000] vk 0000:01:00.0: message 3 of the busy server\r\n"
    also = chosen(source, text="message 3 of", kinds=frozenset([Kind.GATE]))
    assert len(also) == len(found) + 2
    assert chosen(source, text="no such text") == []


def test_an_address_window_chooses_requests_that_touch_it():
    tlps = [write(1000 * n, Kind.RQ, 0x1_0000_0000 + 64 * n, 16, n) for n in range(20)]
    source = capture(tlps)
    assert chosen(source, address=(0x1_0000_0000 + 64 * 5, 0x1_0000_0000 + 64 * 5)) == [5]
    assert chosen(source, address=(0x1_0000_0000 + 64 * 5 - 1, 0x1_0000_0000 + 64 * 6)) == [4, 5, 6]
    assert chosen(source, address=(0, 0xFFFF_FFFF)) == []


def test_an_address_window_leaves_other_kinds_that_are_asked_for(source):
    nowhere = (0, 15)
    assert chosen(source, address=nowhere) == []
    found = chosen(source, address=nowhere, kinds=frozenset([Kind.RQ, Kind.GATE]))
    assert {int(source.records["kind"][n]) for n in found} == {Kind.GATE}


@pytest.mark.parametrize("step", [64, 0])
def test_a_folded_run_is_where_its_folded_tlps_were(step):
    """The window holds none of the recorded TLPs' addresses, only of those between; a repeated address has none."""
    tlps = [write(100 + 5 * n, Kind.RQ, 0x1000 + step * n, 16, 0) for n in range(9)]
    source = capture(fold(tlps), fold=True)
    assert rec.folded(source.records).tolist() == [0, 7]
    assert chosen(source, address=(0x1000 + 64 * 3, 0x1000 + 64 * 3)) == ([1] if step else [])
    assert chosen(source, address=(0x1000, 0x1000)) == ([0] if step else [0, 1])
    assert chosen(source, address=(0x1000 - 64, 0x1000 - 1)) == []


def test_time_windows(source):
    times, hz, trigger = source.records["timestamp"], source.header.clock_hz, source.header.trigger.time
    found = chosen(source, time=parse_time("-1ms:+0.5ms"))
    assert found == np.flatnonzero((times >= trigger - hz // 1000) & (times <= trigger + hz // 2000)).tolist()
    assert 0 < len(found) < len(times)
    assert chosen(source, time=parse_time("+0:")) == np.flatnonzero(times >= trigger).tolist()
    one = int(times[50])
    assert chosen(source, time=parse_time(f"{one}:{one}")) == np.flatnonzero(times == one).tolist()
    assert chosen(source, time=parse_time(f"{one / hz:.9f}s:{one + 1}"))[-1] >= 50
    assert chosen(source, time=parse_time(":1s")) == []


def test_a_relative_time_needs_a_trigger_that_fired():
    source = capture([write(5, Kind.RQ, 0, 1, 1)])
    assert chosen(source, time=parse_time("0:10us")) == [0]
    with pytest.raises(errors.UserError, match="never fired"):
        chosen(source, time=parse_time("-1us:+1us"))


@pytest.mark.parametrize("text", ["", "5", "1ms", "a:b", "1:2:3", "-:+", "1 parsec:2", "1e3:2e3", "--1:2"])
def test_no_time_window(text):
    with pytest.raises(errors.UserError, match="time window"):
        parse_time(text)


def test_a_window_that_ends_before_it_begins(source):
    with pytest.raises(errors.UserError, match="ends before it begins"):
        chosen(source, time=parse_time("+2ms:+1ms"))


def test_units_of_time(source):
    hz = source.header.clock_hz
    for text, seconds in (
        ("2s", 2),
        ("2ms", 2e-3),
        ("2us", 2e-6),
        ("2µs", 2e-6),
        ("80ns", 80e-9),
        ("1.5 ms", 1.5e-3),
    ):
        assert parse_time(f"{text}:").cycles(source.header)[0] == round(seconds * hz)
    assert parse_time("17:19 cycles").cycles(source.header) == (17, 19)


def test_addresses_as_they_are_written():
    assert (
        parse_address("0x1000:0x1fff")
        == (0x1000, 0x1FFF)
        == parse_address("0x1000+4K")
        == parse_address("4096+4096")
    )
    assert parse_address("0x1_0000_0000") == (1 << 32, 1 << 32)
    for text in ("", "0x2000:0x1000", "1:2K", "0x1000+0", "x", "1:", "0xffffffffffffffff+2"):
        with pytest.raises(errors.UserError, match="address window"):
            parse_address(text)


def test_names_of_kinds_and_classes():
    assert parse_kind("rq") is Kind.RQ and parse_class("cpl_error") is StatClass.CPL_ERROR
    for parse in (parse_kind, parse_class):
        with pytest.raises(errors.UserError, match="MSIX"):
            parse("nothing")


# ---- lines and segments ----------------------------------------------------------------------------------------------


def console(text: bytes, flags=()):
    records = rec.empty(len(text))
    records["timestamp"] = 100 + 10 * np.arange(len(text))
    records["kind"], records["aux"] = Kind.CONSOLE, np.frombuffer(text, np.uint8)
    for at in flags:
        records["flags"][at] = Flag.ERROR
    return vkc.Capture(capture([]).header, records)


def test_lines_are_those_of_the_whole_console(source):
    found = [(line.first, line.start, line.text) for line in console_lines(batches(Pieces(source)))]
    assert found == ConsoleText.of(source.records).lines() and len(found) > 3


def test_a_line_knows_its_bytes():
    source = console(b"one\r\n\r\ntw\x1b\xff\xc3\xa4\nrest", flags=[1, 2])
    lines = list(console_lines(batches(Pieces(source))))
    assert [(line.first, line.last, line.start, line.stop, line.text, line.errors) for line in lines] == [
        (0, 4, 100, 140, "one", 2),
        (7, 13, 170, 230, "tw\\x1b\\xffä", 0),
        (14, 17, 240, 270, "rest", 0),
    ]
    finder = LineFinder(Pieces(source))
    assert [getattr(finder.at(n), "text", None) for n in (0, 4, 5, 6, 7, 13, 17)] == [
        "one", "one", None, None, "tw\\x1b\\xffä", "tw\\x1b\\xffä", "rest",
    ]  # fmt: skip


def test_noise_without_a_line_end_is_cut():
    lines = list(console_lines(batches(console(b"x" * (2 * LINE_MAX_BYTES + 5)))))
    assert [len(line.text) for line in lines] == [LINE_MAX_BYTES, LINE_MAX_BYTES, 5]
    assert [line.first for line in lines] == [0, LINE_MAX_BYTES, 2 * LINE_MAX_BYTES]


def test_segments_are_apart():
    source = console(b"abcdef")
    segments = [
        vkc.Segment(first=0, count=4, armed=1, trigger=2),
        vkc.Segment(first=4, count=2, armed=3, trigger=4),
    ]
    source = vkc.Capture(source.header.model_copy(update={"segments": segments}), source.records)
    assert [line.text for line in console_lines(batches(source))] == ["abcd", "ef"]
    assert [batch.fresh for batch in batches(source)] == [True, True]
    left = Chosen(source, Filter(time=parse_time("120:140")))
    assert [(one.first, one.count, one.trigger) for one in left.header.segments] == [(0, 2, 2), (2, 1, 4)]
    assert np.concatenate(list(left.blocks()))["timestamp"].tolist() == [120, 130, 140]


def test_a_run_whose_beginning_is_not_known_has_no_beginning():
    tlps = [write(100 + 5 * n, Kind.RQ, 64 * n, 16, 0) for n in range(9)]
    source = capture(fold(tlps), fold=True)
    assert [batch.since.tolist() for batch in batches(source)] == [[100, 100]]
    alone = vkc.Capture(source.header, source.records[1:])
    assert [batch.runs.tolist() for batch in batches(alone)] == [[False]]

# SPDX-License-Identifier: Apache-2.0
"""One pass over a capture in blocks finds what a look at all its records at once finds, folded or not."""

import numpy as np
import pytest
from folding import fold
from hypothesis import given, settings
from hypothesis import strategies as st
from synthetic_run import PADDR, SIZE, Story, post_notifiers, stock

from vkbench.capture import records as rec
from vkbench.capture import scan as scanning
from vkbench.capture import vkc
from vkbench.capture.layout import Flag, Kind, Tap
from vkbench.capture.scan import Scan
from vkbench.capture.vkc import Capture, CaptureHeader
from vkbench.verdict.target import TargetWrites


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch):
    monkeypatch.setattr(vkc, "BLOCK_RECORDS", 8)


def capture(records):
    return Capture(CaptureHeader.model_validate(post_notifiers().header()), records)


#: A capture's course, in steps: what comes, how many, how far apart.
STEPS = st.lists(
    st.tuples(
        st.sampled_from(["write", "repeat", "write32", "read", "msix", "console", "elsewhere", "selftest"]),
        st.integers(1, 12),
        st.integers(1, 40),
    ),
    min_size=1,
    max_size=12,
)


def told(steps):
    """A story of these steps; writes carry rising numbers."""
    story, now, number = Story(), 100, 1
    for what, count, apart in steps:
        for turn in range(count):
            now += apart
            target = PADDR + number * 64 % SIZE
            match what:
                case "write":
                    story.write(now, number)
                case "repeat":
                    story.write(now, number, target)
                    number -= turn < count - 1
                case "write32":
                    story.add(now, Kind.RQ, data=number, header=[0x4000_0010, 0xFF, 0x1000 + number * 64, 0])
                case "read":
                    story.add(now, Kind.RQ, header=[0x2000_0010, 0xFF, 1, turn * 64])
                case "msix":
                    story.add(now, Kind.MSIX, aux=turn)
                case "console":
                    story.add(now, Kind.CONSOLE, aux=65 + turn)
                case "elsewhere":
                    story.write(now, number, 0x9_0000_0000 + turn * 64)
                case "selftest":
                    story.add(now, Kind.RQ, flags=Flag.SELFTEST, header=[0x6000_0010, 0, 1, 0])
            number += what in ("write", "repeat", "write32", "elsewhere")
    return story.records()


@given(STEPS, st.data())
@settings(max_examples=150, deadline=None, derandomize=True)
def test_numbers_of_events_before_and_after_a_time_hold_for_the_unfolded_capture(steps, data):
    plain = told(steps)
    folded = fold(plain)
    runs = folded[rec.folded(folded) > 0]
    scan, exact = Scan(capture(folded)), Scan(capture(plain))
    time = data.draw(st.integers(int(plain["timestamp"][0]) - 2, int(plain["timestamp"][-1]) + 2))
    for name, mask in (
        ("writes", rec.dma_writes(plain)),
        ("reads", rec.of_kind(plain, Kind.RQ) & ~rec.is_write(plain)),
        ("interrupts", rec.of_kind(plain, Kind.MSIX)),
        ("requests", rec.of_kind(plain, Kind.RQ)),
        ("starts", rec.card_requests(plain)),
    ):
        times = plain["timestamp"][mask].astype(np.int64)
        before, after = np.count_nonzero(times < time), np.count_nonzero(times > time)
        unfolded, series = getattr(exact, name), getattr(scan, name)
        assert unfolded.events == series.events == len(times)
        assert unfolded.certain_before(time) == before and unfolded.certain_after(time) == after
        assert unfolded.possible_from(time) == len(times) - before
        assert unfolded.may_hold(time) == (time in times)
        assert series.certain_before(time) <= before and series.certain_after(time) <= after
        assert series.possible_from(time) >= len(times) - before
        assert series.may_hold(time) or time not in times
        if not any(
            int(run["timestamp"]) > time > int(run["timestamp"]) - 40 * (int(run["aux"] & 0x1FFF) + 1)
            for run in runs
        ):
            assert series.certain_after(time) == after and series.certain_before(time) == before
        last, first = series.last(), series.first()
        assert (last.timestamp if last else None) == (int(times[-1]) if len(times) else None)
        assert (first.timestamp if first else None) == (int(times[0]) if len(times) else None)
        following, preceding = exact_hits(unfolded, time), (times[times > time], times[times <= time])
        assert following == (
            int(preceding[0][0]) if len(preceding[0]) else None,
            int(preceding[1][-1]) if len(preceding[1]) else None,
        )


def exact_hits(series, time):
    first, last = series.first(time), series.last(time)
    for hit in (first, last):
        if hit:
            found = series._recording.records[hit.index]
            assert int(found["timestamp"]) == hit.timestamp == int(hit.record["timestamp"])
    return (first.timestamp if first else None, last.timestamp if last else None)


@given(STEPS)
@settings(max_examples=100, deadline=None, derandomize=True)
def test_writes_into_the_target_are_told_from_others(steps):
    plain = told(steps)
    for records in (plain, fold(plain)):
        one = capture(records)
        target = TargetWrites(PADDR, SIZE, len(one.starts) - 1)
        target.done(Scan(one, target.watch))
        address = rec.tlp_address(plain)
        mine = plain[rec.dma_writes(plain) & (address >= PADDR) & (address < PADDR + SIZE)]
        assert target.writes.events == len(mine)
        assert target.highest == (int(mine["data"].max()) if len(mine) else -1)
        assert not target.descends and not target.edges


@given(
    st.sampled_from([0x1000, 0xFFFF_FFF0, 0x1_0000_0000, 0x1_2340_0000]),
    st.integers(-5, 5),
    st.integers(1, 40),
    st.lists(
        st.tuples(st.integers(-48, 48), st.sampled_from([0x4000_0001, 0x6000_0001, 0x2000_0001])), min_size=1
    ),
)
@settings(max_examples=150, deadline=None, derandomize=True)
def test_a_window_of_addresses_has_its_writes_whatever_their_headers(base, shift, size, requests):
    """The same set as by address, one by one; bits 1:0 of an address dword are no part of it."""
    first = base + shift
    story = Story()
    for time, (offset, dw0) in enumerate(requests):
        address = base + offset
        if dw0 == 0x4000_0001:
            story.add(time, Kind.RQ, header=[dw0, 0, address & 0xFFFF_FFFF, 0xFFFF_FFFF])
        else:
            story.add(time, Kind.RQ, header=[dw0, 0, address >> 32, address & 0xFFFF_FFFF])
    records = story.records()
    address = rec.tlp_address(records)
    expected = rec.dma_writes(records) & (address >= first) & (address < first + size)
    columns = scanning.Columns(records)
    assert columns.writes_into(first, first + size).tolist() == expected.tolist()
    assert columns.writes.tolist() == rec.dma_writes(records).tolist()
    assert TargetWrites(first, size, 1).select(records).tolist() == expected.tolist()


def test_the_folder_of_the_tests_folds():
    story = Story()
    for turn in range(50):
        story.write(1000 + 10 * turn, turn)
    folded = fold(story.records())
    assert len(folded) == 2 and rec.tlp_count(folded).tolist() == [1, 49]
    assert folded["flags"].tolist() == [0, Flag.RUN]


def test_sparse_events_are_gathered_with_their_places():
    for story in (post_notifiers(), stock()):
        records, scan = story.records(), Scan(story.capture())
        wanted = rec.of_kind(records, *scanning.SPARSE_KINDS) | rec.doorbells(records)
        assert scan.indices.tolist() == np.flatnonzero(wanted).tolist()
        assert scan.sparse.tobytes() == records[wanted].tobytes() and not scan.overflowed


def test_more_sparse_events_than_can_be_believed_are_not_gathered(monkeypatch):
    monkeypatch.setattr(scanning, "SPARSE_MAX", 40)
    story = post_notifiers()
    scan = Scan(story.capture())
    assert scan.overflowed and len(scan.sparse) == 40
    verdict = story.judge()
    assert verdict.overall == "INCONCLUSIVE" and "rare events" in verdict.rules[0].reason
    few = Story()
    few.print(5, "x" * 40)
    assert not Scan(few.capture()).overflowed


@given(st.lists(st.tuples(st.integers(0, 30), st.booleans()), max_size=60))
@settings(max_examples=150, deadline=None, derandomize=True)
def test_times_that_run_backwards_are_counted_across_blocks_but_not_those_of_losses(entries):
    records = rec.empty(len(entries))
    records["timestamp"] = [time for time, _ in entries]
    records["kind"] = [Kind.LOSS if lost else Kind.RQ for _, lost in entries]
    times = [time for time, lost in entries if not lost]
    expected = sum(later < earlier for earlier, later in zip(times, times[1:], strict=False))
    assert Scan(capture(records)).backwards == expected


@given(
    st.lists(
        st.tuples(
            st.sampled_from([Kind.CQ, Kind.RQ, Kind.CONSOLE, Kind.TRIGGER, Kind.LEVEL, Kind.LOSS]),
            # Few taps each: among many, one that kept nothing would decide alone.
            st.sets(st.sampled_from([Tap.CQ, Tap.RQ, Tap.CONSOLE, Tap.MARK, Tap.LEVEL]), max_size=2).map(
                lambda taps: sum(1 << tap for tap in taps)
            ),
        ),
        max_size=60,
    )
)
@settings(max_examples=150, deadline=None, derandomize=True)
def test_a_loss_is_dated_from_the_last_event_that_the_concerned_taps_kept(entries):
    records = rec.empty(len(entries))
    records["timestamp"] = np.arange(len(entries)) * 3 + 5
    records["kind"] = [kind for kind, _ in entries]
    records["aux"] = [taps if kind == Kind.LOSS else 0 for kind, taps in entries]
    expected = []
    for index, (kind, taps) in enumerate(entries):
        if kind != Kind.LOSS:
            continue
        since = []
        for tap in Tap:
            if taps & (1 << tap):
                kinds = {Kind.MARK, Kind.TRIGGER} if tap == Tap.MARK else {Kind[tap.name]}
                kept = [i for i in range(index) if entries[i][0] in kinds]
                since.append(kept[-1] * 3 + 5 if kept else 0)
        expected.append(min(since, default=0))
    scan = Scan(capture(records))
    found = list(scan.kept_before_losses())
    assert [since for _, since in found] == expected
    assert all(scan.sparse["kind"][place] == Kind.LOSS for place, _ in found)


def test_a_damaged_block_is_named_when_the_pass_comes_to_it(tmp_path):
    story = stock()
    path = tmp_path / "c.vkc"
    vkc.write(path, story.header(), story.records())
    data = bytearray(path.read_bytes())
    with vkc.open(path) as file:
        offset = file._places[5].offset
    data[offset + 100] ^= 1
    path.write_bytes(data)
    with vkc.open(path) as file, pytest.raises(vkc.CaptureError, match="block 5: the CRC is wrong"):
        Scan(file)

# SPDX-License-Identifier: Apache-2.0
"""Requests and completions: paired as a slow model pairs them, and never claimed where folding may hide something."""

from collections import Counter

import pytest
from link_traffic import (
    HALVES,
    Tlp,
    capture,
    completion,
    fold,
    random_traffic,
    read,
    size_by_enables,
    streaming_reads,
)

from vkbench.capture import vkc
from vkbench.capture.layout import RUN_SPAN_CYCLES, Kind, Tap
from vkbench.capture.pairs import Outcome, exchanges

KEY = (0x0100, 5)


def key_of(tlp: Tlp) -> tuple[int, int]:
    dw0, dw1, dw2, _ = tlp.header
    word = dw2 if tlp.kind in (Kind.CC, Kind.RC) else dw1
    return word >> 16, word >> 8 & 0xFF | (dw0 >> 19 & 1) << 8 | (dw0 >> 23 & 1) << 9


def ends(tlp: Tlp) -> bool:
    """A completion after which nothing is owed."""
    dw0, dw1, dw2, _ = tlp.header
    owed = (dw1 & 0xFFF) or 4096
    return not dw0 >> 30 or 4 * ((dw0 & 0x3FF) or 1024) - (dw2 & 3) >= owed


def model(tlps: list[Tlp]) -> set[tuple]:
    """Slowly: for each request, the completions of its key before the next request of that key."""
    found = set()
    for asks, answers in HALVES:
        for key in {key_of(tlp) for tlp in tlps if tlp.kind in (asks, answers)}:
            mine = [
                (at, tlp) for at, tlp in enumerate(tlps) if tlp.kind in (asks, answers) and key_of(tlp) == key
            ]
            request, got, seen = None, [], False
            for at, tlp in [*mine, (len(tlps), None)]:
                if tlp is None or tlp.kind == asks:
                    if request is not None:
                        how = Outcome.OPEN if tlp is None else Outcome.UNANSWERED
                        found.add((request, tuple(got), how))
                    request, got, seen = at, [], True
                elif request is None:
                    found.add((None, (at,), Outcome.NO_REQUEST if seen else Outcome.HIDDEN))
                else:
                    got.append(at)
                    status = tlp.header[1] >> 13 & 7
                    if status or ends(tlp):
                        found.add((request, tuple(got), Outcome.ERROR if status else Outcome.ANSWERED))
                        request, got = None, []
    return found


@pytest.mark.parametrize("seed", range(25))
def test_random_traffic_is_paired_as_the_slow_model_does(seed):
    tlps = random_traffic(seed)
    pairs = list(exchanges(capture(tlps)))
    assert {(one.request, tuple(one.completions), one.outcome) for one in pairs} == model(tlps)
    for one in pairs:
        if one.request is None:
            continue
        asked = tlps[one.request]
        dwords, enables = (asked.header[0] & 0x3FF) or 1024, asked.header[1]
        assert one.bytes == size_by_enables(dwords, enables & 15, enables >> 4 & 15)
        assert one.requested == asked.time and one.stream == asked.kind
        if one.outcome is Outcome.ANSWERED:
            assert one.received == one.bytes and one.certain
            assert one.latency == tlps[one.completions[-1]].time - asked.time
        else:
            assert one.outcome is Outcome.ERROR or one.latency is None


def test_random_traffic_has_every_outcome():
    found = Counter(one.outcome for seed in range(25) for one in exchanges(capture(random_traffic(seed))))
    assert set(found) == set(Outcome)


@pytest.mark.parametrize("seed", range(25))
@pytest.mark.parametrize("make", [streaming_reads, random_traffic])
def test_what_is_said_of_a_folded_capture_is_true_of_what_was_on_the_wire(make, seed):
    tlps = make(seed)
    records = fold(tlps)
    truth = list(exchanges(capture(tlps)))
    answered = {(one.stream, one.requested, one.last) for one in truth if one.outcome is Outcome.ANSWERED}
    unanswered = {(one.stream, one.requested) for one in truth if one.outcome is Outcome.UNANSWERED}
    alone = {(one.stream, one.first) for one in truth if one.outcome is Outcome.NO_REQUEST}
    for one in exchanges(capture(records, fold=True)):
        if one.outcome is Outcome.ANSWERED and one.certain:
            assert (one.stream, one.requested, one.last) in answered
        elif one.outcome is Outcome.UNANSWERED:
            assert (one.stream, one.requested) in unanswered
        elif one.outcome is Outcome.NO_REQUEST:
            assert (one.stream, one.first) in alone


def test_folding_leaves_certain_pairs_doubtful_ones_and_hidden_ones():
    """Else the test above would say nothing."""
    found, folded = Counter(), 0
    for seed in range(25):
        records = fold(streaming_reads(seed))
        folded += sum(count for _, count in records)
        found.update((one.outcome, one.certain) for one in exchanges(capture(records, fold=True)))
    assert folded > 1000
    assert found[Outcome.ANSWERED, True] > 50 and found[Outcome.ANSWERED, False] > 50
    assert found[Outcome.HIDDEN, True] > 50


def test_a_wrong_pair_is_not_called_certain():
    """Tag 5 is asked, answered and asked again within runs: the record of its second answer is not that of the first."""
    tlps = [read(100, Kind.RQ, KEY, 0x1000, 16)]
    tlps += [completion(120 + n, Kind.RC, (0x0100, tag), 64, 64) for n, tag in enumerate((9, 5, 8))]
    tlps += [read(130, Kind.RQ, (0x0100, 6), 0x1040, 16), read(131, Kind.RQ, KEY, 0x1080, 16)]
    tlps += [read(132, Kind.RQ, (0x0100, 7), 0x10C0, 16), completion(150, Kind.RC, KEY, 64, 64)]
    tlps.sort(key=lambda tlp: tlp.time)
    found = {
        one.requested: one for one in exchanges(capture(fold(tlps), fold=True)) if one.request is not None
    }
    assert found[100].last == 150 and not found[100].certain


def test_a_tag_used_again_is_unanswered_only_when_no_later_run_can_hide_the_answer():
    again = [read(100, Kind.RQ, KEY, 0, 1, 0xF), read(200, Kind.RQ, KEY, 64, 1, 0xF)]

    def outcome(*later):
        tlps = sorted([*[(tlp, 0) for tlp in again], *later], key=lambda one: one[0].time)
        found = {one.requested: one.outcome for one in exchanges(capture(tlps, fold=True))}
        return found[100]

    other = completion(150, Kind.RC, (0x0100, 1), 4, 4), 0
    run = completion(230, Kind.RC, (0x0100, 2), 4, 4)
    assert outcome(other, (run, 3)) is Outcome.HIDDEN
    between = read(215, Kind.RQ, (0x0100, 3), 0, 1)
    assert outcome(other, (between, 0), (run, 3)) is Outcome.HIDDEN
    assert outcome(other, (run, 0)) is Outcome.UNANSWERED
    much_later = read(200 + RUN_SPAN_CYCLES + 1, Kind.RQ, (0x0100, 3), 0, 1)
    assert outcome((much_later, 0)) is Outcome.UNANSWERED
    assert outcome() is Outcome.HIDDEN  # the capture's end may have kept a run back


def test_what_was_not_recorded_is_not_held_against_anybody():
    tlps = [read(100, Kind.RQ, KEY, 0, 1), read(200, Kind.RQ, KEY, 0, 1)]
    only = {"taps": ["RQ"], "term": None}
    assert {one.outcome for one in exchanges(capture(tlps, qualify=only))} == {Outcome.HIDDEN}
    assert [one.outcome for one in exchanges(capture(tlps))] == [Outcome.UNANSWERED, Outcome.OPEN]


def test_a_loss_hides_what_it_may_have_taken():
    tlps = [read(100, Kind.RQ, KEY, 0, 1), read(200, Kind.RQ, KEY, 0, 1), completion(300, Kind.RC, KEY, 4, 4)]
    found = capture(tlps, lost=3)
    whole = found.records
    lossy = whole[[0, 0, 1, 2]].copy()
    lossy[1]["kind"], lossy[1]["timestamp"], lossy[1]["aux"], lossy[1]["data"] = (
        Kind.LOSS,
        150,
        1 << Tap.RC,
        3,
    )
    lossy[1]["header"] = 0
    outcomes = [one.outcome for one in exchanges(vkc.Capture(found.header, lossy))]
    assert outcomes == [Outcome.HIDDEN, Outcome.ANSWERED]
    assert [one.outcome for one in exchanges(found)] == [Outcome.UNANSWERED, Outcome.ANSWERED]


def test_a_segment_ends_what_was_open():
    tlps = [read(100, Kind.RQ, KEY, 0, 1), completion(5000, Kind.RC, KEY, 4, 4)]
    segments = [{"first": n, "count": 1, "armed": 1, "trigger": 2} for n in range(2)]
    assert [one.outcome for one in exchanges(capture(tlps, segments=segments))] == [
        Outcome.OPEN,
        Outcome.HIDDEN,
    ]
    assert [one.outcome for one in exchanges(capture(tlps))] == [Outcome.ANSWERED]


def test_requests_that_are_no_memory_reads():
    config = Tlp(100, Kind.CQ, (0x4400_0001, 0x0000_010F, 0x0100_0004, 0))
    compare_and_swap = Tlp(110, Kind.RQ, (0x6E00_0004, 0x0100_02FF, 1, 0x40), 0)
    message = Tlp(120, Kind.RQ, (0x3400_0000, 0x0100_0320, 0, 0))
    posted = Tlp(130, Kind.RQ, (0x6000_0001, 0x0100_040F, 0, 0x40))
    done = completion(140, Kind.CC, (0, 1), 4, 0)
    swapped = completion(150, Kind.RC, (0x0100, 2), 8, 8)
    found = list(exchanges(capture([config, compare_and_swap, message, posted, done, swapped])))
    assert [(one.request, one.completions, one.bytes, one.outcome) for one in found] == [
        (0, [4], 4, Outcome.ANSWERED),
        (1, [5], 8, Outcome.ANSWERED),
    ]

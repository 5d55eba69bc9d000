# SPDX-License-Identifier: Apache-2.0
"""How far events on different wires can change places in a capture, measured against an order that is known.

Writes ``build/order.json``: for each measurement the smallest, median and largest error in cycles, with the number of
events. `python -m pytest rtl/cosim/tests/test_order.py` repeats it (docs/decisions/0002-paced-clock.md).
"""

from __future__ import annotations

import json
import os
import random
import statistics
import struct
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from conftest import Cosim, Memory
from records import CONSOLE, CQ, RQ, SCRATCH, Stand, arm, capture
from test_ports import exactly, host
from vfio_client import REGION_READ

ROOT = Path(__file__).resolve().parents[3]
SEED = int(os.environ.get("VKBENCH_SEED", "11"))
BATCH = 256  # cycles, Machine::kBatch
BOUND = 2 * BATCH  # order_cycles in fixtures/benches/virtual.toml
CLOCK_HZ = 2_500_000
#: Keeps up with wall time; never does, so that the loop is always behind.
CLOCKS = {"paced": CLOCK_HZ, "behind": 50_000_000}
EVENTS = 400
IOVA = 0x5000_0000
PERIOD = 48  # cycles between the card's writes: the ruler's division
SEQUENCE = struct.Struct("<I")


@pytest.fixture(scope="module")
def report() -> Iterator[dict]:
    """What the tests have measured; written at the end of a run in which all of them passed so far."""
    found: dict = {"bound_cycles": BOUND, "batch_cycles": BATCH, "measurements": {}}
    yield found
    if len(found["measurements"]) > 1:
        path = ROOT / "build" / "order.json"
        path.parent.mkdir(exist_ok=True)
        path.write_text(json.dumps(found, indent=2) + "\n")


def summary(errors: list[int]) -> dict:
    return {
        "events": len(errors),
        "least": min(errors),
        "median": statistics.median(errors),
        "p99": sorted(errors)[len(errors) * 99 // 100],
        "most": max(errors),
    }


def pause(rng: random.Random) -> None:
    """Up to three batches, so that events fall anywhere in the loop's."""
    end = time.perf_counter() + rng.uniform(0, 3 * BATCH / CLOCK_HZ)
    while time.perf_counter() < end:
        pass


def console_and_access(cosim: Cosim, console_first: bool, posted: bool = False) -> list[int]:
    """By how many cycles each pair was recorded in the wrong order; below 0: in the right one, so far apart."""
    rng = random.Random(SEED)
    with Stand(cosim) as stand:
        arm(stand.scpi)

        def text(turn: int) -> None:
            stand.console.sendall(bytes([turn & 0xFF]))

        def access(turn: int) -> None:
            stand.client.write(2, SCRATCH, (turn + 1).to_bytes(4, "little"), posted=posted)

        first, second = (text, access) if console_first else (access, text)
        for turn in range(EVENTS):
            pause(rng)
            first(turn)
            second(turn)
            time.sleep(2.5 * BATCH / CLOCK_HZ)  # the pairs stay apart
            stand.client.read32(2, SCRATCH)
        events = capture(stand.scpi)
    texts = [event.time for event in events if event.kind == CONSOLE]
    accesses = [event.time for event in events if event.kind == CQ and 1 <= event.data <= EVENTS]
    assert len(texts) == len(accesses) == EVENTS
    sign = 1 if console_first else -1
    return [sign * (t - a) for t, a in zip(texts, accesses, strict=True)]


def against_the_cards_writes(
    cosim: Cosim, console: bool, access_first: bool = False
) -> tuple[list[int], list[int]]:
    """The card writes a counter into our memory, PERIOD cycles between two: what the memory shows when the server
    prints, or accesses the card, says where that belongs among the card's TLPs. Returns two errors of each event, in
    cycles: how much later than a TLP it was recorded that came after it, and how much earlier than one before it. With
    `access_first` the server has just read a register: the loop's known stall falls on the event."""
    memory, rng = Memory(4096), random.Random(SEED)
    with Stand(cosim) as stand, host(cosim) as relay:
        scpi, client = stand.scpi, stand.client
        client.dma_map(IOVA, 4096, memory.fd)
        for offset, value in ((0x61F0, 0), (0x61F4, IOVA), (0x61F8, 64)):  # one place for all writes
            client.write32(2, offset, value)
        arm(scpi)
        scpi.write(f"DUT:DMA:LEN 64;PER {PERIOD};MODE WRIT;STAT ON")
        cosim.wait(lambda: SEQUENCE.unpack_from(memory.bytes)[0] > 10)
        truth = []
        for turn in range(EVENTS):
            pause(rng)
            if access_first:
                client.read32(2, SCRATCH)
            before = SEQUENCE.unpack_from(memory.bytes)[0]
            if console:
                stand.console.sendall(bytes([turn & 0xFF]))
            else:
                client.send(REGION_READ, struct.pack("<QII", SCRATCH, 2, 4))  # a read, not waited for
            after = SEQUENCE.unpack_from(memory.bytes)[0]
            if console:
                exactly(relay, 1)  # the next byte shall not queue behind this one
            else:
                client.receive()
            truth.append((before, after))
        # The last ones must have been recorded, and the card's next writes too.
        cosim.wait(lambda: SEQUENCE.unpack_from(memory.bytes)[0] > truth[-1][1] + 4 * BOUND // PERIOD)
        scpi.write("DUT:DMA:STAT OFF")
        events = capture(scpi)
    written = {event.data: event.time for event in events if event.kind == RQ}
    if console:
        times = [event.time for event in events if event.kind == CONSOLE]
    else:
        times = [event.time for event in events if event.kind == CQ][-EVENTS:]
    assert len(times) == EVENTS and len(written) > EVENTS
    late = [at - written[after + 1] for at, (_, after) in zip(times, truth, strict=True)]
    early = [written[before] - at for at, (before, _) in zip(times, truth, strict=True)]
    memory.close()
    client_closed = cosim.wait(lambda: not cosim.status()["vfio_connected"])
    assert client_closed
    return late, early


@pytest.fixture(params=CLOCKS)
def clock(request: pytest.FixtureRequest) -> tuple[str, int]:
    return request.param, CLOCKS[request.param]


Start = Callable[..., Cosim]


@pytest.mark.parametrize("posted", [False, True])
@pytest.mark.parametrize("console_first", [False, True])
def test_a_console_byte_and_an_access_keep_their_order(
    start_cosim: Start, clock: tuple[str, int], console_first: bool, posted: bool, report: dict
) -> None:
    """Exact when the server waits for its accesses, as the bench's does; within the bound when it does not."""
    errors = console_and_access(start_cosim("--clock-hz", str(clock[1])), console_first, posted)
    order = "console, access" if console_first else "access, console"
    report["measurements"][f"{order}{', posted' * posted}, {clock[0]}"] = summary(errors)
    assert max(errors) <= (BOUND if posted else -1)


@pytest.mark.parametrize("console", [True, False])
def test_an_event_of_the_server_keeps_its_place_among_the_cards_within_the_bound(
    start_cosim: Start, clock: tuple[str, int], console: bool, report: dict
) -> None:
    late, early = against_the_cards_writes(start_cosim("--clock-hz", str(clock[1])), console)
    what = "console" if console else "access"
    report["measurements"][f"{what} late against the card, {clock[0]}"] = summary(late)
    report["measurements"][f"{what} early against the card, {clock[0]}"] = summary(early)
    assert max(late) <= BOUND
    assert max(early) < 0, "recorded before a TLP that the server had already seen"
    assert max(late) > 0, "nothing changed places: this measures nothing"


def test_a_text_keeps_its_distance_when_the_loop_gets_no_processor(start_cosim: Start, report: dict) -> None:
    """The server computes for 4 ms after an access, then prints; the loop sees that 4 ms later still."""
    computes, stall = 4e-3, 8e-3
    allowed = []
    with Stand(start_cosim("--access-stall", str(round(stall * 1e6)))) as stand:
        arm(stand.scpi)
        for turn in range(40):
            start = time.perf_counter()
            stand.client.write32(2, SCRATCH, turn + 1)
            end = time.perf_counter() + computes
            while time.perf_counter() < end:
                pass
            stand.console.sendall(bytes([turn]))
            allowed.append((time.perf_counter() - start) * CLOCK_HZ)
            time.sleep(2 * stall)
        events = capture(stand.scpi)
    texts = [event.time for event in events if event.kind == CONSOLE]
    accesses = [event.time for event in events if event.kind == CQ and 1 <= event.data <= 40]
    distances = [text - access for text, access in zip(texts, accesses, strict=True)]
    report["measurements"]["access to text after 4 ms, the loop stalled"] = summary(distances)
    assert statistics.median(distances) > 0.95 * computes * CLOCK_HZ
    over = [distance - most for distance, most in zip(distances, allowed, strict=True)]
    assert max(over) <= BOUND, "further from the access than it was"


def test_a_text_keeps_its_place_among_the_cards_when_the_loop_gets_no_processor(
    start_cosim: Start, report: dict
) -> None:
    """However long the loop was away: what the card does from then on comes after the text."""
    cosim = start_cosim("--access-stall", "2000")
    late, early = against_the_cards_writes(cosim, console=True, access_first=True)
    report["measurements"]["console late against the card, the loop stalled"] = summary(late)
    report["measurements"]["console early against the card, the loop stalled"] = summary(early)
    assert max(late) <= BOUND and max(early) < 0


@pytest.mark.parametrize("delay", [BOUND, 4 * BOUND])
def test_a_console_that_is_late_by_a_known_time_is_found_so_late(start_cosim: Start, delay: int) -> None:
    """The measurement can fail: more delay than the bound leaves room for breaks it."""
    errors = console_and_access(start_cosim("--console-delay", str(delay)), console_first=True)
    undelayed = console_and_access(start_cosim(), console_first=True)
    assert max(errors) - max(undelayed) == pytest.approx(delay, abs=8)
    late, _ = against_the_cards_writes(start_cosim("--console-delay", str(delay)), console=True)
    assert max(late) > BOUND
    assert delay - PERIOD <= max(late) <= delay + BOUND


def test_an_access_that_is_late_by_a_known_time_is_found_so_late(start_cosim: Start) -> None:
    delay = 4 * BOUND
    late, _ = against_the_cards_writes(start_cosim("--access-delay", str(delay)), console=False)
    assert delay - PERIOD <= max(late) <= delay + BOUND and max(late) > BOUND
    errors = console_and_access(start_cosim("--access-delay", str(delay)), console_first=False, posted=True)
    assert BOUND < max(errors) <= delay + BOUND


def test_a_console_byte_is_stamped_in_time_while_an_access_waits(start_cosim: Start) -> None:
    """What one processor prints while another one waits long for the card."""
    delay = 100 * BATCH
    in_time: set[int] = set()
    with Stand(start_cosim("--access-delay", str(delay))) as stand:
        arm(stand.scpi)
        for turn in range(
            200
        ):  # a busy host can hold this test up until the access has ended: that turn says nothing
            begin = time.perf_counter()
            stand.client.send(REGION_READ, struct.pack("<QII", SCRATCH, 2, 4))
            time.sleep(0.2 * delay / CLOCK_HZ)
            stand.console.sendall(bytes([turn]))
            if time.perf_counter() - begin < 0.3 * delay / CLOCK_HZ:
                in_time.add(turn)
            stand.client.receive()
            if len(in_time) == 10:
                break
        events = [event for event in capture(stand.scpi) if event.kind in (CQ, CONSOLE)]
    assert len(in_time) == 10, "the host is too busy for this test"
    for turn, (first, second) in enumerate(zip(events[::2], events[1::2], strict=True)):
        assert {first.kind, second.kind} == {CONSOLE, CQ}
        if turn in in_time:
            assert (first.kind, first.aux) == (CONSOLE, turn)
            # On a busy host both are found at once: then the text goes first, a cycle before the wait. One that catches
            # up runs the wait in half its time.
            assert delay // 4 < second.time - first.time <= delay + 1


def test_a_burst_is_stamped_one_byte_a_cycle(cosim: Cosim) -> None:
    """So the last byte of a long text that arrives at once is later by the others: the status says how much."""
    length, rng = 200, random.Random(SEED)
    with Stand(cosim) as stand:
        arm(stand.scpi)
        for turn in range(20):
            pause(rng)
            stand.console.sendall(bytes([turn]) * length)
            stand.client.write32(2, SCRATCH, turn + 1)
        events = [event for event in capture(stand.scpi) if event.kind in (CQ, CONSOLE)]
    for turn in range(20):
        *text, access = events[turn * (length + 1) : (turn + 1) * (length + 1)]
        assert (access.kind, access.data) == (CQ, turn + 1) and {event.aux for event in text} == {turn}
        assert [event.time - text[0].time for event in text] == list(range(length))
    assert cosim.status()["console_max_queue"] >= length

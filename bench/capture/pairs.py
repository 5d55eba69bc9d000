# SPDX-License-Identifier: Apache-2.0
"""Requests and their completions: which answer belongs to which question, and how long it took.

A request that wants an answer is known by its requester and tag until its last completion has come (PCI Express Base
Specification, chapter 2.2.9; the Byte Count of a completion says how many bytes are still due, its own among them).
What the capture does not show is not made up: where folding, qualification or a gap may hide the other half, the
outcome says so.
"""

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import Enum

import numpy as np

from vkbench.capture import records as rec
from vkbench.capture.batches import Batch, Source, batches
from vkbench.capture.layout import RUN_SPAN_CYCLES, Flag, Kind, Tap
from vkbench.capture.records import Mask, Records

#: The stream of requests, and that of their completions.
ANSWERS = {Kind.CQ: Kind.CC, Kind.RQ: Kind.RC}
_REQUESTS = {answer: request for request, answer in ANSWERS.items()}
_CPL, _MESSAGE = 0b01010, 0b10000


class Outcome(Enum):
    """How a request ended, or why a completion stands alone."""

    ANSWERED = "answered"
    ERROR = "error"  #: its last completion has a status other than Successful Completion
    UNANSWERED = "unanswered"  #: the capture ends, or its tag is used again, before the last completion
    NO_REQUEST = "no request"  #: a completion that nothing asked for
    OPEN = "open"  #: it was still waiting when the capture, or a part of it, ended
    HIDDEN = (
        "hidden"  #: the other half may be folded, not qualified, lost, or before the capture's first record
    )


@dataclass
class Exchange:
    """A request with its completions, or a completion alone (``request`` None)."""

    stream: Kind  #: CQ: the host asked, RQ: the card asked
    requester: int
    tag: int  #: 10 bits
    request: int | None = None  #: record number
    requested: int = 0  #: cycle
    name: str = ""  #: of the request
    address: int = 0  #: of its first dword; 0 when it has none
    bytes: int = 0  #: asked for
    completions: list[int] = field(default_factory=list)  #: record numbers
    first: int = 0  #: cycle of the first completion
    last: int = 0  #: cycle of the last completion
    received: int = 0  #: bytes in the recorded completions
    status: str = ""  #: of the last completion: SC, UR, CRS, CA
    outcome: Outcome = Outcome.OPEN
    #: False: completions were folded meanwhile, so an earlier use of the tag may have been answered by these.
    certain: bool = True

    @property
    def latency(self) -> int | None:
        """Cycles from the request to its last completion; None when one of them is missing."""
        ended = self.outcome in (Outcome.ANSWERED, Outcome.ERROR)
        return self.last - self.requested if ended and self.request is not None else None


@dataclass
class _Stream:
    """One direction of questions, with the answers that come back."""

    kind: Kind
    recorded: bool  #: neither half was left out by qualification
    hides: bool  #: records may be missing, folded or lost, that only a later record tells of
    open: dict[tuple[int, int], Exchange] = field(default_factory=dict)
    used: set[tuple[int, int]] = field(default_factory=set)  #: tags that were asked with since the last gap
    #: Exchanges whose other half may be in a run that is recorded only later, with the cycle before which it would lie.
    doubtful: deque[tuple[int, Exchange]] = field(default_factory=deque)
    #: Cycle of the last record that stands for others as well (a run, a loss), by stream.
    hidden: dict[Kind, int] = field(default_factory=dict)


class Pairing:
    """Pairs the records of one capture, batch by batch. It holds at most one open request per requester and tag."""

    def __init__(self, source: Source) -> None:
        header = source.header
        self._lossy = header.lost > 0
        self._streams = {
            kind: _Stream(
                kind,
                header.qualify.term is None and {kind.name, answer.name} <= set(header.qualify.taps),
                header.fold or self._lossy,
            )
            for kind, answer in ANSWERS.items()
        }

    def feed(self, batch: Batch) -> Iterator[Exchange]:
        """The exchanges that end in this batch, in the order in which that becomes certain."""
        if batch.fresh:
            yield from self.end()
        lost = rec.of_kind(batch.records, Kind.LOSS)
        index = np.flatnonzero(wants_answer(batch.records) | is_completion(batch.records) | lost)
        chosen = batch.records[index]
        columns = (
            batch.numbers[index],
            chosen["kind"],
            chosen["timestamp"],
            chosen["aux"],
            (chosen["flags"] & Flag.RUN) != 0,
            rec.tlp_requester(chosen),
            tags(chosen),
        )
        for at, row in enumerate(zip(*(column.tolist() for column in columns), strict=True)):
            number, kind, time, aux, run, *key = row
            if kind == Kind.LOSS:
                for stream in self._streams.values():
                    yield from self._lose(stream, time, aux)
                continue
            stream = self._streams[_REQUESTS.get(kind, kind)]
            yield from self._decide(stream, time, Kind(kind), run)
            if run:
                stream.hidden[Kind(kind)] = time
            step = self._request if kind in ANSWERS else self._answer
            yield from step(stream, (key[0], key[1]), number, time, chosen[at])

    def end(self) -> Iterator[Exchange]:
        """What is left where nothing goes on: at the end of the capture or of a segment, or before a gap."""
        for stream in self._streams.values():
            for _, exchange in stream.doubtful:
                exchange.outcome = Outcome.HIDDEN
                yield exchange
            for exchange in stream.open.values():
                hidden = self._answer_hidden(stream, exchange)
                exchange.outcome = Outcome.HIDDEN if hidden else Outcome.OPEN
                yield exchange
            for state in (stream.doubtful, stream.open, stream.used, stream.hidden):
                state.clear()

    def _request(
        self, stream: _Stream, key: tuple[int, int], number: int, time: int, record: np.void
    ) -> Iterator[Exchange]:
        if (before := stream.open.pop(key, None)) is not None:
            before.outcome = Outcome.UNANSWERED
            yield from self._doubt(stream, time, before, self._answer_hidden(stream, before))
        stream.used.add(key)
        address, size = _asked(record)
        stream.open[key] = Exchange(stream.kind, *key, number, time, rec.tlp_name(record), address, size)

    def _answer(
        self, stream: _Stream, key: tuple[int, int], number: int, time: int, record: np.void
    ) -> Iterator[Exchange]:
        exchange = stream.open.get(key) or Exchange(stream.kind, *key, outcome=Outcome.NO_REQUEST)
        payload, last = _answered(record)
        exchange.first = exchange.first if exchange.completions else time
        exchange.last, exchange.status = time, rec.completion_status(record)
        exchange.completions.append(number)
        exchange.received += payload
        if exchange.request is None:
            # A tag that was not seen in use may have been asked with before the first record.
            hidden = not stream.recorded or key not in stream.used or stream.kind in stream.hidden
            yield from self._doubt(stream, time, exchange, hidden)
        elif last or exchange.status != "SC":
            del stream.open[key]
            exchange.certain = not self._answer_hidden(stream, exchange)
            exchange.outcome = Outcome.ANSWERED if exchange.status == "SC" else Outcome.ERROR
            yield exchange

    def _answer_hidden(self, stream: _Stream, exchange: Exchange) -> bool:
        """A completion of this request may have come without a record."""
        return not stream.recorded or stream.hidden.get(ANSWERS[stream.kind], -1) > exchange.requested

    def _doubt(self, stream: _Stream, time: int, exchange: Exchange, hidden: bool) -> Iterator[Exchange]:
        """One half is missing; whether it is only hidden may be known no sooner than by the missing half's stream."""
        if hidden:
            exchange.outcome = Outcome.HIDDEN
        if hidden or not stream.hides:
            yield exchange
        else:
            stream.doubtful.append((time, exchange))

    def _decide(self, stream: _Stream, time: int, kind: Kind, hides: bool) -> Iterator[Exchange]:
        """What a record of ``kind`` tells about those in doubt: whether it stands for others as well (``hides``)."""
        for _ in range(len(stream.doubtful)):
            since, exchange = stream.doubtful.popleft()
            missing = stream.kind if exchange.request is None else ANSWERS[stream.kind]
            if kind == missing or time - since > RUN_SPAN_CYCLES:
                if hides if kind == missing else self._lossy:
                    exchange.outcome = Outcome.HIDDEN
                yield exchange
            else:
                stream.doubtful.append((since, exchange))

    def _lose(self, stream: _Stream, time: int, taps: int) -> Iterator[Exchange]:
        for kind in (stream.kind, ANSWERS[stream.kind]):
            if taps >> Tap[kind.name] & 1:
                yield from self._decide(stream, time, kind, True)
                stream.hidden[kind] = time


def exchanges(source: Source) -> Iterator[Exchange]:
    """All exchanges of a capture."""
    pairing = Pairing(source)
    for batch in batches(source):
        yield from pairing.feed(batch)
    yield from pairing.end()


def wants_answer(records: Records) -> Mask:
    """Requests that are answered by completions: all but memory writes and messages."""
    kind = rec.tlp_type(records)
    request = rec.of_kind(records, *ANSWERS)
    return request & ~rec.is_write(records) & ((kind & 0b11000) != _MESSAGE) & ((kind >> 1) != _CPL >> 1)


def is_completion(records: Records) -> Mask:
    """Completions, in either direction."""
    return rec.of_kind(records, *ANSWERS.values()) & ((rec.tlp_type(records) >> 1) == _CPL >> 1)


def tags(records: Records) -> np.ndarray:
    """Tags of 10 bits: T9 and T8 stand in DW0 (chapter 2.2.6.2)."""
    first = records["header"][:, 0]
    return rec.tlp_tag(records) | (first >> 19 & 1) << 8 | (first >> 23 & 1) << 9


def _asked(record: np.void) -> tuple[int, int]:
    """Address of a request's first dword (0: it has none) and bytes that it asks for (chapters 2.2.5, 2.2.7)."""
    dw0, dw1, dw2, dw3 = (int(word) for word in record["header"])
    kind, length = dw0 >> 24 & 0x1F, (dw0 & 0x3FF) or 1024
    if kind in (0b00100, 0b00101):  # configuration
        return 0, 4
    address = (dw2 << 32 | dw3 if dw0 >> 29 & 1 else dw2) & ~3
    if kind == 0b00010:  # I/O
        return address, 4
    if kind > 0b00001:  # atomic operations; compare and swap carries two operands
        return address, 4 * length // (2 if kind == 0b01110 else 1)
    first, last = dw1 & 0xF, dw1 >> 4 & 0xF
    if length == 1:
        return address, first.bit_length() - _lowest(first) if first else 1
    return address, 4 * length - _lowest(first) - (4 - last.bit_length() if last else 0)


def _lowest(enables: int) -> int:
    """Number of the lowest byte that is enabled."""
    return (enables & -enables).bit_length() - 1 if enables else 0


def _answered(record: np.void) -> tuple[int, bool]:
    """Bytes that a completion brings, and whether nothing is due after it (chapter 2.2.9)."""
    dw0, dw1, dw2, _ = (int(word) for word in record["header"])
    if not dw0 >> 30 & 1:  # without data
        return 0, True
    due = dw1 & 0xFFF or 4096
    payload = min(due, 4 * ((dw0 & 0x3FF) or 1024) - (dw2 & 3))
    return payload, payload >= due

# SPDX-License-Identifier: Apache-2.0
"""A Perfetto trace (TrackEvent protobuf), for https://ui.perfetto.dev and trace_processor.

Requests that want an answer are slices from the request to its last completion, one track per requester and tag (the
viewer shows those of one name together). Posted writes, interrupts, marks and the like are instants. A folded run is a
slice from its first TLP to its last one with its count. What has no known end is no slice.
"""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from vkbench.capture import records as rec
from vkbench.capture.batches import TLP_KINDS, Batch, Source, batches
from vkbench.capture.layout import LEVELS, Flag, Kind, Reset
from vkbench.capture.lines import LineFinder
from vkbench.capture.pairs import Exchange, Outcome, Pairing, is_completion, wants_answer
from vkbench.capture.select import Filter, Selector
from vkbench.capture.show import TLP_NAMES, describe, kind_name, tap_names

_SEQUENCE = 1  # one writer, one sequence of packets
_PACKETS = 2048  # that are written together
_STREAMS = {
    Kind.CQ: "host to card",
    Kind.CC: "host to card, completions",
    Kind.RQ: "card to host",
    Kind.RC: "card to host, completions",
}
_RESETS = {
    Reset.PERST_ASSERTED: "PERST#",
    Reset.FLR_STARTED: "FLR",
    Reset.CARD_RESET_STARTED: "card reset",
}


def nanoseconds(cycles: int, clock_hz: int) -> int:
    """Time of a cycle since power-on, rounded to the nearest nanosecond."""
    return (2 * cycles * 10**9 + clock_hz) // (2 * clock_hz)


def write(source: Source, wanted: Filter, path: Path) -> None:
    """Write a trace."""
    with path.open("wb") as file:
        trace = _Trace(file, source.header.clock_hz)
        converter = _Converter(source, wanted, trace)
        for batch in batches(source):
            converter.feed(batch)
        converter.end()
        trace.flush()


class _Trace:
    """Packets on their way to the file."""

    def __init__(self, file: Any, clock_hz: int) -> None:
        from perfetto.protos.perfetto.trace import perfetto_trace_pb2 as proto

        self._file, self._clock_hz, self._proto = file, clock_hz, proto
        self._batch = proto.Trace()
        self._tracks: dict[tuple[str, ...], int] = {}
        self._ranks: dict[int, int] = {}
        first = self._packet()
        first.sequence_flags = proto.TracePacket.SEQ_INCREMENTAL_STATE_CLEARED
        first.first_packet_on_sequence = True

    def flush(self) -> None:
        """Write what is gathered. Traces may be concatenated: a trace is nothing but packets."""
        self._file.write(self._batch.SerializeToString())
        self._batch = self._proto.Trace()

    def _packet(self, cycles: int | None = None) -> Any:
        if len(self._batch.packet) >= _PACKETS:
            self.flush()
        packet = self._batch.packet.add()
        packet.trusted_packet_sequence_id = _SEQUENCE
        if cycles is not None:
            packet.timestamp = nanoseconds(cycles, self._clock_hz)
        return packet

    def track(self, *path: str, key: str = "", unit: str | None = None) -> int:
        """The track of this name below its parents, made when it is new. ``key``: several of one name; ``unit``:
        of a counter."""
        found = self._tracks.get((*path, key))
        if found is not None:
            return found
        parent = self.track(*path[:-1]) if len(path) > 1 else None
        uuid = self._tracks[(*path, key)] = len(self._tracks) + 1
        descriptor = self._packet().track_descriptor
        descriptor.uuid, descriptor.name = uuid, path[-1]
        descriptor.child_ordering = descriptor.EXPLICIT
        self._ranks[parent or 0] = descriptor.sibling_order_rank = self._ranks.get(parent or 0, 0) + 1
        if parent is not None:
            descriptor.parent_uuid = parent
        if unit is not None:
            descriptor.counter.unit_name = unit
        return uuid

    def instant(self, cycles: int, track: int, name: str, **notes: Any) -> None:
        self._event(cycles, track, self._proto.TrackEvent.TYPE_INSTANT, name, notes)

    def begin(self, cycles: int, track: int, name: str, **notes: Any) -> None:
        self._event(cycles, track, self._proto.TrackEvent.TYPE_SLICE_BEGIN, name, notes)

    def end(self, cycles: int, track: int) -> None:
        self._event(cycles, track, self._proto.TrackEvent.TYPE_SLICE_END, "", {})

    def slice(self, start: int, stop: int, track: int, name: str, **notes: Any) -> None:
        self.begin(start, track, name, **notes)
        self.end(stop, track)

    def count(self, cycles: int, track: int, value: int) -> None:
        self._event(cycles, track, self._proto.TrackEvent.TYPE_COUNTER, "", {}).counter_value = value

    def _event(self, cycles: int, track: int, kind: int, name: str, notes: dict[str, Any]) -> Any:
        event = self._packet(cycles).track_event
        event.type, event.track_uuid = kind, track
        if name:
            event.name = name
        for key, value in notes.items():
            note = event.debug_annotations.add()
            note.name = key
            if isinstance(value, bool):
                note.bool_value = value
            elif isinstance(value, int):
                note.uint_value = value
            else:
                note.string_value = value
        return event


class _Converter:
    """Turns records into events."""

    def __init__(self, source: Source, wanted: Filter, trace: _Trace) -> None:
        self._trace = trace
        self._selector = Selector(wanted, source)
        self._pairing = Pairing(source)
        self._finder = LineFinder(source)
        self._line = -1  # first byte of the line that was written last
        self._levels = -1
        self._open: set[int] = set()  # tracks with a slice that has begun
        self._wanted: set[int] = set()  # requests and completions, until their exchange ends
        self._now = 0  # time of the last record
        for path in (("console",), ("link",), ("card",), ("analyser",)):
            trace.track(*path)

    def feed(self, batch: Batch) -> None:
        """The next records. Pairs are made of all of them; those of which a half is wanted are shown."""
        if batch.fresh:
            self._stop()
        records = batch.records
        if not len(records):
            return
        mask = self._selector.mask(batch)
        halves = wants_answer(records) | is_completion(records)
        self._wanted.update(batch.numbers[mask & halves].tolist())
        self._exchanges(self._pairing.feed(batch))
        self._now = int(records["timestamp"][-1])
        tlp = rec.of_kind(records, *TLP_KINDS)
        self._runs(batch[mask & batch.runs])
        self._posted(batch[mask & tlp & ~halves])
        part = batch[mask & ~tlp]
        handlers = {
            int(kind): getattr(self, f"_{kind.name.lower()}") for kind in Kind if kind not in TLP_KINDS
        }
        columns = part.records["kind"], part.records["timestamp"], rec.seen(part.records)
        for at, (kind, time, seen) in enumerate(zip(*(column.tolist() for column in columns), strict=True)):
            handler = handlers.get(kind, self._plain) if seen else self._selftest
            handler(part, at, time)

    def end(self) -> None:
        """What is left when the capture is over."""
        self._exchanges(self._pairing.end())
        self._stop()

    def _stop(self) -> None:
        """Nothing goes on from here: what is still true was true up to the last record."""
        for track in sorted(self._open):
            self._trace.end(self._now, track)
        self._open.clear()
        self._levels = -1

    # -- the link -----------------------------------------------------------------------------------------------------

    def _exchanges(self, found: Iterable[Exchange]) -> None:
        for exchange in found:
            halves = {*exchange.completions, *([] if exchange.request is None else [exchange.request])}
            if halves & self._wanted:
                self._exchange(exchange)
            self._wanted -= halves

    def _exchange(self, exchange: Exchange) -> None:
        half, key = _STREAMS[exchange.stream], f"{exchange.requester:04x} {exchange.tag}"
        track = self._trace.track("link", f"{half}: reads", key=key)
        notes: dict[str, Any] = {"tag": exchange.tag, "requester": f"{exchange.requester:04x}"}
        if exchange.request is not None:
            notes |= {
                "address": f"0x{exchange.address:x}",
                "bytes": exchange.bytes,
                "record": exchange.request,
            }
        if exchange.completions:
            notes |= {"completions": len(exchange.completions), "received": exchange.received}
            notes |= {"status": exchange.status}
        notes |= {"outcome": exchange.outcome.value}
        if exchange.latency is None:
            time = exchange.requested if exchange.request is not None else exchange.first
            name = exchange.name or "completion"
            self._trace.instant(time, track, f"{name}: {exchange.outcome.value}", **notes)
            return
        notes |= {
            "latency_cycles": exchange.latency,
            "first_completion_cycles": exchange.first - exchange.requested,
        }
        notes |= {"certain": exchange.certain}
        name = exchange.name if exchange.outcome is Outcome.ANSWERED else f"{exchange.name}: error"
        self._trace.slice(exchange.requested, exchange.last, track, name, **notes)

    def _runs(self, part: Batch) -> None:
        folded, times = rec.folded(part.records).tolist(), part.records["timestamp"].tolist()
        for at, since in enumerate(part.since.tolist()):
            record = part.records[at]
            track = self._trace.track("link", f"{_STREAMS[Kind(int(record['kind']))]}: runs")
            # The first and the last one are records of their own.
            name = f"{folded[at] + 2} x {rec.tlp_name(record)}"
            self._trace.slice(
                since, times[at], track, name, folded=folded[at], last=describe(part.records, at)
            )

    def _posted(self, part: Batch) -> None:
        """Writes and messages."""
        records = part.records
        columns = (
            records["timestamp"],
            records["kind"],
            part.numbers,
            rec.tlp_address(records),
            rec.tlp_length(records) * 4,
            records["data"],
            rec.folded(records),
            (records["flags"] & Flag.DOORBELL) != 0,
            records["header"][:, 0] >> 24,
        )
        rows = zip(*(column.tolist() for column in columns), strict=True)
        for time, kind, number, address, size, data, folded, doorbell, code in rows:
            notes: dict[str, Any] = {
                "address": f"0x{address:x}",
                "bytes": size,
                "data": f"0x{data:08x}",
                "record": number,
            }
            if folded:
                notes["folded_before"] = folded
            name = f"reset doorbell 0x{data:08x}" if doorbell else TLP_NAMES[code]
            self._trace.instant(
                time, self._trace.track("link", f"{_STREAMS[Kind(kind)]}: writes"), name, **notes
            )

    def _msix(self, part: Batch, at: int, time: int) -> None:
        self._trace.instant(time, self._trace.track("link", "interrupts"), describe(part.records, at))

    def _config(self, part: Batch, at: int, time: int) -> None:
        self._trace.instant(time, self._trace.track("link", "configuration"), describe(part.records, at))

    # -- console, card, analyser --------------------------------------------------------------------------------------

    def _console(self, part: Batch, at: int, time: int) -> None:
        line = self._finder.at(int(part.numbers[at]))
        if line and line.first != self._line:
            self._line = line.first
            notes = {"bytes_without_stop_bit": line.errors} if line.errors else {}
            self._trace.slice(
                line.start, line.stop, self._trace.track("console", "lines"), line.text, **notes
            )

    def _cfg(self, part: Batch, at: int, time: int) -> None:
        aux, data = int(part.records["aux"][at]), int(part.records["data"][at])
        name = describe(part.records, at) if aux != data else f"Command 0x{aux:04x}"
        self._trace.instant(time, self._trace.track("card", "Command register"), name)
        self._high(time, self._trace.track("card", "Bus Master Enable"), "BME", bool(aux & 4))

    def _gate(self, part: Batch, at: int, time: int) -> None:
        closed = bool(part.records["aux"][at] & 1)
        self._high(time, self._trace.track("card", "quiesce gate"), describe(part.records, at), closed)

    def _reset(self, part: Batch, at: int, time: int) -> None:
        what = int(part.records["aux"][at])
        start = what - (what + 1) % 2  # each reset's beginning has an odd number, its end the next one
        track = self._trace.track("card", _RESETS.get(start, "reset"))  # type: ignore[call-overload]
        if what == start:
            self._high(time, track, describe(part.records, at), True)
        elif track in self._open:
            self._high(time, track, "", False)
        else:
            self._trace.instant(time, track, describe(part.records, at))

    def _level(self, part: Batch, at: int, time: int) -> None:
        word = int(part.records["data"][at])
        changed = -1 if self._levels < 0 else word ^ self._levels
        self._levels = word
        for name, bit, width in LEVELS:
            mask = (1 << width) - 1
            if not changed >> bit & mask:
                continue
            track = self._trace.track("card", "levels", name, unit=None if width == 1 else "value")
            if width == 1:
                self._high(time, track, name, bool(word >> bit & 1))
            else:
                self._trace.count(time, track, word >> bit & mask)

    def _high(self, time: int, track: int, name: str, value: bool) -> None:
        """A slice for as long as something is true."""
        if value and track not in self._open:
            self._open.add(track)
            self._trace.begin(time, track, name)
        elif not value and track in self._open:
            self._open.discard(track)
            self._trace.end(time, track)

    def _selftest(self, part: Batch, at: int, time: int) -> None:
        self._plain(part, at, time, "self-test")

    def _plain(self, part: Batch, at: int, time: int, track: str = "unknown kinds") -> None:
        name = f"{kind_name(int(part.records['kind'][at]))} {describe(part.records, at)}"
        self._trace.instant(time, self._trace.track("analyser", track), name)

    def _mark(self, part: Batch, at: int, time: int) -> None:
        self._trace.instant(time, self._trace.track("analyser", "marks"), describe(part.records, at))

    def _trigger(self, part: Batch, at: int, time: int) -> None:
        self._trace.instant(time, self._trace.track("analyser", "trigger"), describe(part.records, at))

    def _loss(self, part: Batch, at: int, time: int) -> None:
        taps = int(part.records["aux"][at])
        events = int(part.records["data"][at])
        self._trace.instant(
            time,
            self._trace.track("analyser", "lost"),
            f"{events} events lost",
            events=events,
            taps=tap_names(taps),
        )

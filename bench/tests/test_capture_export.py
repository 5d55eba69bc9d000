# SPDX-License-Identifier: Apache-2.0
"""Exports, read by other people's readers: pywellen for waveforms, pandas for tables, Perfetto's own schema for traces."""

import subprocess
import sys
from collections import Counter, defaultdict
from fractions import Fraction

import numpy as np
import pandas
import pytest
import pywellen
from busy_capture import busy
from link_traffic import Tlp, capture, fold, random_traffic, streaming_reads, write
from perfetto.protos.perfetto.trace.perfetto_trace_pb2 import Trace, TrackEvent
from pyarrow import parquet

from vkbench import errors
from vkbench.capture import pairs, vkc
from vkbench.capture import records as rec
from vkbench.capture.batches import Mended, batches
from vkbench.capture.export import FORMATS, export
from vkbench.capture.export.perfetto import nanoseconds
from vkbench.capture.export.waves import TimeScale
from vkbench.capture.layout import LEVELS, Flag, Kind, Reset
from vkbench.capture.lines import console_lines
from vkbench.capture.pairs import Outcome
from vkbench.capture.select import Filter, parse_time, selected
from vkbench.capture.vkc import Capture

EVERYTHING = Filter()


def mixed() -> Capture:
    """Every kind of record, folded runs of reads and writes, a self-test event, noise on the console."""
    tlps = streaming_reads(3, 120) + [
        write(90_000 + 8 * n, Kind.RQ, 0x8000 + 64 * n, 16, n) for n in range(40)
    ]
    tlps += [write(91_000 + 9 * n, Kind.CQ, 0x200_0000, 1, 7) for n in range(10)]
    tlps += [
        Tlp(tlp.time + 100_000, *(getattr(tlp, n) for n in ("kind", "header", "data")))
        for tlp in random_traffic(5)
    ]
    links = capture(fold(tlps), fold=True)
    rare = busy(1500)
    other = rare.records[~np.isin(rare.records["kind"], (Kind.CQ, Kind.CC, Kind.RQ, Kind.RC))].copy()
    other["timestamp"] -= other["timestamp"][0]
    extra = rec.empty(3)
    extra["timestamp"], extra["kind"] = (60_000, 61_000, 62_000), (Kind.MSIX, Kind.CONSOLE, 200)
    extra["flags"] = (Flag.SELFTEST, Flag.ERROR, 0)
    records = np.concatenate([links.records, other, extra])
    records = records[np.argsort(records["timestamp"], kind="stable")]
    trigger = int(records["timestamp"][records["kind"] == Kind.TRIGGER][0])
    fired = rare.header.trigger.model_copy(update={"time": trigger})
    return Capture(links.header.model_copy(update={"trigger": fired}), records)


@pytest.fixture(scope="module")
def whole():
    return mixed()


def exported(source, form, tmp_path, wanted=EVERYTHING):
    path = tmp_path / f"out{FORMATS[form][2]}"
    export(source, wanted, form, path)
    assert [one.name for one in tmp_path.iterdir()] == [path.name]  # nothing else is left behind
    return path


def test_the_mixture_has_every_kind(whole):
    assert {int(kind) for kind in whole.records["kind"]} == {*map(int, Kind), 200}
    assert np.count_nonzero(rec.folded(whole.records)) > 10


# ---- waveforms -------------------------------------------------------------------------------------------------------


def expected_waves(source) -> dict[str, list[tuple[int, object]]]:
    """The changes of each signal, record by record: (cycle, value)."""
    raw = defaultdict(dict)  # signal -> cycle -> value; what is written last in a cycle counts
    falls = defaultdict(set)
    highs = defaultdict(list)
    before = {}
    lines = {line.first: line.text for line in console_lines(batches(source))}

    def pulse(scope, time):
        raw[f"{scope}.valid"][time] = 1
        falls[f"{scope}.valid"].add(time + 1)

    first = int(source.records["timestamp"][0])
    for number, record in enumerate(source.records):
        time, aux, data = int(record["timestamp"]), int(record["aux"]), int(record["data"])
        header, flags = [int(word) for word in record["header"]], int(record["flags"])
        kind = int(record["kind"])
        if flags & Flag.SELFTEST:
            pulse("selftest", time)
            raw["selftest.kind"][time] = kind
            continue
        scope = Kind(kind).name.lower() if kind in Kind.__members__.values() else None
        if kind in (Kind.CQ, Kind.CC, Kind.RQ, Kind.RC):
            pulse(scope, time)
            raw[f"{scope}.data"][time] = data
            raw[f"{scope}.length"][time] = (header[0] & 0x3FF) or 1024
            raw[f"{scope}.folded"][time] = aux & 0x1FFF
            if kind == Kind.CQ:
                raw["cq.bar"][time] = aux >> 13
            tag = header[2] if kind in (Kind.CC, Kind.RC) else header[1]
            raw[f"{scope}.requester"][time] = tag >> 16
            raw[f"{scope}.tag"][time] = (
                tag >> 8 & 255 | (header[0] >> 19 & 1) << 8 | (header[0] >> 23 & 1) << 9
            )
            if kind in (Kind.CQ, Kind.RQ):
                address = header[2] << 32 | header[3] if header[0] >> 29 & 1 else header[2]
                raw[f"{scope}.address"][time] = address & ~3
            else:
                raw[f"{scope}.status"][time] = header[1] >> 13 & 7
            if flags & Flag.RUN:
                highs[f"{scope}.run"].append((before[kind], time))
            before[kind] = time
        elif kind == Kind.CFG:
            raw["cfg.command"][time], raw["cfg.bme"][time] = aux, aux >> 2 & 1
        elif kind == Kind.CONSOLE:
            pulse(scope, time)
            raw["console.byte"][time], raw["console.error"][time] = aux & 255, int(flags & Flag.ERROR != 0)
            if number in lines:
                raw["console.line"][time] = lines[number]
        elif kind == Kind.GATE:
            raw["gate.closed"][time] = aux
        elif kind == Kind.RESET:
            name = {1: "perst", 3: "flr", 5: "card_reset"}[aux - 1 + aux % 2]
            raw[f"reset.{name}"][time] = aux % 2
        elif kind == Kind.MSIX:
            pulse(scope, time)
            raw["msix.vector"][time] = aux
        elif kind == Kind.CONFIG:
            pulse(scope, time)
            raw["config.register"][time], raw["config.write"][time] = aux & 0xFFF, aux >> 12
        elif kind == Kind.LEVEL:
            for name, bit, width in LEVELS:
                raw[f"level.{name}"][time] = data >> bit & ((1 << width) - 1)
        elif kind == Kind.MARK:
            pulse(scope, time)
            raw["mark.number"][time] = data
            raw["mark.name"][time] = bytes(record["header"]).rstrip(b"\0").decode()
        elif kind == Kind.TRIGGER:
            pulse(scope, time)
            raw["trigger.source"][time], raw["trigger.step"][time] = "SEQUENCE", header[0]
        elif kind == Kind.LOSS:
            pulse(scope, time)
            raw["loss.events"][time], raw["loss.taps"][time] = data, aux
    for name, cycles in falls.items():
        for cycle in cycles:
            raw[name].setdefault(cycle, 0)
    for name, spans in highs.items():
        for _, stop in spans:
            raw[name][stop] = 0
        for start, _ in spans:
            raw[name][start] = 1
    for scope in ("cq", "cc", "rq", "rc"):
        raw[f"{scope}.run"].setdefault(first, 0)
    for scope in ("cq", "cc", "rq", "rc", "msix", "console", "config", "mark", "trigger", "loss", "selftest"):
        raw[f"{scope}.valid"].setdefault(first, 0)
    return {name: without_repeats(sorted(values.items())) for name, values in raw.items()}


def without_repeats(values):
    return [one for at, one in enumerate(values) if not at or values[at - 1][1] != one[1]]


def read_waves(path) -> dict[str, list[tuple[int, object]]]:
    """What pywellen finds; what is not known (x) or not yet said (an empty text) is no change."""
    found = {}
    for var in pywellen.Waveform(str(path)).all_vars():
        name = var.full_name() if callable(var.full_name) else var.full_name
        signal = var.signal() if callable(var.signal) else var.signal
        unknown = ("", *("x" * width for width in range(1, 65)))
        found[name.removeprefix("capture.")] = [
            (time, value) for time, value in signal if value not in unknown
        ]
    return found


@pytest.mark.parametrize("form", ["vcd", "fst"])
def test_waveforms_hold_the_same_changes_at_the_same_times(whole, form, tmp_path, monkeypatch):
    monkeypatch.setattr(vkc, "BLOCK_RECORDS", 50)
    assert len(list(whole.blocks())) > 10
    found = read_waves(exported(whole, form, tmp_path))
    for name, changes in expected_waves(whole).items():
        assert found[name] == [(8 * cycle, value) for cycle, value in changes], name
    assert len([name for name in found if found[name]]) > 60


@pytest.mark.parametrize("form", ["vcd", "fst"])
def test_a_run_is_high_from_its_first_to_its_last_tlp(form, tmp_path, monkeypatch):
    monkeypatch.setattr(vkc, "BLOCK_RECORDS", 1)  # the run's beginning is known two blocks later
    tlps = [write(1000 + 10 * n, Kind.RQ, 64 * n, 16, n) for n in range(8)] + [write(1035, Kind.CQ, 0, 1, 0)]
    found = read_waves(exported(capture(fold(tlps), fold=True), form, tmp_path))
    assert found["rq.run"] == [(8 * 1000, 1), (8 * 1070, 0)]
    assert found["rq.folded"] == [(8 * 1000, 0), (8 * 1070, 6)]
    assert found["rq.valid"] == [(8000, 1), (8008, 0), (8560, 1), (8568, 0)]


@pytest.mark.parametrize("form", ["vcd", "fst"])
def test_a_tap_that_was_not_recorded_stays_unknown(form, tmp_path):
    source = capture([write(10, Kind.RQ, 0, 1, 1)], qualify={"taps": ["RQ"], "term": None})
    found = read_waves(exported(source, form, tmp_path))
    assert found["rq.valid"] and not found["cq.valid"] and not found["console.valid"]


@pytest.mark.parametrize(
    ("hz", "unit", "cycle"),
    [
        (2_500_000, "100 ns", 4),
        (250_000_000, "1 ns", 4),
        (125_000_000, "1 ns", 8),
        (156_250_000, "100 ps", 64),
        (1, "1 s", 1),
        (322_265_625, "1 ps", None),
    ],
)
def test_the_time_scale_is_exact_where_a_power_of_ten_allows(hz, unit, cycle):
    scale = TimeScale.of(hz)
    assert scale.unit == unit and scale.exact == (cycle is not None)
    for cycles in (0, 1, 7, 10**6 + 1, (1 << 63) + 12345):
        exact = Fraction(cycles, hz) / Fraction(10) ** scale.exponent
        assert abs(scale.at(cycles) - exact) <= Fraction(1, 2)
        assert cycle is None or scale.at(cycles) == cycles * cycle
    assert ("rounded" in scale.note) == (cycle is None)


@pytest.mark.parametrize("form", ["vcd", "fst"])
def test_a_rounded_scale_is_what_the_file_says(form, tmp_path):
    source = capture([write(time, Kind.RQ, 0, 1, time) for time in (10, 10_000_001)], clock_hz=322_265_625)
    path = exported(source, form, tmp_path)
    scale = pywellen.Waveform(str(path)).timescale
    assert str(scale) == "1ps"
    assert [time for time, _ in read_waves(path)["rq.data"]] == [31030, 31030306133]


def test_waveforms_refuse_times_that_go_back(tmp_path):
    source = capture([write(20, Kind.RQ, 0, 1, 1), write(10, Kind.RQ, 0, 1, 1)])
    for form in ("vcd", "fst"):
        with pytest.raises(errors.UserError, match="go back"):
            export(source, EVERYTHING, form, tmp_path / "out")
    assert not list(tmp_path.iterdir())
    assert exported(source, "csv", tmp_path).stat().st_size


# ---- tables ----------------------------------------------------------------------------------------------------------


def tables(source, tmp_path, wanted=EVERYTHING):
    form = "csv"
    path = exported(source, form, tmp_path, wanted)
    yield pandas.read_csv(path, dtype_backend="numpy_nullable")
    path.unlink()
    path = exported(source, "parquet", tmp_path, wanted)
    yield pandas.read_parquet(path, dtype_backend="numpy_nullable")
    path.unlink()


def test_tables_hold_the_records(whole, tmp_path):
    records = whole.records
    for table in tables(whole, tmp_path):
        assert table["record"].tolist() == list(range(len(records)))
        for name in ("timestamp", "kind", "flags", "aux", "data"):
            assert table[name].tolist() == records[name].tolist(), name
        for number in range(4):
            assert table[f"dw{number}"].tolist() == records["header"][:, number].tolist()
        tlp = np.isin(records["kind"], (Kind.CQ, Kind.CC, Kind.RQ, Kind.RC))
        assert table["tlp"].notna().tolist() == tlp.tolist() == table["tag"].notna().tolist()
        asked = np.isin(records["kind"], (Kind.CQ, Kind.RQ))
        addresses = table["address"][asked].astype("uint64")
        assert addresses.tolist() == rec.tlp_address(records[asked]).tolist() and max(addresses) > 1 << 32
        assert table["address"][~asked].isna().all()
        assert table["count"].tolist() == (rec.folded(records) + 1).tolist()
        run = table["run_start"].notna()
        assert run.tolist() == ((records["flags"] & Flag.RUN) != 0).tolist()
        assert (table["run_start"][run].astype("uint64") < table["timestamp"][run].astype("uint64")).all()
        seconds = (records["timestamp"].astype(np.int64) - whole.header.trigger.time) / whole.header.clock_hz
        assert np.allclose(table["seconds"], seconds, rtol=0, atol=1e-12)
        assert set(table["kind_name"]) == {*Kind.__members__, "kind 200"}


def test_parquet_says_where_it_comes_from(whole, tmp_path):
    metadata = parquet.read_schema(exported(whole, "parquet", tmp_path)).metadata
    assert vkc.CaptureHeader.model_validate_json(metadata[b"vkbench"]) == whole.header


def test_filters_choose_the_rows(whole, tmp_path):
    wanted = Filter(kinds=frozenset([Kind.RQ]), address=(0x8000, 0x8FFF), time=parse_time("0:10s"))
    chosen = np.concatenate([batch.numbers for batch in selected(whole, wanted)]).tolist()
    assert 0 < len(chosen) < len(whole.records)
    for table in tables(whole, tmp_path, wanted):
        assert table["record"].tolist() == chosen


# ---- Perfetto --------------------------------------------------------------------------------------------------------


class ReadTrace:
    """A trace taken apart as trace_processor does: packets in order of time (those of one time in the order of the
    file), slices by a stack for each track."""

    def __init__(self, path):
        trace = Trace.FromString(path.read_bytes())
        self.tracks, self.slices, self.instants, self.counters = {}, [], [], defaultdict(list)
        stacks = defaultdict(list)
        assert all(packet.trusted_packet_sequence_id for packet in trace.packet)
        for packet in trace.packet:
            if packet.HasField("track_descriptor"):
                track = packet.track_descriptor
                assert track.uuid not in self.tracks
                parent = self.tracks[track.parent_uuid] if track.parent_uuid else ()
                self.tracks[track.uuid] = (*parent, track.name)
        events = [packet for packet in trace.packet if packet.HasField("track_event")]
        for packet in sorted(events, key=lambda packet: packet.timestamp):
            event = packet.track_event
            track, stack = self.tracks[event.track_uuid], stacks[event.track_uuid]
            notes = {note.name: getattr(note, note.WhichOneof("value")) for note in event.debug_annotations}
            match event.type:
                case TrackEvent.TYPE_SLICE_BEGIN:
                    assert not stack, "slices of one track do not overlap"
                    stack.append((packet.timestamp, event.name, notes))
                case TrackEvent.TYPE_SLICE_END:
                    start, name, notes = stack.pop()
                    self.slices.append((track, start, packet.timestamp, name, notes))
                case TrackEvent.TYPE_INSTANT:
                    self.instants.append((track, packet.timestamp, event.name, notes))
                case TrackEvent.TYPE_COUNTER:
                    self.counters[track].append((packet.timestamp, event.counter_value))
                case _:
                    raise AssertionError(event)
        assert not any(stacks.values()), "every slice that begins ends"

    def on(self, what, *track):
        return [one[1:] for one in what if one[0] == track]


def test_each_exchange_is_a_slice_or_says_why_not(whole, tmp_path):
    trace = ReadTrace(exported(whole, "perfetto", tmp_path))
    names = {Kind.CQ: "host to card: reads", Kind.RQ: "card to host: reads"}
    slices, instants = Counter(), Counter()
    for one in pairs.exchanges(whole):
        times = [8 * one.requested, 8 * one.last]
        if one.latency is not None:
            slices[names[one.stream], *times, one.tag, one.bytes, one.outcome.value, one.certain] += 1
        else:
            time = 8 * (one.first if one.request is None else one.requested)
            instants[names[one.stream], time, one.tag, one.outcome.value] += 1
    found = [one for one in trace.slices if one[0][-1] in names.values()]
    assert slices == Counter(
        (track[-1], start, stop, notes["tag"], notes["bytes"], notes["outcome"], notes["certain"])
        for track, start, stop, _, notes in found
    )
    assert all(notes["latency_cycles"] * 8 == stop - start for _, start, stop, _, notes in found)
    assert instants == Counter(
        (track[-1], time, notes["tag"], notes["outcome"])
        for track, time, _, notes in trace.instants
        if track[-1] in names.values()
    )
    assert {one[5] for one in slices} == {"answered", "error"} and len({one[3] for one in instants}) >= 3


def test_writes_runs_and_the_rest_are_on_their_tracks(whole, tmp_path):
    trace = ReadTrace(exported(whole, "perfetto", tmp_path))
    records = whole.records[rec.seen(whole.records)]
    for kind, name in ((Kind.CQ, "host to card"), (Kind.RQ, "card to host")):
        writes = records[(records["kind"] == kind) & rec.is_write(records)]
        found = trace.on(trace.instants, "link", f"{name}: writes")
        assert [(time, notes["address"]) for time, _, notes in found] == [
            (8 * int(one["timestamp"]), hex(int(rec.tlp_address(np.array([one]))[0]))) for one in writes
        ]
    runs = [one for one in trace.slices if one[0][-1].endswith(": runs")]
    assert sum(notes["folded"] for *_, notes in runs) == rec.folded(records).sum() > 0
    assert len(runs) == np.count_nonzero(records["flags"] & Flag.RUN)
    lines = [(8 * line.start, 8 * line.stop, line.text) for line in console_lines(batches(whole))]
    assert [one[:3] for one in trace.on(trace.slices, "console", "lines")] == lines
    counts = Counter(track[-1] for track, *_ in trace.instants)
    for kind, track in ((Kind.MSIX, "interrupts"), (Kind.CONFIG, "configuration"), (Kind.MARK, "marks")):
        assert counts[track] == np.count_nonzero(records["kind"] == kind) > 0, track
    assert counts["self-test"] == 1 and counts["unknown kinds"] == 1 and counts["trigger"] == 1
    ((time, name, notes),) = trace.on(trace.instants, "analyser", "lost")
    assert notes == {"events": 37, "taps": "RQ, RC"}


def test_levels_resets_and_the_gate_are_slices_and_counters(whole, tmp_path):
    trace = ReadTrace(exported(whole, "perfetto", tmp_path))
    records = whole.records
    level = records[records["kind"] == Kind.LEVEL]
    word = {name: (bit, width) for name, bit, width in LEVELS}
    end = 8 * int(records["timestamp"][-1])
    for name in ("dma_traffic", "dma_write", "stall_rq", "link_up"):
        states = [(8 * int(one["timestamp"]), int(one["data"]) >> word[name][0] & 1) for one in level]
        edges = without_repeats(states)
        spans = [
            (start, (edges[at + 1] if at + 1 < len(edges) else (end, 0))[0])
            for at, (start, on) in enumerate(edges)
            if on
        ]
        assert [one[:2] for one in trace.on(trace.slices, "card", "levels", name)] == spans != [], name
    assert trace.counters["card", "levels", "ltssm"] == [(8 * int(level[0]["timestamp"]), 0x10)]
    times = {int(one["aux"]): 8 * int(one["timestamp"]) for one in records if one["kind"] == Kind.RESET}
    assert trace.on(trace.slices, "card", "card reset") == [
        (times[Reset.CARD_RESET_STARTED], times[Reset.CARD_READY], "CARD_RESET_STARTED", {})
    ]
    ((start, stop, name, _),) = trace.on(trace.slices, "card", "quiesce gate")
    assert name == "closed by DOORBELL" and start < stop
    assert trace.on(trace.slices, "card", "Bus Master Enable")


def test_a_trace_of_what_was_asked_for_shows_whole_exchanges(whole, tmp_path):
    asked = [one for one in pairs.exchanges(whole) if one.latency is not None and one.stream is Kind.RQ][5]
    wanted = Filter(address=(asked.address, asked.address + asked.bytes - 1))
    trace = ReadTrace(exported(whole, "perfetto", tmp_path, wanted))
    assert (8 * asked.requested, 8 * asked.last) in [one[1:3] for one in trace.slices]
    assert {track[-1] for track, *_ in trace.slices} <= {"card to host: reads", "card to host: runs"}


def test_nanoseconds_are_rounded_to_the_nearest():
    for hz in (125_000_000, 322_265_625, 3):
        for cycles in (0, 1, 2, 10**9 + 7, 1 << 62):
            assert abs(nanoseconds(cycles, hz) - Fraction(cycles * 10**9, hz)) <= Fraction(1, 2)


# ---- all of them -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("form", FORMATS)
def test_an_empty_capture_and_an_empty_choice_can_be_exported(form, tmp_path):
    exported(capture([]), form, tmp_path).unlink()
    source = capture([write(5, Kind.RQ, 0, 1, 1)])
    exported(source, form, tmp_path, Filter(kinds=frozenset([Kind.CC])))


@pytest.mark.parametrize("form", FORMATS)
def test_the_good_blocks_of_a_damaged_file_are_exported(form, tmp_path, whole, monkeypatch):
    monkeypatch.setattr(vkc, "BLOCK_RECORDS", 64)
    source = tmp_path / "in" / "damaged.vkc"
    source.parent.mkdir()
    vkc.write(source, whole.header, whole.records)
    with vkc.open(source) as file:
        victim = file.block(3)
        at = source.read_bytes().index(victim.tobytes()) + 100
    data = bytearray(source.read_bytes())
    data[at] ^= 1
    source.write_bytes(data)
    out = tmp_path / "out"
    out.mkdir()
    mended = Mended(source)
    path = exported(mended, form, out)
    assert [error.block for error in mended.errors] == [3] and mended.breaks == [192]
    if form == "csv":
        found = pandas.read_csv(path)
        assert len(found) == len(whole.records) - 64
        assert found["timestamp"].tolist() == np.delete(whole.records["timestamp"], slice(192, 256)).tolist()
    if form == "perfetto":
        instants = ReadTrace(path).instants
        assert any(notes.get("outcome") == Outcome.OPEN.value for *_, notes in instants) or instants


@pytest.mark.parametrize("form", ["fst", "perfetto", "parquet"])
def test_a_missing_library_is_named_with_what_to_do(form, tmp_path, monkeypatch):
    package = {"fst": "pylibfst", "perfetto": "perfetto", "parquet": "pyarrow"}[form]
    for name in [name for name in sys.modules if name.split(".")[0] == package] + [package]:
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(errors.UserError, match=r"vkbench\[export\]"):
        export(capture([]), EVERYTHING, form, tmp_path / "out")


#: VmHWM is the peak of this program alone; ru_maxrss would keep what the process was before exec().
MEASURE = """
import re, sys
from pathlib import Path
from vkbench.capture import vkc
from vkbench.capture.export import export
from vkbench.capture.select import Filter
with vkc.open(sys.argv[2]) as file:
    export(file, Filter(), sys.argv[1], Path(sys.argv[3]))
print(re.search(r"VmHWM:\\s*(\\d+) kB", Path("/proc/self/status").read_text())[1])
"""


@pytest.mark.parametrize("form", FORMATS)
def test_memory_stays_flat(form, tmp_path):
    """The whole process's, libraries' included: the second capture is ten times as large as the first."""
    most = []
    for count in (20_000, 200_000):
        source = busy(count)
        path = tmp_path / f"{count}.vkc"
        vkc.write(path, source.header, source.records)
        argv = [sys.executable, "-c", MEASURE, form, str(path), str(tmp_path / "out")]
        most.append(int(subprocess.run(argv, check=True, capture_output=True, text=True).stdout) / 1024)
    # FST's library gathers changes in memory of its own up to a limit (128 MiB): 200 000 records stay below that.
    assert most[1] - most[0] < (24 if form == "fst" else 8), most
    assert most[1] < 200

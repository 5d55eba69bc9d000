# SPDX-License-Identifier: Apache-2.0
"""The capture file: what is written is read back; any damage is an error that names the place."""

import json
import random
import re
import struct
import subprocess
import sys
import zlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from synthetic_run import post_notifiers

from vkbench.capture import layout, vkc
from vkbench.capture import records as rec
from vkbench.capture.layout import Kind, Tap
from vkbench.capture.records import DTYPE, empty, from_bytes
from vkbench.capture.vkc import CaptureError

HEADER = post_notifiers().header()
DOCUMENT = Path(__file__).parents[2] / "docs" / "capture-format.md"


def some_records(count, seed=1):
    return from_bytes(random.Random(seed).randbytes(count * layout.RECORD_BYTES))


@pytest.fixture
def small_blocks(monkeypatch):
    monkeypatch.setattr(vkc, "BLOCK_RECORDS", 8)


@pytest.mark.parametrize(
    "count", [0, 1, vkc.BLOCK_RECORDS - 1, vkc.BLOCK_RECORDS, vkc.BLOCK_RECORDS + 1, 10000]
)
def test_what_is_written_is_read_back(tmp_path, count):
    records = some_records(count)
    vkc.write(tmp_path / "c.vkc", HEADER, records)
    capture = vkc.read(tmp_path / "c.vkc")
    assert capture.records.tobytes() == records.tobytes()
    assert capture.header == vkc.CaptureHeader.model_validate(HEADER)


@given(sizes=st.lists(st.integers(0, 40), max_size=8))
@settings(max_examples=40, deadline=None)
def test_a_stream_in_any_pieces_gives_the_same_file(tmp_path_factory, sizes):
    folder = tmp_path_factory.mktemp("stream")
    records = some_records(sum(sizes))
    with vkc.Writer(folder / "a", HEADER) as writer:
        at = 0
        for size in sizes:
            writer.append(records[at : at + size] if size % 2 else records[at : at + size].tobytes())
            at += size
    vkc.write(folder / "b", HEADER, records)
    assert (folder / "a").read_bytes() == (folder / "b").read_bytes()


def test_any_changed_bit_is_an_error_that_says_where(tmp_path, small_blocks):
    path = tmp_path / "c.vkc"
    vkc.write(path, HEADER, some_records(20))
    data = path.read_bytes()
    starts = [m.start() for m in re.finditer(b"BLK2", data)]
    rng = random.Random(7)
    for position in range(len(data)):
        changed = bytearray(data)
        changed[position] ^= 1 << rng.randrange(8)
        path.write_bytes(changed)
        with pytest.raises(CaptureError) as caught:
            vkc.read(path)
        if starts[0] + 12 <= position < starts[1]:
            assert caught.value.block == 0 and "block 0" in str(caught.value)
        if starts[2] + 12 <= position < starts[2] + 32 + 4 * 32:
            assert caught.value.block == 2


def test_a_file_cut_anywhere_is_an_error_and_its_whole_blocks_can_be_saved(tmp_path, small_blocks):
    path = tmp_path / "c.vkc"
    records = some_records(20)
    vkc.write(path, HEADER, records)
    data = path.read_bytes()
    ends = [m.start() + 32 + 8 * 32 for m in re.finditer(b"BLK2", data)][:2] + [len(data) - 20]
    edges = {at + step for at in ends for step in (-33, -1, 0, 1, 19, 31, 32)} - {
        *range(len(data), len(data) + 64)
    }
    for length in sorted({*range(0, len(data), 11), *edges, len(data) - 1}):
        path.write_bytes(data[:length])
        with pytest.raises(CaptureError):
            vkc.read(path)
        saved = vkc.salvage(path)
        assert saved.errors
        assert [block.index for block in saved.blocks] == list(range(sum(end <= length for end in ends)))
        assert saved.records.tobytes() == records[: len(saved.records)].tobytes()
    path.write_bytes(data + b"\0")
    with pytest.raises(CaptureError, match="follow"):
        vkc.read(path)


def test_blocks_around_a_damaged_one_can_be_saved(tmp_path, small_blocks):
    path = tmp_path / "c.vkc"
    records = some_records(30)
    vkc.write(path, HEADER, records)
    data = bytearray(path.read_bytes())
    starts = [m.start() for m in re.finditer(b"BLK2", data)]
    data[starts[1] + 50] ^= 4
    path.write_bytes(data)
    saved = vkc.salvage(path)
    assert [block.index for block in saved.blocks] == [0, 2, 3]
    assert [error.block for error in saved.errors] == [1]
    assert saved.blocks[1].records.tobytes() == records[16:24].tobytes()


def test_swapped_blocks_are_found(tmp_path, small_blocks):
    path = tmp_path / "c.vkc"
    vkc.write(path, HEADER, some_records(24))
    data = path.read_bytes()
    first, second, third = (m.start() for m in re.finditer(b"BLK2", data))
    path.write_bytes(data[:first] + data[second:third] + data[first:second] + data[third:])
    with pytest.raises(CaptureError, match="block 0: the block says it is number 1"):
        vkc.read(path)


def test_a_whole_file_has_nothing_to_salvage_around(tmp_path):
    vkc.write(tmp_path / "c.vkc", HEADER, some_records(5))
    saved = vkc.salvage(tmp_path / "c.vkc")
    assert not saved.errors and len(saved.records) == 5


def test_a_writer_that_was_interrupted_leaves_a_file_known_as_truncated(tmp_path):
    path = tmp_path / "c.vkc"
    with pytest.raises(KeyboardInterrupt), vkc.Writer(path, HEADER) as writer:
        writer.append(some_records(vkc.BLOCK_RECORDS))
        raise KeyboardInterrupt
    with pytest.raises(CaptureError, match="truncated"):
        vkc.read(path)
    assert len(vkc.salvage(path).records) == vkc.BLOCK_RECORDS


def test_a_fraction_of_a_record_is_refused(tmp_path):
    with pytest.raises(ValueError, match="33 bytes"), vkc.Writer(tmp_path / "c.vkc", HEADER) as writer:
        writer.append(bytes(33))


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("version", 1),
        ("version", 99),
        ("layout_version", 1),
        ("layout_version", 99),
        ("format", "other"),
        ("clock_hz", 0),
    ],
)
def test_a_header_of_another_kind_is_refused(tmp_path, key, value):
    header = vkc.CaptureHeader.model_validate(HEADER).model_copy(update={key: value})
    vkc.write(tmp_path / "c.vkc", header, empty())
    with pytest.raises(CaptureError):
        vkc.read(tmp_path / "c.vkc")


def test_an_unknown_statistics_class_is_refused():
    with pytest.raises(ValueError, match="NONSENSE"):
        vkc.CaptureHeader.model_validate(
            {**HEADER, "statistics": {"NONSENSE": {"count_arm": 0, "count": 0, "first": 0, "last": 0}}}
        )


def test_the_record_type_has_the_layouts_offsets():
    assert DTYPE.itemsize == layout.RECORD_BYTES
    for name, offset, width in layout.FIELDS:
        assert DTYPE.fields[name][1] == offset and DTYPE.fields[name][0].itemsize == width
    raw = bytes(range(32))
    one = np.frombuffer(raw, DTYPE)[0]
    assert one["timestamp"] == int.from_bytes(raw[:8], "little")
    assert one["header"][3] == int.from_bytes(raw[28:32], "little")


# ---- the format, byte by byte, without the code under test --------------------------------------------------


def file_of_version_1(header, records, block_records=8):
    """A capture file as file version 1 was, built from its description."""
    text = json.dumps(header).encode()
    text += b" " * (-(16 + len(text)) % 16)
    head = b"VKCAP\0\0\1" + struct.pack("<I", len(text)) + text
    data = head + struct.pack("<I", zlib.crc32(head))
    pieces = [records[at : at + block_records] for at in range(0, len(records), block_records)]
    for index, piece in enumerate(pieces):
        fields = b"BLK0" + struct.pack("<II", index, len(piece))
        data += fields + struct.pack("<I", zlib.crc32(fields + piece.tobytes())) + piece.tobytes()
    end = b"END0" + struct.pack("<IQ", len(pieces), len(records))
    return data + end + struct.pack("<I", zlib.crc32(end))


HEADER_1 = {
    "format": "vkcap",
    "version": 1,
    "layout_version": 1,
    "kinds": {"CQ": 1},
    **{key: HEADER[key] for key in ("clock_hz", "idn", "depth", "pretrigger", "state", "lost")},
    "trigger": {"source": "CONSOLE", "text": "panic", "time": 7},
    "statistics": {"RQ_WR": {"count_arm": 3, "count": 2, "first": 8, "last": 9}},
}


def records_of_layout_1():
    records = empty(20)
    records["timestamp"] = np.arange(20)
    records["kind"] = [Kind.CQ, Kind.LOSS, Kind.RQ, Kind.CFG] * 5
    records["aux"] = [2, (1 << 9) | (1 << 2), 0, 0x0507] * 5  # BAR 2; taps MARK (9 then) and RQ
    return records


@pytest.mark.parametrize("opener", [vkc.read, vkc.open])
def test_a_file_of_version_1_is_read_as_version_2(tmp_path, opener):
    path = tmp_path / "c.vkc"
    path.write_bytes(file_of_version_1(HEADER_1, records_of_layout_1()))
    capture = opener(path)
    records = capture.records
    assert rec.bar(records[::4]).tolist() == [2] * 5 and not rec.folded(records).any()
    assert records["aux"][1::4].tolist() == [(1 << Tap.MARK) | (1 << Tap.RQ)] * 5
    assert records["aux"][3::4].tolist() == [0x0507] * 5
    header = capture.header
    assert (header.version, header.layout_version, header.fold, header.segments) == (2, 2, False, [])
    assert header.qualify.taps == [tap.name for tap in Tap] and header.trigger.program == ""
    assert header.trigger.time == 7 and header.statistics["RQ_WR"].last == 9 and header.kinds["LEVEL"] == 14
    assert len(capture) == 20
    if opener is vkc.open:
        assert capture.version == 1 and capture.block_times.tolist() == [[0, 7], [8, 15], [16, 19]]
    # Written again, it is a file of version 2 with the same content.
    vkc.write(tmp_path / "again.vkc", header, records)
    again = vkc.read(tmp_path / "again.vkc")
    assert again.header == header and again.records.tobytes() == records.tobytes()


@pytest.mark.parametrize("extra", ["fold", "segments", "nonsense"])
def test_a_key_that_version_1_does_not_know_is_refused_in_it(tmp_path, extra):
    path = tmp_path / "c.vkc"
    path.write_bytes(file_of_version_1({**HEADER_1, extra: 1}, records_of_layout_1()))
    with pytest.raises(CaptureError, match=extra):
        vkc.read(path)


def test_a_written_file_is_what_the_document_says(tmp_path, small_blocks):
    path, records = tmp_path / "c.vkc", some_records(20)
    vkc.write(path, {**HEADER, "fold": True}, records)
    data = path.read_bytes()
    assert data[:8] == bytes.fromhex("56 4b 43 41 50 00 00 02")
    (length,) = struct.unpack_from("<I", data, 8)
    at = 12 + length
    assert struct.unpack_from("<I", data, at)[0] == zlib.crc32(data[:at]) and (at + 4) % 32 == 0
    header = json.loads(data[12:at])
    assert header["fold"] is True and header["levels"]["ltssm"] == {"bit": 7, "width": 6}
    assert header["taps"]["MARK"] == {"number": 11, "kind": "MARK"} and header["fields"]["aux"] == [10, 2]
    at += 4
    for index, count in enumerate((8, 8, 4)):
        tag, number, n, crc, first, last = struct.unpack_from("<4sIIIQQ", data, at)
        end = at + 32 + 32 * count
        assert (tag, number, n) == (b"BLK2", index, count)
        assert crc == zlib.crc32(data[at : at + 12] + data[at + 16 : end])
        piece = records[8 * index : 8 * index + count]
        assert data[at + 32 : end] == piece.tobytes()
        assert (first, last) == (piece["timestamp"][0], piece["timestamp"][-1])
        at = end
    tag, blocks, count, crc = struct.unpack_from("<4sIQI", data, at)
    assert (tag, blocks, count, crc) == (b"END2", 3, 20, zlib.crc32(data[at : at + 16]))
    assert at + 20 == len(data)


# ---- open files --------------------------------------------------


def ascending(count):
    records = some_records(count)
    records = records.copy()
    records["timestamp"] = np.arange(count) * 10
    return records


def test_an_open_file_gives_its_records_block_by_block_without_copies(tmp_path, small_blocks):
    path, records = tmp_path / "c.vkc", ascending(20)
    vkc.write(path, HEADER, records)
    with vkc.open(path) as file:
        assert len(file) == 20 and file.starts.tolist() == [0, 8, 16, 20] and file.version == 2
        assert file.block_times.tolist() == [[0, 70], [80, 150], [160, 190]]
        blocks = list(file.blocks())
        assert all(not block.flags.owndata and not block.flags.writeable for block in blocks)
        assert np.concatenate(blocks).tobytes() == records.tobytes() == file.records.tobytes()
        near = [(start, len(block)) for start, block in file.blocks_between(75, 165)]
        assert near == [(8, 8), (16, 4)]
        assert [start for start, _ in file.blocks_between(70, 80)] == [0, 8]
        assert list(file.blocks_between(191, 500)) == [] and len(list(file.blocks_between(-9, 1 << 70))) == 3
    assert blocks[1].tobytes() == records[8:16].tobytes()  # a view outlives the file's closing
    memory = vkc.Capture(file.header, records)
    assert [block.tobytes() for block in memory.blocks()] == [block.tobytes() for block in blocks]
    assert memory.starts.tolist() == file.starts.tolist()
    assert memory.block_times.tolist() == file.block_times.tolist()


def test_an_open_file_checks_each_block_when_it_is_looked_at(tmp_path, small_blocks):
    path = tmp_path / "c.vkc"
    vkc.write(path, HEADER, ascending(24))
    data = bytearray(path.read_bytes())
    second = [m.start() for m in re.finditer(b"BLK2", data)][1]
    data[second + 40] ^= 1
    path.write_bytes(data)
    with vkc.open(path) as file:
        assert len(file.block(0)) == 8 and len(file.block(2)) == 8
        with pytest.raises(CaptureError, match=r"block 1: the CRC is wrong \(at byte"):
            file.block(1)
        blocks = file.blocks()
        next(blocks)
        with pytest.raises(CaptureError) as caught:
            next(blocks)
        assert caught.value.block == 1 and caught.value.offset == second


def test_a_head_whose_times_are_not_those_of_its_records_is_refused(tmp_path, small_blocks):
    """As a forger could write it, with a right CRC: a search by time would be led past the block."""
    path = tmp_path / "c.vkc"
    vkc.write(path, HEADER, ascending(24))
    data = bytearray(path.read_bytes())
    at = [m.start() for m in re.finditer(b"BLK2", data)][1]
    struct.pack_into("<Q", data, at + 16, 5)
    struct.pack_into("<I", data, at + 12, zlib.crc32(data[at : at + 12] + data[at + 16 : at + 32 + 8 * 32]))
    path.write_bytes(data)
    with pytest.raises(CaptureError, match="block 1: the first and last timestamp"):
        vkc.read(path)


@given(st.data())
@settings(max_examples=300, deadline=None)
def test_any_damage_is_named_and_leaves_all_other_blocks_readable(tmp_path_factory, data):
    path = tmp_path_factory.mktemp("damage") / "c.vkc"
    records = ascending(40)
    old = data.draw(st.booleans())
    if old:
        plain = {**HEADER_1}
        path.write_bytes(file_of_version_1(plain, records))
    else:
        saved, vkc.BLOCK_RECORDS = vkc.BLOCK_RECORDS, 8
        try:
            vkc.write(path, HEADER, records)
        finally:
            vkc.BLOCK_RECORDS = saved
    whole = path.read_bytes()
    with vkc.open(path) as file:
        head, good = (16 if old else 32), [block.tobytes() for block in file.blocks()]
        spans = [(place.offset, place.offset + head + 8 * 32) for place in file._places]
    what = data.draw(st.sampled_from(["change", "cut", "remove"]))
    start = data.draw(st.integers(0, len(whole) - 1))
    stop = data.draw(st.integers(start + 1, min(start + 600, len(whole))))
    if what == "change":
        noise = bytes(byte ^ 0x5A for byte in whole[start:stop])
        damaged, hurt = whole[:start] + noise + whole[stop:], (start, stop)
    elif what == "cut":
        damaged, hurt = whole[:start], (start, len(whole))
    else:
        damaged, hurt = whole[:start] + whole[stop:], (start, stop)
    path.write_bytes(damaged)
    with pytest.raises(CaptureError, match=re.escape(str(path))):
        vkc.read(path)
    salvaged = vkc.salvage(path)
    untouched = [i for i, (first, last) in enumerate(spans) if last <= hurt[0] or first >= hurt[1]]
    assert salvaged.errors and all("at byte" in str(error) for error in salvaged.errors)
    found = {block.index: block.records.tobytes() for block in salvaged.blocks}
    assert sorted(found) == untouched
    assert all(found[index] == good[index] for index in untouched)


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"segments": [{"first": 3, "count": 1, "armed": 0, "trigger": 0}]}, "begins at record 3"),
        ({"qualify": {"taps": ["CQ", "NOWHERE"]}}, "NOWHERE is no tap"),
        ({"fold": "perhaps"}, "fold"),
        ({"surprise": 1}, "surprise"),
    ],
)
def test_a_header_that_contradicts_itself_is_refused(change, problem):
    with pytest.raises(ValueError, match=problem):
        vkc.CaptureHeader.model_validate({**HEADER, **change})


def test_memory_in_use_does_not_grow_with_the_file(tmp_path):
    """Resident memory of a process that looks at every block, of a small file and of one 16 times as large."""
    code = (
        "import resource, sys\nfrom vkbench.capture import vkc\n"
        "with vkc.open(sys.argv[1]) as file:\n"
        "    assert sum(int(block['aux'].max()) for block in file.blocks()) >= 0\n"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)"
    )
    peaks = []
    for records in (100_000, 3_000_000):
        path = tmp_path / f"{records}.vkc"
        with vkc.Writer(path, HEADER) as writer:
            for _ in range(records // 100_000):
                writer.append(ascending(100_000))
        run = subprocess.run([sys.executable, "-c", code, path], capture_output=True, text=True, check=True)
        peaks.append(int(run.stdout))
    assert peaks[1] - peaks[0] < 24 * 1024, peaks  # the larger file has 92 MB


def test_the_document_shows_the_layout_as_it_is():
    text = DOCUMENT.read_text()
    for name, offset, width in layout.FIELDS:
        assert re.search(rf"^\| {offset} \| {width} \| `{name}` \|", text, re.M), name
    for enum in (layout.Kind, layout.Flag, layout.Reset, layout.GateCause, layout.TriggerSource, layout.Tap):
        for member in enum:
            assert re.search(rf"\b{int(member)} {member.name}\b", text), f"{enum.__name__}.{member.name}"
    for member in layout.StatClass:
        assert f"`{member.name}`" in text
    for name, bit, width in layout.LEVELS:
        assert f"`{name}`" in text
        line = next(line for line in text.splitlines() if line.startswith("| `") and f"`{name}`" in line)
        assert str(bit) in re.split(r"\W+", line) and (width == 1 or f"{bit + width - 1}:{bit}" in line), name
    for key in vkc.CaptureHeader.model_fields:
        assert f"`{key}`" in text, key
    for number in (layout.RUN_GAP_CYCLES, layout.RUN_SPAN_CYCLES, layout.FOLDED_MAX, vkc.BLOCK_RECORDS):
        assert re.search(rf"\b{number}\b", text), number
    assert f"layout version {layout.LAYOUT_VERSION}" in text and f"file version {vkc.VERSION}" in text
    assert str(layout.RECORD_BYTES) in text

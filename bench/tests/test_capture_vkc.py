# SPDX-License-Identifier: Apache-2.0
"""The capture file: what is written is read back; any damage is an error that names the place."""

import random
import re
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from synthetic_run import post_notifiers

from vkbench.capture import layout, vkc
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
    starts = [m.start() for m in re.finditer(b"BLK0", data)]
    rng = random.Random(7)
    for position in range(len(data)):
        changed = bytearray(data)
        changed[position] ^= 1 << rng.randrange(8)
        path.write_bytes(changed)
        with pytest.raises(CaptureError) as caught:
            vkc.read(path)
        if starts[0] + 16 <= position < starts[1]:
            assert caught.value.block == 0 and "block 0" in str(caught.value)
        if starts[2] + 16 <= position < starts[2] + 16 + 4 * 32:
            assert caught.value.block == 2


def test_a_file_cut_anywhere_is_an_error_and_its_whole_blocks_can_be_saved(tmp_path, small_blocks):
    path = tmp_path / "c.vkc"
    records = some_records(20)
    vkc.write(path, HEADER, records)
    data = path.read_bytes()
    ends = [m.start() + 16 + 8 * 32 for m in re.finditer(b"BLK0", data)][:2] + [len(data) - 20]
    edges = {at + step for at in ends for step in (-17, -1, 0, 1, 15, 16)}
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
    starts = [m.start() for m in re.finditer(b"BLK0", data)]
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
    first, second, third = (m.start() for m in re.finditer(b"BLK0", data))
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
    ("key", "value"), [("version", 2), ("layout_version", 99), ("format", "other"), ("clock_hz", 0)]
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


def test_the_document_shows_the_layout_as_it_is():
    text = DOCUMENT.read_text()
    for name, offset, width in layout.FIELDS:
        assert re.search(rf"^\| {offset} \| {width} \| `{name}` \|", text, re.M), name
    for enum in (layout.Kind, layout.Flag, layout.Reset, layout.GateCause, layout.TriggerSource, layout.Tap):
        for member in enum:
            assert re.search(rf"\b{int(member)} {member.name}\b", text), f"{enum.__name__}.{member.name}"
    for member in layout.StatClass:
        assert f"`{member.name}`" in text
    assert f"layout version {layout.LAYOUT_VERSION}" in text
    assert str(layout.RECORD_BYTES) in text

# SPDX-License-Identifier: Apache-2.0
"""docs/scpi.md and the firmware have the same commands, errors, taps and statistics classes."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest

FIRMWARE = Path(__file__).resolve().parents[1]
ROOT = FIRMWARE.parent
DOCS = (ROOT / "docs/scpi.md").read_text()
sys.path.insert(0, str(ROOT / "bench/capture"))
import layout  # noqa: E402


def in_firmware() -> dict[str, tuple[int, int]]:
    """Headers of the command tables, with the least and the greatest number of their parameters."""
    found = {}
    for name in ("analyser/commands.c", "lib/scpi.h"):
        rows = re.findall(r'\{"([*A-Z][^"]*)", \w+, (\d+), (\w+)\}', (FIRMWARE / name).read_text())
        for header, least, greatest in rows:
            assert header not in found, f"{header} is there twice"
            found[header] = (int(least), len(layout.Tap) if greatest == "TAP_COUNT" else int(greatest))
    return found


def documented() -> dict[str, str]:
    """Headers in the first column of the tables, each with what the column says about its parameters."""
    found: dict[str, str] = {}
    for line in DOCS.splitlines():
        cell = re.match(r"\| ((?:`[^`]*`(?:, | or )?)+) \|", line.replace(r"\|", "¦"))
        if not cell or not re.match(r"`[*A-Z]", cell[1]):
            continue
        spans = re.findall(r"`([^`]*)`", cell[1])
        header, _, parameters = spans[0].partition(" ")
        if not re.search(r"[:*]|^MARK", header) or "_" in header:
            continue  # a tap, a register
        # An optional parameter begins with its bracket right behind the last one: MARK <n>[,"name"].
        names = [header.replace("[", "").replace("]", "")]
        if "[" in header:
            names.append(re.sub(r"\[.*?\]", "", header))
        for name in names:
            name = re.sub(r"<1\.\.(\d)>", r"<\1>", name)
            found[name] = " or ".join([parameters, *(span for span in spans[1:] if span != "?")])
            if "?" in spans[1:]:
                found[f"{name}?"] = ""
    return found


def test_every_command_is_documented_and_every_documented_one_exists():
    firmware, docs = set(in_firmware()), set(documented())
    assert len(firmware) > 110
    assert firmware - docs == set(), "not documented"
    assert docs - firmware == set(), "documented, but not there"


def parameters(text: str) -> set[int]:
    """How many parameters the forms of a command have."""
    counts = set()
    for form in text.split(" or ") if text else [""]:
        if re.fullmatch(r"[A-Z]+", form):
            counts.add(1)
            continue
        optional = len(re.findall(r"\[,", form))
        fixed = 0 if not form else form.count(",") - optional + 1
        if "{,<tap>}" in form:
            counts |= {1, len(layout.Tap)}
        else:
            counts |= {fixed, fixed + optional}
            if re.search(r"¦ANY$", form) and "," in form:
                counts.add(1)
    return counts


@pytest.mark.parametrize(("header", "limits"), in_firmware().items())
def test_the_number_of_parameters_is_the_documented_one(header: str, limits: tuple[int, int]):
    if header in ("CAPTure:SEGMents?", "CAPTure:SEGMent?"):
        limits = (0, 0) if "SEGMents" in header else (1, 1)  # either, by its parameter
    counts = parameters(documented()[header])
    assert (min(counts), max(counts)) == limits, documented()[header]


def test_every_error_is_documented():
    codes = set(re.findall(r"= (-\d+)", (FIRMWARE / "lib/scpi.h").read_text()))
    table = set(re.findall(r"-\d{3}", DOCS.partition("## Errors")[2].partition("## Taps")[0]))
    assert codes == table and len(codes) > 15


def test_taps_and_classes_are_documented():
    taps = re.findall(r"^\| (\d+) \| `(\w+)` \|", DOCS, re.M)
    assert [(int(number), name) for number, name in taps] == [(tap, tap.name) for tap in layout.Tap]
    classes = DOCS.partition("Classes: ")[2].partition("## INPut")[0]
    assert set(re.findall(r"`(\w+)`", classes)) == {one.name for one in layout.StatClass}


def test_limits_are_documented():
    size = int(re.search(r"SCPI_LINE_SIZE (\d+)", (FIRMWARE / "lib/scpi.h").read_text())[1])
    queue = int(re.search(r"SCPI_ERRORS_MAX (\d+)", (FIRMWARE / "lib/scpi.h").read_text())[1])
    assert f"at most {size - 1} bytes" in DOCS and f"{queue} errors are kept" in DOCS
    assert f"<0..{layout.TRIGGER_TEXT_MAX} bytes>" in DOCS and f"<0..{layout.MARK_NAME_BYTES} bytes>" in DOCS

# SPDX-License-Identifier: Apache-2.0
"""The table of resets, what a ready card must hold, and the two programs that look at it and ring it."""

import json
import re
import subprocess
from pathlib import Path

import pytest

from vkbench import errors
from vkbench.capture.layout import Reset as ResetRecordKind
from vkbench.capture.reset_timeline import NAMES
from vkbench.server.reset import parse_regs, transfer_of
from vkbench.server.resets import RESETS
from vkbench.server.scenario import SCENARIOS
from vkbench.verdict import card_registers, reset_values

ROOT = Path(__file__).resolve().parents[2]


# ---- one place for each fact ---------------------------------------------------------------------------------------------


def test_the_list_of_registers_is_that_of_the_register_maps() -> None:
    pytest.importorskip("peakrdl_regblock", reason="the sim extra is not installed")
    from vkbench.verdict import card_registers_source

    found = list(card_registers_source.registers())
    assert tuple((b, o, n, r) for b, o, n, r, readable in found if readable) == card_registers.READABLE
    assert tuple((b, o, n) for b, o, n, _, readable in found if not readable) == card_registers.WRITE_ONLY


@pytest.mark.parametrize(
    ("file", "name", "value"),
    [
        ("boot.h", "BOOT_BOOT2_RUNNING", reset_values.BOOT2_RUNNING),
        ("card_map.h", "FWSTS_READY", reset_values.FWSTS_READY),
        ("card_map.h", "FWSTS_REASON_LSB", reset_values.FWSTS_REASON_LSB),
        ("card_map.h", "QUEUE_MARKER", reset_values.QUEUE_MARKER),
        ("card_map.h", "INTERFACE_VERSION", reset_values.INTERFACE_VERSION),
        ("card_map.h", "QUEUE_DESCRIPTORS", reset_values.QUEUE_TABLE),
        ("card_map.h", "QUEUE_DESCRIPTOR_BYTES", reset_values.DESCRIPTOR_BYTES),
        ("card_map.h", "QUEUE_RD_IDX", reset_values.READ_INDEX),
        ("card_map.h", "QUEUE_WR_IDX", reset_values.WRITE_INDEX),
    ],
)
def test_what_a_ready_card_holds_is_what_its_firmware_writes(file: str, name: str, value: int) -> None:
    text = (ROOT / "firmware" / "card" / file).read_text()
    found = re.search(rf"#define {name} (0x[0-9a-f]+|\d+)u", text)
    assert found and int(found[1], 0) == value


def test_reasons_are_those_of_the_card() -> None:
    text = (ROOT / "rtl" / "vk" / "vk_pkg.sv").read_text()
    reasons = {name: int(value) for name, value in re.findall(r"Reason(\w+)\s*= 4'd(\d+)", text)}
    assert reasons == {"Power": 0, "Doorbell": 1, "Flr": 4}
    assert {RESETS[name].reason for name in ("warm", "power-cycle", "bus")} == {reasons["Power"]}
    assert {RESETS[name].reason for name in ("flr", "panic-stock")} == {reasons["Flr"]}
    assert {RESETS[name].reason for name in ("doorbell-hard", "ioctl", "rebind")} == {reasons["Doorbell"]}


# ---- the table -----------------------------------------------------------------------------------------------------------


def test_every_scenario_has_its_row_and_every_row_a_scenario() -> None:
    used = {scenario.reset for scenario in SCENARIOS.values() if scenario.kind == "reset"}
    assert used == set(RESETS)
    assert all(name == row.name for name, row in RESETS.items())


@pytest.mark.parametrize("row", RESETS.values(), ids=RESETS)
def test_a_row_is_whole(row) -> None:
    words = {"slot": "0000:01:00.0", "exercise": "vk-exercise", "ring": "vkring", "module": "bcm_vk"}
    for command in (*row.commands, *row.probe):
        assert "{" not in command.format(**words)
    assert bool(row.commands) == (row.by == "server"), "either commands, or the BMC does it"
    assert set(row.shows) <= set(NAMES) and not all(name.startswith("BME_") for name in row.shows)
    assert all(
        name in ResetRecordKind.__members__ or name.startswith(("DOORBELL_", "BME_")) for name in row.shows
    )
    assert row.expectation().reason == row.reason


def test_the_document_names_every_reset_and_every_rule() -> None:
    text = (ROOT / "docs" / "resets.md").read_text()
    for name, scenario in SCENARIOS.items():
        if scenario.kind == "reset":
            assert f"`{name.removesuffix('-notified')}" in text, name
    for number in range(1, 10):
        assert f"VKB-RESET-{number:03}" in text


# ---- what the server says ------------------------------------------------------------------------------------------------

LINES = """\
{"config":{"0x0":1585911012,"0x4":1049863},"size":4096}
[   12.345678] bcm-vk 0000:01:00.0: a kernel message between them
{"bars":[{"bar":0,"start":"0xfe600000","end":"0xfe60ffff","flags":"0x140204"}]}
{"bar":0,"registers":{"0x400":0,"0x404":1048582}}
{"bar":0,"registers":{"0x41c":1020}}
{"done":true}
"""


def test_the_lines_of_vkregs_are_put_together() -> None:
    found = parse_regs(LINES)
    assert found["config"] == {0: 0x5E8714E4, 4: 0x100507} and found["config_bytes"] == 4096
    assert found["registers"] == {0: {0x400: 0, 0x404: 0x100006, 0x41C: 0x3FC}} and found["refused"] == ""


@pytest.mark.parametrize("gone", ["config", "bars", "done"])
def test_a_line_that_is_missing_is_no_state(gone: str) -> None:
    with pytest.raises(ValueError):
        parse_regs("\n".join(line for line in LINES.splitlines() if f'"{gone}"' not in line))


def test_a_damaged_line_is_no_state() -> None:
    with pytest.raises(ValueError):
        parse_regs(LINES.replace('"0x4":1049863}', '"0x4":10[    3.1] x'))


def test_what_vkregs_refuses_is_said() -> None:
    with pytest.raises(errors.CommandFailed, match="cannot open"):
        parse_regs('{"error":"cannot open /sys/x: No such file or directory"}')
    refused = LINES.replace('"registers":{"0x41c":1020}', '"refused":"Invalid argument"')
    assert parse_regs(refused)["refused"] == "Invalid argument"


def test_a_transfer_counts_both_ways() -> None:
    said = "vk-exercise: ok upload planes=1\nvk-exercise: ok download planes=1\nvk-exercise: done steps=2 failed=0 bytes=20 us=3 seed=1"
    found = transfer_of("after", "vk-exercise transfer", said)
    assert (found.steps, found.failed, found.bytes, found.uploads, found.downloads) == (2, 0, 20, 1, 1)
    broken = transfer_of("after", "vk-exercise transfer", "vk-exercise: ok upload planes=1\n")
    assert (broken.steps, broken.failed) == (0, 1)


# ---- the programs --------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def vkregs(tmp_path_factory) -> Path:
    program = tmp_path_factory.mktemp("vkregs") / "vkregs"
    options = ["-std=gnu11", "-O2", "-Wall", "-Wextra", "-Werror", "-o", str(program)]
    subprocess.run(["gcc", *options, str(ROOT / "fixtures/server/vkregs.c")], check=True)
    return program


@pytest.fixture
def slot(tmp_path: Path) -> Path:
    """A folder like that of a PCI device; its BARs are files whose dwords are their own offsets."""
    folder = tmp_path / "0000:01:00.0"
    folder.mkdir()
    (folder / "config").write_bytes((0x5E8714E4).to_bytes(4, "little") + bytes(252))
    (folder / "resource").write_text(
        "0x00000000fe600000 0x00000000fe60ffff 0x0000000000140204\n"
        + "0x0000000000000000 0x0000000000000000 0x0000000000000000\n" * 5
    )
    dwords = range(0, 0x9000, 4)
    (folder / "resource2").write_bytes(b"".join(at.to_bytes(4, "little") for at in dwords))
    (folder / "resource0").mkdir()  # can be opened, but not mapped
    return folder


def run_vkregs(program: Path, slot: Path, *words: str) -> subprocess.CompletedProcess[str]:
    command = [str(program), "--sysfs", str(slot.parent), slot.name, *words]
    return subprocess.run(command, capture_output=True, text=True, timeout=10, check=False)


def test_vkregs_reads_what_it_is_told(vkregs: Path, slot: Path) -> None:
    before = (slot / "resource2").read_bytes()
    words = ",".join(piece for piece in reset_values.reading_list().split(",") if piece.startswith("2:"))
    found = parse_regs(run_vkregs(vkregs, slot, words).stdout)
    assert found["config"] == {0: 0x5E8714E4} and found["config_bytes"] == 256
    assert found["bars"] == [{"bar": 0, "start": "0xfe600000", "end": "0xfe60ffff", "flags": "0x140204"}]
    held = found["registers"][2]
    assert all(value == at for at, value in held.items())
    assert set(held) >= {0x60C0, 0x61F8, *reset_values.indices()}
    assert not {0x6204, 0x61FC} & set(held), "nothing beside the list is read"
    assert (slot / "resource2").read_bytes() == before


def test_vkregs_says_when_the_kernel_refuses(vkregs: Path, slot: Path) -> None:
    done = run_vkregs(vkregs, slot, "0:0x404,2:0x60c0")
    assert done.returncode == 0 and parse_regs(done.stdout)["registers"] == {2: {0x60C0: 0x60C0}}
    assert parse_regs(run_vkregs(vkregs, slot, "0:0x404").stdout)["refused"]


@pytest.mark.parametrize("words", ["2:0x8ffc+8", "2:0x402", "7:0x400", "2", "2:x", "2:0x400+2", "2:0x400;1"])
def test_vkregs_refuses_what_makes_no_sense(vkregs: Path, slot: Path, words: str) -> None:
    done = run_vkregs(vkregs, slot, words)
    assert done.returncode == 1 and "error" in json.loads(done.stdout.splitlines()[-1])


def test_vkring_takes_an_offset_and_a_value(tmp_path: Path) -> None:
    program = tmp_path / "vkring"
    subprocess.run(
        ["gcc", "-std=gnu11", "-Wall", "-Werror", "-o", str(program), str(ROOT / "fixtures/server/vkring.c")],
        check=True,
    )
    for words in ((), ("x", "0x49d", "1"), ("x", "0x49c", "0x100000000"), ("no:such.slot", "0x49c", "1")):
        done = subprocess.run([str(program), *words], capture_output=True, text=True, timeout=10, check=False)
        assert done.returncode == 1 and json.loads(done.stdout)["error"]

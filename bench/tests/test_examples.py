# SPDX-License-Identifier: Apache-2.0
"""docs/examples against the analyser's own firmware, over TCP and over a serial port (the hardware below is a mock)."""

import csv
import shutil
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from instrument_peers import Firmware, firmware_program  # noqa: F401  (a fixture)

from vkbench.capture import records as rec
from vkbench.capture import vkc
from vkbench.capture.layout import Kind

EXAMPLES = Path(__file__).resolve().parents[2] / "docs/examples"
TEXT = 'Kernel "panic"'
PROGRAM = (
    ':TRIG:CLE;:TRIG:SOUR CONS;:TRIG:TEXT1 "Kernel ""panic""";:TRIG:TERM1:SOUR TEXT1;:TRIG:STEP1 1,1,FIRE'
)
DEPTH = 1024


@pytest.fixture(params=["tcp", "serial"])
def firmware(firmware_program, request):  # noqa: F811
    with Firmware(firmware_program) as running:
        yield running.on_tcp() if request.param == "tcp" else running.on_serial()


@pytest.fixture
def tcp(firmware_program):  # noqa: F811
    with Firmware(firmware_program) as running:
        yield running.on_tcp()


def capture(firmware: Firmware, command: list[str], segments: int = 1) -> str:
    """Runs an example until it says that it is armed, lets the trigger fire, and returns what it printed."""
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as run:
        watchdog = threading.Timer(60, run.kill)
        watchdog.start()
        said = ""
        for line in run.stdout:
            said += line
            if line.startswith("armed:"):
                for _ in range(segments):
                    firmware.drive("fire 1")
                    firmware.drive("fill")
        watchdog.cancel()
    assert run.returncode == 0, said
    return said


def check_records(raw: bytes) -> None:
    records = rec.from_bytes(raw)
    assert len(records) == DEPTH and list(records["kind"][:3]) == [Kind.LEVEL, Kind.CFG, Kind.TRIGGER]
    assert b"\n" in raw, "newlines in a block are data"


def test_pyvisa(firmware, tmp_path):
    out = tmp_path / "records.bin"
    said = capture(firmware, [sys.executable, EXAMPLES / "pyvisa_capture.py", firmware.resource, TEXT, out])
    assert f"armed: {PROGRAM}" in said and f"{DEPTH} records, 0 events lost" in said
    check_records(out.read_bytes())


@pytest.mark.parametrize("by", ["nc", "bash"])
def test_plain_nc(tcp, tmp_path, by):
    assert shutil.which("nc"), "fixtures/host/setup.sh --test installs nc"
    tools = tmp_path / "bin"
    tools.mkdir()
    for tool in ("bash", "dd", "sed", "sleep", *(["nc"] if by == "nc" else [])):
        (tools / tool).symlink_to(shutil.which(tool))
    out = tmp_path / "records.bin"
    command = ["env", f"PATH={tools}", str(EXAMPLES / "nc.sh"), "127.0.0.1", str(tcp.port), TEXT, str(out)]
    said = capture(tcp, command)
    assert f"armed: {PROGRAM}" in said and f"{DEPTH} records" in said
    check_records(out.read_bytes())


def sigrok_style(firmware, *more: str) -> list[str]:
    device = f"serial:{firmware.device}" if "ASRL" in firmware.resource else f"tcp/127.0.0.1/{firmware.port}"
    # -S, -I: what is installed beside Python does not count.
    return [sys.executable, "-I", "-S", str(EXAMPLES / "sigrok_style.py"), "-d", device, *map(str, more)]


def test_sigrok_style_vkc(firmware, tmp_path):
    out = tmp_path / "panic.vkc"
    capture(firmware, sigrok_style(firmware, "-t", f"console={TEXT}", "-o", out))
    with vkc.open(out) as file:
        assert len(file) == DEPTH
        assert (file.header.trigger.source, file.header.trigger.text) == ("CONSOLE", TEXT)
        assert file.header.trigger.program == PROGRAM and file.header.fold
        assert [(one.first, one.count) for one in file.header.segments] == [(0, DEPTH)]
        check_records(b"".join(block.tobytes() for block in file.blocks()))


def test_sigrok_style_csv_in_segments_by_a_program(firmware, tmp_path):
    program, out = tmp_path / "trigger.scpi", tmp_path / "out.csv"
    program.write_text("TRIG:TERM1:SOUR RQ\nTRIG:STEP1 1,5,FIRE\n")
    more = ["-t", f"program={program}", "--segments", "4", "-C", "RQ,RC", "-o", out]
    said = capture(firmware, sigrok_style(firmware, *more), segments=4)
    assert "SOUR SEQ;:TRIG:TERM1:SOUR RQ;:TRIG:STEP1 1,5,FIRE" in said
    with out.open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == DEPTH and sum(row["kind"] == "TRIGGER" for row in rows) == 4
    cycles = [int(row["cycle"]) for row in rows]
    assert cycles == sorted(cycles) and float(rows[-1]["seconds"]) == pytest.approx(cycles[-1] / 2.5e6)


def test_sigrok_style_names_what_is_refused(tcp, tmp_path):
    command = sigrok_style(tcp, "-t", "console=", "-o", tmp_path / "x.vkc")
    run = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert run.returncode == 1 and "term 1 waits for text 1, which is empty" in run.stderr


def test_sigrok_style_scans(firmware):
    run = subprocess.run(sigrok_style(firmware, "--scan"), capture_output=True, text=True, timeout=60)
    assert run.stdout.startswith("vkbench,VK-LA1,") and run.returncode == 0

# SPDX-License-Identifier: Apache-2.0
"""The analyser's SCPI tree, compiled for the host with the sanitizers and a mock of its hardware.

VKBENCH_SEED chooses the fuzzer's input (default 1).
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

FIRMWARE = Path(__file__).resolve().parents[1]
ROOT = FIRMWARE.parent
SOURCES = ("analyser/commands.c", "analyser/dut.c", "analyser/self_test.c", "tests/mock_hal.c")
SOURCES += ("lib/scpi.c", "lib/scpi_status.c", "lib/text.c")
FLAGS = ("-std=c11", "-O1", "-g", "-Wall", "-Wextra", "-Werror")
FLAGS += ("-fsanitize=address,undefined", "-fno-sanitize-recover=all")
FUZZ_LINES = 200_000


@pytest.fixture(scope="session")
def program(tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("scpi")
    subprocess.run([sys.executable, ROOT / "rtl/regs/generate.py", "--out", out], check=True)
    sources = [str(FIRMWARE / source) for source in SOURCES]
    includes = [f"-I{FIRMWARE / 'lib'}", f"-I{FIRMWARE / 'analyser'}", f"-I{out / 'c'}"]
    subprocess.run(["cc", *FLAGS, *includes, *sources, "-o", out / "scpi"], check=True)
    return out / "scpi"


def talk(program: Path, *lines: str | bytes) -> list[str]:
    """What the instrument answers to the lines, one entry an answer."""
    raw = b"".join((line if isinstance(line, bytes) else line.encode()) + b"\n" for line in lines)
    run = subprocess.run([program], input=raw, capture_output=True, timeout=60)
    assert run.returncode == 0, run.stderr.decode()
    return run.stdout.decode("latin-1").split("\n")[:-1]


def errors(program: Path, *lines: str | bytes) -> list[int]:
    """All errors that the lines leave in the queue, oldest first."""
    queue = talk(program, *lines, *["SYST:ERR?"] * 20)[-20:]
    return [int(entry.split(",")[0]) for entry in queue if not entry.startswith("0,")]


@pytest.mark.parametrize(
    ("line", "answer"),
    [
        ("*OPC?", "1"),
        ("*opc?", "1"),
        ("SYST:VERS?", "1999.0"),
        ("system:version?", "1999.0"),
        (":SYSTem:VERSion?", "1999.0"),
        ("SYST:ERR?", '0,"No error"'),
        ("SYST:ERR:NEXT?;COUN?", '0,"No error";0'),
        ("SYST:CLOC?;TIME?", "2500000;5"),
        ("SYST:CLOC?;:CAPT:DEPT?;STAT?", "2500000;1024;IDLE"),
        ("SYST:CLOC?;*OPC?;CLOC?", "2500000;1;2500000"),
        ("CAPT:DEPT?;SYST:CLOC?;CAPT:COUN?", "1024;2500000;0"),
        ("  *OPC?  ;; ;*OPC? ", "1;1"),
        ("*OPC?\r", "1"),
        ("TRIG:SOUR console;SOUR?", "CONS"),
        ("TRIG:SOUR DOORbell;SOUR?", "DOOR"),
        ("TRIG:CONS:TEXT 'a;b,c';TEXT?", '"a;b,c"'),
        ("TRIG:CONS:TEXT 'it''s \"x\"';TEXT?", '"it\'s ""x"""'),
        ('TRIG:CONS:TEXT "";TEXT?', '""'),
        ("CAPT:PRET #h1f;PRET?", "31"),
        ("CAPT:PRET +12;PRET?", "12"),
        ("CAPT:LOST?", "4294967296"),
        ("STAT:CLAS? dOorbelL", "8,1,18446744073709551615,10"),
        ("*ESE 255;*ESE?;*SRE 255;*SRE?", "255;191"),
        ("DUT:DMA:STAT ON;STAT?;STAT 0;STAT?;MODE READ;MODE?", "1;0;READ"),
        ("DUT:DMA:PER 4294967295;PER?;LEN 256;LEN?", "4294967295;256"),
        ("DUT:BOOT?;BOOT ROM;BOOT?;BOOT run;BOOT?", "RUN;ROM;RUN"),
        ("DUT:FAUL NONE;FAUL?", "NONE"),
        ("DUT:FAUL:CAT?", "NONE"),
    ],
)
def test_answers(program: Path, line: str, answer: str):
    assert talk(program, line) == [answer]
    assert errors(program, line) == []


@pytest.mark.parametrize(
    ("line", "code"),
    [
        ("FOO", -113),
        ("*FOO?", -113),
        ("SYST", -113),
        ("SYST:", -113),
        ("SYSTE:ERR?", -113),
        ("SYST:ERR", -113),
        ("SYST:ERR??", -113),
        ("CAPT:ARM?", -113),
        ("::SYST:ERR?", -113),
        ("*ESE", -109),
        ("*ESE 1,2", -108),
        ("*CLS 1", -108),
        ("CAPT:DATA? 1,2,3,4,5", -108),
        ("*ESE abc", -104),
        ("*ESE 'abc'", -104),
        ("*ESE 1x", -121),
        ("*ESE #H", -121),
        ("*ESE 256", -222),
        ("*ESE -1", -222),
        ("*ESE 99999999999999999999999999", -222),
        ("CAPT:DATA? 0", -109),
        ("CAPT:DATA? ,1", -102),
        ("CAPT:DATA? 0,1", -222),
        ("CAPT:PRET 1024", -222),
        ("TRIG:SOUR FOO", -224),
        ("TRIG:SOUR IMM", -224),
        ("TRIG:SOUR 1", -104),
        ("TRIG:CONS:TEXT abc", -104),
        ('TRIG:CONS:TEXT "abc', -151),
        ('TRIG:CONS:TEXT "abc"x', -151),
        (f'TRIG:CONS:TEXT "{"x" * 33}"', -223),
        ("TRIG:IMM", -211),
        ("CAPT:ARM", -221),
        ("MARK 1", -221),
        ("STAT:CLAS? FOO", -224),
        ("DUT:DMA:LEN 12", -222),
        ("DUT:DMA:LEN 264", -222),
        ("DUT:DMA:STAT maybe", -224),
        ("DUT:INT 8", -222),
        ("DUT:BOOT RAM", -224),
        ("DUT:ALER 65536", -222),
        ("DUT:FAUL NOSUCH", -224),
        ("DUT:FAUL SLIP", -221),
        ("x" * 256, -363),
        (b"\x00\x01\xff\x80", -113),
    ],
)
def test_errors(program: Path, line: str | bytes, code: int):
    assert errors(program, line) == [code]


def test_the_longest_line_is_taken(program: Path):
    assert talk(program, "*OPC?" + " " * 250) == ["1"]
    assert errors(program, "*OPC?" + " " * 251) == [-363]


def test_full_queue_keeps_the_first_errors(program: Path):
    codes = errors(program, "FOO", *["*ESE"] * 30)
    assert codes == [-113, *[-109] * 14, -350]


def test_status_registers(program: Path):
    assert talk(program, "*ESR?", "*ESR?") == ["128", "0"]
    assert talk(program, "*CLS", "FOO", "CAPT:ARM", "*OPC", "*ESR?") == [str(32 + 16 + 1)]
    assert talk(program, "*CLS;*ESE 32;*SRE 32", "*STB?", "FOO", "*STB?", "*OPC?;*STB?", "*CLS", "*STB?") == [
        "0",
        str(4 + 32 + 64),
        f"1;{4 + 16 + 32 + 64}",
        "0",
    ]


def test_capture_life(program: Path):
    assert talk(
        program,
        "TRIG:SOUR CONS",
        "CAPT:ARM;STAT?",
        "SYST:ERR?",
        "TRIG:CONS:TEXT 'x';:CAPT:ARM;STAT?",
        "CAPT:ARM;:SYST:ERR?",
        "CAPT:DATA? 0,0;:SYST:ERR?",
        "TRIG:IMM;TIME?;:CAPT:STAT?;STOP;STAT?;DATA? 1,2;COUN?",
        "*RST;:TRIG:SOUR?;CONS:TEXT?;:CAPT:STAT?;PRET?",
    ) == [
        "IDLE",
        '-221,"Settings conflict"',
        "ARMED",
        '-213,"Init ignored"',
        '-230,"Data corrupt or stale"',
        f"1;TRIGGERED;DONE;#264{'.' * 64};3",
        'NONE;"";IDLE;512',
    ]


def test_seeded_defects_of_a_test_build(program: Path):
    sys.path.insert(0, str(ROOT / "rtl"))
    from faults import FAULTS

    names = [fault.name for fault in FAULTS]
    assert talk(program, "!built 1", "DUT:FAUL:CAT?") == [",".join(("NONE", *names))]
    lines = [line for name in names for line in (f"DUT:FAUL {name}", "DUT:FAUL?")]
    assert talk(program, "!built 1", *lines, "DUT:FAUL NONE;FAUL?") == [*names, "NONE"]
    assert errors(program, "!built 1", *lines) == []


def test_commands_for_the_card_s_firmware(program: Path):
    wrote = [
        talk(program, line, "!command")
        for line in ("DUT:ALER #H20", "DUT:HANG", "DUT:TRAP", "DUT:HEAR OFF", "DUT:HEAR ON")
    ]
    assert wrote == [["10020"], ["20000"], ["30000"], ["40000"], ["40001"]]


def test_self_test(program: Path):
    assert talk(program, "*TST?", "!blind 5", "*TST?", "CAPT:STAT?") == ["0", "5", "IDLE"]
    assert talk(program, "!state 1", "*TST?;:SYST:ERR?;:CAPT:STAT?") == [
        '32768;-221,"Settings conflict";ARMED'
    ]


def test_dead_lab_bus(program: Path):
    lines = (
        "DUT:STAT?",
        "DUT:DMA:STAT ON",
        "DUT:DMA:PER 1",
        "DUT:BOOT?",
        "DUT:FAUL NONE",
        "DUT:FAUL?",
        "DUT:HANG",
    )
    assert errors(program, "!lab 0", *lines) == [-240] * len(lines)


def test_statistics_of_all_classes(program: Path):
    rows = talk(program, "STAT:ALL?")[0].split(";")
    assert (
        rows[0] == "CQ_WR,0,1,18446744073709551615,10"
        and rows[10].startswith("RESET,10,")
        and len(rows) == 11
    )


def test_fuzz(program: Path):
    seed = os.environ.get("VKBENCH_SEED", "1")
    print("seed", seed)
    run = subprocess.run([program, "fuzz", seed, str(FUZZ_LINES)], capture_output=True, timeout=300)
    assert run.returncode == 0, run.stderr.decode()[-3000:]
    assert run.stdout.endswith(b"1;IDLE\n")

# SPDX-License-Identifier: Apache-2.0
"""The analyser's SCPI tree, compiled for the host with the sanitizers and a mock of its hardware.

VKBENCH_SEED chooses the random lines (default 1). The kept inputs of the fuzzer (firmware/fuzz) are replayed
without it.
"""

from __future__ import annotations

import os
import random
import re
import subprocess
import sys
from pathlib import Path

import pytest

FIRMWARE = Path(__file__).resolve().parents[1]
ROOT = FIRMWARE.parent
sys.path.insert(0, str(FIRMWARE))
import build  # noqa: E402

RANDOM_LINES = 20_000


@pytest.fixture(scope="session")
def generated(tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("gen")
    subprocess.run([sys.executable, ROOT / "rtl/regs/generate.py", "--out", out], check=True)
    return out


@pytest.fixture(scope="session")
def program(generated: Path, tmp_path_factory) -> Path:
    return build.build_host(generated, tmp_path_factory.mktemp("scpi"), "tests/analyser_host.c", "-O1")


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
        ("*OPC?;*IDN?", "1;vkbench,VK-LA1,a0000003a0000002a0000001a0000000,0"),
        ("TRIG:TEXT 'x';TEXT1?;:TRIG:CONS:TEXT?;:TRIG:TEXT2?", '"x";"x";""'),
        ("TRIG:TERM8:SOUR level;SOUR?;:TRIG:TERM8:SOUR TEXT4;SOUR?;:TRIG:TERM:SOUR?", "LEVEL;TEXT4;NONE"),
        ("TRIG:TERM2:CLAS MWR;CLAS?;DW0?;CLAS ANY;DW0?", "MWR;#H40000000,#HDF000000;#H0,#H0"),
        ("TRIG:TERM2:DW0 #H4A000000,#HFF000000;CLAS?;DW0 1,1;CLAS?", "CPLD;OTHER"),
        ("TRIG:TERM2:FLAG 2,3;FLAG?;AUX #HA000,#HE000;AUX?", "#H2,#H3;#HA000,#HE000"),
        ("TRIG:TERM2:DATA 1,#HFFFFFFFF;DATA?", "#H1,#HFFFFFFFF"),
        ("TRIG:TERM2:DATA:RANG 5,5;RANG?", "#H5,#H5"),
        (
            "TRIG:TERM2:ADDR?;ADDR #H1122334455667788,18446744073709551615;ADDR?;ADDR ANY;ADDR?",
            "ANY;#H1122334455667788,#HFFFFFFFFFFFFFFFF;ANY",
        ),
        ("TRIG:TERM2:EDGE ON;EDGE?;CLE;EDGE?", "1;0"),
        ("TRIG:STEP3?;STEP3 8,4294967295,fire;STEP3?", "NONE;8,4294967295,FIRE"),
        ("TRIG:STEP3:BRAN?;BRAN 2,8;BRAN?;BRAN NONE;BRAN?", "NONE;2,8;NONE"),
        ("TRIG:STEP3:TIM?;TIM 9,1;TIM?;TIM NONE;TIM?", "NONE;9,1;NONE"),
        ("TRIG:STEP3:PULS ON;PULS?;CLE;PULS?", "1;0"),
        ("TRIG:SOUR SEQ;SOUR?;CLE;SOUR?;STAT?", "SEQ;NONE;1,0"),
        ("CAPT:SEGM?;SEGM 64;SEGM?;SEGM:COUN?", "1;64;0"),
        ("CAPT:QUAL?;QUAL RQ,cq,RQ;QUAL?;QUAL MARK;QUAL?;QUAL ALL;QUAL?", "ALL;CQ,RQ,MARK;MARK;ALL"),
        ("CAPT:QUAL:TERM?;TERM 8;TERM?;TERM NONE;TERM?", "NONE;8;NONE"),
        ("CAPT:FOLD?;FOLD OFF;FOLD?", "1;0"),
        ("INP:LEV?;CONS:ERR?", "#H2823,#H406;7"),
        ("INP:CONS:BAUD?;BAUD 9600;BAUD?", "115274;9599"),
        ("DIAG:BLIN?;BLIN #HFFF;BLIN?;*RST;BLIN?", "0;4095;0"),
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
        ("CAPT:LOST?", "0"),
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
        ("CAPT:QUAL " + ",".join(["CQ"] * 13), -108),
        ("TRIG:TERM9:SOUR CQ", -114),
        ("TRIG:TERM0:SOUR CQ", -114),
        ("TRIG:TEXT5?", -114),
        ("TRIG:STEP99999999999999999999 1,1,FIRE", -114),
        ("TRIG:TERMX:SOUR CQ", -113),
        ("TRIG:TE1:SOUR CQ", -113),
        ("TRIG:SOUR1 CONS", -113),
        ("TRIG:TERM1:SOUR FOO", -224),
        ("TRIG:TERM1:SOUR TEXT5", -224),
        ("TRIG:TERM1:DW0 2,1", -222),
        ("TRIG:TERM1:AUX 65536,65536", -222),
        ("TRIG:TERM1:FLAG 16,16", -222),
        ("TRIG:TERM1:DATA:RANG 5,4", -222),
        ("TRIG:TERM1:DATA?;:TRIG:TERM1:DATA:RANG?", -221),
        ("TRIG:TERM1:ADDR 5,4", -222),
        ("TRIG:TERM1:ADDR 5", -109),
        ("TRIG:STEP1 1,0,FIRE", -222),
        ("TRIG:STEP1 9,1,FIRE", -222),
        ("TRIG:STEP1 1,1,9", -222),
        ("TRIG:STEP1 1,1,0", -222),
        ("TRIG:STEP1 1,1,LATER", -104),
        ("TRIG:STEP1:BRAN 1", -109),
        ("TRIG:STEP1:TIM 0,FIRE", -222),
        ("CAPT:SEGM 3", -224),
        ("CAPT:SEGM 0", -222),
        ("CAPT:SEGM 128", -222),
        ("CAPT:SEGM? 1", -222),
        ("CAPT:QUAL FOO", -224),
        ("CAPT:QUAL:TERM 9", -222),
        ("INP:CONS:BAUD 0", -222),
        ("INP:CONS:BAUD 1", -222),
        ("INP:CONS:BAUD 4000000", -222),
        ("DIAG:BLIN 4096", -222),
        ('MARK 1,"' + 17 * "x" + '"', -223),
        ("MARK 1,x", -104),
        ("*IDN?;*OPC?", -440),
        ("TRIG:PROG?;*OPC?", -440),
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
        ("x" * 2560, -363),
        ("x" * 100_000, -363),
        (b"\x00\x01\xff\x80", -113),
        (random.Random(1).randbytes(100_000).replace(b"\n", b"").replace(b"\x03", b""), -363),
    ],
)
def test_errors(program: Path, line: str | bytes, code: int):
    assert errors(program, line) == [code]


def test_the_longest_line_is_taken(program: Path):
    assert talk(program, "*OPC?" + " " * 2554) == ["1"]
    assert errors(program, "*OPC?" + " " * 2555) == [-363]


def test_after_a_line_that_is_too_long_the_next_one_works(program: Path):
    assert talk(program, "*OPC?;" * 20_000, "*OPC?", "SYST:ERR?;ERR:COUN?") == [
        "1",
        '-363,"Input buffer overrun";0',
    ]


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
    assert talk(program, "*CLS", "*IDN?;*OPC?", "*ESR?")[1] == "4", "a query error"


def test_operation_and_questionable_registers(program: Path):
    """Waiting 32, measuring 16, done 256; lost 512, blind 1024. Events stay until they are read."""
    lines = [
        "STAT:OPER:COND?;EVEN?",
        "STAT:OPER:ENAB 65535;ENAB?;:STAT:QUES:ENAB 512;ENAB?;:*SRE 136",
        "TRIG:SOUR FLR;:CAPT:ARM;:STAT:OPER:COND?;:*STB?;:STAT:OPER?;OPER?",
        "!fire 1",
        "STAT:OPER:COND?;EVEN?",
        "!lose 3",
        "STAT:QUES:COND?;:*STB?;:STAT:QUES?;QUES?;QUES:COND?",
        "!fill",
        "STAT:OPER:COND?;EVEN?",
        "CAPT:ARM;:STAT:OPER?;QUES:COND?",
        "!fire 1",
        "!fill",
        "STAT:OPER?",
        "DIAG:BLIN 1;:STAT:QUES?;:*CLS;:STAT:QUES?;QUES:COND?;:STAT:PRES;OPER:ENAB?",
    ]
    assert talk(program, *lines) == [
        "0;0",
        "32767;512",
        f"32;{128 + 64 + 16};32;0",
        "16;16",
        f"512;{64 + 16 + 8};512;0;512",
        "256;256",
        "32;0",
        str(16 + 256),
        "1024;0;1024;0",
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
        "TRIG:IMM;TIME?;:CAPT:STAT?;STOP;STAT?;COUN?",
        "*RST;:TRIG:SOUR?;CONS:TEXT?;:CAPT:STAT?;PRET?",
    ) == [
        "IDLE",
        '-221,"Settings conflict;term 1 waits for text 1, which is empty"',
        "ARMED",
        '-213,"Init ignored"',
        '-230,"Data corrupt or stale"',
        "24;TRIGGERED;DONE;3",
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


@pytest.mark.parametrize("blind", [0, 1, 5, 0x800, 0xFFF])
def test_self_test_sees_every_tap_and_finds_the_blind_ones(program: Path, blind: int):
    lines = [f"!blind {blind}", "CAPT:QUAL RQ;FOLD OFF", "*TST?", "CAPT:STAT?;:TRIG:PROG?"]
    assert talk(program, *lines) == [str(blind), "IDLE;:TRIG:CLE;:TRIG:SOUR NONE"]
    assert talk(program, f"DIAG:BLIN {blind};*TST?;:DIAG:BLIN 0;*TST?") == [f"{blind};0"]


def test_self_test_spares_a_capture(program: Path):
    assert talk(program, "TRIG:SOUR FLR;:CAPT:ARM", "*TST?;:SYST:ERR?;:CAPT:STAT?") == [
        '32768;-221,"Settings conflict;a capture is recording";ARMED'
    ]


PROGRAM = """
TRIG:SOUR SEQ
TRIG:TEXT1 "Kernel panic"
TRIG:TEXT4 "it's ""x"" ok"
TRIG:TERM1:SOUR CQ;CLAS MWR;FLAG 2,2;AUX 0,#HE000
TRIG:TERM2:SOUR RQ;ADDR #H100000000,#H1FFFFFFFF;DATA:RANG 3,9
TRIG:TERM3:SOUR LEVEL;EDGE ON;DATA 1,1
TRIG:TERM4:SOUR TEXT4
TRIG:TERM8:SOUR TEXT1
TRIG:STEP1 1,2,2
TRIG:STEP2 2,4294967295,8
TRIG:STEP2:BRAN 3,1;TIM 1000,8;PULS ON
TRIG:STEP8 8,1,FIRE
TRIG:STEP8:BRAN 4,FIRE
""".strip().splitlines()
READ_BACK = (
    ':TRIG:CLE;:TRIG:SOUR SEQ;:TRIG:TEXT1 "Kernel panic";:TRIG:TEXT4 "it\'s ""x"" ok";'
    ":TRIG:TERM1:SOUR CQ;DW0 #H40000000,#HDF000000;FLAG #H2,#H2;AUX #H0,#HE000;"
    ":TRIG:TERM2:SOUR RQ;ADDR #H100000000,#H1FFFFFFFF;DATA:RANG #H3,#H9;"
    ":TRIG:TERM3:SOUR LEVEL;EDGE ON;DATA #H1,#H1;:TRIG:TERM4:SOUR TEXT4;:TRIG:TERM8:SOUR TEXT1;"
    ":TRIG:STEP1 1,2,2;:TRIG:STEP2 2,4294967295,8;:TRIG:STEP2:BRAN 3,1;TIM 1000,8;PULS ON;"
    ":TRIG:STEP8 8,1,FIRE;:TRIG:STEP8:BRAN 4,FIRE"
)


def test_the_program_is_read_back_from_the_hardware_and_can_be_sent_again(program: Path):
    assert talk(program, *PROGRAM, "TRIG:PROG?") == [":TRIG:CLE;:TRIG:SOUR NONE"], (
        "nothing is there before arm"
    )
    assert errors(program, *PROGRAM, "CAPT:ARM") == []
    assert talk(program, *PROGRAM, "CAPT:ARM", "TRIG:PROG?") == [READ_BACK]
    assert talk(program, READ_BACK, "CAPT:ARM", "TRIG:PROG?") == [READ_BACK]
    assert errors(program, READ_BACK, "CAPT:ARM") == []


def test_the_program_of_the_guide_is_taken(program: Path):
    guide = (ROOT / "docs/analyser.md").read_text()
    lines = guide.split("```")[1].strip().splitlines()
    assert lines[0].startswith("TRIG:TEXT1") and lines[-1].endswith("ARM")
    answers = talk(program, *lines, "CAPT:STAT?;:SYST:ERR?", "TRIG:PROG?")
    assert answers[0] == 'ARMED;0,"No error"'
    assert "STEP3" in answers[1]


def test_the_largest_program_is_one_line(program: Path):
    """What TRIGger:PROGram? answers must fit into a line, or it could not be sent again."""
    lines = ["TRIG:SOUR SEQ"]
    lines += [f"TRIG:TEXT{n} '{32 * chr(34)}'" for n in range(1, 5)]
    big, wide = "#HFFFFFFFF,#HFFFFFFFF", f"#H{'F' * 16},#H{'F' * 16}"
    for n in range(1, 9):
        lines.append(f"TRIG:TERM{n}:SOUR RQ;DW0 {big};FLAG 15,15;AUX 65535,65535;ADDR {wide};DATA {big}")
        lines.append(f"TRIG:STEP{n} {n},4294967295,{n + 1 if n < 8 else 'FIRE'}")
        lines.append(f"TRIG:STEP{n}:BRAN 8,FIRE;TIM 4294967295,FIRE;PULS ON")
    answer = talk(program, *lines, "CAPT:ARM", "TRIG:PROG?")[0]
    assert 2000 < len(answer) < 2560
    assert talk(program, answer, "CAPT:ARM", "TRIG:PROG?") == [answer]


@pytest.mark.parametrize(
    ("setting", "read_back"),
    [
        ("TRIG:SOUR CONS;CONS:TEXT 'ab'", ':TRIG:TEXT1 "ab";:TRIG:TERM1:SOUR TEXT1'),
        ("TRIG:SOUR DOOR", ":TRIG:TERM1:SOUR CQ;FLAG #H2,#H2"),
        ("TRIG:SOUR BME", ":TRIG:TERM1:SOUR CFG;AUX #H0,#H4;DATA #H4,#H4"),
        ("TRIG:SOUR FLR", ":TRIG:TERM1:SOUR RESET;AUX #H3,#HFFFF"),
    ],
)
def test_a_source_with_a_name_is_a_program_of_one_step(program: Path, setting: str, read_back: str):
    answer = talk(program, setting, "TRIG:SOUR?", "CAPT:ARM", "TRIG:PROG?")
    assert answer[1] == f":TRIG:CLE;:TRIG:SOUR {answer[0]};{read_back};:TRIG:STEP1 1,1,FIRE"
    assert talk(program, answer[1], "CAPT:ARM", "TRIG:PROG?") == [answer[1]]


def test_the_qualifying_term_is_loaded_beside_a_source_with_a_name(program: Path):
    lines = ["TRIG:TERM1:SOUR RQ;DATA 1,1", "TRIG:SOUR FLR", "CAPT:QUAL:TERM 1;:CAPT:ARM", "TRIG:PROG?"]
    assert talk(program, *lines) == [
        ":TRIG:CLE;:TRIG:SOUR FLR;:TRIG:TERM1:SOUR RQ;DATA #H1,#H1;:TRIG:TERM2:SOUR RESET;AUX #H3,#HFFFF;"
        ":TRIG:STEP1 2,1,FIRE"
    ]


@pytest.mark.parametrize(
    ("lines", "missing"),
    [
        ([], "TRIGger:SOURce is NONE"),
        (["TRIG:SOUR CONS"], "term 1 waits for text 1, which is empty"),
        (["TRIG:SOUR SEQ"], "step 1 is not defined"),
        (["TRIG:SOUR SEQ", "TRIG:STEP2 1,1,FIRE"], "step 1 is not defined"),
        (["TRIG:SOUR SEQ", "TRIG:STEP1 1,1,FIRE"], "step 1 waits for term 1, which has no source"),
        (["TRIG:SOUR SEQ;TERM1:SOUR CQ", "TRIG:STEP1 1,1,3"], "step 1 goes to step 3, which is not defined"),
        (
            ["TRIG:SOUR SEQ;TERM1:SOUR CQ", "TRIG:STEP1 1,1,FIRE", "TRIG:STEP1:BRAN 1,5"],
            "step 1 goes to step 5, which is not defined",
        ),
        (
            ["TRIG:SOUR SEQ;TERM1:SOUR CQ", "TRIG:STEP1 1,1,FIRE", "TRIG:STEP1:TIM 10,2"],
            "step 1 goes to step 2, which is not defined",
        ),
        (
            ["TRIG:SOUR SEQ;TERM1:SOUR CQ", "TRIG:STEP1 1,1,FIRE", "TRIG:STEP1:BRAN 2,1"],
            "step 1 branches at term 2, which has no source",
        ),
        (
            ["TRIG:SOUR SEQ;TERM1:SOUR CQ", "TRIG:STEP1 1,1,FIRE", "TRIG:STEP2:PULS ON"],
            "step 2 has a branch, time-out or pulse, but waits for no term",
        ),
        (["TRIG:SOUR SEQ;TERM1:SOUR CQ", "TRIG:STEP1 1,1,2;STEP2 1,1,1"], "no way leads to FIRE"),
        (["TRIG:SOUR SEQ;TERM1:SOUR CQ", "TRIG:STEP1 1,1,FIRE;STEP4 1,1,FIRE"], "step 4 is never entered"),
        (
            ["TRIG:SOUR SEQ;TERM1:SOUR TEXT3", "TRIG:STEP1 1,1,FIRE"],
            "term 1 waits for text 3, which is empty",
        ),
        (
            ["TRIG:SOUR SEQ;TERM1:SOUR TEXT1;:TRIG:TERM1:DATA 1,1", "TRIG:TEXT1 'x';STEP1 1,1,FIRE"],
            "term 1 waits for a text and can compare nothing else",
        ),
        (
            ["TRIG:SOUR SEQ;TERM1:SOUR CQ", "TRIG:TERM2:AUX 1,1", "TRIG:STEP1 1,1,FIRE"],
            "term 2 compares something, but has no source",
        ),
        (
            ["TRIG:SOUR SEQ;TERM1:SOUR MSIX;:TRIG:TERM1:CLAS MWR", "TRIG:STEP1 1,1,FIRE"],
            "term 1 compares DW0, which only TLPs have",
        ),
        (
            ["TRIG:SOUR SEQ;TERM1:SOUR RC;:TRIG:TERM1:ADDR 0,1", "TRIG:STEP1 1,1,FIRE"],
            "term 1 has an address window, which is for CQ and RQ",
        ),
        (
            ["TRIG:SOUR SEQ;TERM1:SOUR CQ;:TRIG:TERM1:EDGE ON;DATA 1,1", "TRIG:STEP1 1,1,FIRE"],
            "term 1 waits for an edge, which only LEVEL has",
        ),
        (
            ["TRIG:SOUR SEQ;TERM1:SOUR LEVEL;:TRIG:TERM1:EDGE ON", "TRIG:STEP1 1,1,FIRE"],
            "term 1 waits for an edge of nothing: DATA is not set",
        ),
        (["TRIG:SOUR FLR", "CAPT:QUAL:TERM 4"], "CAPTure:QUALify:TERM is term 4, which has no source"),
        (
            ["TRIG:SOUR FLR;TERM4:SOUR TEXT1", "TRIG:TEXT1 'x'", "CAPT:QUAL:TERM 4"],
            "term 4 waits for text 1, which is empty",
        ),
        (
            ["TRIG:SOUR CONS;TERM4:SOUR TEXT1", "TRIG:TEXT1 'x'", "CAPT:QUAL:TERM 4"],
            "CAPTure:QUALify:TERM is term 4, which waits for a text",
        ),
        (["TRIG:SOUR FLR", "CAPT:SEGM 4"], "CAPTure:PRETrigger 512 leaves nothing of 256 records"),
        (["TRIG:SOUR FLR", "DIAG:BLIN 4"], "blinded: DIAGnostic:BLINd is #H4"),
    ],
)
def test_arm_refuses_a_program_that_is_not_whole_and_says_what_is_missing(
    program: Path, lines: list[str], missing: str
):
    assert talk(program, *lines, "CAPT:ARM;STAT?;:SYST:ERR?;ERR?") == [
        f'IDLE;-221,"Settings conflict;{missing}";0,"No error"'
    ]


@pytest.mark.parametrize(
    ("stuck", "detail"),
    [
        ("stuck 0 1f", "trigger register #H0 was written #H6 and reads #H0"),
        ("stuck 14 ffffffff", "trigger register #H14 was written #HFFFF0003 and reads #H0"),
        ("stuck 200 1", "trigger register #H200 was written #H81 and reads #H80"),
        ("unfold", "fold was written #H1 and reads #H0"),
    ],
)
def test_a_register_that_reads_back_differently_stops_arming(program: Path, stuck: str, detail: str):
    assert talk(program, f"!{stuck}", "TRIG:SOUR FLR;:CAPT:ARM;STAT?;:SYST:ERR?") == [
        f'IDLE;-240,"Hardware error;{detail}"'
    ]


def test_settings_hold_still_while_a_capture_uses_them(program: Path):
    settings = ["TRIG:SOUR BME", "TRIG:CLE", "TRIG:TEXT2 'x'", "TRIG:TERM1:SOUR CQ", "TRIG:TERM1:DATA 1,1"]
    settings += [
        "TRIG:TERM1:DATA:RANG 1,1",
        "TRIG:TERM1:ADDR 1,1",
        "TRIG:TERM1:ADDR ANY",
        "TRIG:TERM1:CLAS MWR",
    ]
    settings += ["TRIG:TERM1:EDGE ON", "TRIG:TERM1:CLE", "TRIG:TERM1:FLAG 1,1", "TRIG:TERM1:AUX 1,1"]
    settings += ["TRIG:TERM1:DW0 1,1", "TRIG:STEP1 1,1,FIRE", "TRIG:STEP1:BRAN 1,1", "TRIG:STEP1:TIM 1,1"]
    settings += ["TRIG:STEP1:PULS ON", "TRIG:STEP1:CLE", "CAPT:PRET 1", "CAPT:SEGM 2", "CAPT:QUAL CQ"]
    settings += ["CAPT:QUAL:TERM 1", "CAPT:FOLD OFF", "DIAG:BLIN 1", "INP:CONS:BAUD 9600"]
    for setting in settings:
        assert errors(program, "TRIG:SOUR FLR;:CAPT:ARM", setting) == [-221], setting


@pytest.mark.parametrize("number", [0, 9, 10, 999_999_999, 1_000_000_000, 1_000_000_010, 2**32 - 1])
def test_numbers_keep_their_zeros(program: Path, number: int):
    lines = [
        "TRIG:SOUR FLR;:CAPT:ARM",
        f"!lose {number}",
        "CAPT:LOST?",
        *[f"!lose {number}"] * 9,
        "CAPT:LOST?",
    ]
    assert talk(program, *lines) == [str(number), str(10 * number)]


def test_segments_are_filled_one_after_the_other(program: Path):
    lines = ["TRIG:SOUR FLR;:CAPT:SEGM 4;PRET 10;ARM", "!fire 1", "!fill", "!fire 1"]
    state, first, second, beyond = talk(
        program,
        *lines,
        "CAPT:STAT?;SEGM:COUN?;COUN?",
        "CAPT:SEGM? 1",
        "CAPT:SEGMent? 2",
        "CAPT:SEGM? 3;:SYST:ERR?",
    )
    assert state == "TRIGGERED;2;259"
    number, count, armed, triggered = map(int, first.split(","))
    assert (number, count) == (0, 256) and armed < triggered
    later = list(map(int, second.split(",")))
    assert later[:2] == [256, 3] and triggered < later[2] < later[3]
    assert beyond == '-222,"Data out of range"'


def test_marks_have_names(program: Path):
    lines = ["TRIG:SOUR FLR;:CAPT:ARM;:MARK 1;MARK 7,'sixteen bytes ok'", "CAPT:STOP;COUN?;DATA? 2,2"]
    raw = subprocess.run([program], input="\n".join([*lines, ""]).encode(), capture_output=True, timeout=60)
    assert raw.stdout[:6] == b"4;#264" and len(raw.stdout) == 6 + 64 + 1
    assert raw.stdout[6 + 8] == 10 and raw.stdout[6 + 12 : 6 + 32] == b"\1" + bytes(19)
    assert raw.stdout[6 + 32 + 12 : -1] == b"\7\0\0\0sixteen bytes ok"


def test_lines_that_come_while_a_block_is_sent_wait_for_their_turn(program: Path):
    """More of them than the firmware keeps: the rest waits in the line."""
    lines = ["TRIG:SOUR FLR;:CAPT:ARM;STOP", "CAPT:DATA? 0,2;COUN?", *["*OPC?"] * 50, "CAPT:DATA? 0,1"]
    raw = subprocess.run([program], input="\n".join([*lines, ""]).encode(), capture_output=True, timeout=60)
    assert raw.stdout[:4] == b"#264" and raw.stdout[68:71] == b";2\n"
    assert raw.stdout[71:176] == b"1\n" * 50 + b"#232\x08", raw.stdout[71:]


@pytest.mark.parametrize("junk", [b"*OPC?;*OPC", b"TRIG:CONS:TEXT 'half", b"x" * 5000, bytes(range(11, 256))])
def test_a_device_clear_drops_half_a_line(program: Path, junk: bytes):
    assert talk(program, junk + b"\x03*OPC?", "SYST:ERR?") == ["1", '0,"No error"']


def test_a_device_clear_ends_a_block(program: Path):
    """A client that dies in mid-block; the next one says Ctrl-C, drains, and is in step."""
    with subprocess.Popen([program], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as run:
        run.stdin.write(
            b"TRIG:SOUR FLR;:CAPT:ARM\n!fire 1\n!fill\nCAPT:COUN?;DATA? 0,1024;STAT?\n*OPC?\n\x03SYST:VERS?\n"
        )
        out, _ = run.communicate(timeout=60)
    assert out.startswith(b"1024;#532768") and out.endswith(b"1999.0\n")
    assert b"DONE" not in out and not out.endswith(b"1\n1999.0\n"), "what came before the clear is void"
    assert len(out) < 32768, "the block was not cut short"


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
    assert rows[0] == "CQ_WR,0,1,18446744073709551615,10"
    assert rows[15].startswith("CQ_STALL,15,") and len(rows) == 16


def test_random_lines(program: Path):
    seed = int(os.environ.get("VKBENCH_SEED", "1"))
    print("seed", seed)
    chance = random.Random(seed)
    pieces = (FIRMWARE / "fuzz/analyser.dict").read_text("latin-1")
    words = [word.encode() for word in re.findall(r'^"(.*)"$', pieces, re.M) if "\\" not in word]
    words += [b" ", b";", b";:", b",", b'"', b"'", b"?", b":", b"-1", b"99999999999999999999999", b"1024"]
    lines = []
    for _ in range(RANDOM_LINES):
        line = b"".join(
            chance.choice(words) + chance.choice((b"", b" ", b";")) for _ in range(chance.randrange(12))
        )
        if chance.random() < 0.1:
            at = chance.randrange(len(line) + 1)
            line = line[:at] + chance.randbytes(3) + line[at:]
        lines.append(line)
    end = b"\n\x03*CLS;*RST;*OPC?;:CAPT:STAT?\n"
    run = subprocess.run([program], input=b"\n".join(lines) + end, capture_output=True, timeout=300)
    assert run.returncode == 0, run.stderr.decode()[-3000:]
    assert run.stdout.endswith(b"1;IDLE\n")


def test_the_kept_inputs_of_the_fuzzer(generated: Path, tmp_path: Path):
    inputs = sorted((FIRMWARE / "fuzz/analyser_corpus").iterdir())
    assert 20 < len(inputs) < 200
    replay = build.build_host(generated, tmp_path, "fuzz/analyser_fuzz.c", "-O1", "-DFUZZ_REPLAY")
    run = subprocess.run([replay, *inputs], capture_output=True, text=True, timeout=300)
    assert run.returncode == 0, run.stderr[-3000:]
    assert run.stdout == f"{len(inputs)} inputs\n"

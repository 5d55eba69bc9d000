# SPDX-License-Identifier: Apache-2.0
"""``vkbench capture``: what a person sees, what a program reads, exit codes, damaged files, and recording."""

import json
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from busy_capture import busy
from instrument_peers import Firmware, firmware_program  # noqa: F401  (a fixture)
from link_traffic import capture, fold, write

from vkbench import cli, errors
from vkbench.capture import vkc
from vkbench.capture.export import FORMATS
from vkbench.capture.layout import Kind, Tap
from vkbench.cli import record
from vkbench.instruments.protocol import (
    ArmedTerms,
    CaptureData,
    ClassStatistics,
    Qualification,
    SegmentInfo,
)


@pytest.fixture
def vkbench(capsys):
    """Run a command line in this process: exit code, stdout, stderr."""

    def run(*words):
        code = cli.run_app([str(word) for word in ("capture", *words)])
        return code, *capsys.readouterr()

    return run


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    path = tmp_path_factory.mktemp("captures") / "busy.vkc"
    source = busy(6000)
    vkc.write(path, source.header, source.records)
    return path


@pytest.fixture
def damaged(tmp_path, file, monkeypatch):
    """Blocks of 512 records; the third is damaged."""
    monkeypatch.setattr(vkc, "BLOCK_RECORDS", 512)
    source = vkc.read(file)
    path = tmp_path / "damaged.vkc"
    vkc.write(path, source.header, source.records)
    with vkc.open(path) as opened:
        at = path.read_bytes().index(opened.block(2).tobytes())
    data = bytearray(path.read_bytes())
    data[at + 5000] ^= 0x10
    path.write_bytes(data)
    return path


# ---- info and show ---------------------------------------------------------------------------------------------------


def test_info_says_how_it_was_recorded_and_what_is_in_it(vkbench, tmp_path):
    path = tmp_path / "c.vkc"
    source = capture(
        fold([write(100 + 5 * n, Kind.RQ, 64 * n, 16, n) for n in range(9)]),
        fold=True,
        lost=12,
        trigger={"source": "SEQUENCE", "time": 140, "program": "TRIG:CLE;:TRIG:TERM1:SOUR CQ"},
        segments=[{"first": n, "count": 1, "armed": 90 + n, "trigger": 130 + n} for n in range(2)],
        qualify={"taps": [tap.name for tap in Tap if tap is not Tap.RC], "term": "TRIG:TERM2:SOUR RQ"},
        statistics={"RQ_WR": {"count_arm": 9, "count": 1, "first": 140, "last": 140}},
    )
    vkc.write(path, source.header, source.records)
    code, stdout, _ = vkbench("info", path)
    assert code == 0
    for part in (
        "125 MHz",
        "2 records over 320 ns, cycles 100 to 140",
        "7 TLPs stand in runs",
        "SEQUENCE, at cycle 140",
        "TRIG:TERM1:SOUR CQ",
        "all taps but RC, only what matches TRIG:TERM2:SOUR RQ; runs folded",
        "12 events",
        "RQ_WR",
        "130",
    ):
        assert part in stdout, part
    code, stdout, _ = vkbench("info", path, "--json")
    found = json.loads(stdout)
    assert code == 0 and found["records"] == 2 and found["folded"] == 7 and found["damage"] == []
    assert found["records_by_kind"] == {"RQ": 2} and found["span_s"] == 40 / 125e6


def test_show_takes_the_same_filters_as_export(vkbench, file):
    code, stdout, _ = vkbench("show", file, "--kind", "mark", "--kind", "TRIGGER")
    assert code == 0 and [line.split()[4] for line in stdout.splitlines()] == ["MARK", "MARK", "TRIGGER"]
    assert "'load started'" in stdout and "SEQUENCE, segment 0, step 2" in stdout
    code, stdout, _ = vkbench("show", file, "--time", "-10us:+10us", "--class", "RQ_WR")
    seconds = [float(line.split()[2]) for line in stdout.splitlines()]
    assert code == 0 and seconds and all(abs(value) <= 10e-6 for value in seconds)
    code, stdout, _ = vkbench("show", file, "--text", "message 1 of")
    assert code == 0 and len(stdout.splitlines()) == 1 and "message 1 of the busy server" in stdout
    code, stdout, _ = vkbench("show", file, "--address", "0xfe000000+4", "--count", "2")
    assert code == 0 and [line.split()[6:8] for line in stdout.splitlines()] == [["BAR2", "0xfe000000"]] * 2


def test_show_says_what_is_folded_and_where_to_begin(vkbench, file):
    code, stdout, _ = vkbench("show", file, "--class", "RQ_WR", "--first", "100", "--count", "30")
    lines = stdout.splitlines()
    assert code == 0 and len(lines) == 30 and int(lines[0].split()[0]) >= 100
    assert any("(+120 like it before)" in line for line in lines)


def test_show_as_json_is_one_document(vkbench, file):
    code, stdout, _ = vkbench("show", file, "--json", "--count", "50")
    found = json.loads(stdout)
    assert code == 0 and len(found["records"]) == 50 and found["damage"] == []
    assert found["records"][0]["kind"] == "LEVEL" and "link_up 1" in found["records"][0]["what"]
    code, stdout, _ = vkbench("show", file, "--json", "--text", "nothing says this")
    assert json.loads(stdout) == {"records": [], "damage": []}


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--kind", "WHAT"], "CONSOLE"),
        (["--class", "WHAT"], "RQ_WR"),
        (["--time", "soon"], "FROM:TO"),
        (["--time", "+2us:+1us"], "ends before"),
        (["--address", "here"], "0x1000+4K"),
    ],
)
def test_a_filter_that_is_none_ends_with_3(vkbench, file, words, said):
    for command in (["show", file], ["export", file, "--to", "csv", "-o", "/dev/null"]):
        code, stdout, stderr = vkbench(*command, *words)
        assert code == 3 and said in stderr and stdout == ""


# ---- damage ----------------------------------------------------------------------------------------------------------


def test_a_damaged_file_yields_its_good_blocks_and_names_the_other(vkbench, damaged):
    total = len(busy(6000).records)
    for words in (["info", damaged, "--json"], ["show", damaged, "--json"]):
        code, stdout, stderr = vkbench(*words)
        found = json.loads(stdout)
        assert code == 3 and "damaged.vkc: block 2: the CRC is wrong (at byte " in stderr
        assert len(found["damage"]) == 1 and "block 2" in found["damage"][0]
    code, stdout, _ = vkbench("info", damaged)
    assert code == 3 and f"{total - 512} records" in stdout
    code, stdout, _ = vkbench("show", damaged)
    assert code == 3 and int(stdout.splitlines()[-1].split()[0]) == total - 512 - 1


@pytest.mark.parametrize("keep", [0.3, 0.7])
def test_a_truncated_file_yields_what_is_before_the_cut(vkbench, tmp_path, file, monkeypatch, keep):
    monkeypatch.setattr(vkc, "BLOCK_RECORDS", 512)
    source = vkc.read(file)
    path = tmp_path / "cut.vkc"
    vkc.write(path, source.header, source.records)
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * keep)])
    code, stdout, stderr = vkbench("show", path)
    assert code == 3 and "truncated" in stderr
    assert 0.6 * keep < int(stdout.splitlines()[-1].split()[0]) / len(source.records) < keep


def test_without_a_header_nothing_can_be_said(vkbench, tmp_path, file):
    path = tmp_path / "headless.vkc"
    path.write_bytes(b"\0" + file.read_bytes()[1:])
    for command in (["info", path], ["show", path], ["export", path, "--to", "csv", "-o", tmp_path / "x"]):
        code, stdout, stderr = vkbench(*command)
        assert code == 3 and "magic" in stderr and stdout == ""
    assert not (tmp_path / "x").exists()


# ---- export and view -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("form", FORMATS)
def test_export_writes_one_file_and_prints_its_name(vkbench, file, damaged, tmp_path, form):
    output = tmp_path / f"out{FORMATS[form][2]}"
    code, stdout, _ = vkbench("export", file, "--to", form, "-o", output, "--time", "-1ms:+1ms")
    assert code == 0 and stdout.strip() == str(output) and output.stat().st_size > 500
    code, stdout, stderr = vkbench("export", damaged, "--to", form, "-o", output, "--json")
    assert code == 3 and json.loads(stdout)["written"] == str(output) and "block 2" in stderr


def test_export_refuses_what_it_cannot_do(vkbench, file, tmp_path):
    code, _, stderr = vkbench("export", file, "--to", "pdf", "-o", tmp_path / "x")
    assert code == 3 and "vcd, fst, perfetto, csv, parquet" in stderr
    before = file.read_bytes()
    code, _, stderr = vkbench("export", file, "--to", "csv", "-o", file)
    assert code == 3 and "itself" in stderr and file.read_bytes() == before
    code, _, stderr = vkbench("export", file, "--to", "csv", "-o", tmp_path / "none" / "x")
    assert code == 3 and "none" in stderr


def test_view_writes_a_page_of_the_whole_and_of_a_part(vkbench, file, damaged, tmp_path):
    sizes = []
    for number, words in enumerate([[file], [file, "--kind", "CONSOLE"], [damaged]]):
        output = tmp_path / f"{number}.html"
        code, stdout, stderr = vkbench("view", *words, "-o", output)
        assert code == (3 if words[0] is damaged else 0), stderr
        assert stdout.strip() == str(output)
        sizes.append(len(output.read_text()))
        assert output.read_text().lstrip().lower().startswith("<!doctype html>")
    assert sizes[1] < sizes[0]


# ---- record ----------------------------------------------------------------------------------------------------------


class Analyser:
    """An analyser as the command uses it; ``events`` notes what it was told. It is done after ``polls`` questions."""

    where = "analyser TCPIP::nowhere"

    def __init__(self, polls=2, state="IDLE", refuses="", interrupt=False):
        self.polls, self.now, self.refuses, self.interrupt = polls, state, refuses, interrupt
        self.events = []

    def __call__(self, settings):
        self.events.append(settings.resource)
        return self

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.events.append("closed")

    def state(self):
        return self.now

    def reset(self):
        self.events.append("reset")

    def configure(self, commands):
        self.events += commands
        if self.refuses and self.refuses in commands:
            raise errors.AnalyserRefused(f"'{self.refuses}' is refused: -224", self.where)

    def arm(self, pretrigger=None, segments=1):
        self.events.append(("arm", pretrigger, segments))
        return ArmedTerms("CONSOLE", "oops", 1024, pretrigger or 512, "TRIG:CLE", segments)

    def trigger(self):
        self.events.append("trigger")

    def wait_done(self, timeout_s, progress=None):
        progress(0, 1)
        if self.interrupt:
            signal.raise_signal(signal.SIGINT)
        self.polls -= 1
        if self.polls >= 0:
            raise errors.AnalyserNotDone("not yet", self.where)

    def stop(self):
        self.events.append("stop")
        self.now = "IDLE"

    def clock_hz(self):
        return 125_000_000

    def identify(self):
        return {"maker": "vkbench", "model": "VK-LA1", "serial": "0123", "version": "2.0"}

    def read_capture(self, progress=None):
        records = capture([write(100 + n, Kind.RQ, 64 * n, 16, n) for n in range(10)]).records
        return CaptureData(
            records.tobytes(),
            "DONE",
            0,
            105,
            {"RQ_WR": ClassStatistics(10, 5, 106, 109)},
            "TRIG:CLE",
            (SegmentInfo(0, 10, 50, 105),),
            Qualification(("CQ", "RQ")),
            False,
        )


@pytest.fixture
def recorded(vkbench, tmp_path, monkeypatch):
    """Record from a made-up analyser into out.vkc."""

    def run(analyser, *words):
        monkeypatch.setattr(record, "ScpiAnalyser", analyser)
        where = [] if "--bench" in words else ["--resource", "TCPIP::h::1::SOCKET"]
        return vkbench("record", "-o", tmp_path / "out.vkc", *where, *words)

    return run


def test_record_sets_arms_waits_stops_and_writes(recorded, tmp_path):
    analyser = Analyser()
    words = ["--text", 'say "oops"', "--pretrigger", "7", "--segments", "4", "--no-fold"]
    code, stdout, stderr = recorded(analyser, *words, "--qualify", "cq", "--qualify", "RQ")
    assert code == 0, stderr
    assert analyser.events == [
        "TCPIP::h::1::SOCKET",
        "reset",
        "CAPT:FOLD OFF",
        "CAPT:QUAL CQ,RQ",
        "TRIG:SOUR CONS",
        'TRIG:CONS:TEXT "say ""oops"""',
        ("arm", 7, 4),
        "stop",
        "closed",
    ]
    assert "10 records, triggered, nothing lost" in stdout
    found = vkc.read(tmp_path / "out.vkc")
    assert (
        len(found.records) == 10 and found.header.trigger.time == 105 and found.header.clock_hz == 125_000_000
    )
    assert found.header.qualify.taps == ["CQ", "RQ"] and found.header.segments[0].count == 10
    assert found.header.trigger.program == "TRIG:CLE" and found.header.idn == "vkbench,VK-LA1,0123,2.0"
    assert found.header.statistics["RQ_WR"].count_arm == 10


def test_record_with_a_program_names_the_line_that_is_refused(recorded, tmp_path):
    program = tmp_path / "trigger.scpi"
    program.write_text("# two terms\nTRIG:TERM1:SOUR RQ\n\nTRIG:STEP1 1,1,FIRE\n")
    analyser = Analyser()
    assert recorded(analyser, "--program", program)[0] == 0
    assert analyser.events[4:7] == ["TRIG:SOUR SEQ", "TRIG:TERM1:SOUR RQ", "TRIG:STEP1 1,1,FIRE"]
    (tmp_path / "out.vkc").unlink()
    analyser = Analyser(refuses="TRIG:STEP1 1,1,FIRE")
    code, _, stderr = recorded(analyser, "--program", program)
    assert code == 3 and f"{program}:4: 'TRIG:STEP1 1,1,FIRE' is refused" in stderr
    assert analyser.events[-1] == "closed" and not (tmp_path / "out.vkc").exists()


def test_record_now_fires_as_soon_as_it_is_armed(recorded, tmp_path):
    analyser = Analyser()
    assert recorded(analyser, "--trigger-now")[0] == 0
    at = analyser.events.index("trigger")
    assert analyser.events[at - 1] == ("arm", None, 1)
    assert vkc.read(tmp_path / "out.vkc").header.trigger.source == "IMMEDIATE"


def test_a_time_out_writes_what_there_is_and_ends_with_4(recorded, tmp_path):
    code, stdout, stderr = recorded(Analyser(polls=10**9), "--source", "flr", "--timeout", "0.05", "--json")
    assert code == 4 and "time was out" in stderr
    assert json.loads(stdout)["ended"] == "time-out" and (tmp_path / "out.vkc").exists()


def test_ctrl_c_ends_the_capture_and_writes_it(recorded, tmp_path):
    analyser = Analyser(polls=10**9, interrupt=True)
    code, stdout, _ = recorded(analyser, "--source", "DOORBELL", "--json")
    assert code == 0 and json.loads(stdout)["ended"] == "ctrl-c"
    assert analyser.events[-2:] == ["stop", "closed"] and len(vkc.read(tmp_path / "out.vkc")) == 10


def test_record_leaves_a_capture_of_another_program_alone(recorded, tmp_path):
    analyser = Analyser(state="ARMED")
    code, _, stderr = recorded(analyser, "--source", "FLR")
    assert code == 3 and "--force" in stderr and analyser.events == ["TCPIP::h::1::SOCKET", "closed"]
    assert recorded(Analyser(state="ARMED"), "--source", "FLR", "--force")[0] == 0
    code, _, stderr = recorded(Analyser(), "--source", "FLR")
    assert code == 3 and "exists already" in stderr


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "nothing to wait for"),
        (["--source", "CONSOLE"], "--text"),
        (["--source", "MOON"], "DOORBELL"),
        (["--source", "FLR", "--text", "x"], "one of them"),
        (["--source", "FLR", "--qualify", "XY"], "CONSOLE"),
        (["--source", "FLR", "--bench", "none.toml"], "none.toml"),
        (["--program", "none.scpi"], "none.scpi"),
    ],
)
def test_record_says_what_is_wrong_before_it_touches_the_analyser(recorded, words, said):
    analyser = Analyser()
    code, stdout, stderr = recorded(analyser, *words)
    assert code == 3 and said in stderr and stdout == "" and analyser.events == []


def test_record_needs_one_analyser(vkbench, tmp_path):
    for words in ([], ["--bench", "a", "--resource", "b"]):
        code, _, stderr = vkbench("record", "-o", tmp_path / "x", "--source", "FLR", *words)
        assert code == 3 and "--bench and --resource" in stderr
    code, _, stderr = vkbench("record", "-o", tmp_path / "x", "--source", "FLR", "--resource", "what")
    assert code == 3 and "TCPIP::HOST::PORT::SOCKET" in stderr


# ---- record, from the analyser's own firmware ------------------------------------------------------------------------


@pytest.fixture
def firmware(firmware_program):  # noqa: F811
    with Firmware(firmware_program) as running:
        yield running.on_tcp()


def from_firmware(firmware, *words, then=()):
    """Record; when the analyser is armed, these things happen to it, or this process gets a signal."""
    argv = [sys.executable, "-m", "vkbench", "capture", "record", "--resource", firmware.resource]
    with subprocess.Popen(
        [*argv, *map(str, words)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as run:
        watchdog = threading.Timer(60, run.kill)
        watchdog.start()
        said = ""
        for line in run.stderr:
            said += line
            if line.startswith("armed:"):
                for what in then:
                    if isinstance(what, str):
                        firmware.drive(what)
                    else:
                        run.send_signal(what)
        stdout = run.stdout.read()
        watchdog.cancel()
    return run.returncode, stdout, said


def test_the_firmware_records_two_segments_of_a_program(firmware, tmp_path):
    program = tmp_path / "trigger.scpi"
    program.write_text('# a text\nTRIG:TEXT1 "panic"; TERM1:SOUR TEXT1\nTRIG:STEP1 1,1,FIRE\n')
    out = tmp_path / "out.vkc"
    words = ["-o", out, "--program", program, "--segments", "2", "--pretrigger", "8", "--qualify", "CONSOLE"]
    code, stdout, said = from_firmware(firmware, *words, "--no-fold", then=["fire 1", "fill"] * 2)
    assert code == 0, said
    header = vkc.read(out).header
    assert 'TRIG:TEXT1 "panic"' in header.trigger.program and "armed: " in said
    assert len(header.segments) == 2 and all(one.trigger for one in header.segments)
    assert header.pretrigger == 8 and not header.fold and header.qualify.taps == ["CONSOLE", "MARK"]
    assert "records, triggered, nothing lost" in stdout


def test_ctrl_c_reads_what_the_firmware_has(firmware, tmp_path):
    out = tmp_path / "out.vkc"
    code, stdout, said = from_firmware(firmware, "-o", out, "--source", "FLR", "--json", then=[signal.SIGINT])
    assert code == 0, said
    assert json.loads(stdout)["ended"] == "ctrl-c" and not json.loads(stdout)["triggered"]
    assert [Kind(kind) for kind in vkc.read(out).records["kind"]] == [Kind.LEVEL, Kind.CFG]


def test_a_program_that_the_firmware_refuses_is_named_by_its_line(firmware, tmp_path):
    program = tmp_path / "trigger.scpi"
    program.write_text("TRIG:TERM1:SOUR MOON\n")
    code, _, said = from_firmware(firmware, "-o", tmp_path / "out.vkc", "--program", program)
    assert code == 3 and f"{program}:1: " in said and not (tmp_path / "out.vkc").exists()


def test_the_program_in_the_document_is_one_that_the_firmware_takes(firmware, tmp_path):
    text = (Path(__file__).parents[2] / "docs/captures.md").read_text()
    program = tmp_path / "trigger.scpi"
    program.write_text(text.split("after 100 writes of the card:\n\n```\n")[1].split("```")[0])
    code, _, said = from_firmware(
        firmware, "-o", tmp_path / "out.vkc", "--program", program, then=["fire 1", "fill"]
    )
    assert code == 0 and "TRIG:STEP1 1,100,2" in said, said
    header = vkc.read(tmp_path / "out.vkc").header
    assert header.trigger.source == "SEQUENCE" and header.fold and len(header.segments) == 1

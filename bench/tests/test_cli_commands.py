# SPDX-License-Identifier: Apache-2.0
"""The command line: exit codes, JSON on stdout and words on stderr, and never a traceback for a user's mistake."""

import json
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from instrument_peers import free_port, tcp_peer
from synthetic_run import post_notifiers, stock

from vkbench import cli, interrupts

ROOT = Path(__file__).resolve().parents[2]
VIRTUAL = ROOT / "fixtures/benches/virtual.toml"


@pytest.fixture
def vkbench(capsys):
    """Run a command line in this process: exit code, stdout, stderr."""

    def run(*words):
        code = cli.run_app([str(word) for word in words])
        return code, *capsys.readouterr()

    return run


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """A run that passes and one that fails, by their files."""
    folder = tmp_path_factory.mktemp("runs")
    post_notifiers().save(folder / "post")
    stock().save(folder / "stock")
    return folder


@pytest.fixture
def bench(tmp_path):
    """A real bench whose wires lead nowhere."""
    (tmp_path / "secret").write_text("a-word-for-tests\n")
    path = tmp_path / "bench.toml"
    path.write_text(
        f"""name = "nowhere"
[bmc]
host = "127.0.0.1"
port = {free_port()}
user = "u"
password = {{ file = "secret" }}
timeout_s = 1
[console]
url = "socket://127.0.0.1:{free_port()}"
open_timeout_s = 0.5
[analyser]
resource = "TCPIP::127.0.0.1::{free_port()}::SOCKET"
timeout_s = 0.5
"""
    )
    return path


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["doctor"], "--bench"),
        (["run", "panic-stock", "--bench", "none.toml", "--out", "x"], "none.toml"),
        (["run", "no-such-scenario", "--bench", VIRTUAL, "--out", "x"], "panic-post-notifiers"),
        (["verify", "/nonexistent"], "/nonexistent"),
        (["report", "/nonexistent", "-o", "/tmp/x.html"], "/nonexistent"),
        (["capture", "info", "/nonexistent.vkc"], "/nonexistent.vkc"),
        (["capture", "show", VIRTUAL], "virtual.toml"),
        (["frobnicate"], "frobnicate"),
        (["lab", "up"], "--bench"),
        (["doctor", "--bench", VIRTUAL, "--no-such-option"], "--no-such-option"),
    ],
)
def test_a_users_mistake_ends_with_3_and_words(vkbench, words, said):
    code, stdout, stderr = vkbench(*words)
    assert code == 3, stderr
    assert said in stderr and "Traceback" not in stderr and stdout == ""


def test_help_and_version_end_with_0(vkbench):
    for words in (["--help"], ["run", "--help"], ["lab", "up", "--help"]):
        assert vkbench(*words)[0] == 0
    code, stdout, _ = vkbench("--version")
    assert code == 0 and stdout.startswith("vkbench ")


def test_an_unknown_key_is_named_with_file_and_line_unbroken(vkbench, bench):
    text = bench.read_text().replace("[console]", "[console]\nbaudrate = 9600")
    bench.write_text(text)
    line = text.splitlines().index("baudrate = 9600") + 1
    code, _, stderr = vkbench("doctor", "--bench", bench)
    assert code == 3 and f"{bench}:{line}: " in stderr


def test_doctor_names_every_dead_wire_and_what_to_do(vkbench, bench):
    code, stdout, _ = vkbench("doctor", "--bench", bench, "--json")
    assert code == 4
    checks = {check["name"]: check for check in json.loads(stdout)["checks"]}
    assert checks["bench file"]["ok"]
    for wire in ("BMC", "console", "analyser"):
        assert not checks[wire]["ok"] and checks[wire]["found"] and checks[wire]["fix"]
    code, stdout, _ = vkbench("doctor", "--bench", bench)
    assert code == 4 and "BMC" in stdout


def test_a_run_on_a_dead_bench_ends_with_4_and_sealed_evidence(vkbench, bench, tmp_path):
    code, _, stderr = vkbench("run", "panic-stock", "--bench", bench, "--out", tmp_path / "run")
    assert code == 4 and "BmcUnreachable" in stderr
    assert json.loads((tmp_path / "run/run.json").read_text())["abort"]["error"] == "BmcUnreachable"
    assert (tmp_path / "run/manifest.sha256").exists()


def test_a_real_bench_has_no_lab(vkbench, bench):
    for words in (["lab", "up"], ["lab", "down"], ["lab", "status"]):
        code, _, stderr = vkbench(*words, "--bench", bench)
        assert code == 3 and "provider" in stderr


def test_lab_status_of_a_bench_that_is_down_ends_with_4(vkbench, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    code, stdout, _ = vkbench("lab", "status", "--bench", VIRTUAL, "--json")
    assert code == 4 and json.loads(stdout)["up"] is False
    assert vkbench("lab", "down", "--bench", VIRTUAL)[0] == 0


def test_verify_ends_with_the_worst_verdict(vkbench, runs):
    assert vkbench("verify", runs / "post")[0] == 0
    assert vkbench("verify", runs / "stock")[0] == 1
    code, stdout, _ = vkbench("verify", runs / "post", runs / "stock", "--json")
    assert code == 1
    assert [one["verdict"]["overall"] for one in json.loads(stdout)] == ["PASS", "FAIL"]


def test_verify_names_a_changed_file(vkbench, runs, tmp_path):
    post_notifiers().save(tmp_path / "run")
    victim = tmp_path / "run/memory.json"
    victim.chmod(0o644)
    victim.write_bytes(victim.read_bytes() + b" ")
    code, stdout, _ = vkbench("verify", tmp_path / "run")
    assert code == 3 and "memory.json" in stdout


def test_report_writes_one_file_and_prints_its_path(vkbench, runs, tmp_path):
    html = tmp_path / "report.html"
    code, stdout, _ = vkbench("report", runs / "post", runs / "stock", "-o", html)
    assert code == 0 and stdout.strip() == str(html) and "<svg" in html.read_text()


def test_capture_info_and_show(vkbench, runs):
    file = runs / "stock/capture.vkc"
    code, stdout, _ = vkbench("capture", "info", file, "--json")
    assert code == 0 and json.loads(stdout)["records"] > 0
    code, stdout, _ = vkbench("capture", "show", file, "--kind", "CONSOLE", "--count", "100000")
    assert code == 0 and "Kernel panic" in stdout and " RQ " not in stdout
    code, _, stderr = vkbench("capture", "show", file, "--kind", "WHAT")
    assert code == 3 and "CONSOLE" in stderr


def test_capture_show_lists_what_is_left_of_a_damaged_file(vkbench, runs, tmp_path):
    data = bytearray((runs / "stock/capture.vkc").read_bytes())
    data[-30] ^= 1
    damaged = tmp_path / "damaged.vkc"
    damaged.write_bytes(data)
    code, _, stderr = vkbench("capture", "show", damaged)
    assert code == 3 and "damaged.vkc" in stderr and "CRC" in stderr


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_ends_with_4_and_no_traceback(bench, number):
    """The doctor waits for an analyser that accepts and says nothing."""
    reached, done = threading.Event(), threading.Event()

    def silent(link):
        link.recv(1)
        reached.set()
        done.wait(60)

    with tcp_peer(silent) as port:
        lines = bench.read_text().splitlines()
        at = lines.index("[analyser]")
        lines[at + 1 :] = [f'resource = "TCPIP::127.0.0.1::{port}::SOCKET"', "timeout_s = 60"]
        bench.write_text("\n".join(lines))
        argv = [sys.executable, "-m", "vkbench", "doctor", "--bench", str(bench)]
        process = subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        try:
            assert reached.wait(30)
            process.send_signal(number)
            _, stderr = process.communicate(timeout=20)
        finally:
            process.kill()
            done.set()
    assert process.returncode == 4, stderr
    assert "interrupted" in stderr and "Traceback" not in stderr


def test_a_second_ctrl_c_does_not_break_the_clean_up():
    told = []
    with pytest.raises(KeyboardInterrupt), interrupts.handled(told.append):
        try:
            signal.raise_signal(signal.SIGINT)
        finally:
            signal.raise_signal(signal.SIGINT)  # during the clean-up that the first one started
            told.append("cleaned")
    assert told == ["cleaning up; a moment, please", "cleaned"]


def test_a_ctrl_c_in_a_held_region_comes_at_its_end():
    reached = []
    with pytest.raises(KeyboardInterrupt), interrupts.handled(lambda text: None):
        with interrupts.held():
            signal.raise_signal(signal.SIGINT)
            reached.append("end of the region")
        reached.append("never")
    assert reached == ["end of the region"]

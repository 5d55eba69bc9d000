# SPDX-License-Identifier: Apache-2.0
"""What a broken wire does: a named error in time, evidence kept, nothing left running, the bench usable after it."""

from __future__ import annotations

import json
import signal
import socket
import time
from urllib.parse import urlsplit

import pytest

#: An instrument that does not answer must be named within this time, in seconds.
NAMED_WITHIN = 60


@pytest.fixture
def silent_port():
    """A TCP port that accepts and never says a word."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


def run(vkbench, bench, out, *more, timeout=NAMED_WITHIN):
    return vkbench("run", "panic-stock", "--bench", bench, "--out", out, *more, timeout=timeout)


def aborted(out):
    record = json.loads((out / "run.json").read_text())
    assert record["status"] == "aborted"
    assert (out / "manifest.sha256").exists()
    return record["abort"]


def console_port(bench_table) -> int:
    return urlsplit(bench_table["console"]["url"]).port


def test_a_silent_analyser_is_named_and_the_run_is_sealed(
    vkbench, altered_bench, bench_table, silent_port, tmp_path
):
    resource = bench_table["analyser"]["resource"]
    bench = altered_bench({resource: f"TCPIP::127.0.0.1::{silent_port}::SOCKET"})
    result = run(vkbench, bench, tmp_path / "run")
    assert result.code == 4, result.stderr
    assert "analyser" in result.stderr.lower() and "Traceback" not in result.stderr
    assert aborted(tmp_path / "run")


def test_a_dead_console_is_named(vkbench, altered_bench, bench_table, tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as unused:
        free = unused.getsockname()[1]
    bench = altered_bench({str(console_port(bench_table)): str(free)})
    result = run(vkbench, bench, tmp_path / "run")
    assert result.code == 4, result.stderr
    assert "console" in result.stderr.lower() and "Traceback" not in result.stderr


def test_a_wrong_bmc_password_is_named(vkbench, bench_file, tmp_path):
    secret = tmp_path / "secret"
    secret.write_text("not-the-password\n")
    text = bench_file.read_text()
    line = next(line for line in text.splitlines() if line.startswith("password"))
    bench = tmp_path / "wrong.toml"
    bench.write_text(text.replace(line, f'password = {{ file = "{secret}" }}'))
    result = run(vkbench, bench, tmp_path / "run")
    assert result.code == 4, result.stderr
    assert "password" in result.stderr.lower() and "Traceback" not in result.stderr
    for path in (tmp_path / "run").rglob("*"):
        assert b"not-the-password" not in path.read_bytes()


def test_a_server_that_never_boots_ends_the_run_in_time(vkbench, altered_bench, bench_table, tmp_path):
    prompt = bench_table["server"]["prompt"]
    bench = altered_bench({prompt: "no such prompt "})
    text = bench.read_text()
    bench.write_text(
        "\n".join("boot_timeout_s = 10" if "boot_timeout_s" in line else line for line in text.splitlines())
    )
    result = run(vkbench, bench, tmp_path / "run")
    assert result.code == 4, result.stderr
    assert aborted(tmp_path / "run")
    assert b"Linux version" in (tmp_path / "run/console.raw").read_bytes()


def test_ctrl_c_leaves_a_sealed_aborted_run_and_a_bench_that_works(vkbench, tmp_path):
    process = vkbench.start("run", "panic-stock", "--bench", vkbench.bench, "--out", tmp_path / "run")
    deadline = time.monotonic() + 60
    while not (tmp_path / "run/console.raw").exists() and time.monotonic() < deadline:
        time.sleep(0.1)
    time.sleep(2)
    process.send_signal(signal.SIGINT)
    _stdout, stderr = process.communicate(timeout=NAMED_WITHIN)
    assert process.returncode == 4, stderr
    assert "Traceback" not in stderr
    assert aborted(tmp_path / "run")
    doctor = vkbench("doctor", "--bench", vkbench.bench)
    assert doctor.code == 0, doctor.stdout + doctor.stderr


def test_an_unknown_key_in_the_bench_file_is_named_with_its_line(vkbench, bench_file, tmp_path):
    text = bench_file.read_text().replace("[console]", "[console]\nbaudrate = 9600", 1)
    bench = tmp_path / "typo.toml"
    bench.write_text(text)
    line = text.splitlines().index("baudrate = 9600") + 1
    result = vkbench("doctor", "--bench", bench)
    assert result.code == 3, result.stderr
    assert "baudrate" in result.stderr and str(line) in result.stderr and "typo.toml" in result.stderr

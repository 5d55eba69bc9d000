# SPDX-License-Identifier: Apache-2.0
"""What a broken wire does: a named error in time, evidence kept, nothing left running, the bench usable after it."""

from __future__ import annotations

import json
import signal
import socket
import time
from unittest.mock import ANY

import pytest

#: An instrument that does not answer must be named within this time, in seconds.
NAMED_WITHIN = 60
#: Of the time that a boot may take: by then every server has said something on its console.
SHARE_OF_A_BOOT = 6


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


def test_a_silent_analyser_is_named_and_the_run_is_sealed(
    vkbench, altered_bench, bench_table, silent_port, run_directory
):
    resource = bench_table["analyser"]["resource"]
    bench = altered_bench({resource: f"TCPIP::127.0.0.1::{silent_port}::SOCKET"})
    result = run(vkbench, bench, run_directory)
    assert result.code == 4, result.stderr
    assert "analyser" in result.stderr.lower() and "Traceback" not in result.stderr
    assert aborted(run_directory)


def test_a_dead_console_is_named(vkbench, altered_bench, bench_table, run_directory):
    with socket.create_server(("127.0.0.1", 0)) as unused:
        free = unused.getsockname()[1]
    url = f'url = "{bench_table["console"]["url"]}"'
    bench = altered_bench({url: f'url = "socket://127.0.0.1:{free}"'})
    result = run(vkbench, bench, run_directory)
    assert result.code == 4, result.stderr
    assert "console" in result.stderr.lower() and "Traceback" not in result.stderr


def test_a_wrong_bmc_password_is_named(vkbench, altered_bench, bench_file, run_directory, tmp_path):
    secret = tmp_path / "secret"
    secret.write_text("not-the-password\n")
    _before, _header, table = bench_file.read_text().partition("[bmc]")
    line = next(line for line in table.splitlines() if line.startswith("password"))
    bench = altered_bench({line: f'password = {{ file = "{secret}" }}'})
    result = run(vkbench, bench, run_directory)
    assert result.code == 4, result.stderr
    assert "password" in result.stderr.lower() and "Traceback" not in result.stderr
    for path in run_directory.rglob("*"):
        assert b"not-the-password" not in path.read_bytes()


def test_a_server_that_never_boots_ends_the_run_in_time(vkbench, altered_bench, bench, run_directory):
    prompt, limit = bench.server.prompt, bench.server.boot_timeout_s / SHARE_OF_A_BOOT
    altered = altered_bench({f'"{prompt}"': '"no such prompt "'})
    lines = [line for line in altered.read_text().splitlines() if not line.startswith("boot_timeout_s")]
    lines.insert(lines.index("[server]") + 1, f"boot_timeout_s = {limit}")
    altered.write_text("\n".join(lines))
    result = run(vkbench, altered, run_directory, timeout=limit + NAMED_WITHIN)
    assert result.code == 4, result.stderr
    assert aborted(run_directory) == {"error": "ServerNeverBooted", "detail": ANY}
    assert (run_directory / "console.raw").read_bytes(), "what came on the console is kept"


def test_ctrl_c_leaves_a_sealed_aborted_run_and_a_bench_that_works(vkbench, run_directory):
    process = vkbench.start("run", "panic-stock", "--bench", vkbench.bench, "--out", run_directory)
    deadline = time.monotonic() + 60
    while not (run_directory / "console.raw").exists() and time.monotonic() < deadline:
        time.sleep(0.1)
    time.sleep(2)
    process.send_signal(signal.SIGINT)
    _stdout, stderr = process.communicate(timeout=NAMED_WITHIN)
    assert process.returncode == 4, stderr
    assert "Traceback" not in stderr
    assert aborted(run_directory)
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

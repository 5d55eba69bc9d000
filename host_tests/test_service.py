# SPDX-License-Identifier: Apache-2.0
"""The virtual bench as a service, and a stranger who drives it: another user, who has hosts, ports and a password,
and cannot read a file of the lab's. The whole set of host tests runs this way by hand (docs/virtual-bench.md)."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
import stranger

from vkbench import config

pytestmark = pytest.mark.needs("provider")
CLIENT = Path(__file__).resolve().parents[1] / "fixtures/benches/virtual-client.toml"
#: Longest that the service may take to come up or down, and a stranger's command, in seconds.
UP_S, DOWN_S, COMMAND_S = 900, 60, 240


@dataclass
class Service:
    """A virtual bench of its own, kept up by `lab up --foreground`."""

    process: subprocess.Popen
    bench: Path
    ports: dict[str, int]
    runtime: Path
    password: str


def free_port(kind: socket.SocketKind = socket.SOCK_STREAM) -> int:
    with socket.socket(socket.AF_INET, kind) as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def with_ports(text: str, ports: dict[str, int]) -> str:
    """A bench file of these ports."""
    text = re.sub(r"(?m)^host = .*\nport = .*$", f'host = "127.0.0.1"\nport = {ports["bmc"]}', text)
    text = re.sub(r"(?m)^url = .*$", f'url = "socket://127.0.0.1:{ports["console"]}"', text)
    return re.sub(r"(?m)^resource = .*$", f'resource = "TCPIP::127.0.0.1::{ports["scpi"]}::SOCKET"', text)


@pytest.fixture(scope="module")
def service(tmp_path_factory):
    """Up when the command says so; ended by SIGTERM, as systemd does it."""
    ports = {"bmc": free_port(socket.SOCK_DGRAM), "console": free_port(), "scpi": free_port()}
    folder = tmp_path_factory.mktemp("service")
    secret = folder / "password"
    text = with_ports((CLIENT.parent / "virtual.toml").read_text(), ports)
    text = re.sub(r"(?m)^name = .*$", f'name = "service-{os.getpid()}"', text)
    text = re.sub(r"(?m)^\w+_port = .*\n", "", text)  # no second doors
    text = re.sub(r"(?m)^password = .*$", f'password = {{ file = "{secret}" }}', text)
    bench = folder / "service.toml"
    bench.write_text(text)
    argv = [sys.executable, "-m", "vkbench", "lab", "up", "--foreground", "--json", "--bench", bench]
    process = subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    said = ""
    try:
        while not said.rstrip().endswith("\n}"):  # the status, one JSON object, when the bench is up
            line = process.stdout.readline()
            assert line, f"the service ended: {process.communicate(timeout=UP_S)[1]}"
            said += line
        yield Service(process, bench, ports, Path(json.loads(said)["runtime"]), secret.read_text().strip())
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
            process.communicate(timeout=DOWN_S)


@pytest.fixture
def other(service):
    """Runs a command as the stranger, in whose home `client.toml` has the service's ports."""
    if why := stranger.why_not():
        pytest.skip(f"cannot become a stranger: {why}")
    home = stranger.make_home()
    (home / "client.toml").write_text(with_ports(CLIENT.read_text(), service.ports))
    (home / "client.toml").chmod(0o644)

    def run(*words):
        return subprocess.run(
            stranger.command(words, home),
            env={**os.environ, stranger.PASSWORD: service.password},
            capture_output=True,
            text=True,
            timeout=COMMAND_S,
        )

    run.home = home
    yield run
    shutil.rmtree(home)


def test_the_client_s_bench_file_knows_hosts_ports_and_urls_only():
    bench = config.load(CLIENT)
    assert bench.provider is None and bench.virtual is None
    assert bench.bmc.password.env and not re.search(
        r"(?m)^[^#]*(/|~)[a-z.]", CLIENT.read_text().replace("socket://", "")
    )
    same = config.load(CLIENT.parent / "virtual.toml")
    assert (bench.server, bench.uncertainty, bench.console) == (same.server, same.uncertainty, same.console)


def test_the_stranger_can_read_nothing_of_the_lab(other, service):
    secret = service.bench.with_name("password")
    for path in (service.runtime / "lab.json", secret, Path.home() / ".cache/vkbench"):
        assert path.exists(), path
        assert other("test", "-r", path).returncode != 0, path
    assert other("test", "-r", "@home/client.toml").returncode == 0
    assert other("id", "-un").stdout.strip() == stranger.USER
    assert other("sh", "-c", f"kill -0 {service.process.pid}").returncode != 0


def test_the_stranger_s_doctor_finds_every_wire(other):
    done = other("vkbench", "doctor", "--bench", "@home/client.toml", "--json")
    assert done.returncode == 0, done.stdout + done.stderr
    checks = {check["name"]: check["ok"] for check in json.loads(done.stdout)["checks"]}
    assert all(checks.values()) and {"BMC", "console", "analyser"} <= set(checks)


def test_the_stranger_s_run_passes_and_verifies(other):
    made = other(
        "vkbench", "run", "panic-post-notifiers", "--bench", "@home/client.toml", "--out", "@home/run"
    )
    assert made.returncode == 0, made.stdout + made.stderr
    assert other("vkbench", "verify", "@home/run").returncode == 0
    record = json.loads((other.home / "run/run.json").read_text())
    assert record["status"] == "complete" and record["bench"]["provider"] == ""
    assert "6.1" in json.dumps(record["inventory"])


def test_the_stranger_s_pytest_runs_host_tests(other):
    done = other(
        *("python", "-m", "pytest", "-q", "-p", "no:cacheprovider", "--runs", "@home/runs"),
        *(f"--rootdir={Path(__file__).parent}", f"{Path(__file__).with_name('test_faults.py')}"),
        *("-k", "wrong_bmc_password", "--bench", "@home/client.toml"),
    )
    assert done.returncode == 0 and "1 passed" in done.stdout, done.stdout + done.stderr


def test_sigterm_takes_the_service_down_and_leaves_nothing(service):
    found = json.loads((service.runtime / "lab.json").read_text())["processes"]
    service.process.send_signal(signal.SIGTERM)
    _stdout, stderr = service.process.communicate(timeout=DOWN_S)
    assert service.process.returncode == 0, stderr
    assert "lab: ended" in stderr and "Traceback" not in stderr
    for process in found:
        assert not Path(f"/proc/{process['pid']}").exists(), process
    assert not (service.runtime / "lab.json").exists()
    for name, port in service.ports.items():
        kind = socket.SOCK_DGRAM if name == "bmc" else socket.SOCK_STREAM
        with socket.socket(socket.AF_INET, kind) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(("127.0.0.1", port))
    shutil.rmtree(service.runtime)

# SPDX-License-Identifier: Apache-2.0
"""The virtual bench's processes: only those that it started are ended, and a port that is taken is named."""

import json
import os
import signal
import socket
import subprocess
import sys
from dataclasses import asdict, replace
from pathlib import Path

import pytest
from instrument_peers import free_port

from vkbench import errors
from vkbench.config import parse
from vkbench.virtual import build, lab, processes

ROOT = Path(__file__).resolve().parents[2]
TEXT = (ROOT / "fixtures/benches/virtual.toml").read_text()


@pytest.fixture
def bench(tmp_path, monkeypatch):
    """A virtual bench on free ports, with its runtime folder in the test's own."""
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    ports = [free_port(socket.SOCK_DGRAM), free_port(), free_port()]
    text = TEXT
    for old, new in zip(("26230", "26231", "26232"), ports, strict=True):
        text = text.replace(old, str(new))
    text = text.replace("~/.cache/vkbench/virtual-bmc-password", str(tmp_path / "secret"))
    return parse(text.encode(), tmp_path / "b.toml")


@pytest.fixture
def sleeper():
    """Starts processes in sessions of their own, as the lab does; ends what a test leaves."""
    started = []

    def start(*argv):
        process = subprocess.Popen(argv or ["sleep", "600"], start_new_session=True)
        started.append(process)
        return process

    yield start
    for process in started:
        if process.poll() is None:
            process.kill()
        process.wait()


def test_a_pid_that_was_given_anew_is_not_ended(sleeper):
    other = sleeper()
    mine = processes.identify("mine", other.pid)
    stale = replace(mine, started=mine.started - 1)
    assert mine.alive() and not stale.alive()
    processes.end([stale], 0.1)
    assert other.poll() is None
    assert processes.end([mine], 5) == []
    assert other.wait(5) == -signal.SIGTERM


def test_a_process_that_ignores_sigterm_is_killed(sleeper):
    code = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print(flush=True); time.sleep(600)"
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, start_new_session=True)
    try:
        process.stdout.readline()
        mine = processes.identify("mine", process.pid)
        assert processes.end([mine], 0.3) == [mine]
        assert process.wait(5) == -signal.SIGKILL
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


def test_descendants_are_found(sleeper):
    parent = sleeper("sh", "-c", "sleep 600 & wait")
    mine = processes.identify("parent", parent.pid)
    family = []
    for _ in range(500):
        if family := processes.descendants(mine):
            break
    assert len(family) == 1 and family[0].pid != parent.pid
    processes.end([mine, *family], 5)
    assert not family[0].alive()


def test_an_own_process_is_seen_alive_and_a_gone_one_is_not():
    assert processes.identify("me", os.getpid()).alive()
    done = subprocess.Popen(["true"])
    done.wait()
    with pytest.raises(ProcessLookupError):
        processes.identify("gone", done.pid)


@pytest.mark.parametrize("which", ["bmc", "console", "scpi"])
def test_a_taken_port_is_named_before_anything_starts(bench, which, monkeypatch):
    monkeypatch.setattr(
        build, "ensure_built", lambda progress, test_build: pytest.fail("built although a port is taken")
    )
    mine = lab.VirtualLab(bench)
    port = getattr(mine.ports, which)
    kind = socket.SOCK_DGRAM if which == "bmc" else socket.SOCK_STREAM
    with socket.socket(socket.AF_INET, kind) as taken:
        taken.bind(("127.0.0.1", port))
        if kind is socket.SOCK_STREAM:
            taken.listen()
        with pytest.raises(errors.PortInUse, match=str(port)) as caught:
            mine.up()
    assert "lab down" in caught.value.hint
    assert mine.status()["up"] is False


def test_down_ends_what_the_state_names_and_removes_sockets(bench, sleeper):
    mine = lab.VirtualLab(bench)
    mine._make_runtime()
    process, stranger = sleeper(), sleeper()
    ours = processes.identify("vkcosim", process.pid)
    foreign = replace(processes.identify("ipmi_sim", stranger.pid), started=1)
    state = lab.LabState("virtual", bench.sha256, [ours, foreign])
    mine._write_state(state)
    (mine.runtime / "vfio.sock").touch()
    assert mine.down() == ["vkcosim"]
    assert process.wait(5) == -signal.SIGTERM
    assert stranger.poll() is None
    assert not (mine.runtime / "vfio.sock").exists() and not (mine.runtime / lab.STATE).exists()
    assert mine.down() == []


def test_a_failed_start_leaves_nothing_running(bench, monkeypatch, tmp_path):
    """The card's program starts, says nothing useful, and the lab must end it."""
    program = tmp_path / "vkcosim"
    program.write_text("#!/bin/sh\necho started $$\nexec sleep 600\n")
    program.chmod(0o755)
    monkeypatch.setattr(build, "ensure_built", lambda progress, test_build: build.Card(program, "0" * 32, {}))
    monkeypatch.setattr(lab, "READY_WITHIN_S", 0.5)
    monkeypatch.setattr(
        lab.qemu, "find_qemu", lambda: lab.paths.QemuProgram(("/bin/true",), {}, "test", "test")
    )
    monkeypatch.setattr(
        lab.paths, "server_parts", lambda: lab.paths.ServerParts(Path("/k"), Path("/i"), "", {})
    )
    monkeypatch.setattr(lab.VirtualLab, "_acceleration", lambda *_: lab.qemu.Acceleration("tcg", "test"))
    mine = lab.VirtualLab(bench)
    with pytest.raises(errors.LabError, match=r"not ready.*started"):
        mine.up()
    pid = int((mine.runtime / "vkcosim.log").read_text().split()[1])
    assert not Path(f"/proc/{pid}").exists(), "it runs on, or is left as a zombie"
    assert not (mine.runtime / lab.STATE).exists()


def test_the_password_is_made_once_for_this_user_only(bench, tmp_path):
    mine = lab.VirtualLab(bench)
    password = mine._password()
    assert len(password) == lab.PASSWORD_LENGTH and password == mine._password()
    assert (tmp_path / "secret").stat().st_mode & 0o777 == 0o600
    assert [path.name for path in tmp_path.iterdir() if "secret" in path.name] == ["secret"]


def test_a_virtual_bench_must_be_on_this_machine(tmp_path):
    text = TEXT.replace('url = "socket://127.0.0.1:26231"', 'url = "/dev/ttyS0"')
    with pytest.raises(errors.UserError, match="console"):
        lab.VirtualLab(parse(text.encode(), tmp_path / "b.toml"))


def test_a_damaged_state_file_is_named(bench):
    mine = lab.VirtualLab(bench)
    mine._make_runtime()
    (mine.runtime / lab.STATE).write_text(json.dumps({"processes": 1}))
    with pytest.raises(errors.LabError, match=r"lab\.json"):
        mine.down()


def test_the_state_survives_its_file(bench):
    mine = lab.VirtualLab(bench)
    mine._make_runtime()
    state = lab.LabState("virtual", "00", [processes.Process("vkcosim", 1, 2)], {"a": 1})
    mine._write_state(state)
    assert asdict(mine._read_state()) == asdict(state)


def test_two_lab_commands_at_once_are_refused(bench):
    mine = lab.VirtualLab(bench)
    mine._make_runtime()
    with mine._locked(), pytest.raises(errors.LabError, match="just now"):
        lab.VirtualLab(bench).down()


def test_the_cards_hash_follows_every_source(tmp_path):
    for name in ("rtl/vk/a.sv", "rtl/tests/t.py", "firmware/lib/x.c", "bench/capture/layout.py"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)
    first = build.card_hash(tmp_path, {"tool": "1"})
    assert build.card_hash(tmp_path, {"tool": "2"}) != first
    (tmp_path / "rtl/tests/t.py").write_text("changed")
    assert build.card_hash(tmp_path, {"tool": "1"}) == first
    for name in ("rtl/vk/a.sv", "firmware/lib/x.c", "bench/capture/layout.py"):
        before = build.card_hash(tmp_path, {"tool": "1"})
        (tmp_path / name).write_text("changed")
        assert build.card_hash(tmp_path, {"tool": "1"}) != before


def test_a_failing_build_step_shows_its_last_words(tmp_path):
    script = ROOT / "rtl/regs/generate.py"
    with pytest.raises(errors.BuildFailed, match="generate.py ended with 2"):
        build._run([sys.executable, str(script), "--no-such-option"], tmp_path / "log")
    assert "usage" in (tmp_path / "log").read_text()


def test_missing_tools_are_all_named(monkeypatch):
    monkeypatch.setenv("PATH", "/nonexistent")
    with pytest.raises(errors.ToolMissing) as caught:
        build.check_tools()
    assert "gcc-riscv64-unknown-elf" in str(caught.value) and "build-essential" in str(caught.value)
    assert "setup.sh" in caught.value.hint

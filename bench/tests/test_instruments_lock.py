# SPDX-License-Identifier: Apache-2.0
"""One program at a time has a bench: wires decide, not names; the lock ends with its holder, and is lent to children."""

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from vkbench import cli, config, errors
from vkbench.instruments import lock

ROOT = Path(__file__).resolve().parents[2]
BENCH = ROOT / "fixtures/benches/virtual.toml"
#: Has these lock files until its stdin is closed. It knows nothing of vkbench, so it starts at once.
HOLD = """
import fcntl, sys
files = [open(path, "a") for path in sys.argv[1:]]
for file in files:
    fcntl.flock(file, fcntl.LOCK_EX)
print("has it", flush=True)
sys.stdin.read()
"""
#: Tries to have a bench; says so, or who has it.
TRY = """
import sys
from vkbench import config, errors
from vkbench.instruments import lock
try:
    with lock.taken(config.load(sys.argv[1]), 0):
        print("had it")
except errors.BenchBusy as error:
    print(error)
"""


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """Locks of this test's own."""
    monkeypatch.setenv(lock.FOLDER_VARIABLE, str(tmp_path))
    return tmp_path


@pytest.fixture
def holder():
    """Another program that has a bench: holder(path) -> process; ends when its stdin is closed."""
    started = []

    def start(path=BENCH):
        process = subprocess.Popen(
            [sys.executable, "-c", HOLD, *(lock._path(wire) for wire in lock.wires(config.load(path)))],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        started.append(process)
        assert process.stdout.readline() == "has it\n"
        return process

    yield start
    for process in started:
        process.kill()
        process.wait()
        process.stdin.close()
        process.stdout.close()


def changed(tmp_path, **replacements):
    """virtual.toml with other wires: changed(tmp_path, bench="…", console="…")."""
    text = BENCH.read_text()
    for key, (old, new) in replacements.items():
        assert old in text, key
        text = text.replace(old, new)
    path = tmp_path / "other.toml"
    path.write_text(text)
    return path


def test_a_bench_that_somebody_has_is_refused_by_name(holder):
    process = holder()
    with (
        pytest.raises(errors.BenchBusy, match=f"process {process.pid} .*--bench-wait"),
        lock.taken(config.load(BENCH), 0),
    ):
        pass


def test_another_bench_is_free(holder, tmp_path):
    holder()
    other = changed(tmp_path, a=("26230", "36230"), b=("26231", "36231"), c=("26232", "36232"))
    with lock.taken(config.load(other), 0):
        pass


@pytest.mark.parametrize("shared", ["26230", "26231", "26232"])
def test_one_shared_wire_is_enough_whatever_the_benches_are_called(holder, tmp_path, shared):
    holder()
    others = [port for port in ("26230", "26231", "26232") if port != shared]
    ports = {port: (port, f"3{port[1:]}") for port in others}
    other = changed(tmp_path, name=('name = "virtual"', 'name = "else"'), **ports)
    with pytest.raises(errors.BenchBusy, match=shared), lock.taken(config.load(other), 0):
        pass


def test_localhost_and_a_symlink_to_a_device_are_the_same_wire(tmp_path):
    device = tmp_path / "real"
    device.touch()
    plain = config.load(BENCH)
    named = config.load(changed(tmp_path, a=("socket://127.0.0.1", "socket://localhost")))
    assert lock.wires(plain) == lock.wires(named)
    by_id = config.load(changed(tmp_path, a=("socket://127.0.0.1:26231", "/dev/stdin")))
    assert any(os.path.realpath("/dev/stdin") in wire for wire in lock.wires(by_id))


def test_who_waits_gets_it_when_the_holder_ends_and_says_meanwhile_for_whom(holder):
    process = holder()
    said, told = [], threading.Event()

    def say(text):
        said.append(text)
        told.set()

    def end():
        assert told.wait(10)
        process.stdin.close()

    thread = threading.Thread(target=end)
    thread.start()
    with lock.taken(config.load(BENCH), 30, say):
        pass
    thread.join()
    assert len(said) == 1 and f"process {process.pid}" in said[0] and "30 s" in said[0]


def test_a_holder_that_is_killed_leaves_no_lock(holder):
    process = holder()
    process.send_signal(signal.SIGKILL)
    process.wait(10)
    with lock.taken(config.load(BENCH), 0):
        pass


def test_a_child_may_use_what_its_parent_has_and_nobody_else_afterwards():
    with lock.taken(config.load(BENCH), 0):
        done = subprocess.run([sys.executable, "-c", TRY, str(BENCH)], capture_output=True, text=True)
        assert done.stdout == "had it\n", done.stderr
        assert (
            lock._holder(os.open(lock._path(lock.wires(config.load(BENCH))[0]), os.O_RDONLY)).pid
            == os.getpid()
        )


def test_a_lock_file_that_was_removed_locks_nobody_out(holder, folder):
    holder()
    for path in folder.glob("*.lock"):
        path.unlink()
    with lock.taken(config.load(BENCH), 0):
        assert len(list(folder.glob("*.lock"))) == 3
    assert not list(folder.glob("*.lock"))


def test_a_lock_folder_that_cannot_be_used_is_named(monkeypatch):
    monkeypatch.setenv(lock.FOLDER_VARIABLE, "/nowhere")
    with pytest.raises(errors.BenchError, match="VKBENCH_LOCKS"), lock.taken(config.load(BENCH), 0):
        pass


@pytest.mark.parametrize(
    "words",
    [
        ("run", "panic-stock", "--out", "OUT", "--bench-wait", "0"),
        ("doctor", "--bench-wait", "0"),
        ("demo", "--out", "OUT", "--bench-wait", "0"),
        ("lab", "down"),
    ],
    ids=lambda words: " ".join(words[:2]),
)
def test_commands_keep_off_a_bench_that_is_in_use(holder, tmp_path, capsys, words):
    process = holder()
    words = [str(tmp_path / "run") if word == "OUT" else word for word in words]
    assert cli.run_app([*words, "--bench", str(BENCH)]) == errors.EXIT_BENCH
    said = capsys.readouterr().err
    assert "BenchBusy" in said and str(process.pid) in said
    assert not (tmp_path / "run").exists()

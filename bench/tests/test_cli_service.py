# SPDX-License-Identifier: Apache-2.0
"""`lab up --foreground`: it stays while the bench does, and leaves nothing, however it is ended."""

import os
import signal
import socket
import threading
from pathlib import Path
from types import SimpleNamespace

import pytest

from vkbench import cli, errors
from vkbench.cli import common

BENCH = Path(__file__).resolve().parents[2] / "fixtures/benches/virtual.toml"


class Provider:
    """A bench of two processes. ``looked(n)`` is called at the n-th look at it."""

    bench = SimpleNamespace(name="virtual")
    runtime = Path("/run/of/it")

    def __init__(self, looked=lambda number: None, started=True):
        self.looked, self.started = looked, started
        self.looks, self.downs = 0, 0
        self.processes = [{"name": name, "pid": 1, "alive": True} for name in ("card", "bmc")]

    def up(self, progress):
        progress("starting")
        return self.started

    def down(self):
        self.downs += 1
        ended = [process["name"] for process in self.processes if process["alive"]]
        self.processes = []
        return ended

    def status(self):
        self.looks += 1
        self.looked(self.looks)
        return {"up": len([one for one in self.processes if one["alive"]]) == 2, "processes": self.processes}


@pytest.fixture
def serve(monkeypatch):
    """serve(provider) -> exit code of the command on this bench."""
    monkeypatch.setattr("vkbench.cli.service.LOOK_EVERY_S", 0.01)

    def run(provider, *words):
        monkeypatch.setattr(common, "need_provider", lambda bench: provider)
        return cli.run_app(["lab", "up", "--foreground", "--bench", str(BENCH), *words])

    return run


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_takes_the_bench_down_and_is_no_failure(serve, capsys, number):
    provider = Provider(lambda look: os.kill(os.getpid(), number) if look == 3 else None)
    assert serve(provider) == errors.EXIT_DONE
    assert provider.downs == 1 and provider.looks == 3
    said = capsys.readouterr().err
    assert "lab: up; logs in /run/of/it" in said and "lab: ended card, bmc" in said


def test_a_process_that_ends_takes_the_rest_with_it_and_is_named(serve, capsys):
    def die(look):
        provider.processes[1]["alive"] = look < 3

    provider = Provider(die)
    assert serve(provider) == errors.EXIT_BENCH
    assert provider.downs == 1
    assert "bmc ended; the rest was taken down" in capsys.readouterr().err


def test_lab_down_ends_the_service_too(serve, capsys):
    def down(look):
        if look == 3:
            provider.processes = []

    provider = Provider(down)
    assert serve(provider) == errors.EXIT_DONE
    assert provider.downs == 0 and "another command" in capsys.readouterr().err


def test_a_bench_that_is_up_already_has_its_service(serve, capsys):
    provider = Provider(started=False)
    assert serve(provider) == errors.EXIT_BENCH
    assert provider.downs == 0, "it took down what somebody else had started"
    assert "was up already" in capsys.readouterr().err


def test_systemd_is_told(serve, tmp_path, monkeypatch):
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(tmp_path / "notify"))
        manager.settimeout(10)
        monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
        told = []

        def end():
            told.append(manager.recv(100))
            os.kill(os.getpid(), signal.SIGTERM)

        thread = threading.Thread(target=end)
        thread.start()
        assert serve(Provider()) == errors.EXIT_DONE
        thread.join()
        assert told == [b"READY=1"] and manager.recv(100) == b"STOPPING=1"

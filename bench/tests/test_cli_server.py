# SPDX-License-Identifier: Apache-2.0
"""``vkbench server``, with stand-in instruments where what it says is the subject."""

import json
from pathlib import Path

import pytest
from test_server_run import BENCH, Fake

from vkbench import errors
from vkbench.cli import run_app
from vkbench.cli import server as command
from vkbench.server.settings import ledger

VIRTUAL = str(Path(__file__).resolve().parents[2] / "fixtures/benches/virtual.toml")


@pytest.fixture
def fake(monkeypatch):
    fake = Fake()
    drivers = fake.drivers()
    monkeypatch.setattr(command, "open_bmc", drivers.bmc)
    monkeypatch.setattr(command, "open_console", drivers.console)
    monkeypatch.setattr(command, "open_analyser", drivers.analyser)
    monkeypatch.setattr(command, "ANSWER_S", 0.1)
    return fake


def test_a_server_that_is_off_is_said_to_be_so_by_one_source_only(fake, capsys):
    assert run_app(["server", "state", "--bench", VIRTUAL, "--json"]) == errors.EXIT_BENCH
    found = json.loads(capsys.readouterr().out)
    assert found["bmc"] == "power off" and found["state"] in ("off", "unclear") and "console" in found


def test_a_bmc_that_says_on_before_a_silent_console_is_unclear(fake, capsys):
    fake.on = True
    assert run_app(["server", "state", "--bench", VIRTUAL]) == errors.EXIT_BENCH
    said = capsys.readouterr().out
    assert "console is silent" in said and "bmc: power on" in said


def test_a_module_is_not_built_on_a_server_that_is_off(fake, capsys, tmp_path):
    (tmp_path / "Makefile").write_text("obj-m := x.o\n")
    assert run_app(["server", "module", str(tmp_path), "--bench", VIRTUAL]) == errors.EXIT_BENCH
    assert "the power is off" in capsys.readouterr().err


def test_what_a_killed_run_left_is_put_back_by_hand(fake, capsys):
    assert run_app(["server", "restore", "--bench", VIRTUAL]) == 0
    assert "nothing is left" in capsys.readouterr().err
    book = ledger(BENCH)
    book.parent.mkdir(parents=True, exist_ok=True)
    change = {"what": "/etc/x", "kind": "file", "before": None, "set": "eA==", "mode": "", "folders": []}
    book.write_text(json.dumps({"schema": 1, "changes": [{**change, "apply": "", "put_back": ""}]}))
    fake.on = True
    assert run_app(["server", "restore", "--bench", VIRTUAL]) == 0
    assert "/etc/x: restored" in capsys.readouterr().out and not book.exists()


def test_crashkernel_is_a_persons_business_where_the_bench_does_not_know_the_boot_loader(fake, capsys):
    fake.on = True
    assert run_app(["server", "crashkernel", "512M", "--bench", VIRTUAL]) == errors.EXIT_BENCH
    assert "boot loader, and reboot" in capsys.readouterr().err

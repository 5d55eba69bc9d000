# SPDX-License-Identifier: Apache-2.0
"""What is looked at between two runs: quick(). The wires are stand-ins."""

from collections import namedtuple
from pathlib import Path

import pytest

from vkbench import errors
from vkbench.config import load
from vkbench.server import checks

BENCH = load(Path(__file__).resolve().parents[2] / "fixtures/benches/virtual.toml")
Usage = namedtuple("Usage", "free")


class Wire:
    """A context manager with what a test gives it; anything else that is called on it is an error."""

    where = "wire"

    def __init__(self, **answers):
        for name, value in answers.items():
            setattr(self, name, value if callable(value) else lambda value=value: value)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        return None


def raising(error):
    def wire(*_):
        raise error

    return wire


def analyser(ticks=(1, 2), **more):
    clock = iter(ticks)
    answers = {"identify": {"model": "VK-LA1", "version": "1"}, "state": "DONE", "fault": None, **more}
    return Wire(time=lambda: next(clock), **answers)


@pytest.fixture
def look(monkeypatch):
    """look(bmc=…, console=…, analyser=…, free=MiB): name -> (state, what was found)."""

    def quick(free=1000, **wires):
        given = {"bmc": Wire(is_on=False), "console": Wire(), "analyser": analyser(), **wires}
        opened = {name: wire if callable(wire) else lambda *_, w=wire: w for name, wire in given.items()}
        monkeypatch.setattr(checks, "open_bmc", opened["bmc"])
        monkeypatch.setattr(checks, "open_console", opened["console"])
        monkeypatch.setattr(checks, "ScpiAnalyser", opened["analyser"])
        monkeypatch.setattr(checks.shutil, "disk_usage", lambda folder: Usage(free * checks.MIB))
        return [(one.name, one.state, one.found) for one in checks.quick(BENCH, Path("/evidence"))]

    return quick


def test_a_healthy_bench_is_all_ok_and_nothing_else_is_asked_of_it(look):
    found = look()
    assert [(name, state) for name, state, _ in found] == [
        ("BMC", "ok"),
        ("console", "ok"),
        ("analyser", "ok"),
        ("disk", "ok"),
    ]


@pytest.mark.parametrize(
    ("wires", "name", "said"),
    [
        ({"bmc": Wire(is_on=True)}, "BMC", "server is on"),
        ({"analyser": analyser(state="ARMED")}, "analyser", "a capture is ARMED"),
        ({"analyser": analyser(fault="SLIP")}, "card", "SLIP"),
    ],
)
def test_what_the_next_run_puts_right_is_a_warning(look, wires, name, said):
    found = look(**wires)
    assert [one for one in found if one[1] == "warn" and one[0] == name and said in one[2]]
    assert not [one for one in found if one[1] == "no"]


@pytest.mark.parametrize(
    ("wires", "name", "said"),
    [
        ({"bmc": raising(errors.BmcLoginError("refused"))}, "BMC", "refused"),
        ({"console": raising(errors.ConsoleBusy("somebody has it"))}, "console", "somebody has it"),
        ({"analyser": raising(errors.AnalyserSilent("no answer"))}, "analyser", "no answer"),
        ({"analyser": analyser(ticks=(5, 5))}, "analyser", "stands still"),
        ({"free": checks.ROOM_MIB - 1}, "disk", "MiB free"),
    ],
)
def test_each_fault_is_found_and_the_others_are_still_looked_at(look, wires, name, said):
    found = look(**wires)
    assert [(one[0], said in one[2]) for one in found if one[1] == "no"] == [(name, True)]
    assert {"BMC", "console", "analyser", "disk"} == {one[0] for one in found}


def test_without_a_folder_no_disk_is_looked_at(look):
    look(analyser=analyser(ticks=range(1, 5)))
    assert "disk" not in [check.name for check in checks.quick(BENCH)]


def test_a_folder_that_is_gone_is_named():
    check = checks._space(Path("/nonexistent/evidence"))
    assert check.state == "no" and "/nonexistent" in check.found

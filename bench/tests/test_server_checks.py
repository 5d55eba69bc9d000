# SPDX-License-Identifier: Apache-2.0
"""What is looked at between two runs: quick(). The wires are stand-ins."""

from pathlib import Path

import pytest

from vkbench import errors
from vkbench.config import load
from vkbench.server import checks

BENCH = load(Path(__file__).resolve().parents[2] / "fixtures/benches/virtual.toml")


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
    """look(bmc=…, console=…, analyser=…): name -> (state, what was found)."""

    def quick(**wires):
        given = {"bmc": Wire(is_on=False), "console": Wire(), "analyser": analyser(), **wires}
        opened = {name: wire if callable(wire) else lambda *_, w=wire: w for name, wire in given.items()}
        monkeypatch.setattr(checks, "open_bmc", opened["bmc"])
        monkeypatch.setattr(checks, "open_console", opened["console"])
        monkeypatch.setattr(checks, "ScpiAnalyser", opened["analyser"])
        return [(one.name, one.state, one.found) for one in checks.quick(BENCH)]

    return quick


def test_a_healthy_bench_is_all_ok_and_nothing_else_is_asked_of_it(look):
    found = look()
    assert [(name, state) for name, state, _ in found] == [
        ("BMC", "ok"),
        ("console", "ok"),
        ("analyser", "ok"),
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
    ],
)
def test_each_fault_is_found_and_the_others_are_still_looked_at(look, wires, name, said):
    found = look(**wires)
    assert [(one[0], said in one[2]) for one in found if one[1] == "no"] == [(name, True)]
    assert {"BMC", "console", "analyser"} == {one[0] for one in found}

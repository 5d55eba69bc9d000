# SPDX-License-Identifier: Apache-2.0
"""The recovery ladder: each rung only when the one before did not help, each with its reason and its outcome."""

from pathlib import Path

import pytest

from vkbench import errors
from vkbench.config import load
from vkbench.server import states
from vkbench.server.recovery import Ladder, came_back
from vkbench.server.states import Fact, Look, Observer, State, StateTracker, combine

BENCH = load(Path(__file__).resolve().parents[2] / "fixtures/benches/virtual.toml")
QUICK = BENCH.model_copy(update={"server": BENCH.server.model_copy(update={"boot_timeout_s": 0.02})})
BOOT = b"Linux version 6.1\nvkbench# "
CRASH = b"Linux version 6.1\nvkbench# Kernel panic - not syncing\nI'm in purgatory\nLinux version 6.1\n"


class Machine:
    """A server that comes back at the rung it is told; BMC, console and outlet in one."""

    def __init__(self, back_at, console_breaks=True):
        self.tracker = StateTracker(BENCH.server, BENCH.markers)
        self.tracker.powered(True)
        self.tracker(CRASH)
        self.back_at, self.console_breaks = back_at, console_breaks
        self.on, self.did = True, []
        self.fails = {}

    def _do(self, name):
        self.did.append(name)
        if name in self.fails:
            raise self.fails[name]

    def is_on(self):
        if self.did[-1:] == [self.back_at] and self.tracker.state not in states.RUNNING:
            self.tracker(BOOT)
        return self.on

    def sysrq(self, key):
        if not self.console_breaks:
            raise errors.ConsoleNotSupported("raw TCP carries no BREAK", "console")
        self._do(f"sysrq {key}")

    def send(self, text):
        self._do(f"send {text.strip()}")

    def reset(self):
        self._do("reset")

    def power_cycle(self):
        self._do("power cycle")

    def power_on(self):
        self._do("power on")
        self.on = True

    def cycle(self):
        self.on = False
        self._do("outlet")

    def ladder(self, power=None):
        return Ladder(QUICK, self, self, self.tracker, Observer(self.tracker, self), power)


@pytest.fixture(autouse=True)
def _quick(monkeypatch):
    monkeypatch.setattr(states, "LOOK_EVERY_S", 0.005)


def test_a_server_that_comes_back_by_itself_is_left_alone():
    machine = Machine(None)
    machine.tracker.resetting(crashed=True)
    machine.tracker(BOOT)
    (rung,) = machine.ladder().climb("the dump goes on")
    assert (rung.name, rung.reason, rung.outcome) == ("wait", "the dump goes on", "came back")
    assert machine.did == [] and "agree" in rung.seen


@pytest.mark.parametrize(
    ("back_at", "names"),
    [
        ("sysrq b", ["wait", "sysrq-b"]),
        ("reset", ["wait", "sysrq-b", "BMC reset"]),
        ("power cycle", ["wait", "sysrq-b", "BMC reset", "BMC power cycle"]),
    ],
)
def test_rungs_are_taken_in_order_until_one_helps(back_at, names):
    machine = Machine(back_at)
    ladder = machine.ladder()
    taken = ladder.climb("it hangs", wait_s=0.01)
    assert [rung.name for rung in taken] == names and taken[-1].outcome == "came back"
    assert all(rung.outcome.startswith("did not help") for rung in taken[:-1])
    assert machine.tracker.state is State.RECOVERED
    for before, rung in zip(taken, taken[1:], strict=False):
        assert rung.reason.startswith(f"{before.name}: did not help") and rung.at_s >= before.at_s
    assert ladder.inventory()[0]["reason"] == "it hangs"


def test_a_line_without_break_is_passed_over_with_its_reason():
    machine = Machine("reset", console_breaks=False)
    taken = machine.ladder().climb("it hangs", wait_s=0.01)
    assert taken[1].outcome.startswith("not possible: console: raw TCP carries no BREAK")
    assert taken[2].reason == f"sysrq-b: {taken[1].outcome}" and taken[2].outcome == "came back"


def test_a_shell_is_typed_into_instead_of_a_break():
    machine = Machine("send echo b > /proc/sysrq-trigger", console_breaks=False)
    machine.tracker(b"vkbench: crash kernel ready\n")
    taken = machine.ladder().climb("files must be put back", first="sysrq-b")
    assert [rung.name for rung in taken] == ["sysrq-b"] and taken[0].outcome == "came back"


def test_a_bmc_that_refuses_is_a_rung_that_was_not_possible():
    machine = Machine("power cycle")
    machine.fails["reset"] = errors.BmcNotSupported("no reset", "BMC")
    taken = machine.ladder().climb("it hangs", wait_s=0.01)
    assert taken[2].outcome == "not possible: BMC: no reset" and taken[3].outcome == "came back"


def test_the_outlet_is_the_last_rung_and_the_bmc_switches_on_after_it():
    machine = Machine("power on")
    taken = machine.ladder(power=machine).climb("it hangs", wait_s=0.01)
    assert taken[-1].name == "outlet power cycle" and taken[-1].outcome == "came back"
    assert machine.did[-2:] == ["outlet", "power on"]


def test_a_server_that_never_comes_back_is_named_with_every_rung():
    machine = Machine(None)
    ladder = machine.ladder()
    with pytest.raises(
        errors.NotRecovered, match="wait .*sysrq-b .*BMC reset .*BMC power cycle .*Last seen: "
    ) as caught:
        ladder.climb("it hangs", wait_s=0.01)
    assert len(ladder.taken) == 4 and caught.value.exit_code == errors.EXIT_BENCH


def test_a_dump_that_failed_is_said_and_not_waited_for():
    machine = Machine("sysrq b")
    machine.tracker(b"Copying data                : [ 12.0 %] /\r")
    machine.tracker(b"kdump-tools[3]: kdump-tools: failed to save vmcore in /var/crash/1\r\n")
    ladder, seen = machine.ladder(), []
    ladder.progress = lambda now, total: seen.append((now, total))
    taken = ladder.climb("the dump goes on", wait_s=600)
    assert (
        "(dump failed kdump-tools: failed to save" in taken[0].outcome
        and taken[0].duration_s < 60
        and (12, 100) in seen
    )


def test_to_be_back_the_card_must_answer_where_it_can_be_asked():
    def seen(card):
        return combine(Look(State.RECOVERED, 100, True, frozenset(card)))

    assert came_back(seen(())) and came_back(seen({Fact.LINK_UP, Fact.CONFIGURED}))
    assert not came_back(seen({Fact.LINK_DOWN})) and not came_back(seen({Fact.TAP_SILENT}))

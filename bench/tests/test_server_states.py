# SPDX-License-Identifier: Apache-2.0
"""The server's state needs two sources that agree; one that speaks against them makes it unclear, in a sentence."""

from pathlib import Path
from types import SimpleNamespace

import pytest

from vkbench import errors
from vkbench.capture.layout import GateCause
from vkbench.config import load, parse
from vkbench.server.states import CRASHED, RUNNING, TABLE, Fact, Look, Observer, State, StateTracker, combine

ROOT = Path(__file__).resolve().parents[2]
VIRTUAL = ROOT / "fixtures/benches/virtual.toml"
BENCH = load(VIRTUAL)
UP = frozenset({Fact.LINK_UP, Fact.CONFIGURED})
DOWN = frozenset({Fact.LINK_DOWN})
NONE = frozenset()


def look(console, powered, card=NONE, heard=100):
    return combine(Look(console, heard, powered, frozenset(card)))


# ---- the table ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("state", "powered", "card"),
    [
        (State.OFF, False, DOWN),
        (State.FIRMWARE, True, {Fact.LINK_UP}),
        (State.BOOTLOADER, True, UP),
        (State.KERNEL, True, UP),
        (State.OS, True, UP),
        (State.PANIC, True, {Fact.TRIGGERED}),
        (State.JUMPED, True, {Fact.TRIGGERED}),
        (State.CRASH_KERNEL, True, {Fact.ACCESSED}),
        (State.CRASH_SHELL, True, {Fact.TRIGGERED}),
        (State.DUMPING, True, {Fact.LINK_UP}),
        (State.RECOVERED, True, UP),
    ],
)
def test_each_state_holds_with_all_three_and_with_any_two(state, powered, card):
    for seen in (look(state, powered, card), look(state, powered), look(state, None, card)):
        assert seen.state is state and seen.clear and "agree" in seen.sentence


def test_the_table_has_every_state():
    assert set(TABLE) == set(State) - {State.UNCLEAR}
    assert not RUNNING & CRASHED


@pytest.mark.parametrize("state", list(TABLE))
def test_no_source_alone_is_believed(state):
    seen = look(state, None)
    assert seen.state is State.UNCLEAR and "one source alone" in seen.sentence


@pytest.mark.parametrize("state", list(TABLE))
def test_a_bmc_that_says_the_opposite_makes_it_unclear(state):
    assert look(state, not TABLE[state].powered, TABLE[state].card).state is State.UNCLEAR


@pytest.mark.parametrize("state", [state for state, row in TABLE.items() if Fact.LINK_DOWN in row.never])
def test_a_link_that_is_down_makes_it_unclear(state):
    seen = look(state, True, DOWN)
    assert seen.state is State.UNCLEAR and "card's link is down" in seen.sentence


@pytest.mark.parametrize(
    ("seen", "says"),
    [
        (look(State.FIRMWARE, True, heard=0), "console is silent and the card sees nothing: does it boot"),
        (look(State.FIRMWARE, True, DOWN, heard=0), "console is silent and the card sees nothing"),
        (look(State.FIRMWARE, True, UP, heard=0), "boots, but its console is silent"),
        (look(State.FIRMWARE, True, {Fact.LINK_UP}, heard=0), "nobody has configured the card"),
        (look(State.OS, False, UP), "BMC says the power is off, but the console speaks"),
        (look(State.OFF, False, UP, heard=0), "BMC says the power is off, but the card's link is up"),
        (look(State.OFF, True, DOWN, heard=0), "nobody here switched it on"),
        (look(State.OS, True, DOWN), "is the card seated"),
    ],
)
def test_a_disagreement_says_who_says_what(seen, says):
    assert seen.state is State.UNCLEAR and says in seen.sentence
    assert "console: " in seen.sentence and "BMC: " in seen.sentence and "card: " in seen.sentence


# ---- the console's part --------------------------------------------------------------------------------------------------


def bench_with_login(tmp_path):
    text = VIRTUAL.read_text().replace("[bmc]", '[server.login]\nuser = "root"\n\n[bmc]')
    return parse(
        text.replace('prompt = "vkbench# "', 'prompt = "root@vkserver:~# "').encode(), tmp_path / "b.toml"
    )


def follow(bench, text):
    tracker = StateTracker(bench.server, bench.markers)
    tracker.powered(True)
    seen = [tracker.state]
    for at in range(len(text)):
        tracker(text[at : at + 1])
        if tracker.state is not seen[-1]:
            seen.append(tracker.state)
    return tracker, seen


BOOT = b"\x1b[2JSeaBIOS (version 1.17.0)\r\nBooting from Hard Disk...\r\nGRUB loading.\r\n\x1b[HGNU GRUB  version 2.06\r\n"
BOOT += b"Loading Linux 6.1.0-56-amd64 ...\r\n[    0.000000] Linux version 6.1.0-56-amd64\r\n"
LOGIN = b"Debian GNU/Linux 12 vkserver ttyS0\r\n\r\nvkserver login: "
CRASH = b"root\r\n\x1b[?2004hroot@vkserver:~# Kernel panic - not syncing: sysrq\r\nI'm in purgatory\r\n"
CRASH += b"[    0.000000] Linux version 6.1\r\n[    0.000000] Command line: elfcorehdr=0x2f000000\r\n"
SHELL = b"         Starting kdump-tools.service - Kernel crash dump...\r\nvkbench: crash kernel ready\r\nvkbench-crash# "
DUMP = b"vkbench: the dump goes on\r\nCopying data                : [ 12.0 %] /\rCopying data                : [100.0 %] |\r\n"
DUMP += b"kdump-tools[300]: kdump-tools: saved vmcore in /var/crash/202611212030\r\n[   30.1] reboot: Restarting system\r\n"


def test_a_distributions_whole_way_is_recognised(tmp_path):
    tracker, seen = follow(bench_with_login(tmp_path), BOOT + LOGIN + CRASH + SHELL + DUMP + BOOT + LOGIN)
    boot = [State.FIRMWARE, State.BOOTLOADER, State.KERNEL]
    crash = [State.PANIC, State.JUMPED, State.CRASH_KERNEL, State.CRASH_SHELL, State.DUMPING]
    assert [one for one in seen if one is not State.DUMPING] == [
        *boot,
        State.OS,
        *crash[:-1],
        *boot,
        State.RECOVERED,
    ]
    assert seen[-5] is State.DUMPING or State.DUMPING in seen
    assert [event.name for event in tracker.dump][-2:] == ["saved", "rebooting"]


@pytest.mark.parametrize(
    ("text", "state"),
    [
        (b"American Megatrends BIOS", State.FIRMWARE),
        (b"BdsDxe: loading Boot0001", State.FIRMWARE),
        (b"SeaBIOS (version x\niPXE (https://ipxe.org)", State.BOOTLOADER),
        (b"systemd-boot 252", State.BOOTLOADER),
        (b"SeaBIOS (version x\nGRUB loading\nSeaBIOS (version x", State.FIRMWARE),
        (b"EFI stub: Booting Linux Kernel...", State.KERNEL),
        (b"Linux version 7.2\nDMI: American Megatrends Inc./X, EDK II", State.KERNEL),
        (b"Linux version 7.2\nKernel command line: elfcorehdr=0x1", State.CRASH_KERNEL),
    ],
)
def test_texts_of_firmware_loaders_and_kernels(text, state):
    assert follow(BENCH, text)[0].state is state


def test_a_silent_panic_shows_by_the_crash_kernels_command_line():
    """An NMI with stock kdump prints nothing before the jump."""
    text = b"Linux version 6.1\nvkbench# Linux version 6.1\nCommand line: elfcorehdr=0x1 console=ttyS0\n"
    assert follow(BENCH, text)[1][-3:] == [State.OS, State.KERNEL, State.CRASH_KERNEL]


def test_a_shell_that_prompts_again_has_not_panicked():
    text = b"Linux version 6.1\nvkbench# Kernel panic - not syncing\nvkbench# "
    assert follow(BENCH, text)[0].state is State.OS


def test_a_reset_of_a_crashed_server_leads_to_recovered():
    tracker, _ = follow(BENCH, b"Linux version 6.1\nvkbench# Kernel panic - not syncing")
    tracker.resetting(crashed=True)
    assert tracker.state is State.FIRMWARE and tracker.heard == 0
    tracker(b"Linux version 6.1\nvkbench# ")
    assert tracker.state is State.RECOVERED
    tracker.powered(False)
    tracker.powered(True)
    tracker(b"Linux version 6.1\nvkbench# ")
    assert tracker.state is State.OS, "a first boot again"


# ---- asking ------------------------------------------------------------------------------------------------------------


class Analyser:
    def __init__(self):
        self.link, self.command, self.status, self.run = 1, 0x6, 0, "ARMED"
        self.counts = {"CONFIG": 0, "CONSOLE": 0}

    def levels(self):
        return {"link_up": self.link, "command": self.command}

    def card_status(self):
        return self.status

    def state(self):
        return self.run

    def statistics(self):
        return {name: SimpleNamespace(count_arm=count) for name, count in self.counts.items()}


class Bmc:
    on = True

    def is_on(self):
        if self.on is None:
            raise errors.BmcGone("no answer")
        return self.on


@pytest.fixture
def wires():
    tracker = StateTracker(BENCH.server, BENCH.markers)
    tracker.powered(True)
    bmc, analyser = Bmc(), Analyser()
    return tracker, bmc, analyser, Observer(tracker, bmc, analyser)


def test_the_card_tells_link_addresses_driver_and_what_moved(wires):
    _, _, analyser, observer = wires
    assert observer.look().look.card == {Fact.LINK_UP, Fact.CONFIGURED, Fact.DRIVEN}
    analyser.counts = {"CONFIG": 5, "CONSOLE": 9}
    assert observer.look().look.card > {Fact.ACCESSED, Fact.TAP_HEARD}
    analyser.command, analyser.run = 0, "TRIGGERED"
    assert observer.look().look.card == {Fact.LINK_UP, Fact.TRIGGERED, Fact.TAP_SILENT}
    analyser.status = GateCause.PERST << 4
    assert Fact.LINK_DOWN in observer.look().look.card


def test_an_instrument_that_fails_is_a_source_less(wires, monkeypatch):
    tracker, bmc, analyser, observer = wires
    tracker(b"Linux version 6.1\nvkbench# ")
    assert observer.look().state is State.OS
    bmc.on = None
    assert observer.look().state is State.OS and observer.look().sources["bmc"] == "no answer"

    def silent():
        raise errors.AnalyserSilent("no answer")

    monkeypatch.setattr(analyser, "levels", silent)
    seen = observer.look()
    assert seen.state is State.UNCLEAR and "only the console" in seen.sentence


def test_an_analyser_without_these_counters_is_left_out(wires):
    tracker, bmc, _, _ = wires
    tracker(b"Linux version 6.1\nvkbench# ")
    assert Observer(tracker, bmc, object()).look().state is State.OS


def test_the_history_has_each_change_once(wires):
    tracker, bmc, _, observer = wires
    tracker(b"Linux version 6.1\n")
    for _ in range(3):
        observer.look()
    tracker(b"vkbench# ")
    observer.look()
    assert [entry["state"] for entry in observer.history] == ["kernel boots", "operating system"]
    assert observer.history[0]["bmc"] == "power on" and observer.history[0]["at_s"] >= 0


def test_waiting_ends_with_the_state_or_the_time(wires):
    tracker, _, _, observer = wires
    tracker(b"Linux version 6.1\nvkbench# ")
    assert observer.wait(RUNNING, 60).state is State.OS
    assert observer.wait({State.PANIC}, 0).state is State.OS
    assert observer.wait((), 60, stop=lambda seen: seen.clear).clear

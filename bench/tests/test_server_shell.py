# SPDX-License-Identifier: Apache-2.0
"""Power on, reboot and login: what counts as the shell, and what is said when console and BMC do not fit together.

The console is a real driver on a TCP peer that plays the server; the BMC is a stand-in.
"""

import re
from contextlib import contextmanager
from pathlib import Path

import pytest
from instrument_peers import tcp_peer

from vkbench import errors
from vkbench.config import parse
from vkbench.instruments import SerialConsole
from vkbench.server import server as module
from vkbench.server.server import Server
from vkbench.server.settings import Change
from vkbench.server.states import State, StateTracker

VIRTUAL = Path(__file__).resolve().parents[2] / "fixtures/benches/virtual.toml"
BOOT = b"SeaBIOS (version 1)\r\nLinux version 6.1\r\nvkbench# "


class Bmc:
    """``says``: what it says of the power, whatever it is."""

    def __init__(self, begin, says=None):
        self.on, self.begin, self.says = False, begin, says

    def is_on(self):
        return self.on if self.says is None else self.says

    def power_on(self):
        self.on = True
        self.begin()

    def power_off(self):
        self.on = False


@contextmanager
def machine(tmp_path, answers, boot=BOOT, says=None, timeout=20.0):
    """A server whose console answers each typed line out of ``answers`` (line -> bytes), after ``boot`` at power on."""
    links = []

    def serve(link):
        links.append(link)
        typed = b""
        while data := link.recv(4096):
            typed += data
            while b"\n" in typed:
                line, _, typed = typed.partition(b"\n")
                link.sendall(answers.get(line.decode(), b"vkbench# "))

    with tcp_peer(serve) as port:
        text = re.sub(r"socket://127.0.0.1:\d+", f"socket://127.0.0.1:{port}", VIRTUAL.read_text())
        text = text.replace("boot_timeout_s = 180.0", f"boot_timeout_s = {timeout}")
        bench = parse(text.encode(), tmp_path / "b.toml")
        tracker = StateTracker(bench.server, bench.markers)
        with SerialConsole(bench.console, tracker) as console:
            console.send("hello\n")
            console.expect("vkbench# ", 10)  # the peer has the link
            yield Server(bench, Bmc(lambda: links[0].sendall(boot), says), console, tracker)


def test_power_on_ends_at_the_shell_with_console_and_bmc_agreeing(tmp_path):
    with machine(tmp_path, {}) as server:
        server.power_on_to_shell()
        assert server.state is State.OS and server.observer.look().sentence.endswith("console and BMC agree")


def test_a_reboot_is_not_over_at_the_prompt_that_comes_before_it(tmp_path):
    going = b"vkbench# reboot: Restarting system\r\n"
    with machine(tmp_path, {"reboot": going + BOOT}) as server:
        server.power_on_to_shell()
        start = server._console.position
        server.reboot()
        assert server._console.text(start).count("vkbench# ") == 2
        assert server.state is State.OS


def test_a_reboot_that_never_comes_back_is_named(tmp_path):
    with machine(tmp_path, {"reboot": b"reboot: not permitted\r\nvkbench# "}, timeout=0.3) as server:
        server.power_on_to_shell()
        with pytest.raises(errors.ServerNeverBooted, match="within 0.3 s after 'reboot'.*operating system"):
            server.reboot()


def test_a_runs_settings_are_known_to_be_gone_with_a_reboot(tmp_path):
    with machine(tmp_path, {"reboot": BOOT}) as server:
        server.power_on_to_shell()
        assert server.settings.left == []
        server.settings._note(Change("/proc/sys/x", "setting", "0", "1"))
        server.reboot()
        assert server.settings.left == [] and server.settings.changed[0]["put_back"] == "reboot"


def test_a_shell_on_a_server_that_the_bmc_calls_off_stops_the_run(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "AGREE_WITHIN_S", 0.05)
    with (
        machine(tmp_path, {}, says=False) as server,
        pytest.raises(errors.StateUnclear, match="BMC says the power is off, but the console speaks"),
    ):
        server.power_on_to_shell()


def test_a_server_that_says_nothing_is_named_with_what_the_others_say(tmp_path):
    with (
        machine(tmp_path, {}, boot=b"", timeout=0.2) as server,
        pytest.raises(errors.ServerNeverBooted, match="BMC says the power is on, but the console is silent"),
    ):
        server.power_on_to_shell()


def test_enter_finds_the_shell_of_a_running_server(tmp_path):
    with machine(tmp_path, {"": b"\r\nvkbench# "}) as server:
        server.power_on_to_shell()
        server.log_in()

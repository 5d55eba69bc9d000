# SPDX-License-Identifier: Apache-2.0
"""Login at a getty on a real terminal with real shells behind it; the getty is a short one of ours, since agetty's login
needs root, with a distribution's texts."""

import os
import sys
from pathlib import Path

import pytest
from shell_peers import PROMPT, SHELLS, on_terminal

from vkbench import errors
from vkbench.config.model import Console, Login, Secret
from vkbench.instruments import SerialConsole
from vkbench.instruments import login as login_module
from vkbench.instruments.login import log_in

LIMIT_S = 20.0
PASSWORD = "secret-word-7"
GETTY = str(Path(__file__).with_name("getty_peer.py"))
pytestmark = pytest.mark.skipif(os.getuid() != 0, reason="the shell behind the getty must be root's")


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(login_module, "QUIET_S", 0.15)


def getty(*words):
    return on_terminal([sys.executable, GETTY, *words])


def console_of(port):
    return SerialConsole(Console(url=f"socket://127.0.0.1:{port}"))


@pytest.fixture
def login(tmp_path):
    (tmp_path / "password").write_text(PASSWORD + "\n")
    return Login(user="root", password=Secret(file=str(tmp_path / "password")))


@pytest.mark.parametrize(
    "words", [["kernel", "motd"], ["chatty"], ["slow"], ["deaf", "timeout"], ["shell=dash"]], ids="-".join
)
def test_it_ends_in_a_shell_with_the_prompt(login, words):
    with getty(*words) as port, console_of(port) as console:
        log_in(console, login, PROMPT, LIMIT_S, start=0 if "slow" in words else None)
        assert console.run("echo $PS1-$TERM", PROMPT, LIMIT_S) == f"{PROMPT}-dumb"
        assert console.text().count(PASSWORD) == 0
        log_in(console, login, PROMPT, LIMIT_S)  # and finds that it is logged in already
        assert console.run("echo again", PROMPT, LIMIT_S) == "again"


@pytest.mark.parametrize("shell", SHELLS)
def test_a_shell_without_a_login_gets_the_prompt_too(shell, login):
    with on_terminal(SHELLS[shell], env={"PS1": "sh-5.2# "}) as port, console_of(port) as console:
        log_in(console, None, PROMPT, LIMIT_S)
        assert console.run("echo here", PROMPT, LIMIT_S) == "here"


def test_a_wrong_password_is_named_and_not_shown(tmp_path):
    (tmp_path / "password").write_text("wrong-word-8\n")
    login = Login(user="root", password=Secret(file=str(tmp_path / "password")))
    with getty() as port, console_of(port) as console:
        with pytest.raises(errors.LoginFailed, match=r"refuses user 'root'.*\[server.login\]") as raised:
            log_in(console, login, PROMPT, LIMIT_S)
        assert "wrong-word-8" not in str(raised.value)
        assert console.text().count("Login incorrect") == 2  # not more: accounts get locked


def test_a_missing_password_and_a_silent_console_are_named(login):
    with getty() as port, console_of(port) as console, pytest.raises(errors.LoginFailed, match="password of"):
        log_in(console, Login(user="root"), PROMPT, LIMIT_S)
    with (
        on_terminal(["sleep", "60"], echo=False) as port,
        console_of(port) as console,
        pytest.raises(errors.LoginFailed, match="no shell"),
    ):
        log_in(console, login, PROMPT, 1.0)


def test_a_shell_that_is_not_roots_is_named(login):
    argv = ["setpriv", "--reuid=65534", "--clear-groups", "dash", "-i"]
    with (
        on_terminal(argv, env={"PS1": "$ "}) as port,
        console_of(port) as console,
        pytest.raises(errors.LoginFailed, match="not root's"),
    ):
        log_in(console, login, PROMPT, LIMIT_S)

# SPDX-License-Identifier: Apache-2.0
"""The server over SSH, against OpenSSH's own sshd on loopback."""

import os
import pwd
import shutil
import signal
import subprocess
import time
from pathlib import Path

import pytest
from instrument_peers import free_port

from vkbench import errors
from vkbench.config.model import Ssh
from vkbench.server.deploy import Deployer
from vkbench.server.ssh import SshShell

USER = pwd.getpwuid(os.getuid()).pw_name
READY_WITHIN_S = 10.0


def key(path: Path) -> str:
    """A new key pair; the public half."""
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", path], check=True)
    return path.with_suffix(".pub").read_text()


class Sshd:
    """A server of its own: port, host key, and the one user key that it lets in."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.port = folder, free_port()
        self.host_key = key(folder / "host")
        (folder / "authorized").write_text(key(folder / "user"))
        (folder / "known_hosts").write_text(f"[127.0.0.1]:{self.port} {self.host_key}")
        config = [
            f"Port {self.port}",
            "ListenAddress 127.0.0.1",
            f"HostKey {folder}/host",
            f"AuthorizedKeysFile {folder}/authorized",
            f"PidFile {folder}/pid",
            "PasswordAuthentication no",
            "KbdInteractiveAuthentication no",
            "PermitRootLogin prohibit-password",
            "StrictModes no",
            "UsePAM no",
        ]
        (folder / "config").write_text("\n".join(config) + "\n")
        self.process: subprocess.Popen | None = None

    def start(self) -> None:
        program = shutil.which("sshd", path=f"{os.environ['PATH']}:/usr/sbin:/sbin")
        assert program, "sshd is missing: apt-get install openssh-server"
        if os.getuid() == 0:
            Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)  # its privilege separation folder
        log = (self.folder / "log").open("ab")
        # A session of its own: its children, one a connection, are ended with it.
        self.process = subprocess.Popen(
            [program, "-D", "-e", "-f", self.folder / "config"], stderr=log, start_new_session=True
        )
        end = time.monotonic() + READY_WITHIN_S
        while "Server listening" not in (text := (self.folder / "log").read_text()):
            assert self.process.poll() is None and time.monotonic() < end, text
            time.sleep(0.02)

    def stop(self) -> None:
        if self.process is None:
            return
        children = subprocess.run(
            ["ps", "-o", "pid=", "--ppid", str(self.process.pid)], capture_output=True, text=True, check=False
        ).stdout.split()
        self.process.terminate()
        self.process.wait(10)
        for pid in children:
            try:
                os.kill(int(pid), signal.SIGTERM)
            except ProcessLookupError:
                continue
        (self.folder / "log").write_text("")
        self.process = None

    def settings(self, **changes) -> Ssh:
        found = {
            "host": "127.0.0.1",
            "port": self.port,
            "user": USER,
            "key": str(self.folder / "user"),
            "known_hosts": str(self.folder / "known_hosts"),
            "connect_timeout_s": 5.0,
        }
        return Ssh(**(found | changes))


@pytest.fixture(scope="module")
def peer(tmp_path_factory):
    sshd = Sshd(tmp_path_factory.mktemp("sshd"))
    sshd.start()
    yield sshd
    sshd.stop()


def test_commands_share_one_connection_and_say_how_they_ended(peer):
    with SshShell(peer.settings()) as shell:
        assert shell.run("echo one; echo two >&2") == "one\ntwo"
        assert shell.run('echo "a  b" "$HOME" | cat') == f"a  b {Path.home()}"
        with pytest.raises(errors.CommandFailed, match="ended with status 3; it said: oh"):
            shell.run("echo oh; exit 3")
        with pytest.raises(errors.CommandFailed, match="status 255"):
            shell.run("exit 255")
        assert shell.run("true") == ""
    assert (peer.folder / "log").read_text().count("Accepted publickey") == 1


def test_a_command_that_hangs_is_named(peer):
    with (
        SshShell(peer.settings()) as shell,
        pytest.raises(errors.SshFailed, match="did not end within 0.5 s"),
    ):
        shell.run("echo begun; sleep 60", 0.5)


def test_after_the_last_command_nothing_is_left(peer):
    with SshShell(peer.settings()) as shell:
        folder = Path(shell._need_folder())
        assert folder.exists()
    assert not folder.exists()
    with pytest.raises(errors.SshFailed, match="not open"):
        shell.run("true")


def test_without_known_hosts_the_first_key_is_kept_for_the_run(peer):
    with SshShell(peer.settings(known_hosts=None)) as shell:
        kept = (Path(shell._need_folder()) / "known_hosts").read_text()
        assert peer.host_key.split()[1] in kept and shell.run("echo x") == "x"


def test_another_host_key_is_refused(peer, tmp_path):
    other = key(tmp_path / "other")
    (tmp_path / "known").write_text(f"[127.0.0.1]:{peer.port} {other}")
    with pytest.raises(errors.SshFailed, match="known_hosts"):
        SshShell(peer.settings(known_hosts=str(tmp_path / "known"))).__enter__()


def test_a_key_that_is_not_let_in_is_named(peer, tmp_path):
    key(tmp_path / "stranger")
    with pytest.raises(errors.SshFailed, match="Permission denied.*authorized_keys"):
        SshShell(peer.settings(key=str(tmp_path / "stranger"))).__enter__()


def test_a_closed_port_is_named(peer):
    with pytest.raises(errors.SshFailed, match="(?i)connection refused.*Does sshd run"):
        SshShell(peer.settings(port=free_port(), known_hosts=None)).__enter__()


def test_files_of_the_bench_file_that_are_missing_are_named(peer, tmp_path):
    for name in ("key", "known_hosts"):
        with pytest.raises(errors.SshFailed, match=f"nothere does not exist.*{name}"):
            SshShell(peer.settings(**{name: str(tmp_path / "nothere")})).__enter__()


def test_a_key_that_others_can_read_is_named(peer, tmp_path):
    shutil.copy(peer.folder / "user", tmp_path / "open")
    (tmp_path / "open").chmod(0o644)
    with pytest.raises(errors.SshFailed, match="chmod 600"):
        SshShell(peer.settings(key=str(tmp_path / "open"))).__enter__()


def test_a_server_that_goes_away_is_named_and_comes_back(tmp_path):
    sshd = Sshd(tmp_path)
    sshd.start()
    try:
        with SshShell(sshd.settings()) as shell:
            assert shell.run("echo x") == "x"
            sshd.stop()
            with pytest.raises(errors.SshFailed):
                shell.run("echo y")
            sshd.start()
            shell.reconnect()
            assert shell.run("echo z") == "z"
    finally:
        sshd.stop()


def test_files_go_over_ssh_whole_and_are_built_once(peer, tmp_path, monkeypatch):
    monkeypatch.setattr("vkbench.server.deploy.FOLDER", str(tmp_path / "d"))
    files = {"Makefile": b"all:\n\tcp x y\n", "x": os.urandom(200_000), "sub/tool.sh": b"#!/bin/sh\n"}
    with SshShell(peer.settings()) as shell:
        deployer, seen = Deployer(lambda command, limit: "", 60, shell), []
        assert deployer.by == "ssh"
        folder = deployer.deploy("m", files, ["make"], lambda now, total: seen.append(now))
        assert Path(folder, "y").read_bytes() == files["x"]
        assert os.access(f"{folder}/sub/tool.sh", os.X_OK) and seen
        Path(folder, "y").unlink()
        deployer.deploy("m", files, ["make"])
        assert not Path(folder, "y").exists(), "the same files are not built again"


def test_a_build_that_fails_says_what_it_said(peer, tmp_path, monkeypatch):
    monkeypatch.setattr("vkbench.server.deploy.FOLDER", str(tmp_path / "d"))
    with SshShell(peer.settings()) as shell:
        deployer = Deployer(lambda command, limit: "", 60, shell)
        with pytest.raises(errors.DeployFailed, match="m: .*no rule for that"):
            deployer.deploy("m", {"Makefile": b"all:\n\t@echo no rule for that; exit 1\n"}, ["make"])

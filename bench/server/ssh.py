# SPDX-License-Identifier: Apache-2.0
"""The server's shell over SSH, by the machine's own OpenSSH client: one connection for as long as a run needs it.

The console stays the witness; this way is for files and long commands. It is never needed: every command goes over the
console as well.
"""

import itertools
import shlex
import subprocess
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import IO, Self

from vkbench import errors
from vkbench.config.model import Ssh

TAIL = 300  # characters of an output that an error shows
ALIVE_S = 5  # between two signs of life; three missing ones end the connection
CLOSE_S = 5.0
FAILED = 255  # ssh's own exit status
_HINTS = (  # the first that fits
    ("UNPROTECTED PRIVATE KEY", "chmod 600 the key file"),
    ("bad permissions", "chmod 600 the key file"),
    ("Permission denied", "Is the public half of key in the user's authorized_keys?"),
    ("REMOTE HOST IDENTIFICATION HAS CHANGED", "Another machine, or reinstalled? See known_hosts"),
    ("Host key verification failed", "Its host key is not the one in known_hosts"),
    ("Could not resolve", "Check host in [server.ssh]"),
    ("Connection refused", "Does sshd run there, and on this port?"),
    ("timed out", "Is the server's network up? Check host and port in [server.ssh]"),
    ("No route to host", "Is the server's network up?"),
)


class SshShell:
    """One master connection, and commands over it. Raises SshFailed with what ssh said."""

    def __init__(self, settings: Ssh) -> None:
        self._settings = settings
        self.where = f"ssh {settings.user}@{settings.host}:{settings.port}"
        self._folder: tempfile.TemporaryDirectory | None = None
        self._numbers = itertools.count(1)

    def __enter__(self) -> Self:
        settings = self._settings
        key = settings.path(settings.key)
        if not key.is_file():
            raise errors.SshFailed(f"the key {key} does not exist", self.where, "Check key in [server.ssh]")
        if settings.known_hosts and not settings.path(settings.known_hosts).is_file():
            raise errors.SshFailed(
                f"{settings.path(settings.known_hosts)} does not exist",
                self.where,
                "Write the server's host key into it (ssh-keyscan), or leave known_hosts out",
            )
        # /tmp, because the control socket's path must fit into 107 bytes (unix(7)).
        self._folder = tempfile.TemporaryDirectory(prefix="vkbench-ssh-", dir="/tmp")
        try:
            self._connect()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End the connection. May be called twice."""
        if self._folder is None:
            return
        with suppress(subprocess.SubprocessError, OSError):
            subprocess.run(
                [*self._argv(), "-O", "exit", self._target()], capture_output=True, timeout=CLOSE_S
            )
        self._folder.cleanup()
        self._folder = None

    def reconnect(self) -> None:
        """After the server's reboot: a new connection, the same host key."""
        with suppress(subprocess.SubprocessError, OSError):
            subprocess.run(
                [*self._argv(), "-O", "exit", self._target()], capture_output=True, timeout=CLOSE_S
            )
        self._connect()

    def run(self, command: str, timeout: float = 60.0, stdin: bytes | IO[bytes] | None = None) -> str:
        """A command as root; what it printed. Raises CommandFailed on an exit status other than 0, else SshFailed.

        Standard error comes into the output, as on a console.
        """
        if self._folder is None:
            raise errors.SshFailed("is not open", self.where)
        remote = f"{{ {command}\n}} 2>&1"
        if self._settings.user != "root":
            remote = f"sudo -n sh -c {shlex.quote(remote)}"
        argv = [*self._argv(), "-o", "ControlMaster=no", self._target(), remote]
        given = {"input": stdin} if isinstance(stdin, bytes) else {"stdin": stdin or subprocess.DEVNULL}
        try:
            done = subprocess.run(argv, capture_output=True, timeout=timeout, check=False, **given)
        except subprocess.TimeoutExpired as error:
            said = (error.stdout or b"").decode("utf-8", "replace")
            raise errors.SshFailed(
                f"'{command}' did not end within {timeout:g} s; it said: {said[-TAIL:] or 'nothing'}",
                self.where,
            ) from None
        output = done.stdout.decode("utf-8", "replace").strip("\n")
        if done.returncode == FAILED and (reason := _reason(done.stderr)):
            raise self._failed(reason)
        if done.returncode:
            raise errors.CommandFailed(
                f"'{command}' ended with status {done.returncode}; it said: {output[-TAIL:] or 'nothing'}",
                self.where,
            )
        return output

    # ---- helpers -----------------------------------------------------------------------------------------------------

    def _connect(self) -> None:
        settings = self._settings
        argv = [
            *self._argv(),
            "-o",
            "ControlMaster=yes",
            "-o",
            "ControlPersist=yes",
            "-f",
            "-N",
            self._target(),
        ]
        # A background ssh keeps its standard error open: a file, or the call would wait for the connection's end.
        said = Path(self._need_folder()) / "said"
        limit = settings.connect_timeout_s + CLOSE_S
        with said.open("wb") as log:
            try:
                done = subprocess.run(
                    argv, stdin=subprocess.DEVNULL, stdout=log, stderr=log, timeout=limit, check=False
                )
            except FileNotFoundError:
                raise errors.SshFailed(
                    "there is no ssh program", self.where, "apt-get install openssh-client"
                ) from None
            except subprocess.TimeoutExpired:
                raise self._failed(f"Connection timed out: no answer within {limit:g} s") from None
        if done.returncode:
            raise self._failed(_reason(said.read_bytes()) or f"ssh ended with {done.returncode}")

    def _argv(self) -> list[str]:
        settings, folder = self._settings, Path(self._need_folder())
        options = {
            "BatchMode": "yes",
            "ControlPath": str(folder / "s"),
            "IdentitiesOnly": "yes",
            "IdentityFile": str(settings.path(settings.key)),
            "ConnectTimeout": str(max(1, round(settings.connect_timeout_s))),
            "ServerAliveInterval": str(ALIVE_S),
            "ServerAliveCountMax": "3",
            "LogLevel": "ERROR",
            "StrictHostKeyChecking": "yes" if settings.known_hosts else "accept-new",
            "UserKnownHostsFile": str(
                settings.path(settings.known_hosts) if settings.known_hosts else folder / "known_hosts"
            ),
            "GlobalKnownHostsFile": "/dev/null",
        }
        words = [word for name, value in options.items() for word in ("-o", f"{name}={value}")]
        return ["ssh", "-F", "none", *words, "-p", str(settings.port)]

    def _target(self) -> str:
        return f"{self._settings.user}@{self._settings.host}"

    def _need_folder(self) -> str:
        assert self._folder is not None
        return self._folder.name

    def _failed(self, reason: str) -> errors.SshFailed:
        hint = next((hint for text, hint in _HINTS if text.lower() in reason.lower()), "")
        return errors.SshFailed(reason, self.where, hint)


def _reason(said: bytes) -> str:
    """What ssh said, on one line, without the frames of @ around its warnings."""
    lines = [line.strip() for line in said.decode("utf-8", "replace").splitlines()]
    return " ".join(line.strip("@ ") for line in lines if line.strip("@ ")).strip()[-TAIL * 2 :].rstrip(".")

# SPDX-License-Identifier: Apache-2.0
"""Peers of the instrument tests.

``tcp_peer`` plays one script per connection, for what real peers never do. ``Firmware`` is the analyser's own
firmware, compiled for this machine with a mock of its hardware, behind TCP or a serial port (a pty).
"""

import fcntl
import os
import select
import socket
import subprocess
import sys
import threading
import tty
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Self

import pytest

ROOT = Path(__file__).resolve().parents[2]


@contextmanager
def tcp_peer(serve: Callable[[socket.socket], None]) -> Iterator[int]:
    """Listen on loopback; each connection is given to ``serve`` in a thread. Yields the port."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        links: list[socket.socket] = []

        def accept() -> None:
            while True:
                try:
                    link, _ = listener.accept()
                except OSError:
                    return
                links.append(link)
                threading.Thread(target=_guarded, args=(serve, link), daemon=True).start()

        thread = threading.Thread(target=accept, daemon=True)
        thread.start()
        try:
            yield listener.getsockname()[1]
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            thread.join(5)
            for link in links:
                link.close()


def _guarded(serve: Callable[[socket.socket], None], link: socket.socket) -> None:
    with suppress(OSError):  # the test closed its end
        serve(link)


def free_port(kind: socket.SocketKind = socket.SOCK_STREAM) -> int:
    """A port that nobody uses just now."""
    with socket.socket(socket.AF_INET, kind) as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@pytest.fixture(scope="session")
def firmware_program(tmp_path_factory) -> Path:
    """firmware/analyser as a program that answers stdin on stdout; a line that begins with ! drives its mock."""
    sys.path.insert(0, str(ROOT / "firmware"))
    import build

    out = tmp_path_factory.mktemp("firmware")
    subprocess.run([sys.executable, ROOT / "rtl/regs/generate.py", "--out", out], check=True)
    return build.build_host(out, out, "tests/analyser_host.c", "-O1")


class Firmware:
    """The running firmware, and the wire to it. It outlives its clients, and so does what they left unread.

    The wire is a simple bridge (USB-FIFO, serial to Ethernet): it knows no message, and holds bytes until somebody
    reads them.
    """

    def __init__(self, program: Path) -> None:
        self._run = subprocess.Popen([program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0)
        # A block must not fit into the pipe: it is still under way when its client dies.
        fcntl.fcntl(self._run.stdout, fcntl.F_SETPIPE_SZ, 4096)
        self._wake_read, self._wake_write = os.pipe()
        self._thread: threading.Thread | None = None
        self._held = b""
        self.resource = ""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._wake_write)
        self._run.stdin.close()
        self._run.kill()
        self._run.wait()
        if self._thread:
            self._thread.join(5)
        self._run.stdout.close()
        os.close(self._wake_read)

    def drive(self, line: str) -> None:
        """Something happens to the mock hardware (firmware/tests/analyser_mock.h); not in the middle of a line."""
        self._run.stdin.write(f"!{line}\n".encode())

    def on_tcp(self) -> Self:
        """Serves one TCP client after the other; a new one takes the place of the one before."""
        listener = socket.create_server(("127.0.0.1", 0))
        self.port = listener.getsockname()[1]
        self.resource = f"TCPIP::127.0.0.1::{self.port}::SOCKET"
        self._start(self._serve_tcp, listener)
        return self

    def on_serial(self) -> Self:
        """Serves a serial port."""
        ours, theirs = os.openpty()
        tty.setraw(theirs)
        self.device = os.ttyname(theirs)
        self.resource = f"ASRL{self.device}::INSTR"
        self._start(self._serve_serial, ours, theirs)
        return self

    def _start(self, serve: Callable[..., None], *args: object) -> None:
        self._thread = threading.Thread(target=serve, args=args, daemon=True)
        self._thread.start()

    def _serve_tcp(self, listener: socket.socket) -> None:
        with listener:
            while self._ready(listener.fileno()):
                link, _ = listener.accept()
                with link:
                    self._bridge(link.fileno(), listener.fileno())

    def _serve_serial(self, ours: int, theirs: int) -> None:
        self._bridge(ours, None)
        os.close(ours)
        os.close(theirs)

    def _ready(self, *files: int) -> list[int]:
        """Which of the files can be read; none when it is time to end."""
        found = select.select([*files, self._wake_read], [], [])[0]
        return [] if self._wake_read in found else found

    def _bridge(self, client: int, next_client: int | None) -> None:
        """Carries bytes until the client goes, or the next one calls, or the end."""
        output = self._run.stdout.fileno()
        with suppress(OSError):
            while True:
                if self._held:
                    self._held = self._held[os.write(client, self._held) :]
                    continue
                wanted = [client, output] + ([] if next_client is None else [next_client])
                found = self._ready(*wanted)
                if not found or next_client in found:
                    return
                if client in found:
                    if not (data := os.read(client, 4096)):
                        return
                    self._run.stdin.write(data)
                if output in found:
                    self._held = os.read(output, 512)

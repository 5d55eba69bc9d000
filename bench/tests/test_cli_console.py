# SPDX-License-Identifier: Apache-2.0
"""``vkbench console`` in a terminal: what is typed goes out, what comes is shown, Ctrl-] is not for the server."""

import os
import pty
import select
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from instrument_peers import free_port, tcp_peer

LIMIT_S = 20.0
TEXT = (Path(__file__).resolve().parents[2] / "fixtures/benches/virtual.toml").read_text()


class Terminal:
    """The command on a terminal of its own."""

    def __init__(self, folder, port, *words):
        bench = folder / "bench.toml"
        bench.write_text(TEXT.replace("127.0.0.1:26231", f"127.0.0.1:{port}"))
        self._ours, theirs = pty.openpty()
        argv = [sys.executable, "-m", "vkbench", *words, "--bench", str(bench)]
        self.process = subprocess.Popen(
            argv, stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True
        )
        os.close(theirs)
        self.seen = b""

    def wait(self, text):
        end = time.monotonic() + LIMIT_S
        while text not in self.seen:
            left = end - time.monotonic()
            assert left > 0, self.seen
            if select.select([self._ours], [], [], left)[0]:
                try:
                    self.seen += os.read(self._ours, 4096)
                except OSError:  # it has ended
                    assert text in self.seen, self.seen
        self.seen = self.seen.partition(text)[2]

    def type(self, data):
        os.write(self._ours, data)

    def close(self):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        os.close(self._ours)


@pytest.mark.parametrize("words", [("console",), ("lab", "console")], ids="-".join)
def test_a_terminal_on_the_console(tmp_path, words):
    got = bytearray()
    news = threading.Event()

    link_of = []

    def serve(link):
        link_of.append(link)
        link.sendall(b"hello \xff\x00 there\r\nlogin: ")
        while data := link.recv(100):
            got.extend(data)
            if got.endswith(b"!"):
                news.set()

    with tcp_peer(serve) as port:
        terminal = Terminal(tmp_path, port, *words)
        try:
            terminal.wait(b"sends BREAK")  # from then on each key is the server's
            terminal.type(b"\xc3\xa4\x03\x04\r")  # UTF-8, Ctrl-C, Ctrl-D, Enter: all the server's
            terminal.type(b"\x1db")
            terminal.wait(b"raw TCP carries no BREAK")
            terminal.type(b"x!")
            assert news.wait(LIMIT_S)
            assert bytes(got) == b"\xc3\xa4\x03\x04\rx!"
            link_of[0].sendall(b"more\r\n")
            terminal.wait(b"more")
            terminal.type(b"\x1d")
            assert terminal.process.wait(LIMIT_S) == 0
        finally:
            terminal.close()


def test_a_console_that_breaks_ends_it_with_a_sentence(tmp_path):
    with tcp_peer(lambda link: (link.sendall(b"short"), link.close())) as port:
        terminal = Terminal(tmp_path, port, "console")
        try:
            terminal.wait(b"the line broke")
            assert terminal.process.wait(LIMIT_S) == 4
        finally:
            terminal.close()


def test_without_a_terminal_or_a_console_it_says_so(tmp_path):
    bench = tmp_path / "bench.toml"
    bench.write_text(TEXT.replace("127.0.0.1:26231", f"127.0.0.1:{free_port()}"))
    argv = [sys.executable, "-m", "vkbench", "console", "--bench", str(bench)]
    done = subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=LIMIT_S)
    assert done.returncode == 3 and "no terminal" in done.stderr
    terminal = Terminal(tmp_path, free_port(), "console")
    try:
        terminal.wait(b"cannot be opened")
        assert terminal.process.wait(LIMIT_S) == 4
    finally:
        terminal.close()

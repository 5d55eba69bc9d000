# SPDX-License-Identifier: Apache-2.0
"""The console's files keep every byte: through kill -9, a full disk, and a fellow sink that fails."""

import itertools
import subprocess
import sys
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from instrument_peers import tcp_peer

from vkbench import errors
from vkbench.config.model import Console
from vkbench.evidence import ConsoleSink
from vkbench.instruments import SerialConsole

LIMIT_S = 10.0

VICTIM = """
import sys, time
from pathlib import Path
from vkbench.config.model import Console
from vkbench.evidence import RunDirectory
from vkbench.instruments import SerialConsole
run = RunDirectory.create(Path(sys.argv[2]))
with SerialConsole(Console(url=f"socket://127.0.0.1:{sys.argv[1]}"), run.console_sink):
    time.sleep(60)
"""


def test_after_kill_9_the_files_have_all_that_had_come(tmp_path):
    sent = []  # (time, bytes sent so far)

    def serve(link):
        count = 0
        while True:
            text = b"[%5d.000000] half a li" % count + b"ne\r\nprompt# " * (count % 3)
            link.sendall(text)
            count += len(text)
            sent.append((time.monotonic(), count))
            time.sleep(0.01)

    with tcp_peer(serve) as port:
        victim = subprocess.Popen([sys.executable, "-c", VICTIM, str(port), str(tmp_path / "run")])
        raw = tmp_path / "run/console.raw"
        end = time.monotonic() + LIMIT_S
        while not raw.exists() or raw.stat().st_size < 5000:
            assert time.monotonic() < end and victim.poll() is None
            time.sleep(0.02)
        killed = time.monotonic()
        victim.kill()
        victim.wait()
    kept = raw.stat().st_size
    assert kept >= max(count for when, count in sent if when <= killed - 0.2)
    log = (tmp_path / "run/console.log").read_text()
    lines = raw.read_bytes().decode().replace("\r", "").split("\n")
    assert [line.partition(" ")[2] for line in log.split("\n")] == lines  # up to the last, unfinished line
    times = [line.split() for line in (tmp_path / "run/console.times").read_text().splitlines()]
    assert [int(offset) for offset, _ in times] == sorted({int(offset) for offset, _ in times})
    assert int(times[-1][0]) < kept and int(times[0][0]) == 0


@pytest.mark.parametrize("full", ["console.raw", "console.log", "console.times"])
def test_a_full_disk_under_one_file_is_said_and_the_others_go_on(tmp_path, full):
    (tmp_path / full).symlink_to("/dev/full")
    sink = ConsoleSink(tmp_path, itertools.count().__next__)
    for data in (b"first\r\n", b"second\r\n"):
        with pytest.raises(OSError, match="No space left"):
            sink(data)
    for name in {"console.raw", "console.log"} - {full}:
        assert b"first" in (tmp_path / name).read_bytes() and b"second" in (tmp_path / name).read_bytes()
    with pytest.raises(OSError, match=r"."):
        (sink.close if full != "console.raw" else lambda: sink._raw.write(b"x"))()


def test_a_sink_that_fails_is_an_error_and_takes_nothing_from_the_others():
    first, last = bytearray(), bytearray()

    def broken(data):
        raise ValueError("a follower's fault")

    def serve(link):
        link.sendall(b"one ")
        link.recv(1)
        link.sendall(b"two ")

    with tcp_peer(serve) as port:
        url = f"socket://127.0.0.1:{port}"
        with SerialConsole(Console(url=url), first.extend, broken, last.extend) as console:
            with pytest.raises(errors.ConsoleDead, match="a follower's fault"):
                console.expect("three", LIMIT_S)
            console._port.write(b"x")
            end = time.monotonic() + LIMIT_S
            while last != b"one two " and time.monotonic() < end:
                time.sleep(0.01)
    assert first == last == b"one two "


@settings(max_examples=30, deadline=None)
@given(st.lists(st.binary(max_size=20)))
def test_log_and_raw_are_the_same_however_the_bytes_are_cut(pieces):
    import tempfile
    from pathlib import Path

    whole = b"".join(pieces)
    with tempfile.TemporaryDirectory() as one, tempfile.TemporaryDirectory() as other:
        for folder, data in ((one, pieces), (other, [whole])):
            sink = ConsoleSink(Path(folder), lambda: 1.0)
            for piece in data:
                sink(piece)
            sink.close()
        assert (Path(one) / "console.raw").read_bytes() == whole
        assert (Path(one) / "console.log").read_bytes() == (Path(other) / "console.log").read_bytes()

# SPDX-License-Identifier: Apache-2.0
"""RFC 2217 against a server of other authors: ser2net on a pseudo terminal."""

import os
import random
import shutil
import socket
import subprocess
import threading
import time
import tty

import pytest
from instrument_peers import free_port

from vkbench import errors
from vkbench.config.model import Console
from vkbench.instruments import SerialConsole

LIMIT_S = 15.0
# pyserial 3.5 starts its thread the old way.
pytestmark = pytest.mark.filterwarnings("ignore:set(Daemon|Name):DeprecationWarning")


class Ser2net:
    """The server, and the other end of its serial line."""

    def __init__(self, folder):
        self.line, self._device = os.openpty()
        tty.setraw(self._device)
        self.rfc2217, self.raw = free_port(), free_port()
        device = os.ttyname(self._device)
        config = folder / "ser2net.yaml"
        config.write_text(
            "%YAML 1.1\n---\n"
            f"connection: &a\n  accepter: telnet(rfc2217),tcp,127.0.0.1,{self.rfc2217}\n"
            f"  connector: serialdev,{device},115200n81,local\n"
            f"connection: &b\n  accepter: tcp,127.0.0.1,{self.raw}\n"
            f"  connector: serialdev,{device},115200n81,local\n"
        )
        path = shutil.which("ser2net", path="/usr/sbin:/usr/bin")
        assert path, "ser2net is missing: run fixtures/host/setup.sh --test"
        self.process = subprocess.Popen(
            [path, "-n", "-d", "-u", "-c", config], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        end = time.monotonic() + LIMIT_S
        while True:
            with socket.socket() as probe:
                # Bound, not connected: a probe would open the serial line.
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                try:
                    probe.bind(("127.0.0.1", self.raw))
                except OSError:
                    return
            assert time.monotonic() < end and self.process.poll() is None
            time.sleep(0.02)

    def close(self):
        self.process.kill()
        self.process.wait()
        os.close(self.line)
        os.close(self._device)


@pytest.fixture
def server(tmp_path):
    made = Ser2net(tmp_path)
    yield made
    made.close()


def test_every_byte_goes_and_comes_and_a_second_client_is_told_that_it_is_busy(server):
    url = f"rfc2217://127.0.0.1:{server.rfc2217}"
    data = random.Random(1).randbytes(20_000) + bytes(range(256))
    kept = bytearray()
    with SerialConsole(Console(url=url), kept.extend) as console:
        write = lambda: [os.write(server.line, data[at : at + 500]) for at in range(0, len(data), 500)]  # noqa: E731
        threading.Thread(target=write, daemon=True).start()
        end = time.monotonic() + LIMIT_S
        while console.position < len(data) and time.monotonic() < end:
            time.sleep(0.01)
        assert bytes(kept) == data
        got = bytearray()

        def read():
            while len(got) < len(data):
                got.extend(os.read(server.line, 4096))

        reader = threading.Thread(target=read, daemon=True)
        reader.start()
        console.send_bytes(data)
        reader.join(LIMIT_S)
        assert bytes(got) == data
        console.send_break(0.05)  # a pseudo terminal has none; the server takes it all the same
        with pytest.raises(errors.ConsoleBusy, match="in use"):
            SerialConsole(Console(url=url, open_timeout_s=0.1)).__enter__()
        raw = Console(url=f"socket://127.0.0.1:{server.raw}")
        with pytest.raises(errors.ConsoleBusy, match="in use"), SerialConsole(raw) as second:
            second.expect("login:", LIMIT_S)


def test_a_server_that_dies_is_noticed(server):
    with SerialConsole(Console(url=f"rfc2217://127.0.0.1:{server.rfc2217}")) as console:
        server.process.kill()
        with pytest.raises(errors.ConsoleDead):
            console.expect("login:", LIMIT_S)
        with pytest.raises(errors.ConsoleDead):
            console.send("anybody?")


def test_a_port_that_speaks_no_rfc2217_is_unreachable(server):
    with pytest.raises(errors.ConsoleUnreachable, match="RFC2217"):
        SerialConsole(Console(url=f"rfc2217://127.0.0.1:{server.raw}", open_timeout_s=0.1)).__enter__()

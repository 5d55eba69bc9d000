# SPDX-License-Identifier: Apache-2.0
"""Serial over LAN on a network that loses packets, and with a BMC that dies."""

import random
import select
import signal
import socket
import threading
import time
from contextlib import contextmanager

import pytest
from sol_peers import LIMIT_S, running, wait_until

from vkbench import errors
from vkbench.instruments.console_sol import ASK_AFTER_S, SolConsole


@pytest.fixture
def mortal_bmc(tmp_path):
    with running(tmp_path) as bmc:
        yield bmc


@pytest.mark.parametrize(
    ("number", "limit"), [(signal.SIGKILL, 3.0), (signal.SIGSTOP, ASK_AFTER_S + 1.0)], ids=["gone", "silent"]
)
def test_a_dead_bmc_is_noticed_in_time(mortal_bmc, number, limit):
    settings = mortal_bmc.settings.model_copy(update={"timeout_s": 1.0})
    with SolConsole(mortal_bmc.console, settings) as console:
        mortal_bmc.process.send_signal(number)
        begin = time.monotonic()
        with pytest.raises(errors.ConsoleDead):
            console.expect("nothing", LIMIT_S)
        assert time.monotonic() - begin < limit + 1.5
        with pytest.raises(errors.ConsoleDead):
            console.send("anybody?")
        begin = time.monotonic()
    assert time.monotonic() - begin < 2  # closing does not wait for the dead
    mortal_bmc.process.kill()


@contextmanager
def bad_network(port):
    """Between client and BMC: every 7th packet is lost and every 5th comes twice, once ``bad`` is set."""
    bad = threading.Event()
    ended = threading.Event()
    server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    server.bind(("127.0.0.1", 0))
    bmc = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    bmc.connect(("127.0.0.1", port))

    def serve():
        count, client = 0, None
        while not ended.is_set():
            for link in select.select([server, bmc], [], [], 0.1)[0]:
                data, sender = link.recvfrom(4096)
                if link is server:
                    client = sender
                count += bad.is_set()
                times = 0 if count % 7 == 6 else 2 if count % 5 == 4 else 1
                for _ in range(times):
                    bmc.send(data) if link is server else server.sendto(data, client)

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield server.getsockname()[1], bad
    finally:
        ended.set()
        thread.join()
        server.close()
        bmc.close()


def test_lost_and_doubled_packets_lose_and_double_no_byte(mortal_bmc):
    data = random.Random(3).randbytes(600).replace(b"\xff", b"\xfe")
    with bad_network(mortal_bmc.port) as (port, bad):
        bmc = mortal_bmc.settings.model_copy(update={"port": port})
        with SolConsole(mortal_bmc.console, bmc) as console:
            bad.set()
            console.send_bytes(data[:200])
            mortal_bmc.line.sendall(data)
            wait_until(lambda: console.position >= len(data))
            assert bytes(console.text().encode()) == data.decode("utf-8", "replace").encode()
            assert mortal_bmc.take(200) == data[:200]

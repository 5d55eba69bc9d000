# SPDX-License-Identifier: Apache-2.0
"""The fault proxy, each fault over TCP and over UDP. What is hit is the seed's affair, not the clock's."""

import signal
import socket
import subprocess
import sys
import threading
import time
from contextlib import contextmanager

import pytest
from instrument_peers import tcp_peer

from vkbench.virtual.fault_proxy import HEALTHY, READY, Fault, FaultProxy

WAIT_S = 10.0
DATA = bytes(range(256)) * 40


def echo(link):
    while data := link.recv(1 << 16):
        link.sendall(data)
    link.shutdown(socket.SHUT_WR)


@pytest.fixture
def echo_port():
    with tcp_peer(echo) as port:
        yield port


@pytest.fixture
def udp_port():
    """Sends each datagram back."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind(("127.0.0.1", 0))

        def serve():
            while True:
                data, client = server.recvfrom(4096)
                if data == b"end":
                    return
                server.sendto(data, client)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield server.getsockname()[1]
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as last:
            last.sendto(b"end", server.getsockname())
        thread.join(WAIT_S)


@contextmanager
def dead_port():
    """A port that is taken, and on which nobody listens."""
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        yield unused.getsockname()[1]


def connect(proxy):
    return socket.create_connection(("127.0.0.1", proxy.port), timeout=WAIT_S)


def receive(link, count):
    data = b""
    while len(data) < count and (more := link.recv(1 << 16)):
        data += more
    return data


def through(port, fault, data=DATA, pieces=1, seed=0):
    """What comes back until the end, after sending in so many pieces."""
    with FaultProxy(("127.0.0.1", port), fault, seed=seed) as proxy, connect(proxy) as link:
        size = -(-len(data) // pieces)
        for start in range(0, len(data), size):
            link.sendall(data[start : start + size])
        link.shutdown(socket.SHUT_WR)
        return receive(link, 1 << 30)


def test_a_healthy_wire_changes_nothing(echo_port):
    assert through(echo_port, HEALTHY) == DATA


def test_a_large_stream_passes_whole(echo_port):
    data = DATA * 300
    with FaultProxy(("127.0.0.1", echo_port)) as proxy, connect(proxy) as link:
        sender = threading.Thread(target=link.sendall, args=(data,))
        sender.start()
        assert receive(link, len(data)) == data
        sender.join(WAIT_S)
        assert proxy.passed == 2 * len(data)


def test_delay_is_each_ways_and_keeps_order(echo_port):
    begin = time.monotonic()
    assert through(echo_port, Fault(delay_s=0.15), pieces=7) == DATA
    assert time.monotonic() - begin >= 0.3


def test_dropped_bytes_are_the_seeds_and_not_the_streams_pieces(echo_port):
    fault = Fault(drop=0.05)
    once, again = through(echo_port, fault), through(echo_port, fault, pieces=13)
    assert once == again and 0.85 * len(DATA) < len(once) < 0.95 * len(DATA)
    assert through(echo_port, fault, seed=1) != once
    left = iter(DATA)
    assert all(byte in left for byte in once), "what is left is in order"


def test_everything_dropped_is_a_silent_wire(echo_port):
    with FaultProxy(("127.0.0.1", echo_port), Fault(drop=1)) as proxy, connect(proxy) as link:
        link.sendall(b"hello")
        link.settimeout(0.3)
        with pytest.raises(TimeoutError):
            link.recv(1)


def test_garbled_bytes_are_others_and_as_many(echo_port):
    fault = Fault(garble=0.01)
    once, again = through(echo_port, fault), through(echo_port, fault, pieces=13)
    assert once == again and len(once) == len(DATA)
    wrong = sum(a != b for a, b in zip(once, DATA, strict=True))
    assert 0.01 * len(DATA) < wrong < 0.03 * len(DATA), "both ways"


def test_a_cut_comes_after_its_bytes_and_the_peer_notices():
    taken, ended = bytearray(), threading.Event()

    def sink(link):
        try:
            while data := link.recv(1 << 16):
                taken.extend(data)
        except ConnectionResetError:
            pass
        ended.set()

    with tcp_peer(sink) as port, FaultProxy(("127.0.0.1", port), Fault(cut_after=1000)) as proxy:
        with connect(proxy) as link, pytest.raises((ConnectionResetError, BrokenPipeError)):
            link.sendall(DATA)
            link.recv(1)
        assert ended.wait(WAIT_S) and proxy.cut
        with pytest.raises(ConnectionResetError), connect(proxy) as link:
            link.recv(1)
    assert len(taken) <= 1000, "an RST may overtake what was not read"


def test_what_came_before_the_cut_arrives():
    taken = threading.Event()
    got = bytearray()

    def sink(link):
        while len(got) < 5:
            got.extend(link.recv(5))
        taken.set()

    with (
        tcp_peer(sink) as port,
        FaultProxy(("127.0.0.1", port), Fault(cut_after=5, delay_s=0.1)) as proxy,
        connect(proxy) as link,
    ):
        link.sendall(b"hello and more")
        assert taken.wait(WAIT_S)
    assert got == b"hello"


def test_healthy_then_cut_then_healthy_again(echo_port):
    with FaultProxy(("127.0.0.1", echo_port)) as proxy:
        with connect(proxy) as link:
            link.sendall(b"one")
            assert receive(link, 3) == b"one"
            proxy.fault = Fault(cut_after=0)
            with pytest.raises(ConnectionResetError):
                link.recv(1)
        proxy.fault = HEALTHY
        with connect(proxy) as link:
            link.sendall(b"two")
            assert receive(link, 3) == b"two"


def test_a_fault_can_come_in_the_middle_of_a_connection(echo_port):
    with FaultProxy(("127.0.0.1", echo_port)) as proxy, connect(proxy) as link:
        link.sendall(DATA)
        assert receive(link, len(DATA)) == DATA
        proxy.fault = Fault(garble=1)
        link.sendall(DATA)
        came = receive(link, len(DATA))
        assert len(came) == len(DATA) and came != DATA
        proxy.fault = HEALTHY
        link.sendall(DATA)
        assert receive(link, len(DATA)) == DATA


def test_nobody_behind_the_wire_is_a_closed_connection():
    with (
        dead_port() as port,
        FaultProxy(("127.0.0.1", port)) as proxy,
        pytest.raises(ConnectionResetError),
        connect(proxy) as link,
    ):
        link.recv(1)


# ---- UDP -------------------------------------------------------------------------------------------------------------


def datagrams(port, fault, count=200, seed=0, timeout=1.0):
    """Send so many datagrams; which came back, and their bytes."""
    with (
        FaultProxy(("127.0.0.1", port), fault, udp=True, seed=seed) as proxy,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as link,
    ):
        link.connect(("127.0.0.1", proxy.port))
        link.settimeout(WAIT_S if not (fault.drop or fault.cut_after is not None) else timeout)
        came = []
        for number in range(count):
            link.send(number.to_bytes(2) + bytes(20))
            if number % 20 == 19 or number == count - 1:  # not more than the sockets hold
                try:
                    while len(came) <= number:
                        came.append(link.recv(4096))
                        if came[-1][:2] == number.to_bytes(2) and not fault.garble:
                            break
                except TimeoutError:
                    pass
        return came


def test_datagrams_pass(udp_port):
    assert [int.from_bytes(one[:2]) for one in datagrams(udp_port, HEALTHY)] == list(range(200))


def test_a_share_of_datagrams_is_lost_by_seed(udp_port):
    once = datagrams(udp_port, Fault(drop=0.2), 60, timeout=0.2)
    assert 20 < len(once) < 50 and once == datagrams(udp_port, Fault(drop=0.2), 60, timeout=0.2)


def test_datagrams_are_garbled_by_byte(udp_port):
    came = datagrams(udp_port, Fault(garble=0.05), 40)
    assert len(came) == 40 and all(len(one) == 22 for one in came)
    assert 20 < sum(byte != 0 for one in came for byte in one[2:]) < 160


def test_datagrams_are_delayed(udp_port):
    begin = time.monotonic()
    assert len(datagrams(udp_port, Fault(delay_s=0.1), 1)) == 1
    assert time.monotonic() - begin >= 0.2


def test_nothing_passes_a_cut_wire_and_everything_after_it_is_mended(udp_port):
    with (
        FaultProxy(("127.0.0.1", udp_port), udp=True) as proxy,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as link,
    ):
        link.connect(("127.0.0.1", proxy.port))
        link.settimeout(WAIT_S)
        link.send(b"one")
        assert link.recv(100) == b"one"
        proxy.fault = Fault(cut_after=0)
        link.send(b"two")
        link.settimeout(0.2)
        with pytest.raises(TimeoutError):
            link.recv(100)
        proxy.fault = HEALTHY
        link.settimeout(WAIT_S)
        link.send(b"three")
        assert link.recv(100) == b"three"


# ---- the command -----------------------------------------------------------------------------------------------------


def command(*words):
    return [sys.executable, "-m", "vkbench.virtual.fault_proxy", *map(str, words)]


def test_the_command_serves_until_it_is_told_to_end(echo_port):
    argv = command("--listen", 0, "--to", f"127.0.0.1:{echo_port}", "--garble", 1)
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as process:
        try:
            line = process.stdout.readline()
            assert line.startswith(READY)
            with socket.create_connection(("127.0.0.1", int(line.rpartition(":")[2])), WAIT_S) as link:
                link.sendall(b"hello")
                assert receive(link, 5) != b"hello"
            process.send_signal(signal.SIGTERM)
            assert process.wait(WAIT_S) == 0
        finally:
            process.kill()


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--listen", 0, "--to", "nowhere"], "HOST:PORT"),
        (["--listen", 0, "--to", "127.0.0.1:1", "--drop", 2], "0 to 1"),
    ],
)
def test_a_wrong_command_line_is_told(words, says):
    done = subprocess.run(command(*words), capture_output=True, text=True, timeout=WAIT_S)
    assert done.returncode == 2 and says in done.stderr and "Traceback" not in done.stderr


def test_a_port_that_is_taken_is_told(echo_port):
    argv = command("--listen", echo_port, "--to", "127.0.0.1:1")
    done = subprocess.run(argv, capture_output=True, text=True, timeout=WAIT_S)
    assert done.returncode == 1 and str(echo_port) in done.stderr and "Traceback" not in done.stderr

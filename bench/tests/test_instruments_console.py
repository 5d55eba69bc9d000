# SPDX-License-Identifier: Apache-2.0
"""The console: nothing is lost, texts are found in sequence, each of pyserial's URLs opens, a dead line is named."""

import os
import re
import threading
import tty

import pytest
from instrument_peers import free_port, tcp_peer

from vkbench import errors
from vkbench.config.model import Console
from vkbench.instruments import SerialConsole

LIMIT_S = 10.0


def settings(port):
    return Console(url=f"socket://127.0.0.1:{port}", open_timeout_s=1.0)


def test_a_line_that_breaks_is_named():
    with (
        tcp_peer(lambda link: (link.recv(10), link.close())) as port,
        SerialConsole(settings(port)) as console,
    ):
        with pytest.raises(errors.ConsoleDead):
            console.run("true", "# ", LIMIT_S)
        with pytest.raises(errors.ConsoleDead):
            console.send("more\n")


def test_texts_are_found_in_their_sequence():
    with (
        tcp_peer(lambda link: link.sendall(b"one two one \xff three 42\n")) as port,
        SerialConsole(settings(port)) as line,
    ):
        first = line.expect("one", LIMIT_S)
        second = line.expect("one", LIMIT_S)
        assert (first.start, second.start) == (0, 8)
        assert line.expect(re.compile(r"three (\d+)"), LIMIT_S).groups == ("42",)
        with pytest.raises(errors.ConsoleTimeout):
            line.expect("two", 0.1)
        assert line.expect("two", LIMIT_S, start=0).start == 4


def test_a_time_out_shows_the_last_text():
    with tcp_peer(lambda link: link.sendall(b"stuck at GRUB")) as port, SerialConsole(settings(port)) as line:
        line.expect("GRUB", LIMIT_S)
        with pytest.raises(errors.ConsoleTimeout, match="stuck at GRUB"):
            line.expect("login:", 0.1, start=0)


def test_every_byte_reaches_the_sinks_before_it_can_be_expected():
    data = bytes(range(256)) * 2000
    kept = bytearray()

    def serve(link):
        link.sendall(data + b"END")

    with tcp_peer(serve) as port, SerialConsole(settings(port), kept.extend) as line:
        line.expect("END", LIMIT_S)
        assert bytes(kept) == data + b"END"


def test_no_sink_is_called_after_closing():
    kept = bytearray()
    go = threading.Event()

    def serve(link):
        link.sendall(b"early")
        go.wait(LIMIT_S)
        link.sendall(b"late")

    with tcp_peer(serve) as port:
        line = SerialConsole(settings(port), kept.extend)
        with line:
            line.expect("early", LIMIT_S)
        go.set()
        assert bytes(kept) == b"early"


def test_a_failing_sink_is_an_error_and_no_silence():
    def sink(data):
        raise OSError("disk full")

    with (
        tcp_peer(lambda link: link.sendall(b"x")) as port,
        SerialConsole(settings(port), sink) as line,
        pytest.raises(errors.ConsoleDead, match="disk full"),
    ):
        line.expect("y", LIMIT_S)


def test_pyserials_loop_port_works_too():
    with SerialConsole(Console(url="loop://x")) as line:
        line.send("there and back\n")
        assert line.expect("back", LIMIT_S).end == 14


def test_a_closed_port_is_unreachable():
    port = free_port()
    with pytest.raises(errors.ConsoleUnreachable, match=str(port)), SerialConsole(settings(port)):
        pass


def test_a_missing_device_is_unreachable():
    with (
        pytest.raises(errors.ConsoleUnreachable, match="ttyNONE"),
        SerialConsole(Console(url="/dev/ttyNONE")),
    ):
        pass


@pytest.fixture
def device():
    """A serial device (a pseudo terminal) and its other end."""
    ours, theirs = os.openpty()
    tty.setraw(theirs)
    yield os.ttyname(theirs), ours
    os.close(ours)
    os.close(theirs)


@pytest.mark.parametrize("form", ["{}", "spy://{}?file=/dev/null", "alt://{}?class=Serial"])
def test_a_device_works_by_each_of_its_urls(device, form):
    name, peer = device
    with SerialConsole(Console(url=form.format(name))) as line:
        line.send_bytes(b"\xff\x00out")
        assert os.read(peer, 100) == b"\xff\x00out"
        os.write(peer, b"in \xff END")
        line.expect("END", LIMIT_S)
        with pytest.raises(errors.ConsoleNotSupported, match="pseudo terminal"):
            line.send_break()


def test_a_device_has_one_user(device):
    name, _ = device
    url = Console(url=name, open_timeout_s=0.2)
    with SerialConsole(url), pytest.raises(errors.ConsoleBusy), SerialConsole(url):
        pass


def test_a_device_that_goes_is_named():
    ours, theirs = os.openpty()
    tty.setraw(theirs)
    with SerialConsole(Console(url=os.ttyname(theirs))) as line:
        os.close(theirs)
        os.close(ours)
        with pytest.raises(errors.ConsoleDead):
            line.expect("x", LIMIT_S)


def test_no_port_for_hwgrep_is_unreachable():
    with (
        pytest.raises(errors.ConsoleUnreachable, match="no ports found"),
        SerialConsole(Console(url="hwgrep://no-such-adapter-0000")),
    ):
        pass


@pytest.mark.parametrize("url", ["socket", "loop"])
def test_a_line_without_break_says_so(url):
    with tcp_peer(lambda link: link.recv(1)) as port:
        where = Console(url=f"socket://127.0.0.1:{port}" if url == "socket" else "loop://x")
        with SerialConsole(where) as line, pytest.raises(errors.ConsoleNotSupported, match="no BREAK"):
            line.sysrq("c")


@pytest.mark.parametrize("key", ["", "cc", "\n", "é"])
def test_a_sysrq_key_is_one_character(key):
    with SerialConsole(Console(url="loop://x")) as line, pytest.raises(errors.UserError, match="sysrq key"):
        line.sysrq(key)


def test_a_server_that_has_another_client_is_busy():
    with (
        tcp_peer(lambda link: (link.sendall(b"Port already in use\r\n"), link.close())) as port,
        SerialConsole(settings(port)) as line,
        pytest.raises(errors.ConsoleBusy, match="Port already in use"),
    ):
        line.expect("login:", LIMIT_S)

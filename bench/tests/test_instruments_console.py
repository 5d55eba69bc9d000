# SPDX-License-Identifier: Apache-2.0
"""The console: nothing is lost, texts are found in sequence, a shell's status is checked, a dead line is named."""

import re
import threading
import time

import pytest
from instrument_peers import free_port, tcp_peer

from vkbench import errors
from vkbench.config.model import Console
from vkbench.instruments import SerialConsole

LIMIT_S = 10.0


def settings(port):
    return Console(url=f"socket://127.0.0.1:{port}", open_timeout_s=1.0)


def shell(echo):
    """A root shell of few words behind a serial line, with or without echo."""

    def serve(link):
        link.sendall(b"boot\r\n# ")
        with link.makefile("rb") as lines:
            for raw in lines:
                line = raw.decode().strip()
                if echo:
                    link.sendall(raw.replace(b"\n", b"\r\n"))
                command, _, tail = line.rpartition("; echo ")
                status = 3 if command == "false" else 0
                if command == "hang":
                    return threading.Event().wait()
                if command == "die":
                    return link.close()
                words = command.removeprefix("say ") if command.startswith("say ") else ""
                if words:
                    link.sendall(words.encode() + b"\r\n")
                link.sendall(tail.replace("$?", str(status)).encode() + b"\r\n# ")
        return None

    return serve


@pytest.fixture(params=[False, True], ids=["no echo", "echo"])
def console(request):
    with tcp_peer(shell(request.param)) as port, SerialConsole(settings(port)) as line:
        line.expect("# ", LIMIT_S)
        yield line


def test_a_command_gives_its_output_only(console):
    assert console.run("say two words", "# ", LIMIT_S) == "two words"
    assert console.run("true", "# ", LIMIT_S) == ""
    assert console.run("say again", "# ", LIMIT_S) == "again"


def test_a_failed_command_is_named_with_its_status(console):
    with pytest.raises(errors.CommandFailed, match="'false' ended with status 3"):
        console.run("false", "# ", LIMIT_S)
    assert console.run("say alive", "# ", LIMIT_S) == "alive"


def test_a_command_that_hangs_is_named_in_time(console):
    begin = time.monotonic()
    with pytest.raises(errors.ConsoleTimeout, match="hang"):
        console.run("hang", "# ", 0.3)
    assert time.monotonic() - begin < 3


def test_a_line_that_breaks_is_named(console):
    with pytest.raises(errors.ConsoleDead):
        console.run("die", "# ", LIMIT_S)
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

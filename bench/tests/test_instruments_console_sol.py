# SPDX-License-Identifier: Apache-2.0
"""Serial over LAN against OpenIPMI's ipmi_sim: exact bytes, BREAK, one client at a time, errors by name."""

import random
import socket
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from instrument_peers import free_port
from sol_peers import LIMIT_S, running, wait_until

from vkbench import errors
from vkbench.config.model import Secret
from vkbench.instruments.console_sol import SolConsole

FILES = Path("/proc/self/fd")


@pytest.fixture(scope="module")
def simulated_bmc(tmp_path_factory):
    """For tests that leave it as it was."""
    with running(tmp_path_factory.mktemp("bmc")) as bmc:
        yield bmc


def quick(bmc, **changes):
    return bmc.console.model_copy(update={"open_timeout_s": 0.3, **changes})


def test_200_kb_come_whole_and_in_order(simulated_bmc):
    data = random.Random(1).randbytes(200_000)
    kept = bytearray()
    with SolConsole(simulated_bmc.console, simulated_bmc.settings, kept.extend) as console:
        threading.Thread(target=simulated_bmc.line.sendall, args=(data,), daemon=True).start()
        wait_until(lambda: console.position >= len(data))
        assert bytes(kept) == data


def test_200_kb_go_whole_and_in_order(simulated_bmc):
    # Not four 0xff in one packet: the simulator's buffer of 32 bytes holds each of them twice (lanserv/sol.c).
    data = random.Random(2).randbytes(200_000).replace(b"\xff", b"\xfe")
    data = data[:1000] + b"\xff\xf3\xff" + data[1003:]
    with SolConsole(simulated_bmc.console, simulated_bmc.settings) as console:
        got = []
        reader = threading.Thread(target=lambda: got.append(simulated_bmc.take(len(data))))
        reader.start()
        console.send_bytes(data)
        reader.join(LIMIT_S)
        assert got == [data]


def test_break_and_sysrq_arrive_before_what_follows(simulated_bmc):
    # The relay has no QMP here; that it was told of the BREAK before the key stands in its log.
    with SolConsole(simulated_bmc.console, simulated_bmc.settings) as console:
        console.sysrq("h")
        assert simulated_bmc.take(1) == b"h"
        simulated_bmc.wait_log("BREAK")


def test_a_second_client_is_told_that_it_is_busy_and_the_first_goes_on(simulated_bmc):
    with SolConsole(simulated_bmc.console, simulated_bmc.settings) as first:
        with pytest.raises(errors.ConsoleBusy), SolConsole(quick(simulated_bmc), simulated_bmc.settings):
            pass
        simulated_bmc.line.sendall(b"still here")
        first.expect("still here", LIMIT_S)
    with SolConsole(simulated_bmc.console, simulated_bmc.settings) as third:  # closing has freed it
        simulated_bmc.line.sendall(b"free")
        third.expect("free", LIMIT_S)


KILLED = """
import sys
from pathlib import Path
from vkbench.config.model import Bmc, Console
from vkbench.instruments.console_sol import SolConsole
with SolConsole(Console(url="sol:"), Bmc.model_validate_json(sys.argv[1])):
    print("open", flush=True)
    sys.stdin.read()
"""


def test_what_a_killed_client_left_can_be_taken_over(simulated_bmc):
    argv = [sys.executable, "-c", KILLED, simulated_bmc.settings.model_dump_json(exclude_unset=True)]
    client = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    try:
        assert client.stdout.readline() == b"open\n"
    finally:
        client.kill()
        client.wait()
        client.stdin.close()
        client.stdout.close()
    with pytest.raises(errors.ConsoleBusy, match="take_over"):
        SolConsole(quick(simulated_bmc), simulated_bmc.settings).__enter__()
    with SolConsole(quick(simulated_bmc, take_over=True), simulated_bmc.settings) as console:
        simulated_bmc.line.sendall(b"mine")
        console.expect("mine", LIMIT_S)


def test_who_loses_the_console_to_another_client_is_told(simulated_bmc):
    with (
        SolConsole(simulated_bmc.console, simulated_bmc.settings) as first,
        SolConsole(quick(simulated_bmc, take_over=True), simulated_bmc.settings) as second,
    ):
        with pytest.raises(errors.ConsoleDead, match="another client|ended"):
            first.expect("nothing", LIMIT_S)
        simulated_bmc.line.sendall(b"second's")
        second.expect("second's", LIMIT_S)


def test_a_wrong_password_is_named_without_being_shown(simulated_bmc, tmp_path):
    (tmp_path / "wrong").write_text("not-the-password\n")
    bmc = simulated_bmc.settings.model_copy(update={"password": Secret(file=str(tmp_path / "wrong"))})
    with pytest.raises(errors.BmcLoginError) as raised, SolConsole(simulated_bmc.console, bmc):
        pass
    assert "not-the-password" not in str(raised.value) and str(tmp_path / "wrong") in str(raised.value)


def test_a_cipher_suite_that_the_bmc_has_not_is_named(simulated_bmc):
    bmc = simulated_bmc.settings.model_copy(update={"cipher_suite": 17})
    with pytest.raises(errors.BmcCipherMismatch, match="17"), SolConsole(simulated_bmc.console, bmc):
        pass


def test_a_closed_port_and_an_unknown_host_are_named(simulated_bmc):
    for change, word in (
        ({"port": free_port(socket.SOCK_DGRAM)}, "answers"),
        ({"host": "no.such.host.invalid"}, "not known"),
    ):
        bmc = simulated_bmc.settings.model_copy(update=change)
        with (
            pytest.raises(errors.BmcUnreachable, match=word),
            SolConsole(quick(simulated_bmc), bmc),
        ):
            pass


def test_no_descriptor_and_no_thread_is_left(simulated_bmc):
    before = (len(list(FILES.iterdir())), threading.active_count())
    for _ in range(3):
        with SolConsole(simulated_bmc.console, simulated_bmc.settings):
            pass
    assert (len(list(FILES.iterdir())), threading.active_count()) == before

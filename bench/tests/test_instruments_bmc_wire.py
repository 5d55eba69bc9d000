# SPDX-License-Identifier: Apache-2.0
"""The IPMI driver on a bad wire to OpenIPMI's simulator: slow, lossy, noisy, and a BMC that restarts."""

import socket
import threading
import time
from itertools import count

import pytest
from bmc_peers import PASSWORD, Wire, bmc_settings, simulator
from test_instruments_bmc import TIMEOUT_S, within

from vkbench import errors
from vkbench.instruments import IpmiBmc

LIMIT_S = 0.4


@pytest.fixture
def secret(tmp_path):
    path = tmp_path / "secret"
    path.write_text(PASSWORD + "\n")
    return path


@pytest.fixture(scope="module")
def running(tmp_path_factory):
    with simulator(tmp_path_factory.mktemp("bmc"), chassis=True) as sim:
        yield sim


@pytest.fixture
def wire(running):
    with Wire(running.port) as wire:
        yield wire


def calls(running, what):
    path = running.machine / "calls"
    return path.read_text().splitlines().count(what) if path.exists() else 0


def in_session(nth):
    """Counts the requests that bear a session's encryption; true at the nth."""
    counter = count(1)
    return lambda data: len(data) > 5 and data[4] == 6 and data[5] & 0x80 and next(counter) == nth


def test_a_bmc_slower_than_a_retransmission_is_waited_for(wire, secret):
    """A copy of each question goes out at half the limit; answers come at 0.7 of it, those to the copies too late."""
    wire.delay_s = 0.35
    assert IpmiBmc(bmc_settings(wire.port, secret, timeout_s=0.5)).is_on() in (True, False)
    assert wire.requests > 8  # a call on a fast wire has seven


def test_a_slow_bmc_is_only_slow(wire, secret):
    """As a BMC with 2 s for each answer, five times as fast."""
    wire.delay_s = 0.4
    begin = time.monotonic()
    assert IpmiBmc(bmc_settings(wire.port, secret)).is_on() in (True, False)
    assert time.monotonic() - begin < 8 * 0.4 + 1


def test_a_bmc_slower_than_timeout_s_is_named(wire, secret):
    wire.delay_s = LIMIT_S * 1.5
    with (
        within(2 * LIMIT_S),
        pytest.raises(errors.BmcUnreachable, match="timeout_s"),
        IpmiBmc(bmc_settings(wire.port, secret, timeout_s=LIMIT_S)),
    ):
        pass


def test_each_answer_twice_and_noise_between_changes_nothing(wire, secret):
    noise = [b"\x06\x00\xff\x07", b"\x06\x00\xff\x07" + bytes(40), b"\xff" * 60]

    def garble(data):
        # A session's packets are signed; those of the login have the UDP checksum only, which a proxy makes right.
        signed = len(data) > 5 and data[4] == 6 and data[5] & 0x40
        broken = [data[:-3] + bytes([data[-3] ^ 0x55]) + data[-2:]] if signed else []
        return [*noise, *broken, data, data]

    wire.to_client = garble
    with IpmiBmc(bmc_settings(wire.port, secret)) as bmc:
        bmc.power_on()
        assert bmc.is_on() and bmc.event_log() == []
        bmc.power_off()
        assert not bmc.is_on()


@pytest.mark.parametrize("lost", range(1, 8))
def test_any_one_lost_request_is_made_good(wire, secret, lost):
    counter = count(1)
    wire.to_bmc = lambda data: next(counter) != lost
    with within(3 * LIMIT_S):
        assert IpmiBmc(bmc_settings(wire.port, secret, timeout_s=LIMIT_S)).is_on() in (True, False)


@pytest.mark.parametrize("lost", range(1, 8))
def test_any_one_lost_answer_is_made_good(wire, secret, lost):
    counter = count(1)
    wire.to_client = lambda data: [] if next(counter) == lost else [data]
    with within(3 * LIMIT_S):
        assert IpmiBmc(bmc_settings(wire.port, secret, timeout_s=LIMIT_S)).is_on() in (True, False)


def test_a_reset_whose_answer_is_lost_happens_once_and_says_that_it_is_not_known(running, wire, secret):
    bmc = IpmiBmc(bmc_settings(wire.port, secret))
    bmc.power_on()
    before, the_reset, lost = calls(running, "set reset 1"), in_session(2), threading.Event()

    def see(data):
        if the_reset(data):
            lost.set()
        return True

    def lose(data):
        losing = lost.is_set()
        lost.clear()
        return [] if losing else [data]

    wire.to_bmc, wire.to_client = see, lose
    with within(2 * TIMEOUT_S), pytest.raises(errors.BmcTimeout, match="not repeated"):
        bmc.reset()
    assert calls(running, "set reset 1") == before + 1


def test_a_bmc_that_answered_and_falls_silent_is_gone_and_comes_back(wire, secret):
    with IpmiBmc(bmc_settings(wire.port, secret)) as bmc:
        wire.deaf = True
        with within(TIMEOUT_S), pytest.raises(errors.BmcGone, match="chassis status"):
            bmc.is_on()
        wire.deaf = False
        assert bmc.is_on() in (True, False)


def test_silence_in_the_middle_of_a_call_is_gone(wire, secret):
    bmc = IpmiBmc(bmc_settings(wire.port, secret))
    middle = in_session(2)

    def cut(data):
        wire.deaf = wire.deaf or bool(middle(data))
        return not wire.deaf

    wire.to_bmc = cut
    with within(3 * TIMEOUT_S), pytest.raises(errors.BmcGone, match="event log"):
        bmc.event_log()


def test_a_bmc_that_restarts_between_two_calls_is_survived(tmp_path, secret):
    with simulator(tmp_path / "bmc", chassis=True) as sim, IpmiBmc(bmc_settings(sim.port, secret)) as bmc:
        bmc.power_on()
        sim.stop()
        with within(TIMEOUT_S), pytest.raises(errors.BmcGone):
            bmc.is_on()
        sim.start()
        assert bmc.is_on()


def test_a_bmc_that_restarts_in_the_middle_of_a_call_is_survived(tmp_path, secret):
    with simulator(tmp_path / "bmc", chassis=True) as sim, Wire(sim.port) as wire:
        bmc = IpmiBmc(bmc_settings(wire.port, secret))
        middle, restarted = in_session(2), threading.Event()

        def restart(data):
            if middle(data) and not restarted.is_set():
                sim.stop()
                sim.start()
                restarted.set()
            return True

        wire.to_bmc = restart
        assert bmc.event_log() == []
        assert restarted.is_set()


def test_a_bmc_with_an_ipv6_address(running, secret):
    try:
        wire = Wire(running.port, "::1")
    except OSError:
        pytest.skip("this machine has no IPv6")
    with wire:
        assert IpmiBmc(bmc_settings(wire.port, secret, "::1")).is_on() in (True, False)


def test_a_wire_ends_while_somebody_still_sends():
    """The peer of these tests itself: a datagram that comes while it is taken down."""
    before = threading.active_count()
    with Wire(9) as wire, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        wire._open = False  # as its end does first
        client.sendto(b"x", ("127.0.0.1", wire.port))
        until = time.monotonic() + 5
        while threading.active_count() > before + 1 and time.monotonic() < until:
            time.sleep(0.01)
    assert threading.active_count() == before

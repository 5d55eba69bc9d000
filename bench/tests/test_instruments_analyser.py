# SPDX-License-Identifier: Apache-2.0
"""The analyser's driver against peers that are silent, garble, refuse, lie or die: each its own error, in time.

A good analyser is no peer here: the co-simulation's tests and host_tests talk to the real firmware.
"""

import re
import time

import pytest
from instrument_peers import free_port, tcp_peer

from vkbench import errors
from vkbench.config.model import Analyser
from vkbench.instruments import ScpiAnalyser

IDN = "vkbench,VK-LA1," + "0" * 31 + "7,1.0+test"
TIMEOUT_S = 0.6
#: An error must come within the driver's time-out and this, seconds (a loaded machine).
SLACK_S = 3.0


class Peer:
    """Answers lines by a table; an entry is a text, bytes sent as they are, None (silence) or an Exception (hang up)."""

    def __init__(self, **answers):
        self.answers = {
            "*IDN?": IDN,
            "SYST:ERR?": '0,"No error"',
            "CAPT:STAT?": "IDLE",
            **answers.pop("table", {}),
        }
        self.seen = []
        self.greeting = answers.pop("greeting", b"")

    def __call__(self, link):
        link.sendall(self.greeting)
        with link.makefile("rb") as lines:
            for raw in lines:
                line = raw.decode().strip()
                if not line:
                    continue
                self.seen.append(line)
                answer = self.answers.get(line)
                if callable(answer):
                    answer = answer()
                if isinstance(answer, Exception):
                    link.close()
                    return
                if isinstance(answer, bytes):
                    link.sendall(answer)
                elif answer is not None:
                    link.sendall(answer.encode() + b"\n")


def settings(port, timeout_s=TIMEOUT_S):
    return Analyser(
        resource=f"TCPIP::127.0.0.1::{port}::SOCKET", timeout_s=timeout_s, self_test_timeout_s=timeout_s
    )


def driven(peer, action):
    """Open the driver on this peer and do something; what it returned, and how long it took."""
    with tcp_peer(peer) as port:
        begin = time.monotonic()
        try:
            with ScpiAnalyser(settings(port)) as analyser:
                return action(analyser)
        finally:
            assert time.monotonic() - begin < 2 * TIMEOUT_S + SLACK_S


def test_a_closed_port_is_unreachable_and_says_what_to_do():
    port = free_port()
    with pytest.raises(errors.AnalyserUnreachable, match=str(port)) as caught, ScpiAnalyser(settings(port)):
        pass
    assert "lab up" in caught.value.hint and caught.value.exit_code == 4


def test_a_silent_analyser_is_named_within_its_time_out():
    with pytest.raises(errors.AnalyserSilent, match=re.escape("*IDN?")):
        driven(lambda link: link.recv(1 << 20) and time.sleep(2 * TIMEOUT_S), lambda analyser: None)


def test_another_instrument_is_named():
    peer = Peer(table={"*IDN?": "ACME,DMM,1,2"})
    with pytest.raises(errors.InstrumentError) as caught:
        driven(peer, lambda analyser: None)
    assert isinstance(caught.value, errors.AnalyserGarbled | errors.AnalyserSilent)


def test_what_an_earlier_program_left_is_drained():
    peer = Peer(greeting=b"half an old block\n\x00\x01\xff" + bytes(5000))
    assert driven(peer, lambda analyser: analyser.identify())["serial"].endswith("7")
    assert peer.seen[:2] == ["*CLS", "*IDN?"]


def test_a_refused_setting_shows_the_instruments_own_words():
    queue = iter(['-222,"Data out of range"', '-100,"Command error"', '0,"No error"'])
    peer = Peer(table={"SYST:ERR?": lambda: next(queue)})
    with pytest.raises(errors.AnalyserRefused, match=r"MARK 7.*-222.*Data out of range.*-100"):
        driven(peer, lambda analyser: analyser.mark(7))


def test_a_refused_query_is_no_silence():
    peer = Peer(table={"SYST:ERR?": '-113,"Undefined header"'})
    with pytest.raises(errors.AnalyserRefused, match="-113"):
        driven(peer, lambda analyser: analyser.depth())


@pytest.mark.parametrize("answer", ["12,5", "", "many", "#HXY"])
def test_an_answer_that_is_no_number_is_named(answer):
    peer = Peer(table={"CAPT:DEPT?": answer})
    with pytest.raises(errors.AnalyserGarbled, match="CAPT:DEPT"):
        driven(peer, lambda analyser: analyser.depth())


def test_a_failed_self_test_stops():
    with pytest.raises(errors.AnalyserSelfTestFailed, match="ended with 5"):
        driven(Peer(table={"*TST?": "5"}), lambda analyser: analyser.self_test())


ARM = {
    "TRIG:SOUR?": "CONS",
    "TRIG:CONS:TEXT?": '"Kernel panic - not syncing"',
    "CAPT:PRET?": "100",
    "CAPT:DEPT?": "65536",
}


def states(*values):
    left = iter(values)
    return lambda: next(left)


def arm(table, *more):
    peer = Peer(table={**ARM, "CAPT:STAT?": states("IDLE", "ARMED", *more), **table})
    return driven(peer, lambda analyser: analyser.arm_on_console("Kernel panic - not syncing", 100)), peer


def test_arming_reads_back_every_term():
    terms, peer = arm({})
    assert (terms.source, terms.text, terms.depth, terms.pretrigger) == (
        "CONSOLE",
        "Kernel panic - not syncing",
        65536,
        100,
    )
    assert set(ARM) <= set(peer.seen)
    assert peer.seen.index("CAPT:ARM") < peer.seen.index("TRIG:SOUR?")


@pytest.mark.parametrize(
    ("query", "wrong"),
    [
        ("TRIG:SOUR?", "NONE"),
        ("TRIG:CONS:TEXT?", '"Kernel panic"'),
        ("CAPT:PRET?", "99"),
        ("CAPT:STAT?", None),
    ],
)
def test_a_term_that_reads_back_differently_stops(query, wrong):
    table = {query: wrong} if wrong else {query: states("IDLE", "TRIGGERED")}
    with pytest.raises(errors.AnalyserNotAsSet, match=r"ARMED" if wrong is None else re.escape(query)):
        arm(table)


def capture_peer(data, count=2):
    statistics = "RQ_WR,5,4,100,200;DOORBELL,0,0,0,0"
    table = {
        "CAPT:STAT?": "DONE",
        "CAPT:LOST?": "0",
        "TRIG:TIME?": "77",
        "STAT:ALL?": statistics,
        "CAPT:COUN?": str(count),
        f"CAPT:DATA? 0,{count}": data,
    }
    return Peer(table=table)


def test_a_capture_is_read_with_newlines_in_its_bytes():
    records = bytes([10]) * 64
    seen = []
    capture = driven(
        capture_peer(b"#264" + records + b"\n"),
        lambda analyser: analyser.read_capture(lambda *now: seen.append(now)),
    )
    assert capture.records == records and capture.trigger_time == 77 and seen == [(2, 2)]
    assert capture.statistics["RQ_WR"].last == 200


DAMAGED_BLOCKS = {
    "dies in mid-block": (b"#264" + bytes(40), errors.AnalyserSilent),
    "no end of line": (b"#264" + bytes(64) + b"x\n", errors.AnalyserGarbled),
    "fewer records than asked for": (b"#232" + bytes(32) + b"\n", errors.AnalyserGarbled),
    "indefinite": (b"#0" + bytes(64) + b"\n", errors.AnalyserGarbled),
    "no block": (b"hello, no block\n", errors.AnalyserGarbled),
    "length is no number": (b"#2x4" + bytes(64) + b"\n", errors.AnalyserGarbled),
}


@pytest.mark.parametrize(("data", "error"), DAMAGED_BLOCKS.values(), ids=DAMAGED_BLOCKS)
def test_a_damaged_block_is_named(data, error):
    with pytest.raises(error, match="CAPT:DATA"):
        driven(capture_peer(data), lambda analyser: analyser.read_capture())


def test_a_connection_that_breaks_is_named():
    peer = Peer(table={"CAPT:DEPT?": ConnectionError()})
    with pytest.raises((errors.AnalyserSilent, errors.AnalyserUnreachable)):
        driven(peer, lambda analyser: analyser.depth())


def test_a_seeded_defect_is_set_by_name_and_read_back():
    peer = Peer(table={"DUT:FAUL?": "SLIP", "DUT:FAUL:CAT?": "NONE,CUT,SLIP"})

    def action(analyser):
        analyser.set_fault("SLIP")
        return analyser.fault(), analyser.faults()

    assert driven(peer, action) == ("SLIP", ("CUT", "SLIP"))
    assert "DUT:FAUL SLIP" in peer.seen


@pytest.mark.parametrize(
    ("action", "query"),
    [
        (lambda analyser: analyser.set_fault(None), "DUT:FAUL?"),
        (lambda analyser: analyser.boot_mode("ROM"), "DUT:BOOT?"),
    ],
)
def test_a_card_that_does_not_take_a_setting_is_named(action, query):
    with pytest.raises(errors.AnalyserNotAsSet, match=re.escape(query)):
        driven(Peer(table={"DUT:FAUL?": "CUT", "DUT:BOOT?": "RUN"}), action)

# SPDX-License-Identifier: Apache-2.0
"""The analyser's driver: against the analyser's own firmware over TCP and over a serial port (the hardware below it is
a mock), and against peers that are silent, garble, refuse, lie or die: each its own error, in time.
"""

import re
import socket
import time

import numpy as np
import pytest
from instrument_peers import Firmware, firmware_program, free_port, tcp_peer  # noqa: F401  (a fixture)

from vkbench import errors
from vkbench.capture import records as rec
from vkbench.capture.layout import Kind, Tap
from vkbench.config.model import Analyser
from vkbench.instruments import ScpiAnalyser
from vkbench.instruments.analyser import settings_of
from vkbench.instruments.protocol import Qualification

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
    assert peer.seen[:3] == ["\x03", "*CLS", "*IDN?"]


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


PANIC = "Kernel panic - not syncing"
PROGRAM = f':TRIG:CLE;:TRIG:SOUR CONS;:TRIG:TEXT1 "{PANIC}";:TRIG:TERM1:SOUR TEXT1;:TRIG:STEP1 1,1,FIRE'
ARM = {
    "TRIG:SOUR?": "CONS",
    "TRIG:CONS:TEXT?": f'"{PANIC}"',
    "TRIG:PROG?": PROGRAM,
    "CAPT:PRET?": "100",
    "CAPT:SEGM?": "1",
    "CAPT:DEPT?": "65536",
    "CAPT:QUAL?": "ALL",
    "CAPT:QUAL:TERM?": "NONE",
    "CAPT:FOLD?": "1",
    "DIAG:BLIN?": "0",
}


def states(*values):
    left = iter(values)
    return lambda: next(left)


def arm(table, *more):
    peer = Peer(table={**ARM, "CAPT:STAT?": states("IDLE", "IDLE", "ARMED", *more), **table})
    return driven(peer, lambda analyser: analyser.arm_on_console(PANIC, 100)), peer


def test_arming_reads_back_every_term():
    terms, peer = arm({})
    assert (terms.source, terms.text, terms.depth, terms.pretrigger) == ("CONSOLE", PANIC, 65536, 100)
    assert (terms.program, terms.segments, terms.fold) == (PROGRAM, 1, True) and terms.qualify.whole
    assert set(ARM) <= set(peer.seen)
    assert peer.seen.index("CAPT:ARM") < peer.seen.index("TRIG:SOUR?")


@pytest.mark.parametrize(
    ("query", "wrong"),
    [
        ("TRIG:SOUR?", "NONE"),
        ("TRIG:CONS:TEXT?", '"Kernel panic"'),
        ("TRIG:PROG?", PROGRAM.replace("not", "now")),
        ("TRIG:PROG?", PROGRAM.replace("1,1,FIRE", "1,2,FIRE")),
        ("CAPT:PRET?", "99"),
        ("CAPT:SEGM?", "2"),
        ("DIAG:BLIN?", "4"),
        ("CAPT:STAT?", None),
    ],
)
def test_a_term_that_reads_back_differently_stops(query, wrong):
    table = {query: wrong} if wrong else {query: states("IDLE", "IDLE", "TRIGGERED")}
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
        "CAPT:SEGM:COUN?": "1",
        "CAPT:SEGM? 1": f"0,{count},5,77",
        "TRIG:PROG?": PROGRAM,
        "CAPT:QUAL?": "ALL",
        "CAPT:QUAL:TERM?": "NONE",
        "CAPT:FOLD?": "1",
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


# ---- the real firmware --------------------------------------------------------------------------------------------------


@pytest.fixture(params=["tcp", "serial"])
def firmware(firmware_program, request):  # noqa: F811
    with Firmware(firmware_program) as running:
        yield running.on_tcp() if request.param == "tcp" else running.on_serial()


def opened(firmware):
    return ScpiAnalyser(Analyser(resource=firmware.resource, timeout_s=10, self_test_timeout_s=10))


def test_the_self_test_passes_and_finds_every_tap_made_blind(firmware):
    with opened(firmware) as analyser:
        analyser.self_test()
        analyser.prove_self_test()
        assert analyser._link.number("DIAG:BLIN?") == 0


def test_a_self_test_that_overlooks_a_blind_tap_is_no_proof(firmware):
    firmware.drive(
        "blind 8"
    )  # this tap is really broken: the self-test then never ends with another's bit alone
    with opened(firmware) as analyser:
        with pytest.raises(errors.AnalyserSelfTestFailed, match="ended with 8"):
            analyser.self_test()
        with pytest.raises(errors.AnalyserSelfTestFailed, match="tap CQ made blind"):
            analyser.prove_self_test()
        assert analyser._link.number("DIAG:BLIN?") == 0, "a failed proof leaves the taps open"


def test_a_console_trigger_from_arming_to_the_records(firmware):
    with opened(firmware) as analyser:
        terms = analyser.arm_on_console('He said "panic", naïvely', 100)
        assert terms.text == 'He said "panic", naïvely' and terms.qualify.whole and terms.fold
        analyser.mark(3, "dma start")
        firmware.drive("fire 1")
        firmware.drive("fill")
        analyser.wait_done(5)
        capture = analyser.read_capture()
    assert capture.program == terms.program and capture.state == "DONE"
    assert [(one.first, one.count) for one in capture.segments] == [(0, 1024)]
    assert capture.segments[0].trigger == capture.trigger_time > capture.segments[0].armed
    kinds = rec.from_bytes(capture.records)["kind"]
    assert list(kinds[:4]) == [Kind.LEVEL, Kind.CFG, Kind.MARK, Kind.TRIGGER]
    assert b"dma start" + bytes(7) in capture.records


def test_a_program_of_ones_own_in_segments_with_a_qualifier(firmware):
    steps = [
        "TRIG:CLE",
        "TRIG:SOUR SEQ",
        "TRIG:TERM1:SOUR CQ",
        "TRIG:TERM1:CLAS MWR",
        "TRIG:TERM1:AUX 0,#HE000",
    ]
    steps += [
        "TRIG:TERM2:SOUR RQ",
        "TRIG:TERM2:ADDR #H1000,#H1FFF",
        "TRIG:STEP1 1,3,2",
        "TRIG:STEP2 2,1,FIRE",
    ]
    steps += ["TRIG:STEP2:TIM 1000,1", "CAPT:QUAL RQ,RC", "CAPT:QUAL:TERM 2", "CAPT:FOLD OFF"]
    seen = []
    with opened(firmware) as analyser:
        analyser.configure(steps)
        terms = analyser.arm(segments=4)
        assert (terms.source, terms.segments, terms.pretrigger, terms.fold) == ("SEQUENCE", 4, 128, False)
        assert terms.qualify == Qualification(("RQ", "RC", "MARK"), "TRIG:TERM2:SOUR RQ;ADDR #H1000,#H1FFF")
        for _ in range(4):
            firmware.drive("fire 2")
            firmware.drive("fill")
        analyser.wait_done(5, lambda *now: seen.append(now))
        capture = analyser.read_capture()
        again = settings_of(capture.program)
        analyser.configure(again)
        assert analyser.arm(segments=4).program == capture.program, "what is read back makes the same program"
    assert seen[-1] == (4, 4)
    assert [one.first for one in capture.segments] == [0, 256, 512, 768]
    assert capture.qualify == terms.qualify and not capture.fold
    triggers = rec.from_bytes(capture.records)
    triggers = triggers[triggers["kind"] == Kind.TRIGGER]
    assert list(triggers["data"]) == [0, 1, 2, 3]
    assert np.array_equal(triggers["timestamp"], [one.trigger for one in capture.segments])


def test_a_refused_setting_is_named_with_what_is_missing(firmware):
    with opened(firmware) as analyser:
        with pytest.raises(errors.AnalyserRefused, match="'TRIG:TERM9:SOUR CQ' is refused: -114"):
            analyser.configure(["TRIG:SOUR SEQ", "TRIG:TERM9:SOUR CQ"])
        with pytest.raises(errors.AnalyserRefused, match="CAPT:ARM.*step 1 is not defined"):
            analyser.arm()
        analyser._link.set("DIAG:BLIN 4")
        with pytest.raises(errors.AnalyserRefused, match="blinded"):
            analyser.arm_on_console("panic", 10)
        with pytest.raises(errors.UserError, match="16 ASCII"):
            analyser.mark(1, "a name that is too long")


def test_a_capture_that_does_not_end_is_named(firmware):
    with opened(firmware) as analyser:
        analyser.configure(["TRIG:SOUR FLR"])
        analyser.arm(segments=2)
        analyser.trigger()
        with pytest.raises(errors.AnalyserNotDone, match="is TRIGGERED, 0 of 2 segments"):
            analyser.wait_done(0.2)


def test_the_levels_are_named(firmware):
    with opened(firmware) as analyser:
        levels = analyser.levels()
    assert levels["link_up"] == 1 and levels["link_speed"] == 1 and levels["command"] == 0x406
    assert levels["ltssm"] == 0x10 and levels["msix_enable"] == 1


def block_under_way(firmware) -> None:
    with opened(firmware) as analyser:
        analyser.configure(["TRIG:SOUR FLR"])
        analyser.arm()
        analyser.trigger()
        firmware.drive("fill")
        analyser.wait_done(5)


def die(firmware, said: bytes, taken: int) -> None:
    """A client that says something, reads a part of the answer, and is gone."""
    if firmware.resource.startswith("TCPIP"):
        with socket.create_connection(("127.0.0.1", firmware.port)) as link:
            link.sendall(said)
            while taken > 0:
                taken -= len(link.recv(taken))
    else:
        import serial

        with serial.Serial(firmware.device, timeout=5) as port:
            port.write(said)
            assert len(port.read(taken)) == taken


@pytest.mark.parametrize(
    ("said", "taken"),
    [
        (b"CAPT:DATA? 0,1024\n", 100),
        (b"CAPT:DATA? 0,1024;DATA? 0,1024\n*IDN?\n*IDN?\n", 1000),
        (b'TRIG:CONS:TEXT "half a li', 0),
        (b"*IDN?;*OPC", 0),
        (b"*IDN?\n" * 40, 10),
        (b"x" * 100_000, 0),
        (b"x" * 100_000 + b"\n", 0),
        (bytes(range(256)) * 4, 0),
    ],
    ids=[
        "mid-block",
        "two blocks",
        "half a string",
        "half a line",
        "answers",
        "100 KB",
        "100 KB line",
        "junk",
    ],
)
def test_after_a_client_that_died_the_next_one_is_in_step(firmware, said, taken):
    block_under_way(firmware)
    die(firmware, said, taken)
    with opened(firmware) as analyser:
        assert analyser.identify()["model"] == "VK-LA1"
        assert analyser._link.ask("SYST:ERR?") == '0,"No error"'
        capture = analyser.read_capture()
    assert len(capture.records) == 1024 * 32 and capture.state == "DONE", "settings and records have stayed"


def test_an_answer_that_was_given_up_does_not_come_later(firmware):
    block_under_way(firmware)
    with opened(firmware) as analyser:
        analyser._link._write("CAPT:DATA? 0,1024;:SYST:TIME?")
        analyser._link.resync()
        assert analyser.depth() == 1024


def test_the_driver_s_taps_are_the_layout_s():
    assert Qualification().taps == tuple(tap.name for tap in Tap)


@pytest.mark.parametrize(
    "why", [errors.AnalyserSilent("too late"), KeyboardInterrupt()], ids=["late", "ctrl-c"]
)
def test_what_follows_a_block_that_was_given_up_gets_its_own_answers(firmware, monkeypatch, why):
    with opened(firmware) as analyser:
        depth, link = analyser.depth(), analyser._link
        analyser.configure(["TRIG:SOUR FLR"])
        analyser.arm(pretrigger=0)
        firmware.drive("fire 1")
        firmware.drive("fill")
        analyser.wait_done(10)
        whole = link._bytes

        def cut(count, query):
            if count <= 8:  # the block's head
                return whole(count, query)
            raise why

        monkeypatch.setattr(link, "_bytes", cut)
        with pytest.raises(type(why)):
            link.block("CAPT:DATA? 0,512")
        monkeypatch.undo()
        assert analyser.depth() == depth
        analyser.dma_stop()

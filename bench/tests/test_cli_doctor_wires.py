# SPDX-License-Identifier: Apache-2.0
"""The doctor's checks on real peers behind a bad wire: OpenIPMI's simulator, the analyser's own firmware, a TCP console.

Each fault ends in a correct result or in a named error of that wire. host_tests/test_wires.py does it on a bench.
"""

import time

import pytest
from bmc_peers import PASSWORD, USER, simulator
from instrument_peers import Firmware, firmware_program, tcp_peer  # noqa: F401  (a fixture)

from vkbench import config, errors
from vkbench.instruments import open_bmc
from vkbench.server import checks
from vkbench.virtual.fault_proxy import Fault, FaultProxy

TIMEOUT_S = 0.8
#: Several time-outs and a loaded machine, seconds.
WITHIN_S = 20.0
BENCH = """name = "faulty"
[bmc]
host = "127.0.0.1"
port = {bmc}
user = "{user}"
password = {{ file = "secret" }}
timeout_s = {timeout}
[console]
url = "socket://127.0.0.1:{console}"
open_timeout_s = {timeout}
[analyser]
resource = "TCPIP::127.0.0.1::{analyser}::SOCKET"
timeout_s = {timeout}
self_test_timeout_s = 2
"""


def shell(link):
    while data := link.recv(100):
        if b"\n" in data:
            link.sendall(b"\r\nvkbench# ")


@pytest.fixture(scope="module")
def wired(firmware_program, tmp_path_factory):  # noqa: F811
    """A bench whose wires all lead through a proxy, and the proxies by the wire's name."""
    folder = tmp_path_factory.mktemp("faulty")
    (folder / "secret").write_text(f"{PASSWORD}\n")
    with (
        simulator(folder / "bmc") as bmc,
        tcp_peer(shell) as console,
        Firmware(firmware_program) as firmware,
        FaultProxy(("127.0.0.1", bmc.port), udp=True) as to_bmc,
        FaultProxy(("127.0.0.1", console)) as to_console,
        FaultProxy(("127.0.0.1", firmware.on_tcp().port)) as to_analyser,
    ):
        path = folder / "bench.toml"
        ports = {"bmc": to_bmc.port, "console": to_console.port, "analyser": to_analyser.port}
        path.write_text(BENCH.format(user=USER, timeout=TIMEOUT_S, **ports))
        bench = config.load(path)
        with open_bmc(bench) as wire:
            wire.power_on()
        yield bench, {"bmc": to_bmc, "console": to_console, "analyser": to_analyser}


LOOKS = {"bmc": checks.bmc, "console": checks.console, "analyser": checks.analyser}
PREFIX = {"bmc": "Bmc", "console": "Console", "analyser": "Analyser"}


@pytest.fixture
def look(wired, monkeypatch):
    """look(wire, fault) -> the checks, or the error that ended them."""
    monkeypatch.setattr(checks, "ANSWER_S", 1.0)
    bench, proxies = wired

    def examine(wire, fault):
        begin = time.monotonic()
        proxies[wire].fault = fault
        try:
            return list(LOOKS[wire](bench, checks.Seen(on=True)))
        except errors.BenchError as error:
            return error
        finally:
            proxies[wire].fault = Fault()
            assert time.monotonic() - begin < WITHIN_S

    return examine


@pytest.mark.parametrize("wire", LOOKS)
def test_a_slow_wire_is_a_good_one(look, wire):
    found = look(wire, Fault(delay_s=0.01))
    assert isinstance(found, list) and found[0].state == "ok", found


@pytest.mark.parametrize("wire", LOOKS)
def test_a_cut_wire_is_named_and_good_again_when_it_is_mended(look, wire):
    found = look(wire, Fault(cut_after=0))
    assert type(found).__name__.startswith(PREFIX[wire]) and found.hint, found
    healthy = look(wire, Fault())
    assert isinstance(healthy, list) and healthy[0].state == "ok", healthy


@pytest.mark.parametrize(
    ("wire", "error"), [("bmc", errors.BmcUnreachable), ("analyser", errors.AnalyserSilent)]
)
def test_a_silent_wire_is_named(look, wire, error):
    assert isinstance(look(wire, Fault(drop=1)), error)


def test_a_silent_console_of_a_server_that_is_on_is_a_warning(look):
    (found,) = look("console", Fault(drop=1))
    assert found.state == "warn" and "did not answer" in found.found


@pytest.mark.parametrize("wire", LOOKS)
@pytest.mark.parametrize("fault", [Fault(garble=0.02), Fault(drop=0.05)], ids=["noisy", "lossy"])
def test_noise_and_loss_end_in_a_result_or_a_named_error(look, wire, fault):
    found = look(wire, fault)
    if not isinstance(found, list):
        assert type(found).__name__.startswith(PREFIX[wire]) and str(found), found


def test_a_console_that_is_mostly_noise_is_told_so(look):
    found = look("console", Fault(garble=0.7))
    assert isinstance(found, list) and found[0].state in ("no", "warn"), found

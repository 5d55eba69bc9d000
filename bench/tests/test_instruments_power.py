# SPDX-License-Identifier: Apache-2.0
"""The power supply's driver: against pyvisa-sim (each kind of resource), against the power supply simulator of instro
over TCP (another author's SCPI), and against peers that are silent, garble, lie or die.
"""

import importlib.util
import json
import os
import sys
import threading
import time
import tty
from contextlib import suppress
from pathlib import Path
from types import ModuleType

import pytest
from instrument_peers import free_port, tcp_peer

from vkbench import errors
from vkbench.config.model import Power
from vkbench.instruments.power import ScpiPower, power_json
from vkbench.instruments.protocol import PowerSample

TIMEOUT_S = 0.4
#: An error must come within the driver's time-outs and this, seconds (a loaded machine).
SLACK_S = 3.0
WAIT_S = 10.0

SIM = """
spec: "1.1"
devices:
  supply:
    eom:
      TCPIP INSTR: {q: "\\n", r: "\\n"}
      TCPIP SOCKET: {q: "\\n", r: "\\n"}
      USB INSTR: {q: "\\n", r: "\\n"}
      GPIB INSTR: {q: "\\n", r: "\\n"}
    error:
      error_queue:
        - q: "SYST:ERR?"
          default: '0,"No error"'
          command_error: '-113,"Undefined header"'
    dialogues:
      - {q: "*IDN?", r: "SIM,SUPPLY,1,1.0"}
      - {q: "*CLS"}
      - {q: "MEAS:VOLT?", r: "+1.20000E+01"}
      - {q: "MEAS:CURR?", r: "9.91E+37"}
    properties:
      output:
        default: 0
        getter: {q: "OUTP?", r: "{:d}"}
        setter: {q: "OUTP {:d}"}
        specs: {valid: [0, 1], type: int}
      channel:
        default: 1
        getter: {q: "INST:NSEL?", r: "{:d}"}
        setter: {q: "INST:NSEL {:d}"}
        specs: {valid: [1, 2], type: int}
resources:
  TCPIP0::supply.lab::inst0::INSTR: {device: supply}
  TCPIP0::supply.lab::5025::SOCKET: {device: supply}
  USB0::0x1AB1::0x0E11::DP8C1::0::INSTR: {device: supply}
  GPIB0::5::INSTR: {device: supply}
"""


@pytest.fixture
def simulated(tmp_path):
    """Opens the simulated supply: simulated(resource, **settings)."""
    file = tmp_path / "supply.yaml"
    file.write_text(SIM)

    def make(resource="TCPIP::supply.lab::5025::SOCKET", **more):
        given = {"on": "OUTP 1", "off": "OUTP 0", "timeout_s": TIMEOUT_S, **more}
        return ScpiPower(Power(resource=resource, **given), f"{file}@sim")

    return make


@pytest.mark.parametrize(
    "resource",
    [
        "TCPIP::supply.lab::INSTR",
        "tcpip::supply.lab::5025::socket",
        "USB::0x1AB1::0x0E11::DP8C1::INSTR",
        "GPIB::5::INSTR",
    ],
)
def test_every_kind_of_resource_switches_and_reads_back(simulated, resource):
    with simulated(resource) as power:
        assert power.identify() == "SIM,SUPPLY,1,1.0"
        assert not power.is_on()
        power.switch(True)
        assert power.is_on()
        power.switch(False)
        assert not power.is_on()


def test_a_channel_that_is_not_there_is_refused(simulated):
    with simulated(channel=2) as power:
        power.switch(True)
    with simulated(channel=3) as power, pytest.raises(errors.PowerRefused, match="INST:NSEL 3"):
        power.is_on()


def test_an_unknown_command_is_refused_with_the_instruments_words(simulated):
    with (
        simulated(on="POW:ON") as power,
        pytest.raises(errors.PowerRefused, match=r"POW:ON.*-113.*Undefined header"),
    ):
        power.switch(True)


def test_not_a_number_is_not_measured(simulated):
    with simulated(sample_s=0.01) as power:
        samples = recorded(power, 2)
    assert samples[0].volts == 12.0 and samples[0].amperes is None


def test_an_instrument_that_measures_nothing_cannot_record(simulated):
    with (
        simulated(voltage="", current="") as power,
        pytest.raises(errors.PowerRefused, match="measures nothing"),
    ):
        power.start_recording()


# ---- a power supply by another author --------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def instro() -> ModuleType:
    """instro's power supply simulator. Its file alone: the package around it wants a data platform's client."""
    spec = importlib.util.find_spec("instro")
    assert spec and spec.submodule_search_locations, "install it: pip install --no-deps instro"
    path = Path(next(iter(spec.submodule_search_locations))) / "psu/scpi_sim_server.py"
    own = importlib.util.spec_from_file_location("instro_power_supply", path)
    assert own and own.loader
    module = importlib.util.module_from_spec(own)
    sys.modules[own.name] = module  # its data classes look their module up
    own.loader.exec_module(module)
    return module


@pytest.fixture
def supply(instro):
    """The running server; its first output is set to 12 V into 100 ohms."""
    server = instro.SimulatedPSUServer(instro.SimulatedPSU(2), port=0)
    channel = server.psu.channels[1]
    channel.voltage_setpoint, channel.current_limit = 12.0, 1.0
    channel.load.resistance, channel.load.probe_resistance = 100.0, 0.0
    server.start()
    yield server
    server.shutdown()


def on_suffix(server, **more):
    """A supply whose channels are numbered in the commands."""
    given = {
        "channel": 2,
        "select": "",
        "on": "OUTP{channel} ON",
        "off": "OUTP{channel} OFF",
        "state": "OUTP{channel}?",
        "voltage": "MEAS{channel}:VOLT?",
        "current": "MEAS{channel}:CURR?",
        "off_s": 0.3,
        "sample_s": 0.02,
        "timeout_s": TIMEOUT_S,
        **more,
    }
    return ScpiPower(Power(resource=f"TCPIP::127.0.0.1::{server.port}::SOCKET", **given))


def recorded(power, count):
    """Record until there are so many samples."""
    power.start_recording()
    wait_for(lambda: len(power._samples) >= count)
    return power.stop_recording()


def wait_for(condition):
    end = time.monotonic() + WAIT_S
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)


def test_only_the_named_output_is_switched(supply):
    with on_suffix(supply) as power:
        assert power.identify().startswith("NOMINAL,SIMULATED_PSU")
        power.switch(True)
        assert [channel.output_enabled for channel in supply.psu.channels] == [False, True]
        assert power.is_on()


def test_a_cycle_is_recorded_from_before_to_after(supply):
    with on_suffix(supply) as power:
        power.switch(True)
        power.start_recording()
        wait_for(lambda: len(power._samples) >= 2)
        power.cycle()
        seen = len(power._samples)
        wait_for(lambda: len(power._samples) >= seen + 2)
        samples = power.stop_recording()
    volts = [sample.volts for sample in samples]
    assert volts[0] == pytest.approx(12, abs=0.1) and volts[-1] == pytest.approx(12, abs=0.1)
    assert 0.0 in volts
    assert samples[0].amperes == pytest.approx(0.12, abs=0.01)
    times = [sample.time_s for sample in samples]
    assert times == sorted(times)
    off = [sample.time_s for sample in samples if sample.volts == 0.0]
    assert 0.2 < off[-1] - off[0] < 0.3 + SLACK_S


def test_a_tripped_protection_is_a_switch_that_did_not_take(supply):
    channel = supply.psu.channels[1]
    channel.overvoltage_protection_enabled, channel.overvoltage_protection_level = True, 5.0
    with (
        on_suffix(supply) as power,
        pytest.raises(errors.PowerRefused, match="voltage protection|still says off"),
    ):
        power.switch(True)


def test_an_output_that_is_not_there_is_refused(supply):
    with on_suffix(supply, channel=3) as power, pytest.raises(errors.PowerRefused, match="-114"):
        power.switch(True)


def test_a_supply_that_dies_in_mid_recording_keeps_what_it_had(supply):
    with on_suffix(supply) as power:
        power.switch(True)
        power.start_recording()
        wait_for(lambda: len(power._samples) >= 3)
        supply.shutdown()
        wait_for(lambda: power.recording_error is not None)
        samples = power.stop_recording()
        assert len(samples) >= 3 and samples[0].volts == pytest.approx(12, abs=0.1)
        assert isinstance(power.recording_error, errors.PowerUnreachable | errors.PowerSilent)
        with pytest.raises((errors.PowerUnreachable, errors.PowerSilent)):
            power.is_on()


# ---- what a good instrument never does -------------------------------------------------------------------------------


class Peer:
    """Answers lines by a table; an entry is a text, None (silence), a callable or an Exception (hang up)."""

    def __init__(self, **table):
        self.answers = {
            "*IDN?": "A,B,C,D",
            "SYST:ERR?": '0,"No error"',
            "OUTP?": "0",
            **table.get("table", {}),
        }

    def __call__(self, link):
        with link.makefile("rb") as lines:
            for raw in lines:
                answer = self.answer(raw)
                if isinstance(answer, Exception):
                    link.close()
                    return
                if answer is not None:
                    link.sendall(answer.encode() + b"\n")

    def answer(self, raw):
        answer = self.answers.get(raw.decode().strip())
        return answer() if callable(answer) else answer


def driven(table, action, **more):
    with tcp_peer(Peer(table=table)) as port:
        begin = time.monotonic()
        try:
            settings = Power(
                resource=f"TCPIP::127.0.0.1::{port}::SOCKET",
                **{"timeout_s": TIMEOUT_S, "sample_s": 0.02, **more},
            )
            with ScpiPower(settings) as power:
                return action(power)
        finally:
            assert time.monotonic() - begin < 3 * TIMEOUT_S + SLACK_S


def test_a_closed_port_is_unreachable_and_says_what_to_do():
    settings = Power(resource=f"TCPIP::127.0.0.1::{free_port()}::SOCKET", timeout_s=TIMEOUT_S)
    with pytest.raises(errors.PowerUnreachable, match=r"\[power\]"), ScpiPower(settings):
        pass


def test_a_serial_port_that_is_not_there_is_unreachable():
    settings = Power(resource="ASRL/dev/no-such-port::INSTR", timeout_s=TIMEOUT_S)
    with pytest.raises(errors.PowerUnreachable, match="no-such-port"), ScpiPower(settings):
        pass


def test_a_serial_port_switches_and_reads_back():
    """A pseudo-terminal; its far end is the supply."""
    state = {"on": "0"}
    peer = Peer(
        table={
            "OUTP?": lambda: state["on"],
            "OUTP ON": lambda: state.update(on="1"),
            "OUTP OFF": lambda: state.update(on="0"),
        }
    )
    ours, theirs = os.openpty()
    tty.setraw(theirs)

    def serve():
        with os.fdopen(ours, "rb", buffering=0, closefd=False) as port, suppress(OSError):  # closed: the end
            line = b""
            while data := port.read(1):
                line += data
                if line.endswith(b"\n"):
                    if (answer := peer.answer(line)) is not None:
                        os.write(ours, answer.encode() + b"\n")
                    line = b""

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        settings = Power(resource=f"asrl{os.ttyname(theirs)}::instr", timeout_s=TIMEOUT_S)
        with ScpiPower(settings) as power:
            power.switch(True)
            assert power.is_on()
            power.switch(False)
            assert not power.is_on()
    finally:
        os.close(theirs)
        thread.join(WAIT_S)
        os.close(ours)


def test_a_silent_instrument_is_silent():
    with pytest.raises(errors.PowerSilent, match=r"\*IDN\?"):
        driven({"*IDN?": None}, lambda power: None)


def test_another_kind_of_device_is_garbled():
    with pytest.raises(errors.PowerGarbled, match="login"):
        driven({"*IDN?": "login:"}, lambda power: None)


@pytest.mark.parametrize("answer", ["maybe", "2", "", "0.5"])
def test_a_state_that_is_none_is_garbled(answer):
    with pytest.raises(errors.PowerGarbled, match=r"OUTP\?"):
        driven({"OUTP?": answer}, lambda power: power.is_on())


@pytest.mark.parametrize(
    ("answer", "on"), [("1", True), ("ON", True), ("off", False), ("+0", False), ("1.0E+00", True)]
)
def test_states_as_instruments_write_them(answer, on):
    assert driven({"OUTP?": answer}, lambda power: power.is_on()) is on


def test_a_switch_that_does_nothing_is_refused():
    with pytest.raises(errors.PowerRefused, match="still says off"):
        driven({}, lambda power: power.switch(True))


def test_a_relay_may_take_a_moment():
    asked = iter(["0", "0", "1", "1", "1"])
    driven({"OUTP?": lambda: next(asked)}, lambda power: power.switch(True))


def test_a_hang_up_is_named_and_the_next_call_names_it_again():
    def action(power):
        for _ in range(2):
            with pytest.raises((errors.PowerUnreachable, errors.PowerSilent)):
                power.is_on()

    driven({"OUTP?": RuntimeError()}, action)


def test_an_answer_that_comes_late_is_not_taken_for_the_next_one():
    late = threading.Event()
    asked = iter(range(100))

    def state():
        if next(asked) == 0:
            late.wait(TIMEOUT_S + 1.2)  # longer than the driver waits, also for the error queue
            return "1"
        return "0"

    def action(power):
        with pytest.raises(errors.PowerSilent):
            power.is_on()
        late.set()
        return power.is_on()

    assert driven({"OUTP?": state}, action, timeout_s=TIMEOUT_S) is False


def test_a_garbled_measurement_is_a_gap_and_the_recording_goes_on():
    asked = iter(range(10**6))

    def action(power):
        return recorded(power, 3)

    samples = driven(
        {"MEAS:VOLT?": lambda: "#?!" if next(asked) == 1 else "12.5V", "MEAS:CURR?": "250 mA"}, action
    )
    assert samples[1] == PowerSample(samples[1].time_s, None, None)
    assert (samples[0].volts, samples[0].amperes) == (12.5, 0.25) == (samples[2].volts, samples[2].amperes)


def test_a_recording_as_a_file():
    samples = [PowerSample(0.0, 12.0, 1.0), PowerSample(1.0, 12.0, 3.0), PowerSample(2.0, None, None)]
    made = json.loads(json.dumps(power_json(samples, errors.PowerSilent("no answer", "power supply X"))))
    assert made["energy_j"] == 24.0 and made["duration_s"] == 2.0
    assert made["volts"] == {"min": 12.0, "max": 12.0} and made["amperes"] == {"min": 1.0, "max": 3.0}
    assert made["samples"][2] == {"time_s": 2.0, "volts": None, "amperes": None}
    assert made["ended_early"] == "PowerSilent: power supply X: no answer"
    empty = power_json([])
    assert empty["samples"] == [] and empty["volts"] is None and empty["energy_j"] is None

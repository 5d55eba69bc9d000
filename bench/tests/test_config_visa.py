# SPDX-License-Identifier: Apache-2.0
"""VISA resource strings, as PyVISA users write them."""

import warnings

import pytest
from instrument_peers import Firmware, firmware_program  # noqa: F401  (a fixture)
from pydantic import ValidationError
from pyvisa import rname

from vkbench import errors
from vkbench.config import visa
from vkbench.config.model import Analyser, Power
from vkbench.instruments import ScpiAnalyser


@pytest.mark.parametrize(
    ("written", "opened"),
    [
        ("TCPIP::la.lab::5025::SOCKET", "TCPIP0::la.lab::5025::SOCKET"),
        ("TCPIP0::192.0.2.7::5025::SOCKET", "TCPIP0::192.0.2.7::5025::SOCKET"),
        ("tcpip::192.0.2.7::5025::socket", "TCPIP0::192.0.2.7::5025::SOCKET"),
        ("TCPIP1::psu.lab::INSTR", "TCPIP1::psu.lab::INSTR"),
        ("TCPIP::psu.lab", "TCPIP0::psu.lab::INSTR"),
        ("TCPIP::psu.lab::inst0::instr", "TCPIP0::psu.lab::inst0::INSTR"),
        ("TCPIP::psu.lab::hislip0::INSTR", "TCPIP0::psu.lab::hislip0::INSTR"),
        ("ASRL3::INSTR", "ASRL/dev/ttyS2::INSTR"),
        ("ASRL/dev/ttyUSB1::INSTR", "ASRL/dev/ttyUSB1::INSTR"),
        ("asrl/dev/ttyUSB1::instr", "ASRL/dev/ttyUSB1::INSTR"),
        ("ASRL/dev/ttyUSB1", "ASRL/dev/ttyUSB1::INSTR"),
        (
            "ASRL/dev/serial/by-id/usb-FTDI_A1-if00-port0::INSTR",
            "ASRL/dev/serial/by-id/usb-FTDI_A1-if00-port0::INSTR",
        ),
        ("USB::0x1AB1::0x0E11::DP8C1::INSTR", "USB0::0x1AB1::0x0E11::DP8C1::INSTR"),
        ("USB0::6833::3601::DP8C1::0::INSTR", "USB0::6833::3601::DP8C1::0::INSTR"),
        ("gpib::5::instr", "GPIB0::5::INSTR"),
        ("GPIB1::5::2::INSTR", "GPIB1::5::2::INSTR"),
    ],
)
def test_what_users_write_becomes_what_pyvisa_takes(written, opened):
    assert visa.canonical(written) == opened
    assert visa.canonical(opened) == opened
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        rname.ResourceName.from_string(opened)  # PyVISA's own parser agrees


@pytest.mark.parametrize(
    ("written", "says"),
    [
        ("", "VISA resource"),
        ("COM3", "VISA resource"),
        ("/dev/ttyUSB1", "VISA resource"),
        ("PXI0::1::INSTR", "VISA resource"),
        ("TCPIP::h::SOCKET", "PORT"),
        ("TCPIP::h::70000::SOCKET", "65535"),
        ("TCPIP::h::scpi::SOCKET", "65535"),
        ("TCPIP::INSTR", "HOST"),
        ("TCPIP::[::1]::5025::SOCKET", "IPv6"),
        ("ASRL::INSTR", "ttyUSB1"),
        ("ASRL0::INSTR", "from 1"),
        ("ASRLttyUSB1::INSTR", "path"),
        ("USB0::DP8C1::INSTR", "VENDOR"),
        ("GPIB0::31::INSTR", "30"),
        ("GPIB0::5::SOCKET", "GPIB0"),
    ],
)
def test_anything_else_is_told_what_would_be_right(written, says):
    with pytest.raises(ValueError, match=says):
        visa.canonical(written)


def test_the_analyser_has_no_gpib():
    with pytest.raises(ValidationError, match="SOCKET"):
        Analyser(resource="GPIB0::5::INSTR")


def test_a_channel_in_a_command_needs_the_key():
    with pytest.raises(ValidationError, match="channel is needed"):
        Power(resource="GPIB0::5::INSTR", on="OUTP{channel} ON")
    assert Power(resource="GPIB0::5::INSTR", on="OUTP{channel} ON", channel=2).channel == 2


@pytest.mark.parametrize("wire", ["tcp", "serial"])
def test_the_analyser_opens_what_is_written_in_small_letters(firmware_program, wire):  # noqa: F811
    with Firmware(firmware_program) as running:
        resource = (running.on_tcp() if wire == "tcp" else running.on_serial()).resource
        with ScpiAnalyser(Analyser(resource=resource.lower())) as analyser:
            assert analyser.identify()["maker"] == "vkbench"


def test_a_port_number_that_is_not_there_is_named_by_its_device():
    with (
        pytest.raises(errors.AnalyserUnreachable, match="/dev/ttyS98"),
        ScpiAnalyser(Analyser(resource="ASRL99::INSTR", timeout_s=0.5)),
    ):
        pass

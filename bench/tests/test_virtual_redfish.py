# SPDX-License-Identifier: Apache-2.0
"""The virtual bench's Redfish door: our driver, sushy-tools' emulator, our IPMI driver, OpenIPMI's simulator, in a row."""

import stat
import subprocess
from contextlib import contextmanager

import pytest
from bmc_peers import PASSWORD, USER, bmc_settings, simulator
from instrument_peers import free_port

from vkbench import errors
from vkbench.config.model import Bmc, Secret
from vkbench.instruments import IpmiBmc
from vkbench.instruments.bmc_redfish import RedfishBmc
from vkbench.virtual import redfish


class Door:
    """The emulator in front of a simulator, and how to reach it."""

    def __init__(self, folder, machine):
        self.machine = machine
        self.folder = folder
        self.secret = folder / "secret"
        self.secret.write_text(PASSWORD + "\n")
        self.port = free_port()
        self.argv = redfish.prepare(
            redfish.Redfish(self.port, USER, PASSWORD, machine.port, "lab-1"), folder / "redfish"
        )
        self.process = None

    def start(self):
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(self.argv, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        redfish.wait_ready(self.port, self.process)

    def stop(self):
        if self.process:
            self.process.terminate()
            self.process.wait(10)
            self.process = None

    def bmc(self, **more):
        table = {
            "password": Secret(file=str(self.secret)),
            "ca_file": str(self.folder / "redfish" / redfish.CA),
            **more,
        }
        return RedfishBmc(Bmc(kind="redfish", host="127.0.0.1", port=self.port, user=USER, **table))

    def calls(self):
        return (self.machine.machine / "calls").read_text().splitlines()


@contextmanager
def open_door(folder):
    with simulator(folder / "bmc", chassis=True) as machine:
        door = Door(folder, machine)
        try:
            door.start()
            yield door
        finally:
            door.stop()


@pytest.fixture(scope="module")
def door(tmp_path_factory):
    with open_door(tmp_path_factory.mktemp("door")) as door:
        yield door


def test_power_by_redfish_is_the_power_that_ipmi_sees(door):
    ipmi = IpmiBmc(bmc_settings(door.machine.port, door.secret))
    with door.bmc() as bmc:
        bmc.power_on()
        assert ipmi.is_on()
        ipmi.power_off()
        assert not bmc.is_on()
        bmc.power_cycle()
        assert bmc.is_on() and ipmi.is_on()
        bmc.power_off()
        assert not ipmi.is_on()


def test_reset_and_shutdown_reach_the_machine_once(door):
    with door.bmc() as bmc:
        bmc.power_on()
        before = door.calls()
        bmc.reset()
        bmc.shutdown()
        calls = door.calls()[len(before) :]
    assert calls.count("set reset 1") == 1 and calls.count("set shutdown 1") == 1


def test_an_nmi_without_a_machine_to_take_it_is_not_supported(door):
    with door.bmc() as bmc:
        bmc.power_on()
        with pytest.raises(errors.BmcNotSupported, match="diagnostic interrupt.*0xd5"):
            bmc.diagnostic_interrupt()


def test_the_boot_device_reaches_the_machine(door):
    with door.bmc() as bmc:
        assert bmc.boot_device() == "none"
        bmc.set_boot_device("pxe")
        assert bmc.boot_device() == "pxe" and (door.machine.machine / "boot").read_text() == "pxe\n"
        bmc.set_boot_device("none")
        with pytest.raises(errors.BmcNotSupported, match="BiosSetup"):
            bmc.set_boot_device("bios")


def test_inventory_sensors_and_clock_are_the_emulators(door):
    with door.bmc() as bmc:
        found = bmc.inventory()
        assert found["protocol"] == "redfish" and found["firmware"] == "1.00"
        assert {"name": "CPU Temp", "value": 41, "unit": "°C", "status": "ok"} in bmc.sensors()
        assert bmc.clock() > 1.7e9


def test_what_the_emulator_lacks_is_not_supported(door):
    with door.bmc() as bmc:
        for missing in (bmc.event_log, bmc.clear_event_log, bmc.watchdog):
            with pytest.raises(errors.BmcNotSupported):
                missing()


def test_a_wrong_password_is_named_and_not_shown(door, tmp_path):
    wrong = tmp_path / "wrong"
    wrong.write_text("wrong-one\n")
    with pytest.raises(errors.BmcLoginError) as caught, door.bmc(password=Secret(file=str(wrong))):
        pass
    assert "wrong-one" not in str(caught.value)


def test_its_certificate_is_verified(door):
    with pytest.raises(errors.BmcTlsError), door.bmc(ca_file=None):
        pass
    with door.bmc(ca_file=None, tls="trust") as bmc:
        bmc.is_on()


def test_a_service_that_restarts_is_survived(door):
    with door.bmc(timeout_s=1.0) as bmc:
        bmc.power_on()
        door.stop()
        with pytest.raises(errors.BmcGone):
            bmc.is_on()
        door.start()
        assert bmc.is_on()
        bmc.power_off()


def test_the_password_is_in_no_argument_and_its_files_are_ours_alone(door):
    assert PASSWORD not in " ".join(door.argv)
    for path in (door.folder / "redfish").iterdir():
        if path.suffix not in (".sqlite", ".sqlite-wal", ".sqlite-shm"):
            assert stat.S_IMODE(path.stat().st_mode) == 0o600, path


def test_a_port_that_is_taken_is_named(door, tmp_path):
    argv = redfish.prepare(redfish.Redfish(door.port, USER, PASSWORD, 1), tmp_path)
    with (tmp_path / "log").open("wb") as log:
        process = subprocess.Popen(argv, stdout=log, stderr=log)
    try:
        assert process.wait(20) != 0
        with pytest.raises(redfish.RedfishError, match=str(door.port)):
            redfish.wait_ready(door.port, process)
    finally:
        process.kill()
        process.wait()

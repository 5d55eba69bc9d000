# SPDX-License-Identifier: Apache-2.0
"""The BMC's driver against OpenIPMI's real simulator, and against what a simulator never does."""

import socket
import threading
import time
from contextlib import contextmanager

import pytest
from bmc_peers import PASSWORD, SENSORS, bmc_settings, simulator
from instrument_peers import free_port

from vkbench import errors
from vkbench.instruments import IpmiBmc, bmc_ipmi_records

TIMEOUT_S = 1.0
SLACK_S = 3.0
settings = bmc_settings


@pytest.fixture
def secret(tmp_path):
    path = tmp_path / "secret"
    path.write_text(PASSWORD + "\n")
    return path


@pytest.fixture(scope="module")
def simulator_port(tmp_path_factory):
    """A BMC whose "server" is a sleeping process."""
    with simulator(tmp_path_factory.mktemp("bmc"), SENSORS) as running:
        yield running.port


@pytest.fixture
def machine(tmp_path, secret):
    """A BMC whose machine is a folder of files, its driver, and the folder."""
    with (
        simulator(tmp_path / "bmc", chassis=True) as running,
        IpmiBmc(settings(running.port, secret)) as bmc,
    ):
        yield bmc, running.machine


@contextmanager
def within(seconds):
    begin = time.monotonic()
    yield
    assert time.monotonic() - begin < seconds + SLACK_S


def test_power_goes_on_off_and_round(simulator_port, secret):
    with IpmiBmc(settings(simulator_port, secret)) as bmc:
        assert not bmc.is_on()
        bmc.power_on()
        assert bmc.is_on()
        bmc.power_cycle()
        assert bmc.is_on()
        bmc.power_off()
        assert not bmc.is_on()
        bmc.power_off()
        assert not bmc.is_on()


def test_the_inventory_names_the_firmware(simulator_port, secret):
    with IpmiBmc(settings(simulator_port, secret)) as bmc:
        found = bmc.inventory()
    assert found["device_id"] == 0x20 and found["firmware"] == "1.0" and found["ipmi_version"] == "2.0"
    assert found["protocol"] == "ipmi"
    assert found["fru"] == {
        "product_manufacturer": "Contoso",
        "product_name": "Rack 7",
        "product_part_number": "P-1",
        "product_version": "v2",
        "product_serial_number": "S-0042",
    }


def test_a_bmc_without_a_fru_has_an_inventory(machine):
    found = machine[0].inventory()
    assert found["firmware"] == "1.0" and not found.get("fru")


def add_event(bmc, record, clock=None):
    """What a server's firmware does: put a record into the log (Add SEL Entry)."""
    with bmc._session("add an entry", TIMEOUT_S) as ipmi:
        if clock is not None:
            ipmi.send_raw(0, 0x0A, bytes([0x49]) + int(clock).to_bytes(4, "little"))
        assert ipmi.send_raw(0, 0x0A, bytes([0x44]) + bytes.fromhex(record))[0] == 0


def test_the_event_log_has_times_and_texts_and_can_be_emptied(simulator_port, secret):
    with IpmiBmc(settings(simulator_port, secret)) as bmc:
        bmc.clear_event_log()
        assert bmc.event_log() == []
        add_event(bmc, "0000020000000020000413a06f00ffff", time.time())
        add_event(bmc, "0000c0000000000102030405060708aa")
        front_panel, foreign = bmc.event_log()
        assert abs(front_panel["timestamp"] - time.time()) < 5
        assert front_panel["message"] == "Critical Interrupt 0xa0: front panel NMI"
        assert front_panel["asserted"] and front_panel["event_data"] == "00ffff"
        assert foreign["message"].startswith("record of type 0xc0") and foreign["timestamp"]
        assert abs(bmc.clock() - time.time()) < 5
        bmc.clear_event_log()
        assert bmc.event_log() == []


def test_a_long_event_log_is_read_whole_and_in_order(simulator_port, secret):
    with IpmiBmc(settings(simulator_port, secret)) as bmc:
        bmc.clear_event_log()
        for number in range(40):
            add_event(bmc, f"0000020000000020000401016f{number:02x}ffff")
        assert [entry["event_data"] for entry in bmc.event_log()] == [f"{n:02x}ffff" for n in range(40)]


@pytest.mark.parametrize(
    ("record", "timestamp", "text"),
    [
        ("0100020a00000020000423716fc1ffff", None, "Watchdog 2 0x71: hard reset (10 s after the BMC's start"),
        ("01000200e1f50520000401300107ffff", 0x05F5E100 + 0x1B000000 + 0, "Temperature 0x30: upper"),
        ("010002ffffffff20000401308159ffff", None, "Temperature 0x30: upper critical, going high, over"),
        ("0100e0000102030405060708090a0b0c", None, "record of type 0xe0: 000102030405060708090a0b0c"),
        (
            "010002ffffffff2000047e017fabcdef",
            None,
            "sensor type 0x7e 0x01: event 0x7f offset 11, data abcdef",
        ),
    ],
)
def test_event_records_in_words(record, timestamp, text):
    found = bmc_ipmi_records.entry(bytes.fromhex(record))
    assert text in found["message"]
    if timestamp is None:
        assert found["timestamp"] is None


def test_sensors_have_value_unit_and_status(simulator_port, secret):
    with IpmiBmc(settings(simulator_port, secret)) as bmc:
        (inlet,) = bmc.sensors()
    assert (inlet["name"], inlet["value"], inlet["unit"], inlet["status"]) == ("Inlet", 26.0, "°C", "ok")


def test_reset_and_shutdown_reach_the_machine_once(machine):
    bmc, folder = machine
    bmc.power_on()
    bmc.reset()
    bmc.shutdown()
    calls = (folder / "calls").read_text().splitlines()
    assert calls.count("set reset 1") == 1 and calls.count("set shutdown 1") == 1


def test_the_boot_device_is_set_and_checked(machine):
    bmc, folder = machine
    # The simulator's own names; it never sets the flags' valid bit, so what is in force always reads "none".
    for device, name in (
        ("pxe", "pxe"),
        ("cd", "cdrom"),
        ("disk", "default"),
        ("bios", "bios"),
        ("none", "none"),
    ):
        bmc.set_boot_device(device)
        assert (folder / "boot").read_text().strip() == name
    assert bmc.boot_device() == "none"


def test_a_boot_device_that_does_not_take_is_refused(machine):
    bmc, folder = machine
    (folder / "boot").unlink()
    (folder / "boot").symlink_to("/dev/full")  # the machine loses what it is told
    with pytest.raises(errors.InstrumentError, match="boot"):
        bmc.set_boot_device("pxe")


def test_the_watchdog_is_set_and_stopped(simulator_port, secret):
    # Without a machine that dials in, the simulator refuses every action; and it never says that the timer runs.
    with IpmiBmc(settings(simulator_port, secret)) as bmc:
        bmc.start_watchdog(60, "none")
        state = bmc.watchdog()
        assert (state.action, state.initial_s) == ("none", 60.0)
        bmc.stop_watchdog()
        assert bmc.watchdog().initial_s == 0.0
        with pytest.raises(errors.BmcNotSupported, match="watchdog"):
            bmc.start_watchdog(60, "reset")


def test_a_watchdog_out_of_range_is_not_supported(simulator_port, secret):
    with IpmiBmc(settings(simulator_port, secret)) as bmc:
        for seconds, action in ((7000, "reset"), (0, "reset"), (1, "explode")):
            with pytest.raises(errors.BmcNotSupported):
                bmc.start_watchdog(seconds, action)


def test_a_diagnostic_interrupt_with_the_power_off_is_not_supported(simulator_port, secret):
    with (
        IpmiBmc(settings(simulator_port, secret)) as bmc,
        pytest.raises(errors.BmcNotSupported, match="0xd5"),
    ):
        bmc.diagnostic_interrupt()


def test_a_wrong_password_is_named_and_not_shown(simulator_port, tmp_path):
    wrong = tmp_path / "wrong"
    wrong.write_text("wrong-one\n")
    with (
        within(2 * TIMEOUT_S),
        pytest.raises(errors.BmcLoginError) as caught,
        IpmiBmc(settings(simulator_port, wrong)),
    ):
        pass
    assert "password" in str(caught.value) and str(wrong) in str(caught.value)
    assert "wrong-one" not in str(caught.value)


def test_a_wrong_user_is_named(simulator_port, secret):
    wrong = settings(simulator_port, secret).model_copy(update={"user": "nobody"})
    with pytest.raises(errors.BmcLoginError, match="nobody"), IpmiBmc(wrong):
        pass


def test_a_closed_port_is_unreachable_at_once(secret):
    port = free_port(socket.SOCK_DGRAM)
    with (
        within(TIMEOUT_S),
        pytest.raises(errors.BmcUnreachable, match=str(port)),
        IpmiBmc(settings(port, secret)),
    ):
        pass


def test_a_host_that_is_not_known_is_named(secret):
    with (
        pytest.raises(errors.BmcUnreachable, match="no-such-host"),
        IpmiBmc(settings(623, secret, "no-such-host.invalid")),
    ):
        pass


def test_a_silent_bmc_is_named_within_its_time_out(secret):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as silent:
        silent.bind(("127.0.0.1", 0))
        port = silent.getsockname()[1]
        with within(TIMEOUT_S), pytest.raises(errors.BmcUnreachable), IpmiBmc(settings(port, secret)):
            pass


def test_a_cipher_suite_that_the_bmc_lacks_has_its_own_error(simulator_port, secret):
    wrong = settings(simulator_port, secret, cipher_suite=17)
    with (
        within(TIMEOUT_S),
        pytest.raises(errors.BmcCipherMismatch, match="suite 17.*cipher_suite = 3"),
        IpmiBmc(wrong),
    ):
        pass


def test_garbage_is_no_bmc(secret):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as peer:
        peer.bind(("127.0.0.1", 0))

        def serve():
            while True:
                try:
                    _, address = peer.recvfrom(4096)
                    peer.sendto(b"\x06\x00\xff\x07garbage", address)
                except OSError:
                    return

        threading.Thread(target=serve, daemon=True).start()
        with pytest.raises(errors.InstrumentError), IpmiBmc(settings(peer.getsockname()[1], secret)):
            pass

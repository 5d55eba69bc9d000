# SPDX-License-Identifier: Apache-2.0
"""The BMC's driver against OpenIPMI's real simulator, and against what a simulator never does."""

import shutil
import socket
import subprocess
import threading
import time
from contextlib import contextmanager

import pytest
from instrument_peers import free_port

from vkbench import errors
from vkbench.config.model import Bmc, Secret
from vkbench.instruments import IpmiBmc
from vkbench.virtual import ipmi_sim

USER, PASSWORD = "operator", "right-one"
TIMEOUT_S = 1.0
SLACK_S = 3.0


def settings(port, secret, host="127.0.0.1"):
    return Bmc(
        host=host,
        port=port,
        user=USER,
        password=Secret(file=str(secret)),
        timeout_s=TIMEOUT_S,
        power_timeout_s=8.0,
    )


@pytest.fixture
def secret(tmp_path):
    path = tmp_path / "secret"
    path.write_text(PASSWORD + "\n")
    return path


@pytest.fixture(scope="module")
def simulator(tmp_path_factory):
    """A BMC whose "server" is a sleeping process."""
    if not shutil.which("ipmi_sim"):
        pytest.fail("ipmi_sim is missing: install Debian's package openipmi (fixtures/host/apt.txt)")
    folder = tmp_path_factory.mktemp("bmc")
    port = free_port(socket.SOCK_DGRAM)
    bmc = ipmi_sim.Bmc(port, free_port(), USER, PASSWORD, ["sleep", "600"])
    argv = ipmi_sim.prepare(bmc, folder)
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            argv, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
        )
    try:
        ipmi_sim.wait_ready(port, process)
        yield port
    finally:
        process.terminate()
        try:
            process.wait(5)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


@contextmanager
def within(seconds):
    begin = time.monotonic()
    yield
    assert time.monotonic() - begin < seconds + SLACK_S


def test_power_goes_on_off_and_round(simulator, secret):
    with IpmiBmc(settings(simulator, secret)) as bmc:
        assert not bmc.is_on()
        bmc.power_on()
        assert bmc.is_on()
        bmc.power_cycle()
        assert bmc.is_on()
        bmc.power_off()
        assert not bmc.is_on()
        bmc.power_off()
        assert not bmc.is_on()


def test_the_inventory_names_the_firmware(simulator, secret):
    with IpmiBmc(settings(simulator, secret)) as bmc:
        found = bmc.inventory()
    assert found["device_id"] == 0x20 and found["firmware"] == "1.0" and found["ipmi_version"] == "2.0"


def test_the_event_log_is_a_list_of_entries(simulator, secret):
    with IpmiBmc(settings(simulator, secret)) as bmc:
        assert isinstance(bmc.event_log(), list)
        before = len(bmc.event_log())
        with bmc._session("add an entry") as ipmi:
            record = bytes.fromhex("0000020000000020000401016f01ffff")
            ipmi.send_raw(0, 0x0A, bytes([0x44]) + record)
        entries = bmc.event_log()
    assert len(entries) == before + 1
    assert entries[-1]["sensor_type"] == 1 and entries[-1]["event_data"] == "01ffff"


def test_a_diagnostic_interrupt_with_the_power_off_is_not_supported(simulator, secret):
    with IpmiBmc(settings(simulator, secret)) as bmc, pytest.raises(errors.BmcNotSupported, match="0xd5"):
        bmc.diagnostic_interrupt()


def test_a_wrong_password_is_named_and_not_shown(simulator, tmp_path):
    wrong = tmp_path / "wrong"
    wrong.write_text("wrong-one\n")
    with (
        within(2 * TIMEOUT_S),
        pytest.raises(errors.BmcLoginError) as caught,
        IpmiBmc(settings(simulator, wrong)),
    ):
        pass
    assert "password" in str(caught.value) and str(wrong) in str(caught.value)
    assert "wrong-one" not in str(caught.value)


def test_a_wrong_user_is_named(simulator, secret):
    wrong = settings(simulator, secret).model_copy(update={"user": "nobody"})
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


def test_a_bmc_that_goes_silent_after_the_login_is_named(simulator, secret):
    """A relay that forgets everything at our word stands between driver and simulator."""
    deaf = threading.Event()
    with (
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as front,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as back,
    ):
        front.bind(("127.0.0.1", 0))
        back.connect(("127.0.0.1", simulator))
        client = []

        def relay(source, forward):
            while True:
                try:
                    data, address = source.recvfrom(4096)
                except OSError:
                    return
                if not data:
                    return
                if not deaf.is_set():
                    forward(data, address)

        def to_bmc(data, address):
            client[:] = [address]
            back.send(data)

        for source, forward in ((front, to_bmc), (back, lambda data, _: front.sendto(data, client[0]))):
            threading.Thread(target=relay, args=(source, forward), daemon=True).start()
        with IpmiBmc(settings(front.getsockname()[1], secret)) as bmc:
            assert not bmc.is_on()
            with (
                within(2 * TIMEOUT_S),
                pytest.raises(errors.BmcTimeout, match="event log"),
                bmc._session("event log") as ipmi,
            ):
                deaf.set()
                ipmi.get_sel_entries_count()
        for link in (front, back):
            link.shutdown(socket.SHUT_RDWR) if link is back else link.sendto(b"", front.getsockname())


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

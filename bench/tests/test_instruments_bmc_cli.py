# SPDX-License-Identifier: Apache-2.0
"""``vkbench bmc`` against OpenIPMI's simulator."""

import json

import pytest
from bmc_peers import PASSWORD, SENSORS, USER, simulator
from instrument_peers import free_port
from test_instruments_bmc import add_event
from typer.testing import CliRunner

from vkbench import errors
from vkbench.cli import app
from vkbench.instruments import IpmiBmc

BENCH = """
name = "rack-7"
[bmc]
host = "127.0.0.1"
port = {port}
user = "{user}"
password = {{ file = "secret" }}
timeout_s = 1.0
[console]
url = "socket://127.0.0.1:1"
[analyser]
resource = "TCPIP::127.0.0.1::2::SOCKET"
"""


@pytest.fixture(scope="module")
def bench(tmp_path_factory):
    folder = tmp_path_factory.mktemp("bench")
    with simulator(folder / "bmc", SENSORS, chassis=True) as machine:
        (folder / "secret").write_text(PASSWORD + "\n")
        path = folder / "lab.toml"
        path.write_text(BENCH.format(port=machine.port, user=USER))
        yield path


def run(bench, *words, code=0):
    found = CliRunner().invoke(app, ["bmc", *words, "--bench", str(bench)])
    assert found.exit_code == code, found.output
    return found


def run_json(bench, *words):
    return json.loads(run(bench, *words, "--json").stdout)


def test_power_and_status(bench):
    assert run_json(bench, "power", "on")["power"] == "on"
    assert run_json(bench, "status")["power"] == "on"
    assert "power is on" in run(bench, "status").stdout
    for action in ("cycle", "reset", "soft"):
        assert run_json(bench, "power", action) | {"bmc": ""} == {"bmc": "", "action": action, "power": "on"}
    assert "power is off" in run(bench, "power", "off").stdout


def test_the_event_log_is_shown_and_emptied(bench):
    from vkbench.config import load

    add_event(IpmiBmc(load(bench).bmc), "0000020000000020000413a06f00ffff", 1_700_000_000)
    (entry,) = run_json(bench, "sel")["entries"]
    assert entry["message"] == "Critical Interrupt 0xa0: front panel NMI"
    shown = run(bench, "sel", "--clear")
    assert "front panel NMI" in shown.stdout and "2023-11-14 22:13:2" in shown.stdout
    assert run_json(bench, "sel") == {"entries": [], "cleared": False}


def test_sensors_inventory_boot_device_and_watchdog(bench):
    assert run_json(bench, "sensors")["sensors"][0]["value"] == 26.0
    assert "Inlet" in run(bench, "sensors").stdout
    assert run_json(bench, "inventory")["protocol"] == "ipmi"
    assert "firmware" in run(bench, "inventory").stdout
    assert run_json(bench, "boot-device", "pxe") == {"boot_device": "pxe", "set": True}
    assert "boot device: none" in run(bench, "boot-device", "none").stdout
    assert run_json(bench, "watchdog", "--start", "60", "--action", "none")["initial_s"] == 60.0
    assert "action none" in run(bench, "watchdog", "--stop").stdout


def test_what_the_bmc_does_not_do_ends_with_4_and_a_mistake_with_3(bench):
    assert "BmcNotSupported" in run(bench, "nmi", code=errors.EXIT_BENCH).output
    run(bench, "watchdog", "--start", "1", "--stop", code=errors.EXIT_USER)


def test_a_bmc_that_is_not_there_ends_with_4(bench, tmp_path):
    path = tmp_path / "lab.toml"
    (tmp_path / "secret").write_text(PASSWORD)
    path.write_text(BENCH.format(port=free_port(), user=USER))
    assert "BmcUnreachable" in run(path, "status", code=errors.EXIT_BENCH).output

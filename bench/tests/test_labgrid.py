# SPDX-License-Identifier: Apache-2.0
"""Sharing by labgrid: its own coordinator, exporter and client, on loopback."""

import subprocess
from pathlib import Path

import pytest
from bmc_peers import PASSWORD, USER, simulator
from instrument_peers import Firmware, firmware_program  # noqa: F401
from labgrid_peers import BIN, labgrid

from vkbench.config import load

ROOT = Path(__file__).resolve().parents[2]
TEMPLATE = ROOT / "fixtures/benches/lab-example.toml"
LIMIT_S = 120

DRIVERS = """\
imports: [vkbench.labgrid.drivers]
targets:
  main:
    resources:
      RemotePlace: {name: bench1}
    drivers:
      VkbenchBmcDriver: {user: %s, password_env: LAB_PASSWORD}
      VkbenchAnalyserDriver: {}
"""
USE_DRIVERS = """\
import sys
from labgrid import Environment
target = Environment(sys.argv[1]).get_target()
power = target.get_driver("PowerProtocol")
power.on(); print("on", power.get())
power.cycle(); power.off(); print("on", power.get())
analyser = target.get_driver("VkbenchAnalyserDriver").analyser
print(analyser.identify()["model"], analyser.depth())
"""


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    with labgrid(tmp_path_factory.mktemp("labgrid") / "lab") as running:
        yield running


def ended(process: subprocess.Popen) -> int:
    return process.wait(LIMIT_S)


def gate(folder: Path, name: str) -> tuple[Path, Path, list[str]]:
    """A command that says when it runs, and ends when it is let go."""
    begun, go = folder / f"{name}.begun", folder / f"{name}.go"
    return begun, go, ["sh", "-c", f"echo {{bench}} > {begun}; until [ -e {go} ]; do sleep 0.1; done"]


def test_the_bench_file_has_the_places_wires_and_the_rest_of_the_template(lab, tmp_path):
    kept = tmp_path / "kept.toml"
    first = lab.use("ann", TEMPLATE, "cp", "{bench}", kept)
    assert ended(first) == 0, lab.said("ann")
    bench = load(kept)
    assert (bench.bmc.host, bench.bmc.address_port, bench.bmc.user) == ("127.0.0.1", 1, "operator")
    assert bench.console.url == "socket://127.0.0.1:2"
    assert bench.analyser.resource == "TCPIP::127.0.0.1::3::SOCKET"
    assert bench.server.model_dump() == load(TEMPLATE).server.model_dump()
    assert lab.holder() == "None"


def test_two_users_take_turns(lab, tmp_path):
    begun, go, words = gate(tmp_path, "ann")
    ann = lab.use("ann", TEMPLATE, *words)
    lab.until(begun.exists)
    assert lab.holder() == "host/ann"
    second = tmp_path / "bob.done"
    bob = lab.use("bob", TEMPLATE, "touch", second)
    lab.until(lambda: "waiting up to" in lab.said("bob"))
    assert "host/ann has it" in lab.said("bob")
    assert bob.poll() is None and not second.exists()
    go.touch()
    assert ended(ann) == 0 and ended(bob) == 0, lab.logs()
    assert second.exists() and lab.holder() == "None"


def test_whoever_waits_in_vain_is_told_who_has_it(lab, tmp_path):
    begun, go, words = gate(tmp_path, "ann")
    ann = lab.use("ann", TEMPLATE, *words)
    lab.until(begun.exists)
    bob = lab.use("bob", TEMPLATE, "true", wait_s=2)
    assert ended(bob) == 4
    assert "BenchBusy" in lab.said("bob") and "host/ann" in lab.said("bob")
    assert "Traceback" not in lab.said("bob")
    go.touch()
    assert ended(ann) == 0


def test_a_coordinator_that_is_restarted_loses_no_run(lab, tmp_path):
    begun, go, words = gate(tmp_path, "ann")
    ann = lab.use("ann", TEMPLATE, *words)
    lab.until(begun.exists)
    lab.kill_coordinator()
    lab.until(lambda: "does not answer" in lab.said("ann"))
    assert ann.poll() is None
    lab.start()
    lab.until(lambda: "acquired again" in lab.said("ann"))
    assert lab.holder() == "host/ann"
    go.touch()
    assert ended(ann) == 0, lab.said("ann")
    assert lab.holder() == "None"


def test_the_commands_exit_code_is_ours_and_the_place_is_given_back(lab):
    assert ended(lab.use("ann", TEMPLATE, "sh", "-c", "exit 2")) == 2
    assert lab.holder() == "None"


def test_a_place_without_its_resources_names_them(lab):
    lab.client("-p", "bench2", "create")
    lab.client("-p", "bench2", "add-match", "lab/bench1/VkbenchBmc")
    argv = [BIN / "python", "-m", "vkbench.labgrid", "run", "bench2", "--template", TEMPLATE, "--", "true"]
    done = subprocess.run(
        argv, env=lab.environment("ann"), capture_output=True, text=True, timeout=LIMIT_S, check=False
    )
    assert done.returncode == 4
    assert "NetworkSerialPort" in done.stderr and "VkbenchAnalyser" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_coordinator_that_is_not_there_is_named():
    argv = [BIN / "python", "-m", "vkbench.labgrid", "run", "bench1", "--template", TEMPLATE]
    argv += ["--coordinator", "127.0.0.1:1", "--", "true"]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=LIMIT_S, check=False)
    assert done.returncode == 4 and "127.0.0.1:1" in done.stderr and "Traceback" not in done.stderr


def test_labgrids_own_tests_can_use_the_bmc_and_the_analyser(firmware_program, tmp_path):  # noqa: F811
    with simulator(tmp_path / "bmc") as bmc, Firmware(firmware_program) as firmware:
        resource = firmware.on_tcp().resource
        ports = {"bmc": bmc.port, "analyser": resource.split("::")[2]}
        with labgrid(tmp_path / "lab", **ports) as lab:
            environment = tmp_path / "environment.yaml"
            environment.write_text(DRIVERS % USER)
            lab.client("-p", "bench1", "acquire", user="ann")
            done = subprocess.run(
                [BIN / "python", "-c", USE_DRIVERS, environment],
                env={**lab.environment("ann"), "LAB_PASSWORD": PASSWORD},
                capture_output=True,
                text=True,
                timeout=LIMIT_S,
                check=False,
            )
    assert done.returncode == 0, done.stderr
    assert done.stdout.split("\n")[:2] == ["on True", "on False"]
    assert "VK-LA1" in done.stdout

# SPDX-License-Identifier: Apache-2.0
"""The reset run's conduct: what it does on the server and when, what it keeps, and that a failure keeps it too.

The instruments are stand-ins; what a card does is the business of host_tests, on a bench.
"""

import json
import re

import pytest
from test_server_run import BENCH, Fake, FakeAnalyser, FakeBmc, FakeConsole

from vkbench import errors
from vkbench.config import parse
from vkbench.instruments.protocol import ArmedTerms, PowerSample
from vkbench.server import reset as reset_run
from vkbench.server.record import Reporter, Surroundings
from vkbench.server.reset import ResetRunning
from vkbench.server.resets import RESETS
from vkbench.server.run import run as make_run
from vkbench.server.scenario import SCENARIOS
from vkbench.server.steps import Drivers
from vkbench.verdict import verify

SLOT = "0000:01:00.0"
REGS = """\
{"config":{"0x0":1585911012,"0x4":%d},"size":4096}
{"bars":[{"bar":0,"start":"0xfe600000","end":"0xfe60ffff","flags":"0x140204"}]}
{"bar":0,"registers":{"0x404":1048582}}
{"done":true}"""
DONE = "vk-exercise: ok upload\nvk-exercise: ok download\nvk-exercise: done steps=2 failed=0 bytes=20 us=3 seed=1"


class Bench(Fake):
    """``shell``: every command that reached the server. ``refuse``: those with this text fail."""

    def __init__(self, fail=None, refuse="", command=0x507):
        super().__init__(fail)
        self.shell, self.refuse, self.command = [], refuse, command

    def drivers(self):
        return Drivers(
            bmc=lambda bench: Bmc(self),
            console=lambda bench, *sinks: Console(self, sinks),
            analyser=lambda bench: Analyser(self),
        )


class Bmc(FakeBmc):
    def reset(self):
        self.fake.call("reset")

    def power_cycle(self):
        self.fake.call("power cycle")


class Console(FakeConsole):
    def run(self, command, prompt, timeout, *_):
        inner = re.fullmatch(r"\{ (.*); \} 2>&1; echo vkbench-status \$\?", command)
        if inner is None:
            self.fake.shell.append(command)
            said = super().run(command, prompt, timeout)
            # What a setting was set to is what it reads.
            if command.startswith("cat ") and said in ("Y", "N"):
                path = command.split()[1]
                sets = [one for one in self.fake.shell if path in one and "> " in one]
                said = "Y" if any(re.search(r"\b[Y1]\b", one.partition(">")[0]) for one in sets) else said
            return said
        command = inner[1]
        self.fake.shell.append(command)
        self.fake.call(command.split()[0])
        bad = self.fake.refuse and self.fake.refuse in command
        return f"{'sh: write error' if bad else self.answer(command)}\nvkbench-status {int(bool(bad))}"

    def answer(self, command):
        for start, text in (
            ("grep -l", f"/sys/bus/pci/devices/{SLOT}/device"),
            ("grep -c", "/tmp/vk-hammer.0:5\n/tmp/vk-hammer.1:4\n/tmp/vk-hammer.2:3"),
            ("vkregs", REGS % self.fake.command),
            ("vk-exercise", DONE),
            ("basename", "" if self.fake.command != 0x507 else "bcm-vk"),
            ("cut", "12.5"),
        ):
            if command.startswith(start):
                return text
        return ""


class Analyser(FakeAnalyser):
    def configure(self, commands):
        self.fake.settings = list(commands)

    def arm(self, pretrigger=None, segments=1):
        self.fake.call("arm")
        return ArmedTerms("DOORBELL", "", 65536, pretrigger, fold=False, **self.fake.armed)

    def card_status(self):
        return 1 << 8


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch):
    monkeypatch.setattr(reset_run, "NODE_WITHIN_S", 0.0)
    monkeypatch.setattr(reset_run, "READY_WITHIN_S", 0.0)


def run(bench, out, name, file=BENCH, **more):
    make_run(file, SCENARIOS[name], out, Surroundings(), Reporter(), bench.drivers(), **more)
    return json.loads((out / "reset.json").read_text())


def place(bench, text):
    return next(number for number, command in enumerate(bench.shell) if text in command)


@pytest.mark.parametrize("name", [name for name in SCENARIOS if name.startswith("reset-")])
def test_every_scenario_runs_and_its_files_verify(tmp_path, name):
    bench = Bench()
    found = run(bench, tmp_path / "run", name)
    row = RESETS[SCENARIOS[name].reset]
    assert found["reset"] == row.name and found["expect"]["shows"] == list(row.shows)
    assert [one["when"] for one in found["transfers"]] == ["before", "after"]
    assert found["node"] and all(
        found[moment]["config"]["4"] == 0x507 for moment in ("before", "after", "again")
    )
    assert bench.settings[-len(row.trigger) :] == list(row.trigger) and "CAPT:FOLD OFF" in bench.settings
    record = json.loads((tmp_path / "run" / "run.json").read_text())
    assert record["kind"] == "reset" and record["status"] == "complete" and record["config"]["expect"] is None
    assert verify(tmp_path / "run").ok, verify(tmp_path / "run").differences
    assert not bench.on and bench.closed[-1] == "bmc"


def test_the_order_of_a_reset_that_the_driver_is_not_told(tmp_path):
    bench = Bench()
    run(bench, tmp_path / "run", "reset-doorbell-hard")
    ring = place(bench, f"vkring {SLOT} 0x49c 0xfffffffd")
    assert bench.shell[ring].startswith("kill -STOP"), (
        "in the same command, or a program could go on between them"
    )
    looks = [at for at, command in enumerate(bench.shell) if command.startswith("vkregs") and at > ring]
    assert place(bench, "hammer >") < ring < looks[0] < place(bench, "kill -9") < place(bench, "/unbind")
    assert place(bench, "/bind") < max(looks) and bench.shell[-1].startswith("dmesg")


@pytest.mark.parametrize(
    ("name", "command"),
    [
        ("reset-doorbell-soft", f"vkring {SLOT} 0x49c 0xffffffff"),
        ("reset-flr", f"/{SLOT}/reset"),
        ("reset-bus", f"/{SLOT}/reset"),
        ("reset-remove-rescan", f"/{SLOT}/remove"),
        ("reset-rebind", "/unbind"),
    ],
)
def test_programs_stand_still_when_the_reset_comes(tmp_path, name, command):
    """The driver's removal rings the doorbell and leaves programs their way for 100 ms more."""
    bench = Bench()
    run(bench, tmp_path / "run", name)
    stopped = [said for said in bench.shell if said.startswith("kill -STOP")]
    assert len(stopped) == 1 and stopped[0].endswith(command)


@pytest.mark.parametrize(("name", "call"), [("reset-warm", "reset"), ("reset-power-cycle", "power cycle")])
def test_the_bmc_resets_the_server_and_the_driver_is_loaded_again(tmp_path, name, call):
    bench = Bench()
    run(bench, tmp_path / "run", name)
    assert call in bench.calls and sum("vk-load" in command for command in bench.shell) == 2


def test_a_panic_resets_and_loads_in_the_crash_kernel(tmp_path):
    bench = Bench()
    run(bench, tmp_path / "run", "reset-after-panic-upload")
    assert "--only up hammer" in " ".join(bench.shell)
    assert place(bench, "kexec_crash_loaded") < place(bench, "/reset_method") and "inject" in bench.calls
    assert "vk-load" in bench.shell[[at for at, one in enumerate(bench.shell) if "vk-load" in one][-1]]


def test_a_reset_that_the_server_refuses_is_kept_and_said(tmp_path):
    bench = Bench(refuse=f"/{SLOT}/reset")
    found = run(bench, tmp_path / "run", "reset-flr")
    refused = [one for one in found["commands"] if not one["ok"]]
    assert refused and refused[0]["output"] == "sh: write error"
    steps = json.loads((tmp_path / "run" / "run.json").read_text())["steps"]
    assert "failed" in next(step["detail"] for step in steps if step["name"] == "reset")


def test_memory_decoding_is_switched_on_before_registers_are_read(tmp_path):
    bench = Bench(command=0x100)
    run(bench, tmp_path / "run", "reset-warm")
    assert place(bench, f"echo 1 > /sys/bus/pci/devices/{SLOT}/enable") < place(
        bench, "vkregs 0000:01:00.0 0:"
    )


def test_what_was_found_is_kept_when_the_run_fails(tmp_path):
    bench = Bench(fail={"kill": errors.ConsoleTimeout("silent", "console")})
    with pytest.raises(errors.ConsoleTimeout):
        run(bench, tmp_path / "run", "reset-doorbell-soft")
    found = json.loads((tmp_path / "run" / "reset.json").read_text())
    assert found["before"] and found["after"] is None
    assert verify(tmp_path / "run").ok and not bench.on
    verdict = json.loads((tmp_path / "run" / "verdict.json").read_text())
    assert {rule["result"] for rule in verdict["rules"]} == {"INCONCLUSIVE"}


def test_a_running_server_is_neither_booted_nor_switched_off(tmp_path):
    bench = Bench()
    bench.on = True
    run(bench, tmp_path / "run", "reset-rebind", kind=ResetRunning)
    assert not {"power on", "power off"} & set(bench.calls) and bench.on


class Supply:
    """A [power] that notes what is asked of it."""

    def __init__(self):
        self.calls = []

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.calls.append("close")

    def identify(self):
        return "maker,model,1,2"

    def start_recording(self):
        self.calls.append("record")

    def stop_recording(self):
        self.calls.append("stop")
        return [PowerSample(0.0, 230.0, 1.5)]

    def cycle(self):
        self.calls.append("cycle")


def test_a_power_supply_cycles_and_records(tmp_path, monkeypatch):
    supply, bench = Supply(), Bench()
    monkeypatch.setattr(reset_run, "open_power", lambda _: supply)
    run(bench, tmp_path / "run", "reset-power-cycle")
    assert supply.calls == ["record", "cycle", "stop", "close"] and "power cycle" not in bench.calls
    samples = json.loads((tmp_path / "run" / "power.json").read_text())["samples"]
    assert samples == [{"time_s": 0.0, "volts": 230.0, "amperes": 1.5}]


def test_other_names_of_the_programs_come_from_the_bench_file(tmp_path):
    text = BENCH.path.read_bytes().replace(b"[server.commands]", b'[server.commands]\nring = "/opt/ring -v"')
    bench = Bench()
    run(bench, tmp_path / "run", "reset-doorbell-soft", parse(text, BENCH.path))
    assert place(bench, f"/opt/ring -v {SLOT} 0x49c 0xffffffff")

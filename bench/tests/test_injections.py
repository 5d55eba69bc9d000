# SPDX-License-Identifier: Apache-2.0
"""The table of injections: whole, consistent with the module, and carried out as its rows say."""

import json
import re
from pathlib import Path

import pytest
from test_server_run import BENCH, Fake, FakeBmc, FakeConsole
from typer.testing import CliRunner

from vkbench import errors
from vkbench.cli import app
from vkbench.config.model import TRIGGER_TEXT_MAX
from vkbench.server import panic, scenario
from vkbench.server import steps as parts
from vkbench.server.injections import (
    INJECTIONS,
    MARKER,
    SAY_LIVES,
    markdown,
    marked,
    say_marker,
    with_injection,
)
from vkbench.server.run import run as make_run

ROOT = Path(__file__).resolve().parents[2]
MODULE = (ROOT / "fixtures/server/injector/vkbench_panic.c").read_text()
OFFERED = re.findall(r'^\t\{ "([a-z-]+)", inject_', MODULE, re.MULTILINE)
STOCK, POST = scenario.SCENARIOS["panic-stock"], scenario.SCENARIOS["panic-post-notifiers"]


def test_the_module_offers_what_the_table_asks_it_for():
    wanted = {row.name for row in INJECTIONS.values() if row.module}
    assert wanted == set(OFFERED)
    assert f'KERN_EMERG "{MARKER}%s\\n"' in MODULE


@pytest.mark.parametrize("row", INJECTIONS.values(), ids=lambda row: row.name)
def test_a_row_is_whole(row):
    assert row.marker is None or len(row.marker) <= TRIGGER_TEXT_MAX
    assert row.what and row.source
    assert all(path.startswith(("/proc/sys/", "/sys/")) for path in row.paths())
    assert bool(row.command("vk-arm-kdump")) != row.bmc_nmi
    for expected in (row.stock, row.post):
        assert not set(expected.texts) & set(expected.never)
        assert expected.jump or expected.path in ("none", "loop") or row.name in ("no-image", "kexec-race")
        # A text that a rule looks for must not be printed by a shell that echoes the command.
        typed = row.command("vk-arm-kdump") + say_marker(row.name) + SAY_LIVES
        assert not any(text in typed for text in (*expected.texts, *expected.never, row.marker or "\n"))
    assert row.post.doorbell or row.post.path in ("none", "loop")
    assert not row.stock.doorbell or not row.stock.jump


def test_the_default_run_changes_nothing_and_says_what_it_always_said():
    row = INJECTIONS["sysrq-c"]
    assert not row.settings and not row.prepare and not row.module and row.crash_image
    assert row.command("x") == "echo c > /proc/sysrq-trigger"
    assert with_injection(STOCK, "sysrq-c") == STOCK and marked(BENCH, STOCK) is BENCH


def test_an_injection_s_own_marker_stands_for_the_panic():
    bench = marked(BENCH, with_injection(STOCK, "oops"))
    assert bench.markers.panic == "vkbench: inject oops" and bench.markers.jump == BENCH.markers.jump
    assert bench.path == BENCH.path and bench.sha256 == BENCH.sha256


def test_only_a_crash_without_a_doorbell_must_fail():
    assert with_injection(STOCK, "nmi").must_fail
    assert not with_injection(POST, "nmi").must_fail
    for name in ("bug", "no-image", "kexec-race"):
        assert not with_injection(STOCK, name).must_fail
    assert not with_injection(POST, "notifier-spin").must_fail


@pytest.mark.parametrize(
    ("name", "arch", "words"),
    [("nosuch", "x86_64", "unknown injection 'nosuch'; allowed: sysrq-c"), ("nmi", "aarch64", "for x86_64")],
)
def test_an_injection_that_cannot_be_is_a_users_mistake(name, arch, words):
    with pytest.raises(errors.UserError, match=words):
        with_injection(STOCK, name, arch)


class Server:
    """What a Fake's console saw typed, and what its shell answers."""

    def __init__(self, monkeypatch, answers=None):
        self.said, self.ran, self.fake = [], [], Fake()
        self.values = {"/sys/module/kernel/parameters/crash_kexec_post_notifiers": "N"}
        self.values |= {"/sys/kernel/kexec_crash_loaded": "1"} | (answers or {})
        monkeypatch.setattr(panic.time, "sleep", lambda seconds: None)
        outer = self

        class Console(FakeConsole):
            def send(self, text):
                outer.said.append(text.rstrip("\n"))

            def run(self, command, prompt, timeout):
                outer.ran.append(command)
                return outer.answer(command, super().run(command, prompt, timeout))

        class NmiBmc(FakeBmc):
            def diagnostic_interrupt(self):
                outer.said.append("NMI")

        self.drivers = parts.Drivers(
            bmc=lambda bench: NmiBmc(self.fake),
            console=lambda bench, *sinks: Console(self.fake, sinks),
            analyser=self.fake.drivers().analyser,
        )

    def answer(self, command, usual):
        if found := re.fullmatch(r"echo '?([^']*?)'? > (\S+)", command):
            self.values[found[2]] = found[1]
        if found := re.fullmatch(r"cat (/\S+)", command):
            if found[1] == panic.INJECT_FILE:
                return "\n".join(f"{name:<15} what it does" for name in OFFERED)
            return self.values.get(found[1], "0")
        if command.startswith("kexec -p -u"):
            self.values["/sys/kernel/kexec_crash_loaded"] = "0"
        return usual

    def run(self, tmp_path, name, base=STOCK):
        make_run(BENCH, with_injection(base, name), tmp_path / "run", drivers=self.drivers)
        return json.loads((tmp_path / "run/run.json").read_text())


def test_a_module_s_injection_is_set_up_read_back_and_recorded(tmp_path, monkeypatch):
    server = Server(monkeypatch)
    record = server.run(tmp_path, "oops")
    assert server.values["/proc/sys/kernel/panic_on_oops"] == "1"
    assert "vk-load-injector" in server.ran
    assert server.said == ["(echo oops > /sys/kernel/vkbench_panic/inject)"]
    assert record["markers"]["panic"] == "vkbench: inject oops"
    assert record["config"]["expect"] == INJECTIONS["oops"].stock.model_dump()
    names = [step["name"] for step in record["steps"]]
    assert names.index("arm kdump") < names.index("prepare injection") < names.index("arm analyser")
    assert "panic_on_oops=1" in record["steps"][names.index("prepare injection")]["detail"]


def test_a_setting_that_does_not_take_stops_the_run_before_the_panic(tmp_path, monkeypatch):
    server = Server(monkeypatch)
    usual = server.answer
    stuck = "/proc/sys/kernel/panic_on_oops"
    monkeypatch.setattr(server, "answer", lambda c, u: "0" if c == f"cat {stuck}" else usual(c, u))
    with pytest.raises(errors.SettingNotTaken, match="reads '0', set was '1'"):
        server.run(tmp_path, "oops")
    assert not server.said


def test_an_injector_of_another_version_stops_the_run_before_the_panic(tmp_path, monkeypatch):
    server = Server(monkeypatch)
    usual = server.answer
    reads = f"cat {panic.INJECT_FILE}"
    monkeypatch.setattr(server, "answer", lambda c, u: "panic   x" if c == reads else usual(c, u))
    with pytest.raises(errors.CommandFailed, match="offers no 'oops', only panic"):
        server.run(tmp_path, "oops")
    assert not server.said


def test_an_nmi_comes_from_the_bmc_after_the_marker(tmp_path, monkeypatch):
    server = Server(monkeypatch)
    server.run(tmp_path, "nmi")
    assert server.said == [say_marker("nmi"), "NMI"]
    assert "vk-load-injector" not in server.ran


def test_without_a_crash_image_none_is_loaded_and_no_memory_is_read(tmp_path, monkeypatch):
    server = Server(monkeypatch)
    record = server.run(tmp_path, "no-image")
    assert "kexec -p -u; true" in server.ran and not any("vk-arm-kdump" in text for text in server.ran)
    names = [step["name"] for step in record["steps"]]
    assert "panic, no crash kernel" in names and "read memory" not in names
    assert not (tmp_path / "run/memory.json").exists()


def test_a_crash_image_that_stays_stops_the_run_that_must_have_none(tmp_path, monkeypatch):
    server = Server(monkeypatch)
    usual = server.answer
    monkeypatch.setattr(server, "answer", lambda c, u: u if c.startswith("kexec -p -u") else usual(c, u))
    with pytest.raises(errors.KdumpNotArmed, match="reads '1', not 0"):
        server.run(tmp_path, "no-image")


def test_a_server_that_lives_on_is_asked_for_a_sign(tmp_path, monkeypatch):
    server = Server(monkeypatch)
    server.run(tmp_path, "bug")
    assert server.said[-1] == SAY_LIVES


def test_the_race_is_started_by_the_command_that_loads_the_crash_kernel(tmp_path, monkeypatch):
    server = Server(monkeypatch)
    server.run(tmp_path, "kexec-race")
    assert server.said == [BENCH.server.commands.arm_kdump]
    assert f"echo kexec-race > {panic.INJECT_FILE}" in server.ran


def test_the_command_lists_them_and_names_a_wrong_one(tmp_path):
    listed = CliRunner().invoke(app, ["run", "--list"])
    assert listed.exit_code == 0
    for name in (*INJECTIONS, *scenario.SCENARIOS):
        assert name in listed.stdout


def test_the_document_has_the_table_as_it_is():
    text = (ROOT / "docs/injections.md").read_text()
    assert markdown() in text, "run: python -m vkbench.server.injections"

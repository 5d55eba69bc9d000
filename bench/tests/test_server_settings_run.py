# SPDX-License-Identifier: Apache-2.0
"""A run says what it changed on the server and what became of it, and puts back what an earlier one left."""

import base64
import json
from dataclasses import replace

import pytest
from test_server_run import BENCH, STOCK, Fake, FakeConsole, make_run, run

from vkbench import errors
from vkbench.evidence import RunDirectory
from vkbench.instruments.protocol import Match
from vkbench.server import states
from vkbench.server.kdump import POST_NOTIFIERS, Armed, Kdump
from vkbench.server.settings import SETTINGS_JSON, Change, ledger, left_behind


def record(path):
    return json.loads((path / "run.json").read_text())


def leave(*changes):
    book = ledger(BENCH)
    book.parent.mkdir(parents=True, exist_ok=True)
    empty = {"mode": "", "folders": [], "apply": "", "put_back": ""}
    book.write_text(json.dumps({"schema": 1, "changes": [{**empty, **change} for change in changes]}))
    return book


def test_a_run_says_what_it_changed_and_what_became_of_it(tmp_path):
    run(Fake(), tmp_path / "run")
    found = record(tmp_path / "run")
    assert found["inventory"]["settings"] == [
        {"what": POST_NOTIFIERS, "before": "N", "set": "N", "put_back": "power off"}
    ]
    (step,) = [step for step in found["steps"] if step["name"] == "restore settings"]
    assert step["ok"] and step["detail"] == "1 go with the power"
    assert found["inventory"]["states"] and found["inventory"]["kdump"]["style"] == "command"
    assert not ledger(BENCH).exists() and left_behind(BENCH) == []
    assert SETTINGS_JSON in RunDirectory.open(tmp_path / "run").manifest()


def test_a_run_that_fails_says_it_too(tmp_path):
    with pytest.raises(errors.CommandFailed):
        run(Fake({"vkpeek": errors.CommandFailed("ended with status 1")}), tmp_path / "run")
    assert [one["put_back"] for one in record(tmp_path / "run")["inventory"]["settings"]] == ["power off"]
    assert not ledger(BENCH).exists()


def test_what_cannot_be_switched_off_stays_in_the_ledger(tmp_path):
    fake = Fake({"vkpeek": errors.CommandFailed("ended with status 1")})
    fake.fail["power off"] = errors.BmcTimeout("no answer")
    with pytest.raises(errors.CommandFailed):
        run(fake, tmp_path / "run")
    assert left_behind(BENCH) == [POST_NOTIFIERS]


def test_what_a_killed_run_left_is_put_back_before_anything_else_is_changed(tmp_path):
    book = leave(
        {"what": "/proc/sys/kernel/panic_on_oops", "kind": "setting", "before": "0", "set": "1"},
        {"what": "/etc/vkbench.conf", "kind": "file", "before": None, "set": "eA=="},
    )
    assert left_behind(BENCH) == ["/proc/sys/kernel/panic_on_oops", "/etc/vkbench.conf"]
    run(Fake(), tmp_path / "run")
    found = record(tmp_path / "run")
    earlier = {one["what"]: one["put_back"] for one in found["inventory"]["settings of an earlier run"]}
    assert earlier == {"/proc/sys/kernel/panic_on_oops": "power off", "/etc/vkbench.conf": "restored"}
    names = [step["name"] for step in found["steps"]]
    assert names.index("put back an earlier run's settings") == names.index("power on to shell") + 1
    assert not book.exists()


def test_what_a_killed_run_left_and_cannot_be_put_back_stops_the_next_one(tmp_path):
    before = base64.b64encode(b"their file").decode()
    book = leave({"what": "/etc/theirs", "kind": "file", "before": before, "set": "eA==", "mode": "644 0:0"})
    fake = Fake()
    with pytest.raises(errors.SettingNotTaken, match="/etc/theirs.*Put it back by hand"):
        run(fake, tmp_path / "run")
    assert "inject" not in fake.calls and not fake.on and left_behind(BENCH) == ["/etc/theirs"]
    assert book.exists()


# ---- a distribution ------------------------------------------------------------------------------------------------------

BOOT = b"SeaBIOS (version 1)\nLinux version 6.1\nvkbench# "
PANIC = b"Kernel panic - not syncing\nI'm in purgatory\nLinux version 6.1\nvkbench: crash kernel ready\nvkbench-crash# "
DUMP = b"vkbench: the dump goes on\nkdump-tools[3]: Starting kdump-tools: running makedumpfile -c -d 31 /proc/vmcore\n"
SAVED = b"kdump-tools[3]: kdump-tools: saved vmcore in /var/crash/202611212030\nreboot: machine restart\n"


class Distribution(FakeConsole):
    """Boots, panics, dumps and boots again, as far as the console tells. ``back``: False: it hangs in its dump."""

    back = True

    def _say(self, text):
        for sink in self.sinks:
            sink(text)

    def send(self, text):
        super().send(text)
        if text == "exit\n":
            self._say(DUMP + (SAVED + BOOT if self.back else b""))
        elif text == "b":
            self._say(BOOT)

    def sysrq(self, key):
        self.send(key)

    def expect(self, pattern, timeout, start=None):
        texts = {BENCH.server.prompt: BOOT, BENCH.markers.panic: PANIC}
        if self.fake.calls.count(f"expect {pattern}") == 0 and pattern in texts:
            self._say(texts[pattern])
        self.fake.call(f"expect {pattern}")
        return Match(0, 1, str(pattern), 0.0)


@pytest.fixture
def debian(monkeypatch):
    """A bench whose kdump is a distribution's, armed with one file changed."""

    def arm(self, post_notifiers, sysctls=None):
        self._settings._note(Change("/etc/hook", "file", None, "eA=="))
        return Armed("debian", said="armed")

    monkeypatch.setattr(Kdump, "arm", arm)
    monkeypatch.setattr(states, "LOOK_EVERY_S", 0.01)
    quick = {"kdump": BENCH.server.kdump.model_copy(update={"style": "debian", "dump_timeout_s": 0.05})}
    quick["boot_timeout_s"] = 0.05
    return BENCH.model_copy(update={"server": BENCH.server.model_copy(update=quick)})


def run_debian(bench, fake, out):
    drivers = replace(fake.drivers(), console=lambda bench, *sinks: Distribution(fake, sinks))
    return make_run(bench, STOCK, out, drivers=drivers)


def test_a_distribution_dumps_boots_and_has_its_files_back(tmp_path, debian):
    run_debian(debian, Fake(), tmp_path / "run")
    found = record(tmp_path / "run")
    details = {step["name"]: step["detail"] for step in found["steps"]}
    assert details["recover"] == "wait: came back (dump saved /var/crash/202611212030)"
    assert details["restore settings"] == "1 put back" and not ledger(BENCH).exists()
    assert [one["put_back"] for one in found["inventory"]["settings"]] == ["restored"]
    assert found["inventory"]["recovery"][0]["reason"].startswith("the crash shell is left")
    assert found["inventory"]["kdump"]["style"] == "debian"


def test_a_dump_that_hangs_is_ended_by_the_next_rung(tmp_path, debian, monkeypatch):
    monkeypatch.setattr(Distribution, "back", False)
    run_debian(debian, Fake(), tmp_path / "run")
    rungs = record(tmp_path / "run")["inventory"]["recovery"]
    assert [rung["name"] for rung in rungs] == ["wait", "sysrq-b"]
    assert "did not help" in rungs[0]["outcome"] and "(dump started" in rungs[0]["outcome"]
    assert rungs[1]["reason"].startswith("wait: did not help") and rungs[1]["outcome"] == "came back"


def test_files_are_put_back_after_a_failure_in_the_crash_kernel_too(tmp_path, debian):
    fake = Fake({"vkpeek": errors.CommandFailed("ended with status 1")})

    class InShell(Distribution):
        def send(self, text):
            super().send(text)
            if text.startswith("echo b >"):
                self._say(BOOT)

    drivers = replace(fake.drivers(), console=lambda bench, *sinks: InShell(fake, sinks))
    with pytest.raises(errors.CommandFailed):
        make_run(debian, STOCK, tmp_path / "run", drivers=drivers)
    found = record(tmp_path / "run")
    assert [one["put_back"] for one in found["inventory"]["settings"]] == ["restored"]
    assert found["inventory"]["recovery"][0]["name"] == "sysrq-b" and not fake.on
    assert found["abort"]["error"] == "CommandFailed" and not ledger(BENCH).exists()

# SPDX-License-Identifier: Apache-2.0
"""Settings are read back and put back, and files come over a bad line whole. The server here is this machine's shell."""

import json
import os
import subprocess
from pathlib import Path

import pytest

from vkbench import errors
from vkbench.config import load
from vkbench.server.settings import Settings, ledger, same
from vkbench.server.transfer import LINE_BYTES, PART, digest, read_file, write_file

ROOT = Path(__file__).resolve().parents[2]
BINARY = bytes(range(256)) * 12


def shell(command):
    """A server's shell, as Server.run gives it."""
    done = subprocess.run(["sh", "-c", command], capture_output=True, text=True, check=False)
    if done.returncode:
        raise errors.CommandFailed(f"'{command}' ended with status {done.returncode}", "server")
    return done.stdout.rstrip("\n")


class Line:
    """The same over a line that damages or breaks at the commands whose number is told."""

    def __init__(self, damage=(), dead_from=None):
        self.count, self.damage, self.dead_from = 0, set(damage), dead_from

    def __call__(self, command):
        self.count += 1
        if self.dead_from is not None and self.count >= self.dead_from:
            raise errors.ConsoleDead("the line broke", "console")
        if self.count in self.damage:
            command = command.replace("echo ", "echo QUFB", 1)
        return shell(command) + "\n[   12.345678] a kernel message"


@pytest.fixture
def setting(tmp_path):
    file = tmp_path / "panic_on_oops"
    file.write_text("0\n")
    return file


# ---- settings ----------------------------------------------------------------------------------------------------------


def test_a_setting_is_set_read_back_and_put_back(setting):
    settings = Settings(shell)
    assert settings.set(str(setting), 1) == "0"
    assert setting.read_text() == "1\n"
    assert settings.changed == [{"what": str(setting), "before": "0", "set": "1", "put_back": ""}]
    assert settings.restore() == [] and setting.read_text() == "0\n" and settings.left == []


def test_a_setting_that_does_not_take_names_both_values():
    with pytest.raises(errors.SettingNotTaken, match="/dev/null reads '', set was '1'"):
        Settings(shell).set("/dev/null", 1)


def test_a_setting_that_the_kernel_does_not_have_is_named(tmp_path):
    settings = Settings(shell)
    with pytest.raises(errors.SettingNotTaken, match="nothere cannot be read, set should be '1'"):
        settings.set(str(tmp_path / "nothere"), 1)
    assert settings.changed == []


def test_a_setting_set_twice_goes_back_to_what_was_first(setting):
    settings = Settings(shell)
    settings.set(str(setting), 1)
    settings.set(str(setting), 2)
    assert [(one["before"], one["set"]) for one in settings.changed] == [("0", "2")]
    settings.restore()
    assert setting.read_text() == "0\n"


@pytest.mark.parametrize(
    ("read", "wanted", "equal"),
    [
        ("Y", "1", True),
        ("N", "Y", False),
        ("0x10", "16", True),
        ("7\t4\t1\t7", "7 4 1 7", True),
        ("always [madvise] never", "madvise", True),
        ("always [madvise] never", "never", False),
        ("", "0", False),
    ],
)
def test_values_are_compared_by_what_they_mean(read, wanted, equal):
    assert same(read, wanted) is equal


def test_a_choice_is_put_back_by_its_word(tmp_path):
    file = tmp_path / "enabled"
    file.write_text("always [madvise] never\n")
    settings = Settings(shell)
    settings.set(str(file), "never")
    settings.restore()
    assert file.read_text() == "madvise\n"


def test_changes_are_put_back_last_first(tmp_path):
    settings, said = Settings(shell), []
    for name in ("a", "b"):
        (tmp_path / name).write_text("0")
        settings.set(str(tmp_path / name), 1)
    settings._run = lambda command: said.append(command) or shell(command)
    settings.restore()
    written = [command for command in said if command.startswith("echo")]
    assert [command[-1] for command in written] == ["b", "a"]


def test_a_setting_that_cannot_be_put_back_is_named_and_the_rest_is_put_back(tmp_path, setting):
    other = tmp_path / "other"
    other.write_text("0")
    settings = Settings(shell)
    settings.set(str(setting), 1)
    settings.set(str(other), 1)
    other.unlink()
    other.mkdir()
    differences = settings.restore()
    assert len(differences) == 1 and "other: cannot be put back" in differences[0]
    assert setting.read_text() == "0\n" and settings.left == [str(other)]


def test_a_line_that_is_dead_ends_the_restoring_and_names_what_is_left(tmp_path):
    settings = Settings(shell)
    for name in "abc":
        (tmp_path / name).write_text("0")
        settings.set(str(tmp_path / name), 1)
    settings._run = line = Line(dead_from=1)
    differences = settings.restore()
    assert line.count == 1 and len(differences) == 3 and all("the line broke" in one for one in differences)
    assert len(settings.left) == 3


# ---- files -------------------------------------------------------------------------------------------------------------


def test_a_file_goes_back_byte_for_byte_with_its_mode(tmp_path):
    file = tmp_path / "kdump.conf"
    file.write_bytes(BINARY)
    file.chmod(0o640)
    settings = Settings(shell)
    settings.file(str(file), "path /var/crash\n")
    assert file.read_text() == "path /var/crash\n" and file.stat().st_mode & 0o777 == 0o640
    assert settings.restore() == [] and file.read_bytes() == BINARY and file.stat().st_mode & 0o777 == 0o640


def test_a_drop_in_and_its_folders_go_away_again_and_its_service_hears_of_both(tmp_path):
    told = tmp_path / "told"
    drop_in = tmp_path / "etc/x.service.d/vkbench.conf"
    settings = Settings(shell)
    settings.file(str(drop_in), "[Service]\n", apply=f"echo x >> {told}")
    assert drop_in.read_text() == "[Service]\n"
    assert settings.restore() == [] and told.read_text() == "x\nx\n"
    assert not (tmp_path / "etc").exists()


def test_a_folder_with_somebody_elses_file_stays(tmp_path):
    settings = Settings(shell)
    settings.file(str(tmp_path / "etc/d/ours"), "x")
    (tmp_path / "etc/d/theirs").touch()
    assert settings.restore() == [] and (tmp_path / "etc/d/theirs").exists()


def test_a_removed_file_comes_back(tmp_path):
    file = tmp_path / "conf"
    file.write_bytes(b"\x00no newline")
    settings = Settings(shell)
    settings.file(str(file), None)
    assert not file.exists()
    assert settings.restore() == [] and file.read_bytes() == b"\x00no newline"


def test_a_link_stays_a_link(tmp_path):
    (tmp_path / "real").write_text("old")
    (tmp_path / "link").symlink_to("real")
    settings = Settings(shell)
    settings.file(str(tmp_path / "link"), "new")
    assert (tmp_path / "link").is_symlink() and (tmp_path / "real").read_text() == "new"
    settings.restore()
    assert (tmp_path / "link").is_symlink() and (tmp_path / "real").read_text() == "old"


def test_a_reboot_puts_back_settings_and_not_files(tmp_path, setting):
    file = tmp_path / "conf"
    settings = Settings(shell)
    settings.set(str(setting), 1)
    settings.file(str(file), "x")
    settings.rebooted("power off")
    assert settings.left == [str(file)]
    assert [one["put_back"] for one in settings.changed] == ["power off", ""]
    assert settings.restore() == [] and not file.exists()
    assert setting.read_text() == "1\n", "what a reboot has undone is not touched again"


# ---- the journal ---------------------------------------------------------------------------------------------------------


def test_the_journal_stands_before_the_change_is_made(tmp_path, setting):
    """A bench that is killed between the two must still put back."""
    journal = tmp_path / "run/settings.json"
    seen = []

    def run(command):
        if command.startswith("echo 1"):
            seen.append(json.loads(journal.read_text())["changes"][0]["before"])
        return shell(command)

    Settings(run, journal).set(str(setting), 1)
    assert seen == ["0"]


def test_what_a_killed_bench_left_is_put_back_from_the_ledger(tmp_path, setting):
    book, journal = tmp_path / "state/b.settings.json", tmp_path / "run/settings.json"
    file = tmp_path / "conf"
    file.write_bytes(BINARY)
    first = Settings(shell, journal, book)
    first.set(str(setting), 1)
    first.file(str(file), b"x")
    del first  # killed
    found = Settings.resume(shell, book)
    assert found.left == [str(setting), str(file)]
    assert found.restore() == [] and not book.exists()
    assert setting.read_text() == "0\n" and file.read_bytes() == BINARY
    assert journal.exists(), "evidence stays"


def test_the_ledger_is_there_as_long_as_something_is_left(tmp_path, setting):
    book = tmp_path / "b.settings.json"
    settings = Settings(shell, book)
    settings.set(str(setting), 1)
    assert book.exists()
    settings.restore()
    assert not book.exists()


@pytest.mark.parametrize("text", ["", "[]", '{"schema":2,"changes":[]}', '{"schema":1,"changes":[{"x":1}]}'])
def test_a_damaged_journal_is_named(tmp_path, text):
    (tmp_path / "j").write_text(text)
    with pytest.raises(errors.SettingNotTaken, match="journal cannot be read"):
        Settings.resume(shell, tmp_path / "j")


def test_each_bench_has_its_own_ledger(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    benches = [load(ROOT / f"fixtures/benches/{name}.toml") for name in ("virtual", "lab-example")]
    books = {ledger(bench) for bench in benches}
    assert len(books) == 2 and all(book.is_relative_to(tmp_path) for book in books)


# ---- bytes over the line ---------------------------------------------------------------------------------------------------


def test_a_file_comes_over_a_line_with_kernel_messages_and_damage(tmp_path):
    data = os.urandom(LINE_BYTES * 60 + 17)
    line, steps = Line(damage={7, 40}), []
    write_file(line, str(tmp_path / "f"), data, lambda now, total: steps.append(now))
    assert (tmp_path / "f").read_bytes() == data and not (tmp_path / f"f{PART}").exists()
    assert steps[-1] == len(data) and steps != sorted(set(steps)), "a damaged block was sent again"
    assert read_file(Line(), str(tmp_path / "f")) == data


def test_a_broken_transfer_goes_on_where_it_was(tmp_path):
    data = os.urandom(LINE_BYTES * 100)
    with pytest.raises(errors.ConsoleDead):
        write_file(Line(dead_from=80), str(tmp_path / "f"), data)
    assert not (tmp_path / "f").exists()
    line, steps = Line(), []
    write_file(line, str(tmp_path / "f"), data, lambda now, total: steps.append(now))
    assert steps[0] >= LINE_BYTES * 48 and (tmp_path / "f").read_bytes() == data


def test_what_another_transfer_left_is_not_taken_for_ours(tmp_path):
    (tmp_path / f"f{PART}").write_bytes(b"other bytes")
    write_file(shell, str(tmp_path / "f"), b"ours, and longer than that")
    assert (tmp_path / "f").read_bytes() == b"ours, and longer than that"


def test_a_line_that_damages_everything_is_named(tmp_path):
    with pytest.raises(errors.DeployFailed, match="arrived wrong 4 times"):
        write_file(Line(damage=range(1000)), str(tmp_path / "f"), b"x" * 100)
    assert not (tmp_path / "f").exists()


@pytest.mark.parametrize("data", [b"", b"\n", BINARY])
def test_any_bytes_come_and_go(tmp_path, data):
    write_file(shell, str(tmp_path / "f"), data)
    assert read_file(shell, str(tmp_path / "f")) == data
    assert digest(shell, str(tmp_path / "none")) is None and read_file(shell, str(tmp_path / "none")) is None

# SPDX-License-Identifier: Apache-2.0
"""docs/captures.md says what the commands do: its options exist, its command lines run, its tables are complete."""

import re
import shlex
from pathlib import Path

import pandas
import pytest
from busy_capture import busy
from typer.main import get_command

from vkbench import cli
from vkbench.capture import vkc
from vkbench.capture.export import FORMATS
from vkbench.capture.export.table import _columns
from vkbench.capture.layout import Kind, StatClass
from vkbench.cli.record import SOURCES

TEXT = (Path(__file__).parents[2] / "docs/captures.md").read_text()
LINES = [line.split("  #")[0] for line in re.findall(r"^vkbench .*$", TEXT, re.MULTILINE)]
COMMANDS = get_command(cli.app).commands["capture"].commands


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("captures")
    source = busy(1500)
    vkc.write(path / "panic.vkc", source.header, source.records)
    return path


@pytest.mark.parametrize("line", [line for line in LINES if "capture record" not in line])
def test_each_command_line_runs(line, folder, monkeypatch, capsys):
    monkeypatch.chdir(folder)
    opened = []
    monkeypatch.setattr("webbrowser.open", opened.append)
    assert cli.run_app(shlex.split(line)[1:]) == 0, capsys.readouterr().err
    assert bool(opened) == ("--open" in line)


def test_the_lines_to_record_with_have_options_that_exist():
    lines = [line for line in LINES if "capture record" in line]
    assert len(lines) == 4
    for line in lines:
        COMMANDS["record"].make_context("record", shlex.split(line)[3:])


@pytest.mark.parametrize(("heading", "command"), [("## Record", "record"), ("## Filter", "show")])
def test_the_table_of_options_is_complete(heading, command):
    section = TEXT.split(heading)[1].split("\n## ")[0]
    told = {
        name
        for row in re.findall(r"^\| (`--.*?) \|", section, re.MULTILINE)
        for name in re.findall(r"--[a-z-]+", row)
    }
    found = {
        name
        for one in COMMANDS[command].params
        for name in (*one.opts, *one.secondary_opts)
        if name.startswith("--")
    }
    elsewhere = {"--json", "--output", "--help", "--fold", "--first", "--count"}
    assert told == found - elsewhere


def test_names_are_complete():
    assert set(re.findall(r"`(\w+)`", TEXT.split("| `--kind K` |")[1].split("\n")[0])) == set(
        Kind.__members__
    )
    assert set(re.findall(r"`(\w+)`", TEXT.split("| `--class C` |")[1].split("\n")[0])) <= set(
        StatClass.__members__
    )
    assert set(re.findall(r"`(\w+)`", TEXT.split("| `--source S` |")[1].split("\n")[0])) == set(SOURCES) - {
        "CONSOLE"
    }
    assert set(re.findall(r"--to (\w+)", TEXT)) == set(FORMATS)
    table = TEXT.split("| column | content |")[1].split("\n\n")[0]
    told = {
        name
        for row in table.splitlines()
        for name in re.findall(r"`(\w+)`", row.split("|")[1] if "|" in row else "")
    }
    assert told | {"dw1", "dw2"} == {column.name for column in _columns(busy(200))}


def test_the_pandas_lines_run(folder, monkeypatch, capsys):
    monkeypatch.chdir(folder)
    assert cli.run_app(["capture", "export", "panic.vkc", "--to", "parquet", "-o", "panic.parquet"]) == 0
    code = re.search(r"```\n(import pandas.*?)```", TEXT, re.DOTALL)[1]
    capsys.readouterr()
    exec(code, {"pandas": pandas})
    assert int(capsys.readouterr().out.split()[0]) > 1000  # the folded ones count

# SPDX-License-Identifier: Apache-2.0
"""Where each test's runs lie, and what of them is shown when it fails."""

from __future__ import annotations

import hashlib
import io
import re
import shutil
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pytest

CONSOLE_LINES = 40
NAME_MAX = 120  # of a folder, well under the 255 bytes of every file system
_PLAIN = re.compile(r"[A-Za-z0-9._=-]+")


def folder_name(nodeid: str) -> str:
    """``tests/test_a.py::test_b[stock]`` as ``tests.test_a.test_b-stock``; what is lost in this is made up by a hash."""
    name = re.sub(r"\.py(?=::|$)", "", nodeid).replace("::", ".").replace("/", ".")
    name = re.sub(r"\[(.*)\]$", r"-\1", name)
    if _PLAIN.fullmatch(name) and not name.startswith(".") and len(name) <= NAME_MAX:
        return name
    digest = hashlib.sha256(nodeid.encode()).hexdigest()[:8]
    return re.sub(r"[^A-Za-z0-9._=-]+", "_", name).lstrip(".")[:NAME_MAX] + "-" + digest


def unused(path: Path) -> Path:
    """This folder, or when something is in it already the first of ``path-2``, ``path-3`` … that is free."""
    number, found = 1, path
    while found.exists() and (not found.is_dir() or any(found.iterdir())):
        number += 1
        found = path.with_name(f"{path.name}-{number}")
    return found


@dataclass
class Evidence:
    """A folder with evidence. ``shared``: it was made for the whole module, not for one test."""

    path: Path
    test: str
    module: str
    shared: bool


@dataclass
class Runs:
    """All evidence of this pytest process."""

    folder: Path
    keep: str
    test: pytest.Item | None = None  #: the one that is on
    phase: str = ""
    _evidence: list[Evidence] = field(default_factory=list)
    _folders: dict[str, Path] = field(default_factory=dict)  # of tests, by node id
    _failed: set[str] = field(default_factory=set)  # node ids of tests, and of their modules
    _shown: Counter = field(default_factory=Counter)

    def of_test(self, nodeid: str) -> Path:
        """The test's own folder; made by who writes into it."""
        if nodeid not in self._folders:
            self._folders[nodeid] = unused(self.folder / folder_name(nodeid))
        return self._folders[nodeid]

    def note(self, path: Path) -> None:
        """There will be evidence in ``path``, of the test that is on, or of its module when a fixture makes it."""
        if self.test is None:
            return
        test = self.test.nodeid
        own = self._folders.get(test)
        shared = self.phase == "setup" and (own is None or not path.is_relative_to(own))
        self._evidence.append(Evidence(path.absolute(), test, _module(test), shared))

    def of(self, test: str) -> list[Evidence]:
        """What this test made or shares."""
        module = _module(test)
        return [one for one in self._evidence if one.test == test or (one.shared and one.module == module)]

    def attach(self, item: pytest.Item, report: pytest.TestReport) -> None:
        """Add the evidence to a failed test's report."""
        self._failed.update((item.nodeid, _module(item.nodeid)))
        for one in self.of(item.nodeid):
            key = (item.nodeid, one.path)
            self._shown[key] += 1
            if self._shown[key] == 1 and one.path.is_dir():
                report.sections.append((f"vkbench evidence {one.path.name}", describe(one.path)))
                _html_link(item, report, one.path)

    def add_properties(self, item: pytest.Item) -> None:
        """Name the runs in the test's JUnit properties."""
        for one in self.of(item.nodeid):
            if not one.path.is_dir():
                continue
            values = [("vkbench_run", str(one.path)), ("vkbench_outcome", _outcome(one.path))]
            item.user_properties += [value for value in values if value[1]]

    def leave(self, item: pytest.Item) -> None:
        """The test is over: with ``--keep-runs failed`` a good one's own folder goes."""
        if self.keep == "failed" and item.nodeid not in self._failed and item.nodeid in self._folders:
            shutil.rmtree(self._folders[item.nodeid], ignore_errors=True)

    def close(self) -> None:
        """The session is over: so do folders that only good modules shared."""
        if self.keep != "failed":
            return
        for one in self._evidence:
            if one.shared and one.module not in self._failed and one.path.is_relative_to(self.folder):
                shutil.rmtree(one.path, ignore_errors=True)
        with suppress(OSError):  # it stays when something is in it
            self.folder.rmdir()


def _module(nodeid: str) -> str:
    return nodeid.partition("::")[0]


def _outcome(run: Path) -> str:
    """PASS, FAIL, INCONCLUSIVE, or the name of the error that ended the run; empty when the folder is no run's."""
    from vkbench.evidence import RUN_JSON, VERDICT_JSON, EvidenceError, RunDirectory

    try:
        view = RunDirectory.open(run)
        if view.has(RUN_JSON) and view.record.abort is not None:
            return view.record.abort.error
        return str(view.json(VERDICT_JSON)["overall"]) if view.has(VERDICT_JSON) else ""
    except (EvidenceError, OSError, ValueError, KeyError, TypeError):
        return "unreadable"


def describe(folder: Path) -> str:
    """A run for somebody who looks at a failed test: where it is, how it ended, its rules, the console's last lines."""
    return "\n".join(
        part for part in (f"folder: {folder}", _run(folder), _rules(folder), _console(folder)) if part
    )


def _run(folder: Path) -> str:
    from vkbench.evidence import RUN_JSON, EvidenceError, RunDirectory

    try:
        view = RunDirectory.open(folder)
        if not view.has(RUN_JSON):
            return ""
        record = view.record
    except (EvidenceError, OSError, ValueError) as error:
        return f"{RUN_JSON}: {error}"
    text = f"{record.scenario} on bench {record.bench.name}: {record.status}"
    if record.abort is not None:
        text += f", {record.abort.error}: {record.abort.detail}"
    bad = [step.name for step in record.steps if not step.ok]
    return text + (f"\nfailed step: {', '.join(bad)}" if bad else "")


def _rules(folder: Path) -> str:
    from rich.console import Console

    from vkbench.cli import common
    from vkbench.evidence import VERDICT_JSON, EvidenceError, RunDirectory
    from vkbench.verdict import Verdict

    try:
        view = RunDirectory.open(folder)
        if not view.has(VERDICT_JSON):
            return ""
        verdict = Verdict.model_validate(view.json(VERDICT_JSON))
    except (EvidenceError, OSError, ValueError) as error:
        return f"{VERDICT_JSON}: {error}"
    output = Console(file=io.StringIO(), width=110, highlight=False)
    output.print(common.verdict_table("verdict", verdict))
    for rule in verdict.rules:
        if rule.result != "PASS":
            output.print(f"{rule.title}: {rule.reason}", markup=False)
    output.print(common.overall_line(verdict))
    return output.file.getvalue().rstrip()  # type: ignore[attr-defined]


def _console(folder: Path) -> str:
    from vkbench.evidence import CONSOLE_LOG

    try:
        lines = (folder / CONSOLE_LOG).read_text(errors="backslashreplace").splitlines()
    except OSError:
        return ""
    shown = lines[-CONSOLE_LINES:]
    return "\n".join([f"console, the last {len(shown)} of {len(lines)} lines:", *shown])


def _html_link(item: pytest.Item, report: pytest.TestReport, folder: Path) -> None:
    """A link in pytest-html's report, when that is there."""
    if not item.config.pluginmanager.hasplugin("html"):
        return
    try:
        from pytest_html import extras
    except ImportError:
        return
    report.extras = [*getattr(report, "extras", []), extras.url(folder.as_uri(), name=folder.name)]  # type: ignore[attr-defined]

# SPDX-License-Identifier: Apache-2.0
"""Recomputes a sealed campaign from its files alone, on any machine, and lists every difference (docs/trust.md).

Nothing outside of the directory is read, no link is followed, and nothing in it is believed: its files may have been
made by somebody who wants this program to fail.
"""

import html
import itertools
import json
import os
import re
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from dataclasses import dataclass, field, replace
from multiprocessing import get_context
from pathlib import Path

from vkbench import __version__, errors
from vkbench.campaign.figures import summary
from vkbench.campaign.planning import order, plan
from vkbench.campaign.records.view import CampaignView
from vkbench.campaign.trust import signature
from vkbench.campaign.trust.seal import NEEDED, SIGNATURE, contents, printable, read_manifest
from vkbench.campaign.trust.verify_journal import JournalCheck
from vkbench.campaign.trust.verify_run import Found, Task, check_all, differing, prepare_worker
from vkbench.evidence import MANIFEST, EvidenceError, sha256_of, to_json
from vkbench.evidence.campaign import (
    BENCHES,
    CYCLES,
    JOURNAL,
    JOURNAL_LINES,
    PLAN_JSON,
    PLAN_TOML,
    REPORTS,
    SUMMARY_JSON,
    Conformity,
    Plan,
    Slot,
    Summary,
)
from vkbench.report import qualification
from vkbench.report.exports import junit, ocp, table
from vkbench.report.qualification import page

#: Reports that follow from journal and summary byte for byte.
RECOMPUTED = {"junit.xml": junit.write, "ocptv.jsonl": ocp.write, "cycles.csv": table.write}
TOGETHER = 4  # runs that a worker is given at once
FEW = 64  # runs that are no work for several processes
AHEAD = 4  # such groups that wait for each worker
LARGEST_TABLE = 1 << 26  # bytes of plan.json, plan.toml, summary.json
Progress = Callable[[int, int], None]


@dataclass
class CampaignVerification:
    """What verify() found. ``differences``: one line each, naming the file; empty when all is as sealed."""

    path: Path
    differences: list[str] = field(default_factory=list)
    plan_name: str = ""
    conformity: Conformity | None = None  #: recomputed
    attempts: int = 0  #: in the journal
    runs: int = 0  #: sealed runs whose verdict was recomputed
    bytes: int = 0  #: of the runs
    seconds: float = 0
    signature: str = ""  #: what the signature says of itself; empty: not checked, or not good
    signed: bool = False  #: there is a signature, good or not

    @property
    def ok(self) -> bool:
        """True when the files are as sealed, and everything that can be recomputed is as stored."""
        return not self.differences


def is_campaign(path: Path) -> bool:
    """True when this is a campaign's directory and no run's."""
    return (Path(path) / PLAN_JSON).is_file()


def verify(
    path: Path,
    public_key: Path | None = None,
    workers: int | None = None,
    progress: Progress = lambda done, total: None,
) -> CampaignVerification:
    """Check a campaign. ``workers``: processes, None for one per CPU. ``progress`` gets attempts done and in all.

    Raises EvidenceError when there is no campaign, and UserError when a signature cannot be checked at all.
    """
    path = Path(path)
    if not is_campaign(path):
        raise EvidenceError(f"{path}: has no {PLAN_JSON}; is it a campaign's directory?")
    begun = time.monotonic()
    found = _Check(path, workers or _processes(path), progress).all(public_key)
    found.seconds = time.monotonic() - begun
    return found


def _processes(path: Path) -> int:
    """One for each CPU; none but this where starting them would take longer than the work."""
    folder = path / CYCLES
    few = not folder.is_dir() or sum(1 for _ in itertools.islice(folder.iterdir(), FEW)) < FEW
    return 1 if few else len(os.sched_getaffinity(0))


class _Check:
    def __init__(self, path: Path, workers: int, progress: Progress) -> None:
        self._path, self._workers, self._progress = path, workers, progress
        self._found = CampaignVerification(path, signed=(path / SIGNATURE).exists())
        self._manifest: dict[str, str] = {}
        self._listed: dict[str, dict[str, str]] = {}  # directory of a cycle -> its files in the manifest
        self._plan: Plan | None = None
        self._slots: dict[int, Slot] = {}

    def all(self, public_key: Path | None) -> CampaignVerification:
        found = self._found
        if public_key is not None:
            found.signature, problem = signature.check(self._path, public_key)
            self._differ(problem)
            found.signature = "" if problem else found.signature
        if not self._files():
            return found
        with self._noting(PLAN_JSON):
            self._read_plan()
        journal = JournalCheck(self._path, self._plan, self._slots)
        with self._noting(JOURNAL_LINES):
            self._cycles(journal)
        found.attempts = journal.attempted
        found.differences += journal.differences
        self._one_to_one(journal)
        self._benches(journal)
        if not journal.differences and self._plan is not None:
            before = len(found.differences)
            with self._noting(SUMMARY_JSON):
                stored = self._summary()
                self._exports(stored)
                if self._found.ok:  # it shows evidence, so it only follows from evidence that is as it was
                    self._page(stored)
            made_by = journal.registered.tools.get("vkbench") if journal.registered else None
            if len(found.differences) > before and made_by != __version__:
                by = f"{SUMMARY_JSON}: made by vkbench {made_by}; this is {__version__}, which may word and compute otherwise"
                found.differences.insert(before, by)
        return found

    # ---- files ---------------------------------------------------------------------------------------------------------

    def _files(self) -> bool:
        """The manifest and the files outside of the cycles; False when there is nothing to go on with."""
        if not (self._path / MANIFEST).exists():
            self._differ(
                f"{MANIFEST}: missing; the campaign was never sealed (it goes on, or was not concluded)"
            )
            return False
        try:
            self._manifest = read_manifest(self._path)
        except EvidenceError as error:
            self._differ(str(error))
        present, problems = contents(self._path)
        self._found.differences += problems
        here = set(present)
        for name in sorted(self._manifest.keys() | here):
            if name not in here:
                self._differ(f"{name}: missing, but in the manifest")
            elif self._manifest and name not in self._manifest:
                self._differ(f"{name}: added after sealing, not in the manifest")
            elif self._manifest and not name.startswith(f"{CYCLES}/"):
                now, sealed = sha256_of(self._path / name), self._manifest[name]
                if now != sealed:
                    self._differ(
                        f"{name}: changed after sealing (SHA-256 {now[:12]}…, sealed {sealed[:12]}…)"
                    )
        for name, digest in self._manifest.items():
            folder, _, rest = name.rpartition("/")
            if folder.startswith(f"{CYCLES}/"):
                self._listed.setdefault(folder, {})[rest] = digest
        # A link or a database in the place of a file that is read below would lead somewhere else.
        return not problems and JOURNAL not in here and all(name in here for name in NEEDED)

    def _read_plan(self) -> None:
        for name in (PLAN_JSON, PLAN_TOML, SUMMARY_JSON):
            if (self._path / name).stat().st_size > LARGEST_TABLE:
                raise EvidenceError(f"{name}: is larger than any such file can be")
        stored = CampaignView(self._path).plan
        self._found.plan_name = stored.name
        self._plan = stored
        self._slots = {slot.number: slot for slot in order.slots(stored)}
        with self._noting(PLAN_TOML):
            self._compare(PLAN_JSON, stored, plan.load(self._path / PLAN_TOML))

    # ---- cycles --------------------------------------------------------------------------------------------------------

    def _cycles(self, journal: JournalCheck) -> None:
        """Every attempt, in worker processes; only a few are in memory at a time."""
        total = sum(1 for _ in (self._path / CYCLES).iterdir()) if (self._path / CYCLES).is_dir() else 0
        done = 0
        groups = _grouped(self._tasks(journal), TOGETHER)
        for size, found in _checked(groups, self._workers):
            done += size
            self._found.differences += found.differences
            self._found.runs += found.runs
            self._found.bytes += found.bytes
            self._progress(done, max(total, done))

    def _tasks(self, journal: JournalCheck) -> Iterator[Task]:
        configurations = {one.name: one for one in self._plan.configurations} if self._plan else {}
        for intent, outcome in journal.attempts():
            slot = self._slots.get(intent.slot)
            yield Task(
                root=self._path,
                intent=intent,
                outcome=outcome,
                configuration=configurations.get(slot.configuration) if slot else None,
                bench_sha256=journal.bench_files.get(intent.bench, ""),
                listed=self._listed.get(intent.directory, {}),
            )

    def _one_to_one(self, journal: JournalCheck) -> None:
        """No directory without an attempt. That each attempt has its directory is seen where it is read."""
        folder = self._path / CYCLES
        for name in sorted(one.name for one in folder.iterdir()) if folder.is_dir() else []:
            if f"{CYCLES}/{name}" not in journal.directories:
                self._differ(f"{CYCLES}/{printable(name)}: added; the journal has no such attempt")

    def _benches(self, journal: JournalCheck) -> None:
        for bench, digest in journal.bench_files.items():
            name = f"{BENCHES}/{bench}.toml"
            if self._manifest.get(name) != digest:
                self._differ(f"{name}: is not the bench file that the journal names, or missing")

    # ---- what follows from plan and journal ----------------------------------------------------------------------------

    def _summary(self) -> Summary:
        assert self._plan is not None
        view = CampaignView(self._path)
        recomputed = summary.summarise(self._plan, view.cycles(), view.entries())
        self._found.conformity = recomputed.conformity
        stored = Summary.model_validate_json((self._path / SUMMARY_JSON).read_bytes())
        self._compare(SUMMARY_JSON, stored, recomputed)
        return stored

    def _exports(self, stored: Summary) -> None:
        view = CampaignView(self._path)
        with tempfile.TemporaryDirectory(prefix="vkbench-verify-") as scratch:
            for name, write in RECOMPUTED.items():
                file, again = self._path / REPORTS / name, Path(scratch) / name
                if not file.is_file():
                    self._differ(f"{REPORTS}/{name}: missing")
                    continue
                write(view, stored, again)
                if (line := _first_difference(file, again)) is not None:
                    self._differ(f"{REPORTS}/{name}:{line}: does not follow from journal and summary")

    def _page(self, stored: Summary) -> None:
        name = f"{REPORTS}/{qualification.HTML}"
        with self._noting(name), tempfile.TemporaryDirectory(prefix="vkbench-verify-") as scratch:
            view = CampaignView(self._path)
            again = Path(scratch) / qualification.HTML
            if not (self._path / name).is_file():
                self._differ(f"{name}: missing")
                return
            content = page.content(view, stored)
            if (
                named := _folder_in(self._path / name)
            ) is not None:  # a folder may be moved under another name
                content = replace(content, directory=named)
            text = page.html(content, self._path, self._path / REPORTS)
            again.write_text(text, encoding="utf-8", newline="")
            if (line := _first_difference(self._path / name, again)) is not None:
                self._differ(f"{name}:{line}: does not follow from journal, summary and evidence")

    def _compare(self, name: str, stored: object, recomputed: object) -> None:
        pairs = differing(json.loads(to_json(stored)), json.loads(to_json(recomputed)))
        for where, was, now in pairs:
            self._differ(f"{name}: {where}: stored {_shown(was)}, recomputed {_shown(now)}")

    # ---- differences ---------------------------------------------------------------------------------------------------

    def _differ(self, text: str) -> None:
        if text:
            self._found.differences.append(text.replace(f"{self._path}/", ""))

    def _noting(self, name: str) -> "_Noting":
        return _Noting(self._differ, name)


class _Noting:
    """What cannot be read or computed is a difference of this file. Only Ctrl-C and a missing worker program pass."""

    def __init__(self, differ: Callable[[str], None], name: str) -> None:
        self._differ, self._name = differ, name

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> bool:
        if error is None or not isinstance(error, Exception):
            return False
        if isinstance(error, EvidenceError | errors.BenchError):
            text = str(error)
            self._differ(text if self._name in text else f"{self._name}: {text}")
        else:
            self._differ(f"{self._name}: cannot be checked: {type(error).__name__}: {error}")
        return True


def _grouped(tasks: Iterator[Task], size: int) -> Iterator[list[Task]]:
    while group := list(itertools.islice(tasks, size)):
        yield group


def _checked(groups: Iterable[list[Task]], workers: int) -> Iterator[tuple[int, Found]]:
    """The groups' results as they come."""
    if workers <= 1:
        for group in groups:
            yield len(group), check_all(group)
        return
    pool = ProcessPoolExecutor(workers, mp_context=get_context("spawn"), initializer=prepare_worker)
    running: dict[Future[Found], list[Task]] = {}
    try:
        for group in groups:
            running[pool.submit(check_all, group)] = group
            if len(running) >= workers * AHEAD:
                yield from _ready(running)
        while running:
            yield from _ready(running)
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _ready(running: dict[Future[Found], list[Task]]) -> Iterator[tuple[int, Found]]:
    """Those that have ended; waits for one. A group whose process died (a file that shrank while mapped) is named."""
    for future in wait(running, return_when=FIRST_COMPLETED).done:
        group = running.pop(future)
        try:
            yield len(group), future.result()
        except Exception as error:
            what = f"the process that checked it ended: {type(error).__name__}"
            yield len(group), Found([f"{task.intent.directory}: {what}" for task in group])


def _first_difference(one: Path, other: Path) -> int | None:
    """Number of the first line that differs; None when there is none."""
    with one.open("rb") as a, other.open("rb") as b:
        for number, (left, right) in enumerate(itertools.zip_longest(a, b), start=1):
            if left != right:
                return number
    return None


def _folder_in(report: Path) -> str | None:
    """What the page calls the campaign's folder."""
    found = re.search(rb"<code>vkbench verify ([^<\n]{1,300})</code>", report.read_bytes())
    return html.unescape(found[1].decode("utf-8", "replace")) if found else None


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 200 else f"{text[:200]}…"

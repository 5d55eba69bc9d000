# SPDX-License-Identifier: Apache-2.0
"""A campaign's folder at its beginning, and what a later session does with what an earlier one left."""

import re
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

from vkbench import errors
from vkbench.campaign.conduct.work import Work
from vkbench.campaign.conduct.worker import absent
from vkbench.campaign.planning.order import slots
from vkbench.campaign.planning.plan import load as load_plan
from vkbench.campaign.records.journal import Journal
from vkbench.campaign.records.outcome import Attempt, outcome_of, settle
from vkbench.campaign.records.view import CampaignView
from vkbench.config import BenchFile, load
from vkbench.evidence import EvidenceError, RunView, atomic_write, sha256_of, to_json
from vkbench.evidence.campaign import (
    BENCHES,
    CYCLES,
    JOURNAL,
    PLAN_JSON,
    PLAN_TOML,
    Intent,
    Outcome,
    Plan,
    Registered,
    Stopped,
)
from vkbench.evidence.files import sync
from vkbench.server.record import tool_versions

PLACE = "bench file: "  #: note: where the bench file lies
WORKERS_END_S = 300.0
_RUN = re.compile(r"(\d{6,})-(\d+)")
Say = Callable[[str], None]


def begin(out: Path, plan_file: Path, benches: Sequence[BenchFile]) -> tuple[Journal, Plan]:
    """Register a plan in a new folder. Raises UserError when there is something in it already."""
    plan = load_plan(plan_file)
    _refuse_twins(benches)
    out.mkdir(parents=True, exist_ok=True)
    unfinished = only_begun(out)
    if any(out.iterdir()) and not unfinished:
        hint = "Go on with it by --resume" if (out / PLAN_JSON).exists() else "Name another folder"
        raise errors.UserError("is not empty", str(out), hint)
    if unfinished:
        (out / JOURNAL).unlink(missing_ok=True)
    for folder in (CYCLES, BENCHES):
        (out / folder).mkdir(exist_ok=True)
    atomic_write(out / PLAN_TOML, plan_file.read_bytes())
    atomic_write(out / PLAN_JSON, to_json(plan))
    for bench in benches:
        atomic_write(out / BENCHES / f"{bench.name}.toml", bench.path.read_bytes())
    sync(out)
    journal = Journal.create(out)
    try:
        for bench in benches:
            journal.note(PLACE + bench.name, str(bench.path))
        tools = {name: str(version) for name, version in tool_versions().items()}
        count = len(slots(plan))
        journal.append(Registered(plan_sha256=plan.sha256, plan_name=plan.name, slots=count, tools=tools))
    except BaseException:
        journal.close()
        raise
    return journal, plan


def withdraw(out: Path) -> None:
    """Remove a campaign of which nothing but the plan was registered; any other stays."""
    if not any((out / CYCLES).iterdir()):
        shutil.rmtree(out)


def reopen(
    out: Path, plan_file: Path | None, given: Sequence[BenchFile], say: Say
) -> tuple[Journal, Plan, list[BenchFile]]:
    """Go on with a campaign. What is given must be what it began with. Raises UserError, CampaignError."""
    view = _view(out)
    if only_begun(out):
        raise errors.UserError(
            "was killed before its plan was registered", str(out), "Begin it again, without --resume"
        )
    plan = view.plan
    for file in (plan_file, out / PLAN_TOML):
        if file is not None and (found := sha256_of(file)) != plan.sha256:
            raise errors.UserError(
                f"is another plan than the one that was registered (SHA-256 {found[:12]}…, registered {plan.sha256[:12]}…)",
                str(file),
                "A campaign has one plan. Leave it out, or begin a new campaign in another folder",
            )
    journal = Journal.open(out)
    try:
        first = next(iter(journal.entries()), None)
        if not isinstance(first, Registered) or first.plan_sha256 != plan.sha256:
            raise errors.CampaignError("the journal does not begin with this plan", str(journal.path))
        benches = _same_benches(out, journal.notes(), given)
        absent(out, WORKERS_END_S, say)
    except BaseException:
        journal.close()
        raise
    return journal, plan, benches


def take_up(journal: Journal, work: Work, benches: Sequence[BenchFile], say: Say) -> None:
    """Bring work up to what the journal says, and the journal up to what lies in the folder."""
    for entry in journal.entries():
        if isinstance(entry, Intent):
            work.begun(entry)
        elif isinstance(entry, Outcome):
            work.ended(entry)
        elif isinstance(entry, Stopped):
            work.stopped = entry.reason
    for able in work.benches.values():
        able.unfit.clear()  # whoever goes on may have put right what was not as planned
    files = {bench.name: bench for bench in benches}
    for intent in sorted(work.open.values(), key=lambda one: one.number):
        _adopt(journal, work, intent, files, say)
    for directory, slot, number in _unregistered(journal.folder, work):
        # A journal that lost its last entries (a disk that lies about what it has written) still owns these runs.
        bench = _bench_of(directory) or benches[0].name
        if (
            bench not in files
            or slot not in work.slots
            or number != work.attempts[slot] + 1
            or slot in work.filled
        ):
            raise errors.CampaignError(
                "belongs to no attempt of this campaign", str(directory), "Take it out of the folder"
            )
        name = f"{CYCLES}/{directory.name}"
        intent = journal.append(Intent(slot=slot, attempt=number, bench=bench, directory=name))
        work.begun(intent)
        _adopt(journal, work, intent, files, say)


def _adopt(journal: Journal, work: Work, intent: Intent, files: dict[str, BenchFile], say: Say) -> None:
    """The outcome of an attempt of which no session has heard the end."""
    attempt = Attempt(
        intent.slot, intent.attempt, work.configuration(intent.slot), journal.folder / intent.directory
    )
    try:
        sealed = settle(attempt, files[intent.bench], "Killed", "the campaign was killed during this run")
    except OSError as error:
        raise errors.CampaignError(
            f"cannot be sealed: {error.strerror}",
            str(attempt.directory),
            "Free some space or mend the disk, then go on with --resume",
        ) from None
    found = outcome_of(attempt.directory, attempt.configuration, attempt.slot, attempt.number)
    outcome = journal.append(work.decided(found.model_copy(update={"adopted": sealed})))
    work.ended(outcome)
    what = "was found complete" if outcome.fate == "judged" else f"had died ({outcome.error})"
    say(f"cycle {outcome.slot}-{outcome.attempt} of an earlier session {what}")


def _unregistered(out: Path, work: Work) -> list[tuple[Path, int, int]]:
    """Runs in the folder that the journal does not know, in their order."""
    found = []
    for entry in (out / CYCLES).iterdir():
        match = _RUN.fullmatch(entry.name)
        if match is None:
            raise errors.CampaignError(
                "does not belong to a campaign", str(entry), "Take it out of the folder"
            )
        slot, number = int(match[1]), int(match[2])
        if number > work.attempts[slot]:
            found.append((entry, slot, number))
    return sorted(found, key=lambda one: one[1:])


def _bench_of(directory: Path) -> str:
    try:
        return RunView(directory).record.bench.name
    except EvidenceError:
        return ""


def _same_benches(out: Path, notes: dict[str, str], given: Sequence[BenchFile]) -> list[BenchFile]:
    """The benches with which the campaign began, from where they are given or were then."""
    copies = {path.stem: path for path in sorted((out / BENCHES).glob("*.toml"))}
    here = {bench.name: bench for bench in given}
    if given and set(here) != set(copies):
        raise errors.UserError(
            f"the campaign began with {', '.join(copies)}, given are {', '.join(sorted(here))}",
            "--bench",
            "Give the same benches, or none",
        )
    found = []
    for name, copy in copies.items():
        bench = here.get(name) or load(notes.get(PLACE + name, str(copy)))
        if bench.sha256 != sha256_of(copy):
            raise errors.UserError(
                "is not the bench file with which the campaign began",
                str(bench.path),
                f"It was {copy}; put it back, or begin a new campaign",
            )
        found.append(bench)
    return found


def _refuse_twins(benches: Sequence[BenchFile]) -> None:
    names = [bench.name for bench in benches]
    for name in names:
        if names.count(name) > 1:
            raise errors.UserError(f"two benches have the name {name!r}", "--bench", "Give each its own name")


def only_begun(out: Path) -> bool:
    """True when an earlier call was killed before it had registered the plan: nothing was done yet."""
    names = {entry.name for entry in out.iterdir()}
    ours = {PLAN_TOML, PLAN_JSON, CYCLES, BENCHES, JOURNAL, f"{JOURNAL}-wal", f"{JOURNAL}-shm"}
    temporary = {f".{name}.tmp" for name in (PLAN_TOML, PLAN_JSON)}
    if not names or not names <= ours | temporary or PLAN_TOML not in names | {PLAN_TOML}:
        return False
    if (out / CYCLES).is_dir() and any((out / CYCLES).iterdir()):
        return False
    if (out / JOURNAL).exists():
        try:
            return not any(True for _ in CampaignView(out).lines())
        except EvidenceError:
            return True  # killed while it was made
    return True


def _view(out: Path) -> CampaignView:
    try:
        return CampaignView(out)
    except EvidenceError as error:
        raise errors.UserError(
            str(error), "", "--out names the folder of the campaign to go on with"
        ) from None

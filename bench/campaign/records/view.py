# SPDX-License-Identifier: Apache-2.0
"""A campaign's directory, read only: its plan, the journal's entries, the cycles that they add up to.

Reads while a campaign goes on as well as when it is sealed; nothing is held in memory but the cycles that are open.
"""

import sqlite3
from collections import deque
from collections.abc import Iterator
from contextlib import closing
from functools import cached_property
from pathlib import Path

from pydantic import ValidationError

from vkbench.campaign.records import entries as lines_of_text
from vkbench.evidence import MANIFEST, EvidenceError, describe
from vkbench.evidence.campaign import (
    JOURNAL,
    JOURNAL_LINES,
    PLAN_JSON,
    Cycle,
    Entry,
    Intent,
    Outcome,
    Plan,
    Slot,
)

_BATCH = 500  # entries read in one go: no read transaction stays open while the caller works


class CampaignView:
    """A campaign's directory. Raises EvidenceError that names the file, here or when something is read."""

    def __init__(self, path: Path) -> None:
        self.path = Path(path)
        if not (self.path / PLAN_JSON).is_file():
            raise EvidenceError(f"{self.path}: has no {PLAN_JSON}; is it a campaign's directory?")

    @property
    def sealed(self) -> bool:
        """True when the manifest over all of it is there."""
        return (self.path / MANIFEST).is_file()

    @cached_property
    def plan(self) -> Plan:
        """The plan, resolved, as it was registered."""
        where = self.path / PLAN_JSON
        try:
            return Plan.model_validate_json(where.read_bytes())
        except OSError as error:
            raise EvidenceError(f"{where}: cannot be read: {error.strerror}") from error
        except ValidationError as error:
            raise EvidenceError(f"{where}: {describe(error)}") from error

    @cached_property
    def slots(self) -> dict[int, Slot]:
        """Every planned cycle, by its number; they follow from the plan."""
        from vkbench.campaign.planning.order import slots

        return {slot.number: slot for slot in slots(self.plan)}

    def lines(self) -> Iterator[str]:
        """The journal's entries as they were written, in their order."""
        if (self.path / JOURNAL).is_file():
            yield from stored_lines(self.path / JOURNAL)
            return
        where = self.path / JOURNAL_LINES
        try:
            with where.open(encoding="utf-8", newline="\n") as file:
                for line in file:
                    yield line.removesuffix("\n")
        except (OSError, UnicodeDecodeError) as error:
            raise EvidenceError(f"{where}: cannot be read: {error}") from error

    def entries(self) -> Iterator[Entry]:
        """The journal's entries, in their order. The chain is not looked at (check_chain)."""
        where = str(self.path / JOURNAL_LINES)
        for number, line in enumerate(self.lines(), start=1):
            yield lines_of_text.entry_of(line, f"{where}: entry {number}")

    def check_chain(self) -> int:
        """Prove the journal's chain; the number of entries. Raises EvidenceError at the first that does not fit."""
        return sum(1 for _ in lines_of_text.checked(self.lines(), str(self.path / JOURNAL_LINES)))

    def cycles(self) -> Iterator[Cycle]:
        """Every attempt, in the order in which they began."""
        waiting: deque[Cycle] = deque()
        outcomes: dict[tuple[int, int], Outcome] = {}

        def ready(cycle: Cycle) -> Cycle:
            return cycle.model_copy(
                update={"outcome": outcomes.pop((cycle.slot.number, cycle.attempt), None)}
            )

        for entry in self.entries():
            if isinstance(entry, Intent):
                waiting.append(self._cycle(entry))
            elif isinstance(entry, Outcome):
                outcomes[entry.slot, entry.attempt] = entry
                while waiting and (waiting[0].slot.number, waiting[0].attempt) in outcomes:
                    yield ready(waiting.popleft())
        yield from map(ready, waiting)

    def _cycle(self, intent: Intent) -> Cycle:
        slot = self.slots.get(intent.slot)
        if slot is None:
            raise EvidenceError(f"{self.path}: the journal has slot {intent.slot}, which the plan has not")
        return Cycle(
            slot=slot,
            attempt=intent.attempt,
            bench=intent.bench,
            directory=intent.directory,
            intent=intent.number,
            begun=intent.at,
        )


def stored_lines(database: Path) -> Iterator[str]:
    """The lines of a journal's database, which somebody may be writing."""
    last = 0
    with closing(_open(database)) as connection:
        while True:
            rows = _rows(connection, database, last)
            yield from (line for _, line in rows)
            if len(rows) < _BATCH:
                return
            last = rows[-1][0]


def _rows(connection: sqlite3.Connection, database: Path, after: int) -> list[tuple[int, str]]:
    query = "SELECT number, line FROM entries WHERE number > ? ORDER BY number LIMIT ?"
    try:
        return connection.execute(query, (after, _BATCH)).fetchall()
    except sqlite3.Error as error:
        raise EvidenceError(f"{database}: cannot be read: {error}") from error


def _open(database: Path) -> sqlite3.Connection:
    """On a medium that cannot be written to, SQLite reads a database only when told that nobody changes it."""
    for options in ("mode=ro", "mode=ro&immutable=1"):
        connection = sqlite3.connect(f"{database.absolute().as_uri()}?{options}", uri=True)
        try:
            connection.execute("SELECT count(*) FROM sqlite_schema")
            return connection
        except sqlite3.Error as error:
            connection.close()
            failed = error
    raise EvidenceError(f"{database}: cannot be read: {failed}")

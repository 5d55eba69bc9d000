# SPDX-License-Identifier: Apache-2.0
"""The journal of a campaign that goes on: entries are only ever added, and each is on the disk before append() returns.

SQLite in WAL mode with synchronous=FULL. One process at a time writes: it holds an flock(2) on the campaign's folder,
which ends with it however it ends. Readers use CampaignView.
"""

import fcntl
import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Self, TypeVar

from vkbench import errors
from vkbench.campaign.records.entries import checked, entry_of, line_of, linked
from vkbench.campaign.records.view import stored_lines
from vkbench.evidence import EvidenceError, secrets
from vkbench.evidence.campaign import JOURNAL, Entry
from vkbench.evidence.files import sync

SCHEMA = 1
_TABLES = (
    "CREATE TABLE entries (number INTEGER PRIMARY KEY, line TEXT NOT NULL)",
    # What only this machine needs to go on (paths of bench files …). It is no evidence, and goes with the database.
    "CREATE TABLE notes (key TEXT PRIMARY KEY, value TEXT NOT NULL)",
)
_FULL = "Nothing that was written is lost: free some space or mend the disk, then go on with --resume"
Written = TypeVar("Written", bound=Entry)


class Journal:
    """The journal, and the right to write it. ``with`` closes it."""

    def __init__(self, folder: Path, new: bool) -> None:
        self.folder = Path(folder)
        self.path = self.folder / JOURNAL
        self._lock = _take(self.folder)
        self._connection: sqlite3.Connection | None = None
        try:
            self._connection = self._opened(new)
            self.last, self._chain = self._end()
        except BaseException:
            self.close()
            raise

    @classmethod
    def create(cls, folder: Path) -> Self:
        """A new journal in a folder that has none. Raises CampaignError."""
        return cls(folder, new=True)

    @classmethod
    def open(cls, folder: Path) -> Self:
        """The journal that is there; its chain is proven. Raises CampaignError."""
        return cls(folder, new=False)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def append(self, entry: Written) -> Written:
        """Write an entry; returns it with number, time and chain. Raises CampaignError, and then nothing was written."""
        now = datetime.now(UTC).isoformat(timespec="milliseconds")
        whole = linked(self._chain, secrets.cleaned_model(entry), self.last + 1, now)
        self._write("INSERT INTO entries VALUES (?, ?)", (whole.number, line_of(whole)))
        self.last, self._chain = whole.number, whole.chain
        return whole

    def entries(self) -> Iterator[Entry]:
        """All entries, in their order."""
        for line in stored_lines(self.path):
            yield entry_of(line, str(self.path))

    def note(self, key: str, value: str) -> None:
        """Remember something for a later session on this machine."""
        self._write("INSERT OR REPLACE INTO notes VALUES (?, ?)", (key, value))

    def notes(self) -> dict[str, str]:
        """What was noted, by key."""
        assert self._connection is not None
        return dict(self._connection.execute("SELECT key, value FROM notes").fetchall())

    def remove(self) -> None:
        """Remove the database: its entries stand in a file of the sealed campaign. The right to write is kept."""
        self._disconnect()
        for end in ("-wal", "-shm", ""):  # the database last: without it, the file of lines is what counts
            self.path.with_name(self.path.name + end).unlink(missing_ok=True)
        sync(self.folder)

    def close(self) -> None:
        """Give up the right to write. May be called twice."""
        self._disconnect()
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1

    def _disconnect(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _opened(self, new: bool) -> sqlite3.Connection:
        if new and self.path.exists():
            raise errors.UserError("holds a campaign already", str(self.folder), "Go on with it by --resume")
        if not new and not self.path.is_file():
            raise errors.UserError(f"has no {JOURNAL}", str(self.folder), "Is it the folder of a campaign?")
        try:
            connection = sqlite3.connect(self.path, isolation_level=None)
            connection.execute("PRAGMA journal_mode=WAL")
            connection.execute("PRAGMA synchronous=FULL")
            if new:
                connection.execute("BEGIN IMMEDIATE")
                for table in _TABLES:
                    connection.execute(table)
                connection.execute(f"PRAGMA user_version={SCHEMA}")
                connection.execute("COMMIT")
                connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")  # the tables themselves are safe
                sync(self.folder)
            version = connection.execute("PRAGMA user_version").fetchone()[0]
        except sqlite3.Error as error:
            raise errors.CampaignError(f"cannot be opened: {error}", str(self.path), _FULL) from None
        if version != SCHEMA:
            connection.close()
            raise errors.CampaignError(
                f"has schema {version}, and this program writes {SCHEMA}",
                str(self.path),
                "Go on with the version of vkbench that began it",
            )
        return connection

    def _end(self) -> tuple[int, str]:
        """Number and chain of the last entry, when all follow from each other."""
        count, line = 0, ""
        try:
            for count, line in enumerate(checked(stored_lines(self.path), str(self.path)), start=1):  # noqa: B007
                pass
        except EvidenceError as error:
            raise errors.CampaignError(
                str(error), "", "Nothing is added to a journal that is not whole"
            ) from None
        return (count, entry_of(line, str(self.path)).chain) if count else (0, "")

    def _write(self, statement: str, values: tuple[object, ...]) -> None:
        assert self._connection is not None
        try:
            self._connection.execute(statement, values)
        except sqlite3.Error as error:
            raise errors.CampaignError(f"cannot be written: {error}", str(self.path), _FULL) from None


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """The right to write into a campaign whose journal is a file of lines already."""
    lock = _take(folder)
    try:
        yield
    finally:
        os.close(lock)


def _take(folder: Path) -> int:
    """The folder's lock, as a file descriptor."""
    try:
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError as error:
        raise errors.UserError(f"cannot be opened: {error.strerror}", str(folder)) from None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(descriptor)
        if isinstance(error, BlockingIOError):
            raise errors.UserError(
                "another process conducts this campaign",
                str(folder),
                "Wait for its end, or stop it by Ctrl-C there",
            ) from None
        raise errors.CampaignError(f"cannot be locked: {error.strerror}", str(folder)) from None
    return descriptor

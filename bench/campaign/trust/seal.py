# SPDX-License-Identifier: Apache-2.0
"""The manifest of a campaign: SHA-256 of everything that its report rests on, written last, whole or not at all.

It lists each file of the campaign, its bench files and its reports. Of a run that was sealed it lists only the run's own
manifest, which vouches for the run's files. Of a run that has none (it was killed, and the conductor could not settle
it) the files are listed one by one, as its death left them: a seal that is made afterwards by somebody who did not make
the run would say more than anybody knows.

The form is sha256sum's: ``sha256sum -c manifest.sha256`` works in the campaign's directory and in each run's.
"""

import os
import re
import stat
from collections.abc import Iterator, Mapping
from pathlib import Path

from vkbench.evidence import EvidenceError, atomic_write, sha256_of
from vkbench.evidence import campaign as files
from vkbench.evidence.files import MANIFEST, sync

SIGNATURE = f"{MANIFEST}.minisig"
FOLDERS = (files.REPORTS, files.BENCHES)  #: that hold nothing but files
DIRECTORY = re.compile(r"[0-9]{6,9}-[0-9]{1,3}")  #: a cycle's: slot-attempt
#: Of these a campaign cannot be concluded without.
NEEDED = (files.PLAN_TOML, files.PLAN_JSON, files.JOURNAL_LINES, files.SUMMARY_JSON)
LARGEST_MANIFEST = 1 << 28  #: bytes; a million cycles have a third of it
_NAME = re.compile(r"[^\x00-\x1f\x7f/\\]{1,255}")
_LINE = re.compile(r"([0-9a-f]{64})  ([^\n]+)")


def seal(path: Path) -> Path:
    """Write ``manifest.sha256``; the last write into this campaign. Raises EvidenceError; then nothing was written."""
    path = Path(path)
    if (path / MANIFEST).exists():
        raise EvidenceError(f"{path / MANIFEST}: the campaign is sealed already")
    for name in NEEDED:
        if not (path / name).is_file():
            raise EvidenceError(f"{path / name}: missing; only a campaign that is concluded can be sealed")
    for name in (files.JOURNAL, f"{files.JOURNAL}-wal"):
        if (path / name).exists():
            raise EvidenceError(f"{path / name}: the journal's database is still there; it was not concluded")
    for left in [one for folder in (".", *FOLDERS) for one in (path / folder).glob(".*.tmp")]:
        left.unlink()  # of a write that was interrupted; it never became evidence
    names, problems = contents(path)
    if problems:
        raise EvidenceError(f"{path}: {'; '.join(problems)}")
    entries: dict[str, str] = {}
    for name in names:
        sync(path / name)  # the manifest must not outlive, in a power cut, what it vouches for
        entries[name] = sha256_of(path / name)
    for folder in (*FOLDERS, files.CYCLES, "."):
        if (path / folder).is_dir():
            sync(path / folder)
    atomic_write(path / MANIFEST, _text(entries).encode())
    return path / MANIFEST


def contents(path: Path) -> tuple[list[str], list[str]]:
    """What the manifest must list, sorted; and what has no place in a campaign, a sentence each. Links are not followed."""
    names: list[str] = []
    problems: list[str] = []
    for name, problem in _walk(path):
        (problems if problem else names).append(f"{name}: {problem}" if problem else name)
    return sorted(names), sorted(problems)


def read_manifest(path: Path) -> dict[str, str]:
    """Name -> SHA-256, in the manifest's order. Raises EvidenceError when it is not as seal() writes it."""
    where = path / MANIFEST
    try:
        status = where.lstat()
        if not stat.S_ISREG(status.st_mode):
            raise EvidenceError(f"{where}: is no plain file")
        if status.st_size > LARGEST_MANIFEST:
            raise EvidenceError(f"{where}: {status.st_size} bytes are more than a manifest has")
        text = where.read_bytes().decode()
    except OSError as error:
        raise EvidenceError(f"{where}: cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise EvidenceError(f"{where}: byte {error.start} is no UTF-8; the manifest was changed") from error
    entries: dict[str, str] = {}
    for number, line in enumerate(text.split("\n")[:-1], start=1):
        match = _LINE.fullmatch(line)
        if not match:
            raise EvidenceError(f"{where}:{number}: is no '<sha256>  <name>' line; the manifest was changed")
        if not allowed(match[2]):
            raise EvidenceError(f"{where}:{number}: {match[2]!r} is no file of a campaign")
        entries[match[2]] = match[1]
    # A manifest has one spelling (sorted, one newline a line), so no byte of it is free to change.
    if _text(entries) != text:
        raise EvidenceError(f"{where}: lines are repeated, unsorted or badly ended; the manifest was changed")
    return entries


def allowed(name: str) -> bool:
    """True when a file of this name has a place in a campaign: nothing outside of it, no folder but the known ones."""
    parts = name.split("/")
    if not all(_NAME.fullmatch(part) and part not in (".", "..") for part in parts):
        return False
    if len(parts) == 1:
        return name not in (MANIFEST, SIGNATURE)
    if len(parts) == 2:
        return parts[0] in FOLDERS
    return len(parts) == 3 and parts[0] == files.CYCLES and DIRECTORY.fullmatch(parts[1]) is not None


def _walk(path: Path) -> Iterator[tuple[str, str]]:
    """Each file's name, and what is wrong with it (empty: nothing)."""
    for entry in os.scandir(path):
        if entry.name in (MANIFEST, SIGNATURE) and entry.is_file(follow_symlinks=False):
            continue
        if entry.name in FOLDERS and entry.is_dir(follow_symlinks=False):
            for inner in os.scandir(entry):
                yield _plain(f"{entry.name}/{inner.name}", inner)
        elif entry.name == files.CYCLES and entry.is_dir(follow_symlinks=False):
            for cycle in os.scandir(entry):
                yield from _cycle(cycle)
        else:
            yield _plain(entry.name, entry)


def _cycle(cycle: os.DirEntry[str]) -> Iterator[tuple[str, str]]:
    name = f"{files.CYCLES}/{cycle.name}"
    if not cycle.is_dir(follow_symlinks=False) or not DIRECTORY.fullmatch(cycle.name):
        yield printable(name), "is no run directory of a campaign"
        return
    inside = list(os.scandir(cycle))
    sealed = [one for one in inside if one.name == MANIFEST and one.is_file(follow_symlinks=False)]
    for one in sealed or inside:
        yield _plain(f"{name}/{one.name}", one)


def _plain(name: str, entry: os.DirEntry[str]) -> tuple[str, str]:
    if entry.is_symlink():
        return printable(name), "is a symbolic link; a campaign holds only files"
    if not entry.is_file(follow_symlinks=False):
        return printable(name), "is no plain file; a campaign holds only files"
    if not allowed(name):
        return printable(name), "is no name for a file of a campaign"
    return name, ""


def printable(name: str) -> str:
    """A file's name for a sentence: control characters and bytes that are no UTF-8 escaped."""
    return name if name.isprintable() else repr(name)[1:-1]


def _text(entries: Mapping[str, str]) -> str:
    return "".join(f"{entries[name]}  {name}\n" for name in sorted(entries))

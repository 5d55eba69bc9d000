# SPDX-License-Identifier: Apache-2.0
"""Changes settings of the server under test, reads each one back, and puts all of them back as they were.

Every change is in the journal before it is made, so that a bench that is killed in the middle still knows what to put
back: in the run directory (``settings.json``, evidence) and in one file per bench (``ledger``), which is there for as
long as something is left to put back.
"""

import base64
import hashlib
import json
import os
import re
import shlex
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any, Literal, Self

from vkbench import errors
from vkbench.config.model import BenchFile
from vkbench.evidence import atomic_write, secrets, to_json
from vkbench.server.transfer import Run, digest, read_file, without_kernel_lines, write_file

SETTINGS_JSON = "settings.json"
SCHEMA = 1
SHOWN_BYTES = 2000  # a longer file is shown by its size and digest
_BOOLEAN = {"Y": "1", "N": "0", "y": "1", "n": "0"}


@dataclass
class Change:
    """One setting or file that was changed. A file's contents are base64; None: there was no file."""

    what: str
    kind: Literal["setting", "file"]
    before: str | None
    set: str | None
    mode: str = ""  #: of a file that was there: "MODE UID:GID"
    folders: list[str] = field(default_factory=list)  #: made for the file, outermost first
    apply: str = ""  #: command that makes a file's new content count
    put_back: str = ""  #: how it was put back; empty: it was not

    @property
    def lasting(self) -> bool:
        """True when a reboot does not undo it."""
        return self.kind == "file"


def ledger(bench: BenchFile) -> Path:
    """Where it stands what is left to put back on this bench's server."""
    state = os.environ.get("XDG_STATE_HOME") or Path.home() / ".local/state"
    place = f"{bench.bmc.host}:{bench.bmc.address_port} {bench.console.url}"
    short = hashlib.sha256(place.encode()).hexdigest()[:8]
    return Path(state) / "vkbench" / f"{bench.name}-{short}.settings.json"


def left_behind(bench: BenchFile) -> list[str]:
    """What an earlier run changed on this bench's server and could not put back; empty when there is nothing."""
    book = ledger(bench)
    return Settings.resume(_nobody, book).left if book.exists() else []


def _nobody(command: str) -> str:
    raise errors.SettingNotTaken(f"nobody runs '{command}' here", "server")


class Settings:
    """The settings that were changed on one server. ``journals``: files that follow each change; ``slowly``: runs what
    may take minutes.
    """

    def __init__(self, run: Run, *journals: Path, slowly: Run | None = None) -> None:
        self._run = run
        self._slowly = slowly or run
        self._journals = list(journals)
        self._changes: list[Change] = []

    @classmethod
    def resume(cls, run: Run, journal: Path, slowly: Run | None = None) -> Self:
        """What an earlier run left. Raises SettingNotTaken when the journal cannot be read."""
        found = cls(run, journal, slowly=slowly)
        try:
            data = json.loads(journal.read_bytes())
            if data["schema"] != SCHEMA:
                raise ValueError(f"schema {data['schema']}, not {SCHEMA}")
            found._changes = [Change(**one) for one in data["changes"]]
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise errors.SettingNotTaken(
                f"the journal cannot be read ({error}), so what it says cannot be put back",
                str(journal),
                "Look at it, put the server's settings back by hand, and delete it",
            ) from None
        return found

    @property
    def changed(self) -> list[dict[str, Any]]:
        """Every change, oldest first: what, before, set, and how it was put back (empty: it was not)."""
        return [
            {
                "what": one.what,
                "before": _shown(one, one.before),
                "set": _shown(one, one.set),
                "put_back": one.put_back,
            }
            for one in self._changes
        ]

    @property
    def left(self) -> list[str]:
        """What is not put back yet."""
        return [one.what for one in self._changes if not one.put_back]

    @property
    def files_left(self) -> list[str]:
        """Of these, what a reboot does not undo."""
        return [one.what for one in self._changes if not one.put_back and one.lasting]

    # ---- change ------------------------------------------------------------------------------------------------------

    def set(self, path: str, value: str | int) -> str:
        """Write a file of /proc/sys or /sys and read it back; returns what it read before.

        Raises SettingNotTaken, which names both values.
        """
        wanted = str(value)
        try:
            before = self._read(path)
        except errors.CommandFailed as error:
            raise errors.SettingNotTaken(
                f"{path} cannot be read, set should be {wanted!r}: {error.what}",
                "server",
                "Does this kernel have the setting, and is its module loaded?",
            ) from None
        self._note(Change(path, "setting", _chosen(before), wanted))
        try:
            self._write(path, wanted)
        except errors.CommandFailed as error:
            raise errors.SettingNotTaken(
                f"{path} reads {self._read(path)!r}, and {wanted!r} cannot be written: {error.what}", "server"
            ) from None
        now = self._read(path)
        if not same(now, wanted):
            raise errors.SettingNotTaken(f"{path} reads {now!r}, set was {wanted!r}", "server")
        return before

    def file(self, path: str, content: str | bytes | None, apply: str = "", mode: int = 0o644) -> None:
        """Write a file, or remove it (None); the old one is kept byte for byte.

        ``apply`` is run afterwards, and again after restore(). Raises SettingNotTaken or DeployFailed.
        """
        data = content.encode() if isinstance(content, str) else content
        path = self._run_clean(f"readlink -f {shlex.quote(path)} || echo {shlex.quote(path)}")
        before = read_file(self._run, path)
        owner = self._owner(path) if before is not None else ""
        folders = self._missing_folders(path) if before is None and data is not None else []
        self._note(Change(path, "file", _encoded(before), _encoded(data), owner, folders, apply))
        self._put(path, data, owner or f"{mode:o} 0:0", folders)
        if (now := digest(self._run, path)) != _digest(data):
            raise errors.SettingNotTaken(f"{path} has the SHA-256 {now}, set was {_size(data)}", "server")
        if apply:
            self._slowly(apply)

    def read(self, path: str) -> bytes | None:
        """A file as it is now; None when there is none."""
        return read_file(self._run, path)

    def holds(self, path: str, content: str | bytes) -> bool:
        """True when a file has this content already."""
        data = content.encode() if isinstance(content, str) else content
        return digest(self._run, path) == hashlib.sha256(data).hexdigest()

    # ---- put back ----------------------------------------------------------------------------------------------------

    def rebooted(self, how: str = "reboot") -> None:
        """The server was reset or lost its power: what lives in the kernel only is as at any boot."""
        for one in self._changes:
            if not one.put_back and not one.lasting:
                one.put_back = how
        self._save()

    def restore(self) -> list[str]:
        """Put everything back, last change first. Returns what differs now from what was before, a sentence each.

        Nothing is raised for a single setting; a line that is dead ends it, and the rest is named as left.
        """
        differences: list[str] = []
        dead = ""
        for one in reversed([one for one in self._changes if not one.put_back]):
            if dead:
                differences.append(f"{one.what}: not put back: {dead}")
                continue
            try:
                difference = self._put_back(one)
            except (errors.CommandFailed, errors.SettingNotTaken, errors.DeployFailed) as error:
                difference = f"cannot be put back: {error.what}"
            except errors.BenchError as error:
                dead = difference = str(error)
            if difference:
                differences.append(f"{one.what}: {difference}")
            else:
                one.put_back = "restored"
            self._save()
        return differences

    def _put_back(self, one: Change) -> str:
        if one.kind == "setting":
            assert one.before is not None
            self._write(one.what, one.before)
            now = self._read(one.what)
            return "" if same(now, one.before) else f"reads {now!r}, was {one.before!r}"
        before = _decoded(one.before)
        self._put(one.what, before, one.mode)
        for folder in reversed(one.folders):
            self._run(f"rmdir {shlex.quote(folder)} 2>/dev/null || true")
        if one.apply:
            self._slowly(one.apply)
        now = digest(self._run, one.what)
        return "" if now == _digest(before) else f"has the SHA-256 {now}, was {_size(before)}"

    # ---- the server's side ---------------------------------------------------------------------------------------------

    def _read(self, path: str) -> str:
        return self._run_clean(f"cat {shlex.quote(path)}")

    def _write(self, path: str, value: str) -> None:
        self._run(f"echo {shlex.quote(value)} > {shlex.quote(path)}")

    def _put(self, path: str, data: bytes | None, mode: str, folders: Sequence[str] = ()) -> None:
        name = shlex.quote(path)
        if data is None:
            self._run(f"rm -f {name}; sync")
            return
        if folders:
            self._run(f"mkdir -p {shlex.quote(folders[-1])}")
        permissions, _, owner = mode.partition(" ")
        # sync: the next thing that happens to this server may be a power cut.
        label = f"if command -v restorecon >/dev/null; then restorecon {name}; fi"
        then = f"chmod {permissions} {name} && chown {owner} {name} && {label}; sync"
        write_file(self._run, path, data, then=then)

    def _owner(self, path: str) -> str:
        said = self._run_clean(f"stat -c '%a %u:%g' {shlex.quote(path)}")
        if not re.fullmatch(r"[0-7]{3,4} \d+:\d+", said):
            raise errors.SettingNotTaken(f"{path}: stat said {said!r}", "server")
        return said

    def _missing_folders(self, path: str) -> list[str]:
        parents = [str(one) for one in reversed(PurePosixPath(path).parents)]
        words = " ".join(map(shlex.quote, parents))
        said = self._run_clean(f'for d in {words}; do [ -d "$d" ] || echo "$d"; done')
        return [line for line in said.splitlines() if line in parents]

    def _run_clean(self, command: str) -> str:
        return without_kernel_lines(self._run(command))

    # ---- journal -------------------------------------------------------------------------------------------------------

    def _note(self, change: Change) -> None:
        """A second change of the same thing keeps what was before the first."""
        for one in self._changes:
            if one.what == change.what and one.kind == change.kind and not one.put_back:
                one.set, one.apply = change.set, change.apply or one.apply
                break
        else:
            self._changes.append(change)
        self._save()

    def _save(self) -> None:
        if not self._changes:
            return  # the ledger may be an earlier run's
        content = {"schema": SCHEMA, "changes": [asdict(one) for one in self._changes]}
        for journal in self._journals:
            if journal.name == SETTINGS_JSON or self.left:
                journal.parent.mkdir(parents=True, exist_ok=True)
                # The ledger must hold what is put back, byte for byte; what becomes evidence, no password.
                evidence = journal.name == SETTINGS_JSON
                atomic_write(journal, to_json(secrets.cleaned(content)[0] if evidence else content))
            else:
                journal.unlink(missing_ok=True)


def same(read: str, wanted: str) -> bool:
    """True when a setting's text means what was wanted: Y is 1, 0x10 is 16, of `a [b] c` b is chosen."""
    return _plain(read) == _plain(wanted)


def _chosen(text: str) -> str:
    """What has to be written to have this again: of `a [b] c` it is b."""
    found = re.search(r"(?:^|\s)\[(\S+)\](?:\s|$)", text)
    return found[1] if found else text.strip()


def _plain(text: str) -> str:
    return " ".join(_number(word) for word in _chosen(text).split())


def _number(word: str) -> str:
    if word in _BOOLEAN:
        return _BOOLEAN[word]
    try:
        return str(int(word, 0))
    except ValueError:
        return word


def _encoded(data: bytes | None) -> str | None:
    return None if data is None else base64.b64encode(data).decode("ascii")


def _decoded(text: str | None) -> bytes | None:
    return None if text is None else base64.b64decode(text)


def _digest(data: bytes | None) -> str | None:
    return None if data is None else hashlib.sha256(data).hexdigest()


def _size(data: bytes | None) -> str:
    if data is None:
        return "nothing (no file)"
    return f"{len(data)} bytes, SHA-256 {hashlib.sha256(data).hexdigest()[:12]}…"


def _shown(one: Change, value: str | None) -> str | None:
    if one.kind == "setting" or value is None:
        return value
    data = base64.b64decode(value)
    try:
        text = data.decode()
    except UnicodeDecodeError:
        return _size(data)
    return text if len(data) <= SHOWN_BYTES else _size(data)

# SPDX-License-Identifier: Apache-2.0
"""One program at a time on a bench: a lock for each of its wires, for all users of this machine.

A lock is an flock(2) on a file in one folder that everybody can write to, so it ends with the process that took it,
however that ends. What a program starts may use the wires that the program has.
"""

import errno
import fcntl
import hashlib
import os
import pwd
import re
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from vkbench import errors
from vkbench.config import BenchFile
from vkbench.config.model import SOL, Bmc

#: Not the user's own runtime folder: two users of one machine must meet in it.
FOLDER = Path("/tmp")
FOLDER_VARIABLE = "VKBENCH_LOCKS"
POLL_S = 0.1
SLUG_MAX = 40


@dataclass(frozen=True)
class Holder:
    """Who has a lock."""

    pid: int
    user: str = ""
    command: str = ""

    def __str__(self) -> str:
        if not self.pid:
            return "another program"
        return f"process {self.pid}" + (f" of {self.user}" if self.user else "") + f" ({self.command})"


def wires(bench: BenchFile) -> list[str]:
    """What nobody else may use meanwhile, one text a wire, sorted. Two bench files that share a wire share its text."""
    found = {f"bmc {_bmc(bench.bmc)}", f"analyser {_place(bench.analyser.resource)}"}
    if bench.console.url == SOL:
        found.add(f"console sol of {_bmc(bench.sol)}")
    else:
        found.add(f"console {_place(bench.console.url)}")
    if bench.power is not None:
        found.add(f"power {_place(bench.power.resource)} channel {bench.power.channel or 1}")
    return sorted(found)


@contextmanager
def taken(bench: BenchFile, wait_s: float, say: Callable[[str], None] = lambda text: None) -> Iterator[None]:
    """Have the bench for the length of the block; wait for it up to ``wait_s`` seconds. Raises BenchBusy."""
    until = time.monotonic() + wait_s
    with ExitStack() as stack:
        for wire in wires(bench):  # everybody in the same order: two that wait never wait for each other
            lock = _take(bench, wire, until, wait_s, say)
            if lock is not None:
                stack.callback(_release, lock, _path(wire))
        yield


def _take(bench: BenchFile, wire: str, until: float, wait_s: float, say: Callable[[str], None]) -> int | None:
    """The lock's file descriptor; None when a process that started this one has the wire and so lends it."""
    told = False
    while True:
        descriptor = _open(_path(wire))
        if _lock(descriptor):
            if os.fstat(descriptor).st_nlink:
                return descriptor
            os.close(descriptor)  # what has no name any more locks nobody out
            continue
        holder = _holder(descriptor)
        os.close(descriptor)
        if holder.pid and holder.pid in _line_of_descent():
            return None
        if time.monotonic() >= until:
            raise errors.BenchBusy(
                f"{holder} has its {wire}" + (f", and still had it after {wait_s:g} s" if wait_s else ""),
                f"bench {bench.name}",
                "Wait for its end; --bench-wait SECONDS does that for you",
            )
        if not told:
            say(f"waiting up to {wait_s:g} s for bench {bench.name}: {holder} has its {wire}")
            told = True
        time.sleep(POLL_S)


def _bmc(bmc: Bmc) -> str:
    return f"{_place(bmc.host)} port {bmc.address_port}"


def _place(text: str) -> str:
    """A URL, VISA resource or host, the same for every way to write it: a device has several names in /dev."""
    device = re.search(r"/dev/[^:?\s]+", text)
    if device:
        return os.path.realpath(device[0])
    return text.lower().removeprefix("spy://").replace("localhost", "127.0.0.1")


def _path(wire: str) -> Path:
    slug = re.sub(r"[^a-z0-9]+", "-", wire.lower()).strip("-")[:SLUG_MAX]
    name = f"vkbench-{slug}-{hashlib.sha256(wire.encode()).hexdigest()[:8]}.lock"
    return Path(os.environ.get(FOLDER_VARIABLE) or FOLDER) / name


def _open(path: Path) -> int:
    """The lock file, made when there is none. Never written to, so anybody's will do."""
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK
    for _ in range(100):
        try:
            return os.open(path, flags)
        except FileNotFoundError:
            pass
        except OSError as error:
            raise _unusable(path, error) from None
        try:
            descriptor = os.open(path, flags | os.O_CREAT | os.O_EXCL, 0o444)
            os.fchmod(descriptor, 0o444)  # whatever the umask says, the next user must be able to open it
            return descriptor
        except FileExistsError:
            continue  # somebody was quicker
        except OSError as error:
            raise _unusable(path, error) from None
    raise _unusable(path, OSError(errno.EAGAIN, "it comes and goes"))


def _unusable(path: Path, error: OSError) -> errors.BenchError:
    return errors.BenchError(
        f"the bench's lock cannot be opened: {error.strerror}",
        str(path),
        f"Remove it, or name another folder in {FOLDER_VARIABLE}",
    )


def _lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _release(descriptor: int, path: Path) -> None:
    # First the name, then the lock: whoever waits for this file sees that it has none, and opens the next one.
    with suppress(OSError):  # in a sticky folder only its owner can
        path.unlink()
    os.close(descriptor)


def _holder(descriptor: int) -> Holder:
    """Who has the lock, by /proc/locks; pid 0 when the kernel does not tell.

    The inode alone is compared: on overlayfs and btrfs the device there is another than stat(2) says.
    """
    inode = str(os.fstat(descriptor).st_ino)
    try:
        lines = Path("/proc/locks").read_text().splitlines()
    except OSError:
        return Holder(0)
    for line in lines:
        words = line.split()  # number, kind, mode, access, pid, major:minor:inode, start, end
        if len(words) == 8 and words[1] == "FLOCK" and words[5].split(":")[-1] == inode and int(words[4]) > 0:
            return _describe(int(words[4]))
    return Holder(0)


def _describe(pid: int) -> Holder:
    process = Path(f"/proc/{pid}")
    try:
        uid = process.stat().st_uid
        words = (process / "cmdline").read_bytes().decode(errors="replace").split("\0")
    except OSError:
        return Holder(pid, "", "its name is not shown")
    try:
        user = pwd.getpwuid(uid).pw_name
    except KeyError:
        user = f"user {uid}"
    shown = " ".join(Path(word).name if word.startswith("/") else word for word in words)
    shown = " ".join(shown.split())
    return Holder(pid, user, shown[:80] or "?")


def _line_of_descent() -> set[int]:
    """This process, its parent, and so on up."""
    found: set[int] = set()
    pid = os.getpid()
    while pid > 0 and pid not in found:
        found.add(pid)
        try:
            text = Path(f"/proc/{pid}/stat").read_text()
        except OSError:
            break
        pid = int(text[text.rindex(")") + 2 :].split()[1])
    return found

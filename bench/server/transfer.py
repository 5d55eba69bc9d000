# SPDX-License-Identifier: Apache-2.0
"""Files through a shell: base64 lines whose SHA-256 is read back, so that a serial line can carry them.

The shell is any ``run(command) -> output`` that raises CommandFailed on an exit status other than 0 (Server.run, SSH).
"""

import base64
import binascii
import hashlib
import re
import shlex
from collections.abc import Callable

from vkbench import errors

Run = Callable[[str], str]
Progress = Callable[[int, int], None]  #: bytes over so far, bytes in all

LINE_BYTES = 720  # of the file, in one command: 960 characters, well below a terminal's line (4095, N_TTY)
BLOCK_LINES = 24  # between two looks at what has arrived
TRIES = 4  # of one block, and of reading a file
PART = ".vkbench-part"  # behind the name of a file that is not whole yet
_KERNEL_LINE = re.compile(r"^\s*(<\d+>)?\[ *\d+\.\d{6}\]")
_DIGEST = re.compile(r"\b[0-9a-f]{64}\b")
_BASE64 = re.compile(r"[A-Za-z0-9+/]+={0,2}")


def without_kernel_lines(text: str) -> str:
    """A command's output without the kernel's messages, which come over the same line."""
    return "\n".join(line for line in text.splitlines() if not _KERNEL_LINE.match(line)).strip()


def digest(run: Run, path: str) -> str | None:
    """SHA-256 of a file on the server; None when there is no file."""
    name = shlex.quote(path)
    said = run(f"test -f {name} && sha256sum < {name} || echo none")
    found = _DIGEST.search(said)
    return found.group() if found else None


def read_file(run: Run, path: str) -> bytes | None:
    """A file's bytes; None when there is no file. Raises DeployFailed when they do not come over whole."""
    for _ in range(TRIES):
        wanted = digest(run, path)
        if wanted is None:
            return None
        said = without_kernel_lines(run(f"base64 {shlex.quote(path)}"))
        text = "".join(line for line in said.split() if _BASE64.fullmatch(line))
        try:
            data = base64.b64decode(text, validate=True)
        except binascii.Error:
            continue
        if hashlib.sha256(data).hexdigest() == wanted:
            return data
    raise errors.DeployFailed(
        f"{path} cannot be read: its bytes differ from its SHA-256 in each of {TRIES} tries",
        "server",
        "Does the console lose bytes? vkbench doctor checks the line",
    )


def write_file(
    run: Run,
    path: str,
    data: bytes,
    progress: Progress = lambda now, total: None,
    then: str = "true",
) -> None:
    """Write a file, whole or not at all; its folder must exist. What an earlier, broken call brought over is kept.

    ``then``: a command for the same line that puts the file into its place. Raises DeployFailed when the bytes do not
    arrive as they were sent.
    """
    part, name = shlex.quote(path + PART), shlex.quote(path)
    block = LINE_BYTES * BLOCK_LINES
    there = _whole_prefix(run, path + PART, data) if len(data) > block else 0
    failures = 0
    if not data:
        run(f": > {part}")
    while there < len(data):
        progress(there, len(data))
        end = min(there + block, len(data))
        for at in range(there, end, LINE_BYTES):
            text = base64.b64encode(data[at : min(at + LINE_BYTES, end)]).decode("ascii")
            # A line that noise has broken is found by the block's digest, not by its own exit status.
            # Nobody else reads what is to be private before its mode is set.
            write = f">> {part}" if at else f"> {part}"
            run(f"(umask 077; echo {text} | base64 -d {write}) || true")
        if digest(run, path + PART) == hashlib.sha256(data[:end]).hexdigest():
            there, failures = end, 0
            continue
        failures += 1
        if failures == TRIES:
            raise errors.DeployFailed(
                f"{path}: bytes {there} to {end} arrived wrong {TRIES} times",
                "server",
                "Does the console lose bytes? Lower its speed, or give the server [server.ssh]",
            )
        if there:
            there = _whole_prefix(run, path + PART, data[:there], cut=True)
    progress(len(data), len(data))
    run(f"mv -f {part} {name} && {then}")


def _whole_prefix(run: Run, path: str, data: bytes, cut: bool = False) -> int:
    """How many bytes of ``data`` a file on the server holds; 0 when it is none of its beginnings.

    ``cut``: the file is first made as long as ``data``, because what follows is known to be wrong.
    """
    name = shlex.quote(path)
    if cut:
        run(f"truncate -s {len(data)} {name}")
    said = without_kernel_lines(run(f"test -f {name} && wc -c < {name} || echo none"))
    if not said.isdecimal() or int(said) > len(data):
        return 0
    size = int(said)
    return size if digest(run, path) == hashlib.sha256(data[:size]).hexdigest() else 0

# SPDX-License-Identifier: Apache-2.0
"""Signs a campaign's manifest with minisign, and checks the signature.

minisign (Debian's package of that name) makes the key pair (``minisign -G``), asks for its password by itself and
writes the signature. This module only calls it: no secret key passes through this program.
"""

import base64
import binascii
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

from vkbench import errors
from vkbench.campaign.trust.seal import SIGNATURE
from vkbench.evidence import campaign as files
from vkbench.evidence.files import MANIFEST, sync

PROGRAM = "minisign"
LIMIT_S = 60.0  # a key with a password takes a second or two
LARGEST_KEY = 4096  # bytes of a key file
LAST_LINE_BYTES = 1 << 20  # a journal's entry is shorter
_NO_PASSWORD = b"\0\0"  # of a secret key: the function that makes a key of the password (minisign.h, kdf_alg)


def sign(path: Path, key: Path) -> str:
    """Sign the sealed campaign; returns the signed comment. Raises UserError: no minisign, no key, wrong password."""
    path, key = Path(path), Path(key)
    if not (path / MANIFEST).is_file():
        raise errors.UserError(
            f"has no {MANIFEST}: only a sealed campaign is signed",
            str(path),
            "Conclude it: vkbench qualify … --resume",
        )
    program, comment = _program(), comment_of(path)
    asks = _needs_password(key)
    if asks and not sys.stdin.isatty():
        raise errors.UserError(
            "the key has a password, and there is no terminal to ask for it",
            str(key),
            f"Sign from a terminal: vkbench sign {path} --key {key}; or make a key without password: minisign -G -W",
        )
    temporary = path / f".{SIGNATURE}.tmp"
    argv = [program, "-S", "-s", str(key), "-m", str(path / MANIFEST), "-x", str(temporary), "-t", comment]
    try:
        if asks:  # minisign asks on the terminal, for as long as it takes, and says there what is wrong
            done = subprocess.run(argv, stdout=sys.stderr.fileno(), text=True, check=False)
        else:
            done = _run(argv)
        if done.returncode:
            raise errors.UserError(
                f"minisign does not sign with it: {_last_line(done)}",
                str(key),
                "Is it the secret key (not the public one), and the password right?",
            )
        sync(temporary)
        temporary.replace(path / SIGNATURE)
        sync(path)
    finally:
        temporary.unlink(missing_ok=True)
    return comment


def check(path: Path, public_key: Path) -> tuple[str, str]:
    """The signed comment, and what is wrong with the signature (empty: nothing).

    Raises UserError when it cannot be checked: no minisign, no public key.
    """
    path, public_key = Path(path), Path(public_key)
    program = _program()
    _key_bytes(public_key, "public")
    for name in (SIGNATURE, MANIFEST):
        if (path / name).is_symlink() or not (path / name).is_file():
            return "", f"{name}: missing; nobody has signed this campaign"
    done = _run(
        [program, "-V", "-Q", "-p", str(public_key), "-m", str(path / MANIFEST), "-x", str(path / SIGNATURE)]
    )
    if done.returncode:
        return (
            "",
            f"{SIGNATURE}: is no signature of {MANIFEST} by the key in {public_key}: {_last_line(done)}",
        )
    comment = done.stdout.strip()
    try:
        expected = comment_of(path)
    except errors.UserError as error:
        return comment, f"{SIGNATURE}: cannot be compared with the campaign: {error}"
    if comment != expected:
        return comment, f"{SIGNATURE}: was made for {comment!r}; this campaign is {expected!r}"
    return comment, ""


def comment_of(path: Path) -> str:
    """What is signed beside the manifest: the campaign's name, its plan's hash, and the journal's last chain value."""
    for file in (path / files.PLAN_JSON, path / files.JOURNAL_LINES):
        if file.is_symlink() or not file.is_file():
            raise errors.UserError("is no plain file", str(file), "vkbench verify says more")
    try:
        plan = json.loads((path / files.PLAN_JSON).read_bytes())
        name, plan_hash = str(plan["name"]), str(plan["sha256"])
        head = str(json.loads(_last_bytes(path / files.JOURNAL_LINES))["chain"])
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise errors.UserError(
            f"its plan or journal cannot be read ({type(error).__name__})",
            str(path),
            "vkbench verify says more",
        ) from None
    text = f"vkbench campaign {name} plan {plan_hash} journal {head}"
    return "".join(letter if letter.isprintable() else "?" for letter in text)


def _program() -> str:
    found = shutil.which(PROGRAM)
    if found is None:
        raise errors.ToolMissing(
            "is not installed, so nothing can be signed and no signature checked",
            PROGRAM,
            "Install Debian's package minisign (make setup does)",
        )
    return found


def _run(argv: list[str]) -> "subprocess.CompletedProcess[str]":
    try:
        return subprocess.run(
            argv,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=LIMIT_S,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise errors.UserError(f"gave no answer within {LIMIT_S:g} s", PROGRAM) from None


def _last_line(done: "subprocess.CompletedProcess[str]") -> str:
    lines = (done.stderr or "").strip().splitlines()
    return lines[-1] if lines else f"it ended with {done.returncode}"


def _needs_password(key: Path) -> bool:
    return _key_bytes(key, "secret")[2:4] != _NO_PASSWORD


def _key_bytes(path: Path, which: str) -> bytes:
    """The key file's second line, decoded. Raises UserError for what is no such key."""
    try:
        if not path.is_file():
            raise errors.UserError(
                "is no file", str(path), f"Name minisign's {which} key; minisign -G makes a pair"
            )
        with path.open("rb") as file:
            lines = file.read(LARGEST_KEY).splitlines()
        data = base64.b64decode(lines[1], validate=True)
    except OSError as error:
        raise errors.UserError(f"cannot be read: {error.strerror}", str(path)) from None
    except (IndexError, binascii.Error):
        data = b""
    sizes = {"public": 42, "secret": 158}  # minisign.h: PubkeyStruct, SeckeyStruct
    if len(data) != sizes[which] or data[:2] != b"Ed":
        raise errors.UserError(
            f"is no {which} key of minisign", str(path), f"minisign -G writes a pair; name its {which} key"
        )
    return data


def _last_bytes(path: Path) -> bytes:
    with path.open("rb") as file:
        file.seek(0, os.SEEK_END)
        file.seek(max(0, file.tell() - LAST_LINE_BYTES))
        lines = file.read().splitlines()
    return lines[-1] if lines else b""

# SPDX-License-Identifier: Apache-2.0
"""Keeps the bench's passwords out of everything that is written: run directories, journals, reports, output, errors.

A password is known from the moment a bench file that names it is loaded, or it is read. From then on each place where text
leaves this process writes asterisks instead, in whatever spelling the password stands there (SPELLINGS). Evidence made
of bytes keeps its length, so that offsets and times stay true, and says how often that was done (run.json, "masked").
docs/trust.md says what this cannot see.
"""

import base64
import html
import json
import re
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import quote, quote_plus

from pydantic import BaseModel

#: A shorter password stands by chance in other text too often. Runs refuse it (server/run.py).
SHORTEST = 4
#: A shorter piece of base64 would be found where there is none.
_SHORTEST_BASE64 = 6
MASK = "********"
SPELLINGS = (
    "plain",
    "JSON",
    "repr",
    "URL",
    "HTML",
    "base64",
    "base64 of USER:PASSWORD",
    "inside other base64",
)
Model = TypeVar("Model", bound=BaseModel)


class _Known:
    """What is known, and what finds it. Replaced as a whole, so readers need no lock."""

    def __init__(self, spellings: frozenset[str] = frozenset()) -> None:
        self.spellings = spellings
        longest_first = sorted(spellings, key=lambda one: (-len(one), one))
        self.text = re.compile("|".join(map(re.escape, longest_first)))
        raw = [one.encode() for one in longest_first]
        self.bytes = re.compile(b"|".join(map(re.escape, raw)))
        self.prefixes = frozenset(one[:end] for one in raw for end in range(1, len(one)))
        self.longest = max(map(len, raw), default=0)


class _State:
    known = _Known()
    lock = threading.Lock()


def known(value: str, user: str = "") -> str:
    """Remember a password (of a user); returns it."""
    if len(value) >= SHORTEST:
        with _State.lock:
            more = _State.known.spellings | _spellings(value, user)
            if more != _State.known.spellings:
                _State.known = _Known(more)
    return value


def forget() -> None:
    """Forget all of them; for tests."""
    _State.known = _Known()


def held_by(text: str) -> bool:
    """True when the text holds a known password."""
    return bool(_State.known.spellings and _State.known.text.search(text))


def masked(text: str) -> str:
    """The text without known passwords."""
    return _State.known.text.sub(MASK, str(text)) if _State.known.spellings else text


def masked_bytes(data: bytes) -> tuple[bytes, int]:
    """The bytes, as many as before, and how many passwords were overwritten in them."""
    now = _State.known
    return now.bytes.subn(_stars, data) if now.spellings else (data, 0)


def cleaned(value: Any) -> tuple[Any, int]:
    """A value as JSON has it (or a model) without passwords in its strings and keys, and how many there were."""
    if isinstance(value, BaseModel):
        value = value.model_dump(mode="json", by_alias=True)
    now = _State.known
    return _clean(value, now.text) if now.spellings else (value, 0)


def cleaned_model(model: Model) -> Model:
    """The same model without passwords in its strings."""
    value, count = cleaned(model)
    return type(model).model_validate(value) if count else model


class Stream:
    """Masks a stream that comes in pieces, so that a password across their borders is found.

    The end of what has come is held back while it can be the beginning of a password: those few bytes come with a later piece.
    """

    def __init__(self) -> None:
        self.held = b""
        self.count = 0

    def feed(self, data: bytes) -> bytes:
        """What can go on now."""
        now = _State.known
        if not now.spellings:
            data, self.held = self.held + data, b""
            return data
        text, count = now.bytes.subn(_stars, self.held + data)
        self.count += count
        at = len(text) - _open_end(text, now)
        self.held = text[at:]
        return text[:at]

    def end(self) -> bytes:
        """What was held back. A good part of a password that was cut off is masked as well."""
        rest, self.held = self.held, b""
        if len(rest) >= SHORTEST:
            self.count += 1
            return b"*" * len(rest)
        return rest


class Guarded:
    """A text stream (stdout, stderr) that never shows a known password."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        """Write; the length is that of the text as given."""
        self._stream.write(masked(text))
        return len(text)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


def sweep(file: Path) -> int:
    """Mask what a file holds, in place and with the same length; how many there were. The last net, before a seal."""
    if not _State.known.spellings:
        return 0
    data, count = masked_bytes(file.read_bytes())
    if count:
        with file.open("r+b") as opened:
            opened.write(data)
    return count


def _spellings(value: str, user: str) -> frozenset[str]:
    raw = value.encode()
    texts = {
        value,
        json.dumps(value)[1:-1],
        json.dumps(value, ensure_ascii=False)[1:-1],
        repr(value)[1:-1],
        repr(raw)[2:-1],
        quote(value),
        quote(value, safe=""),
        quote_plus(value),
        html.escape(value),
        html.escape(value, quote=False),
    }
    codes = {base64.b64encode(raw), base64.b64encode(f"{user}:{value}".encode())}
    for shift in range(
        3
    ):  # the characters that depend on these bytes alone, wherever they stand in a longer text
        code = base64.b64encode(b"\0" * shift + raw)
        codes.add(code[-(-shift * 8 // 6) : (shift + len(raw)) * 8 // 6])
    for code in codes:
        plain = code.decode().rstrip("=")
        if len(plain) >= _SHORTEST_BASE64:
            texts |= {plain, plain.replace("+", "-").replace("/", "_")}
    return frozenset(text for text in texts if text)


def _clean(value: Any, spellings: re.Pattern[str]) -> tuple[Any, int]:
    if isinstance(value, str):
        return spellings.subn(MASK, value)
    if isinstance(value, Mapping):
        pairs = [(_clean(key, spellings), _clean(inner, spellings)) for key, inner in value.items()]
        return {key[0]: inner[0] for key, inner in pairs}, sum(key[1] + inner[1] for key, inner in pairs)
    if isinstance(value, list | tuple):
        found = [_clean(inner, spellings) for inner in value]
        return [one for one, _ in found], sum(count for _, count in found)
    return value, 0


def _stars(found: re.Match[bytes]) -> bytes:
    return b"*" * len(found[0])


def _open_end(text: bytes, now: _Known) -> int:
    """How many bytes at the end can be the beginning of a password."""
    for length in range(min(len(text), now.longest - 1), 0, -1):
        if text[-length:] in now.prefixes:
            return length
    return 0

# SPDX-License-Identifier: Apache-2.0
"""The journal's entries as lines of text, and the chain that ties each to the one before it.

A line is canonical JSON: keys sorted, no spaces, UTF-8. An entry's chain is the SHA-256 of the chain before it (as
hexadecimal digits; empty before the first) and the entry's canonical JSON without the key ``chain``. It is computed
from the line itself, so it can be checked with any program that can read JSON.
"""

import hashlib
import json
from collections.abc import Iterable, Iterator
from typing import Any

from pydantic import TypeAdapter, ValidationError

from vkbench.evidence import EvidenceError, describe
from vkbench.evidence.campaign import Entry

_ENTRY: TypeAdapter[Entry] = TypeAdapter(Entry)


def canonical(value: dict[str, Any]) -> str:
    """The one way in which an entry is written as JSON."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def chain_of(before: str, entry: dict[str, Any]) -> str:
    """An entry's chain; ``before``: that of the entry before it."""
    rest = {key: value for key, value in entry.items() if key != "chain"}
    return hashlib.sha256((before + canonical(rest)).encode()).hexdigest()


def linked(before: str, entry: Entry, number: int, at: str) -> Entry:
    """The entry with its number, time (UTC) and chain."""
    entry = entry.model_copy(update={"number": number, "at": at})
    return entry.model_copy(update={"chain": chain_of(before, entry.model_dump(mode="json"))})


def line_of(entry: Entry) -> str:
    """The entry as a line, without its end."""
    return canonical(entry.model_dump(mode="json"))


def entry_of(line: str, where: str) -> Entry:
    """The entry that a line holds. Raises EvidenceError."""
    try:
        return _ENTRY.validate_json(line)
    except ValidationError as error:
        raise EvidenceError(f"{where}: {describe(error)}") from error


def checked(lines: Iterable[str], where: str) -> Iterator[str]:
    """The lines, each proven to follow from the one before it. Raises EvidenceError at the first that does not."""
    before = ""
    for number, line in enumerate(lines, start=1):
        try:
            entry = json.loads(line)
        except ValueError as error:
            raise EvidenceError(f"{where}: entry {number}: is no JSON: {error}") from error
        if not isinstance(entry, dict) or canonical(entry) != line:
            raise EvidenceError(
                f"{where}: entry {number}: is not spelt as the journal writes it; it was changed"
            )
        if entry.get("number") != number:
            raise EvidenceError(
                f"{where}: entry {number}: has the number {entry.get('number')}; entries are missing or were moved"
            )
        if entry.get("chain") != chain_of(before, entry):
            raise EvidenceError(
                f"{where}: entry {number}: its chain does not follow from what is before it; the journal was changed"
            )
        before = entry["chain"]
        yield line

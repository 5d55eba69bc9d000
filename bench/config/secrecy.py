# SPDX-License-Identifier: Apache-2.0
"""A bench file's passwords: made known to what keeps them out of everything that is written, and refused where that
cannot be done without harm to the evidence.
"""

from collections.abc import Iterable, Iterator
from typing import Any

from pydantic import BaseModel

from vkbench import errors
from vkbench.config.model import BenchFile, Secret
from vkbench.evidence import secrets


def passwords(table: BaseModel, where: str = "") -> Iterator[tuple[str, str, str]]:
    """(table, user, password) of each password that can be read now."""
    for name in type(table).model_fields:
        value = getattr(table, name)
        if isinstance(value, Secret):
            if (password := _readable(value)) is not None:
                yield where, getattr(table, "user", None) or "", password
        elif isinstance(value, BaseModel):
            yield from passwords(value, f"{where}.{name}" if where else name)


def learn(bench: BenchFile) -> None:
    """Make the passwords known. One that cannot be read yet is known when it is read."""
    for _, user, password in passwords(bench):
        secrets.known(password, user)


def problems(bench: BenchFile, texts: Iterable[str] = ()) -> list[str]:
    """Why a password cannot be kept out of the evidence; sentences that do not show it. ``texts``: what the rules look for."""
    looked_for = [*texts, *_strings(bench.markers.model_dump())]
    try:
        lines = bench.path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError):
        lines = []
    found = []
    for table, _, password in passwords(bench):
        if len(password) < secrets.SHORTEST:
            found.append(
                f"[{table}]: the password is shorter than {secrets.SHORTEST} characters: it stands in other text by chance"
            )
        elif any(password in text for text in looked_for):
            found.append(
                f"[{table}]: the password is part of a text that the verdict looks for on the console"
            )
        else:
            numbers = [number for number, line in enumerate(lines, start=1) if password in line]
            if numbers:
                found.append(f"[{table}]: the password stands in the bench file itself, line {numbers[0]}")
    return list(dict.fromkeys(found))


def refuse(bench: BenchFile, texts: Iterable[str] = ()) -> None:
    """Raises SecretError when evidence of this bench would show a password, or be spoilt by hiding it."""
    if found := problems(bench, texts):
        raise errors.SecretError(
            "; ".join(found),
            str(bench.path),
            "Give that account another password; none ever goes into evidence",
        )


def _readable(secret: Secret) -> str | None:
    """The password; None when it cannot be had. A pipe is not read: it gives its content only once."""
    if secret.path is not None and not secret.path.is_file():
        return None
    try:
        return secret.read()
    except errors.SecretError:
        return None


def _strings(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for inner in value.values():
            yield from _strings(inner)

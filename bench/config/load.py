# SPDX-License-Identifier: Apache-2.0
"""Reads a bench file. Every mistake is named with file, line, what is wrong and what is allowed."""

import difflib
import hashlib
import re
import tomllib
import types
import typing
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from vkbench.config.lines import key_lines, line_of
from vkbench.config.model import BenchFile, Secret
from vkbench.errors import BenchFileError

_HINT = "docs/bench-file.md describes every key."


def load(path: Path | str) -> BenchFile:
    """Read and check a bench file. Raises BenchFileError."""
    path = Path(path)
    try:
        data = path.read_bytes()
    except OSError as error:
        raise BenchFileError(
            [f"{path}: cannot be read: {error.strerror}"], "Name a bench file with --bench."
        ) from None
    return parse(data, path)


def parse(data: bytes, path: Path) -> BenchFile:
    """Check a bench file's bytes; ``path`` is for messages and for relative paths in it."""
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise BenchFileError([f"{path}:{line}: is no UTF-8 text"]) from None
    try:
        table = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise BenchFileError(
            [_syntax(path, text, error)], "The file must be TOML (https://toml.io)."
        ) from None
    try:
        bench = BenchFile.model_validate(table)
    except ValidationError as error:
        lines = key_lines(text)
        raise BenchFileError([_problem(path, lines, item) for item in error.errors()], _HINT) from None
    bench._path = path.absolute()
    bench._sha256 = hashlib.sha256(data).hexdigest()
    _set_folder(bench, bench._path.parent)
    return bench


def _set_folder(table: BaseModel, folder: Path) -> None:
    """Tell every table that holds a relative path where the bench file lies."""
    if "_folder" in table.__private_attributes__:
        table._folder = folder  # type: ignore[attr-defined]
    for name in type(table).model_fields:
        value = getattr(table, name)
        if isinstance(value, BaseModel):
            _set_folder(value, folder)


def _syntax(path: Path, text: str, error: tomllib.TOMLDecodeError) -> str:
    message = str(error)
    found = re.search(r"\s*\(at line (\d+), column (\d+)\)", message)
    if found:
        return f"{path}:{found[1]}: column {found[2]}: {message[: found.start()]}"
    return f"{path}:{text.count(chr(10)) + 1}: {message.replace(' (at end of document)', '')}, at the end of the file"


def _problem(path: Path, lines: Mapping[tuple[str, ...], int], item: Mapping[str, Any]) -> str:
    """One pydantic error as a line of text. Never shows a value that stands where a secret belongs."""
    loc: Sequence[str | int] = item["loc"]
    named = re.search(r"\[(\w+)\]", item["msg"])  # a rule about the whole file names its table
    line = line_of(dict(lines), loc or ((named[1],) if named else ()))
    place = f"{path}:{line}" if line else f"{path}"
    name = ".".join(str(part) for part in loc)
    kind, owner = item["type"], _table_at(loc[:-1])
    if kind == "extra_forbidden":
        allowed = list(owner.model_fields) if owner else []
        near = difflib.get_close_matches(str(loc[-1]), allowed, 1)
        guess = f" (did you mean {near[0]}?)" if near else ""
        where = f"table [{'.'.join(map(str, loc[:-1]))}]" if loc[:-1] else "the top level"
        return f"{place}: unknown key {loc[-1]!r}{guess}; allowed in {where}: {', '.join(allowed)}"
    if kind == "missing":
        description = owner.model_fields[str(loc[-1])].description if owner else ""
        return f"{place}: the key {name} is missing ({description})"
    message = item["msg"].removeprefix("Value error, ")
    message = message[0].lower() + message[1:] if message else kind
    message = message.replace("input should be", "must be")
    if kind == "model_type":
        message = "must be a table"
    shown = ""
    value = item.get("input")
    inside_secret = (
        owner is Secret or _table_at(loc) is Secret or any("password" in str(part) for part in loc)
    )
    if not inside_secret and isinstance(value, str | int | float | bool):
        shown = f", not {value!r}"
    return f"{place}: {name + ': ' if name else ''}{message}{shown}"


def _table_at(loc: Sequence[str | int]) -> type[BaseModel] | None:
    """The model of the table at this path."""
    model: type[BaseModel] = BenchFile
    for part in loc:
        field = model.model_fields.get(str(part))
        inner = model_in(field.annotation) if field else None
        if inner is None:
            return None
        model = inner
    return model


def model_in(annotation: Any) -> type[BaseModel] | None:
    """The model that an annotation such as ``Login | None`` names."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    if typing.get_origin(annotation) in (typing.Union, types.UnionType):
        for argument in typing.get_args(annotation):
            if (found := model_in(argument)) is not None:
                return found
    return None

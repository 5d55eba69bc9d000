# SPDX-License-Identifier: Apache-2.0
"""A TOML file that people write, against its model: every mistake with file, line, what is wrong and what is allowed."""

import difflib
import re
import tomllib
import types
import typing
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from vkbench.config.lines import line_of
from vkbench.errors import FileError


def read(data: bytes, path: Path, error: type[FileError]) -> tuple[str, dict[str, Any]]:
    """The file's text and its table. Raises ``error`` with the line."""
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as wrong:
        line = data[: wrong.start].count(b"\n") + 1
        raise error([f"{path}:{line}: is no UTF-8 text"]) from None
    try:
        return text, tomllib.loads(text)
    except tomllib.TOMLDecodeError as wrong:
        raise error([_syntax(path, text, wrong)], "The file must be TOML (https://toml.io).") from None


def _syntax(path: Path, text: str, error: tomllib.TOMLDecodeError) -> str:
    message = str(error)
    found = re.search(r"\s*\(at line (\d+), column (\d+)\)", message)
    if found:
        return f"{path}:{found[1]}: column {found[2]}: {message[: found.start()]}"
    return f"{path}:{text.count(chr(10)) + 1}: {message.replace(' (at end of document)', '')}, at the end of the file"


def problem(
    root: type[BaseModel],
    path: Path,
    lines: Mapping[tuple[str | int, ...], int],
    item: Mapping[str, Any],
    secret: type[BaseModel] | None = None,
) -> str:
    """One pydantic error as a line of text. Never shows a value that stands where a ``secret`` belongs."""
    loc: Sequence[str | int] = [part for part in item["loc"] if part != "[key]"]
    named = re.search(r"\[(\w+)\]", item["msg"])  # a rule about the whole file names its table
    line = line_of(lines, loc or ((named[1],) if named else ()))
    place = f"{path}:{line}" if line else f"{path}"
    name = dotted(loc)
    kind, owner = item["type"], table_at(root, loc[:-1])
    if kind == "extra_forbidden":
        allowed = list(owner.model_fields) if owner else []
        near = difflib.get_close_matches(str(loc[-1]), allowed, 1)
        guess = f" (did you mean {near[0]}?)" if near else ""
        where = f"table [{dotted(loc[:-1])}]" if loc[:-1] else "the top level"
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
    inside_secret = secret is not None and (
        owner is secret or table_at(root, loc) is secret or any("password" in str(part) for part in loc)
    )
    if not inside_secret and isinstance(value, str | int | float | bool):
        shown = f", not {value!r}"
    return f"{place}: {name + ': ' if name else ''}{message}{shown}"


def dotted(loc: Sequence[str | int]) -> str:
    """A key's place, for a message; an element of a list by its number from 1."""
    text = ""
    for part in loc:
        text += f"[{part + 1}]" if isinstance(part, int) else f".{part}" if text else part
    return text


def table_at(root: type[BaseModel], loc: Sequence[str | int]) -> type[BaseModel] | None:
    """The model of the table at this path."""
    model: type[BaseModel] = root
    for part in loc:
        if isinstance(part, int):
            continue  # an element of the list before it, whose model it already is
        field = model.model_fields.get(part)
        inner = model_in(field.annotation) if field else None
        if inner is None:
            return None
        model = inner
    return model


def model_in(annotation: Any) -> type[BaseModel] | None:
    """The model that an annotation such as ``Login | None`` or ``list[Row]`` names."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    if typing.get_origin(annotation) in (typing.Union, types.UnionType, list):
        for argument in typing.get_args(annotation):
            if (found := model_in(argument)) is not None:
                return found
    return None

# SPDX-License-Identifier: Apache-2.0
"""docs/bench-file.md, written from the model: ``python -m vkbench.config.document > docs/bench-file.md``."""

import types
import typing
from typing import Any

from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from vkbench.config.model import MARKERS, BenchFile, Markers, Secret
from vkbench.config.toml_file import model_in

INTRODUCTION = """\
<!-- SPDX-License-Identifier: Apache-2.0 -->
<!-- Written by `python -m vkbench.config.document`; a test compares it. Change bench/config/model.py instead. -->
# The bench file

One TOML file describes one bench: where its instruments are, how its server is used, how far its clocks can be trusted.
Two examples: `fixtures/benches/virtual.toml` and `fixtures/benches/lab-example.toml`. `vkbench doctor --bench FILE`
checks the file and then each wire.

An unknown key, a wrong type or a value out of range is an error with file, line, and what is allowed. A password never
stands in the file: `password = { env = "VARIABLE" }` or `password = { file = "PATH" }`.
It has four characters or more, and it may stand nowhere in this file, not as the user's name either, and in no text
that the rules look for: passwords are masked in everything that is written ([trust.md](trust.md#passwords)).
"""


def render() -> str:
    """The whole page."""
    parts = [INTRODUCTION, _section("", BenchFile)]
    return "\n".join(parts).rstrip() + "\n"


def _section(path: str, model: type[BaseModel]) -> str:
    heading = f"## [{path}]" if path else "## Top level"
    lines = [heading, "", (model.__doc__ or "").strip(), ""]
    if model is Markers:
        lines += ["| key | meaning | x86_64 | aarch64 |", "|---|---|---|---|"]
        for name, field in model.model_fields.items():
            defaults = " | ".join(f"`{MARKERS[arch][name]}`" for arch in ("x86_64", "aarch64"))
            lines.append(f"| `{name}` | {field.description} | {defaults} |")
        return "\n".join([*lines, ""])
    rows, tables = [], []
    for name, field in model.model_fields.items():
        inner = model_in(field.annotation)
        if inner is not None and inner is not Secret:
            tables.append((f"{path}.{name}" if path else name, inner))
        else:
            rows.append(f"| `{name}` | {_type(field)} | {_default(field)} | {field.description} |")
    if rows:
        lines += ["| key | type | default | meaning |", "|---|---|---|---|", *rows, ""]
    return "\n".join([*lines, *(_section(*table) for table in tables)])


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "required"
    default = field.get_default(call_default_factory=True)
    if default is None or default is PydanticUndefined or default == "":
        return "none"
    return f"`{default}`" if not isinstance(default, bool) else f"`{str(default).lower()}`"


def _type(field: FieldInfo) -> str:
    if model_in(field.annotation) is Secret:
        return "`{ env = … }` or `{ file = … }`"
    text = _plain(field.annotation)
    bounds = {}
    for item in field.metadata:
        for name in ("ge", "gt", "le", "lt", "multiple_of", "max_length"):
            if (value := getattr(item, name, None)) is not None:
                bounds[name] = value
    low = f"{bounds['ge']}" if "ge" in bounds else f"over {bounds['gt']}" if "gt" in bounds else ""
    if low or "le" in bounds:
        text += f", {low} to {bounds['le']}" if "le" in bounds else f", from {low}"
    if "multiple_of" in bounds:
        text += f", multiple of {bounds['multiple_of']}"
    return text


def _plain(annotation: Any) -> str:
    origin = typing.get_origin(annotation)
    if origin is typing.Annotated:
        return _plain(typing.get_args(annotation)[0])
    if origin is typing.Literal:
        return " or ".join(f'`"{value}"`' for value in typing.get_args(annotation))
    if origin in (typing.Union, types.UnionType):
        return " or ".join(_plain(part) for part in typing.get_args(annotation) if part is not type(None))
    return {str: "text", int: "whole number", float: "number", bool: "true or false"}.get(
        annotation, str(annotation)
    )


if __name__ == "__main__":
    print(render(), end="")

# SPDX-License-Identifier: Apache-2.0
"""The reference in docs/plans.md, written from the model: ``python -m vkbench.campaign.planning.document docs/plans.md``."""

import sys
import types
import typing
from pathlib import Path
from typing import Any

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from vkbench.campaign.planning.planfile import FACTS, PlanFile
from vkbench.config.features import WORDS
from vkbench.config.toml_file import model_in

BEGIN = "<!-- reference: written by `python -m vkbench.campaign.planning.document docs/plans.md`; a test compares it -->\n"
END = "<!-- end of the reference -->\n"


def render() -> str:
    """Every key, then the words of ``needs`` and ``where``."""
    parts = [*_tables("", PlanFile), "### Words", ""]
    parts += [
        "`needs`, beside `seeded-defects`, which the card is asked for, and the words of `[server] features`:",
        "",
    ]
    parts += ["| word | the bench has |", "|---|---|"]
    parts += [f"| `{word}` | {text} |" for word, text in WORDS.items()]
    facts = ", ".join(f"`{fact}`" for fact in FACTS)
    parts += ["", f"`where` knows the facts {facts} (`bench/campaign/records/facts.py`).", ""]
    return "\n".join(parts)


def renewed(page: str) -> str:
    """The page with its reference written anew."""
    before, _, rest = page.partition(BEGIN)
    return before + BEGIN + render() + END + rest.partition(END)[2]


def _tables(path: str, model: type[BaseModel], several: bool = False) -> list[str]:
    heading = f"### [[{path}]]" if several else f"### [{path}]" if path else "### Top level"
    lines = [heading, "", " ".join((model.__doc__ or "").split()), ""]
    lines += ["| key | type | default | meaning |", "|---|---|---|---|"]
    inner: list[str] = []
    for name, field in model.model_fields.items():
        table = model_in(field.annotation)
        if table is None or path:
            lines.append(f"| `{name}` | {_type(field)} | {_default(field)} | {field.description} |")
        else:
            inner += _tables(name, table, typing.get_origin(field.annotation) is list)
    return [*lines, "", *inner]


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "required"
    default = field.get_default(call_default_factory=True)
    if default is None or default in ("", [], {}):
        return "none"
    return f"`{str(default).lower()}`" if isinstance(default, bool) else f"`{default}`"


def _type(field: FieldInfo) -> str:
    table = model_in(field.annotation)
    if table is not None:
        return f"`{{ {', '.join(f'{name} = …' for name in table.model_fields)} }}`"
    limits = {
        name: getattr(item, name)
        for item in field.metadata
        for name in ("ge", "gt", "lt")
        if getattr(item, name, None) is not None
    }
    text = _plain(field.annotation)
    if "gt" in limits and "lt" in limits:
        text += f" between {limits['gt']} and {limits['lt']}"
    elif "ge" in limits:
        text += f", from {limits['ge']}"
    return text


def _plain(annotation: Any) -> str:
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is typing.Annotated:
        return _plain(arguments[0])
    if origin is list:
        return "list of texts"
    if origin is dict:
        return "table"
    if origin in (typing.Union, types.UnionType):
        return " or ".join(_plain(part) for part in arguments if part is not type(None))
    return {str: "text", int: "whole number", float: "number", bool: "true or false"}[annotation]


if __name__ == "__main__":
    place = Path(sys.argv[1])
    place.write_text(renewed(place.read_text()))

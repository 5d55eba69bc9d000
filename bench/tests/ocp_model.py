# SPDX-License-Identifier: Apache-2.0
"""Compares lines of OCP Test & Validation output with the low-level models of OCP's own Python package, ocptv.

Stricter than the published schema in one way: a key that the package does not know is a problem everywhere.
"""

import dataclasses
from enum import Enum
from types import UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints

from ocptv.output import objects

#: What ocptv formats from an object, and what the line then holds.
_FORMATTED = {"timestamp": str, "hardwareInfoId": str, "softwareInfoIds": list}


def problems(line: dict[str, Any]) -> list[str]:
    """What in the line is not as the package would write it; empty: all is."""
    return list(_object(line, objects.Root, "line"))


def _object(value: Any, model: type, where: str) -> list[str]:
    if not isinstance(value, dict):
        return [f"{where}: is no object"]
    found: list[str] = []
    known: set[str] = set()
    hints = get_type_hints(model)
    for field in dataclasses.fields(model):
        name = field.metadata.get("spec_field")
        variants = [one for one in _variants(hints[field.name]) if one is not type(None)]
        names = [name] if name else [one.SPEC_OBJECT for one in variants]
        known.update(names)
        present = [one for one in names if one in value]
        optional = type(None) in _variants(hints[field.name])
        if len(present) > 1 or (not present and not optional):
            found.append(f"{where}: needs one of {names}, has {present}")
        for one in present:
            chosen = variants if name else [kind for kind in variants if one == kind.SPEC_OBJECT]
            found += _value(value[one], chosen, field, f"{where}.{one}")
    return found + [f"{where}.{key}: unknown" for key in value if key not in known]


def _value(value: Any, kinds: list[Any], field: Any, where: str) -> list[str]:
    name = field.metadata.get("spec_field")
    if name in _FORMATTED:
        return [] if isinstance(value, _FORMATTED[name]) else [f"{where}: is no {_FORMATTED[name].__name__}"]
    tried: list[str] = []
    for kind in kinds:
        found = _kind(value, kind, where)
        if not found:
            return []
        tried += found
    return tried


def _kind(value: Any, kind: Any, where: str) -> list[str]:
    if dataclasses.is_dataclass(kind):
        return _object(value, kind, where)
    if get_origin(kind) is list:
        if not isinstance(value, list):
            return [f"{where}: is no list"]
        return [
            one for i, item in enumerate(value) for one in _kind(item, get_args(kind)[0], f"{where}[{i}]")
        ]
    if get_origin(kind) is dict or (isinstance(kind, type) and issubclass(kind, dict)):
        return [] if isinstance(value, dict) else [f"{where}: is no object"]
    if isinstance(kind, type) and issubclass(kind, Enum):
        return [] if value in [one.value for one in kind] else [f"{where}: {value!r} is no {kind.__name__}"]
    if kind is float:
        kind = (int, float)
    good = isinstance(value, kind) and (kind is bool or not isinstance(value, bool))
    return [] if good else [f"{where}: {value!r} is no {kind}"]


def _variants(hint: Any) -> list[Any]:
    """A union's members, those of unions within too; else the type itself."""
    if get_origin(hint) in (Union, UnionType):
        return [one for member in get_args(hint) for one in _variants(member)]
    return [hint]

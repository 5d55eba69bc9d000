# SPDX-License-Identifier: Apache-2.0
"""Writes card_registers.py from the register maps: ``python -m vkbench.verdict.card_registers_source > FILE``.

Needs a checkout and the packages of the ``sim`` extra. A test compares the file with the maps.
"""

import importlib.util
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
#: Register maps that the host sees, and their PCI BAR index.
MAPS = {"vk_bar0": 0, "vk_bar1": 2}
_HEAD = '''# SPDX-License-Identifier: Apache-2.0
"""The card's registers that the host sees, out of rtl/regs/*.rdl. Made by card_registers_source.py; do not edit.

No read of one of these does anything else. Reset values are those of a card that is held in reset; what the firmware of a
card that is ready has written on top is in reset_values.py.
"""
'''


def _generator() -> ModuleType:
    path = ROOT / "rtl" / "regs" / "generate.py"
    spec = importlib.util.spec_from_file_location("vkbench_regs_generate", path)
    if spec is None or spec.loader is None:
        raise FileNotFoundError(path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def registers() -> Iterator[tuple[int, int, str, int, bool]]:
    """(BAR index, offset, name, reset value, readable by the host) of each register. Raises ValueError when reading one
    does something.
    """
    generate: Any = _generator()
    for name, bar in MAPS.items():
        for register, offset, node in generate.registers(generate.compile_map(ROOT / f"rtl/regs/{name}.rdl")):
            if any(field.get_property("onread") for field in node.fields()):
                raise ValueError(f"{name}.{register}: reading it does something; it must not be in this list")
            readable = any(field.is_sw_readable for field in node.fields())
            yield bar, offset, register.lower(), generate.reset_and_mask(node)[0], readable


def render() -> str:
    """The module's text."""
    found = list(registers())
    lines = [_HEAD, "#: (BAR index, offset, name, reset value)", "READABLE = ("]
    lines += [f'    ({b}, {o:#x}, "{n}", {r:#x}),' for b, o, n, r, readable in found if readable]
    lines += [")", "#: Only written by the host: (BAR index, offset, name)", "WRITE_ONLY = ("]
    lines += [f'    ({b}, {o:#x}, "{n}"),' for b, o, n, _, readable in found if not readable]
    return "\n".join([*lines, ")", ""])


if __name__ == "__main__":
    print(render(), end="")

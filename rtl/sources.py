# SPDX-License-Identifier: Apache-2.0
"""Which source files make up each RTL top, in compile order. Used by lint, the cocotb tests and the co-simulation.

    from sources import sources, WAIVERS
    files = sources("vkbench_top", gen=Path("build/gen"))     # gen: --out of rtl/regs/generate.py

    python rtl/sources.py vk_core build/gen                    # prints them, one a line

Standard library only; the picorv32 source is looked up in the installed package pythondata_cpu_picorv32.
"""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

RTL = Path(__file__).resolve().parent
#: Verilator waivers for generated files, to be given before the sources.
WAIVERS = RTL / "waivers.vlt"

VK_MAPS = ("vk_bar0", "vk_bar1", "vk_card", "vk_lab")
TOPS = ("vk_core", "analyser", "vkbench_top")


def register_blocks(gen: Path, maps: tuple[str, ...]) -> list[Path]:
    return [gen / "rtl" / f"{name}_regs{part}.sv" for name in maps for part in ("_pkg", "")]


def picorv32() -> Path:
    """The soft core's source in the installed Python package."""
    spec = importlib.util.find_spec("pythondata_cpu_picorv32")
    if spec is None or spec.origin is None:
        raise FileNotFoundError("pythondata_cpu_picorv32 is not installed: run fixtures/host/setup.sh")
    return Path(spec.origin).parent / "verilog" / "picorv32.v"


def packages_first(files: list[Path]) -> list[Path]:
    return sorted(files, key=lambda path: (not path.stem.endswith("_pkg"), path.name))


def vk_sources(gen: Path) -> list[Path]:
    first = RTL / "vk/vk_pkg.sv"  # other packages use it
    own = packages_first([path for path in (RTL / "vk").glob("*.sv") if path != first])
    return register_blocks(gen, VK_MAPS) + [first, *own]


def analyser_sources(gen: Path) -> list[Path]:
    own = packages_first(list((RTL / "analyser").glob("*.sv")))
    return register_blocks(gen, ("analyser", "analyser_trigger")) + own


def sources(top: str, gen: Path) -> list[Path]:
    """Ordered source files of ``top``, one of TOPS; ``gen`` is the output folder of rtl/regs/generate.py."""
    if top not in TOPS:
        raise ValueError(f"unknown RTL top {top!r}; one of {', '.join(TOPS)}")
    files = [gen / "rtl" / f"{name}_pkg.sv" for name in ("capture", "vkbench_addr", "vk_faults")]
    files += [RTL / "clock_gate.sv", picorv32()]
    if top != "analyser":
        files += vk_sources(gen)
    if top != "vk_core":
        files += analyser_sources(gen)
    if top == "vkbench_top":
        files.append(RTL / "vkbench_top.sv")
    return files


if __name__ == "__main__":
    print("\n".join(str(path) for path in sources(sys.argv[1], Path(sys.argv[2]))))

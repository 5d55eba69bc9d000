# SPDX-License-Identifier: Apache-2.0
"""What is synthesized, and what each memory of it must become: data for run.py.

Standard library only.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

RTL = Path(__file__).resolve().parent.parent
if str(RTL) not in sys.path:
    sys.path.insert(0, str(RTL))

from pcie.sources import adapter  # noqa: E402
from sources import packages_first, sources  # noqa: E402

BLOCK, ULTRA, LUT, FLIPFLOPS = "block", "ultra", "lut", "flip-flops"
#: Stands in for a firmware image: its content does not matter here, but it must not be all zero.
IMAGE = "image.hex"


@dataclass(frozen=True)
class Design:
    """``memories``: pattern (fnmatch) of a memory's name, path and all, and what it must become. A memory that no
    pattern names is an error, so a new one has to be declared. ``fmax``: modules placed and routed on their own."""

    top: str
    files: Callable[[Path], list[Path]]
    memories: dict[str, str]
    parameters: dict[str, str] = field(default_factory=dict)
    fmax: tuple[str, ...] = ()


DESIGNS = (
    Design(
        "vk_core",
        lambda gen: sources("vk_core", gen),
        {
            "*.u_queue_ram.words": BLOCK,
            "*.u_info_ram.words": BLOCK,
            "*.u_cpu.u_ram.words": BLOCK,
            "*.u_store.u_*.rows": ULTRA,
            "*.cpuregs": LUT,
            "*.u_low.tags": LUT,
            "*.u_high.tags": LUT,
            "*.u_tags.reads": LUT,
            "*.u_tags.nexts": LUT,
            "*.u_writer.beats": LUT,
            "*.u_writer.payload": LUT,
            "*.u_*_channel.*_q": FLIPFLOPS,
        },
        {"CARD_FIRMWARE_HEX": f'"{IMAGE}"'},
        (
            "vk_gate",
            "vk_doorbell",
            "vk_completer",
            "vk_reset",
            "vk_msix",
            "vk_channel",
            "vk_tag_pool",
            "vk_tags",
            "vk_writer",
        ),
    ),
    Design(
        "pcie_usp",
        lambda gen: packages_first([*adapter(), *sources("vk_core", gen)]),
        {"*.u_whole.*": LUT},
    ),
    Design(
        "analyser",
        lambda gen: sources("analyser", gen),
        {
            "*.u_ring.*": ULTRA,
            "*.cpuregs": LUT,
            "*.u_cpu.u_ram.mem": BLOCK,
            "*.u_fifo.*": BLOCK,
            "*.u_control.*": LUT,
            "*.u_levels.waited_q": FLIPFLOPS,
            "*.u_?x.mem": BLOCK,
            "*.u_stats.*_q": FLIPFLOPS,
            "*.u_taps.data_q": FLIPFLOPS,
            "*.u_taps.hdr_q": FLIPFLOPS,
        },
        {"FIRMWARE_HEX": f'"{IMAGE}"'},
    ),
)

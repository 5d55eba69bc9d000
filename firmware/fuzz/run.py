# SPDX-License-Identifier: Apache-2.0
"""Fuzzes the soft cores' firmware with libFuzzer.

    python firmware/fuzz/run.py [card|analyser ...] --seconds 600 [--seed N] [--keep]

card: a hostile host (card_fuzz.c) against the whole of firmware/card; analyser: any bytes as a SCPI client
(analyser_fuzz.c) against the whole of firmware/analyser. Without a name: both, each for half of the time.

Each starts from its kept corpus, prints executions and the coverage that the resulting corpus reaches, and fails
on a crash (whose input it names) or a hang. --keep replaces the kept corpus by the smallest set of inputs, old and
new, that covers the same. Needs Debian's packages clang and libclang-rt-14-dev.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent
FIRMWARE = HERE.parent
ROOT = FIRMWARE.parent
sys.path.insert(0, str(FIRMWARE))
import build  # noqa: E402

FILES_MAX, BYTES_MAX = 200, 200 * 1024
FLAGS = ("-std=c11", "-g", "-Wall", "-Wextra", "-Werror", *build.SANITIZERS)


@dataclass(frozen=True)
class Target:
    """What is fuzzed: sources and folders of headers, below firmware/; coverage counts those under test."""

    name: str
    under_test: tuple[Path, ...]
    helpers: tuple[str, ...]
    folders: tuple[str, ...]
    corpus: Path
    input_max: int  # bytes; more only repeats
    options: tuple[str, ...] = ()

    def sources(self) -> list[Path]:
        return [HERE / f"{self.name}_fuzz.c", *(FIRMWARE / name for name in self.helpers), *self.under_test]

    def includes(self, gen: Path) -> list[str]:
        return [f"-I{FIRMWARE / folder}" for folder in self.folders] + [f"-I{gen / 'c'}"]


TARGETS = {
    target.name: target
    for target in (
        Target(
            "card",
            tuple(path for path in sorted((FIRMWARE / "card").glob("*.c")) if path.name != "main.c"),
            ("tests/card_mock.c", "tests/card_host.c"),
            ("card", "tests"),
            HERE / "corpus",
            600,
            ("-DMMIO_MOCK",),
        ),
        Target(
            "analyser",
            tuple(FIRMWARE / name for name in build.HOST_SOURCES if not name.startswith("tests/")),
            ("tests/analyser_mock.c",),
            ("analyser", "lib", "tests"),
            HERE / "analyser_corpus",
            3000,
            (f"-dict={HERE / 'analyser.dict'}",),
        ),
    )
}


def compiler_options(target: Target) -> list[str]:
    return [option for option in target.options if not option.startswith("-dict=")]


def fuzzer_options(target: Target) -> list[str]:
    return [option for option in target.options if option.startswith("-dict=")]


def generate(out: Path) -> Path:
    """Register headers."""
    subprocess.run([sys.executable, ROOT / "rtl/regs/generate.py", "--out", out], check=True)
    return out


def build_fuzzer(target: Target, work: Path, gen: Path) -> Path:
    program = work / f"{target.name}_fuzz"
    options = [*FLAGS, *compiler_options(target), "-O2", "-fsanitize=fuzzer", "-o", program]
    subprocess.run(["clang", *options, *target.includes(gen), *target.sources()], check=True)
    return program


def coverage(target: Target, work: Path, gen: Path, corpus: Path) -> None:
    """Prints lines and branches of the firmware that the corpus reaches, as gcov counts them."""
    folder = work / f"coverage-{target.name}"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    flags = [flag for flag in FLAGS if flag not in build.SANITIZERS]
    options = [*flags, *compiler_options(target), "-DFUZZ_REPLAY", "--coverage", "-O0", "-o", "replay"]
    subprocess.run(["cc", *options, *target.includes(gen), *target.sources()], check=True, cwd=folder)
    run = [folder / "replay", *sorted(corpus.iterdir())]
    subprocess.run(run, check=True, cwd=folder, stdout=subprocess.DEVNULL)
    names = {path.stem for path in target.under_test}
    notes = [str(path) for path in folder.glob("replay-*.gcno") if path.name[len("replay-") : -5] in names]
    text = subprocess.run(
        ["gcov", "-n", "-b", *notes], check=True, cwd=folder, capture_output=True, text=True
    )
    pattern = r"File '[^']*/(\w+\.c)'\nLines executed:([\d.]+)% of (\d+)\n"
    pattern += r"(?:Branches[^\n]*\nTaken[^:]*:([\d.]+)% of (\d+))?"
    print(f"{'file':<16}{'lines':>16}{'branches taken':>20}")
    for name, lines, of_lines, branches, of_branches in sorted(re.findall(pattern, text.stdout)):
        shown = f"{branches}% of {of_branches}" if branches else "-"
        print(f"{name:<16}{lines + '% of ' + of_lines:>16}{shown:>20}")


def corpus_size(corpus: Path) -> tuple[int, int]:
    files = list(corpus.iterdir())
    return len(files), sum(path.stat().st_size for path in files)


def fuzz(target: Target, program: Path, corpus: Path, seconds: int, seed: int) -> int:
    """Runs the fuzzer; returns its exit code."""
    command = [str(program), f"-max_total_time={seconds}", f"-seed={seed}", f"-max_len={target.input_max}"]
    command += ["-timeout=20", "-print_final_stats=1", f"-artifact_prefix={program.parent}/"]
    command += [*fuzzer_options(target), str(corpus)]
    run = subprocess.run(command, stderr=subprocess.PIPE, text=True, errors="replace")
    lines = run.stderr.splitlines()
    wanted = ("violation", "answered", "ERROR", "SUMMARY", "artifact_prefix", "stat::")
    progress = [line for line in lines if " cov: " in line][-1:]
    print("\n".join(progress + [line for line in lines if any(word in line for word in wanted)]))
    return run.returncode


def merge(target: Target, program: Path, corpus: Path, out: Path) -> None:
    """The smallest set of inputs of corpus with its coverage."""
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir()
    command = [str(program), "-set_cover_merge=1", "-use_counters=0", f"-max_len={target.input_max}"]
    subprocess.run([*command, str(out), str(corpus)], check=True, stderr=subprocess.DEVNULL)


def run(target: Target, work: Path, gen: Path, seconds: int, seed: int, keep: bool) -> int:
    """Fuzzes one target; 0 when nothing broke."""
    found = work / f"corpus-{target.name}"
    found.mkdir(parents=True, exist_ok=True)
    for path in target.corpus.iterdir() if target.corpus.is_dir() else ():
        shutil.copy(path, found)
    program = build_fuzzer(target, work, gen)
    start = corpus_size(found)[0]
    print(f"{target.name}: seed {seed}, {seconds} s, {start} inputs to start from", flush=True)
    if code := fuzz(target, program, found, seconds, seed):
        print(f"FAILED: the input is in {work} (crash-* or timeout-*)", file=sys.stderr)
        return code
    small = work / f"small-{target.name}"
    merge(target, program, found, small)
    files, size = corpus_size(small)
    print(f"minimised: {files} inputs, {size} bytes")
    coverage(target, work, gen, small)
    if keep:
        if files >= FILES_MAX or size >= BYTES_MAX:
            print(f"not kept: more than {FILES_MAX} files or {BYTES_MAX} bytes", file=sys.stderr)
            return 1
        shutil.rmtree(target.corpus, ignore_errors=True)
        shutil.copytree(small, target.corpus)
    return 0


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("targets", nargs="*", choices=[[], *TARGETS], help="default: all")
    parser.add_argument("--seconds", type=int, default=600, help="for all targets together")
    parser.add_argument("--seed", type=int, default=int(os.environ.get("VKBENCH_SEED", "1")))
    parser.add_argument("--keep", action="store_true", help="replace the kept corpus by what was found")
    parser.add_argument("--work", type=Path, default=ROOT / "build/fuzz")
    args = parser.parse_args()
    if not shutil.which("clang"):
        print("clang not found: install Debian's packages clang and libclang-rt-14-dev", file=sys.stderr)
        return 3
    targets = [TARGETS[name] for name in args.targets or TARGETS]
    work = args.work.resolve()
    gen = generate(work / "gen")
    for target in targets:
        if code := run(target, work, gen, args.seconds // len(targets), args.seed, args.keep):
            return code
    return 0


if __name__ == "__main__":
    sys.exit(main())

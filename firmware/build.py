# SPDX-License-Identifier: Apache-2.0
"""Builds the soft cores' firmware.

    python firmware/build.py --gen build/gen --out DIR

writes DIR/analyser and DIR/card, each as .elf and as .hex (for $readmemh, one 32-bit word a line). The
version shown by *IDN? and in the card information comes from the sources' content, so equal sources give
equal firmware, with or without git. The linker refuses a firmware that its memory does not hold.
"""

from __future__ import annotations

import argparse
import hashlib
import struct
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
RELEASE = "1.0"
PREFIX = "riscv64-unknown-elf-"
SOURCES = {
    "analyser": (
        "analyser/start.S",
        "analyser/main.c",
        "analyser/commands.c",
        "analyser/dut.c",
        "analyser/program.c",
        "analyser/program_check.c",
        "analyser/program_show.c",
        "analyser/trigger.c",
        "analyser/self_test.c",
        "analyser/hal_rv32.c",
        "lib/memory.c",
        "lib/scpi.c",
        "lib/scpi_status.c",
        "lib/text.c",
    ),
    "card": (
        "card/start.S",
        "card/main.c",
        "card/card.c",
        "card/alerts.c",
        "card/boot.c",
        "card/context.c",
        "card/dma.c",
        "card/msg.c",
        "card/peer_log.c",
        "card/ring.c",
        "card/service.c",
        "card/sgl.c",
        "card/tables.c",
        "card/transfer.c",
        "lib/memory.c",
    ),
}
CFLAGS = (
    "-march=rv32imc",
    "-mabi=ilp32",
    "-g",
    "-std=c11",
    "-ffreestanding",
    "-nostdlib",
    "-ffunction-sections",
    "-fdata-sections",
    "-fno-tree-loop-distribute-patterns",
    "-msmall-data-limit=0",
    "-Wall",
    "-Wextra",
    "-Werror",
    "-Wconversion",
    "-Wmissing-prototypes",
    "-Wl,--gc-sections",
    "-Wl,--no-warn-rwx-segments",
)

#: The analyser's program fills its memory, and nothing in it is in a hurry: the hardware moves the records.
OPTIMISE = {"analyser": ("-Os", "-msave-restore"), "card": ("-O2",)}


def version(name: str, gen: Path) -> str:
    """Release and a digest of everything that goes into the firmware."""
    digest = hashlib.sha256(" ".join((*CFLAGS, *OPTIMISE[name])).encode())
    files = [HERE / source for source in SOURCES[name]]
    for folder in (HERE / name, HERE / "lib", gen / "c"):
        files += sorted(folder.glob("*.h")) + sorted(folder.glob("*.ld"))
    for path in files:
        digest.update(path.read_bytes())
    return f"{RELEASE}+{digest.hexdigest()[:8]}"


def build(name: str, gen: Path, out: Path) -> Path:
    """Compiles and links one firmware; returns its .hex file.

    Raises FileNotFoundError without a compiler, CalledProcessError when it refuses the sources.
    """
    out.mkdir(parents=True, exist_ok=True)
    elf, binary, image = out / f"{name}.elf", out / f"{name}.bin", out / f"{name}.hex"
    subprocess.run(
        [
            f"{PREFIX}gcc",
            *CFLAGS,
            *OPTIMISE[name],
            f'-DFIRMWARE_VERSION="{version(name, gen)}"',
            f"-I{HERE / 'lib'}",
            f"-I{HERE / name}",
            f"-I{gen / 'c'}",
            f"-T{HERE / name / 'link.ld'}",
            f"-ffile-prefix-map={HERE}=firmware",
            *(str(HERE / source) for source in SOURCES[name]),
            "-lgcc",
            "-o",
            str(elf),
        ],
        check=True,
    )
    subprocess.run([f"{PREFIX}objcopy", "-O", "binary", str(elf), str(binary)], check=True)
    data = binary.read_bytes()
    data += bytes(-len(data) % 4)
    words = struct.unpack(f"<{len(data) // 4}I", data)
    image.write_text("".join(f"{word:08x}\n" for word in words))
    binary.unlink()
    subprocess.run([f"{PREFIX}size", str(elf)], check=True)
    return image


#: The analyser's firmware without its soft core: for a program of the host, with a mock of the hardware.
HOST_SOURCES = (
    *(
        source
        for source in SOURCES["analyser"]
        if Path(source).stem not in ("start", "main", "hal_rv32", "memory")
    ),
    "tests/analyser_mock.c",
)
HOST_FLAGS = ("-std=c11", "-g", "-Wall", "-Wextra", "-Werror")
SANITIZERS = ("-fsanitize=address,undefined", "-fno-sanitize-recover=all")


def build_host(gen: Path, out: Path, main: str, *options: str, compiler: str = "cc") -> Path:
    """Compiles the analyser's firmware for the host with a main() of its own; returns the program's path.

    ``main`` is a C file below firmware/: tests/analyser_host.c answers stdin on stdout. The sanitizers are in.
    """
    out.mkdir(parents=True, exist_ok=True)
    program = out / Path(main).stem
    includes = [f"-I{HERE / folder}" for folder in ("lib", "analyser", "tests")] + [f"-I{gen / 'c'}"]
    sources = [str(HERE / source) for source in (*HOST_SOURCES, main)]
    command = [compiler, *HOST_FLAGS, *SANITIZERS, *options, *includes, *sources, "-o", str(program)]
    subprocess.run(command, check=True, cwd=out)
    return program


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--gen", type=Path, required=True, help="what rtl/regs/generate.py wrote")
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args()
    if not (args.gen / "c/vkbench_regs.h").exists():
        print(
            f"{args.gen}/c/vkbench_regs.h is missing: run rtl/regs/generate.py --out {args.gen}",
            file=sys.stderr,
        )
        return 3
    try:
        for name in SOURCES:
            print(build(name, args.gen.resolve(), args.out))
    except FileNotFoundError as error:
        print(f"{error.filename} not found: install Debian's gcc-riscv64-unknown-elf", file=sys.stderr)
        return 3
    except subprocess.CalledProcessError as error:
        print(f"{Path(error.cmd[0]).name} failed, see above", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())

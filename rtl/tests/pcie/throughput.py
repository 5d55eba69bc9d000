# SPDX-License-Identifier: Apache-2.0
"""How fast the DMA engine moves bytes through adapter and hard IP, in cocotb, behind the model of a Gen3 x8
link with its overheads, acknowledges and delays.

    python rtl/tests/pcie/throughput.py [--all] [--only write|read] [--out build/throughput.json]

Payload bytes per clock of 250 MHz, and as a share of the link's payload limit P / (P + 24 B) x 7.877 GB/s, P
being the payload of a request (writes: Max_Payload_Size) or of a completion (reads: the smaller of it and of
Max_Read_Request_Size). A figure is the difference between two descriptors, so that the first answer's delay
does not count. The root complex grants endless credits: else they would limit the long round trips (64
headers, 16 KiB), not the card.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import sys
from dataclasses import asdict, dataclass
from pathlib import Path

CASES, OUT = "VKBENCH_THROUGHPUT_CASES", "VKBENCH_THROUGHPUT_OUT"
LINK = 8e9 * 8 / 8 * 128 / 130  # bytes/s
CLOCK = 250e6
SHORT, LONG = 64 << 10, 256 << 10


@dataclass(frozen=True)
class Case:
    write: bool
    mps: int
    mrrs: int = 512
    tags: int = 256
    round_trip_us: float = 0
    offset: int = 0  # of the host's first byte in a page
    fill: bool = False
    rcb: int = 64
    split: bool = False  # the root complex cuts completions at every boundary
    high: bool = False  # host memory above 4 GiB: headers of four dwords

    @property
    def limit(self) -> float:
        """Payload bytes per clock that the link allows."""
        payload = self.mps if self.write else self.rcb if self.split else min(self.mps, self.mrrs)
        return payload / (payload + 24) * LINK / CLOCK

    def __str__(self) -> str:
        kind = ("write fill" if self.fill else "write") if self.write else "read"
        rest = "" if self.write else f" MRRS {self.mrrs:4} tags {self.tags:3}"
        return (
            f"{kind:10} MPS {self.mps:3}{rest:20} RTT {self.round_trip_us:g} us  offset {self.offset:3}"
            + " 64 bit" * self.high
            + " RCB 128" * (self.rcb == 128)
            + " split" * self.split
        )


def cases(everything: bool) -> list[Case]:
    sizes = (128, 256, 512)
    writes = [
        Case(True, mps, fill=fill, offset=o) for mps in sizes for fill in (False, True) for o in (0, 1, 100)
    ]
    writes += [Case(True, 256, fill=True, round_trip_us=us) for us in (1, 4)]
    writes += [Case(True, mps, fill=True, high=True) for mps in sizes]
    reads = [Case(False, 256, 512, tags, us) for tags in (32, 256) for us in (0, 1, 4)]
    reads += [Case(False, 256, 512, 256, us, offset) for us in (0, 1) for offset in (1, 4, 100)]
    reads += [Case(False, mps, mrrs, 256, 1) for mps in (128, 256, 512) for mrrs in (128, 256, 1024)]
    reads += [Case(False, 256, 4096, tags, us) for tags in (32, 256) for us in (1, 4)]
    reads += [Case(False, 256, 512, 256, us, rcb=128) for us in (1, 4)]
    reads += [Case(False, 256, 512, 256, us, split=True) for us in (0, 1, 4)]
    if everything:
        grid = itertools.product(sizes, (128, 256, 512, 1024, 2048, 4096), (32, 256), (0, 1, 4))
        reads = list(dict.fromkeys([*reads, *(Case(False, *point) for point in grid)]))
    return writes + reads


def measure(points: list[Case], out: Path) -> list[dict]:
    """Builds and runs the simulation, once for all points."""
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
    from common import build

    from pcie.test_pcie import engine_runner

    out.parent.mkdir(parents=True, exist_ok=True)
    out.unlink(missing_ok=True)
    os.environ[CASES] = json.dumps([asdict(point) for point in points])
    os.environ[OUT] = str(out.resolve())
    build.run_module(engine_runner(), "usp_vk_tb", "pcie.throughput_run")
    return [json.loads(line) for line in out.read_text().splitlines()]


def table(results: list[dict]) -> str:
    lines = [f"{'':68}{'B/clk':>7}{'of limit':>10}"]
    lines += [f"{r['case']:68}{r['bytes_per_clock']:7.2f}{r['of_limit']:10.1%}" for r in results]
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--all", action="store_true", help="every MPS, MRRS, tag count and round trip")
    parser.add_argument("--only", choices=("write", "read"))
    parser.add_argument("--out", type=Path, default=Path("build/throughput.json"))
    arguments = parser.parse_args()
    points = [c for c in cases(arguments.all) if arguments.only in (None, "write" if c.write else "read")]
    results = measure(points, arguments.out.with_suffix(".lines"))
    arguments.out.write_text(json.dumps(results, indent=1) + "\n")
    print(table(results))


if __name__ == "__main__":
    main()

# SPDX-License-Identifier: Apache-2.0
"""How fast a long capture is judged, and in how much memory: makes a run of any length out of a recorded one.

    python -m vkbench.verdict.speed RUN_DIR

judges a run and prints JSON: records, seconds, peak_bytes (largest resident set), overall.
"""

import json
import resource
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from vkbench.capture import records as rec
from vkbench.capture import vkc
from vkbench.capture.layout import Kind
from vkbench.evidence import CAPTURE, MEMORY_JSON, VERDICT_JSON, RunView
from vkbench.verdict.judge import judge

#: What a block of the added traffic is made of, in turn: DMA writes, and a read of each side with its completion.
_MIX = (Kind.RQ,) * 12 + (Kind.RQ, Kind.RC, Kind.CQ, Kind.CC)
_WRITES_OF_MIX = 12
_CYCLES_APART = 4


@dataclass(frozen=True)
class Speed:
    """Seconds to judge a run of so many records, and the largest resident set of the process, in bytes."""

    records: int
    seconds: float
    peak_bytes: int
    overall: str


def lengthen(run: Path, out: Path, records: int) -> None:
    """Write a copy of a complete run whose capture begins with so many more records of traffic before the panic.

    What came after is as it was, later by the added time, so the verdict's results stay the same.
    """
    capture = vkc.read(run / CAPTURE)
    record = RunView(run).record
    if record.dma is None:
        raise ValueError(f"{run}: its run.json describes no DMA")
    added = -(-records // vkc.BLOCK_RECORDS) * vkc.BLOCK_RECORDS
    writes, cycles = added // len(_MIX) * _WRITES_OF_MIX, added * _CYCLES_APART
    tail = capture.records.copy()
    tail["timestamp"] += np.uint64(cycles)
    mine = rec.dma_writes(tail)
    tail["data"][mine] += np.uint32(writes)
    header = capture.header.model_copy(deep=True)
    header.trigger.time += cycles
    for statistics in header.statistics.values():
        statistics.first += cycles if statistics.count else 0
        statistics.last += cycles if statistics.count else 0
    out.mkdir(parents=True)
    for part in run.iterdir():
        if part.name not in (CAPTURE, VERDICT_JSON, MEMORY_JSON):
            (out / part.name).write_bytes(part.read_bytes())
    memory = json.loads((run / MEMORY_JSON).read_bytes())
    for read in memory["reads"]:
        read["seq_min"] += writes
        read["seq_max"] += writes
    (out / MEMORY_JSON).write_text(json.dumps(memory))
    with vkc.Writer(out / CAPTURE, header) as writer:
        for block in _traffic(added, record.dma.paddr, record.dma.size):
            writer.append(block)
        writer.append(tail)


def _traffic(records: int, paddr: int, size: int) -> Iterator[rec.Records]:
    count = vkc.BLOCK_RECORDS
    block = rec.empty(count)
    kinds = np.resize([int(kind) for kind in _MIX], count)
    turn = np.resize(np.arange(len(_MIX)), count)
    write = turn < _WRITES_OF_MIX
    block["kind"] = kinds
    block["header"][:, 0] = np.where(kinds % 2 == 1, 0x2000_0010, 0x4A00_0010)  # MRd64, CplD
    block["header"][write, 0] = 0x6000_0010  # MWr64 of 64 bytes
    numbers = np.arange(int(np.count_nonzero(write)), dtype=np.uint64)
    for start in range(0, records, count):
        block["timestamp"] = (np.arange(start, start + count)) * _CYCLES_APART
        address = np.uint64(paddr) + numbers * np.uint64(64) % np.uint64(size)
        block["data"][write] = numbers.astype(np.uint32)
        block["header"][write, 2] = (address >> np.uint64(32)).astype(np.uint32)
        block["header"][write, 3] = address.astype(np.uint32)
        numbers += np.uint64(len(numbers))
        yield block


def measure(run: Path) -> Speed:
    """Judge a run in a process of its own."""
    command = [sys.executable, "-m", "vkbench.verdict.speed", str(run)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return Speed(**json.loads(done.stdout))


def _main(run: Path) -> None:
    with vkc.open(run / CAPTURE) as capture:
        records = len(capture)
    start = time.perf_counter()
    overall = judge(run).overall
    seconds = time.perf_counter() - start
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    print(json.dumps({"records": records, "seconds": seconds, "peak_bytes": peak, "overall": overall}))


if __name__ == "__main__":
    _main(Path(sys.argv[1]))

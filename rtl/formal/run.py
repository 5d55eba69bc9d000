# SPDX-License-Identifier: Apache-2.0
"""Proves the properties of proofs.py on the modules of rtl/vk and rtl/analyser and prints a table.

    python rtl/formal/run.py [--only PROOF]... [--quick] [--json FILE]

Each proof is asked three things: does induction prove all its properties, is each property's cover reached (it is
not vacuous), does each property fail on the mutated design made for it (it can fail). Ends with status 1 when
anything came out otherwise than declared. Works under build/formal, with at most two processes at a time.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path

RTL = Path(__file__).resolve().parent.parent
if str(RTL) not in sys.path:
    sys.path.insert(0, str(RTL))

from formal import engine  # noqa: E402
from formal.proof import Proof  # noqa: E402
from formal.proofs import PROOFS  # noqa: E402

BUILD = RTL.parent / "build" / "formal"
PROCESSES = 2


@dataclass
class Row:
    """One property in the table. ``cover``: clock after power-on in which its cover is reached; ``killed``: file of
    the mutant that fails it, and the clock in which it does."""

    property: str
    proof: str
    engine: str
    depth: int
    result: str
    cover: str
    killed: str
    text: str


def run(proofs: list[Proof], build: Path = BUILD) -> tuple[list[Row], list[str]]:
    """Rows of the table and the surprises; empty when everything came out as declared."""
    gen = build / "gen"
    subprocess.run(
        [sys.executable, RTL / "regs/generate.py", "--out", gen], check=True, stdout=subprocess.DEVNULL
    )
    surprises: list[str] = []

    def ask(question: Callable, proof: Proof, *arguments, default=None):
        """The answer; a surprise is kept and gives the default."""
        try:
            return question(proof, *arguments, gen)
        except engine.Surprise as surprise:
            surprises.append(str(surprise))
            return default

    with ThreadPoolExecutor(PROCESSES) as pool:
        proved: dict[str, Future] = {}
        covered: dict[str, Future] = {}
        killed: dict[tuple[str, str], list[tuple[str, Future]]] = {}
        for proof in proofs:  # the long ones first
            proved[proof.name] = pool.submit(ask, engine.prove, proof, build / proof.name)
            covered[proof.name] = pool.submit(
                ask, engine.covers, proof, build / f"{proof.name}.cover", default={}
            )
        for proof in proofs:
            for number, mutant in enumerate(proof.mutants):
                folder = build / f"{proof.name}.mutant{number}"
                answer = pool.submit(ask, engine.kill, proof, mutant, folder)
                killed.setdefault((proof.name, mutant.kills), []).append((mutant.edit.file, answer))

    rows = []
    for proof in proofs:
        for name, text in proof.properties.items():
            cover = covered[proof.name].result().get(name)
            if cover is None:
                surprises.append(f"{proof.name}: c_{name} is not reached in {proof.search} clocks: vacuous?")
            kills = [(file, answer.result()) for file, answer in killed.get((proof.name, name), [])]
            if not kills:
                surprises.append(f"{proof.name}: no mutant is declared for {name}")
            rows.append(
                Row(
                    property=name,
                    proof=proof.name,
                    engine="bounded" if proof.bounded else "k-induction",
                    depth=proof.depth,
                    result="proved" if proved[proof.name].result() else "FAILS",
                    cover="-" if cover is None else str(cover),
                    killed=", ".join(
                        f"{file} @{clock or 'step'}" for file, clock in kills if clock is not None
                    )
                    or "-",
                    text=text,
                )
            )
            if proof.bounded and rows[-1].result == "proved":
                rows[-1].result = "no counterexample"
    return rows, surprises


def table(rows: list[Row]) -> str:
    head = ("property", "proof", "engine", "depth", "result", "cover", "mutant killed")
    cells = [[str(value) for value in list(asdict(row).values())[:7]] for row in rows]
    widths = [max(len(line[column]) for line in [list(head), *cells]) for column in range(len(head))]
    lines = [
        "  ".join(f"{word:{width}}" for word, width in zip(line, widths, strict=True))
        for line in [head, *cells]
    ]
    return "\n".join(line.rstrip() for line in lines)


def main() -> int:
    parser = argparse.ArgumentParser(
        description="Proves the halting contract and the analyser by k-induction."
    )
    names = [proof.name for proof in PROOFS]
    parser.add_argument("--only", action="append", choices=names, help="this proof; may be given again")
    parser.add_argument("--quick", action="store_true", help="the proofs that take seconds")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the table to FILE")
    arguments = parser.parse_args()
    wanted = arguments.only or [proof.name for proof in PROOFS if proof.quick or not arguments.quick]
    began = time.monotonic()
    rows, surprises = run([proof for proof in PROOFS if proof.name in wanted])
    print(table(rows))
    seconds = round(time.monotonic() - began, 1)
    print(f"{len(rows)} properties, {len(surprises)} surprises, {seconds} s")
    for surprise in dict.fromkeys(surprises):
        print(f"SURPRISE: {surprise}", file=sys.stderr)
    if arguments.json:
        record = {"seconds": seconds, "surprises": surprises, "properties": [asdict(row) for row in rows]}
        arguments.json.write_text(json.dumps(record, indent=1) + "\n")
    return 1 if surprises else 0


if __name__ == "__main__":
    sys.exit(main())

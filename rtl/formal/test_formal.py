# SPDX-License-Identifier: Apache-2.0
"""The quick proofs hold, and the runner notices when something does not: everything under build/rtl-tests/formal."""

import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
import yowasp
from formal import engine, run
from formal.proof import Edit
from formal.proofs import PROOFS, READY

pytestmark = pytest.mark.rtl

BUILD = run.RTL.parent / "build" / "rtl-tests" / "formal"


def test_quick_proofs_hold_and_each_mutant_dies():
    rows, surprises = run.run([proof for proof in PROOFS if proof.quick], BUILD)
    print(run.table(rows))
    assert not surprises, "\n".join(surprises)
    assert rows and all(row.result == "proved" for row in rows)


def test_every_property_has_a_mutant_and_a_label():
    for proof in PROOFS:
        checkers = "".join((engine.HERE / name).read_text() for name in proof.checkers)
        for name in proof.properties:
            assert f"p_{name}:" in checkers and f"c_{name}:" in checkers, f"{proof.name}: {name}"
        killed = {mutant.kills for mutant in proof.mutants}
        assert killed == set(proof.properties), f"{proof.name}: {killed ^ set(proof.properties)}"


def test_a_surviving_mutant_is_a_surprise():
    """A change that is none must not count as killed."""
    same = Edit(READY.mutants[0].edit.file, READY.mutants[0].edit.old, READY.mutants[0].edit.old)
    harmless = replace(READY.mutants[0], edit=same)
    with pytest.raises(engine.Surprise, match="survives"):
        engine.kill(replace(READY, search=12), harmless, BUILD / "harmless", BUILD / "gen")


def test_a_wrong_design_is_not_proved():
    """With a mutant's edit in the design itself, induction fails and names the property."""
    wrong = READY.mutants[0]
    with pytest.raises(engine.Surprise, match=f"p_{wrong.kills}"):
        engine.prove(READY, BUILD / "wrong", BUILD / "gen", (wrong.edit,))


def test_a_tool_that_does_not_answer_is_ended_with_what_it_started(tmp_path):
    said = yowasp.run("sh", "-c", "sleep 60 & echo $! > pid; wait", cwd=tmp_path, timeout=1)
    assert said == "ERROR: no answer after 1 s"
    state = Path("/proc", (tmp_path / "pid").read_text().strip(), "stat")
    deadline = time.monotonic() + 10
    while state.exists() and state.read_text().split()[2] != "Z":
        assert time.monotonic() < deadline, "the solver lives on"
        time.sleep(0.05)

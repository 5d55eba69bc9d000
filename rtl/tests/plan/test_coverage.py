# SPDX-License-Identifier: Apache-2.0
"""coverage.py reads Verilator's data right, and reports a hole without explanation and one too many."""

import sys
from pathlib import Path

PLAN = Path(__file__).resolve().parent
sys.path[:0] = [str(PLAN), str(PLAN.parent)]
import coverage  # noqa: E402
from coverage import LINE, TOGGLE, Hole, Point  # noqa: E402


def point(path: Path, kind: str, line: int, name: str, count: int) -> str:
    fields = {
        "f": path,
        "l": line,
        "n": 3,
        "t": kind,
        "page": f"v_{kind}/{path.stem}",
        "o": name,
        "h": "top.u",
    }
    return "C '" + "".join(f"\x01{key}\x02{value}" for key, value in fields.items()) + f"' {count}\n"


def data(tmp_path: Path) -> dict[Point, int]:
    source = tmp_path / "gate.sv"
    source.write_text("module gate;\n  if (a) b <= c;\nendmodule\n")
    one = point(source, "toggle", 1, "a[0]:0->1", 4) + point(source, "toggle", 1, "a[1]:1->0", 0)
    two = point(source, "branch", 2, "if", 0) + point(source, "toggle", 1, "a[1]:1->0", 0)
    other = point(Path("/elsewhere/gate.sv"), "toggle", 1, "z:0->1", 0)
    return coverage.read([one + other, two + one], tmp_path)


def test_counts_are_added_and_other_folders_left_out(tmp_path):
    assert data(tmp_path) == {
        Point("gate", TOGGLE, 1, "a[0]:0->1"): 8,
        Point("gate", TOGGLE, 1, "a[1]:1->0"): 0,
        Point("gate", LINE, 2, "if (a) b <= c; (if)"): 0,
    }


def test_holes_must_be_explained_and_explanations_needed(tmp_path, capsys):
    counts = data(tmp_path)
    line, toggle = Hole("gate", LINE, "b <= c", "x"), Hole("gate", TOGGLE, "a[1]", "x")
    assert coverage.show(counts, [line, toggle])
    assert not coverage.show(counts, [line])
    assert "gate.sv: no edge on a[1]" in capsys.readouterr().out
    assert not coverage.show(counts, [toggle])
    assert "gate.sv:2: if (a) b <= c; (if)" in capsys.readouterr().out
    assert not coverage.show(counts, [line, toggle, Hole("gate", TOGGLE, "a[0]", "x")])
    assert "no hole any more" in capsys.readouterr().out


def test_signals_are_named_whole_or_by_their_bits():
    def covers(what, name, module="gate"):
        return Hole(module, TOGGLE, what, "x").covers(Point("gate", TOGGLE, 1, name))

    assert covers("a", "a[3]:0->1") and covers("a", "a:1->0") and covers("a[3:1]", "a[2]:0->1")
    assert covers("q*[1]", "q[7][1]:0->1") and covers("a", "a:0->1", module="ga*")
    assert not covers("a[3:1]", "a[4]:0->1") and not covers("a[3:1]", "a:0->1") and not covers("a", "ab:0->1")
    assert not covers("q[1]", "q[7][1]:0->1") and not covers("a", "a:0->1", module="other")


def test_missing_bits_are_gathered():
    names = [f"a[{bit}]:0->1" for bit in (7, 3, 4, 5)] + ["b:0->1", "a[3]:1->0"]
    assert coverage.ranges(names) == "b a[5:3,7]"

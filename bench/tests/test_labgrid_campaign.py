# SPDX-License-Identifier: Apache-2.0
"""Several places of labgrid for one campaign: its own coordinator, exporter and client, on loopback."""

import json
import signal
import sys
from pathlib import Path

import pytest
from labgrid_peers import labgrid

from vkbench.config import load

ROOT = Path(__file__).resolve().parents[2]
EXAMPLE = ROOT / "fixtures/benches/lab-example.toml"
PLACES = ("bench1", "bench2")
LIMIT_S = 120


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    with labgrid(tmp_path_factory.mktemp("labgrid") / "lab", PLACES) as running:
        yield running


@pytest.fixture
def templates(tmp_path):
    """A template for each place: their benches' names differ."""
    made = {}
    for place in reversed(PLACES):  # the order in which they are named does not matter
        made[place] = tmp_path / f"{place}-template.toml"
        made[place].write_text(EXAMPLE.read_text().replace('"rack4-node7"', f'"of-{place}"'))
    return made


def keeps_words(folder: Path, name: str) -> tuple[Path, Path, list[str]]:
    """A command that keeps its words and its bench files, says so, and ends when it is let go."""
    kept, go = folder / f"{name}.json", folder / f"{name}.go"
    code = (
        "import json, os, pathlib, sys, time\n"
        "files = [pathlib.Path(word) for word in sys.argv[3:] if word.endswith('.toml')]\n"
        "text = json.dumps([sys.argv[3:], [file.read_text() for file in files]])\n"
        "part = pathlib.Path(sys.argv[1] + '.part'); part.write_text(text); part.rename(sys.argv[1])\n"
        "while not os.path.exists(sys.argv[2]): time.sleep(0.1)\n"
        "sys.exit(2)\n"
    )
    return kept, go, [sys.executable, "-c", code, str(kept), str(go), "qualify", "quick", "{benches}"]


def holders(lab) -> list[str]:
    return [lab.holder(place) for place in PLACES]


def test_a_campaign_has_all_its_places_and_gives_all_back(lab, templates, tmp_path):
    kept, go, words = keeps_words(tmp_path, "ann")
    ann = lab.use_all("ann", templates, *words)
    lab.until(kept.exists)
    assert holders(lab) == ["host/ann", "host/ann"]
    said, files = json.loads(kept.read_text())
    assert said[:2] == ["qualify", "quick"] and said[2::2] == ["--bench", "--bench"]
    benches = []
    for number, text in enumerate(files):
        path = tmp_path / f"{number}.toml"
        path.write_text(text)
        benches.append(load(path))
    assert [bench.name for bench in benches] == ["of-bench1", "of-bench2"]
    assert [bench.bmc.address_port for bench in benches] == [1, 11]
    assert [bench.console.url for bench in benches] == ["socket://127.0.0.1:2", "socket://127.0.0.1:12"]
    go.touch()
    assert ann.wait(LIMIT_S) == 2, lab.said("ann")
    assert holders(lab) == ["None", "None"]


def test_a_place_that_somebody_has_is_waited_for(lab, templates, tmp_path):
    kept, go, words = keeps_words(tmp_path, "ann")
    begun, let_go, _ = keeps_words(tmp_path, "bob")
    wait = ["sh", "-c", f"touch {begun}; until [ -e {let_go} ]; do sleep 0.1; done"]
    bob = lab.use("bob", EXAMPLE, *wait)  # bench1
    lab.until(begun.exists)
    ann = lab.use_all("ann", templates, *words)
    lab.until(lambda: "host/bob has it" in lab.said("ann"))
    assert not kept.exists() and lab.holder("bench2") == "None"
    let_go.touch()
    assert bob.wait(LIMIT_S) == 0
    lab.until(kept.exists)
    assert holders(lab) == ["host/ann", "host/ann"]
    go.touch()
    assert ann.wait(LIMIT_S) == 2


def test_two_campaigns_that_want_the_same_places_take_turns(lab, templates, tmp_path):
    ann_kept, ann_go, ann_words = keeps_words(tmp_path, "ann")
    bob_kept, bob_go, bob_words = keeps_words(tmp_path, "bob")
    other_way = dict(reversed(templates.items()))
    ann = lab.use_all("ann", templates, *ann_words)
    bob = lab.use_all("bob", other_way, *bob_words)
    lab.until(lambda: ann_kept.exists() or bob_kept.exists())
    assert len(set(holders(lab))) == 1 and ann_kept.exists() != bob_kept.exists()
    ann_go.touch()
    bob_go.touch()
    assert ann.wait(LIMIT_S) == 2 and bob.wait(LIMIT_S) == 2, lab.logs()
    assert ann_kept.exists() and bob_kept.exists() and holders(lab) == ["None", "None"]


def test_who_does_not_get_all_gives_back_what_he_has(lab, templates, tmp_path):
    lab.client("-p", "bench2", "acquire", user="bob")
    try:
        ann = lab.use_all("ann", templates, "true", wait_s=4)
        assert ann.wait(LIMIT_S) == 4
        assert "BenchBusy" in lab.said("ann") and "host/bob" in lab.said("ann")
        assert lab.holder("bench1") == "None"
    finally:
        lab.client("-p", "bench2", "release", user="bob")


def test_a_campaign_that_is_told_to_end_gives_all_back(lab, templates, tmp_path):
    kept, _, words = keeps_words(tmp_path, "ann")
    ann = lab.use_all("ann", templates, *words)
    lab.until(kept.exists)
    ann.send_signal(signal.SIGTERM)
    assert ann.wait(LIMIT_S) == 4, lab.said("ann")
    assert holders(lab) == ["None", "None"]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda made: made | {"bench2": made["bench1"]}, "told apart by name"),
        (lambda made: made | {"bench2": Path("/nonexistent.toml")}, "cannot be used as a template"),
        (lambda made: {"bench1": ""}, "PLACE=TEMPLATE"),
    ],
)
def test_a_mistake_is_named_before_anything_is_waited_for(lab, templates, change, said):
    ann = lab.use_all("ann", change(templates), "true")
    assert ann.wait(LIMIT_S) == 3
    assert said in lab.said("ann") and "Traceback" not in lab.said("ann")
    assert "acquired" not in lab.said("ann")

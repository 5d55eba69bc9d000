# SPDX-License-Identifier: Apache-2.0
"""verify of a campaign that somebody made to do harm: it names what is wrong, reads nothing outside, and never breaks."""

import os
import sys
from pathlib import Path

import pytest
from campaign_forger import (
    MANIFEST,
    campaign,
    differences,
    keys,
    named,
    original,
    place,
)

from vkbench.evidence import EvidenceError

__all__ = ["campaign", "keys", "original"]  # fixtures


# ---- files that are meant to do harm -----------------------------------------------------------------------


@pytest.fixture
def outside(tmp_path):
    """A file outside of the campaign, and whether anybody opened it."""
    secret = tmp_path / "outside.json"
    secret.write_text('{"schema": 1}')
    opened = []
    watching = [True]

    def hook(event, args):
        if (
            watching
            and event in ("open", "os.scandir", "os.listdir")
            and isinstance(args[0], str | os.PathLike)
        ):
            path = os.path.realpath(args[0])
            if path == str(secret) or path == "/etc/hostname":
                opened.append(path)

    sys.addaudithook(hook)
    yield secret, opened
    watching.clear()


LINKS = [
    *("plan.toml", "journal.jsonl", "summary.json", MANIFEST, "report/junit.xml", "report/report.html"),
    *("benches/virtual-1.toml", "RUN/run.json", "RUN/capture.vkc", "RUN/console.raw", "RUN/verdict.json"),
    *(f"RUN/{MANIFEST}", "RUN/memory.json", "extra.txt", "plan.json"),
]


@pytest.mark.parametrize("kind", LINKS)
def test_a_link_is_named_and_never_followed(campaign, keys, outside, kind):
    secret, opened = outside
    name = place(campaign, kind)
    (campaign / name).unlink(missing_ok=True)
    (campaign / name).symlink_to(secret)
    try:
        found = differences(campaign, keys[0])
    except EvidenceError as error:
        found = [str(error)]
    assert any(Path(name).name in one for one in found), found
    assert opened == []


@pytest.mark.parametrize("name", ["RUN", "cycles", "report", "benches"])
def test_a_folder_that_is_a_link_is_named_and_never_followed(campaign, tmp_path, name):
    name = place(campaign, name)
    (campaign / name).rename(tmp_path / "elsewhere")
    (campaign / name).symlink_to(tmp_path / "elsewhere")
    found = differences(campaign)
    assert any(one.startswith(name) and "link" in one or "run directory" in one for one in found), found


def test_pipes_do_not_keep_it_waiting(campaign):
    for name in ("summary.json", place(campaign, "RUN/run.json"), place(campaign, "RUN/console.raw")):
        (campaign / name).unlink()
        os.mkfifo(campaign / name)
        assert differences(campaign)


@pytest.mark.parametrize(
    "name",
    ["../outside.json", "/etc/hostname", "cycles/../../outside.json", "cycles/000001-1/../x", "report/../plan.toml",
     ".", "cycles/000001-1", "report//x", "a\\b", "x\x1b[2J", MANIFEST],
)  # fmt: skip
def test_a_manifest_cannot_lead_out_of_the_directory(campaign, outside, name):
    _, opened = outside
    text = (campaign / MANIFEST).read_text() + f"{'0' * 64}  {name}\n"
    ordered = sorted(text.splitlines(), key=lambda line: line[66:])
    (campaign / MANIFEST).write_text("\n".join(ordered) + "\n")
    hit, found = named(campaign, MANIFEST, "is no file of a campaign")
    assert hit and opened == [], found
    run = campaign / place(campaign, "RUN")
    (run / MANIFEST).write_text((run / MANIFEST).read_text() + f"{'0' * 64}  {name}\n")
    assert differences(campaign) and opened == []


BOMBS = {
    "deep": b"[" * 200_000,
    "object": b'{"a":' * 100_000,
    "number": b'{"number": ' + b"9" * 50_000 + b"}",
    "nan": b'{"number": NaN, "chain": Infinity}',
    "binary": bytes(range(256)) * 40,
    "empty": b"",
    "null": b"null",
    "surrogate": b'{"name": "\\ud800"}',
    "long": b'"' + b"x" * (3 << 20),
}


@pytest.mark.parametrize("bomb", BOMBS)
def test_content_that_is_meant_to_break_it_is_a_difference(campaign, bomb):
    run = place(campaign, "RUN")
    names = ["plan.json", "journal.jsonl", "summary.json", f"{run}/run.json", MANIFEST]
    if bomb in ("deep", "binary"):
        names += ["plan.toml", f"{run}/verdict.json", f"{run}/memory.json", f"{run}/{MANIFEST}"]
    for name in names:
        before = (campaign / name).read_bytes()
        (campaign / name).write_bytes(BOMBS[bomb])
        found = differences(campaign)
        assert found and all("\x1b" not in one for one in found), name
        (campaign / name).write_bytes(before)

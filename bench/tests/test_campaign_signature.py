# SPDX-License-Identifier: Apache-2.0
"""Sealing a campaign, and signing it with minisign."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from campaign_forger import (
    MANIFEST,
    SIGNED,
    campaign,
    differences,
    journal,
    keys,
    original,
)

from vkbench import errors
from vkbench.campaign.trust import seal, signature
from vkbench.campaign.trust.verify import verify
from vkbench.evidence import EvidenceError

__all__ = ["campaign", "keys", "original"]  # fixtures


# ---- seal --------------------------------------------------------------------------------------------------


def test_seal_refuses_what_is_sealed_unfinished_or_holds_what_it_cannot_vouch_for(campaign, tmp_path):
    with pytest.raises(EvidenceError, match="sealed already"):
        seal.seal(campaign)
    (campaign / MANIFEST).unlink()
    (campaign / "journal.sqlite").write_text("")
    with pytest.raises(EvidenceError, match="database is still there"):
        seal.seal(campaign)
    (campaign / "journal.sqlite").unlink()
    (campaign / "link").symlink_to(tmp_path)
    with pytest.raises(EvidenceError, match=r"link: is a symbolic link"):
        seal.seal(campaign)
    (campaign / "link").unlink()
    (campaign / "summary.json").rename(tmp_path / "x")
    with pytest.raises(EvidenceError, match=r"summary\.json: missing; only a campaign that is concluded"):
        seal.seal(campaign)
    assert not (campaign / MANIFEST).exists()
    (tmp_path / "x").rename(campaign / "summary.json")
    (campaign / ".summary.json.tmp").write_text("half")
    seal.seal(campaign)
    assert differences(campaign) == []


def test_a_campaign_that_was_never_sealed_does_not_verify(campaign):
    (campaign / MANIFEST).unlink()
    assert "never sealed" in differences(campaign)[0]


# ---- signature ---------------------------------------------------------------------------------------------


def test_the_signature_names_campaign_plan_and_journal(original, keys):
    comment, problem = signature.check(original, keys[0])
    plan, head = json.loads((original / "plan.json").read_bytes()), journal(original)[-1]["chain"]
    assert (
        problem == "" and comment == f"vkbench campaign {plan['name']} plan {plan['sha256']} journal {head}"
    )


def test_another_key_an_altered_signature_and_none_are_named(campaign, keys, tmp_path):
    argv = ["minisign", "-G", "-W", "-p", tmp_path / "public", "-s", tmp_path / "secret"]
    subprocess.run(argv, check=True, capture_output=True)
    assert "is no signature" in differences(campaign, tmp_path / "public")[0]
    text = (campaign / SIGNED).read_text()
    (campaign / SIGNED).write_text(text.replace("campaign synthetic", "campaign synthetik"))
    assert "is no signature" in differences(campaign, keys[0])[0]
    (campaign / SIGNED).unlink()
    assert differences(campaign, keys[0]) == [f"{SIGNED}: missing; nobody has signed this campaign"]
    manifest, signed = campaign / MANIFEST, campaign / SIGNED
    argv = ["minisign", "-S", "-s", keys[1], "-m", manifest, "-x", signed, "-t", "vkbench campaign other"]
    subprocess.run(argv, check=True, capture_output=True)
    assert "was made for 'vkbench campaign other'" in differences(campaign, keys[0])[0]


def test_signing_says_what_is_missing(campaign, keys, locked, tmp_path, monkeypatch):
    def refused(*words):
        with pytest.raises(errors.BenchError) as refusal:
            signature.sign(*words)
        return str(refusal.value)

    assert "is no file" in refused(campaign, tmp_path / "none")
    assert "is no secret key of minisign" in refused(campaign, keys[0])
    with Path(os.devnull).open() as nothing:
        monkeypatch.setattr("sys.stdin", nothing)
        assert "there is no terminal to ask" in refused(campaign, locked)
    monkeypatch.setattr(signature, "PROGRAM", "no-such-minisign")
    assert "is not installed" in refused(campaign, keys[1])
    with pytest.raises(errors.ToolMissing):
        verify(campaign, keys[0])
    (campaign / MANIFEST).unlink()
    assert "only a sealed campaign is signed" in refused(campaign, keys[1])


@pytest.fixture(scope="module")
def locked(tmp_path_factory):
    """A secret key with the password "word"."""
    folder = tmp_path_factory.mktemp("locked")
    argv = ["minisign", "-G", "-p", folder / "public", "-s", folder / "secret"]
    subprocess.run(argv, input="word\nword\n", text=True, check=True, capture_output=True)
    return folder / "secret"


@pytest.mark.parametrize(("word", "code"), [("word", 0), ("wrong", 3)])
def test_minisign_asks_for_the_password_on_the_terminal(campaign, locked, word, code):
    """The command in a terminal of its own; what is typed goes to minisign and nowhere else."""
    (campaign / SIGNED).unlink()
    program = "import sys; from vkbench.cli.sign import sign; import typer; app = typer.Typer(); app.command()(sign); app()"
    master, slave = os.openpty()
    argv = [sys.executable, "-c", program, str(campaign), "--key", str(locked)]
    process = subprocess.Popen(argv, stdin=slave, stdout=slave, stderr=slave, start_new_session=True)
    os.close(slave)
    said = b""
    try:
        while b"Password" not in said:
            said += os.read(master, 1000)
        os.write(master, word.encode() + b"\n")
        while True:
            try:
                said += os.read(master, 1000)
            except OSError:
                break
        assert process.wait(30) == code, said
    finally:
        process.kill()
        process.wait()
        os.close(master)
    assert (campaign / SIGNED).exists() == (code == 0)
    assert not list(campaign.glob(".*.tmp")), "nothing half-written is left"
    assert code == 0 or b"Wrong password" in said

# SPDX-License-Identifier: Apache-2.0
"""The run directory: what may be written when, sealing, and that every later change is named."""

import os
import random
import signal

import pytest
from synthetic_run import post_notifiers, run_record

from vkbench import evidence
from vkbench.evidence import EvidenceError, RunDirectory, RunRecord


def record(**changes):
    return RunRecord.model_validate({**run_record(True), **changes})


def test_a_directory_with_something_in_it_is_refused(tmp_path):
    (tmp_path / "old").write_text("evidence of another run")
    with pytest.raises(EvidenceError, match="not empty"):
        RunDirectory.create(tmp_path)
    assert (tmp_path / "old").read_text() == "evidence of another run"


def test_an_empty_directory_and_a_new_one_are_taken(tmp_path):
    (tmp_path / "empty").mkdir()
    RunDirectory.create(tmp_path / "empty")
    RunDirectory.create(tmp_path / "new" / "deep")
    assert (tmp_path / "new" / "deep").is_dir()


@pytest.mark.parametrize("where", [(), ("bench",), ("dma",), ("markers",), ("uncertainty",), ("config",)])
def test_an_unknown_key_of_run_json_is_refused_and_named(where):
    data = {**run_record(True), "markers": {}}
    place = data
    for key in where:
        place[key] = dict(place[key])
        place = place[key]
    place["surprise"] = 1
    import json

    with pytest.raises(EvidenceError, match=r"\.".join([*where, "surprise"])):
        RunRecord.parse(json.dumps(data))


@pytest.mark.parametrize("value", [-1, float("nan"), float("inf"), "soon"])
def test_an_impossible_uncertainty_is_refused(value):
    with pytest.raises(ValueError):
        record(uncertainty={"console_s": value, "clock_ppm": 0, "order_s": 0})


@pytest.mark.parametrize("key", ["paddr", "size"])
def test_a_dma_target_beyond_any_memory_is_refused(key):
    record(dma={**run_record(True)["dma"], key: (1 << 63) - 1})
    with pytest.raises(ValueError, match=key):
        record(dma={**run_record(True)["dma"], key: 1 << 63})


def test_an_empty_marker_is_refused_because_it_would_match_everywhere():
    with pytest.raises(ValueError):
        record(markers={"jump": ""})


def test_nothing_can_be_written_into_a_sealed_run(tmp_path):
    run = RunDirectory.create(tmp_path / "run")
    sink = run.console_sink
    run.write_record(record())
    run.seal()
    for write in (
        lambda: run.write_json("sel.json", {}),
        lambda: run.write_record(record()),
        lambda: run.write_capture({}, b""),
        lambda: run.console_sink,
        lambda: run.seal(),
        lambda: sink(b"late"),
    ):
        with pytest.raises(EvidenceError):
            write()
    assert RunDirectory.open(tmp_path / "run").check_manifest() == []


@pytest.mark.parametrize("name", ["../x.json", ".hidden", "a/b", "manifest.sha256"])
def test_a_name_that_is_no_plain_evidence_file_is_refused(tmp_path, name):
    with pytest.raises(EvidenceError):
        RunDirectory.create(tmp_path / "run").write_json(name, {})


def test_console_lines_carry_the_time_of_their_first_byte_and_raw_bytes_are_exact(tmp_path):
    run = RunDirectory.create(tmp_path)
    now = [1.0]
    sink = evidence.ConsoleSink(run.path, lambda: now[0])
    sink(b"Kernel pa")
    now[0] = 2.5
    sink(b"nic\r\nnext\x1b[0m \xff")
    now[0] = 3.0
    sink.close()
    lines = (tmp_path / "console.log").read_text().splitlines()
    assert lines == ["1.000000 Kernel panic", "2.500000 next\\x1b[0m \\xff"]
    assert (tmp_path / "console.raw").read_bytes() == b"Kernel panic\r\nnext\x1b[0m \xff"


def test_an_error_in_the_run_is_written_down_and_the_evidence_so_far_is_sealed(tmp_path):
    with pytest.raises(TimeoutError), RunDirectory.create(tmp_path / "run") as run:
        run.write_record(record())
        run.console_sink(b"half a li")
        raise TimeoutError("the guest never booted")
    view = RunDirectory.open(tmp_path / "run")
    assert view.sealed and view.check_manifest() == []
    assert view.record.status == "aborted"
    assert view.record.abort.error == "TimeoutError" and "never booted" in view.record.abort.detail
    assert b"half a li" in view.read("console.log")


def test_a_run_aborted_before_it_was_described_still_says_so(tmp_path):
    RunDirectory.create(tmp_path / "run").abort("Interrupted", "Ctrl-C")
    assert RunDirectory.open(tmp_path / "run").record.abort.error == "Interrupted"


def test_every_byte_of_every_file_is_guarded(tmp_path):
    path = post_notifiers().save(tmp_path / "run")
    view = RunDirectory.open(path)
    rng = random.Random(20261121)
    for file in sorted(path.iterdir()):
        data = file.read_bytes()
        for position in {0, len(data) - 1, *(rng.randrange(len(data)) for _ in range(40))} if data else ():
            changed = bytearray(data)
            changed[position] ^= 1 << rng.randrange(8)
            file.write_bytes(changed)
            differences = view.check_manifest()
            assert differences, f"{file.name}: byte {position} changed unseen"
            if file.name != "manifest.sha256":
                assert len(differences) == 1 and differences[0].startswith(f"{file.name}: changed")
        file.write_bytes(data)
    assert view.check_manifest() == []


def test_missing_and_added_files_are_named(tmp_path):
    path = post_notifiers().save(tmp_path / "run")
    (path / "sel.json").unlink()
    (path / "memory2.json").write_text("{}")
    (path / "folder").mkdir()
    differences = RunDirectory.open(path).check_manifest()
    assert [d.split(":")[0] for d in differences] == ["folder", "memory2.json", "sel.json"]
    assert "added" in differences[1] and "missing" in differences[2]


@pytest.mark.parametrize(
    "spoil",
    [
        lambda t: t.replace("  ", " *", 1),
        lambda t: t.upper(),
        lambda t: t + "\n",
        lambda t: t[:-1],
        lambda t: "".join(reversed(t.splitlines(keepends=True))),
        lambda t: t + t.splitlines(keepends=True)[0],
        lambda t: t.replace("\n", "\r\n"),
    ],
)
def test_a_manifest_has_one_spelling(tmp_path, spoil):
    path = post_notifiers().save(tmp_path / "run")
    manifest = path / "manifest.sha256"
    manifest.write_bytes(spoil(manifest.read_text()).encode())
    assert RunDirectory.open(path).check_manifest()


def test_a_folder_that_is_no_run_is_refused(tmp_path):
    with pytest.raises(EvidenceError, match="run directory"):
        RunDirectory.open(tmp_path / "nothing")
    with pytest.raises(EvidenceError, match=r"run\.json"):
        RunDirectory.open(tmp_path)


def killed_at(call, path):
    """In a child process: write a run, and die before the n-th durable system call. True when it got that far."""
    child = os.fork()
    if child:
        return os.WIFSIGNALED(os.waitpid(child, 0)[1])
    done = 0

    def counted(real):
        def function(*args, **kwargs):
            nonlocal done
            done += 1
            if done == call:
                os.kill(os.getpid(), signal.SIGKILL)
            return real(*args, **kwargs)

        return function

    try:
        for name in ("replace", "fsync", "open"):
            setattr(os, name, counted(getattr(os, name)))
        post_notifiers().save(path)
    finally:
        os._exit(0)


def test_a_run_killed_at_any_write_is_sealed_or_recognisably_not(tmp_path):
    call = 1
    while killed_at(call, run := tmp_path / f"run{call}"):
        if run.exists() and any((run / name).exists() for name in ("run.json", "manifest.sha256")):
            view = RunDirectory.open(run)
            differences = view.check_manifest()
            if view.sealed:
                assert differences == []
            else:
                assert "never sealed" in differences[0]
        call += 1
    assert call > 20
    assert RunDirectory.open(run).check_manifest() == []

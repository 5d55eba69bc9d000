# SPDX-License-Identifier: Apache-2.0
"""Dense traffic: the card writes back to back from arming through the panic into the crash kernel. The capture memory
is far too small for so many TLPs one by one; it holds them because runs of like ones are folded."""

from __future__ import annotations

import json

import numpy as np
import pytest

from vkbench.capture import records as rec
from vkbench.capture import vkc
from vkbench.capture.layout import Kind

SCENARIOS = {"panic-stock": "FAIL", "panic-post-notifiers": "PASS"}


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_a_panic_under_back_to_back_writes_is_captured_whole(vkbench, altered_bench, run_directory, scenario):
    bench = altered_bench({"period_s = 0.0005\nlength = 64": "period_s = 0\nlength = 256"})
    out = run_directory / "run"
    result = vkbench("run", scenario, "--bench", bench, "--out", out, "--json")
    assert result.code == (0 if SCENARIOS[scenario] == "PASS" else 1), result.stderr
    run = json.loads((out / "run.json").read_text())
    verdict = json.loads((out / "verdict.json").read_text())
    assert run["status"] == "complete"
    assert verdict["overall"] == SCENARIOS[scenario] and verdict["as_expected"], json.dumps(
        verdict["rules"], indent=1
    )
    with vkc.open(out / "capture.vkc") as capture:
        header, held = capture.header, capture.records.copy()
    assert header.lost == 0 and not rec.of_kind(held, Kind.LOSS).any()
    assert len(held) < header.depth, "the window is full: something was overwritten"
    writes = held[rec.dma_writes(held)]
    stood_for = int(rec.tlp_count(writes).sum())
    assert stood_for > header.depth, f"only {stood_for} writes: this needs no folding"
    # Nothing but folding makes room, and it leaves nothing out: the engine numbers its writes.
    numbers = writes["data"].astype(np.int64)
    between = np.diff(numbers)
    whole = between == rec.tlp_count(writes)[1:]
    assert np.count_nonzero(~whole) <= 1, (
        "the numbers have gaps (one break: the card's reset starts again from 1)"
    )

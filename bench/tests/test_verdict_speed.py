# SPDX-License-Identifier: Apache-2.0
"""The long captures that the benchmark judges are judged as the recorded run that they are made of."""

from pathlib import Path

import pytest

from vkbench.capture import vkc
from vkbench.verdict import judge, speed

RUNS = Path(__file__).resolve().parents[2] / "fixtures" / "captures"


@pytest.mark.parametrize("name", ["panic-post-notifiers", "panic-stock"])
def test_a_lengthened_run_is_judged_as_the_recorded_one(tmp_path, name):
    speed.lengthen(RUNS / name, tmp_path / "run", 60_000)
    with vkc.open(RUNS / name / "capture.vkc") as short, vkc.open(tmp_path / "run/capture.vkc") as long:
        assert long.version == 2 and 60_000 <= len(long) - len(short) < 60_000 + vkc.BLOCK_RECORDS
    before, now = judge(RUNS / name), judge(tmp_path / "run")
    for was, rule in zip(before.rules, now.rules, strict=True):
        assert (rule.result, rule.value, rule.uncertainty) == (was.result, was.value, was.uncertainty)


def test_the_measurement_counts_records_time_and_memory_which_does_not_grow_with_the_capture(tmp_path):
    found = []
    for records in (20_000, 3_000_000):
        run = tmp_path / str(records)
        speed.lengthen(RUNS / "panic-post-notifiers", run, records)
        found.append(speed.measure(run))
        with vkc.open(run / "capture.vkc") as capture:
            assert found[-1].records == len(capture)
        assert found[-1].overall == "PASS" and found[-1].seconds > 0
    assert found[0].peak_bytes > 10 << 20
    assert found[1].peak_bytes - found[0].peak_bytes < 24 << 20  # the larger capture has 92 MiB

# SPDX-License-Identifier: Apache-2.0
"""The mission in two runs: a panic with stock kdump must be caught, one with post-notifiers must pass."""

from __future__ import annotations

import json
import shutil

import pytest


def panic(vkbench, scenario, out):
    result = vkbench("run", scenario, "--bench", vkbench.bench, "--out", out, "--json")
    return result, json.loads((out / "run.json").read_text()), json.loads((out / "verdict.json").read_text())


@pytest.fixture(scope="module")
def stock(vkbench, module_directory):
    return (out := module_directory / "stock"), *panic(vkbench, "panic-stock", out)


@pytest.fixture(scope="module")
def post(vkbench, module_directory):
    return (out := module_directory / "post"), *panic(vkbench, "panic-post-notifiers", out)


def rules(verdict):
    return {rule["title"]: rule for rule in verdict["rules"]}


def test_stock_kdump_fails_because_the_card_writes_after_the_jump(stock):
    out, result, run, verdict = stock
    assert result.code == 1, result.stderr
    assert run["status"] == "complete" and run["must_fail"]
    assert verdict["overall"] == "FAIL" and verdict["as_expected"]
    assert rules(verdict)["No request after the jump"]["result"] == "FAIL"
    assert rules(verdict)["Memory frozen"]["result"] == "FAIL"


def test_stock_kdump_rings_no_doorbell(stock):
    _out, _result, _run, verdict = stock
    assert rules(verdict)["Halt latency"]["result"] != "PASS"


def test_post_notifiers_pass_with_halt_latency_and_margin(post):
    out, result, run, verdict = post
    assert result.code == 0, result.stderr
    assert verdict["overall"] == "PASS", json.dumps(verdict["rules"], indent=1)
    by_title = rules(verdict)
    assert 0 <= by_title["Halt latency"]["value"] <= by_title["Halt latency"]["limit"]
    assert by_title["No request after the jump"]["value"] > 0
    assert by_title["Memory frozen"]["result"] == "PASS"


def test_the_driver_is_upstream_and_named_in_the_inventory(post):
    _out, _result, run, _verdict = post
    text = json.dumps(run["inventory"])
    assert "bcm_vk" in text and "6.1" in text


def test_verdicts_are_recomputed_from_the_files_alone(vkbench, stock, post, tmp_path):
    for out in (stock[0], post[0]):
        copy = tmp_path / out.name
        shutil.copytree(out, copy)
        result = vkbench("verify", copy)
        assert result.code in (0, 1), result.stderr
        assert result.code == (0 if out == post[0] else 1)


@pytest.mark.parametrize("name", ["capture.vkc", "memory.json", "run.json", "console.log"])
def test_one_changed_byte_is_named(vkbench, post, tmp_path, name):
    copy = tmp_path / "run"
    shutil.copytree(post[0], copy)
    victim = copy / name
    data = bytearray(victim.read_bytes())
    data[len(data) // 2] ^= 1
    victim.chmod(0o644)
    victim.write_bytes(data)
    result = vkbench("verify", copy)
    assert result.code not in (0, 1), result.stdout
    assert name in result.stdout + result.stderr


def test_the_report_is_one_self_contained_file(vkbench, stock, post, tmp_path):
    html = tmp_path / "report.html"
    result = vkbench("report", stock[0], post[0], "-o", html)
    assert result.code == 0, result.stderr
    text = html.read_text()
    assert "FAIL" in text and "PASS" in text and "<svg" in text
    assert 'src="http' not in text and 'href="http' not in text

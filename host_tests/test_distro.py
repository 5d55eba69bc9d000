# SPDX-License-Identifier: Apache-2.0
"""The mission on a distribution: its own kdump service arms, dumps and reboots, and afterwards all is as it was.

pytest host_tests/test_distro.py --bench fixtures/benches/debian.toml
"""

from __future__ import annotations

import json
from typing import Any

import pytest

from vkbench.server.recovery import HELPED

pytestmark = [pytest.mark.needs("kdump-service"), pytest.mark.debian]


@pytest.fixture(scope="module")
def stock(shared_run: Any) -> Any:
    return shared_run("panic-stock")


@pytest.fixture(scope="module")
def post(shared_run: Any) -> Any:
    return shared_run("panic-post-notifiers")


def steps(run: Any) -> dict[str, Any]:
    return {step.name: step for step in run.record.steps}


def console(run: Any) -> str:
    return (run.path / "console.log").read_text(errors="replace")


def test_stock_kdump_of_the_distribution_fails(stock: Any) -> None:
    assert stock.record.status == "complete" and stock.verdict.as_expected
    assert stock.overall == "FAIL"
    assert stock.rule("No request after the jump").result == "FAIL"
    assert stock.rule("Memory frozen").result == "FAIL"


def test_post_notifiers_of_the_distribution_pass(post: Any) -> None:
    assert post.overall == "PASS", [(rule.title, rule.result) for rule in post.verdict.rules]
    assert post.rule("Memory frozen").result == "PASS"


def test_the_distributions_service_armed_it_and_was_read_back(stock: Any, post: Any) -> None:
    for run, switch in ((stock, "N"), (post, "Y")):
        armed = run.record.inventory["kdump"]
        assert armed["post_notifiers"] == switch and armed["crash_size"] > 0
        assert armed["style"] != "command" and armed["service"] and armed["hook"]


def test_the_dump_is_saved_and_the_server_is_back_by_itself(stock: Any, post: Any) -> None:
    for run in (stock, post):
        assert "saved vmcore" in console(run) or "saving vmcore complete" in console(run)
        detail = steps(run)["recover"].detail
        assert detail.startswith(f"wait: {HELPED}"), f"the ladder's first rung was not enough: {detail}"


def test_every_changed_setting_was_put_back(stock: Any, post: Any) -> None:
    for run in (stock, post):
        changes = json.loads((run.path / "settings.json").read_text())["changes"]
        assert changes and all(change["put_back"] for change in changes)

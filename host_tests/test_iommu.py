# SPDX-License-Identifier: Apache-2.0
"""The mission behind an IOMMU: the card's addresses are not memory's, and memory is judged all the same.

pytest host_tests/test_iommu.py --bench fixtures/benches/virtual-iommu.toml
"""

from __future__ import annotations

import json
from typing import Any

import pytest

pytestmark = pytest.mark.needs_iommu


@pytest.fixture(scope="module")
def stock(shared_run: Any) -> Any:
    return shared_run("panic-stock")


@pytest.fixture(scope="module")
def post(shared_run: Any) -> Any:
    return shared_run("panic-post-notifiers")


def test_a_card_that_falls_silent_passes_and_memory_agrees(post: Any) -> None:
    assert post.overall == "PASS", [(rule.title, rule.result, rule.reason) for rule in post.verdict.rules]
    assert post.rule("Memory frozen").result == "PASS"


def test_a_card_that_writes_on_is_caught(stock: Any) -> None:
    assert stock.record.status == "complete" and stock.verdict.as_expected
    assert stock.rule("No request after the jump").result == "FAIL"
    # FAIL, or INCONCLUSIVE where the IOMMU refuses every write from the jump on.
    assert stock.rule("Memory frozen").result != "PASS"


def test_what_was_read_is_where_the_server_said_that_the_buffer_lies(stock: Any, post: Any) -> None:
    for run in (stock, post):
        dma = run.record.dma
        assert dma.translated and sum(piece.size for piece in dma.pieces) == dma.size
        assert dma.paddr not in [piece.paddr for piece in dma.pieces]
        for read in json.loads((run.path / "memory.json").read_text())["reads"]:
            places = [(int(paddr, 16), size) for paddr, size in read["pieces"]]
            assert places == [(piece.paddr, piece.size) for piece in dma.pieces]
            assert read["units"] > 0

# SPDX-License-Identifier: Apache-2.0
"""measures(): made-up runs whose numbers are known by construction."""

import math
from pathlib import Path

import pytest
import synthetic_reset
import synthetic_run
from synthetic_run import HZ, at

from vkbench.campaign.figures.measures import MEASURES, measures
from vkbench.capture.layout import Kind


def test_good_card_has_the_numbers_it_was_made_with() -> None:
    verdict = synthetic_run.post_notifiers().judge()
    found = measures(verdict)
    assert found["halt_latency"] == 2
    assert found["doorbell_to_gate"] == 3
    assert found["panic_to_doorbell"] == pytest.approx(synthetic_run.DOORBELL_S - synthetic_run.PANIC_S)
    assert found["doorbell_to_jump"] == pytest.approx(synthetic_run.JUMP_S - synthetic_run.DOORBELL_S)
    assert found["panic_to_jump"] == pytest.approx(synthetic_run.JUMP_S - synthetic_run.PANIC_S)
    assert found["jump_to_ready"] == pytest.approx(synthetic_run.READY_S - synthetic_run.JUMP_S)
    assert found["order_uncertainty"] == verdict.uncertainty.seconds > 0
    assert found["events_lost"] == 0
    assert 0 < found["margin"] == next(r.value for r in verdict.rules if r.id == "VKB-JUMP-001")
    assert found["margin"] < found["doorbell_to_jump"]


def test_a_card_that_writes_on_has_a_negative_margin() -> None:
    verdict = synthetic_run.stock().judge()
    found = measures(verdict)
    jump = next(e.timestamp for e in verdict.timeline if e.name == "jump")
    last = next(e.timestamp for e in verdict.timeline if e.name == "last_dma_after_jump")
    exactly = -(last - jump) / HZ
    assert found["margin"] < exactly, "a lower bound: the jump may have been earlier"
    cycles, ppm = verdict.uncertainty.cycles, verdict.uncertainty.clock_ppm
    assert found["margin"] == pytest.approx((exactly - cycles / HZ) / (1 - ppm * 1e-6), rel=1e-9)
    assert "halt_latency" not in found and "panic_to_doorbell" not in found


def test_a_single_interrupt_after_the_jump_is_in_the_margin() -> None:
    story = synthetic_run.post_notifiers()
    late = at(synthetic_run.JUMP_S) + 5000
    story.add(late, Kind.MSIX, aux=1)
    found = measures(story.judge())
    assert found["margin"] <= -5000 / HZ
    assert found["halt_latency"] == late - at(synthetic_run.DOORBELL_S)


def test_an_undecided_rule_gives_no_measure_but_loss_is_counted() -> None:
    story = synthetic_run.post_notifiers()
    story.lost = 7
    verdict = story.judge()
    assert verdict.overall == "INCONCLUSIVE"
    found = measures(verdict)
    assert found["events_lost"] == 7
    assert "margin" not in found and "halt_latency" not in found
    assert "doorbell_to_gate" in found


def test_a_run_that_was_broken_off_has_no_margin() -> None:
    story = synthetic_run.stock()
    story.record["status"] = "aborted"
    verdict = story.judge()
    assert any(event.name == "last_dma_after_jump" for event in verdict.timeline)
    assert "margin" not in measures(verdict)


def test_no_capture_no_measures() -> None:
    verdict = synthetic_run.post_notifiers().judge()
    assert measures(verdict.model_copy(update={"clock_hz": None, "timeline": []})) == {}


def test_a_reset_has_its_own_measures() -> None:
    verdict = synthetic_reset.good().judge()
    found = measures(verdict)
    assert found["reset_latency"] == next(r.value for r in verdict.rules if r.id == "VKB-RESET-002")
    assert found["reset_to_ready"] == pytest.approx((synthetic_reset.READY - synthetic_reset.BELL) / HZ)
    first_word = next(e.timestamp for e in verdict.timeline if e.name == "spoken")
    assert found["reset_to_work"] == pytest.approx((first_word - synthetic_reset.BELL) / HZ)
    assert "margin" not in found and "panic_to_jump" not in found


def test_every_measure_is_described_and_finite() -> None:
    for verdict in (
        synthetic_run.post_notifiers().judge(),
        synthetic_run.stock().judge(),
        synthetic_reset.good().judge(),
    ):
        for name, value in measures(verdict).items():
            assert MEASURES[name].unit and MEASURES[name].title
            assert isinstance(value, float) and math.isfinite(value)


def test_the_docs_have_each_measure_with_its_unit_and_its_bad_end() -> None:
    docs = Path(__file__).parents[2] / "docs/statistics.md"
    rows = [
        [cell.strip() for cell in line.split("|")[1:4]]
        for line in docs.read_text().splitlines()
        if "|" in line
    ]
    wanted = [[f"`{name}`", one.unit, one.worse or "–"] for name, one in MEASURES.items()]
    assert [row for row in rows if row in wanted] == wanted

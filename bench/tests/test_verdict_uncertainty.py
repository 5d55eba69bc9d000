# SPDX-License-Identifier: Apache-2.0
"""The stated bound, against console bytes that are late by a known time: the truth is known, the verdict must not lie."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from synthetic_run import BANNER_S, DOORBELL_S, HZ, JUMP, JUMP_S, at, post_notifiers

from vkbench.config import load
from vkbench.evidence import Uncertainty
from vkbench.server.record import uncertainty
from vkbench.verdict.uncertainty import text_bound

U = text_bound(Uncertainty.model_validate(post_notifiers().record["uncertainty"]), HZ).cycles
TRUTH = at(JUMP_S)


def late_console(skew, request):
    """The jump happens at TRUTH and its text is stamped so many cycles later; one request starts beside it."""
    story = post_notifiers()
    story.erase_text(JUMP)
    story.print(TRUTH + skew, JUMP)
    story.write(TRUTH + request, 110)
    return story


def contradicts(skew, request):
    """True when the verdict claims the wrong order of jump and request."""
    result = late_console(skew, request).rule("JUMP").result
    return (result == "PASS" and request >= 0) or (result == "FAIL" and request <= 0)


@given(st.integers(0, U), st.integers(-3 * U, 3 * U))
@settings(max_examples=150, deadline=None, derandomize=True)
def test_a_console_that_is_late_within_the_bound_never_makes_the_verdict_wrong(skew, request):
    assert not contradicts(skew, request)


@pytest.mark.parametrize("skew", [0, 1, U - 1, U])
@pytest.mark.parametrize("request_at", [-1, 0, 1])
def test_nor_does_it_at_the_edges_of_the_bound(skew, request_at):
    assert not contradicts(skew, request_at)


@pytest.mark.parametrize("beyond", [1, 2, 100])
def test_a_console_later_than_the_bound_makes_it_wrong_so_the_bound_matters(beyond):
    """A request right at the jump, or until the bound is used up, would pass."""
    assert contradicts(U + beyond, beyond - 1)
    assert not contradicts(U + beyond, beyond)


def test_a_console_byte_before_its_time_would_make_it_wrong_too():
    assert contradicts(-1, 0)


@given(st.integers(0, U))
@settings(max_examples=30, deadline=None, derandomize=True)
def test_the_margin_is_a_lower_bound_whatever_the_skew(skew):
    story = post_notifiers()
    story.erase_text(JUMP)
    story.print(TRUTH + skew, JUMP)
    rule = story.rule("JUMP")
    assert rule.result == "PASS" and rule.value * HZ <= TRUTH - (at(DOORBELL_S) + 2)
    assert at(BANNER_S) > TRUTH + U


# ---- the budget --------------------------------------------------


def budget(name, hz=2_500_000):
    return uncertainty(load(f"fixtures/benches/{name}.toml"), hz)


def parts(found):
    return {source.name: source.value_s for source in found.sources}


def test_a_serial_port_is_late_by_its_fifo_a_character_and_the_analysers_sampling():
    found = parts(budget("lab-example", 125_000_000))
    assert found == pytest.approx(
        {"UART FIFO": 160 / 115200, "last character": 10 / 115200, "analyser sampling": 4 / 125e6}
    )


def test_the_virtual_console_is_late_by_two_batches_of_the_cosimulation_and_the_sampling():
    found = parts(budget("virtual"))
    assert found == pytest.approx({"order of wires": 512 / 2.5e6, "analyser sampling": 4 / 2.5e6})


@pytest.mark.parametrize("name", ["virtual", "lab-example"])
def test_each_part_has_a_source_and_the_bound_is_made_of_all(name):
    found = budget(name)
    bound = text_bound(found, 2_500_000)
    assert all(source.source for source in bound.sources)
    assert bound.seconds == pytest.approx(sum(source.value_s for source in bound.sources))
    assert {source.name for source in found.sources} < {source.name for source in bound.sources}
    assert "not itemised" not in {source.name for source in bound.sources}
    assert bound.clock_s == pytest.approx(bound.seconds * found.clock_ppm * 1e-6)
    assert bound.cycles >= (bound.seconds + bound.clock_s) * 2_500_000
    assert found.clock_source


def test_before_the_clock_is_known_cycles_count_as_nothing():
    assert "analyser sampling" not in parts(uncertainty(load("fixtures/benches/virtual.toml"), None))

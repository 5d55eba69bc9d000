# SPDX-License-Identifier: Apache-2.0
"""Attempts, and what a summary says of them: nothing that happened is left out."""

import pytest
from small_campaign import SHA, Made, candidate, control, row, said

from vkbench.evidence.campaign import BenchState, Session, Stopped


@pytest.mark.parametrize("fault", ["bench", "server", "card", ""])
@pytest.mark.parametrize("counts", [True, False])
def test_an_attempt_that_died_never_vanishes(fault, counts) -> None:
    made = Made()
    made.died("good", fault, counts, bench="two")
    found = made.fill().summary()
    good, name = row(found), fault or "unknown"
    assert good.counts.died == {name: 1} == found.total.died == good.by_bench["two"].died
    assert good.counts.repeated == (not counts)
    assert good.counts.inconclusive == counts
    assert next(one for one in found.benches if one.name == "two").died == 1
    assert said(found.deviations, "1 attempt died", "InstrumentTimeout", "slot 1")
    assert said(found.deviations, "did not count") == (not counts)
    assert found.conformity == ("NOT SHOWN" if counts else "CONFORMS")


def test_what_died_has_no_result() -> None:
    """Whatever the journal says of it."""
    made = Made()
    made.attempt("good", fate="died", fault="server", error="BootTimeout", result="PASS", rules=[])
    found = made.fill().summary()
    assert row(found).counts.inconclusive == 1 and found.conformity == "NOT SHOWN"


def test_an_open_attempt() -> None:
    made = Made()
    made.attempt("good", ended=False)
    found = made.fill().summary()
    assert said(found.deviations, "1 attempt without an outcome", "slot 1")


def test_not_as_planned() -> None:
    made = Made()
    made.died("good", error="NotAsPlanned")
    assert said(made.fill().summary().deviations, "did not have what the plan asks for", "NotAsPlanned")


def test_a_slot_that_is_filled_twice_is_counted_once_and_nothing_conforms() -> None:
    made = Made()
    made.attempt("good", replicate=1)
    made.attempt("good", replicate=1)
    found = made.fill().summary()
    assert row(found).counts.counted == 5 and row(found).counts.repeated == 1
    assert found.conformity == "NOT SHOWN" and said(
        found.deviations, "More than one attempt counts", "slot 1"
    )


def test_cycles_that_are_not_of_the_plan() -> None:
    made = Made().fill()
    cycle = made.cycles[0]
    cycle.slot = cycle.slot.model_copy(update={"configuration": "smuggled"})
    found = made.summary()
    assert found.conformity == "NOT SHOWN" and said(found.deviations, "smuggled")


def test_more_cycles_than_planned() -> None:
    made = Made().fill()
    extra = made.cycles[0].model_copy(deep=True)
    extra.slot = extra.slot.model_copy(update={"number": 99})
    made.cycles.append(extra)
    found = made.summary()
    assert found.conformity == "NOT SHOWN" and said(found.deviations, "6 cycles count, but 5 were planned")


def test_another_plan_than_registered() -> None:
    made = Made().fill()
    made.entries[0].plan_sha256 = "00" * 32
    found = made.summary()
    assert found.conformity == "NOT SHOWN" and said(found.deviations, "not the one that was registered", SHA)
    del made.entries[0]
    assert said(made.summary().deviations, "registers no plan")


def test_a_plan_that_was_registered_late_or_twice() -> None:
    made = Made().fill()
    made.entries.append(made.entries.pop(0))
    found = made.summary()
    assert found.conformity == "NOT SHOWN" and said(found.deviations, "before the plan was registered")
    made = Made().fill()
    made.entries.append(made.entries[0])
    assert said(made.summary().deviations, "registers a plan twice")


def test_sessions() -> None:
    made = Made()
    made.attempt("good", adopted=True)
    made.entry(Session(pid=2, host="lab", benches=["one"]))
    made.entry(Session(pid=2, host="lab", benches=["one"], ended="interrupted"))
    made.entry(Session(pid=3, host="lab", benches=["one"]))
    found = made.fill().summary()
    assert said(found.deviations, "resumed 2 times", "1 session ended without a word")
    assert said(found.deviations, "1 outcome taken by a later session")
    assert found.conformity == "CONFORMS"


def test_a_bench_that_was_given_up() -> None:
    made = Made()
    made.entry(BenchState(bench="two", state="sick", detail="no answer"))
    made.entry(BenchState(bench="two", state="offline", detail="no\x1b[31m answer\n"))
    found = made.fill().summary()
    assert said(found.deviations, "Bench two was given up: no [31m answer.")
    assert said(found.deviations, "Bench two was found sick 1 time")
    assert next(one for one in found.benches if one.name == "two").offline


@pytest.mark.parametrize(("reason", "words"), [("failure", "stopping rule"), ("no bench", "want of a bench")])
def test_a_campaign_that_stopped(reason, words) -> None:
    made = Made()
    made.attempt("good", result="FAIL" if reason == "failure" else "PASS")
    made.entry(Stopped(reason=reason))
    found = made.summary()
    assert found.stopped == reason and said(found.deviations, words)
    made.entry(Session(pid=2, host="lab", benches=["one"]))
    assert made.fill().summary().stopped == "done"


def test_facts_that_differ_within_a_configuration() -> None:
    made = Made()
    made.attempt("good", facts={"kernel": "6.12", "card": "7", "bench_file": "x"})
    found = made.fill().summary()
    assert said(found.deviations, "kernel was not the same throughout good", "6.1, 6.12")
    assert not said(found.deviations, "card was") and not said(found.deviations, "bench_file")
    assert found.benches[0].facts["kernel"] == ["6.1", "6.12"]
    made = Made()
    made.attempt("stock", facts={"kernel": "6.12"})  # between configurations it may differ
    made.attempt("stock", facts={"kernel": "6.12"})
    assert not said(made.fill().summary().deviations, "kernel")


def test_a_test_build_and_a_virtual_bench_are_named() -> None:
    made = Made()
    made.attempt("good", facts={"provider": "virtual", "card_build": "test"})
    found = made.fill().summary()
    assert said(found.deviations, "every candidate", "test build")
    assert said(found.not_tested, "no silicon") and said(found.statement, "virtual bench")
    assert not said(Made().fill().summary().not_tested, "silicon")


def test_too_many_values_of_a_fact_stay_bounded() -> None:
    made = Made([candidate(n=60), control()])
    for number in range(60):
        made.attempt("good", facts={"card": f"card {number}"})
    found = made.fill().summary()
    assert said(found.deviations, "card was not the same", "20 or more values")

# SPDX-License-Identifier: Apache-2.0
"""The sentences of a summary: the statement of conformity, the deviations, what was not tested.

Each follows from the tally and the rows made from it. Texts from outside (a bench's error, a fact) come in without control
characters and cut to a bounded length.
"""

from vkbench.campaign.figures.conformity import percent, plural, set_aside
from vkbench.campaign.figures.statistics import clopper_pearson
from vkbench.campaign.figures.tally import VALUES_KEPT, Tally, slots
from vkbench.evidence.campaign import (
    ConfigurationSummary,
    Conformity,
    ControlSummary,
    RequirementSummary,
)

#: Facts that tell benches apart and nothing else; every other must be the same throughout a configuration.
_OF_THE_BENCH = {"bench", "bench_file"}
#: Facts that the scope names (campaign/records/facts.py).
_TESTED = {
    "card": "card's build",
    "card_build": "kind of build",
    "driver": "driver (srcversion)",
    "kernel": "kernel",
    "arch": "architecture",
    "firmware": "analyser",
}
_NAMED = 10  #: so many of a kind are named one by one
_LENGTH = 200

#: What a virtual bench cannot show, docs/virtual-bench.md.
VIRTUAL = (
    "The card was simulated from its RTL: no silicon, no board, no supply and no temperature was tested.",
    "The link was simulated: no link training, no electrical fault, no real latency or rate of a link.",
    "The server was emulated: no chipset that buffers or reorders writes, no firmware that takes part in a reset, no CPUs "
    "that race in a panic.",
    "The virtual bench's cycles are exact; its seconds follow the load of the machine that it ran on.",
)


def clean(text: str, length: int = _LENGTH) -> str:
    """A text from outside, fit for a sentence. ``length`` 0: however long it is."""
    plain = " ".join("".join(one if one.isprintable() else " " for one in text).split())
    return plain if not length or len(plain) <= length else plain[: length - 1] + "…"


# ---- statement -------------------------------------------------------------------------------------------------------


def statement(
    found: Tally,
    conformity: Conformity,
    reasons: list[str],
    configurations: list[ConfigurationSummary],
    controls: list[ControlSummary],
    defects: tuple[int, int],
) -> list[str]:
    """The front page: the conclusion, its scope, what each configuration shows, the controls, and what it does not say."""
    plan = found.plan
    title = clean(plan.title)
    conclusion = {
        "CONFORMS": f"The card CONFORMS to the plan {plan.name} ({title}), within the scope that is stated here.",
        "DOES NOT CONFORM": f"The card DOES NOT CONFORM to the plan {plan.name} ({title}).",
        "NOT SHOWN": f"That the card conforms to the plan {plan.name} ({title}) is NOT SHOWN.",
    }[conformity]
    return [
        conclusion,
        *reasons[:_NAMED],
        *([f"{len(reasons) - _NAMED} further reasons stand in the tables."] if len(reasons) > _NAMED else []),
        *_scope(found),
        *_candidates(found, configurations),
        _of_controls(controls, defects),
        *_limits(found),
    ]


def _scope(found: Tally) -> list[str]:
    registered = found.registered
    counted = sum(part.counts.counted for part in found.parts.values())
    planned = sum(part.counts.planned for part in found.parts.values())
    benches = sorted(name for name, bench in found.benches.items() if bench.cycles)
    many = "1 bench" if len(benches) == 1 else f"{len(benches)} benches"
    named = f" ({', '.join(benches)})" if benches else ""
    known = [
        f"{title} {', '.join(clean(value) for value in values)}"
        for name, title in _TESTED.items()
        if (values := _values(found, name))
    ]
    return [
        *(
            [
                f"The plan was registered at {registered.at}, before its first cycle, with the SHA-256 "
                f"{registered.plan_sha256}."
            ]
            if registered
            else []
        ),
        f"{counted} of {plural(planned, 'planned cycle')} count, made on {many}{named}.",
        *([f"Tested: {'; '.join(known)}."] if known else []),
    ]


def _values(found: Tally, name: str) -> list[str]:
    """Every value of a fact that candidates' counted cycles had."""
    held: set[str] = set()
    for part in found.parts.values():
        if part.configuration.role == "candidate":
            held |= part.facts.get(name, {}).keys()
    return sorted(held)


def _candidates(found: Tally, configurations: list[ConfigurationSummary]) -> list[str]:
    """What each candidate shows; where there are many, those without a goal of which every cycle passed in one sentence."""
    every = [one for one in configurations if one.bound is not None]
    alone, alike = every, []
    if len(every) > _NAMED:
        alike = [
            one
            for one in every
            if one.counts.counted and one.counts.passed == one.counts.counted
            if not found.parts[one.name].configuration.goal
        ]
        names = {one.name for one in alike}
        alone = [one for one in every if one.name not in names]
    said = [_shown(found, one) for one in alone[:_NAMED]]
    if len(alone) > _NAMED:
        said.append(f"{len(alone) - _NAMED} further configurations stand in the table.")
    if alike:
        numbers = sorted({one.counts.counted for one in alike})
        many = plural(numbers[0], "cycle") if len(numbers) == 1 else f"{numbers[0]} to {numbers[-1]} cycles"
        weakest = min((one.bound for one in alike if one.bound), key=lambda bound: bound.at_least)
        said.append(
            f"{plural(len(alike), 'configuration')} without a goal, {many} each: every cycle passed. At a confidence of "
            f"{percent(weakest.confidence)} so few show for each by itself that at least {percent(weakest.at_least)} pass "
            "(the weakest; the table has each)."
        )
    return said


def _shown(found: Tally, one: ConfigurationSummary) -> str:
    """What a candidate's cycles show, whether that is enough or not."""
    configuration = found.parts[one.name].configuration
    counts, bound = one.counts, one.bound
    assert bound is not None
    if not counts.counted:
        return f"{one.name}: no cycle counts; nothing is shown."
    text = (
        f"{one.name}: {counts.passed} of {plural(counts.counted, 'cycle')} passed, {counts.failed} failed, "
        f"{counts.inconclusive} INCONCLUSIVE. At a confidence of {percent(bound.confidence)} at least "
        f"{percent(bound.at_least)} of all cycles made in this way pass"
    )
    if counts.inconclusive:
        text += ", INCONCLUSIVE counted as failed"
    n, failures = set_aside(configuration, counts)
    if n < counts.counted:
        without = clopper_pearson(n, failures, bound.confidence).at_least
        text += f"; {percent(without)} with {counts.counted - n} INCONCLUSIVE left out, as the plan allows"
    goal = configuration.goal
    if goal:
        text += f" (goal: {percent(goal.reliability)} at {percent(goal.confidence)})"
    return text + "."


def _of_controls(controls: list[ControlSummary], defects: tuple[int, int]) -> str:
    caught, of = sum(one.caught for one in controls), sum(one.of for one in controls)
    text = f"Controls: the bench saw what it must see in {caught} of {plural(of, 'control cycle')}"
    return text + (
        f"; it caught {defects[0]} of {plural(defects[1], 'seeded defect')}." if defects[1] else "."
    )


def _limits(found: Tally) -> list[str]:
    """What the statement does not say."""
    candidates = [part for part in found.parts.values() if part.configuration.role == "candidate"]
    said = [
        "Each pass rate is of its configuration alone and of cycles made as these were: with this card, these servers and "
        "these benches. It says nothing of another card, kernel or server, and is no bound on a single cycle.",
    ]
    if len(candidates) > 1:
        said.append(
            "Nothing is pooled over configurations. Each confidence holds for one configuration, not for all of them at once."
        )
    if _virtual(found):
        said.append(
            "Cycles were made on a virtual bench: they show that the card's logic is right, and not a board."
        )
    return said


def _virtual(found: Tally) -> bool:
    return any("virtual" in part.facts.get("provider", {}) for part in found.parts.values())


# ---- not tested ------------------------------------------------------------------------------------------------------


def not_tested(found: Tally, requirements: list[RequirementSummary]) -> list[str]:
    """The plan's sentences, and those that follow from what was not made."""
    said = [clean(sentence, length=0) for sentence in found.plan.not_tested]
    undone = {
        name: f"{name} ({clean(part.configuration.title)})"
        for name, part in found.parts.items()
        if not part.counts.counted
    }
    said += _each(undone, "no cycle of it counts", "configurations of which no cycle counts")
    texts = {one.id: one for one in found.plan.requirements}
    untested = {
        one.id: f"{one.id} ({clean(texts[one.id].text)})"
        for one in requirements
        if one.state == "NOT TESTED" and texts[one.id].rules
    }
    said += _each(untested, "no cycle tests it", "requirements that no cycle tests")
    # A plan that was read from a file says itself which requirements no cycle can show.
    elsewhere = [one.id for one in found.plan.requirements if not one.rules]
    if elsewhere and not found.plan.not_tested:
        said.append(
            f"{plural(len(elsewhere), 'requirement')} without a rule of the verdict: {', '.join(elsewhere)}."
        )
    return said + (list(VIRTUAL) if _virtual(found) else [])


def _each(named: dict[str, str], what: str, of_many: str) -> list[str]:
    """A sentence for each, or one for all where they are many."""
    if len(named) <= _NAMED:
        return [f"{text}: {what}." for text in named.values()]
    return [f"{len(named)} {of_many}: {', '.join(named)}."]


# ---- deviations ------------------------------------------------------------------------------------------------------


def deviations(found: Tally, configurations: list[ConfigurationSummary]) -> list[str]:
    """What went otherwise than planned, and whatever a reader must know before the numbers are believed."""
    return [
        *found.wrong,
        *_not_complete(found),
        *_without_result(found),
        *_attempts(found),
        *_benches(found),
        *_sessions(found),
        *_conditions(found),
        *_tests(configurations),
    ]


def _not_complete(found: Tally) -> list[str]:
    missing = [
        f"{name} ({part.counts.counted} of {part.counts.planned} made)"
        for name, part in found.parts.items()
        if part.counts.counted < part.counts.planned
    ]
    said = [f"Planned cycles are missing: {', '.join(missing)}."] if missing else []
    stopped = found.stopped
    if stopped is not None and stopped.reason != "done":
        why = {"failure": "by its stopping rule, after a failure", "no bench": "for want of a bench"}
        detail = f": {clean(stopped.detail)}" if stopped.detail else ""
        said.append(f"The campaign was stopped {why[stopped.reason]}{detail}.")
    elif said:
        said.append("The campaign was not worked to its end.")
    return said


def _without_result(found: Tally) -> list[str]:
    said = []
    for name, part in found.parts.items():
        if part.inconclusive:
            said.append(
                f"{name}: {len(part.inconclusive)} of {plural(part.counts.counted, 'cycle')} INCONCLUSIVE "
                f"({slots(part.inconclusive)})."
            )
        allowed = part.configuration.allowed_failures
        if part.configuration.role == "candidate" and 0 < part.counts.failed <= allowed:
            said.append(f"{name}: {part.counts.failed} failed, {allowed} may ({slots(part.failed)}).")
    return said


def _attempts(found: Tally) -> list[str]:
    said = []
    for (fault, error), number in sorted(found.errors.items()):
        whose = f"by the {fault}'s fault" if fault != "unknown" else "by nobody's named fault"
        where = slots(found.died_slots[fault, error])
        what = "did not have what the plan asks for" if error == "NotAsPlanned" else "died"
        said.append(f"{plural(number, 'attempt')} {what}, {whose}: {clean(error)} ({where}).")
    if found.repeated:
        said.append(
            f"{plural(len(found.repeated), 'attempt')} did not count and {'was' if len(found.repeated) == 1 else 'were'} "
            f"to be repeated ({slots(found.repeated)}); all are kept."
        )
    if found.open:
        said.append(
            f"{plural(len(found.open), 'attempt')} without an outcome ({slots(slot for slot, _ in found.open)})."
        )
    if found.adopted:
        said.append(
            f"{plural(found.adopted, 'outcome')} taken by a later session from evidence that an earlier one had sealed."
        )
    return said


def _benches(found: Tally) -> list[str]:
    said = []
    for name in sorted(found.benches):
        bench = found.benches[name]
        for why in bench.given_up[:_NAMED]:
            said.append(f"Bench {name} was given up: {clean(why)}.")
        if bench.sick:
            said.append(f"Bench {name} was found sick {plural(bench.sick, 'time')} between cycles.")
    return said


def _sessions(found: Tally) -> list[str]:
    if found.sessions <= 1:
        return []
    text = f"The campaign was resumed {plural(found.sessions - 1, 'time')}"
    if found.broken_off:
        return [
            f"{text}; {plural(found.broken_off, 'session')} ended without a word (killed, or power was lost)."
        ]
    return [text + "."]


def _conditions(found: Tally) -> list[str]:
    """Facts that differ within a configuration, and candidates on a card that could have defects."""
    differing: dict[tuple[str, tuple[str, ...]], list[str]] = {}
    on_test_build = []
    for name, part in found.parts.items():
        for fact, values in sorted(part.facts.items()):
            if len(values) > 1 and fact not in _OF_THE_BENCH:
                differing.setdefault((fact, tuple(sorted(values))), []).append(name)
        if part.configuration.role == "candidate" and "test" in part.facts.get("card_build", {}):
            on_test_build.append(name)
    said = []
    for (fact, values), names in sorted(differing.items()):
        shown = ", ".join(clean(value) for value in values[:VALUES_KEPT])
        more = " or more" if len(values) >= VALUES_KEPT else ""
        said.append(
            f"{clean(fact)} was not the same throughout {', '.join(names)}: {len(values)}{more} values, {shown}."
        )
    if on_test_build:
        candidates = [one for one in found.plan.configurations if one.role == "candidate"]
        whose = "every candidate" if len(on_test_build) == len(candidates) else ", ".join(on_test_build)
        said.append(
            f"The card of {whose} was a test build, which can be told to misbehave; a release build cannot."
        )
    return said


def _tests(configurations: list[ConfigurationSummary]) -> list[str]:
    """Drift and differing benches, where they are shown; one sentence for each measure."""
    said = [
        f"{one.name}: {one.agreement.sentence}"
        for one in configurations
        if one.agreement and one.agreement.shown
    ]
    drifts: dict[str, list[str]] = {}
    differing: dict[str, list[str]] = {}
    for one in configurations:
        for distribution in one.distributions:
            drift, agreement = distribution.drift, distribution.agreement
            if drift and drift.shown:
                way = "rises" if drift.statistic > 0 else "falls"
                slope = f"{abs(drift.slope):.2g} {distribution.unit}".strip()
                drifts.setdefault(distribution.title, []).append(f"{one.name} ({way} by {slope} a cycle)")
            if agreement and agreement.shown:
                differing.setdefault(distribution.title, []).append(f"{one.name} ({agreement.bench} most)")
    said += [f"{title}: drifts in run order in {_some(where)}." for title, where in drifts.items()]
    return said + [f"{title}: benches differ in {_some(where)}." for title, where in differing.items()]


def _some(texts: list[str]) -> str:
    rest = len(texts) - _NAMED
    return ", ".join(texts[:_NAMED]) + (f" and {rest} more" if rest > 0 else "")

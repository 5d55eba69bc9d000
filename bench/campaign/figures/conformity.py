# SPDX-License-Identifier: Apache-2.0
"""What a tally shows: per configuration, per requirement, per control, and of the campaign. docs/statistics.md has the rules.

An INCONCLUSIVE cycle shows nothing: wherever something is to be shown it counts as failed. A candidate's bad cycles never
become fewer by it, and never a campaign's FAIL.
"""

from dataclasses import dataclass

from vkbench.campaign.figures import statistics
from vkbench.campaign.figures.distributions import agreement_of_counts, of_part, rounded
from vkbench.campaign.figures.tally import Part, Tally, slots
from vkbench.evidence.campaign import (
    Bound,
    Configuration,
    ConfigurationSummary,
    Conformity,
    ControlSummary,
    Counts,
    Plan,
    Requirement,
    RequirementSummary,
    SuccessRun,
)


def percent(share: float) -> str:
    """A share that may be claimed: rounded down, so that no text says more than the number."""
    text = f"{int(share * 10000 + 1e-6) / 100:.2f}".rstrip("0").rstrip(".")
    return f"{text} %"


def plural(number: int, what: str) -> str:
    """ "1 cycle", "2 cycles"."""
    return f"{number} {what}{'' if number == 1 else 's'}"


# ---- configurations --------------------------------------------------------------------------------------------------


def of_configuration(part: Part, names: list[str], plan: Plan) -> ConfigurationSummary:
    """One row of the table, without its tests decided (distributions.decide)."""
    configuration, counts = part.configuration, part.counts
    candidate = configuration.role == "candidate"
    conformity, reason = _candidate(part, plan) if candidate else _control(part)
    confidence = _confidence(configuration, plan)
    bad = counts.failed + counts.inconclusive
    return ConfigurationSummary(
        name=configuration.name,
        counts=counts,
        by_bench=dict(sorted(part.by_bench.items())),
        bound=_bound(counts.counted, bad, confidence) if candidate else None,
        decided=_bound(counts.passed + counts.failed, counts.failed, confidence) if candidate else None,
        success_run=_success_run(configuration, counts, confidence) if candidate else None,
        distributions=of_part(part, names, plan),
        agreement=agreement_of_counts(part),
        conformity=conformity,
        reason=reason,
    )


def _confidence(configuration: Configuration, plan: Plan) -> float:
    return configuration.goal.confidence if configuration.goal else plan.confidence


def _bound(n: int, failures: int, confidence: float) -> Bound:
    found = statistics.clopper_pearson(n, failures, confidence)
    return Bound(
        n=n,
        failures=failures,
        confidence=confidence,
        estimate=rounded((n - failures) / n) if n else None,
        at_least=rounded(found.at_least),
        low=rounded(found.low),
        high=rounded(found.high),
    )


def _success_run(configuration: Configuration, counts: Counts, confidence: float) -> SuccessRun:
    n, goal = counts.counted, configuration.goal
    whole = counts.passed == n
    return SuccessRun(
        n=n,
        confidence=confidence,
        reliability=rounded(statistics.success_run(n, confidence)) if whole else None,
        needed=statistics.needed_cycles(goal.reliability, goal.confidence, configuration.allowed_failures)
        if goal
        else None,
    )


def set_aside(configuration: Configuration, counts: Counts) -> tuple[int, int]:
    """(n, failures) that conformity rests on: INCONCLUSIVE counted as failed, but for those that the plan allows. Those are
    left out altogether: they are no pass either.
    """
    allowed = min(counts.inconclusive, configuration.allowed_inconclusive)
    return counts.counted - allowed, counts.failed + counts.inconclusive - allowed


def _candidate(part: Part, plan: Plan) -> tuple[Conformity, str]:
    configuration, counts = part.configuration, part.counts
    allowed = configuration.allowed_failures
    if counts.failed > allowed:
        return (
            "DOES NOT CONFORM",
            f"{counts.failed} of {plural(counts.counted, 'cycle')} failed ({slots(part.failed)}); {allowed} may.",
        )
    n, failures = set_aside(configuration, counts)
    aside = counts.counted - n
    missing, goal = [], configuration.goal
    if counts.counted < counts.planned:
        missing.append(f"{counts.counted} of {plural(counts.planned, 'planned cycle')} made")
    if failures > allowed:
        beyond = counts.inconclusive - aside
        missing.append(f"{beyond} INCONCLUSIVE, which shows nothing and counts as failed; {allowed} may fail")
    if goal and not statistics.shows(n, failures, goal.reliability, goal.confidence):
        shown = percent(statistics.clopper_pearson(n, failures, goal.confidence).at_least)
        missing.append(
            f"a pass rate of at least {shown} is shown, the goal is {percent(goal.reliability)} "
            f"(confidence {percent(goal.confidence)})"
        )
    if counts.passed == 0:
        missing.append("no cycle passed")
    if counts.as_expected < counts.passed:
        missing.append(f"{counts.passed - counts.as_expected} passed that should not have")
    if missing:
        return "NOT SHOWN", _sentence(missing)
    confidence = _confidence(configuration, plan)
    shown = percent(statistics.clopper_pearson(n, failures, confidence).at_least)
    others = {
        "failed": counts.failed,
        "INCONCLUSIVE counted as failed": counts.inconclusive - aside,
        "INCONCLUSIVE left out": aside,
    }
    named = [f"{number} {what}" for what, number in others.items() if number]
    how = f" ({', '.join(named)}, as the plan allows)" if named else ""
    return (
        "CONFORMS",
        f"{counts.passed} of {plural(counts.counted, 'cycle')} passed{how}: at least {shown} of all such cycles pass "
        f"(confidence {percent(confidence)}).",
    )


def _control(part: Part) -> tuple[Conformity, str]:
    counts = part.counts
    text = f"caught in {counts.as_expected} of {plural(counts.counted, 'cycle')}"
    missing = []
    if counts.counted < counts.planned:
        missing.append(f"{counts.counted} of {plural(counts.planned, 'planned cycle')} made")
    if part.missed:
        missing.append(f"missed in {slots(part.missed)}")
    if missing or not counts.counted:
        return "NOT SHOWN", _sentence([text, *missing])
    return "CONFORMS", _sentence([text])


def _sentence(parts: list[str]) -> str:
    text = "; ".join(parts)
    return text[0].upper() + text[1:] + "."


# ---- controls --------------------------------------------------------------------------------------------------------


def controls(found: Tally) -> list[ControlSummary]:
    """One for each control, in the plan's order. ``of``: its counted cycles; one without a result is missed."""
    return [
        ControlSummary(
            name=part.configuration.name,
            defect=part.configuration.defect,
            caught=part.counts.as_expected,
            of=part.counts.counted,
            missed=sorted(part.missed),
        )
        for part in found.parts.values()
        if part.configuration.role == "control"
    ]


def defects(every: list[ControlSummary]) -> tuple[int, int]:
    """(caught, all) seeded defects. Caught: in each cycle of each of its controls, of which there was one at least."""
    names = {control.defect for control in every if control.defect}
    caught = [
        name
        for name in names
        if all(control.of and control.caught == control.of for control in every if control.defect == name)
    ]
    return len(caught), len(names)


# ---- requirements ----------------------------------------------------------------------------------------------------


@dataclass
class _Seen:
    """A requirement's rules in a candidate's counted cycles."""

    cycles: int = 0  #: with at least one of its rules
    failed: int = 0
    open: int = 0  #: none failed, but one is INCONCLUSIVE


def requirement(found: Tally, wanted: Requirement) -> RequirementSummary:
    """One row of the matrix. PASS: each of its rules passed in some cycle, no more cycles failed or stayed open than their
    configuration allows, and every configuration that names it has been run to its end.
    """
    rules, passed, failing = set(wanted.rules), set(), []
    cycles: dict[str, int] = {}
    caught_in, wrong, doubts = [], [], []
    for name, part in found.parts.items():
        if part.configuration.role == "control":
            must = set(part.configuration.caught_by)
            if part.counts.as_expected and _failed_in(part, rules & must if must else rules):
                caught_in.append(name)
            continue
        seen = _Seen()
        for pattern, numbers in part.patterns.items():
            mine = {rule: result for rule, result in pattern if rule in rules}
            if not mine:
                continue
            seen.cycles += len(numbers)
            results = set(mine.values())
            if "FAIL" in results:
                seen.failed += len(numbers)
                failing += numbers
            elif "INCONCLUSIVE" in results:
                seen.open += len(numbers)
            passed |= {rule for rule, result in mine.items() if result == "PASS"}
        if seen.cycles:
            cycles[name] = seen.cycles
        named = wanted.id in part.configuration.requirements
        _weigh(part, seen, named and bool(rules), wrong, doubts)
    lacking = sorted(rules - passed)
    if rules and cycles and lacking and not wrong:
        doubts.insert(0, f"{', '.join(lacking)} passed in no cycle")
    state, reason = _state(wanted, bool(cycles), wrong, doubts)
    return RequirementSummary(
        id=wanted.id,
        state=state,
        cycles=cycles,
        failing=sorted(failing),
        caught_in=caught_in,
        reason=reason,
    )


def _failed_in(part: Part, rules: set[str]) -> bool:
    return any(rule in rules and result == "FAIL" for pattern in part.patterns for rule, result in pattern)


def _weigh(part: Part, seen: _Seen, named: bool, wrong: list[str], doubts: list[str]) -> None:
    """What a candidate configuration says against a requirement: for certain, or perhaps."""
    configuration, counts = part.configuration, part.counts
    name = configuration.name
    if seen.failed > configuration.allowed_failures:
        wrong.append(f"{name}: failed in {seen.failed} of {plural(seen.cycles, 'cycle')}")
        return
    # A cycle that died has no rules; of a configuration that names the requirement it is one that did not show it.
    silent = counts.counted - seen.cycles if named else 0
    open_ = seen.open + silent
    allowed = min(open_, configuration.allowed_inconclusive)
    if seen.failed + open_ - allowed > configuration.allowed_failures:
        doubts.append(f"{name}: not shown in {open_} of {plural(counts.counted, 'cycle')}")
    if named and counts.counted < counts.planned:
        doubts.append(f"{name}: {counts.counted} of {plural(counts.planned, 'planned cycle')} made")


def _state(wanted: Requirement, tested: bool, wrong: list[str], doubts: list[str]) -> tuple[str, str]:
    if not wanted.rules:
        elsewhere = f"; shown by {', '.join(wanted.points)}" if wanted.points else ""
        return "NOT TESTED", f"No rule of a verdict speaks of it{elsewhere}."
    if wrong:
        return "FAIL", "; ".join(wrong) + "."
    if not tested:
        return "NOT TESTED", "No cycle that counts has its rules."
    return ("INCONCLUSIVE", "; ".join(doubts) + ".") if doubts else ("PASS", "")


# ---- the campaign ----------------------------------------------------------------------------------------------------


def overall(
    found: Tally, configurations: list[ConfigurationSummary], requirements: list[RequirementSummary]
) -> tuple[Conformity, list[str]]:
    """The campaign's conformity, and why it is not CONFORMS: sentences."""
    roles = {one.name: one.role for one in found.plan.configurations}
    candidates = [one for one in configurations if roles[one.name] == "candidate"]
    others = [one for one in configurations if roles[one.name] == "control"]
    bad = [one for one in candidates if one.conformity == "DOES NOT CONFORM"]
    if bad:
        return "DOES NOT CONFORM", [f"{one.name}: {one.reason}" for one in bad]
    reasons = list(found.wrong)
    reasons += [f"{one.name}: {one.reason}" for one in candidates if one.conformity != "CONFORMS"]
    if not candidates:
        reasons.append("The plan has no candidate, so nothing could be shown.")
    if not others:
        reasons.append("The plan has no control: that the bench sees a bad card was not shown.")
    reasons += [f"Control {one.name}: {one.reason}" for one in others if one.conformity != "CONFORMS"]
    judged = {one.id for one in found.plan.requirements if one.rules}
    reasons += [
        f"Requirement {one.id} is {one.state}: {one.reason}"
        for one in requirements
        if one.id in judged and one.state != "PASS"
    ]
    return ("NOT SHOWN", reasons) if reasons else ("CONFORMS", [])

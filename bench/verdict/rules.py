# SPDX-License-Identifier: Apache-2.0
"""The rules. Each takes the facts of a run and returns PASS, FAIL or INCONCLUSIVE with numbers and a
sentence.

What holds for all (docs/rules.md): FAIL needs an event that certainly breaks the requirement; PASS needs
certainty that none did; a larger uncertainty can only turn PASS into INCONCLUSIVE. Loss forbids PASS, it
does not undo a FAIL.
"""

from vkbench.verdict import limits
from vkbench.verdict.catalogue import HALT_ID, JUMP_ID, RULES
from vkbench.verdict.facts import Facts
from vkbench.verdict.model import EventRef, Result, RuleResult
from vkbench.verdict.wording import events, request, seconds, sentence


def no_request_after_jump(facts: Facts) -> RuleResult:
    """VKB-JUMP-001. PASS: value = lower bound of the margin in seconds. FAIL: value = requests after the
    jump.
    """

    def result(verdict: Result, reason: str, **numbers: object) -> RuleResult:
        return RuleResult(
            id=JUMP_ID,
            title=RULES[JUMP_ID].title,
            requirement=RULES[JUMP_ID].requirement,
            result=verdict,
            reason=reason,
            **numbers,
        )

    if facts.blockers:
        return result("INCONCLUSIVE", sentence(facts.blockers))
    assert facts.capture and facts.bound and facts.jump  # no blockers: there is a capture and a proved jump
    jump, hz, starts = facts.jump, facts.capture.clock_hz, facts.scan.starts
    last = starts.last()
    after = starts.certain_after(jump.latest)
    within = starts.possible_from(jump.earliest) - after
    if last and jump.certainly_after(last.timestamp):
        span = (last.timestamp - jump.latest) / hz
        used = events(facts, "jump", "first_dma_after_jump", "last_dma_after_jump", "config_after_jump")
        first = starts.first(jump.latest)
        if "first_dma_after_jump" not in facts.timeline.events and first:
            used.append(request(first))
        return result(
            "FAIL",
            f"The card started {after} requests after the jump; the last one {seconds(span)} after it.",
            value=after,
            limit=limits.REQUESTS_AFTER_JUMP.value,
            uncertainty=within,
            unit=limits.REQUESTS_AFTER_JUMP.unit,
            events=used,
        )
    latest = facts.latest_by_statistics()
    if latest is not None and jump.certainly_after(latest):
        if not facts.statistics_went_on:
            return result("INCONCLUSIVE", sentence(facts.statistics_problems))
        span = (latest - jump.latest) / hz
        return result(
            "FAIL",
            f"The analyser's statistics count a request {seconds(span)} after the jump, "
            "which the records do not hold.",
            value=1,
            limit=limits.REQUESTS_AFTER_JUMP.value,
            uncertainty=within,
            unit=limits.REQUESTS_AFTER_JUMP.unit,
            events=events(facts, "jump", "config_after_jump"),
        )
    doubts = list(facts.gaps)
    if within:
        doubts.insert(
            0,
            f"{within} requests started so near to the jump that their order is not certain "
            f"(U = {facts.bound.cycles} cycles)",
        )
    used = events(facts, "last_dma_write", "jump", "config_after_jump", "crash_ready")
    if doubts or last is None:
        return result("INCONCLUSIVE", sentence(doubts or ["no request is in the capture"]), events=used)
    margin = (jump.earliest - last.timestamp) / (hz * (1 + facts.record.uncertainty.clock_ppm * 1e-6))
    return result(
        "PASS",
        f"The last request started at least {seconds(margin)} before the jump; "
        "none was seen until the crash kernel was ready.",
        value=margin,
        limit=0,
        uncertainty=facts.bound.seconds,
        unit="s",
        events=used if "last_dma_write" in facts.timeline.events else [*used, request(last)],
    )


def halt_latency(facts: Facts) -> RuleResult:
    """VKB-HALT-001. Value: cycles from the halting doorbell to the last start of a request, 0 when none
    followed.
    """
    limit, uncertainty = int(limits.HALT_LATENCY.value), int(limits.HALT_UNCERTAINTY.value)

    def result(verdict: Result, reason: str, value: float | None = None) -> RuleResult:
        return RuleResult(
            id=HALT_ID,
            title=RULES[HALT_ID].title,
            requirement=RULES[HALT_ID].requirement,
            result=verdict,
            value=value,
            limit=limit,
            uncertainty=uncertainty,
            unit=limits.HALT_LATENCY.unit,
            reason=reason,
            events=events(facts, "panic_text", "doorbell", "gate_closed") + last,
        )

    last: list[EventRef] = []
    if facts.blockers:
        return result("INCONCLUSIVE", sentence(facts.blockers))
    doorbell = facts.timeline.get("doorbell")
    if doorbell is None:
        return result(
            "INCONCLUSIVE",
            "Not halted: no halting write reached the card between the panic text and the jump.",
        )
    starts, bell = facts.scan.starts, doorbell.timestamp
    final = starts.last()
    latency = 0
    if final and final.timestamp > bell:
        latency = final.timestamp - bell
        last = [request(final)]
    if latency - uncertainty > limit:
        late = starts.certain_after(bell + limit + uncertainty)
        # Of a run of folded requests that spans the limit, only the last is known to be late.
        least = "At least " if late < starts.possible_from(bell + limit + uncertainty + 1) else ""
        return result(
            "FAIL",
            f"{least}{late} requests started too late; the last one {latency} cycles after the doorbell.",
            latency,
        )
    latest = facts.latest_by_statistics()
    if latest is not None and latest - bell - uncertainty > limit and facts.statistics_went_on:
        latency = latest - bell
        return result(
            "FAIL", f"The analyser's statistics count a request {latency} cycles after the doorbell.", latency
        )
    if facts.gaps:
        return result("INCONCLUSIVE", sentence(facts.gaps), latency)
    if latency + uncertainty > limit:
        return result("INCONCLUSIVE", f"{latency} cycles are too near to the limit to be certain.", latency)
    if latency:
        return result("PASS", f"The last request started {latency} cycles after the doorbell.", latency)
    earlier = starts.last(bell)
    before = f"; the last one {bell - earlier.timestamp} cycles before it" if earlier else ""
    return result("PASS", f"No request started after the doorbell{before}.", latency)

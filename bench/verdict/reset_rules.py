# SPDX-License-Identifier: Apache-2.0
"""The rules of a reset run. They read run.json, reset.json and the capture, and nothing else (docs/resets.md).

What holds for all is what holds for the others (rules.py): FAIL needs something that certainly breaks the requirement,
PASS certainty that nothing did, and a reset that did not happen proves nothing about the card.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from vkbench.capture import reset_timeline as rt
from vkbench.capture.layout import Kind
from vkbench.capture.pairs import Exchange, Outcome, exchanges
from vkbench.evidence.reset import CardState, Transfer
from vkbench.verdict import limits, reset_values
from vkbench.verdict.catalogue import RULES
from vkbench.verdict.facts import Facts
from vkbench.verdict.limits import Limit
from vkbench.verdict.model import Result, RuleResult
from vkbench.verdict.reset_evidence import ResetEvidence
from vkbench.verdict.wording import request, seconds, sentence

#: A request that is abandoned is owed its completion no longer than this; then its tag may be used again.
COMPLETION_TIMEOUT = Limit(0.05, "s", "PCI Express Base Specification 2.8: the default range ends at 50 ms")
READ_OUTSTANDING = 1 << 10  # STATUS of the lab bus, rtl/regs/vk_lab.rdl
_NAMED = 4  # so many differences are named in a sentence


@dataclass(frozen=True)
class _Rule:
    """What is the same in all results of a rule."""

    id: str
    unit: str = ""
    limit: float | None = None

    def __call__(self, result: Result, reason: str, value: float | None = None, **more: Any) -> RuleResult:
        values = {"limit": self.limit if value is not None else None, "unit": self.unit, **more}
        if value is not None:
            values.setdefault("uncertainty", 0)
        words = RULES[self.id]
        return RuleResult(
            id=words.id,
            title=words.title,
            requirement=words.requirement,
            result=result,
            reason=reason,
            value=value,
            **values,
        )


def _happened(e: ResetEvidence) -> RuleResult:
    rule = _Rule("VKB-RESET-001")
    if e.blind:
        return rule("INCONCLUSIVE", sentence(e.blind))
    found = e.found
    used = e.refs(*found.shown, found.ready)
    if found.missing:
        return rule("INCONCLUSIVE", f"The capture does not show {rt.NAMES[found.missing[0]]}.", events=used)
    assert found.reset and e.facts.capture
    if found.ready is None:
        if holes := e.holes():
            return rule(
                "INCONCLUSIVE", sentence(["the card was not seen to become ready", *holes]), events=used
            )
        return rule("FAIL", "The card was told to reset and did not become ready again.", events=used)
    span = seconds((found.ready.timestamp - found.reset.timestamp) / e.facts.capture.clock_hz)
    return rule("PASS", f"Seen on the link; the card was ready {span} after it.", events=used)


def _silent(e: ResetEvidence) -> RuleResult:
    limit = int(limits.HALT_LATENCY.value)
    rule = _Rule("VKB-RESET-002", limits.HALT_LATENCY.unit, limit)
    if e.not_reset and not (e.found.reset and not e.blind):
        return rule("INCONCLUSIVE", sentence(e.not_reset))
    facts, found, scan = e.facts, e.found, e.facts.scan
    assert found.halt and facts.capture
    begin = found.halt.timestamp
    until = found.spoken.timestamp if found.spoken else scan.end + 1
    last = scan.requests.last(until - 1)
    latency = last.timestamp - begin if last and last.timestamp > begin else 0
    used = [*e.key_events, *([request(last)] if last and latency else [])]
    if latency > limit:
        late = scan.requests.certain_after(begin + limit) - scan.requests.possible_from(until)
        reason = f"{max(late, 1)} requests started too late; the last one {latency} cycles after the reset."
        return rule("FAIL", reason, latency, events=used)
    if (stale := _into_old_buffer(e, begin + limit)) is not None:
        reason = f"The card wrote into its old buffer {stale.timestamp - begin} cycles after the reset."
        return rule("FAIL", reason, stale.timestamp - begin, events=[*e.key_events, request(stale)])
    doubts = [*e.not_reset, *e.holes(RQ=(begin, until)), *e.untested]
    if found.spoken is None:
        doubts.append("the capture ends before the card's host gave it work again")
    if doubts:
        return rule("INCONCLUSIVE", sentence(doubts), latency, events=used)
    before = scan.requests.last(begin)
    since = f"; the last one before it came {begin - before.timestamp} cycles earlier" if before else ""
    span = seconds((until - begin) / facts.capture.clock_hz)
    way = _under_way(e)
    return rule("PASS", f"No request started too late, for {span}{since}. {way}", latency, events=used)


def _under_way(e: ResetEvidence) -> str:
    """What the halt interrupted, for the reader."""
    assert e.found.halt
    levels = rt.levels_at(e.facts.scan, e.found.halt.timestamp)
    names = {"dma_read": "to the card", "dma_write": "to the host"}
    ways = [text for name, text in names.items() if levels.get(name)]
    return (
        f"A transfer {' and one '.join(ways)} was under way."
        if ways
        else "Between two transfers of messages."
    )


def _into_old_buffer(e: ResetEvidence, after: int) -> Any:
    """The last write into the buffer from before, later than a time and before a new announcement; None: there is none."""
    target = e.facts.target
    if target is None:
        return None
    announced = e.found.announced
    last = target.writes.last(announced.timestamp - 1 if announced else None)
    return last if last and last.timestamp > after else None


def _no_interrupt(e: ResetEvidence) -> RuleResult:
    rule = _Rule("VKB-RESET-003", "interrupts", 0)
    if e.blind or e.found.halt is None:
        return rule("INCONCLUSIVE", sentence(e.not_reset))
    found, series = e.found, e.facts.scan.interrupts
    assert found.halt
    begin = found.halt.timestamp + int(limits.HALT_LATENCY.value)
    until = found.spoken.timestamp if found.spoken else e.facts.scan.end + 1
    sent = series.certain_after(begin) - series.possible_from(until)
    if sent > 0:
        first = series.first(begin)
        used = [*e.key_events, *([request(first)] if first else [])]
        return rule("FAIL", f"The card sent {sent} interrupts after it had been halted.", sent, events=used)
    doubts = [*e.not_reset, *e.holes(MSIX=(begin, until))]
    if found.spoken is None:
        doubts.append("the capture ends before the card's host gave it work again")
    if doubts:
        return rule("INCONCLUSIVE", sentence(doubts), sent, events=e.key_events)
    return rule("PASS", "None was sent.", sent, events=e.key_events)


def _configuration(e: ResetEvidence) -> RuleResult:
    rule = _Rule("VKB-RESET-004", "dwords", 0)
    if e.unusable:
        return rule("INCONCLUSIVE", sentence(e.unusable))
    record = e.record
    if record.before is None or record.again is None:
        return rule("INCONCLUSIVE", "Configuration space was not read both before and after.")
    moments = [("with the driver bound again", record.again)]
    if record.expect.config_restored and record.after is not None:
        moments.insert(0, ("right after the reset", record.after))
    for when, state in moments:
        different = list(_differences(record.before, state))
        if different:
            named = "; ".join(different[:_NAMED]) + ("; …" if len(different) > _NAMED else "")
            return rule("FAIL", f"Different {when}: {named}.", len(different))
    if e.not_reset:
        return rule("INCONCLUSIVE", sentence(e.not_reset), 0)
    size = min(record.before.config_bytes, record.again.config_bytes)
    return rule("PASS", f"All {size} bytes and {len(record.again.bars)} BARs are as before.", 0)


def _differences(before: CardState, after: CardState) -> Iterator[str]:
    for at in sorted(before.config.keys() | after.config.keys()):
        mask = 0xFFFF_FFFF & ~reset_values.VOLATILE_CONFIG.get(at, 0)
        was, now = before.config.get(at, 0), after.config.get(at, 0)
        if (was ^ now) & mask:
            yield f"0x{at:03x} was 0x{was:08x}, is 0x{now:08x}"
    places = [{bar.bar: (bar.start, bar.end, bar.flags) for bar in state.bars} for state in (before, after)]
    for bar in sorted(places[0].keys() | places[1].keys()):
        if places[0].get(bar) != places[1].get(bar):
            was_at, now_at = (f"0x{place[bar][0]:x}" if bar in place else "missing" for place in places)
            yield f"BAR {bar} was {was_at}, is {now_at}"


def _registers(e: ResetEvidence) -> RuleResult:
    rule = _Rule("VKB-RESET-005", "registers", 0)
    doubts = _state_doubts(e)
    if doubts:
        return rule("INCONCLUSIVE", sentence(doubts))
    state = e.record.after
    assert state
    wanted = reset_values.expected_registers(e.record.expect.reason)
    missing = [name for (bar, at), (name, _) in wanted.items() if at not in state.registers.get(bar, {})]
    late = _written_late(e)
    held = {
        place: state.registers.get(place[0], {}).get(place[1], value) for place, (_, value) in wanted.items()
    }
    differs = [place for place, (_, value) in wanted.items() if held[place] != value]
    excused = [place for place in differs if held[place] in late.get(place, ())]
    wrong = [
        f"{wanted[place][0]} is 0x{held[place]:x}, not 0x{wanted[place][1]:x}"
        for place in differs
        if place not in excused
    ]
    if wrong:
        named = "; ".join(wrong[:_NAMED]) + ("; …" if len(wrong) > _NAMED else "")
        return rule("FAIL", sentence([named]), len(wrong))
    if missing or e.not_reset:
        return rule("INCONCLUSIVE", sentence([*(f"{name} was not read" for name in missing), *e.not_reset]))
    if excused:
        names = ", ".join(wanted[place][0] for place in excused)
        return rule(
            "PASS", f"All {len(wanted)} are, but for what the host wrote after the reset: {names}.", 0
        )
    return rule("PASS", f"All {len(wanted)} are.", 0)


def _written_late(e: ResetEvidence) -> dict[tuple[int, int], set[int]]:
    """What the host wrote into registers of WRITTEN_LATE between the reset and their reading, by (BAR, offset)."""
    if e.blind or e.found.reset is None:
        return {}
    scan = e.facts.scan
    until = rt.mark_time(scan, reset_values.STATE_READ_MARK)
    if until is None:
        return {}
    places = {reset_values.PLACES[name] for name in reset_values.WRITTEN_LATE}
    found: dict[tuple[int, int], set[int]] = {}
    for bar in {bar for bar, _ in places}:
        size = reset_values.BAR_BYTES[bar]
        for _, offset, value in rt.host_writes(scan, bar, size, e.found.reset.timestamp, until):
            if (bar, offset) in places:
                found.setdefault((bar, offset), set()).add(value)
    return found


def _queues(e: ResetEvidence) -> RuleResult:
    rule = _Rule("VKB-RESET-006", "indices", 0)
    doubts = _state_doubts(e)
    if doubts:
        return rule("INCONCLUSIVE", sentence(doubts))
    assert e.record.after
    held = e.record.after.registers.get(reset_values.QUEUE_BAR, {})
    indices = reset_values.indices()
    wrong = [f"{name} is {held[at]}" for at, name in indices.items() if held.get(at)]
    if wrong:
        named = "; ".join(wrong[:_NAMED]) + ("; …" if len(wrong) > _NAMED else "")
        if early := _spoken_too_early(e):
            return rule("INCONCLUSIVE", sentence([early, named]), len(wrong), events=e.key_events)
        return rule("FAIL", sentence([named]), len(wrong))
    if any(at not in held for at in indices) or e.not_reset:
        reasons = [] if all(at in held for at in indices) else ["not every index was read"]
        return rule("INCONCLUSIVE", sentence([*reasons, *e.not_reset]))
    return rule("PASS", f"All {len(indices)} indices of {len(indices) // 2} queues are 0.", 0)


def _spoken_too_early(e: ResetEvidence) -> str:
    """A message that a program still sends after the reset, before its driver lets go of the card, is the host's doing."""
    found = e.found
    if e.blind or found.spoken is None:
        return ""
    let_go = [event for event in found.shown if event.name == "BME_CLEARED"]
    if found.missing or any(event.timestamp > found.spoken.timestamp for event in let_go):
        return f"its host had work for the card ({found.spoken.text}) before it let go of it"
    return ""


def _state_doubts(e: ResetEvidence) -> list[str]:
    if e.unusable:
        return e.unusable
    state = e.record.after
    if state is None:
        return ["the card was not looked at after the reset"]
    if state.driver and not e.record.expect.config_restored:
        return [f"{state.driver} had the card again before it could be looked at"]
    if state.refused:
        return [
            f"the kernel gave no access to the registers ({state.refused}); with a driver bound it does only with "
            "iomem=relaxed on its command line"
        ]
    return []


def _tags(e: ResetEvidence) -> RuleResult:
    rule = _Rule("VKB-RESET-007", "tags", 0)
    if e.blind or e.found.reset is None:
        return rule("INCONCLUSIVE", sentence(e.not_reset))
    capture, reset = e.facts.capture, e.found.reset
    assert capture
    state = e.record.after
    if state and state.lab_status is not None and state.lab_status & READ_OUTSTANDING:
        return rule(
            "FAIL", "The card still waits for a completion from before the reset.", 1, events=e.key_events
        )
    asked = [one for one in exchanges(capture) if one.stream is Kind.RQ]
    reused = list(_reused(asked, reset.timestamp, e.record.expect.link_stays, capture.clock_hz))
    bad = [one for one, _ in reused if one.outcome is Outcome.UNANSWERED and one.certain]
    if bad:
        first = bad[0]
        reason = (
            f"{len(bad)} tags were used again while they were owed a completion, tag {first.tag} of the read at cycle "
            f"{first.requested} first."
        )
        return rule("FAIL", reason, len(bad), events=e.key_events)
    timeout = round(COMPLETION_TIMEOUT.value * capture.clock_hz)
    end = e.facts.scan.end
    doubts = [*e.not_reset, *e.holes(RQ=(reset.timestamp - timeout, end), RC=(reset.timestamp, end))]
    unknown = sum(following.requested > reset.timestamp for _, following in reused)
    if unknown:
        doubts.append(
            f"{unknown} tags were used again after reads whose completions may not have been recorded"
        )
    if capture.header.fold:
        doubts.append("runs were folded, so that single tags are not known")
    if strangers := sum(one.outcome is Outcome.NO_REQUEST for one in asked):
        doubts.append(f"{strangers} completions came that nothing had asked for")
    later = sum(one.request is not None and one.requested > reset.timestamp for one in asked)
    if not later:
        doubts.append("the card read nothing after the reset, so no tag was used again")
    if doubts:
        return rule("INCONCLUSIVE", sentence(doubts), 0, events=e.key_events)
    owed = [
        one
        for one in asked
        if one.request is not None
        and one.requested < reset.timestamp
        and (not one.last or one.last > reset.timestamp)
    ]
    came = sum(bool(one.completions) for one in owed)
    reason = f"{later} reads after the reset, no tag too early; {len(owed)} were open at the reset, {came} of them were "
    return rule("PASS", f"{reason}answered after it.", 0, events=e.key_events)


def _reused(
    asked: Iterable[Exchange], reset: int, link_stays: bool, clock_hz: int
) -> Iterator[tuple[Exchange, Exchange]]:
    """Requests whose tag was used again, and that use, while their completion was not seen and could still come."""
    by_tag: dict[tuple[int, int], list[Exchange]] = {}
    for one in asked:
        if one.request is not None:
            by_tag.setdefault((one.requester, one.tag), []).append(one)
    for uses in by_tag.values():
        uses.sort(key=lambda one: one.requested)
        for one, following in pairwise(uses):
            if one.outcome not in (Outcome.UNANSWERED, Outcome.HIDDEN):
                continue
            abandoned = one.requested < reset < following.requested
            timed_out = following.requested - one.requested >= COMPLETION_TIMEOUT.value * clock_hz
            if not (abandoned and (timed_out or not link_stays)):
                yield one, following


def _probed(e: ResetEvidence) -> RuleResult:
    rule = _Rule("VKB-RESET-008")
    if e.unusable:
        return rule("INCONCLUSIVE", sentence(e.unusable))
    again = e.record.again
    if again is None or e.record.node is None:
        return rule("INCONCLUSIVE", "The run did not come so far.")
    if not again.driver or not e.record.node:
        what = "no driver is bound" if not again.driver else "its device node is missing"
        return rule("FAIL", f"After the probe {what}.")
    if e.not_reset:
        return rule("INCONCLUSIVE", sentence(e.not_reset))
    if e.found.announced is None:
        return rule(
            "INCONCLUSIVE", "The link does not confirm it: no new buffer was announced in the capture."
        )
    return rule("PASS", f"{again.driver} is bound, its node is there.", events=e.refs(e.found.announced))


def _moves(e: ResetEvidence) -> RuleResult:
    rule = _Rule("VKB-RESET-009", "steps failed", 0)
    if e.unusable:
        return rule("INCONCLUSIVE", sentence(e.unusable))
    before, after = (_transfers(e.record.transfers, when) for when in ("before", "after"))
    if not before or any(not _good(one) for one in before):
        return rule("INCONCLUSIVE", "The card did not move every byte right before the reset.")
    if not after:
        return rule("INCONCLUSIVE", "Nothing was moved after the reset.")
    failed = sum(one.failed for one in after)
    if failed:
        return rule(
            "FAIL", f"{failed} of {sum(one.steps for one in after)} steps failed after the reset.", failed
        )
    if not all(_good(one) for one in after):
        return rule("INCONCLUSIVE", "Not both ways were tried after the reset.")
    if e.not_reset:
        return rule("INCONCLUSIVE", sentence(e.not_reset), 0)
    return rule("PASS", f"{sum(one.bytes for one in after)} bytes, compared one by one.", 0)


def _transfers(all_of_them: list[Transfer], when: str) -> list[Transfer]:
    return [one for one in all_of_them if one.when == when]


def _good(one: Transfer) -> bool:
    return one.steps > 0 and one.failed == 0 and one.uploads > 0 and one.downloads > 0


_RULES: tuple[Callable[[ResetEvidence], RuleResult], ...] = (
    _happened,
    _silent,
    _no_interrupt,
    _configuration,
    _registers,
    _queues,
    _tags,
    _probed,
    _moves,
)


def reset_results(facts: Facts) -> list[RuleResult]:
    """The results of all rules of a reset run."""
    evidence = ResetEvidence(facts)
    return [rule(evidence) for rule in _RULES]

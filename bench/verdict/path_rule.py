# SPDX-License-Identifier: Apache-2.0
"""The rule on the panic's way: did the injection do what its row says (bench/server/injections.py)?

Witnesses: the console's bytes on the analyser's clock, the doorbell, the crash kernel's accesses to the card's config
space; and ``console.raw`` for console text that the capture lost.
"""

from dataclasses import dataclass, field

import numpy as np

from vkbench.capture.layout import Kind, StatClass
from vkbench.capture.records import ConsoleText, TextFound
from vkbench.evidence import Expectation
from vkbench.verdict import limits
from vkbench.verdict.catalogue import PATH_ID, RULES
from vkbench.verdict.facts import Facts
from vkbench.verdict.model import EventRef, Result, RuleResult
from vkbench.verdict.wording import events, seconds, sentence

#: Taps that this rule reads.
_TAPS = {"CONSOLE", "CQ", "CFG"}


@dataclass
class _Findings:
    """What speaks against the way: ``wrong`` for certain, ``doubts`` perhaps. ``notes``: what only console.raw has."""

    wrong: list[str] = field(default_factory=list)
    doubts: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    used: list[EventRef] = field(default_factory=list)


def path_taken(facts: Facts) -> RuleResult:
    """VKB-PATH-001. Value: from the panic's marker to the doorbell, seconds; None when it was not rung."""
    expected = facts.record.config.expect
    assert expected is not None

    def result(verdict: Result, reason: str, value: float | None = None) -> RuleResult:
        return RuleResult(
            id=PATH_ID,
            title=RULES[PATH_ID].title,
            requirement=RULES[PATH_ID].requirement,
            result=verdict,
            reason=reason,
            value=value,
            unit="s" if value is not None else "",
            events=found.used,
        )

    found = _Findings()
    if facts.unreadable:
        return result("INCONCLUSIVE", sentence(facts.unreadable))
    console = _Console.of(facts)
    if console is None:
        marker = facts.record.markers.panic
        return result("INCONCLUSIVE", f"The marker {marker!r} is not in the capture where it triggered.")
    found.used += [_reference(facts.record.markers.panic, console.marker)]
    _texts(expected, console, found)
    _doorbell(facts, expected, console, found)
    _jump(facts, expected, console, found)
    bell = facts.timeline.get("doorbell")
    assert facts.capture is not None
    value = (bell.timestamp - console.marker.first_timestamp) / facts.capture.clock_hz if bell else None
    found.used.sort(key=lambda event: (event.timestamp, event.index))
    if found.wrong:
        return result("FAIL", f"{_name(facts)} took another way: {'; '.join(found.wrong)}.", value)
    if found.doubts:
        return result("INCONCLUSIVE", sentence(found.doubts), value)
    notes = "".join(f" {note}." for note in found.notes)
    return result("PASS", f"{_name(facts)} took its way, {_described(expected, value)}.{notes}", value)


def _name(facts: Facts) -> str:
    config = facts.record.config
    return f"{config.injection} with crash_kexec_post_notifiers={int(config.crash_kexec_post_notifiers)}"


def _described(expected: Expectation, bell_s: float | None) -> str:
    texts = f"{len(expected.texts)} texts in order" if expected.texts else "no text"
    bell = f"doorbell {seconds(bell_s)} after the marker" if bell_s is not None else "no doorbell"
    jump = "jump into the crash kernel" if expected.jump else "no jump"
    return f"{expected.path}: {texts}, {bell}, {jump}"


@dataclass(frozen=True)
class _Console:
    """The console from the marker on, by both witnesses. ``end``: record of the jump's text, when a jump is proved.
    ``complete``: the capture lacks nothing from the marker to the jump, or to where the bench stopped it.
    """

    seen: ConsoleText
    marker: TextFound
    end: int | None
    complete: bool
    raw: bytes | None  #: console.raw from the marker on; None: it has no marker
    jump_text: str

    @classmethod
    def of(cls, facts: Facts) -> "_Console | None":
        """None: the marker is not where the capture triggered."""
        assert facts.capture is not None
        scan, header, markers = facts.scan, facts.capture.header, facts.record.markers
        breaks = [segment.first for segment in header.segments[1:]]
        seen = ConsoleText.of(scan.sparse, scan.indices, breaks)
        trigger = header.trigger.time or int(scan.of(Kind.TRIGGER)["timestamp"][0])
        slack = int(limits.STATISTICS_TRIGGER_SLACK.value)
        marker = next(
            (one for one in seen.find(markers.panic) if one.last_timestamp + slack >= trigger), None
        )
        if marker is None:
            return None
        jump = facts.timeline.sequence.jump
        covered = facts.timeline.sequence.crash_ready is not None if jump else facts.stopped
        complete = covered and not header.lost and set(header.qualify.taps) >= _TAPS
        raw = facts.console
        at = raw.find(markers.panic.encode()) if raw is not None else -1
        return cls(
            seen,
            marker,
            jump.first_index if jump else None,
            complete,
            raw[at:] if raw is not None and at >= 0 else None,
            markers.jump,
        )

    def find(self, text: str, since: int = 0) -> TextFound | None:
        """The first one in the capture, from the marker (or a later record) to the jump."""
        since = max(since, self.marker.first_index)
        found = (one for one in self.seen.find(text) if one.first_index >= since)
        return next((one for one in found if self.end is None or one.last_index < self.end), None)

    @property
    def raw_window(self) -> bytes:
        """console.raw from the marker to the jump's text."""
        return (self.raw or b"").partition(self.jump_text.encode())[0]


def _texts(expected: Expectation, console: _Console, found: _Findings) -> None:
    since, raw, at = 0, console.raw_window, 0
    for text in expected.texts:
        seen = console.find(text, since)
        in_raw = raw.find(text.encode(), at)
        at = in_raw + len(text.encode()) if in_raw >= 0 else at
        if seen is not None:
            since = seen.last_index + 1
            found.used.append(_reference(text, seen))
        elif in_raw < 0 and console.complete:
            found.wrong.append(f"{text!r} was not printed{' in its place' if console.find(text) else ''}")
        elif in_raw < 0:
            found.doubts.append(f"{text!r} is neither in the capture, which has gaps, nor in console.raw")
        elif console.complete:
            found.doubts.append(f"the witnesses disagree: {text!r} is in console.raw, but not in the capture")
        else:
            found.notes.append(f"{text!r} was lost by the capture and is in console.raw")
    for text in expected.never:
        seen = console.find(text)
        if seen is not None:
            found.wrong.append(f"{text!r} was printed")
            found.used.append(_reference(text, seen))
        elif not console.complete and text.encode() in raw:
            found.wrong.append(f"{text!r} was printed (console.raw)")
        elif not console.complete and console.raw is None:
            found.doubts.append(
                f"the capture has gaps and console.raw no marker: {text!r} may have been printed"
            )


def _doorbell(facts: Facts, expected: Expectation, console: _Console, found: _Findings) -> None:
    bell = facts.timeline.get("doorbell")
    found.used += events(facts, "doorbell")
    if bell is not None:
        if not expected.doorbell:
            found.wrong.append("the doorbell was rung")
        return
    none = console.complete or _count(facts, StatClass.DOORBELL) == 0
    if not none:
        found.doubts.append("the doorbell may have been rung: the capture has gaps")
    elif expected.doorbell:
        found.wrong.append("the doorbell was not rung")


def _jump(facts: Facts, expected: Expectation, console: _Console, found: _Findings) -> None:
    sequence = facts.timeline.sequence
    confirmed = facts.timeline.get("config_after_jump") is not None
    found.used += events(facts, "jump", "config_after_jump")
    changes = _count(facts, StatClass.CFG)
    text = console.find(console.jump_text) is not None or console.jump_text.encode() in (console.raw or b"")
    if expected.jump:
        if sequence.jump is not None and confirmed:
            return
        if console.complete and not text and changes == 0:
            found.wrong.append("there was no jump into a crash kernel")
        elif sequence.problem:
            found.doubts.append(sequence.problem)
        else:
            found.doubts.append("the link does not confirm the jump")
    elif sequence.jump is not None and confirmed:
        found.wrong.append("the crash kernel came")
    elif sequence.jump is not None or text:
        found.doubts.append("the console shows a jump that the link does not confirm")
    elif changes != 0:
        found.doubts.append("the card's Command register was changed, and the console shows no jump")
    elif not console.complete and console.raw is None:
        found.doubts.append("the capture has gaps and console.raw no marker: there may have been a jump")


def _count(facts: Facts, which: StatClass) -> int | None:
    """Events since the trigger by the statistics registers, which are exact under loss; None: they are missing."""
    assert facts.capture is not None
    statistics = facts.capture.header.statistics.get(which.name)
    return statistics.count if statistics else None


def _reference(text: str, seen: TextFound) -> EventRef:
    return EventRef(
        index=seen.first_index,
        timestamp=int(np.int64(seen.first_timestamp)),
        kind=Kind.CONSOLE.name,
        text=text,
    )

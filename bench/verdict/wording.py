# SPDX-License-Identifier: Apache-2.0
"""How rules speak: references to events, sentences, durations."""

from vkbench.capture import timeline as tl
from vkbench.capture.layout import Kind
from vkbench.capture.scan import Hit
from vkbench.verdict.facts import Facts
from vkbench.verdict.model import EventRef


def events(facts: Facts, *names: str) -> list[EventRef]:
    """The named key events, those that there were."""
    found = (facts.timeline.get(name) for name in names)
    return [_reference(event) for event in found if event]


def _reference(event: tl.Event) -> EventRef:
    return EventRef(index=event.index, timestamp=event.timestamp, kind=event.kind, text=event.text)


def request(hit: Hit) -> EventRef:
    """A request or interrupt of the card."""
    kind = Kind(int(hit.record["kind"])).name
    if kind == Kind.MSIX.name:
        text = f"interrupt vector {hit.record['aux']}"
    else:
        text = f"request #{hit.record['data']}"
    return EventRef(index=hit.index, timestamp=hit.timestamp, kind=kind, text=text)


def sentence(reasons: list[str]) -> str:
    """Reasons as one sentence."""
    text = "; ".join(reasons) or "the evidence contradicts itself"
    return text[0].upper() + text[1:] + "."


def seconds(value: float) -> str:
    """A duration with three digits after the point, in a fitting unit."""
    return (
        f"{value:.3f} s"
        if value >= 1
        else f"{value * 1e3:.3f} ms"
        if value >= 1e-3
        else f"{value * 1e6:.1f} µs"
    )

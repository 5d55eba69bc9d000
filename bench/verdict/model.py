# SPDX-License-Identifier: Apache-2.0
"""What ``verdict.json`` holds."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from vkbench.evidence import UncertaintySource

Result = Literal["PASS", "FAIL", "INCONCLUSIVE"]
#: Raised whenever a rule, a limit or a sentence of a verdict changes, so that ``verify`` can say why a verdict of
#: earlier rules differs. 2: folded runs, qualification, segments; numbers of DMA writes that began anew. 3: the panic's path.
#: 4: queues after a host that spoke too early. 5: a reset's rules take only the loss of what they rely on;
#: memory behind an IOMMU is judged where the server tells its place.
RULES_VERSION = 5


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", allow_inf_nan=False, populate_by_name=True)


class EventRef(_Model):
    """An event that a rule used: the capture's record, its time in cycles, its kind, what it was."""

    index: int
    timestamp: int
    kind: str
    text: str


class RuleResult(_Model):
    """One rule's result. Numbers are None when there was nothing to measure."""

    id: str
    title: str
    requirement: str
    result: Result
    value: float | None = None
    limit: float | None = None
    uncertainty: float | None = None
    unit: str = ""
    reason: str
    events: list[EventRef] = Field(default_factory=list)


class TimelineEntry(_Model):
    """A key event; ``s``: seconds since the panic text (else since the trigger)."""

    name: str
    timestamp: int
    s: float
    text: str


class OrderUncertainty(_Model):
    """How late a console text can be against a TLP, and why."""

    cycles: int
    seconds: float
    clock_ppm: float
    clock_source: str = ""
    sources: list[UncertaintySource]

    @property
    def clock_s(self) -> float:
        """What the clock's tolerance adds to ``seconds``."""
        return self.seconds * self.clock_ppm * 1e-6


class Verdict(_Model):
    """``verdict.json``. ``as_expected``: a run that must fail failed, by each rule that its seeded defect is caught by;
    any other passed.
    """

    schema_version: Literal[1] = Field(default=1, alias="schema")
    rules_version: int = RULES_VERSION
    overall: Result
    must_fail: bool
    as_expected: bool
    clock_hz: int | None = None
    rules: list[RuleResult]
    timeline: list[TimelineEntry] = Field(default_factory=list)
    uncertainty: OrderUncertainty | None = None
    notes: list[str] = Field(default_factory=list)


def overall(results: list[Result]) -> Result:
    """FAIL when any failed, else INCONCLUSIVE when any is (or there is none), else PASS."""
    if "FAIL" in results:
        return "FAIL"
    if "INCONCLUSIVE" in results or not results:
        return "INCONCLUSIVE"
    return "PASS"

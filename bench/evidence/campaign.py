# SPDX-License-Identifier: Apache-2.0
"""What the files of a campaign hold: the resolved plan, the journal's entries, the cycles they add up to, the summary.

docs/campaign.md describes the directory. A *slot* is one planned cycle; an *attempt* is one try to fill it. Only one
attempt of a slot ever counts, and every attempt stays.
"""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

PLAN_TOML = "plan.toml"  #: the plan, byte for byte as it was registered
PLAN_JSON = "plan.json"  #: the same, resolved (Plan)
JOURNAL = "journal.sqlite"
JOURNAL_LINES = "journal.jsonl"  #: the journal's entries as sealed, one a line
SUMMARY_JSON = "summary.json"
CYCLES = "cycles"  #: folder of the run directories
BENCHES = "benches"  #: folder of the bench files that were used
REPORTS = "report"  #: folder of what is made from all this

Result = Literal["PASS", "FAIL", "INCONCLUSIVE"]
Role = Literal["candidate", "control"]
Fault = Literal["", "bench", "server", "card"]


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)


# ---- plan.json -------------------------------------------------------------------------------------------------------


class Requirement(_Model):
    """A requirement in the report's matrix. Without ``rules`` no cycle of a campaign can show it."""

    id: str
    text: str
    source: str = ""
    rules: list[str] = Field(default_factory=list)  #: of the verdict, docs/rules.md
    points: list[str] = Field(default_factory=list)  #: tests that show it elsewhere, docs/test-plan.md


class Goal(_Model):
    """What a configuration must show: at least this share of all cycles pass, with this confidence."""

    reliability: float = Field(gt=0, lt=1)
    confidence: float = Field(gt=0, lt=1)


class Configuration(_Model):
    """One way to run a cycle, n times. Nothing is pooled over configurations."""

    name: str
    title: str
    role: Role
    scenario: str
    injection: str = ""  #: empty: the scenario's own
    defect: str = ""  #: seeded into the card, rtl/faults.py; empty: none
    caught_by: list[str] = Field(default_factory=list)  #: of a control: the rules that must FAIL
    requirements: list[str] = Field(default_factory=list)
    needs: list[str] = Field(default_factory=list)  #: features that the bench file must offer
    where: dict[str, str] = Field(default_factory=dict)  #: fact -> pattern that the evidence must match
    n: int = Field(ge=1)
    goal: Goal | None = None
    allowed_failures: int = Field(0, ge=0)
    allowed_inconclusive: int = Field(0, ge=0)


class Health(_Model):
    """When a bench is looked at between cycles, and how often it may be sick before it is given up."""

    every: int = Field(10, ge=1)  #: cycles; it is also looked at after each that did not end well
    give_up_after: int = Field(3, ge=1)  #: looks in a row that found it sick


class Plan(_Model):
    """``plan.json``: what was registered before the first cycle."""

    schema_version: Literal[1] = Field(default=1, alias="schema")
    name: str
    title: str
    purpose: str = ""
    seed: int
    confidence: float = Field(0.95, gt=0, lt=1)
    coverage: float = Field(0.99, gt=0, lt=1)  #: of the tolerance bounds
    stop_on_failure: bool = False  #: stop when a candidate's cycle counts as FAIL; else every slot is filled
    repeats: int = Field(2, ge=0)  #: further attempts of a slot whose bench failed
    health: Health = Field(default_factory=Health)
    requirements: list[Requirement]
    configurations: list[Configuration]
    not_tested: list[str] = Field(default_factory=list)  #: sentences, for the front page
    sha256: str  #: of plan.toml

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False, populate_by_name=True)


class Slot(_Model):
    """One planned cycle; ``number`` counts from 1 in the order in which cycles are taken up."""

    number: int
    block: int
    configuration: str
    replicate: int


# ---- journal ---------------------------------------------------------------------------------------------------------


class _Entry(_Model):
    """``number`` counts from 1 without a gap; ``at``: UTC; ``chain``: SHA-256 over the entry before it and this one."""

    number: int = 0
    at: str = ""
    chain: str = ""


class Registered(_Entry):
    """The first entry: the plan, before any cycle."""

    kind: Literal["registered"] = "registered"
    plan_sha256: str
    plan_name: str
    slots: int
    tools: dict[str, str]


class Session(_Entry):
    """A campaign process began to work, or ended (``ended``: why; empty at its beginning)."""

    kind: Literal["session"] = "session"
    pid: int
    host: str
    benches: list[str]
    ended: str = ""


class BenchState(_Entry):
    """A bench was taken on, found healthy or sick, or given up."""

    kind: Literal["bench"] = "bench"
    bench: str
    state: Literal["online", "healthy", "sick", "offline"]
    detail: str = ""
    file_sha256: str = ""
    features: list[str] = Field(default_factory=list)


class Intent(_Entry):
    """An attempt begins; written before anything is done."""

    kind: Literal["intent"] = "intent"
    slot: int
    attempt: int
    bench: str
    directory: str  #: of the run, relative to the campaign


class RuleOutcome(_Model):
    """A rule's numbers, as in verdict.json."""

    id: str
    result: Result
    value: float | None = None
    limit: float | None = None
    uncertainty: float | None = None
    unit: str = ""


class Outcome(_Entry):
    """How an attempt ended.

    judged: the run is complete and has a verdict. died: it is not, and ``fault`` says whose doing that was.
    ``counts``: the attempt fills its slot. A bench's fault does not count while repeats are left; a server's or card's
    fault counts, as INCONCLUSIVE. ``as_expected`` of a control: it was caught by each of its rules.
    """

    kind: Literal["outcome"] = "outcome"
    slot: int
    attempt: int
    fate: Literal["judged", "died"]
    fault: Fault = ""
    error: str = ""  #: the error's name, as in run.json
    detail: str = ""
    counts: bool
    result: Result
    as_expected: bool
    rules: list[RuleOutcome] = Field(default_factory=list)
    measures: dict[str, float] = Field(default_factory=dict)  #: campaign/figures/measures.py
    facts: dict[str, str] = Field(default_factory=dict)  #: what the evidence says of bench, server and card
    started_utc: str = ""
    duration_s: float = Field(0, ge=0)  #: of the run
    around_s: float = Field(
        0, ge=0
    )  #: between the bench's previous cycle and this one: the campaign's own time
    manifest_sha256: str = ""  #: of the run's manifest; empty: never sealed
    adopted: bool = False  #: found by a later session, which read it from the sealed run


class Stopped(_Entry):
    """No further cycle will be made: the plan is done, or its stopping rule says so."""

    kind: Literal["stopped"] = "stopped"
    reason: Literal["done", "failure", "no bench"]
    detail: str = ""


Entry = Annotated[Registered | Session | BenchState | Intent | Outcome | Stopped, Field(discriminator="kind")]


class Cycle(_Model):
    """An attempt, from intent and outcome and its slot: what statistics and reports work on. Open: no outcome yet."""

    slot: Slot
    attempt: int
    bench: str
    directory: str
    intent: int  #: number of its entry: the order in which cycles began
    begun: str  #: UTC
    outcome: Outcome | None = None

    @property
    def counts(self) -> bool:
        """True when this attempt fills its slot."""
        return self.outcome is not None and self.outcome.counts


# ---- summary.json ----------------------------------------------------------------------------------------------------

Conformity = Literal["CONFORMS", "DOES NOT CONFORM", "NOT SHOWN"]
#: Raised whenever a number, a rule of conformity or a sentence of a summary changes, so that ``verify`` shows why an
#: earlier one differs.
SUMMARY_VERSION = 1


class Bound(_Model):
    """Clopper-Pearson, one-sided lower bound and two-sided interval of the share of cycles that pass."""

    n: int
    failures: int
    confidence: float
    estimate: float | None  #: None: n = 0
    at_least: float  #: one-sided
    low: float  #: two-sided
    high: float


class SuccessRun(_Model):
    """n cycles, none failed: the reliability that this shows at the confidence, and what the goal would need."""

    n: int
    confidence: float
    reliability: float | None  #: None: something failed, so there is no such run
    needed: int | None = None  #: cycles for the goal; None: there is none


class Worst(_Model):
    """A cycle and its value."""

    slot: int
    attempt: int
    value: float


class Tolerance(_Model):
    """One-sided bound that this share of all cycles keeps, without a model of the distribution; None: n is too small."""

    coverage: float
    confidence: float
    value: float | None
    needed: int  #: cycles from which on there is one


class Drift(_Model):
    """Does a measure go up or down in the order in which cycles were made? ``p``: how often chance alone does as much."""

    method: str
    statistic: float
    p: float
    slope: float  #: per cycle
    shown: bool  #: p is below what the plan's confidence allows, all tests of the campaign taken together
    sentence: str


class Agreement(_Model):
    """Do the benches agree? ``p``: how often benches that do not differ would differ as much as these."""

    method: str
    statistic: float  #: of counts: the bench's share less the share of all; of a measure: H
    p: float
    bench: str  #: the one that differs most
    shown: bool  #: that they differ; as in Drift, all tests of the campaign taken together
    sentence: str


class Spread(_Model):
    """One bench's part of a distribution."""

    n: int
    low: float
    median: float
    high: float


class Distribution(_Model):
    """One measure of one configuration, over its counted cycles that have it."""

    measure: str
    title: str
    unit: str
    worse: Literal["high", "low", ""]  #: which end is the bad one
    limit: float | None = None
    uncertainty: float | None = None  #: the largest of any cycle
    n: int
    low: float
    median: float
    high: float
    quantiles: dict[str, float]  #: "0.05" … -> value
    worst: Worst | None = None
    middle: Worst | None = None  #: the median cycle
    tolerance: Tolerance | None = None
    drift: Drift | None = None
    ecdf: list[tuple[float, float]] = Field(
        default_factory=list
    )  #: (value, share of cycles up to it), rising; at most 100 points of it, both ends among them
    by_bench: dict[str, Spread] = Field(default_factory=dict)
    agreement: Agreement | None = None  #: None: one bench, too few values, or all alike


class Counts(_Model):
    """Attempts of a configuration, or of a part of it."""

    planned: int = 0
    counted: int = 0
    passed: int = 0
    failed: int = 0
    inconclusive: int = 0  #: died ones that count are among them
    as_expected: int = 0
    died: dict[str, int] = Field(default_factory=dict)  #: by whose fault; whether they count or not
    repeated: int = 0  #: attempts that did not count


class ConfigurationSummary(_Model):
    """One row of the front page's table."""

    name: str
    counts: Counts
    by_bench: dict[str, Counts]
    bound: Bound | None = None  #: INCONCLUSIVE counted as failed; None for a control
    decided: Bound | None = None  #: PASS and FAIL alone
    success_run: SuccessRun | None = None
    distributions: list[Distribution] = Field(default_factory=list)
    agreement: Agreement | None = None  #: of the counts; None: one bench, or all cycles ended alike
    conformity: Conformity
    reason: str


class RequirementSummary(_Model):
    """One row of the traceability matrix. ``cycles``: by configuration, slots whose counted attempt has these rules."""

    id: str
    state: Literal["PASS", "FAIL", "INCONCLUSIVE", "NOT TESTED"]
    cycles: dict[str, int] = Field(default_factory=dict)
    failing: list[int] = Field(default_factory=list)  #: slots
    caught_in: list[str] = Field(default_factory=list)  #: controls in which a rule of it failed, as it must
    reason: str = ""


class ControlSummary(_Model):
    """A control: did the bench see what it must see, each time?"""

    name: str
    defect: str
    caught: int
    of: int
    missed: list[int] = Field(default_factory=list)  #: slots


class BenchSummary(_Model):
    """A bench in this campaign."""

    name: str
    cycles: int
    died: int
    offline: str = ""  #: why it was given up
    file_sha256: str = ""
    facts: dict[str, list[str]] = Field(default_factory=dict)  #: every value that was seen


class Summary(_Model):
    """``summary.json``: what the report says, and what ``verify`` computes anew from journal and plan."""

    schema_version: Literal[1] = Field(default=1, alias="schema")
    plan_name: str
    plan_sha256: str
    conformity: Conformity
    statement: list[str]  #: sentences of the front page
    deviations: list[str]
    not_tested: list[str]
    complete: bool
    stopped: str = ""
    begun: str = ""
    ended: str = ""
    configurations: list[ConfigurationSummary]
    requirements: list[RequirementSummary]
    controls: list[ControlSummary]
    defects_caught: int = 0
    defects: int = 0
    benches: list[BenchSummary]
    total: Counts
    cycle_s: float | None = None  #: median length of a cycle
    overhead: float | None = None  #: share of a cycle that the campaign itself takes, median
    uncertainty: dict[str, Any] = Field(
        default_factory=dict
    )  #: measure -> title, unit, largest of any cycle, basis
    summary_version: int = SUMMARY_VERSION

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False, populate_by_name=True)

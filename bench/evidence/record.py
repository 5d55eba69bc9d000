# SPDX-License-Identifier: Apache-2.0
"""What ``run.json`` and ``memory.json`` hold."""

from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, field_validator

from vkbench.evidence.files import RUN_JSON, EvidenceError


class _Model(BaseModel):
    """Unknown keys are refused: a misspelt key would otherwise be evidence that nobody reads."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)


class Expectation(_Model):
    """Which way through the kernel the injection must take, and what shows it (bench/server/injections.py)."""

    path: Literal["panic()", "die", "nmi", "none", "loop"]
    texts: list[str] = Field(default_factory=list)  #: on the console from the panic marker on, in this order
    never: list[str] = Field(
        default_factory=list
    )  #: not on the console between the panic marker and the jump
    doorbell: bool  #: the panic notifier rings the card's doorbell
    jump: bool  #: the crash kernel comes

    @field_validator("texts", "never")
    @classmethod
    def _not_empty(cls, texts: list[str]) -> list[str]:
        if not all(texts):
            raise ValueError("a text must not be empty: it would be found everywhere")
        return texts


class RunConfig(_Model):
    """How the server under test was set up, and how it was made to panic. ``expect``: None in a run.json that was
    made before there was one, and in a run without panic. ``defect``: seeded into the card; the rules of ``caught_by``
    must then FAIL.
    """

    crash_kexec_post_notifiers: bool
    injection: str = "sysrq-c"
    expect: Expectation | None = None
    defect: str = ""
    caught_by: list[str] = Field(default_factory=list)


class Abort(_Model):
    """Why a run ended early: the name of the error, and what it said."""

    error: str
    detail: str = ""


class BenchInfo(_Model):
    """Which bench made the run. ``notes``: what this bench cannot show, in sentences for the report."""

    name: str
    file_sha256: str = ""
    arch: str = ""
    provider: str = ""
    notes: list[str] = Field(default_factory=list)


class Markers(_Model):
    """Console texts that mark the run's steps; each counts only in its place in the sequence."""

    panic: str = "Kernel panic - not syncing"
    jump: str = "I'm in purgatory"
    crash_kernel: str = "Linux version "
    crash_ready: str = "vkbench: crash kernel ready"

    @field_validator("*")
    @classmethod
    def _not_empty(cls, text: str) -> str:
        if not text:
            raise ValueError("a marker must not be empty: it would be found everywhere")
        return text


class UncertaintySource(_Model):
    """One line of the uncertainty budget: how late a console byte can be for this reason, in seconds."""

    name: str
    value_s: float = Field(ge=0)
    source: str


class Uncertainty(_Model):
    """How late a console byte can be against the link, and how far the clock can be off."""

    console_s: float = Field(ge=0)  #: UART: FIFO and bit time, seconds
    clock_ppm: float = Field(ge=0)  #: the analyser clock's tolerance, parts per million
    clock_source: str = ""  #: where that number comes from
    order_s: float = Field(ge=0)  #: how far events that enter by different ways can change places, seconds
    sources: list[UncertaintySource] = Field(default_factory=list)


class Piece(_Model):
    """A part of a buffer in physical memory."""

    paddr: int = Field(ge=0, lt=1 << 63)
    size: int = Field(gt=0, lt=1 << 63)  #: bytes


class DmaSetup(_Model):
    """The card's traffic: its target in physical memory and its shape."""

    paddr: int = Field(ge=0, lt=1 << 63)
    size: int = Field(gt=0, lt=1 << 63)  #: bytes
    period_cycles: int = Field(ge=0)  #: between the starts of two TLPs; 0 = back to back
    length: int = Field(gt=0)  #: bytes per TLP
    translated: bool = False  #: paddr is the card's address at an IOMMU, and none of memory
    pieces: list[Piece] = Field(
        default_factory=list
    )  #: of a translated target: where it lies in memory, in order; empty: not known

    @property
    def memory(self) -> list[Piece]:
        """Where the target lies in memory, in order; empty: not known."""
        return self.pieces if self.translated else [Piece(paddr=self.paddr, size=self.size)]


class Step(_Model):
    """One step of the run, in seconds on the host's monotonic clock since the run began."""

    name: str
    started_s: float
    duration_s: float
    ok: bool
    detail: str = ""


class RunRecord(_Model):
    """``run.json``: what was done, on what, with what."""

    schema_version: Literal[1] = Field(default=1, alias="schema")
    scenario: str
    title: str
    kind: Literal["panic", "reset"] = "panic"
    config: RunConfig
    must_fail: bool = False
    started_utc: str
    finished_utc: str | None = None
    status: Literal["complete", "aborted"] = "aborted"
    abort: Abort | None = None
    bench: BenchInfo
    markers: Markers = Field(default_factory=Markers)
    uncertainty: Uncertainty
    dma: DmaSetup | None = None
    inventory: dict[str, Any] = Field(default_factory=dict)
    steps: list[Step] = Field(default_factory=list)
    masked: dict[str, int] = Field(
        default_factory=dict
    )  #: file -> passwords that were overwritten in it (evidence/secrets.py)

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False, populate_by_name=True)

    @classmethod
    def parse(cls, data: bytes | str, where: str = RUN_JSON) -> Self:
        """Read the file's text. Raises EvidenceError that names each wrong key."""
        try:
            return cls.model_validate_json(data)
        except ValidationError as error:
            raise EvidenceError(f"{where}: " + describe(error)) from error


def _number(value: Any) -> Any:
    return int(value, 0) if isinstance(value, str) else value


#: A number, or text as C writes it (0x…).
Address = Annotated[int, BeforeValidator(_number)]


class MemoryRead(BaseModel):
    """One read of the DMA target by the crash kernel through ``/proc/vmcore`` (fixtures/server/vkpeek.c)."""

    model_config = ConfigDict(extra="ignore")

    read: int
    paddr: Address
    size: int
    sha256: str
    uptime_ms: int
    seq_min: int | None
    seq_max: int | None
    units: int
    #: What was read, in order: address and bytes. Older files have none, and read one range.
    pieces: list[tuple[Address, int]] = Field(default_factory=list)

    @property
    def places(self) -> tuple[tuple[int, int], ...]:
        """The ranges that were read, in order: address and bytes."""
        return tuple(self.pieces) or ((self.paddr, self.size),)


class MemoryRecord(BaseModel):
    """``memory.json``: what the crash kernel read."""

    model_config = ConfigDict(extra="ignore")

    reads: list[MemoryRead]
    differs: bool
    words_changed: int
    interval_ms: float


def describe(error: ValidationError) -> str:
    """A pydantic error as one line: each key's path and what is wrong with it."""
    parts = []
    for item in error.errors():
        path = ".".join(str(step) for step in item["loc"]) or "(file)"
        parts.append(f"{path}: {item['msg']}")
    return "; ".join(parts)

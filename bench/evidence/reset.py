# SPDX-License-Identifier: Apache-2.0
"""What ``reset.json`` holds: the card before a reset, right after it, and when its driver had it again."""

from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from vkbench.evidence.files import EvidenceError
from vkbench.evidence.record import describe

RESET_JSON = "reset.json"
POWER_JSON = "power.json"

#: What can show on the link that a reset happened. DOORBELL_HARD and _SOFT: writes to the reset doorbell; the BME ones:
#: edges of Bus Master Enable; the others are RESET records (capture/layout.py).
Shown = Literal[
    "DOORBELL_HARD",
    "DOORBELL_SOFT",
    "FLR_STARTED",
    "FLR_DONE",
    "PERST_ASSERTED",
    "PERST_RELEASED",
    "BME_CLEARED",
    "BME_SET",
]


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)


class ResetExpectation(_Model):
    """How a reset must show (bench/server/resets.py). ``shows``: in this order, other events may stand between."""

    shows: list[Shown] = Field(min_length=1)
    reason: int = Field(ge=0, le=15)  #: FWSTS 31:28 afterwards (docs/driver-contract.md)
    link_stays: bool  #: completions for requests from before the reset can still arrive
    config_restored: bool  #: the kernel restores configuration space before anybody looks


class Bar(_Model):
    """A line of the kernel's ``resource`` file."""

    bar: int
    start: int
    end: int
    flags: int

    @field_validator("start", "end", "flags", mode="before")
    @classmethod
    def _hexadecimal(cls, value: object) -> object:
        return int(value, 0) if isinstance(value, str) else value


class CardState(_Model):
    """The card at one moment. Numbers stand by their offset in bytes; dwords that are missing in ``config`` are 0."""

    uptime_s: float  #: of the server
    driver: str  #: bound to the card; empty: none
    config_bytes: int  #: how much of configuration space the kernel showed
    config: dict[int, int]
    bars: list[Bar]
    registers: dict[int, dict[int, int]] = Field(default_factory=dict)  #: by BAR index
    refused: str = ""  #: why the kernel gave no registers
    lab_status: int | None = None  #: the card's STATUS register on the lab bus (rtl/regs/vk_lab.rdl)


class Command(_Model):
    """A command on the server, and what it said."""

    command: str
    output: str
    ok: bool


class Transfer(_Model):
    """A vk-exercise that compared every byte that it moved."""

    when: Literal["before", "after"]
    command: str
    output: str
    steps: int
    failed: int
    bytes: int
    uploads: int
    downloads: int


class ResetRecord(_Model):
    """``reset.json``."""

    schema_version: Literal[1] = Field(default=1, alias="schema")
    reset: str
    expect: ResetExpectation
    traffic: str = ""  #: what ran when the reset came
    before: CardState | None = None
    after: CardState | None = None  #: after the reset, before the driver has done anything with the card
    again: CardState | None = None  #: with the driver bound again
    node: bool | None = None  #: the driver's device node is there again
    commands: list[Command] = Field(default_factory=list)
    transfers: list[Transfer] = Field(default_factory=list)
    kernel_log: str = ""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False, populate_by_name=True)

    @classmethod
    def parse(cls, data: bytes | str, where: str = RESET_JSON) -> Self:
        """Read the file's text. Raises EvidenceError that names each wrong key."""
        try:
            return cls.model_validate_json(data)
        except ValidationError as error:
            raise EvidenceError(f"{where}: " + describe(error)) from error

# SPDX-License-Identifier: Apache-2.0
"""The JSON header of a capture file (docs/capture-format.md), and how one of file version 1 is read as version 2."""

from typing import Any

from pydantic import BaseModel, ConfigDict, Field, field_validator

from vkbench.capture import layout
from vkbench.capture.layout import LAYOUT_VERSION, Kind, StatClass, Tap

FORMAT = "vkcap"
VERSION = 2


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Statistics(_Model):
    """Exact statistics of one class, as read from the analyser; times in cycles, 0 when there was no event."""

    count_arm: int = Field(ge=0)  #: events since arming
    count: int = Field(ge=0)  #: events since the trigger
    first: int = Field(ge=0)  #: the first one since the trigger
    last: int = Field(ge=0)  #: the last one


class Trigger(_Model):
    """The trigger, read back from the analyser; ``time`` in cycles, 0 = never fired."""

    source: str
    text: str = ""
    time: int = Field(ge=0)
    program: str = ""  #: TRIGger:PROGram?, the SCPI settings that make the same program again


class Segment(_Model):
    """One segment of the record memory: its records, and when it was armed and triggered (cycles, 0 = never)."""

    first: int = Field(ge=0)  #: index of its first record in the file
    count: int = Field(ge=0)
    armed: int = Field(ge=0)
    trigger: int = Field(ge=0)


class Qualify(_Model):
    """What was to be recorded: the events of these taps, and of the term's tap only those that match the term."""

    taps: list[str] = Field(default_factory=lambda: [tap.name for tap in Tap])
    term: str | None = None

    @field_validator("taps")
    @classmethod
    def _known_taps(cls, value: list[str]) -> list[str]:
        return _known(value, Tap.__members__, "tap")


class TapEntry(_Model):
    """A tap: its number, which orders events of one cycle, and the kind of its events."""

    number: int
    kind: str


class LevelEntry(_Model):
    """A slow level's place in a LEVEL record's word."""

    bit: int
    width: int


def _members(enum: Any) -> Any:
    return Field(default_factory=lambda: {member.name: int(member) for member in enum})


class CaptureHeader(_Model):
    """The JSON header of a capture file. The tables at its end are for readers without docs/capture-format.md."""

    format: str = FORMAT
    version: int = VERSION
    layout_version: int = LAYOUT_VERSION
    clock_hz: int = Field(gt=0)
    idn: str = ""
    depth: int = Field(ge=0)
    pretrigger: int = Field(ge=0)
    trigger: Trigger
    segments: list[Segment] = Field(default_factory=list)  #: empty: the whole file is one
    qualify: Qualify = Field(default_factory=Qualify)
    fold: bool = False  #: runs of like TLPs were folded
    state: str
    lost: int = Field(ge=0)
    statistics: dict[str, Statistics] = Field(default_factory=dict)
    fields: dict[str, list[int]] = Field(
        default_factory=lambda: {name: [offset, width] for name, offset, width in layout.FIELDS}
    )  #: of a record: byte offset, width in bytes
    kinds: dict[str, int] = _members(Kind)
    flags: dict[str, int] = _members(layout.Flag)
    taps: dict[str, TapEntry] = Field(
        default_factory=lambda: {
            tap.name: TapEntry(number=tap, kind=layout.TAP_KINDS[tap].name) for tap in Tap
        }
    )
    levels: dict[str, LevelEntry] = Field(
        default_factory=lambda: {name: LevelEntry(bit=bit, width=width) for name, bit, width in layout.LEVELS}
    )
    resets: dict[str, int] = _members(layout.Reset)
    gate_causes: dict[str, int] = _members(layout.GateCause)
    trigger_sources: dict[str, int] = _members(layout.TriggerSource)

    @field_validator("statistics")
    @classmethod
    def _known_classes(cls, value: dict[str, Statistics]) -> dict[str, Statistics]:
        _known(value, StatClass.__members__, "statistics class")
        return value

    @field_validator("segments")
    @classmethod
    def _one_after_the_other(cls, value: list[Segment]) -> list[Segment]:
        at = 0
        for number, segment in enumerate(value):
            if segment.first != at:
                raise ValueError(f"segment {number} begins at record {segment.first}, not at {at}")
            at += segment.count
        return value


def from_version_1(old: dict[str, Any]) -> dict[str, Any]:
    """A header of file version 1, layout 1, as one of version 2: what came later was not there, so it was off."""
    kept = {"clock_hz", "idn", "depth", "pretrigger", "trigger", "state", "lost", "statistics"}
    described = {"format", "version", "layout_version", "kinds"}
    if unknown := old.keys() - kept - described:
        raise ValueError(f"version 1 knows no key {', '.join(sorted(unknown))}")
    return {key: old[key] for key in old.keys() & kept}


def _known(names: Any, members: Any, what: str) -> Any:
    for name in names:
        if name not in members:
            raise ValueError(f"{name} is no {what}; known: {', '.join(members)}")
    return names

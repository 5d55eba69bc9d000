# SPDX-License-Identifier: Apache-2.0
"""Numbers of a qualification report as text. A bound is never rounded to the better side."""

import math
import re
from collections.abc import Sequence
from typing import Any

from vkbench.evidence.campaign import Bound, Configuration, Goal, SuccessRun
from vkbench.report.build import format_number
from vkbench.report.svg import duration

_UNSEEN = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u206f\ud800-\udfff\ufeff]"
)


def visible(value: Any) -> Any:
    """A text without characters that are not seen: some turn the direction of what follows them. Anything else as it is."""
    return _UNSEEN.sub("\ufffd", value) if type(value) is str else value


def percent(share: float | None, down: bool = False) -> str:
    """A share with as many digits as its distance from 1 needs. ``down``: rounded down, for lower bounds."""
    if share is None:
        return "—"
    if share >= 1:
        return "100 %"
    if share <= 0:
        return "0 %"
    digits = min(6, max(2, math.ceil(-math.log10(1 - share))))
    scaled = share * 100 * 10**digits
    # A bound that was computed as 98.99999999999999 % is 99 %.
    whole = math.floor(scaled + 1e-6) if down else round(scaled)
    if whole >= 100 * 10**digits:
        return f"> {100 - 10.0**-digits:.{digits}f} %"
    return f"{whole / 10**digits:.{digits}f} %"


def quantity(value: float | None, unit: str) -> str:
    """A value with its unit; seconds in the unit that fits."""
    if value is None:
        return "—"
    return duration(value) if unit == "s" else f"{format_number(value)} {unit}".replace("-", "−").strip()


def goal(wanted: Goal | None) -> str:
    """What a configuration must show."""
    return f"{percent_plain(wanted.reliability)} at {percent_plain(wanted.confidence)}" if wanted else "—"


def percent_plain(share: float) -> str:
    """A confidence or coverage as it was written."""
    return f"{share * 100:g} %"


def success_run(found: SuccessRun | None, bound: Bound | None) -> str:
    """How long the run without failure is, if there is one."""
    if found is None or bound is None:
        return "—"
    if found.reliability is None:
        return "none"
    return f"{format_number(found.n)} in a row"


def injection(configuration: Configuration) -> str:
    """How a configuration's cycles are made, in a line."""
    parts = [configuration.scenario]
    if configuration.injection:
        parts.append(f"injection {configuration.injection}")
    if configuration.defect:
        parts.append(f"defect {configuration.defect}")
    parts += [f"{fact} = {pattern}" for fact, pattern in configuration.where.items()]
    return " · ".join(parts)


def moment(utc: str) -> str:
    """A time of the journal, to the second."""
    return utc[:19].replace("T", " ") + " UTC" if utc else "—"


def plural(number: int, one: str, many: str = "") -> str:
    """The number with its word."""
    return f"{format_number(number)} {one if number == 1 else many or one + 's'}"


def listed(texts: Sequence[str], most: int = 3) -> str:
    """The first few, and how many more."""
    rest = len(texts) - most
    return ", ".join(texts[:most]) + (f" and {rest} more" if rest > 0 else "")

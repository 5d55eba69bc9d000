# SPDX-License-Identifier: Apache-2.0
"""Gathers what the report shows from run directories and fills the template.

Every verdict in the report is recomputed from the files, never copied from ``verdict.json``; a difference
between the two, or between the files and the manifest, is shown in the report's first lines.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from markupsafe import Markup

from vkbench.capture.vkc import CaptureError
from vkbench.evidence import MANIFEST, EvidenceError, RunRecord, RunView, atomic_write, sha256_of
from vkbench.report import interactive, resets, timeline_picture, zoom_picture
from vkbench.report.svg import duration
from vkbench.verdict import RuleResult, Verdict, load, verify
from vkbench.verdict.facts import Facts
from vkbench.verdict.path_rule import PATH_ID

QUESTION = "does the card stop before the crash kernel runs?"
ASTRAY = "A panic took another way through the kernel than its injection must take."
STAYED = "Each panic took the way that it must; none of these runs comes into a crash kernel."
SYMBOLS = {"PASS": "✓", "FAIL": "✕", "INCONCLUSIVE": "?"}
#: What every bench of Verilated RTL leaves open; a bench's own notes come on top.
VIRTUAL_NOTES = (
    "Link training, equalisation, surprise removal and the electrical side of PCI Express.",
    "Latency and bandwidth of a real link: the card is Verilated RTL whose clock is paced to wall time. "
    "Cycle counts hold; times between events are lower bounds.",
    "A real server's root complex, IOMMU and firmware: QEMU stands for them.",
    "Silicon: timing closure, metastability, power.",
)


@dataclass(frozen=True)
class RunPage:
    """All that the template shows of one run. ``verdict`` None: the evidence cannot be read."""

    number: int
    path: Path
    record: RunRecord | None
    verdict: Verdict | None
    facts: Facts | None
    differences: list[str]
    hashes: list[tuple[str, str]]
    timeline: Markup
    timeline_svg: Markup
    zoom_svg: Markup

    @property
    def title(self) -> str:
        """The run's title, or its directory's name."""
        return self.record.title if self.record else self.path.name

    @property
    def sentence(self) -> str:
        """The run's outcome, for a reader who knows nothing of PCI Express."""
        return _run_sentence(self)

    @property
    def virtual(self) -> bool:
        """True when the run was made on the virtual bench."""
        return bool(self.record and "virtual" in (self.record.bench.provider, self.record.bench.name))

    @property
    def is_reset(self) -> bool:
        """True for a reset run, which has rules and measured values of its own."""
        return bool(self.record and self.record.kind == "reset")

    @property
    def stays(self) -> bool:
        """True for a panic that must come into no crash kernel: it says which way the panic went, and no more."""
        return bool(self.record and self.record.config.expect and not self.record.config.expect.jump)

    @property
    def notes(self) -> list[str]:
        """What this bench cannot show."""
        own = self.record.bench.notes if self.record else []
        return [*(VIRTUAL_NOTES if self.virtual else ()), *own]

    def rule(self, identity: str) -> RuleResult | None:
        """A rule's result by its id."""
        return (
            next((rule for rule in self.verdict.rules if rule.id == identity), None) if self.verdict else None
        )


def write_report(run_dirs: Sequence[Path | str], out_html: Path | str) -> Path:
    """Write one self-contained HTML file about these runs. Raises EvidenceError when one is no run directory."""
    if not run_dirs:
        raise EvidenceError("a report needs at least one run directory")
    runs = [_page(number, Path(path)) for number, path in enumerate(run_dirs, start=1)]
    environment = interactive.environment()
    environment.filters["number"] = format_number
    environment.filters["duration"] = duration
    environment.filters["settings"] = settings
    template = environment.get_template("report.html.j2")
    level, headline, details = conclusion(runs)
    text = template.render(
        runs=runs,
        level=level,
        headline=headline,
        details=details,
        question=resets.QUESTION if all(run.is_reset for run in runs) else QUESTION,
        comparison=list(_comparison(runs)),
        symbols=SYMBOLS,
        flatten=flatten,
        script=interactive.script(),
        script_hash=interactive.script_hash(),
    )
    out = Path(out_html)
    out.parent.mkdir(parents=True, exist_ok=True)
    atomic_write(out, text.encode())
    return out


def _page(number: int, path: Path) -> RunPage:
    verification = verify(path)
    view = RunView(path)
    record = facts = None
    try:
        record = view.record
        facts = load(path)
    except (EvidenceError, CaptureError):
        pass  # verify() has named it among the differences
    hashes = [(entry.name, sha256_of(entry)) for entry in sorted(path.iterdir()) if entry.is_file()]
    # The manifest vouches for the others; whoever keeps its hash can prove the run later.
    hashes.sort(key=lambda item: item[0] != MANIFEST)
    return RunPage(
        number,
        path,
        record,
        verification.verdict,
        facts,
        verification.differences,
        hashes,
        *_pictures(facts),
    )


def _pictures(facts: Facts | None) -> tuple[Markup, Markup, Markup]:
    """The interactive timeline, and what stands for it on paper and without a script: timeline and halt."""
    if facts is None or facts.capture is None:
        return Markup(""), Markup(""), Markup("")
    # Of a large capture only what the page carries is ever in memory.
    chosen = interactive.selected(facts.capture, facts)
    return (
        interactive.timeline_fragment(facts.capture, facts=facts, title=facts.record.title, selection=chosen),
        Markup(timeline_picture.draw(facts, chosen.records)),
        Markup(zoom_picture.draw(facts, chosen.records)),
    )


def conclusion(runs: Sequence[RunPage]) -> tuple[str, str, list[str]]:
    """(level for its colour, headline, further sentences): the report in the words of a manager."""
    damaged = [run for run in runs if run.differences]
    if damaged:
        names = ", ".join(run.path.name for run in damaged)
        return (
            "FAIL",
            "The evidence is not as it was sealed. Do not rely on this report.",
            [f"Concerned: {names}."],
        )
    controls = [run for run in runs if run.verdict and run.verdict.must_fail]
    candidates = [run for run in runs if run.verdict and not run.verdict.must_fail]
    details = [
        f"{run.title}: {run.sentence[0].lower()}{run.sentence[1:]}" for run in (*candidates, *controls)
    ]
    blind = [run for run in controls if run.verdict and not run.verdict.as_expected]
    if blind:
        return (
            "INCONCLUSIVE",
            "The bench did not catch the run that must fail, so it proves nothing.",
            details,
        )
    if not candidates:
        return (
            "INCONCLUSIVE",
            "The bench catches a card that writes on; no other run is in this report.",
            details,
        )
    results = {run.verdict.overall for run in candidates if run.verdict}
    if not controls:
        details.insert(
            0,
            "No run that must fail is in this report: nothing here shows that the bench can see a bad card.",
        )
    panics = [run for run in candidates if not run.is_reset and not run.stays]
    failed = [run for run in candidates if run.verdict and run.verdict.overall == "FAIL"]
    if failed and all(run.is_reset for run in failed):
        return "FAIL", resets.FAILED, details
    if failed and all(_astray(run) for run in failed):
        return "FAIL", ASTRAY, details
    if "FAIL" in results:
        return (
            "FAIL",
            "The card did not stop as required before the server entered its crash kernel.",
            details,
        )
    if "INCONCLUSIVE" in results and not panics:
        return "INCONCLUSIVE", resets.OPEN, details
    if "INCONCLUSIVE" in results:
        return "INCONCLUSIVE", "The evidence does not answer whether the card stopped in time.", details
    if not controls:
        return (
            "INCONCLUSIVE",
            "The card passed, but no control run shows that the bench would see a bad one.",
            details,
        )
    if not panics:
        return "PASS", resets.PASSED if any(run.is_reset for run in candidates) else STAYED, details
    if any(run.is_reset for run in candidates):
        details.insert(0, resets.PASSED)
    return "PASS", "Told to halt, the card stopped before the server entered its crash kernel.", details


def _astray(run: RunPage) -> bool:
    """True when nothing failed but the panic's way."""
    return bool(run.verdict) and {rule.id for rule in run.verdict.rules if rule.result == "FAIL"} == {PATH_ID}


def _run_sentence(run: RunPage) -> str:
    verdict = run.verdict
    if verdict is None:
        return "The evidence of this run cannot be read."
    if run.is_reset:
        return resets.sentence(verdict)
    path = run.rule(PATH_ID)
    if path and (run.stays or path.result == "FAIL"):
        return path.reason
    jump = run.rule("VKB-JUMP-001")
    if verdict.overall == "PASS" and jump and jump.value is not None:
        margin = duration(jump.value)
        return f"The card fell silent {margin} or more before the jump, and memory stayed as it was."
    if verdict.overall == "FAIL":
        if jump and jump.result == "FAIL":
            end = run.facts.timeline.get("last_dma_after_jump") if run.facts else None
            start = run.facts.timeline.get("jump") if run.facts else None
            span = ""
            if end and start and verdict.clock_hz:
                span = f" for at least {duration((end.timestamp - start.timestamp) / verdict.clock_hz)}"
            return (
                f"The card kept writing into the server's memory{span} after the jump into the crash kernel."
            )
        failed = next(rule for rule in verdict.rules if rule.result == "FAIL")
        return failed.reason
    open_rules = [rule for rule in verdict.rules if rule.result == "INCONCLUSIVE"]
    return f"This run does not answer the question: {open_rules[0].reason}"


def _comparison(runs: Sequence[RunPage]) -> Iterator[tuple[str, str, list[str]]]:
    """Rows of the side-by-side table: (what, unit or remark, one cell per run)."""
    if any(run.is_reset for run in runs):
        yield from resets.rows(runs, RunPage.rule)
    if all(run.is_reset for run in runs):
        return

    def between(run: RunPage, start: str, stop: str, cycles: bool = False) -> str:
        facts = run.facts
        first = facts.timeline.get(start) if facts else None
        second = facts.timeline.get(stop) if facts else None
        if not (facts and facts.capture and first and second):
            return "—"
        distance = second.timestamp - first.timestamp
        return f"{distance}" if cycles else duration(distance / facts.capture.clock_hz)

    def value(run: RunPage, identity: str) -> str:
        rule = run.rule(identity)
        if rule is None or rule.value is None:
            return "—"
        return duration(rule.value) if rule.unit == "s" else f"{format_number(rule.value)} {rule.unit}"

    yield (
        "crash_kexec_post_notifiers",
        "kernel parameter",
        [
            "—" if not run.record else "1" if run.record.config.crash_kexec_post_notifiers else "0"
            for run in runs
        ],
    )
    yield "Panic text → doorbell", "", [between(run, "panic_text", "doorbell") for run in runs]
    yield "Doorbell → gate closed", "cycles", [between(run, "doorbell", "gate_closed", True) for run in runs]
    yield "Halt latency", "last request after the doorbell", [value(run, "VKB-HALT-001") for run in runs]
    yield "Panic text → jump", "", [between(run, "panic_text", "jump") for run in runs]
    yield "Margin before the jump, or requests after it", "", [value(run, "VKB-JUMP-001") for run in runs]
    yield (
        "Memory under the crash kernel",
        "changed between two reads",
        [value(run, "VKB-MEM-001") for run in runs],
    )
    yield "Jump → enumeration of the card", "", [between(run, "jump", "config_after_jump") for run in runs]
    yield "Jump → crash kernel ready", "", [between(run, "jump", "crash_ready") for run in runs]
    yield (
        "Events lost by the analyser",
        "",
        [str(run.facts.capture.header.lost) if run.facts and run.facts.capture else "—" for run in runs],
    )


def format_number(value: float | None) -> str:
    """A number for a table: at most six significant digits, thousands grouped."""
    if value is None:
        return "—"
    if float(value).is_integer():
        return f"{int(value):,}".replace(",", "\u202f")
    return f"{value:.6g}"


def settings(program: str) -> list[str]:
    """The SCPI settings of a trigger program, one a line; a semicolon in a text does not part them."""
    return [part.strip() for part in re.findall(r'(?:"[^"]*"|[^;"])+', program) if part.strip()]


def flatten(value: Any, name: str = "") -> Iterator[tuple[str, str]]:
    """Nested inventory as (path, text) rows."""
    if isinstance(value, dict) and value:
        for key, inner in value.items():
            yield from flatten(inner, f"{name} · {key}" if name else str(key))
    elif isinstance(value, list) and any(isinstance(item, (dict, list)) for item in value):
        for number, inner in enumerate(value, start=1):
            yield from flatten(inner, f"{name} · {number}")
    else:
        yield name, ", ".join(map(str, value)) if isinstance(value, list) else str(value)

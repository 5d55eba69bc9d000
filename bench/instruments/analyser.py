# SPDX-License-Identifier: Apache-2.0
"""The logic analyser beside the card, over SCPI (docs/scpi.md).

Every setting is followed by a look into the error queue, and everything that decides what is recorded is read back:
a blind or wrongly armed analyser must stop a run, not fill it with nothing.
"""

import re
import time
from collections.abc import Sequence
from typing import Self

from vkbench import config, errors
from vkbench.capture.layout import LEVELS, MARK_NAME_BYTES, RECORD_BYTES, Tap
from vkbench.instruments.protocol import (
    ArmedTerms,
    CaptureData,
    ClassStatistics,
    Progress,
    Qualification,
    SegmentInfo,
)
from vkbench.instruments.scpi import DEVICE_CLEAR, Kind, ScpiLink

IDN = re.compile(r"vkbench,VK-LA\d+,[0-9A-Fa-f]{32},[^,\s]+$")
KIND = Kind(
    "analyser",
    "analyser",
    IDN,
    errors.AnalyserUnreachable,
    errors.AnalyserSilent,
    errors.AnalyserGarbled,
    errors.AnalyserRefused,
    DEVICE_CLEAR,
    "Is the analyser powered and its firmware running? (a virtual bench: vkbench lab status)",
)
CHUNK_RECORDS = 2048  # of one CAPTure:DATA?: 64 KiB, so that progress shows and a lost byte is soon noticed
STATES = ("IDLE", "ARMED", "TRIGGERED", "DONE")
POLL_S = 0.02
#: Long forms of TRIGger:SOURce's answers, as the capture file has them.
SOURCES = {"CONS": "CONSOLE", "DOOR": "DOORBELL", "SEQ": "SEQUENCE"}


def quoted(text: str) -> str:
    """A text as SCPI string data."""
    return '"' + text.replace('"', '""') + '"'


def settings_of(program: str) -> list[str]:
    """TRIGger:PROGram?'s answer in its parts, one term, step or text each: they stand between ';:'."""
    parts = re.findall(r'(?:"[^"]*"|[^";]|;(?!:))+', program)
    return [part.removeprefix(":") for part in parts]


class ScpiAnalyser:
    """The driver; see protocol.Analyser."""

    def __init__(self, settings: config.model.Analyser) -> None:
        self._settings = settings
        self._link = ScpiLink(settings, KIND)

    @property
    def where(self) -> str:
        """What errors call this instrument."""
        return self._link.where

    def __enter__(self) -> Self:
        self._link.__enter__()
        return self

    def __exit__(self, *_: object) -> None:
        self._link.close()

    def identify(self) -> dict[str, str]:
        return dict(zip(("maker", "model", "serial", "version"), self._link.identity.split(","), strict=True))

    def reset(self) -> None:
        """*RST and *CLS: ends a capture that an earlier program left armed."""
        self._link.set("*RST")
        self._link.set("*CLS")

    def self_test(self) -> None:
        result = self._link.number("*TST?", self._settings.self_test_timeout_s)
        if result != 0:
            raise errors.AnalyserSelfTestFailed(
                f"the self-test ended with {result}: the analyser does not see all events that it injected itself",
                self.where,
                "Do not trust any capture of this analyser; docs/scpi.md has the meaning of the bits",
            )

    def prove_self_test(self) -> None:
        """Make each tap blind in turn: the self-test must find it, and pass again afterwards.

        Raises AnalyserSelfTestFailed, also when a blinded tap goes unnoticed: then *TST? proves nothing.
        """
        try:
            for tap in Tap:
                self._link.set(f"DIAG:BLIN {1 << tap}")
                result = self._link.number("*TST?", self._settings.self_test_timeout_s)
                if result != 1 << tap:
                    raise errors.AnalyserSelfTestFailed(
                        f"with tap {tap.name} made blind the self-test ended with {result}, not {1 << tap}",
                        self.where,
                        "The self-test of this analyser proves nothing: do not trust its captures",
                    )
        finally:
            self._link.set("DIAG:BLIN 0")
        self.self_test()

    def clock_hz(self) -> int:
        hz = self._link.number("SYST:CLOC?")
        if hz <= 0:
            raise self._link.garbled("SYST:CLOC?", str(hz))
        return hz

    def time(self) -> int:
        """Cycles since power on."""
        return self._link.number("SYST:TIME?")

    def depth(self) -> int:
        return self._link.number("CAPT:DEPT?")

    def configure(self, commands: Sequence[str]) -> None:
        for command in commands:
            self._link.set(command)

    def arm(self, pretrigger: int | None = None, segments: int = 1) -> ArmedTerms:
        if self.state() in ("ARMED", "TRIGGERED"):
            self.stop()
        depth = self.depth()
        if pretrigger is None:
            pretrigger = depth // segments // 2
        self.configure([f"CAPT:SEGM {segments}", f"CAPT:PRET {pretrigger}", "CAPT:ARM"])
        self._read_back("CAPT:SEGM?", str(segments))
        self._read_back("CAPT:PRET?", str(pretrigger))
        self._read_back("DIAG:BLIN?", "0")
        program = self.program()
        source = self._link.ask("TRIG:SOUR?")
        if settings_of(program)[1:2] != [f"TRIG:SOUR {source}"]:
            raise errors.AnalyserNotAsSet(
                f"'TRIG:SOUR?' reads back {source}, the hardware has {program}", self.where
            )
        terms = ArmedTerms(
            SOURCES.get(source, source),
            self._text(),
            depth,
            pretrigger,
            program,
            segments,
            self.qualification(program),
            self._link.number("CAPT:FOLD?") == 1,
        )
        if (state := self.state()) != "ARMED":
            raise errors.AnalyserNotAsSet(
                f"the state after arming is {state}, not ARMED",
                self.where,
                "Did the trigger's event happen at once?",
            )
        return terms

    def arm_on_console(self, text: str, pretrigger: int) -> ArmedTerms:
        wanted = quoted(text)
        if self.state() in ("ARMED", "TRIGGERED"):
            self.stop()
        self.configure(["CAPT:QUAL ALL", "CAPT:QUAL:TERM NONE", "CAPT:FOLD ON"])
        self.configure(["TRIG:SOUR CONS", f"TRIG:CONS:TEXT {wanted}"])
        terms = self.arm(pretrigger)
        self._read_back("TRIG:SOUR?", "CONS")
        self._read_back("TRIG:CONS:TEXT?", wanted)
        program = ["TRIG:CLE", "TRIG:SOUR CONS", f"TRIG:TEXT1 {wanted}", "TRIG:TERM1:SOUR TEXT1"]
        program.append("TRIG:STEP1 1,1,FIRE")
        if settings_of(terms.program) != program:
            raise errors.AnalyserNotAsSet(
                f"'TRIG:PROG?' reads back {terms.program}, which does not wait for {wanted}", self.where
            )
        return terms

    def program(self) -> str:
        """The trigger's program, decoded from the hardware's registers into settings that make the same one."""
        return self._link.ask("TRIG:PROG?")

    def qualification(self, program: str = "") -> Qualification:
        """What is recorded; the qualifying term's settings are looked up in the program."""
        taps = self._link.ask("CAPT:QUAL?")
        names = Qualification().taps if taps == "ALL" else tuple(taps.split(","))
        if unknown := set(names) - set(Tap.__members__):
            raise self._link.garbled("CAPT:QUAL?", ",".join(unknown))
        number = self._link.ask("CAPT:QUAL:TERM?")
        if number == "NONE":
            return Qualification(names)
        found = [text for text in settings_of(program) if text.startswith(f"TRIG:TERM{number}:")]
        return Qualification(names, found[0] if found else f"TRIG:TERM{number}")

    def _text(self) -> str:
        answer = self._link.ask("TRIG:CONS:TEXT?")
        return answer[1:-1].replace('""', '"')

    def trigger(self) -> None:
        self._link.set("TRIG:IMM")

    def wait_done(self, timeout_s: float, progress: Progress | None = None) -> None:
        total = self._link.number("CAPT:SEGM?")
        end = time.monotonic() + timeout_s
        while (state := self.state()) != "DONE":
            full = max(0, self._link.number("CAPT:SEGM:COUN?") - 1)
            if progress:
                progress(full, total)
            if time.monotonic() > end:
                raise errors.AnalyserNotDone(
                    f"after {timeout_s:g} s the capture is {state}, {full} of {total} segments are full",
                    self.where,
                    "Did the trigger's event happen? 'TRIG:STAT?' says in which step the trigger waits",
                )
            time.sleep(POLL_S)  # SCPI over a byte stream has no service request
        if progress:
            progress(total, total)

    def levels(self) -> dict[str, int]:
        """The slow levels now (capture/layout.py, LEVELS), and the Command register."""
        answer = self._link.ask("INP:LEV?")
        found = re.fullmatch(r"#H([0-9A-F]+),#H([0-9A-F]+)", answer)
        if not found:
            raise self._link.garbled("INP:LEV?", answer)
        word, command = (int(part, 16) for part in found.groups())
        return {name: word >> low & ((1 << width) - 1) for name, low, width in LEVELS} | {"command": command}

    def state(self) -> str:
        state = self._link.ask("CAPT:STAT?")
        if state not in STATES:
            raise self._link.garbled("CAPT:STAT?", state)
        return state

    def stop(self) -> None:
        self._link.set("CAPT:STOP")

    def read_capture(self, progress: Progress | None = None) -> CaptureData:
        link = self._link
        state, lost, trigger_time = self.state(), link.number("CAPT:LOST?"), link.number("TRIG:TIME?")
        statistics = self.statistics()
        program = self.program()
        segments = tuple(self._segment(number + 1) for number in range(link.number("CAPT:SEGM:COUN?")))
        total = link.number("CAPT:COUN?")
        parts: list[bytes] = []
        for first in range(0, total, CHUNK_RECORDS):
            count = min(CHUNK_RECORDS, total - first)
            query = f"CAPT:DATA? {first},{count}"
            data = link.block(query)
            if len(data) != count * RECORD_BYTES:
                raise link.garbled(query, f"a block of {len(data)} bytes instead of {count * RECORD_BYTES}")
            parts.append(data)
            if progress:
                progress(first + count, total)
        if sum(segment.count for segment in segments) != total:
            raise link.garbled(
                "CAPT:SEGM?", f"segments of {[one.count for one in segments]}, but {total} records"
            )
        return CaptureData(
            b"".join(parts),
            state,
            lost,
            trigger_time,
            statistics,
            program,
            segments,
            self.qualification(program),
            link.number("CAPT:FOLD?") == 1,
        )

    def _segment(self, number: int) -> SegmentInfo:
        query = f"CAPT:SEGM? {number}"
        answer = self._link.ask(query)
        try:
            return SegmentInfo(*(int(part) for part in answer.split(",")))
        except (ValueError, TypeError):
            raise self._link.garbled(query, answer) from None

    def statistics(self) -> dict[str, ClassStatistics]:
        """All counters, read at one instant."""
        answer = self._link.ask("STAT:ALL?")
        found = {}
        for part in answer.split(";"):
            name, *numbers = part.split(",")
            try:
                found[name] = ClassStatistics(*(int(number) for number in numbers))
            except (ValueError, TypeError):
                raise self._link.garbled("STAT:ALL?", part) from None
        return found

    def mark(self, number: int, name: str = "") -> None:
        if not name.isascii() or len(name) > MARK_NAME_BYTES:
            raise errors.UserError(
                f"a mark's name has up to {MARK_NAME_BYTES} ASCII characters, not {name!r}"
            )
        self._link.set(f"MARK {number},{quoted(name)}" if name else f"MARK {number}")

    def dma_target(self) -> tuple[int, int]:
        return self._link.number("DUT:DMA:ADDR?"), self._link.number("DUT:DMA:SIZE?")

    def dma_start(self, period_cycles: int, length: int) -> None:
        link = self._link
        link.set("DUT:DMA:STAT OFF")
        link.set("DUT:DMA:MODE WRIT")
        link.set(f"DUT:DMA:PER {period_cycles}")
        link.set(f"DUT:DMA:LEN {length}")
        link.set("DUT:DMA:STAT ON")
        for query, value in (("DUT:DMA:PER?", period_cycles), ("DUT:DMA:LEN?", length), ("DUT:DMA:STAT?", 1)):
            if (found := link.number(query)) != value:
                raise errors.AnalyserNotAsSet(f"'{query}' reads back {found}, sent was {value}", self.where)

    def dma_stop(self) -> None:
        self._link.set("DUT:DMA:STAT OFF")

    def dma_sequence(self) -> int:
        return self._link.number("DUT:DMA:SEQ?")

    def dma_completions(self) -> dict[str, int]:
        """Answers to the card's reads: ok, error (UR or CA), timeout."""
        answer = self._link.ask("DUT:DMA:COMP?")
        try:
            ok, error, timeout = (int(part) for part in answer.split(","))
        except ValueError:
            raise self._link.garbled("DUT:DMA:COMP?", answer) from None
        return {"ok": ok, "error": error, "timeout": timeout}

    def card_status(self) -> int:
        """The card's STATUS register (rtl/regs/vk_lab.rdl)."""
        return self._link.number("DUT:STAT?")

    # -- the card's firmware and its seeded defects ---------------------------------------------------------

    def boot_mode(self, mode: str) -> None:
        """How the card comes up after its next reset: RUN (ready by itself) or ROM (waits for images)."""
        self._link.set(f"DUT:BOOT {mode}")
        self._read_back("DUT:BOOT?", mode)

    def alert(self, mask: int) -> None:
        """Let the card's firmware raise the alerts of ``mask`` (CARD_ERR_LOG 15:0) with vector 3; 0 clears them."""
        self._link.set(f"DUT:ALER {mask}")

    def heartbeat(self, on: bool) -> None:
        """Stop or start the counting of OS_UPTIME."""
        self._link.set(f"DUT:HEAR {'ON' if on else 'OFF'}")

    def hang(self) -> None:
        """Let the card's firmware loop for ever, until the next card reset."""
        self._link.set("DUT:HANG")

    def trap(self) -> None:
        """Let the card's soft core trap: an internal error of the card."""
        self._link.set("DUT:TRAP")

    def faults(self) -> tuple[str, ...]:
        """Seeded defects that this card can show (rtl/faults.py); none when it is a release build."""
        return tuple(name for name in self._link.ask("DUT:FAUL:CAT?").split(",") if name != "NONE")

    def set_fault(self, name: str | None) -> None:
        """Make the card a bad one, or with None a good one again. It stays so over card resets.

        Raises AnalyserRefused when the card is a release build.
        """
        wanted = name or "NONE"
        self._link.set(f"DUT:FAUL {wanted}")
        self._read_back("DUT:FAUL?", wanted)

    def fault(self) -> str | None:
        """The seeded defect that is set."""
        name = self._link.ask("DUT:FAUL?")
        return None if name == "NONE" else name

    def _read_back(self, query: str, wanted: str) -> None:
        if (found := self._link.ask(query)) != wanted:
            raise errors.AnalyserNotAsSet(f"'{query}' reads back {found}, sent was {wanted}", self.where)

# SPDX-License-Identifier: Apache-2.0
"""The logic analyser beside the card, over SCPI (docs/scpi.md).

Every setting is followed by a look into the error queue, and everything that decides what is recorded is read back:
a blind or wrongly armed analyser must stop a run, not fill it with nothing.
"""

import re
from typing import Any, Self

from vkbench import config, errors
from vkbench.capture.layout import RECORD_BYTES
from vkbench.instruments.protocol import ArmedTerms, CaptureData, ClassStatistics, Progress
from vkbench.instruments.scpi import ScpiLink

IDN = re.compile(r"vkbench,VK-LA\d+,[0-9A-Fa-f]{32},[^,\s]+$")
CHUNK_RECORDS = 2048  # of one CAPTure:DATA?: 64 KiB, so that progress shows and a lost byte is soon noticed
STATES = ("IDLE", "ARMED", "TRIGGERED", "DONE")


class ScpiAnalyser:
    """The driver; see protocol.Analyser."""

    def __init__(self, settings: config.model.Analyser) -> None:
        self._settings = settings
        self._link = ScpiLink(settings, IDN)

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

    def arm_on_console(self, text: str, pretrigger: int) -> ArmedTerms:
        if self.state() in ("ARMED", "TRIGGERED"):
            self.stop()
        quoted = '"' + text.replace('"', '""') + '"'
        self._link.set("TRIG:SOUR CONS")
        self._link.set(f"TRIG:CONS:TEXT {quoted}")
        self._link.set(f"CAPT:PRET {pretrigger}")
        self._link.set("CAPT:ARM")
        wanted: dict[str, Any] = {
            "TRIG:SOUR?": "CONS",
            "TRIG:CONS:TEXT?": quoted,
            "CAPT:PRET?": str(pretrigger),
        }
        for query, value in wanted.items():
            found = self._link.ask(query)
            if found.upper() == "CONSOLE":  # the long form is as good an answer
                found = "CONS"
            if found != value:
                raise errors.AnalyserNotAsSet(f"'{query}' reads back {found}, sent was {value}", self.where)
        if (state := self.state()) != "ARMED":
            raise errors.AnalyserNotAsSet(
                f"the state after arming is {state}, not ARMED",
                self.where,
                "Was the trigger text on the console already?",
            )
        return ArmedTerms("CONSOLE", text, self.depth(), pretrigger)

    def state(self) -> str:
        state = self._link.ask("CAPT:STAT?")
        if state not in STATES:
            raise self._link.garbled("CAPT:STAT?", state)
        return state

    def stop(self) -> None:
        self._link.set("CAPT:STOP")

    def read_capture(self, progress: Progress | None = None) -> CaptureData:
        link = self._link
        state, lost, time = self.state(), link.number("CAPT:LOST?"), link.number("TRIG:TIME?")
        statistics = self.statistics()
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
        return CaptureData(b"".join(parts), state, lost, time, statistics)

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

    def mark(self, number: int) -> None:
        """Write a mark into the capture."""
        self._link.set(f"MARK {number}")

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

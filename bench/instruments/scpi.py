# SPDX-License-Identifier: Apache-2.0
"""A SCPI conversation over PyVISA (pyvisa-py): lines, definite-length blocks, the error queue, and finding back into step.

pyvisa-py 0.8 notices a closed TCP port only at the first query and reports a broken connection as a time-out, so both
are told apart here, and blocks are framed here (IEEE 488.2 section 8.7.9).
"""

import re
import time
import warnings
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Self

import pyvisa
from pyvisa import constants

from vkbench import config, errors
from vkbench.config import visa

QUIET_S = 0.05  # no byte for so long: what an earlier program left unread has drained
DRAIN_MAX = 64 << 20  # bytes; more than any record memory: an instrument that never stops talking
DEVICE_CLEAR = "\x03"  # Ctrl-C: drops half a command, and ends a block that nobody reads any more
ERROR_QUEUE_MAX = 32
_SHOWN = 80  # bytes of a wrong answer that an error shows
PYVISA_PY = "@py"


@dataclass(frozen=True)
class Kind:
    """What an instrument's errors are called, and what is typed to end half a command on its byte stream."""

    name: str
    table: str  #: of the bench file
    idn: re.Pattern[str]
    unreachable: type[errors.InstrumentError]
    silent: type[errors.InstrumentError]
    garbled: type[errors.InstrumentError]
    refused: type[errors.InstrumentError]
    clear: str
    silent_hint: str

    @property
    def up(self) -> str:
        """What to do when it cannot be reached."""
        return (
            f"Check resource in [{self.table}], the cable, and that no other program uses it "
            "(a virtual bench: vkbench lab up)"
        )


class ScpiLink:
    """One instrument's SCPI connection. ``library``: PyVISA's backend."""

    def __init__(
        self, settings: config.model.Analyser | config.model.Power, kind: Kind, library: str = PYVISA_PY
    ) -> None:
        self._settings = settings
        self._kind = kind
        self._library = library
        self._manager: Any = None
        self._resource: Any = None
        self.where = f"{kind.name} {settings.resource}"
        self.identity = ""
        self._owed = False  # an answer that was given up may still come

    def __enter__(self) -> Self:
        settings = self._settings
        options: dict[str, Any] = {"read_termination": "\n", "write_termination": "\n"}
        resource = visa.canonical(settings.resource)
        if visa.is_serial(resource):
            options["baud_rate"] = settings.baud
        try:
            with (
                warnings.catch_warnings()
            ):  # pyvisa-py warns about every optional library that is not installed
                warnings.simplefilter("ignore")
                self._manager = pyvisa.ResourceManager(self._library)
                self._resource = self._manager.open_resource(
                    resource, open_timeout=int(settings.timeout_s * 1000), **options
                )
        except Exception as error:  # pyvisa-py raises bare Exception for a connection that fails
            self.close()
            raise self._kind.unreachable(f"cannot be opened: {error}", self.where, self._kind.up) from None
        try:
            self._into_step()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connection. May be called twice."""
        for item in (self._resource, self._manager):
            if item is not None:
                with suppress(Exception):  # a connection that is broken already needs no good-bye
                    item.close()
        self._resource = self._manager = None

    def resync(self) -> None:
        """After an answer that was given up: whatever is left in either direction, the next answer is ours."""
        self._into_step()

    def _into_step(self) -> None:
        if visa.is_stream(self._settings.resource):
            # For an instrument without the clear, the line's end ends half a command.
            self._write(self._kind.clear)
            self._drain()
        else:
            self._clear()
        end = time.monotonic() + self._settings.timeout_s
        self._write("*CLS")
        self._write("*IDN?")
        last = ""
        while time.monotonic() < end:
            try:
                last = self._line(self._settings.timeout_s, "*IDN?")
            except self._kind.silent:
                if not last:
                    raise
                break  # it did answer, with something else
            if found := self._kind.idn.search(last):
                self.identity = found.group()
                self._owed = False
                return
        raise self._kind.garbled(
            f"answers *IDN? with {last[:_SHOWN]!r}",
            self.where,
            "Is another instrument on this port, or is the baud rate wrong?",
        )

    def _clear(self) -> None:
        """The interface's own device clear (VXI-11, USBTMC, GPIB)."""
        try:
            self._resource.clear()
        except NotImplementedError:
            return  # pyvisa-sim
        except (pyvisa.VisaIOError, OSError) as error:
            raise self._kind.unreachable(
                f"cannot be cleared: {_reason(error)}", self.where, self._kind.up
            ) from None

    def _drain(self) -> None:
        self._resource.timeout = QUIET_S * 1000
        for _ in range(DRAIN_MAX):
            try:
                self._resource.read_bytes(1)
            except (pyvisa.VisaIOError, OSError):
                return
        raise self._kind.garbled(
            "does not stop talking", self.where, f"Is this the port of the {self._kind.name}?"
        )

    # ---- conversation ------------------------------------------------------------------------------------------------

    def ask(self, query: str, timeout: float | None = None) -> str:
        """Send a query and return its line. Raises Silent; Refused when it queued an error instead."""
        self._write_in_step(query)
        self._owed = True
        try:
            answer = self._line(timeout or self._settings.timeout_s, query)
        except self._kind.silent as silence:
            # A refused query has no answer, only an entry in the error queue.
            try:
                self._write("SYST:ERR?")
                code, text = self._error(self._line(1.0, "SYST:ERR?"))
            except errors.InstrumentError:
                raise silence from None
            if code:
                self._owed = False
                raise self._refused(query, [(code, text)]) from None
            raise
        self._owed = False
        return answer

    def number(self, query: str, timeout: float | None = None) -> int:
        """Ask for a whole number, decimal or #H hexadecimal."""
        answer = self.ask(query, timeout).strip()
        try:
            return int(answer[2:], 16) if answer[:2].upper() == "#H" else int(answer)
        except ValueError:
            raise self.garbled(query, answer) from None

    def set(self, command: str) -> None:
        """Send a command and ask for errors. Raises Refused with all of them."""
        self._write_in_step(command)
        self.check(command)

    def send(self, command: str) -> None:
        """Send a command whose errors are asked for later."""
        self._write_in_step(command)

    def check(self, command: str) -> None:
        """Empty the error queue. Raises Refused with all that was in it."""
        found = []
        for _ in range(ERROR_QUEUE_MAX):
            code, text = self._error(self.ask("SYST:ERR?"))
            if code == 0:
                break
            found.append((code, text))
        if found:
            raise self._refused(command, found)

    def block(self, query: str) -> bytes:
        """Ask for a definite-length block and return its bytes."""
        self._write_in_step(query)
        self._owed = True
        head = self._bytes(2, query)
        if head[:1] != b"#" or not head[1:].isdigit() or head[1:] == b"0":
            raise self._no_block(query, head)
        digits = self._bytes(int(head[1:]), query)
        if not digits.isdigit():
            raise self._no_block(query, head + digits)
        data = self._bytes(int(digits), query)
        if (end := self._bytes(1, query)) != b"\n":
            raise self.garbled(query, f"a block of {len(data)} bytes, then {end!r} where the line should end")
        self._owed = False
        return data

    # ---- bytes -------------------------------------------------------------------------------------------------------

    def _write_in_step(self, line: str) -> None:
        """Write a message; first throw away what an answer that timed out or was interrupted may have left."""
        if self._owed:
            self._into_step()
        self._write(line)

    def _write(self, line: str) -> None:
        try:
            self._resource.write(line, encoding="utf-8")
        except (pyvisa.VisaIOError, OSError) as error:
            raise self._kind.unreachable(
                f"cannot be written to: {_reason(error)}", self.where, self._kind.up
            ) from None

    def _line(self, timeout: float, query: str) -> str:
        self._resource.timeout = timeout * 1000
        try:
            return self._resource.read_raw().decode("utf-8", "replace").rstrip("\r\n")
        except (pyvisa.VisaIOError, OSError) as error:
            raise self._lost(query, timeout, error) from None

    def _bytes(self, count: int, query: str) -> bytes:
        timeout = self._settings.timeout_s
        self._resource.timeout = timeout * 1000
        self._resource.set_visa_attribute(constants.ResourceAttribute.termchar_enabled, False)
        try:
            return self._resource.read_bytes(count, chunk_size=min(max(count, 1), 1 << 16))
        except (pyvisa.VisaIOError, OSError) as error:
            raise self._lost(query, timeout, error) from None
        finally:
            self._resource.set_visa_attribute(constants.ResourceAttribute.termchar_enabled, True)

    # ---- errors ------------------------------------------------------------------------------------------------------

    def _error(self, answer: str) -> tuple[int, str]:
        found = re.fullmatch(r'\s*([+-]?\d+)\s*,\s*(?:"(.*)"|([^"]*))\s*', answer)
        if not found:
            raise self.garbled("SYST:ERR?", answer)
        return int(found[1]), found[2] or found[3] or ""

    def _refused(self, command: str, found: list[tuple[int, str]]) -> errors.BenchError:
        text = "; ".join(f'{code} "{message}"' for code, message in found)
        return self._kind.refused(f"'{command}' is refused: {text}", self.where)

    def garbled(self, query: str, answer: str) -> errors.BenchError:
        """The error for an answer that is not what SCPI allows there."""
        return self._kind.garbled(f"'{query}' was answered with {answer[:_SHOWN]!r}", self.where)

    def _no_block(self, query: str, head: bytes) -> errors.BenchError:
        return self.garbled(query, f"{head.decode('ascii', 'replace')} instead of a definite-length block")

    def _lost(self, query: str, timeout: float, error: Exception) -> errors.BenchError:
        timed_out = (
            isinstance(error, pyvisa.VisaIOError) and error.error_code == constants.StatusCode.error_timeout
        )
        if timed_out or isinstance(error, TimeoutError):
            return self._kind.silent(
                f"no answer to '{query}' within {timeout:g} s (silent, or the connection broke)",
                self.where,
                self._kind.silent_hint,
            )
        return self._kind.unreachable(f"'{query}': {_reason(error)}", self.where, self._kind.up)


def _reason(error: Exception) -> str:
    return str(getattr(error, "strerror", None) or error)

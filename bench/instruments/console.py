# SPDX-License-Identifier: Apache-2.0
"""The serial console through pyserial: a device, a raw TCP socket or RFC 2217, by one URL.

A reader thread takes every byte as it comes and hands it to the sinks (evidence, server state) before anybody can ask
for it, so what nobody waits for is kept as well.
"""

import itertools
import re
import select
import threading
import time
from collections.abc import Callable
from typing import Any, Self

import serial
from serial.urlhandler import protocol_socket

from vkbench import config, errors
from vkbench.instruments.protocol import Match

WAKE_S = 0.1  # how often the reader looks whether it should end
TAIL = 300  # characters of the console that an error shows
JOIN_S = 5.0
Sink = Callable[[bytes], None]


class _RawTcp(protocol_socket.Serial):
    """pyserial's socket:// port, which throws away what comes while it opens; no console byte is thrown away here."""

    def reset_input_buffer(self) -> None:
        return None


def _open(settings: config.model.Console) -> Any:
    opener = _RawTcp if settings.url.startswith("socket://") else serial.serial_for_url
    return opener(settings.url, baudrate=settings.baud, timeout=0, write_timeout=5)


class SerialConsole:
    """The driver; see protocol.Console."""

    def __init__(self, settings: config.model.Console, *sinks: Sink) -> None:
        self._settings = settings
        self._sinks = list(sinks)
        self.where = f"console {settings.url}"
        self._port: Any = None
        self._thread: threading.Thread | None = None
        self._closing = threading.Event()
        self._data = bytearray()
        self._arrivals: list[tuple[int, float]] = []  # (bytes so far, host time), one entry per read
        self._cursor = 0
        self._news = threading.Condition()
        self._error: str | None = None
        self._numbers = itertools.count(1)

    def __enter__(self) -> Self:
        settings = self._settings
        end = time.monotonic() + settings.open_timeout_s
        while True:
            try:
                self._port = _open(settings)
                break
            except (OSError, ValueError) as error:  # SerialException is an OSError
                busy = "busy" in str(error).lower() or "timed out" in str(error).lower()
                if not busy or time.monotonic() > end:
                    raise self._unreachable(error) from None
                time.sleep(WAKE_S)
        self._thread = threading.Thread(target=self._read, name="console reader", daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the port; no sink is called after this returns. May be called twice."""
        self._closing.set()
        if self._thread and self._thread is not threading.current_thread():
            self._thread.join(JOIN_S)
        if self._port is not None:
            self._port.close()
            self._port = None

    @property
    def position(self) -> int:
        with self._news:
            return len(self._data)

    def text(self, start: int = 0) -> str:
        with self._news:
            return self._data[start:].decode("utf-8", "replace")

    def send(self, text: str) -> None:
        self._check()
        try:
            self._port.write(text.encode())
        except (OSError, serial.SerialException) as error:
            raise errors.ConsoleDead(f"writing failed: {error}", self.where, _DEAD_HINT) from None

    def expect(
        self, pattern: str | re.Pattern[str], timeout: float, start: int | None = None, what: str = ""
    ) -> Match:
        """See protocol.Console. ``what`` names the text in the error."""
        compiled = re.compile(re.escape(pattern)) if isinstance(pattern, str) else pattern
        regex = re.compile(compiled.pattern.encode(), compiled.flags & ~re.UNICODE)
        end = time.monotonic() + timeout
        with self._news:
            begin = self._cursor if start is None else start
            while not (found := regex.search(self._data, begin)):
                left = end - time.monotonic()
                if self._error or self._closing.is_set():
                    raise errors.ConsoleDead(
                        f"{self._error or 'closed'} while waiting for {what or compiled.pattern!r}; "
                        f"last text: {self._tail()}",
                        self.where,
                        _DEAD_HINT,
                    )
                if left <= 0:
                    raise errors.ConsoleTimeout(
                        f"{what or compiled.pattern!r} did not come within {timeout:g} s; last text: {self._tail()}",
                        self.where,
                    )
                # Bounded, because a wait without a limit would also keep Ctrl-C waiting.
                self._news.wait(min(left, WAKE_S))
            self._cursor = found.end()
            groups = tuple(group.decode("utf-8", "replace") for group in found.groups(b""))
            return Match(
                found.start(),
                found.end(),
                found.group().decode("utf-8", "replace"),
                self._time_of(found.end()),
                groups,
            )

    def run(self, command: str, prompt: str, timeout: float) -> str:
        """See protocol.Console. Works with and without echo: the status text differs from what is typed."""
        word = f"vkbench-{next(self._numbers)}"
        start = self.position
        self.send(f"{command}; echo {word}:$?\n")
        done = self.expect(re.compile(rf"{word}:(\d+)[^\d]"), timeout, start, f"the end of '{command}'")
        self.expect(prompt, timeout, done.end, f"the prompt after '{command}'")
        lines = self.text(start)[: done.start - start].replace("\r", "").split("\n")
        if lines and f"echo {word}:$?" in lines[0]:
            del lines[0]
        output = "\n".join(lines).strip("\n")
        status = int(done.groups[0])
        if status:
            raise errors.CommandFailed(
                f"'{command}' ended with status {status}; it said: {output[-TAIL:] or 'nothing'}", self.where
            )
        return output

    # ---- reader ------------------------------------------------------------------------------------------------------

    def _read(self) -> None:
        try:
            while not self._closing.is_set():
                data = self._some()
                if data:
                    for sink in self._sinks:
                        sink(data)
                    with self._news:
                        self._data += data
                        self._arrivals.append((len(self._data), time.monotonic()))
                        self._news.notify_all()
        except Exception as error:
            with self._news:
                if not self._closing.is_set():
                    self._error = f"the line broke ({error})"
                self._news.notify_all()

    def _some(self) -> bytes:
        """What has come, after waiting for it; empty when nothing came for a moment."""
        port = self._port
        try:
            descriptor = port.fileno()
        except (AttributeError, OSError, ValueError):  # rfc2217:// and loop:// have none
            port.timeout = WAKE_S
            return port.read(1) + port.read(port.in_waiting)
        select.select([descriptor], [], [], WAKE_S)
        return port.read(65536)

    # ---- helpers; the caller of those with _data holds the lock --------------------------------------------------------

    def _time_of(self, end: int) -> float:
        for length, when in reversed(self._arrivals):
            if length < end:
                break
            last = when
        return last

    def _tail(self) -> str:
        text = self._data[-TAIL:].decode("utf-8", "replace").replace("\r", "").strip()
        return repr(text) if text else "none"

    def _check(self) -> None:
        with self._news:
            if self._error or self._port is None:
                raise errors.ConsoleDead(self._error or "is not open", self.where, _DEAD_HINT)

    def _unreachable(self, error: Exception) -> errors.BenchError:
        return errors.ConsoleUnreachable(
            f"cannot be opened: {error}",
            self.where,
            "Check url in [console], the cable, and that no other program has the port (a virtual bench: vkbench lab up)",
        )


_DEAD_HINT = "Check the cable or the serial server (a virtual bench: vkbench lab status)"

# SPDX-License-Identifier: Apache-2.0
"""The serial console: bytes in, bytes out, every one kept. SerialConsole is a port by one pyserial URL; StreamConsole is
what it shares with serial over LAN (console_sol.py).

A reader thread takes every byte as it comes and hands it to the sinks (evidence, server state) before anybody can ask
for it, so what nobody waits for is kept as well.
"""

import contextlib
import re
import select
import socket
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from pathlib import Path
from typing import Any, Self
from urllib.parse import urlsplit

import serial
from serial import rfc2217
from serial.urlhandler import protocol_socket

from vkbench import config, errors
from vkbench.instruments.command import Shell
from vkbench.instruments.protocol import Match

WAKE_S = 0.1  # how often the reader looks whether it should end
TAIL = 300  # characters of the console that an error shows
JOIN_S = 5.0
BREAK_S = 0.25  # POSIX tcsendbreak: 0.25 to 0.5 s
PROBE_S = 1.0
WRITE_S = 5.0
#: What serial servers say to a second client before they hang up (ser2net, conserver, Opengear, Digi).
_BUSY = re.compile(r"in use|busy|already (open|connected|active)|exclusively lock", re.IGNORECASE)
Sink = Callable[[bytes], None]


class StreamConsole(ABC):
    """See protocol.Console. A line's own class opens it, reads it, writes to it and closes it."""

    def __init__(self, where: str, *sinks: Sink) -> None:
        self.where = where
        self._sinks = list(sinks)
        self._thread: threading.Thread | None = None
        self._closing = threading.Event()
        self._open = False
        self._data = bytearray()
        self._arrivals: list[tuple[int, float]] = []  # (bytes so far, host time), one entry per read
        self._cursor = 0
        self._news = threading.Condition()
        self._error: str | None = None
        self._shell = Shell(self)

    # ---- what a line is ------------------------------------------------------------------------------------------------

    dead_hint = "Check the cable or the serial server (a virtual bench: vkbench lab status)"

    @abstractmethod
    def _connect(self) -> None:
        """Open the line. Raises an InstrumentError."""

    @abstractmethod
    def _disconnect(self) -> None:
        """Close the line; called once, after the reader has ended."""

    @abstractmethod
    def _receive(self) -> bytes:
        """What has come, after waiting for it for at most WAKE_S; empty when nothing came. Any exception: the line broke."""

    @abstractmethod
    def _transmit(self, data: bytes) -> None:
        """Send bytes, all of them."""

    @abstractmethod
    def _hold_break(self, seconds: float) -> None:
        """BREAK. Raises ConsoleNotSupported."""

    # ---- opening and closing -------------------------------------------------------------------------------------------

    def __enter__(self) -> Self:
        self._connect()
        self._open = True
        self._thread = threading.Thread(target=self._read, name="console reader", daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the line; no sink is called after this returns. May be called twice."""
        self._closing.set()
        if self._thread and self._thread is not threading.current_thread():
            self._thread.join(JOIN_S)
        if self._open:
            self._open = False
            self._disconnect()

    # ---- protocol.Console ----------------------------------------------------------------------------------------------

    @property
    def position(self) -> int:
        with self._news:
            return len(self._data)

    def text(self, start: int = 0) -> str:
        with self._news:
            return self._data[start:].decode("utf-8", "replace")

    def send(self, text: str) -> None:
        self.send_bytes(text.encode())

    def send_bytes(self, data: bytes) -> None:
        self._check()
        try:
            self._transmit(data)
        except OSError as error:  # SerialException is one
            raise errors.ConsoleDead(f"writing failed: {error}", self.where, self.dead_hint) from None

    def send_break(self, seconds: float = BREAK_S) -> None:
        self._check()
        self._hold_break(seconds)

    def sysrq(self, key: str) -> None:
        """See protocol.Console. The kernel waits 5 s for the key after a BREAK (drivers/tty/serial, SYSRQ_TIMEOUT)."""
        if len(key) != 1 or not key.isascii() or not key.isprintable():
            raise errors.UserError(f"{key!r} is no sysrq key: it is one printable ASCII character")
        self.send_break()
        self.send_bytes(key.encode())

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
                    raise self._dead(f" while waiting for {what or compiled.pattern!r}")
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
        """See protocol.Console and command.Shell."""
        return self._shell.run(command, prompt, timeout)

    # ---- reader ------------------------------------------------------------------------------------------------------

    def _read(self) -> None:
        try:
            while not self._closing.is_set():
                if data := self._receive():
                    self._keep(data)
        except Exception as error:
            self._fail(f"the line broke ({error})")

    def _keep(self, data: bytes) -> None:
        # One sink that fails (a full disk, a fault in a follower) must not take the bytes from the others.
        for sink in self._sinks:
            try:
                sink(data)
            except Exception as error:
                self._fail(f"what comes can no longer be kept whole ({error})")
        with self._news:
            self._data += data
            self._arrivals.append((len(self._data), time.monotonic()))
            self._news.notify_all()

    def _fail(self, text: str) -> None:
        with self._news:
            if not self._closing.is_set():
                self._error = self._error or text
            self._news.notify_all()

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

    def _dead(self, doing: str = "") -> errors.InstrumentError:
        # A serial server that has another client says so in its first words and hangs up.
        if self._error and len(self._data) < TAIL and _BUSY.search(self._data.decode("latin-1")):
            return errors.ConsoleBusy(f"is in use; it said: {self._tail()}", self.where, _BUSY_HINT)
        return errors.ConsoleDead(
            f"{self._error or 'closed'}{doing}; last text: {self._tail()}", self.where, self.dead_hint
        )

    def _check(self) -> None:
        with self._news:
            if not self._open:
                raise errors.ConsoleDead("is not open", self.where, self.dead_hint)
            if self._error:
                raise self._dead()


class _RawTcp(protocol_socket.Serial):
    """pyserial's socket:// port, which throws away what comes while it opens; no console byte is thrown away here."""

    def reset_input_buffer(self) -> None:
        return None


class _Rfc2217(rfc2217.Serial):
    """pyserial's rfc2217:// port, which throws away what comes while it opens, and what the server still has to send."""

    def reset_input_buffer(self) -> None:
        return None

    def reset_output_buffer(self) -> None:
        return None

    def _telnet_read_loop(self) -> None:
        # What breaks in its thread would be a traceback on the terminal; read() sees that the thread has ended.
        with contextlib.suppress(Exception):
            super()._telnet_read_loop()


class SerialConsole(StreamConsole):
    """The driver for a device, a raw TCP socket, RFC 2217, or any other of pyserial's URLs; see protocol.Console."""

    def __init__(self, settings: config.model.Console, *sinks: Sink) -> None:
        super().__init__(f"console {settings.url}", *sinks)
        self._settings = settings
        self._port: Any = None

    def _connect(self) -> None:
        settings = self._settings
        url = settings.url
        end = time.monotonic() + settings.open_timeout_s
        while True:
            try:
                self._port = _open(url, settings.baud)
                return
            except (OSError, ValueError) as error:  # SerialException is an OSError
                if "option 'control'" in str(error) and _NO_ANSWER not in url:
                    # A serial server whose port has no DTR and RTS may leave the wish for them unanswered.
                    url += ("&" if "?" in url else "?") + _NO_ANSWER
                    continue
                busy = str(error) if _BUSY.search(str(error)) else _says_busy(settings.url)
                if time.monotonic() > end or not (busy or "timed out" in str(error).lower()):
                    raise self._unreachable(error, busy) from None
                time.sleep(WAKE_S)

    def _disconnect(self) -> None:
        port, self._port = self._port, None
        port.close()

    def _receive(self) -> bytes:
        port = self._port
        try:
            descriptor = port.fileno()
        except (AttributeError, OSError, ValueError):  # rfc2217:// and loop:// have none
            port.timeout = WAKE_S
            return port.read(1) + port.read(port.in_waiting)
        select.select([descriptor], [], [], WAKE_S)
        return port.read(65536)

    def _transmit(self, data: bytes) -> None:
        self._port.write(data)

    def _hold_break(self, seconds: float) -> None:
        if (why := _no_break(self._port, self._settings.url)) is not None:
            raise errors.ConsoleNotSupported(
                f"{why} carries no BREAK", self.where, "A device, rfc2217:// and sol: carry it"
            )
        try:
            self._port.break_condition = True
            time.sleep(seconds)
            self._port.break_condition = False
        except (OSError, ValueError) as error:
            self._check()
            raise errors.ConsoleNotSupported(f"the port did not take BREAK: {error}", self.where) from None

    def _unreachable(self, error: Exception, busy: str | None) -> errors.BenchError:
        if busy:
            return errors.ConsoleBusy(f"is in use: {busy}", self.where, _BUSY_HINT)
        return errors.ConsoleUnreachable(
            f"cannot be opened: {error}",
            self.where,
            "Check url in [console], the cable, and that no other program has the port (a virtual bench: vkbench lab up)",
        )


_BUSY_HINT = "End the program that has it (a terminal, another run)"


_NO_ANSWER = "ign_set_control"  # pyserial's RFC 2217 client then waits for no answer to DTR, RTS and BREAK


def _open(url: str, baud: int) -> Any:
    # Exclusive: of two programs on one device each would get a part of the bytes.
    options: dict[str, Any] = {"baudrate": baud, "timeout": 0, "exclusive": True}
    if not url.startswith("rfc2217://"):  # whose write has no limit in pyserial
        options["write_timeout"] = WRITE_S
    scheme = url.partition("://")[0]
    return {"socket": _RawTcp, "rfc2217": _Rfc2217}.get(scheme, serial.serial_for_url)(url, **options)


def _says_busy(url: str) -> str | None:
    """What a network serial server says to one client too many; pyserial's RFC 2217 client hides it."""
    address = urlsplit(url)
    if address.scheme != "rfc2217" or not address.hostname or not address.port:
        return None
    with (
        contextlib.suppress(OSError),
        socket.create_connection((address.hostname, address.port), PROBE_S) as link,
    ):
        link.settimeout(PROBE_S)
        said = b""
        while len(said) < 4096 and (piece := link.recv(4096)):
            said += piece
            text = "".join(c for c in said.decode("latin-1") if " " <= c <= "~")
            if _BUSY.search(text):
                return text.strip()
    return None


def _no_break(port: Any, url: str) -> str | None:
    """Why this line has no BREAK; None when it has one."""
    if url.startswith("socket://"):
        return "raw TCP"
    if url.startswith("loop://"):
        return "loop://"
    device = str(getattr(port, "name", "") or "")
    if device.startswith("/dev/") and str(Path(device).resolve()).startswith("/dev/pts/"):
        return "a pseudo terminal"
    return None

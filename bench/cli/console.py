# SPDX-License-Identifier: Apache-2.0
"""``vkbench console``: a terminal on the server's console, by whatever wire the bench file names."""

import os
import select
import sys
import termios
import tty
from collections.abc import Iterator
from contextlib import contextmanager

from vkbench import errors
from vkbench.cli import common
from vkbench.config import BenchFile
from vkbench.instruments import open_console
from vkbench.instruments.protocol import Console

ESCAPE = 0x1D  # Ctrl-]
SECOND_KEY_S = 0.7  # how long Ctrl-] waits for the key after it
POLL_S = 0.2
KEYS = "Ctrl-] ends, Ctrl-] b sends BREAK"


@common.command
def console(bench: common.BenchOption) -> None:
    """A terminal on the server's console; Ctrl-] ends it, Ctrl-] b sends BREAK."""
    terminal(common.bench_file(bench))


def terminal(bench: BenchFile) -> None:
    """Connect this terminal with the console until Ctrl-]. Raises UserError without a terminal, or an InstrumentError."""
    if not sys.stdin.isatty():
        raise errors.UserError("stdin is no terminal", "console", "Start it in a terminal")

    def show(data: bytes) -> None:
        while data:
            data = data[os.write(sys.stdout.fileno(), data) :]

    with open_console(bench, show) as line, _raw_terminal():
        common.say(f"{line.where}; {KEYS}\r")
        while (typed := _typed(POLL_S)) is not None:
            if not _pass_on(line, typed):
                break
    common.say("\r")


def _pass_on(line: Console, typed: bytes) -> bool:
    """Send what was typed; False at Ctrl-]."""
    while ESCAPE in typed:
        before, _, typed = typed.partition(bytes([ESCAPE]))
        line.send_bytes(before)
        key = typed[:1] or _typed(SECOND_KEY_S)
        if key not in (b"b", b"B"):
            return False
        typed = typed[1:]
        try:
            line.send_break()
        except errors.ConsoleNotSupported as error:
            common.say(f"\r\n{error}\r")
    line.send_bytes(typed)  # nothing, too: it raises when the line broke
    return True


def _typed(limit: float) -> bytes | None:
    """What was typed within the limit; None at the end of the input."""
    if not select.select([sys.stdin], [], [], limit)[0]:
        return b""
    return os.read(sys.stdin.fileno(), 1024) or None


@contextmanager
def _raw_terminal() -> Iterator[None]:
    descriptor = sys.stdin.fileno()
    before = termios.tcgetattr(descriptor)
    tty.setraw(descriptor)
    try:
        yield
    finally:
        termios.tcsetattr(descriptor, termios.TCSADRAIN, before)

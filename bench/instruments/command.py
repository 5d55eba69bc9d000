# SPDX-License-Identifier: Apache-2.0
"""Runs a command in a shell on a serial console, among echo, prompts, escapes, kernel messages and damaged bytes.

The shell prints two marks around the command's output. A mark has a number that no other command of any session has,
so nothing that is left over from before can be taken for this command's answer; it is typed otherwise than it is
printed, so an echo is no mark. What is between the marks, without what the terminal and the kernel put there, is the
output. A mark that is damaged makes an error, never an output.

A byte lost or garbled *within* the output cannot be seen that way: what must be exact carries its own checksum
(vkpeek's SHA-256, server/transfer.py). A command that is longer than a terminal's line is sent in pieces, and run only when
the shell's copy of it has the right checksum.
"""

import contextlib
import hashlib
import itertools
import re
import secrets
import time
from typing import TYPE_CHECKING

from vkbench import errors
from vkbench.instruments.shell_text import clean, quoted, without_kernel

if TYPE_CHECKING:
    from vkbench.instruments.console import StreamConsole

TAIL = 300  # characters of the output that an error shows
LINE_MAX = 4095  # bytes of one line, with its end: N_TTY_BUF_SIZE of the kernel's drivers/tty/n_tty.c
PIECE_MAX = 512  # characters of a long command in one line
TRIES = 4
SLICE_S = 0.25  # how often damaged marks are looked for
ANSWER_S = 10.0  # one piece of a long command, before it is tried again
PROMPT_S = 3.0  # after the end mark the prompt only says that the shell reads again
SEARCH_BACK = 16384  # bytes of the end in which a damaged mark is looked for
PROMPT_BACK = 1024  # bytes before the place where the mark was found that may hold the prompt
KILL_LINE = "\x15"  # Ctrl-U: empties a line that an earlier command left half typed
_READS_KERNEL_LOG = re.compile(r"dmesg|kmsg|journalctl|syslog|/var/log")


class Shell:
    """The shell behind a console."""

    def __init__(self, console: "StreamConsole") -> None:
        self._console = console
        self._numbers = itertools.count(1)
        self._session = secrets.token_hex(3)
        self._dirty = False  # an earlier command did not come to its end

    def run(self, command: str, prompt: str, timeout: float) -> str:
        """What the command printed.

        Raises CommandFailed (its status is not 0), ConsoleTimeout, ConsoleDead, or ConsoleGarbled.
        """
        end = time.monotonic() + timeout
        if len(self._line(command, "x" * 24).encode()) <= LINE_MAX:
            output, status = self._framed(command, prompt, end, command)
        else:
            self._send_whole(command, prompt, end)
            output, status = self._framed('eval "$vk_c"', prompt, end, command)
        output = output.strip("\n")
        if status:
            raise errors.CommandFailed(
                f"'{_short(command)}' ended with status {status}; it said: {output[-TAIL:] or 'nothing'}",
                self._console.where,
            )
        return output

    @staticmethod
    def _line(command: str, word: str) -> str:
        # Typed with $((0)) and $?, printed with digits; the status twice, so that a garbled digit shows.
        return f"echo {word}:begin$((0)); {command}; echo {word}:$?:$?.\n"

    def _framed(self, line: str, prompt: str, end: float, command: str) -> tuple[str, int]:
        """Type it between marks; output and status."""
        console = self._console
        word = f"vkbench-{self._session}-{next(self._numbers)}"
        start = console.position
        if self._dirty:
            console.send(KILL_LINE)
        self._dirty = True
        console.send(self._line(line, word))
        said, done, at = self._wait_mark(
            re.compile(rf"{word}:(\d{{1,3}}):(\d{{1,3}})\."), start, end, command
        )
        self._wait_prompt(prompt, at, end)
        self._dirty = False
        said = said[: done.start()]
        begin = f"{word}:begin0\n"
        if begin not in said:
            said = without_kernel(said)
        if begin not in said or done[1] != done[2]:
            raise self._garbled(
                f"'{_short(command)}' was run, but a mark of its output is damaged; the console has: "
                f"{(said + done[0])[-TAIL:]!r}"
            )
        output = said.partition(begin)[2]
        if not _READS_KERNEL_LOG.search(command):
            output = without_kernel(output)
        return output, int(done[1])

    def _wait_mark(
        self, mark: re.Pattern[str], start: int, end: float, command: str
    ) -> tuple[str, re.Match[str], int]:
        """Until the mark has come, be it broken up by a kernel message or escapes: the clean text since ``start``, the
        mark in it, and the position to which it has been read."""
        console = self._console
        timeout = end - time.monotonic()
        while True:
            left = end - time.monotonic()
            with contextlib.suppress(errors.ConsoleTimeout):
                console.expect(mark, max(0.0, min(SLICE_S, left)), start)
            at = console.position
            # Only the end is looked through again and again; a whole mark is found by expect() at once.
            recent = clean(console.text(max(start, at - SEARCH_BACK)))
            if mark.search(recent) or mark.search(without_kernel(recent)):
                said = clean(console.text(start))
                if not mark.search(said):
                    said = without_kernel(said)
                if done := mark.search(said):
                    return said, done, at
            if left <= 0:
                raise errors.ConsoleTimeout(
                    f"the end of '{_short(command)}' did not come within {timeout:g} s; last text: "
                    f"{recent[-TAIL:].strip()!r}",
                    console.where,
                )

    def _wait_prompt(self, prompt: str, start: int, end: float) -> None:
        """Until the shell reads again. A prompt that noise has eaten is not waited for: the command has ended."""
        console = self._console
        # The mark's own search may have read past the prompt.
        begin = max(0, start - len(prompt.encode()) - PROMPT_BACK)
        until = min(end, time.monotonic() + PROMPT_S)
        while True:
            at = console.position
            said = without_kernel(clean(console.text(begin)))
            mark = said.rfind(f"vkbench-{self._session}-")
            if prompt in said[max(mark, 0) :] or time.monotonic() >= until:
                return
            with contextlib.suppress(errors.ConsoleTimeout):
                left = min(SLICE_S, until - time.monotonic())
                console.expect(prompt, max(0.0, left), max(begin, at - len(prompt.encode())))

    # ---- long commands ---------------------------------------------------------------------------------------------------

    def _send_whole(self, command: str, prompt: str, end: float) -> None:
        """Bring the command into the shell's variable vk_c, unharmed. Nothing of it is run."""
        self._exactly("vk_c=", prompt, end, command)
        sent = ""
        for at in range(0, len(command), PIECE_MAX):
            piece = command[at : at + PIECE_MAX]
            sent += piece
            for _ in range(TRIES):
                # Appended to what is known to be right, so a damaged piece can simply be sent again.
                said = self._exactly(
                    f'vk_n="$vk_c"{quoted(piece)}; printf %s "$vk_n" | sha256sum', prompt, end, command
                )
                if said.split()[:1] == [hashlib.sha256(sent.encode()).hexdigest()]:
                    break
            else:
                raise self._garbled(
                    f"'{_short(command)}' did not reach the shell unharmed in {TRIES} attempts"
                )
            self._exactly('vk_c="$vk_n"', prompt, end, command)

    def _exactly(self, line: str, prompt: str, end: float, command: str) -> str:
        """A line that may be sent again when its answer is damaged."""
        for attempt in range(TRIES):
            try:
                output, status = self._framed(line, prompt, min(end, time.monotonic() + ANSWER_S), command)
                if status == 0:
                    return output
            except (errors.ConsoleGarbled, errors.ConsoleTimeout):
                if attempt == TRIES - 1 or time.monotonic() >= end:
                    raise
        raise self._garbled(f"'{_short(command)}' could not be brought to the shell; does it have sha256sum?")

    def _garbled(self, what: str) -> errors.ConsoleGarbled:
        return errors.ConsoleGarbled(
            what, self._console.where, "Look for lost bytes on the serial line (baud, flow control)"
        )


def _short(command: str) -> str:
    return command if len(command) <= 200 else command[:200] + "…"

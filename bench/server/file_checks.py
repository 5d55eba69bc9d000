# SPDX-License-Identifier: Apache-2.0
"""A check's result, and the checks that need nothing but the bench file."""

import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from vkbench import errors
from vkbench.config import BenchFile, Secret, secrecy

LATE_S = 0.01  #: a console byte later than this hides what the rules look for (docs/rules.md)


@dataclass(frozen=True)
class Check:
    """One wire. ``found``: what is there, or what is wrong; ``fix``: what to do; ``warn``: it works, but see ``found``."""

    name: str
    ok: bool
    found: str
    fix: str = ""
    warn: bool = False

    @property
    def state(self) -> str:
        """ok, warn or no."""
        return "no" if not self.ok else "warn" if self.warn else "ok"


def passwords(bench: BenchFile) -> Iterator[Check]:
    """Can each be read, and by nobody else?"""
    secrets: list[tuple[str, Secret | None]] = [("[bmc]", bench.bmc.password)]
    if bench.console.sol is not None:
        secrets.append(("[console.sol]", bench.console.sol.password))
    if bench.server.login is not None:
        secrets.append(("[server.login]", bench.server.login.password))
    given = [(table, secret) for table, secret in secrets if secret is not None]
    good = []
    for table, secret in given:
        try:
            secret.read()
        except errors.SecretError as error:
            yield Check("passwords", False, f"{table}: {error.where} {error.what}", error.hint)
            continue
        good.append(table)
        if secret.path is not None and others_may_read(secret.path):
            yield Check(
                "passwords",
                True,
                f"{table}: others can read {secret.path}",
                f"chmod 600 {secret.path}",
                warn=True,
            )
    for problem in secrecy.problems(bench):
        yield Check("passwords", False, problem, "Give that account another; none ever goes into evidence")
    if len(good) == len(given):
        yield Check("passwords", True, f"readable: {', '.join(good)}")


def uncertainty(bench: BenchFile) -> Iterator[Check]:
    """Is what the bench file says of its own exactness plausible?"""
    settings, baud = bench.uncertainty, bench.console.baud
    late = (settings.uart_fifo_chars + 1) * settings.uart_bits_per_char / baud
    found = f"a console byte is up to {late * 1000:.3g} ms late ({settings.uart_fifo_chars} characters at {baud} baud)"
    doubts = []
    if bench.provider is None and settings.uart_fifo_chars == 0:
        doubts.append(
            (
                "uart_fifo_chars = 0 says that no byte waits in the server's UART; a 16550A holds 16",
                "Set it to the FIFO's depth in [uncertainty], or switch the FIFO off (setserial … uart 8250)",
            )
        )
    if bench.provider is None and settings.clock_ppm == 0:
        doubts.append(
            (
                "clock_ppm = 0 says that the analyser's oscillator is perfect",
                "Set it from the board's data sheet",
            )
        )
    if settings.uart_fifo_chars and late > LATE_S:
        doubts.append(
            (
                f"{found}: writes so near to a text count as neither before nor after it",
                "Raise the baud rate on server and host (console=ttyS0,115200), if the server can",
            )
        )
    for what, fix in doubts:
        yield Check("uncertainty", True, what, fix, warn=True)
    if not doubts:
        yield Check(
            "uncertainty", True, found if settings.uart_fifo_chars else "the UART keeps no byte waiting"
        )


def others_may_read(path: Path) -> bool:
    """True when the file's mode lets anybody but its owner use it."""
    try:
        return bool(path.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO))
    except OSError:
        return False

# SPDX-License-Identifier: Apache-2.0
"""What ``vkbench doctor`` looks at: each wire, and what only shows when two of them are compared. And the little that is
looked at between two runs (quick).

Nothing here changes the server: no power is switched, no command is typed. When the server is on and silent, a newline is.
"""

import re
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from vkbench import errors
from vkbench.config import BenchFile
from vkbench.instruments import ScpiAnalyser, open_bmc, open_console, open_power
from vkbench.instruments.protocol import Console
from vkbench.server.file_checks import Check, others_may_read, passwords, uncertainty

CLOCK_OFF_S = 5.0  #: the event log counts whole seconds, and a slow BMC takes two to answer
LISTEN_S, ANSWER_S, QUIET_S = 0.3, 5.0, 0.3  #: a shell answers at once; a getty may have to be started again
POLL_S = 0.02
SOMETHING = re.compile(r"[\s\S]")
NO_TEXT_SHARE = 0.2  #: more bytes than this that are no text: a wrong baud rate, not a noisy line
SHOWN = 60  # characters of the console that a check shows
#: A time-out is about five times what the step should take.
TIMEOUT_MARGIN = 5
#: Back-to-back writes are folded: cycles for each record (docs/analyser.md), and how near two of them must be for that.
CYCLES_PER_FOLDED_RECORD, FOLDS_WITHIN_CYCLES = 1000, 32


@dataclass
class Seen:
    """What the wires have said so far; None: not known."""

    on: bool | None = None
    depth: int = 0
    clock_hz: int = 0


def examine(bench: BenchFile, provided: Callable[[], list[Check]] | None = None) -> Iterator[Check]:
    """Every check, in the order in which they should be mended. ``provided``: what the bench's provider has to say."""
    yield Check("bench file", True, f"{bench.name}, {bench.server.arch}")
    yield from passwords(bench)
    yield from uncertainty(bench)
    if provided is not None:
        yield from provided()
    seen = Seen()
    looks = [("BMC", bmc), ("console", console), ("analyser", analyser)]
    if bench.power is not None:
        looks.append(("power", power))
    if bench.server.ssh is not None:
        looks.append(("SSH", ssh))
    for name, look in looks:
        try:
            yield from look(bench, seen)
        except errors.BenchError as error:
            where = f"{error.where}: " if error.where else ""
            yield Check(name, False, f"{where}{error.what}", error.hint)


# ---- wires -----------------------------------------------------------------------------------------------------------


def bmc(bench: BenchFile, seen: Seen) -> Iterator[Check]:
    """Login, inventory, power, and the event log's clock."""
    with open_bmc(bench) as wire:
        seen.on, inventory = wire.is_on(), wire.inventory()
        yield Check(
            "BMC",
            True,
            f"logged in as {bench.bmc.user}; firmware {inventory.get('firmware', 'unknown')}; server is {_on(seen.on)}",
        )
        if bench.bmc.kind == "redfish" and bench.bmc.tls != "verify":
            yield Check(
                "BMC",
                True,
                f'tls = "{bench.bmc.tls}": nobody proves that this is the BMC before the password goes to it',
                "Give the certificate that signed the BMC's in ca_file",
                warn=True,
            )
        try:
            before = time.time()
            clock = wire.clock()
            host = (before + time.time()) / 2
        except errors.BmcNotSupported:
            return
    if abs(clock - host) > CLOCK_OFF_S:
        way = "behind" if clock < host else "ahead of"
        yield Check(
            "BMC",
            True,
            f"its clock is {_duration(abs(clock - host))} {way} this host's: the event log's times will not fit the run",
            'Let the BMC use NTP, or set it once: ipmitool … sel time set "now"',
            warn=True,
        )


def console(bench: BenchFile, seen: Seen) -> Iterator[Check]:
    """Does it open; is there text on it, when the server is on?"""
    settings = bench.console
    kind = "serial over LAN" if settings.url == "sol:" else f"{settings.baud} baud"
    with open_console(bench) as wire:
        said = _listen(wire, wire.position, LISTEN_S)
        asked = not said
        if asked and not seen.on:
            why = "the server is off" if seen.on is False else "whether the server is on is not known"
            yield Check("console", True, f"opens, {kind}; {why}, so no text was waited for")
            return
        if asked:
            start = wire.position
            wire.send("\n")
            said = _listen(wire, start, ANSWER_S)
    if seen.on is False:
        yield Check(
            "console",
            True,
            f"opens, {kind}; text comes though the BMC says that the server is off: {said[-SHOWN:]!r}",
            "Are console and BMC of the same server?",
            warn=True,
        )
        return
    yield _judge(bench, said, kind, asked)


def _judge(bench: BenchFile, said: str, kind: str, asked: bool) -> Check:
    cable = "Check RX, TX and ground, and console=ttyS0,BAUD in the kernel's command line (docs/wiring.md)"
    if not said:
        found = f"opens, {kind}; the server is on and did not answer a newline within {ANSWER_S:g} s"
        return Check("console", True, found, cable, warn=True)
    wrong = sum(
        not (char.isprintable() or char in "\r\n\t\b\a\x1b\x0f\x00") or char == "\ufffd" for char in said
    )
    if wrong > NO_TEXT_SHARE * len(said):
        found = f"{wrong} of {len(said)} characters are no text: {said[-SHOWN:]!r}"
        return Check(
            "console", False, found, "Is baud in [console] the server's? Is the level right (docs/wiring.md)?"
        )
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    if not lines:
        found = f"opens, {kind}; only the newline came back"
        return Check("console", True, found, f"Does a getty run on the port? {cable}", warn=True)
    last = lines[-1]
    shown = repr(last[-SHOWN:])
    if last.endswith("login:") and bench.server.login is None:
        return Check(
            "console",
            True,
            f"opens, {kind}; it asks for a login: {shown}",
            "Add [server.login] with user and password to the bench file",
            warn=True,
        )
    if bench.server.prompt.strip() in last:
        shown = "the shell's prompt"
    return Check("console", True, f"opens, {kind}; {'it answers' if asked else 'text comes'}: {shown}")


def _listen(wire: Console, start: int, limit: float) -> str:
    """What comes from ``start`` on, until it pauses; after ``limit`` seconds it is enough. Raises ConsoleDead."""
    begin = time.monotonic()
    try:
        wire.expect(SOMETHING, limit, start)
    except errors.ConsoleTimeout:
        return ""
    at, last = start, begin
    while time.monotonic() < begin + limit:
        time.sleep(POLL_S)  # a console has no event for "nothing more"
        if wire.position != at:
            at, last = wire.position, time.monotonic()
        elif time.monotonic() - last > QUIET_S:
            break
    return wire.text(start)


def analyser(bench: BenchFile, seen: Seen) -> Iterator[Check]:
    """Identity, self-test (and whether that finds a blind tap), clock; then whether its memory is long enough."""
    with ScpiAnalyser(bench.analyser) as wire:
        identity = wire.identify()
        state = wire.state()
        if state in ("ARMED", "TRIGGERED"):
            yield Check(
                "analyser",
                True,
                f"{identity['model']} {identity['version']}; a capture is {state}, so no self-test was made",
            )
            return
        wire.self_test()
        wire.prove_self_test()
        seen.clock_hz = wire.clock_hz()
        start, seen.depth = wire.time(), wire.depth()
        end = wire.time()
        where = wire.where
    if end <= start:
        raise errors.AnalyserGarbled(f"its clock stands still at {end} cycles", where)
    yield Check(
        "analyser",
        True,
        f"{identity['model']} {identity['version']}; self-test passed, and finds each tap made blind; "
        f"{seen.clock_hz} Hz, {seen.depth} records",
    )
    yield memory(bench, seen)


def memory(bench: BenchFile, seen: Seen) -> Check:
    """Does what follows the panic's text fit into the record memory until the crash kernel's shell is up?"""
    after = seen.depth * (1 - bench.capture.pretrigger_share)
    period = bench.dma.period_s
    if period * seen.clock_hz < FOLDS_WITHIN_CYCLES:
        lasts = after * CYCLES_PER_FOLDED_RECORD / seen.clock_hz
        rate = "back-to-back writes, folded"
    else:
        lasts = after * period
        rate = f"a write every {period * 1000:g} ms"
    found = f"{rate}: the memory lasts {lasts:.3g} s from the panic's text on"
    needed = bench.server.crash_timeout_s / TIMEOUT_MARGIN
    if lasts >= needed:
        return Check("capture memory", True, found)
    return Check(
        "capture memory",
        True,
        f"{found}; crash_timeout_s = {bench.server.crash_timeout_s:g} lets the crash kernel take longer, and then the "
        "capture ends before its shell is up",
        f"Set period_s in [dma] to {needed / after:.2g} or more, or crash_timeout_s to what the server really needs",
        warn=True,
    )


def power(bench: BenchFile, seen: Seen) -> Iterator[Check]:
    """Does it answer, what does it measure, and is it this server's?"""
    wire = open_power(bench)
    assert wire is not None and bench.power is not None
    with wire:
        on, identity = wire.is_on(), wire.identify()
        sample = wire.measure() if bench.power.voltage or bench.power.current else None
    values = [] if sample is None else [(sample.volts, "V"), (sample.amperes, "A")]
    measured = ", ".join(f"{value:.4g} {unit}" for value, unit in values if value is not None)
    found = f"{identity}; output is {_on(on)}" + (f"; {measured}" if measured else "")
    if seen.on and not on:
        fix = "Check channel in [power], and into which outlet the server is plugged"
        yield Check("power", False, f"{found}, but the BMC says that the server is on", fix)
    elif seen.on and sample is not None and sample.amperes == 0:
        fix = "Check channel in [power]; a server with two supplies needs both of them on this output"
        yield Check("power", True, f"{found}, though the server is on", fix, warn=True)
    else:
        yield Check("power", True, found)


def ssh(bench: BenchFile, seen: Seen) -> Iterator[Check]:
    """The key's file, and when the server is on: host key, login, and root."""
    from vkbench.server.ssh import SshShell

    settings = bench.server.ssh
    assert settings is not None
    key = settings.path(settings.key)
    if key.is_file() and others_may_read(key):
        yield Check("SSH", False, f"others can read the key {key}, so ssh refuses it", f"chmod 600 {key}")
        return
    if settings.known_hosts is None:
        yield Check(
            "SSH",
            True,
            "known_hosts is not given: whatever answers at this address is taken for the server",
            f"ssh-keyscan -p {settings.port} {settings.host} > known_hosts, compare it on the server's console, and name it",
            warn=True,
        )
    if not seen.on:
        if not key.is_file():
            yield Check("SSH", False, f"the key {key} does not exist", "Check key in [server.ssh]")
            return
        why = "the server is off" if seen.on is False else "whether the server is on is not known"
        yield Check("SSH", True, f"the key is there; {why}, so no connection was tried")
        return
    with SshShell(settings) as shell:
        user = shell.run("id -u", settings.connect_timeout_s).strip()
    if user != "0":
        yield Check(
            "SSH", False, f"commands run as user id {user}", "Log in as root, or let sudo ask for no password"
        )
        return
    yield Check("SSH", True, f"connects as {settings.user}, and is root there")


# ---- between two runs -------------------------------------------------------------------------------------------------


def quick(bench: BenchFile) -> list[Check]:
    """Is the bench fit for another run? About a second; changes nothing. A warning is for what the next run puts right
    by itself before it begins.
    """
    found: list[Check] = []
    for name, look in (("BMC", _quick_bmc), ("console", _quick_console), ("analyser", _quick_analyser)):
        try:
            found += look(bench)
        except errors.BenchError as error:
            where = f"{error.where}: " if error.where else ""
            found.append(Check(name, False, f"{where}{error.what}", error.hint))
    return found


def _quick_bmc(bench: BenchFile) -> Iterator[Check]:
    with open_bmc(bench) as wire:
        on = wire.is_on()
    again = "The next run switches it off first"
    yield Check("BMC", True, f"answers; server is {_on(on)}", again if on else "", warn=on)


def _quick_console(bench: BenchFile) -> Iterator[Check]:
    with open_console(bench):
        yield Check("console", True, "opens")


def _quick_analyser(bench: BenchFile) -> Iterator[Check]:
    with ScpiAnalyser(bench.analyser) as wire:
        identity, where = wire.identify(), wire.where
        state, defect = wire.state(), wire.fault()
        start = wire.time()
        end = wire.time()
    if end <= start:
        raise errors.AnalyserGarbled(f"its clock stands still at {end} cycles", where)
    yield Check("analyser", True, f"{identity['model']} {identity['version']}; its clock goes")
    if state in ("ARMED", "TRIGGERED"):
        yield Check("analyser", True, f"a capture is {state}", "The next run stops it first", warn=True)
    if defect is not None:
        fix = "The next run takes it away first, and proves it"
        yield Check("card", True, f"has the seeded defect {defect}", fix, warn=True)


# ---- helpers ---------------------------------------------------------------------------------------------------------


def _on(on: bool) -> str:
    return "on" if on else "off"


def _duration(seconds: float) -> str:
    for size, unit in ((86400, "days"), (3600, "hours"), (60, "minutes")):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} s"

# SPDX-License-Identifier: Apache-2.0
"""Drives the server under test through its BMC and its console: power, shell, driver, kdump, panic, crash kernel."""

import json
import re
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vkbench import errors
from vkbench.config.model import BenchFile
from vkbench.evidence import Piece
from vkbench.instruments.login import log_in
from vkbench.instruments.protocol import Bmc, Console, Match
from vkbench.server.deploy import Deployer
from vkbench.server.distributions import SLOW_S
from vkbench.server.kdump import CRASH_LOADED, POST_NOTIFIERS, Armed, Kdump
from vkbench.server.settings import Settings
from vkbench.server.ssh import SshShell
from vkbench.server.states import (
    BOOTLOADER_TEXTS,
    FIRMWARE_TEXTS,
    RUNNING,
    Observer,
    State,
    StateTracker,
)

LOGIN_S = 60.0  # at least, for a login prompt that came at the end of the boot's time
AGREE_WITHIN_S = 5.0  # a BMC's and a card's view of a boot that the console has shown
PEEK_MARGIN_S = 30.0  # on top of the pauses between reads


@dataclass(frozen=True)
class CrashTexts:
    """Where the crash's texts stand on the console; None: not seen. For the record; rules use the capture."""

    panic: Match
    jump: Match | None
    crash_kernel: Match | None
    crash_ready: Match


class Server:
    """The server, by its wires. ``settings``: what is changed on it, and put back; each change goes through it.
    ``observer``: its state by console, BMC and card together; ``analyser`` may be left out, then two of them decide.
    """

    def __init__(
        self,
        bench: BenchFile,
        bmc: Bmc,
        console: Console,
        tracker: StateTracker,
        journals: Iterable[Path] = (),
        analyser: Any = None,
    ) -> None:
        self._bench = bench
        self._settings = bench.server
        self._bmc = bmc
        self._console = console
        self._tracker = tracker
        self._injected_at = 0
        self.settings = Settings(self.run, *journals, slowly=self.run_slowly)
        self.observer = Observer(tracker, bmc, analyser)
        self.kdump = Kdump(bench, self.run, self.settings)
        self.armed: Armed | None = None  #: the crash kernel, as arm_kdump() left it

    @property
    def state(self) -> State:
        """What the server is doing."""
        return self._tracker.state

    def power_on_to_shell(self) -> None:
        """Power off, power on, and wait for the root shell. Raises ServerNeverBooted."""
        self.power_off()
        self.boot_to_shell(self._bmc.power_on)

    def boot_to_shell(self, begin: Callable[[], None]) -> None:
        """Let the server boot, by power or by a reset, and wait for the root shell. Raises ServerNeverBooted."""
        start = self._console.position
        self.settings.rebooted("reboot")
        self._tracker.powered(True)
        begin()
        self._await_shell(start, "power on")

    def reboot(self) -> None:
        """An orderly reboot, until the root shell is back. Raises ServerNeverBooted."""
        start = self._console.position
        self._console.send("reboot\n")
        self.settings.rebooted("reboot")
        # The shell prompts once more before it goes; what follows a restart's first text is the new boot.
        begins = (self._bench.markers.crash_kernel, *FIRMWARE_TEXTS, *BOOTLOADER_TEXTS)
        try:
            found = self._console.expect(
                re.compile("|".join(map(re.escape, begins))), self._settings.boot_timeout_s, start
            )
        except errors.ConsoleTimeout as error:
            raise self._never_booted("'reboot'", error) from None
        self._await_shell(found.end, "'reboot'")

    def log_in(self) -> None:
        """Make sure of a root shell on a server that runs. Raises LoginFailed or ServerNeverBooted."""
        start = self._console.position
        if self._settings.login:
            log_in(self._console, self._settings.login, self._settings.prompt, self._settings.boot_timeout_s)
        else:
            self._console.send("\n")
            self._await_shell(start, "its return")

    def _await_shell(self, start: int, after: str) -> None:
        settings = self._settings
        end = time.monotonic() + settings.boot_timeout_s
        wanted: str | re.Pattern[str] = settings.prompt
        if settings.login:
            wanted = re.compile(f"{re.escape(settings.login.user_prompt)}|{re.escape(settings.prompt)}")
        try:
            found = self._console.expect(wanted, settings.boot_timeout_s, start)
        except errors.ConsoleTimeout as error:
            raise self._never_booted(after, error) from None
        if settings.login:
            left = max(LOGIN_S, end - time.monotonic())
            log_in(self._console, settings.login, settings.prompt, left, found.start)
        seen = self.observer.look()
        if not seen.clear:
            seen = self.observer.wait(RUNNING, AGREE_WITHIN_S, stop=lambda seen: seen.clear)
        if not seen.clear:
            raise errors.StateUnclear(
                f"its shell answers, but {seen.sentence}",
                "server",
                "Check that console, BMC and card in the bench file are those of one server",
            )

    def _never_booted(self, after: str, error: errors.ConsoleTimeout) -> errors.ServerNeverBooted:
        return errors.ServerNeverBooted(
            f"no prompt {self._settings.prompt!r} within {self._settings.boot_timeout_s:g} s after {after}; "
            f"last seen state: {self.state.value}; {self.observer.look().sentence}. {error.what}",
            "server",
            "Look at console.log; prompt and boot_timeout_s in [server] say what is waited for",
        )

    def power_off(self) -> None:
        """Power off at once."""
        if self._bmc.is_on():
            self._bmc.power_off()
        self._tracker.powered(False)
        self.settings.rebooted("power off")

    def run(self, command: str, timeout: float | None = None) -> str:
        """A command in the server's shell; its output. Raises CommandFailed or ConsoleTimeout."""
        return self._console.run(command, self._settings.prompt, timeout or self._settings.command_timeout_s)

    def run_slowly(self, command: str) -> str:
        """A command that may take minutes."""
        return self.run(command, SLOW_S)

    def run_in_crash_kernel(self, command: str, timeout: float | None = None) -> str:
        """The same in the crash kernel's shell."""
        limit = timeout or self._settings.command_timeout_s
        return self._console.run(command, self._settings.crash_prompt, limit)

    @contextmanager
    def deployer(self) -> Iterator[Deployer]:
        """What brings files onto the server: over SSH where the bench file has it, else over the console."""
        with ExitStack() as stack:
            ssh = stack.enter_context(SshShell(self._settings.ssh)) if self._settings.ssh else None
            yield Deployer(self.run, self._settings.command_timeout_s, ssh)

    def leave_crash_shell(self) -> None:
        """Let a distribution's dump go on."""
        self._console.send("exit\n")

    def inventory(self) -> dict[str, Any]:
        """Distribution, kernel, its command line, firmware, and the machine."""
        module = f"/sys/module/{self._settings.commands.driver_module}"
        found: dict[str, Any] = {
            "uname": self.run("uname -a"),
            "cmdline": self.run("cat /proc/cmdline"),
            "machine": self.run(
                "cat /sys/class/dmi/id/sys_vendor /sys/class/dmi/id/product_name 2>/dev/null; true"
            ),
            "firmware": self.run(
                "cat /sys/class/dmi/id/bios_vendor /sys/class/dmi/id/bios_version /sys/class/dmi/id/bios_date "
                "2>/dev/null; true"
            ),
            "os": self.run('(. /etc/os-release 2>/dev/null && echo "$PRETTY_NAME"); true'),
        }
        driver: dict[str, str] = {"module": self._settings.commands.driver_module}
        for name in ("version", "srcversion", "taint"):
            driver[name] = self.run(f"cat {module}/{name} 2>/dev/null; true")
        found["driver"] = driver
        found["iommu"] = parse_iommu(self.run(iommu_command(module)))
        found["cards"] = self.run(
            f"for d in {module}/drivers/pci:*/0*; do [ -e $d ] && "
            'echo "${d##*/} $(cat $d/vendor $d/device $d/revision | tr "\\n" " ")"; done; true'
        ).splitlines()
        return found

    def load_driver(self) -> str:
        """Load the card's driver; what the command printed."""
        return self.run(self._settings.commands.load_driver)

    def arm_kdump(self, post_notifiers: bool) -> str:
        """Load the crash kernel and set the switch; both are read back. Raises KdumpNotArmed."""
        self.armed = self.kdump.arm(post_notifiers)
        return self.armed.sentence()

    def disarm_kdump(self, post_notifiers: bool) -> str:
        """Take the crash kernel out and set the switch; both are read back. Raises KdumpNotArmed or SettingNotTaken."""
        self.settings.set(POST_NOTIFIERS, "Y" if post_notifiers else "N")
        said = self.run("kexec -p -u; true")
        if (loaded := self.run(f"cat {CRASH_LOADED}").strip()) != "0":
            raise errors.KdumpNotArmed(
                f"{CRASH_LOADED} reads {loaded!r}, not 0, after 'kexec -p -u': {said[-300:]}", "server"
            )
        return "no crash image"

    def inject(self, command: str) -> None:
        """Type the command that panics the server; it is not waited for."""
        self._injected_at = self._console.position
        self.send(command)

    def inject_sysrq(self) -> None:
        """Panic by sysrq-c, through /proc (no mask applies there)."""
        self.inject("echo c > /proc/sysrq-trigger")

    def send(self, command: str) -> None:
        """Type a line and wait for nothing."""
        self._console.send(command + "\n")

    def await_panic(self) -> Match:
        """Wait for the panic's text after an injection. Raises NoPanic."""
        try:
            return self._console.expect(
                self._bench.markers.panic, self._settings.panic_timeout_s, self._injected_at
            )
        except errors.ConsoleTimeout as error:
            raise errors.NoPanic(f"the server did not panic: {error.what}", "server") from None

    def follow_texts(self, texts: list[str]) -> str | None:
        """Wait for these texts in this order after the panic's; the first one that did not come in time, or None."""
        at, end = self.await_panic().start, time.monotonic() + self._settings.panic_timeout_s
        for text in texts:
            try:
                at = self._console.expect(text, max(0.0, end - time.monotonic()), at).end
            except errors.ConsoleTimeout:
                return text
        return None

    def follow_into_crash_kernel(self) -> CrashTexts:
        """Wait for the panic and for the crash kernel's shell. Raises NoPanic or NoCrashKernel."""
        settings, markers = self._settings, self._bench.markers
        panic = self.await_panic()
        limit = settings.crash_timeout_s
        try:
            ready = self._console.expect(markers.crash_ready, limit, panic.end)
            self._console.expect(settings.crash_prompt, limit, ready.end)
        except errors.ConsoleTimeout as error:
            raise errors.NoCrashKernel(
                f"the crash kernel's shell did not come within {limit:g} s after the panic; "
                f"last seen state: {self.state.value}. {error.what}",
                "server",
                "Look at console.log; crash_prompt and crash_timeout_s in [server] say what is waited for",
            ) from None
        # Looked for afterwards: a kernel that prints no jump text is evidence too (the verdict is then inconclusive).
        jump = self._between(markers.jump, panic.end, ready.start)
        banner = self._between(markers.crash_kernel, (jump or panic).end, ready.start)
        return CrashTexts(panic, jump, banner, ready)

    def _between(self, text: str, start: int, end: int) -> Match | None:
        try:
            found = self._console.expect(text, 0, start)
        except errors.ConsoleTimeout:
            return None
        return found if found.end <= end else None

    def translate(self, slot: str, address: int, size: int) -> list[Piece]:
        """Where a card's buffer behind an IOMMU lies in memory, in order. Raises CommandFailed."""
        command = f"{self._settings.commands.translate} {slot} {address:#x} {size}"
        return parse_pieces(self.run(command), size, command)

    def peek(self, pieces: list[Piece], reads: int, every_s: float) -> dict[str, Any]:
        """Read old memory several times from the crash kernel; the content of memory.json. Raises CommandFailed."""
        command = " ".join(
            [self._settings.commands.peek, *(f"{piece.paddr:#x} {piece.size}" for piece in pieces)]
        )
        if (reads, every_s) != (2, 1.0):
            command += f" --reads {reads} --every {round(every_s * 1000)}"
        timeout = self._settings.command_timeout_s + (reads - 1) * every_s + PEEK_MARGIN_S
        output = self._console.run(command, self._settings.crash_prompt, timeout)
        return parse_peek(output, command)


#: The names in /sys/class/iommu, by how they begin.
IOMMUS = {"dmar": "intel", "ivhd": "amd", "smmu": "smmu", "virtio": "virtio"}


def iommu_command(module: str) -> str:
    """Shell command: which IOMMUs the kernel drives, and which domain the card of this driver is in."""
    return (
        f'ls /sys/class/iommu 2>/dev/null | sed "s/^/unit /"; for d in {module}/drivers/pci:*/0*; do '
        '[ -e $d/iommu_group ] && echo "domain $(cat $d/iommu_group/type 2>/dev/null)"; done; true'
    )


def parse_iommu(said: str) -> dict[str, str]:
    """``kind``: who translates the card's DMA, or "none"; ``domain``: how, when it is in a group at all."""
    found = [line.split() for line in said.splitlines()]
    units = [words[1] for words in found if len(words) == 2 and words[0] == "unit"]
    domains = [words[1:] for words in found if words[:1] == ["domain"]]
    if not units or not domains:
        return {"kind": "none"}
    kinds = (kind for start, kind in IOMMUS.items() if units[0].startswith(start))
    return {"kind": next(kinds, units[0]), "domain": " ".join(domains[0]) or "unknown"}


def parse_pieces(said: str, size: int, command: str) -> list[Piece]:
    """The answer of vk-translate, ``0xPADDR BYTES`` a line. Raises CommandFailed when it is not all of the buffer."""
    # 60 bits: more than any processor addresses, and no piece is empty.
    found = re.findall(r"^0x([0-9a-fA-F]{1,15}) ([1-9][0-9]{0,18})\s*$", said, re.MULTILINE)
    if sum(int(length) for _, length in found) != size:
        raise errors.CommandFailed(
            f"'{command}' tells of {len(found)} pieces that are not {size} bytes together: {said[:200]!r}",
            "server",
        )
    return [Piece(paddr=int(paddr, 16), size=int(length)) for paddr, length in found]


def parse_peek(output: str, command: str) -> dict[str, Any]:
    """The JSON lines of vkpeek, as the content of memory.json. Kernel messages between them are passed over."""
    lines = []
    for line in output.splitlines():
        if line.startswith("{"):
            try:
                lines.append(json.loads(line))
            except ValueError:
                raise errors.CommandFailed(
                    f"'{command}' printed a damaged line: {line[:200]!r}", "server"
                ) from None
    for line in lines:
        if "error" in line:
            raise errors.CommandFailed(f"'{command}': {line['error']}", "server")
    reads = [line for line in lines if "read" in line]
    ends = [line for line in lines if "differs" in line]
    if len(reads) < 2 or len(ends) != 1:
        raise errors.CommandFailed(
            f"'{command}' printed {len(reads)} reads and {len(ends)} results", "server"
        )
    interval = reads[1]["uptime_ms"] - reads[0]["uptime_ms"]
    return {
        "reads": reads,
        "differs": ends[0]["differs"],
        "words_changed": ends[0]["words_changed"],
        "interval_ms": interval,
    }

# SPDX-License-Identifier: Apache-2.0
"""Drives the server under test through its BMC and its console: power, shell, driver, kdump, panic, crash kernel."""

import json
import re
import time
from dataclasses import dataclass
from typing import Any

from vkbench import errors
from vkbench.config.model import BenchFile
from vkbench.instruments.protocol import Bmc, Console, Match
from vkbench.server.states import State, StateTracker

POST_NOTIFIERS = "/sys/module/kernel/parameters/crash_kexec_post_notifiers"
CRASH_LOADED = "/sys/kernel/kexec_crash_loaded"
PEEK_MARGIN_S = 30.0  # on top of the pauses between reads


@dataclass(frozen=True)
class CrashTexts:
    """Where the crash's texts stand on the console; None: not seen. For the record; rules use the capture."""

    panic: Match
    jump: Match | None
    crash_kernel: Match | None
    crash_ready: Match


class Server:
    """The server, by its wires."""

    def __init__(self, bench: BenchFile, bmc: Bmc, console: Console, tracker: StateTracker) -> None:
        self._bench = bench
        self._settings = bench.server
        self._bmc = bmc
        self._console = console
        self._tracker = tracker
        self._injected_at = 0

    @property
    def state(self) -> State:
        """What the server is doing."""
        return self._tracker.state

    def power_on_to_shell(self) -> None:
        """Power off, power on, and wait for the root shell. Raises ServerNeverBooted."""
        self.power_off()
        start = self._console.position
        self._bmc.power_on()
        self._tracker.powered(True)
        limit = self._settings.boot_timeout_s
        login = self._settings.login
        end = time.monotonic() + limit
        try:
            if login:
                wanted = re.compile(f"{re.escape(login.user_prompt)}|{re.escape(self._settings.prompt)}")
                found = self._console.expect(wanted, limit, start)
                if found.text == login.user_prompt:
                    self._log_in(found.end, end)
            else:
                self._console.expect(self._settings.prompt, limit, start)
        except errors.ConsoleTimeout as error:
            raise errors.ServerNeverBooted(
                f"no prompt {self._settings.prompt!r} within {limit:g} s after power on; "
                f"last seen state: {self.state.value}. {error.what}",
                "server",
                "Look at console.log; prompt and boot_timeout_s in [server] say what is waited for",
            ) from None

    def _log_in(self, start: int, end: float) -> None:
        login = self._settings.login
        assert login is not None
        self._console.send(login.user + "\n")
        if login.password:
            asked = self._console.expect(login.password_prompt, max(1.0, end - time.monotonic()), start)
            self._console.send(login.password.read() + "\n")
            start = asked.end
        self._console.expect(self._settings.prompt, max(1.0, end - time.monotonic()), start)

    def power_off(self) -> None:
        """Power off at once."""
        if self._bmc.is_on():
            self._bmc.power_off()
        self._tracker.powered(False)

    def run(self, command: str, timeout: float | None = None) -> str:
        """A command in the server's shell; its output. Raises CommandFailed or ConsoleTimeout."""
        return self._console.run(command, self._settings.prompt, timeout or self._settings.command_timeout_s)

    def inventory(self) -> dict[str, Any]:
        """Kernel, its command line, and the machine."""
        module = f"/sys/module/{self._settings.commands.driver_module}"
        found: dict[str, Any] = {
            "uname": self.run("uname -a"),
            "cmdline": self.run("cat /proc/cmdline"),
            "machine": self.run(
                "cat /sys/class/dmi/id/sys_vendor /sys/class/dmi/id/product_name 2>/dev/null; true"
            ),
        }
        driver: dict[str, str] = {"module": self._settings.commands.driver_module}
        for name in ("version", "srcversion", "taint"):
            driver[name] = self.run(f"cat {module}/{name} 2>/dev/null; true")
        found["driver"] = driver
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
        wanted = "Y" if post_notifiers else "N"
        self.run(f"echo {wanted} > {POST_NOTIFIERS}")
        said = self.run(self._settings.commands.arm_kdump)
        if (switch := self.run(f"cat {POST_NOTIFIERS}").strip()) != wanted:
            raise errors.KdumpNotArmed(f"{POST_NOTIFIERS} reads {switch!r}, set was {wanted!r}", "server")
        if (loaded := self.run(f"cat {CRASH_LOADED}").strip()) != "1":
            raise errors.KdumpNotArmed(
                f"{CRASH_LOADED} reads {loaded!r}, not 1; the command said: {said[-300:]}",
                "server",
                "Is crashkernel= on the kernel's command line, and large enough?",
            )
        return said

    def inject_sysrq(self) -> None:
        """Panic by sysrq-c, through /proc (no mask applies there)."""
        self._injected_at = self._console.position
        self._console.send("echo c > /proc/sysrq-trigger\n")

    def follow_into_crash_kernel(self) -> CrashTexts:
        """Wait for the panic and for the crash kernel's shell. Raises NoPanic or NoCrashKernel."""
        settings, markers = self._settings, self._bench.markers
        try:
            panic = self._console.expect(markers.panic, settings.panic_timeout_s, self._injected_at)
        except errors.ConsoleTimeout as error:
            raise errors.NoPanic(f"the server did not panic: {error.what}", "server") from None
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

    def peek(self, paddr: int, size: int, reads: int, every_s: float) -> dict[str, Any]:
        """Read old memory several times from the crash kernel; the content of memory.json. Raises CommandFailed."""
        command = f"{self._settings.commands.peek} {paddr:#x} {size}"
        if (reads, every_s) != (2, 1.0):
            command += f" --reads {reads} --every {round(every_s * 1000)}"
        timeout = self._settings.command_timeout_s + (reads - 1) * every_s + PEEK_MARGIN_S
        output = self._console.run(command, self._settings.crash_prompt, timeout)
        return parse_peek(output, command)


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

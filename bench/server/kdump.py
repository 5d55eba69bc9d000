# SPDX-License-Identifier: Apache-2.0
"""Arms the crash kernel: by a command of the bench file, or by the service of a distribution. Whatever decides what a
panic does is read back from the kernel, never believed.

On a distribution the crash kernel first stops in a shell on the serial console (crash_shell.py): a small hook is
put in front of the distribution's dump, and taken away again with all other settings.
"""

import re
import shlex
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from vkbench import errors
from vkbench.config.model import BenchFile
from vkbench.server.crash_shell import crash_shell
from vkbench.server.distributions import DISTRIBUTIONS, HOOK, Distribution, RunWithin
from vkbench.server.settings import Settings
from vkbench.server.transfer import without_kernel_lines

POST_NOTIFIERS = "/sys/module/kernel/parameters/crash_kexec_post_notifiers"
CRASH_LOADED = "/sys/kernel/kexec_crash_loaded"
CRASH_SIZE = "/sys/kernel/kexec_crash_size"
IDLE_S = 3600  # a crash shell that nobody types into for so long lets the dump go on
_SIZE = re.compile(r"(\d+)([KMGT]?)", re.IGNORECASE)
_UNITS = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30, "T": 1 << 40}

#: Nobody kicks in the crash kernel what the system, its firmware or the chipset has started.
_WATCHDOGS = (
    "for d in /sys/class/watchdog/watchdog*; do [ -e $d/identity ] && "
    'echo "$(cat $d/identity) $(cat $d/state), $(cat $d/timeout) s"; done; true'
)


@dataclass
class Armed:
    """What stands in run.json about the crash kernel."""

    style: str
    said: str = ""
    post_notifiers: str = ""
    crashkernel: str = ""  #: of the running kernel's command line
    crash_size: int = 0  #: bytes, /sys/kernel/kexec_crash_size
    service: str = ""
    kexec_command: str = ""
    loaded_by: str = ""  #: the system call
    jump: str = ""  #: what marks the jump
    hook: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def inventory(self) -> dict[str, Any]:
        """For run.json."""
        return dict(vars(self))

    def sentence(self) -> str:
        """For the step."""
        parts = [self.said.strip(), self.jump if self.style != "command" else "", *self.notes]
        return "; ".join(part for part in parts if part)


class Kdump:
    """Arms and disarms on one server. ``run``: its shell, within a time."""

    def __init__(self, bench: BenchFile, run: RunWithin, settings: Settings) -> None:
        self._bench, self._settings = bench, settings
        self._raw = run

    def arm(self, post_notifiers: bool, sysctls: dict[str, str] | None = None) -> Armed:
        """Load the crash kernel and set the switches; all read back. Raises KdumpNotArmed."""
        style = self._bench.server.kdump.style
        wanted = "Y" if post_notifiers else "N"
        armed = Armed(style)
        try:
            self._settings.set(POST_NOTIFIERS, wanted)
            for path, value in (sysctls or {}).items():
                self._settings.set(path, value)
            if style == "command":
                armed.said = self._run(self._bench.server.commands.arm_kdump)
                if self._bench.server.kdump.crashkernel:
                    self._check_memory(armed, None)
            else:
                self._arm_distribution(DISTRIBUTIONS[style](self._raw, self._settings), armed)
        except errors.SettingNotTaken as error:
            raise errors.KdumpNotArmed(error.what, "server", error.hint) from None
        self._read_back(armed, wanted)
        return armed

    def set_crashkernel(self, value: str) -> str:
        """Change crashkernel= in the boot loader; what is to be said about it. It counts from the next boot on.

        Raises KdumpNotArmed where only a person should do that.
        """
        style = self._bench.server.kdump.style
        if style != "debian":
            how = (
                DISTRIBUTIONS[style](self._raw, self._settings).how(value)
                if style in DISTRIBUTIONS
                else _HOW_COMMAND
            )
            raise errors.KdumpNotArmed("crashkernel= is not changed by the bench here", "server", how)
        if not re.fullmatch(r"[0-9A-Za-z:,@\-]+", value):
            raise errors.UserError(f"{value!r} is no value of crashkernel=")
        # The files are read by a shell, in the order of their names.
        text = (
            "# Written by vkbench; it takes this away again.\n"
            'GRUB_CMDLINE_LINUX=$(echo "$GRUB_CMDLINE_LINUX" | sed "s/crashkernel=[^ ]*//g")\n'
            'GRUB_CMDLINE_LINUX_DEFAULT=$(echo "$GRUB_CMDLINE_LINUX_DEFAULT" | sed "s/crashkernel=[^ ]*//g")\n'
            f'GRUB_CMDLINE_LINUX="$GRUB_CMDLINE_LINUX crashkernel={value}"\n'
        )
        self._settings.file("/etc/default/grub.d/zz-vkbench.cfg", text, apply="update-grub")
        if self._run("grep -c 'crashkernel=' /boot/grub/grub.cfg; true") in ("", "0"):
            raise errors.KdumpNotArmed("update-grub wrote no crashkernel= into /boot/grub/grub.cfg", "server")
        return f"crashkernel={value} counts from the next boot on"

    # ---- what every style shares -----------------------------------------------------------------------------------------

    def _read_back(self, armed: Armed, wanted: str) -> None:
        if (switch := self._run(f"cat {POST_NOTIFIERS}")) != wanted:
            raise errors.KdumpNotArmed(f"{POST_NOTIFIERS} reads {switch!r}, set was {wanted!r}", "server")
        armed.post_notifiers = switch
        if (loaded := self._run(f"cat {CRASH_LOADED}")) != "1":
            raise errors.KdumpNotArmed(
                f"{CRASH_LOADED} reads {loaded!r}, not 1; the command said: {armed.said[-300:]}",
                "server",
                "Is crashkernel= on the kernel's command line, and large enough?",
            )

    def _check_memory(self, armed: Armed, how: Callable[[str], str] | None) -> None:
        wanted = self._bench.server.kdump.crashkernel
        words = re.findall(r"(?:^|\s)crashkernel=(\S+)", self._run("cat /proc/cmdline"))
        size = self._run(f"cat {CRASH_SIZE}")
        armed.crashkernel = " ".join(words)
        armed.crash_size = int(size) if size.isdecimal() else 0
        hint = how(wanted or "512M") if how else _HOW_COMMAND
        if not armed.crash_size:
            raise errors.KdumpNotArmed(
                f"no memory is reserved for a crash kernel: {CRASH_SIZE} reads {size!r}, "
                f"the command line has crashkernel={armed.crashkernel or '(none)'}",
                "server",
                hint,
            )
        if wanted and wanted not in words and size_of(wanted) != armed.crash_size:
            raise errors.KdumpNotArmed(
                f"crashkernel={armed.crashkernel or '(none)'} ({armed.crash_size} bytes reserved), "
                f"the bench file wants {wanted}",
                "server",
                hint,
            )

    # ---- distributions ---------------------------------------------------------------------------------------------------

    def _arm_distribution(self, distribution: Distribution, armed: Armed) -> None:
        self._check_memory(armed, distribution.how)
        peek = self._bench.server.commands.peek.split()[0]
        where = self._run(f"command -v {shlex.quote(peek)} || echo none")
        if where == "none":
            raise errors.KdumpNotArmed(
                f"the server has no {peek}: nobody could look at the memory after the panic",
                "server",
                "Build fixtures/server/vkpeek.c (cc -O2 -static) and put it into /usr/local/sbin",
            )
        server, markers = self._bench.server, self._bench.markers
        script = crash_shell(markers.crash_ready, server.crash_prompt, IDLE_S)
        changed = distribution.file(HOOK, script, 0o755)
        changed |= distribution.install_hook(where)
        changed &= distribution.hook_in_initramfs
        armed.hook = distribution.check_hook()
        if server.arch == "x86_64":
            if distribution.secure_boot():
                armed.notes.append("Secure Boot: only kexec_file_load may load a crash kernel")
            else:
                changed |= distribution.ask_for_jump_text()
        if changed or self._run(f"cat {CRASH_LOADED}") != "1":
            distribution.reload()
        armed.service = distribution.check_service()
        armed.kexec_command = distribution.kexec_command()
        armed.loaded_by, armed.jump = how_loaded(armed.kexec_command, server.arch, markers.jump)
        if watchdogs := self._run(_WATCHDOGS):
            armed.notes.append(
                f"a watchdog that runs resets a slow crash kernel: {', '.join(watchdogs.splitlines())}"
            )
        if re.search(r"(?:^|\s)quiet(?:\s|$)", self._run("cat /proc/cmdline")):
            armed.notes.append("'quiet' on the command line: the crash kernel's first text may not come")

    def _run(self, command: str, timeout: float | None = None) -> str:
        said = self._raw(command, timeout) if timeout else self._raw(command)
        return without_kernel_lines(said)


_HOW_COMMAND = "Change crashkernel= on the kernel's command line in the server's boot loader, and reboot"


def size_of(text: str) -> int | None:
    """Bytes of a plain ``SIZE[KMGT][@OFFSET]``; None for the forms whose size depends on the machine."""
    found = _SIZE.fullmatch(text.partition("@")[0])
    return int(found[1]) * _UNITS[found[2].upper()] if found else None


def how_loaded(command: str, arch: str, jump: str) -> tuple[str, str]:
    """By which system call a kexec command loads, and what therefore marks the jump (kexec(8))."""
    words = command.split()
    short = "".join(word[1:] for word in words if re.fullmatch(r"-[a-z]+", word))
    if "c" in short or "--kexec-syscall" in words:
        call = "kexec_load"
    elif "s" in short or "--kexec-file-syscall" in words:
        call = "kexec_file_load"
    else:
        call = "kexec_file_load, or kexec_load where the kernel has no other"
    if arch == "aarch64":
        return call, f"the kernel's own {jump!r} marks the jump"
    if call == "kexec_load" and ("--console-serial" in words or "--console-vga" in words):
        return call, f"purgatory's {jump!r} marks the jump"
    return call, (
        "no text marks the jump (purgatory is silent unless kexec_load brings it with --console-serial): "
        "the card's first config access and the crash kernel's first text bound it"
    )

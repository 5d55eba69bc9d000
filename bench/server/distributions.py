# SPDX-License-Identifier: Apache-2.0
"""What differs between distributions in arming the crash kernel: the service, where the hook in front of its dump goes,
where kexec's options stand, and how the crash kernel is loaded anew. kdump.py says in which order.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable

from vkbench import errors
from vkbench.server.settings import Settings
from vkbench.server.transfer import without_kernel_lines

HOOK = "/usr/local/lib/vkbench/crash-shell"
SLOW_S = 600.0  # a kdump initramfs that is made anew
#: Purgatory speaks on the serial line only when kexec_load (-c) brought it there with this (kexec-tools, x86).
JUMP_ARGUMENTS = "-c --console-serial"

RunWithin = Callable[..., str]  #: command, and optionally the longest time in seconds


class Distribution(ABC):
    """What differs between distributions."""

    #: Where kexec's options stand: file, variable.
    options: tuple[str, str]
    unit = "kdump.service"
    hook_in_initramfs = (
        True  #: False: the crash kernel reads the hook from the disk, nothing is loaded anew for it
    )

    def __init__(self, run: RunWithin, settings: Settings) -> None:
        self._raw, self._settings = run, settings

    @abstractmethod
    def how(self, value: str) -> str:
        """How crashkernel= is changed here, a sentence."""

    @abstractmethod
    def install_hook(self, peek: str) -> bool:
        """Put the crash shell in front of the dump; True when a file was changed."""

    @abstractmethod
    def check_hook(self) -> list[str]:
        """The files that make the hook, as read back. Raises KdumpNotArmed."""

    @abstractmethod
    def reload(self) -> None:
        """Load the crash kernel anew. Raises KdumpNotArmed."""

    @abstractmethod
    def kexec_command(self) -> str:
        """The command that loaded it, as far as the distribution tells."""

    def check_service(self) -> str:
        """What the service says of itself. Raises KdumpNotArmed."""
        state = self.run(f"systemctl is-active {self.unit}; true")
        if state != "active":
            raise errors.KdumpNotArmed(
                f"{self.unit} is {state or 'unknown'}, not active",
                "server",
                f"systemctl enable --now {self.unit}; systemctl status {self.unit} says more",
            )
        return f"{self.unit} {state}"

    def secure_boot(self) -> bool:
        """True when the firmware enforces signatures, or the kernel is locked down."""
        said = self.run(
            "cat /sys/kernel/security/lockdown 2>/dev/null; od -An -tu1 -j4 -N1 "
            "/sys/firmware/efi/efivars/SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c 2>/dev/null; true"
        )
        return "[integrity]" in said or "[confidentiality]" in said or said.split()[-1:] == ["1"]

    def ask_for_jump_text(self) -> bool:
        """Let kexec load by kexec_load, with a purgatory that speaks; True when that was changed."""
        path, name = self.options
        old = self.value(path, name)
        words = [word for word in old.split() if word not in ("-s", "-a", "--kexec-file-syscall")]
        words += [word for word in JUMP_ARGUMENTS.split() if word not in words]
        new = " ".join(words)
        return new != old and self.assign(path, {name: new})

    # ---- helpers -----------------------------------------------------------------------------------------------------

    def run(self, command: str, timeout: float | None = None) -> str:
        """A command's output, without the kernel's messages."""
        said = self._raw(command, timeout) if timeout else self._raw(command)
        return without_kernel_lines(said)

    def file(self, path: str, content: str, mode: int = 0o644, apply: str = "") -> bool:
        """Write a file unless it is so already; True when it was written."""
        if self._settings.holds(path, content):
            return False
        self._settings.file(path, content, apply=apply, mode=mode)
        return True

    def text(self, path: str) -> str:
        """A text file's content, byte for byte."""
        data = self._settings.read(path)
        if data is None:
            raise errors.KdumpNotArmed(
                f"{path} does not exist", "server", "Is the distribution's kdump installed?"
            )
        return data.decode("utf-8", "surrogateescape")

    def value(self, path: str, name: str) -> str:
        """A variable of a file that a shell reads."""
        return self.run(f'(if [ -r {path} ]; then . {path} >/dev/null 2>&1; fi; echo "${name}")')

    def assign(self, path: str, values: dict[str, str]) -> bool:
        """Give variables of such a file new values, at its end; True when that changes the file."""
        theirs, _, ours = self.text(path).partition(_SIGN)
        lines = [line for line in ours.splitlines() if line and line.partition("=")[0] not in values]
        return self.append(path, theirs, [*lines, *(f'{name}="{value}"' for name, value in values.items())])

    def append(self, path: str, theirs: str, lines: list[str]) -> bool:
        """Lines of ours behind what stood in the file before; True when that changes it."""
        separator = "" if theirs.endswith("\n") or not theirs else "\n"
        return self.file(path, theirs + separator + "\n".join([_SIGN, *lines]) + "\n")

    def slowly(self, command: str) -> str:
        """A command that may make an initramfs. Raises KdumpNotArmed with what it said."""
        try:
            return self.run(command, SLOW_S)
        except errors.CommandFailed as error:
            raise errors.KdumpNotArmed(f"the crash kernel cannot be loaded: {error.what}", "server") from None


_SIGN = "# By vkbench, which takes it away again:"


class Debian(Distribution):
    """kdump-tools. Its crash kernel boots the whole system far enough for kdump-tools.service, which then dumps."""

    options = ("/etc/default/kdump-tools", "KDUMP_KEXEC_ARGS")
    unit = "kdump-tools.service"
    hook_in_initramfs = False
    #: Which of the two dumps depends on kdump-tools' version; both get the hook, it runs only once.
    units = ("kdump-tools.service", "kdump-tools-dump.service")

    def how(self, value: str) -> str:
        return (
            f"Put crashkernel={value} into GRUB_CMDLINE_LINUX_DEFAULT in /etc/default/grub.d/kdump-tools.cfg, "
            "run update-grub, and reboot"
        )

    def install_hook(self, peek: str) -> bool:
        text = f"# By vkbench, which takes it away again.\n[Service]\nExecStartPre={HOOK}\nTimeoutStartSec=infinity\n"
        for unit in self.units:
            self.file(_drop_in(unit), text, apply="systemctl daemon-reload")
        return True

    def check_hook(self) -> list[str]:
        for unit in self.units:
            said = self.run(f"systemctl show -p ExecStartPre {unit}")
            if HOOK not in said:
                raise errors.KdumpNotArmed(f"the hook is not in {unit}: systemctl shows {said!r}", "server")
        return [HOOK, *map(_drop_in, self.units)]

    def reload(self) -> None:
        self.slowly("kdump-config unload && kdump-config load")

    def check_service(self) -> str:
        said = self.run("kdump-config status 2>&1; true")
        return f"{super().check_service()}; {said.splitlines()[-1].strip() if said else ''}"

    def kexec_command(self) -> str:
        said = self.run("kdump-config show 2>/dev/null; true")
        return said.rpartition("kexec command:")[2].strip()


def _drop_in(unit: str) -> str:
    return f"/etc/systemd/system/{unit}.d/vkbench.conf"


class Rhel(Distribution):
    """kexec-tools or kdump-utils of RHEL, Fedora and their kin: a dracut initramfs that runs kdump_pre before the dump."""

    options = ("/etc/sysconfig/kdump", "KEXEC_ARGS")
    conf = "/etc/kdump.conf"

    def how(self, value: str) -> str:
        return f"grubby --update-kernel=ALL --args=crashkernel={value} (or kdumpctl reset-crashkernel), and reboot"

    def install_hook(self, peek: str) -> bool:
        theirs = self.text(self.conf).partition(_SIGN)[0]
        others = [line for line in theirs.splitlines() if line.split()[:1] == ["kdump_pre"]]
        if others:
            raise errors.KdumpNotArmed(
                f"{self.conf} has a hook of somebody else's: {others[0]!r}",
                "server",
                "Take it out for the run",
            )
        lines = [f"kdump_pre {HOOK}", f"extra_bins {peek} /usr/bin/setsid /usr/bin/stty"]
        return self.append(self.conf, theirs, lines)

    def check_hook(self) -> list[str]:
        said = self.run(f"grep -h ^kdump_pre {self.conf}; true")
        if HOOK not in said:
            raise errors.KdumpNotArmed(f"the hook is not in {self.conf}: it has {said!r}", "server")
        return [HOOK, self.conf]

    def reload(self) -> None:
        self.slowly("kdumpctl restart")

    def check_service(self) -> str:
        said = self.run("kdumpctl status 2>&1; true")
        return f"{super().check_service()}; {said.splitlines()[-1].strip() if said else ''}"

    def kexec_command(self) -> str:
        return f"kexec -p {self.value(*self.options)}"


class Suse(Distribution):
    """kdump of SLES and openSUSE: a dracut initramfs that runs KDUMP_PRESCRIPT before the dump (kdump(5))."""

    options = ("/etc/sysconfig/kdump", "KEXEC_OPTIONS")
    conf = "/etc/sysconfig/kdump"

    def how(self, value: str) -> str:
        return (
            f"Put crashkernel={value} into GRUB_CMDLINE_LINUX_DEFAULT in /etc/default/grub, run "
            "grub2-mkconfig -o /boot/grub2/grub.cfg (or yast kdump), and reboot"
        )

    def install_hook(self, peek: str) -> bool:
        if transfer := self.value(self.conf, "KDUMP_TRANSFER"):
            raise errors.KdumpNotArmed(
                f"KDUMP_TRANSFER is {transfer!r}: with it no prescript is run",
                "server",
                f"Empty it in {self.conf}",
            )
        before = self.value(self.conf, "KDUMP_PRESCRIPT")
        if before not in ("", HOOK):
            raise errors.KdumpNotArmed(
                f"{self.conf} has a hook of somebody else's: {before!r}", "server", "Take it out for the run"
            )
        programs = self.value(self.conf, "KDUMP_REQUIRED_PROGRAMS").split()
        needed = [HOOK, peek, "setsid", "stty"]
        programs += [name for name in needed if name not in programs]
        values = {"KDUMP_PRESCRIPT": HOOK, "KDUMP_REQUIRED_PROGRAMS": " ".join(programs)}
        return self.assign(self.conf, values)

    def check_hook(self) -> list[str]:
        if (said := self.value(self.conf, "KDUMP_PRESCRIPT")) != HOOK:
            raise errors.KdumpNotArmed(f"KDUMP_PRESCRIPT in {self.conf} is {said!r}, not {HOOK}", "server")
        return [HOOK, self.conf]

    def reload(self) -> None:
        self.slowly("mkdumprd -f && systemctl restart kdump.service")

    def kexec_command(self) -> str:
        return f"kexec -p {self.value(*self.options)}"


DISTRIBUTIONS: dict[str, type[Distribution]] = {"debian": Debian, "rhel": Rhel, "suse": Suse}

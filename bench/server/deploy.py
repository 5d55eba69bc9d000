# SPDX-License-Identifier: Apache-2.0
"""Brings sources onto the server, builds a kernel module there against the running kernel, loads it, and reads back
that it is this one.

Over SSH when the server has it, else over the console: base64 lines with their SHA-256 read back (transfer.py). The
card's driver and the panic injector come this way.
"""

import hashlib
import io
import re
import shlex
import tarfile
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from vkbench import errors
from vkbench.server.ssh import SshShell
from vkbench.server.transfer import Progress, Run, digest, without_kernel_lines, write_file

FOLDER = "/var/tmp/vkbench"  # survives a reboot, unlike /tmp
SYS_MODULE, LIB_MODULES = "/sys/module", "/lib/modules"
BUILD_TIMEOUT_S = 600.0
SOURCE_NAMES = ("*.c", "*.h", "Makefile", "Kbuild", "Kconfig", "dkms.conf", "*.sh")
RunWithin = Callable[[str, float], str]  #: command, longest time in seconds


@dataclass(frozen=True)
class Deployed:
    """A module that was built and loaded on the server, as read back there."""

    name: str
    kernel: str
    file: str
    sha256: str  #: of the module's file on the server
    srcversion: str  #: of the loaded module
    files_sha256: str  #: of the files that were sent
    by: str  #: "ssh" or "console"
    built: bool  #: False: this very source was built for this kernel before

    def inventory(self) -> dict[str, Any]:
        """For run.json."""
        return asdict(self)


def sources(folder: Path) -> dict[str, bytes]:
    """A module's source files, by their path below the folder. Raises DeployFailed when there are none."""
    found = {
        str(path.relative_to(folder)): path.read_bytes()
        for pattern in SOURCE_NAMES
        for path in sorted(folder.rglob(pattern))
        if path.is_file()
    }
    if not any(name.rpartition("/")[2] in ("Makefile", "Kbuild") for name in found):
        raise errors.DeployFailed("there is no Makefile or Kbuild to build", str(folder))
    return found


def module_name(files: Mapping[str, bytes], where: str = "") -> str:
    """The module's name, of the Makefile's obj-m. Raises DeployFailed when there is not just one."""
    text = b"\n".join(data for name, data in files.items() if name in ("Makefile", "Kbuild")).decode(
        "utf-8", "replace"
    )
    names = {
        word.removesuffix(".o")
        for words in re.findall(r"^obj-m\s*[:+]?=(.*)$", text, re.M)
        for word in words.split()
    }
    if len(names) != 1:
        raise errors.DeployFailed(
            f"obj-m names {', '.join(sorted(names)) or 'nothing'}", where, "Say which by --name"
        )
    return names.pop()


def archive(files: Mapping[str, bytes]) -> bytes:
    """The files as a tar.gz whose bytes depend on nothing else, so that a broken transfer can go on."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w:gz", format=tarfile.USTAR_FORMAT, compresslevel=9) as tar:
        for name in sorted(files):
            info = tarfile.TarInfo(name)
            info.size = len(files[name])
            info.mode = 0o755 if files[name].startswith(b"#!") else 0o644
            tar.addfile(info, io.BytesIO(files[name]))
    data = bytearray(stream.getvalue())
    data[4:8] = bytes(4)  # gzip's time stamp (RFC 1952)
    return bytes(data)


class Deployer:
    """``console`` runs a command within a time; ``ssh`` is used instead when it is there."""

    def __init__(self, console: RunWithin, timeout_s: float, ssh: SshShell | None = None) -> None:
        self._console, self._timeout_s, self._ssh = console, timeout_s, ssh

    @property
    def by(self) -> str:
        """The way that files and commands take."""
        return "ssh" if self._ssh else "console"

    def run(self, command: str, timeout_s: float | None = None) -> str:
        """A command's output. Raises CommandFailed, SshFailed or a ConsoleTimeout."""
        limit = timeout_s or self._timeout_s
        said = self._ssh.run(command, limit) if self._ssh else self._console(command, limit)
        return without_kernel_lines(said)

    def deploy(
        self,
        name: str,
        files: Mapping[str, bytes],
        build: list[str] | None = None,
        progress: Progress = lambda now, total: None,
    ) -> str:
        """Bring files into ``FOLDER/name`` (which is emptied) and run the build commands in it; the folder.

        The same files for the same kernel are not brought over or built twice. Raises DeployFailed.
        """
        data = archive(files)
        wanted = hashlib.sha256(data).hexdigest()
        folder, place = f"{FOLDER}/{name}", shlex.quote(f"{FOLDER}/{name}")
        stamp = f"{wanted} $(uname -r)"
        if (
            self.run(f'[ "$(cat {place}/.built 2>/dev/null)" = "{stamp}" ] && echo same || echo other')
            == "same"
        ):
            progress(len(data), len(data))
            return folder
        try:
            self._send(f"{folder}.tar.gz", data, progress)
            self.run(f"rm -rf {place} && mkdir -p {place} && tar -xzf {place}.tar.gz -C {place}")
            for command in build or []:
                self._build(f"cd {place} && {command}")
            self.run(f'echo "{stamp}" > {place}/.built')
        except errors.CommandFailed as error:
            raise errors.DeployFailed(f"{name}: {error.what}", "server") from None
        return folder

    def module(
        self,
        name: str,
        files: Mapping[str, bytes],
        parameters: str = "",
        progress: Progress = lambda now, total: None,
    ) -> Deployed:
        """Build ``name``.ko out of its sources and load it; what was loaded is read back. Raises DeployFailed."""
        kernel = self.run("uname -r")
        headers = f"{LIB_MODULES}/{kernel}/build"
        if self.run(f"[ -e {headers}/Makefile ] && echo yes || echo no") != "yes":
            raise errors.DeployFailed(
                f"{name} cannot be built: {headers} is not there",
                "server",
                f"Install the running kernel's headers (Debian: linux-headers-{kernel}; RHEL: kernel-devel; "
                "SUSE: kernel-default-devel)",
            )
        before = self.run(f"cat {FOLDER}/{name}/.built 2>/dev/null; true")
        place = self.deploy(name, files, [f"make -C {headers} M={FOLDER}/{name} modules"], progress)
        built = before != self.run(f"cat {FOLDER}/{name}/.built 2>/dev/null; true")
        found = self.run(f"find {place} -name {shlex.quote(name)}.ko -type f")
        if len(found.splitlines()) != 1:
            raise errors.DeployFailed(f"{name}: the build made {found or 'no'} {name}.ko", "server")
        return self._load(name, found, kernel, files, parameters, built)

    # ---- helpers -----------------------------------------------------------------------------------------------------

    def _load(
        self, name: str, file: str, kernel: str, files: Mapping[str, bytes], parameters: str, built: bool
    ) -> Deployed:
        loaded = f"{SYS_MODULE}/{name.replace('-', '_')}"
        wanted = self.run(f"modinfo -F srcversion {shlex.quote(file)}")
        now = self.run(f"cat {loaded}/srcversion 2>/dev/null || true")
        if now and now != wanted:
            try:
                self.run(f"rmmod {name}")
            except errors.CommandFailed as error:
                raise errors.DeployFailed(
                    f"{name} is loaded in another version (srcversion {now}, wanted {wanted}) and in use: {error.what}",
                    "server",
                ) from None
            now = ""
        if not now:
            needed = self.run(f"modinfo -F depends {shlex.quote(file)}").replace(",", " ").split()
            try:
                for other in needed:
                    self.run(f"modprobe {shlex.quote(other)}")
                self.run(f"insmod {shlex.quote(file)} {parameters}".strip())
            except errors.CommandFailed as error:
                raise errors.DeployFailed(
                    f"{name} cannot be loaded: {error.what}",
                    "server",
                    "'Key was rejected': Secure Boot needs a signed module. Else see dmesg on the server",
                ) from None
            now = self.run(f"cat {loaded}/srcversion 2>/dev/null || true")
        if not wanted or now != wanted:
            raise errors.DeployFailed(
                f"{loaded}/srcversion reads {now!r}, the module that was built has {wanted!r}", "server"
            )
        return Deployed(
            name,
            kernel,
            file,
            digest(self.run, file) or "",
            now,
            hashlib.sha256(archive(files)).hexdigest(),
            self.by,
            built,
        )

    def _send(self, path: str, data: bytes, progress: Progress) -> None:
        if self._ssh:
            name = shlex.quote(path)
            said = self._ssh.run(
                f"mkdir -p {FOLDER} && cat > {name} && sha256sum < {name}", self._timeout_s, stdin=data
            )
            if hashlib.sha256(data).hexdigest() not in said:
                raise errors.DeployFailed(f"{path} arrived other than it was sent", self._ssh.where)
            progress(len(data), len(data))
        else:
            self.run(f"mkdir -p {FOLDER}")
            write_file(self.run, path, data, progress)

    def _build(self, command: str) -> None:
        self.run(command, BUILD_TIMEOUT_S)


def as_run(shell: SshShell) -> Run:
    """An SSH shell as the ``run`` of Settings."""
    return lambda command: shell.run(command)

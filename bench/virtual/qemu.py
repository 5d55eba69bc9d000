# SPDX-License-Identifier: Apache-2.0
"""The virtual server's hardware: QEMU's command line by pure functions, and the acceleration probe.

The machine: q35, shared guest RAM (so that the card's DMA lands in it through a file descriptor), one
PCIe root port with the card behind it, COM1 as a client of somebody's socket, and an IPMI KCS interface
to an external BMC.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import select
import shlex
import subprocess
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from . import paths

MINIMUM_VERSION = (10, 1)  # the first release with the vfio-user client (QEMU docs/interop/vfio-user.rst)
DEFAULT_MEMORY_MIB = 512
PROBE_TEXT = b"Linux version"
PROBE_LIMIT_S = (
    8.0  # a working KVM guest prints in well under a second; a hanging one prints nothing for minutes
)


#: Words for the kernel's command line, so that it uses the IOMMU.
IOMMU_WORDS: dict[str, tuple[str, ...]] = {"none": (), "intel": ("intel_iommu=on",)}


class QemuError(RuntimeError):
    """QEMU cannot be used as it is."""


class QemuMissing(QemuError):
    """There is no QEMU to start."""


class QemuTooOld(QemuError):
    """The QEMU that was found has no `vfio-user-pci` device."""


@dataclass(frozen=True)
class UnixAddress:
    """A UNIX stream socket that somebody else listens on."""

    path: Path


@dataclass(frozen=True)
class TcpAddress:
    """A TCP port that somebody else listens on."""

    host: str
    port: int


Address = UnixAddress | TcpAddress


@dataclass(frozen=True)
class Server:
    """What one virtual server is made of. Paths and ports belong to the caller; nothing is created here.

    memory_mib: guest RAM in MiB (crashkernel= reserves 128 of it)
    smp: virtual CPUs; one is quickest under TCG on a small machine
    acceleration: "tcg" or "kvm", see probe_acceleration()
    kernel, initrd, append: direct kernel boot; None takes what `fixtures/server/build.py` made
    disk: raw image to boot from instead, by its own boot loader; the server writes to it
    ssh_port: TCP port on loopback that leads to the server's SSH, through a network card that has no other way out
    extra_append: more words for the kernel's command line
    card: UNIX socket of the vfio-user server that is the card; None leaves the slot empty
    posted_writes: False makes the guest wait for each BAR write, which orders a doorbell before later
    console bytes
    serial: where COM1 dials to; None discards it
    ipmi_port: TCP port on loopback where the BMC's VM channel listens; None leaves the KCS interface out
    qmp: UNIX sockets that QEMU listens on for QMP, one for each client
    iommu: "intel" puts QEMU's intel-iommu between the devices and the memory; see IOMMU_WORDS
    reconnect_ms: how often a lost serial or BMC connection is dialled again
    """

    memory_mib: int = DEFAULT_MEMORY_MIB
    smp: int = 1
    acceleration: str = "tcg"
    kernel: Path | None = None
    initrd: Path | None = None
    append: str | None = None
    extra_append: str = ""
    disk: Path | None = None
    ssh_port: int | None = None
    card: Path | None = None
    posted_writes: bool = False
    serial: Address | None = None
    ipmi_port: int | None = None
    qmp: tuple[Path, ...] = ()
    iommu: str = "none"
    reconnect_ms: int = 500
    extra: tuple[str, ...] = field(default=())


def _option(text: str | Path) -> str:
    """A value inside a QEMU option list: a comma in it must be doubled."""
    return str(text).replace(",", ",,")


def _chardev(name: str, address: Address, reconnect_ms: int) -> list[str]:
    """A chardev that dials `address` and dials again when the connection breaks."""
    match address:
        case UnixAddress(path):
            where = f"path={_option(path)}"
        case TcpAddress(host, port):
            where = f"host={_option(host)},port={port},nodelay=on"
    return ["-chardev", f"socket,id={name},{where},server=off,reconnect-ms={reconnect_ms}"]


def card_arguments(socket: Path, posted_writes: bool) -> list[str]:
    """The card in its slot: `vfio-user-pci`, whose socket option needs JSON syntax."""
    device = {
        "driver": "vfio-user-pci",
        "id": "card0",
        "bus": "slot0",
        "socket": {"type": "unix", "path": str(socket)},
        "x-no-posted-writes": not posted_writes,
    }
    return ["-device", json.dumps(device, separators=(",", ":"))]


def arguments(server: Server, parts: paths.ServerParts | None = None) -> list[str]:
    """QEMU's arguments, without the program. `parts` stands in for a kernel that is not named."""
    if server.acceleration not in ("tcg", "kvm"):
        raise ValueError(f"acceleration {server.acceleration!r}: allowed are 'tcg' and 'kvm'")
    argv = ["-nodefaults", "-no-user-config", "-display", "none", "-vga", "none"]
    # Without graphics SeaBIOS speaks on the serial line, as a server's firmware does; it waits for that, so only with a disk.
    machine = "q35,memory-backend=ram" + (",graphics=off" if server.disk is not None else "")
    argv += ["-machine", machine, "-accel", server.acceleration]
    if server.iommu == "intel":
        # Before every device, or they would not be behind it. In caching mode it tells the card's side of each mapping.
        argv += ["-device", "intel-iommu,caching-mode=on"]
    # No -cpu: QEMU's default model boots about twice as fast under TCG as `max`.
    argv += ["-m", f"{server.memory_mib}M", "-smp", str(server.smp)]
    argv += ["-object", f"memory-backend-memfd,id=ram,size={server.memory_mib}M,share=on"]
    argv += _disk(server.disk) if server.disk is not None else _direct_boot(server, parts)
    if server.ssh_port is not None:
        argv += ["-netdev", f"user,id=net0,restrict=on,hostfwd=tcp:127.0.0.1:{server.ssh_port}-:22"]
        argv += ["-device", "e1000e,netdev=net0,romfile="]
    argv += ["-device", "pcie-root-port,id=slot0,chassis=1,slot=1"]
    if server.card is not None:
        argv += card_arguments(server.card, server.posted_writes)
    if server.serial is not None:
        argv += _chardev("com1", server.serial, server.reconnect_ms)
        argv += ["-device", "isa-serial,chardev=com1,index=0"]
    if server.ipmi_port is not None:
        argv += _chardev("ipmi0", TcpAddress("127.0.0.1", server.ipmi_port), server.reconnect_ms)
        argv += ["-device", "ipmi-bmc-extern,id=bmc0,chardev=ipmi0", "-device", "isa-ipmi-kcs,bmc=bmc0"]
    for socket in server.qmp:
        argv += ["-qmp", f"unix:{_option(socket)},server=on,wait=off"]
    return [*argv, *server.extra]


def _disk(image: Path) -> list[str]:
    """A SATA disk. `cache=unsafe`: the server's flushes are not worth the host's time, its disk lives for one lab."""
    drive = f"file={_option(image)},format=raw,if=none,id=disk0,cache=unsafe"
    return ["-drive", drive, "-device", "ide-hd,drive=disk0,bus=ide.0"]


def _direct_boot(server: Server, parts: paths.ServerParts | None) -> list[str]:
    if server.kernel is None and parts is None:
        parts = paths.server_parts()
    kernel = server.kernel or parts.kernel  # type: ignore[union-attr]
    initrd = server.initrd or (parts.initrd if parts else None)
    append = server.append if server.append is not None else (parts.append if parts else "")
    argv = ["-kernel", str(kernel), "-append", f"{append} {server.extra_append}".strip()]
    return [*argv, "-initrd", str(initrd)] if initrd is not None else argv


def command(server: Server, program: paths.QemuProgram, parts: paths.ServerParts | None = None) -> list[str]:
    """The whole argv. The program's environment (`program.env`) must be set too: see command_line()."""
    return [*program.argv, *arguments(server, parts)]


def command_line(server: Server, program: paths.QemuProgram, parts: paths.ServerParts | None = None) -> str:
    """One shell line that starts the server, environment included, for a launcher that takes a string."""
    settings = [f"{name}={value}" for name, value in program.env.items()]
    return shlex.join([*(["/usr/bin/env", *settings] if settings else []), *command(server, program, parts)])


def environment(program: paths.QemuProgram, base: Mapping[str, str] | None = None) -> dict[str, str]:
    """The environment for starting `program` directly."""
    return {**(os.environ if base is None else base), **program.env}


# ---- which QEMU ----------------------------------------------------------------------------------


def find_qemu() -> paths.QemuProgram:
    """The QEMU that the build chose, checked by running it.

    Raises QemuMissing (nothing built, or it does not run) and QemuTooOld (with the version that was found).
    """
    try:
        program = paths.qemu_program()
    except paths.NotBuilt as error:
        raise QemuMissing(str(error)) from None
    check_qemu(program)
    return program


def check_qemu(program: paths.QemuProgram) -> str:
    """Run `--version`; returns the version text, raises QemuMissing or QemuTooOld."""
    argv = [*program.argv, "--version"]
    try:
        done = subprocess.run(
            argv, env=environment(program), capture_output=True, text=True, timeout=30, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise QemuMissing(f"{program.argv[0]} cannot be run ({error}). Run: {paths.BUILD_COMMAND}") from None
    found = re.search(r"version (\d+)\.(\d+)(\S*)", done.stdout)
    if done.returncode != 0 or found is None:
        said = (done.stderr or done.stdout).strip().splitlines()[-1:] or ["nothing"]
        raise QemuMissing(f"{shlex.join(argv)} failed, it said: {said[0]}. Run: {paths.BUILD_COMMAND}")
    version = f"{found.group(1)}.{found.group(2)}{found.group(3)}"
    if (int(found.group(1)), int(found.group(2))) < MINIMUM_VERSION:
        least = ".".join(str(part) for part in MINIMUM_VERSION)
        raise QemuTooOld(
            f"{program.argv[-1]} is version {version}; the card needs vfio-user-pci, so at least {least}. "
            f"Delete {paths.artefact_paths()['qemu_dir']} and run: {paths.BUILD_COMMAND}"
        )
    return version


# ---- acceleration --------------------------------------------------------------------------------


@dataclass(frozen=True)
class Acceleration:
    """The outcome of the probe: "kvm" or "tcg", and why."""

    name: str
    reason: str


def _boots_under_kvm(program: paths.QemuProgram, kernel: Path, limit_s: float) -> Acceleration:
    """Start the kernel under KVM and wait for its first text on the serial line."""
    server = Server(
        memory_mib=256,
        acceleration="kvm",
        kernel=kernel,
        append="console=ttyS0 earlyprintk=ttyS0 panic=-1",
        extra=("-serial", "stdio", "-no-reboot"),
    )
    process = subprocess.Popen(
        command(server, program),
        env=environment(program),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert process.stdout is not None and process.stderr is not None
    seen = b""
    start = time.monotonic()
    try:
        while (left := start + limit_s - time.monotonic()) > 0:
            if not select.select([process.stdout], [], [], left)[0]:
                break
            data = os.read(process.stdout.fileno(), 65536)
            seen += data
            if PROBE_TEXT in seen:
                return Acceleration("kvm", f"the kernel printed {time.monotonic() - start:.1f} s after start")
            if not data:
                process.wait(timeout=5)
                said = process.stderr.read().decode(errors="replace").strip().splitlines()[-1:] or ["nothing"]
                return Acceleration("tcg", f"QEMU ended under KVM, it said: {said[0]}")
        return Acceleration("tcg", f"KVM opens, but the guest's kernel printed nothing for {limit_s:.0f} s")
    finally:
        process.kill()
        process.wait()
        process.stdout.close()
        process.stderr.close()


def probe_acceleration(
    program: paths.QemuProgram | None = None, kernel: Path | None = None, limit_s: float = PROBE_LIMIT_S
) -> Acceleration:
    """Decide KVM or TCG by use: KVM counts when a kernel has printed under it; /dev/kvm proves nothing.

    The answer is kept in the cache folder for as long as this machine is up and QEMU stays the same.
    """
    if not os.access("/dev/kvm", os.R_OK | os.W_OK):
        return Acceleration("tcg", "/dev/kvm is missing or not ours to open")
    program = program or find_qemu()
    try:
        boot_id = Path("/proc/sys/kernel/random/boot_id").read_text()
    except OSError:
        boot_id = ""
    key = json.dumps([boot_id, program.argv, program.version, str(kernel or "our own"), limit_s])
    file = paths.cache_dir() / "acceleration" / f"{hashlib.sha256(key.encode()).hexdigest()[:16]}.json"
    with contextlib.suppress(OSError, ValueError, TypeError):
        if boot_id:
            return Acceleration(**json.loads(file.read_text()))
    outcome = _boots_under_kvm(program, kernel or paths.server_parts().kernel, limit_s)
    file.parent.mkdir(parents=True, exist_ok=True)
    temporary = file.with_suffix(f".{os.getpid()}.tmp")
    temporary.write_text(json.dumps({"name": outcome.name, "reason": outcome.reason}))
    temporary.replace(file)
    return outcome

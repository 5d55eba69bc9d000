# SPDX-License-Identifier: Apache-2.0
"""Brings the virtual bench up and down: vkcosim (card, console, SCPI), a relay (the console's doors), ipmi_sim (BMC, which
starts QEMU) and, where the bench file has that door, a Redfish service in front of it.

The wires' addresses are those of the bench file. Everything that belongs to a running bench lies in one runtime folder;
``lab.json`` there names its processes, so another call of the command can end exactly these.
"""

import fcntl
import json
import os
import secrets
import shutil
import string
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from socket import SOCK_DGRAM
from typing import Any

from vkbench import errors, interrupts
from vkbench.config import BenchFile
from vkbench.config.model import Virtual
from vkbench.virtual import build, ipmi_sim, paths, processes, qemu, redfish
from vkbench.virtual.ports import Ports, free_port, runtime_folder, starting
from vkbench.virtual.processes import Process

Progress = Callable[[str], None]
READY = {"vkcosim": "vkcosim: ready", "relay": "relay: ready"}
READY_WITHIN_S = 20.0
END_WITHIN_S = 5.0
SOCKET_PATH_MAX = 107  # bytes, unix(7)
STATE, LOCK = "lab.json", "lab.lock"
AFTER_THE_CARD = ("nice", "-n", "10")
DISK, QMP, REDFISH = "disk.raw", "qmp.sock", "redfish"
PASSWORD_LENGTH = 16
POLL_S = 0.02
NOTES = [
    "The server is QEMU; the card is the same RTL as on the FPGA, run by Verilator. There is no link training, no "
    "physical layer and no real latency, and the clock is paced to wall time.",
]


@dataclass
class LabState:
    """What ``lab.json`` holds."""

    bench: str
    bench_sha256: str
    processes: list[Process] = field(default_factory=list)
    inventory: dict[str, Any] = field(default_factory=dict)


class VirtualLab:
    """The provider behind ``provider = "virtual"``."""

    notes = NOTES

    def __init__(self, bench: BenchFile) -> None:
        self.bench = bench
        self.settings = bench.virtual or Virtual()
        self.ports = Ports.of(bench)
        self.runtime = runtime_folder(bench.name)
        self._children: list[subprocess.Popen] = []

    # ---- up ----------------------------------------------------------------------------------------------------------

    def up(self, progress: Progress = lambda text: None) -> bool:
        """Bring the bench up; False when it was up already. Whatever fails or interrupts leaves nothing running."""
        self._make_runtime()
        with self._locked():
            state = self._read_state()
            if state and self._all_alive(state):
                if state.bench_sha256 != self.bench.sha256:
                    progress(
                        "already up, started from another version of the bench file: lab down and up takes it up"
                    )
                return False
            self._end(state)
            self.ports.check_free(str(self.bench.path))
            card = build.ensure_built(progress, self.settings.test_build)
            state = LabState(self.bench.name, self.bench.sha256)
            try:
                with starting():
                    self._start(state, card, progress)
            except BaseException:
                with interrupts.held():
                    self._end(state)
                raise
        return True

    def _start(self, state: LabState, card: build.Card, progress: Progress) -> None:
        password = self._password()
        try:
            program = qemu.find_qemu()
            acceleration = self._acceleration(program, progress)
            parts = paths.server_parts()
            debian = self._debian(progress) if self.settings.server == "debian" else None
        except (qemu.QemuError, paths.NotBuilt) as error:
            raise errors.ToolMissing(str(error), "virtual server") from None
        state.inventory = self._inventory(card, program, acceleration, debian or parts)
        progress("starting the card (vkcosim)")
        com1, sol = free_port(), free_port()
        (self.runtime / "cosim.log").unlink(missing_ok=True)
        self._spawn_ready(state, "vkcosim", self._cosim(card, com1))
        self._spawn_ready(state, "relay", self._relay(com1, sol))
        progress("starting the BMC (ipmi_sim)")
        vm_port, lan_port = free_port(), self.ports.bmc or free_port(SOCK_DGRAM)
        bmc = ipmi_sim.Bmc(
            lan_port=lan_port,
            vm_port=vm_port,
            sol_port=sol,
            user=self.bench.bmc.user,
            password=password,
            start=qemu.command(self._server(acceleration.name, vm_port), program, parts),
            start_environment=program.env,
            name=self.bench.name,
        )
        try:
            process = self._spawn(state, "ipmi_sim", ipmi_sim.prepare(bmc, self.runtime / "bmc"))
            ipmi_sim.wait_ready(lan_port, process)
        except ipmi_sim.BmcError as error:
            raise errors.LabError(f"{error}{self._log_tail('ipmi_sim')}", "virtual BMC") from None
        if self.ports.redfish is not None:
            progress("starting the BMC's Redfish service")
            self._start_redfish(state, self.ports.redfish, lan_port, password)

    def _start_redfish(self, state: LabState, port: int, lan_port: int, password: str) -> None:
        settings = self.bench.bmc
        service = redfish.Redfish(port, settings.user, password, lan_port, self.bench.name)
        folder = self.runtime / REDFISH
        try:
            process = self._spawn(state, "redfish", [*AFTER_THE_CARD, *redfish.prepare(service, folder)])
            redfish.wait_ready(port, process)
        except redfish.RedfishError as error:
            raise errors.LabError(f"{error}{self._log_tail('redfish')}", "virtual BMC") from None
        if settings.ca_path is not None:
            shutil.copyfile(folder / redfish.CA, settings.ca_path)

    def _debian(self, progress: Progress) -> paths.DebianServer:
        """The distribution's disk, a copy of its own for this bench; what logs in lies where the bench file can name it."""
        debian = build.ensure_debian(progress)
        progress("copying the server's disk")
        argv = ["cp", "--sparse=always", "--reflink=auto", str(debian.disk), str(self.runtime / DISK)]
        done = subprocess.run(argv, capture_output=True, text=True, check=False)
        if done.returncode:
            raise errors.LabError(
                f"the server's disk cannot be copied: {done.stderr.strip()}", str(self.runtime)
            )
        link = paths.cache_dir() / "virtual-debian"
        fresh = link.with_name(f".{link.name}.{os.getpid()}")
        fresh.symlink_to(debian.folder)
        fresh.replace(link)
        return debian

    def _cosim(self, card: build.Card, com1: int) -> list[str]:
        return [
            *(str(card.vkcosim), "--vfio-socket", self._socket("vfio.sock")),
            *("--console-socket", self._socket("console.sock"), "--console-port", str(com1)),
            *("--scpi-port", str(self.ports.scpi), "--clock-hz", str(self.settings.clock_hz)),
            *("--status", str(self.runtime / "cosim.json"), "--build-id", card.build_id),
            *("--log", str(self.runtime / "cosim.log")),
        ]

    def _relay(self, com1: int, sol: int) -> list[str]:
        # It has the same bytes to carry when the card has a panic to stamp: the card goes first (decisions/0002).
        argv = [*AFTER_THE_CARD, sys.executable, "-m", "vkbench.virtual.relay"]
        argv += ["--console", f"127.0.0.1:{com1}"]
        argv += ["--raw", str(self.ports.console or free_port()), "--sol", str(sol)]
        argv += ["--qmp", self._socket(QMP)]
        return argv if self.ports.rfc2217 is None else [*argv, "--rfc2217", str(self.ports.rfc2217)]

    def _server(self, acceleration: str, vm_port: int) -> qemu.Server:
        debian = self.settings.server == "debian"
        return qemu.Server(
            memory_mib=self.settings.memory_mib,
            acceleration=acceleration,
            extra_append="" if debian else " ".join(["loglevel=6", *qemu.IOMMU_WORDS[self.settings.iommu]]),
            iommu=self.settings.iommu,
            disk=self.runtime / DISK if debian else None,
            ssh_port=self.ports.ssh,
            card=Path(self._socket("vfio.sock")),
            posted_writes=self.settings.posted_writes,
            serial=qemu.UnixAddress(Path(self._socket("console.sock"))),
            ipmi_port=vm_port,
            qmp=(Path(self._socket(QMP)),),
        )

    def _spawn(self, state: LabState, name: str, argv: list[str]) -> subprocess.Popen:
        """Start a process in a session of its own (a Ctrl-C at the terminal is not for it), and write it down at once."""
        log = self.runtime / f"{name}.log"
        if log.exists():
            log.replace(log.with_suffix(".log.1"))  # one earlier log is kept
        # Held: between the start and the note of it no Ctrl-C may come, or the process would be forgotten.
        with interrupts.held(), log.open("wb") as output:
            try:
                process = subprocess.Popen(
                    argv,
                    cwd=self.runtime,
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,
                )
            except OSError as error:
                raise errors.LabError(f"cannot be started: {error}", name) from None
            self._children.append(process)
            state.processes.append(processes.identify(name, process.pid))
            self._write_state(state)
        return process

    def _spawn_ready(self, state: LabState, name: str, argv: list[str]) -> None:
        """Start a process that says when it is ready."""
        process = self._spawn(state, name, argv)
        line, log = READY[name], self.runtime / f"{name}.log"
        until = time.monotonic() + READY_WITHIN_S
        while line not in log.read_text(errors="replace"):
            if process.poll() is not None:
                raise errors.LabError(
                    f"ended with {process.returncode} at its start{self._log_tail(name)}", name
                )
            if time.monotonic() > until:
                raise errors.LabError(f"is not ready after {READY_WITHIN_S:g} s{self._log_tail(name)}", name)
            time.sleep(POLL_S)

    def _log_tail(self, name: str) -> str:
        log = self.runtime / f"{name}.log"
        lines = log.read_text(errors="replace").strip().splitlines()[-5:] if log.exists() else []
        return "; it said: " + " | ".join(lines) if lines else ""

    def _acceleration(self, program: paths.QemuProgram, progress: Progress) -> qemu.Acceleration:
        if self.settings.acceleration != "auto":
            return qemu.Acceleration(self.settings.acceleration, "the bench file says so")
        progress("which acceleration works (KVM is tried by booting under it)")
        return qemu.probe_acceleration(program)

    def _inventory(
        self, card: build.Card, program: paths.QemuProgram, acceleration: Any, parts: Any
    ) -> dict[str, Any]:
        return {
            "qemu": {"version": program.version, "source": program.source},
            "acceleration": {"name": acceleration.name, "reason": acceleration.reason},
            "card": card.inventory,
            "server": parts.inventory,
            "settings": self.settings.model_dump(),
        }

    def _password(self) -> str:
        """The BMC's password; a file that is not there is made, for this user only."""
        secret = self.bench.bmc.password
        path = secret.path
        if path is not None and not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            letters = string.ascii_letters + string.digits
            text = "".join(secrets.choice(letters) for _ in range(PASSWORD_LENGTH))
            # Made whole and then linked: a second bench that comes at the same moment sees all of it or nothing.
            temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
            with os.fdopen(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
                file.write(text + "\n")
            with suppress(FileExistsError):
                os.link(temporary, path)
            temporary.unlink()
        return secret.read()

    # ---- down, status ------------------------------------------------------------------------------------------------

    def down(self) -> list[str]:
        """End everything that up() started; names of what was running."""
        if not self.runtime.is_dir():
            return []
        self._make_runtime()
        with self._locked(), interrupts.held():
            return self._end(self._read_state())

    def status(self) -> dict[str, Any]:
        """What is running, for people and --json."""
        state = self._read_state() if self.runtime.is_dir() else None
        found: dict[str, Any] = {
            "bench": self.bench.name,
            "runtime": str(self.runtime),
            "up": False,
            "processes": [],
            "ports": asdict(self.ports),
        }
        if state:
            found["processes"] = [
                {"name": process.name, "pid": process.pid, "alive": process.alive()}
                for process in state.processes
            ]
            found["up"] = self._all_alive(state)
            found["server_on"] = any(
                process.name == "ipmi_sim" and bool(processes.descendants(process))
                for process in state.processes
            )
            if found["up"]:
                with suppress(OSError, ValueError):
                    found["cosim"] = json.loads((self.runtime / "cosim.json").read_text())
        return found

    def inventory(self) -> dict[str, Any]:
        """What the running bench is made of; empty when it is down."""
        state = self._read_state() if self.runtime.is_dir() else None
        return state.inventory if state and self._alive(state) else {}

    def check(self) -> list[tuple[str, bool, str, str]]:
        """For the doctor: (what, ok, found, what to do). Builds and starts nothing."""
        checks = []
        try:
            tools = build.check_tools()
            found = f"verilator {tools['verilator']}, {tools['riscv64-unknown-elf-gcc']}"
            checks.append(("build tools", True, found, ""))
        except errors.ToolMissing as error:
            checks.append(("build tools", False, error.what, error.hint))
        try:
            program = qemu.find_qemu()
            checks.append(("QEMU", True, f"{program.version}, from {program.source}", ""))
            acceleration = self._acceleration(program, lambda text: None)
            checks.append(("acceleration", True, f"{acceleration.name}: {acceleration.reason}", ""))
        except (qemu.QemuError, paths.NotBuilt) as error:
            checks.append(("QEMU", False, str(error), "vkbench lab up builds it"))
        up = bool(self.status()["up"])
        checks.append(
            (
                "processes",
                up,
                "up" if up else "down",
                "" if up else f"vkbench lab up --bench {self.bench.path}",
            )
        )
        return checks

    def _end(self, state: LabState | None) -> list[str]:
        if state is None:
            return []
        was = self._alive(state)
        # The BMC first: it takes the server with it, while the card still answers the server's last accesses.
        for process in reversed(state.processes):
            family = processes.descendants(process)
            processes.end([process], END_WITHIN_S)
            processes.end(family, END_WITHIN_S)
        for child in self._children:  # a child that has ended stays a zombie until its parent asks for it
            child.poll()
        # Logs stay; what holds the BMC's password goes.
        for name in ("vfio.sock", "console.sock", QMP, DISK, "bmc/lan.conf"):
            (self.runtime / name).unlink(missing_ok=True)
        shutil.rmtree(self.runtime / REDFISH, ignore_errors=True)
        (self.runtime / STATE).unlink(missing_ok=True)
        return was

    def _all_alive(self, state: LabState) -> bool:
        names = ["vkcosim", "relay", "ipmi_sim", *(["redfish"] if self.ports.redfish is not None else [])]
        return self._alive(state) == names

    @staticmethod
    def _alive(state: LabState) -> list[str]:
        return [process.name for process in state.processes if process.alive()]

    # ---- the runtime folder ------------------------------------------------------------------------------------------

    def _socket(self, name: str) -> str:
        path = str(self.runtime / name)
        if len(path.encode()) > SOCKET_PATH_MAX:
            raise errors.UserError(
                f"the socket path {path} is longer than {SOCKET_PATH_MAX} bytes",
                "",
                "Set XDG_RUNTIME_DIR to a short path",
            )
        return path

    def _make_runtime(self) -> None:
        try:
            self.runtime.mkdir(mode=0o700, parents=True, exist_ok=True)
            info = self.runtime.lstat()
        except OSError as error:
            raise errors.LabError(f"cannot be made: {error.strerror}", str(self.runtime)) from None
        # In a shared /tmp somebody else could have made it first and would then own our sockets.
        if info.st_uid != os.getuid() or not self.runtime.is_dir() or self.runtime.is_symlink():
            raise errors.LabError(
                "belongs to somebody else", str(self.runtime), "Remove it, or set XDG_RUNTIME_DIR"
            )
        self.runtime.chmod(0o700)

    @contextmanager
    def _locked(self) -> Iterator[None]:
        with (self.runtime / LOCK).open("w") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise errors.LabError(
                    "another vkbench lab command works on it just now",
                    f"bench {self.bench.name}",
                    "Wait for it to end",
                ) from None
            yield

    def _read_state(self) -> LabState | None:
        try:
            data = json.loads((self.runtime / STATE).read_text())
            data["processes"] = [Process(**process) for process in data["processes"]]
            return LabState(**data)
        except FileNotFoundError:
            return None
        except (OSError, ValueError, TypeError, KeyError) as error:
            raise errors.LabError(
                f"cannot be read: {error}",
                str(self.runtime / STATE),
                "End vkcosim and ipmi_sim by hand, then remove the file",
            ) from None

    def _write_state(self, state: LabState) -> None:
        temporary = self.runtime / f".{STATE}.tmp"
        temporary.write_text(json.dumps(asdict(state), indent=2) + "\n")
        temporary.replace(self.runtime / STATE)

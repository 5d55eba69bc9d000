# SPDX-License-Identifier: Apache-2.0
"""The virtual server's BMC: OpenIPMI's `ipmi_sim`, its configuration, and the NMI plug-in.

`prepare()` writes the files into a runtime folder and returns the argv; the caller starts and ends the
process. Power on starts the server's command as a child of ipmi_sim. What ends it, and when, is in
fixtures/server/README.md.
"""

from __future__ import annotations

import hashlib
import os
import shlex
import shutil
import socket
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from . import paths

PROGRAM = "ipmi_sim"
LOOPBACK = "127.0.0.1"
MAX_USER = 16  # bytes, IPMI 2.0 table 22-28
MAX_PASSWORD = 20  # bytes, IPMI 2.0 table 22-30
CONFIG_LINE = 1023  # bytes: ipmi_sim cuts longer lines of its configuration without a word
BMC_ADDRESS = "0x20"
# The simulator quotes with these; a name or password that holds one cannot be written into its configuration.
FORBIDDEN = set("\"'\\\n\r\t \0#$")
# Get Channel Authentication Capabilities, IPMI 2.0 section 22.13, asked without a session over RMCP.
ARE_YOU_THERE = bytes.fromhex("0600ff07000000000000000000092018c88100388e04b5")


class BmcError(RuntimeError):
    """The virtual BMC cannot be set up or does not answer."""


@dataclass(frozen=True)
class Bmc:
    """What one virtual BMC is.

    lan_port: UDP port on loopback for IPMI over LAN
    vm_port: TCP port on loopback where QEMU's `ipmi-bmc-extern` dials in
    user, password: the only account, administrator; the password is written to a file of mode 0600,
    nowhere else
    start: the argv that power-on runs; it must stay in the foreground
    start_environment: variables added for it
    sol_port: TCP port on loopback with the console for serial over LAN, telnet (relay.py); it must listen already,
    because the simulator dials a lost one only every 10 s; None: no serial over LAN
    """

    lan_port: int
    vm_port: int
    user: str
    password: str = field(repr=False)
    start: Sequence[str]
    start_environment: Mapping[str, str] = field(default_factory=dict)
    name: str = "vkbench"
    sol_port: int | None = None


def check_account(user: str, password: str) -> None:
    """Refuse what IPMI or the simulator's configuration cannot carry; no error text holds the password."""
    for what, value, limit in (("user name", user, MAX_USER), ("password", password, MAX_PASSWORD)):
        if not 1 <= len(value.encode()) <= limit:
            raise BmcError(f"the BMC's {what} must be 1 to {limit} bytes long, not {len(value.encode())}")
        if set(value) & FORBIDDEN or not value.isascii():
            raise BmcError(
                f"the BMC's {what} may hold ASCII characters only, no space, quote, backslash, # or $"
            )


def lan_conf(bmc: Bmc, launcher: Path, plugin: Path) -> str:
    """The text of `lan.conf` (ipmi_lan(5))."""
    lines = [
        f'name "{bmc.name}"',
        f"set_working_mc {BMC_ADDRESS}",
        "startlan 1",
        f"  addr {LOOPBACK} {bmc.lan_port}",
        "  priv_limit admin",
        "  allowed_auths_callback none",
        "  allowed_auths_user md5",
        "  allowed_auths_operator md5",
        "  allowed_auths_admin md5",
        # Without a GUID the simulator denies that it speaks IPMI 2.0.
        f"  guid {hashlib.sha256(bmc.name.encode()).hexdigest()[:32]}",
        "endlan",
        f"serial 15 {LOOPBACK} {bmc.vm_port} codec VM",
        f'startcmd "{shlex.quote(str(launcher))}"',
        "startnow false",
        # Power off must be hard and at once: 0 would never kill, 1 is the next tick of the simulator's clock.
        "poweroff_wait 1",
        "kill_wait 1",
        f'loadlib "{plugin}" ""',
        'user 1 false "" "" user 10 none md2 md5 straight',
        f'user 2 true "{bmc.user}" "{bmc.password}" admin 10 none md2 md5 straight',
    ]
    if bmc.sol_port is not None:
        lines.append(f'sol "telnet:{LOOPBACK}:{bmc.sol_port}" 115200')
    for line in lines:
        if len(line.encode()) > CONFIG_LINE:
            raise BmcError(
                f"a path is too long for the BMC's configuration: {launcher}; use a shorter runtime folder"
            )
    return "\n".join(lines) + "\n"


def command_file() -> str:
    """The text of the command file (ipmi_sim_cmd(5)): one BMC at 0x20 with an event log and a watchdog."""
    # mc_add: device id 0x20, no device SDRs, revision 1, firmware 1.0, devices: chassis, SEL, SDR, sensors.
    return (
        "\n".join(
            [
                "mc_setbmc 0x20",
                "mc_add 0x20 0x20 no-device-sdrs 0x01 0x01 0x00 0x87 0x000000 0x0000 persist_sdr",
                "sel_enable 0x20 1000 0x0a",
                # Sensor 0, kind Watchdog 2: without it an expired watchdog does nothing.
                "sensor_add 0x20 0 0 35 0x6f event-only",
                "mc_enable 0x20",
            ]
        )
        + "\n"
    )


def launcher_text(start: Sequence[str], environment: Mapping[str, str]) -> str:
    """The script that power-on runs.

    A script, because the simulator cuts long lines. setpriv makes the kernel kill the server when the
    simulator ends in whatever way, so that no QEMU is left over.
    """
    settings = [f"{name}={value}" for name, value in environment.items()]
    words = ["setpriv", "--pdeathsig", "KILL", "env", *settings, *start]
    return f"#!/bin/sh\n# What the virtual BMC runs at power-on.\nexec {shlex.join(words)}\n"


def build_plugin(source: Path | None = None) -> Path:
    """The NMI plug-in, compiled once per content of its source. Raises BmcError when it cannot be built."""
    source = source or paths.server_recipe_dir() / "ipmi_nmi" / "nmi.c"
    flags = ["-std=gnu11", "-O2", "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC"]
    digest = hashlib.sha256(source.read_bytes() + " ".join(flags).encode()).hexdigest()[:16]
    folder = paths.cache_dir() / f"ipmi-nmi-{digest}"
    plugin = folder / "nmi.so"
    if plugin.is_file():
        return plugin
    work = folder.with_name(f".{folder.name}.tmp.{os.getpid()}")
    work.mkdir(parents=True, exist_ok=True)
    try:
        argv = ["gcc", *flags, "-o", str(work / "nmi.so"), str(source)]
        done = subprocess.run(argv, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise BmcError(
                f"building {source.name} failed (is libopenipmi-dev installed?):\n{done.stderr.strip()}"
            )
        if not plugin.is_file():
            shutil.rmtree(folder, ignore_errors=True)
            work.rename(folder)
    except FileNotFoundError:
        raise BmcError(
            "gcc is not installed; the BMC's NMI plug-in needs it (see fixtures/server/apt.txt)"
        ) from None
    except OSError:
        if not plugin.is_file():  # else another process finished the same build first
            raise
    finally:
        shutil.rmtree(work, ignore_errors=True)
    return plugin


def _write(path: Path, text: str, mode: int) -> None:
    """Write a file that never has wider permissions than `mode`, not even for a moment."""
    path.unlink(missing_ok=True)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "w") as stream:
        stream.write(text)


def prepare(bmc: Bmc, runtime: Path) -> list[str]:
    """Write configuration, launcher and state folder into `runtime`; returns the argv of ipmi_sim.

    The argv holds no secret. Raises BmcError for a missing program, a bad account, or a plug-in that does
    not build.
    """
    program = shutil.which(PROGRAM) or shutil.which(PROGRAM, path="/usr/sbin:/usr/bin")
    if program is None:
        raise BmcError(
            f"{PROGRAM} is not installed: it is in Debian's package openipmi (fixtures/server/apt.txt)"
        )
    if shutil.which("setpriv") is None:
        raise BmcError("setpriv is not installed: it is in Debian's package util-linux")
    check_account(bmc.user, bmc.password)
    plugin = build_plugin()
    runtime = runtime.absolute()
    state = runtime / "state"
    state.mkdir(parents=True, exist_ok=True)
    launcher = runtime / "power-on"
    _write(launcher, launcher_text(bmc.start, bmc.start_environment), 0o700)
    _write(runtime / "lan.conf", lan_conf(bmc, launcher, plugin), 0o600)
    _write(runtime / "bmc.emu", command_file(), 0o600)
    return [
        program,
        "-n",
        "-p",
        "-c",
        str(runtime / "lan.conf"),
        "-f",
        str(runtime / "bmc.emu"),
        "-s",
        str(state),
    ]


def wait_ready(lan_port: int, process: subprocess.Popen | None = None, limit_s: float = 5.0) -> None:
    """Wait until the BMC answers over LAN; BmcError when it has ended or is silent for `limit_s` seconds."""
    end = time.monotonic() + limit_s
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as link:
        link.connect((LOOPBACK, lan_port))
        link.settimeout(0.1)
        while time.monotonic() < end:
            if process is not None and process.poll() is not None:
                raise BmcError(f"{PROGRAM} ended with {process.returncode}; is UDP port {lan_port} taken?")
            try:
                link.send(ARE_YOU_THERE)
                if link.recv(256):
                    return
            except TimeoutError:
                pass
            except ConnectionRefusedError:
                time.sleep(0.05)
    raise BmcError(f"{PROGRAM} does not answer on UDP {LOOPBACK}:{lan_port} after {limit_s:.0f} s")

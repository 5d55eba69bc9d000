# SPDX-License-Identifier: Apache-2.0
"""What a bench file may hold. The descriptions here are also docs/bench-file.md."""

import os
import re
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, PrivateAttr, field_validator, model_validator

from vkbench.config import visa
from vkbench.errors import SecretError
from vkbench.evidence import secrets

Arch = Literal["x86_64", "aarch64"]
Seconds = Annotated[float, Field(gt=0, le=86400)]
Port = Annotated[int, Field(ge=1, le=65535)]
#: Longest text of the analyser's console trigger, in bytes (capture/layout.py TRIGGER_TEXT_MAX).
TRIGGER_TEXT_MAX = 32
#: IPMI 2.0 table 22-28.
IPMI_USER_MAX = 16
LITERAL_PASSWORD = (
    "a password is never written into the bench file, because that file is copied into repositories and "
    'reports; allowed: { env = "VARIABLE" } or { file = "PATH" }'
)


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False, frozen=True)


class Secret(_Table):
    """Where a password comes from; exactly one of the two keys."""

    env: str | None = Field(None, min_length=1, description="name of the environment variable that holds it")
    file: str | None = Field(
        None,
        min_length=1,
        description="file whose first line is it; `~` is the home folder, a relative path starts at the bench file's folder",
    )
    _folder: Path = PrivateAttr(default_factory=Path)

    @model_validator(mode="before")
    @classmethod
    def _no_literal(cls, value: Any) -> Any:
        if isinstance(value, str):
            raise ValueError(LITERAL_PASSWORD)
        return value

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        if (self.env is None) == (self.file is None):
            raise ValueError("exactly one of env and file must be given")
        return self

    @property
    def path(self) -> Path | None:
        """The file, absolute; None when the secret is in the environment."""
        return self._folder / Path(self.file).expanduser() if self.file else None

    def read(self) -> str:
        """The password. Raises SecretError, which never holds it."""
        if self.env is not None:
            value = os.environ.get(self.env, "")
            if not value:
                raise SecretError(
                    "is not set or empty",
                    f"environment variable {self.env}",
                    "Export the BMC's password in it",
                )
            return secrets.known(value)
        path = self.path
        assert path is not None
        try:
            lines = path.read_text(encoding="utf-8").splitlines()
        except (OSError, UnicodeDecodeError) as error:
            reason = error.strerror if isinstance(error, OSError) else "is no text"
            raise SecretError(f"cannot be read: {reason}", str(path), "Write the password into it") from None
        if not lines or not lines[0]:
            raise SecretError("its first line is empty", str(path), "Write the password into it")
        return secrets.known(lines[0])


class Commands(_Table):
    """Commands of the server's shells."""

    load_driver: str = Field(
        "vk-load", min_length=1, description="loads the card's driver and waits for its device"
    )
    driver_module: str = Field(
        "bcm_vk", pattern=r"^[A-Za-z0-9_]+$", description="the driver's name under /sys/module"
    )
    arm_kdump: str = Field("vk-arm-kdump", min_length=1, description="loads the crash kernel (kexec -p)")
    peek: str = Field(
        "vkpeek",
        min_length=1,
        description="in the crash kernel: `PEEK PADDR SIZE [PADDR SIZE…]` reads old memory, as JSON lines",
    )
    translate: str = Field(
        "vk-translate",
        min_length=1,
        description="`TRANSLATE SLOT ADDRESS SIZE` says which memory is behind a card's address at an IOMMU (fixtures/server/iova)",
    )
    load_injector: str = Field(
        "vk-load-injector", min_length=1, description="loads the panic injector (fixtures/server/injector)"
    )
    exercise: str = Field(
        "vk-exercise", min_length=1, description="moves data through the card and compares each byte"
    )
    regs: str = Field(
        "vkregs",
        min_length=1,
        description="`REGS SLOT [BAR:OFFSET+BYTES,...]` shows configuration space, BARs and registers, as JSON lines",
    )
    ring: str = Field(
        "vkring", min_length=1, description="`RING SLOT OFFSET VALUE` writes 32 bits into BAR 0 (a doorbell)"
    )


class Login(_Table):
    """How to log in, when the console shows a login prompt instead of a shell."""

    user: str = Field(min_length=1, description="user name")
    password: Secret | None = Field(None, description="where the password comes from")
    user_prompt: str = Field("login: ", min_length=1, description="text that asks for the user name")
    password_prompt: str = Field("Password: ", min_length=1, description="text that asks for the password")


class Ssh(_Table):
    """A second way into the running server, for files and long commands. The console stays the witness."""

    host: str = Field(min_length=1, description="host name or address")
    port: Port = Field(22, description="TCP port")
    user: str = Field(
        "root", min_length=1, description="user name; it must be root, or sudo without a password"
    )
    key: str = Field(
        min_length=1,
        description="private key file; `~` is the home folder, a relative path starts at the bench file's",
    )
    known_hosts: str | None = Field(
        None,
        min_length=1,
        description="file with the server's host key; left out: the first key seen is kept for as long as the run lasts",
    )
    connect_timeout_s: Seconds = Field(15.0, description="longest wait for a connection, seconds")
    _folder: Path = PrivateAttr(default_factory=Path)

    def path(self, text: str) -> Path:
        """One of the two files, absolute."""
        return self._folder / Path(text).expanduser()


class Kdump(_Table):
    """How the crash kernel is armed, and what it does."""

    style: Literal["command", "debian", "rhel", "suse"] = Field(
        "command",
        description="`command`: `arm_kdump` of [server.commands] loads it, and it ends in a shell; else the "
        "distribution's own service, whose dump ends in a reboot",
    )
    crashkernel: str = Field(
        "", description="wanted `crashkernel=`; what the running kernel has is compared. Empty: any but none"
    )
    dump_timeout_s: Seconds = Field(
        900.0,
        description="crash kernel's first text to the end of its dump, seconds; with a distribution's style",
    )


class Server(_Table):
    """The server under test."""

    arch: Arch = Field("x86_64", description="processor architecture; chooses the default markers")
    prompt: str = Field(
        "vkbench# ", min_length=2, description="prompt of the root shell on the serial console"
    )
    crash_prompt: str = Field(
        "vkbench-crash# ", min_length=2, description="prompt of the root shell in the crash kernel"
    )
    boot_timeout_s: Seconds = Field(180.0, description="power on to prompt, seconds")
    command_timeout_s: Seconds = Field(60.0, description="one shell command, seconds")
    panic_timeout_s: Seconds = Field(30.0, description="injection to panic text, seconds")
    crash_timeout_s: Seconds = Field(120.0, description="panic text to the crash kernel's prompt, seconds")
    commands: Commands = Field(default_factory=Commands, description="names of the commands on the server")
    login: Login | None = Field(None, description="only when the console asks for a login")
    ssh: Ssh | None = Field(None, description="when the server can be reached over the network as well")
    kdump: Kdump = Field(default_factory=Kdump, description="the crash kernel")
    features: list[str] = Field(
        default_factory=list,
        description="what tests may ask for by `needs(…)` and no other key says: `iommu` (it translates the card's "
        "DMA), or any word of your own",
    )


class Markers(_Table):
    """Console texts that mark a panic's steps. A key that is left out has the architecture's default."""

    panic: str = Field(
        description=f"start of the panic; also the analyser's trigger, so at most {TRIGGER_TEXT_MAX} bytes"
    )
    jump: str = Field(description="the jump into the crash kernel")
    crash_kernel: str = Field(description="first text of the crash kernel")
    crash_ready: str = Field(description="the crash kernel's shell is ready")

    @field_validator("*")
    @classmethod
    def _printable(cls, text: str) -> str:
        if not text or not text.isascii() or not text.isprintable():
            raise ValueError("a marker must be printable ASCII, at least one character")
        return text

    @field_validator("panic")
    @classmethod
    def _fits_the_trigger(cls, text: str) -> str:
        if len(text) > TRIGGER_TEXT_MAX or '"' in text:
            raise ValueError(f'the trigger text must be at most {TRIGGER_TEXT_MAX} bytes, without "')
        return text


MARKERS: dict[str, dict[str, str]] = {
    "x86_64": {
        "panic": "Kernel panic - not syncing",
        "jump": "I'm in purgatory",
        "crash_kernel": "Linux version ",
        "crash_ready": "vkbench: crash kernel ready",
    },
    # arm64's kernel speaks right before the jump; its purgatory only with kexec's --serial (and then it may be named here).
    "aarch64": {
        "panic": "Kernel panic - not syncing",
        "jump": "Bye!",
        "crash_kernel": "Linux version ",
        "crash_ready": "vkbench: crash kernel ready",
    },
}


class Bmc(_Table):
    """The server's management controller."""

    kind: Literal["ipmi", "redfish"] = Field(
        "ipmi", description="protocol: `ipmi` is IPMI 2.0 over LAN (lanplus), `redfish` is HTTPS"
    )
    host: str = Field(min_length=1, description="host name or address")
    port: Port | None = Field(None, description="UDP port of IPMI (623) or TCP port of Redfish (443)")
    user: str = Field(min_length=1, max_length=32, description="user name with the administrator privilege")
    password: Secret = Field(description="where the password comes from; never the password itself")
    timeout_s: Seconds = Field(5.0, description="longest wait for an answer, seconds; give a slow BMC more")
    power_timeout_s: Seconds = Field(30.0, description="longest wait for the power to change, seconds")
    cipher_suite: Literal[3, 17] = Field(
        3, description="IPMI only: 3 (SHA-1, every IPMI 2.0 BMC has it) or 17 (SHA-256)"
    )
    tls: Literal["verify", "trust", "none"] = Field(
        "verify",
        description="Redfish only: `verify` the BMC's certificate, `trust` any (a BMC with its maker's own), "
        "`none` for plain HTTP",
    )
    ca_file: str | None = Field(
        None,
        min_length=1,
        description="Redfish only: certificate (PEM) that signed the BMC's; left out: the machine's own list",
    )
    system: str | None = Field(
        None,
        min_length=1,
        description="Redfish only: id of the ComputerSystem, when the BMC has more than one",
    )
    _folder: Path = PrivateAttr(default_factory=Path)

    @model_validator(mode="after")
    def _keys_of_the_kind(self) -> Self:
        others = {"ipmi": ("tls", "ca_file", "system"), "redfish": ("cipher_suite",)}[self.kind]
        wrong = [name for name in others if name in self.model_fields_set]
        if wrong:
            raise ValueError(f'{", ".join(wrong)}: not with kind = "{self.kind}"')
        if self.kind == "ipmi" and len(self.user) > IPMI_USER_MAX:
            raise ValueError(f"user: IPMI allows at most {IPMI_USER_MAX} characters")
        return self

    @property
    def address_port(self) -> int:
        """The port, the protocol's own when the file names none."""
        return self.port or {"ipmi": 623, "redfish": 443}[self.kind]

    @property
    def ca_path(self) -> Path | None:
        """``ca_file``, absolute; a relative path starts at the bench file's folder."""
        return self._folder / Path(self.ca_file).expanduser() if self.ca_file else None


_CONSOLE_URL = re.compile(r"^((socket://|rfc2217://|loop://|/dev/|spy://|alt://|hwgrep://).+|sol:)$")
SOL = "sol:"


class Console(_Table):
    """The server's serial console, as the host sees it."""

    url: str = Field(
        description="pyserial URL: `/dev/ttyUSB0`, `socket://HOST:PORT` (raw TCP), `rfc2217://HOST:PORT`, "
        "`spy://…`, `hwgrep://…`; or `sol:`, serial over LAN by the BMC"
    )
    baud: int = Field(115200, ge=50, le=4000000, description="bits per second; also part of the uncertainty")
    open_timeout_s: Seconds = Field(10.0, description="longest wait for the port, seconds")
    take_over: bool = Field(
        False,
        description="only with `sol:`: end another client's session (a killed program leaves one for a minute) instead of "
        "saying that the console is in use",
    )
    sol: Bmc | None = Field(
        None, description="only with `sol:`, and only when it is not [bmc] that carries it (a Redfish BMC)"
    )

    @field_validator("url")
    @classmethod
    def _known(cls, url: str) -> str:
        if not _CONSOLE_URL.match(url):
            raise ValueError("allowed are /dev/NAME, socket://HOST:PORT, rfc2217://HOST:PORT and sol:")
        if url.startswith(("socket://", "rfc2217://")) and not re.search(r":\d+(/|\?|$)", url):
            raise ValueError("the URL needs a port: socket://HOST:PORT")
        return url


class Analyser(_Table):
    """The logic analyser beside the card, out of band."""

    resource: str = Field(
        description="VISA resource: `TCPIP::HOST::PORT::SOCKET` or `ASRL/dev/ttyUSB1::INSTR`"
    )
    baud: int = Field(921600, ge=9600, le=12000000, description="of an ASRL resource, bits per second")
    timeout_s: Seconds = Field(5.0, description="longest wait for an answer, seconds")
    self_test_timeout_s: Seconds = Field(30.0, description="longest wait for *TST?, seconds")

    @field_validator("resource")
    @classmethod
    def _known(cls, text: str) -> str:
        visa.canonical(text, ("TCPIP", "ASRL"))
        return text


class Power(_Table):
    """A power supply or switched outlet in the server's mains, by SCPI: for a true power cycle, and to record the power."""

    resource: str = Field(
        description="VISA resource: `TCPIP::HOST::INSTR`, `TCPIP::HOST::PORT::SOCKET`, `USB0::…::INSTR`, "
        "`GPIB0::5::INSTR` or `ASRL/dev/ttyUSB2::INSTR`"
    )
    baud: int = Field(9600, ge=300, le=12000000, description="of an ASRL resource, bits per second")
    timeout_s: Seconds = Field(5.0, description="longest wait for an answer, seconds")
    channel: int | None = Field(
        None, ge=1, le=64, description="output or outlet; left out: an instrument with only one"
    )
    select: str = Field(
        "INST:NSEL {channel}", description="chooses the channel; empty when the commands name it"
    )
    on: str = Field("OUTP ON", min_length=1, description="switches on; `{channel}` is the channel's number")
    off: str = Field("OUTP OFF", min_length=1, description="switches off")
    state: str = Field("OUTP?", min_length=1, description="asks whether it is on: 1 or ON")
    voltage: str = Field("MEAS:VOLT?", description="asks for volts; empty when it measures none")
    current: str = Field("MEAS:CURR?", description="asks for amperes; empty when it measures none")
    off_s: Seconds = Field(10.0, description="how long a power cycle stays off, seconds")
    sample_s: Seconds = Field(0.1, description="between two samples of a recording, seconds")

    @field_validator("resource")
    @classmethod
    def _known(cls, text: str) -> str:
        visa.canonical(text)
        return text

    @model_validator(mode="after")
    def _channel_is_there(self) -> Self:
        names = [
            name
            for name in ("on", "off", "state", "voltage", "current")
            if "{channel}" in getattr(self, name)
        ]
        if names and self.channel is None:
            raise ValueError(f"{', '.join(names)}: {{channel}} is used, so the key channel is needed")
        return self


class Dma(_Table):
    """The card's traffic during a run."""

    period_s: float = Field(
        0.0005,
        ge=0,
        le=1,
        description="between the starts of two writes, seconds; 0 = back to back. A run from arming to the crash "
        "kernel's shell must fit into the capture memory",
    )
    length: int = Field(64, ge=8, le=256, multiple_of=8, description="bytes of a write")


class Capture(_Table):
    """How the analyser's record memory is used."""

    pretrigger_share: float = Field(
        0.125,
        ge=0.01,
        le=0.9,
        description="share of the record memory kept for what was before the panic text",
    )


class Uncertainty(_Table):
    """How wrong the order of a console byte and a TLP can be (docs/rules.md)."""

    uart_fifo_chars: int = Field(
        16,
        ge=0,
        le=4096,
        description="characters that wait in the server's UART; 0 = its bytes leave at once",
    )
    uart_bits_per_char: int = Field(10, ge=7, le=12, description="start, data, parity and stop bits")
    clock_ppm: float = Field(
        50.0, ge=0, le=10000, description="tolerance of the analyser's clock, parts per million"
    )
    order_cycles: int = Field(
        0, ge=0, le=10**9, description="analyser cycles by which events on different wires can change places"
    )
    order_s: float = Field(0.0, ge=0, le=10, description="the same, in seconds; both are added")


class Virtual(_Table):
    """Only with `provider = "virtual"`: how the virtual bench is made. Its ports are those of the wires above."""

    clock_hz: int = Field(
        2_500_000, ge=100_000, le=50_000_000, description="rate of the card's clock, Hz of wall time"
    )
    memory_mib: int = Field(
        512, ge=384, le=65536, description="the server's memory, MiB; 128 of it for the crash kernel"
    )
    acceleration: Literal["auto", "tcg", "kvm"] = Field(
        "auto", description="how QEMU runs the guest; auto tries KVM by booting under it"
    )
    posted_writes: bool = Field(
        False, description="true: the guest does not wait for its BAR writes, as on a real link"
    )
    server: Literal["initramfs", "debian"] = Field(
        "initramfs",
        description="what runs on the server: a root shell in memory, or Debian on a disk with GRUB, systemd and kdump-tools",
    )
    iommu: Literal["none", "intel"] = Field(
        "none",
        description="`intel`: QEMU's intel-iommu stands between card and memory, and the server's kernel uses it; name `iommu` "
        "in [server] features as well. Only with the initramfs",
    )
    test_build: bool = Field(
        False, description="true: the card contains the seeded defects (rtl/faults.py), for negative controls"
    )
    ipmi_port: Port | None = Field(None, description="a second door to the BMC, by IPMI; UDP")
    redfish_port: Port | None = Field(None, description="a second door to the BMC, by Redfish; TCP")
    rfc2217_port: Port | None = Field(None, description="a second door to the console, by RFC 2217; TCP")

    @model_validator(mode="after")
    def _iommu_needs_our_command_line(self) -> Self:
        if self.iommu != "none" and self.server != "initramfs":
            raise ValueError(f'iommu = "{self.iommu}" is only allowed with server = "initramfs"')
        return self


class BenchFile(_Table):
    """One bench: a server, its BMC, its console, the analyser."""

    name: str = Field(
        pattern=r"^[a-z0-9][a-z0-9-]{0,23}$", description="short name: lower-case letters, digits and `-`"
    )
    description: str = Field("", description="one sentence for the report")
    provider: Literal["virtual"] | None = Field(
        None, description="what brings the bench's wires up; left out for a real bench"
    )
    server: Server = Field(default_factory=Server, description="the server under test")
    markers: Markers = Field(description="console texts")
    bmc: Bmc = Field(description="management controller")
    console: Console = Field(description="serial console")
    analyser: Analyser = Field(description="logic analyser")
    dma: Dma = Field(default_factory=Dma, description="the card's traffic")
    power: Power | None = Field(None, description="power supply or switched outlet, optional")
    capture: Capture = Field(default_factory=Capture, description="record memory")
    uncertainty: Uncertainty = Field(default_factory=Uncertainty, description="order of events")
    virtual: Virtual | None = Field(None, description="the virtual bench")
    _path: Path = PrivateAttr(default_factory=Path)
    _sha256: str = PrivateAttr(default="")

    @model_validator(mode="before")
    @classmethod
    def _default_markers(cls, value: Any) -> Any:
        """Fill in the architecture's markers; anything malformed is left for the field's own check."""
        if not isinstance(value, dict):
            return value
        server = value.get("server")
        arch = server.get("arch", "x86_64") if isinstance(server, dict) else "x86_64"
        defaults = MARKERS.get(arch) if isinstance(arch, str) else None
        given = value.get("markers", {})
        if isinstance(given, dict):
            value = {**value, "markers": {**(defaults or MARKERS["x86_64"]), **given}}
        return value

    @model_validator(mode="after")
    def _virtual_table(self) -> Self:
        if self.virtual is not None and self.provider != "virtual":
            raise ValueError('the table [virtual] is only allowed with provider = "virtual"')
        return self

    @model_validator(mode="after")
    def _sol(self) -> Self:
        if self.console.sol is not None and self.console.url != SOL:
            raise ValueError('[console.sol] is only allowed with url = "sol:"')
        if self.console.take_over and self.console.url != SOL:
            raise ValueError('[console] take_over is only allowed with url = "sol:"')
        if self.console.url == SOL and (self.console.sol or self.bmc).kind != "ipmi":
            raise ValueError('[console] url = "sol:" needs IPMI: [bmc] or [console.sol] with kind = "ipmi"')
        return self

    @property
    def sol(self) -> Bmc:
        """The BMC that carries serial over LAN."""
        return self.console.sol or self.bmc

    @property
    def path(self) -> Path:
        """The file that this came from."""
        return self._path

    @property
    def sha256(self) -> str:
        """SHA-256 of the file's bytes, hexadecimal."""
        return self._sha256

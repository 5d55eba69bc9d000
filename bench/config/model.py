# SPDX-License-Identifier: Apache-2.0
"""What a bench file may hold. The descriptions here are also docs/bench-file.md."""

import os
import re
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, PrivateAttr, field_validator, model_validator

from vkbench.errors import SecretError

Arch = Literal["x86_64", "aarch64"]
Seconds = Annotated[float, Field(gt=0, le=86400)]
Port = Annotated[int, Field(ge=1, le=65535)]
#: Longest text of the analyser's console trigger, in bytes (capture/layout.py TRIGGER_TEXT_MAX).
TRIGGER_TEXT_MAX = 32
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
            return value
        path = self.path
        assert path is not None
        try:
            lines = path.read_text(encoding="utf-8").splitlines()
        except (OSError, UnicodeDecodeError) as error:
            reason = error.strerror if isinstance(error, OSError) else "is no text"
            raise SecretError(f"cannot be read: {reason}", str(path), "Write the password into it") from None
        if not lines or not lines[0]:
            raise SecretError("its first line is empty", str(path), "Write the password into it")
        return lines[0]


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
        description="in the crash kernel: `PEEK PADDR SIZE` reads old memory, as JSON lines",
    )


class Login(_Table):
    """How to log in, when the console shows a login prompt instead of a shell."""

    user: str = Field(min_length=1, description="user name")
    password: Secret | None = Field(None, description="where the password comes from")
    user_prompt: str = Field("login: ", min_length=1, description="text that asks for the user name")
    password_prompt: str = Field("Password: ", min_length=1, description="text that asks for the password")


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

    kind: Literal["ipmi"] = Field("ipmi", description="protocol: IPMI 2.0 over LAN, cipher suite 3")
    host: str = Field(min_length=1, description="host name or address")
    port: Port = Field(623, description="UDP port")
    user: str = Field(min_length=1, max_length=16, description="user name with the administrator privilege")
    password: Secret = Field(description="where the password comes from; never the password itself")
    timeout_s: Seconds = Field(5.0, description="longest wait for an answer, seconds")
    power_timeout_s: Seconds = Field(30.0, description="longest wait for the power to change, seconds")


_CONSOLE_URL = re.compile(r"^(socket://|rfc2217://|loop://|/dev/|spy://|alt://).+")


class Console(_Table):
    """The server's serial console, as the host sees it."""

    url: str = Field(
        description="pyserial URL: `/dev/ttyUSB0`, `socket://HOST:PORT` (raw TCP) or `rfc2217://HOST:PORT`"
    )
    baud: int = Field(115200, ge=50, le=4000000, description="bits per second; also part of the uncertainty")
    open_timeout_s: Seconds = Field(10.0, description="longest wait for the port, seconds")

    @field_validator("url")
    @classmethod
    def _known(cls, url: str) -> str:
        if not _CONSOLE_URL.match(url):
            raise ValueError("allowed are /dev/NAME, socket://HOST:PORT and rfc2217://HOST:PORT")
        if url.startswith(("socket://", "rfc2217://")) and not re.search(r":\d+(/|\?|$)", url):
            raise ValueError("the URL needs a port: socket://HOST:PORT")
        return url


_VISA = re.compile(r"^(TCPIP\d*::[^:]+::(\d+::SOCKET|.*INSTR)|ASRL.+::INSTR)$", re.IGNORECASE)


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
        if not _VISA.match(text):
            raise ValueError("allowed are TCPIP::HOST::PORT::SOCKET and ASRLdevice::INSTR")
        return text


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

    @property
    def path(self) -> Path:
        """The file that this came from."""
        return self._path

    @property
    def sha256(self) -> str:
        """SHA-256 of the file's bytes, hexadecimal."""
        return self._sha256

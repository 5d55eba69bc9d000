# SPDX-License-Identifier: Apache-2.0
"""The virtual server's second door: OpenStack's Redfish emulator (sushy-tools) in front of the virtual BMC.

`prepare()` writes the files into a folder and returns the argv; the caller starts and ends the process. One machine has
one power state, so the emulator does everything by IPMI (redfish_emulator.py). Its certificate is signed by a CA that
`prepare()` makes: clients verify against `ca.pem` in the folder.
"""

from __future__ import annotations

import datetime
import importlib.util
import ipaddress
import json
import os
import ssl
import subprocess
import sys
import time
import urllib.request
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

LOOPBACK = "127.0.0.1"
CA, CERTIFICATE, KEY = "ca.pem", "server.pem", "server.key"
CONFIG, SETTINGS, PASSWORD, AUTH = "emulator.conf", "bmc.json", "bmc-password", "htpasswd"
VALID_DAYS = 365
BCRYPT_ROUNDS = (
    4  # each request is checked anew; the file is ours alone, so that a slow hash would protect nothing
)
POLL_S = 0.05


class RedfishError(RuntimeError):
    """The virtual Redfish service cannot be set up or does not answer."""


@dataclass(frozen=True)
class Redfish:
    """What one virtual Redfish service is.

    port: TCP port on loopback
    user, password: the only account, of this service and of the BMC behind it
    ipmi_port: UDP port on loopback of that BMC
    name: the system's name
    """

    port: int
    user: str
    password: str = field(repr=False)
    ipmi_port: int
    name: str = "vkbench"


def prepare(redfish: Redfish, folder: Path) -> list[str]:
    """Write certificates, account and configuration into `folder`; returns the argv of the emulator.

    The argv holds no secret. Raises RedfishError when sushy-tools is not installed.
    """
    for module, package in (
        ("sushy_tools", "sushy-tools"),
        ("bcrypt", "bcrypt"),
        ("cryptography", "cryptography"),
    ):
        if importlib.util.find_spec(module) is None:
            raise RedfishError(f"{package} is not installed: it is in vkbench's extra `sim`")
    import bcrypt

    folder = folder.absolute()
    folder.mkdir(parents=True, exist_ok=True)
    make_certificates(folder)
    digest = bcrypt.hashpw(redfish.password.encode(), bcrypt.gensalt(BCRYPT_ROUNDS)).decode()
    _write(folder / AUTH, f"{redfish.user}:{digest}\n")
    _write(folder / PASSWORD, redfish.password + "\n")
    settings = {
        "name": redfish.name,
        "ipmi_port": redfish.ipmi_port,
        "user": redfish.user,
        "password_file": str(folder / PASSWORD),
    }
    _write(folder / SETTINGS, json.dumps(settings))
    config = {
        "SUSHY_EMULATOR_LISTEN_IP": LOOPBACK,
        "SUSHY_EMULATOR_LISTEN_PORT": redfish.port,
        "SUSHY_EMULATOR_SSL_CERT": str(folder / CERTIFICATE),
        "SUSHY_EMULATOR_SSL_KEY": str(folder / KEY),
        "SUSHY_EMULATOR_AUTH_FILE": str(folder / AUTH),
        "SUSHY_EMULATOR_STATE_DIR": str(folder),
        "VKBENCH_BMC": str(folder / SETTINGS),
    }
    _write(folder / CONFIG, "".join(f"{name} = {value!r}\n" for name, value in config.items()))
    return [sys.executable, "-m", "vkbench.virtual.redfish_emulator", str(folder / CONFIG)]


def make_certificates(folder: Path, *hosts: str) -> None:
    """A CA, and a server's certificate that it signed for loopback (or `hosts`)."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    now = datetime.datetime.now(datetime.UTC)
    pem = serialization.Encoding.PEM

    def build(
        name: str, issuer: x509.Name | None, key: ec.EllipticCurvePrivateKey
    ) -> x509.CertificateBuilder:
        subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(issuer or subject)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(days=1))
            .not_valid_after(now + datetime.timedelta(days=VALID_DAYS))
        )

    ca_key, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    usage = x509.KeyUsage(
        digital_signature=True,
        key_cert_sign=True,
        crl_sign=True,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )
    ca = (
        build("vkbench virtual bench", None, ca_key)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(usage, critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(ca_key.public_key()), critical=False)
        .sign(ca_key, hashes.SHA256())
    )
    names = [_general_name(host) for host in hosts or ("localhost", LOOPBACK)]
    certificate = (
        build("vkbench virtual BMC", ca.subject, key)
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(ca_key.public_key()), critical=False
        )
        .sign(ca_key, hashes.SHA256())
    )
    private = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    _write(folder / CA, ca.public_bytes(pem).decode())
    _write(folder / CERTIFICATE, certificate.public_bytes(pem).decode())
    _write(folder / KEY, private.decode())


def _general_name(host: str) -> Any:
    from cryptography import x509

    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host)


def _write(path: Path, text: str) -> None:
    """Write a file that nobody else can read, not even for a moment."""
    path.unlink(missing_ok=True)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as stream:
        stream.write(text)


def wait_ready(port: int, process: subprocess.Popen | None = None, limit_s: float = 20.0) -> None:
    """Wait until the service answers; RedfishError when it has ended or is silent for `limit_s` seconds."""
    end = time.monotonic() + limit_s
    anyone = ssl.create_default_context()
    anyone.check_hostname, anyone.verify_mode = False, ssl.CERT_NONE
    while time.monotonic() < end:
        if process is not None and process.poll() is not None:
            raise RedfishError(
                f"the Redfish emulator ended with {process.returncode}; is TCP port {port} taken?"
            )
        try:
            with urllib.request.urlopen(f"https://{LOOPBACK}:{port}/redfish/v1/", timeout=2, context=anyone):
                return
        except OSError:
            time.sleep(POLL_S)
    raise RedfishError(f"the Redfish emulator does not answer on TCP {LOOPBACK}:{port} after {limit_s:.0f} s")

# SPDX-License-Identifier: Apache-2.0
"""Serial over LAN (IPMI 2.0 section 15): the console by the BMC, on an RMCP+ session of python-ipmi.

The protocol is stop-and-wait both ways: each packet has a number from 1 to 15 and is repeated until it is acknowledged,
so nothing is lost or doubled on a bad network. Only the reader thread touches the session once the console is open;
who sends waits until the BMC has taken the last byte. Why not pyghmi or ipmitool: docs/decisions/0041.
"""

import contextlib
import os
import select
import socket
import struct
import time
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from threading import Event

import pyipmi
import pyipmi.errors
from pyipmi.interfaces.ipmb import IpmbHeaderReq, encode_ipmb_msg
from pyipmi.interfaces.rmcpplus import PAYLOAD_TYPE_IPMI, RmcpPlus

from vkbench import config, errors
from vkbench.instruments.bmc_login import login_refused
from vkbench.instruments.console import WAKE_S, Sink, StreamConsole

BMC_ADDRESS = 0x20
NETFN_APP = 0x06
ACTIVATE, DEACTIVATE, INSTANCE_INFO = 0x48, 0x49, 0x4B  # IPMI 2.0 sections 24.1, 24.2, 24.5
PAYLOAD_SOL, INSTANCE = 0x01, 0x01
ENCRYPTED_AND_AUTHENTICATED = 0xC0
ALREADY_ACTIVE = 0x80
ACTIVATION_ERRORS = {  # IPMI 2.0 table 24-2
    0x81: "serial over LAN is disabled on this BMC; enable it (ipmitool sol set enabled true)",
    0x82: "the BMC has no room for another serial over LAN session",
    0x83: "the BMC cannot do serial over LAN with encryption",
    0x84: "the BMC cannot do serial over LAN without encryption",
}
# Bits of a SOL packet's fourth byte, table 15-2: from the BMC, and to it.
NACK, UNAVAILABLE, DEACTIVATED = 0x40, 0x20, 0x10
GENERATE_BREAK = 0x10
PACKET_MAX = 255  # the count of accepted characters is one byte
REPEAT_S = 0.5
ASK_AFTER_S = 2.0  # of silence; a dead BMC is noticed this and the bench file's timeout_s later
LOGIN_REFUSED = {
    0x0C,
    0x0D,
    0x0E,
    0x0F,
    0x12,
}  # RMCP+ status codes, table 13-15: name, role, privilege, integrity
CIPHER_REFUSED = {
    0x04,
    0x05,
    0x10,
    0x11,
}  # authentication, integrity, confidentiality algorithm, no suite matches


class _Interface(RmcpPlus):
    """python-ipmi's RMCP+ interface, of which this module also uses the packets."""

    def __init__(self, cipher_suite: int, timeout_s: float) -> None:
        super().__init__(cipher_suite=cipher_suite, keep_alive_interval=0, max_retries=0)
        self._limit = timeout_s

    def open(self) -> None:
        super().open()
        self.set_timeout(self._limit)

    def ping(self) -> None:
        """Nothing: not every BMC answers it, and the question that follows says as much."""

    @property
    def socket(self) -> socket.socket:
        return self._sock

    def send_payload(self, kind: int, data: bytes) -> None:
        self._send_payload(kind, data)

    def receive_payload(self) -> tuple[int, bytes] | None:
        """One packet; None when it is not of this session, damaged, or no packet at all."""
        try:
            return self._receive_payload()
        except OSError:
            raise
        except Exception:  # a stranger's bytes meet python-ipmi's parsers here: anything can be raised
            return None


@dataclass
class _Outgoing:
    """Bytes, or a BREAK, on their way to the BMC."""

    data: bytes
    is_break: bool = False
    done: Event = field(default_factory=Event)


class SolConsole(StreamConsole):
    """The driver; see protocol.Console. While the server is off the BMC may refuse characters: they are lost, as on a
    cable whose other end is off."""

    dead_hint = "Check the BMC and the management network (a virtual bench: vkbench lab status)"

    def __init__(self, settings: config.model.Console, bmc: config.model.Bmc, *sinks: Sink) -> None:
        super().__init__(f"console sol: by BMC {bmc.host}:{bmc.address_port}", *sinks)
        self._settings = settings
        self._bmc = bmc
        self._password = bmc.password.read()
        self._interface: _Interface | None = None
        self._ipmi: pyipmi.Ipmi | None = None
        self._wake = (-1, -1)
        self._queue: deque[_Outgoing] = deque()
        self._flight = b""  # the packet that waits for its acknowledgement
        self._sent_at = self._first_sent_at = 0.0
        self._number = 0
        self._their_number = self._their_length = 0
        self._packet_max = 32
        self._heard_at = self._asked_at = 0.0

    # ---- opening and closing -------------------------------------------------------------------------------------------

    def _connect(self) -> None:
        end = time.monotonic() + self._settings.open_timeout_s
        taken = False
        while True:
            with self._translated():
                self._login()
                assert self._ipmi is not None
                answer = self._ask(ACTIVATE, ENCRYPTED_AND_AUTHENTICATED)
            code = answer[0]
            if code == 0:
                break
            if code == ALREADY_ACTIVE and self._settings.take_over and not taken:
                taken = True
                self._ask(DEACTIVATE, 0)
                self._logout()
                continue
            self._logout()
            if code != ALREADY_ACTIVE:
                what = ACTIVATION_ERRORS.get(code, f"completion code 0x{code:02x}")
                raise errors.ConsoleUnreachable(f"cannot be opened: {what}", self.where)
            if time.monotonic() > end:
                raise errors.ConsoleBusy(
                    "serial over LAN is active for another session",
                    self.where,
                    "End the other client; of a program that was killed it ends by itself within a minute, or at once "
                    "with take_over = true in [console]",
                )
            time.sleep(REPEAT_S)
        if len(answer) < 11:
            self._logout()
            raise errors.ConsoleUnreachable(f"the BMC's answer is too short: {answer.hex()}", self.where)
        # The answer's UDP port is not looked at: a BMC behind a port forwarding names its own.
        (inbound,) = struct.unpack("<H", answer[5:7])
        # Some BMCs give the size with their header, some with its bytes swapped.
        self._packet_max = max(1, min(inbound if inbound <= 1024 else inbound >> 8, PACKET_MAX) - 4)
        self._wake = os.pipe()
        self._heard_at = time.monotonic()

    def _login(self) -> None:
        bmc = self._bmc
        self._interface = _Interface(bmc.cipher_suite, bmc.timeout_s)
        self._ipmi = pyipmi.create_connection(self._interface)
        self._ipmi.session.set_session_type_rmcp(bmc.host, bmc.address_port)
        self._ipmi.session.set_auth_type_user(bmc.user, self._password)
        self._ipmi.session.set_priv_level("ADMINISTRATOR")
        self._ipmi.target = pyipmi.Target(ipmb_address=BMC_ADDRESS)
        self._ipmi.open()

    def _logout(self) -> None:
        if self._ipmi is not None:
            with contextlib.suppress(Exception):  # a BMC that does not say good-bye changes nothing
                self._ipmi.close()
        if self._interface is not None:
            self._interface.close()
        self._ipmi = self._interface = None

    def _disconnect(self) -> None:
        if self._error is None:
            with contextlib.suppress(Exception):
                self._ask(DEACTIVATE, 0)
            self._logout()
        elif self._interface is not None:  # a dead BMC would only be waited for
            self._interface.close()
        for descriptor in self._wake:
            if descriptor >= 0:
                os.close(descriptor)
        self._wake = (-1, -1)

    def _ask(self, command: int, options: int) -> bytes:
        """A payload command; the answer, from its completion code on."""
        assert self._ipmi is not None
        return bytes(
            self._ipmi.send_raw(0, NETFN_APP, bytes([command, PAYLOAD_SOL, INSTANCE, options, 0, 0, 0]))
        )

    # ---- StreamConsole's line ------------------------------------------------------------------------------------------

    def _transmit(self, data: bytes) -> None:
        if data:
            self._submit(_Outgoing(data))

    def _hold_break(self, seconds: float) -> None:
        self._submit(_Outgoing(b"", is_break=True))  # how long it lasts is the BMC's matter

    def _submit(self, item: _Outgoing) -> None:
        self._queue.append(item)
        os.write(self._wake[1], b"!")
        while not item.done.wait(WAKE_S):
            self._check()
            if self._closing.is_set():
                raise errors.ConsoleDead("was closed while sending", self.where)

    def _receive(self) -> bytes:
        interface = self._interface
        assert interface is not None
        self._keep_going()
        ready = select.select([interface.socket, self._wake[0]], [], [], WAKE_S)[0]
        if self._wake[0] in ready:
            os.read(self._wake[0], 4096)
        data = bytearray()
        while interface.socket in ready:
            packet = interface.receive_payload()
            if packet is not None:
                self._heard_at = time.monotonic()
                kind, content = packet
                if kind == PAYLOAD_SOL and len(content) >= 4:
                    data += self._take(content)
                elif kind == PAYLOAD_TYPE_IPMI:
                    self._take_answer(content)
            ready = select.select([interface.socket], [], [], 0)[0] if len(data) < 65536 else []
        return bytes(data)

    def _keep_going(self) -> None:
        """What time demands: the next packet, a repetition, the question whether the BMC is there."""
        now = time.monotonic()
        limit = self._bmc.timeout_s
        if self._flight:
            if now - self._first_sent_at > max(limit, 2 * REPEAT_S):
                raise OSError(f"the BMC has not acknowledged a packet for {now - self._first_sent_at:.1f} s")
            if now - self._sent_at > REPEAT_S:
                self._send_flight()
        elif self._queue:
            self._send_next()
        if now - self._heard_at > ASK_AFTER_S + limit:
            raise OSError(f"the BMC has been silent for {now - self._heard_at:.1f} s")
        if now - max(self._heard_at, self._asked_at) > ASK_AFTER_S:
            self._ask_instance()

    # ---- packets out ---------------------------------------------------------------------------------------------------

    def _send_next(self) -> None:
        item = self._queue[0]
        self._number = self._number % 15 + 1
        operation = GENERATE_BREAK if item.is_break else 0
        self._flight = bytes([self._number, 0, 0, operation]) + item.data[: self._packet_max]
        self._first_sent_at = time.monotonic()
        self._send_flight()

    def _send_flight(self) -> None:
        assert self._interface is not None
        self._sent_at = time.monotonic()
        self._interface.send_payload(PAYLOAD_SOL, self._flight)

    def _acknowledged(self, count: int, status: int) -> None:
        item = self._queue[0]
        length = len(self._flight) - 4
        self._flight = b""
        if status & NACK and not status & UNAVAILABLE and not item.is_break:
            length = min(count, length)  # the rest is sent anew, under a new number
        item.data = item.data[length:]
        if not item.data:
            self._queue.popleft()
            item.done.set()
        if self._queue:
            self._send_next()

    # ---- packets in ----------------------------------------------------------------------------------------------------

    def _take(self, packet: bytes) -> bytes:
        number, acknowledges, count, status = packet[0] & 15, packet[1] & 15, packet[2], packet[3]
        text = packet[4:]
        fresh = b""
        if number:
            # A repetition may have grown by what the server printed meanwhile.
            fresh = text[self._their_length :] if number == self._their_number else text
            self._their_number, self._their_length = number, len(text)
            assert self._interface is not None
            self._interface.send_payload(PAYLOAD_SOL, bytes([0, number, len(text) & 0xFF, 0]))
        if self._flight and acknowledges == self._flight[0]:
            self._acknowledged(count, status)
        if status & NACK and status & DEACTIVATED:
            raise OSError("the BMC has ended serial over LAN")
        return fresh

    def _ask_instance(self) -> None:
        """Whose the payload is: keeps the session alive, and shows when another client has taken it."""
        assert self._interface is not None
        self._asked_at = time.monotonic()
        header = IpmbHeaderReq()
        header.netfn, header.rs_lun, header.rs_sa = NETFN_APP, 0, BMC_ADDRESS
        header.rq_seq, header.rq_lun, header.rq_sa = int(self._asked_at) % 64, 0, 0x81
        header.cmdid = INSTANCE_INFO
        message = encode_ipmb_msg(header, bytes([PAYLOAD_SOL, INSTANCE]))
        self._interface.send_payload(PAYLOAD_TYPE_IPMI, message)

    def _take_answer(self, message: bytes) -> None:
        if len(message) < 12 or message[5] != INSTANCE_INFO or message[6] != 0:
            return  # a BMC that does not know the question is alive all the same
        assert self._ipmi is not None
        owner = int.from_bytes(message[7:11], "little")
        if owner != self._ipmi.session.sid:
            raise OSError(
                "the BMC has given serial over LAN to another client"
                if owner
                else "the BMC has ended serial over LAN"
            )

    # ---- errors --------------------------------------------------------------------------------------------------------

    @contextlib.contextmanager
    def _translated(self) -> Iterator[None]:
        """Each failure of the login becomes one of this package's errors."""
        bmc = self._bmc
        try:
            yield
        except (pyipmi.errors.AuthenticationError, pyipmi.errors.IpmiLongPasswordError):
            raise self._failed(login_refused(self._bmc, self.where)) from None
        except pyipmi.errors.MessageStatusCodeError as error:
            if error.msc in LOGIN_REFUSED:
                raise self._failed(login_refused(self._bmc, self.where)) from None
            if error.msc in CIPHER_REFUSED:
                raise self._failed(
                    errors.BmcCipherMismatch(
                        f"the BMC does not offer cipher suite {bmc.cipher_suite}: {error.msc_desc}",
                        self.where,
                        "Set cipher_suite in [bmc]",
                    )
                ) from None
            raise self._failed(
                errors.BmcRefused(f"the BMC refuses a session: {error.msc_desc}", self.where)
            ) from None
        except pyipmi.errors.CompletionCodeError as error:
            raise self._failed(errors.BmcRefused(f"the BMC refuses a session: {error}", self.where)) from None
        except socket.gaierror:
            raise self._failed(
                errors.BmcUnreachable(f"the host name {bmc.host!r} is not known", self.where)
            ) from None
        except (OSError, pyipmi.errors.IpmiConnectionError, pyipmi.errors.RetryError) as error:
            reason = getattr(error, "strerror", None)
            raise self._failed(
                errors.BmcUnreachable(
                    f"nothing answers IPMI there within {bmc.timeout_s:g} s"
                    + (f" ({reason})" if reason else ""),
                    self.where,
                    "Check host and port in [bmc], the network, and that IPMI over LAN is enabled",
                )
            ) from None
        except (pyipmi.errors.DecodingError, pyipmi.errors.NotSupportedError, ValueError) as error:
            raise self._failed(
                errors.BmcRefused(f"the BMC's answer is not usable: {error}", self.where)
            ) from None

    def _failed(self, error: errors.BenchError) -> errors.BenchError:
        self._logout()
        return error

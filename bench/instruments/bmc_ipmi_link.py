# SPDX-License-Identifier: Apache-2.0
"""One RMCP+ session's wire: python-ipmi's protocol code with time limits and retransmission that suit a real BMC.

- A command is sent again once within its limit, with the same sequence number: the answer to either copy will do, and
  the other copy's late answer is thrown away. What must happen only once (``once``) is never sent twice.
- A message of the login is never sent again: many BMCs draw new random numbers for a repeated RAKP message 1, after
  which a right password looks wrong. Who calls opens a new session instead.
- What cannot be decoded or does not bear the session's signature is counted and thrown away.
"""

import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from pyipmi.interfaces.rmcpplus import RmcpPlus

RETRIES = 1  # one UDP packet may be lost


class Link(RmcpPlus):
    """python-ipmi's RMCP+ interface. ``limit_s``: longest wait for an answer; ``login_s``: the same for one of the login."""

    def __init__(self, cipher_suite: int, limit_s: float, login_s: float) -> None:
        super().__init__(cipher_suite=cipher_suite, keep_alive_interval=0, max_retries=RETRIES)
        self._limit_s, self._login_s = limit_s, login_s
        self._until = 0.0
        self._family = socket.AF_INET
        self.answered = False  #: something came that is IPMI
        self.garbled = 0  #: packets that were thrown away

    def resolve(self, host: str, port: int) -> None:
        """Choose IPv4, else IPv6 (python-ipmi knows the first only). Raises socket.gaierror."""
        families = [found[0] for found in socket.getaddrinfo(host, port, type=socket.SOCK_DGRAM)]
        self._family = socket.AF_INET if socket.AF_INET in families else families[0]

    def open(self) -> None:
        self._sock = socket.socket(self._family, socket.SOCK_DGRAM)
        self.set_timeout(self._limit_s / (RETRIES + 1))

    def ping(self) -> None:
        """Nothing: not every BMC answers a ping, and the question that follows it says as much."""

    @contextmanager
    def once(self) -> Iterator[None]:
        """What is asked in here is sent a single time; its answer has the whole limit to come."""
        self.max_retries = 0
        self.set_timeout(self._limit_s)
        try:
            yield
        finally:
            self.max_retries = RETRIES
            self.set_timeout(self._limit_s / (RETRIES + 1))

    def is_there(self, host: str, port: int) -> bool:
        """True when something answers IPMI's first question, which needs no session."""
        try:
            self.resolve(host, port)
            self.open()
            self.host, self.port = host, port
            self._sock.connect((host, port))
            self._get_channel_auth_cap(_Anybody())
        except Exception:
            return self.answered
        finally:
            self.close()
        return True

    def _send_rmcp_msg(self, sdu: bytes | None, class_of_msg: int) -> None:
        assert self._timeout is not None
        self._until = time.monotonic() + self._timeout
        super()._send_rmcp_msg(sdu, class_of_msg)

    def _receive_rmcp_msg(self) -> tuple[int | None, int | None, bytes]:
        # However much else comes meanwhile, the wait ends: a socket's own time-out begins anew with each packet.
        left = self._until - time.monotonic()
        if left <= 0:
            raise TimeoutError
        self._sock.settimeout(left)
        return super()._receive_rmcp_msg()

    def _receive_ipmi_msg(self, ignore_sdu_length: bool = False) -> bytes:
        return self._sound(lambda: super(Link, self)._receive_ipmi_msg(ignore_sdu_length))

    def _receive_payload(self) -> tuple[int, bytes]:
        return self._sound(super()._receive_payload)

    def _sound(self, receive: Callable[[], Any]) -> Any:
        """The next message that is sound; a time-out ends the wait."""
        while True:
            try:
                found = receive()
            except OSError:
                raise
            except (
                Exception
            ):  # a stranger's bytes meet python-ipmi's parsers here: they raise whatever they meet
                self.garbled += 1
                continue
            self.answered = True
            return found

    def _handshake(self, request_type: int, request: bytes, response_type: int) -> bytes:
        self.max_retries = 0
        self.set_timeout(self._login_s)
        try:
            return super()._handshake(request_type, request, response_type)
        finally:
            self.max_retries = RETRIES
            self.set_timeout(self._limit_s / (RETRIES + 1))


class _Anybody:
    """As much of a session as python-ipmi's first question looks at."""

    priv_level = 4

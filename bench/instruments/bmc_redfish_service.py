# SPDX-License-Identifier: Apache-2.0
"""A Redfish service as seen through HTTPS: requests, login, and every failure as one of this package's errors.

A login makes a session where the service offers them, else each request carries user and password. A session that has
expired (or was forgotten by a restart) is made anew, and the request sent again: it was refused, so nothing happened.
What changes something goes over a connection of its own, so that "no connection" always means "did not happen".
"""

import json
import socket
import ssl
import time
from collections.abc import Iterator
from contextlib import suppress
from http import HTTPStatus
from typing import Any
from urllib.parse import urlsplit

import urllib3
from urllib3.exceptions import (
    ConnectTimeoutError,
    HTTPError,
    NameResolutionError,
    NewConnectionError,
    ReadTimeoutError,
    SSLError,
)

from vkbench import config, errors
from vkbench.instruments.bmc_login import login_refused

ROOT = "/redfish/v1/"
LARGEST_ANSWER = 32 << 20  # bytes; a whole event log is a few
REDIRECTS = 3
POLL_S = 0.1
PAGES = 10_000  # of a collection
NOT_DONE_HERE = {
    HTTPStatus.NOT_FOUND,
    HTTPStatus.METHOD_NOT_ALLOWED,
    HTTPStatus.NOT_IMPLEMENTED,
    HTTPStatus.CONFLICT,
}
NOT_SUPPORTED_MESSAGES = (  # of DMTF's Base registry
    "ActionNotSupported",
    "ActionParameterNotSupported",
    "ActionParameterUnknown",
    "ActionParameterValueNotInList",
    "NotSupportedInState",
    "PropertyNotWritable",
    "PropertyUnknown",
    "PropertyValueNotInList",
    "ResourceInStandby",
)
NEEDS_ETAG = {HTTPStatus.PRECONDITION_FAILED, HTTPStatus.PRECONDITION_REQUIRED}


class Service:
    """One BMC's Redfish service. Not for two threads."""

    def __init__(self, settings: config.model.Bmc) -> None:
        self._settings = settings
        self._password = settings.password.read()
        self.where = f"BMC {settings.host}:{settings.address_port}"
        self._known = False  # it has answered before
        self._token: str | None = None
        self._session: str | None = None  # what a logout deletes
        self._basic = False
        self._root: dict[str, Any] | None = None
        self._expands = True  # it does as its root says
        self._context = None if settings.tls == "none" else self._tls(settings)
        if settings.tls == "trust":
            urllib3.disable_warnings(urllib3.exceptions.InsecureRequestWarning)  # the bench file says so
        self._pool = self._new_pool()

    def _new_pool(self) -> urllib3.HTTPConnectionPool:
        """Connections to the service; one at a time."""
        settings = self._settings
        limit = urllib3.Timeout(connect=settings.timeout_s, read=settings.timeout_s)
        place = {"host": settings.host, "port": settings.address_port}
        shared = {"timeout": limit, "retries": False, "maxsize": 1}
        if self._context is None:
            return urllib3.HTTPConnectionPool(**place, **shared)
        return urllib3.HTTPSConnectionPool(**place, **shared, ssl_context=self._context)

    def _tls(self, settings: config.model.Bmc) -> ssl.SSLContext:
        try:
            context = ssl.create_default_context(cafile=settings.ca_path)
        except (OSError, ssl.SSLError) as error:
            reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
            raise errors.BmcTlsError(
                f"ca_file {settings.ca_path} cannot be used: {reason}",
                self.where,
                "It must hold PEM certificates",
            ) from None
        if settings.tls == "trust":
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        return context

    # ---- resources ---------------------------------------------------------------------------------------------------

    def root(self) -> dict[str, Any]:
        """The service's entry point; the only one that needs no login."""
        if self._root is None:
            try:
                self._root = self._request("GET", ROOT, None, "service root", login=False)
            except (errors.BmcNotSupported, errors.BmcRefused) as error:
                raise errors.BmcUnreachable(
                    f"what answers there is no Redfish service: {error.what}",
                    self.where,
                    "Check host and port in [bmc]",
                ) from None
        return self._root

    def get(self, path: str, doing: str) -> dict[str, Any]:
        """A resource."""
        return self._request("GET", path, None, doing)

    def post(self, path: str, body: dict[str, Any], doing: str, once: bool = False) -> dict[str, Any]:
        """An action. ``once``: it is not sent a second time after a failure that leaves open whether it happened."""
        return self._request("POST", path, body, doing, once=once)

    def patch(self, path: str, body: dict[str, Any], doing: str) -> dict[str, Any]:
        """A change of properties. It names the resource's version (ETag) when the service wants that."""
        return self._request("PATCH", path, body, doing)

    def members(self, path: str, doing: str) -> Iterator[dict[str, Any]]:
        """The members of a collection, page by page; those that are only named are fetched."""
        pages: set[str] = set()
        page = self._expanded(path, doing)
        while page is not None or path:
            if path in pages or len(pages) >= PAGES:
                raise errors.BmcRefused(f"'{doing}': the collection's pages at {path} never end", self.where)
            pages.add(path)
            page = page or self.get(path, doing)
            for member in page.get("Members") or []:
                yield member if len(member) > 1 else self.get(link(member), doing)
            path = page.get("Members@odata.nextLink") or page.get("@odata.nextLink") or ""
            page = None

    def _expanded(self, path: str, doing: str) -> dict[str, Any] | None:
        """A collection with its members in it: one answer of a slow BMC instead of dozens. None: it does not do that."""
        features = (self.root().get("ProtocolFeaturesSupported") or {}).get("ExpandQuery") or {}
        if not self._expands or not features.get("NoLinks") or "?" in path:
            return None
        try:
            return self.get(f"{path}?$expand=." + ("($levels=1)" if features.get("Levels") else ""), doing)
        except errors.BmcNotSupported:
            self._expands = False
            return None

    def links(self, path: str, doing: str) -> list[str]:
        """The paths of a collection's members."""
        return [link(member) for member in self.get(path, doing).get("Members") or []]

    def close(self) -> None:
        """End the session. A service that does not answer now has its own time limit for sessions."""
        if self._session:
            with suppress(errors.BenchError, _Broken, _NoConnection):
                self._once("DELETE", self._session, None, "logout", {"X-Auth-Token": self._token or ""})
        self._session = self._token = None
        self._pool.close()

    # ---- a request ---------------------------------------------------------------------------------------------------

    def _request(
        self,
        method: str,
        path: str,
        body: dict[str, Any] | None,
        doing: str,
        login: bool = True,
        once: bool = False,
    ) -> dict[str, Any]:
        end = time.monotonic() + self._settings.timeout_s
        more: dict[str, str] = {}
        again = True
        while True:
            had_token = self._token is not None
            try:
                headers = more | (self._credentials() if login else {})
                status, found, fields = self._once(method, path, body, doing, headers)
            except _Broken as broken:
                if once:
                    raise self._unknown_outcome(doing, broken) from None
                if not again:
                    raise self._silent(doing, broken) from None
                again = False
                continue
            except _NoConnection as refused:
                # A service that restarts refuses for a while; nothing was sent.
                if self._known and refused.closed and time.monotonic() < end:
                    time.sleep(POLL_S)
                    continue
                raise self._unreachable(doing, refused) from None
            if status == HTTPStatus.SERVICE_UNAVAILABLE and time.monotonic() < end:
                time.sleep(POLL_S)
                continue
            if status == HTTPStatus.UNAUTHORIZED and login and had_token and again:
                self._token = self._session = None
                again = False
                continue
            if status in NEEDS_ETAG and "If-Match" not in more:
                more["If-Match"] = self._etag(path, doing)
                continue
            if status < HTTPStatus.BAD_REQUEST:
                return found
            raise self._refused(doing, status, found, fields)

    def _etag(self, path: str, doing: str) -> str:
        _, found, fields = self._once("GET", path, None, doing, self._credentials())
        return fields.get("etag") or found.get("@odata.etag") or "*"

    def _credentials(self) -> dict[str, str]:
        if self._token is None and not self._basic:
            self._log_in()
        if self._token is not None:
            return {"X-Auth-Token": self._token}
        return urllib3.make_headers(basic_auth=f"{self._settings.user}:{self._password}")

    def _log_in(self) -> None:
        sessions = link((self.root().get("Links") or {}).get("Sessions"))
        if not sessions:
            self._basic = True
            return
        body = {"UserName": self._settings.user, "Password": self._password}
        status, found, fields = self._once("POST", sessions, body, "login", {})
        if status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN, HTTPStatus.BAD_REQUEST):
            raise login_refused(self._settings, self.where, extended_text(found))
        self._token = fields.get("x-auth-token")
        self._session = urlsplit(fields.get("location", "")).path or link(found) or None
        # A service that is out of sessions, or offers them without making any, takes each request's own login.
        self._basic = self._token is None

    def _once(
        self, method: str, path: str, body: dict[str, Any] | None, doing: str, headers: dict[str, str]
    ) -> tuple[int, dict[str, Any], Any]:
        """One exchange: status, the answer's object, its header fields. Raises _Broken, _NoConnection, BenchError."""
        data = None if body is None else json.dumps(body).encode()
        headers = {"Accept": "application/json", "OData-Version": "4.0", **headers}
        if data is not None:
            headers["Content-Type"] = "application/json"
        for _ in range(REDIRECTS):
            if method != "GET":
                self._fresh_connection()
            status, content, fields = self._exchange(method, path, data, headers)
            self._known = True
            target = fields.get("location", "")
            if status not in (301, 302, 307, 308) or not target:
                return status, self._object(content, status, doing), fields
            place = urlsplit(target)
            if place.netloc and place.hostname != self._settings.host:
                raise errors.BmcRefused(f"'{doing}': it sends us to another host, {place.netloc}", self.where)
            path = place.path + (f"?{place.query}" if place.query else "")
        raise errors.BmcRefused(f"'{doing}': it redirects more than {REDIRECTS} times", self.where)

    def _fresh_connection(self) -> None:
        self._pool.close()
        self._pool = self._new_pool()

    def _exchange(
        self, method: str, path: str, data: bytes | None, headers: dict[str, str]
    ) -> tuple[int, bytes, Any]:
        end = time.monotonic() + self._settings.timeout_s
        try:
            answer = self._pool.urlopen(
                method, path, body=data, headers=headers, redirect=False, preload_content=False
            )
            content = bytearray()
            # A service that trickles one byte a second would never meet the socket's own time-out.
            while part := answer.read1(1 << 16):
                content += part
                if time.monotonic() > end or len(content) > LARGEST_ANSWER:
                    answer.close()
                    raise _Broken("its answer does not end", timeout=True)
            answer.release_conn()
            return answer.status, bytes(content), answer.headers
        except (NewConnectionError, ConnectTimeoutError) as error:
            raise _NoConnection(error) from None
        except SSLError as error:
            raise self._tls_error(error) from None
        except (HTTPError, OSError) as error:
            # Caught behind the ones above, of which some are HTTPErrors too.
            raise _Broken(
                str(error) or type(error).__name__, timeout=isinstance(error, ReadTimeoutError)
            ) from None

    def _object(self, content: bytes, status: int, doing: str) -> dict[str, Any]:
        if not content.strip():
            return {}
        try:
            found = json.loads(content)
        except ValueError:
            found = None
        if isinstance(found, dict):
            return found
        if status >= HTTPStatus.BAD_REQUEST:
            return {}  # an error page of its web server
        raise errors.BmcRefused(
            f"'{doing}': its answer is no JSON object", self.where, "Is it Redfish that answers there?"
        )

    # ---- errors ------------------------------------------------------------------------------------------------------

    def _unreachable(self, doing: str, failed: "_NoConnection") -> errors.BenchError:
        settings = self._settings
        if isinstance(failed.error, NameResolutionError):
            return errors.BmcUnreachable(
                f"the host name {settings.host!r} is not known", self.where, "Check host in [bmc]"
            )
        reason = "the port is closed" if failed.closed else f"no connection within {settings.timeout_s:g} s"
        if self._known:
            return errors.BmcGone(
                f"it answered before and does not any more: '{doing}': {reason}",
                self.where,
                "A BMC that restarts is back after a minute or two; else check its network",
            )
        return errors.BmcUnreachable(
            f"nothing answers Redfish there: {reason}",
            self.where,
            "Check host and port in [bmc], the network, and that Redfish is enabled (a virtual bench: vkbench lab up)",
        )

    def _silent(self, doing: str, broken: "_Broken") -> errors.BenchError:
        """No answer, twice: is it gone, or only too slow?"""
        settings = self._settings
        with (
            suppress(OSError),
            socket.create_connection((settings.host, settings.address_port), settings.timeout_s),
        ):
            if broken.timeout:
                return errors.BmcTimeout(
                    f"it takes connections, but gives no answer to '{doing}' within {settings.timeout_s:g} s",
                    self.where,
                    "Give a slow BMC more time: timeout_s in [bmc]",
                )
            if not self._known:
                return errors.BmcUnreachable(
                    f"what answers there is no Redfish: {broken}",
                    self.where,
                    "Check host, port and tls in [bmc]",
                )
        kind = errors.BmcGone if self._known else errors.BmcUnreachable
        return kind(
            f"it broke off at '{doing}': {broken}",
            self.where,
            "A BMC that restarts is back after a minute or two; else check its network",
        )

    def _unknown_outcome(self, doing: str, broken: "_Broken") -> errors.BenchError:
        kind = type(self._silent(doing, broken))
        return kind(
            f"no answer to '{doing}' ({broken}); whether it happened is not known, and it is not repeated",
            self.where,
            "Look at the server's console",
        )

    def _tls_error(self, error: SSLError) -> errors.BenchError:
        cause = error.args[0] if error.args else error
        if isinstance(cause, ssl.SSLCertVerificationError):
            return errors.BmcTlsError(
                f"its certificate does not prove that it is {self._settings.host!r}: {cause.verify_message}",
                self.where,
                'Name the certificate that signed it as ca_file in [bmc]; tls = "trust" takes any',
            )
        reason = getattr(cause, "reason", None) or str(cause)
        hint = (
            'If it speaks plain HTTP: tls = "none" in [bmc]'
            if "WRONG_VERSION" in reason or "HTTP" in reason
            else ""
        )
        return errors.BmcTlsError(f"TLS cannot be used: {reason}", self.where, hint)

    def _refused(self, doing: str, status: int, found: dict[str, Any], fields: Any) -> errors.BenchError:
        if status == HTTPStatus.UNAUTHORIZED:
            return login_refused(self._settings, self.where, extended_text(found))
        phrase = HTTPStatus(status).phrase if status in HTTPStatus._value2member_map_ else "?"
        text = f"'{doing}': HTTP {status} {phrase}"
        said = extended_text(found)
        text += f": {said}" if said else ""
        if status == HTTPStatus.FORBIDDEN:
            return errors.BmcRefused(
                text,
                self.where,
                f"User {self._settings.user!r} may lack the privilege: give it administrator",
            )
        if status == HTTPStatus.SERVICE_UNAVAILABLE:
            return errors.BmcTimeout(
                text, self.where, "A BMC that starts says this; timeout_s in [bmc] sets the limit"
            )
        if status in NOT_DONE_HERE or any(name in message_ids(found) for name in NOT_SUPPORTED_MESSAGES):
            return errors.BmcNotSupported(f"{text}: this BMC does not do that, or not now", self.where)
        return errors.BmcRefused(text, self.where)


class _NoConnection(Exception):
    """There is no connection, so nothing was asked."""

    def __init__(self, error: Exception) -> None:
        super().__init__(str(error))
        self.error = error
        cause = error.__cause__ or error.__context__
        self.closed = isinstance(cause, ConnectionRefusedError)


class _Broken(Exception):
    """A request without a whole answer."""

    def __init__(self, text: str, timeout: bool) -> None:
        super().__init__(text)
        self.timeout = timeout


def link(reference: Any) -> str:
    """The path in an object of the form {"@odata.id": path}; empty when there is none."""
    return reference.get("@odata.id", "") if isinstance(reference, dict) else ""


def _messages(found: dict[str, Any]) -> list[dict[str, Any]]:
    error = found.get("error")
    error = error if isinstance(error, dict) else {}
    messages = error.get("@Message.ExtendedInfo") or found.get("@Message.ExtendedInfo") or []
    messages = messages if isinstance(messages, list) else [messages]
    return [message for message in messages if isinstance(message, dict)] + [error]


def message_ids(found: dict[str, Any]) -> str:
    """The identifiers of an answer's messages, for a search."""
    return " ".join(
        str(message.get("MessageId") or message.get("code") or "") for message in _messages(found)
    )


def extended_text(found: dict[str, Any]) -> str:
    """What an answer's messages say: ExtendedInfo's texts, else the error's own."""
    *extended, error = _messages(found)
    texts = [str(message["Message"]).strip() for message in extended if message.get("Message")]
    resolutions = [str(message["Resolution"]).strip() for message in extended if message.get("Resolution")]
    if not texts and error.get("message"):
        texts = [str(error["message"]).strip()]
    return " ".join(dict.fromkeys([*texts, *(text for text in resolutions if text.lower() != "none.")]))

# SPDX-License-Identifier: Apache-2.0
"""A Redfish service of our own for what the independent ones lack: sessions, a log that can be cleared, and faults.

Its resources follow DMTF's schemas; what it shows about the driver is only as good as our reading of them.
"""

import base64
import json
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from bmc_peers import PASSWORD, USER

from vkbench.virtual.redfish import CERTIFICATE, KEY

ROOT = "/redfish/v1"
RESET_TYPES = ["On", "ForceOff", "GracefulShutdown", "ForceRestart", "Nmi"]


def resources() -> dict[str, dict[str, Any]]:
    """A service with one system, one manager, and two logs of the system."""
    system, manager = f"{ROOT}/Systems/1", f"{ROOT}/Managers/1"
    entries = [("3", "2024-05-01T12:00:03+02:00", "third"), ("1", "2024-05-01T12:00:01+02:00", "first")]
    return {
        ROOT: {
            "RedfishVersion": "1.17.0",
            "Systems": {"@odata.id": f"{ROOT}/Systems"},
            "Managers": {"@odata.id": f"{ROOT}/Managers"},
            "Links": {"Sessions": {"@odata.id": f"{ROOT}/SessionService/Sessions"}},
        },
        f"{ROOT}/Systems": {"Members": [{"@odata.id": system}]},
        system: {
            "@odata.id": system,
            "Id": "1",
            "PowerState": "Off",
            "Boot": {"BootSourceOverrideEnabled": "Disabled", "BootSourceOverrideTarget": "None"},
            "HostWatchdogTimer": {"FunctionEnabled": True, "TimeoutAction": "ResetSystem"},
            "LogServices": {"@odata.id": f"{system}/LogServices"},
            "Links": {"ManagedBy": [{"@odata.id": manager}]},
            "Actions": {
                "#ComputerSystem.Reset": {
                    "target": f"{system}/Actions/ComputerSystem.Reset",
                    "ResetType@Redfish.AllowableValues": list(RESET_TYPES),
                }
            },
        },
        f"{ROOT}/Managers": {"Members": [{"@odata.id": manager}]},
        manager: {"@odata.id": manager, "FirmwareVersion": "7.1", "DateTime": "2024-05-01T12:00:00+02:00"},
        f"{system}/LogServices": {
            "Members": [
                {"@odata.id": f"{system}/LogServices/Audit"},
                {"@odata.id": f"{system}/LogServices/SEL"},
            ]
        },
        f"{system}/LogServices/Audit": {
            "Id": "Audit",
            "Entries": {"@odata.id": f"{system}/LogServices/Audit/Entries"},
        },
        f"{system}/LogServices/Audit/Entries": {"Members": [{"Id": "9", "Message": "somebody logged in"}]},
        f"{system}/LogServices/SEL": {
            "Id": "SEL",
            "Entries": {"@odata.id": f"{system}/LogServices/SEL/Entries"},
            "Actions": {
                "#LogService.ClearLog": {"target": f"{system}/LogServices/SEL/Actions/LogService.ClearLog"}
            },
        },
        f"{system}/LogServices/SEL/Entries": {
            "Members": [{"Id": name, "Created": created, "Message": text} for name, created, text in entries]
        },
    }


class Peer:
    """The service's state, and what is to go wrong with it."""

    def __init__(self) -> None:
        self.resources = resources()
        self.system = self.resources[f"{ROOT}/Systems/1"]
        self.sessions: dict[str, str] = {}
        self.log: list[tuple[str, str, Any]] = []  #: method, path, body of each request
        #: called before a request is answered; what it returns (status, object, header fields) is the answer
        self.fault: Callable[[str, str], tuple[int, Any, dict[str, str]] | None] = lambda method, path: None
        self.delay_s = 0.0
        self.clear_takes = 0  #: this many readings after ClearLog the entries go
        self.port = 0

    def done(self, method: str, path: str) -> list[Any]:
        """Bodies of the requests of a kind."""
        return [body for kind, where, body in self.log if kind == method and where.endswith(path)]

    def answer(self, method: str, path: str, body: Any, fields: Any) -> tuple[int, Any, dict[str, str]]:
        """What the service says."""
        self.log.append((method, path, body))
        if found := self.fault(method, path):
            return found
        path, _, query = path.partition("?")
        path = path.rstrip("/")
        if method == "POST" and path.endswith("/Sessions"):
            if (body["UserName"], body["Password"]) != (USER, PASSWORD):
                return 401, error("Base.1.8.ResourceAtUriUnauthorized", "Who are you?"), {}
            number = str(len(self.log))
            self.sessions[f"{path}/{number}"] = token = f"token-{number}"
            return (
                201,
                {"@odata.id": f"{path}/{number}"},
                {"X-Auth-Token": token, "Location": f"{path}/{number}"},
            )
        if path != ROOT and not self._known(fields):
            return 401, error("Base.1.8.NoValidSession", "There is no valid session."), {}
        if method == "DELETE":
            return (204 if self.sessions.pop(path, None) else 404), None, {}
        if method == "POST":
            return self._action(path, body)
        if path not in self.resources:
            return 404, error("Base.1.8.ResourceMissingAtURI", f"The resource at {path} was not found."), {}
        if method == "PATCH":
            for name, value in body.items():
                self.resources[path][name] = {**self.resources[path].get(name, {}), **value}
            return 204, None, {}
        if path.endswith("SEL/Entries") and self.clear_takes:
            self.clear_takes -= 1
            if not self.clear_takes:
                self.resources[path]["Members"] = [{"Id": "1", "Message": "log cleared"}]
        if query == "$expand=.($levels=1)":
            members = [
                self.resources.get(one.get("@odata.id"), one) for one in self.resources[path]["Members"]
            ]
            return 200, {**self.resources[path], "Members": members}, {}
        return 200, self.resources[path], {"ETag": '"17"'}

    def _known(self, fields: Any) -> bool:
        basic = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
        return (
            fields.get("X-Auth-Token") in self.sessions.values()
            or fields.get("Authorization") == f"Basic {basic}"
        )

    def _action(self, path: str, body: Any) -> tuple[int, Any, dict[str, str]]:
        if path.endswith("ClearLog"):
            self.clear_takes = 3
            return 204, None, {}
        states = {"On": "On", "ForceOff": "Off"}
        self.system["PowerState"] = states.get(body["ResetType"], self.system["PowerState"])
        return 204, None, {}


def error(identity: str, text: str, resolution: str = "None.") -> dict[str, Any]:
    """An error as DSP0266 section 8.6 has it."""
    message = {"MessageId": identity, "Message": text, "Resolution": resolution}
    return {"error": {"code": identity, "message": "See ExtendedInfo.", "@Message.ExtendedInfo": [message]}}


@contextmanager
def redfish_peer(certificates: Path | None = None) -> Iterator[Peer]:
    """A running peer; with a folder of certificates over TLS."""
    peer = Peer()
    links: list[socket.socket] = []

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def setup(self) -> None:
            super().setup()
            links.append(self.connection)

        def _serve(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            body = json.loads(self.rfile.read(length)) if length else None
            status, content, fields = peer.answer(self.command, self.path, body, self.headers)
            time.sleep(peer.delay_s)
            if status == 0:  # the line breaks
                self.close_connection = True
                return
            data = content if isinstance(content, bytes) else json.dumps(content).encode() if content else b""
            self.send_response(status)
            for name, value in fields.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        do_GET = do_POST = do_PATCH = do_DELETE = _serve

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    server.handle_error = lambda *_: None  # type: ignore[method-assign]
    if certificates:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificates / CERTIFICATE, certificates / KEY)
        server.socket = context.wrap_socket(server.socket, server_side=True)
    peer.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield peer
    finally:
        server.shutdown()
        server.server_close()
        for link in links:
            with suppress(OSError):
                link.shutdown(socket.SHUT_RDWR)
        thread.join(5)

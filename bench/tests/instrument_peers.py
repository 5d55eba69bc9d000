# SPDX-License-Identifier: Apache-2.0
"""Peers of the instrument tests: a TCP server that plays one script per connection, for what real peers never do."""

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress


@contextmanager
def tcp_peer(serve: Callable[[socket.socket], None]) -> Iterator[int]:
    """Listen on loopback; each connection is given to ``serve`` in a thread. Yields the port."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        links: list[socket.socket] = []

        def accept() -> None:
            while True:
                try:
                    link, _ = listener.accept()
                except OSError:
                    return
                links.append(link)
                threading.Thread(target=_guarded, args=(serve, link), daemon=True).start()

        thread = threading.Thread(target=accept, daemon=True)
        thread.start()
        try:
            yield listener.getsockname()[1]
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            thread.join(5)
            for link in links:
                link.close()


def _guarded(serve: Callable[[socket.socket], None], link: socket.socket) -> None:
    with suppress(OSError):  # the test closed its end
        serve(link)


def free_port(kind: socket.SocketKind = socket.SOCK_STREAM) -> int:
    """A port that nobody uses just now."""
    with socket.socket(socket.AF_INET, kind) as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]

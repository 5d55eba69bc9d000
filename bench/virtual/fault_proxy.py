# SPDX-License-Identifier: Apache-2.0
"""A wire with a fault: a TCP or UDP proxy on loopback that delays, drops, cuts or garbles what passes.

    python -m vkbench.virtual.fault_proxy --listen PORT --to HOST:PORT [--udp] [--delay S] [--drop SHARE]
        [--cut-after BYTES] [--garble SHARE] [--seed N]

Which bytes are hit depends on the seed, the direction and the byte's place only, never on how TCP cuts the stream.
"""

import argparse
import asyncio
import math
import random
import signal
import socket
import struct
import sys
import threading
from collections.abc import Coroutine
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Self

HOST = "127.0.0.1"
CHUNK = 1 << 16
QUEUE_CHUNKS = 64  # so much may be under way in one direction; then the sender has to wait, as on a real wire
END_WITHIN_S = 5.0
READY = "fault_proxy: ready"
_RESET = struct.pack("ii", 1, 0)  # SO_LINGER of 0 s: closing sends RST, as a peer that died


@dataclass(frozen=True)
class Fault:
    """What is wrong with the wire; nothing, as it stands."""

    delay_s: float = 0.0  #: each byte arrives so much later; order is kept
    drop: float = 0.0  #: share of bytes (TCP) or datagrams (UDP) that are lost; 1: the wire is silent
    cut_after: int | None = None  #: after so many bytes of both directions it is cut, and stays so
    garble: float = 0.0  #: share of bytes that arrive as another byte

    def __post_init__(self) -> None:
        if self.delay_s < 0 or not 0 <= self.drop <= 1 or not 0 <= self.garble <= 1:
            raise ValueError("a delay is not negative, shares are 0 to 1")
        if self.cut_after is not None and self.cut_after < 0:
            raise ValueError("cut_after is not negative")


HEALTHY = Fault()


class _Hits:
    """Which places of a stream are hit: each with the same chance, drawn as distances, so a healthy byte costs nothing."""

    def __init__(self, share: float, name: str) -> None:
        self._share = share
        self._random = random.Random(name)
        self._values = random.Random(f"{name} values")
        self._next = self._distance() if share else 0

    def _distance(self) -> int:
        if self._share >= 1:
            return 0
        return int(math.log(1 - self._random.random()) / math.log(1 - self._share))

    def among(self, count: int) -> list[int]:
        """Places among the next ``count`` that are hit."""
        if not self._share:
            return []
        places = []
        while self._next < count:
            places.append(self._next)
            self._next += 1 + self._distance()
        self._next -= count
        return places

    def other(self, byte: int) -> int:
        """Another byte instead of this one."""
        return byte ^ self._values.randrange(1, 256)


class _Direction:
    """What one direction of one connection does to its bytes; the same for the same seed and name."""

    def __init__(self, fault: Fault, name: str, datagrams: bool) -> None:
        self._datagrams = datagrams
        self._dropped = _Hits(fault.drop, f"{name} drop")
        self._garbled = _Hits(fault.garble, f"{name} garble")

    def pass_on(self, data: bytes) -> bytes | None:
        """What arrives; None for a datagram that is lost."""
        if self._datagrams and self._dropped.among(1):
            return None
        places = self._garbled.among(len(data))
        if places:
            changed = bytearray(data)
            for place in places:
                changed[place] = self._garbled.other(changed[place])
            data = bytes(changed)
        if not self._datagrams and (gone := self._dropped.among(len(data))):
            starts = [0, *(place + 1 for place in gone)]
            data = b"".join(data[a:b] for a, b in zip(starts, [*gone, len(data)], strict=True))
        return data


class FaultProxy:
    """The proxy as a context manager. ``fault`` may be changed while it runs; bytes that are under way keep their delay.

    TCP: a cut ends the connections by RST and refuses new ones until the fault is another. UDP: nothing passes.
    Raises OSError on entry when the port cannot be had.
    """

    def __init__(
        self,
        to: tuple[str, int],
        fault: Fault = HEALTHY,
        *,
        listen: int = 0,
        udp: bool = False,
        seed: int = 0,
    ) -> None:
        self._to, self._udp, self._seed = to, udp, seed
        self._listen = listen
        self._fault = fault
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="fault proxy", daemon=True)
        self._passed = 0  #: bytes since the fault was set
        self._era = 0  #: counts the faults that were set
        self._connections = 0
        self._links: set[_TcpLink] = set()
        self._server: Any = None
        self.port = 0

    def __enter__(self) -> Self:
        self._thread.start()
        try:
            self._call(self._start())
        except BaseException:
            self._end_loop()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._call(self._stop())
        self._end_loop()

    @property
    def fault(self) -> Fault:
        """What is wrong now."""
        return self._fault

    @fault.setter
    def fault(self, fault: Fault) -> None:
        self._call(self._set(fault))

    @property
    def passed(self) -> int:
        """Bytes of both directions that came in since the fault was set."""
        return self._passed

    @property
    def cut(self) -> bool:
        """True when the wire is cut."""
        limit = self._fault.cut_after
        return limit is not None and self._passed >= limit

    def _call(self, work: Coroutine[Any, Any, None]) -> None:
        future: Future[None] = asyncio.run_coroutine_threadsafe(work, self._loop)
        future.result(END_WITHIN_S)

    def _end_loop(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(END_WITHIN_S)
        self._loop.close()

    async def _start(self) -> None:
        if self._udp:
            transport, _ = await self._loop.create_datagram_endpoint(
                lambda: _UdpDoor(self), local_addr=(HOST, self._listen)
            )
            self._server = transport
            self.port = transport.get_extra_info("sockname")[1]
        else:
            self._server = await asyncio.start_server(self._serve, HOST, self._listen, limit=CHUNK)
            self.port = self._server.sockets[0].getsockname()[1]

    async def _stop(self) -> None:
        self._server.close()
        for link in list(self._links):
            link.break_off()
        tasks = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for _ in range(3):  # closing sockets takes the loop a round or two
            await asyncio.sleep(0)

    async def _set(self, fault: Fault) -> None:
        self._fault, self._passed = fault, 0
        self._era += 1
        self.cut_if_due()

    def cut_if_due(self) -> None:
        """Break every connection, when the wire is cut."""
        if self.cut:
            for link in list(self._links):
                link.break_off()

    def admit(self, data: bytes) -> bytes:
        """Counts; what comes before the cut."""
        limit = self._fault.cut_after
        if limit is not None:
            data = data[: max(0, limit - self._passed)]
        self._passed += len(data)
        return data

    def direction(self, connection: int, name: str) -> _Direction:
        """The fault's work on one direction."""
        return _Direction(self._fault, f"{self._seed} {self._era} {connection} {name}", self._udp)

    def number(self) -> int:
        """A number for the next connection."""
        self._connections += 1
        return self._connections

    @property
    def era(self) -> int:
        """Changes when the fault does."""
        return self._era

    @property
    def to(self) -> tuple[str, int]:
        """Where the wire leads."""
        return self._to

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        link = _TcpLink(self, reader, writer)
        self._links.add(link)
        try:
            await link.run()
        except (OSError, asyncio.CancelledError):
            pass  # either end went away, or the cut, or the proxy's end
        finally:
            link.break_off()
            self._links.discard(link)


class _TcpLink:
    """One TCP connection through the proxy."""

    def __init__(self, proxy: FaultProxy, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._proxy = proxy
        self._number = proxy.number()
        self._reader, self._writer = reader, writer
        self._far: asyncio.StreamWriter | None = None

    async def run(self) -> None:
        """Both directions, until both have ended."""
        if self._proxy.cut:
            return
        reader, self._far = await asyncio.open_connection(*self._proxy.to, limit=CHUNK)
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._pump(self._reader, self._far, "to"))
                group.create_task(self._pump(reader, self._writer, "from"))
        except* OSError:
            pass

    def break_off(self) -> None:
        """Ends both sides as a cut does."""
        for writer in (self._writer, self._far):
            if writer is not None and not writer.transport.is_closing():
                line = writer.get_extra_info("socket")
                with suppress(OSError):
                    line.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
                writer.transport.abort()

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, name: str) -> None:
        queue: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue(QUEUE_CHUNKS)
        async with asyncio.TaskGroup() as group:
            group.create_task(self._deliver(queue, writer))
            await self._take(reader, queue, name)

    async def _take(
        self, reader: asyncio.StreamReader, queue: asyncio.Queue[tuple[float, bytes]], name: str
    ) -> None:
        proxy, loop = self._proxy, asyncio.get_running_loop()
        era, direction = proxy.era, proxy.direction(self._number, name)
        while True:
            data = await reader.read(CHUNK)
            if era != proxy.era:
                era, direction = proxy.era, proxy.direction(self._number, name)
            arrived = direction.pass_on(proxy.admit(data)) if data else b""
            if arrived or not data:
                await queue.put((loop.time() + proxy.fault.delay_s, arrived or b""))
            if not data:
                return
            if proxy.cut:
                await queue.join()  # what came before the cut arrives
                proxy.cut_if_due()
                raise ConnectionResetError("cut")  # ends the other direction as well

    async def _deliver(self, queue: asyncio.Queue[tuple[float, bytes]], writer: asyncio.StreamWriter) -> None:
        loop = asyncio.get_running_loop()
        while True:
            due, data = await queue.get()
            await asyncio.sleep(max(0.0, due - loop.time()))
            if not data:
                if writer.can_write_eof():
                    writer.write_eof()
                queue.task_done()
                return
            writer.write(data)
            await writer.drain()
            queue.task_done()


class _UdpDoor(asyncio.DatagramProtocol):
    """The listening side; each client gets a socket of its own towards the far end."""

    def __init__(self, proxy: FaultProxy) -> None:
        self._proxy = proxy
        self._loop = asyncio.get_running_loop()
        self._far: dict[tuple[str, int], asyncio.Task[_UdpLink]] = {}

    def connection_made(self, transport: Any) -> None:
        self.transport = transport

    def datagram_received(self, data: bytes, client: Any) -> None:
        task = self._far.get(client)
        if task is None:
            task = self._far[client] = self._loop.create_task(self._open(client))
        task.add_done_callback(lambda done: None if done.cancelled() else done.result().send(data))

    async def _open(self, client: tuple[str, int]) -> "_UdpLink":
        _, link = await self._loop.create_datagram_endpoint(
            lambda: _UdpLink(self._proxy, self.transport, client), remote_addr=self._proxy.to
        )
        return link

    def connection_lost(self, error: Exception | None) -> None:
        for task in self._far.values():
            if task.done() and not task.cancelled():
                task.result().close()


class _UdpLink(asyncio.DatagramProtocol):
    """One client's datagrams, both ways."""

    def __init__(self, proxy: FaultProxy, door: Any, client: tuple[str, int]) -> None:
        self._proxy, self._door, self._client = proxy, door, client
        self._number = proxy.number()
        self._loop = asyncio.get_running_loop()
        self._era = -1
        self._to = self._from = proxy.direction(self._number, "to")

    def connection_made(self, transport: Any) -> None:
        self._transport = transport

    def send(self, data: bytes) -> None:
        """From the client."""
        if (arrived := self._through(data, True)) is not None:
            self._later(self._transport.sendto, arrived)

    def datagram_received(self, data: bytes, address: Any) -> None:
        if (arrived := self._through(data, False)) is not None:
            self._later(lambda data: self._door.sendto(data, self._client), arrived)

    def error_received(self, error: Exception) -> None:
        return  # nobody listens there: the client hears nothing, as from a machine that is off

    def close(self) -> None:
        """No more datagrams."""
        self._transport.close()

    def _through(self, data: bytes, outward: bool) -> bytes | None:
        proxy = self._proxy
        if self._era != proxy.era:
            self._era = proxy.era
            self._to = proxy.direction(self._number, "to")
            self._from = proxy.direction(self._number, "from")
        if proxy.cut:
            return None
        proxy.admit(data)
        return (self._to if outward else self._from).pass_on(data)

    def _later(self, send: Any, data: bytes) -> None:
        delay = self._proxy.fault.delay_s
        if delay:
            self._loop.call_later(delay, send, data)
        else:
            send(data)


def main(argv: list[str] | None = None) -> int:
    """The command."""
    parser = argparse.ArgumentParser(
        prog="python -m vkbench.virtual.fault_proxy", description=__doc__.split("\n")[0]
    )
    parser.add_argument(
        "--listen", type=int, required=True, metavar="PORT", help="on 127.0.0.1; 0: any free one"
    )
    parser.add_argument(
        "--to", type=_address, required=True, metavar="HOST:PORT", help="where the wire leads"
    )
    parser.add_argument("--udp", action="store_true", help="datagrams (IPMI) instead of TCP")
    parser.add_argument("--delay", type=float, default=0.0, metavar="S", help="seconds")
    parser.add_argument(
        "--drop", type=float, default=0.0, metavar="SHARE", help="of bytes, with --udp of datagrams"
    )
    parser.add_argument("--cut-after", type=int, metavar="BYTES", help="of both directions")
    parser.add_argument("--garble", type=float, default=0.0, metavar="SHARE", help="of bytes")
    parser.add_argument("--seed", type=int, default=0, help="another seed hits other bytes")
    given = parser.parse_args(argv)
    try:
        fault = Fault(given.delay, given.drop, given.cut_after, given.garble)
    except ValueError as error:
        parser.error(str(error))
    ended = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: ended.set())
    try:
        with FaultProxy(given.to, fault, listen=given.listen, udp=given.udp, seed=given.seed) as proxy:
            print(f"{READY} on {HOST}:{proxy.port}", flush=True)
            ended.wait()
    except OSError as error:
        print(f"fault_proxy: port {given.listen} cannot be had: {error.strerror}", file=sys.stderr)
        return 1
    return 0


def _address(text: str) -> tuple[str, int]:
    host, _, port = text.rpartition(":")
    if not host or not port.isdigit() or not 0 < int(port) < 1 << 16:
        raise argparse.ArgumentTypeError(f"{text!r} is not HOST:PORT")
    return host, int(port)


if __name__ == "__main__":
    sys.exit(main())

# SPDX-License-Identifier: Apache-2.0
"""Hands the virtual server's console to many clients at once, by raw TCP and by RFC 2217.

It dials the card's console port and dials again for ever, so power cycles break no client. Every client gets the same
bytes from the moment it connects; what any of them sends goes to the server in the order in which it came. A client
that does not read gets its own bounded backlog and is then dropped: it never holds up the others.

BREAK (RFC 2217's SET-CONTROL, or telnet's BRK) goes to QEMU as QMP's chardev-send-break, because the byte stream has no
BREAK. The port for serial over LAN is telnet too: OpenIPMI's `sol` line with `telnet:` sends BRK (lanserv/sol.c).
"""

import argparse
import asyncio
import contextlib
import json
import signal
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from serial import rfc2217

LOOPBACK = "127.0.0.1"
READY = "relay: ready"
CHARDEV = "com1"  # QEMU's name of the console's chardev (qemu.py)
BACKLOG_BYTES = 4 << 20  # what one client may leave unread; a minute of console at 64 kB/s
CHUNK_BYTES = 65536
REDIAL_S = 0.2
QMP_LIMIT_S = 2.0
# What was typed before a BREAK travels through the card, the BREAK does not: it waits this long after the last byte.
SETTLE_S = 0.05

BRK = b"\xf3"  # RFC 854
Segment = bytearray | None  # None: a BREAK


def say(text: str) -> None:
    """One line of the log."""
    print(f"relay: {text}", flush=True)


class _Line:
    """The virtual serial line behind RFC 2217: it keeps settings that have no meaning for QEMU's UART."""

    baudrate, bytesize, parity, stopbits = 115200, 8, "N", 1
    xonxoff = rtscts = False
    dtr = rts = break_condition = True
    cts = dsr = cd = True
    ri = False

    def reset_input_buffer(self) -> None:
        """Nothing is kept back."""

    def reset_output_buffer(self) -> None:
        """Nothing is kept back."""


class _Telnet(rfc2217.PortManager):
    """pyserial's telnet and RFC 2217 protocol machine, with BREAK as a segment of what the client sends.

    The answer to BREAK waits until QEMU has taken it: see answer_break().
    """

    def __init__(self, connection: Any) -> None:
        self._segments: list[Segment] = []
        self._owed = 0
        super().__init__(_Line(), connection)

    def segments(self, data: bytes) -> list[Segment]:
        """What the client sent, without the protocol."""
        self._segments = []
        for at in range(len(data)):
            try:
                for byte in self.filter(data[at : at + 1]):
                    if not self._segments or self._segments[-1] is None:
                        self._segments.append(bytearray())
                    self._segments[-1] += byte  # type: ignore[operator]
            except Exception as error:  # pyserial trusts the client's lengths and values
                say(f"a client sent a damaged telnet command ({error!r})")
                self.mode, self.suboption = rfc2217.M_NORMAL, None
        return self._segments

    def answer_break(self) -> None:
        """Tell the client that the BREAK was sent, when it asked by RFC 2217 and not by telnet's BRK."""
        if self._owed:
            self._owed -= 1
            super().rfc2217_send_subnegotiation(rfc2217.SERVER_SET_CONTROL, rfc2217.SET_CONTROL_BREAK_ON)

    def rfc2217_send_subnegotiation(self, option: bytes, value: bytes = b"") -> None:
        if option == rfc2217.SERVER_SET_CONTROL and value == rfc2217.SET_CONTROL_BREAK_ON:
            self._owed += 1
            self._segments.append(None)
        else:
            super().rfc2217_send_subnegotiation(option, value)

    def _telnet_process_command(self, command: bytes) -> None:
        if command == BRK:
            self._segments.append(None)


class _Client:
    """One connection: raw TCP, or telnet."""

    def __init__(self, name: str, writer: asyncio.StreamWriter, telnet: bool) -> None:
        self.name = name
        self._writer = writer
        self.telnet = _Telnet(writer) if telnet else None
        self.dropped = False

    def give(self, data: bytes) -> None:
        """Console bytes for the client; drops it when it has left too much unread."""
        if self.dropped:
            return
        self._writer.write(data.replace(b"\xff", b"\xff\xff") if self.telnet else data)
        waiting = self._writer.transport.get_write_buffer_size()
        if waiting > BACKLOG_BYTES:
            say(f"{self.name} has not read for {waiting} bytes, it is disconnected")
            self.dropped = True
            self._writer.transport.abort()


class Relay:
    """The relay; serve() runs it."""

    def __init__(self, console: tuple[str, int], qmp: Path | None = None) -> None:
        self._console = console
        self._qmp = qmp
        self._clients: set[_Client] = set()
        self._upstream: asyncio.StreamWriter | None = None
        self._sent_at = 0.0
        self._lost = 0
        self._dialled = asyncio.Event()

    async def serve(
        self, raw: int, rfc2217_port: int | None, sol: int | None, ready: Callable[[], None]
    ) -> None:
        """Listen on the ports of 127.0.0.1 until cancelled. Raises OSError when one cannot be had."""
        doors = [("raw", raw, False), ("RFC 2217", rfc2217_port, True), ("SOL", sol, True)]
        async with contextlib.AsyncExitStack() as stack:
            for name, port, telnet in doors:
                if port is not None:
                    server = await asyncio.start_server(self._door(name, telnet), LOOPBACK, port)
                    stack.callback(server.close)
            dialling = asyncio.create_task(self._follow())
            stack.callback(dialling.cancel)
            await self._dialled.wait()
            ready()
            await dialling

    async def _follow(self) -> None:
        """Read the console for ever; dial again whenever it is lost."""
        said = ""
        while True:
            try:
                reader, writer = await asyncio.open_connection(*self._console)
            except OSError as error:
                if said != str(error):
                    said = str(error)
                    say(f"the console cannot be reached ({error}), dialled again every {REDIAL_S:g} s")
                self._dialled.set()
                await asyncio.sleep(REDIAL_S)
                continue
            said = ""
            say("the console is connected")
            self._upstream = writer
            self._dialled.set()
            with contextlib.suppress(OSError):
                while data := await reader.read(CHUNK_BYTES):
                    for client in tuple(self._clients):
                        client.give(data)
            self._upstream = None
            writer.close()
            say("the console was lost")
            await asyncio.sleep(REDIAL_S)

    def _door(
        self, name: str, telnet: bool
    ) -> Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]:
        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            peer = writer.get_extra_info("peername") or ("?", 0)
            client = _Client(f"{name} client {peer[0]}:{peer[1]}", writer, telnet)
            self._clients.add(client)
            say(f"{client.name} has come")
            try:
                while data := await reader.read(CHUNK_BYTES):
                    await self._take(client, data)
            except OSError:
                pass
            finally:
                self._clients.discard(client)
                writer.close()
                say(f"{client.name} has gone")

        return serve

    async def _take(self, client: _Client, data: bytes) -> None:
        segments = client.telnet.segments(data) if client.telnet else [bytearray(data)]
        for segment in segments:
            if segment is not None:
                await self._send(bytes(segment))
            elif await self._break() and client.telnet:
                client.telnet.answer_break()

    async def _send(self, data: bytes) -> None:
        """To the server. With nobody there it is lost, as on a cable whose other end is open."""
        writer = self._upstream
        if writer is None:
            self._lost += len(data)
            say(f"{self._lost} bytes for the server lost so far: the console is not connected")
            return
        try:
            writer.write(data)
            await writer.drain()  # a server that does not read makes this client wait, and only it
        except OSError:
            self._lost += len(data)
        self._sent_at = time.monotonic()

    async def _break(self) -> bool:
        """BREAK to the server; False (said in the log) when QEMU did not take it."""
        if self._qmp is None:
            say("a client sent BREAK, but there is no --qmp to pass it on")
            return False
        await asyncio.sleep(max(0.0, self._sent_at + SETTLE_S - time.monotonic()))
        try:
            await asyncio.wait_for(send_break(self._qmp), QMP_LIMIT_S)
        except (FileNotFoundError, ConnectionRefusedError):
            say("a client sent BREAK while the server was off")
        except (OSError, ValueError, TimeoutError) as error:
            say(f"BREAK was not taken by QEMU: {error or type(error).__name__}")
            return False
        else:
            say("BREAK sent")
        return True


async def send_break(qmp: Path, chardev: str = CHARDEV) -> None:
    """BREAK on a QEMU chardev, by QMP. Raises OSError or ValueError.

    One connection for each BREAK, because a QMP socket serves one client at a time.
    """
    reader, writer = await asyncio.open_unix_connection(str(qmp))
    try:
        await reader.readline()  # the greeting
        for command in (
            {"execute": "qmp_capabilities"},
            {"execute": "chardev-send-break", "arguments": {"id": chardev}},
        ):
            writer.write(json.dumps(command).encode() + b"\n")
            while line := await reader.readline():
                answer = json.loads(line)
                if "error" in answer:
                    raise ValueError(f"{command['execute']}: {answer['error'].get('desc')}")
                if "return" in answer:  # events may stand between
                    break
            else:
                raise ValueError(f"{command['execute']}: QEMU closed the connection")
    finally:
        writer.close()


def address(text: str) -> tuple[str, int]:
    """HOST:PORT."""
    host, _, port = text.rpartition(":")
    if not host or not port.isdecimal():
        raise argparse.ArgumentTypeError(f"{text!r} is no HOST:PORT")
    return host, int(port)


async def _run(arguments: argparse.Namespace) -> None:
    relay = Relay(arguments.console, arguments.qmp)
    serving = asyncio.create_task(
        relay.serve(arguments.raw, arguments.rfc2217, arguments.sol, lambda: print(READY, flush=True))
    )
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, serving.cancel)
    with contextlib.suppress(asyncio.CancelledError):
        await serving


def main() -> int:
    """The process; ends on SIGTERM."""
    parser = argparse.ArgumentParser(prog="vkbench.virtual.relay", description=__doc__)
    parser.add_argument("--console", type=address, required=True, help="console to dial, HOST:PORT")
    parser.add_argument("--raw", type=int, required=True, help="TCP port for raw clients")
    parser.add_argument("--rfc2217", type=int, help="TCP port for RFC 2217 clients")
    parser.add_argument("--sol", type=int, help="TCP port for ipmi_sim's serial over LAN (telnet)")
    parser.add_argument("--qmp", type=Path, help="QEMU's QMP socket, for BREAK")
    try:
        asyncio.run(_run(parser.parse_args()))
    except OSError as error:
        say(f"cannot listen: {error}")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())

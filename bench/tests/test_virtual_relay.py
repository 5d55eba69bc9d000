# SPDX-License-Identifier: Apache-2.0
"""The console relay: every client gets every byte, none holds up another, lost lines are redialled, BREAK arrives."""

import json
import os
import re
import select
import socket
import subprocess
import sys
import threading
import time
from contextlib import contextmanager

import pytest
import serial
from instrument_peers import free_port, tcp_peer

from vkbench.virtual import paths, qemu

LIMIT_S = 10.0
EVERY_BYTE = bytes(range(256)) * 400 + b"\xff\xf3\xff\xff\xff\xfa,\r\0\r\n" * 50


class Card:
    """The card's side: it keeps what comes and gives what a test says; may hang up and be dialled again."""

    def __init__(self, port=0):
        self._listener = socket.create_server(("127.0.0.1", port))
        self._listener.settimeout(LIMIT_S)
        self.port = self._listener.getsockname()[1]
        self.link = None

    def accept(self):
        self.link = self._listener.accept()[0]
        self.link.settimeout(LIMIT_S)

    def take(self, length):
        data = bytearray()
        while len(data) < length and (piece := self.link.recv(65536)):
            data += piece
        return bytes(data)

    def hang_up(self):
        self.link.close()

    def close(self):
        if self.link:
            self.link.close()
        self._listener.close()


class Running:
    """The relay's process."""

    def __init__(self, console, *more):
        self.raw, self.rfc2217, self.sol = free_port(), free_port(), free_port()
        argv = [sys.executable, "-m", "vkbench.virtual.relay", "--console", f"127.0.0.1:{console}"]
        argv += ["--raw", str(self.raw), "--rfc2217", str(self.rfc2217), "--sol", str(self.sol), *more]
        self.process = subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        self.log = b""

    def wait_log(self, text, limit=LIMIT_S):
        end = time.monotonic() + limit
        while text not in self.log:
            left = end - time.monotonic()
            assert left > 0, self.log.decode()
            if select.select([self.process.stdout], [], [], left)[0]:
                piece = os.read(self.process.stdout.fileno(), 65536)
                assert piece, f"relay ended with {self.process.wait(5)}: {self.log.decode()}"
                self.log += piece

    def client(self):
        """A raw client that the relay knows of."""
        link = socket.create_connection(("127.0.0.1", self.raw))
        link.settimeout(LIMIT_S)
        self.wait_log(f"raw client 127.0.0.1:{link.getsockname()[1]} has come".encode())
        return link

    def end(self):
        if self.process.poll() is None:
            self.process.terminate()
        code = self.process.wait(LIMIT_S)
        self.process.stdout.close()
        return code


@contextmanager
def running(console, *more):
    relay = Running(console, *more)
    try:
        relay.wait_log(b"relay: ready\n")
        yield relay
    finally:
        relay.end()


@pytest.fixture
def card():
    made = Card()
    yield made
    made.close()


def read(link, length):
    data = bytearray()
    while len(data) < length and (piece := link.recv(65536)):
        data += piece
    return bytes(data)


def open_rfc2217(port):
    return serial.serial_for_url(f"rfc2217://127.0.0.1:{port}", baudrate=115200, timeout=LIMIT_S)


def test_every_client_gets_every_byte_and_the_server_what_each_of_them_types(card):
    with running(card.port) as relay:
        card.accept()
        one, two = relay.client(), relay.client()
        with open_rfc2217(relay.rfc2217) as port:
            thread = threading.Thread(target=card.link.sendall, args=(EVERY_BYTE,))
            thread.start()
            assert read(one, len(EVERY_BYTE)) == EVERY_BYTE
            assert read(two, len(EVERY_BYTE)) == EVERY_BYTE
            assert port.read(len(EVERY_BYTE)) == EVERY_BYTE
            thread.join(LIMIT_S)
            for send in (one.sendall, port.write, two.sendall):
                thread = threading.Thread(target=send, args=(EVERY_BYTE,))
                thread.start()
                assert card.take(len(EVERY_BYTE)) == EVERY_BYTE
                thread.join(LIMIT_S)
        one.close()
        two.close()


def test_the_door_for_serial_over_lan_speaks_telnet_as_the_simulator_does(card):
    # What OpenIPMI's sol.c sends when it has dialled: DO and WILL BINARY, DONT and WONT ECHO.
    greeting = bytes.fromhex("fffd00 fffb00 fffe01 fffc01")
    with running(card.port) as relay, socket.create_connection(("127.0.0.1", relay.sol)) as sol:
        sol.settimeout(LIMIT_S)
        card.accept()
        sol.sendall(greeting + b"typed \xff\xff here")
        assert card.take(12) == b"typed \xff here"
        card.link.sendall(b"out \xff END")
        got = b""
        while not got.endswith(b"END"):
            got += sol.recv(4096)
        assert re.sub(rb"\xff[\xfb-\xfe].", b"", got, flags=re.DOTALL) == b"out \xff\xff END"


def test_a_lost_console_is_dialled_again_and_clients_stay(card):
    with running(card.port) as relay, relay.client() as link:
        for text in (b"first", b"second", b"third"):
            card.accept()
            relay.wait_log(b"the console is connected")
            card.link.sendall(text)
            assert read(link, len(text)) == text
            card.hang_up()
            relay.wait_log(b"the console was lost")
            relay.log = b""


def test_it_is_ready_before_the_card_is_there_and_finds_it_later():
    port = free_port()
    with running(port) as relay, relay.client() as link:
        link.sendall(b"typed into the void")
        relay.wait_log(b"19 bytes for the server lost so far")
        card = Card(port)
        card.accept()
        card.link.sendall(b"hello")
        assert read(link, 5) == b"hello"
        card.close()


def test_a_client_that_does_not_read_is_dropped_and_the_others_lose_nothing(card):
    block = bytes(1 << 20)
    with running(card.port) as relay:
        card.accept()
        slow, good = relay.client(), relay.client()
        count = 0
        while b"has not read for" not in relay.log:
            card.link.sendall(block)
            count += 1
            assert read(good, len(block)) == block
            assert count < 64, "a client that never reads is still served after 64 MiB"
            if select.select([relay.process.stdout], [], [], 0)[0]:
                relay.log += os.read(relay.process.stdout.fileno(), 65536)
        assert f"raw client 127.0.0.1:{slow.getsockname()[1]} has not read for".encode() in relay.log
        card.link.sendall(b"after")
        assert read(good, 5) == b"after"
        slow.close()
        good.close()


def test_a_client_that_dies_disturbs_nobody(card):
    with running(card.port) as relay:
        card.accept()
        dying, good = relay.client(), relay.client()
        # Linger 0: a reset on the line, as from a killed program with bytes unread.
        dying.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        card.link.sendall(b"x" * 1000)
        dying.close()
        relay.wait_log(b"has gone")
        assert read(good, 1000) == b"x" * 1000
        card.link.sendall(b"on")
        assert read(good, 2) == b"on"
        good.close()


def test_a_damaged_rfc2217_command_ends_nobody(card):
    with running(card.port) as relay, socket.create_connection(("127.0.0.1", relay.rfc2217)) as link:
        card.accept()
        # SET-BAUDRATE without its four bytes, SET-PARITY with a value that there is not, SE without SB.
        for damaged in (b"\xff\xfa\x2c\x01\xff\xf0", b"\xff\xfa\x2c\x03\x63\xff\xf0", b"\xff\xf0"):
            link.sendall(damaged)
        link.sendall(b"ok")
        assert card.take(2) == b"ok"


def test_sigterm_ends_it_and_a_taken_port_is_named(card):
    relay = Running(card.port)
    relay.wait_log(b"relay: ready\n")
    second = subprocess.run(
        [sys.executable, "-m", "vkbench.virtual.relay", "--console", "127.0.0.1:1", "--raw", str(relay.raw)],
        capture_output=True,
        text=True,
        timeout=LIMIT_S,
    )
    assert second.returncode == 1 and str(relay.raw) in second.stdout
    assert relay.end() == 0


def qmp_peer(folder, answer):
    """A QMP server of few words; ``answer`` makes the answer to a command."""
    path = folder / "qmp.sock"
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(path))
    listener.listen()
    commands = []

    def serve():
        while True:
            try:
                link, _ = listener.accept()
            except OSError:
                return
            with link, link.makefile("rwb", buffering=0) as lines:
                lines.write(b'{"QMP": {"version": {}, "capabilities": []}}\n')
                for line in lines:
                    commands.append(json.loads(line))
                    lines.write(b'{"event": "RESUME"}\n' + json.dumps(answer(commands[-1])).encode() + b"\n")

    threading.Thread(target=serve, daemon=True).start()
    return path, commands, listener


def test_break_becomes_a_qmp_command_in_its_place_among_the_bytes(card, tmp_path):
    path, commands, listener = qmp_peer(tmp_path, lambda command: {"return": {}})
    with running(card.port, "--qmp", str(path)) as relay, open_rfc2217(relay.rfc2217) as port:
        card.accept()
        port.write(b"before")
        port.send_break(0.01)
        port.write(b"after")
        assert card.take(11) == b"beforeafter"
        assert commands == [
            {"execute": "qmp_capabilities"},
            {"execute": "chardev-send-break", "arguments": {"id": "com1"}},
        ]
        # Telnet's own BREAK, as the simulator sends it for serial over LAN.
        with socket.create_connection(("127.0.0.1", relay.sol)) as sol:
            sol.sendall(b"\xff\xf3h")
            assert card.take(1) == b"h"
            assert len(commands) == 4
    listener.close()


def test_a_break_that_qemu_refuses_is_not_acknowledged(card, tmp_path):
    path, _, listener = qmp_peer(
        tmp_path,
        lambda command: {"return": {}} if "capab" in command["execute"] else {"error": {"desc": "no com1"}},
    )
    with running(card.port, "--qmp", str(path)) as relay:
        port = serial.serial_for_url(f"rfc2217://127.0.0.1:{relay.rfc2217}?timeout=1", timeout=1)
        with port, pytest.raises(OSError, match="timeout"):
            port.break_condition = True
        relay.wait_log(b"BREAK was not taken by QEMU: chardev-send-break: no com1")
    listener.close()


# A boot sector: COM1's LSR (0x3fd) is read for ever; a BREAK (bit 4) prints "B", a byte is echoed.
BOOT_SECTOR = bytes.fromhex("bafd03 ec 88c4 f6c410 7409 baf803 ec b042 ee ebec f6c401 74e7 baf803 ec ee ebe0")


@pytest.mark.virtual
def test_break_reaches_the_uart_of_a_real_qemu(tmp_path):
    try:
        program = paths.qemu_program()
    except paths.NotBuilt as error:
        pytest.fail(str(error))
    disk, qmp = tmp_path / "boot.img", tmp_path / "qmp.sock"
    disk.write_bytes(BOOT_SECTOR.ljust(510, b"\0") + b"\x55\xaa" + bytes(1 << 20))
    console = free_port()
    argv = [*program.argv, "-nodefaults", "-no-user-config", "-display", "none", "-vga", "none", "-m", "64M"]
    argv += ["-accel", "tcg", "-drive", f"file={disk},format=raw,if=ide"]
    argv += ["-chardev", f"socket,id=com1,host=127.0.0.1,port={console},server=on,wait=off"]
    argv += ["-device", "isa-serial,chardev=com1,index=0", "-qmp", f"unix:{qmp},server=on,wait=off"]
    process = subprocess.Popen(argv, env=qemu.environment(program))
    try:
        with running(console, "--qmp", str(qmp)) as relay:
            relay.wait_log(b"the console is connected")
            with open_rfc2217(relay.rfc2217) as port:
                end = time.monotonic() + 30
                port.timeout = 0.5
                while not port.read(1):  # until the boot sector runs
                    assert time.monotonic() < end, "the boot sector does not answer"
                    port.write(b"?")
                while port.read(1):
                    pass
                port.timeout = LIMIT_S
                port.write(b"1")
                port.send_break(0.01)
                port.write(b"2")
                assert port.read(3) == b"1B2"
    finally:
        process.kill()
        process.wait()


def test_a_peer_that_is_no_card_at_all_ends_nothing():
    with tcp_peer(lambda link: link.close()) as port, running(port) as relay:
        relay.wait_log(b"the console was lost")
        relay.log = b""
        relay.wait_log(b"the console was lost")

# SPDX-License-Identifier: Apache-2.0
"""The console relay, the SCPI port, the status file and the end of the process."""

from __future__ import annotations

import json
import os
import random
import signal
import socket
import subprocess
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import Cosim, Scpi

SEED = int(os.environ.get("VKBENCH_SEED", "7"))
BATCH = 256  # cycles, Machine::kBatch


def server(cosim: Cosim) -> socket.socket:
    """What QEMU's COM1 is: a client of the console socket."""
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    sock.settimeout(20)
    sock.connect(cosim.console)
    return sock


def host(cosim: Cosim) -> socket.socket:
    """A host client that the relay has taken up."""
    before = cosim.status()["console_clients"]
    sock = cosim.tcp(cosim.console_port)
    cosim.wait(lambda: cosim.status()["console_clients"] == before + 1)
    return sock


def exactly(sock: socket.socket, count: int) -> bytes:
    data = b""
    while len(data) < count:
        part = sock.recv(count - len(data))
        assert part, f"closed after {len(data)} of {count} bytes"
        data += part
    return data


# ---- console ----


def test_console_carries_every_byte_both_ways(cosim: Cosim) -> None:
    print(f"seed {SEED}")
    rng = random.Random(SEED)
    down, up = rng.randbytes(300_000), rng.randbytes(100_000)
    with server(cosim) as guest, host(cosim) as one, host(cosim) as two:
        sender = threading.Thread(target=guest.sendall, args=(down,))
        sender.start()
        assert exactly(one, len(down)) == down
        assert exactly(two, len(down)) == down
        sender.join()
        sender = threading.Thread(target=two.sendall, args=(up,))
        sender.start()
        assert exactly(guest, len(up)) == up
        sender.join()
    status = cosim.status()
    assert (status["console_bytes"], status["console_input_bytes"]) == (len(down), len(up))
    assert status["console_discarded"] == 0


def test_console_survives_power_cycles_and_hosts_that_come_and_go(cosim: Cosim) -> None:
    with host(cosim) as listener:
        for turn in range(5):
            with server(cosim) as guest, host(cosim) as visitor:
                text = f"boot {turn}\r\n".encode()
                guest.sendall(text)
                assert exactly(listener, len(text)) == text
                assert exactly(visitor, len(text)) == text
                visitor.sendall(b"x")
                assert exactly(guest, 1) == b"x"
    assert cosim.descriptors() < 20


def test_the_newest_server_connection_wins_and_old_words_come_first(cosim: Cosim) -> None:
    with host(cosim) as listener, server(cosim) as old:
        old.sendall(b"last words")
        with server(cosim) as new:
            new.sendall(b"first words")
            assert exactly(listener, 21) == b"last wordsfirst words"
            listener.sendall(b"y")
            assert exactly(new, 1) == b"y"


def test_a_host_that_does_not_read_stops_nobody(cosim: Cosim) -> None:
    lazy = socket.socket()
    lazy.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    lazy.connect(("127.0.0.1", cosim.console_port))
    cosim.wait(lambda: cosim.status()["console_clients"] == 1)
    with lazy, server(cosim) as guest, host(cosim) as reader:
        block = bytes(range(256)) * 1024
        blocks = 48  # 12 MiB: more than the relay and the kernel keep for a client that does not read
        total = blocks * len(block)
        got = []
        thread = threading.Thread(target=lambda: got.append(len(exactly(reader, total))))
        thread.start()
        for _ in range(blocks):
            guest.sendall(block)
        thread.join(timeout=60)
        assert got == [total]
        assert "it is disconnected" in cosim.log()


def test_console_bytes_reach_the_analyser_in_order(cosim: Cosim) -> None:
    scpi = cosim.scpi()
    with server(cosim) as guest:
        scpi.write("TRIG:SOUR CONS")
        scpi.write('TRIG:CONS:TEXT "panic!"')
        scpi.write("CAPT:ARM")
        scpi.settle()
        guest.sendall(b"pani panic? panic")
        cosim.wait(lambda: cosim.status()["console_bytes"] == 17)
        assert scpi.ask("CAPT:STAT?") == "ARMED"
        guest.sendall(b"!")
        cosim.wait(lambda: scpi.ask("CAPT:STAT?") == "TRIGGERED")
        assert scpi.ask("STAT:CLAS? CONSOLE").split(",")[0] == "18"
    scpi.close()


def test_a_console_text_sent_before_an_access_is_stamped_before_it(cosim: Cosim) -> None:
    scpi = cosim.scpi()
    with server(cosim) as guest, cosim.ready_client() as client:
        scpi.write("TRIG:SOUR DOOR")
        scpi.write("CAPT:ARM")
        scpi.settle()
        for turn in range(20):
            guest.sendall(b"0123456789")
            client.write32(2, 0x61E0, turn)
        last_console = int(scpi.ask("STAT:CLAS? CONSOLE").split(",")[0])
        assert last_console == 200
        scpi.write("CAPT:STOP")
        count = int(scpi.ask("CAPT:COUN?"))
        scpi.write(f"CAPT:DATA? 0,{count}")
        assert scpi.file.read(1) == b"#"
        digits = int(scpi.file.read(1))
        block = scpi.file.read(int(scpi.file.read(digits)))
        assert scpi.file.read(1) == b"\n"
        kinds = [block[at + 8] for at in range(0, len(block), 32)]
        order = [kind for kind in kinds if kind in (1, 8)]  # CQ, CONSOLE
        assert order == ([8] * 10 + [1]) * 20
    scpi.close()


# ---- SCPI ----


def test_identity_shows_the_build(cosim: Cosim) -> None:
    scpi = cosim.scpi()
    fields = scpi.ask("*IDN?").split(",")
    assert fields[:3] == ["vkbench", "VK-LA1", "00112233445566778899aabbccddeeff"]
    assert scpi.ask("SYST:CLOC?") == "2500000"
    scpi.close()


def test_the_newest_scpi_client_wins(cosim: Cosim) -> None:
    old = cosim.scpi()
    assert old.ask("*OPC?") == "1"
    new = cosim.scpi()
    assert new.ask("*IDN?").startswith("vkbench,")
    assert old.file.readline() == b""
    old.close()
    new.close()


def test_a_client_that_dies_inside_a_block_leaves_nothing_to_the_next(cosim: Cosim) -> None:
    for turn in range(3):
        scpi = cosim.scpi()
        with server(cosim) as guest:
            scpi.write("TRIG:SOUR DOOR")
            scpi.write("CAPT:ARM")
            scpi.settle()
            before = cosim.status()["console_bytes"]
            for part in range(8):  # slowly enough for the analyser's FIFO
                guest.sendall(b"." * 500)
                cosim.wait(
                    lambda part=part, b=before: cosim.status()["console_bytes"] == b + 500 * (part + 1)
                )
        scpi.write("CAPT:STOP")
        scpi.write(f"CAPT:DATA? 0,{scpi.ask('CAPT:COUN?')}")
        assert scpi.file.read(1) == b"#"
        if turn == 1:
            scpi.sock.sendall(b"*ID")  # half a command
        scpi.close()
        fresh = cosim.scpi()
        assert fresh.ask("*IDN?").startswith("vkbench,VK-LA1,")
        fresh.write("*CLS")
        fresh.settle()
        fresh.close()


def test_half_a_line_is_no_command_for_the_next_client(cosim: Cosim) -> None:
    """Also when it would be a whole one with what the next client says."""
    for half in (b"*IDN?;*ID", b"CAPT:AR", b"MAR", b'TRIG:CONS:TEXT "abc', b"*IDN?"):
        scpi = cosim.scpi()
        scpi.sock.sendall(half)
        scpi.close()
        fresh = cosim.scpi()
        fresh.write("*CLS")
        assert fresh.ask("*IDN?").startswith("vkbench,VK-LA1,"), half
        assert fresh.ask("CAPT:STAT?") == "IDLE"
        fresh.settle()
        fresh.close()


def test_a_line_of_100_kilobytes_is_an_error(start_cosim: Callable[..., Cosim]) -> None:
    scpi = start_cosim("--clock-hz", "50000000").scpi()  # as fast as it goes
    scpi.sock.settimeout(200)
    for line in (b"*IDN?;" * 17_000,):
        scpi.sock.sendall(line + b"\n")
        errors = []
        while not (error := scpi.ask("SYST:ERR?")).startswith("0,"):
            errors.append(error)
            assert len(errors) < 20
        assert errors, line[:20]
        assert scpi.ask("*IDN?").startswith("vkbench,VK-LA1,")
    scpi.close()


def test_binary_junk_leaves_a_working_analyser(start_cosim: Callable[..., Cosim]) -> None:
    print(f"seed {SEED}")
    cosim = start_cosim("--clock-hz", "50000000")
    rng = random.Random(SEED)
    for turn in range(4):
        scpi = cosim.scpi()
        scpi.sock.sendall(rng.randbytes(20_000) + bytes(256) + b"\xff" * 256 + b"\n")
        if turn % 2:  # the same client goes on
            scpi.write("*CLS")
            scpi.sock.settimeout(100)
            seen = b""
            scpi.write("*IDN?")
            while b"vkbench,VK-LA1," not in seen:
                seen += scpi.sock.recv(65536)
        scpi.close()
        fresh = cosim.scpi()
        fresh.write("*CLS")
        assert fresh.ask("*IDN?").startswith("vkbench,VK-LA1,")
        fresh.settle()
        fresh.close()


def test_a_client_that_dies_inside_a_block_can_read_it_again(cosim: Cosim) -> None:
    scpi = cosim.scpi()
    with server(cosim) as guest:
        scpi.write("TRIG:SOUR DOOR")
        scpi.write("CAPT:ARM")
        scpi.settle()
        for part in range(8):
            guest.sendall(bytes([part]) * 500)
            cosim.wait(lambda part=part: cosim.status()["console_bytes"] >= 500 * (part + 1))
    scpi.write("CAPT:STOP")
    count = int(scpi.ask("CAPT:COUN?"))
    assert count >= 4000

    def block(client: Scpi) -> bytes:
        client.write(f"CAPT:DATA? 0,{count}")
        assert client.file.read(1) == b"#"
        return client.file.read(int(client.file.read(int(client.file.read(1)))))

    whole = block(scpi)
    scpi.write(f"CAPT:DATA? 0,{count}")
    assert scpi.file.read(1000).startswith(b"\n#")  # the end of the block before, then the head of the next
    scpi.close()
    again = cosim.scpi()
    assert int(again.ask("CAPT:COUN?")) == count and block(again) == whole
    again.close()


def test_a_client_that_never_reads_stops_neither_clock_nor_guest(cosim: Cosim) -> None:
    with cosim.ready_client() as client, cosim.tcp(cosim.scpi_port) as dead:
        dead.setblocking(False)
        try:
            while True:
                dead.send(b"*IDN?\n" * 1000)
        except BlockingIOError:
            pass
        assert client.read32(0, 0x404) != 0xFFFFFFFF
        first, second = cosim.status()["cycles"], cosim.status()["cycles"]
        assert second > first


# ---- process ----


def test_clock_keeps_to_wall_time_and_says_what_it_lost(cosim: Cosim) -> None:
    first, second = cosim.status(), cosim.status()
    wall = second["wall_s"] - first["wall_s"]
    cycles = second["cycles"] - first["cycles"]
    slipped = second["slipped_cycles"] - first["slipped_cycles"]
    assert cycles + slipped == pytest.approx(wall * second["clock_hz"], rel=0.01, abs=2 * 2500)
    assert cycles <= wall * second["clock_hz"] + 2500


def test_a_clock_that_cannot_keep_up_still_looks_at_the_sockets_each_batch(
    vkcosim: Path, runtime_root: Path
) -> None:
    """The stated bound on the order of events is two batches; catching up in one go would break it."""
    slow = Cosim(vkcosim, runtime_root, "--clock-hz", "50000000")
    try:
        status = slow.wait(lambda: (s := slow.status())["slipped_cycles"] > 10 * BATCH and s)
        assert status["max_turn_cycles"] <= BATCH
    finally:
        slow.stop()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_signal_ends_it_cleanly(cosim: Cosim, vkcosim: Path, number: int) -> None:
    runtime = cosim.runtime / "second"
    runtime.mkdir()
    other = Cosim(vkcosim, runtime)
    with other.ready_client(), other.tcp(other.console_port):
        assert other.stop(number) == 0
    assert sorted(path.name for path in runtime.iterdir()) == ["cosim.json", "cosim.log"]
    assert json.loads((runtime / "cosim.json").read_text())["vfio_connects"] == 1


def test_stale_socket_is_replaced_and_a_live_one_is_not(cosim: Cosim, vkcosim: Path) -> None:
    runtime = cosim.runtime / "second"
    runtime.mkdir()
    killed = Cosim(vkcosim, runtime)
    killed.stop(signal.SIGKILL)
    assert (runtime / "vfio.sock").exists()
    again = Cosim(vkcosim, runtime)
    clash = subprocess.run([vkcosim, "--vfio-socket", again.vfio], capture_output=True, text=True, timeout=60)
    assert clash.returncode == 4 and "in use by another process" in clash.stderr
    again.client().close()
    assert again.stop() == 0


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--clock-hz", "0"], "--clock-hz 0: must be 1000 to 1000000000 Hz"),
        (["--scpi-port", "65536"], "must be a port"),
        (["--build-id", "xyz"], "hex digits"),
        (["--nonsense"], "unknown option"),
        (["stray"], "no such argument"),
        (["--cycles"], "value is missing"),
        (["--input-toggle", "0"], "must be 1 to 1000000000 cycles"),
        (["--console-delay", "-1"], "must be 0 to 1000000 cycles"),
        (["--read-order", "random"], "must be in-order or shuffle:SEED"),
        (["--self-drive", "reads"], "must be writes, messages or both"),
        (["--self-drive", "both", "--vfio-socket", "x"], "one host only"),
    ],
)
def test_wrong_options_are_explained(vkcosim: Path, options: list[str], said: str) -> None:
    done = subprocess.run([vkcosim, *options], capture_output=True, text=True, timeout=60)
    assert done.returncode == 3 and said in done.stderr


@pytest.mark.parametrize("load", ["", "writes", "messages", "both"])
def test_benchmark_prints_its_speed_and_what_the_load_was(vkcosim: Path, load: str) -> None:
    argv = [vkcosim, "--free-run", "--cycles", "300000", *(["--self-drive", load] if load else [])]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    status = json.loads(done.stdout)
    assert status["mclk_per_s_mean"] > 0 and status["mclk_per_cpu_s_mean"] > 0
    assert (status["dma_writes"] > 1000) == bool(load)
    assert (status["dma_reads"] > 100) == (load in ("messages", "both"))
    assert (status["ur_count"], status["malformed_tlps"], status["wrong_tags"]) == (0, 0, 0)

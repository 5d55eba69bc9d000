# SPDX-License-Identifier: Apache-2.0
"""The vfio-user server as a client sees it: negotiation, configuration space, BARs, resets, garbage."""

from __future__ import annotations

import errno
import os
import random
import struct
from pathlib import Path

import pytest
from conftest import BAR_ADDRESS, Cosim, enable
from vfio_client import (
    CAPABILITIES,
    CONFIG,
    DATA_BOOL,
    DATA_EVENTFD,
    DATA_NONE,
    DEVICE_RESET,
    DIRTY_PAGES,
    DMA_MAP,
    DMA_READ,
    DMA_UNMAP,
    ERROR,
    GET_INFO,
    GET_IRQ_INFO,
    GET_REGION_INFO,
    GET_REGION_IO_FDS,
    HEADER,
    MSIX,
    NO_REPLY,
    REGION_READ,
    REGION_WRITE,
    REGION_WRITE_MULTI,
    SET_IRQS,
    TRIGGER,
    VERSION,
    Client,
    Closed,
    Refused,
    eventfd_count,
)

FUZZ_SEED = int(os.environ.get("VKBENCH_SEED", "20240611"))
FUZZ_MESSAGES = 3000
SCRATCH = 0x61E0  # BAR 2: boot image buffer address; plain registers on this card


def refused(number: int):
    """The block must end with this error reply."""
    return pytest.raises(Refused, match=f"^{errno.errorcode[number]}$")


# ---- negotiation and information ----


def test_version_offers_only_what_the_client_named(cosim: Cosim) -> None:
    with Client(cosim.vfio) as client:
        assert client.negotiate()["capabilities"].keys() == CAPABILITIES["capabilities"].keys()
    with Client(cosim.vfio) as client:
        assert client.negotiate(minor=1, capabilities={"capabilities": {"pgsizes": 4096}}) == {
            "capabilities": {"pgsizes": 4096}
        }
    with Client(cosim.vfio) as client:  # version data is optional
        assert client.call(VERSION, struct.pack("<HH", 0, 0)).startswith(b"\0\0\0\0{")


@pytest.mark.parametrize(
    "payload",
    [b"", b"\0\0", struct.pack("<HH", 1, 0), struct.pack("<HH", 0, 0) + b"{}",
     struct.pack("<HH", 0, 0) + b"{\0",
     struct.pack("<HH", 0, 0) + b"[" * 5000 + b"\0", struct.pack("<HH", 0, 0) + b'{"a":"\\u12"}\0',
     struct.pack("<HH", 0, 0) + b"\xff\xfe\0"],
)  # fmt: skip
def test_wrong_version_message_is_refused_and_the_connection_closed(cosim: Cosim, payload: bytes) -> None:
    with Client(cosim.vfio) as client:
        with pytest.raises(Refused):
            client.call(VERSION, payload)
        assert client.closed_by_server()
    cosim.client().close()


def test_commands_before_the_version_are_refused(cosim: Cosim) -> None:
    with Client(cosim.vfio) as client, refused(errno.EINVAL):
        client.device_info()


def test_device_region_and_interrupt_information(cosim: Cosim) -> None:
    with cosim.client() as client:
        assert client.device_info() == (3, 9, 5)  # reset, PCI; as in <linux/vfio.h>
        sizes = [client.region_info(index)[1] for index in range(9)]
        assert sizes == [65536, 0, 2 << 20, 0, 65536, 0, 0, 4096, 0]
        assert client.region_info(0)[0] == 3 and client.region_info(6)[0] == 0
        assert [client.irq_info(index)[1] for index in range(5)] == [0, 0, 4, 0, 0]
        assert client.irq_info(MSIX)[0] & 1


# ---- configuration space ----


def test_configuration_space_identity_and_capability_list(cosim: Cosim) -> None:
    with cosim.client() as client:
        whole = client.read(CONFIG, 0, 4096)
        assert whole[:4] == bytes.fromhex("e414875e")
        for width in (1, 2, 4):
            parts = b"".join(client.read(CONFIG, at, width) for at in range(0, 256, width))
            assert parts == whole[:256]
        found, at = {}, whole[0x34]
        while at:
            assert at not in found.values()
            found[whole[at]] = at
            at = whole[at + 1]
        assert set(found) == {0x01, 0x10, 0x11}  # power management, PCI Express, MSI-X
        assert whole[256:] == bytes(4096 - 256)


def test_bar_sizing_says_64_bit_and_the_size(cosim: Cosim) -> None:
    with cosim.client() as client:
        for index, size in ((0, 65536), (2, 2 << 20), (4, 65536)):
            client.write(CONFIG, 0x10 + 4 * index, b"\xff" * 8)
            low, high = struct.unpack("<II", client.read(CONFIG, 0x10 + 4 * index, 8))
            assert (low, high) == ((1 << 32) - size | 4, 0xFFFFFFFF)
            client.write(CONFIG, 0x10 + 4 * index, bytes(8))
            assert client.read(CONFIG, 0x10 + 4 * index, 8) == b"\4" + bytes(7)


def test_read_only_bits_stay_and_byte_writes_touch_only_their_byte(cosim: Cosim) -> None:
    with cosim.client() as client:
        before = client.read(CONFIG, 0, 256)
        client.write(CONFIG, 0, b"\xff" * 0x10)
        assert client.read32(CONFIG, 0) == int.from_bytes(before[:4], "little")
        assert client.read(CONFIG, 4, 2) == (0x0547).to_bytes(2, "little")
        client.write(CONFIG, 0x05, b"\0")
        assert client.read(CONFIG, 4, 2) == b"\x47\x00"
        client.write(CONFIG, 0x0C, b"\x10")
        assert client.read32(CONFIG, 0x0C) == 0x10


def test_function_level_reset_clears_the_function_and_ends(cosim: Cosim) -> None:
    with cosim.ready_client() as client:
        control = client.read(CONFIG, 0x68, 2)
        client.write(CONFIG, 0x68, bytes([control[0] | 0x20, control[1] | 0x80]))  # MPS 256, Initiate FLR
        assert client.read(CONFIG, 4, 2) == b"\0\0"
        assert client.read(CONFIG, 0x69, 1)[0] & 0x80 == 0
        assert client.read(CONFIG, 0x68, 1)[0] & 0xE0 == 0x20  # PCIe 6.6.2: Max_Payload_Size survives
        assert client.read(CONFIG, 0x10, 8) == b"\4" + bytes(7)
        assert client.read32(0, 0x404) == 0xFFFFFFFF  # memory decode is off
        enable(client)
        cosim.wait(lambda: client.read32(0, 0x404) & ~0x2C0000 == 0x00100006)
        status = cosim.status()
        assert (status["flr_count"], status["flr_timeouts"]) == (1, 0)


# ---- BARs ----


@pytest.mark.parametrize("width", [1, 2, 4, 8])
def test_bar_accesses_of_each_width_and_alignment(cosim: Cosim, width: int) -> None:
    with cosim.ready_client() as client:
        pattern = bytes(range(0x11, 0x11 + 12))
        for offset in range(0, 13 - width):
            client.write(2, SCRATCH, pattern)
            assert client.read(2, SCRATCH + offset, width) == pattern[offset : offset + width]
            data = bytes(0xA0 + i for i in range(width))
            client.write(2, SCRATCH + offset, data)
            expected = pattern[:offset] + data + pattern[offset + width :]
            assert client.read(2, SCRATCH, 12) == expected, f"width {width} at {offset}"


def test_bar4_above_4_gib_answers(cosim: Cosim) -> None:
    with cosim.ready_client() as client:
        assert BAR_ADDRESS[4] >> 32
        info = client.read32(0, 0x470)
        assert len(client.read(4, info, 160)) == 160
        status = cosim.status()
        assert (status["bar_ur"], status["bar_timeouts"], status["unexpected_cpl"]) == (0, 0, 0)


def test_bar_access_with_memory_decode_off_reads_all_ones_and_writes_nothing(cosim: Cosim) -> None:
    with cosim.ready_client() as client:
        client.write32(2, SCRATCH, 0x12345678)
        client.write(CONFIG, 4, b"\x04\x00")
        client.write32(2, SCRATCH, 0xDEADBEEF)
        assert client.read(2, SCRATCH, 8) == b"\xff" * 8
        client.write(CONFIG, 4, b"\x06\x00")
        assert client.read32(2, SCRATCH) == 0x12345678
        assert cosim.status()["bar_ur"] == 2


def test_posted_and_multiple_writes_are_done_in_order(cosim: Cosim) -> None:
    with cosim.ready_client() as client:
        for value in range(100):
            client.write(2, SCRATCH, value.to_bytes(4, "little"), posted=True)
        assert client.read32(2, SCRATCH) == 99
        writes = [(SCRATCH, 2, 4, 7), (SCRATCH + 4, 2, 2, 0xABCD), (SCRATCH, 2, 1, 9)]
        payload = struct.pack("<Q", len(writes))
        payload += b"".join(struct.pack("<QIIQ", *write) for write in writes)
        assert client.call(REGION_WRITE_MULTI, payload) == struct.pack("<Q", 3)
        assert client.read32(2, SCRATCH) == 9 and client.read32(2, SCRATCH + 4) & 0xFFFF == 0xABCD
        # One bad entry: none is done.
        bad = struct.pack("<Q", 2) + struct.pack("<QIIQ", SCRATCH, 2, 4, 1) + struct.pack("<QIIQ", 0, 2, 9, 1)
        with refused(errno.EINVAL):
            client.call(REGION_WRITE_MULTI, bad)
        assert client.read32(2, SCRATCH) == 9


def test_pipelined_commands_are_answered_in_order(cosim: Cosim) -> None:
    with cosim.ready_client() as client:
        sent = [client.send(REGION_READ, struct.pack("<QII", 0x404, 0, 4)) for _ in range(300)]
        assert [client.receive()[0] for _ in sent] == sent


# ---- resets and reconnects ----


def test_device_reset_pulses_perst(cosim: Cosim) -> None:
    with cosim.ready_client() as client:
        client.write32(2, SCRATCH, 5)
        before = cosim.status()["perst_pulses"]
        client.reset()
        assert client.read(CONFIG, 4, 2) == b"\0\0"
        enable(client)
        cosim.wait(lambda: client.read32(0, 0x404) & ~0x2C0000 == 0x00100006)
        assert client.read32(2, SCRATCH) == 0
        assert cosim.status()["perst_pulses"] == before + 1


def test_reconnect_finds_a_reset_card_and_the_old_mappings_gone(cosim: Cosim) -> None:
    for turn in range(5):
        with cosim.ready_client() as client:
            fd = os.memfd_create("ram")
            os.truncate(fd, 0x10000)
            client.dma_map(0, 0x10000, fd)
            os.close(fd)
            assert client.read32(2, SCRATCH) == 0
            client.write32(2, SCRATCH, turn + 1)
        status = cosim.wait(lambda: not (s := cosim.status())["vfio_connected"] and s)
        assert (status["powered"], status["dma_mappings"]) == (0, 0)
    assert cosim.descriptors() < 20


def test_a_second_client_waits_until_the_first_is_gone(cosim: Cosim) -> None:
    first = cosim.client()
    with Client(cosim.vfio) as second:
        second.send(VERSION, struct.pack("<HH", 0, 0))
        assert first.device_info()[1] == 9
        first.close()
        assert second.receive()[1] == VERSION


# ---- DMA table ----


def test_dma_map_checks_its_arguments(cosim: Cosim) -> None:
    fd = os.memfd_create("ram")
    os.truncate(fd, 0x4000)
    with cosim.client() as client:
        client.dma_map(0x10000, 0x2000, fd)
        for iova, size in ((0x10000, 0x1000), (0xF000, 0x2000), (0x11000, 0x2000), (0, 0x40000)):
            with refused(errno.EEXIST):
                client.dma_map(iova, size, None)
        for iova, size, offset, access in (
            (0x20000, 0, 0, 3), (0x20001, 0x1000, 0, 3), (0x20000, 0x1001, 0, 3), (0x20000, 0x1000, 1, 3),
            (0x20000, 0x5000, 0, 3), (0x20000, 0x1000, 0x4000, 3), (0x20000, 0x1000, 1 << 63, 3),
            (0xFFFFFFFFFFFFF000, 0x2000, 0, 3), (0x20000, 0x1000, 0, 0), (0x20000, 0x1000, 0, 7),
        ):  # fmt: skip
            with refused(errno.EINVAL):
                client.dma_map(iova, size, fd, offset, access)
        client.dma_map(0xFFFFFFFFFFFFF000, 0x1000, fd)
        pipe_read, pipe_write = os.pipe()
        with refused(errno.EINVAL):
            client.dma_map(0x30000, 0x1000, pipe_read)
        with Path("/proc/self/exe").open("rb") as program, refused(errno.EACCES):
            client.dma_map(0x30000, 0x1000, program.fileno())
        with refused(errno.EINVAL):  # two descriptors
            client.call(DMA_MAP, struct.pack("<IIQQQ", 32, 3, 0, 0x40000, 0x1000), (fd, fd))
        with refused(errno.EINVAL):  # a descriptor where none belongs
            client.call(GET_INFO, struct.pack("<IIII", 16, 0, 0, 0), (fd,))
        for other in (pipe_read, pipe_write):
            os.close(other)
        assert cosim.status()["dma_mappings"] == 2
    os.close(fd)


def test_dma_unmap_takes_whole_mappings_only(cosim: Cosim) -> None:
    with cosim.client() as client:
        for page in range(4):
            client.dma_map(0x10000 + page * 0x2000, 0x2000, None)
        with refused(errno.EINVAL):
            client.dma_unmap(0x10000, 0x1000)
        with refused(errno.EINVAL):
            client.dma_unmap(0x11000, 0x3000)
        with refused(errno.EINVAL):
            client.dma_unmap(0x10000, 0)
        with refused(errno.EINVAL):
            client.dma_unmap(0xFFFFFFFFFFFFF000, 0x2000)
        with refused(errno.ENOTSUP):
            client.dma_unmap(0x10000, 0x2000, flags=1)  # dirty bitmap
        client.dma_unmap(0x10000, 0x2000)
        client.dma_unmap(0x12000, 0x4000)  # two at once
        client.dma_unmap(0x80000, 0x2000)  # nothing there
        assert cosim.status()["dma_mappings"] == 1
        client.dma_unmap(0, 0, flags=2)  # all
        assert cosim.status()["dma_mappings"] == 0


# ---- interrupts ----


def test_set_irqs_checks_its_arguments_and_client_triggers_fire(cosim: Cosim) -> None:
    events = [os.eventfd(0) for _ in range(4)]
    with cosim.client() as client:
        client.set_irqs(DATA_EVENTFD | TRIGGER, 0, 4, tuple(events))
        client.set_irqs(DATA_BOOL | TRIGGER, 0, 4, data=b"\0\1\0\1")
        assert [eventfd_count(fd, 1.0 if i in (1, 3) else 0.0) for i, fd in enumerate(events)] == [0, 1, 0, 1]
        for flags, start, count, fds, data, index in (
            (DATA_EVENTFD | TRIGGER, 4, 1, (), b"", MSIX), (DATA_EVENTFD | TRIGGER, 0, 5, (), b"", MSIX),
            (DATA_EVENTFD | TRIGGER, 1, 0xFFFFFFFF, (), b"", MSIX),
            (DATA_EVENTFD | TRIGGER, 0, 2, events[:1], b"", MSIX),
            (DATA_NONE | DATA_BOOL | TRIGGER, 0, 1, (), b"", MSIX), (DATA_NONE, 0, 1, (), b"", MSIX),
            (DATA_BOOL | TRIGGER, 0, 4, (), b"\0", MSIX), (DATA_NONE | TRIGGER, 0, 1, (), b"", 0),
            (DATA_NONE | TRIGGER, 0, 1, (), b"", 5), (DATA_NONE | TRIGGER | 0x80, 0, 1, (), b"", MSIX),
            (DATA_NONE | TRIGGER, 0, 1, events[:1], b"", MSIX), (DATA_BOOL | TRIGGER, 0, 0, (), b"", MSIX),
        ):  # fmt: skip
            with refused(errno.EINVAL):
                client.set_irqs(flags, start, count, tuple(fds), data, index)
        read_end, write_end = os.pipe()
        with refused(errno.EINVAL):  # a pipe could block the server
            client.set_irqs(DATA_EVENTFD | TRIGGER, 0, 1, (write_end,))
        os.close(read_end)
        os.close(write_end)
        client.set_irqs(DATA_EVENTFD | TRIGGER, 1, 1)  # takes vector 1 away
        client.set_irqs(DATA_NONE | TRIGGER, 0, 4)
        assert [eventfd_count(fd, 0.0 if i == 1 else 1.0) for i, fd in enumerate(events)] == [1, 0, 1, 1]
        client.set_irqs(DATA_NONE | TRIGGER, 0, 0)  # all off
        client.set_irqs(DATA_NONE | TRIGGER, 0, 4)
        assert [eventfd_count(fd, 0.0) for fd in events] == [0, 0, 0, 0]
    for fd in events:
        os.close(fd)


# ---- garbage ----


def access(offset: int, region: int, count: int) -> bytes:
    return struct.pack("<QII", offset, region, count)


@pytest.mark.parametrize(
    ("command", "payload", "number"),
    [
        (REGION_READ, access(0, 99, 4), errno.EINVAL),
        (REGION_READ, access(0, 9, 4), errno.EINVAL),
        (REGION_READ, access(0, 1, 4), errno.EINVAL),
        (REGION_READ, access(0, 6, 4), errno.EINVAL),
        (REGION_READ, access(0, 0, 0), errno.EINVAL),
        (REGION_READ, access(0, 0, 65537), errno.EINVAL),
        (REGION_READ, access(0, 0, 0xFFFFFFFF), errno.EINVAL),
        (REGION_READ, access(65533, 0, 4), errno.EINVAL),
        (REGION_READ, access(0xFFFFFFFFFFFFFFFC, 0, 8), errno.EINVAL),
        (REGION_READ, access(4096, CONFIG, 1), errno.EINVAL),
        (REGION_READ, access(0, 0, 4)[:-1], errno.EINVAL),
        (REGION_READ, access(0, 0, 4) + b"\0", errno.EINVAL),
        (REGION_WRITE, access(0, 0, 4) + b"\0\0\0", errno.EINVAL),
        (REGION_WRITE, access(0, 0, 4) + bytes(5), errno.EINVAL),
        (REGION_WRITE, access(0, 0, 0), errno.EINVAL),
        (REGION_WRITE, access(4094, CONFIG, 4) + bytes(4), errno.EINVAL),
        (REGION_WRITE_MULTI, b"", errno.EINVAL),
        (REGION_WRITE_MULTI, struct.pack("<Q", 0), errno.EINVAL),
        (REGION_WRITE_MULTI, struct.pack("<Q", 1 << 61) + bytes(24), errno.EINVAL),
        (GET_INFO, b"", errno.EINVAL),
        (GET_INFO, struct.pack("<IIII", 8, 0, 0, 0), errno.EINVAL),
        (GET_REGION_INFO, struct.pack("<IIIIQQ", 31, 0, 0, 0, 0, 0), errno.EINVAL),
        (GET_REGION_INFO, struct.pack("<IIIIQQ", 32, 0, 99, 0, 0, 0), errno.EINVAL),
        (GET_IRQ_INFO, struct.pack("<IIII", 16, 0, 5, 0), errno.EINVAL),
        (SET_IRQS, struct.pack("<IIIII", 99, 33, 2, 0, 1), errno.EINVAL),
        (SET_IRQS, b"\0\0\0\0", errno.EINVAL),
        (DMA_MAP, struct.pack("<IIQQQ", 31, 3, 0, 0, 4096), errno.EINVAL),
        (DMA_MAP, bytes(31), errno.EINVAL),
        (DMA_UNMAP, struct.pack("<IIQQ", 23, 0, 0, 4096), errno.EINVAL),
        (DMA_UNMAP, b"", errno.EINVAL),
        (DEVICE_RESET, b"x", errno.EINVAL),
        (GET_REGION_IO_FDS, bytes(16), errno.ENOTSUP),
        (DIRTY_PAGES, bytes(16), errno.ENOTSUP),
        (DMA_READ, bytes(16), errno.EINVAL),
        (VERSION, struct.pack("<HH", 0, 0), errno.EINVAL),
        (0, b"", errno.EINVAL),
        (999, b"", errno.EINVAL),
    ],
)
def test_malformed_command_gets_an_error_and_the_connection_lives_on(
    cosim: Cosim, command: int, payload: bytes, number: int
) -> None:
    with cosim.client() as client:
        with refused(number):
            client.call(command, payload)
        client.send(command, payload, flags=NO_REPLY)
        assert client.device_info()[1] == 9


@pytest.mark.parametrize("flags", [ERROR, 0x40, 0x80000000])
def test_reserved_header_flags_are_refused(cosim: Cosim, flags: int) -> None:
    with cosim.client() as client, refused(errno.EINVAL):
        client.call(GET_INFO, struct.pack("<IIII", 16, 0, 0, 0), flags=flags)


@pytest.mark.parametrize(
    "message",
    [
        HEADER.pack(1, GET_INFO, 15, 0, 0),
        HEADER.pack(1, GET_INFO, 0, 0, 0),
        HEADER.pack(1, REGION_WRITE, 0xFFFFFFFF, 0, 0),
        HEADER.pack(1, REGION_WRITE, (1 << 20) + 33, 0, 0),
        HEADER.pack(1, GET_INFO, 16, 1, 0),
        HEADER.pack(1, GET_INFO, 16, 2, 0),
        b"\xff" * 64,
    ],
)
def test_a_message_that_cannot_be_framed_closes_the_connection(cosim: Cosim, message: bytes) -> None:
    with cosim.client() as client:
        client.send_raw(message)
        assert client.closed_by_server()
    cosim.client().close()
    assert "connection closed" in cosim.log()


@pytest.mark.parametrize("length", [1, 15, 16, 20])
def test_a_truncated_message_stops_nobody_else(cosim: Cosim, length: int) -> None:
    message = HEADER.pack(1, REGION_READ, 32, 0, 0) + access(0, 7, 4)
    with cosim.client() as client:
        client.send_raw(message[:length])
        assert cosim.status()["cycles"] > 0  # the clock runs while the rest is missing
        assert cosim.scpi().ask("*OPC?") == "1"
        client.send_raw(message[length:])
        assert client.receive()[4][16:] == bytes.fromhex("e414875e")
        client.send_raw(message[:length])
    cosim.client().close()


def test_too_many_descriptors_close_the_connection_and_none_leaks(cosim: Cosim) -> None:
    before = cosim.descriptors()
    for _ in range(20):
        with cosim.client() as client:
            client.send(GET_INFO, bytes(16), fds=(0,) * 12)
            assert client.closed_by_server()
    cosim.wait(lambda: not cosim.status()["vfio_connected"])
    assert cosim.descriptors() <= before


def random_message(rng: random.Random) -> tuple[bytes, int]:
    """A message that is random in one of several ways, and how many descriptors go with it."""
    command = rng.choice([*range(1, 19), rng.randrange(65536)])
    small = [0, 1, 2, 3, 4, 7, 8, 16, 20, 32, 4096, 65535, 65536, 0xFFFFFFFF]
    size = rng.choice([0, 4, 16, 20, 24, 32, 40, rng.randrange(300)])
    if rng.random() < 0.6:
        words = [rng.choice([*small, rng.randrange(1 << 32)]) for _ in range(size // 4)]
        payload = b"".join(struct.pack("<I", word) for word in words)
    else:
        payload = rng.randbytes(size)
    length = HEADER.size + len(payload)
    if rng.random() < 0.03:
        length = rng.choice([0, 15, length - 1, length + 7, 0xFFFFFFFF, rng.randrange(1 << 32)])
    flags = rng.choice([0, 0, 0, 0, NO_REPLY, rng.randrange(256), rng.randrange(1 << 32)])
    return HEADER.pack(rng.randrange(65536), command, max(length, 0), flags, 0) + payload, rng.choice(
        [0, 0, 0, 1, 3]
    )


def test_random_messages_never_stop_the_server(cosim: Cosim) -> None:
    print(f"seed {FUZZ_SEED} (VKBENCH_SEED)")
    rng = random.Random(FUZZ_SEED)
    client: Client | None = None
    event = os.eventfd(0)
    memory = os.memfd_create("fuzz")
    os.truncate(memory, 0x10000)
    reconnects = 0
    for number in range(FUZZ_MESSAGES):
        if client is None:
            client = Client(cosim.vfio)
            if rng.random() < 0.9:
                client.negotiate()
            client.sock.setblocking(False)
            reconnects += 1
        message, fds = random_message(rng)
        try:
            client.send_raw(message, tuple(rng.choice([event, memory, 0]) for _ in range(fds)))
            while client.sock.recv(65536):
                pass
            client = None  # closed by the server
        except BlockingIOError:
            if rng.random() < 0.005:
                client.close()
                client = None
        except (Closed, ConnectionResetError):
            client = None
        assert cosim.alive(), f"died at message {number}, seed {FUZZ_SEED}: {message.hex()}"
    if client is not None:
        client.close()
    assert reconnects > 10
    os.close(event)
    os.close(memory)
    with cosim.ready_client() as fresh:
        assert fresh.device_info()[1] == 9
        fresh.write32(2, SCRATCH, 0xCAFE)
        assert fresh.read32(2, SCRATCH) == 0xCAFE

# SPDX-License-Identifier: Apache-2.0
"""The card's DMA and interrupts against guest memory: what is written, refused, counted."""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator

import pytest
from conftest import Cosim, Memory, Scpi, enable
from vfio_client import CONFIG, DATA_EVENTFD, TRIGGER, Client, eventfd_count

MAGIC = 0x4D444B56
PAGE = 4096
BUFFER = 0x4000_0000  # bus address of the scratch buffer
SIZE = 4 * PAGE


@pytest.fixture
def memory() -> Iterator[Memory]:
    guest = Memory(SIZE)
    yield guest
    guest.close()


@pytest.fixture
def client(cosim: Cosim) -> Iterator[Client]:
    with cosim.ready_client() as connection:
        yield connection


@pytest.fixture
def scpi(cosim: Cosim) -> Iterator[Scpi]:
    port = cosim.scpi()
    yield port
    port.close()


def announce(client: Client, address: int = BUFFER, size: int = SIZE) -> None:
    """What the driver writes at probe, docs/driver-contract.md."""
    client.write32(2, 0x61F0, address >> 32)
    client.write32(2, 0x61F4, address & 0xFFFFFFFF)
    client.write32(2, 0x61F8, size)


def start(scpi: Scpi, mode: str = "WRIT", period: int = 100, length: int = 64) -> None:
    scpi.write(f"DUT:DMA:MODE {mode}")
    scpi.write(f"DUT:DMA:PER {period}")
    scpi.write(f"DUT:DMA:LEN {length}")
    scpi.write("DUT:DMA:STAT ON")
    scpi.settle()


def stop(scpi: Scpi) -> None:
    scpi.write("DUT:DMA:STAT OFF")
    scpi.settle()


def test_dma_writes_fill_the_announced_buffer_and_nothing_else(
    cosim: Cosim, client: Client, memory: Memory, scpi: Scpi
) -> None:
    client.dma_map(BUFFER, SIZE, memory.fd)
    announce(client, BUFFER + PAGE, 2 * PAGE)
    start(scpi)
    cosim.wait(lambda: all(magic == MAGIC for _, magic in memory.units(PAGE, 2 * PAGE)))
    stop(scpi)
    assert memory.bytes[:PAGE] == bytes(PAGE) and memory.bytes[3 * PAGE :] == bytes(PAGE)
    sequences = [seq for seq, _ in memory.units(PAGE, 2 * PAGE)]
    assert all(len(set(sequences[at : at + 8])) == 1 for at in range(0, len(sequences), 8)), (
        "one TLP, one number"
    )
    status = cosim.status()
    assert max(sequences) == status["dma_writes"]
    assert status["dma_write_bytes"] == 64 * status["dma_writes"]
    assert (status["ur_count"], status["malformed_tlps"]) == (0, 0)


def test_dma_address_above_4_gib(cosim: Cosim, client: Client, memory: Memory, scpi: Scpi) -> None:
    high = 0x12_0000_0000
    client.dma_map(high, SIZE, memory.fd)
    announce(client, high)
    start(scpi)
    cosim.wait(lambda: memory.units()[-1][1] == MAGIC)
    stop(scpi)
    assert cosim.status()["ur_count"] == 0


def test_dma_reads_are_completed_in_pieces(cosim: Cosim, client: Client, memory: Memory, scpi: Scpi) -> None:
    client.dma_map(BUFFER, SIZE, memory.fd)
    announce(client)
    start(scpi, mode="READ", period=2000, length=256)
    cosim.wait(lambda: cosim.status()["dma_reads"] >= 20)
    stop(scpi)
    cosim.wait(lambda: int(scpi.ask("DUT:DMA:COMP?").split(",")[0]) >= cosim.status()["dma_reads"])
    ok, error, timeout = map(int, scpi.ask("DUT:DMA:COMP?").split(","))
    assert ok > 0 and (error, timeout) == (0, 0)
    status = cosim.status()
    assert status["dma_read_bytes"] == 256 * status["dma_reads"]


def test_unmapped_writes_are_refused_and_counted(
    cosim: Cosim, client: Client, memory: Memory, scpi: Scpi
) -> None:
    client.dma_map(BUFFER, SIZE, memory.fd)
    announce(client, BUFFER + SIZE)
    start(scpi)
    status = cosim.wait(lambda: (s := cosim.status())["ur_unmapped"] > 10 and s)
    stop(scpi)
    assert memory.bytes[:] == bytes(SIZE)
    assert status["ur_count"] == status["ur_unmapped"] == status["dma_writes"]
    assert "not mapped" in cosim.log()


def test_unmapped_reads_are_answered_with_unsupported_request(
    cosim: Cosim, client: Client, scpi: Scpi
) -> None:
    announce(client)
    start(scpi, mode="READ", period=2000)
    cosim.wait(lambda: int(scpi.ask("DUT:DMA:COMP?").split(",")[1]) > 5)
    stop(scpi)
    assert cosim.status()["ur_unmapped"] > 5
    assert scpi.ask("DUT:DMA:COMP?").split(",")[0] == "0"


def test_half_mapped_buffer_takes_only_the_mapped_half(
    cosim: Cosim, client: Client, memory: Memory, scpi: Scpi
) -> None:
    client.dma_map(BUFFER, 2 * PAGE, memory.fd)
    announce(client)
    start(scpi)
    cosim.wait(lambda: cosim.status()["ur_unmapped"] > 5)
    stop(scpi)
    assert all(magic == MAGIC for _, magic in memory.units(0, 2 * PAGE))
    assert memory.bytes[2 * PAGE :] == bytes(2 * PAGE)


@pytest.mark.parametrize(("access", "mode"), [(1, "WRIT"), (2, "READ")])
def test_mapping_permissions_are_honoured(
    cosim: Cosim, client: Client, memory: Memory, scpi: Scpi, access: int, mode: str
) -> None:
    client.dma_map(BUFFER, SIZE, memory.fd, access=access)
    announce(client)
    start(scpi, mode=mode, period=2000)
    cosim.wait(lambda: cosim.status()["ur_unmapped"] > 5)
    stop(scpi)
    status = cosim.status()
    assert memory.bytes[:] == bytes(SIZE)
    assert status["dma_read_bytes"] == status["dma_write_bytes"] == 0


def test_region_without_a_descriptor_is_refused(cosim: Cosim, client: Client, scpi: Scpi) -> None:
    client.dma_map(BUFFER, SIZE, None)
    announce(client)
    start(scpi)
    cosim.wait(lambda: cosim.status()["ur_unmapped"] > 5)


def test_file_that_shrinks_under_a_mapping_is_survived(
    cosim: Cosim, client: Client, memory: Memory, scpi: Scpi
) -> None:
    client.dma_map(BUFFER, SIZE, memory.fd)
    announce(client)
    os.truncate(memory.fd, 0)
    start(scpi)
    cosim.wait(lambda: cosim.status()["ur_unmapped"] > 5)
    stop(scpi)


def test_no_dma_without_bus_master_enable(cosim: Cosim, client: Client, memory: Memory, scpi: Scpi) -> None:
    client.dma_map(BUFFER, SIZE, memory.fd)
    announce(client)
    start(scpi)
    cosim.wait(lambda: memory.units()[-1][1] == MAGIC)
    client.write(CONFIG, 4, b"\x02\x00")
    status = cosim.status()
    kept = memory.bytes[:]
    after = cosim.status()  # a later moment: the clock has run on
    assert after["cycles"] > status["cycles"]
    assert memory.bytes[:] == kept
    assert after["dma_write_bytes"] == status["dma_write_bytes"]


def test_unmap_while_dma_runs_stops_the_writes_before_its_reply(
    cosim: Cosim, client: Client, memory: Memory, scpi: Scpi
) -> None:
    client.dma_map(BUFFER, SIZE, memory.fd)
    announce(client)
    start(scpi, period=10)
    for _ in range(50):
        cosim.wait(lambda: memory.bytes[:8] != bytes(8))
        client.dma_unmap(BUFFER, SIZE)
        memory.bytes[:] = bytes(SIZE)
        client.device_info()
        assert memory.bytes[:] == bytes(SIZE), "a write came after the unmap was acknowledged"
        client.dma_map(BUFFER, SIZE, memory.fd)
    client.dma_unmap(BUFFER, SIZE)
    cosim.wait(lambda: cosim.status()["ur_unmapped"] > 0)  # the engine ran on, and into nothing
    stop(scpi)


def test_disconnect_while_dma_runs_leaves_memory_alone(
    cosim: Cosim, client: Client, memory: Memory, scpi: Scpi
) -> None:
    client.dma_map(BUFFER, SIZE, memory.fd)
    announce(client)
    start(scpi, period=10)
    cosim.wait(lambda: memory.units()[-1][1] == MAGIC)
    client.close()
    cosim.wait(lambda: not cosim.status()["powered"])
    memory.bytes[:] = bytes(SIZE)
    before = cosim.status()
    after = cosim.status()
    assert after["dma_writes"] == before["dma_writes"], "the card writes although PERST# is asserted"
    assert memory.bytes[:] == bytes(SIZE)


def test_interrupts_reach_their_eventfds(cosim: Cosim, client: Client, scpi: Scpi) -> None:
    events = [os.eventfd(0) for _ in range(4)]
    client.set_irqs(DATA_EVENTFD | TRIGGER, 0, 4, tuple(events))
    scpi.write("DUT:INT 1")
    scpi.settle()
    assert eventfd_count(events[1], 0.0) == 0, "MSI-X is not enabled yet"
    assert cosim.status()["msix_dropped"] == 1
    client.write(CONFIG, 0x52, b"\x00\x80")
    for vector, event in enumerate(events):
        scpi.write(f"DUT:INT {vector}")
        assert eventfd_count(event, 10.0) == 1
    client.write(CONFIG, 0x52, b"\x00\xc0")  # function masked
    scpi.write("DUT:INT 2")
    scpi.settle()
    client.write(CONFIG, 0x52, b"\x00\x80")
    client.set_irqs(DATA_EVENTFD | TRIGGER, 3, 1)
    scpi.write("DUT:INT 3")
    scpi.settle()
    status = cosim.status()
    assert (status["msix_sent"], status["msix_dropped"]) == (4, 3)
    assert [eventfd_count(event, 0.0) for event in events] == [0, 0, 0, 0]
    for event in events:
        os.close(event)


def test_full_eventfd_does_not_stop_the_clock(cosim: Cosim, client: Client, scpi: Scpi) -> None:
    event = os.eventfd(0)
    os.write(event, struct.pack("<Q", 0xFFFFFFFFFFFFFFFE))
    client.set_irqs(DATA_EVENTFD | TRIGGER, 0, 1, (event,))
    client.write(CONFIG, 0x52, b"\x00\x80")
    scpi.write("DUT:INT 0")
    scpi.settle()
    os.close(event)


def test_flr_and_hot_reset_stop_running_dma(cosim: Cosim, client: Client, memory: Memory, scpi: Scpi) -> None:
    client.dma_map(BUFFER, SIZE, memory.fd)
    for reset in (lambda: client.write(CONFIG, 0x68, b"\x10\xa8"), client.reset):
        cosim.wait(lambda: enabled(client))
        announce(client)
        start(scpi, period=10)
        cosim.wait(lambda: memory.units()[-1][1] == MAGIC)
        reset()
        memory.bytes[:] = bytes(SIZE)
        cosim.status()
        assert memory.bytes[:] == bytes(SIZE)
        assert scpi.ask("DUT:DMA:STAT?") == "0"


def enabled(client: Client) -> bool:
    """Switches the card on again after a reset; true when it is initialised."""
    enable(client)
    return client.read32(0, 0x404) & ~0x2C0000 == 0x00100006

# SPDX-License-Identifier: Apache-2.0
"""Messages and their DMA, with the card's own firmware: every byte compared, for each way a link may be set."""

from __future__ import annotations

import os
import random
from collections.abc import Callable, Iterator

import pytest
from conftest import Cosim, Memory
from driver_model import DOWNLOAD, INIT, IOVA, SHUTDOWN, TRANS_BUF, UPLOAD, Driver, Entry
from vfio_client import CONFIG

SIZE = 4 << 20
STORE_BYTES = 64 << 20  # rtl/cosim/build.py
USER_BYTES = STORE_BYTES - 0x80000
BOOT_WINDOW = 0x100000  # in BAR 2
BAD_MESSAGE, BAD_PLANES, BAD_SGL, NO_CARD_MEMORY, NO_CONTEXT = 1, 2, 3, 4, 5
DMA_UR = 0x11


@pytest.fixture
def numbers(request: pytest.FixtureRequest) -> random.Random:
    """Random numbers, repeatable with VKBENCH_SEED."""
    seed = int(os.environ.get("VKBENCH_SEED") or random.SystemRandom().randrange(1 << 32))
    print(f"VKBENCH_SEED={seed}")
    return random.Random(f"{request.node.name}:{seed}")


@pytest.fixture
def memory() -> Iterator[Memory]:
    guest = Memory(SIZE)
    yield guest
    guest.close()


def connect(cosim: Cosim, memory: Memory, device_control: int = 0x2810, rcb: int = 0) -> Driver:
    client = cosim.ready_client()
    client.write(CONFIG, 0x68, device_control.to_bytes(2, "little"))
    client.write(CONFIG, 0x70, bytes([rcb << 3]))
    return Driver(cosim, client, memory)


@pytest.fixture
def driver(cosim: Cosim, memory: Memory) -> Iterator[Driver]:
    model = connect(cosim, memory)
    yield model
    model.close()


def scattered(numbers: random.Random, total: int, first: int, end: int) -> list[Entry]:
    """``total`` bytes as entries of any size and alignment, none over another, in memory from ``first`` to ``end``."""
    entries: list[Entry] = []
    while total:
        size = min(total, numbers.choice([1, 2, 3, 7, 64, 255, 4095, 4096, 4097, 9001]))
        at = first + numbers.randrange(64)
        assert at + size <= end
        entries.append((size, at))
        first, total = at + size, total - size
    return entries


def gather(memory: Memory, planes: list[list[Entry]]) -> bytes:
    return b"".join(memory.bytes[at : at + size] for plane in planes for size, at in plane)


def round_trip(driver: Driver, numbers: random.Random, sizes: list[int], card: int, queue: int = 0) -> None:
    """Up in these planes, down in one, over random content; the place below is scattered anew."""
    memory = driver.memory
    quarter = SIZE // 4
    memory.bytes[: SIZE // 2] = numbers.randbytes(SIZE // 2)
    up, first = [], 0
    for size in sizes:
        up.append(scattered(numbers, size, first, quarter))
        first = up[-1][-1][1] + up[-1][-1][0]
    content = gather(memory, up)
    before = bytearray(memory.bytes[quarter : 2 * quarter])
    assert driver.transfer(UPLOAD, card, up, queue) == 0
    down = [scattered(numbers, sum(sizes), quarter, 2 * quarter)]
    assert driver.transfer(DOWNLOAD, card, down, queue) == 0
    assert gather(memory, down) == content
    for (size, at), part in zip(down[0], parts(content, down[0]), strict=True):
        before[at - quarter : at - quarter + size] = part
    assert memory.bytes[quarter : 2 * quarter] == before, "a byte beside the download has changed"


def parts(content: bytes, entries: list[Entry]) -> Iterator[bytes]:
    for size, _at in entries:
        yield content[:size]
        content = content[size:]


def clean(cosim: Cosim) -> None:
    status = cosim.status()
    names = (
        "ur_count",
        "malformed_tlps",
        "wrong_tags",
        "unexpected_cpl",
        "bar_ur",
        "bar_timeouts",
        "msix_dropped",
    )
    assert {name: status[name] for name in names} == dict.fromkeys(names, 0), cosim.log()


@pytest.mark.parametrize("planes", [1, 2, 3, 4])
def test_what_goes_up_comes_down(driver: Driver, numbers: random.Random, planes: int) -> None:
    for total in (planes, planes + 5, 4096, 70_001, 300_007):
        cuts = sorted(numbers.sample(range(1, total), planes - 1)) if planes > 1 else []
        sizes = [b - a for a, b in zip([0, *cuts], [*cuts, total], strict=True)]
        round_trip(driver, numbers, sizes, numbers.randrange(USER_BYTES - total), queue=planes % 3)
    clean(driver.cosim)


# Device Control: 0x0810 no snoop and relaxed ordering; MRRS 14:12, extended tags 8, MPS 7:5.
@pytest.mark.parametrize("device_control", [0x0810, 0x0910, 0x2850, 0x5930], ids=hex)
@pytest.mark.parametrize("options", [(), ("--read-boundary", "4096"), ("--read-latency", "2000")], ids=str)
def test_answers_to_reads_in_any_order(
    start_cosim: Callable[..., Cosim],
    memory: Memory,
    numbers: random.Random,
    device_control: int,
    options: tuple[str, ...],
) -> None:
    cosim = start_cosim("--read-order", f"shuffle:{numbers.randrange(1000)}", *options)
    driver = connect(cosim, memory, device_control, rcb=numbers.randrange(2))
    round_trip(driver, numbers, [100_003, 50_001], 0x1003)
    clean(cosim)
    driver.close()


def test_the_last_byte_of_card_memory_is_used_and_none_behind_it(
    driver: Driver, numbers: random.Random
) -> None:
    round_trip(driver, numbers, [4099], USER_BYTES - 4099)
    for card in (USER_BYTES - 4098, USER_BYTES, STORE_BYTES, 0xFFFFFFFF):
        assert driver.transfer(UPLOAD, card, [[(4099, 0)]]) == NO_CARD_MEMORY


def test_contexts_are_opened_used_and_ended_by_shutdown(driver: Driver, numbers: random.Random) -> None:
    def init(pid: int) -> tuple[int, int]:
        driver.send(INIT, argument=pid << 8)
        found = driver.answer()
        return found.context, found.argument

    opened = [init(pid) for pid in range(100, 116)]
    assert sorted(context for context, _ in opened) == list(range(1, 17))
    assert all(code == 0 for _, code in opened)
    assert init(200)[1] == NO_CONTEXT
    assert driver.transfer(UPLOAD, 0, [[(100, 0)]], context=opened[3][0]) == 0
    driver.send(SHUTDOWN, command=1, argument=103)
    assert driver.transfer(UPLOAD, 0, [[(100, 0)]], context=opened[3][0]) == NO_CONTEXT
    assert init(300) == (opened[3][0], 0)
    driver.send(SHUTDOWN, command=2)
    assert driver.transfer(UPLOAD, 0, [[(100, 0)]], context=opened[0][0]) == NO_CONTEXT


def test_lists_that_are_wrong_move_nothing(driver: Driver) -> None:
    def ask(line: bytes, planes: int = 1) -> int:
        driver.send(TRANS_BUF, command=DOWNLOAD | planes, table=line)
        return driver.answer().argument

    driver.memory.bytes[:4096] = bytes(range(256)) * 16
    before = driver.memory.bytes[: SIZE // 2]
    assert ask(driver.sgl([(100, 0)], total=99)) == BAD_SGL
    assert ask(driver.sgl([(100, 0)], total=101)) == BAD_SGL
    assert ask(driver.sgl([(100, 0), (0, 100)], total=100)) == BAD_SGL
    assert ask(driver.sgl([], total=0)) == BAD_SGL
    assert ask(driver.sgl([((16 << 20) + 1, 0)])) == BAD_SGL
    assert ask(driver.sgl([(0xFFFFFFFF, 0)])) in (BAD_SGL, NO_CARD_MEMORY)
    assert ask(b"", planes=0) == BAD_PLANES
    assert ask(driver.sgl([(100, 0)]), planes=15) == BAD_PLANES
    assert (
        ask(b"\x20\x00\x00\x00" + (IOVA + SIZE).to_bytes(8, "little")) == DMA_UR
    )  # a list that is not there
    assert driver.memory.bytes[: SIZE // 2] == before
    driver.send(0x42)
    assert driver.answer().argument == BAD_MESSAGE


def test_a_buffer_that_is_not_mapped_is_an_error_and_the_next_message_works(
    driver: Driver, numbers: random.Random
) -> None:
    assert driver.transfer(UPLOAD, 0, [[(64, 0), (5000, 16 * SIZE)]]) == DMA_UR
    round_trip(driver, numbers, [5000], 0)


def test_three_queues_at_once(driver: Driver, numbers: random.Random) -> None:
    driver.memory.bytes[: SIZE // 2] = numbers.randbytes(SIZE // 2)
    sent: dict[int, list[int]] = {0: [], 1: [], 2: []}
    for turn in range(18):
        line = driver.sgl([(10_000 + turn, turn * 11_001)])
        queue = turn % 3
        sent[queue].append(
            driver.send(TRANS_BUF, queue=queue, command=UPLOAD | 1, argument=turn << 16, table=line)
        )
    for queue, ids in sent.items():
        answers = [driver.answer(queue) for _ in ids]
        assert [(found.trans_id, found.argument) for found in answers] == [(number, 0) for number in ids]
    for turn in range(18):
        assert driver.transfer(DOWNLOAD, turn << 16, [[(10_000 + turn, SIZE // 4)]], turn % 3) == 0
        at = turn * 11_001
        found = driver.memory.bytes[SIZE // 4 : SIZE // 4 + 10_000 + turn]
        assert found == driver.memory.bytes[at : at + 10_000 + turn]


def test_the_boot_window_fills_the_end_of_bar_2_and_reads_zero(driver: Driver) -> None:
    client = driver.client
    for offset in (BOOT_WINDOW, BOOT_WINDOW + 0x3FFFC, 0x1FFFFC):
        client.write(2, offset, b"\xff" * 4)
        assert client.read(2, offset, 4) == bytes(4)
    clean(driver.cosim)


def test_a_doorbell_reset_in_the_middle_of_messages_leaves_a_working_card(
    driver: Driver, numbers: random.Random
) -> None:
    for turn in range(6):
        line = driver.sgl([(500_000, 0)])
        for queue in range(3):
            driver.send(TRANS_BUF, queue=queue, command=(UPLOAD, DOWNLOAD)[turn % 2] | 1, table=line)
        driver.client.write32(2, 0x60C0, 0)
        driver.client.write32(0, 0x49C, 0xFFFFFFFD if turn % 2 else 0xFFFFFFFF)
        driver.cosim.wait(lambda: driver.client.read32(2, 0x60C0) == 0xBEEFCAFE)
        round_trip(driver, numbers, [30_000], 77)
    clean(driver.cosim)

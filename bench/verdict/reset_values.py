# SPDX-License-Identifier: Apache-2.0
"""What a card that has been reset and is ready must hold, and what of configuration space may differ."""

from vkbench.capture.reset_timeline import HostWord
from vkbench.verdict.card_registers import READABLE, WRITE_ONLY

#: Where each register is: name -> (BAR index, offset).
PLACES = {name: (bar, offset) for bar, offset, name, *_ in (*READABLE, *WRITE_ONLY)}
_RESETS = {name: value for *_, name, value in READABLE}

#: What the firmware of a card that is ready has written (docs/driver-contract.md, "Boot state"; firmware/card). The reset
#: reason comes on top in FWSTS 31:28. A test compares these with the firmware's headers.
BOOT2_RUNNING, FWSTS_READY, QUEUE_MARKER, INTERFACE_VERSION = 0x0010_0006, 0x3FC, 0xBEEF_CAFE, 0x0001_0000
FWSTS_REASON_LSB = 28
#: The driver writes these after it has rung the doorbell (bcm_vk_dev.c:1130). The card waits for that, but a host that
#: is held up for longer writes into a card that is ready; then they hold what it wrote.
WRITTEN_LATE = frozenset({"temperature", "voltage", "pwr_and_thre", "intf_ver"})
#: Number of the mark that the bench writes when it has read the registers after a reset.
STATE_READ_MARK = 33
#: Counts on by itself.
FREE_RUNNING = frozenset({"os_uptime"})

#: The queues' descriptors in BAR 2 (docs/driver-contract.md, "Queues").
QUEUE_BAR, QUEUE_TABLE, QUEUE_COUNT = 2, _RESETS["msgq_ctrl_off"], _RESETS["msgq_nr"]
DESCRIPTOR_BYTES, READ_INDEX, WRITE_INDEX = 32, 0x08, 0x0C

#: Bits of configuration space that are no state of the card's making: by dword, those that may differ. Status register
#: 15:11 and 8 (error bits, cleared by writing 1); Device Status 3:0 (errors detected) and 5 (transactions pending);
#: Link Status 15:14 (autonomous bandwidth). The capability's place is that of rtl/regs/vk_config.rdl.
VOLATILE_CONFIG = {0x04: 0xF900_0000, 0x68: 0x002F_0000, 0x70: 0xC000_0000}


def expected_registers(reason: int) -> dict[tuple[int, int], tuple[str, int]]:
    """(BAR index, offset) -> name and value of every register that a ready card must show after a reset."""
    ready = {
        "boot_status": BOOT2_RUNNING,
        "fwsts": FWSTS_READY | reason << FWSTS_REASON_LSB,
        "msgq_def_rdy": QUEUE_MARKER,
        "intf_ver": INTERFACE_VERSION,
    }
    return {
        (bar, offset): (name, ready.get(name, value))
        for bar, offset, name, value in READABLE
        if name not in FREE_RUNNING
    }


def indices() -> dict[int, str]:
    """Offset in BAR 2 of each read and write index of the queues, and its name."""
    found = {}
    for number in range(QUEUE_COUNT):
        way = "to the card" if number < QUEUE_COUNT // 2 else "to the host"
        name = f"queue {number % (QUEUE_COUNT // 2)} {way}"
        for index, offset in (("rd_idx", READ_INDEX), ("wr_idx", WRITE_INDEX)):
            found[QUEUE_TABLE + number * DESCRIPTOR_BYTES + offset] = f"{name}: {index}"
    return found


def reading_list() -> str:
    """What vkregs is to read: all registers, neighbours together, and the queues' descriptors."""
    pieces: list[list[int]] = []  # BAR index, offset, bytes
    table = (QUEUE_BAR, QUEUE_TABLE, DESCRIPTOR_BYTES * QUEUE_COUNT)
    for bar, offset, size in [*((bar, offset, 4) for bar, offset, *_ in READABLE), table]:
        if pieces and pieces[-1][0] == bar and sum(pieces[-1][1:]) == offset:
            pieces[-1][2] += size
        else:
            pieces.append([bar, offset, size])
    return ",".join(f"{bar}:{offset:#x}+{size}" for bar, offset, size in pieces)


#: Sizes of the BARs, bytes (rtl/regs/vk_config.rdl).
BAR_BYTES = {0: 1 << 16, 2: 1 << 21}


def _word(name: str, announces: bool = False) -> HostWord:
    bar, offset = PLACES[name]
    return HostWord(name, bar, offset, BAR_BYTES[bar], announces)


#: By these the host gives the card work, or a buffer.
WORDS = (
    _word("queue0_doorbell"),
    _word("queue1_doorbell"),
    _word("queue2_doorbell"),
    _word("scratch_size", announces=True),
)

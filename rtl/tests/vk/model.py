# SPDX-License-Identifier: Apache-2.0
"""Reference model of the BARs as the host sees them when the card is ready: bytes, write masks, memory image.

Register offsets, reset values and masks come from the generated constants; what the firmware sets,
and the memory images, are written down here a second time on purpose."""

import re
import struct

import vkbench_regs as regs

BAR_BYTES = {0: 64 << 10, 2: 2 << 20, 4: 64 << 10}
#: Registers that time changes: not for random tests.
VOLATILE = {0: range(0x444, 0x448)}
READY = {(0, 0x404): 0x00100006, (0, 0x41C): 0x3FC, (0, 0x47C): 0x00010000, (2, 0x60C0): 0xBEEFCAFE}
WRITE_ONLY = {(0, 0x484), (0, 0x48C), (0, 0x494), (0, 0x49C), (0, 0xCF0)}


QUEUES, BLOCKS, RINGS = 6, 64, 0x7100
TAG = b"vkbench card "  # and the firmware's version behind it
TAG_AT, TAG_BYTES = 0x104, 64


def queue_memory() -> bytes:
    """BAR 2 from 0x7000: descriptors, to the card first; rings of 64 blocks (docs/messages.md)."""
    descriptors = b""
    for i in range(QUEUES):
        kind, ring = divmod(i, 3)
        following = 0x7000 + 32 * (i + 1) if i + 1 < QUEUES else 0
        start = RINGS + 16 * BLOCKS * i
        descriptors += struct.pack("<2H7I", kind, ring, start, 0, 0, BLOCKS, following, 0, 0)
    return descriptors.ljust(0x2000, b"\0")


def info_memory(version: bytes = b"") -> bytes:
    """BAR 4: card information at 0x100, peer log, process monitor (docs/messages.md)."""
    info = struct.pack("<I64s64s", 1, TAG + version, b"vkbench endpoint 1")
    info += struct.pack("<7I", 250, 250, 125, 62, 1200, 1, 250)
    assert len(info) == 160
    log = struct.pack("<4I", 0, 0, 256, 255) + bytes(256)
    monitor = struct.pack("<2I8sII8sII", 2, 16, b"dma", 0, 2, b"msgq", 0, 48)
    return (bytes(0x100) + info + log + monitor).ljust(0x1000, b"\0")


async def firmware_version(tb) -> bytes:
    """What follows the name in the card information."""
    tag = bytes((await tb.read_tlp(4, TAG_AT, TAG_BYTES)).data)
    assert tag.startswith(TAG), tag
    return tag[len(TAG) :].rstrip(b"\0")


class BarModel:
    def __init__(self, version: bytes):
        self.bytes = {bar: bytearray(size) for bar, size in BAR_BYTES.items()}
        self.mask = {bar: bytearray(size) for bar, size in BAR_BYTES.items()}
        for name, offset in vars(regs).items():
            found = re.fullmatch(r"VK_(BAR0|BAR1)_(\w+)_OFFSET", name)
            if not found:
                continue
            bar = {"BAR0": 0, "BAR1": 2}[found[1]]
            stem = name.removesuffix("OFFSET")
            value = READY.get((bar, offset), getattr(regs, stem + "RESET"))
            mask = getattr(regs, stem + "WMASK")
            if (bar, offset) in WRITE_ONLY:
                value = mask = 0
            struct.pack_into("<I", self.bytes[bar], offset, value)
            struct.pack_into("<I", self.mask[bar], offset, mask)
        self.bytes[2][0x7000:0x9000] = queue_memory()
        self.mask[2][0x7000:0x9000] = b"\xff" * 0x2000
        self.bytes[4][0:0x1000] = info_memory(version)
        self.mask[4][0:0x1000] = b"\xff" * 0x1000

    def write(self, bar: int, offset: int, data: bytes, enables: list[bool]) -> None:
        for i, (byte, enabled) in enumerate(zip(data, enables, strict=True)):
            if enabled:
                at = offset + i
                mask = self.mask[bar][at]
                self.bytes[bar][at] = self.bytes[bar][at] & ~mask & 0xFF | byte & mask

    def read(self, bar: int, offset: int, length: int) -> bytes:
        return bytes(self.bytes[bar][offset : offset + length])

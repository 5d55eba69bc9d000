# SPDX-License-Identifier: Apache-2.0
"""Reference model of the BARs as the host sees them when the card is ready: bytes, write masks, memory image.

Register offsets, reset values and masks come from the generated constants; what the hardware sets on its
own, and the memory images, are written down here a second time on purpose."""

import re
import struct

import vkbench_regs as regs

BAR_BYTES = 64 << 10
#: Registers that time changes: not for random tests.
VOLATILE = {0: range(0x444, 0x448)}
READY = {(0, 0x404): 0x00100006, (0, 0x41C): 0x3FC, (2, 0x60C0): 0xBEEFCAFE}
WRITE_ONLY = {(0, 0x484), (0, 0x48C), (0, 0x494), (0, 0x49C), (0, 0xCF0)}


def queue_memory() -> bytes:
    """BAR 2 from 0x7000: two descriptors, rings of 32 blocks (docs/driver-contract.md)."""
    descriptors = struct.pack("<2H7I", 0, 0, 0x7100, 0, 0, 32, 0x7020, 0, 0)
    descriptors += struct.pack("<2H7I", 1, 0, 0x7300, 0, 0, 32, 0, 0, 0)
    return descriptors.ljust(0x1000, b"\0")


def info_memory() -> bytes:
    """BAR 4: card information at 0x100, peer log, process monitor (docs/driver-contract.md)."""
    info = struct.pack("<I64s64s", 1, b"vkbench no firmware", b"vkbench endpoint 1")
    info += struct.pack("<7I", 250, 250, 125, 62, 1200, 64, 250)
    assert len(info) == 160
    log = struct.pack("<4I", 0, 0, 256, 255) + bytes(256)
    monitor = struct.pack("<2I8sII8sII", 2, 16, b"dma", 0, 1, b"msgq", 0, 32)
    return (bytes(0x100) + info + log + monitor).ljust(0x1000, b"\0")


class BarModel:
    def __init__(self):
        self.bytes = {bar: bytearray(BAR_BYTES) for bar in (0, 2, 4)}
        self.mask = {bar: bytearray(BAR_BYTES) for bar in (0, 2, 4)}
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
        self.bytes[2][0x7000:0x8000] = queue_memory()
        self.mask[2][0x7000:0x8000] = b"\xff" * 0x1000
        self.bytes[4][0:0x1000] = info_memory()
        self.mask[4][0:0x1000] = b"\xff" * 0x1000

    def write(self, bar: int, offset: int, data: bytes, enables: list[bool]) -> None:
        for i, (byte, enabled) in enumerate(zip(data, enables, strict=True)):
            if enabled:
                at = offset + i
                mask = self.mask[bar][at]
                self.bytes[bar][at] = self.bytes[bar][at] & ~mask & 0xFF | byte & mask

    def read(self, bar: int, offset: int, length: int) -> bytes:
        return bytes(self.bytes[bar][offset : offset + length])

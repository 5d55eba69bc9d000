# SPDX-License-Identifier: Apache-2.0
"""The capture record: its layout, event kinds and statistics classes, defined here and nowhere else.

``rtl/regs/generate.py`` turns this module into a SystemVerilog package and a C header, so the RTL, the
firmware and the Python decoder cannot disagree. A record is 32 bytes, little endian (docs/capture-format.md).
This module imports nothing but the standard library: the build reads it before any package is installed.
"""

from enum import IntEnum, IntFlag

LAYOUT_VERSION = 1
RECORD_BYTES = 32
#: (name, byte offset, width in bytes); ``header`` holds the four TLP header dwords, DW0 first, each a number
#: whose bits are numbered as in the PCI Express Base Specification (DW0[31:29] = Fmt).
FIELDS = (
    ("timestamp", 0, 8),  # cycles of the analyser's clock since power-on
    ("kind", 8, 1),  # Kind
    ("flags", 9, 1),  # Flag
    ("aux", 10, 2),  # see Kind
    ("data", 12, 4),  # see Kind; for a TLP the first payload dword, as it lies in memory (little endian)
    ("header", 16, 16),  # TLP header for CQ, CC, RQ, RC; zero otherwise
)


class Kind(IntEnum):
    """What a record says. The four TLP streams keep the names of AMD's PCIe hard IP."""

    CQ = 1  #: request from the host to the card; aux = BAR index (0, 2, 4)
    CC = 2  #: completion from the card to the host
    RQ = 3  #: request from the card to the host (DMA)
    RC = 4  #: completion from the host to the card
    CFG = 5  #: Command register changed; aux = new value, data = old value
    RESET = 6  #: aux = Reset
    MSIX = 7  #: interrupt sent; aux = vector
    CONSOLE = 8  #: one byte of the server's serial console; aux = the byte
    GATE = 9  #: quiesce gate; aux = 1 closed, 0 open; data = GateCause bits
    MARK = 10  #: mark written by the host; data = its number
    TRIGGER = 11  #: the trigger fired; aux = TriggerSource
    LOSS = 12  #: events lost just before this record; data = how many, aux = mask of their taps (1 << Tap)


class Flag(IntFlag):
    """Bits of the flags byte."""

    SELFTEST = 1  #: injected by the analyser's self-test, not seen on the wire
    DOORBELL = 2  #: CQ only: a write to the reset doorbell (BAR 0 + 0x49c); data = the value written


class Reset(IntEnum):
    """aux of a RESET record."""

    PERST_ASSERTED = 1
    PERST_RELEASED = 2
    FLR_STARTED = 3
    FLR_DONE = 4
    CARD_RESET_STARTED = 5  #: by a reset doorbell
    CARD_READY = 6  #: the card presents BOOT2_RUNNING again


class GateCause(IntFlag):
    """data of a GATE record: why the gate is closed."""

    BME_CLEAR = 1
    FLR = 2
    DOORBELL = 4
    PERST = 8
    INTERNAL = 16


class TriggerSource(IntEnum):
    """What the trigger waits for; also aux of a TRIGGER record."""

    NONE = 0
    CONSOLE = 1  #: the console text matched
    DOORBELL = 2  #: any write to the reset doorbell
    BME = 3  #: Bus Master Enable went from 1 to 0
    FLR = 4
    IMMEDIATE = 5  #: asked for over SCPI


class Tap(IntEnum):
    """Where events enter the analyser; one FIFO each, lower number wins among equal timestamps."""

    CQ = 0
    CC = 1
    RQ = 2
    RC = 3
    CFG = 4
    RESET = 5
    MSIX = 6
    CONSOLE = 7
    GATE = 8
    MARK = 9  #: host marks and the trigger record


class StatClass(IntEnum):
    """Classes with exact statistics (count since arm; count, first and last timestamp since the trigger)."""

    CQ_WR = 0
    CQ_RD = 1
    CC = 2
    RQ_WR = 3
    RQ_RD = 4
    RC = 5
    MSIX = 6
    CONSOLE = 7
    DOORBELL = 8
    CFG = 9
    RESET = 10


#: The console trigger text is at most this long, in bytes.
TRIGGER_TEXT_MAX = 32
#: Second dword of every 8-byte unit that the DMA engine writes; the first is the sequence number.
DMA_MAGIC = 0x4D444B56

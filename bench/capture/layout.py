# SPDX-License-Identifier: Apache-2.0
"""The capture record: its layout, event kinds and statistics classes, defined here and nowhere else.

``rtl/regs/generate.py`` turns this module into a SystemVerilog package and a C header, so the RTL, the
firmware and the Python decoder cannot disagree. A record is 32 bytes, little endian (docs/capture-format.md).
This module imports nothing but the standard library: the build reads it before any package is installed.
"""

from enum import IntEnum, IntFlag

LAYOUT_VERSION = 2
RECORD_BYTES = 32
#: (name, byte offset, width in bytes); ``header`` holds the four TLP header dwords, DW0 first, each a number
#: whose bits are numbered as in the PCI Express Base Specification (DW0[31:29] = Fmt).
FIELDS = (
    ("timestamp", 0, 8),  # cycles of the analyser's clock since power-on
    ("kind", 8, 1),  # Kind
    ("flags", 9, 1),  # Flag
    ("aux", 10, 2),  # see Kind
    ("data", 12, 4),  # see Kind; for a TLP the first payload dword, as it lies in memory (little endian)
    (
        "header",
        16,
        16,
    ),  # TLP header for CQ, CC, RQ, RC; DW0: see LEVEL, TRIGGER; MARK: its name; zero otherwise
)


class Kind(IntEnum):
    """What a record says. The four TLP streams keep the names of AMD's PCIe hard IP.

    aux of a TLP: bits 12:0 = how many like TLPs between the stream's record before and this one are folded into
    this one (0: none); CQ also has its BAR index in bits 15:13. See Flag.RUN.
    """

    CQ = 1  #: request from the host to the card
    CC = 2  #: completion from the card to the host
    RQ = 3  #: request from the card to the host (DMA)
    RC = 4  #: completion from the host to the card
    CFG = 5  #: Command register changed; aux = new value, data = old value; both equal: its value at arming
    RESET = 6  #: aux = Reset
    MSIX = 7  #: interrupt sent; aux = vector
    CONSOLE = 8  #: one byte of the server's serial console; aux = the byte
    GATE = 9  #: quiesce gate; aux = 1 closed, 0 open; data = GateCause bits
    MARK = 10  #: mark written by the host; data = its number, header = its name (ASCII, zero padded)
    TRIGGER = 11  #: the trigger fired; aux = TriggerSource, data = segment, DW0 = step that fired (from 0)
    LOSS = 12  #: events lost just before this record; data = how many, aux = mask of their taps (1 << Tap)
    CONFIG = 13  #: configuration access; aux 11:0 = register (byte), 15:12 = byte enables of a write, 0 = read; data
    LEVEL = 14  #: a slow level changed; data = LEVELS now, DW0 = LEVELS before; both equal: their values at arming


class Flag(IntFlag):
    """Bits of the flags byte."""

    SELFTEST = 1  #: injected by the analyser's self-test, not seen on the wire
    DOORBELL = 2  #: CQ only: a write to the reset doorbell (BAR 0 + 0x49c); data = the value written
    #: TLPs only: the last of a run; the record is about this TLP, and stands for the folded ones before it as well.
    #: They came strictly between the stream's record before and this one, each like its neighbours (same header but
    #: for tag, address and byte count; addresses all equal or each where the one before ended).
    RUN = 4
    ERROR = 8  #: CONSOLE only: no stop bit (line noise, a break, a wrong rate): the byte is not to be trusted


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
    """What the trigger waits for (TRIGger:SOURce); also aux of a TRIGGER record."""

    NONE = 0
    CONSOLE = 1  #: the console text matched
    DOORBELL = 2  #: any write to the reset doorbell
    BME = 3  #: Bus Master Enable went from 1 to 0
    FLR = 4
    IMMEDIATE = 5  #: asked for over SCPI
    SEQUENCE = 6  #: a program of steps and terms of the user's own


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
    CONFIG = 9
    LEVEL = 10
    MARK = 11  #: host marks and the trigger record


#: The kind of a tap's own events, in the order of Tap.
TAP_KINDS = tuple(Kind[tap.name] for tap in Tap)


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
    CONFIG = 11
    LEVEL = 12
    CPL_ERROR = 13  #: completions, either way, with a status other than Successful Completion
    RQ_STALL = 14  #: clocks in which a request of the card waited for the link
    CQ_STALL = 15  #: clocks in which a request of the host waited for the card


#: Slow levels, packed into one word: (name, lowest bit, width).
LEVELS = (
    ("link_up", 0, 1),
    ("link_speed", 1, 3),  # 1 = 2.5 GT/s, 2 = 5, 3 = 8, 4 = 16, 5 = 32
    ("link_width", 4, 3),  # log2 of the lanes
    ("ltssm", 7, 6),  # as the hard IP numbers them; AMD: 0x10 = L0
    ("msix_enable", 13, 1),
    ("msix_mask", 14, 1),  # function mask
    ("dma_traffic", 15, 1),  # the lab's traffic generator is on
    ("dma_read", 16, 1),  # a descriptor host -> card is in work
    ("dma_write", 17, 1),  # a descriptor card -> host is in work
    ("dma_draining", 18, 1),  # the gate is closed and completions are still owed
    ("stall_cq", 19, 1),  # a beat has waited for LEVEL_STALL_CYCLES or more
    ("stall_cc", 20, 1),
    ("stall_rq", 21, 1),
    ("stall_rc", 22, 1),
    ("no_credit_p", 23, 1),  # the link partner has no credit left: posted, non-posted, completions
    ("no_credit_np", 24, 1),
    ("no_credit_cpl", 25, 1),
    ("core_trap", 26, 1),  # the card's soft core has trapped
    ("core_hung", 27, 1),  # it has not waited for work for LEVEL_HUNG_CYCLES
    ("inputs", 28, 4),  # the four general inputs
)
LEVEL_STALL_CYCLES = 16
LEVEL_HUNG_CYCLES = 1 << 20

#: Folding: a run ends when its next TLP begins later than this after the one before …
RUN_GAP_CYCLES = 32
#: … or would be later than this after the record that the run began with.
RUN_SPAN_CYCLES = 16384
FOLDED_MAX = 8191  #: aux 12:0

SEGMENTS_MAX = 64
SEQUENCE_STEPS = 8
SEQUENCE_TERMS = 8
SEQUENCE_TEXTS = 4
MARK_NAME_BYTES = 16
#: A console text that the trigger waits for is at most this long, in bytes.
TRIGGER_TEXT_MAX = 32
#: Second dword of every 8-byte unit that the DMA engine writes; the first is the sequence number.
DMA_MAGIC = 0x4D444B56

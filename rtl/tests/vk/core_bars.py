# SPDX-License-Identifier: Apache-2.0
"""cocotb: what the host sees behind the BARs, checked against the reference model."""

import cocotb
from cocotbext.pcie.core.tlp import CplStatus, TlpAttr, TlpTc, TlpType
from cocotbext.pcie.core.utils import PcieId
from common import pauses
from common.bench import BAR_BASE, VkBench
from common.seed import seeded
from common.tlps import beats, memory_request, raw_beats

from vk.model import VOLATILE, BarModel, firmware_version, info_memory, queue_memory


def hot_spot(rng, bar: int) -> int:
    """A dword offset, mostly where something is."""
    zones = {
        0: [(0x3F0, 0x4B0), (0xC70, 0xD00), (0, 0x10000)],
        2: [(0x60B0, 0x60D0), (0x6160, 0x6200), (0x6200, 0x6360), (0x8000, 0x9000), (0, 0x10000)]
        + [(0x100000, 0x110000), (0, 0x200000)],
        4: [(0, 0x1000), (0x0F0, 0x300), (0, 0x10000)],
    }
    low, high = rng.choice(zones[bar])
    return rng.randrange(low, high, 4)


@cocotb.test()
async def the_driver_probes_a_ready_card(dut):
    """The accesses of bcm_vk_probe in their order (docs/driver-contract.md)."""
    tb = await VkBench(dut).started()
    assert await tb.read(0, 0x404) == 0x00100006
    assert await tb.read(0, 0x41C) & 0x3FC == 0x3FC
    static = await tb.read(0, 0x470)
    assert await tb.read(2, 0x60C0) == 0xBEEFCAFE

    info = bytes([await tb.read(4, static + i, 1) for i in range(160)])
    assert info == info_memory(await firmware_version(tb))[static : static + 160]
    log = static + 160
    _rd, _wr, size, mask = [await tb.read(4, log + i) for i in range(0, 16, 4)]
    assert 0 < size <= 16 << 10 and mask == size - 1
    monitor = log + 16 + size
    assert await tb.read(4, monitor) <= 8
    entry = await tb.read(4, monitor + 4)
    assert monitor + 8 + 2 * entry <= 0x1000

    queues, at = await tb.read(2, 0x60C4), await tb.read(2, 0x60C8)
    assert queues == 6
    end = at + 32 * queues
    for number in range(queues):
        base = at + 32 * number
        assert await tb.read(2, base, 2) == number // 3 and await tb.read(2, base + 2, 2) == number % 3
        start, size = await tb.read(2, base + 4), await tb.read(2, base + 16)
        assert size == 64 and end <= start and start + 16 * size <= 0x9000
        end = start + 16 * size
        assert await tb.read(2, base + 24) == 0  # default doorbell

    assert await tb.read(0, 0x464) == 0  # no alert
    assert await tb.read(0, 0x448) >> 20 & 15 == 0


@cocotb.test()
async def bytes_words_dwords_and_qwords_read_the_same(dut):
    tb = await VkBench(dut).started()
    image = info_memory(await firmware_version(tb))
    for offset in range(0x0F8, 0x2E0, 8):
        for length in (1, 2, 4, 8):
            for at in range(offset, offset + 8, length):
                assert await tb.read(4, at, length) == int.from_bytes(image[at : at + length], "little")
    for at in range(0x7000, 0x7040, 8):  # arm64 copies with 8-byte accesses
        assert await tb.read(2, at, 8) == int.from_bytes(queue_memory()[at - 0x7000 :][:8], "little")


@cocotb.test()
async def random_accesses_agree_with_the_model(dut):
    rng = seeded("random_accesses")
    tb = await VkBench(dut, rng).started()
    tb.cq.pause, tb.cc.pause = pauses.at_random(rng, 0.3), pauses.in_bursts(rng, 6)
    model = BarModel(await firmware_version(tb))
    for _ in range(4000):
        bar = rng.choice((0, 2, 4))
        offset = hot_spot(rng, bar)
        if rng.random() < 0.5:
            dwords = rng.choice((1, 1, 1, 2, 2, 4, 9, 33, 64))
            dwords = min(dwords, (0x1000 - offset % 0x1000) // 4)
            tlp = memory_request(True, BAR_BASE[bar] + offset, 4 * dwords, rng.randbytes(4 * dwords))
            tlp.first_be = rng.choice((0xF, 0xF, rng.randrange(16)))
            tlp.last_be = rng.choice((0xF, rng.randrange(1, 16))) if dwords > 1 else 0
            if bar == 0 and offset <= 0x49C < offset + 4 * dwords:
                tlp.data[0x49C - offset] = 0  # not the reset doorbell's values
            if bar == 2 and 0x7000 <= offset < 0x8000:
                continue  # queue indices are the firmware's as well
            enables = [True] * (4 * dwords)
            for i in range(4):
                enables[i] = bool(tlp.first_be >> i & 1)
                if dwords > 1:
                    enables[i - 4] = bool(tlp.last_be >> i & 1)
            model.write(bar, offset, bytes(tlp.data), enables)
            tb.post(beats(tlp, bar))
        else:
            dwords = min(rng.randint(1, 16), (0x1000 - offset % 0x1000) // 4)
            skip, cut = rng.randrange(4), rng.randrange(4)
            at, length = offset + skip, 4 * dwords - skip - cut
            if length < 1 or bar == 0 and any(a in VOLATILE[0] for a in range(offset, offset + 4 * dwords)):
                continue
            got = await tb.read(bar, at, length)
            want = int.from_bytes(model.read(bar, at, length), "little")
            assert got == want, f"BAR {bar} + {at:#x}, {length} bytes: {got:#x}, model {want:#x}"


@cocotb.test()
async def completions_copy_what_they_must(dut):
    """Requester id, tag (10 bits), traffic class, attributes; own id as completer."""
    rng = seeded("completions_copy")
    tb = await VkBench(dut, rng).started()
    for _ in range(100):
        fields = {
            "tc": TlpTc(rng.randrange(8)),
            "attr": TlpAttr(rng.randrange(8)),
            "requester_id": PcieId.from_int(rng.randrange(1 << 16)),
            "tag": rng.randrange(1 << 10),
        }
        cpl = await tb.read_tlp(4, 0x100, 4, **fields)
        assert (cpl.tc, cpl.attr, cpl.requester_id, cpl.tag) == tuple(fields.values())
        assert cpl.completer_id == PcieId(1, 0, 0) and cpl.fmt_type == TlpType.CPL_DATA and not cpl.ep


@cocotb.test()
async def a_zero_length_read_is_answered(dut):
    """A flush: one dword, no byte enabled, byte count 1 (specification 2.2.5, 2.3.1.1)."""
    tb = await VkBench(dut).started()
    cpl = await tb.read_tlp(4, 0x104, 0)
    assert cpl.status == CplStatus.SC and cpl.length == 1 and cpl.byte_count == 1 and cpl.lower_address == 4


@cocotb.test()
async def a_read_longer_than_64_bytes_is_aborted(dut):
    tb = await VkBench(dut).started()
    for length in (68, 128, 512, 4096):
        cpl = await tb.read_tlp(4, 0, length)
        assert cpl.status == CplStatus.CA and cpl.fmt_type == TlpType.CPL and cpl.length == 0
        assert cpl.byte_count == length
    for offset in range(
        0, 64, 4
    ):  # one completion, wherever it lies: it may cross a boundary, it must not be cut
        cpl = await tb.read_tlp(4, 0xC0 + offset, 64)
        assert cpl.status == CplStatus.SC and cpl.byte_count == 64 and cpl.length == 16
        assert cpl.lower_address == (0xC0 + offset) & 0x7F


def raw_header(fmt: int, kind: int, tag: int, length: int = 1, address: int = BAR_BASE[0] + 0x404) -> int:
    """Any header, valid or not; the address in the place that the format gives it."""
    low = address << 64 if not fmt & 1 else (address >> 32) << 64 | (address & 0xFFFFFFFF) << 96
    return fmt << 29 | kind << 24 | length & 0x3FF | (tag << 8 | 0xF) << 32 | low


@cocotb.test()
async def unsupported_requests_get_ur_or_are_dropped(dut):
    """Every Fmt and Type: the non-posted ones get UR, the others nothing; none hangs or changes anything."""
    rng = seeded("unsupported_requests")
    tb = await VkBench(dut, rng).started()
    tb.cc.pause = pauses.at_random(rng, 0.4)
    nonposted = {0x01, 0x02, 0x04, 0x05, 0x0C, 0x0D, 0x0E, 0x1B}
    for fmt in range(8):
        for kind in range(32):
            if kind == 0 and fmt < 4:
                continue  # memory read and write
            length = rng.choice((1, 1, 2, 20)) if fmt & 2 else 1
            data = rng.randbytes(4 * length) if fmt & 2 else b""
            tag = tb.free_tag()
            packet = raw_beats(raw_header(fmt, kind, tag, length), data)
            if fmt < 4 and kind in nonposted:
                cpl = (await tb.nonposted(packet, tag)).tlp
                assert cpl.status == CplStatus.UR and cpl.length == 0 and not cpl.has_data()
                assert cpl.fmt_type == (TlpType.CPL_LOCKED if kind == 1 else TlpType.CPL)
            else:
                tb.post(packet)
                assert await tb.read(0, 0x404) == 0x00100006
    # A BAR that does not exist; a poisoned write.
    tag = tb.free_tag()
    assert (await tb.nonposted(raw_beats(raw_header(0, 0, tag), bar=1), tag)).tlp.status == CplStatus.UR
    tb.post(raw_beats(raw_header(2, 0, 0), b"\xff\xff\xff\xff", bar=6))
    tb.write(0, 0x404, 0xDEAD, ep=True)
    tb.write(0, 0x49C, 0xFFFFFFFD, ep=True)
    assert await tb.read(0, 0x404) == 0x00100006 and tb.ready


@cocotb.test()
async def a_write_whose_end_was_lost_does_not_hang(dut):
    """The header promises more beats than come: with an end, and with the next request in their place."""
    rng = seeded("lost_end")
    tb = await VkBench(dut, rng).started()
    for keep in range(1, 8):
        for ended in (False, True):
            packet = beats(memory_request(True, BAR_BASE[2] + 0x8800, 256, bytes(range(256))), 2)[:keep]
            if ended:
                packet[-1] = type(packet[-1])(packet[-1].sop, True, packet[-1].hdr, packet[-1].data, 2)
            tb.post(packet)
            last = 0x8800 + 32 * keep - 4
            assert await tb.read(2, last) == int.from_bytes(range(32 * keep - 4, 32 * keep), "little")
            tb.write(2, 0x8900, keep)
            assert await tb.read(2, 0x8900) == keep
    # More beats than the header says: the surplus is dropped.
    long = beats(memory_request(True, BAR_BASE[2] + 0x8A00, 32, b"\x11" * 32), 2)
    surplus = beats(memory_request(True, BAR_BASE[2] + 0x8A00, 64, b"\x22" * 64), 2)[1]
    tb.post([type(surplus)(True, False, long[0].hdr, long[0].data, 2), surplus])
    assert await tb.read(2, 0x8A1C) == 0x11111111 and await tb.read(2, 0x8A20) == 0


@cocotb.test()
async def uptime_counts_seconds_and_takes_a_zero(dut):
    tb = VkBench(dut, clock_hz=10_000)
    await tb.start()
    await tb.booted()
    first = await tb.read(0, 0x444)
    await tb.idle(30_000)
    assert await tb.read(0, 0x444) == first + 3
    tb.write(0, 0x444, 0)
    assert await tb.read(0, 0x444) == 0
    await tb.idle(10_000)
    assert await tb.read(0, 0x444) == 1

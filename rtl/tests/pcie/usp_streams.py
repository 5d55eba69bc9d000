# SPDX-License-Identifier: Apache-2.0
"""cocotb: the adapter's four streams: requests and completions of all sizes and alignments both ways,
completions that share a beat, what goes wrong on the link."""

import itertools

import cocotb
from cocotbext.pcie.core.tlp import CplStatus, Tlp, TlpAttr, TlpTc, TlpType
from cocotbext.pcie.core.utils import PcieId
from cocotbext.pcie.xilinx.us.tlp import ErrorCode, Tlp_us
from common.tlps import header_int, header_tlp, memory_request

from pcie.adapter_bench import SIZE, Bench
from pcie.hard_ip import BAR_SIZES, TABLES_END


async def host_accesses(bench: Bench, count: int) -> None:
    rng, rc = bench.rng, bench.board.rc
    memories = {bar: bytearray(size) for bar, size in BAR_SIZES.items()}
    bench.completer(memories)
    model = {bar: bytearray(size) for bar, size in BAR_SIZES.items()}
    for _ in range(count):
        bar = rng.choice((0, 2, 4))
        length = rng.choice((1, 2, 3, 4, 7, 8, 12, 16, 17, 20, 32, 33, 36, 64, 100, 128, 250))
        offset = rng.randrange(TABLES_END, BAR_SIZES[bar] - length)
        where = bench.board.bars[bar] + offset
        if rng.random() < 0.6:
            data = rng.randbytes(length)
            model[bar][offset : offset + length] = data
            await rc.mem_write(where, data)
        else:
            assert await rc.mem_read(where, length, 20, "us") == bytes(model[bar][offset : offset + length])
    assert await rc.mem_read(bench.board.bars[0] + TABLES_END, 1, 20, "us")
    assert memories == model


@cocotb.test()
async def the_hosts_reads_and_writes_of_any_size_arrive(dut):
    bench = await Bench(dut, "host_accesses").up()
    await host_accesses(bench, 80)
    bench.pause_everything()
    await host_accesses(bench, 80)


async def card_writes(bench: Bench, count: int) -> None:
    rng, core = bench.rng, bench.core
    region = bench.board.rc.mem_pool.alloc_region(SIZE)
    base = region.get_absolute_address(0)
    expected = bytearray(rng.randbytes(SIZE))
    region.mem[0:SIZE] = expected
    for _ in range(count):
        length = rng.choice((1, 2, 3, 4, 5, 8, 16, 17, 28, 32, 33, 60, 64, 100, 128, 240, 255, 256))
        offset = rng.randrange(SIZE - length)
        length = min(length, 0x1000 - (base + offset) % 0x1000)
        data = rng.randbytes(length)
        expected[offset : offset + length] = data
        core.send(core.rq, memory_request(True, base + offset, length, data, requester_id=bench.card))
    await core.until(lambda: not core.rq.queue)
    await core.until(lambda: bytes(region.mem[:SIZE]) == expected, 2000)


@cocotb.test()
async def the_cards_writes_land_byte_for_byte(dut):
    bench = await Bench(dut, "card_writes").up()
    await card_writes(bench, 100)
    bench.pause_everything()
    await card_writes(bench, 100)


async def card_reads(bench: Bench, count: int) -> None:
    """Reads with many tags at once; completions cut in pieces by the root complex."""
    rng, core = bench.rng, bench.core
    region = bench.board.rc.mem_pool.alloc_region(SIZE)
    base = region.get_absolute_address(0)
    memory = rng.randbytes(SIZE)
    region.mem[0:SIZE] = memory
    wanted: dict[int, list] = {}  # tag -> offset of the next byte, bytes left
    free = set(range(64))

    def arrived(packet):
        cpl = header_tlp(packet.hdr, packet.data)
        offset, left = wanted[cpl.tag]
        assert (cpl.status, cpl.byte_count) == (CplStatus.SC, left) and not cpl.ep, repr(cpl)
        assert cpl.lower_address == (base + offset) & 0x7F and cpl.requester_id == bench.card
        skip = offset & 3
        got = bytes(cpl.data)[skip : skip + left]
        assert got == memory[offset : offset + len(got)]
        wanted[cpl.tag] = [offset + len(got), left - len(got)]
        if left == len(got):
            del wanted[cpl.tag]
            free.add(cpl.tag)

    core.rc.on_arrival = arrived
    for _ in range(count):
        length = rng.choice((1, 2, 4, 5, 12, 20, 32, 36, 52, 64, 100, 128, 200, 256, 500, 512))
        offset = rng.randrange(SIZE - length)
        length = min(length, 0x1000 - (base + offset) % 0x1000)
        await core.until(lambda: free)
        tag = free.pop()
        wanted[tag] = [offset, length]
        core.send(core.rq, memory_request(False, base + offset, length, tag=tag, requester_id=bench.card))
    await core.until(lambda: not wanted)


@cocotb.test()
async def the_cards_reads_come_back_whole(dut):
    bench = await Bench(dut, "card_reads").up()
    await card_reads(bench, 60)
    bench.board.rc.split_on_all_rcb = True
    await card_reads(bench, 60)
    bench.pause_everything()
    await card_reads(bench, 60)


@cocotb.test()
async def completions_of_every_length_share_beats(dut):
    """Straight into the hard IP's RC interface: all neighbours of lengths 0 to 18, then at random."""
    bench = await Bench(dut, "straddle").up()
    rng, core = bench.rng, bench.core
    for paused in (False, True):
        if paused:
            bench.pause_everything()
        core.rc.arrived.clear()
        lengths = [n for pair in itertools.product(range(19), repeat=2) for n in pair]
        lengths += [rng.choice((0, 1, 2, 9, 17, 32, 33, 63, 64, rng.randrange(129))) for _ in range(200)]
        sent = []
        for i, dwords in enumerate(lengths):
            fields = {"tc": TlpTc(rng.randrange(8)), "attr": TlpAttr(rng.randrange(8))}
            request = bench.read_request(i % 256, max(4, 4 * dwords), 4 * rng.randrange(32))
            request.tc, request.attr = fields["tc"], fields["attr"]
            status = CplStatus.SC if dwords else rng.choice((CplStatus.UR, CplStatus.CA, CplStatus.CRS))
            sent.append(bench.inject(request, rng.randbytes(4 * dwords), status))
        await core.until(lambda: len(core.rc.arrived) == len(sent), 40_000)  # noqa: B023
        for packet, cpl in zip(core.rc.arrived, sent, strict=True):
            assert packet.hdr == header_int(cpl), f"{header_tlp(packet.hdr)!r} instead of {cpl!r}"
            assert packet.data[: 4 * cpl.length] == bytes(cpl.data)


@cocotb.test()
async def what_goes_wrong_on_the_link_reaches_the_engine_or_is_dropped(dut):
    bench = await Bench(dut, "errors").up()
    rng, core = bench.rng, bench.core
    good = ErrorCode.NORMAL_TERMINATION
    dropped = (ErrorCode.MISMATCH, ErrorCode.INVALID_TAG, ErrorCode.FLR, ErrorCode.TIMEOUT)
    expected = []
    for tag in range(200):
        dwords = rng.choice((1, 2, 8, 9, 16, 40, 64))
        data, error, fields = rng.randbytes(4 * dwords), good, {}
        match rng.randrange(6):
            case 0:
                error = ErrorCode.POISONED
            case 1:
                error = rng.choice(dropped)
            case 2:
                data, error = b"", ErrorCode.BAD_STATUS
                fields = {"status": rng.choice((CplStatus.UR, CplStatus.CA, CplStatus.CRS))}
            case 3:
                error, fields = ErrorCode.INVALID_ADDRESS, {"lower_address": 0x33}
            case 4:
                data, error = b"", ErrorCode.INVALID_LENGTH
        cpl = bench.inject(bench.read_request(tag, len(data)), data, error=error, **fields)
        if error not in dropped:
            cpl = Tlp(cpl)
            cpl.ep = error == ErrorCode.POISONED
            expected.append((header_int(cpl), bytes(cpl.data)))
    await core.until(lambda: len(core.rc.arrived) == len(expected))
    await core.clocks(100)
    assert [
        (p.hdr, p.data[: len(data)]) for p, (_, data) in zip(core.rc.arrived, expected, strict=True)
    ] == expected


@cocotb.test()
async def payload_lost_in_the_hard_ip_arrives_poisoned(dut):
    bench = await Bench(dut, "discontinue").up()
    rng, core = bench.rng, bench.core
    core.cq.on_arrival = None
    for dwords in (1, 4, 5, 8, 9, 16, 33, 64):
        for bad in (True, False):
            bench.inject(bench.read_request(dwords, 4 * dwords), rng.randbytes(4 * dwords), discontinue=bad)
            await core.until(lambda: core.rc.arrived)
            assert core.rc.arrived.pop().poisoned == bad
            write = Tlp_us(memory_request(True, 0x1000, 4 * dwords, rng.randbytes(4 * dwords)))
            write.discontinue = bad
            bench.device.cq_queue.put_nowait(write)
            await core.until(lambda: core.cq.arrived)
            assert core.cq.arrived.pop().poisoned == bad


@cocotb.test()
async def requests_of_other_kinds_keep_their_kind(dut):
    """The core answers them with UR; here: type, tag and requester arrive."""
    bench = await Bench(dut, "kinds").up()
    core = bench.core
    kinds = {
        TlpType.IO_READ: (0x02, 0),
        TlpType.IO_WRITE: (0x42, 4),
        TlpType.MEM_READ_LOCKED: (0x01, 0),
        TlpType.MEM_READ_LOCKED_64: (0x21, 0),
        TlpType.FETCH_ADD: (0x4C, 4),
        TlpType.SWAP_64: (0x6D, 8),
        TlpType.CAS: (0x4E, 8),
    }
    for tag, (kind, (fmt_type, size)) in enumerate(kinds.items()):
        wide = bool(fmt_type & 0x20)
        tlp = Tlp_us(
            memory_request(False, 0x1_2345_6780 if wide else 0x2345_6780, max(size, 4), tag=0x80 | tag)
        )
        tlp.fmt_type, tlp.requester_id, tlp.bar_id = kind, PcieId(3, 4, 5), 2
        if size:
            tlp.set_data(bytes(range(size)))
        bench.device.cq_queue.put_nowait(tlp)
        await core.until(lambda: core.cq.arrived)
        packet = core.cq.arrived.pop()
        assert packet.hdr == header_int(tlp) and packet.hdr >> 24 & 0xFF == fmt_type and packet.bar == 2
        assert packet.data[:size] == bytes(range(size))

# SPDX-License-Identifier: Apache-2.0
"""cocotb: the adapter's rates, interrupts, sidebands, and a link that goes down."""

import struct

import cocotb
from cocotb.triggers import Event, RisingEdge
from common.tlps import memory_request

from pcie.adapter_bench import Bench


@cocotb.test()
async def both_directions_run_at_full_rate(dut):
    """Facts of the logic alone: the model's link is left out on both sides."""
    bench = await Bench(dut, "rate").up()
    core, device = bench.core, bench.device
    # Completions of 256 bytes: 17 half beats each, so 2 fit in 17 clocks.
    for i in range(200):
        bench.inject(bench.read_request(i, 256), bytes(256))
    stalls = 0
    while len(core.rc.arrived) < 200:
        await core.edge.wait()
        stalls += int(dut.rc_tvalid.value) and not int(dut.rc_tready.value)
    clocks = core.rc.arrived[-1].end - core.rc.arrived[20].end
    assert stalls == 0 and 256 * 179 / clocks >= 28.8, (
        f"{stalls} stalls, {256 * 179 / clocks} bytes per clock"
    )

    # Requests: count beats between the first and the last on RQ, with a hard IP that is always ready.
    device.rq_sink.queue_occupancy_limit_frames = -1
    for size, beats_each in ((256, 9), (240, 8), (128, 5), (4, 1)):
        first = last = beats = 0
        for _ in range(40):
            core.send(core.rq, memory_request(True, 0x10_0000, size, bytes(size), requester_id=bench.card))
        frames = 0
        for _ in range(40 * beats_each + 60):
            await core.edge.wait()
            if int(dut.rq_tvalid.value) and int(dut.rq_tready.value):
                first = first or core.cycle
                last, beats = core.cycle, beats + 1
                frames += int(dut.rq_tlast.value)
        assert frames == 40 and beats == 40 * beats_each, f"{size} bytes: {beats} beats, {frames} requests"
        if size >= 128:  # of shorter ones the model takes one in several clocks, and 31 may be on their way
            assert last - first + 1 == beats, f"{size} bytes: {beats} beats in {last - first + 1} clocks"
        await core.until(lambda: device.rq_sink.empty(), 40_000)


@cocotb.test()
async def an_interrupt_does_not_overtake_the_writes_before_it(dut):
    bench = await Bench(dut, "interrupts").up()
    core, rng = bench.core, bench.rng
    region = bench.board.rc.mem_pool.alloc_region(4096)
    base = region.get_absolute_address(0)
    got = await bench.board.enable_interrupts(lambda: int.from_bytes(region.mem[0:4], "little"))

    left = 0  # writes that the hard IP has put in order

    async def watch() -> None:
        nonlocal left
        while True:
            await core.edge.wait()
            left += int(dut.pcie_rq_seq_num_vld0.value) and int(dut.pcie_rq_seq_num0.value) < 32
            assert not int(dut.cfg_interrupt_msix_int.value) or left >= written, "asked for too early"

    written = 0
    cocotb.start_soon(watch())
    send = bench.device.send

    async def send_at_leisure(tlp):
        await core.clocks(rng.choice((0, 0, 40)))
        await send(tlp)

    bench.device.send = send_at_leisure

    async def interrupt(vector: int) -> None:
        dut.msix_valid_i.value, dut.msix_vector_i.value = 1, vector
        await RisingEdge(dut.clk_i)
        await core.until(lambda: core.obs >> 12 & 1)
        dut.msix_valid_i.value = 0

    def write(offset: int, data: bytes) -> None:
        nonlocal written
        written += 1
        core.send(core.rq, memory_request(True, base + offset, len(data), data, requester_id=bench.card))

    number = 0
    for tag in range(40):
        vector, held = rng.randrange(4), rng.random() < 0.5
        bench.device.rq_sink.pause = held
        for size in [] if held else [rng.choice((4, 64, 256)) for _ in range(rng.randrange(6))]:
            write(256, bytes(size))
        # The last write has gone in, or, if the hard IP takes none, stands before the adapter.
        while True:
            number += 1
            write(0, struct.pack("<I", number))
            await core.clocks(8)
            if not held or core.rq.queue:
                break
        if not held:
            if rng.random() < 0.5:
                core.send(core.rq, bench.read_request(tag, 4, base))
            await core.until(lambda: not core.rq.queue)
        bench.device.fails = rng.choice((0, 0, 1, 2))
        before = len(got)
        await interrupt(vector)
        bench.device.rq_sink.pause = False
        await core.until(lambda: len(got) > before)  # noqa: B023
        assert got[-1] == (vector, number)

    # A halt forgets the one that waits; without MSI-X none is asked for.
    asked = len(bench.device.asked)
    write(0, bytes(4))
    await core.until(lambda: not core.rq.queue)
    dut.gate_closed_i.value = 1
    await interrupt(0)
    await core.clocks(200)
    dut.gate_closed_i.value = 0
    await bench.board.driver.msix_set_enable(False)
    await interrupt(1)
    await core.clocks(200)
    assert len(bench.device.asked) == asked


@cocotb.test()
async def no_more_writes_are_under_way_than_can_be_told_apart(dut):
    bench = await Bench(dut, "window").up()
    core, device = bench.core, bench.device
    device.rq_sink.queue_occupancy_limit_frames = -1
    send, way_out = device.send, Event()

    async def send_later(tlp):
        await way_out.wait()
        await send(tlp)

    device.send = send_later
    for _ in range(50):
        core.send(core.rq, memory_request(True, 0x1000, 4, bytes(4), requester_id=bench.card))
    await core.clocks(200)
    assert len(core.rq.queue) == 50 - 31
    way_out.set()
    await core.until(lambda: not core.rq.queue)


@cocotb.test()
async def sidebands_follow_the_configuration(dut):
    bench = await Bench(dut, "sidebands", mps=2, mrrs=3).up()
    core, driver = bench.core, bench.board.driver
    await core.clocks(50)
    assert int(dut.cfg_bdf_o.value) == int(bench.card)
    assert (int(dut.cfg_mps_o.value), int(dut.cfg_mrrs_o.value)) == (2, 3)
    assert int(dut.cfg_command_o.value) & 4 and int(dut.cfg_ext_tag_o.value) == 1
    cap = bench.device.function.pcie_cap
    cap.max_read_request_size, cap.extended_tag_field_enable, cap.read_completion_boundary = 4, False, True
    await driver.clear_master()
    await core.clocks(50)
    assert (int(dut.cfg_mrrs_o.value), int(dut.cfg_ext_tag_o.value), int(dut.cfg_rcb_o.value)) == (4, 0, 1)
    assert not int(dut.cfg_command_o.value) & 4
    dut.cfg_flr_in_process.value = 1
    await core.clocks(3)
    assert int(dut.cfg_flr_o.value) and not int(dut.cfg_flr_done.value)
    dut.cfg_flr_done_i.value = 1
    await core.clocks(2)
    assert int(dut.cfg_flr_done.value)
    dut.cfg_flr_in_process.value = 0
    await core.clocks(3)
    assert not int(dut.cfg_flr_o.value) and not int(dut.cfg_flr_done.value)


@cocotb.test()
async def a_link_that_goes_down_leaves_nothing_behind(dut):
    """Hot reset in the middle of the core's TLPs: the rest is absorbed, later ones go out whole."""
    bench = await Bench(dut, "link_down").up()
    core, rng = bench.core, bench.rng
    bench.device.rq_sink._sink_frame = lambda frame: None  # the model knows no reset within a TLP
    for _ in range(30):
        for _ in range(12):
            size = 4 * rng.randrange(1, 65)
            core.send(core.rq, memory_request(True, 0x1000, size, bytes(size), requester_id=bench.card))
        await core.clocks(rng.randrange(8, 40))
        dut.cfg_hot_reset_out.value = 1
        await core.clocks(3)
        assert not int(dut.perst_no.value) and not int(dut.rq_tvalid.value)
        left = len(core.rq.queue)
        await core.clocks(wait := rng.randrange(20))
        assert len(core.rq.queue) == max(0, left - wait), "not absorbed"
        dut.cfg_hot_reset_out.value = 0
        beats = 0
        while core.rq.queue or int(dut.rq_tvalid.value):
            await core.edge.wait()
            if not (int(dut.rq_tvalid.value) and int(dut.rq_tready.value)):
                continue
            if not beats:
                desc = int(dut.rq_tdata.value)
                assert desc & 0xFFFFFFFF == 0x1000 and desc >> 75 & 15 == 1, f"no descriptor: {desc:#x}"
                beats = -(-((desc >> 64 & 0x7FF) + 4) // 8)
            beats -= 1
            assert int(dut.rq_tlast.value) == (beats == 0)
        assert beats == 0

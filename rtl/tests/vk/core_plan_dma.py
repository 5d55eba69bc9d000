# SPDX-License-Identifier: Apache-2.0
"""cocotb: what each request must keep to, and what each bad completion comes to, at the endpoint's streams."""

import cocotb
import vkbench_regs as regs
from cocotbext.pcie.core.tlp import CplStatus, Tlp
from cocotbext.pcie.core.utils import PcieId
from common.bench import VkBench
from common.seed import seeded
from common.tlps import completion

from vk.core_dma import READ, WRITE, announce, counters, run_dma, stop_dma
from vk.core_halt import halt


def part(request: Tlp, start: int, count: int) -> Tlp:
    """The completion with ``count`` bytes of the read from byte ``start`` on."""
    cpl = Tlp.create_completion_data_for_tlp(request, PcieId(0, 0, 0))
    cpl.byte_count = request.length * 4 - start
    cpl.lower_address = (request.address + start) & 0x7F
    cpl.set_data(bytes(count))
    return cpl


@cocotb.test()
async def requests_keep_to_every_limit(dut):
    """4 KiB boundaries, Max_Payload_Size, Max_Read_Request_Size and the buffer's two ends; tags of 5 bits."""
    rng = seeded("limits")
    tb = await VkBench(dut, rng).started()
    dut.cfg_ext_tag_i.value = 0
    for turn in range(24):
        mode, mps, mrrs = (WRITE, READ)[turn % 2], turn // 2 % 3, turn // 2 % 2
        dut.cfg_mps_i.value, dut.cfg_mrrs_i.value = mps, mrrs
        base, size = (1 + turn) << 20 | 0x1000 - 8 * rng.randint(1, 30), rng.choice((520, 1024, 4096 + 64))
        await announce(tb, base, size)
        tb.on_request = (lambda p: tb.complete(completion(p.tlp))) if mode == READ else None
        tb.rq.packets.clear()
        await run_dma(tb, mode, 256, 4)
        await tb.until(lambda: len(tb.rq.packets) >= 40, 5000)
        await stop_dma(tb)
        limit = 128 << (mps if mode == WRITE else mrrs)
        for packet in tb.rq.packets:
            tlp, count = packet.tlp, packet.tlp.length * 4
            assert count <= limit, f"{tlp!r}: the limit is {limit} bytes"
            assert tlp.address % 4096 + count <= 4096, f"{tlp!r} crosses 4 KiB"
            assert base <= tlp.address and tlp.address + count <= base + size, f"{tlp!r}: outside the buffer"
            assert tlp.tag < 32, f"{tlp!r}: extended tags are not enabled"


@cocotb.test()
async def a_tag_is_free_after_its_last_completion(dut):
    """One read gets only its first part; the others go on, and none of them has its tag until it has its last."""
    rng = seeded("tag_free")
    tb = await VkBench(dut, rng, clock_hz=10_000_000).start()
    dut.cfg_ext_tag_i.value = 0  # 32 tags come round soon
    await tb.booted()
    requests: list[Tlp] = []
    tb.on_request = lambda packet: requests.append(packet.tlp)
    for _ in range(4):
        await announce(tb, 0x30_0000, 8192)
        await run_dma(tb, READ, 256)
        await tb.until(lambda: requests, 2000)
        held = requests.pop(0)
        tb.complete(part(held, 0, 64))
        for _ in range(100):
            await tb.clocks(6)
            while requests:
                request = requests.pop(0)
                assert request.tag != held.tag, f"tag {held.tag} was given away with 192 bytes still to come"
                tb.complete(completion(request))
        tb.complete(part(held, 64, held.length * 4 - 64))
        await tb.clocks(20)
        await stop_dma(tb)
        for request in requests:
            tb.complete(completion(request))
        requests.clear()
        await tb.clocks(50)
    assert (await counters(tb))[1:] == (0, 0)


@cocotb.test()
async def bad_completions_are_errors(dut):
    """Poisoned, UR, CA, too many bytes promised, too few, an address that does not fit: one error each."""
    rng = seeded("bad_completions")
    tb = await VkBench(dut, rng).started()
    requests: list[Tlp] = []
    tb.on_request = lambda packet: requests.append(packet.tlp)
    await announce(tb, 0x30_0000, 8192)
    await run_dma(tb, READ, 128, 500)
    for kind in ("good", "poisoned", "ur", "ca", "count up", "count down", "lower address", "good"):
        await tb.until(lambda: requests, 2000)
        before = await counters(tb)
        cpl = completion(requests[0], {"ur": CplStatus.UR, "ca": CplStatus.CA}.get(kind, CplStatus.SC))
        cpl.ep = kind == "poisoned"
        cpl.byte_count += {"count up": 64, "count down": -8}.get(kind, 0)
        cpl.lower_address ^= 0x40 if kind == "lower address" else 0
        tb.complete(cpl)
        await tb.clocks(60)
        ok, error, timeout = await counters(tb)
        want = (1, 0, 0) if kind == "good" else (0, 1, 0)
        assert (ok - before[0], error - before[1], timeout - before[2]) == want, f"a completion with {kind}"
        requests.pop(0)


@cocotb.test()
async def a_read_without_completion_ends(dut):
    """After 10 ms the read is given up, and the next one goes out under another tag or later."""
    tb = await VkBench(dut).started()
    await announce(tb, 0x30_0000, 8192)
    await run_dma(tb, READ, 64, 100)
    await tb.until(lambda: tb.rq.packets, 200)
    await tb.clocks(900)
    assert (await counters(tb))[2] == 0
    await tb.clocks(130)
    assert (await counters(tb))[2] >= 1
    tb.on_request = lambda packet: tb.complete(completion(packet.tlp))
    await tb.clocks(4000)
    ok = (await counters(tb))[0]
    await tb.clocks(1000)
    assert (await counters(tb))[0] > ok, "no read goes on after the time-out"


@cocotb.test()
async def a_late_completion_belongs_to_nobody(dut):
    """Reads abandoned by a reset are answered in the new life: none counts, and no new read bears their tags."""
    rng = seeded("late_completions")
    tb = await VkBench(dut, rng, clock_hz=10_000_000).start()
    await tb.booted()
    requests: list[Tlp] = []
    tb.on_request = lambda packet: requests.append(packet.tlp)
    done = 0
    for turn in range(4):
        await announce(tb, 0x40_0000, 8192)
        await run_dma(tb, READ, 64, 30)
        await tb.until(lambda: requests, 2000)
        await tb.clocks(rng.randrange(60))
        seen = await halt(tb, ("hard", "soft")[turn % 2])
        await tb.until(lambda: not tb.rq.beats and tb.rq.offered is None, 200)
        await tb.clocks(10)
        old = list(requests)
        requests.clear()
        await tb.booted()
        await announce(tb, 0x80_0000, 8192)
        await run_dma(tb, READ, 64, 30)
        for _ in range(60):
            assert tb.cycle - seen < 95_000, "too slow: the old reads have timed out"
            await tb.until(lambda: requests, 2000)
            request = requests.pop(0)
            assert request.tag not in {read.tag for read in old}, "tag of an abandoned read used again"
            if old and rng.random() < 0.1:
                tb.complete(completion(old.pop()))
            tb.complete(completion(request))
            done += 1
        await tb.lab(regs.VK_LAB_DMA_CTRL_OFFSET, 0)
        await tb.clocks(100)
        for request in requests:
            tb.complete(completion(request))
        done += len(requests)
        requests.clear()
        await tb.clocks(100)
        assert await counters(tb) == (done, 0, 0), f"turn {turn}"

# SPDX-License-Identifier: Apache-2.0
"""cocotb: payload bytes per clock of the engine on an ideal link (one beat per clock, a round trip of so many
clocks), and how often its clock runs. The table goes to dma_throughput.json in the build folder.

``hard_ip`` of a write is what the same TLPs take on the hard IP: its 16-byte descriptor lies in front of the
payload, beats are not shared between TLPs, and the Gen3 x8 link adds 24 bytes to each TLP.
"""

import json
from pathlib import Path

import cocotb
from common.seed import seeded

from dma.bench import OK, DmaBench

LINK = 7.877e9 / 250e6  # bytes per clock
OVERHEAD = 24  # of the link per TLP
COUNT = 48_000
PAIRS = ((0, 0), (1, 0), (0, 1), (3, 29), (63, 1), (4, 60))  # host and store address modulo 64
TABLE = Path.cwd().parent / "dma_throughput.json"  # build/rtl-tests


def limit(payload: int) -> float:
    """Payload bytes per clock that the link can carry in TLPs of this payload."""
    return LINK * payload / (payload + OVERHEAD)


def record(name: str, rows: list[dict]) -> None:
    table = json.loads(TABLE.read_text()) if TABLE.exists() else {}
    table[name] = rows
    TABLE.write_text(json.dumps(table, indent=1) + "\n")
    print(name)
    for row in rows:
        print("  " + "  ".join(f"{key} {value}" for key, value in row.items()))


async def read_rate(tb: DmaBench, host: int, store: int, count: int = COUNT) -> float:
    """Between the first completion's beat and the last descriptor's end."""
    first = []

    def note(request, completions):
        first.append(tb.cycle)
        return completions

    tb.host.fault = note
    descriptors = [tb.read(0x2000_0000 + host, store, count), tb.read(0x2800_0000 + host, store, count)]
    await tb.drained()
    tb.host.fault = None
    assert all(d.code == OK for d in descriptors)
    begin = first[0] + tb.host.latency[0]
    return 2 * count / (descriptors[-1].done - begin)


@cocotb.test()
async def reads(dut):
    tb = await DmaBench(dut, seeded("read_rates")).start()
    tb.keep_requests = False
    rows = []
    cases = [(1, m, 64, 256, 0, pair) for m in (1, 2, 5) for pair in PAIRS]
    cases += [(1, 2, 64, 256, 250, pair) for pair in PAIRS]
    cases += [
        (1, m, r, t, rtt, (0, 0))
        for rtt in (0, 250, 1000)
        for t in (32, 256)
        for m in (1, 2, 5)
        for r in (64, 128)
    ]
    for mps, mrrs, rcb, tags, rtt, (host, store) in cases:
        tb.set(mps=mps, mrrs=mrrs, ext=tags == 256, rcb=rcb)
        tb.host.latency = (rtt, rtt)
        rate = await read_rate(tb, host, store)
        rows.append(
            {
                "mrrs": tb.mrrs,
                "rcb": rcb,
                "tags": tags,
                "round_trip": rtt,
                "host_offset": host,
                "store_offset": store,
                "bytes_per_clock": round(rate, 2),
            }
        )
        if rtt == 0 or (rtt == 250 and tags == 256 and mrrs <= 2):
            assert rate >= 31, rows[-1]
    record("reads", rows)


@cocotb.test()
async def writes(dut):
    tb = await DmaBench(dut, seeded("write_rates")).start()
    rows = []
    for mps in (0, 1, 2):
        for fill in (0, 1):
            for host, store in PAIRS:
                tb.set(mps=mps, fill=fill)
                tb.requests.clear()
                done = [
                    tb.write(0x2000_0000 + host, store, COUNT),
                    tb.write(0x2800_0000 + host, store, COUNT),
                ]
                await tb.drained()
                tlps = [r for r in tb.requests if r.write]
                assert all(d.code == OK for d in done) and sum(r.count for r in tlps) == 2 * COUNT
                first_beats = -(-tlps[0].dwords // 8)
                rate = 2 * COUNT / (tlps[-1].cycle - tlps[0].cycle + first_beats)
                beats = sum(-(-(16 + r.dwords * 4) // 32) for r in tlps)
                link = sum(r.dwords * 4 + OVERHEAD for r in tlps) / LINK
                hard_ip = 2 * COUNT / max(beats, link)
                rows.append(
                    {
                        "mps": tb.mps,
                        "fill": fill,
                        "host_offset": host,
                        "store_offset": store,
                        "bytes_per_clock": round(rate, 2),
                        "hard_ip": round(hard_ip, 2),
                        "hard_ip_percent_of_limit": round(100 * hard_ip / limit(tb.mps), 2),
                    }
                )
                if not fill:
                    assert rate >= 31, rows[-1]
                elif mps == 1:
                    assert hard_ip >= 0.99 * limit(256), rows[-1]
    record("writes", rows)


@cocotb.test()
async def both_directions_at_once(dut):
    """Reads' requests cost writes one beat per MRRS, nothing more."""
    tb = await DmaBench(dut, seeded("both_rates")).start()
    tb.keep_requests = False
    tb.set(mps=1, mrrs=2)
    tb.host.latency = (250, 250)
    start = tb.cycle
    there = [tb.read(0x2000_0005 + 0x10_0000 * i, 3, 30_000) for i in range(3)]
    back = [tb.write(0x3000_0005 + 0x10_0000 * i, 31_000, 30_000) for i in range(3)]
    await tb.drained()
    rates = [90_000 / (d[-1].done - start) for d in (there, back)]
    record("both", [{"read": round(rates[0], 2), "write": round(rates[1], 2)}])
    assert min(rates) >= 28


@cocotb.test()
async def the_clock_of_an_idle_engine_stands(dut):
    tb = await DmaBench(dut, seeded("idle")).start()
    await tb.clocks(100)
    tb.awake = 0
    await tb.clocks(2000)
    assert tb.awake == 0
    dut.buffer_i.value, dut.size_i.value, dut.buffer_new_i.value = 0x6000_0000, 0x4000, 1
    await tb.edge.wait()
    dut.buffer_new_i.value = 0
    dut.traffic_length_i.value, dut.traffic_period_i.value, dut.traffic_enable_i.value = 64, 1250, 1
    await tb.clocks(1300)
    tb.awake, before = 0, len(tb.requests)
    await tb.clocks(12_500)
    assert len(tb.requests) - before == 10
    record("idle", [{"traffic_period": 1250, "clock_runs_percent": round(tb.awake / 125, 2)}])
    assert tb.awake < 12_500 * 0.02
    starts = [r.cycle for r in tb.requests]
    assert {b - a for a, b in zip(starts[1:], starts[2:], strict=False)} == {1250}

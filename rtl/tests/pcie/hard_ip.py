# SPDX-License-Identifier: Apache-2.0
"""cocotbext-pcie's model of the UltraScale+ hard IP as our board uses it: Gen3 x8, 256 bit at 250 MHz, RC
straddled, client tags, the card's BARs and identity. What the model lacks is added here: MSI-X tables inside
of the hard IP. FLR and hot reset are pins that the test drives."""

from __future__ import annotations

import logging
import struct

from cocotb.triggers import RisingEdge
from cocotb.utils import get_sim_steps
from cocotb_bus.bus import Bus
from cocotbext.pcie.core import RootComplex
from cocotbext.pcie.core.caps import PciCapId
from cocotbext.pcie.core.port import FcChannelState
from cocotbext.pcie.core.tlp import Tlp, TlpType
from cocotbext.pcie.core.utils import PcieId
from cocotbext.pcie.xilinx.us import UltraScalePlusPcieDevice

BAR_SIZES = {0: 64 << 10, 2: 2 << 20, 4: 64 << 10}
VECTORS = 4
TABLE, PBA, TABLES_END = 0x4000, 0x5000, 0x6000
MEMORY = {TlpType.MEM_READ, TlpType.MEM_READ_64, TlpType.MEM_WRITE, TlpType.MEM_WRITE_64}

#: Pins of the model that the test wrapper has under the same name.
PINS = [
    "user_reset",
    "user_lnk_up",
    "pcie_rq_seq_num0",
    "pcie_rq_seq_num_vld0",
    "pcie_cq_np_req",
    "cfg_mgmt_addr",
    "cfg_mgmt_function_number",
    "cfg_mgmt_write",
    "cfg_mgmt_write_data",
    "cfg_mgmt_byte_enable",
    "cfg_mgmt_read",
    "cfg_mgmt_read_data",
    "cfg_mgmt_read_write_done",
    "cfg_max_payload",
    "cfg_max_read_req",
    "cfg_function_status",
    "cfg_rcb_status",
    "cfg_bus_number",
]


def stream(dut, name: str) -> Bus:
    return Bus(dut, name, [f"t{signal}" for signal in ("valid", "ready", "last", "keep", "user", "data")])


class HardIp(UltraScalePlusPcieDevice):
    def __init__(self, dut, max_payload: int = 512, extended_tags: bool = True):
        self.dut = dut
        super().__init__(
            pcie_generation=3,
            pcie_link_width=8,
            user_clk_frequency=250e6,
            alignment="dword",
            rc_straddle=True,
            max_payload_size=max_payload,
            enable_client_tag=True,
            enable_extended_tag=extended_tags,
            pf0_msix_enable=True,
            pf0_msix_table_size=VECTORS - 1,
            pf0_msix_table_offset=TABLE,
            pf0_msix_pba_offset=PBA,
            user_clk=dut.clk_i,
            **{f"{name}_bus": stream(dut, name) for name in ("cq", "cc", "rq", "rc")},
            **{pin: getattr(dut, pin) for pin in PINS},
        )
        dut.cfg_hot_reset_out.value = dut.cfg_flr_in_process.value = 0
        self.function = self.functions[0]
        self.function.vendor_id, self.function.device_id = 0x14E4, 0x5E87
        for bar, size in BAR_SIZES.items():
            self.function.configure_bar(bar, size, ext=True)
        self.table = bytearray(16 * VECTORS)
        self.asked: list[int] = []  # vectors, as the core asked for them
        self.fails = 0  # so many of the next interrupts fail

    async def upstream_recv(self, tlp: Tlp) -> None:
        hit = self.function.match_bar(tlp.address) if tlp.fmt_type in MEMORY else None
        if hit and hit[0] == 0 and TABLE <= hit[1] < TABLES_END:
            tlp.release_fc()
            await self.table_access(tlp, hit[1] - TABLE)
        else:
            await super().upstream_recv(tlp)

    async def table_access(self, tlp: Tlp, offset: int) -> None:
        if tlp.fmt_type in (TlpType.MEM_WRITE, TlpType.MEM_WRITE_64):
            self.table[offset : offset + 4 * tlp.length] = tlp.data
            return
        cpl = Tlp.create_completion_data_for_tlp(tlp, PcieId(self.bus_num, 0, 0))
        cpl.byte_count, cpl.lower_address = 4 * tlp.length, tlp.address & 0x7F
        cpl.set_data(bytes(self.table[offset : offset + 4 * tlp.length]).ljust(4 * tlp.length, b"\0"))
        await self.send(cpl)

    async def _run_cfg_int_logic(self) -> None:
        d, edge = self.dut, RisingEdge(self.dut.clk_i)
        enable = d.cfg_interrupt_msix_enable
        enable.value = d.cfg_interrupt_msi_sent.value = d.cfg_interrupt_msi_fail.value = 0
        while True:
            await edge
            if int(enable.value) != self.function.msix_cap.msix_enable:
                enable.value = int(self.function.msix_cap.msix_enable)
            if not int(d.cfg_interrupt_msix_int.value):
                continue
            vector = int(d.cfg_interrupt_msi_int.value).bit_length() - 1
            assert int(d.cfg_interrupt_msi_int.value) == 1 << vector and vector < VECTORS
            self.asked.append(vector)
            answer = d.cfg_interrupt_msi_fail if self.fails else d.cfg_interrupt_msi_sent
            if self.fails:
                self.fails -= 1
            else:
                address, data = struct.unpack_from("<QL", self.table, 16 * vector)
                await self.function.msix_cap.issue_msix_interrupt(address, data)
            await edge
            answer.value = 1
            await edge
            answer.value = 0


def quiet() -> None:
    """The model logs every TLP, and formats it before the level is looked at; that is most of its time."""
    for name in ("cocotb.pcie", "cocotb.usp_tb", "cocotb.usp_vk_tb", "cocotb.usp_card_tb"):
        logging.getLogger(name).setLevel(logging.ERROR)


class Board:
    """A root complex with the hard IP in its slot; ``driver`` is its PciDevice after up()."""

    def __init__(
        self,
        dut,
        mps: int = 1,
        mrrs: int = 2,
        extended_tags: bool = True,
        round_trip: float = 20e-9,
        rcb: int = 64,
        endless_credits: bool = False,
    ):
        quiet()
        self.dut = dut
        self.rc = RootComplex()
        self.rc.max_payload_size, self.mrrs, self.rcb = mps, mrrs, rcb
        self.device = HardIp(dut, extended_tags=extended_tags)
        port = self.rc.make_port().downstream_port  # grants 64 headers and 16 KiB of each kind
        if endless_credits:
            port.fc_state = [FcChannelState([0] * 6, port.start_fc_update_timer) for _ in range(8)]
            port.fc_state[0].active = True
        port.connect(self.device)
        self.ports, self.round_trip = (port, self.device.upstream_port), round_trip

    async def up(self) -> Board:
        edge = RisingEdge(self.dut.clk_i)
        await edge
        while int(self.dut.user_reset.value):
            await edge
        await self.rc.enumerate()
        self.driver = self.rc.find_device(self.device.function.pcie_id)
        await self.driver.enable_device()
        await self.driver.set_readrq(self.mrrs)
        if self.rcb == 128:
            self.rc.read_completion_boundary = True
            link = await self.driver.capability_read_dword(PciCapId.EXP, 0x10)
            await self.driver.capability_write_dword(PciCapId.EXP, 0x10, link | 8)
        await self.driver.set_master()
        for port in self.ports:  # only now: the enumeration knows a timeout of 1 us
            port.link_delay_steps = get_sim_steps(self.round_trip / 2, "sec", round_mode="round")
        self.bars = {index: self.driver.bar_addr[index] for index in BAR_SIZES}
        return self

    async def enable_interrupts(self, witness) -> list[tuple]:
        """MSI-X on; the returned list gets vector and ``witness()`` as the root complex receives them."""
        got: list[tuple] = []
        await self.driver.alloc_irq_vectors(VECTORS, VECTORS)
        for vector in range(VECTORS):

            async def handler(vector=vector):
                got.append((vector, witness()))

            self.driver.request_irq(vector, handler)
        return got

# SPDX-License-Identifier: Apache-2.0
"""A device for cocotbext-pcie's root complex: configuration space from rtl/regs/vk_config.rdl, everything
behind it the RTL. It does what the FPGA's hard IP does: keeps the configuration registers, decodes the BARs,
hands requests to the CQ stream and completions to RC, sends what comes from CC and RQ, and drives the
sidebands."""

import re

import cocotb
import vkbench_regs as regs
from cocotb.queue import Queue
from cocotbext.pcie.core import Device
from cocotbext.pcie.core.endpoint import Endpoint
from cocotbext.pcie.core.tlp import Tlp, TlpType
from common.bench import VkBench
from common.tlps import beats

COMMAND, DEVICE_CONTROL, LINK_CONTROL = 0x04, 0x68, 0x70
CONFIG_BYTES = 256


def config_registers() -> tuple[dict[int, int], dict[int, int]]:
    """Offset -> reset value, offset -> mask of the bits that the host can write."""
    values, masks = {}, {}
    for name, offset in vars(regs).items():
        if re.fullmatch(r"VK_CONFIG_\w+_OFFSET", name):
            stem = name.removesuffix("OFFSET")
            values[offset], masks[offset] = getattr(regs, stem + "RESET"), getattr(regs, stem + "WMASK")
    return values, masks


class VkFunction(Endpoint):
    """The function: configuration space held here, memory requests and completions passed to ``tb``."""

    def __init__(self, tb: VkBench):
        super().__init__()
        self.tb = tb
        self.values, self.masks = config_registers()
        for kind in (TlpType.MEM_READ, TlpType.MEM_READ_64, TlpType.MEM_WRITE, TlpType.MEM_WRITE_64):
            self.register_rx_tlp_handler(kind, self.to_cq)
        self.bar_mask = [self.masks[0x10 + 4 * i] for i in range(6)]
        self.outgoing: Queue[Tlp] = Queue()
        tb.on_request = tb.on_completion = lambda packet: self.outgoing.put_nowait(packet.tlp)
        self.interrupts_masked = 0
        self.refresh()
        cocotb.start_soon(self.send_upstream())

    async def read_config_register(self, reg: int) -> int:
        return self.values.get(4 * reg, 0)

    async def write_config_register(self, reg: int, data: int, mask: int) -> None:
        offset = 4 * reg
        lanes = sum(0xFF << 8 * i for i in range(4) if mask >> i & 1) & self.masks.get(offset, 0)
        self.values[offset] = self.values.get(offset, 0) & ~lanes | data & lanes
        self.refresh()

    def refresh(self) -> None:
        """Sidebands follow the registers."""
        dut = self.tb.dut
        self.bar = [self.values[0x10 + 4 * i] for i in range(6)]
        dut.cfg_command_i.value = self.values[COMMAND] & 0xFFFF
        dut.cfg_mps_i.value = self.values[DEVICE_CONTROL] >> 5 & 7
        dut.cfg_mrrs_i.value = self.values[DEVICE_CONTROL] >> 12 & 7
        dut.cfg_ext_tag_i.value = self.values[DEVICE_CONTROL] >> 8 & 1
        dut.cfg_rcb_i.value = self.values[LINK_CONTROL] >> 3 & 1
        dut.cfg_bdf_i.value = int(self.pcie_id)

    async def to_cq(self, tlp: Tlp) -> None:
        self.refresh()  # the bus number came with the last configuration request
        bar, _offset = self.match_bar(tlp.address)
        self.tb.post(beats(tlp, bar))

    async def handle_tlp(self, tlp: Tlp) -> None:
        if tlp.is_completion():
            tlp.release_fc()
            self.tb.complete(tlp)
        else:
            await super().handle_tlp(tlp)

    async def send_upstream(self) -> None:
        while True:
            await self.upstream_send(await self.outgoing.get())


def make_device(tb: VkBench) -> Device:
    return Device(VkFunction(tb))

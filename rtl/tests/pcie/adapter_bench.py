# SPDX-License-Identifier: Apache-2.0
"""The adapter between the model of the hard IP and a stub of the core."""

from cocotbext.pcie.core.tlp import CplStatus, Tlp
from cocotbext.pcie.core.utils import PcieId
from cocotbext.pcie.xilinx.us.tlp import ErrorCode, Tlp_us
from common import pauses
from common.seed import seeded
from common.tlps import header_tlp, memory_request

from pcie.hard_ip import BAR_SIZES, Board
from pcie.stub_core import StubCore

SIZE = 16 << 10


class Bench:
    def __init__(self, dut, name: str, **board):
        self.dut, self.rng = dut, seeded(name)
        self.board, self.core = Board(dut, **board), StubCore(dut)
        self.device = self.board.device

    async def up(self):
        await self.board.up()
        self.card = self.device.function.pcie_id
        self.device.rc_source.clear()
        return self

    def pause_everything(self, share: float = 0.3) -> None:
        d = self.device
        for end in (d.cq_source, d.rc_source, d.cc_sink, d.rq_sink):
            end.set_pause_generator(pauses.at_random(self.rng, share))
        for end in (self.core.cq, self.core.rc, self.core.cc, self.core.rq):
            end.pause = pauses.in_bursts(self.rng, 6)

    def completer(self, memories: dict[int, bytearray]) -> None:
        """The core answers requests from ``memories``, one completion each."""

        def answer(packet):
            tlp = header_tlp(packet.hdr, packet.data)
            memory, base = memories[packet.bar], tlp.address % BAR_SIZES[packet.bar]
            offset = tlp.get_first_be_offset()
            count = tlp.get_be_byte_count()
            if tlp.has_data():
                memory[base + offset : base + offset + count] = tlp.data[offset : offset + count]
                return
            cpl = Tlp.create_completion_data_for_tlp(tlp, self.card)
            cpl.byte_count, cpl.lower_address = count, (tlp.address + offset) & 0x7F
            cpl.set_data(bytes(memory[base : base + 4 * tlp.length]))
            self.core.send(self.core.cc, cpl)

        self.core.cq.on_arrival = answer

    def inject(
        self,
        request: Tlp,
        data: bytes = b"",
        status=CplStatus.SC,
        error=ErrorCode.NORMAL_TERMINATION,
        **fields,
    ):
        """A completion as the hard IP delivers it, without the link. Returns it."""
        cpl = Tlp_us(Tlp.create_completion_for_tlp(request, PcieId(0, 0, 0), bool(data), status))
        cpl.byte_count, cpl.lower_address = max(len(data), 1), request.address & 0x7F
        if data:
            cpl.set_data(data)
        cpl.error_code = error
        for name, value in fields.items():
            setattr(cpl, name, value)
        self.device.rc_queue.put_nowait(cpl)
        return cpl

    def read_request(self, tag: int, length: int = 4, address: int = 0x1000) -> Tlp:
        return memory_request(False, address, length, tag=tag, requester_id=self.card)

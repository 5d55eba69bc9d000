# SPDX-License-Identifier: Apache-2.0
"""The panic run: from power on, through the panic, into the crash kernel."""

from vkbench.evidence import MEMORY_JSON
from vkbench.server.steps import BenchRun

PEEK_READS, PEEK_EVERY_S = 2, 1.0


class PanicRun(BenchRun):
    """One panic under DMA; see BenchRun."""

    def steps(self) -> None:
        self._boot()
        self._start_dma()
        self._arm_kdump()
        self._arm_analyser()
        self._panic()
        self._gather()

    def _arm_kdump(self) -> None:
        with self._log.step("arm kdump") as note:
            note.detail = self._need_server().arm_kdump(self._scenario.post_notifiers)

    def _panic(self) -> None:
        log, server, analyser = self._log, self._need_server(), self._need_analyser()
        dma = log.record.dma
        assert dma is not None
        with log.step("panic into crash kernel") as note:
            self._mark("inject panic")
            server.inject_sysrq()
            texts = server.follow_into_crash_kernel()
            self._mark("crash kernel up")
            note.detail = f"jump text {'seen' if texts.jump else 'not seen'}; analyser {analyser.state()}"
        with log.step("read memory") as note:
            self._mark("read memory")
            memory = server.peek(dma.paddr, dma.size, PEEK_READS, PEEK_EVERY_S)
            log.directory.write_json(MEMORY_JSON, memory)
            note.detail = f"{memory['words_changed']} words changed in {memory['interval_ms']} ms"

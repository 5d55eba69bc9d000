# SPDX-License-Identifier: Apache-2.0
"""The panic run: from power on, through the panic, into the crash kernel; or, where none may come, until nothing more
is to be seen.
"""

import time

from vkbench import errors
from vkbench.evidence import MEMORY_JSON, Expectation
from vkbench.server.injections import INJECT_FILE, SAY_LIVES, injection_of, say_marker
from vkbench.server.states import RUNNING
from vkbench.server.steps import BenchRun

PEEK_READS, PEEK_EVERY_S = 2, 1.0


class PanicRun(BenchRun):
    """One panic under DMA; see BenchRun."""

    def steps(self) -> None:
        self._boot()
        self._start_dma()
        self._arm_kdump()
        self._prepare_injection()
        self._arm_analyser()
        if self._expected.jump:
            self._panic()
            self._read_memory()
        else:
            self._panic_without_crash_kernel()
        self._gather()
        self._recover()

    @property
    def _expected(self) -> Expectation:
        return injection_of(self._scenario.injection).expectation(self._scenario.post_notifiers)

    def _arm_kdump(self) -> None:
        server, post = self._need_server(), self._scenario.post_notifiers
        with self._log.step("arm kdump") as note:
            if injection_of(self._scenario.injection).crash_image:
                note.detail = server.arm_kdump(post)
                if server.armed is not None:
                    self._log.add_inventory("kdump", server.armed.inventory())
            else:
                note.detail = server.disarm_kdump(post)

    def _prepare_injection(self) -> None:
        """Load the injector and set what decides the panic's way; nothing to do for sysrq-c."""
        row, server = injection_of(self._scenario.injection), self._need_server()
        if not (row.module or row.settings or row.prepare):
            return
        with self._log.step("prepare injection") as note:
            for path, value in row.paths().items():
                server.settings.set(path, value)
            if row.module:
                server.run(self._bench.server.commands.load_injector)
                offered = [line.split()[0] for line in server.run(f"cat {INJECT_FILE}").splitlines() if line]
                if row.name not in offered:
                    raise errors.CommandFailed(
                        f"the injector that is loaded offers no {row.name!r}, only {', '.join(offered)}",
                        "server",
                        "Build it anew from fixtures/server/injector",
                    )
            for command in row.prepare:
                server.run(command)
            note.detail = ", ".join(f"{path}={value}" for path, value in row.paths().items())

    def _inject(self) -> None:
        row, server = injection_of(self._scenario.injection), self._need_server()
        self._mark("inject panic")
        if not row.bmc_nmi:
            loads = (server.armed and server.armed.kexec_command) or self._bench.server.commands.arm_kdump
            server.inject(row.command(loads))
            return
        server.inject(say_marker(row.name))
        server.await_panic()
        assert self._bmc is not None
        self._bmc.diagnostic_interrupt()

    def _panic(self) -> None:
        log, server, analyser = self._log, self._need_server(), self._need_analyser()
        with log.step("panic into crash kernel") as note:
            self._inject()
            texts = server.follow_into_crash_kernel()
            self._mark("crash kernel up")
            note.detail = f"jump text {'seen' if texts.jump else 'not seen'}; analyser {analyser.state()}"

    def _read_memory(self) -> None:
        log, server = self._log, self._need_server()
        dma = log.record.dma
        assert dma is not None
        with log.step("read memory") as note:
            self._mark("read memory")
            if not dma.memory:  # the rule says what that means
                note.detail = f"not read: {dma.paddr:#x} is an address of the IOMMU's"
                return
            memory = server.peek(dma.memory, PEEK_READS, PEEK_EVERY_S)
            log.directory.write_json(MEMORY_JSON, memory)
            note.detail = f"{memory['words_changed']} words changed in {memory['interval_ms']} ms"

    def _panic_without_crash_kernel(self) -> None:
        """The texts that must come, as far as they do, and a while more: the rules say what that means."""
        row, expected = injection_of(self._scenario.injection), self._expected
        server, analyser = self._need_server(), self._need_analyser()
        with self._log.step("panic, no crash kernel") as note:
            self._inject()
            server.await_panic()
            if expected.path == "none":
                server.send(SAY_LIVES)
            missing = server.follow_texts(expected.texts)
            time.sleep(row.settle_s)  # what must not come has no event
            seen = f"{missing!r} not seen" if missing else "all texts seen"
            note.detail = f"{seen}, looked on for {row.settle_s:g} s; analyser {analyser.state()}"

    def _recover(self) -> None:
        """On a distribution: leave the crash shell, let the dump go on, and be back when the system is. A server whose
        crash kernel a command has loaded is simply powered off."""
        server, settings = self._need_server(), self._bench.server
        if settings.kdump.style == "command" or server.state in RUNNING:
            return
        with self._log.step("recover") as note:
            if self._expected.jump:
                server.leave_crash_shell()
                limit = settings.kdump.dump_timeout_s + settings.boot_timeout_s
                self._come_back("the crash shell is left: the dump and a reboot follow", limit, "wait")
            else:
                self._come_back("the panic has left no crash kernel")
            note.detail = "; ".join(f"{rung.name}: {rung.outcome}" for rung in self._need_ladder().taken)

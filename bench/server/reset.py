# SPDX-License-Identifier: Apache-2.0
"""The reset run: a working card under traffic is reset, looked at, probed again, and must then move every byte right.

What is found goes into ``reset.json``; nothing here decides whether it is good (bench/verdict/reset_rules.py).
"""

import json
import re
import time
from contextlib import ExitStack, suppress
from dataclasses import asdict
from typing import Any, Literal

from pydantic import ValidationError

from vkbench import errors, interrupts
from vkbench.evidence.reset import POWER_JSON, RESET_JSON, CardState, Command, ResetRecord, Transfer
from vkbench.instruments import open_power
from vkbench.instruments.protocol import Power
from vkbench.server.resets import RESETS
from vkbench.server.steps import BenchRun
from vkbench.verdict.reset_values import STATE_READ_MARK, reading_list

DEVICE_ID = "0x5e87"
PCI = "/sys/bus/pci/devices"
NODE = "/dev/bcm-vk.0"
HAMMER_FILES = "/tmp/vk-hammer"
#: The traffic by messages while the reset comes: so large that one is under way nearly always. And what is moved before
#: and after it.
HAMMER_WORDS = "--sizes 4m --planes 2 --seconds 900"
TRANSFER_WORDS = "--sizes 1,70001 --planes 1,4 transfer"
HAMMER_STARTS_WITHIN_S = 60.0
EXERCISE_S = 240.0
COMMAND_S = 90.0  # unbinding a driver with transfers on their way waits for them
NODE_WITHIN_S = 20.0
#: vk-exercise that is killed waits this long in the driver for what is still mapped (bcm_vk_msg.c:1287).
DRAIN_S = 3.0
#: Longest time that a card may take to be ready again, so that its state is not read too early.
READY_WITHIN_S = 5.0
CARD_READY = 1 << 8  # STATUS on the lab bus, rtl/regs/vk_lab.rdl
COMMAND_MEMORY = 1 << 1  # PCI Command register: Memory Space Enable
READ_TRIES = 4
STOPS_WITHIN_POLLS = 100  # of 10 ms, for each program
LOG_LINES = 60
#: Numbers of the run's marks in the capture: above those of steps.py.
MARKS = {"reset": 32, "state read": STATE_READ_MARK, "probe": 34, "probed": 35}

_DONE = re.compile(r"vk-exercise: done steps=(\d+) failed=(\d+) bytes=(\d+)")
_STATUS = re.compile(r"\s*vkbench-status (\d+)\s*$")


class ResetRun(BenchRun):
    """One reset under traffic; see BenchRun. After a panic the card is reset, probed and used by the crash kernel."""

    def steps(self) -> None:
        self._reset = RESETS[self._scenario.reset]
        self._slot = ""
        self._crashed = False
        self._power: Power | None = None
        self._found = ResetRecord(
            reset=self._reset.name, expect=self._reset.expectation(), traffic=self._traffic_words()
        )
        try:
            self._boot()
            self._baseline()
            self._start_traffic()
            if self._scenario.injection:
                with self._log.step("arm kdump") as note:
                    note.detail = self._need_server().arm_kdump(self._scenario.post_notifiers)
            self._arm_for_reset()
            if self._scenario.injection:
                self._panic()
            self._do_reset()
            self._look_after()
            self._probe()
            self._transfer("after")
            self._keep_kernel_log()
        finally:
            with interrupts.held():
                self._write()
        self._gather()

    # ---- before -------------------------------------------------------------------------------------------------------

    def _baseline(self) -> None:
        server = self._need_server()
        with self._log.step("baseline") as note:
            self._find_slot()
            server.run("dmesg -n 1")  # kernel messages would come in the middle of what is read here
            self._found.before = self._state()
            note.detail = f"card at {self._slot}, {len(self._found.before.bars)} BARs"
        self._transfer("before")

    def _find_slot(self) -> None:
        # A glob that finds nothing stays as it is and has no slot in it.
        said = self._shell(f"grep -l {DEVICE_ID} {PCI}/*/device", keep=False).output
        found = re.findall(rf"{PCI}/([0-9a-f:.]+)/device", said)
        if not found:
            raise errors.CommandFailed(
                f"no PCI device with the id {DEVICE_ID} is on the server", "server", "Is the card seated?"
            )
        self._slot = found[0]

    def _traffic_words(self) -> str:
        ways = {"": "both ways in turn", "up": "to the card", "down": "to the host"}[self._scenario.way]
        return f"messages on three queues, {ways}; DMA writes of the card's own"

    def _start_traffic(self) -> None:
        server, exercise = self._need_server(), self._bench.server.commands.exercise
        with self._log.step("start messages") as note:
            way = f"--only {self._scenario.way} " if self._scenario.way else ""
            server.run("mkdir -p /tmp")
            server.run(
                f"for q in 0 1 2; do ({exercise} --queue $q {HAMMER_WORDS} {way}hammer > {HAMMER_FILES}.$q 2>&1 &); done"
            )
            end = time.monotonic() + HAMMER_STARTS_WITHIN_S
            counts: list[int] = []
            while len(counts) < 3 or min(counts) < 1:
                if time.monotonic() > end:
                    raise errors.DmaNotRunning(
                        f"vk-exercise moved {counts} blocks on the three queues in {HAMMER_STARTS_WITHIN_S:g} s",
                        "card",
                        "A reset now would test nothing. Is the driver bound? See console.log",
                    )
                said = self._shell(
                    f"grep -c ' ok ' {HAMMER_FILES}.0 {HAMMER_FILES}.1 {HAMMER_FILES}.2", keep=False
                )
                counts = [int(number) for number in re.findall(r"hammer\.\d:(\d+)", said.output)]
            note.detail = self._found.traffic
        self._start_dma()

    def _arm_for_reset(self) -> None:
        """Every event, unfolded: the rules follow single tags. The trigger is the reset itself."""
        analyser = self._need_analyser()
        with self._log.step("arm analyser") as note:
            if analyser.state() in ("ARMED", "TRIGGERED"):
                analyser.stop()
            analyser.configure(
                ["CAPT:QUAL ALL", "CAPT:QUAL:TERM NONE", "CAPT:FOLD OFF", *self._reset.trigger]
            )
            self._terms = terms = analyser.arm(int(analyser.depth() * self._reset.pretrigger_share))
            if not terms.qualify.whole or terms.segments != 1:
                raise errors.AnalyserNotAsSet(
                    f"it records {', '.join(terms.qualify.taps)} in {terms.segments} segments; a reset run needs all in one",
                    "analyser",
                )
            note.detail = f"trigger {terms.source}, {terms.pretrigger} of {terms.depth} records before it"
            self._wait_for_writes(3)

    # ---- the reset ----------------------------------------------------------------------------------------------------

    def _panic(self) -> None:
        server = self._need_server()
        with self._log.step("panic into crash kernel") as note:
            server.inject_sysrq()
            texts = server.follow_into_crash_kernel()
            self._crashed = True
            note.detail = f"jump text {'seen' if texts.jump else 'not seen'}"
            server.run_in_crash_kernel("dmesg -n 1")
            self._find_slot()

    def _do_reset(self) -> None:
        reset, bmc, server = self._reset, self._bmc, self._need_server()
        assert bmc is not None
        with self._log.step("reset") as note:
            self._power = open_power(self._bench)
            if self._power is not None:
                self._power.__enter__()
            try:
                if self._power is not None:
                    self._power.start_recording()
                self._name("reset")
                if reset.by == "bmc reset":
                    server.boot_to_shell(bmc.reset)
                elif reset.by == "power cycle":
                    server.boot_to_shell(self._cycle_power)
                else:
                    for number, command in enumerate(reset.commands):
                        stop = f"{self._stop_programs()}; " if number == reset.stop_before else ""
                        self._shell(stop + self._filled(command), COMMAND_S)
                if reset.by != "server":
                    server.run("dmesg -n 1")
                    self._find_slot()
            finally:
                if self._power is not None:
                    self._keep_power(self._power)
            failed = [command.command for command in self._found.commands if not command.ok]
            # Not the end of the run: the capture says whether the reset happened.
            note.detail = f"{reset.title}{'; failed: ' + ', '.join(failed) if failed else ''}"

    def _cycle_power(self) -> None:
        bmc = self._bmc
        assert bmc is not None
        if self._power is None:
            bmc.power_cycle()
            return
        self._power.cycle()
        # Its mains were off too, so the BMC boots first; whether it then starts the server is its own policy.
        end = time.monotonic() + self._bench.server.boot_timeout_s
        while True:
            try:
                if not bmc.is_on():
                    bmc.power_on()
                return
            except errors.InstrumentError:
                if time.monotonic() > end:
                    raise

    def _keep_power(self, power: Power) -> None:
        samples = power.stop_recording()
        with suppress(errors.BenchError):
            self._log.add_inventory("power supply", power.identify())
        self._log.directory.write_json(POWER_JSON, {"schema": 1, "samples": [asdict(one) for one in samples]})
        power.__exit__(None, None, None)

    # ---- after --------------------------------------------------------------------------------------------------------

    def _look_after(self) -> None:
        """The card before its driver does anything with it."""
        with self._log.step("state after reset") as note:
            end = time.monotonic() + READY_WITHIN_S
            while not (status := self._lab_status()) & CARD_READY and time.monotonic() < end:
                time.sleep(0.05)  # the lab bus has no event for it
            found = self._found.after = self._state()
            self._name("state read")
            ready = "ready" if status & CARD_READY else "not ready"
            note.detail = (
                f"card {ready}; registers {'refused: ' + found.refused if found.refused else 'read'}"
            )

    def _probe(self) -> None:
        commands = self._bench.server.commands
        with self._log.step("probe again") as note:
            self._name("probe")
            if not self._reset.probe:
                note.detail = self._shell(commands.load_driver, COMMAND_S).output.strip()
            else:
                self._end_hammers()
                for command in self._reset.probe:
                    self._shell(self._filled(command), COMMAND_S)
            end = time.monotonic() + NODE_WITHIN_S
            while not (there := self._shell(f"test -c {NODE}", keep=False).ok) and time.monotonic() < end:
                time.sleep(0.2)
            self._found.node = there
            self._found.again = self._state()
            self._name("probed")
            note.detail = note.detail or f"driver {self._found.again.driver or 'not bound'}"

    @property
    def _program(self) -> str:
        return self._bench.server.commands.exercise.split()[0].rpartition("/")[2]

    def _stop_programs(self) -> str:
        """They stand still before the reset comes: one that is in the driver first comes out of it, with what it sends."""
        still = f"until grep -q '^State:.T' /proc/$p/status || [ $n = {STOPS_WITHIN_POLLS} ]"
        return (
            f"kill -STOP $(pidof {self._program}); for p in $(pidof {self._program}); do n=0; {still}; "
            "do n=$((n+1)); sleep 0.01; done; done"
        )

    def _end_hammers(self) -> None:
        """Programs that wait for an answer that will never come; the driver holds each for a while."""
        name = self._program
        kill = f"p=$(pidof {name}) && kill -9 $p; while pidof {name} > /dev/null; do sleep 1; done"
        self._shell(f"{kill}; sleep {DRAIN_S:g}", COMMAND_S, keep=False)

    def _transfer(self, when: Literal["before", "after"]) -> None:
        with self._log.step(f"transfer {when}") as note:
            command = f"{self._bench.server.commands.exercise} --seed {len(self._found.transfers) + 1} {TRANSFER_WORDS}"
            said = self._shell(command, EXERCISE_S, keep=False).output
            self._found.transfers.append(transfer_of(when, command, said))
            last = self._found.transfers[-1]
            note.detail = f"{last.bytes} bytes, {last.failed} of {last.steps} steps failed"

    def _keep_kernel_log(self) -> None:
        said = self._shell(f"dmesg | tail -n {LOG_LINES}", keep=False)
        self._found.kernel_log = said.output.strip()

    # ---- means --------------------------------------------------------------------------------------------------------

    def _filled(self, command: str) -> str:
        commands = self._bench.server.commands
        return command.format(
            slot=self._slot, exercise=commands.exercise, ring=commands.ring, module=commands.driver_module
        )

    def _shell(self, command: str, timeout: float | None = None, keep: bool = True) -> Command:
        """A command in the shell that there is now. One that fails is evidence, not the end of the run."""
        server = self._need_server()
        run = server.run_in_crash_kernel if self._crashed else server.run
        said = run(f"{{ {command}; }} 2>&1; echo vkbench-status $?", timeout)
        found = _STATUS.search(said)
        if found is None:
            raise errors.CommandFailed(f"'{command}' did not say how it ended: {said[-200:]!r}", "server")
        done = Command(command=command, output=said[: found.start()].strip(), ok=found[1] == "0")
        if keep:
            self._found.commands.append(done)
        return done

    def _state(self) -> CardState:
        regs = self._bench.server.commands.regs
        driver = self._shell(
            f"basename $(readlink {PCI}/{self._slot}/driver) 2> /dev/null || true", keep=False
        )
        first = self._regs(f"{regs} {self._slot}")
        if not first["config"].get(4, 0) & COMMAND_MEMORY and not driver.output.strip():
            self._shell(f"echo 1 > {PCI}/{self._slot}/enable")
        found = self._regs(f"{regs} {self._slot} {reading_list()}")
        uptime = self._shell("cut -d' ' -f1 /proc/uptime", keep=False).output
        try:
            return CardState(
                uptime_s=float(uptime.split()[0]),
                driver=driver.output.strip(),
                lab_status=self._lab_status(),
                **found,
            )
        except (ValidationError, ValueError, IndexError) as error:
            raise errors.CommandFailed(f"'{regs}' printed what cannot be used: {error}", "server") from None

    def _regs(self, command: str) -> dict[str, Any]:
        """vkregs' lines. A line that kernel messages have cut is read again."""
        for _ in range(READ_TRIES):
            said = self._shell(command, keep=False).output
            with suppress(ValueError):
                return parse_regs(said)
        raise errors.CommandFailed(
            f"'{command}' printed damaged lines {READ_TRIES} times: {said[-300:]!r}", "server"
        )

    def _lab_status(self) -> int:
        return self._need_analyser().card_status()

    def _name(self, name: str) -> None:
        self._need_analyser().mark(MARKS[name], name)

    def _write(self) -> None:
        self._log.directory.write_json(RESET_JSON, self._found)


class ResetRunning(ResetRun):
    """The same on a server that runs already, with its driver bound, and that is left running: many resets, one boot."""

    def execute(self) -> None:
        with ExitStack() as instruments:
            try:
                self._open(instruments)
                self.steps()
                self._end_defect()
            finally:
                with interrupts.held():
                    self._silence()

    def _boot(self) -> None:
        with self._log.step("server runs already"):
            self._log.add_inventory("server", self._need_server().inventory())


def transfer_of(when: Literal["before", "after"], command: str, said: str) -> Transfer:
    """What vk-exercise said. One that did not end has moved nothing: 0 steps, 1 failed."""
    found = _DONE.search(said)
    steps, failed, moved = (int(number) for number in found.groups()) if found else (0, 1, 0)
    return Transfer(
        when=when,
        command=command,
        output=said.strip(),
        steps=steps,
        failed=failed,
        bytes=moved,
        uploads=said.count("vk-exercise: ok upload"),
        downloads=said.count("vk-exercise: ok download"),
    )


def parse_regs(said: str) -> dict[str, Any]:
    """The lines of vkregs as CardState has them. Raises ValueError when one is damaged or missing, CommandFailed when
    vkregs itself refused.
    """
    found: dict[str, Any] = {"registers": {}, "refused": ""}
    lines = [json.loads(line) for line in said.splitlines() if line.startswith("{")]
    for line in lines:
        if "error" in line:
            raise errors.CommandFailed(f"vkregs: {line['error']}", "server")
        if "config" in line:
            found["config"] = {int(at, 0): value for at, value in line["config"].items()}
            found["config_bytes"] = line["size"]
        elif "bars" in line:
            found["bars"] = line["bars"]
        elif "refused" in line:
            found["refused"] = line["refused"]
        elif "registers" in line:
            held = found["registers"].setdefault(line["bar"], {})
            held.update({int(at, 0): value for at, value in line["registers"].items()})
    if "config" not in found or "bars" not in found or not any("done" in line for line in lines):
        raise ValueError("lines are missing")
    return found

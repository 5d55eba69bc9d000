# SPDX-License-Identifier: Apache-2.0
"""The card as the unmodified driver uses it: messages, every way to reset it, boot images, a panic in mid-transfer.

The server's side is `vk-exercise` (fixtures/server/exercise), which compares every byte that it moves.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterator

import pytest

from vkbench import config, errors
from vkbench.instruments import Console, ScpiAnalyser
from vkbench.server.server import Server

DRIVER = "/sys/bus/pci/drivers/bcm-vk"
FIRMWARE = "/lib/firmware/vk_a0-boot"
IMAGE_BYTES = {1: "200k", 2: "4m"}
EXERCISE_S = 240.0
DONE = re.compile(r"vk-exercise: done steps=(\d+) failed=(\d+) bytes=(\d+) us=(\d+)")
SYS_FAULT, HIGH_TEMP = 1 << 5, 1 << 3


class Card:
    """The card by the server's shell, and by the analyser beside it."""

    def __init__(self, bench: config.BenchFile, server: Server, console: Console, analyser: ScpiAnalyser):
        self.bench, self.server, self.console, self.analyser = bench, server, console, analyser
        self.started = 0.0

    def run(self, command: str, timeout: float = 60.0) -> str:
        return self.server.run(command, timeout)

    def exercise(self, words: str) -> str:
        """vk-exercise with these words; what it said. The test fails when one of its steps did."""
        return done(self.run(f"vk-exercise {words} || true", EXERCISE_S), words)

    def said(self, text: str, since: str = "", within_s: float = 20.0) -> str:
        """Waits until the kernel's log, behind the last line with ``since``, has ``text``; returns that part."""
        end = time.monotonic() + within_s
        while True:
            log = self.run("dmesg").rpartition(since)[2] if since else self.run("dmesg")
            if text in log:
                return log
            assert time.monotonic() < end, f"{text!r} is not in the kernel's log:\n{log[-2000:]}"
            time.sleep(0.2)

    def mark(self, name: str) -> str:
        """A line of our own in the kernel's log."""
        self.run(f"echo '{name}' > /dev/kmsg")
        return name

    def bind(self, how: str) -> None:
        self.run(f"echo {self.slot()} > {DRIVER}/{how}", 90)

    def slot(self) -> str:
        return self.run("basename $(dirname $(grep -l 0x5e87 /sys/bus/pci/devices/*/device))").strip()

    def rebind(self) -> None:
        self.bind("unbind")
        self.bind("bind")


def done(text: str, words: str) -> str:
    found = DONE.search(text)
    assert found, f"vk-exercise {words} did not end:\n{text[-3000:]}"
    bad = [line for line in text.splitlines() if line.startswith("vk-exercise: fail")]
    assert int(found[1]) > 0 and int(found[2]) == 0, f"vk-exercise {words}:\n" + "\n".join(bad)
    return text


@pytest.fixture(scope="module")
def wires(bench, server, console, analyser) -> Iterator[Card]:
    """The instruments; the server is off."""
    yield Card(bench, server, console, analyser)
    analyser.boot_mode("RUN")


@pytest.fixture(scope="module")
def card(wires: Card) -> Card:
    """One boot for all tests but those that panic. dyndbg: the driver says what it found on the card."""
    wires.server.power_on_to_shell()
    wires.run(f"{wires.bench.server.commands.load_driver} dyndbg=+p")
    wires.said("Peer log")
    wires.run("rmmod bcm_vk", 90)
    wires.server.load_driver()
    wires.started = time.monotonic()
    return wires


def test_the_driver_finds_queues_and_card_information(card: Card) -> None:
    log = card.run("dmesg")
    assert "cmpt_tag  : vkbench endpoint" in log
    assert "Peer log: Size 0x100(0xff)" in log
    assert "BAR1 msgq marker not initialized" not in log
    assert card.run("grep -c bcm-vk /proc/interrupts").strip() == "4"


@pytest.mark.parametrize("planes", [1, 2, 3, 4])
def test_every_byte_comes_back_whatever_the_size_and_the_place(card: Card, planes: int) -> None:
    card.exercise(f"--seed {planes} --planes {planes} --queue {planes % 3} transfer")


def test_many_messages_at_once_on_all_queues(card: Card) -> None:
    card.exercise("--sizes 100000 --count 24 flight")
    card.exercise("--sizes 1 --count 60 --planes 1 flight")


def test_contexts_begin_with_init_and_end_with_the_program(card: Card) -> None:
    card.exercise("--sizes 5000 context")


def test_what_the_card_must_refuse_it_refuses_and_works_on(card: Card) -> None:
    card.exercise("--sizes 5000 refuse")


def test_an_alert_of_the_card_reaches_the_kernels_log(card: Card) -> None:
    since = card.mark("vkbench: alert")
    card.analyser.alert(HIGH_TEMP)
    card.said("high_temp RAISED", since)
    card.analyser.alert(0)
    card.said("high_temp CLEARED", since)


def test_a_fault_of_the_card_shows_the_cards_own_log(card: Card) -> None:
    since = card.mark("vkbench: senseless")
    card.exercise("--sizes 5000 senseless")
    card.analyser.alert(SYS_FAULT)
    assert "sys_fault RAISED" in card.said("SHUTDOWN cmd", since)
    card.analyser.alert(0)


def test_ioctl_reset_then_unbind_and_bind(card: Card) -> None:
    card.exercise("reset")
    assert "Operation not permitted" in card.run("(echo 0123456789abcde > /dev/bcm-vk.0) 2>&1 || true")
    card.rebind()
    card.exercise("--sizes 1,70001 --planes 1,4 transfer")


def test_the_driver_comes_and_goes(card: Card) -> None:
    for turn in range(3):
        card.rebind()
        card.exercise(f"--seed {turn} --sizes 9001 --planes 3 transfer")
    for turn in range(3):
        card.run("rmmod bcm_vk", 90)
        card.server.load_driver()
        card.exercise(f"--seed {turn} --sizes 9001 --planes 2 transfer")
    for _turn in range(4):  # soft resets in a row, with nothing between them
        card.rebind()
    card.exercise("--sizes 9001 --planes 1 transfer")


def test_a_program_that_is_killed_in_mid_transfer_leaves_a_card_that_works(card: Card) -> None:
    for turn in range(3):
        card.run(
            f"vk-exercise --seed {turn} --sizes 4m --planes 2 hammer > /dev/null & "
            "sleep 1; kill -9 $!; wait; sleep 3"
        )
        card.exercise(f"--seed {turn} --sizes 70001 --planes 4 transfer")


def test_a_card_that_waits_for_its_boot_images_gets_them_from_the_driver(card: Card) -> None:
    for number, size in IMAGE_BYTES.items():
        card.run(f"vk-exercise --seed {number} --sizes {size} image {FIRMWARE}{number}.bin")
    card.analyser.boot_mode("ROM")
    try:
        since = card.mark("vkbench: boot images")
        card.rebind()
        log = card.said("Auto load vk_a0-boot2.bin, ret 0", since, 60)
        assert "Auto load vk_a0-boot1.bin, ret 0" in log
        card.exercise(f"compare {FIRMWARE}2.bin")
        card.exercise("--sizes 1,70001 --planes 1,4 transfer")
    finally:
        card.analyser.boot_mode("RUN")
    card.rebind()
    card.exercise("--sizes 9001 --planes 1 transfer")


def test_the_card_s_heart_never_stopped(card: Card) -> None:
    time.sleep(max(0.0, 35 - (time.monotonic() - card.started)))  # 10 equal samples, 3 s apart
    log = card.run("dmesg")
    for words in ("Heartbeat Misses", "Invalid rd_idx", "BUG:", "Oops", "WARNING:"):
        assert words not in log, log[-3000:]


@pytest.mark.parametrize("post_notifiers", [False, True], ids=["stock", "post-notifiers"])
def test_a_panic_in_mid_transfer_leaves_a_card_that_the_crash_kernel_can_use(
    wires: Card, post_notifiers: bool
) -> None:
    settings = wires.bench.server
    wires.server.power_on_to_shell()
    wires.server.load_driver()
    wires.server.arm_kdump(post_notifiers)
    wires.run(
        "for q in 0 1 2; do vk-exercise --queue $q --sizes 2m --planes 2 --seconds 99 hammer > /tmp.$q & done"
    )
    wires.run("sleep 3; grep -c ok /tmp.0 /tmp.1 /tmp.2")
    wires.server.inject_sysrq()
    wires.server.follow_into_crash_kernel()

    def crash_run(command: str) -> str:
        return wires.console.run(command, settings.crash_prompt, EXERCISE_S)

    try:
        assert "ready /dev/bcm-vk.0" in crash_run(settings.commands.load_driver)
        words = "--sizes 1,70001 --planes 1,4 transfer"
        done(crash_run(f"vk-exercise {words} || true"), words)
        log = crash_run("dmesg")
    except errors.BenchError as error:
        pytest.fail(f"{error}\n{wires.console.text()[-4000:]}")
    for words in ("Invalid rd_idx", "BUG:", "Oops"):
        assert words not in log, log[-3000:]

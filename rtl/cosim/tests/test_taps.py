# SPDX-License-Identifier: Apache-2.0
"""What the co-simulation shows the analyser beside TLPs: configuration accesses, link, MSI-X, inputs, outputs."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from conftest import COMMAND_BME, COMMAND_MEM, Cosim
from records import CFG, CONFIG, CQ, LEVEL, RESET, SCRATCH, Event, Stand, arm, capture
from vfio_client import CONFIG as CONFIG_REGION

LINK_UP, LINK = 1, 0x1FFF  # bits of the level word: all of the link's
L0_GEN3_X8 = 1 | 3 << 1 | 3 << 4 | 0x10 << 7
MSIX_ENABLE, MSIX_MASK = 1 << 13, 1 << 14
INPUTS = 28
PERST_RELEASED = 2


def of(events: list[Event], *kinds: int) -> list[Event]:
    """The events of these kinds, without the two that say what held at arming."""
    return [
        event
        for event in events
        if event.kind in kinds
        and not (event.kind == LEVEL and event.data == event.before)
        and not (event.kind == CFG and event.data == event.aux)
    ]


def test_configuration_accesses_are_recorded_with_what_was_read_and_written(cosim: Cosim) -> None:
    with Stand(cosim) as stand:
        client = stand.client
        arm(stand.scpi)
        identity = client.read32(CONFIG_REGION, 0)
        client.write(CONFIG_REGION, 0x3C, b"\x5a")
        client.write(CONFIG_REGION, 0x0D, b"\x11\x22")
        client.write(CONFIG_REGION, 0x10, b"\xff" * 8)
        client.read(CONFIG_REGION, 0x12, 8)  # touches three dwords
        events = of(capture(stand.scpi), CONFIG)
    rows = [(event.aux & 0xFFF, event.aux >> 12, event.data) for event in events]
    assert rows == [
        (0x00, 0, identity),
        (0x3C, 0b0001, 0x5A),
        (0x0C, 0b0110, 0x221100),
        (0x10, 0b1111, 0xFFFFFFFF),
        (0x14, 0b1111, 0xFFFFFFFF),
        (0x10, 0, 0xFFFF0004),
        (0x14, 0, 0xFFFFFFFF),
        (0x18, 0, 0xE0200004),
    ]
    assert len({event.time for event in events}) == len(events)


def test_a_configuration_write_comes_before_its_effect_and_between_its_neighbours(cosim: Cosim) -> None:
    with Stand(cosim) as stand:
        client = stand.client
        arm(stand.scpi)
        for turn in range(10):
            client.write32(2, SCRATCH, turn)
            client.write(CONFIG_REGION, 4, bytes([COMMAND_MEM]))
            client.read32(2, SCRATCH)
            client.write(CONFIG_REGION, 4, bytes([COMMAND_MEM | COMMAND_BME]))
        events = of(capture(stand.scpi), CONFIG, CFG, CQ)
    assert [event.kind for event in events] == [CQ, CONFIG, CFG] * 20
    for config, command in zip(events[1::3], events[2::3], strict=True):
        assert config.time < command.time <= config.time + 2
        assert config.data & 0xFF == command.aux & 0xFF and config.aux == 0x1004


def test_the_link_comes_up_after_the_slots_reset_as_configuration_space_says(cosim: Cosim) -> None:
    with Stand(cosim) as stand:
        arm(stand.scpi)
        stand.client.reset()
        stand.client.read32(CONFIG_REGION, 0)
        events = of(capture(stand.scpi), RESET, LEVEL, CONFIG)
        status = int.from_bytes(stand.client.read(CONFIG_REGION, 0x72, 2), "little")
        assert (status & 0xF, status >> 4 & 0x3F) == (3, 8)
    links = [event for event in events if event.kind == LEVEL and (event.data ^ event.before) & LINK]
    assert [event.data & LINK for event in links] == [0, L0_GEN3_X8] and links[0].before & LINK == L0_GEN3_X8
    released = next(event.time for event in events if event.kind == RESET and event.aux == PERST_RELEASED)
    access = next(event.time for event in events if event.kind == CONFIG)
    assert released < links[1].time < access, "an access while the link was down"


def test_msix_enable_and_function_mask_are_levels(cosim: Cosim) -> None:
    with Stand(cosim) as stand:
        arm(stand.scpi)
        for control in (0x80, 0xC0, 0x80, 0x00):
            stand.client.write(CONFIG_REGION, 0x53, bytes([control]))
        events = of(capture(stand.scpi), LEVEL)
    bits = [event.data & (MSIX_ENABLE | MSIX_MASK) for event in events]
    assert bits == [MSIX_ENABLE, MSIX_ENABLE | MSIX_MASK, MSIX_ENABLE, 0]


def test_general_inputs_are_recorded_to_the_cycle(start_cosim: Callable[..., Cosim]) -> None:
    period = 5000
    cosim = start_cosim("--input-toggle", str(period))
    scpi = cosim.scpi()
    arm(scpi)
    cosim.wait(lambda: int(scpi.ask("CAPT:COUN?")) > 40)
    events = [event for event in of(capture(scpi), LEVEL) if (event.data ^ event.before) >> INPUTS]
    scpi.close()
    for first, second in zip(events, events[1:], strict=False):
        assert second.data >> INPUTS == ((first.data >> INPUTS) + 1) % 16
        assert second.time - first.time == period
    assert len(events) > 30


@pytest.mark.parametrize("captures", [1, 3])
def test_the_trigger_output_rises_once_a_capture(cosim: Cosim, captures: int) -> None:
    with Stand(cosim) as stand:
        for turn in range(1, captures + 1):
            arm(stand.scpi)
            stand.scpi.write("TRIG:IMM")
            cosim.wait(lambda turn=turn: cosim.status()["trigger_outputs"] == turn)
        status = cosim.status()
        assert (status["trigger_outputs"], status["trigger_pulses"]) == (captures, 0)


def test_a_step_of_the_triggers_program_gives_a_pulse(cosim: Cosim) -> None:
    with Stand(cosim) as stand:
        scpi = stand.scpi
        arm(
            scpi,
            "TRIG:CLE",
            "TRIG:SOUR SEQ",
            "TRIG:TERM1:SOUR CQ",
            "TRIG:TERM1:DATA 4660,4294967295",
            "TRIG:STEP1 1,3,FIRE",
            "TRIG:STEP1:PULS ON",
        )
        for turn in range(3):
            assert cosim.status()["trigger_outputs"] == 0, f"fired at write {turn} of 3"
            stand.client.write32(2, SCRATCH, 4660)
            stand.client.write32(2, SCRATCH, 4661)
        cosim.wait(lambda: cosim.status()["trigger_outputs"] == 1)
        assert cosim.status()["trigger_pulses"] == 1

# SPDX-License-Identifier: Apache-2.0
"""The console by serial over LAN, beside the bench file's own: the same bytes, and BREAK, which raw TCP cannot carry."""

from __future__ import annotations

from contextlib import ExitStack

import pytest

from vkbench import errors
from vkbench.config.model import SOL, Console
from vkbench.instruments import open_bmc, open_console
from vkbench.instruments.console_sol import SolConsole

BOOT_S, LIMIT_S = 180.0, 20.0


def test_serial_over_lan_has_every_byte_and_brings_break_to_the_kernel(lab, bench):
    if bench.sol.kind != "ipmi" or bench.console.url == SOL:
        pytest.skip("this bench has no second way to its console")
    if bench.server.login is not None:
        pytest.skip("two consoles that log in at once would type over each other")
    prompt = bench.server.prompt
    with ExitStack() as wires:
        bmc = wires.enter_context(open_bmc(bench))
        sol = wires.enter_context(SolConsole(Console(url=SOL), bench.sol))
        console = wires.enter_context(open_console(bench))
        wires.callback(bmc.power_off)
        bmc.power_off()
        bmc.power_on()
        for line in (sol, console):
            line.expect(prompt, BOOT_S)
        console.run("echo 1 > /proc/sys/kernel/sysrq", prompt, LIMIT_S)
        at = sol.position, console.position
        sol.sysrq("h")
        for line, start in zip((sol, console), at, strict=True):
            line.expect("sysrq: HELP", LIMIT_S, start)
        console.run("head -c 100000 /proc/kallsyms", prompt, LIMIT_S)
        # Both have seen the same last words, so all that came before is there as well.
        console.run("echo the ''end", prompt, LIMIT_S)
        sol.expect("the end", LIMIT_S)
        sol.expect(prompt, LIMIT_S)
        booted = "Linux version"
        one, two = (line.text().rstrip() for line in (sol, console))
        assert one[one.index(booted) :] == two[two.index(booted) :]
        if bench.console.url.startswith("socket://"):
            with pytest.raises(errors.ConsoleNotSupported):
                console.send_break()

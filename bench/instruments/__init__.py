# SPDX-License-Identifier: Apache-2.0
"""The instruments: protocol.py says what one can do, a driver module how, the bench file where.

``open_*`` choose the driver by the bench file; nobody else needs to know which drivers there are.
"""

from vkbench.config.model import SOL, BenchFile
from vkbench.instruments.analyser import ScpiAnalyser
from vkbench.instruments.bmc_ipmi import IpmiBmc
from vkbench.instruments.console import SerialConsole, Sink
from vkbench.instruments.protocol import Analyser, Bmc, Console, Power

__all__ = [
    "Analyser",
    "Bmc",
    "Console",
    "IpmiBmc",
    "Power",
    "ScpiAnalyser",
    "SerialConsole",
    "open_analyser",
    "open_bmc",
    "open_console",
    "open_power",
]


def open_bmc(bench: BenchFile) -> Bmc:
    """The BMC's driver; a context manager."""
    if bench.bmc.kind == "redfish":
        from vkbench.instruments.bmc_redfish import RedfishBmc

        return RedfishBmc(bench.bmc)
    return IpmiBmc(bench.bmc)


def open_console(bench: BenchFile, *sinks: Sink) -> Console:
    """The console's driver; a context manager. Each sink gets every byte as it comes."""
    if bench.console.url == SOL:
        from vkbench.instruments.console_sol import SolConsole

        return SolConsole(bench.console, bench.sol, *sinks)
    return SerialConsole(bench.console, *sinks)


def open_analyser(bench: BenchFile) -> Analyser:
    """The analyser's driver; a context manager."""
    return ScpiAnalyser(bench.analyser)


def open_power(bench: BenchFile) -> Power | None:
    """The power supply's driver, a context manager; None when the bench has none."""
    if bench.power is None:
        return None
    from vkbench.instruments.power import ScpiPower

    return ScpiPower(bench.power)

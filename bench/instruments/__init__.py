# SPDX-License-Identifier: Apache-2.0
"""The instruments: protocol.py says what one can do, a driver module how, the bench file where."""

from vkbench.instruments.analyser import ScpiAnalyser
from vkbench.instruments.bmc_ipmi import IpmiBmc
from vkbench.instruments.console import SerialConsole
from vkbench.instruments.protocol import Analyser, Bmc, Console

__all__ = ["Analyser", "Bmc", "Console", "IpmiBmc", "ScpiAnalyser", "SerialConsole"]

# SPDX-License-Identifier: Apache-2.0
"""Runs sushy-tools' Redfish emulator with a machine behind it that is real: everything goes to its BMC by IPMI.

``python -m vkbench.virtual.redfish_emulator CONFIG``; redfish.py writes CONFIG.
"""

import json
import sys
import threading
import uuid
from pathlib import Path
from typing import Any

from sushy_tools import error
from sushy_tools.emulator import main as emulator
from sushy_tools.emulator.resources.systems.base import AbstractSystemsDriver

from vkbench import errors
from vkbench.config.model import Bmc, Secret
from vkbench.instruments.bmc_ipmi import IpmiBmc
from vkbench.instruments.protocol import BootDevice

SETTINGS = "VKBENCH_BMC"  # key in the emulator's configuration: a file with what this driver needs
BOOT_TARGETS: dict[str, BootDevice] = {
    "Pxe": "pxe",
    "Hdd": "disk",
    "Cd": "cd",
    "BiosSetup": "bios",
    "None": "none",
}


class IpmiSystems(AbstractSystemsDriver):
    """The emulator's driver of systems: there is one, and IPMI says and does everything."""

    _settings: dict[str, Any]

    @classmethod
    def initialize(cls, config: dict[str, Any], logger: Any) -> type["IpmiSystems"]:
        """What the emulator calls first."""
        cls._settings = json.loads(Path(config[SETTINGS]).read_text())
        return cls

    def __init__(self) -> None:
        super().__init__()
        settings = self._settings
        self._name = settings["name"]
        self._uuid = str(uuid.uuid5(uuid.NAMESPACE_DNS, self._name))
        self._boot: str = "None"
        # The emulator answers in threads; a BMC is asked one thing at a time.
        self._lock = threading.Lock()
        self._bmc = IpmiBmc(
            Bmc(
                host="127.0.0.1",
                port=settings["ipmi_port"],
                user=settings["user"],
                password=Secret(file=settings["password_file"]),
            )
        )

    @property
    def driver(self) -> str:
        """For the emulator's log."""
        return "<vkbench>"

    @property
    def systems(self) -> list[str]:
        """Identities of the systems."""
        return [self._uuid]

    def uuid(self, identity: str) -> str:
        """The system's identity."""
        if identity == self._name:
            raise error.AliasAccessError(self._uuid)
        if identity != self._uuid:
            raise error.NotFound(f"System {identity} was not found")
        return self._uuid

    def name(self, identity: str) -> str:
        """The system's name."""
        self.uuid(identity)
        return self._name

    def get_power_state(self, identity: str) -> str:
        """On or Off."""
        self.uuid(identity)
        return "On" if self._ask("is_on") else "Off"

    def set_power_state(self, identity: str, state: str) -> None:
        """ComputerSystem.Reset."""
        self.uuid(identity)
        actions = {
            "On": "power_on",
            "ForceOn": "power_on",
            "ForceOff": "power_off",
            "GracefulShutdown": "shutdown",
            "ForceRestart": "reset",
            "Nmi": "diagnostic_interrupt",
        }
        if state not in actions:
            raise error.NotSupportedError(f"ResetType {state} is not supported")
        self._ask(actions[state])

    def get_boot_device(self, identity: str) -> str:
        """What was set last: a real BMC too keeps its own note."""
        self.uuid(identity)
        return self._boot

    def set_boot_device(self, identity: str, boot_source: str) -> None:
        """BootSourceOverrideTarget."""
        self.uuid(identity)
        if boot_source not in BOOT_TARGETS:
            raise error.NotSupportedError(f"Boot source {boot_source} is not supported")
        self._ask("set_boot_device", BOOT_TARGETS[boot_source])
        self._boot = boot_source

    def _ask(self, what: str, *arguments: Any) -> Any:
        with self._lock:
            try:
                return getattr(self._bmc, what)(*arguments)
            except errors.BmcNotSupported as failure:
                raise error.Conflict(str(failure)) from None
            except errors.BenchError as failure:
                raise error.FishyError(str(failure)) from None


def main() -> int:
    """Run the emulator until it is told to end."""
    if len(sys.argv) != 2:
        print("usage: python -m vkbench.virtual.redfish_emulator CONFIG", file=sys.stderr)
        return 3
    emulator.fakedriver.FakeDriver = IpmiSystems  # the place where the emulator lets a driver in
    sys.argv = ["sushy-emulator", "--config", sys.argv[1], "--fake"]
    return emulator.main()


if __name__ == "__main__":
    sys.exit(main())

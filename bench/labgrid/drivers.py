# SPDX-License-Identifier: Apache-2.0
"""labgrid's way to use our instruments: its power and reset protocols by the BMC, and the analyser as it is.

In an environment file: ``imports: [vkbench.labgrid.drivers]`` and the drivers by name.
"""

from typing import Any

import attr
from labgrid.driver.common import Driver
from labgrid.factory import target_factory
from labgrid.protocol import PowerProtocol, ResetProtocol
from labgrid.step import step

from vkbench.config.model import Analyser, Bmc, Secret
from vkbench.instruments.analyser import ScpiAnalyser
from vkbench.labgrid import resources  # noqa: F401 - registers them


@target_factory.reg_driver
@attr.s(eq=False)
class VkbenchBmcDriver(Driver, PowerProtocol, ResetProtocol):
    """Power, reset and NMI by the BMC.

    Args:
        user (str): user with the administrator privilege
        password_env (str): environment variable that holds the password
    """

    bindings = {"bmc": "VkbenchBmc"}
    user = attr.ib(validator=attr.validators.instance_of(str))
    password_env = attr.ib(validator=attr.validators.instance_of(str))

    def on_activate(self) -> None:
        """Log in: a wrong password must show now."""
        found = self.bmc
        settings = Bmc(
            kind=found.kind,
            host=found.host,
            port=found.port,
            user=self.user,
            password=Secret(env=self.password_env),
        )
        self._bmc = _bmc(settings)
        self._bmc.__enter__()

    def on_deactivate(self) -> None:
        """Log out."""
        self._bmc.__exit__(None, None, None)

    @Driver.check_active
    @step()
    def on(self) -> None:
        """Power on."""
        self._bmc.power_on()

    @Driver.check_active
    @step()
    def off(self) -> None:
        """Power off at once."""
        self._bmc.power_off()

    @Driver.check_active
    @step()
    def cycle(self) -> None:
        """Off and on again."""
        self._bmc.power_cycle()

    @Driver.check_active
    @step(result=True)
    def get(self) -> bool:
        """True when the power is on."""
        return self._bmc.is_on()

    @Driver.check_active
    @step()
    def reset(self) -> None:
        """Hard reset."""
        self._bmc.reset()

    @Driver.check_active
    @step()
    def nmi(self) -> None:
        """Diagnostic interrupt."""
        self._bmc.diagnostic_interrupt()


def _bmc(settings: Bmc) -> Any:
    if settings.kind == "redfish":
        from vkbench.instruments.bmc_redfish import RedfishBmc

        return RedfishBmc(settings)
    from vkbench.instruments.bmc_ipmi import IpmiBmc

    return IpmiBmc(settings)


@target_factory.reg_driver
@attr.s(eq=False)
class VkbenchAnalyserDriver(Driver):
    """The analyser; ``analyser`` is vkbench's own driver (vkbench.instruments.ScpiAnalyser), open while this is active."""

    bindings = {"port": "VkbenchAnalyser"}

    def on_activate(self) -> None:
        """Open it."""
        self.analyser = ScpiAnalyser(Analyser(resource=self.port.resource))
        self.analyser.__enter__()

    def on_deactivate(self) -> None:
        """Close it."""
        self.analyser.__exit__(None, None, None)

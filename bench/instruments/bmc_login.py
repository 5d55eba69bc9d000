# SPDX-License-Identifier: Apache-2.0
"""What every BMC driver says when the BMC does not take the user: whom, with a password from where; never the password."""

from vkbench import errors
from vkbench.config.model import Bmc

RIGHTS = {"ipmi": "privilege over LAN", "redfish": "role"}


def login_refused(settings: Bmc, where: str, said: str = "") -> errors.BmcLoginError:
    """The error. ``said``: the BMC's own words."""
    secret = settings.password
    source = f"environment variable {secret.env}" if secret.env else f"file {secret.path}"
    return errors.BmcLoginError(
        f"the BMC refuses user {settings.user!r} with the password from {source}"
        + (f": {said}" if said else ""),
        where,
        f"Check both; the user needs the administrator {RIGHTS[settings.kind]}",
    )

# SPDX-License-Identifier: Apache-2.0
"""``vkbench lab up --foreground``: the virtual bench as a service of systemd or a container."""

import os
import socket
import time
from contextlib import suppress
from typing import Any

from vkbench import errors, interrupts
from vkbench.cli import common

LOOK_EVERY_S = 0.5


def serve(provider: Any, started: bool, as_json: bool) -> None:
    """Stay until SIGTERM or Ctrl-C, or until the bench ends by itself; the bench is down afterwards.

    Raises LabError when somebody else started the bench, or when one of its processes has ended.
    """
    if not started:
        raise errors.LabError(
            "was up already, so this is not the command to keep it",
            f"bench {provider.bench.name}",
            "vkbench lab down first, or leave --foreground out",
        )
    try:
        if as_json:
            common.print_json(provider.status())
        common.say(f"lab: up; logs in {provider.runtime}; SIGTERM or Ctrl-C takes it down")
        _tell_systemd("READY=1")
        while (found := provider.status())["up"]:
            time.sleep(LOOK_EVERY_S)  # they may be nobody's children: there is nothing to wait for
    except KeyboardInterrupt:
        _tell_systemd("STOPPING=1")
        with interrupts.held():
            common.say(f"lab: ended {', '.join(provider.down())}")
        return
    except BaseException:
        with interrupts.held():
            provider.down()
        raise
    gone = [process["name"] for process in found["processes"] if not process["alive"]]
    if not gone:
        common.say("lab: taken down by another command")
        return
    with interrupts.held():
        provider.down()
    raise errors.LabError(
        f"{', '.join(gone)} ended; the rest was taken down",
        f"bench {provider.bench.name}",
        f"See the logs in {provider.runtime}",
    )


def _tell_systemd(state: str) -> None:
    """sd_notify(3), for a unit of Type=notify."""
    address = os.environ.get("NOTIFY_SOCKET")
    if not address:
        return
    with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as line:
        line.sendto(state.encode(), "\0" + address[1:] if address.startswith("@") else address)
